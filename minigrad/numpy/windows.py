"""What windows over the last dimensions see: pooling, and the columns of `unfold`.

The usual maxima and sums are the primitives `reduce_window_*`. Whatever else takes windows
(positions of maxima, holes, windows of unequal size) lists for each dimension the places that each
window sees, -1 for none, and gathers them all at once.
"""

from __future__ import annotations

import math

import numpy as np

from kernels.reference import lowest
from minigrad.core import I64, aval_of
from minigrad.ops import elementwise as e
from minigrad.ops import reduction as r
from minigrad.ops.families import full
from minigrad.ops.indexing import CLIP, GatherDimensionNumbers, gather
from minigrad.ops.joining import concatenate
from minigrad.ops.selection import select_n
from minigrad.ops.shaping import broadcast_in_dim, iota, reshape, transpose
from minigrad.ops.windows import reduce_window_max, reduce_window_sum

# ------------------------------------------------------------------ the places of windows


def out_size(n: int, k: int, s: int, p: int, d: int, ceil_mode: bool) -> int:
    """How many windows there are; with ceil_mode a last one may stick out, if it starts inside."""
    span = d * (k - 1) + 1
    if not ceil_mode:
        return (n + 2 * p - span) // s + 1
    count = -((n + 2 * p - span) // -s) + 1
    return count - 1 if (count - 1) * s >= n + p else count


def regular(n: int, k: int, s: int, p: int, d: int = 1, ceil_mode: bool = False) -> np.ndarray:
    """The places along one dimension: (windows, k)."""
    places = np.arange(out_size(n, k, s, p, d, ceil_mode))[:, None] * s - p + np.arange(k) * d
    return np.where((places >= 0) & (places < n), places, -1)


def adaptive_places(n: int, count: int) -> np.ndarray:
    """Windows of nearly equal size that cover everything."""
    i = np.arange(count)[:, None]
    start, stop = i * n // count, -(-(i + 1) * n // count)
    places = start + np.arange((stop - start).max(initial=0))
    return np.where(places < stop, places, -1)


def flat_places(rows) -> np.ndarray:
    """Places along each dimension as places in the flattened space: (*outputs, elements)."""
    sizes, rows = zip(*rows)
    rank = len(rows)
    flat: np.ndarray = np.zeros((1,) * 2 * rank, np.int64)
    outside = np.zeros((1,) * 2 * rank, bool)
    for i, (n, row) in enumerate(zip(sizes, rows)):
        shape = [1] * 2 * rank
        shape[i], shape[rank + i] = row.shape
        row = row.reshape(shape)
        flat, outside = flat * n + row, outside | (row < 0)
    flat = np.where(outside, -1, flat)
    return flat.reshape(*flat.shape[:rank], -1)


def seen(x, table: np.ndarray, rank: int, fill):
    """x (..., *space) as (..., *outputs, elements): what each window sees."""
    shape = aval_of(x).shape
    lead, n = shape[:len(shape) - rank], math.prod(shape[len(shape) - rank:])
    x = reshape(x, new_sizes=(*lead, n))
    if (table < 0).any():
        x = concatenate(x, full((*lead, 1), fill, aval_of(x).dtype), dimension=len(lead))
        table = np.where(table < 0, n, table)
    front = tuple(range(len(lead)))
    numbers = GatherDimensionNumbers(front, (len(lead),), (len(lead),))
    return gather(x, table[..., None], dimension_numbers=numbers, slice_sizes=(*lead, 1),
                  mode=CLIP)


def largest(x, table: np.ndarray, rank: int):
    """(the largest that each window sees, its place in the flattened space)."""
    windows = seen(x, table, rank, lowest(aval_of(x).dtype))
    axis = len(aval_of(windows).shape) - 1
    best = r.argmax(windows, axes=(axis,), index_dtype=I64)
    own = tuple(range(axis - rank, axis + 1))
    places = broadcast_in_dim(table, shape=aval_of(windows).shape, broadcast_dimensions=own)
    return picked(windows, best, axis), picked(places, best, axis)


def average(x, table: np.ndarray, rank: int):
    counts = (table >= 0).sum(-1).astype(aval_of(x).dtype)
    windows = seen(x, table, rank, 0)
    axis = len(aval_of(windows).shape) - 1
    total = r.reduce_sum(windows, axes=(axis,))
    own = tuple(range(axis - rank, axis))
    return e.div(total, broadcast_in_dim(counts, shape=aval_of(total).shape,
                                         broadcast_dimensions=own))


def fractional_starts(sample: np.ndarray, n: int, k: int, count: int) -> np.ndarray:
    """Where windows start that are spread at random. Source: Graham (2014)."""
    if count == 1:
        return np.full((*sample.shape, 1), n - k)
    alpha = sample.dtype.type((n - k) / (count - 1))
    i = np.arange(count - 1, dtype=sample.dtype)
    first = (sample[..., None] * alpha).astype(np.int64)
    starts = ((i + sample[..., None]) * alpha).astype(np.int64) - first
    return np.concatenate([starts, np.full((*sample.shape, 1), n - k)], -1)


def regular_places(sizes, kernel, stride, padding, dilation, ceil_mode=False) -> np.ndarray:
    """The places of windows of one size: (*outputs, elements)."""
    return flat_places([(a[0], regular(*a, ceil_mode))
                        for a in zip(sizes, kernel, stride, padding, dilation)])


# ------------------------------------------------------------------ one element of many

FEW_CLASSES = 256  # up to here comparing with every class costs less than indexing


def picked(x, index, axis: int):
    """x at `index` along `axis`, which disappears. Shapes: x (..., C, ...), index (..., ...)."""
    aval = aval_of(x)
    if aval.shape[axis] <= FEW_CLASSES:
        return r.reduce_sum(only(x, index, axis), axes=(axis,))
    order = tuple(i for i in range(len(aval_of(x).shape)) if i != axis) + (axis,)
    x = transpose(x, permutation=order) if order != tuple(range(len(order))) else x
    shape = aval_of(x).shape  # (..., C)
    vectors = reshape(index, new_sizes=(*shape[:-1], 1))
    batch, last = tuple(range(len(shape) - 1)), (len(shape) - 1,)
    return gather(x, vectors, slice_sizes=(1,) * len(shape), mode=CLIP, unique_indices=True,
                  dimension_numbers=GatherDimensionNumbers((), last, last, batch, batch))


def only(x, index, axis: int):
    """x where its position along `axis` is `index`, zero elsewhere."""
    shape = aval_of(x).shape
    classes = iota(dtype=I64, shape=shape, dimension=axis)
    others = tuple(i for i in range(len(shape)) if i != axis)
    wanted = broadcast_in_dim(index, shape=shape, broadcast_dimensions=others)
    return select_n(e.eq(classes, wanted), full(shape, 0, aval_of(x).dtype), x)


# ------------------------------------------------------------------ windows of one size


def around(sizes, kernel, stride, padding, dilation, ceil_mode: bool) -> tuple:
    """Padding (low, high) of `reduce_window`."""
    return tuple(
        (p, max(p, (out_size(n, k, s, p, d, ceil_mode) - 1) * s + d * (k - 1) + 1 - n - p))
        for n, k, s, p, d in zip(sizes, kernel, stride, padding, dilation))


def window(ndim: int, kernel, stride, padding) -> dict:
    """Parameters of a window over the last dimensions."""
    ones = (1,) * (ndim - len(kernel))
    return {"window_dimensions": ones + kernel, "window_strides": ones + stride,
            "padding": ((0, 0),) * len(ones) + padding,
            "base_dilation": (1,) * ndim, "window_dilation": (1,) * ndim}


def max_pool_body(input, kernel, stride, padding):
    """The maximum of each window."""
    return reduce_window_max(input, **window(len(aval_of(input).shape), kernel, stride, padding))


def max_places_body(input, kernel, stride, padding, dilation, ceil_mode):
    """(the maximum of each window, its place in the flattened space)."""
    rank = len(kernel)
    return largest(input, regular_places(aval_of(input).shape[-rank:], kernel, stride, padding,
                                         dilation, ceil_mode), rank)


def avg_pool_body(input, kernel, stride, padding, divisor):
    """The sum of each window over the number of its elements: `divisor` for all, or one each."""
    ndim, rank = len(aval_of(input).shape), len(kernel)
    total = reduce_window_sum(input, **window(ndim, kernel, stride, padding))
    if isinstance(divisor, int):
        return e.div(total, full(aval_of(total).shape, divisor, aval_of(total).dtype))
    counts = np.array(1)
    for row in divisor:
        counts = np.multiply.outer(counts, np.array(row))
    shape = (1,) * (ndim - rank) + counts.shape
    return e.div(total, counts.astype(aval_of(total).dtype).reshape(shape))


def window_counts(n: int, k: int, s: int, p: int, count: int, include_pad: bool) -> tuple:
    """How many elements each window of one dimension averages."""
    low, high = (-p, n + p) if include_pad else (0, n)
    starts = [i * s - p for i in range(count)]
    return tuple(min(start + k, high) - max(start, low) for start in starts)
