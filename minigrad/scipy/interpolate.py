"""Functions given on a grid."""

from __future__ import annotations

import itertools

import numpy as np

import minigrad.numpy as mnp
from minigrad.numpy.operators import concrete
from minigrad.numpy.promotion import promote_inexact


class RegularGridInterpolator:
    """A function known on a grid of `points`, one vector an axis; called on (..., ndim) positions.
    method: "linear" or "nearest". Source: scipy.interpolate."""

    def __init__(self, points, values, method="linear", bounds_error=False, fill_value=np.nan):
        if method not in ("linear", "nearest"):
            raise ValueError(f"method {method!r} is not defined")
        if bounds_error:
            raise NotImplementedError("`bounds_error` takes no effect under JIT")
        self.method, self.bounds_error, self.fill_value = method, bounds_error, fill_value
        if len(points) > np.ndim(values):
            raise ValueError(f"there are {len(points)} point arrays, but values has "
                             f"{np.ndim(values)} dimensions")
        (self.values,) = promote_inexact(mnp.asarray(values))
        self.grid = tuple(mnp.asarray(p) for p in points)
        for i, (p, known) in enumerate(zip(self.grid, map(concrete, points))):
            if known is not None and not np.all(np.diff(known) > 0):  # JAX would answer nonsense
                raise ValueError(f"the points in dimension {i} must be strictly ascending")
            if p.ndim != 1:
                raise ValueError(f"the points in dimension {i} must be 1-dimensional")
            if self.values.shape[i] != len(p):
                raise ValueError(f"there are {len(p)} points and {self.values.shape[i]} values in "
                                 f"dimension {i}")

    def __call__(self, xi, method=None):
        method = method or self.method
        n = len(self.grid)
        if isinstance(xi, tuple):
            xi = mnp.stack(mnp.broadcast_arrays(*xi), axis=-1)
        xi = mnp.asarray(xi)
        if xi.shape[-1] != n:
            raise ValueError("the requested sample points xi have dimension "
                             f"{xi.shape[-1]} but this RegularGridInterpolator has dimension {n}")
        shape = xi.shape[:-1]
        xi = mnp.reshape(xi, (-1, n))
        cells, weights, outside = [], [], mnp.zeros(len(xi), bool)
        for i, p in enumerate(self.grid):
            x = xi[:, i]
            cell = mnp.clip(mnp.searchsorted(p, x) - 1, 0, len(p) - 2)
            cells.append(cell)
            weights.append((x - p[cell]) / (p[cell + 1] - p[cell]))
            outside = outside | (x < p[0]) | (x > p[-1])
        if method == "nearest":
            out = self.values[tuple(mnp.where(w <= 0.5, c, c + 1) for c, w in zip(cells, weights))]
        else:
            trailing = (slice(None),) + (None,) * (self.values.ndim - n)
            out = 0.0
            for corner in itertools.product((0, 1), repeat=n):
                weight = mnp.ones(len(xi), self.values.dtype)
                for high, w in zip(corner, weights):
                    weight = weight * (w if high else 1 - w)
                out = out + self.values[tuple(c + k for c, k in zip(cells, corner))] \
                    * weight[trailing]
        if self.fill_value is not None:
            mask = mnp.reshape(outside, (-1, *[1] * (self.values.ndim - n)))
            out = mnp.where(mask, self.fill_value, out)
        return mnp.reshape(out, (*shape, *self.values.shape[n:]))
