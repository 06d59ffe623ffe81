"""`torch.linalg`: norms and products."""

from compat.torch.dtypes import to_numpy_or_none
from compat.torch.products import matmul
from compat.torch.reductions import vector_norm as vector_norm_op

__all__ = ["matmul", "norm", "vector_norm"]


def vector_norm(x, ord=2, dim=None, keepdim=False, *, dtype=None):
    """(sum |x|^ord)^(1/ord)."""
    return vector_norm_op(x, ord, dim, keepdim, to_numpy_or_none(dtype))


def norm(A, ord=None, dim=None, keepdim=False, *, dtype=None):
    """The vector norm; of all elements where neither `ord` nor `dim` is given."""
    return vector_norm(A, 2 if ord is None else ord, dim, keepdim, dtype=dtype)

