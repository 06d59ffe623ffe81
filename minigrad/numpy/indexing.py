"""`x[index]` and `x.at[index].set(y)`, as JAX stages them.

An index is parsed into one entry for each of its parts. Then there are three roads, the first that
fits: a static slice (integers and slices known now), a dynamic slice (one window, starting where
computed scalars say), and a gather. Updates are always a scatter, which reads the same plan.
"""

from __future__ import annotations

import operator
from typing import Any, NamedTuple

import numpy as np

from kernels.indexing import GatherDimensionNumbers, GatherScatterMode
from minigrad import errors
from minigrad.core import BOOL, EVAL, I32, I64, Tensor, aval_of, config, get_mode, table
from minigrad.numpy.promotion import check_array, convert, operand, shape_of
from minigrad.numpy.selecting import broadcast_arrays
from minigrad.ops.families import dtype_kind, full
from minigrad.ops.shaping import expand_dims, slice_

PROMISE = GatherScatterMode.PROMISE_IN_BOUNDS

# ------------------------------------------------------------------ parsing


class Entry(NamedTuple):
    kind: str  # "int", "slice", "new" (None), or "array" (also a computed scalar)
    value: Any = None
    size: int | None = None  # what a mask says that the axis has


class Index(NamedTuple):
    """An index against a shape: an entry for each axis, and for each new one."""

    entries: list[Entry]
    shape: tuple[int, ...]  # of the array, with an axis of size one for each boolean scalar
    boolean_axes: tuple[int, ...]  # those axes
    contiguous: bool  # do the arrays and integers stand side by side?
    wrap: bool = True  # do negative indices in arrays count from the end?


def parse(index, shape: tuple[int, ...]) -> Index:
    """Raises IndexError for too many or unknown indices, TypeError for a list."""
    parts = index if isinstance(index, tuple) else (index,)
    if isinstance(index, (list, range)):
        raise TypeError(
            "Using a non-tuple sequence for multidimensional indexing is not allowed; use "
            f"`arr[{'tuple' if any(map(is_part, index)) else 'array'}(seq)]` instead of "
            "`arr[seq]`. See https://github.com/jax-ml/jax/issues/4564 for more information.")
    raw = [entry for part in parts for entry in parse_part(part)]
    consumed = sum(axes_of(e) for e in raw)
    if sum(e.kind == "ellipsis" for e in raw) > 1:
        raise IndexError("an index can only have a single ellipsis ('...')")
    if consumed > len(shape):
        raise IndexError(f"Too many indices: array is {len(shape)}-dimensional, but {consumed} "
                         "were indexed")
    advanced = [i for i, e in enumerate(raw) if e.kind in ("array", "int", "true")]
    rest = [Entry("slice", slice(None))] * (len(shape) - consumed)
    at = next((i for i, e in enumerate(raw) if e.kind == "ellipsis"), None)
    full_list = raw + rest if at is None else raw[:at] + rest + raw[at + 1:]
    boolean_axes, entries, sizes, axis = [], [], list(shape), 0
    for e in full_list:
        if e.kind == "true":
            boolean_axes.append(axis)
            sizes.insert(axis, 1)
            e = Entry("array", np.arange(int(e.value), dtype=np.int32))
        if e.size is not None and e.size != sizes[axis]:
            raise IndexError("boolean index did not match shape of indexed array in index "
                             f"{axis}: got {e.size}, expected {sizes[axis]}")
        entries.append(e)
        axis += e.kind != "new"
    return Index(entries, tuple(sizes), tuple(boolean_axes),
                 all(b - a == 1 for a, b in zip(advanced, advanced[1:])))


def axes_of(entry: Entry) -> int:
    return entry.kind in ("int", "slice", "array")


def is_part(x) -> bool:
    return isinstance(x, (slice, list, tuple)) or x is None or x is Ellipsis \
        or isinstance(x, (np.ndarray, Tensor)) and x.ndim > 0


def parse_part(part) -> list[Entry]:
    if part is None:
        return [Entry("new")]
    if part is Ellipsis:
        return [Entry("ellipsis")]
    if isinstance(part, slice):
        return [Entry("slice", static_slice(part))]
    if isinstance(part, (bool, np.bool_)):
        return [Entry("true", part)]
    if isinstance(part, (int, np.integer)):
        return [Entry("int", operator.index(part))]
    if isinstance(part, (list, tuple, range)):
        part = np.asarray(part, None if len(part) else np.int32)
    if not isinstance(part, (np.ndarray, Tensor)) and not hasattr(part, "aval"):
        if hasattr(part, "__index__"):
            return [Entry("int", operator.index(part))]
        raise TypeError(f"JAX does not support string indexing; got idx={part!r}"
                        if isinstance(part, str) else
                        f"Indexer must have integer or boolean type, got indexer with type "
                        f"{type(part).__name__} value {part!r}")
    return parse_array(part)


def parse_array(part) -> list[Entry]:
    dtype = aval_of(part).dtype
    if dtype == BOOL:
        mask = concrete_mask(part)
        return [Entry("true", mask)] if mask.ndim == 0 else [
            Entry("array", i.astype(np.int32), n) for i, n in zip(np.nonzero(mask), mask.shape)]
    if dtype_kind(dtype) not in "iu":
        raise TypeError("Indexer must have integer or boolean type, got indexer with type "
                        f"{dtype.name} at position 0, indexer value {part}")
    if isinstance(part, np.ndarray) and dtype == I64 and not config.x64:
        part = part.astype(I32)
    return [Entry("array", part)]


def concrete_mask(part) -> np.ndarray:
    from minigrad.numpy.operators import concrete

    value = concrete(part)
    if value is None:
        raise errors.NonConcreteBooleanIndexError(
            f"Array boolean indices must be concrete; got {aval_of(part)}\n\nSee "
            f"{errors.origins.DOCS}NonConcreteBooleanIndexError")
    return np.asarray(value)


def static_slice(part: slice, position: int = 0) -> slice:
    bounds = []
    for bound in (part.start, part.stop, part.step):
        if isinstance(bound, Tensor) and not bound.spec.concrete:
            raise IndexError(f"Slice entries must be static integers. Got {part} at position "
                             f"{position}")
        bounds.append(None if bound is None else operator.index(bound))
    return slice(*bounds)


# ------------------------------------------------------------------ reading


def getitem(x, index):
    """`x[index]` by NumPy's rules; indices out of bounds are moved inside. Source: jax.Array."""
    return read(x, index, PROMISE)


def read(x, index, mode, *, unique_indices=False, indices_are_sorted=False, fill_value=None,
         wrap_negative_indices=True):
    """`x[index]`, with `mode` saying what happens out of bounds."""
    check_array("getitem", x)
    plan = parse(index, shape_of(x))._replace(wrap=wrap_negative_indices)
    kinds = {e.kind for e in plan.entries}
    if mode in (PROMISE, GatherScatterMode.CLIP):
        if "array" not in kinds:
            return read_static(x, plan)
        if fits_dynamic(plan) and plan.wrap:
            return read_dynamic(x, plan)
    return read_gather(x, plan, mode, unique_indices, indices_are_sorted, fill_value)


class Window(NamedTuple):
    """What slices and integers cut out: a box, then which axes turn, vanish and appear."""

    starts: list
    limits: list
    strides: list
    reverse: tuple
    squeeze: tuple
    new: tuple


def window_of(plan: Index) -> Window:
    starts, limits, strides, reverse, squeeze, new = [], [], [], [], [], []
    for e in plan.entries:
        axis = len(starts)
        if e.kind == "new":
            new.append(axis - len(squeeze) + len(new))
            continue
        n = plan.shape[axis]
        if e.kind == "slice":
            start, stop, step = e.value.indices(n)
            count = len(range(start, stop, step))
            if step < 0:
                start, stop = start + (count - 1) * step if count else 0, start + 1
                stop = stop if count else start
                reverse.append(axis)
            starts.append(start)
            limits.append(max(start, stop))
            strides.append(abs_(step))
        else:
            start = min(max(e.value + n if e.value < 0 else e.value, 0), n - 1) \
                if e.kind == "int" else e.value
            starts.append(start)
            limits.append(start + 1 if e.kind == "int" else None)
            strides.append(1)
            squeeze.append(axis)
    return Window(starts, limits, strides, tuple(reverse), tuple(squeeze), tuple(new))


def abs_(n: int) -> int:
    return -n if n < 0 else n


def finish(x, reverse, squeeze, new):
    if reverse:
        x = table["rev"](x, dimensions=reverse)
    if squeeze:
        x = table["squeeze"](x, dimensions=squeeze)
    return expand_dims(x, new) if new else x


def read_static(x, plan: Index):
    w = window_of(plan)
    plain = all(s == 1 for s in w.strides)
    if not (plain and tuple(w.starts) == (0,) * len(plan.shape) and tuple(w.limits) == plan.shape):
        x = slice_(operand(x), start_indices=tuple(w.starts), limit_indices=tuple(w.limits),
                   strides=None if plain else tuple(w.strides))
    return finish(operand(x), w.reverse, w.squeeze, w.new)


def fits_dynamic(plan: Index) -> bool:
    """Is it one window: scalars, and slices without a stride?"""
    return not plan.boolean_axes and all(
        shape_of(e.value) == () if e.kind == "array"
        else e.kind != "slice" or e.value.step in (None, 1, -1) for e in plan.entries)


def read_dynamic(x, plan: Index):
    w = window_of(plan)
    dtype = index_dtype(plan.shape)
    sizes = tuple(1 if i in w.squeeze else limit - start
                  for i, (start, limit) in enumerate(zip(w.starts, w.limits)))
    raw = raw_starts(plan, w)
    starts = [normalized(convert(s, dtype), n) for s, n in zip(raw, plan.shape)]
    cut = table["dynamic_slice"](x, *starts, slice_sizes=sizes)
    return finish(cut, w.reverse, w.squeeze, w.new)


def raw_starts(plan: Index, w: Window) -> list:
    axes = [e for e in plan.entries if e.kind != "new"]
    return [e.value if e.kind == "int" else s for e, s in zip(axes, w.starts)]


def index_dtype(shape) -> np.dtype:
    return I64 if any(n > np.iinfo(np.int32).max for n in shape) else I32


def normalized(index, n: int):
    """A negative index counts from the end."""
    if isinstance(index, (int, np.integer)):
        return index + n if index < 0 else index
    aval = aval_of(index)
    if dtype_kind(aval.dtype) == "u":
        return index
    if not isinstance(index, Tensor) and get_mode().trace is EVAL:
        value = np.asarray(index)
        return np.where(value < 0, value + aval.dtype.type(n), value)[()]
    below = index < 0 if isinstance(index, np.ndarray) else table["lt"](index, 0)
    return table["select_n"](below, index, table["add"](index, n))


# ------------------------------------------------------------------ the plan of a gather


class Plan(NamedTuple):
    """How an index reads windows: what `gather` needs, and what is done around it."""

    shape: tuple  # of the result, with axes of size one where the index has None
    window: tuple  # slice_sizes
    indices: Any
    numbers: GatherDimensionNumbers
    no_arrays: bool  # then index vectors are sorted and never repeat
    reverse: tuple
    new: tuple


def plan_gather(index: Index) -> Plan:
    dtype, sizes = index_dtype(index.shape), index.shape
    arrays = advanced_arrays(index)
    first = arrays[0][0] if arrays else None
    if arrays and not index.contiguous:
        first = 0
    columns: list = []  # (part of the index vectors, the batch axis it starts at)
    batch: list[int] = []
    result, window, new, reverse, offset, collapsed, start_map = [], [], [], [], [], [], []
    axis = out_axis = y_axis = 0
    for position, e in enumerate(index.entries):
        if position == first:
            together = broadcast_arrays(*[a for _, _, a in arrays])
            shape = shape_of(together[0])
            columns += [(convert(a, dtype), len(batch)) for a in together]
            batch += shape
            start_map += [a for _, a, _ in arrays]
            collapsed += [a for _, a, _ in arrays]
            result += shape
            y_axis += len(shape)
            out_axis += len(shape)
        if e.kind == "new":
            result.append(1)
            new.append(out_axis)
            out_axis += 1
            continue
        if e.kind != "slice":
            if not any(position == p for p, _, _ in arrays):  # a scalar of basic indexing
                if sizes[axis] == 0:
                    raise IndexError(f"index is out of bounds for axis {axis} with size 0")
                value = normalized(e.value, sizes[axis]) if index.wrap else e.value
                columns.append((convert(value, dtype), len(batch)))
                collapsed.append(axis)
                start_map.append(axis)
            window.append(1)
            axis += 1
            continue
        start, stop, step = e.value.indices(sizes[axis])
        count = len(range(start, stop, step))
        result.append(count)
        if step == 1:
            if count != sizes[axis]:
                columns.append((convert(start, dtype), len(batch)))
                start_map.append(axis)
            window.append(count)
            offset.append(y_axis)
        else:
            if step < 0:
                reverse.append(y_axis)
                start, step = start + (count - 1) * step, -step
            columns.append((np.arange(start, start + count * step, step, dtype=dtype),
                            len(batch)))
            window.append(1)
            start_map.append(axis)
            batch.append(count)
            collapsed.append(axis)
        y_axis, out_axis, axis = y_axis + 1, out_axis + 1, axis + 1
    numbers = GatherDimensionNumbers(tuple(offset), tuple(sorted(collapsed)), tuple(start_map))
    return Plan(tuple(result), tuple(window), index_vectors(columns, batch, dtype), numbers,
                not arrays, tuple(reverse), tuple(new))


def advanced_arrays(index: Index) -> list[tuple]:
    """(position, axis, indices) of arrays, and of integers where there is an array beside them."""
    if not any(e.kind == "array" and shape_of(e.value) for e in index.entries):
        return []
    found, axis = [], 0
    for position, e in enumerate(index.entries):
        if e.kind in ("array", "int"):
            value = normalized(e.value, index.shape[axis]) if index.wrap else e.value
            found.append((position, axis, value))
        axis += e.kind != "new"
    return found


def index_vectors(columns: list, batch: list[int], dtype):
    """The parts of the index vectors side by side, along a new last axis."""
    if not columns:
        return np.zeros((0,), dtype)
    if len(columns) == 1:
        (part, _), = columns
        return expand_dims(part, (len(shape_of(part)),))
    shape = (*batch, 1)
    parts = [table["broadcast_in_dim"](
        part, shape=shape,
        broadcast_dimensions=tuple(range(at, at + len(shape_of(part))))) for part, at in columns]
    return table["concatenate"](*parts, dimension=len(batch))


def read_gather(x, index: Index, mode, unique_indices, indices_are_sorted, fill_value):
    plan = plan_gather(index)
    if index.boolean_axes:
        x = expand_dims(x, index.boolean_axes)
    if 0 in plan.shape:
        return full(plan.shape, 0, aval_of(x).dtype)
    if 0 not in shape_of(plan.indices):
        x = gather(x, plan.indices, plan.numbers, plan.window, mode=mode, fill_value=fill_value,
                   unique_indices=unique_indices or plan.no_arrays,
                   indices_are_sorted=indices_are_sorted or plan.no_arrays)
    return finish(x, plan.reverse, (), plan.new)


def gather(x, indices, dimension_numbers, slice_sizes, *, mode=None, fill_value=None,
           unique_indices=False, indices_are_sorted=False):
    """jax.lax.gather: windows of `x` at index vectors."""
    mode = GatherScatterMode.from_any(mode)
    if mode is GatherScatterMode.FILL_OR_DROP and fill_value is None:
        fill_value = fill_for(aval_of(x).dtype)
    return table["gather"](
        operand(x), operand(indices), dimension_numbers=dimension_numbers,
        slice_sizes=tuple(slice_sizes), unique_indices=bool(unique_indices),
        indices_are_sorted=bool(indices_are_sorted), mode=mode,
        fill_value=fill_value if mode is GatherScatterMode.FILL_OR_DROP else None)


def fill_for(dtype):
    """What a read out of bounds gives: NaN, the lowest integer, the highest unsigned one."""
    kind = dtype_kind(dtype)
    if kind in "fc":
        return np.nan
    if kind == "i":
        return np.iinfo(dtype).min
    return np.iinfo(dtype).max if kind == "u" else True
