"""Norms of vectors and matrices."""

from __future__ import annotations

import math


from compat.torch import reductions as r
from compat.torch.dtypes import SCALAR_NAMES, to_numpy_or_none
from compat.torch.linalg.checks import check, failed
from compat.torch.linalg.factors import svdvals
from compat.torch.linalg.solving import inv
from compat.torch.selecting import where
from compat.torch.promotion import is_floating
from compat.torch.tensor import wrap_dim, wrap_dims


def vector_norm(x, ord=2, dim=None, keepdim=False, *, dtype=None):
    """(sum |x|^ord)^(1/ord)."""
    if not is_floating(x.spec.dtype):
        raise RuntimeError("linalg.vector_norm: Expected a floating point or complex tensor as "
                           f"input. Got {SCALAR_NAMES[x.spec.dtype.name]}")
    dims = wrap_dims(dim, len(x.spec.shape))
    if ord < 0 or ord == math.inf:
        if any(not x.spec.shape[d] for d in dims):
            raise RuntimeError("linalg.vector_norm cannot compute the "
                               f"{ord} norm on an empty tensor because the operation does not have "
                               "an identity")
    return r.vector_norm(x, float(ord), dim, keepdim, to_numpy_or_none(dtype))


def matrix_norm(A, ord="fro", dim=(-2, -1), keepdim=False, *, dtype=None):
    """A norm of matrices: fro, nuc, inf, 1, 2 or a negative one of these numbers."""
    check("matrix_norm", A, square=False)
    if len(dim) != 2:
        raise RuntimeError(f"linalg.matrix_norm: dim must be a 2-tuple. Got {dim}")
    a, b = (wrap_dim(d, A.dim()) for d in dim)
    if a == b:
        raise RuntimeError(f"linalg.matrix_norm: dims must be different. Got ({dim[0]}, {dim[1]})")
    if ord not in ("fro", "nuc") and (isinstance(ord, str) or abs(ord) not in (1, 2, math.inf)):
        raise RuntimeError(f"linalg.matrix_norm: Order {ord} not supported.")
    x = A if dtype is None else A.to(dtype)
    if ord == "fro":
        return vector_norm(x, 2, (a, b), keepdim)
    if ord in ("nuc", 2, -2):
        values = svdvals(x.movedim((a, b), (-2, -1)))
        out = values.sum(-1) if ord == "nuc" else values.amax(-1) if ord == 2 else values.amin(-1)
    else:
        first, second = (a, b) if abs(ord) == 1 else (b, a)
        sums = x.abs().sum(first, keepdim=True)
        out = (sums.amax if ord > 0 else sums.amin)(second, True).squeeze((a, b))
    for d in sorted((a, b)) if keepdim else ():
        out = out.unsqueeze(d)
    return out


def norm(A, ord=None, dim=None, keepdim=False, *, dtype=None):
    """A vector or matrix norm, by `dim`; of all elements where neither it nor `ord` is given."""
    if not is_floating(A.spec.dtype):
        raise RuntimeError("linalg.norm: Expected a floating point or complex tensor as input. Got "
                           f"{SCALAR_NAMES[A.spec.dtype.name]}")
    dims = (dim,) if isinstance(dim, int) else dim
    if dims is not None and len(dims) not in (1, 2):
        raise RuntimeError(f"linalg.norm: If dim is specified, it must be of length 1 or 2. Got "
                           f"{list(dims)}")
    if ord is None:
        return vector_norm(A, 2, dims, keepdim, dtype=dtype)
    if dims is None and A.dim() not in (1, 2):
        raise RuntimeError("linalg.norm: If dim is not specified but ord is, the input must be 1D "
                           f"or 2D. Got {A.dim()}D.")
    if dims is None and A.dim() == 2 or dims is not None and len(dims) == 2:
        return matrix_norm(A, ord, (0, 1) if dims is None else dims, keepdim, dtype=dtype)
    if isinstance(ord, str):
        raise RuntimeError(f"linalg.norm: Order {ord} not supported.")
    return vector_norm(A, ord, dims, keepdim, dtype=dtype)


def cond(A, p=None):
    """The condition number: the norm times the norm of the inverse."""
    check("cond", A, square=p not in (None, 2, -2), prefix="linalg.")
    if p in (None, 2, -2):
        values = svdvals(A)
        low, high = values[..., -1], values[..., 0]
        return low / high if p == -2 else high / low
    inverse = inv(A, name="cond", check_errors=False)
    out = matrix_norm(A, p) * matrix_norm(inverse, p)
    return out if not failed(inverse, A) else where(out.isnan(), math.inf, out)
