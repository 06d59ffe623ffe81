"""jax.extend.random: generators of random bits."""
# ruff: noqa: F401  (a namespace)

from compat.jax.random import key as random_seed
