"""Histograms. Source: jax.numpy, after NumPy."""

from __future__ import annotations

import math

import numpy as np

from compat.jax import numpy as jnp
from compat.jax.functions.common import check_array, promoted_inexact


def histogram_bin_edges(a, bins=10, range=None, weights=None):
    """The edges of equal bins between the extremes of `a`, or `bins` itself where it is edges."""
    check_array("histogram_bin_edges", a)
    if isinstance(bins, str):
        raise NotImplementedError("string values for `bins` not implemented.")
    if np.ndim(bins) == 1:
        return jnp.asarray(bins)
    (flat,) = promoted_inexact(jnp.ravel(jnp.asarray(a)))
    if range is None:
        low, high = (flat.min(), flat.max()) if flat.size else (0.0, 1.0)
    else:
        low, high = range
    low, high = (jnp.asarray(v, flat.dtype) for v in (low, high))
    same = low == high
    return jnp.linspace(jnp.where(same, low - 0.5, low), jnp.where(same, high + 0.5, high),
                        int(bins) + 1, dtype=flat.dtype)


def place_in(edges, x):
    """The bin of each element; the last bin holds its right edge too. Beyond: len(edges)."""
    place = jnp.searchsorted(edges, x, side="right")
    return jnp.where(x == edges[-1], len(edges) - 1, place)


def histogram(a, bins=10, range=None, weights=None, density=None):
    """(how many elements, or what weight, lies in each bin; the edges of the bins)."""
    if weights is not None and jnp.shape(a) != jnp.shape(weights):
        raise ValueError("weights should have the same shape as a.")
    edges = histogram_bin_edges(a, bins, range, weights)
    a, edges = promoted_inexact(jnp.ravel(jnp.asarray(a)), edges)
    weights = jnp.ones_like(a) if weights is None else jnp.ravel(jnp.asarray(weights))
    counts = jnp.zeros(len(edges), weights.dtype).at[place_in(edges, a)].add(weights)[1:]
    if density:
        counts = counts / counts.sum() / jnp.diff(edges)
    return counts, edges


def histogramdd(sample, bins=10, range=None, weights=None, density=None):
    """The histogram of points in rows, and the edges along each axis."""
    if isinstance(sample, (list, tuple)):
        sample = jnp.stack([jnp.asarray(s) for s in sample], axis=-1)
    (sample,) = promoted_inexact(jnp.asarray(sample))
    n, dims = sample.shape
    if range is not None and len(range) != dims:
        raise ValueError(f"For sample dimension D={dims}, range should be length D, or None.")
    if np.ndim(bins) == 0 and not isinstance(bins, (list, tuple)):
        bins = [bins] * dims
    if len(bins) != dims:
        raise ValueError("should be a bin for each dimension.")
    weights = jnp.ones(n, int) if weights is None else jnp.asarray(weights)
    edges = [histogram_bin_edges(sample[:, i], b, range[i] if range is not None else None)
             for i, b in enumerate(bins)]
    sizes = [len(e) + 1 for e in edges]
    place = jnp.zeros(n, int)
    for i, (e, size) in enumerate(zip(edges, sizes)):
        place = place * size + place_in(e, sample[:, i])
    counts = jnp.bincount(place, weights, length=math.prod(sizes)).reshape(sizes)
    counts = counts[(slice(1, -1),) * dims]
    if density:
        counts = counts / counts.sum()
        for i, e in enumerate(edges):
            counts = counts / jnp.diff(e).reshape([-1 if k == i else 1 for k in np.arange(dims)])
    return counts, edges


def histogram2d(x, y, bins=10, range=None, weights=None, density=None):
    """The histogram of points in the plane, and the edges along both axes."""
    pair = isinstance(bins, (list, tuple)) and len(bins) == 2
    if not pair and np.ndim(bins) == 1:
        bins = [bins, bins]
    counts, edges = histogramdd([x, y], bins, range, weights, density)
    return counts, *edges
