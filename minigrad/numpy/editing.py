"""Functions that delete, insert, overwrite and choose elements. Source: jax.numpy."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

import minigrad.numpy as mnp
from minigrad.numpy.updating import At
from minigrad.numpy.staging import staged
from minigrad.numpy.promotion import promote_dtypes
from minigrad.core import aval_of
from minigrad.ops.axes import canonical


def delete(arr, obj, axis=None, *, assume_unique_indices=False):
    """`arr` without the positions `obj` along `axis`."""
    if axis is None:
        arr, axis = mnp.ravel(arr), 0
    axis = canonical(axis, arr.ndim)
    n = arr.shape[axis]
    if isinstance(obj, slice):
        obj = np.arange(n)[obj]
    if np.ndim(obj) == 0 and not isinstance(obj, (bool, np.bool_)):
        i = mnp.asarray(obj)
        i = mnp.where(i < 0, i + n, i)
        keep = mnp.arange(n - 1)
        return mnp.take(arr, mnp.where(keep < i, keep, keep + 1), axis=axis)
    if assume_unique_indices:
        obj = mnp.ravel(mnp.asarray(obj))
        obj = mnp.sort(mnp.where(obj < 0, obj + n, obj))
        keep = mnp.arange(n - obj.size)
        gone = mnp.sum(keep[:, None] >= (obj - mnp.arange(obj.size))[None], 1)
        return mnp.take(arr, keep + gone, axis=axis)
    mask = np.ones(n, bool)
    mask[np.asarray(obj)] = False
    return mnp.take(arr, np.flatnonzero(mask), axis=axis)


def insert(arr, obj, values, axis=None):
    """`arr` with `values` before the positions `obj` along `axis`."""
    values = mnp.asarray(values) if not isinstance(values, (list, tuple)) else mnp.array(values)
    if axis is None:
        arr, axis = mnp.ravel(arr), 0
    arr, values = promote_dtypes(arr, values)
    axis = canonical(axis, arr.ndim)
    n = arr.shape[axis]
    index = mnp.arange(n)[obj] if isinstance(obj, slice) else mnp.asarray(
        np.asarray(obj) if isinstance(obj, (list, tuple)) else obj)
    if values.ndim == 0:
        values = mnp.ravel(values)
    if index.ndim == 0:
        values = mnp.moveaxis(values, 0, axis) if values.ndim == arr.ndim else values
    values = mnp.array(values, ndmin=arr.ndim)
    count = index.size if index.ndim else values.shape[axis]
    values = mnp.broadcast_to(values, (*arr.shape[:axis], count, *arr.shape[axis + 1:]))
    index = mnp.ravel(index)
    index = mnp.clip(mnp.where(index < 0, index + n, index), 0, n)
    if index.size == 1:
        index = index[0] + mnp.arange(count)
    else:
        order = mnp.argsort(index)
        values = mnp.take(values, order, axis=axis)
        index = index[order] + mnp.arange(count)
    there = At(mnp.zeros(n + count, bool))[index].set(True)
    out = mnp.zeros((*arr.shape[:axis], n + count, *arr.shape[axis + 1:]), arr.dtype)
    lead = (slice(None),) * axis
    (rest,) = mnp.nonzero(~there, size=n)
    return At(At(out)[(*lead, index)].set(values))[(*lead, rest)].set(arr)


@staged(static=("new_shape",))
def resize(a, new_shape):
    """The elements repeated until they fill a shape."""
    new_shape = (new_shape,) if np.ndim(new_shape) == 0 else tuple(new_shape)
    if any(n < 0 for n in new_shape):
        raise ValueError("all elements of `new_shape` must be non-negative")
    flat, size = mnp.ravel(a), math.prod(new_shape)
    if not flat.size or not size:
        return mnp.zeros(new_shape, a.dtype)
    return mnp.reshape(mnp.tile(flat, -(-size // flat.size))[:size], new_shape)


def trim_zeros(filt, trim="fb", axis=None):
    """Without zeros at the front ("f") and back ("b"). Needs concrete numbers."""
    filt = mnp.asarray(filt)
    axes = range(filt.ndim) if axis is None else {axis} if isinstance(axis, int) else axis
    axes = {canonical(a, filt.ndim) for a in axes}
    found = np.nonzero(np.asarray(filt))
    bounds = []
    for a, n in enumerate(filt.shape):
        low, high = (mnp.min(found[a]), mnp.max(found[a]) + 1) if len(found[a]) else (0, 0)
        own = a in axes
        bounds.append(slice(int(low) if own and "f" in trim.lower() else 0,
                            int(high) if own and "b" in trim.lower() else n))
    return filt[tuple(bounds)]


def not_in_place(name: str, inplace: bool) -> None:
    if inplace:
        raise ValueError(
            f"jax.numpy.{name} cannot modify arrays in-place, because JAX arrays are immutable. "
            "Pass inplace=False to instead return an updated array.")


def put(a, ind, v, mode=None, *, inplace=True):
    """`a` with elements of its flat form overwritten."""
    not_in_place("put", inplace)
    ind, v = mnp.ravel(mnp.asarray(ind)), mnp.ravel(mnp.asarray(v))
    if not a.size or not ind.size or not v.size:
        return a
    v = mnp.tile(v, -(-ind.size // v.size))[:ind.size]
    flat = mnp.ravel(a)
    if mode == "clip":
        ind = mnp.clip(ind, 0, a.size - 1)
    elif mode == "wrap":
        ind = ind % a.size
    elif mode == "raise":
        raise NotImplementedError("The 'raise' mode to mnp.put is not supported.")
    elif mode is not None:
        raise ValueError(f"mode should be one of 'wrap' or 'clip'; got {mode!r}")
    return mnp.reshape(At(flat)[ind].set(v, mode="drop"), a.shape)


@staged(static=("axis", "inplace", "mode"))
def put_along_axis(arr, indices, values, axis, inplace=True, *, mode=None):
    """`arr` with the elements overwritten that `take_along_axis` would read."""
    not_in_place("put_along_axis", inplace)
    shape = arr.shape
    if axis is None:
        arr, axis = mnp.ravel(arr), 0
    axis = canonical(axis, arr.ndim)
    if indices.ndim != arr.ndim:
        raise ValueError("put_along_axis arguments 'arr' and 'indices' must have same ndim. Got "
                         f"arr.ndim={arr.ndim} and indices.ndim={indices.ndim}.")
    others = [[k for k in range(arr.ndim) if k != i] for i in range(arr.ndim)]
    places = tuple(indices if i == axis else mnp.expand_dims(mnp.arange(n), others[i])
                   for i, n in enumerate(arr.shape))
    where_ = mnp.broadcast_arrays(*places)
    values = mnp.broadcast_to(mnp.asarray(values), where_[0].shape)
    return mnp.reshape(At(arr)[tuple(where_)].set(values, mode=mode), shape)


def place(arr, mask, vals, *, inplace=True):
    """`arr` with the elements under a mask overwritten by `vals`, again from the front."""
    not_in_place("place", inplace)
    mask, vals = mnp.asarray(mask), mnp.ravel(mnp.asarray(vals))
    if arr.size != mask.size:
        raise ValueError("place: arr and mask must be the same size")
    if not vals.size:
        raise ValueError("Cannot place values from an empty array")
    flat = mnp.ravel(mask) != 0
    rank = mnp.cumsum(flat) - 1
    return mnp.reshape(mnp.where(flat, mnp.astype(vals[rank % vals.size], arr.dtype),
                     mnp.ravel(arr)), arr.shape)


def fill_diagonal(a, val, wrap=False, *, inplace=True):
    """`a` with its diagonal overwritten."""
    not_in_place("fill_diagonal", inplace)
    if wrap:
        raise NotImplementedError("wrap=True not implemented, must be False.")
    if a.ndim < 2:
        raise ValueError("array must be at least 2-d")
    if a.ndim > 2 and len(set(a.shape)) != 1:
        raise ValueError("All dimensions of input must be of equal length")
    n = min(a.shape)
    val = mnp.ravel(mnp.asarray(val))
    return At(a)[(mnp.arange(n),) * a.ndim].set(
        val if val.size == 1 else mnp.tile(val, -(-n // val.size))[:n])


def choose(a, choices, out=None, mode="raise"):
    """The element of the array of `choices` that `a` counts."""
    a = mnp.asarray(a)
    choices = [mnp.asarray(c) for c in choices]
    if mode == "raise":
        low, high = mnp.min(np.asarray(a), initial=0), mnp.max(np.asarray(a), initial=0)
        if low < 0 or high >= len(choices):
            raise ValueError("invalid entry in choice array")
    a = a % len(choices) if mode == "wrap" else mnp.clip(a, 0, len(choices) - 1)
    a, *choices = mnp.broadcast_arrays(a, *promote_dtypes(*choices))
    return mnp.stack(choices)[(a, *indices_of(a.shape))]


def indices_of(shape):
    return mnp.indices(shape, sparse=True)


def compress(condition, a, axis=None, *, size=None, fill_value=0, out=None):
    """The elements (slices along `axis`) where a vector of conditions holds."""
    condition = mnp.asarray(condition) != 0
    if condition.ndim != 1:
        raise ValueError("condition must be a 1D array")
    if axis is None:
        a, axis = mnp.ravel(a), 0
    axis = canonical(axis, a.ndim)
    if condition.size > a.shape[axis]:
        raise ValueError(f"condition contains entries that are out of bounds: {condition.size} "
                         f"for an axis of size {a.shape[axis]}")
    a = mnp.cut(a, axis, 0, condition.size)
    if size is None:
        return mnp.take(a, np.flatnonzero(np.asarray(condition)), axis=axis)
    (index,) = mnp.nonzero(condition, size=size, fill_value=0)
    picked = mnp.moveaxis(mnp.take(a, index, axis=axis), axis, -1)
    padded = mnp.where(mnp.arange(size) < mnp.sum(condition), picked, fill_value)
    return mnp.moveaxis(padded, -1, axis)


def extract(condition, arr, *, size=None, fill_value=0):
    """The elements where a condition holds, flat."""
    return compress(mnp.ravel(mnp.asarray(condition)), mnp.ravel(arr), size=size,
                    fill_value=fill_value)


def piecewise(x, condlist, funclist, *args, **kw):
    """A function by pieces: the last that holds, and one more function for elsewhere."""
    conditions = [mnp.asarray(c) for c in (condlist if isinstance(condlist, (list, tuple))
                                           else mnp.atleast_2d(mnp.asarray(condlist)))]
    conditions = mnp.astype(mnp.stack([mnp.broadcast_to(c, x.shape) for c in conditions]), bool)
    n = len(conditions)
    functions = list(funclist)
    if len(functions) == n:
        functions.insert(0, 0)
    elif len(functions) == n + 1:
        functions = [functions[-1], *functions[:-1]]
    else:
        raise ValueError(f"with {n} condition(s), either {n} or {n + 1} functions are expected; "
                         f"got {len(functions)}")
    which = mnp.argmax(mnp.cumsum(mnp.concatenate(
        [mnp.zeros_like(conditions[:1]), conditions]), 0), axis=0)
    out = mnp.zeros_like(x)
    for k, f in enumerate(functions):
        value = f(x, *args, **kw) if callable(f) else f
        out = mnp.where(which == k, mnp.astype(mnp.asarray(value), x.dtype), out)
    return out


def block(arrays):
    """An array of nested lists of blocks."""
    def depth_of(x) -> int:
        return 1 + max(map(depth_of, x)) if isinstance(x, list) else 0

    def join(x, axis: int, ndim: int):
        if not isinstance(x, list):
            return mnp.array(x, ndmin=ndim)
        return mnp.concatenate([join(part, axis + 1, ndim) for part in x], axis=axis)

    def rank(x) -> int:
        return max(map(rank, x)) if isinstance(x, list) else np.ndim(x)

    depth = depth_of(arrays)
    ndim = max(depth, rank(arrays))
    return join(arrays, ndim - depth, ndim) if depth else mnp.asarray(arrays)


@staged(static=("axis", "bitorder"))
def packbits(a, axis=None, bitorder="big"):
    """Eight truth values in a byte."""
    if aval_of(a).dtype.kind not in "biu":
        raise TypeError("Expected an input array of integer or boolean data type")
    if bitorder not in ("little", "big"):
        raise ValueError("'order' must be either 'little' or 'big'")
    bits = mnp.astype(a != 0, "uint8")
    if axis is None:
        bits, axis = mnp.ravel(bits), 0
    bits = mnp.swapaxes(bits, axis, -1)
    short = -bits.shape[-1] % 8
    bits = mnp.pad(bits, [(0, 0)] * (bits.ndim - 1) + [(0, short)])
    bits = mnp.reshape(bits, (*bits.shape[:-1], bits.shape[-1] // 8, 8))
    places = np.arange(8, dtype="uint8")
    shifted = bits << (places if bitorder == "little" else places[::-1])
    return mnp.swapaxes(mnp.astype(mnp.sum(shifted, -1), "uint8"), axis, -1)


@staged(static=("axis", "count", "bitorder"))
def unpackbits(a, axis=None, count=None, bitorder="big"):
    """The bits of bytes."""
    if a.dtype != np.uint8:
        raise TypeError("Expected an input array of unsigned byte data type")
    if bitorder not in ("little", "big"):
        raise ValueError("'order' must be either 'little' or 'big'")
    if axis is None:
        a, axis = mnp.ravel(a), 0
    a = mnp.swapaxes(a, axis, -1)
    places = np.arange(8, dtype="uint8")
    bits = (a[..., None] >> (places if bitorder == "little" else places[::-1])) & np.uint8(1)
    bits = mnp.reshape(bits, (*a.shape[:-1], a.shape[-1] * 8))
    if count is not None:
        bits = bits[..., :count]
    return mnp.swapaxes(bits, axis, -1)


def apply_along_axis(func1d: Callable, axis, arr, *args, **kwargs):
    """A function of vectors, mapped over all the other axes."""
    from minigrad.batch import vmap

    axis = canonical(axis, arr.ndim)
    function = lambda x: func1d(x, *args, **kwargs)  # noqa: E731
    for i in range(1, arr.ndim - axis):
        function = vmap(function, in_axes=i, out_axes=-1)
    for _ in range(axis):
        function = vmap(function, in_axes=0, out_axes=0)
    return function(arr)


def apply_over_axes(func: Callable, a, axes: Sequence[int]):
    """A function of (array, axis), one axis after the other; ranks are kept."""
    for axis in axes:
        out = func(a, axis=canonical(axis, a.ndim))
        out = mnp.expand_dims(out, canonical(axis, a.ndim)) if out.ndim == a.ndim - 1 else out
        if out.ndim != a.ndim:
            raise ValueError("function is not returning an array of the correct shape")
        a = out
    return a


@staged(static=("axis", "start"))
def rollaxis(a, axis, start=0):
    """`axis` moved before `start`."""
    axis = canonical(axis, a.ndim)
    if not -a.ndim <= start <= a.ndim:
        raise ValueError(f"start={start} must satisfy {-a.ndim}<=start<={a.ndim}")
    start = start + a.ndim if start < 0 else start
    return mnp.moveaxis(a, axis, start - 1 if start > axis else start)


def dsplit(ary, indices_or_sections):
    """Parts along the third axis."""
    return mnp.split(ary, indices_or_sections, axis=2)


def diagflat(v, k=0):
    """A matrix with the flat array on a diagonal."""
    return mnp.diag(mnp.ravel(v), k)


def array_equiv(a1, a2):
    """Are two arrays equal once they are broadcast?"""
    return mnp.all(mnp.asarray(a1) == mnp.asarray(a2))
