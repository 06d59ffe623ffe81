"""jax.lax.linalg: factorizations and solvers, the primitives themselves."""

from __future__ import annotations

import enum

from compat.jax import numpy as jnp
from compat.jax.array import as_array
from minigrad.core import table


class EigImplementation(enum.Enum):
    CUSOLVER, MAGMA, LAPACK = "cusolver", "magma", "lapack"


class EighImplementation(enum.Enum):
    QR, JACOBI, QDWH = "qr", "jacobi", "qdwh"


class SvdAlgorithm(enum.Enum):
    DEFAULT, QR, JACOBI, POLAR = "default", "QR", "Jacobi", "polar"


def apply(name: str, *arrays, **params):
    """A primitive of the table on Arrays: one result, or a tuple of them."""
    out = table[name](*map(as_array, arrays), **params)
    return tuple(map(as_array, out)) if table[name].multiple_results else as_array(out)


def symmetrized(x):
    return (x + jnp.conj(jnp.matrix_transpose(x))) / 2


def cholesky(x, *, symmetrize_input=True):
    """The lower triangle L with x = L L^H."""
    out = apply("cholesky", symmetrized(as_array(x)) if symmetrize_input else x)
    return jnp.tril(out)


def cholesky_update(r_matrix, w_vector):
    """The upper factor of R^T R + w w^T."""
    return apply("cholesky_update", r_matrix, w_vector)


def eig(x, *, compute_left_eigenvectors=True, compute_right_eigenvectors=True,
        enable_eigvec_derivs=False, implementation=None, use_magma=None):
    """[values, left vectors, right vectors] of a general matrix; the vectors if asked for."""
    return list(apply("eig", x, compute_left_eigenvectors=compute_left_eigenvectors,
                      compute_right_eigenvectors=compute_right_eigenvectors,
                      enable_eigvec_derivs=enable_eigvec_derivs, implementation=implementation))


def eigh(x, *, lower=True, symmetrize_input=True, sort_eigenvalues=True, subset_by_index=None,
         implementation=None):
    """(vectors, values) of a Hermitian matrix, the values ascending."""
    vectors, values = apply(
        "eigh", symmetrized(as_array(x)) if symmetrize_input else x, lower=lower,
        sort_eigenvalues=sort_eigenvalues, subset_by_index=subset_by_index, algorithm=None)
    return vectors, values


def hessenberg(a):
    """(packed Hessenberg form, scalars of the reflectors)."""
    return apply("hessenberg", a)


def householder_product(a, taus):
    """The product of elementary reflectors."""
    return apply("householder_product", a, taus)


def lu(x):
    """[packed factors, pivots, permutation]."""
    return list(apply("lu", x))


def lu_pivots_to_permutation(pivots, permutation_size):
    """Pivots as a permutation of rows."""
    return apply("lu_pivots_to_permutation", pivots, permutation_size=permutation_size)


def ormqr(a, taus, c, *, left=True, transpose=False):
    """A matrix times the orthogonal factor that reflectors stand for."""
    return apply("ormqr", a, taus, c, left=left, transpose=transpose)


def qr(x, *, pivoting=False, full_matrices=True, use_magma=None):
    """(Q, R), with `pivoting` also the order of the columns."""
    return apply("qr", x, pivoting=pivoting, full_matrices=full_matrices, use_magma=use_magma)


def schur(x, *, compute_schur_vectors=True, sort_eig_vals=False, select_callable=None):
    """(T, vectors) of the Schur form."""
    return apply("schur", x, compute_schur_vectors=compute_schur_vectors,
                 sort_eig_vals=sort_eig_vals, select_callable=select_callable)


def svd(x, *, full_matrices=True, compute_uv=True, subset_by_index=None, algorithm=None):
    """(U, singular values, V^H), or the values alone."""
    s, *uv = apply("svd", x, full_matrices=full_matrices, compute_uv=compute_uv,
                   subset_by_index=subset_by_index, algorithm=algorithm)
    return (uv[0], s, uv[1]) if compute_uv else s


def symmetric_product(a_matrix, c_matrix, *, alpha=1.0, beta=0.0, symmetrize_output=False):
    """alpha A A^T + beta C."""
    out = apply("symmetric_product", a_matrix, c_matrix, alpha=alpha, beta=beta)
    if not symmetrize_output:
        return out
    lower = jnp.tril(out)
    return lower + jnp.matrix_transpose(jnp.tril(out, -1))


def triangular_solve(a, b, *, left_side=False, lower=False, transpose_a=False, conjugate_a=False,
                     unit_diagonal=False):
    """x with A x = b (x A = b unless `left_side`), A being a triangle."""
    b = as_array(b)
    vector = b.ndim == as_array(a).ndim - 1
    if vector:
        b = jnp.expand_dims(b, -1 if left_side else -2)
    out = apply("triangular_solve", a, b, left_side=left_side, lower=lower,
                transpose_a=transpose_a, conjugate_a=conjugate_a and transpose_a or conjugate_a,
                unit_diagonal=unit_diagonal)
    return jnp.squeeze(out, -1 if left_side else -2) if vector else out


def tridiagonal(a, *, lower=True):
    """A Hermitian matrix in tridiagonal form: (packed, diagonal, side diagonal, reflectors)."""
    return apply("tridiagonal", a, lower=lower)


def tridiagonal_solve(dl, d, du, b, *, perturb_singular=False):
    """x with A x = b, A given by its three diagonals."""
    return apply("tridiagonal_solve", dl, d, du, b, perturb_singular=perturb_singular)


def __getattr__(name: str):
    """The primitives: `svd_p` is the row of the table that is named "svd"."""
    if name.removesuffix("_p") in table and name.endswith("_p"):
        return table[name.removesuffix("_p")]
    raise AttributeError(f"module 'jax.lax.linalg' has no attribute {name!r}")
