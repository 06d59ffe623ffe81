"""jax.scipy.stats: distributions, each a module, and a few statistics."""

import importlib

DISTRIBUTIONS = set(
    "bernoulli beta betabinom binom cauchy chi2 dirichlet expon gamma gennorm geom gumbel_l "
    "gumbel_r laplace logistic multinomial multivariate_normal nbinom norm pareto poisson t "
    "truncnorm uniform vonmises wrapcauchy".split())


def __getattr__(name: str):
    if name in DISTRIBUTIONS:
        return getattr(importlib.import_module("compat.jax.scipy.stats.distributions"), name)
    if name in ("mode", "rankdata", "sem", "gaussian_kde"):
        return getattr(importlib.import_module("compat.jax.scipy.stats.statistics"), name)
    raise AttributeError(f"module 'jax.scipy.stats' has no attribute {name!r}")
