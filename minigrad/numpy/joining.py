"""Functions that join, split, repeat, shift and pad arrays. Source: jax.numpy."""

from __future__ import annotations

import operator

import numpy as np

from minigrad.core import aval_of, table
from minigrad.numpy import elementwise
from minigrad.numpy.promotion import (
    check_array, convert, known_index, operand, promote_dtypes, shape_of,
)
from minigrad.numpy.staging import staged
from minigrad.ops.axes import canonical
from minigrad.ops.shaping import expand_dims as insert_axes
from minigrad.ops.shaping import reshape_to, slice_in_dim

from minigrad.numpy.selecting import broadcast_to
from minigrad.numpy.shaping import as_shape, ravel, reshape, transpose

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
        points = [known_index(p, f"in jax.numpy.{name} argument 1") for p in parts]
        return [0, *[min(max(p + n if p < 0 else p, 0), n) for p in points], n]
    count = known_index(parts, f"in jax.numpy.{name} argument 1")
    size, extra = divmod(n, count)
    if extra and name == "split":
        raise ValueError(f"array split does not result in an equal division: rest is {extra}")
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
    from minigrad.numpy.taking import take

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
    from minigrad.numpy.taking import take

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
    from minigrad.numpy.taking import take

    source = np.pad(np.arange(n, dtype=np.int32), (low, high), mode=mode)
    return take(x, source, axis, mode="clip")


def pad_by(array, width, mode, option):
    """Borders of a statistic of the nearest elements, or on a line towards an end value."""
    from minigrad.numpy import reductions

    dtype = aval_of(array).dtype
    for axis, (low, high) in enumerate(width):
        n, parts = shape_of(array)[axis], []
        for side, count in enumerate((low, high)):
            edge = slice_in_dim(array, *((0, 1) if side == 0 else (n - 1, n)), axis=axis)
            if mode == "linear_ramp":
                steps = (np.arange(count) if side == 0 else np.arange(count)[::-1]) / max(count, 1)
                along = np.asarray(steps, wide_float(dtype)).reshape(
                    [-1 if i == axis else 1 for i in range(len(width))])
                end = np.broadcast_to(option or 0, (len(width), 2))[axis][side].item()
                border = elementwise.add(elementwise.multiply(along, edge), elementwise.multiply(
                    end, np.asarray(1 - along, along.dtype)))
            else:
                length = None if option is None else np.broadcast_to(
                    option, (len(width), 2))[axis][side].item()
                k = n if length is None else min(length, n)
                near = slice_in_dim(array, *((0, k) if side == 0 else (n - k, n)), axis=axis)
                statistic = {"maximum": "max", "minimum": "min"}.get(mode, mode)
                border = getattr(reductions, statistic)(near, axis=axis, keepdims=True)
                border = repeat(border, count, axis)
            if aval_of(array).dtype.kind in "iu" and aval_of(border).dtype.kind == "f":
                border = table["round"](border, rounding_method=1)
            parts.append(convert(border, dtype))
        array = concatenate([parts[0], array, parts[1]], axis)
    return array


def wide_float(dtype):
    return dtype if dtype.kind not in "biu" else np.dtype(np.float32)


def pad_with(array, width, function, options):
    """A border that `function(vector, (low, high), axis, options)` writes."""
    from minigrad.batch import vmap

    array = table["pad"](array, np.zeros((), aval_of(array).dtype)[()],
                         padding_config=tuple((low, high, 0) for low, high in width))
    for axis, pair in enumerate(width):
        call = lambda row, pair=pair, axis=axis: function(row, pair, axis, options)
        for k in range(len(width) - 1):
            call = vmap(call, in_axes=0 if k >= axis else -1, out_axes=0 if k >= axis else -1)
        array = call(array)
    return array


OPTIONS = {"maximum": "stat_length", "minimum": "stat_length", "mean": "stat_length",
           "median": "stat_length", "linear_ramp": "end_values", "constant": "constant_values",
           "reflect": "reflect_type", "symmetric": "reflect_type"}


def pad(array, pad_width, mode="constant", **kwargs):
    """`array` with a border: zeros, a constant, or "edge", "reflect", "symmetric", "wrap", "mean"
    and others of NumPy, or what a function writes."""
    check_array("pad", array)
    rank = len(shape_of(array))
    if isinstance(pad_width, dict):
        full_width = [(0, 0)] * rank
        for axis, pair in pad_width.items():
            full_width[axis] = (pair, pair) if isinstance(pair, int) else pair
        pad_width = full_width
    pairs = np.broadcast_to(np.asarray(pad_width), (rank, 2))
    if (pairs < 0).any():
        raise ValueError("index can't contain negative values")
    width = tuple((int(low), int(high)) for low, high in pairs)
    if callable(mode):
        return pad_with(array, width, mode, kwargs)
    if mode not in {*OPTIONS, "edge", "wrap", "empty"}:
        raise NotImplementedError(f"Unimplemented padding mode '{mode}' for np.pad.")
    if unsupported := kwargs.keys() - {OPTIONS.get(mode)}:
        raise ValueError(f"unsupported keyword arguments for mode '{mode}': {unsupported}")
    if mode in ("maximum", "minimum", "mean", "median", "linear_ramp"):
        return pad_by(array, width, mode, kwargs.get(OPTIONS[mode]))
    if mode == "constant" and len(np.shape(kwargs.get("constant_values", 0))):
        values = np.broadcast_to(kwargs["constant_values"], (rank, 2))
        for axis, pair in enumerate(width):
            for side, count in enumerate(pair):
                own = [(0, 0)] * rank
                own[axis] = (count, 0) if side == 0 else (0, count)
                array = pad_(array, tuple(own), "constant", values[axis][side].item())
        return array
    return pad_(array, width, "constant" if mode == "empty" else mode,
                kwargs.get("constant_values", 0))


@staged(static=("n", "axis"))
def diff(a, n=1, axis=-1, prepend=None, append=None):
    """The differences of neighbours along an axis, `n` times; others may stand at the ends."""
    if not shape_of(a):
        raise ValueError("diff requires input that is at least one dimensional; got "
                         f"{operand(a)}")
    if n < 0:
        raise ValueError(f"order must be non-negative but got {n}")
    axis = canonical(axis, len(shape_of(a)))
    if n == 0:
        return a
    if prepend is not None or append is not None:
        shape = tuple(1 if i == axis else k for i, k in enumerate(shape_of(a)))
        ends = [x if x is None or shape_of(x) else broadcast_to(x, shape)
                for x in (prepend, append)]
        a = concatenate([x for x in (ends[0], a, ends[1]) if x is not None], axis)
    take_difference = table["ne"] if aval_of(a).dtype == np.bool_ else table["sub"]
    for _ in range(n):
        size = shape_of(a)[axis]
        a = take_difference(cut(a, axis, min(1, size), size), cut(a, axis, 0, max(size - 1, 0)))
    return a


def cut(x, axis: int, start: int, stop: int):
    """x[start:stop] along one axis, as indexing writes it."""
    shape = shape_of(x)
    starts, stops = [0] * len(shape), list(shape)
    starts[axis], stops[axis] = start, stop
    return table["slice"](x, start_indices=tuple(starts), limit_indices=tuple(stops))
