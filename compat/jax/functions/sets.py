"""Arrays as sets. Results whose size depends on numbers need concrete ones, or `size`.
Source: jax.numpy."""

from __future__ import annotations

from typing import NamedTuple

from compat.jax import numpy as jnp
from compat.jax.functions.common import check_array, promoted


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
    values, first, inverse, counts = jnp.unique(x, True, True, True, size=size,
                                                fill_value=fill_value)
    return _UniqueAllResult(values, first, inverse.reshape(x.shape), counts)


def unique_counts(x, /, *, size=None, fill_value=None):
    """Different elements, and how often they stand."""
    return _UniqueCountsResult(*jnp.unique(x, return_counts=True, size=size,
                                           fill_value=fill_value))


def unique_inverse(x, /, *, size=None, fill_value=None):
    """Different elements, and for each element which of them it is."""
    values, inverse = jnp.unique(x, return_inverse=True, size=size, fill_value=fill_value)
    return _UniqueInverseResult(values, inverse.reshape(x.shape))


def unique_values(x, /, *, size=None, fill_value=None):
    """Different elements, sorted."""
    return jnp.unique(x, size=size, fill_value=fill_value)


def flat_pair(name, ar1, ar2):
    for i, a in enumerate((ar1, ar2)):
        check_array(name, a, i)
    return [jnp.ravel(a) for a in promoted(jnp.asarray(ar1), jnp.asarray(ar2))]


def union1d(ar1, ar2, *, size=None, fill_value=None):
    """The elements of either."""
    pair = flat_pair("union1d", ar1, ar2)
    return jnp.unique(jnp.concatenate(pair), size=size, fill_value=fill_value)


def chosen(values, mask, size, fill_value):
    """The values under a mask; with `size`, padded by `fill_value` (the first found if None)."""
    if size is None:
        return values[mask]
    (index,) = jnp.nonzero(mask, size=size, fill_value=0)
    out = values[index]
    fill = out[0] if fill_value is None else fill_value
    return jnp.where(jnp.arange(size) < mask.sum(), out, fill)


def setdiff1d(ar1, ar2, assume_unique=False, *, size=None, fill_value=None):
    """The elements of the first that are not in the second."""
    a, b = flat_pair("setdiff1d", ar1, ar2)
    if size is None:
        a = a if assume_unique else jnp.unique(a)
        return a[~jnp.isin(a, b)]
    if not assume_unique:
        a = jnp.sort(a)
    new = jnp.ones(a.shape, bool) if assume_unique else first_of_run(a)
    fill = 0 if fill_value is None else fill_value
    return chosen(a, new & ~jnp.isin(a, b), size, fill)


def first_of_run(ordered):
    return jnp.concatenate([jnp.ones(min(1, ordered.size), bool), ordered[1:] != ordered[:-1]])


def setxor1d(ar1, ar2, assume_unique=False, *, size=None, fill_value=None):
    """The elements of just one of the two."""
    a, b = flat_pair("setxor1d", ar1, ar2)
    if size is None:
        a, b = (a, b) if assume_unique else (jnp.unique(a), jnp.unique(b))
        both = jnp.sort(jnp.concatenate([a, b]))
        padded = jnp.concatenate([jnp.ones(1, bool), both[1:] != both[:-1], jnp.ones(1, bool)])
        return both[padded[1:] & padded[:-1]]
    both = jnp.concatenate([jnp.sort(a), jnp.sort(b)])
    new = jnp.concatenate([first_of_run(jnp.sort(a)), first_of_run(jnp.sort(b))])
    alone = jnp.concatenate([~jnp.isin(jnp.sort(a), b), ~jnp.isin(jnp.sort(b), a)])
    order = jnp.argsort(both)
    fill = 0 if fill_value is None else fill_value
    return chosen(both[order], (new & alone)[order], size, fill)


def intersect1d(ar1, ar2, assume_unique=False, return_indices=False, *, size=None,
                fill_value=None):
    """The elements of both; with `return_indices`, also where they first stand in each."""
    a, b = flat_pair("intersect1d", ar1, ar2)
    order = jnp.argsort(a)
    ordered = a[order]
    found = first_of_run(ordered) & jnp.isin(ordered, b)
    values = chosen(ordered, found, size, fill_value)
    if not return_indices:
        return values
    first = chosen(order, found, size, a.size)
    order_b = jnp.argsort(b)
    second = order_b[jnp.clip(jnp.searchsorted(b[order_b], values), 0, max(b.size - 1, 0))]
    if size is not None:
        second = jnp.where(jnp.arange(size) < found.sum(), second, b.size)
    return values, first, second
