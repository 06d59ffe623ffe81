"""LU factors, LDL factors, and solving with them."""

from __future__ import annotations


import numpy as np

from compat.torch import views as s
from compat.torch.host import on_arrays
from compat.torch.linalg.checks import (
    LinAlgError, batched, check, check_pair, is_vector, named, op,
)
from compat.torch.operation import operation
from compat.torch.promotion import cast
from compat.torch.selecting import convert
from compat.torch.tensor import array_of, from_array, known, of_face
from minigrad.core import I64, table
from minigrad.ops import matrices as m
from minigrad.ops import solves
from minigrad.ops.calls import custom_jvp


@op("linalg_lu_factor_ex")
def lu_op(A):
    factors, pivots, order = table["lu"](A)
    return factors, cast(pivots, np.dtype(np.int32)), cast(order, I64)


def lu_factor_ex(A, *, pivot=True, check_errors=False):
    """(LU in one matrix, pivots counted from 1, info)."""
    check("lu_factor_ex", A, square=False)
    factors, pivots, _ = lu_op(A)

    def first_zero(factors):
        zero = np.diagonal(factors, axis1=-2, axis2=-1) == 0
        return np.where(zero.any(-1), zero.argmax(-1) + 1 if zero.shape[-1] else 0, 0)

    info = on_arrays(first_zero, A.spec.shape[:-2], np.int32, factors)
    return named("linalg_lu_factor_ex", "LU pivots info", factors, pivots + 1, info)


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
    permutation = permutation_matrix(order, A.spec.dtype)
    return named("linalg_lu", "P L U", permutation, *parts(factors))


def permutation_matrix(order, dtype):
    """Ones where successive exchanges of rows lead to."""
    rows = from_array(np.arange(order.spec.shape[-1], dtype=order.spec.dtype))[:, None]
    return convert(order[..., None, :] == rows, dtype)


def lu_unpack(LU_data, LU_pivots, unpack_data=True, unpack_pivots=True):
    """(P, L, U) from what `lu_factor` gives."""
    if LU_pivots.spec.dtype != np.int32:
        raise RuntimeError("torch.lu_unpack: LU_pivots is expected to be a contiguous tensor of "
                           "torch.int32 dtype.")
    n, empty = LU_data.spec.shape[-2], LU_data.new_empty(0)
    permutation = empty
    if unpack_pivots:
        order = table["lu_pivots_to_permutation"](LU_pivots - 1, permutation_size=n)
        permutation = permutation_matrix(order, LU_data.spec.dtype)
    return named("lu_unpack", "P L U", permutation,
                 *(parts(LU_data) if unpack_data else (empty, empty)))


@op("linalg_solve_ex", ("A", "B"))
def solve_op(A, B):
    return solves.solve(A, B)


def singular(name: str, A, out) -> None:
    """PyTorch's error where a triangle of the factorization has a zero."""
    if not known(A) or not A.spec.aval.size:
        return
    factors = array_of(table["lu"](A.detach())[0])
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


@custom_jvp
def solve_with_factor(B, L):
    B, L = map(of_face, (B, L))
    return solve_triangular(L.mH, solve_triangular(L, B, upper=False), upper=True)


@solve_with_factor.defjvp
def solve_with_factor_rule(primals, tangents):
    """A dX = dB - dA X with A = L L^H; all of L counts, as in PyTorch."""
    (B, L), (tB, tL) = map(of_face, primals), map(of_face, tangents)
    X = of_face(solve_with_factor(B, L))
    lower = L.tril()
    change = tL @ lower.mH + lower @ tL.mH
    return X, solve_with_factor(tB - change @ X, L)


cholesky_solve_op = operation(lambda B, L: solve_with_factor(*batched(B, L)),
                              name="cholesky_solve", tensors=("B", "L"))


def cholesky_solve(B, L, upper=False):
    """X with A X = B, from the Cholesky factor of A."""
    for name, x in (("b", B), ("u", L)):
        if len(x.spec.shape) < 2:
            raise RuntimeError(f"{name} should have at least 2 dimensions, but has {x.dim()} "
                               "dimensions instead")
    check_pair("cholesky_solve", L, B)
    return cholesky_solve_op(B, L.mH if upper else L)


def cholesky_inverse(L, upper=False):
    """The inverse of A, from its Cholesky factor."""
    check("cholesky_inverse", L, prefix="")
    identity = of_face(np.broadcast_to(np.eye(L.spec.shape[-1], dtype=L.spec.dtype),
                                       L.spec.shape).copy())
    return cholesky_solve(identity, L, upper)
