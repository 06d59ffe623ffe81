"""Systems of equations: solve, inv, lstsq, pinv, and the ranks and condition numbers that say how
well that goes. Source: jax.numpy.linalg."""

from __future__ import annotations

import math

import numpy as np

from minigrad.core import I32, aval_of, scalar_dtype, table
from minigrad.numpy import elementwise as ew
from minigrad.numpy import reductions
from minigrad.numpy.factors import matrices, svd, svdvals
from minigrad.numpy.floats import conjugate, isnan
from minigrad.numpy.norms import norm
from minigrad.numpy.promotion import broadcast_shapes, check_array, convert, settled, shape_of
from minigrad.numpy.selecting import broadcast_to, where
from minigrad.numpy.staging import staged
from minigrad.ops.calls import custom_jvp
from minigrad.ops.families import full
from minigrad.ops.matrices import adjoint, column, eye, matmul, symmetrized, transposed
from minigrad.ops.shaping import expand_dims, reshape_to
from minigrad.ops.solves import solve as solve_matrices


def eps_of(x) -> float:
    return float(np.finfo(aval_of(x).dtype).eps)


@staged
def solve(a, b):
    """x with a x = b; `b` is a vector or (*stack, n, k). Stacks broadcast."""
    a, b = matrices("solve", a, b)
    a_shape, b_shape = shape_of(a), shape_of(b)
    if len(a_shape) < 2:
        raise ValueError(f"left hand array must be at least two dimensional; got {a_shape=}")
    if len(b_shape) > 1 and len(a_shape) == len(b_shape) + 1 and a_shape[-1] == b_shape[-1] \
            and a_shape[-1] != b_shape[-2]:
        raise ValueError(f"Invalid shapes for solve: {a_shape}, {b_shape}. Use solve(a, b[..., "
                         "None]).squeeze(-1) for a batch of vectors.")
    is_vector = len(b_shape) == 1
    if is_vector:
        b = column(b)
    check_solvable(a, b)
    a, b = same_stack(a, b)
    out = solve_matrices(a, b)
    return table["squeeze"](out, dimensions=(len(shape_of(out)) - 1,)) if is_vector else out


def check_solvable(a, b) -> None:
    a_shape, b_shape = shape_of(a), shape_of(b)
    if a_shape[-1] != a_shape[-2] or a_shape[-1] != b_shape[-2]:
        raise ValueError("The arguments to solve must have shapes a=[..., m, m] and "
                         f"b=[..., m, k] or b=[..., m]; got a={a_shape} and b={b_shape}")


def same_stack(*xs) -> list:
    """Matrices with their stacks broadcast against each other."""
    stack = broadcast_shapes(*(shape_of(x)[:-2] for x in xs))
    return [broadcast_to(x, stack + shape_of(x)[-2:]) for x in xs]


@staged
def inv(a):
    """The inverse of a square matrix; infinite or nan where there is none."""
    check_array("inv", a)
    shape = shape_of(a)
    if len(shape) < 2 or shape[-1] != shape[-2]:
        raise ValueError(f"Argument to inv must have shape [..., n, n], got {shape}.")
    (a,) = matrices("inv", a)
    return solve(a, broadcast_to(eye(shape[-1], aval_of(a).dtype), shape))


def lstsq(a, b, rcond=None, *, numpy_resid=False):
    """The x of least |a x - b|, and of least |x| among those.

    Returns (x, residuals, rank, singular values); `a` is a matrix, `b` a vector or a matrix.
    """
    if not numpy_resid:
        return lstsq_staged(a, b, rcond)
    x, residuals, rank, values = least_squares(a, b, rcond)
    m, n = shape_of(a)
    return x, full((0,), 0, aval_of(x).dtype) if m <= n or rank < n else residuals, rank, values


def least_squares(a, b, rcond):
    a, b = matrices("lstsq", a, b)
    if shape_of(a)[:1] != shape_of(b)[:1]:
        raise ValueError("Leading dimensions of input arrays must match")
    for x, allowed in ((a, "two-dimensional"), (b, "one or two-dimensional")):
        if not (len(shape_of(x)) == 2 or x is b and len(shape_of(x)) == 1):
            raise TypeError(f"{len(shape_of(x))}-dimensional array given. Array must be {allowed}")
    is_vector = len(shape_of(b)) == 1
    b = column(b) if is_vector else b
    (m, n), dtype = shape_of(a), aval_of(a).dtype
    if not m * n:
        x = full((n, shape_of(b)[1]), 0, dtype)
        rank, values = full((), 0, scalar_dtype(int)), full((0,), 0, np.finfo(dtype).dtype)
    else:
        u, values, vh = svd(a, full_matrices=False)
        eps = eps_of(a)
        limit = eps * max(m, n) if rcond is None else where(ew.less(rcond, 0), eps, rcond)
        limit = convert(limit, aval_of(values).dtype)
        used = ew.logical_and(ew.greater(values, 0),
                              ew.greater_equal(values, ew.multiply(limit, values[0])))
        rank = reductions.sum(used)
        safe = convert(where(used, values, settled(1, aval_of(values).dtype)), dtype)
        inverse = where(used, ew.divide(1, safe), settled(0, dtype))
        x = matmul(adjoint(vh), ew.multiply(column(inverse), matmul(adjoint(u), b)))
    residuals = ew.square(norm(ew.subtract(b, matmul(a, x)), axis=0))
    return reshape_to(x, (n,)) if is_vector else x, residuals, rank, values


lstsq_staged = staged(least_squares, name="_lstsq")


# ------------------------------------------------------------------ pseudoinverse, rank, condition


def pinv(a, rtol=None, hermitian=False, *, rcond=None):
    """The Moore-Penrose inverse: singular values below `rtol` times the largest count as zero."""
    if rcond is not None:
        if rtol is not None:
            raise ValueError("pinv: only one of rtol and rcond may be specified.")
        rtol = rcond
    (a,) = matrices("pinv", a)
    return pseudoinverse(a, rtol, hermitian)


def pseudoinverse(a, rtol, hermitian):
    @custom_jvp
    def pinv_of(a):
        m, n = shape_of(a)[-2:]
        if not m * n:
            return full((*shape_of(a)[:-2], n, m), 0, aval_of(a).dtype)
        u, values, vh = svd(conjugate(a), full_matrices=False, hermitian=hermitian)
        limit = 10 * max(m, n) * eps_of(a) if rtol is None else rtol
        limit = convert(limit, aval_of(values).dtype)
        limit = expand_dims(limit, (len(shape_of(limit)),)) if shape_of(limit) else limit
        cut = ew.multiply(limit, values[..., :1])
        values = where(ew.greater(values, cut), values, math.inf)
        inverse = ew.divide(transposed(u), column(convert(values, aval_of(u).dtype)))
        return matmul(transposed(vh), inverse)

    @pinv_of.defjvp
    def rule(primals, tangents):
        """Golub and Pereyra (1973), as in jax.numpy.linalg.pinv."""
        (a,), (t,) = primals, tangents
        p = pinv_of(a)
        if hermitian:
            a, t = symmetrized(a), symmetrized(t)
        p_h, t_h = adjoint(p), adjoint(t)
        if shape_of(a)[-2] >= shape_of(a)[-1]:
            s, r = matmul(matmul(p, p_h), t_h), matmul(matmul(t_h, p_h), p)
            t_p = matmul(matmul(p, t), p)
            return p, -t_p + s - matmul(matmul(s, a), p) + r - matmul(matmul(p, a), r)
        s, r = matmul(p, matmul(p_h, t_h)), matmul(t_h, matmul(p_h, p))
        t_p = matmul(p, matmul(t, p))
        return p, -t_p + s - matmul(s, matmul(a, p)) + r - matmul(p, matmul(a, r))

    return pinv_of(a)


@staged(static=("hermitian",))
def matrix_rank(M, rtol=None, *, hermitian=False, tol=None):
    """How many singular values exceed `rtol` (by default eps, the size and the largest one)."""
    if tol is not None:
        if rtol is not None:
            raise ValueError("matrix_rank: only one of tol or rtol may be specified.")
        rtol = tol
    (M,) = matrices("matrix_rank", M)
    if len(shape_of(M)) < 2:
        return convert(reductions.any(ew.not_equal(M, 0)), I32)
    values = svd(M, full_matrices=False, compute_uv=False, hermitian=hermitian)
    if rtol is None:
        rtol = reductions.max(values, -1) * (max(shape_of(M)[-2:]) * eps_of(values))
    limit = column(rtol) if shape_of(rtol) else rtol
    return reductions.sum(ew.greater(values, limit), axis=-1)


@staged(static=("p",))
def cond(x, p=None):
    """The condition number: the ratio of singular values, or the product of two `p`-norms."""
    check_array("cond", x)
    shape = shape_of(x)
    if len(shape) < 2:
        raise ValueError(f"jnp.linalg.cond: input array must be at least 2D; got arr.{shape=}")
    if 0 in shape[-2:]:
        raise ValueError(f"jnp.linalg.cond: input array must not be empty; got arr.{shape=}")
    if p in (None, 2, -2):
        values = svdvals(x)
        first, last = values[..., 0], values[..., -1]
        if p != -2:
            return ew.divide(first, last)
        ratio = ew.divide(last, first)
    else:
        if shape[-1] != shape[-2]:
            raise ValueError(f"jnp.linalg.cond: for {p=}, array must be square; got arr.{shape=}")
        ratio = ew.multiply(norm(x, p, (-2, -1)), norm(inv(x), p, (-2, -1)))
    hidden = ew.logical_not(reductions.any(isnan(x), axis=(-2, -1)))
    return where(ew.logical_and(isnan(ratio), hidden), math.inf, ratio)
