"""Histograms, bins and sets: what is counted has no gradient, and is done on arrays."""

from __future__ import annotations

import functools
import math

import numpy as np

from compat.torch.dtypes import SCALAR_NAMES
from compat.torch.host import on_arrays
from compat.torch.return_types import return_type
from compat.torch.tensor import array_of, from_array, wrap_dims
from minigrad import core
from minigrad.core import I64


def histc(input, bins=100, min=0, max=0):
    """The numbers of elements in bins of equal width."""
    if bins <= 0:
        raise RuntimeError("bins must be > 0")

    def count(x):
        low, high = float(min), float(max)
        if low == high and x.size:
            low, high = float(x.min()), float(x.max())
        if low == high:
            low, high = low - 1, high + 1
        if not (math.isfinite(low) and math.isfinite(high)):
            raise RuntimeError(f"range of [{low}, {high}] is not finite")
        if low > high:
            raise RuntimeError("max must be larger than min")
        return np.histogram(x, bins, (low, high))[0]

    return on_arrays(count, (bins,), input.spec.dtype, input)


def histogram(input, bins, *, range=None, weight=None, density=False):
    """(counts, edges) of a histogram."""
    hist, edges = histogramdd(input.reshape(-1, 1), [bins], range=range, weight=None
                              if weight is None else weight.reshape(-1), density=density)
    return return_type("histogram", "hist bin_edges")(hist, edges[0])


def histogramdd(input, bins, *, range=None, weight=None, density=False):
    """(counts, edges of each dimension) of points, one a row."""
    x, dtype = array_of(input), input.spec.dtype
    rows = x.reshape(-1, x.shape[-1])
    bins = [bins] * x.shape[-1] if isinstance(bins, int) else list(bins)
    if len(bins) != x.shape[-1]:
        raise RuntimeError("histogramdd(): The size of bins must be equal to the innermost "
                           "dimension of the input.")
    edges = []
    for d, b in enumerate(bins):
        if isinstance(b, core.Tensor):
            edges.append(array_of(b))
            continue
        low, high = (range[2 * d], range[2 * d + 1]) if range is not None else \
            (rows[:, d].min(), rows[:, d].max()) if len(rows) else (0.0, 1.0)
        low, high = (low - 0.5, high + 0.5) if low == high else (low, high)
        edges.append(np.linspace(low, high, b + 1, dtype=dtype))
    sizes = tuple(len(e) - 1 for e in edges)
    inside = np.ones(len(rows), bool)
    for column, e in zip(rows.T, edges):
        inside &= (column >= e[0]) & (column <= e[-1])
    places = [np.minimum(upper_bound(e, column[inside]) - 1, n - 1)  # the last bin is closed
              for column, e, n in zip(rows.T, edges, sizes)]
    counts = np.bincount(np.ravel_multi_index(places, sizes), minlength=math.prod(sizes),
                         weights=None if weight is None else array_of(weight).reshape(-1)[inside]
                         ).reshape(sizes).astype(dtype)
    if density:
        volumes = functools.reduce(np.multiply.outer, map(np.diff, edges))
        counts = counts / counts.sum() / volumes
    return return_type("histogramdd", "hist bin_edges")(
        from_array(counts.astype(dtype)), tuple(map(from_array, edges)))


def upper_bound(edges: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Past the last edge that is not above x, by bisection; edges out of order are no error."""
    first, length = np.zeros(x.shape, np.int64), np.full(x.shape, len(edges))
    while length.any():
        half = length // 2
        middle = np.minimum(first + half, len(edges) - 1)
        below, open_ = x < edges[middle], length > 0
        first = np.where(open_ & ~below, middle + 1, first)
        length = np.where(below, half, np.maximum(length - half - 1, 0))
    return first


def bincount(input, weights=None, minlength=0):
    """The number (or total weight) of each whole number."""
    x = array_of(input)
    if x.ndim != 1 or x.dtype.kind not in "iu" or x.size and x.min() < 0:
        raise RuntimeError("bincount only supports 1-d non-negative integral inputs.")
    if weights is not None and weights.spec.shape != input.spec.shape:
        raise RuntimeError("weights should be 1-d and have the same length as input")
    if minlength < 0:
        raise RuntimeError("minlength should be >= 0")
    counts = np.bincount(x, None if weights is None else array_of(weights), minlength)
    keep = weights is not None and weights.spec.dtype == np.float32
    return from_array(counts.astype(np.float32) if keep else counts)


def searchsorted(sorted_sequence, input, *, out_int32=False, right=False, side=None, sorter=None):
    """Where to insert each value so that the rows stay in order."""
    if side is not None and side not in ("left", "right"):
        raise RuntimeError("torch.searchsorted(): side can only be 'left' or 'right' but got "
                           f"{side}")
    if side == "left" and right:
        raise RuntimeError("torch.searchsorted(): side and right can't be set to opposites, got "
                           "side of left while right was True")
    if sorter is not None:
        if sorter.spec.shape != sorted_sequence.spec.shape:
            raise RuntimeError("torch.searchsorted(): boundary and sorter must have the same size")
        if sorter.spec.dtype != I64:
            raise RuntimeError("torch.searchsorted(): sorter must be a tensor of long dtype")
    if not isinstance(input, core.Tensor):
        input = from_array(np.asarray(input))
    lengths, shape = sorted_sequence.spec.shape, input.spec.shape
    if len(lengths) > 1 and lengths[:-1] != shape[:-1]:
        raise RuntimeError("torch.searchsorted(): boundaries tensor should be 1 dimension or the "
                           "first N-1 dimensions of boundaries tensor and input value tensor must "
                           "match")
    where_to = "right" if right or side == "right" else "left"

    def search(rows, values, *order):
        rows = np.take_along_axis(rows, order[0], -1) if order else rows
        if rows.ndim == 1 or not values.size:
            return np.searchsorted(rows.reshape(-1), values, where_to)
        pairs = zip(rows.reshape(-1, rows.shape[-1]), values.reshape(-1, values.shape[-1]))
        return np.stack([np.searchsorted(a, b, where_to) for a, b in pairs]).reshape(values.shape)

    return on_arrays(search, shape, np.int32 if out_int32 else np.int64, sorted_sequence, input,
                     *(() if sorter is None else (sorter,)))


def bucketize(input, boundaries, *, out_int32=False, right=False):
    """The bucket between boundaries that each value falls in."""
    if len(boundaries.spec.shape) != 1:
        raise RuntimeError("bucketize(): boundaries tensor must be 1 dimension, but got dim("
                           f"{boundaries.dim()})")
    return searchsorted(boundaries, input, out_int32=out_int32, right=right)


def unique(input, sorted=True, return_inverse=False, return_counts=False, dim=None):
    """The different elements (or slices along `dim`), in order."""
    values, inverse, counts = np.unique(array_of(input), return_inverse=True,
                                        return_counts=True, axis=dim, equal_nan=False)
    return selected(values, inverse.reshape(input.spec.shape if dim is None else -1), counts,
                    return_inverse, return_counts)


def selected(values, inverse, counts, return_inverse, return_counts):
    out = [from_array(values)]
    out += [from_array(inverse)] if return_inverse else []
    out += [from_array(counts)] if return_counts else []
    return out[0] if len(out) == 1 else tuple(out)


def unique_consecutive(input, return_inverse=False, return_counts=False, dim=None):
    """Runs of equal neighbours, shortened to one each."""
    x = array_of(input)
    rows = x.reshape(-1) if dim is None else np.moveaxis(x, dim, 0)
    flat = rows.reshape(len(rows), math.prod(rows.shape[1:]))
    new = np.ones(len(rows), bool)
    new[1:] = (flat[1:] != flat[:-1]).any(1)
    starts = np.flatnonzero(new)
    values = rows[starts] if dim is None else np.moveaxis(rows[starts], 0, dim)
    inverse = np.cumsum(new) - 1
    return selected(np.ascontiguousarray(values),
                    inverse.reshape(x.shape) if dim is None else inverse,
                    np.diff(np.append(starts, len(rows))), return_inverse, return_counts)


def isin(elements, test_elements, *, assume_unique=False, invert=False):
    """Which elements occur among the test elements."""
    elements, test_elements = (x if isinstance(x, core.Tensor) else from_array(np.asarray(x))
                               for x in (elements, test_elements))
    return on_arrays(lambda x, y: np.isin(x, y, invert=invert), elements.spec.shape, bool, elements,
                     test_elements)


def hash_tensor(input, dim=None, *, keepdim=False, mode=0):
    """The exclusive or of the elements' bits, as 64-bit floats or integers."""
    if mode:
        raise RuntimeError(f"Unknown hash_tensor mode: {mode}")
    if input.is_complex():
        raise NotImplementedError("\"xor_sum_cpu\" not implemented for "
                                  f"'{SCALAR_NAMES[input.spec.dtype.name]}'")
    shape, wide = input.spec.shape, np.float64 if input.is_floating_point() else np.int64
    dims = wrap_dims(dim, len(shape))
    if empty := [d for d in dims if not shape[d]]:
        raise IndexError(f"hash_tensor: Expected reduction dim {empty[0]} to have non-zero size."
                         if dim is not None else "hash_tensor: Expected reduction dim to be "
                         "specified for input.numel() == 0. Specify the reduction dim with the "
                         "'dim' argument.")
    kept = [1 if i in dims else n for i, n in enumerate(shape) if keepdim or i not in dims]
    return on_arrays(lambda x: np.bitwise_xor.reduce(
        x.astype(wide).view(np.uint64), axis=dims, keepdims=keepdim), kept, np.uint64, input)


HISTOGRAMS = {f.__name__: f for f in (histc, histogram, bincount, unique, unique_consecutive,
                                        hash_tensor)}
HISTOGRAMS_FUNCTIONS = {f.__name__: f for f in (histogramdd, searchsorted, bucketize, isin)}
