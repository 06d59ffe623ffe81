"""What is a function of `torch`, what is a method of `Tensor`, and what is both: one table."""

from __future__ import annotations

from compat.torch import arranging as a
from compat.torch import creation, functions, indexing, inplace, pointwise, products, selecting
from compat.torch import joining as j
from compat.torch import random
from compat.torch import reductions as r
from compat.torch import spectral
from compat.torch import views as s
from compat.torch.curves import CURVES
from compat.torch.dtypes import SCALAR_NAMES
from compat.torch.extremes import argsort, max, min, sort, topk
from compat.torch.gathering import GATHERING
from compat.torch.histograms import HISTOGRAMS, HISTOGRAMS_FUNCTIONS
from compat.torch.matrices import MATRICES, MATRICES_FUNCTIONS
from compat.torch.operators import OPERATORS
from compat.torch.order import ORDER
from compat.torch.scattering import SCATTERING
from compat.torch.signal.windows import OF_TORCH as WINDOWS
from compat.torch.signatures import public
from compat.torch.statistics import STATISTICS, STATISTICS_FUNCTIONS
from compat.torch.tensor import Tensor
from minigrad.core import make_box

BOTH = {  # functions of torch that are methods too
    **pointwise.UNARY, **pointwise.PAIRS, **CURVES, **GATHERING, **SCATTERING,
    **STATISTICS, **ORDER, **HISTOGRAMS,
    **a.ARRANGING_METHODS, **products.ADDING,
    # pointwise, with more than the operands
    "add": pointwise.add, "sub": pointwise.sub, "div": pointwise.div, "pow": pointwise.pow,
    "square": pointwise.square, "clone": s.clone,
    "clamp": selecting.clamp, "clamp_min": selecting.clamp_min,
    "clamp_max": selecting.clamp_max, "masked_fill": selecting.masked_fill,
    "lerp": selecting.lerp, "addcmul": selecting.addcmul, "addcdiv": selecting.addcdiv,
    # reductions
    "sum": r.sum, "mean": r.mean, "prod": r.prod, "all": r.all, "any": r.any, "amax": r.amax,
    "amin": r.amin, "argmax": r.argmax, "argmin": r.argmin, "var": r.var, "std": r.std,
    **MATRICES, "softmax": r.softmax, "log_softmax": r.log_softmax, "logsumexp": r.logsumexp,
    "count_nonzero": r.count_nonzero, "max": max, "min": min, "sort": sort, "topk": topk,
    "argsort": argsort, "cumsum": functions.cumsum, "cumprod": functions.cumprod,
    "allclose": functions.allclose, "isclose": functions.isclose, "equal": functions.equal,
    # products
    "matmul": products.matmul, "mm": products.mm, "bmm": products.bmm, "mv": products.mv,
    "dot": products.dot, "vdot": products.vdot, "inner": products.inner, "outer": products.outer,
    "kron": products.kron, "cross": functions.cross,
    # shapes
    "reshape": s.reshape_, "flatten": s.flatten, "unflatten": s.unflatten, "squeeze": s.squeeze,
    "unsqueeze": s.unsqueeze, "permute": s.permute, "transpose": s.transpose_, "t": s.t,
    "movedim": s.movedim, "select": s.select, "narrow": s.narrow, "split": s.split,
    "chunk": s.chunk, "unbind": s.unbind, "diagonal": s.diagonal, "flip": j.flip, "roll": j.roll,
    "tril": j.tril, "triu": j.triu, "detach": Tensor.detach, "detach_": Tensor.detach_,
    # what a tensor is
    "numel": Tensor.numel, "is_floating_point": Tensor.is_floating_point,
    "is_complex": Tensor.is_complex, "get_device": Tensor.get_device,
    **{f.__name__: f for f in (
        functions.is_nonzero, functions.is_signed, functions.is_same_size, functions.is_conj,
        functions.is_neg, functions.is_inference)},
    "stft": spectral.stft, "istft": spectral.istft, **random.BOTH, **creation.BOTH,
}
TORCH = {  # functions of torch alone
    **a.ARRANGING, **STATISTICS_FUNCTIONS, **HISTOGRAMS_FUNCTIONS, **MATRICES_FUNCTIONS,
    **WINDOWS, "where": selecting.where_or_nonzero, "cat": j.cat,
    "stack": j.stack, "einsum": functions.einsum, "tensordot": products.tensordot,
    "chain_matmul": products.chain_matmul, "broadcast_tensors": s.broadcast_tensors,
    "constant_pad_nd": j.constant_pad, "is_tensor": functions.is_tensor,
    "fill": inplace.fill_of, "vander": functions.vander,
    "promote_types": functions.promote_types, "can_cast": functions.can_cast,
    "result_type": functions.result_type, **creation.FUNCTIONS, **random.FUNCTIONS,
}
METHODS = {  # methods alone
    **OPERATORS, **random.METHODS, **creation.METHODS, **a.ONLY_METHODS,
    "where": lambda self, condition, other: selecting.where(condition, self, other),
    "__matmul__": products.matmul_operator, "__rmatmul__":
        lambda self, other: products.matmul_operator(other, self),
    "view": s.view, "expand": s.expand, "expand_as": s.expand_as, "repeat": j.repeat,
    "contiguous": s.contiguous, "view_as": lambda self, other: s.view(self, other.spec.shape),
    "reshape_as": lambda self, other: s.reshape_(self, other.spec.shape),
    "polygamma": lambda self, n: CURVES["polygamma"](n, self),
    "as_subclass": lambda self, cls: make_box(cls, self.value, self.spec, self.node),
    "index": lambda self, indices: indexing.getitem(self, tuple(indices)),
    "real": property(CURVES["real"]), "imag": property(CURVES["imag"]),
    "T": property(s.T), "mT": property(s.mT), "__getitem__": indexing.getitem,
    "__setitem__": indexing.setitem,
}
SYNONYMS = {  # NumPy's and other second names
    "absolute": "abs", "arccos": "acos", "arcsin": "asin", "arctan": "atan", "arccosh": "acosh",
    "arcsinh": "asinh", "arctanh": "atanh", "arctan2": "atan2", "clip": "clamp",
    "negative": "neg", "multiply": "mul", "subtract": "sub", "divide": "div",
    "true_divide": "div", "greater": "gt", "less": "lt", "greater_equal": "ge",
    "less_equal": "le", "not_equal": "ne", "swapaxes": "transpose", "ger": "outer",
}
BOTH |= {name: BOTH[meant] for name, meant in SYNONYMS.items()}
TORCH |= {"concat": j.cat, "concatenate": j.cat}
TORCH |= {f"{name}_copy": a.copying(name, BOTH.get(name) or METHODS.get(name) or a.OTHERS[name])
          for name in a.COPIES}
METHODS["narrow_copy"] = TORCH["narrow_copy"]
INPLACE = inplace.variants(BOTH, SYNONYMS)
TORCH |= {name: INPLACE[name] for name in inplace.OF_TORCH.split()}


def type_name(self) -> str:
    """`FloatTensor`, as PyTorch's messages call it."""
    return SCALAR_NAMES[self.spec.dtype.name] + "Tensor"


def augmented(name: str):
    """`x += y` writes into x."""
    method = INPLACE[f"{name}_"]
    return lambda self, other: method(self, other)


AUGMENTED = {"iadd": "add", "isub": "sub", "imul": "mul", "itruediv": "div", "ipow": "pow",
             "ifloordiv": "floor_divide", "imod": "remainder", "iand": "bitwise_and",
             "ior": "bitwise_or", "ixor": "bitwise_xor", "ilshift": "bitwise_left_shift",
             "irshift": "bitwise_right_shift"}

METHODS |= {f"__{name}__": augmented(function) for name, function in AUGMENTED.items()}
METHODS["type_name"] = type_name

for name, method in (BOTH | INPLACE | METHODS).items():
    setattr(Tensor, name, method if isinstance(method, property) else public(method, out=False))

FUNCTIONS = {name: public(function) for name, function in (BOTH | TORCH).items()}
