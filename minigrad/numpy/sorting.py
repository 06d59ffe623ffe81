"""Sorting and searching. Source: jax.numpy."""

from __future__ import annotations

import math

import numpy as np

from minigrad import errors
from minigrad.core import aval_of, scalar_dtype, table
from minigrad.numpy import elementwise
from minigrad.numpy.promotion import check_array, convert, operand, promote_dtypes, shape_of
from minigrad.numpy.selecting import where
from minigrad.numpy.shaping import flip
from minigrad.numpy.staging import staged
from minigrad.ops.axes import canonical
from minigrad.ops.families import dtype_kind
from minigrad.ops.shaping import expand_dims as insert_axes
from minigrad.ops.shaping import reshape_to


def sort_values(x, axis: int):
    return table["sort"](x, dimension=axis, is_stable=True, num_keys=1)[0]


@staged(static=("axis", "kind", "order", "stable", "descending"))
def sort(a, axis=-1, *, kind=None, order=None, stable=True, descending=False):
    """The elements in order along `axis` (of the flat array if None)."""
    if axis is None:
        a, axis = reshape_to(a, (aval_of(a).size,)), 0
    axis = canonical(axis, len(shape_of(a)))
    out = table["sort"](a, dimension=axis, is_stable=stable, num_keys=1)[0]
    return flip(out, axis) if descending else out


@staged(static=("axis", "kind", "order", "stable", "descending"))
def argsort(a, axis=-1, *, kind=None, order=None, stable=True, descending=False):
    """The positions that put the elements in order."""
    if axis is None:
        a, axis = reshape_to(a, (aval_of(a).size,)), 0
    axis = canonical(axis, len(shape_of(a)))
    if descending:
        a = flip(a, axis)
    positions = table["iota"](dtype=scalar_dtype(int), shape=shape_of(a), dimension=axis)
    if descending:
        positions = flip(positions, axis)
    _, out = table["sort"](a, positions, dimension=axis, is_stable=stable, num_keys=1)
    return flip(out, axis) if descending else out


@staged(static=("axis",))
def lexsort(keys, axis=-1):
    """The positions that sort by the last key, then by the one before it."""
    keys = list(keys)
    axis = canonical(axis, len(shape_of(keys[0])))
    positions = table["iota"](dtype=scalar_dtype(int), shape=shape_of(keys[0]), dimension=axis)
    return table["sort"](*keys[::-1], positions, dimension=axis, is_stable=True,
                         num_keys=len(keys))[-1]


@staged(static=("side", "method"))
def searchsorted(a, v, side="left", sorter=None, *, method="scan"):
    """Where `v` would stand in the sorted vector `a`, found by bisection."""
    from minigrad.ops.flow import fori_loop
    from minigrad.numpy.taking import take

    if side not in ("left", "right"):
        raise ValueError(f"{side!r} is an invalid value for keyword 'side'. Expected one of "
                         "['left', 'right'].")
    if len(shape_of(a)) != 1:
        raise ValueError(f"searchsorted: a should be 1-dimensional, got shape {shape_of(a)}")
    a, v = promote_dtypes(a if sorter is None else take(a, sorter), v)
    n, dtype = shape_of(a)[0], np.dtype(np.int32)
    before = table["lt"] if side == "left" else table["le"]

    def step(_, bounds):
        low, high = bounds
        middle = table["div"](table["add"](low, high), convert(2, dtype))
        right = before(take(a, middle, mode="clip"), v)
        return where(right, middle, low), where(right, high, middle)

    from minigrad.ops.families import full

    start = full(shape_of(v), -1, dtype), full(shape_of(v), n, dtype)
    if n == 0:
        return full(shape_of(v), 0, dtype)

    def bisect(i, bounds):
        low, high = bounds
        done = table["ge"](table["add"](low, convert(1, dtype)), high)
        new_low, new_high = step(i, bounds)
        return where(done, low, new_low), where(done, high, new_high)

    return fori_loop(0, math.ceil(math.log2(n + 1)) + 1, bisect, start)[1]


@staged(static=("right",))
def digitize(x, bins, right=False):
    """The bin of each element."""
    return searchsorted(bins, x, "left" if right else "right")


def nonzero(a, *, size=None, fill_value=None):
    """The positions of the elements that are not zero, an array for each axis.

    Their number depends on the numbers, so inside a transformation `size` must be given."""
    from minigrad.numpy.operators import concrete

    check_array("nonzero", a)
    shape = shape_of(a)
    value = concrete(operand(a))
    if size is None and value is None:
        raise errors.concretization_error(
            a.value, "The size argument of jnp.nonzero must be statically specified to use "
                     "jnp.nonzero within JAX transformations.")
    dtype = scalar_dtype(int)
    if size is None:
        return tuple(convert(i.astype(dtype), dtype) for i in np.nonzero(np.asarray(value)))
    from minigrad.numpy.updating import scatter
    from minigrad.numpy.reductions import cumsum, sum as total
    from minigrad.ops.families import full

    mask = reshape_to(elementwise.truth(a), (math.prod(shape),))
    rank = cumsum(convert(mask, dtype))  # the first nonzero element has rank 1
    slot = where(mask, table["sub"](rank, 1), convert(size, dtype))
    positions = table["iota"](dtype=dtype, shape=shape_of(mask), dimension=0)
    flat = scatter(full((size,), 0, dtype), slot, positions, mode="drop")
    found = table["lt"](table["iota"](dtype=dtype, shape=(size,), dimension=0), total(mask))
    out, stride = [], math.prod(shape)
    for axis, n in enumerate(shape):
        stride //= max(n, 1)
        index = table["rem"](table["div"](flat, convert(stride, dtype)), convert(n, dtype))
        fill = 0 if fill_value is None else (
            fill_value[axis] if isinstance(fill_value, tuple) else fill_value)
        out.append(where(found, index, convert(fill, dtype)))
    return tuple(out)


def flatnonzero(a, *, size=None, fill_value=None):
    """The positions in the flat array of the elements that are not zero."""
    from minigrad.numpy.shaping import ravel

    return nonzero(ravel(a), size=size, fill_value=fill_value)[0]


def argwhere(a, *, size=None, fill_value=None):
    """The positions of the elements that are not zero, one in each row."""
    from minigrad.numpy.joining import stack

    return stack(nonzero(a, size=size, fill_value=fill_value), axis=1)


def unique(ar, return_index=False, return_inverse=False, return_counts=False, axis=None, *,
           equal_nan=True, size=None, fill_value=None, sorted=True):
    """The different elements of the flat array (slices along `axis`), sorted. With `size`, padded
    to that many by `fill_value` (the smallest one if None)."""
    from minigrad.numpy.indexing import getitem
    from minigrad.numpy.joining import concatenate
    from minigrad.numpy.reductions import any as any_of
    from minigrad.numpy.shaping import moveaxis, ravel, reshape
    from minigrad.ops.families import full

    check_array("unique", ar)
    ar = ravel(ar) if axis is None else moveaxis(ar, axis, 0)
    n, whole = shape_of(ar)[0], shape_of(ar)[1:]
    rows = reshape(ar, (n, math.prod(whole)))  # a slice each
    columns = [getitem(rows, (slice(None), i)) for i in range(shape_of(rows)[1])]
    order = argsort(columns[0]) if len(columns) == 1 else lexsort(columns[::-1])
    ordered = getitem(rows, order)
    differs = table["ne"](getitem(ordered, slice(1, None)), getitem(ordered, slice(None, -1)))
    if equal_nan and dtype_kind(aval_of(ar).dtype) in "fc":
        both = [table["ne"](x, x) for x in (getitem(ordered, slice(1, None)),
                                            getitem(ordered, slice(None, -1)))]
        differs = elementwise.logical_and(differs, elementwise.logical_not(
            elementwise.logical_and(*both)))
    new = concatenate([full((min(n, 1),), True, np.dtype(bool)), any_of(differs, axis=1)])
    (starts,) = nonzero(new, size=size, fill_value=n)
    there = table["lt"](starts, n)
    first = where(there, starts, 0) if size is not None else starts
    values = getitem(ordered, first)
    if size is not None and fill_value is not None:
        values = where(insert_axes(there, (1,)), values, fill_value)
    values = reshape(values, (shape_of(starts)[0], *whole))
    out = [values if axis is None else moveaxis(values, 0, axis)]
    if return_index:
        out.append(getitem(order, first))
    if return_inverse or return_counts:
        from minigrad.numpy.updating import scatter
        from minigrad.numpy.reductions import cumsum

        group = table["sub"](cumsum(convert(new, scalar_dtype(int))), 1)
        if return_inverse:
            out.append(scatter(full((n,), 0, scalar_dtype(int)), order, group))
        if return_counts:
            ends = concatenate([getitem(starts, slice(1, None)),
                                full((1,), n, scalar_dtype(int))])
            out.append(table["sub"](ends, starts))
    return out[0] if len(out) == 1 else tuple(out)
