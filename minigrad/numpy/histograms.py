"""Histograms. Source: jax.numpy, after NumPy."""

from __future__ import annotations

import math

import numpy as np

import minigrad.numpy as mnp
from minigrad.numpy.updating import At
from minigrad.numpy.promotion import check_array, promote_inexact


def histogram_bin_edges(a, bins=10, range=None, weights=None):
    """The edges of equal bins between the extremes of `a`, or `bins` itself where it is edges."""
    check_array("histogram_bin_edges", a)
    if isinstance(bins, str):
        raise NotImplementedError("string values for `bins` not implemented.")
    if np.ndim(bins) == 1:
        return mnp.asarray(bins)
    (flat,) = promote_inexact(mnp.ravel(mnp.asarray(a)))
    if range is None:
        low, high = (mnp.min(flat), mnp.max(flat)) if flat.size else (0.0, 1.0)
    else:
        low, high = range
    low, high = (mnp.asarray(v, flat.dtype) for v in (low, high))
    same = low == high
    return mnp.linspace(mnp.where(same, low - 0.5, low), mnp.where(same, high + 0.5, high),
                        int(bins) + 1, dtype=flat.dtype)


def place_in(edges, x):
    """The bin of each element; the last bin holds its right edge too. Beyond: len(edges)."""
    place = mnp.searchsorted(edges, x, side="right")
    return mnp.where(x == edges[-1], len(edges) - 1, place)


def histogram(a, bins=10, range=None, weights=None, density=None):
    """(how many elements, or what weight, lies in each bin; the edges of the bins)."""
    if weights is not None and np.shape(a) != np.shape(weights):
        raise ValueError("weights should have the same shape as a.")
    edges = histogram_bin_edges(a, bins, range, weights)
    a, edges = promote_inexact(mnp.ravel(mnp.asarray(a)), edges)
    weights = mnp.ones_like(a) if weights is None else mnp.ravel(mnp.asarray(weights))
    counts = At(mnp.zeros(len(edges), weights.dtype))[place_in(edges, a)].add(weights)[1:]
    if density:
        counts = counts / mnp.sum(counts) / mnp.diff(edges)
    return counts, edges


def histogramdd(sample, bins=10, range=None, weights=None, density=None):
    """The histogram of points in rows, and the edges along each axis."""
    if isinstance(sample, (list, tuple)):
        sample = mnp.stack([mnp.asarray(s) for s in sample], axis=-1)
    (sample,) = promote_inexact(mnp.asarray(sample))
    n, dims = sample.shape
    if range is not None and len(range) != dims:
        raise ValueError(f"For sample dimension D={dims}, range should be length D, or None.")
    if np.ndim(bins) == 0 and not isinstance(bins, (list, tuple)):
        bins = [bins] * dims
    if len(bins) != dims:
        raise ValueError("should be a bin for each dimension.")
    weights = mnp.ones(n, int) if weights is None else mnp.asarray(weights)
    edges = [histogram_bin_edges(sample[:, i], b, range[i] if range is not None else None)
             for i, b in enumerate(bins)]
    sizes = [len(e) + 1 for e in edges]
    place = mnp.zeros(n, int)
    for i, (e, size) in enumerate(zip(edges, sizes)):
        place = place * size + place_in(e, sample[:, i])
    counts = mnp.reshape(mnp.bincount(place, weights, length=math.prod(sizes)), sizes)
    counts = counts[(slice(1, -1),) * dims]
    if density:
        counts = counts / mnp.sum(counts)
        for i, e in enumerate(edges):
            counts = counts / mnp.expand_dims(mnp.diff(e), [*np.arange(i), *np.arange(i + 1, dims)])
    return counts, edges


def histogram2d(x, y, bins=10, range=None, weights=None, density=None):
    """The histogram of points in the plane, and the edges along both axes."""
    pair = isinstance(bins, (list, tuple)) and len(bins) == 2
    if not pair and np.ndim(bins) == 1:
        bins = [bins, bins]
    counts, edges = histogramdd([x, y], bins, range, weights, density)
    return counts, *edges
