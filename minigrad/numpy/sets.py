"""Arrays as sets. Results whose size depends on numbers need concrete ones, or `size`.
Source: jax.numpy."""

from __future__ import annotations

from typing import NamedTuple

import minigrad.numpy as mnp
from minigrad.numpy.promotion import check_array, promote_dtypes


class _UniqueAllResult(NamedTuple):
    values: object
    indices: object
    inverse_indices: object
    counts: object


class _UniqueCountsResult(NamedTuple):
    values: object
    counts: object


class _UniqueInverseResult(NamedTuple):
    values: object
    inverse_indices: object


def unique_all(x, /, *, size=None, fill_value=None):
    """Different elements, where they first stand, where each element went, how often they stand."""
    values, first, inverse, counts = mnp.unique(x, True, True, True, size=size,
                                                fill_value=fill_value)
    return _UniqueAllResult(values, first, mnp.reshape(inverse, x.shape), counts)


def unique_counts(x, /, *, size=None, fill_value=None):
    """Different elements, and how often they stand."""
    return _UniqueCountsResult(*mnp.unique(x, return_counts=True, size=size,
                                           fill_value=fill_value))


def unique_inverse(x, /, *, size=None, fill_value=None):
    """Different elements, and for each element which of them it is."""
    values, inverse = mnp.unique(x, return_inverse=True, size=size, fill_value=fill_value)
    return _UniqueInverseResult(values, mnp.reshape(inverse, x.shape))


def unique_values(x, /, *, size=None, fill_value=None):
    """Different elements, sorted."""
    return mnp.unique(x, size=size, fill_value=fill_value)


def flat_pair(name, ar1, ar2):
    for i, a in enumerate((ar1, ar2)):
        check_array(name, a, i)
    return [mnp.ravel(a) for a in promote_dtypes(mnp.asarray(ar1), mnp.asarray(ar2))]


def union1d(ar1, ar2, *, size=None, fill_value=None):
    """The elements of either."""
    pair = flat_pair("union1d", ar1, ar2)
    return mnp.unique(mnp.concatenate(pair), size=size, fill_value=fill_value)


def chosen(values, mask, size, fill_value):
    """The values under a mask; with `size`, padded by `fill_value` (the first found if None)."""
    if size is None:
        return values[mask]
    (index,) = mnp.nonzero(mask, size=size, fill_value=0)
    out = values[index]
    fill = out[0] if fill_value is None else fill_value
    return mnp.where(mnp.arange(size) < mnp.sum(mask), out, fill)


def setdiff1d(ar1, ar2, assume_unique=False, *, size=None, fill_value=None):
    """The elements of the first that are not in the second."""
    a, b = flat_pair("setdiff1d", ar1, ar2)
    if size is None:
        a = a if assume_unique else mnp.unique(a)
        return a[~mnp.isin(a, b)]
    if not assume_unique:
        a = mnp.sort(a)
    new = mnp.ones(a.shape, bool) if assume_unique else first_of_run(a)
    fill = 0 if fill_value is None else fill_value
    return chosen(a, new & ~mnp.isin(a, b), size, fill)


def first_of_run(ordered):
    return mnp.concatenate([mnp.ones(min(1, ordered.size), bool), ordered[1:] != ordered[:-1]])


def setxor1d(ar1, ar2, assume_unique=False, *, size=None, fill_value=None):
    """The elements of just one of the two."""
    a, b = flat_pair("setxor1d", ar1, ar2)
    if size is None:
        a, b = (a, b) if assume_unique else (mnp.unique(a), mnp.unique(b))
        both = mnp.sort(mnp.concatenate([a, b]))
        padded = mnp.concatenate([mnp.ones(1, bool), both[1:] != both[:-1], mnp.ones(1, bool)])
        return both[padded[1:] & padded[:-1]]
    both = mnp.concatenate([mnp.sort(a), mnp.sort(b)])
    new = mnp.concatenate([first_of_run(mnp.sort(a)), first_of_run(mnp.sort(b))])
    alone = mnp.concatenate([~mnp.isin(mnp.sort(a), b), ~mnp.isin(mnp.sort(b), a)])
    order = mnp.argsort(both)
    fill = 0 if fill_value is None else fill_value
    return chosen(both[order], (new & alone)[order], size, fill)


def intersect1d(ar1, ar2, assume_unique=False, return_indices=False, *, size=None,
                fill_value=None):
    """The elements of both; with `return_indices`, also where they first stand in each."""
    a, b = flat_pair("intersect1d", ar1, ar2)
    order = mnp.argsort(a)
    ordered = a[order]
    found = first_of_run(ordered) & mnp.isin(ordered, b)
    values = chosen(ordered, found, size, fill_value)
    if not return_indices:
        return values
    first = chosen(order, found, size, a.size)
    order_b = mnp.argsort(b)
    second = order_b[mnp.clip(mnp.searchsorted(b[order_b], values), 0, max(b.size - 1, 0))]
    if size is not None:
        second = mnp.where(mnp.arange(size) < mnp.sum(found), second, b.size)
    return values, first, second
