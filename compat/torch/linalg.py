"""`torch.linalg`: factorizations, solving, norms and products over the primitives of the table."""

from __future__ import annotations

import inspect
import math
from collections import namedtuple

import numpy as np

from compat.torch import joining as j
from compat.torch import products
from compat.torch import reductions as r
from compat.torch import views as s
from compat.torch.dtypes import SCALAR_NAMES, to_numpy_or_none
from compat.torch.functions import cross as vector_product
from compat.torch.operation import operation
from compat.torch.pointwise import where
from compat.torch.promotion import broadcast_shapes, cast, is_floating
from compat.torch.signatures import public
from compat.torch.tensor import Tensor, from_array, of_face, wrap_dim, wrap_dims
from minigrad import core
from minigrad.core import I64, aval_of, table
from minigrad.ops import matrices as m
from minigrad.ops import solves
from minigrad.ops.calls import custom_jvp


class _LinAlgError(RuntimeError):
    """A matrix that cannot be factorized or inverted."""


LinAlgError = _LinAlgError

# ------------------------------------------------------------------ checks


def check(name: str, A, square: bool = True, what: str = "A", prefix: str = "linalg.") -> None:
    """A batch of (square) matrices of floats."""
    if not isinstance(A, core.Tensor):
        raise TypeError(f"linalg_{name}(): argument '{what}' (position 1) must be Tensor, not "
                        f"{type(A).__name__}")
    shape = A.spec.shape
    if len(shape) < 2:
        raise RuntimeError(f"{prefix}{name}: The input tensor {what} must have at least 2 "
                           "dimensions.")
    if square and shape[-1] != shape[-2]:
        raise RuntimeError(f"{prefix}{name}: {what} must be batches of square matrices, but they "
                           f"are {shape[-2]} by {shape[-1]} matrices")
    if not is_floating(A.spec.dtype):
        raise RuntimeError(f"{prefix}{name}: Expected a floating point or complex tensor as input. "
                           f"Got {SCALAR_NAMES[A.spec.dtype.name]}")


def failed(out, A) -> bool:
    """Did the routine give up (nan) on finite numbers? Not known while tracing."""
    if not (out.spec.concrete and A.spec.concrete):
        return False
    return not np.isfinite(out.value).all() and bool(np.isfinite(A.value).all())


def first_bad(out) -> str:
    """Which of a batch could not be done, as the messages say it."""
    flat = np.asarray(out.value).reshape(-1, *out.spec.shape[-2:])
    place = next((i for i, x in enumerate(flat) if not np.isfinite(x).all()), 0)
    return f"(Batch element {place}): " if len(out.spec.shape) > 2 else ""


def named(kind: str, names: str, *values):
    return namedtuple(kind, names)(*values)


def op(name: str, tensors=("A",)):
    return operation(name=name, tensors=tensors)


# ------------------------------------------------------------------ cholesky, eigenvalues, svd


@op("linalg_cholesky_ex")
def cholesky_op(A, upper):
    """The lower triangle is read, or the upper one."""
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
    for matrix in np.asarray(A.value).reshape(-1, *A.spec.shape[-2:]):
        for k in range(1, len(matrix) + 1):
            if np.linalg.eigvalsh(matrix[:k, :k]).min() <= 0:
                return k
    return 1


def info_of(out, batch) -> Tensor:
    bad = ~np.isfinite(np.asarray(out.value)).reshape(*batch, -1).all(-1) if out.spec.concrete \
        else np.zeros(batch, bool)
    return from_array(np.asarray(bad, np.int32))


def cholesky_ex(A, *, upper=False, check_errors=False):
    """(L, info): info is not zero where the factorization failed."""
    check("cholesky_ex", A)
    out = cholesky(A, upper=upper) if check_errors else cholesky_op(A, upper)
    return named("cholesky_ex", "L info", out, info_of(out, A.spec.shape[:-2]))


@op("linalg_eigh")
def eigh_op(A, lower):
    vectors, values = table["eigh"](A, lower=lower)
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
    if A.spec.concrete and not np.isfinite(A.value).all():
        raise RuntimeError("torch.linalg.eig: input tensor should not contain infs or NaNs.")
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


# ------------------------------------------------------------------ lu and solving


@op("linalg_lu_factor_ex")
def lu_op(A):
    factors, pivots, order = table["lu"](A)
    return factors, cast(pivots, np.dtype(np.int32)), cast(order, I64)


def lu_factor_ex(A, *, pivot=True, check_errors=False):
    """(LU in one matrix, pivots counted from 1, info)."""
    check("lu_factor_ex", A, square=False)
    factors, pivots, _ = lu_op(A)
    diagonal = np.diagonal(np.asarray(core.to_array(factors)), axis1=-2, axis2=-1)
    info = np.where((diagonal == 0).any(-1), (diagonal == 0).argmax(-1) + 1, 0)
    return named("linalg_lu_factor_ex", "LU pivots info", factors, pivots + 1,
                 from_array(np.asarray(info, np.int32)))


def lu_factor(A, *, pivot=True):
    """(LU in one matrix, pivots counted from 1)."""
    check("lu_factor", A, square=False)
    return named("linalg_lu_factor", "LU pivots", *lu_factor_ex(A)[:2])


def parts(factors):
    rows, columns = factors.spec.shape[-2:]
    k = min(rows, columns)
    lower = factors[..., :k].tril(-1) + of_face(np.eye(rows, k, dtype=factors.spec.dtype))
    return lower, factors[..., :k, :].triu()


def lu(A, *, pivot=True):
    """(P, L, U) with A = P L U."""
    check("lu", A, square=False)
    factors, _, order = lu_op(A)
    n = A.spec.shape[-2]
    permutation = (order[..., None, :] == from_array(np.arange(n))[:, None]).to(A.dtype)
    return named("linalg_lu", "P L U", permutation, *parts(factors))


def permutation_of(pivots, n: int) -> np.ndarray:
    """The order of rows that successive exchanges lead to."""
    swaps = np.asarray(core.to_array(pivots)) - 1
    order = np.broadcast_to(np.arange(n), (*swaps.shape[:-1], n)).copy()
    for place in np.ndindex(swaps.shape[:-1]):
        for i, k in enumerate(swaps[place]):
            order[place][[i, k]] = order[place][[k, i]]
    return order


def lu_unpack(LU_data, LU_pivots, unpack_data=True, unpack_pivots=True):
    """(P, L, U) from what `lu_factor` gives."""
    if LU_pivots.spec.dtype != np.int32:
        raise RuntimeError("torch.lu_unpack: LU_pivots is expected to be a contiguous tensor of "
                           "torch.int32 dtype.")
    n, empty = LU_data.spec.shape[-2], LU_data.new_empty(0)
    permutation = empty
    if unpack_pivots:
        order = permutation_of(LU_pivots, n)
        permutation = from_array((order[..., None, :] == np.arange(n)[:, None]).astype(
            LU_data.spec.dtype))
    return named("lu_unpack", "P L U", permutation,
                 *(parts(LU_data) if unpack_data else (empty, empty)))


def is_vector(A, B) -> bool:
    return len(B.spec.shape) == 1 or (len(A.spec.shape) - 1 == len(B.spec.shape)
                                      and B.spec.shape == A.spec.shape[:-1])


@op("linalg_solve_ex", ("A", "B"))
def solve_op(A, B):
    return solves.solve(A, B)


def check_pair(name: str, A, B, left: bool = True, vector: bool = False) -> None:
    if A.spec.dtype != B.spec.dtype:
        raise RuntimeError(f"linalg.{name}: Expected A and B to have the same dtype, but found A "
                           f"of type {SCALAR_NAMES[A.spec.dtype.name]} and B of type "
                           f"{SCALAR_NAMES[B.spec.dtype.name]} instead")
    if vector:
        return
    if len(B.spec.shape) < 2:
        raise RuntimeError(f"linalg.{name}: The input tensor B must have at least 2 dimensions.")
    axis = -2 if left else -1
    if A.spec.shape[-2 if left else -1] != B.spec.shape[axis]:
        raise RuntimeError(f"linalg.{name}: Incompatible shapes of A and B for the equation "
                           f"{'AX = B' if left else 'XA = B'} ({A.spec.shape[-2]}x"
                           f"{A.spec.shape[-1]} and {B.spec.shape[-2]}x{B.spec.shape[-1]})")


def batched(A, B):
    batch = broadcast_shapes(A.spec.shape[:-2], B.spec.shape[:-2])
    return (s.expand(x, batch + x.spec.shape[-2:]) for x in (A, B))


def singular(name: str, A, out) -> None:
    """PyTorch's error where a triangle of the factorization has a zero."""
    if not A.spec.concrete or not A.spec.aval.size:
        return
    factors = np.asarray(core.to_array(table["lu"](A.detach())[0]))
    zero = np.diagonal(factors, axis1=-2, axis2=-1) == 0
    if not zero.any():
        return
    rows = zero.reshape(-1, zero.shape[-1])
    place = int(rows.any(1).argmax())
    prefix = f"(Batch element {place}): " if zero.ndim > 1 else ""
    raise LinAlgError(
        f"linalg.{name}: {prefix}The diagonal element {int(rows[place].argmax()) + 1} is zero, the "
        "inversion could not be completed because the input matrix is singular." if "inv" in name
        else f"torch.linalg.{name}: {prefix}The solver failed because the input matrix is "
        "singular.")


def solve(A, B, *, left=True, check_errors=True, name="solve"):
    """X with A X = B (or X A = B)."""
    check(name, A)
    vector = is_vector(A, B)
    if vector and not left:
        raise RuntimeError(f"linalg.{name}: Vector broadcasting of the left hand side is not "
                           "supported for left=False. In this case linalg.solve is equivalent to "
                           "B / A.squeeze(-1)")
    columns = B.unsqueeze(-1) if vector else B
    check_pair(name, A, columns, left)
    if left:
        out = solve_op(*batched(A, columns))
    else:
        out = solve_op(*batched(A.mT, columns.mT)).mT
    if check_errors:
        singular(name, A, out)
    return out.squeeze(-1) if vector else out


def solve_ex(A, B, *, left=True, check_errors=False):
    """(X, info): info is not zero where A is singular."""
    out = solve(A, B, left=left, check_errors=check_errors, name="solve_ex")
    return named("linalg_solve_ex", "result info", out, lu_factor_ex(A.detach())[2])


def inv(A, *, name="inv", check_errors=True):
    """The inverse."""
    check(name, A)
    identity = of_face(np.broadcast_to(np.eye(A.spec.shape[-1], dtype=A.spec.dtype),
                                       A.spec.shape).copy())
    out = inv_op(A, identity)
    if check_errors:
        singular(name, A, out)
    return out


inv_op = operation(lambda A, B: solves.solve(A, B), name="linalg_inv_ex", tensors=("A", "B"))


def inv_ex(A, *, check_errors=False):
    """(the inverse, info)."""
    out = inv(A, name="inv_ex", check_errors=check_errors)
    return named("linalg_inv_ex", "inverse info", out, lu_factor_ex(A.detach())[2])


def lu_solve(LU, pivots, B, *, left=True, adjoint=False):
    """X with A X = B, from the factors of A."""
    check("lu_solve", LU, what="LU")
    check_pair("lu_solve", LU, B, left)
    if pivots.spec.dtype != np.int32:
        raise RuntimeError("linalg.lu_solve: pivots should be a Tensor of scalar type torch.int32")
    if pivots.spec.shape != LU.spec.shape[:-1]:
        raise RuntimeError("linalg.lu_solve: Number of pivots per batch should be same as the "
                           "dimension of the matrix")
    permutation, lower, upper = lu_unpack(LU, pivots)
    if not left:  # X A = B is A^H X^H = B^H
        return lu_solve(LU, pivots, B.mH, adjoint=not adjoint).mH
    if adjoint:
        out = solve_triangular(upper.mH, B, upper=False)
        return permutation @ solve_triangular(lower.mH, out, upper=True, unitriangular=True)
    out = solve_triangular(lower, permutation.mT @ B, upper=False, unitriangular=True)
    return solve_triangular(upper, out, upper=True)


@op("linalg_solve_triangular", ("A", "B"))
def triangular_op(A, B, upper, left, unit):
    keep = m.triu if upper else m.tril
    return table["triangular_solve"](keep(A), B, left_side=left, lower=not upper,
                                     transpose_a=False, conjugate_a=False, unit_diagonal=unit)


def solve_triangular(A, B, *, upper, left=True, unitriangular=False):
    """X with A X = B for a triangular A."""
    check("solve_triangular", A)
    check_pair("solve_triangular", A, B, left)
    A, B = batched(A, B)
    return triangular_op(A, B, upper, left, unitriangular)


def triangular_solve(b, A, upper=True, transpose=False, unitriangular=False):
    """(X, A) with A X = b for a triangular A. Deprecated by PyTorch."""
    check("triangular_solve", A, prefix="torch.")
    if len(b.spec.shape) < 2:
        raise RuntimeError("torch.triangular_solve: Expected b to have at least 2 dimensions, but "
                           f"it has {b.dim()} dimensions instead")
    matrix = A.mT if transpose else A
    out = solve_triangular(matrix, b, upper=upper != transpose, unitriangular=unitriangular)
    return named("triangular_solve", "solution cloned_coefficient", out,
                 s.expand(A, out.spec.shape[:-2] + A.spec.shape[-2:]).clone())


def cholesky_solve(B, L, upper=False):
    """X with A X = B, from the Cholesky factor of A."""
    for name, x in (("b", B), ("u", L)):
        if len(x.spec.shape) < 2:
            raise RuntimeError(f"{name} should have at least 2 dimensions, but has {x.dim()} "
                               "dimensions instead")
    check_pair("cholesky_solve", L, B)
    first = solve_triangular(L.mH if upper else L, B, upper=False)
    return solve_triangular(L if upper else L.mH, first, upper=True)


def cholesky_inverse(L, upper=False):
    """The inverse of A, from its Cholesky factor."""
    check("cholesky_inverse", L, prefix="")
    identity = of_face(np.broadcast_to(np.eye(L.spec.shape[-1], dtype=L.spec.dtype),
                                       L.spec.shape).copy())
    return cholesky_solve(identity, L, upper)


# ------------------------------------------------------------------ determinants, pinv, lstsq


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


@custom_jvp
def pseudo_inverse(A, tolerance):
    A, tolerance = of_face(A), of_face(tolerance)
    u, values, vh = svd(A, full_matrices=False)
    kept = values > tolerance
    inverse = where(kept, 1 / where(kept, values, 1.0), 0.0)
    return (vh.mH * inverse.unsqueeze(-2).to(A.dtype)) @ u.mH


@pseudo_inverse.defjvp
def pseudo_inverse_rule(primals, tangents):
    """dP = -P dA P + P P^H dA^H (1 - A P) + (1 - P A) dA^H P^H P (Golub and Pereyra, 1973)."""
    A, t = of_face(primals[0]), of_face(tangents[0])
    P = of_face(pseudo_inverse(*primals))
    PH, tH = P.mH, t.mH
    left, right = P @ (PH @ tH), (tH @ PH) @ P
    return P, right - P @ (A @ right) + left - (left @ A) @ P - P @ (t @ P)


@op("linalg_pinv", ("A", "tolerance"))
def pinv_op(A, tolerance):
    return pseudo_inverse(A, tolerance)


def pinv(A, rcond=None, hermitian=False, *, atol=None, rtol=None):
    """The pseudo-inverse."""
    check("pinv", A, square=hermitian)
    if not A.spec.aval.size:
        return A.mH.clone()
    return pinv_op(A, cut(A.detach(), atol, rcond if rtol is None else rtol, hermitian))


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


# ------------------------------------------------------------------ norms


def vector_norm(x, ord=2, dim=None, keepdim=False, *, dtype=None):
    """(sum |x|^ord)^(1/ord)."""
    if not is_floating(x.spec.dtype):
        raise RuntimeError("linalg.vector_norm: Expected a floating point or complex tensor as "
                           f"input. Got {SCALAR_NAMES[x.spec.dtype.name]}")
    dims = wrap_dims(dim, len(x.spec.shape))
    if ord < 0 or ord == math.inf:
        if any(not x.spec.shape[d] for d in dims):
            raise RuntimeError("linalg.vector_norm cannot compute the "
                               f"{ord} norm on an empty tensor because the operation does not have "
                               "an identity")
    return r.vector_norm(x, float(ord), dim, keepdim, to_numpy_or_none(dtype))


def matrix_norm(A, ord="fro", dim=(-2, -1), keepdim=False, *, dtype=None):
    """A norm of matrices: fro, nuc, inf, 1, 2 or a negative one of these numbers."""
    check("matrix_norm", A, square=False)
    if len(dim) != 2:
        raise RuntimeError(f"linalg.matrix_norm: dim must be a 2-tuple. Got {dim}")
    a, b = (wrap_dim(d, A.dim()) for d in dim)
    if a == b:
        raise RuntimeError(f"linalg.matrix_norm: dims must be different. Got ({dim[0]}, {dim[1]})")
    if ord not in ("fro", "nuc") and (isinstance(ord, str) or abs(ord) not in (1, 2, math.inf)):
        raise RuntimeError(f"linalg.matrix_norm: Order {ord} not supported.")
    x = A if dtype is None else A.to(dtype)
    if ord == "fro":
        return vector_norm(x, 2, (a, b), keepdim)
    if ord in ("nuc", 2, -2):
        values = svdvals(x.movedim((a, b), (-2, -1)))
        out = values.sum(-1) if ord == "nuc" else values.amax(-1) if ord == 2 else values.amin(-1)
    else:
        first, second = (a, b) if abs(ord) == 1 else (b, a)
        sums = x.abs().sum(first, keepdim=True)
        out = (sums.amax if ord > 0 else sums.amin)(second, True).squeeze((a, b))
    for d in sorted((a, b)) if keepdim else ():
        out = out.unsqueeze(d)
    return out


def norm(A, ord=None, dim=None, keepdim=False, *, dtype=None):
    """A vector or matrix norm, by `dim`; of all elements where neither it nor `ord` is given."""
    if not is_floating(A.spec.dtype):
        raise RuntimeError("linalg.norm: Expected a floating point or complex tensor as input. Got "
                           f"{SCALAR_NAMES[A.spec.dtype.name]}")
    dims = (dim,) if isinstance(dim, int) else dim
    if dims is not None and len(dims) not in (1, 2):
        raise RuntimeError(f"linalg.norm: If dim is specified, it must be of length 1 or 2. Got "
                           f"{list(dims)}")
    if ord is None:
        return vector_norm(A, 2, dims, keepdim, dtype=dtype)
    if dims is None and A.dim() not in (1, 2):
        raise RuntimeError("linalg.norm: If dim is not specified but ord is, the input must be 1D "
                           f"or 2D. Got {A.dim()}D.")
    if dims is None and A.dim() == 2 or dims is not None and len(dims) == 2:
        return matrix_norm(A, ord, (0, 1) if dims is None else dims, keepdim, dtype=dtype)
    if isinstance(ord, str):
        raise RuntimeError(f"linalg.norm: Order {ord} not supported.")
    return vector_norm(A, ord, dims, keepdim, dtype=dtype)


def cond(A, p=None):
    """The condition number: the norm times the norm of the inverse."""
    check("cond", A, square=p not in (None, 2, -2), prefix="linalg.")
    if p in (None, 2, -2):
        values = svdvals(A)
        low, high = values[..., -1], values[..., 0]
        return low / high if p == -2 else high / low
    inverse = inv(A, name="cond", check_errors=False)
    out = matrix_norm(A, p) * matrix_norm(inverse, p)
    return out if not failed(inverse, A) else where(out.isnan(), math.inf, out)


# ------------------------------------------------------------------ products and the rest


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
    x = of_face(A) * 0.5 ** squarings
    identity = of_face(np.broadcast_to(np.eye(aval_of(A).shape[-1], dtype=aval_of(A).dtype),
                                       aval_of(A).shape))
    out = identity + x / 18
    for k in range(17, 0, -1):
        out = identity + (x @ out) / k
    for _ in range(squarings):
        out = out @ out
    return out


def matrix_exp(A):
    """The matrix exponential."""
    check("matrix_exp", A, prefix="linalg.")
    size = 16.0
    if A.spec.concrete and A.spec.aval.size:
        size = float(np.abs(np.asarray(A.value)).sum(-2).max())
    squarings = max(0, math.ceil(math.log2(size)) + 1) if 0 < size < math.inf else 0
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
    array = np.asarray(core.to_array(A))
    n = array.shape[-1]
    routine = lapack.get_lapack_funcs((name,), dtype=array.dtype)[0]
    flat = [routine(x, lower=1) for x in array.reshape(-1, n, n)]
    below = [np.tril(ld) for ld, _, _ in flat]
    shapes = ((array.shape, below, array.dtype), (array.shape[:-1], [
        p + 1 if (p >= 0).all() and False else p for _, p, _ in flat], np.int32),
        (array.shape[:-2], [i for _, _, i in flat], np.int32))
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
    arrays = [np.broadcast_to(np.asarray(core.to_array(x)), batch + x.spec.shape[-k:]).reshape(
        -1, *x.spec.shape[-k:]) for x, k in ((LD, 2), (pivots, 1), (B, 2))]
    name = "hetrs" if hermitian and LD.is_complex() else "sytrs"
    routine = lapack.get_lapack_funcs((name,), dtype=LD.spec.dtype)[0]
    out = [routine(a, p, b, lower=1)[0] for a, p, b in zip(*arrays)]
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
    n = x.spec.shape[-1] if N is None else N
    whole = x if is_floating(x.spec.dtype) else x.long()
    return whole.unsqueeze(-1) ** from_array(np.arange(n))


def diagonal(A, *, offset=0, dim1=-2, dim2=-1):
    """The diagonal of the last two dimensions."""
    return s.diagonal(A, offset, dim1, dim2)


def cross(input, other, *, dim=-1):
    """The vector product along `dim`."""
    return vector_product(input, other, dim)


matmul = products.matmul
PRIVATE = ("check", "failed", "first_bad", "info_of", "named", "op", "leading_minor", "parts",
           "permutation_of", "is_vector", "check_pair", "batched", "singular", "cut", "reflections")
globals().update({name: public(value) for name, value in list(globals().items())
                  if inspect.isfunction(value) and value.__module__ == __name__
                  and not name.endswith("_op") and name not in PRIVATE})
