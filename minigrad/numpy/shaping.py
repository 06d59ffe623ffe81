"""Functions that move numbers: reshape, transpose, join, split, pad, roll. Source: jax.numpy."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence

import numpy as np

from minigrad.core import aval_of, scalar_dtype, table
from minigrad.numpy import elementwise
from minigrad.numpy.promotion import (
    broadcast_shapes, check_array, convert, operand, promote_dtypes, shape_of,
)
from minigrad.numpy.selecting import broadcast_arrays, broadcast_to, where
from minigrad.numpy.staging import staged
from minigrad.ops.axes import canonical
from minigrad.ops.families import full
from minigrad.ops.shaping import expand_dims as insert_axes
from minigrad.ops.shaping import reorder, reshape_to, slice_in_dim

# ------------------------------------------------------------------ axes


def as_shape(shape) -> tuple[int, ...]:
    return tuple(map(operator.index, shape)) if isinstance(shape, (tuple, list, np.ndarray)) \
        else (operator.index(shape),)


def reshape(a, shape, order="C", *, copy=None):
    """`a` with another shape; one size may be -1. Raises TypeError where sizes do not fit."""
    check_array("reshape", a)
    own, new = shape_of(a), as_shape(shape)
    if -1 in new:
        known = math.prod(n for n in new if n != -1)
        if new.count(-1) > 1 or known == 0 or math.prod(own) % known:
            raise TypeError(f"cannot reshape array of shape {own} (size {math.prod(own)}) into "
                            f"shape {new} (size {-known})")
        new = tuple(math.prod(own) // known if n == -1 else n for n in new)
    if math.prod(new) != math.prod(own):
        raise TypeError(f"cannot reshape array of shape {own} (size {math.prod(own)}) into shape "
                        f"{new} (size {math.prod(new)})")
    if order == "F":
        rank = len(own)
        turned = transpose(reshape_to(transpose(a), new[::-1]) if rank else operand(a))
        return turned
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


# ------------------------------------------------------------------ joining and splitting


def concatenate(arrays, axis=0, dtype=None):
    """Arrays one behind the other along `axis` (flat if None)."""
    arrays = checked_list("concatenate", arrays)
    if axis is None:
        return concatenate([ravel(a) for a in arrays], 0, dtype)
    if not shape_of(arrays[0]):
        raise ValueError("Zero-dimensional arrays cannot be concatenated.")
    axis = canonical(axis, len(shape_of(arrays[0])))
    arrays = promote_dtypes(*arrays) if dtype is None else [convert(a, np.dtype(dtype))
                                                            for a in arrays]
    return table["concatenate"](*arrays, dimension=axis)


concat = concatenate


def checked_list(name: str, arrays) -> list:
    arrays = list(arrays)
    if not arrays:
        raise ValueError(f"Need at least one array to {name}.")
    for i, a in enumerate(arrays):
        check_array(name, a, i)
    return [operand(a) for a in arrays]


def stack(arrays, axis=0, out=None, dtype=None):
    """Arrays of one shape along a new axis."""
    arrays = checked_list("stack", arrays)
    shape = shape_of(arrays[0])
    if any(shape_of(a) != shape for a in arrays):
        raise ValueError("All input arrays must have the same shape.")
    arrays = promote_dtypes(*arrays) if dtype is None else [convert(a, np.dtype(dtype))
                                                            for a in arrays]
    return table["stack"](*arrays, axis=canonical(axis, len(shape) + 1))


@staged
def atleast_1d(x):
    """At least one axis."""
    return x if shape_of(x) else reshape_to(x, (1,))


@staged
def atleast_2d(x):
    """At least two axes."""
    rank = len(shape_of(x))
    return x if rank >= 2 else insert_axes(x, tuple(range(2 - rank)))


@staged
def atleast_3d(x):
    """At least three axes."""
    rank = len(shape_of(x))
    new = {0: (0, 1, 2), 1: (0, 2), 2: (2,)}.get(rank)
    return insert_axes(x, new) if new else x


def hstack(tup, dtype=None):
    """Side by side: along the second axis, or the first of vectors."""
    arrays = [atleast_1d(a) for a in tup]
    return concatenate(arrays, 0 if len(shape_of(arrays[0])) == 1 else 1, dtype)


def vstack(tup, dtype=None):
    """On top of each other."""
    return concatenate([atleast_2d(a) for a in tup], 0, dtype)


def dstack(tup, dtype=None):
    """Along the third axis."""
    return concatenate([atleast_3d(a) for a in tup], 2, dtype)


def column_stack(tup):
    """Vectors as the columns of a matrix."""
    arrays = [operand(a) for a in tup]
    arrays = [transpose(atleast_2d(a)) if len(shape_of(a)) < 2 else a for a in arrays]
    return concatenate(arrays, 1)


def split_points(name: str, n: int, parts) -> list[int]:
    if isinstance(parts, (tuple, list)) or hasattr(parts, "shape") and shape_of(parts):
        points = [operator.index(p) for p in parts]
        return [0, *[min(max(p + n if p < 0 else p, 0), n) for p in points], n]
    count = operator.index(parts)
    size, extra = divmod(n, count)
    if extra and name == "split":
        raise ValueError("array split does not result in an equal division")
    sizes = [size + 1] * extra + [size] * (count - extra)
    return [0, *np.cumsum(sizes).tolist()]


def split_at(name: str, ary, parts, axis):
    check_array(name, ary)
    axis = canonical(axis, len(shape_of(ary)))
    points = split_points(name, shape_of(ary)[axis], parts)
    sizes = tuple(np.int64(max(b - a, 0)) for a, b in zip(points, points[1:]))
    return list(table["split"](operand(ary), sizes=sizes, axis=axis))


def split(ary, indices_or_sections, axis=0):
    """Equal parts along `axis`, or parts between the given points."""
    return split_at("split", ary, indices_or_sections, axis)


def array_split(ary, indices_or_sections, axis=0):
    """Parts along `axis` that are as equal as can be."""
    return split_at("array_split", ary, indices_or_sections, axis)


def hsplit(ary, indices_or_sections):
    """Parts along the second axis."""
    return split(ary, indices_or_sections, 1 if len(shape_of(ary)) > 1 else 0)


def vsplit(ary, indices_or_sections):
    """Parts along the first axis."""
    return split(ary, indices_or_sections, 0)


def unstack(x, /, *, axis=0):
    """The slices along an axis, as a tuple."""
    check_array("unstack", x)
    return tuple(table["unstack"](operand(x), axis=canonical(axis, len(shape_of(x)))))


# ------------------------------------------------------------------ repeating, moving, padding


def tile(A, reps):
    """The array repeated `reps` times along each axis."""
    check_array("tile", A)
    reps = as_shape(reps)
    shape = shape_of(A)
    rank = max(len(shape), len(reps))
    A = insert_axes(operand(A), tuple(range(rank - len(shape)))) if rank > len(shape) \
        else operand(A)
    return table["tile"](A, reps=(1,) * (rank - len(reps)) + reps)


def repeat(a, repeats, axis=None, *, total_repeat_length=None):
    """Each element (or each slice along `axis`) repeated."""
    check_array("repeat", a)
    if axis is None:
        a, axis = ravel(a), 0
    axis = canonical(axis, len(shape_of(a)))
    shape = shape_of(a)
    if isinstance(repeats, (int, np.integer)) and total_repeat_length is None:
        n = operator.index(repeats)
        wide = table["broadcast_in_dim"](
            operand(a), shape=shape[:axis + 1] + (n,) + shape[axis + 1:],
            broadcast_dimensions=tuple(i + (i > axis) for i in range(len(shape))))
        return table["reshape"](wide, new_sizes=shape[:axis] + (shape[axis] * n,)
                                + shape[axis + 1:])
    from minigrad.numpy.indexing import take

    counts = np.broadcast_to(np.asarray(repeats), (shape[axis],))
    index = np.repeat(np.arange(shape[axis], dtype=np.int32), counts)
    if total_repeat_length is not None:
        index = np.resize(index, total_repeat_length) if len(index) > total_repeat_length else \
            np.pad(index, (0, total_repeat_length - len(index)), mode="edge")
    return take(a, index, axis, mode="clip")


@staged(name="_roll_static", static=("shift", "axis"))
def roll_static(a, shift, axis):
    for distance, ax in zip(*map(np.atleast_1d, np.broadcast_arrays(shift, axis))):
        ax = canonical(int(ax), len(shape_of(a)))
        n = shape_of(a)[ax]
        distance = int(distance) % n if n else 0
        if distance:
            a = concatenate([slice_in_dim(a, n - distance, n, axis=ax),
                             slice_in_dim(a, 0, n - distance, axis=ax)], ax)
    return a


@staged(name="_roll_dynamic", static=("axis",))
def roll_dynamic(a, shift, axis):
    from minigrad.numpy.indexing import take

    n = shape_of(a)[axis]
    positions = table["iota"](dtype=np.dtype(np.int32), shape=(n,), dimension=0)
    index = elementwise.mod(elementwise.subtract(positions, convert(shift, np.int32)), n)
    return take(a, index, axis, mode="clip")


def roll(a, shift, axis=None):
    """Elements moved along `axis`; what falls off comes in on the other side."""
    check_array("roll", a)
    if axis is None:
        return reshape(roll(ravel(a), shift, 0), shape_of(a))
    static = isinstance(shift, (int, np.integer, tuple, list))
    if static:
        axis = tuple(axis) if isinstance(axis, list) else axis
        return roll_static(a, tuple(shift) if isinstance(shift, list) else shift, axis)
    return roll_dynamic(a, shift, canonical(axis, len(shape_of(a))))


@staged(name="_pad", static=("pad_width", "mode"))
def pad_(array, pad_width, mode, constant_values):
    if mode == "constant":
        value = convert(constant_values, aval_of(array).dtype, aval_of(array).weak_type)
        return table["pad"](array, value, padding_config=tuple(
            (np.int64(low), np.int64(high), 0) for low, high in pad_width))
    for axis, (low, high) in enumerate(pad_width):
        if low or high:
            array = pad_axis(array, axis, low, high, mode)
    return array


def pad_axis(x, axis: int, low: int, high: int, mode: str):
    """Border elements by NumPy's rules, which say where each position is read from."""
    n = shape_of(x)[axis]
    if mode == "edge":
        parts = [repeat(slice_in_dim(x, 0, 1, axis=axis), low, axis)] if low else []
        parts.append(x)
        if high:
            parts.append(repeat(slice_in_dim(x, n - 1, n, axis=axis), high, axis))
        return concatenate(parts, axis)
    from minigrad.numpy.indexing import take

    source = np.pad(np.arange(n, dtype=np.int32), (low, high), mode=mode)
    return take(x, source, axis, mode="clip")


def pad(array, pad_width, mode="constant", constant_values=0):
    """`array` with a border: zeros, a constant, or "edge", "reflect", "symmetric", "wrap"."""
    check_array("pad", array)
    rank = len(shape_of(array))
    if mode not in ("constant", "edge", "reflect", "symmetric", "wrap", "empty"):
        raise NotImplementedError(f"Unimplemented padding mode '{mode}' for np.pad.")
    pairs = np.broadcast_to(np.asarray(pad_width), (rank, 2))
    if (pairs < 0).any():
        raise ValueError("index can't contain negative values")
    width = tuple((int(low), int(high)) for low, high in pairs)
    return pad_(array, width, "constant" if mode == "empty" else mode, constant_values)


@staged(static=("n", "axis"))
def diff(a, n=1, axis=-1):
    """The differences of neighbours along an axis, `n` times."""
    axis = canonical(axis, len(shape_of(a)))
    take_difference = table["ne"] if aval_of(a).dtype == np.bool_ else table["sub"]
    for _ in range(n):
        size = shape_of(a)[axis]
        a = take_difference(cut(a, axis, 1, size), cut(a, axis, 0, size - 1))
    return a


def cut(x, axis: int, start: int, stop: int):
    """x[start:stop] along one axis, as indexing writes it."""
    shape = shape_of(x)
    starts, stops = [0] * len(shape), list(shape)
    starts[axis], stops[axis] = start, stop
    return table["slice"](x, start_indices=tuple(starts), limit_indices=tuple(stops))


# ------------------------------------------------------------------ triangles and diagonals


def grid(shape, dimension: int):
    return table["iota"](dtype=scalar_dtype(int), shape=tuple(shape), dimension=dimension)


def lower_triangle(shape, k: int):
    return table["ge"](table["add"](grid(shape, 0), k), grid(shape, 1))


def triangular(name: str, upper: bool):
    @staged(name=name, static=("k",))
    def function(m, k=0):
        shape = shape_of(m)
        if len(shape) < 2:
            raise ValueError(f"Argument to jax.numpy.{name} must be at least 2D")
        mask = lower_triangle(shape[-2:], k - upper)
        mask = broadcast_to(mask, shape)
        zeros = full(shape, 0, aval_of(m).dtype)
        return table["select_n"](mask, m, zeros) if upper else table["select_n"](mask, zeros, m)

    function.__name__ = name
    function.__doc__ = f"The {'upper' if upper else 'lower'} triangle, zeros elsewhere."
    return function


tril, triu = triangular("tril", False), triangular("triu", True)


def tri(N, M=None, k=0, dtype=None):
    """Ones on and below diagonal `k`."""
    return convert(lower_triangle((N, N if M is None else M), k),
                   scalar_dtype(float) if dtype is None else np.dtype(dtype))


def eye(N, M=None, k=0, dtype=None):
    """Ones on diagonal `k`."""
    shape = (operator.index(N), operator.index(N if M is None else M))
    rows, columns = grid(shape, 0), grid(shape, 1)
    on = table["eq"](table["add"](rows, k), columns)
    return convert(on, scalar_dtype(float) if dtype is None else np.dtype(dtype))


def identity(n, dtype=None):
    """The identity matrix."""
    return eye(n, dtype=dtype)


@staged(static=("offset", "axis1", "axis2"))
def diagonal(a, offset=0, axis1=0, axis2=1):
    """The diagonal of two axes, which becomes the last."""
    from minigrad.numpy.indexing import getitem

    a = moveaxis(a, (axis1, axis2), (-2, -1))
    rows, columns = shape_of(a)[-2:]
    count = max(0, min(rows + min(offset, 0), columns - max(offset, 0)))
    i = j = None
    i, j = (table["iota"](dtype=np.dtype(np.int32), shape=(count,), dimension=0) for _ in "ij")
    i = table["sub"](i, offset) if offset < 0 else i
    j = table["add"](j, offset) if offset > 0 else j
    return getitem(a, (..., i, j))


@staged(name="_diag", static=("k",))
def diag_(v, k):
    shape = shape_of(v)
    if len(shape) == 2:
        return diagonal(v, k)
    if len(shape) != 1:
        raise ValueError("diag input must be 1d or 2d")
    n = shape[0] + abs(k)
    v = table["pad"](v, full((), 0, aval_of(v).dtype),
                     padding_config=((max(0, k), max(0, -k), 0),))
    rows, columns = grid((n, n), 0), grid((n, n), 1)
    on = table["eq"](table["add"](rows, k), columns)
    column = insert_axes(v, (1,))
    return where(on, column, full((), 0, aval_of(v).dtype))


def diag(v, k=0):
    """The matrix with `v` on diagonal `k`, or diagonal `k` of a matrix."""
    check_array("diag", v)
    return diag_(v, k)


@staged(static=("offset", "axis1", "axis2", "dtype"))
def trace(a, offset=0, axis1=0, axis2=1, dtype=None):
    """The sum of a diagonal."""
    from minigrad.numpy.reductions import sum as total

    a = moveaxis(a, (axis1, axis2), (-2, -1))
    shape = shape_of(a)
    rows, columns = grid(shape[-2:], 0), grid(shape[-2:], 1)
    on = table["eq"](table["add"](rows, offset), columns)
    a = where(on, a, full(shape, 0, aval_of(a).dtype))
    return total(a, axis=(-2, -1), dtype=dtype)


def meshgrid(*xi, copy=True, sparse=False, indexing="xy"):
    """Coordinate arrays from coordinate vectors."""
    if indexing not in ("xy", "ij"):
        raise ValueError("Valid values for indexing are 'xy' and 'ij', got " + repr(indexing))
    xi = [operand(x) for x in xi]
    if indexing == "xy" and len(xi) >= 2:
        xi[0], xi[1] = xi[1], xi[0]
    sizes = [aval_of(x).size for x in xi]
    out = []
    for i, x in enumerate(xi):
        shape = [n if i == j or not sparse else 1 for j, n in enumerate(sizes)]
        out.append(table["broadcast_in_dim"](x, shape=tuple(shape), broadcast_dimensions=(i,)))
    if indexing == "xy" and len(out) >= 2:
        out[0], out[1] = out[1], out[0]
    return out


_ = broadcast_arrays, broadcast_shapes
