"""Dense linear algebra on bare NumPy arrays: the routines of LAPACK and BLAS, over stacks.

Names, parameters and defaults are those of the `jax.lax.linalg` primitives; axes before a matrix's
own two (or a vector's own one) are a stack. The same routines run below XLA on the CPU, so signs,
pivots and phases agree. Where a routine gives up, its results are nan. SciPy is imported at the
first call that needs it; what NumPy does for whole stacks (Cholesky, eigh, svd, qr) it does.
"""

import functools
import math

import numpy as np

from kernels.reference import is_half, rounded

REAL = {"complex64": np.dtype(np.float32), "complex128": np.dtype(np.float64)}
COMPLEX = {"float32": np.dtype(np.complex64), "float64": np.dtype(np.complex128)}


def over_stacks(*ranks):
    """Let a kernel of single matrices (or vectors: rank 1) run over stacks of them."""

    def decorate(kernel):
        @functools.wraps(kernel)
        def run(*operands, **params):
            batch = operands[0].shape[:operands[0].ndim - ranks[0]]
            if not batch:
                return tidy(kernel(*operands, **params))
            cores = [x.shape[x.ndim - rank:] for x, rank in zip(operands, ranks, strict=True)]
            if 0 in batch:  # nothing to do, but the results have shapes
                sample = kernel(*(np.full(c, x.dtype.kind in "fc", x.dtype)  # an index is 0
                                 for c, x in zip(cores, operands)), **params)
                return stacked([sample], lambda parts: np.empty((*batch, *parts[0].shape),
                                                                parts[0].dtype))
            flat = [x.reshape(math.prod(batch), *core) for x, core in zip(operands, cores)]
            return stacked([kernel(*parts, **params) for parts in zip(*flat)],
                           lambda parts: np.stack(parts).reshape(batch + parts[0].shape))

        return run

    return decorate


def stacked(results, join):
    if isinstance(results[0], tuple):
        return tuple(map(join, zip(*results)))
    return join(results)


def tidy(result):
    """Results as C-contiguous arrays: LAPACK's are Fortran's."""
    if isinstance(result, tuple):
        return tuple(map(np.ascontiguousarray, result))
    return np.ascontiguousarray(result)


def routine(name, dtype):
    """A routine of LAPACK or BLAS for this dtype."""
    from scipy import linalg

    get = linalg.get_blas_funcs if name in ("trsm",) else linalg.get_lapack_funcs
    return get((name,), dtype=dtype)[0]


def workspace(name, dtype, *sizes, **options):
    """The size of the workspace that lets a routine work in blocks."""
    from scipy.linalg import lapack

    return lapack._compute_lwork(routine(f"{name}_lwork", dtype), *sizes, **options)


def orthogonal(name, dtype):
    """LAPACK says `or` of real matrices and `un` of complex ones, `sy` and `he`."""
    if dtype.kind != "c":
        return name
    return {"or": "un", "sy": "he"}[name[:2]] + name[2:]


def nans(*results):
    """Results of these shapes and dtypes where a routine has failed."""
    return tuple(np.full(shape, np.nan, dtype) for shape, dtype in results)


def of_full_width(kernel):
    """LAPACK has no half floats, so these refuse them, as JAX does."""

    @functools.wraps(kernel)
    def checked(x, *operands, **params):
        if is_half(x.dtype):
            raise NotImplementedError(f"Unsupported dtype {x.dtype.name}.")
        return kernel(x, *operands, **params)

    return checked


# ---- triangular and symmetric ------------------------------------------------------------------


@of_full_width
def cholesky(x):
    """The lower triangle L of `x = L L^H`, in its place in `x`; all nan where `x` is not positive
    definite."""
    try:
        low = np.linalg.cholesky(x)
    except np.linalg.LinAlgError:
        return cholesky_of_each(x)
    return np.where(np.tri(x.shape[-1], dtype=bool), low, x)


@over_stacks(2)
def cholesky_of_each(x):
    try:
        return np.where(np.tri(len(x), dtype=bool), np.linalg.cholesky(x), x)
    except np.linalg.LinAlgError:
        return np.full_like(x, np.nan)


@over_stacks(2, 1)
def cholesky_update(r, w):
    """The upper triangle R' of `R'^T R' = R^T R + w w^T`, by a Givens rotation a row."""
    r, w = r.copy(), w.copy()
    for k in range(len(w)):
        if w[k] == 0:
            continue
        scale = max(abs(r[k, k]), abs(w[k]))
        x, y = r[k, k] / scale, w[k] / scale
        length = 1 / np.sqrt(x * x + y * y)
        c, s = x * length, -y * length
        r[k], w = c * r[k] - s * w, c * w + s * r[k]
    return r


@over_stacks(2, 2)
def triangular_solve(a, b, *, left_side=False, lower=False, transpose_a=False,
                     conjugate_a=False, unit_diagonal=False):
    """`b` divided by the triangle of `a`, from the left or from the right."""
    if not b.size:
        return b.copy()
    if is_half(a.dtype):
        wide = triangular_solve(
            a.astype(np.float32), b.astype(np.float32), left_side=left_side, lower=lower,
            transpose_a=transpose_a, conjugate_a=conjugate_a, unit_diagonal=unit_diagonal)
        return rounded(wide, b.dtype)
    if conjugate_a and not transpose_a:
        a = a.conj()
    transposed = 0 if not transpose_a else 2 if conjugate_a else 1
    return routine("trsm", a.dtype)(1, a, b, side=not left_side, lower=lower, trans_a=transposed,
                                    diag=unit_diagonal)


@of_full_width
@over_stacks(1, 1, 1, 2)
def tridiagonal_solve(dl, d, du, b, *, perturb_singular=False):
    """Solve for the matrix with these diagonals; `dl[0]` and `du[-1]` do not matter."""
    if perturb_singular:
        raise NotImplementedError("tridiagonal_solve: perturb_singular=True is not supported")
    if d.size < 2 or not b.size:
        with np.errstate(all="ignore"):
            return b / d[:, None]
    *_, x, info = routine("gtsv", d.dtype)(dl[1:], d, du[:-1], b)
    return np.full_like(b, np.nan) if info else x


@of_full_width
def eigh(x, *, lower=True, **_):
    """Eigenvectors and eigenvalues, ascending, of the Hermitian matrix in one triangle of `x`."""
    try:
        values, vectors = np.linalg.eigh(x, "L" if lower else "U")
        return vectors, values
    except np.linalg.LinAlgError:
        return eigh_of_each(x, lower=lower)


@over_stacks(2)
def eigh_of_each(x, *, lower):
    try:
        values, vectors = np.linalg.eigh(x, "L" if lower else "U")
        return vectors, values
    except np.linalg.LinAlgError:
        return nans((x.shape, x.dtype), (x.shape[:1], REAL.get(x.dtype.name, x.dtype)))


@of_full_width
@over_stacks(2)
def tridiagonal(x, *, lower=True):
    """Householder's reduction to a tridiagonal matrix: reflectors, diagonals and their factors."""
    name, n = orthogonal("sytrd", x.dtype), x.shape[0]
    lwork = workspace(name, x.dtype, n, lower=lower)
    packed, d, e, taus, info = routine(name, x.dtype)(x, lower=lower, lwork=lwork)
    return packed, d, e, taus


# ---- general -----------------------------------------------------------------------------------


@of_full_width
@over_stacks(2)
def lu(x):
    """Both factors in one matrix, the rows that were exchanged, and the permutation they make."""
    m, n = x.shape
    if not x.size:
        return x.copy(), np.zeros(0, np.int32), np.arange(m, dtype=np.int32)
    factors, pivots, _ = routine("getrf", x.dtype)(x)
    pivots = pivots.astype(np.int32)
    return factors, pivots, lu_pivots_to_permutation(pivots, permutation_size=m)


@over_stacks(1)
def lu_pivots_to_permutation(pivots, *, permutation_size):
    """Row `i` was exchanged with row `pivots[i]`, one after the other."""
    order = np.arange(permutation_size, dtype=np.int32)
    for i, j in enumerate(pivots):
        order[i], order[j] = order[j], order[i]
    return order


@of_full_width
@over_stacks(2)
def geqrf(x):
    """Reflectors and R in one matrix, and the reflectors' factors."""
    m, n = x.shape
    if not x.size:
        return x.copy(), np.zeros(min(m, n), x.dtype)
    packed, taus, _, _ = routine("geqrf", x.dtype)(x, lwork=workspace("geqrf", x.dtype, m, n))
    return packed, taus


@of_full_width
@over_stacks(2, 1)
def householder_product(x, taus):
    """The first columns of the product of the reflectors in `x`."""
    if not x.size:
        return x.copy()
    if not taus.size:
        return np.eye(*x.shape, dtype=x.dtype)
    out, _, _ = routine(orthogonal("orgqr", x.dtype), x.dtype)(x, taus)
    return out


@of_full_width
@over_stacks(2, 1, 2)
def ormqr(a, taus, c, *, left=True, transpose=False):
    """`c` multiplied by the product of the reflectors in `a`, which is never formed."""
    if not c.size or not taus.size:
        return c.copy()
    adjoint = "C" if a.dtype.kind == "c" else "T"
    run = routine(orthogonal("ormqr", a.dtype), a.dtype)
    out, _, _ = run("L" if left else "R", adjoint if transpose else "N", a[:, :taus.size], taus, c,
                    max(1, c.shape[1] if left else c.shape[0]) * 64)
    return out


@of_full_width
def qr(x, *, pivoting=False, full_matrices=True, **_):
    """Q and R, and with pivoting the order of the columns."""
    m, n = x.shape[-2:]
    if not m * n:
        k, batch = m if full_matrices else min(m, n), x.shape[:-2]
        q = np.broadcast_to(np.eye(m, k, dtype=x.dtype), (*batch, m, k))
        r = np.zeros((*batch, k, n), x.dtype)
        return (q, r, np.zeros((*batch, n), np.int32)) if pivoting else (q, r)
    if pivoting:
        return pivoted_qr(x, full_matrices=full_matrices)
    return tuple(np.linalg.qr(x, "complete" if full_matrices else "reduced"))


@over_stacks(2)
def pivoted_qr(x, *, full_matrices):
    from scipy import linalg

    mode = "full" if full_matrices else "economic"
    q, r, order = linalg.qr(x, pivoting=True, mode=mode, check_finite=False)
    return q, r, order.astype(np.int32)


@of_full_width
@over_stacks(2)
def eig(x, *, compute_left_eigenvectors=True, compute_right_eigenvectors=True, **_):
    """Eigenvalues, then left and right eigenvectors of length one, as far as they are wanted."""
    from scipy import linalg

    dtype = COMPLEX.get(x.dtype.name, x.dtype)
    count = compute_left_eigenvectors + compute_right_eigenvectors
    if not x.size:
        return np.zeros(0, dtype), *[np.zeros((0, 0), dtype)] * count
    try:
        found = linalg.eig(x, left=compute_left_eigenvectors, right=compute_right_eigenvectors,
                           check_finite=False)
    except (np.linalg.LinAlgError, ValueError):
        return nans((x.shape[:1], dtype), *[(x.shape, dtype)] * count)
    return tuple(part.astype(dtype, copy=False) for part in (found if count else (found,)))


@of_full_width
@over_stacks(2)
def schur(x, *, compute_schur_vectors=True, sort_eig_vals=False, select_callable=None):
    """The Schur form, and the unitary matrix that leads there."""
    from scipy import linalg

    if sort_eig_vals:
        raise NotImplementedError("schur: sorting the eigenvalues is not supported")
    if not x.size:
        return (x.copy(),) * (1 + compute_schur_vectors)
    try:
        form, vectors = linalg.schur(x, "complex" if x.dtype.kind == "c" else "real",
                                     check_finite=False)
    except np.linalg.LinAlgError:
        form, vectors = nans(*[(x.shape, x.dtype)] * 2)
    return (form, vectors) if compute_schur_vectors else (form,)


@of_full_width
@over_stacks(2)
def hessenberg(x):
    """Householder's reduction to upper Hessenberg form: reflectors in it, and their factors."""
    n = x.shape[0]
    if n < 2:
        return x.copy(), np.zeros(max(n - 1, 0), x.dtype)
    lwork = workspace("gehrd", x.dtype, n, lo=0, hi=n - 1)
    packed, taus, _ = routine("gehrd", x.dtype)(x, lo=0, hi=n - 1, lwork=lwork)
    return packed, taus


@of_full_width
def svd(x, *, full_matrices=True, compute_uv=True, algorithm=None, **_):
    """Singular values, descending, then U and V^H where they are wanted."""
    if getattr(algorithm, "name", algorithm) == "QR":
        return svd_by_qr(x, full_matrices=full_matrices, compute_uv=compute_uv)
    try:
        if not compute_uv:
            return (np.linalg.svd(x, compute_uv=False),)
        u, s, vh = np.linalg.svd(x, full_matrices)
        return s, u, vh
    except np.linalg.LinAlgError:
        return svd_by_qr(x, full_matrices=full_matrices, compute_uv=compute_uv)


@over_stacks(2)
def svd_by_qr(x, *, full_matrices, compute_uv):
    from scipy import linalg

    (m, n), real = x.shape, REAL.get(x.dtype.name, x.dtype)
    k = min(m, n)
    try:
        found = linalg.svd(x, full_matrices, compute_uv, check_finite=False, lapack_driver="gesvd")
    except (np.linalg.LinAlgError, ValueError):
        found = nans(((m, m if full_matrices else k), x.dtype), ((k,), real),
                     ((n if full_matrices else k, n), x.dtype))
        found = found if compute_uv else found[1]
    if not compute_uv:
        return (found,)
    u, s, vh = found
    return s, u, vh
