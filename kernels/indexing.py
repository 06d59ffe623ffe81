"""Dynamic slices, gather and scatter on bare NumPy arrays.

Names and parameters are those of the `jax.lax` primitives
(https://openxla.org/xla/operation_semantics#gather). Gather reads, and scatter writes, one window
of the operand for each index vector; index vectors lie along the last axis of `indices`, and the
axes before it are the batch. Windows are found by NumPy's advanced indexing on a view with axes

    (indexed dimensions, whole dimensions)

"whole" being those that no index moves along: their elements are copied in runs.
"""

import enum
import math
from typing import NamedTuple

import numpy as np

from kernels.reference import highest, is_half, lowest, rounded


class GatherScatterMode(enum.Enum):
    """What happens to windows that are not inside the operand.

    CLIP moves them inside. FILL_OR_DROP reads a fill value and writes nothing.
    PROMISE_IN_BOUNDS says there are none; XLA then clips reads and drops writes.
    """

    CLIP = 1
    FILL_OR_DROP = 2
    PROMISE_IN_BOUNDS = 3
    ONE_HOT = 4

    @staticmethod
    def from_any(mode):
        """A mode from a member of this or of JAX's class, from a string of jnp, or from None."""
        names = {None: "FILL_OR_DROP", "fill": "FILL_OR_DROP", "drop": "FILL_OR_DROP"}
        name = getattr(mode, "name", None) or names.get(mode) or str(mode).upper()
        if name not in GatherScatterMode.__members__:
            raise ValueError(f'Unknown gather mode "{mode}"')
        return GatherScatterMode[name]


class GatherDimensionNumbers(NamedTuple):
    """Which dimensions of operand, indices and result belong together in `gather`."""

    offset_dims: tuple
    collapsed_slice_dims: tuple
    start_index_map: tuple
    operand_batching_dims: tuple = ()
    start_indices_batching_dims: tuple = ()


class ScatterDimensionNumbers(NamedTuple):
    """Which dimensions of operand, indices and updates belong together in `scatter`."""

    update_window_dims: tuple
    inserted_window_dims: tuple
    scatter_dims_to_operand_dims: tuple
    operand_batching_dims: tuple = ()
    scatter_indices_batching_dims: tuple = ()


# ---- one window --------------------------------------------------------------------------------


def dynamic_slice(x, *start_indices, slice_sizes, **_):
    """The window of `slice_sizes` at `start_indices`, moved inside `x` if it sticks out."""
    return x[_window(x.shape, start_indices, slice_sizes)].copy()


def dynamic_update_slice(x, update, *start_indices, **_):
    """`x` with `update` written at `start_indices`, moved inside if it sticks out."""
    out = x.copy()
    out[_window(x.shape, start_indices, update.shape)] = update
    return out


def _window(shape, starts, sizes):
    """Slices of `sizes` at `starts`, clamped to the shape."""
    clamped = (
        min(max(int(start), 0), bound - size)
        for bound, start, size in zip(shape, starts, sizes, strict=True)
    )
    return tuple(slice(start, start + size) for start, size in zip(clamped, sizes, strict=True))


# ---- many windows: where they are --------------------------------------------------------------


def _may_leave(start, limit):
    """Can a window that begins at one of `start` lie outside?"""
    return start.size and (start.min() < 0 or start.max() > limit)


class _Windows:
    """Windows of `sizes` in an operand of `shape`: the plan that gather and scatter share.

    `dropped` are the operand dimensions (of window size 1) that the window's own axes leave out,
    `window_axes` the axes of result or updates that hold the others; the rest are the batch.
    """

    def __init__(self, shape, indices, sizes, index_map, dropped, batching, window_axes):
        batch = indices.shape[:-1]
        # A dimension of size-1 windows starts at 0 unless an index says otherwise; where there are
        # no indices, dimension 0 stands in, so that the batch shows in some index array.
        unmoved = dropped or (() if index_map else range(len(shape))[:1])
        starts, self.inside = {dim: np.zeros(batch, np.intp) for dim in unmoved}, None
        for position, dim in enumerate(index_map):
            start, limit = indices[..., position], shape[dim] - sizes[dim]
            if _may_leave(start, limit):
                inside = (start >= 0) & (start <= limit)
                self.inside = inside if self.inside is None else self.inside & inside
                start = np.clip(start, 0, limit)
            starts[dim] = start.astype(np.intp, copy=False)
        for dim, axis in batching:
            column = np.arange(batch[axis]).reshape((-1,) + (1,) * (len(batch) - axis - 1))
            starts[dim] = np.broadcast_to(column, batch)

        self.shape, self.sizes, self.batch = shape, sizes, batch
        self.indexed = sorted(starts)
        self.whole = [dim for dim in range(len(shape)) if dim not in starts]
        self.kept = [dim for dim in self.indexed if dim not in dropped]
        # One index array per indexed dimension; together they broadcast to (*batch, *kept sizes).
        self.index = []
        for dim in self.indexed:
            start = starts[dim].reshape(starts[dim].shape + (1,) * len(self.kept))
            if dim in self.kept:
                after = len(self.kept) - 1 - self.kept.index(dim)
                start = start + np.arange(sizes[dim]).reshape((-1,) + (1,) * after)
            self.index.append(start)
        # Axis i of result or updates is axis order[i] of (*batch, *kept, *whole).
        window = self.kept + self.whole
        place = {
            axis: len(batch) + window.index(dim)
            for axis, dim in zip(window_axes, sorted(window), strict=True)
        }
        rest = iter(range(len(batch)))
        rank = len(batch) + len(window)
        self.order = [place[axis] if axis in place else next(rest) for axis in range(rank)]

    def view(self, operand):
        """The operand with the indexed dimensions first, and the others cut to the window."""
        cut = [slice(None)] * len(self.indexed) + [slice(self.sizes[dim]) for dim in self.whole]
        return operand.transpose(self.indexed + self.whole)[(*cut, ...)]

    def flat_positions(self, index):
        """Positions in the flattened operand of all elements of the windows at `index`."""
        strides = [math.prod(self.shape[dim + 1 :]) for dim in range(len(self.shape))]
        whole = len(self.whole)
        total = np.zeros((1,) * whole, np.intp)
        for dim, start in zip(self.indexed, index, strict=True):
            total = total + (start * strides[dim]).reshape(start.shape + (1,) * whole)
        for axis, dim in enumerate(self.whole):
            step = np.arange(self.sizes[dim]) * strides[dim]
            total = total + step.reshape((-1,) + (1,) * (whole - 1 - axis))
        return total


# ---- gather ------------------------------------------------------------------------------------


def gather(operand, indices, *, dimension_numbers, slice_sizes, mode="promise_in_bounds",
           fill_value=None, **_):
    """Read the window of `slice_sizes` at each index vector.

    The windows' axes (without collapsed and batching dimensions) stand at `offset_dims` of the
    result. `fill_value` None means nan, the smallest signed or largest unsigned integer, or True.
    """
    numbers = dimension_numbers
    windows = _Windows(
        operand.shape, indices, slice_sizes, numbers.start_index_map,
        dropped=(*numbers.collapsed_slice_dims, *numbers.operand_batching_dims),
        batching=list(zip(numbers.operand_batching_dims, numbers.start_indices_batching_dims)),
        window_axes=numbers.offset_dims,
    )  # fmt: skip
    view = windows.view(operand)
    if len(windows.index) == 1 and view.flags.c_contiguous:
        out = np.take(view, windows.index[0], axis=0, mode="clip")  # twice as fast as view[index]
    elif windows.index:
        out = view[tuple(windows.index)]
    else:  # an operand of rank zero is its own window, at every position
        out = np.broadcast_to(view, windows.batch)
    # NumPy takes a 0-d index array for an integer: the result may be a view of the operand.
    out = np.array(out, copy=None if out.flags.owndata else True)
    if windows.inside is not None and GatherScatterMode.from_any(mode).name == "FILL_OR_DROP":
        out[~windows.inside] = _fill(operand.dtype) if fill_value is None else fill_value
    return out.transpose(windows.order)


def _fill(dtype):
    """What a gather reads outside the operand."""
    if dtype.kind in "fcV":
        return dtype.type(np.nan)
    return lowest(dtype) if dtype.kind == "i" else highest(dtype)


# ---- scatter -----------------------------------------------------------------------------------


def scatter(operand, indices, updates, **params):
    """Write the updates; of several to the same place the last stays."""
    return _scatter(None, operand, indices, updates, **params)


def scatter_add(operand, indices, updates, **params):
    """Add the updates, also several to the same place; half floats are summed in float32."""
    return _scatter(np.add, operand, indices, updates, **params)


def scatter_sub(operand, indices, updates, **params):
    """Subtract the updates, also several from the same place."""
    return _scatter(np.subtract, operand, indices, updates, **params)


def scatter_mul(operand, indices, updates, **params):
    """Multiply by the updates, also several in the same place."""
    return _scatter(np.multiply, operand, indices, updates, **params)


def scatter_min(operand, indices, updates, **params):
    """Take the minimum with the updates; nan wins."""
    return _scatter(np.minimum, operand, indices, updates, **params)


def scatter_max(operand, indices, updates, **params):
    """Take the maximum with the updates; nan wins."""
    return _scatter(np.maximum, operand, indices, updates, **params)


def _scatter(
    ufunc, operand, indices, updates, *, dimension_numbers, mode=None, unique_indices=False, **_
):
    """Combine the windows at each index vector with `updates` by `ufunc`; None writes them.

    A window that is not inside the operand is dropped whole, or moved inside by mode CLIP.
    """
    if ufunc is not None and is_half(operand.dtype):
        wide = (operand.astype(np.float32), indices, updates.astype(np.float32))
        sums = _scatter(ufunc, *wide, dimension_numbers=dimension_numbers, mode=mode)
        return rounded(sums, operand.dtype)
    numbers = dimension_numbers
    dropped = (*numbers.inserted_window_dims, *numbers.operand_batching_dims)
    sizes, axes = [1] * operand.ndim, iter(numbers.update_window_dims)
    for dim in range(operand.ndim):
        if dim not in dropped:
            sizes[dim] = updates.shape[next(axes)]
    windows = _Windows(
        operand.shape, indices, sizes, numbers.scatter_dims_to_operand_dims, dropped,
        batching=list(zip(numbers.operand_batching_dims, numbers.scatter_indices_batching_dims)),
        window_axes=numbers.update_window_dims,
    )  # fmt: skip
    out = operand.copy(order="C")
    block = updates.transpose(sorted(range(updates.ndim), key=windows.order.__getitem__))
    clips = GatherScatterMode.from_any(mode).name == "CLIP"
    _combine(ufunc, out, block, windows, None if clips else windows.inside,
             unique_indices or math.prod(windows.batch) == 1)
    return out


def _combine(ufunc, out, block, windows, inside, unique):
    """Write `block` (batch, kept, whole) to its windows of `out`, as far as they are inside."""
    index = windows.index
    if inside is not None:
        grid = windows.batch + tuple(windows.sizes[dim] for dim in windows.kept)
        block = block[inside]
        index = [np.broadcast_to(part, grid)[inside] for part in index]
    view = windows.view(out)
    if ufunc is None:
        view[tuple(index)] = block
    elif unique:
        view[tuple(index)] = ufunc(view[tuple(index)], block)
    else:  # flat, because `ufunc.at` is fast for one index array only
        places = np.broadcast_to(windows.flat_positions(index), block.shape)
        ufunc.at(out.reshape(-1), places.reshape(-1), block.reshape(-1))
