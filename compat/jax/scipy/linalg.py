"""jax.scipy.linalg: solvers, factorizations and special matrices, over jax.numpy.linalg."""

from __future__ import annotations

import numpy as np

from compat.jax import face, lax
from compat.jax import numpy as jnp
from compat.jax.array import as_array, canonical_dtype
from compat.jax.functions.common import promoted_inexact
from compat.jax.lax import linalg
from compat.jax.transforms import jvp
from minigrad.core import scalar_dtype
from minigrad.ops.families import dtype_kind
from minigrad.scipy import matrices

# ------------------------------------------------------------------ solvers


def det(a, overwrite_a=False, check_finite=True):
    """The determinant."""
    return jnp.linalg.det(a)


def inv(a, overwrite_a=False, check_finite=True):
    """The inverse."""
    return jnp.linalg.inv(a)


def adjoint(x):
    return jnp.conj(jnp.matrix_transpose(x))


def cholesky(a, lower=False, overwrite_a=False, check_finite=True):
    """The triangle L with a = L L^H (its adjoint, unless `lower`)."""
    (a,) = promoted_inexact(a)
    out = linalg.cholesky(a if lower else adjoint(a), symmetrize_input=False)
    return out if lower else adjoint(out)


def cho_factor(a, lower=False, overwrite_a=False, check_finite=True):
    """(the Cholesky triangle, is it the lower one?), for `cho_solve`."""
    return cholesky(a, lower), lower


def cho_solve(c_and_lower, b, overwrite_b=False, check_finite=True):
    """x with a x = b, from `cho_factor(a)`."""
    c, lower = c_and_lower
    c, b = promoted_inexact(c, b)
    first = solve_triangular(c, b, trans=0 if lower else 2, lower=lower)
    return solve_triangular(c, first, trans=2 if lower else 0, lower=lower)


def solve(a, b, lower=False, overwrite_a=False, overwrite_b=False, debug=False, check_finite=True,
          assume_a="gen"):
    """x with a x = b; `assume_a="pos"` uses Cholesky's factorization."""
    if assume_a not in ("gen", "sym", "her", "pos"):
        raise ValueError(f"Expected assume_a to be one of ['gen', 'sym', 'her', 'pos']; got "
                         f"{assume_a!r}")
    if assume_a != "pos":
        return jnp.linalg.solve(a, b)
    return cho_solve(cho_factor(a, lower), b)


TRANSPOSED = {0: 0, "N": 0, 1: 1, "T": 1, 2: 2, "C": 2}


def solve_triangular(a, b, trans=0, lower=False, unit_diagonal=False, overwrite_b=False, debug=None,
                     check_finite=True):
    """x with a x = b for a triangle (transposed if trans is 1, adjoint if 2)."""
    if trans not in TRANSPOSED:
        raise ValueError(f"Invalid 'trans' value {trans}")
    a, b = promoted_inexact(a, b)
    which, vector = TRANSPOSED[trans], b.ndim == a.ndim - 1
    out = linalg.triangular_solve(
        a, b[..., None] if vector else b, left_side=True, lower=lower, transpose_a=which > 0,
        conjugate_a=which == 2, unit_diagonal=unit_diagonal)
    return out[..., 0] if vector else out


def lu_factor(a, overwrite_a=False, check_finite=True):
    """(packed factors, pivots), for `lu_solve`."""
    packed, pivots, _ = linalg.lu(promoted_inexact(a)[0])
    return packed, pivots


def lu_solve(lu_and_piv, b, trans=0, overwrite_b=False, check_finite=True):
    """x with a x = b, from `lu_factor(a)`."""
    packed, pivots = lu_and_piv
    packed, b = promoted_inexact(packed, b)
    order = linalg.lu_pivots_to_permutation(pivots, packed.shape[-1])
    if TRANSPOSED[trans] == 0:
        x = solve_triangular(packed, b[order], lower=True, unit_diagonal=True)
        return solve_triangular(packed, x)
    x = solve_triangular(packed, b, trans=trans)
    x = solve_triangular(packed, x, trans=trans, lower=True, unit_diagonal=True)
    return x[jnp.argsort(order)]


def lu(a, permute_l=False, overwrite_a=False, check_finite=True, p_indices=False):
    """(P, L, U), or (P L, U) with `permute_l`; P as a vector with `p_indices`."""
    (a,) = promoted_inexact(a)
    packed, _, order = linalg.lu(a)
    m, n = a.shape[-2:]
    k = min(m, n)
    low = jnp.tril(packed, -1)[..., :, :k] + jnp.eye(m, k, dtype=a.dtype)
    up = jnp.triu(packed)[..., :k, :]
    if p_indices and not permute_l:
        return jnp.argsort(order), low, up
    p = jnp.matrix_transpose(jnp.eye(m, dtype=jnp.finfo(a.dtype).dtype)[order])
    return (p.astype(a.dtype) @ low, up) if permute_l else (p, low, up)


# ------------------------------------------------------------------ factorizations


def svd(a, full_matrices=True, compute_uv=True, overwrite_a=False, check_finite=True,
        lapack_driver="gesdd"):
    """(U, singular values, V^H), or the values."""
    out = jnp.linalg.svd(a, full_matrices=full_matrices, compute_uv=compute_uv)
    return tuple(out) if compute_uv else out


def qr(a, overwrite_a=False, lwork=None, mode="full", pivoting=False, check_finite=True):
    """(Q, R); the order of columns too if `pivoting`; `mode` "r" gives R, "economic" is thin."""
    (a,) = promoted_inexact(a)
    if mode not in ("full", "r", "economic"):
        raise ValueError(f"Unsupported QR decomposition mode '{mode}'")
    q, r, *order = linalg.qr(a, pivoting=pivoting, full_matrices=mode != "economic")
    return (r, *order) if mode == "r" else (q, r, *order)


def qr_multiply(a, c, mode="right", pivoting=False, conjugate=False, overwrite_a=False,
                overwrite_c=False):
    """(Q c or c Q, R), for a thin factorization."""
    q, r, *order = qr(a, mode="economic", pivoting=pivoting)
    q = jnp.conj(q) if conjugate else q
    c = as_array(c)
    if c.ndim == 1:
        return (q @ c if mode == "left" else c @ q, r, *order)
    return (q @ c if mode == "left" else c @ q, r, *order)


def eigh(a, b=None, lower=True, eigvals_only=False, overwrite_a=False, overwrite_b=False,
         turbo=True, eigvals=None, type=1, check_finite=True):
    """(values, vectors) of a Hermitian matrix, or the values alone."""
    if b is not None or eigvals is not None or type != 1:
        raise NotImplementedError("Only the b=None, eigvals=None, type=1 case of eigh is "
                                  "implemented")
    v, w = linalg.eigh(promoted_inexact(a)[0], lower=lower)
    return w if eigvals_only else (w, v)


def eigh_tridiagonal(d, e, *, eigvals_only=False, select="a", select_range=None, tol=None):
    """The values of a symmetric tridiagonal matrix."""
    if not eigvals_only:
        raise NotImplementedError("Calculation of eigenvectors is not implemented")
    d, e = promoted_inexact(d, e)
    values = jnp.linalg.eigvalsh(jnp.diag(d) + jnp.diag(e, -1) + jnp.diag(jnp.conj(e), 1))
    if select == "i":
        return values[select_range[0]:select_range[1] + 1]
    if select == "v":
        raise NotImplementedError("eigh_tridiagonal by a range of values")
    return values


def schur(a, output="real", overwrite_a=False, lwork=None, sort=None, check_finite=True):
    """(T, Z) with a = Z T Z^H."""
    if output not in ("real", "complex"):
        raise ValueError(f"Expected 'output' to be either 'real' or 'complex', got {output=}.")
    (a,) = promoted_inexact(a)
    if output == "complex" and dtype_kind(a.dtype) == "f":
        a = a.astype(jnp.result_type(a.dtype, np.complex64))
    return linalg.schur(a)


def rsf2csf(T, Z, check_finite=True):
    """A real Schur form as a complex one: by a further factorization."""
    T, Z = promoted_inexact(T, Z)
    own = jnp.result_type(T.dtype, np.complex64)
    t, z = linalg.schur(T.astype(own))
    return t, Z.astype(own) @ z


def hessenberg(a, *, calc_q=False, overwrite_a=False, check_finite=True):
    """The Hessenberg form, and the rotation that gives it if `calc_q`."""
    (a,) = promoted_inexact(a)
    packed, taus = linalg.hessenberg(a)
    h = jnp.triu(packed, -1)
    if not calc_q:
        return h
    n = a.shape[-1]
    inner = linalg.householder_product(packed[..., 1:, :-1], taus)
    q = jnp.zeros_like(a).at[..., 0, 0].set(1).at[..., 1:, 1:].set(inner) if n > 1 else \
        jnp.ones_like(a)
    return h, q


def polar(a, side="right", *, method="qdwh", eps=None, max_iterations=None):
    """(a unitary matrix, a positive one) whose product is `a`."""
    (a,) = promoted_inexact(a)
    u, s, vh = jnp.linalg.svd(a, full_matrices=False)
    unitary = u @ vh
    if side == "right":
        return unitary, adjoint(vh) @ (s[..., None] * vh)
    return unitary, (u * s[..., None, :]) @ adjoint(u)


# ------------------------------------------------------------------ functions of matrices

PADE = [64764752532480000.0, 32382376266240000.0, 7771770303897600.0, 1187353796428800.0,
        129060195264000.0, 10559470521600.0, 670442572800.0, 33522128640.0, 1323241920.0,
        40840800.0, 960960.0, 16380.0, 182.0, 1.0]


def expm(A, *, upper_triangular=False, max_squarings=16):
    """The exponential, by a rational approximation of A / 2^k, squared k times.
    Source: Higham, "The scaling and squaring method ... revisited" (2005)."""
    (A,) = promoted_inexact(A)
    if A.ndim < 2 or A.shape[-1] != A.shape[-2]:
        raise ValueError(f"Expected A to be a (batched) square matrix, got {A.shape=}.")
    if A.ndim > 2:
        return jnp.vectorize(expm, signature="(n,n)->(n,n)")(A)
    limit = 3.925724783138660 if jnp.finfo(A.dtype).bits < 64 else 5.371920351148152
    size = jnp.linalg.norm(A, 1)
    k = jnp.maximum(0, jnp.floor(jnp.log2(size / limit)) + 1)
    k = jnp.where(jnp.isfinite(k), k, max_squarings + 1).astype(np.int32)
    real = jnp.finfo(A.dtype).dtype
    A = A / (2.0 ** k.astype(real)).astype(A.dtype)
    square = A @ A
    powers = [jnp.eye(A.shape[0], dtype=A.dtype)]
    for _ in range(6):
        powers.append(powers[-1] @ square)
    scale = PADE[0]
    odd = A @ sum(PADE[2 * i + 1] / scale * p for i, p in enumerate(powers))
    even = sum(PADE[2 * i] / scale * p for i, p in enumerate(powers))
    out = jnp.linalg.solve(even - odd, even + odd)
    out = lax.fori_loop(0, max_squarings, lambda i, r: jnp.where(i < k, r @ r, r), out)
    return jnp.where(k > max_squarings, jnp.nan, out)


def expm_frechet(A, E, *, method=None, compute_expm=True):
    """(the exponential, its derivative in the direction E)."""
    A, E = promoted_inexact(A, E)
    value, derivative = jvp(expm, (A,), (E,))
    return (value, derivative) if compute_expm else derivative


def sqrtm(A, blocksize=1):
    """The square root of a matrix, complex."""
    if blocksize > 1:
        raise NotImplementedError("Blocked version is not implemented yet.")
    return funm(A, jnp.sqrt)


def funm(A, func, disp=True):
    """A function of a matrix: Parlett's recurrence on its Schur form."""
    t, z = schur(A, output="complex")
    n = t.shape[0]
    f = jnp.diag(func(jnp.diag(t)))
    for p in range(1, n):
        for i in range(n - p):
            j = i + p
            total = t[i, j] * (f[j, j] - f[i, i])
            if p > 1:
                total += t[i, i + 1:j] @ f[i + 1:j, j] - f[i, i + 1:j] @ t[i + 1:j, j]
            gap = t[j, j] - t[i, i]
            f = f.at[i, j].set(total / jnp.where(gap == 0, jnp.finfo(t.dtype).eps, gap))
    out = z @ f @ adjoint(z)
    return out if disp else (out, jnp.linalg.norm(out, 1))


def solve_sylvester(A, B, C, *, method="schur", tol=1e-8):
    """X with A X + X B = C: one linear system in the elements of X."""
    A, B, C = promoted_inexact(A, B, C)
    m, n = C.shape
    whole = jnp.kron(A, jnp.eye(n, dtype=A.dtype)) + jnp.kron(jnp.eye(m, dtype=A.dtype), B.T)
    return jnp.linalg.solve(whole, C.reshape(-1)).reshape(m, n)


# ------------------------------------------------------------------ special matrices

(block_diag, toeplitz, hankel, circulant, companion, fiedler, fiedler_companion, leslie,
 convolution_matrix) = map(face.boxed, (
    matrices.block_diag, matrices.toeplitz, matrices.hankel, matrices.circulant,
    matrices.companion, matrices.fiedler, matrices.fiedler_companion, matrices.leslie,
    matrices.convolution_matrix))


def by_scipy(name: str):
    """A matrix that depends on its size alone, as SciPy makes it."""
    def function(n, *args, dtype=None, **kwargs):
        import scipy.linalg

        out = getattr(scipy.linalg, name)(n, *args, **kwargs)
        default = scalar_dtype({"c": complex, "i": int}.get(out.dtype.kind, float))
        return as_array(out.astype(default if dtype is None else canonical_dtype(dtype)))

    function.__name__, function.__doc__ = name, f"The {name} matrix of size n."
    return function


dft, hadamard, helmert, hilbert, invhilbert, invpascal, pascal = map(by_scipy, (
    "dft", "hadamard", "helmert", "hilbert", "invhilbert", "invpascal", "pascal"))
