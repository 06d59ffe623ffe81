"""Modes, ranks, standard errors. Source: scipy.stats."""

from __future__ import annotations

from typing import Any, NamedTuple

import minigrad.numpy as mnp
from minigrad.numpy.promotion import promote_inexact
from minigrad.ops.axes import canonical


class ModeResult(NamedTuple):
    mode: Any
    count: Any


def mode(a, axis=0, nan_policy="propagate", keepdims=False):
    """(the most frequent value, how often it stands); the smallest of several."""
    a = mnp.asarray(a)
    given = a.ndim
    if axis is None:
        a, axis = mnp.ravel(a), 0
    axis = canonical(axis, a.ndim)
    ordered = mnp.sort(a, axis=axis)
    moved = mnp.moveaxis(ordered, axis, -1)
    counts = mnp.sum(moved[..., :, None] == moved[..., None, :], -1)
    place = mnp.argmax(counts, axis=-1)[..., None]
    value = mnp.take_along_axis(moved, place, -1)[..., 0]
    count = mnp.take_along_axis(counts, place, -1)[..., 0]
    if keepdims:
        value, count = (mnp.reshape(v, (1,) * given) if v.ndim == 0 else mnp.expand_dims(v, axis)
                        for v in (value, count))
    return ModeResult(value, count)


def rankdata(a, method="average", *, axis=None, nan_policy="propagate"):
    """The rank of each element, from 1; ties by "average", "min", "max", "dense" or "ordinal"."""
    if method not in ("average", "min", "max", "dense", "ordinal"):
        raise ValueError(f"unknown method '{method}'")
    a = mnp.asarray(a)
    if axis is not None:
        return mnp.apply_along_axis(lambda row: rankdata(row, method), axis, a)
    flat = mnp.ravel(a)
    order = mnp.argsort(flat)
    places = mnp.argsort(order)
    if method == "ordinal":
        return places + 1
    low = mnp.sum(flat[None, :] < flat[:, None], 1) + 1
    high = mnp.sum(flat[None, :] <= flat[:, None], 1)
    if method == "average":
        return (low + high) / 2
    if method == "dense":
        ordered = flat[order]
        new = mnp.concatenate([mnp.ones(1, bool), ordered[1:] != ordered[:-1]])
        return mnp.cumsum(new)[places]
    return low if method == "min" else high


def sem(a, axis=0, ddof=1, nan_policy="propagate", *, keepdims=False):
    """The standard error of the mean."""
    (a,) = promote_inexact(mnp.asarray(a))
    if axis is None:
        a, axis = mnp.ravel(a), 0
    spread = mnp.std(a, axis, ddof=ddof, keepdims=keepdims)
    return spread / mnp.sqrt(mnp.asarray(a.shape[axis], spread.dtype))
