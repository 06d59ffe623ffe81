"""Dense linear algebra on CuPy's arrays: cuSOLVER and cuBLAS where they have the routine.

Names, parameters and conventions are those of `kernels/lapack.py`, the oracle. Where a routine
gives up its results are nan, as there.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable

import cupy
import numpy as np

from kernels import lapack

ON_HOST = {  # no device routine in CuPy 14: computed by LAPACK, with a transfer there and back
    "tridiagonal_solve": lapack.tridiagonal_solve, "cholesky_update": lapack.cholesky_update,
    "tridiagonal": lapack.tridiagonal, "hessenberg": lapack.hessenberg, "schur": lapack.schur,
    "eig": lapack.eig}
told: set[str] = set()


def through_host(name: str, kernel: Callable) -> Callable:
    """LAPACK's routine between two transfers. The user is told once."""

    @functools.wraps(kernel, updated=())
    def run(*operands, **params):
        if name not in told:
            told.add(name)
            warnings.warn(f"{name} has no CUDA kernel here: its operands are copied to the host",
                          RuntimeWarning, stacklevel=2)
        outs = kernel(*(x.get() if isinstance(x, cupy.ndarray) else x for x in operands), **params)
        return type(outs)(map(cupy.asarray, outs)) if isinstance(outs, (tuple, list)) \
            else cupy.asarray(outs)

    return run


def each(kernel: Callable) -> Callable:
    """A kernel of one matrix over stacks of them."""

    def run(x, **params):
        batch = x.shape[:-2]
        if not batch:
            return kernel(x, **params)
        found = [kernel(m, **params) for m in x.reshape(-1, *x.shape[-2:])]
        if not found:
            sample = kernel(cupy.ones(x.shape[-2:], x.dtype), **params)
            return tuple(cupy.empty((*batch, *part.shape), part.dtype) for part in sample)
        return tuple(cupy.stack(parts).reshape(*batch, *parts[0].shape) for parts in zip(*found))

    return run


def wide(x):
    """cuSOLVER begins at float32."""
    return x.astype(np.float32) if x.dtype.itemsize < 4 else x


# ------------------------------------------------------------------ triangular and symmetric


def cholesky(x):
    """The lower triangle in its place in `x`. A matrix that is not positive definite leaves a
    pivot that is no positive number: then all is nan."""
    if not x.size:
        return x.copy()
    low = cupy.linalg.cholesky(x)
    pivots = cupy.diagonal(low, 0, -2, -1).real
    failed = ~cupy.all(pivots > 0, axis=-1)
    out = cupy.where(cupy.asarray(np.tri(x.shape[-1], dtype=bool)), low, x)
    return cupy.where(failed[..., None, None], out.dtype.type(np.nan), out)


def triangular_solve(a, b, *, left_side=False, lower=False, transpose_a=False, conjugate_a=False,
                     unit_diagonal=False):
    """`b` divided by the triangle of `a`. From the right: the transposed problem from the left."""
    from cupyx.scipy import linalg  # loads cuBLAS

    if not b.size:
        return b.copy()
    dtype, a, b = b.dtype, wide(a), wide(b)
    if conjugate_a:
        a = a.conj()
    if not left_side:
        b, transpose_a = b.swapaxes(-1, -2), not transpose_a
    out = linalg.solve_triangular(a, cupy.ascontiguousarray(b), trans=int(transpose_a),
                                  lower=lower, unit_diagonal=unit_diagonal, check_finite=False)
    return (out if left_side else out.swapaxes(-1, -2)).astype(dtype, copy=False)


def eigh(x, *, lower=True, **_):
    values, vectors = cupy.linalg.eigh(x, "L" if lower else "U")
    return vectors, values


# ------------------------------------------------------------------ general


@each
def lu(x):
    from cupyx.scipy import linalg

    m = x.shape[0]
    if not x.size:
        return x.copy(), cupy.zeros(0, np.int32), cupy.arange(m, dtype=np.int32)
    factors, pivots = linalg.lu_factor(x, check_finite=False)
    pivots = pivots.astype(np.int32)
    return factors, pivots, lu_pivots_to_permutation(pivots, permutation_size=m)


def lu_pivots_to_permutation(pivots, *, permutation_size):
    """Row `i` was exchanged with row `pivots[i]`, one after the other; all stacks at once."""
    rows = pivots.reshape(-1, pivots.shape[-1]).astype(np.int64)
    order = cupy.broadcast_to(cupy.arange(permutation_size, dtype=np.int32),
                              (len(rows), permutation_size)).copy()
    every = cupy.arange(len(rows))
    for i in range(rows.shape[-1]):
        there, here = order[every, rows[:, i]], order[:, i].copy()
        order[every, rows[:, i]] = here
        order[:, i] = there
    return order.reshape(*pivots.shape[:-1], permutation_size)


@each
def geqrf(x):
    """Reflectors and R in one matrix, and the reflectors' factors."""
    if not x.size:
        return x.copy(), cupy.zeros(min(x.shape), x.dtype)
    packed, taus = cupy.linalg.qr(x, "raw")
    return packed.swapaxes(-1, -2), taus


def reflectors(a, count: int):
    """The vectors (.., m) of the reflectors below the diagonal of `a`, each with a one on top."""
    m = a.shape[-2]
    for k in range(count):
        below = cupy.asarray(np.arange(m) > k)
        unit = cupy.asarray((np.arange(m) == k).astype(a.dtype))
        yield k, cupy.where(below, a[..., :, k], a.dtype.type(0)) + unit


def reflect(c, v, tau):
    """(I - tau v v^H) c"""
    row = cupy.matmul(v[..., None, :].conj(), c)  # (.., 1, columns)
    return c - tau[..., None, None] * (v[..., :, None] * row)


def householder_product(x, taus):
    """The first columns of the product of the reflectors in `x`, the last applied first."""
    m, n = x.shape[-2:]
    out = cupy.broadcast_to(cupy.asarray(np.eye(m, n, dtype=x.dtype)), x.shape).copy()
    for k, v in reversed(list(reflectors(x, taus.shape[-1]))):
        out = reflect(out, v, taus[..., k])
    return out


def ormqr(a, taus, c, *, left=True, transpose=False):
    """`c` multiplied by the product of the reflectors in `a`, which is never formed."""
    if not left:  # (Q^H C^H)^H
        flipped = ormqr(a, taus, c.conj().swapaxes(-1, -2), left=True, transpose=not transpose)
        return flipped.conj().swapaxes(-1, -2)
    pairs = list(reflectors(a, taus.shape[-1]))
    for k, v in pairs if transpose else reversed(pairs):
        tau = taus[..., k]
        c = reflect(c, v, tau.conj() if transpose else tau)
    return c


def qr(x, *, pivoting=False, full_matrices=True, **_):
    if pivoting:
        return through_host("qr with pivoting", lapack.pivoted_qr)(x, full_matrices=full_matrices)
    m, n = x.shape[-2:]
    if not x.size:
        k = m if full_matrices else min(m, n)
        eye = cupy.broadcast_to(cupy.asarray(np.eye(m, k, dtype=x.dtype)), (*x.shape[:-2], m, k))
        return eye, cupy.zeros((*x.shape[:-2], k, n), x.dtype)
    return tuple(cupy.linalg.qr(x, "complete" if full_matrices else "reduced"))


def svd(x, *, full_matrices=True, compute_uv=True, **_):
    if not compute_uv:
        return (cupy.linalg.svd(x, compute_uv=False),)
    u, s, vh = cupy.linalg.svd(x, full_matrices)
    return s, u, vh


kernels: dict[str, Callable] = {name: through_host(name, k) for name, k in ON_HOST.items()}
kernels |= {
    "cholesky": cholesky, "triangular_solve": triangular_solve, "eigh": eigh, "lu": lu,
    "lu_pivots_to_permutation": lu_pivots_to_permutation, "geqrf": geqrf,
    "householder_product": householder_product, "ormqr": ormqr, "qr": qr, "svd": svd}
