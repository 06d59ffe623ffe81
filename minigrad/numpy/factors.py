"""Factorizations of matrices: cholesky, qr, svd, eig and their kin. Source: jax.numpy.linalg.

Functions take arrays (*stack, rows, columns), promote integers to floats, and have derivatives of
every order wherever the factors do. The faces wrap them for their own conventions.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from minigrad.core import I32, aval_of, box, table
from minigrad.numpy import elementwise as ew
from minigrad.numpy.promotion import check_array, convert, inexact, promote_dtypes, shape_of
from minigrad.numpy.staging import staged
from minigrad.numpy.taking import take_along_axis
from minigrad.ops import decompositions as ops
from minigrad.ops.matrices import adjoint, row, symmetrized, transposed, tril


class EigResult(NamedTuple):
    """Eigenvalues (*stack, n) and the eigenvectors as columns (*stack, n, n)."""

    eigenvalues: Any
    eigenvectors: Any


class EighResult(NamedTuple):
    """Real eigenvalues, ascending, and orthonormal eigenvectors as columns."""

    eigenvalues: Any
    eigenvectors: Any


class QRResult(NamedTuple):
    """Orthonormal columns and an upper triangle."""

    Q: Any
    R: Any


class SVDResult(NamedTuple):
    """x = U diag(S) Vh, the singular values descending."""

    U: Any
    S: Any
    Vh: Any


def matrices(name: str, *args) -> list:
    """The operands as Tensors of one floating or complex dtype."""
    for position, x in enumerate(args):
        check_array(name, x, position)
    return [box(x) for x in promote_dtypes(*args, to=inexact)]


@staged(static=("upper", "symmetrize_input"))
def cholesky(a, *, upper=False, symmetrize_input=True):
    """The lower triangle L with a = L L^H, or with `upper` the upper one U with a = U^H U.

    (*stack, n, n) -> (*stack, n, n); nan where `a` is not positive definite.
    """
    (a,) = matrices("cholesky", a)
    low = tril(ops.cholesky(symmetrized(a) if symmetrize_input else a))
    return adjoint(low) if upper else low


@staged(static=("mode",))
def qr(a, mode="reduced"):
    """Q and R; `mode` is "reduced", "complete", "r" (R alone) or "raw" (LAPACK's reflectors)."""
    (a,) = matrices("qr", a)
    if mode == "raw":
        packed, taus = ops.geqrf(a)
        return QRResult(transposed(packed), taus)
    if mode not in ("reduced", "r", "full", "complete"):
        raise ValueError(f"Unsupported QR decomposition mode '{mode}'")
    q, r = ops.qr(a, full_matrices=mode == "complete")
    return r if mode == "r" else QRResult(q, r)


@staged(static=("full_matrices", "compute_uv", "hermitian", "subset_by_index"))
def svd(a, full_matrices=True, compute_uv=True, hermitian=False, subset_by_index=None):
    """Singular values S, and unless `compute_uv` is False U and Vh. A Hermitian matrix may go by
    its eigenvectors."""
    (a,) = matrices("svd", a)
    if hermitian:
        return hermitian_svd(a, compute_uv)
    out = ops.svd(a, full_matrices=full_matrices, compute_uv=compute_uv,
                subset_by_index=subset_by_index)
    return SVDResult(out[1], out[0], out[2]) if compute_uv else out[0]


def hermitian_svd(a, compute_uv: bool):
    vectors, values = ops.eigh(symmetrized(a))
    size, last = ew.absolute(values), len(shape_of(values)) - 1
    if not compute_uv:
        return table["rev"](table["sort"](size, dimension=last)[0], dimensions=(last,))
    here = table["iota"](dtype=I32, shape=shape_of(size), dimension=last)
    parts = table["sort"](size, here, table["sign"](values), dimension=last)
    size, order, sign = (table["rev"](x, dimensions=(last,)) for x in parts)
    u = take_along_axis(vectors, row(order), axis=-1)
    return SVDResult(u, size, adjoint(ew.multiply(u, convert(row(sign), aval_of(u).dtype))))


def svdvals(x):
    """The singular values, descending."""
    return svd(x, compute_uv=False)


def eig(a):
    """Eigenvalues and right eigenvectors of a general matrix, always complex. The eigenvectors
    have no derivative: they are defined up to a phase."""
    (a,) = matrices("eig", a)
    return EigResult(*ops.eig(a, compute_left_eigenvectors=False))


@staged
def eigvals(a):
    """The eigenvalues of a general matrix, always complex."""
    (a,) = matrices("eigvals", a)
    return ops.eig(a, compute_left_eigenvectors=False, compute_right_eigenvectors=False)[0]


@staged(static=("UPLO", "symmetrize_input"))
def eigh(a, UPLO=None, symmetrize_input=True):
    """Eigenvalues and eigenvectors of a Hermitian matrix, of which one triangle is read."""
    if UPLO not in (None, "L", "U"):
        raise ValueError(f"UPLO must be one of None, 'L', or 'U', got {UPLO}")
    (a,) = matrices("eigh", a)
    vectors, values = ops.eigh(symmetrized(a) if symmetrize_input else a, lower=UPLO != "U")
    return EighResult(values, vectors)


@staged(static=("UPLO", "symmetrize_input"))
def eigvalsh(a, UPLO="L", *, symmetrize_input=True):
    """The eigenvalues, ascending, of a Hermitian matrix."""
    return eigh(a, UPLO, symmetrize_input)[0]
