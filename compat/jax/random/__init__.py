"""jax.random: `minigrad.numpy.keys` and `minigrad.numpy.random` with Arrays."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from compat.jax import face
from compat.jax.array import as_array
from minigrad.numpy import keys, random


# Parameters that must be known when a program is made, though they look like arrays.
ARRAYS = {"key": ("key",), "split": ("key",), "fold_in": ("key", "data"),
          "uniform": ("key", "minval", "maxval"), "randint": ("key", "minval", "maxval"),
          "truncated_normal": ("key", "lower", "upper"), "bernoulli": ("key", "p"),
          "categorical": ("key", "logits")}
BOXED = ("PRNGKey", "key", "permutation", "choice", "key_data", "wrap_key_data", "clone")
EAGER = ("split fold_in bits uniform normal truncated_normal bernoulli randint gumbel categorical "
         "exponential laplace logistic cauchy rademacher").split()


def in_face(name: str) -> Callable:
    fn = random.__dict__.get(name) or getattr(keys, name)
    return face.boxed(fn) if name in BOXED else face.eager(fn, arrays=ARRAYS.get(name, ("key",)))


(split, fold_in, bits, uniform_between, normal, truncated_normal, bernoulli, randint, gumbel,
 categorical, exponential, laplace, logistic, cauchy, rademacher) = map(in_face, EAGER)
permutation, choice, key_data, clone = map(in_face, ("permutation", "choice", "key_data", "clone"))


def uniform(key, shape=(), dtype=None, minval=0.0, maxval=1.0, *, out_sharding=None):
    """Uniform floats in [minval, maxval)."""
    if type(minval) is type(maxval) is float and (minval, maxval) == (0.0, 1.0):
        return uniform_between(key, shape, dtype)
    known = all(isinstance(v, (int, float, np.floating)) for v in (minval, maxval))
    unit = uniform_between(key, shape, dtype)
    if not known or unit.dtype != np.float32 or not unit.spec.concrete:
        return uniform_between(key, shape, dtype, minval, maxval)
    # XLA multiplies and adds in one step, with one rounding
    low, high = np.float32(minval), np.float32(maxval)
    scaled = np.asarray(unit, np.float64) * np.float64(high - low) + np.float64(low)
    return as_array(np.maximum(low, scaled.astype(np.float32)))


check_impl = {None, "threefry2x32", "fry"}


def seeded(name: str) -> Callable:
    make = in_face(name)

    def ctor(seed, *, impl=None, dtype=None):
        if impl not in check_impl:
            raise ValueError(f'unrecognized PRNG implementation "{impl}". Here there is '
                             '"threefry2x32".')
        return make(seed)

    ctor.__name__, ctor.__doc__ = name, getattr(keys, name).__doc__
    return ctor


PRNGKey, key = seeded("PRNGKey"), seeded("key")


def wrap_key_data(key_bits_array, *, impl=None, dtype=None):
    """Typed keys from their words."""
    if impl not in check_impl:
        raise ValueError(f'unrecognized PRNG implementation "{impl}". Here there is '
                         '"threefry2x32".')
    return face.boxed(keys.wrap_key_data)(key_bits_array)


def key_impl(keys):
    """The name of the generator that keys belong to."""
    return "threefry2x32"


def key_dtype(impl_spec=None):
    """The dtype of typed keys."""
    return keys.KEY


# In a module of their own, imported when one of them is asked for: they stand on jax.numpy.
DISTRIBUTIONS = set(
    "ball beta binomial chisquare dirichlet double_sided_maxwell f gamma generalized_normal "
    "geometric loggamma lognormal maxwell multinomial multivariate_normal orthogonal pareto "
    "poisson rayleigh t triangular wald weibull_min".split())


def __getattr__(name: str):
    if name not in DISTRIBUTIONS:
        raise AttributeError(f"module 'jax.random' has no attribute {name!r}")
    from compat.jax.random import distributions

    return getattr(distributions, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *DISTRIBUTIONS})
