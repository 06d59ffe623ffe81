"""Powers, exponentials, reflections, tensors as matrices."""

from __future__ import annotations

import math

import numpy as np

from compat.torch.dtypes import NAMED

from compat.torch import products
from compat.torch import views as s
from compat.torch.functions import cross as vector_product
from compat.torch.linalg.checks import check, check_pair, named, op
from compat.torch.linalg.solving import inv, solve
from compat.torch.selecting import where
from compat.torch.promotion import broadcast_shapes, is_floating
from compat.torch.tensor import array_of, from_array, known, of_face, wrap_dim
from minigrad.core import aval_of, table


def matrix_power(A, n):
    """A @ A @ ..., n times; of the inverse for a negative n."""
    check("matrix_power", A)
    if n < 0:
        A, n = inv(A), -n
    out = None
    while n:
        if n % 2:
            out = A if out is None else out @ A
        A, n = (A @ A if n > 1 else A), n // 2
    identity = np.eye(A.spec.shape[-1], dtype=A.spec.dtype)
    return from_array(np.broadcast_to(identity, A.spec.shape).copy()) if out is None else \
        out.clone() if out is A else out


@op("linalg_matrix_exp")
def matrix_exp_op(A, squarings):
    """Taylor's series of A / 2^k, squared k times."""
    dtype = aval_of(A).dtype
    x = of_face(A).to(NAMED[np.promote_types(dtype, np.float64)]) * 0.5 ** squarings
    identity = of_face(np.broadcast_to(np.eye(aval_of(A).shape[-1]), aval_of(A).shape))
    out = identity + x / 18
    for k in range(17, 0, -1):
        out = identity + (x @ out) / k
    for _ in range(squarings):
        out = out @ out
    return out.to(NAMED[dtype])


def matrix_exp(A):
    """The matrix exponential."""
    check("matrix_exp", A, prefix="linalg.")
    size = 16.0
    if known(A) and A.spec.aval.size:
        size = float(np.abs(array_of(A)).sum(-2).max())
    squarings = max(0, math.ceil(math.log2(size / 1.09))) if 0 < size < math.inf else 0
    return matrix_exp_op(A, squarings)


def multi_dot(tensors):
    """The product of several matrices, in the cheapest order."""
    xs = list(tensors)
    if len(xs) < 2:
        raise RuntimeError("multi_dot(): expected at least 2 tensors but got "
                           f"{len(xs)}")
    first, final = xs[0].dim() == 1, xs[-1].dim() == 1
    for i, x in enumerate(xs):
        if x.dim() != 2 and not (x.dim() == 1 and i in (0, len(xs) - 1)):
            raise RuntimeError(f"multi_dot(): tensor {i} must be 2D but got {x.dim()}D")
    xs[0] = xs[0].unsqueeze(0) if first else xs[0]
    xs[-1] = xs[-1].unsqueeze(-1) if final else xs[-1]
    while len(xs) > 1:  # the pair with the largest inner dimension goes first
        i = max(range(len(xs) - 1), key=lambda i: xs[i].spec.shape[-1])
        xs[i:i + 2] = [products.mm(xs[i], xs[i + 1])]
    out = xs[0].squeeze(-1) if final else xs[0]
    return out.squeeze(0) if first else out


def householder_product(A, tau):
    """The first columns of the product of reflections 1 - tau v v^H, with v below the diagonal."""
    check("householder_product", A, square=False)
    rows, n = A.spec.shape[-2:]
    if rows < n:
        raise RuntimeError("torch.linalg.householder_product: input.shape[-2] must be greater than "
                           "or equal to input.shape[-1]")
    if tau.spec.shape[-1] > n:
        raise RuntimeError("torch.linalg.householder_product: input.shape[-1] must be greater than "
                           "or equal to tau.shape[-1]")
    out = from_array(np.broadcast_to(np.eye(rows, n, dtype=A.spec.dtype),
                                     A.spec.shape).copy())
    for v, t in reversed(list(reflections(A, tau))):
        out = out - t * (v @ (v.mH @ out))
    return out


def reflections(A, tau):
    rows = A.spec.shape[-2]
    for i in range(tau.spec.shape[-1]):
        below = from_array((np.arange(rows) > i)[:, None])
        unit = from_array((np.arange(rows) == i)[:, None].astype(A.spec.dtype))
        yield where(below, A[..., i:i + 1], 0.0) + unit, tau[..., i, None, None]


def ormqr(input, tau, other, left=True, transpose=False):
    """The product of `other` with the orthogonal matrix of the reflections."""
    for name, x in (("input", input), ("other", other)):
        if len(x.spec.shape) < 2:
            raise RuntimeError(f"torch.ormqr: {name} must have at least 2 dimensions.")
    out, steps = other, list(reflections(input, tau))
    for v, t in steps if left == transpose else steps[::-1]:
        t = t.conj() if transpose else t
        out = out - t * (v @ (v.mH @ out)) if left else out - ((out @ v) @ v.mH) * t
    return out


def geqrf(input):
    """(R above Householder vectors, their factors)."""
    check("geqrf", input, square=False, prefix="torch.")
    return named("geqrf", "a tau", *map(of_face, table["geqrf"](input)))


def ldl_factor_ex(A, *, hermitian=False, check_errors=False):
    """(LD in one matrix, pivots, info) of a symmetric matrix, as LAPACK packs them."""
    from scipy.linalg import lapack

    check("ldl_factor_ex", A)
    name = "hetrf" if hermitian and A.is_complex() else "sytrf"
    array = array_of(A)
    n = array.shape[-1]
    routine = lapack.get_lapack_funcs((name,), dtype=array.dtype)[0]
    flat = [routine(x, lower=1) for x in array.reshape(-1, n, n)] if array.size else []
    below = [np.tril(ld) for ld, _, _ in flat]
    shapes = ((array.shape, below, array.dtype),
              (array.shape[:-1], [p for _, p, _ in flat], np.int32),
              (array.shape[:-2], [i for _, _, i in flat] or np.zeros(array.shape[:-2]), np.int32))
    return named("linalg_ldl_factor_ex", "LD pivots info", *(
        from_array(np.asarray(x, dtype).reshape(shape)) for shape, x, dtype in shapes))


def ldl_factor(A, *, hermitian=False):
    """(LD in one matrix, pivots)."""
    return named("linalg_ldl_factor", "LD pivots", *ldl_factor_ex(A, hermitian=hermitian)[:2])


def ldl_solve(LD, pivots, B, *, hermitian=False):
    """X with A X = B, from the factors of `ldl_factor`."""
    from scipy.linalg import lapack

    check_pair("ldl_solve", LD, B)
    batch = broadcast_shapes(LD.spec.shape[:-2], B.spec.shape[:-2])
    count = math.prod(batch)
    arrays = [np.broadcast_to(array_of(x), batch + x.spec.shape[-k:]).reshape(
        count, *x.spec.shape[-k:]) for x, k in ((LD, 2), (pivots, 1), (B, 2))]
    name = "hetrs" if hermitian and LD.is_complex() else "sytrs"
    routine = lapack.get_lapack_funcs((name,), dtype=LD.spec.dtype)[0]
    out = [routine(a, p, b, lower=1)[0] for a, p, b in zip(*arrays)] if arrays[2].size else []
    return from_array(np.asarray(out, LD.spec.dtype).reshape(batch + B.spec.shape[-2:]))


def tensorinv(A, ind=2):
    """The inverse for `tensordot` over `ind` dimensions."""
    if ind <= 0:
        raise RuntimeError(f"Expected a strictly positive integer for 'ind' but got {ind}")
    front, back = A.spec.shape[:ind], A.spec.shape[ind:]
    if math.prod(front) != math.prod(back):
        raise RuntimeError("Expected self to satisfy the requirement prod(self.shape[ind:]) == "
                           f"prod(self.shape[:ind]), but got {math.prod(back)} != "
                           f"{math.prod(front)}")
    return inv(A.reshape(math.prod(front), -1)).reshape(back + front)


def tensorsolve(A, B, dims=None):
    """X with tensordot(A, X) = B."""
    if dims is not None:
        rest = [d for d in range(A.dim()) if d not in [wrap_dim(i, A.dim()) for i in dims]]
        A = A.permute(*rest, *dims)
    shape = A.spec.shape[B.dim():]
    if math.prod(shape) != math.prod(B.spec.shape):
        raise RuntimeError("Expected self to satisfy the requirement prod(self.shape[other.ndim:]) "
                           "== prod(self.shape[:other.ndim])")
    return solve(A.reshape(-1, math.prod(shape)), B.reshape(-1)).reshape(shape)


def vecdot(x, y, *, dim=-1):
    """Sums of products along `dim`, the first conjugated."""
    if x.spec.dtype != y.spec.dtype:
        raise RuntimeError("linalg.vecdot: Expected x and y to have the same dtype")
    return (x.conj() * y).sum(dim)


def vander(x, *, N=None):
    """The matrix of ascending powers."""
    if N is not None and N <= 1:
        raise RuntimeError(f"N must be greater than 1. Got {N}.")
    x = x if x.spec.shape else x.reshape(1)
    n = x.spec.shape[-1] if N is None else N
    whole = x if is_floating(x.spec.dtype) else x.long()
    return whole.unsqueeze(-1) ** from_array(np.arange(n))


def diagonal(A, *, offset=0, dim1=-2, dim2=-1):
    """The diagonal of the last two dimensions."""
    return s.diagonal(A, offset, dim1, dim2)


def cross(input, other, *, dim=-1):
    """The vector product along `dim`."""
    return vector_product(input, other, dim)
