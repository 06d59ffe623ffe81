"""jax.scipy.stats: ranks, modes, standard errors, kernel density estimates."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from compat.jax import numpy as jnp
from compat.jax.functions.common import promoted_inexact
from compat.jax.scipy import special
from minigrad.ops.axes import canonical


class ModeResult(NamedTuple):
    mode: Any
    count: Any


def mode(a, axis=0, nan_policy="propagate", keepdims=False):
    """(the most frequent value, how often it stands); the smallest of several."""
    a = jnp.asarray(a)
    given = a.ndim
    if axis is None:
        a, axis = a.ravel(), 0
    axis = canonical(axis, a.ndim)
    ordered = jnp.sort(a, axis=axis)
    moved = jnp.moveaxis(ordered, axis, -1)
    counts = (moved[..., :, None] == moved[..., None, :]).sum(-1)
    place = jnp.argmax(counts, axis=-1)[..., None]
    value = jnp.take_along_axis(moved, place, -1)[..., 0]
    count = jnp.take_along_axis(counts, place, -1)[..., 0]
    if keepdims:
        value, count = (v.reshape((1,) * given) if v.ndim == 0 else jnp.expand_dims(v, axis)
                        for v in (value, count))
    return ModeResult(value, count)


def rankdata(a, method="average", *, axis=None, nan_policy="propagate"):
    """The rank of each element, from 1; ties by "average", "min", "max", "dense" or "ordinal"."""
    if method not in ("average", "min", "max", "dense", "ordinal"):
        raise ValueError(f"unknown method '{method}'")
    a = jnp.asarray(a)
    if axis is not None:
        return jnp.apply_along_axis(lambda row: rankdata(row, method), axis, a)
    flat = a.ravel()
    order = jnp.argsort(flat)
    places = jnp.argsort(order)
    if method == "ordinal":
        return places + 1
    low = (flat[None, :] < flat[:, None]).sum(1) + 1
    high = (flat[None, :] <= flat[:, None]).sum(1)
    if method == "average":
        return (low + high) / 2
    if method == "dense":
        ordered = flat[order]
        new = jnp.concatenate([jnp.ones(1, bool), ordered[1:] != ordered[:-1]])
        return jnp.cumsum(new)[places]
    return low if method == "min" else high


def sem(a, axis=0, ddof=1, nan_policy="propagate", *, keepdims=False):
    """The standard error of the mean."""
    (a,) = promoted_inexact(jnp.asarray(a))
    if axis is None:
        a, axis = a.ravel(), 0
    spread = jnp.std(a, axis, ddof=ddof, keepdims=keepdims)
    return spread / jnp.sqrt(jnp.asarray(a.shape[axis], spread.dtype))


class gaussian_kde:  # noqa: N801
    """A density estimated by a normal bump on each point of a data set (features, points)."""

    def __init__(self, dataset, bw_method=None, weights=None):
        (self.dataset,) = promoted_inexact(jnp.atleast_2d(jnp.asarray(dataset)))
        d, n = self.dataset.shape
        if n < 2:
            raise ValueError("`dataset` input should have multiple elements.")
        weights = jnp.ones(n, self.dataset.dtype) if weights is None else promoted_inexact(
            jnp.asarray(weights))[0]
        self.weights = weights / weights.sum()
        self.neff = 1 / jnp.sum(self.weights ** 2)
        if bw_method in (None, "scott"):
            factor = self.neff ** (-1.0 / (d + 4))
        elif bw_method == "silverman":
            factor = (self.neff * (d + 2) / 4.0) ** (-1.0 / (d + 4))
        else:
            factor = jnp.asarray(bw_method(self) if callable(bw_method) else bw_method)
        cov = jnp.atleast_2d(jnp.cov(self.dataset, bias=False, aweights=self.weights))
        self.covariance = cov * factor ** 2
        self.inv_cov = jnp.linalg.inv(cov) / factor ** 2

    d = property(lambda self: self.dataset.shape[0])
    n = property(lambda self: self.dataset.shape[1])

    def logpdf(self, x):
        """The logarithm of the density at points (features, points)."""
        x = jnp.atleast_2d(jnp.asarray(x))
        if x.shape[0] != self.d:
            x = x.reshape(self.d, -1)
        gap = x[:, :, None] - self.dataset[:, None, :]
        energy = 0.5 * jnp.einsum("iab,ij,jab->ab", gap, self.inv_cov, gap)
        _, logdet = jnp.linalg.slogdet(self.covariance)
        scale = 0.5 * (self.d * math.log(2 * math.pi) + logdet)
        return special.logsumexp(jnp.log(self.weights) - energy, axis=1) - scale

    def pdf(self, x):
        """The density."""
        return jnp.exp(self.logpdf(x))

    __call__ = evaluate = pdf
