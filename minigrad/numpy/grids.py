"""Indices of grids, of triangles, and into flat arrays. Source: jax.numpy, after NumPy."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable

import numpy as np

import minigrad.numpy as mnp
from minigrad.numpy.promotion import promote_dtypes
from minigrad.core import scalar_dtype

index_exp, s_ = np.index_exp, np.s_


def indices(dimensions, dtype=None, sparse=False):
    """The position along each axis, for every element of a grid."""
    dimensions = tuple(operator.index(d) for d in dimensions)
    dtype = scalar_dtype(int) if dtype is None else dtype
    rank = len(dimensions)
    out = []
    for i, n in enumerate(dimensions):
        x = mnp.reshape(mnp.arange(n, dtype=dtype), [n if k == i else 1 for k in range(rank)])
        out.append(x if sparse else mnp.broadcast_to(x, dimensions))
    if sparse:
        return tuple(out)
    return mnp.stack(out) if out else mnp.array([], dtype=dtype)


def fromfunction(function: Callable, shape, *, dtype=float, **kwargs):
    """`function` of the positions of a grid, mapped over each axis."""
    from minigrad.batch import vmap

    shape = (shape,) if np.ndim(shape) == 0 else tuple(shape)
    call = lambda *args: function(*args, **kwargs)
    for i in range(len(shape)):
        axes = [None] * len(shape)
        axes[-1 - i] = 0
        call = vmap(call, in_axes=tuple(axes))
    return call(*(mnp.arange(n, dtype=dtype) for n in shape))


def ix_(*args):
    """Vectors as an open mesh: `x[ix_(rows, columns)]`."""
    out = []
    for i, a in enumerate(args):
        a = mnp.asarray(a) if not isinstance(a, (list, tuple)) else mnp.array(a)
        if a.ndim != 1:
            raise ValueError("Arguments to jax.numpy.ix_ must be 1-dimensional, got shape "
                             f"{a.shape}")
        if a.dtype == bool:
            raise NotImplementedError("Boolean arguments to jax.numpy.ix_ are not implemented")
        out.append(mnp.reshape(a, [a.size if k == i else 1 for k in range(len(args))]))
    return tuple(out)


class Grid:
    """`mgrid[0:3, 0:2]`: positions in ranges; `ogrid` gives an open mesh."""

    def __init__(self, sparse: bool):
        self.sparse = sparse

    def __getitem__(self, key):
        if isinstance(key, slice):
            return points(key)
        ranges = promote_dtypes(*map(points, key))
        meshes = mnp.meshgrid(*ranges, indexing="ij", sparse=self.sparse)
        if self.sparse:
            return list(meshes)
        return mnp.stack(meshes) if meshes else mnp.array([], scalar_dtype(int))


mgrid, ogrid = Grid(False), Grid(True)


def points(key: slice):
    """The numbers of a slice; an imaginary step is their count."""
    start, step = key.start or 0, key.step
    if isinstance(step, complex):
        return mnp.linspace(start, key.stop, int(abs(step)))
    return mnp.arange(start, key.stop, 1 if step is None else step)


class Joiner:
    """`r_[1:4, 0, x]` joins along an axis; `c_` joins columns."""

    def __init__(self, axis: int, ndmin: int, trans1d: int):
        self.defaults = axis, ndmin, trans1d

    def __getitem__(self, key):
        axis, ndmin, trans1d = self.defaults
        parts = list(key) if isinstance(key, tuple) else [key]
        matrix = None
        if parts and isinstance(parts[0], str):
            directive = parts.pop(0)
            if directive in ("r", "c"):
                matrix = directive
            else:
                numbers = [int(v) for v in directive.split(",")]
                axis, ndmin, trans1d = (numbers + [ndmin, trans1d][len(numbers) - 1:])[:3] \
                    if len(numbers) < 3 else numbers
        out = []
        for p in parts:
            item = points(p) if isinstance(p, slice) else mnp.asarray(p)
            given = item.ndim
            item = mnp.array(item, ndmin=ndmin)
            if trans1d != -1 and ndmin > given:
                order = list(range(ndmin - given))
                own = list(range(ndmin - given, ndmin))
                at = trans1d + given if trans1d < 0 else trans1d
                item = mnp.transpose(item, order[:at] + own + order[at:])
            out.append(item)
        result = mnp.concatenate(promote_dtypes(*out), axis=axis)
        if matrix is not None and result.ndim == 1:
            result = result[None] if matrix == "r" else result[:, None]
        return result


r_, c_ = Joiner(0, 1, -1), Joiner(-1, 2, 0)


def triangle(name: str, mask: Callable):
    """The indices of a triangle, as `tril_indices` and `triu_indices` give them."""

    def of_size(n, k=0, m=None):
        rows, columns = np.nonzero(mask(np.ones((n, n if m is None else m), bool), k))
        dtype = scalar_dtype(int)
        return mnp.array(rows, dtype), mnp.array(columns, dtype)

    def of_array(arr, k=0):
        if len(arr.shape) != 2:
            raise ValueError("Only 2-D inputs are accepted")
        return of_size(arr.shape[-2], k, arr.shape[-1])

    of_size.__name__, of_array.__name__ = f"{name}_indices", f"{name}_indices_from"
    of_size.__doc__ = of_array.__doc__ = "The indices of the elements of a triangle."
    return of_size, of_array


tril_indices, tril_indices_from = triangle("tril", np.tril)
triu_indices, triu_indices_from = triangle("triu", np.triu)


def mask_indices(n, mask_func: Callable, k=0, *, size=None):
    """The indices where `mask_func(ones, k)` is not zero."""
    return mnp.nonzero(mask_func(mnp.ones((n, n)), k), size=size)


def diag_indices(n, ndim=2):
    """The indices of the diagonal of a cube."""
    if n < 0:
        raise ValueError("n argument to diag_indices must be nonnegative, got {n}")
    if ndim < 0:
        raise ValueError("ndim argument to diag_indices must be nonnegative, got {ndim}")
    return (mnp.arange(n),) * ndim


def diag_indices_from(arr):
    """The indices of the diagonal of an array with equal axes."""
    if arr.ndim < 2:
        raise ValueError("input array must be at least 2-d")
    if len(set(arr.shape)) != 1:
        raise ValueError("All dimensions of input must be of equal length")
    return diag_indices(arr.shape[0], arr.ndim)


def unravel_index(indices, shape):
    """Positions along each axis of positions in the flat array; out of bounds they are clipped."""
    indices = mnp.asarray(indices)
    shape = (shape,) if np.ndim(shape) == 0 else tuple(map(operator.index, shape))
    total = math.prod(shape)
    out, rest = [], mnp.clip(indices, -total, total - 1)
    rest = mnp.where(rest < 0, rest + total, rest)
    for n in reversed(shape):
        out.append(rest % n)
        rest = rest // n
    return tuple(reversed(out))


def ravel_multi_index(multi_index, dims, mode="raise", order="C", *, dtype=None):
    """The position in the flat array of positions along each axis."""
    if len(multi_index) != len(dims):
        raise ValueError(f"len(multi_index)={len(multi_index)} != len(dims)={len(dims)}")
    dims = tuple(map(operator.index, dims))
    arrays = [mnp.asarray(i) for i in multi_index]
    if mode == "raise":
        for a, d in zip(arrays, dims):
            if mnp.any(np.asarray(a) >= d) or mnp.any(np.asarray(a) < 0):
                raise ValueError("invalid entry in coordinates array. To use "
                                 "mnp.ravel_multi_index with potentially out-of-bound values, use "
                                 "mode='clip' or mode='wrap'")
    elif mode == "clip":
        arrays = [mnp.clip(a, 0, d - 1) for a, d in zip(arrays, dims)]
    elif mode == "wrap":
        arrays = [a % d for a, d in zip(arrays, dims)]
    else:
        raise ValueError(f"invalid mode={mode!r}. Expected 'raise', 'wrap', or 'clip'")
    pairs = list(zip(arrays, dims))
    out = mnp.zeros((), scalar_dtype(int) if dtype is None else dtype)
    for a, d in pairs if order == "C" else reversed(pairs):
        out = out * d + mnp.astype(a, out.dtype)
    return out
