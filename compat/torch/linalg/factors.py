"""Cholesky factors, eigenvalues, singular values, QR."""

from __future__ import annotations


import numpy as np

from compat.torch import joining as j
from compat.torch.devices import beside
from compat.torch.linalg.checks import LinAlgError, check, failed, first_bad, named, op
from compat.torch.tensor import Tensor, array_of, from_array, known, of_face
from minigrad.core import aval_of, table
from minigrad.ops import matrices as m


def as_if_hermitian(value, A):
    """`value`, with the derivative of (A + A^H) / 2."""
    constant, whole = table["stop_gradient"], m.symmetrized(A)
    return table["add"](constant(value), table["sub"](whole, constant(whole)))


@op("linalg_cholesky_ex")
def cholesky_op(A, upper):
    """One triangle is read, but the gradient is Hermitian."""
    A = as_if_hermitian(A, A)
    out = m.tril(table["cholesky"](m.adjoint(A) if upper else A))
    return m.adjoint(out) if upper else out


def cholesky(A, *, upper=False):
    """L with A = L L^H, for a positive-definite A."""
    check("cholesky", A)
    out = cholesky_op(A, upper)
    if failed(out, A):
        order = leading_minor(A)
        raise LinAlgError(f"linalg.cholesky: {first_bad(out)}The factorization could not be "
                          "completed because the input is not positive-definite (the leading minor "
                          f"of order {order} is not positive-definite).")
    return out


def leading_minor(A) -> int:
    for matrix in array_of(A).reshape(-1, *A.spec.shape[-2:]):
        for k in range(1, len(matrix) + 1):
            if np.linalg.eigvalsh(matrix[:k, :k]).min() <= 0:
                return k
    return 1


def info_of(out, batch) -> Tensor:
    bad = ~np.isfinite(array_of(out)).all((-2, -1)) if known(out) \
        else np.zeros(batch, bool)
    return beside(out, from_array(np.asarray(bad, np.int32)))


def cholesky_ex(A, *, upper=False, check_errors=False):
    """(L, info): info is not zero where the factorization failed."""
    check("cholesky_ex", A)
    out = cholesky(A, upper=upper) if check_errors else cholesky_op(A, upper)
    return named("cholesky_ex", "L info", out, info_of(out, A.spec.shape[:-2]))


@op("linalg_eigh")
def eigh_op(A, lower):
    lower_half = m.tril(A) if lower else m.adjoint(m.triu(A))
    other_half = m.adjoint(m.tril(lower_half, -1))
    A = as_if_hermitian(table["add"](lower_half, other_half), A)
    vectors, values = table["eigh"](A, lower=True)
    return values, vectors


def eigh(A, UPLO="L"):
    """Eigenvalues (ascending) and vectors of a Hermitian matrix, of which one triangle is read."""
    check("eigh", A)
    if UPLO.upper() not in ("L", "U"):
        raise RuntimeError(f"Expected UPLO argument to be 'L' or 'U', but got {UPLO}")
    return named("linalg_eigh", "eigenvalues eigenvectors", *eigh_op(A, UPLO.upper() == "L"))


def eigvalsh(A, UPLO="L"):
    """The eigenvalues of a Hermitian matrix, ascending."""
    return eigh(A, UPLO)[0]


@op("linalg_eig")
def eig_op(A):
    return tuple(table["eig"](A, compute_left_eigenvectors=False,
                              compute_right_eigenvectors=True, enable_eigvec_derivs=True))


def eig(A):
    """Complex eigenvalues and vectors of any square matrix."""
    check("eig", A)
    if known(A) and not np.isfinite(array_of(A)).all():
        raise RuntimeError("torch.linalg.eig: input tensor should not contain infs or NaNs.")
    if not A.spec.aval.size:
        empty = A.clone() if A.is_complex() else (A + 0j).to(A.dtype.to_complex())
        return named("linalg_eig", "eigenvalues eigenvectors", empty.sum(-1), empty)
    return named("linalg_eig", "eigenvalues eigenvectors", *eig_op(A))


def eigvals(A):
    """The eigenvalues of any square matrix, complex."""
    return eig(A)[0]


@op("linalg_svd")
def svd_op(A, full):
    values, u, vh = table["svd"](A, full_matrices=False)
    rows, columns = aval_of(A).shape[-2:]
    if full and rows != columns:  # what completes the bases has no derivative
        _, all_u, all_vh = table["svd"](table["stop_gradient"](A), full_matrices=True)
        k = min(rows, columns)
        u = j.cat([of_face(u), of_face(all_u)[..., k:]], -1) if rows > k else u
        vh = j.cat([of_face(vh), of_face(all_vh)[..., k:, :]], -2) if columns > k else vh
    return u, values, vh


@op("linalg_svd")
def svdvals_op(A):
    return table["svd"](A, full_matrices=False, compute_uv=False)[0]


def svd(A, full_matrices=True, *, driver=None):
    """(U, S, V^H) with A = U diag(S) V^H."""
    check("svd", A, square=False)
    return named("linalg_svd", "U S Vh", *svd_op(A, full_matrices))


def svdvals(A, *, driver=None):
    """Singular values, descending."""
    check("svdvals", A, square=False)
    return svdvals_op(A)


@op("linalg_qr")
def qr_op(A, full):
    return tuple(table["qr"](A, full_matrices=full))


def qr(A, mode="reduced"):
    """(Q, R) with A = Q R; mode "complete" gives a square Q, "r" none."""
    check("qr", A, square=False)
    if mode not in ("reduced", "complete", "r"):
        raise RuntimeError(f"qr received unrecognized mode '{mode}' but expected one of 'reduced' "
                           "(default), 'r', or 'complete'")
    q, triangle = qr_op(A, mode == "complete")
    return named("linalg_qr", "Q R", A.new_empty(0) if mode == "r" else q, triangle)
