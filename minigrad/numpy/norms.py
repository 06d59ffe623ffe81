"""Norms, powers and products of matrices. Source: jax.numpy.linalg."""

from __future__ import annotations

import math
import operator

from minigrad.core import aval_of
from minigrad.numpy import elementwise as ew
from minigrad.numpy import reductions
from minigrad.numpy.factors import svdvals
from minigrad.numpy.floats import conjugate, real
from minigrad.numpy.linear import matmul
from minigrad.numpy.matrices import eye
from minigrad.numpy.promotion import check_array, inexact, promote_dtypes, shape_of
from minigrad.numpy.selecting import broadcast_to
from minigrad.numpy.shaping import moveaxis
from minigrad.numpy.staging import staged
from minigrad.ops.shaping import expand_dims


def length(x, axes, keepdims):
    """The root of the sum of squares."""
    return ew.sqrt(reductions.sum(real(ew.multiply(x, conjugate(x))), axes, keepdims=keepdims))


@staged(name="norm", static=("ord", "axis", "keepdims"))
def norm(x, ord=None, axis=None, keepdims=False):
    """The norm of vectors (one axis) or matrices (two). Source: jax.numpy.linalg.norm."""
    check_array("norm", x)
    (x,) = promote_dtypes(x, to=inexact)
    if axis is None and ord is None:
        return length(x, None, keepdims)
    axes = reductions.axes_of(x, axis)
    if len(axes) == 1:
        return vector_norm(x, axis=axes, keepdims=keepdims, ord=2 if ord is None else ord)
    if len(axes) != 2:
        raise ValueError(f"Improper number of axes for norm: axis={axis}. Pass one axis to "
                         "compute a vector-norm, or two axes to compute a matrix-norm.")
    if ord in (None, "f", "fro"):
        return length(x, axes, keepdims)
    if ord in (1, -1, math.inf, -math.inf):
        first, second = axes if ord in (1, -1) else axes[::-1]
        sums = reductions.sum(ew.absolute(x), first, keepdims=keepdims)
        if not keepdims and first < second:
            second -= 1
        return extreme(sums, second, keepdims, ord > 0)
    if ord not in ("nuc", 2, -2):
        raise ValueError(f"Invalid order '{ord}' for matrix norm.")
    values = svdvals(moveaxis(x, axes, (-2, -1)))
    out = reductions.sum(values, -1) if ord == "nuc" else extreme(values, -1, False, ord > 0)
    return expand_dims(out, sorted(axes)) if keepdims else out


def extreme(x, axis, keepdims, largest: bool):
    """The largest number, 0 of none; or the smallest."""
    if largest:
        return reductions.max(x, axis, keepdims=keepdims, initial=0)
    return reductions.min(x, axis, keepdims=keepdims)


def vector_norm(x, axis=None, keepdims=False, ord=2):
    """The `ord`-norm over axes. Source: jax.numpy.linalg.vector_norm."""
    check_array("vector_norm", x)
    (x,) = promote_dtypes(x, to=inexact)
    if ord in (None, 2):
        return length(x, axis, keepdims)
    size = ew.absolute(x)
    if ord in (math.inf, -math.inf):
        return extreme(size, axis, keepdims, ord > 0)
    if ord == 0:
        return reductions.sum(ew.not_equal(x, 0), axis, aval_of(size).dtype, keepdims=keepdims)
    if ord == 1:
        return reductions.sum(size, axis, keepdims=keepdims)
    if isinstance(ord, str):
        raise ValueError(f"Invalid order '{ord}' for vector norm.")
    total = reductions.sum(ew.power(size, ord), axis, keepdims=keepdims)
    return ew.power(total, 1.0 / ord)


def matrix_norm(x, *, keepdims=False, ord="fro"):
    """The norm of the matrices in the last two axes."""
    return norm(x, ord, (-2, -1), keepdims)


@staged(static=("n",))
def matrix_power(a, n):
    """A square matrix multiplied by itself, by repeated squaring; by its inverse where n < 0."""
    from minigrad.numpy.solving import inv

    shape = shape_of(a)
    if len(shape) < 2:
        raise TypeError(f"{len(shape)}-dimensional array given. Array must be at least "
                        "two-dimensional")
    if shape[-1] != shape[-2]:
        raise TypeError("Last 2 dimensions of the array must be square")
    try:
        n = operator.index(n)
    except TypeError as error:
        raise TypeError(f"exponent must be an integer, got {n}") from error
    if n == 0:
        return broadcast_to(eye(shape[-1], dtype=aval_of(a).dtype), shape)
    power, n, out = inv(a) if n < 0 else a, abs(n), None
    if n == 3:
        return matmul(matmul(power, power), power)
    while True:
        if n % 2:
            out = power if out is None else matmul(out, power)
        n //= 2
        if not n:
            return out
        power = matmul(power, power)
