"""Linear algebra under the names it has in `torch` and as methods, older than `torch.linalg`."""

from __future__ import annotations

from compat.torch import linalg
from compat.torch import random
from compat.torch import reductions as r
from compat.torch.linalg.checks import check, named
from compat.torch.products import matmul


def cholesky(input, upper=False):
    """L with A = L L^H (or L^H L)."""
    return linalg.cholesky(input, upper=upper)


def inverse(input):
    """The inverse of a square matrix."""
    return linalg.inv(input)


def pinverse(input, rcond=1e-15):
    """The pseudo-inverse."""
    return linalg.pinv(input, rcond)


def qr(input, some=True):
    """(Q, R) with A = Q R."""
    return named("qr", "Q R", *linalg.qr(input, "reduced" if some else "complete"))


def svd(input, some=True, compute_uv=True):
    """(U, S, V) with A = U diag(S) V^H."""
    check("svd", input, square=False)
    u, values, vh = linalg.svd(input, full_matrices=not some)
    if not compute_uv:
        rows, columns = input.spec.shape[-2:]
        batch = input.spec.shape[:-2]
        u, vh = input.new_zeros(*batch, rows, rows), input.new_zeros(*batch, columns, columns)
    return named("svd", "U S V", u, values, vh.mH)


def slogdet(input):
    """(sign, log |det A|)."""
    return named("slogdet", "sign logabsdet", *linalg.slogdet(input))


def lu(input, pivot=True, get_infos=False):
    """(LU in one matrix, pivots[, info])."""
    factors, pivots, info = linalg.lu_factor_ex(input, pivot=pivot)
    return (factors, pivots, info) if get_infos else (factors, pivots)


def lu_solve(input, LU_data, LU_pivots):
    """X with A X = input, from the factors of A."""
    return linalg.lu_solve(LU_data, LU_pivots, input)


def matrix_power(input, n):
    """The n-th power of a square matrix."""
    return linalg.matrix_power(input, n)


def norm(input, p="fro", dim=None, keepdim=False, dtype=None):
    """A vector norm, or a matrix norm by name."""
    if p == "nuc":
        dims = (-2, -1) if dim is None else (dim,) if isinstance(dim, int) else tuple(dim)
        return linalg.matrix_norm(input, "nuc", dims, keepdim, dtype=dtype)
    if dtype is not None:
        input = input.to(dtype)
    return r.norm(input, p, dim, keepdim)


def nuclear_norm(input, dim=(-2, -1), keepdim=False):
    """The sum of the singular values."""
    return linalg.matrix_norm(input, "nuc", dim, keepdim)


def frobenius_norm(input, dim=None, keepdim=False):
    """The root of the sum of squares."""
    return r.norm(input, 2, dim, keepdim)


def svd_lowrank(A, q=6, niter=2, M=None):
    """(U, S, V) of rank q, by a randomised range finder (Halko et al., 2009)."""
    B = A if M is None else A - M
    columns = B.spec.shape[-1]
    rows = B.spec.shape[-2]
    flip = rows < columns
    B = B.mH if flip else B
    basis = random.randn(B.spec.shape[-1], q, dtype=B.dtype)
    Q = linalg.qr(matmul(B, basis))[0]
    for _ in range(niter):
        Q = linalg.qr(matmul(B.mH, Q))[0]
        Q = linalg.qr(matmul(B, Q))[0]
    u, values, vh = linalg.svd(matmul(Q.mH, B), full_matrices=False)
    u, v = matmul(Q, u), vh.mH
    return (v, values, u) if flip else (u, values, v)


def pca_lowrank(A, q=None, center=True, niter=2):
    """(U, S, V) of the q leading principal components."""
    q = min(6, *A.spec.shape[-2:]) if q is None else q
    if not 0 <= q <= min(A.spec.shape[-2:]):
        raise ValueError(f"q(={q}) must be non-negative integer and not greater than min(m, n)="
                         f"{min(A.spec.shape[-2:])}")
    return svd_lowrank(A - A.mean(-2, keepdim=True) if center else A, q, niter)


MATRICES = {f.__name__: f for f in (
    cholesky, inverse, pinverse, qr, svd, slogdet, lu, lu_solve, matrix_power, norm)} | {
    name: getattr(linalg, name) for name in (
        "cholesky_inverse", "cholesky_solve", "det", "logdet", "matrix_exp", "geqrf", "ormqr",
        "triangular_solve")} | {"orgqr": linalg.householder_product}
MATRICES_FUNCTIONS = {f.__name__: f for f in (
    nuclear_norm, frobenius_norm, svd_lowrank, pca_lowrank)} | {"lu_unpack": linalg.lu_unpack}
