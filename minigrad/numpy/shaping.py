"""Functions that change shapes and the order of axes. Source: jax.numpy."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence

import numpy as np

from minigrad.show import messages
from minigrad.core import table
from minigrad.numpy.promotion import (
    check_array, operand, shape_of,
)
from minigrad.numpy.staging import staged
from minigrad.ops.axes import canonical
from minigrad.ops.shaping import expand_dims as insert_axes
from minigrad.ops.shaping import reorder, reshape_to


def as_shape(shape) -> tuple[int, ...]:
    """A shape of a size or of several. Raises TypeError where one is no known integer."""
    several = isinstance(shape, (tuple, list)) or getattr(shape, "ndim", 0)
    sizes = tuple(np.asarray(shape) if hasattr(shape, "ndim") else shape) if several else (shape,)
    try:
        return tuple(map(operator.index, sizes))
    except TypeError:
        raise messages.bad_shape(sizes) from None


def reshape(a, shape, order="C", *, copy=None):
    """`a` with another shape; one size may be -1. Raises TypeError where sizes do not fit."""
    check_array("reshape", a)
    own, new = shape_of(a), as_shape(shape)
    if -1 in new:
        known = math.prod(n for n in new if n != -1)
        if new.count(-1) > 1:
            raise TypeError("can only specify one unknown axis size with a `-1` value, got "
                            f"{new}")
        if known == 0 or math.prod(own) % known:
            raise TypeError(f"cannot reshape array of shape {own} (size {math.prod(own)}) into "
                            f"shape {new} because the product of specified axis sizes ({known}) "
                            f"does not evenly divide {math.prod(own)}")
        new = tuple(math.prod(own) // known if n == -1 else n for n in new)
    if math.prod(new) != math.prod(own):
        raise TypeError(f"cannot reshape array of shape {own} (size {math.prod(own)}) into shape "
                        f"{new} (size {math.prod(new)})")
    if order == "F":
        return transpose(reshape_to(transpose(a), new[::-1]))
    if order != "C":
        raise ValueError(f"Unexpected value for 'order' argument: {order}.")
    return operand(a) if own == new else table["reshape"](operand(a), new_sizes=new)


def ravel(a, order="C"):
    """The elements in one row."""
    return reshape(a, (-1,) if math.prod(shape_of(a)) else (0,), order)


def transpose(a, axes=None):
    """Axes in another order, reversed if none is given."""
    check_array("transpose", a)
    rank = len(shape_of(a))
    order = range(rank - 1, -1, -1) if axes is None else [canonical(i, rank) for i in axes]
    return reorder(operand(a), tuple(order))


permute_dims = transpose


def matrix_transpose(x, /):
    """The last two axes exchanged."""
    if len(shape_of(x)) < 2:
        raise ValueError("x must be at least two-dimensional for matrix_transpose; got "
                         f"ndim={len(shape_of(x))}")
    return swapaxes(x, -1, -2)


def swapaxes(a, axis1, axis2):
    """Two axes exchanged."""
    check_array("swapaxes", a)
    order = list(range(len(shape_of(a))))
    i, j = (canonical(k, len(order)) for k in (axis1, axis2))
    order[i], order[j] = order[j], order[i]
    return reorder(operand(a), tuple(order))


def moveaxis(a, source, destination):
    """Axes moved to new places; the others keep their order."""
    check_array("moveaxis", a)
    rank = len(shape_of(a))
    source, destination = (
        tuple(canonical(k, rank) for k in (x if isinstance(x, Sequence) else (x,)))
        for x in (source, destination))
    if len(source) != len(destination):
        raise ValueError("Inconsistent number of elements: "
                         f"{len(source)} vs {len(destination)}")
    order = [i for i in range(rank) if i not in source]
    for target, origin in sorted(zip(destination, source)):
        order.insert(target, origin)
    return reorder(operand(a), tuple(order))


def expand_dims(a, axis):
    """New axes of size one, at `axis` of the result."""
    check_array("expand_dims", a)
    return insert_axes(operand(a), axis if isinstance(axis, (tuple, list)) else (axis,))


def squeeze(a, axis=None):
    """Without axes of size one (all of them, or those in `axis`)."""
    check_array("squeeze", a)
    shape = shape_of(a)
    if axis is None:
        axes = tuple(i for i, n in enumerate(shape) if n == 1)
    else:
        axes = tuple(canonical(i, len(shape))
                     for i in (axis if isinstance(axis, (tuple, list)) else (axis,)))
    return table["squeeze"](operand(a), dimensions=axes) if axes else operand(a)


@staged(name="_flip", static=("axis",))
def flip_(m, axis):
    rank = len(shape_of(m))
    axes = range(rank) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    return table["rev"](m, dimensions=tuple(canonical(i, rank) for i in axes))


def flip(m, axis=None):
    """The elements in reverse order along `axis` (all axes if None)."""
    check_array("flip", m)
    return flip_(m, axis)


def fliplr(m):
    """Columns in reverse order."""
    return flip(m, 1)


def flipud(m):
    """Rows in reverse order."""
    return flip(m, 0)


@staged(static=("k", "axes"))
def rot90(m, k=1, axes=(0, 1)):
    """Rotated by 90 degrees k times, in the plane of two axes."""
    i, j = (canonical(a, len(shape_of(m))) for a in axes)
    if i == j:
        raise ValueError("Axes must be different")
    k %= 4
    if k == 0:
        return m
    if k == 2:
        return flip(flip(m, i), j)
    order = list(range(len(shape_of(m))))
    order[i], order[j] = j, i
    return transpose(flip(m, j), order) if k == 1 else flip(transpose(m, order), j)
