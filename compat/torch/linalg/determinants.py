"""Determinants, pseudo-inverses, ranks, least squares."""

from __future__ import annotations

import math

import numpy as np

from compat.torch.dtypes import SCALAR_NAMES
from compat.torch.linalg.checks import check, named, op
from compat.torch.linalg.factors import eigh, eigvalsh, svd, svdvals
from compat.torch.operation import operation
from compat.torch.selecting import where
from compat.torch.promotion import cast
from compat.torch.tensor import Tensor, from_array, of_face
from minigrad.core import I64, aval_of, table
from minigrad.ops import matrices as m
from minigrad.ops import solves
from minigrad.ops.calls import custom_jvp


@custom_jvp
def log_determinant(A):
    """(sign, log |det A|)."""
    factors, pivots, _ = table["lu"](A)
    d = of_face(m.diagonal(factors))
    n = aval_of(A).shape[-1]
    swaps = cast(of_face(pivots) != of_face(np.arange(n, dtype=aval_of(pivots).dtype)), I64).sum(-1)
    sign = cast(1 - 2 * (swaps % 2), aval_of(A).dtype) * d.sgn().prod(-1)
    return sign, d.abs().log().sum(-1)


@log_determinant.defjvp
def log_determinant_rule(primals, tangents):
    """d log det A = tr(A^-1 dA); the phase of a complex one turns with its imaginary part."""
    sign, size = log_determinant(*primals)
    change = of_face(m.diagonal(solves.solve(primals[0], tangents[0]))).sum(-1)
    if change.is_complex():
        turned = of_face(sign) * (change - cast(change.real, aval_of(change).dtype))
        return (sign, size), (turned, change.real)
    return (sign, size), (table["mul"](sign, 0.0 * change), change)


@op("linalg_slogdet")
def slogdet_op(A):
    return log_determinant(A)


def slogdet(A):
    """(sign, log |det A|)."""
    check("slogdet", A)
    return named("linalg_slogdet", "sign logabsdet", *slogdet_op(A))


@op("linalg_det")
def det_op(A):
    sign, size = map(of_face, log_determinant(A))
    return sign * cast(size.exp(), aval_of(A).dtype)


def det(A):
    """The determinant."""
    check("det", A)
    return det_op(A)


def logdet(A):
    """The logarithm of the determinant, nan of a negative one."""
    check("logdet", A, prefix="")
    sign, size = slogdet(A)
    return size + sign.log() if A.is_complex() else where(sign < 0, math.nan, size)


def cut(A, atol, rtol, hermitian):
    """The tolerance below which a singular value counts as zero."""
    largest = (eigvalsh(A).abs() if hermitian else svdvals(A)).detach().amax(-1, True)
    if rtol is None:
        rtol = 0.0 if atol is not None and not isinstance(atol, Tensor) and atol > 0 else \
            float(np.finfo(largest.spec.dtype).eps) * max(A.spec.shape[-2:])
    rtol = rtol.unsqueeze(-1) if isinstance(rtol, Tensor) else rtol
    atol = atol.unsqueeze(-1) if isinstance(atol, Tensor) else 0.0 if atol is None else atol
    return (largest * rtol).clamp(min=atol) if not isinstance(atol, Tensor) else \
        (largest * rtol).maximum(atol)


def inverted(values, tolerance):
    """1 / values, and 0 where they count as zero."""
    kept = values.abs() > tolerance
    return where(kept, 1 / where(kept, values, 1.0), 0.0)


def pseudo_inverse_by(compute):
    """The pseudo-inverse as a function of the matrix and a tolerance, with its derivative
    dP = -P dA P + P P^H dA^H (1 - A P) + (1 - P A) dA^H P^H P (Golub and Pereyra, 1973)."""
    inverse = custom_jvp(lambda A, tolerance: compute(of_face(A), of_face(tolerance)))

    @inverse.defjvp
    def rule(primals, tangents):
        A, t = of_face(primals[0]), of_face(tangents[0])
        P = of_face(inverse(*primals))
        left, right = P @ (P.mH @ t.mH), (t.mH @ P.mH) @ P
        return P, right - P @ (A @ right) + left - (left @ A) @ P - P @ (t @ P)

    return operation(lambda A, tolerance: inverse(A, tolerance), name="linalg_pinv",
                     tensors=("A", "tolerance"))


@pseudo_inverse_by
def pinv_op(A, tolerance):
    u, values, vh = svd(A, full_matrices=False)
    return (vh.mH * inverted(values, tolerance).unsqueeze(-2).to(A.dtype)) @ u.mH


@pseudo_inverse_by
def hermitian_pinv_op(A, tolerance):
    values, vectors = eigh(A)
    return (vectors * inverted(values, tolerance).unsqueeze(-2).to(A.dtype)) @ vectors.mH


def pinv(A, rcond=None, hermitian=False, *, atol=None, rtol=None):
    """The pseudo-inverse."""
    check("pinv", A, square=hermitian)
    if not A.spec.aval.size:
        return A.mH.clone()
    op = hermitian_pinv_op if hermitian else pinv_op
    return op(A, cut(A.detach(), atol, rcond if rtol is None else rtol, hermitian))


def matrix_rank(A, tol=None, hermitian=False, *, atol=None, rtol=None):
    """The number of singular values that are not zero."""
    check("matrix_rank", A, square=hermitian)
    if not min(A.spec.shape[-2:]):
        return from_array(np.zeros(A.spec.shape[:-2], np.int64))
    values = eigvalsh(A).abs() if hermitian else svdvals(A)
    return (values > cut(A, tol if atol is None else atol, rtol, hermitian)).sum(-1)


def lstsq(A, B, rcond=None, *, driver=None):
    """(solution, residuals, rank, singular values) of min |A X - B|."""
    if len(A.spec.shape) < 2:
        raise RuntimeError("torch.linalg.lstsq: input must have at least 2 dimensions.")
    if not B.spec.shape:
        raise RuntimeError("torch.linalg.lstsq: other must have at least 1 dimension.")
    if A.spec.dtype != B.spec.dtype:
        raise RuntimeError(f"torch.linalg.lstsq: Expected input and other to have the same dtype, "
                           f"but got input's dtype {SCALAR_NAMES[A.spec.dtype.name]} and other's "
                           f"dtype {SCALAR_NAMES[B.spec.dtype.name]}")
    vector = len(A.spec.shape) - 1 == len(B.spec.shape) and B.spec.shape == A.spec.shape[:-1]
    columns = B.unsqueeze(-1) if vector else B
    rows, n = A.spec.shape[-2:]
    if columns.spec.shape[-2] != rows:
        raise RuntimeError("torch.linalg.lstsq: input.size(-2) should match other.size(-2)")
    out, rank = pinv(A) @ columns, matrix_rank(A.detach())
    empty = A.new_empty(0)
    residuals = empty
    if rows > n and driver != "gelsy" and bool((rank == n).all()) or (
            rows > n and driver is None and bool((rank == n).all())):
        residuals = (columns - A @ out).abs().square().sum(-2)
    return named("linalg_lstsq", "solution residuals rank singular_values",
                 out.squeeze(-1) if vector else out, residuals,
                 from_array(np.zeros(0, np.int64)) if driver == "gels" else rank,
                 svdvals(A.detach()) if driver in ("gelss", "gelsd") else empty)
