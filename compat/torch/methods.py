"""Attaches functions to `Tensor` as methods: one table."""

from __future__ import annotations

from compat.torch import creation, functions, gathering, indexing, inplace, pointwise, products
from compat.torch import joining as j
from compat.torch import random
from compat.torch import reductions as r
from compat.torch import views as s
from compat.torch.dtypes import SCALAR_NAMES
from compat.torch.extremes import argsort, max, min, sort, topk
from compat.torch.operators import OPERATORS
from compat.torch.tensor import Tensor

METHODS = {
    **pointwise.UNARY, **pointwise.PAIRS, **OPERATORS,
    **inplace.INPLACE, **random.METHODS, **creation.METHODS,
    # pointwise, with more than the operands
    "add": pointwise.add, "sub": pointwise.sub, "div": pointwise.div, "pow": pointwise.pow,
    "square": pointwise.square, "clamp": pointwise.clamp, "clip": pointwise.clamp,
    "clamp_min": lambda self, min: pointwise.clamp(self, min),
    "clamp_max": lambda self, max: pointwise.clamp(self, None, max),
    "where": lambda self, condition, other: pointwise.where(condition, self, other),
    "masked_fill": pointwise.masked_fill, "lerp": pointwise.lerp,
    "addcmul": lambda self, tensor1, tensor2, *, value=1:
        pointwise.addcmul(self, tensor1, tensor2, value),
    "addcdiv": lambda self, tensor1, tensor2, *, value=1:
        pointwise.addcdiv(self, tensor1, tensor2, value),
    "multiply": pointwise.PAIRS["mul"], "true_divide": pointwise.div, "subtract": pointwise.sub,
    "absolute": pointwise.UNARY["abs"], "negative": pointwise.UNARY["neg"],
    "greater": pointwise.PAIRS["gt"], "less": pointwise.PAIRS["lt"],
    # reductions
    "sum": r.sum, "mean": r.mean, "prod": r.prod, "all": r.all, "any": r.any, "amax": r.amax,
    "amin": r.amin, "argmax": r.argmax, "argmin": r.argmin, "var": r.var, "std": r.std,
    "norm": r.norm, "softmax": r.softmax, "log_softmax": r.log_softmax, "logsumexp": r.logsumexp,
    "count_nonzero": r.count_nonzero, "max": max, "min": min, "sort": sort, "topk": topk,
    "argsort": argsort, "cumsum": functions.cumsum, "cumprod": functions.cumprod,
    "allclose": functions.allclose, "isclose": functions.isclose, "equal": functions.equal,
    # products
    "matmul": products.matmul, "__matmul__": products.matmul, "mm": products.mm,
    "bmm": products.bmm, "mv": products.mv, "dot": products.dot, "outer": products.outer,
    # shapes
    "view": s.view, "reshape": s.reshape_, "flatten": s.flatten, "unflatten": s.unflatten,
    "squeeze": s.squeeze, "unsqueeze": s.unsqueeze, "permute": s.permute,
    "transpose": s.transpose_, "swapaxes": s.transpose_, "t": s.t, "movedim": s.movedim,
    "expand": s.expand, "expand_as": s.expand_as, "select": s.select, "narrow": s.narrow,
    "split": s.split, "chunk": s.chunk, "unbind": s.unbind, "diagonal": s.diagonal,
    "repeat": j.repeat, "flip": j.flip, "roll": j.roll, "contiguous": s.contiguous,
    "tril": j.tril, "triu": j.triu, "view_as": lambda self, other: s.view(self, other.spec.shape),
    "reshape_as": lambda self, other: s.reshape_(self, other.spec.shape),
    "T": property(s.T), "mT": property(s.mT),
    # indices
    "__getitem__": indexing.getitem, "__setitem__": indexing.setitem, "gather": gathering.gather_,
    "scatter": gathering.scatter_, "scatter_add": gathering.scatter_add_,
    "index_select": gathering.index_select, "masked_select": gathering.masked_select,
    "nonzero": gathering.nonzero, "take": gathering.take,
}


def type_name(self) -> str:
    """`FloatTensor`, as PyTorch's messages call it."""
    return SCALAR_NAMES[self.spec.dtype.name] + "Tensor"


def augmented(name: str):
    """`x += y` writes into x."""
    method = METHODS[f"{name}_"]
    return lambda self, other: method(self, other)


AUGMENTED = {"iadd": "add", "isub": "sub", "imul": "mul", "itruediv": "div", "ipow": "pow",
             "ifloordiv": "floor_divide", "imod": "remainder", "iand": "bitwise_and",
             "ior": "bitwise_or", "ixor": "bitwise_xor"}

METHODS |= {f"__{name}__": augmented(function) for name, function in AUGMENTED.items()}
METHODS["type_name"] = type_name

for name, method in METHODS.items():
    setattr(Tensor, name, method)
