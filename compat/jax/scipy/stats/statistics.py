"""jax.scipy.stats: ranks, modes, standard errors, kernel density estimates."""

from __future__ import annotations

import math

from compat.jax import numpy as jnp
from compat.jax.face import boxed
from compat.jax.functions.common import promoted_inexact
from compat.jax.scipy import special
from minigrad.scipy import statistics


mode, rankdata, sem = map(boxed, (statistics.mode, statistics.rankdata, statistics.sem))


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
