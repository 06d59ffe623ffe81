"""jax.random: `minigrad.numpy.keys` and `minigrad.numpy.random` with Arrays."""

from __future__ import annotations

from collections.abc import Callable

from compat.jax import face
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


(split, fold_in, bits, uniform, normal, truncated_normal, bernoulli, randint, gumbel, categorical,
 exponential, laplace, logistic, cauchy, rademacher) = map(in_face, EAGER)
permutation, choice, key_data, clone = map(in_face, ("permutation", "choice", "key_data", "clone"))
check_impl = {None, "threefry2x32", "fry"}


def seeded(name: str) -> Callable:
    make = in_face(name)

    def ctor(seed, *, impl=None):
        if impl not in check_impl:
            raise ValueError(f'unrecognized PRNG implementation "{impl}". Here there is '
                             '"threefry2x32".')
        return make(seed)

    ctor.__name__, ctor.__doc__ = name, getattr(keys, name).__doc__
    return ctor


PRNGKey, key = seeded("PRNGKey"), seeded("key")


def wrap_key_data(key_bits_array, *, impl=None):
    """Typed keys from their words."""
    return face.boxed(keys.wrap_key_data)(key_bits_array)
