"""Factorizations: cholesky, lu, qr, eigh, eig, svd and their kin.

A derivative writes the factors' equation down, differentiates it, and solves for the change of
each factor: from A = L L^H, dA = dL L^H + L dL^H, so L^-1 dA L^-H = L^-1 dL + (L^-1 dL)^H, whose
lower half (and half of whose diagonal) is L^-1 dL.

Sources: I. Murray, "Differentiation of the Cholesky decomposition" (2016); M. Giles, "An extended
collection of matrix derivative results" (2008); F. de Hoog et al., "The derivatives of
triangular factorizations" (2011); J. Townsend, "Differentiating the QR decomposition" (2018).
"""

from __future__ import annotations

import enum

from kernels import lapack
from minigrad.core import I32, aval_of
from minigrad.ops.elementwise import (
    abs_, add, complex_, div, eq, imag, integer_pow, mul, neg, real, sub,
)
from minigrad.ops.joining import concatenate
from minigrad.ops.matrices import (
    adjoint, check_square, column, columns, complexified, conjugate, diagonal, diagonal_matrix,
    differences, eye, factorization, matmul, real_of, real_part, row, rows, symmetrized,
    transposed, tril, triu, zeros,
)
from minigrad.ops.ordering import take_along
from minigrad.ops.reduction import argmax, reduce_sum
from minigrad.ops.selection import convert
from minigrad.ops.shaping import expand_dims, pad, squeeze
from minigrad.ops.solves import lu_solve, solve, take_rows, triangular_solve


def ndim(x) -> int:
    return len(aval_of(x).shape)


def square(name: str):
    def shapes(x, **params):
        check_square(name, x)
        return (x,)

    return shapes


# ------------------------------------------------------------------ cholesky


def cholesky_jvp(primals, tangents):
    (x,), (t,) = primals, tangents
    out = cholesky(x)  # with what `x` has above the diagonal
    low = tril(out)
    inner = triangular_solve(low, t, left_side=False, lower=True, transpose_a=True,
                             conjugate_a=True)
    inner = triangular_solve(low, inner, left_side=True, lower=True)
    dtype, n = aval_of(x).dtype, aval_of(x).shape[-1]
    halved = div(tril(inner), add(eye(n, dtype, rank=ndim(x)), 1.0))
    return out, matmul(low, halved)


cholesky = factorization("cholesky", lapack.cholesky, (2,), square("cholesky"), single=True,
                         jvp=cholesky_jvp)


def cholesky_update_shapes(r, w):
    if r[0] != r[1] or w[0] != r[1]:
        raise ValueError("Rank-1 update to Cholesky decomposition takes a square matrix and a "
                         f"vector of the same size as input. Got shapes {r} and {w} instead")
    return (r,)


cholesky_update = factorization("cholesky_update", lapack.cholesky_update, (2, 1),
                                cholesky_update_shapes, accepts="f", single=True)

# ------------------------------------------------------------------ lu


def lu_jvp(primals, tangents):
    """From P A = L U: L^-1 P dA U^-1 = L^-1 dL + dU U^-1, the lower and the upper triangle."""
    (a,), (t,) = primals, tangents
    factors, pivots, order = lu(a)
    (m, n), dtype, rank = aval_of(a).shape[-2:], aval_of(a).dtype, ndim(a)
    k = min(m, n)

    def padded(x, down: int, right: int):
        config = ((0, 0, 0),) * (rank - 2) + ((0, down, 0), (0, right, 0))
        return pad(x, 0.0, padding_config=config)

    lower = add(padded(tril(columns(factors, 0, k), -1), 0, m - k), eye(m, dtype, rank=rank))
    upper = padded(triu(rows(factors, 0, k)), n - k, 0)
    if n > k:
        corner = pad(eye(n - k, dtype), 0.0, padding_config=((k, 0, 0), (k, 0, 0)))
        upper = add(upper, expand_dims(corner, range(rank - 2)))
    inner = triangular_solve(lower, take_rows(t, order), left_side=True, lower=True,
                             unit_diagonal=True)
    inner = triangular_solve(upper, inner, left_side=False, lower=False)
    t_out = add(matmul(lower, tril(inner, -1)), matmul(triu(inner), upper))
    return [factors, pivots, order], [t_out, None, None]


lu = factorization(
    "lu", lapack.lu, (2,), lambda x: (x, (min(x),), x[:1]),
    dtypes=lambda dtype: (dtype, I32, I32), jvp=lu_jvp)


def permutation_shapes(pivots, *, permutation_size):
    if permutation_size < pivots[0]:
        raise ValueError(f"Output permutation size {permutation_size} has to exceed the trailing "
                         f"dimension of the pivots. Got pivots size {pivots[0]}")
    return ((permutation_size,),)


lu_pivots_to_permutation = factorization(
    "lu_pivots_to_permutation", lapack.lu_pivots_to_permutation, (1,), permutation_shapes,
    accepts=("int32",), single=True)

# ------------------------------------------------------------------ qr

geqrf = factorization("geqrf", lapack.geqrf, (2,), lambda x: (x, (min(x),)))


def householder_shapes(a, taus):
    if a[0] < a[1]:
        raise ValueError("The first argument to householder_product must have at least as many "
                         f"rows as columns, got shape {a}")
    if taus[0] > min(a):
        raise ValueError("The second argument to householder_product must not have more rows than "
                         "the minimum of the first argument's rows and columns.")
    return (a,)


householder_product = factorization("householder_product", lapack.householder_product, (2, 1),
                                    householder_shapes, single=True)


def ormqr_shapes(a, taus, c, *, left, transpose):
    if c[0 if left else 1] != a[0]:
        where = "rows as the Householder matrix a" if left \
            else "columns as the Householder matrix a has rows"
        raise ValueError(f"ormqr with left={left} expects c to have the same number of {where}. "
                         f"Got a shape {a} and c shape {c}.")
    return (c,)


ormqr = factorization("ormqr", lapack.ormqr, (2, 1, 2), ormqr_shapes, single=True,
                      defaults={"left": True, "transpose": False})


def qr_shapes(x, *, pivoting, full_matrices, use_magma):
    m, n = x
    k = m if full_matrices else min(m, n)
    return ((m, k), (k, n), (n,))[:2 + pivoting]


def thin_qr_tangents(q, r, t):
    """Of a matrix with at least as many rows as columns: Q^H dA R^-1 = Q^H dQ + dR R^-1, of which
    the first is skew and the second an upper triangle."""
    scaled = triangular_solve(r, t)
    inner = matmul(adjoint(q), scaled)
    below = tril(inner, -1)
    skew = sub(below, adjoint(below))
    if aval_of(q).dtype.kind == "c":  # and its diagonal is imaginary
        identity = eye(aval_of(r).shape[-1], aval_of(q).dtype, rank=ndim(q))
        skew = add(skew, mul(identity, sub(inner, convert(real(inner), aval_of(q).dtype))))
    t_q = add(matmul(q, sub(skew, inner)), scaled)
    return t_q, matmul(sub(inner, skew), r)


def qr_jvp(primals, tangents, *, pivoting, full_matrices, use_magma):
    (x,), (t,) = primals, tangents
    outs = qr(x, pivoting=pivoting, full_matrices=full_matrices, use_magma=use_magma)
    q, r = outs[:2]
    m, n = aval_of(x).shape[-2:]
    if pivoting:
        t = reorder_columns(t, outs[2])
        x = reorder_columns(x, outs[2])
    if m < n:  # the first m columns are square; the others are Q R_2
        t_q, t_r = thin_qr_tangents(q, columns(r, 0, m), columns(t, 0, m))
        t_rest = add(matmul(adjoint(t_q), columns(x, m, None)),
                     matmul(adjoint(q), columns(t, m, None)))
        t_r = concatenate(t_r, t_rest, dimension=ndim(x) - 1)
    elif m == n or not full_matrices:
        t_q, t_r = thin_qr_tangents(q, r, t)
    else:
        t_q, t_r = full_qr_tangents(q, rows(r, 0, n), t, n)
        t_r = concatenate(t_r, zeros(r, (m - n, n)), dimension=ndim(x) - 2)
    return outs, [t_q, t_r, *[None] * pivoting]


def full_qr_tangents(q, r, t, n: int):
    """The columns of Q beyond the n-th complete a basis; how they turn follows from Householder's
    reflectors. Source: "The derivative of the full QR factorization" (arXiv:2409.13374)."""
    thin, rest = columns(q, 0, n), columns(q, n, None)
    t_thin, t_r = thin_qr_tangents(thin, r, t)
    identity = eye(n, aval_of(q).dtype, rank=ndim(q))
    factors, _, order = lu(sub(rows(thin, 0, n), identity))
    z_h = lu_solve(factors, order, adjoint(rows(thin, n, None)), trans=2)
    z = adjoint(z_h)
    change = sub(rows(t_thin, n, None), matmul(z, rows(t_thin, 0, n)))
    t_rest = sub(matmul(t_thin, z_h), matmul(add(thin, matmul(rest, z)), adjoint(change)))
    return concatenate(t_thin, t_rest, dimension=ndim(q) - 1), t_r


def reorder_columns(x, order):
    return transposed(take_rows(transposed(x), order))


qr = factorization(
    "qr", lapack.qr, (2,), qr_shapes, jvp=qr_jvp,
    dtypes=lambda dtype, *, pivoting, **_: (dtype, dtype, I32)[:2 + pivoting],
    defaults={"pivoting": False, "full_matrices": True, "use_magma": None})

# ------------------------------------------------------------------ eigh


def eigh_shapes(x, *, subset_by_index, **_):
    if x[0] != x[1]:
        raise ValueError("Argument to symmetric eigendecomposition must have shape [..., n, n], "
                         f"got shape {x}")
    n = x[0]
    if subset_by_index not in (None, (0, n)):
        raise NotImplementedError("subset_by_index not supported on CPU and GPU")
    return (n, n), (n,)


def inverse_gaps(values):
    """1 / (w_j - w_i) beside the diagonal, 0 on it."""
    n, dtype = aval_of(values).shape[-1], aval_of(values).dtype
    identity = eye(n, dtype, rank=ndim(values) + 1)
    return sub(integer_pow(add(identity, differences(values)), y=-1), identity)


def eigh_jvp(primals, tangents, **params):
    """First-order perturbation theory: dw = diag(V^H dA V), dV = V (F * V^H dA V)."""
    (x,), (t,) = primals, tangents
    vectors, values = eigh(symmetrized(x), **params)
    inner = matmul(matmul(adjoint(vectors), t), vectors)
    gaps = inverse_gaps(convert(values, aval_of(x).dtype))
    return [vectors, values], [matmul(vectors, mul(gaps, inner)), diagonal(real_part(inner))]


eigh = factorization(
    "eigh", lapack.eigh, (2,), eigh_shapes, jvp=eigh_jvp,
    dtypes=lambda dtype, **_: (dtype, real_of(dtype)),
    defaults={"lower": True, "sort_eigenvalues": True, "subset_by_index": None,
              "algorithm": None})

# ------------------------------------------------------------------ eig


def eig_shapes(x, *, compute_left_eigenvectors, compute_right_eigenvectors, **_):
    check_square("eig", x)
    return x[:1], *[x] * (compute_left_eigenvectors + compute_right_eigenvectors)


def eigenvector_tangents(values, vectors, t):
    """Perturbation theory gives dV up to a multiple of each vector. LAPACK's choice (length one,
    the largest entry real) settles it."""
    inner = matmul(solve(vectors, t), vectors)
    change = matmul(vectors, mul(inverse_gaps(values), inner))
    rank = ndim(vectors)
    largest = argmax(abs_(vectors), axes=(rank - 2,), index_dtype=I32)
    at_largest = row(largest)  # (*stack, 1, n)

    def entry(x):
        found = take_along(x, expand_dims(at_largest, (rank,)), rank - 2)
        return squeeze(found, dimensions=(rank - 2,))

    shrink = neg(real(reduce_sum(mul(conjugate(vectors), change), axes=(rank - 2,))))
    turn = neg(div(imag(entry(change)), real(entry(vectors))))
    return diagonal(inner), add(change, mul(vectors, row(complex_(shrink, turn))))


def eig_jvp(primals, tangents, *, compute_left_eigenvectors, compute_right_eigenvectors,
            enable_eigvec_derivs, implementation):
    (x,), (t,) = primals, tangents
    vectors_wanted = compute_left_eigenvectors or compute_right_eigenvectors
    if vectors_wanted and not enable_eigvec_derivs:
        raise NotImplementedError(
            "Derivatives of non-symmetric eigenvectors are only valid under assumptions on the "
            "input that JAX cannot check (see the enable_eigvec_derivs argument to "
            "jax.lax.linalg.eig). Pass enable_eigvec_derivs=True to jax.lax.linalg.eig to opt in. "
            "See https://github.com/jax-ml/jax/issues/2748 for discussion.")
    values, *both = eig(x, compute_left_eigenvectors=compute_left_eigenvectors,
                        compute_right_eigenvectors=True,
                        enable_eigvec_derivs=enable_eigvec_derivs, implementation=implementation)
    right, t = both[-1], convert(t, aval_of(values).dtype)
    if not vectors_wanted:
        change = mul(solve(right, t), transposed(right))
        return [values], [reduce_sum(change, axes=(ndim(x) - 1,))]
    t_values, t_right = eigenvector_tangents(values, right, t)
    outs, t_outs = [values], [t_values]
    if compute_left_eigenvectors:
        outs.append(both[0])
        t_outs.append(eigenvector_tangents(conjugate(values), both[0], adjoint(t))[1])
    if compute_right_eigenvectors:
        outs.append(right)
        t_outs.append(t_right)
    return outs, t_outs


eig = factorization(
    "eig", lapack.eig, (2,), eig_shapes, jvp=eig_jvp,
    dtypes=lambda dtype, *, compute_left_eigenvectors, compute_right_eigenvectors, **_:
        (complexified(dtype),) * (1 + compute_left_eigenvectors + compute_right_eigenvectors),
    defaults={"compute_left_eigenvectors": True, "compute_right_eigenvectors": True,
              "enable_eigvec_derivs": False, "implementation": None})

# ------------------------------------------------------------------ svd


class SvdAlgorithm(enum.Enum):
    """Which routine computes a singular value decomposition. Source: jax.lax.linalg."""

    DEFAULT = "default"
    QR = "QR"
    JACOBI = "Jacobi"
    POLAR = "polar"
    DIVIDE_AND_CONQUER = "divide_and_conquer"


def svd_shapes(x, *, full_matrices, compute_uv, subset_by_index, algorithm):
    m, n = x
    k = min(m, n)
    if subset_by_index not in (None, (0, k)):
        raise NotImplementedError("subset_by_index not implemented for CPU and GPU")
    u, vh = (m, m if full_matrices else k), (n if full_matrices else k, n)
    return ((k,), u, vh)[:1 + 2 * compute_uv]


def svd_jvp(primals, tangents, *, full_matrices, compute_uv, **params):
    """Giles' formulas: with S' = U^H dA V, dS is its diagonal, and what is beside the diagonal
    turns U and V."""
    (x,), (t,) = primals, tangents
    (m, n), dtype = aval_of(x).shape[-2:], aval_of(x).dtype
    values, u, vh = svd(x, full_matrices=False, compute_uv=True, **params)
    if compute_uv and full_matrices and m != n:
        raise NotImplementedError(
            "Singular value decomposition JVP not implemented for full matrices")
    uh, v = adjoint(u), adjoint(vh)
    inner = matmul(matmul(uh, t), v)
    t_values = diagonal(real_part(inner))
    if not compute_uv:
        return [values], [t_values]
    identity = eye(aval_of(values).shape[-1], aval_of(values).dtype, rank=ndim(x))
    gaps = mul(add(row(values), column(values)), differences(values))
    inverse = convert(sub(div(1.0, add(gaps, identity)), identity), dtype)
    wide = convert(values, dtype)
    right, left = mul(row(wide), inner), mul(column(wide), inner)
    is_zero = convert(eq(values, 0.0), aval_of(values).dtype)
    inverted = diagonal_matrix(convert(sub(div(1.0, add(values, is_zero)), is_zero), dtype))
    turning = mul(mul(0.5, sub(inner, adjoint(inner))), inverted)
    t_u = matmul(u, add(mul(inverse, add(right, adjoint(right))), turning))
    t_v = matmul(v, mul(inverse, add(left, adjoint(left))))
    if m > n:  # what leads out of the span of U
        out = matmul(t, v)
        t_u = add(t_u, div(sub(out, matmul(u, matmul(uh, out))), row(wide)))
    if n > m:
        out = matmul(adjoint(t), u)
        t_v = add(t_v, div(sub(out, matmul(v, matmul(vh, out))), row(wide)))
    return [values, u, vh], [t_values, t_u, adjoint(t_v)]


svd = factorization(
    "svd", lapack.svd, (2,), svd_shapes, jvp=svd_jvp,
    dtypes=lambda dtype, *, compute_uv, **_: (real_of(dtype), dtype, dtype)[:1 + 2 * compute_uv],
    defaults={"full_matrices": True, "compute_uv": True, "subset_by_index": None,
              "algorithm": None})

# ------------------------------------------------------------------ without derivatives


def schur_shapes(x, *, compute_schur_vectors, **_):
    check_square("schur", x)
    return (x,) * (1 + compute_schur_vectors)


schur = factorization(
    "schur", lapack.schur, (2,), schur_shapes,
    defaults={"compute_schur_vectors": True, "sort_eig_vals": False, "select_callable": None})


def hessenberg_shapes(x):
    if x[0] != x[1]:
        raise ValueError("Argument to Hessenberg reduction must have shape [..., n, n], got shape "
                         f"{x}")
    return x, (max(x[0] - 1, 0),)


hessenberg = factorization("hessenberg", lapack.hessenberg, (2,), hessenberg_shapes)


def tridiagonal_shapes(x, *, lower):
    if x[0] != x[1] or not x[0]:
        raise ValueError(f"The input to tridiagonal must be a square matrix. Got shape {x}.")
    return x, x[:1], (x[0] - 1,), (x[0] - 1,)


tridiagonal = factorization(
    "tridiagonal", lapack.tridiagonal, (2,), tridiagonal_shapes, defaults={"lower": True},
    dtypes=lambda dtype, **_: (dtype, real_of(dtype), real_of(dtype), dtype))


def symmetric_product_shapes(a, c, **_):
    if not a[0] == c[0] == c[1]:
        raise ValueError("symmetric_update expects a rectangular matrix of shape (m, n) and a "
                         f"square matrix of shape (n, n). Got shapes {a} and {c}.")
    return (c,)


symmetric_product = factorization(
    "symmetric_product",
    lambda a, c, *, alpha=1.0, beta=0.0:
        (alpha * (a @ a.swapaxes(-1, -2)) + beta * c).astype(c.dtype),
    (2, 2), symmetric_product_shapes, accepts="f", single=True,
    defaults={"alpha": 1.0, "beta": 0.0})
