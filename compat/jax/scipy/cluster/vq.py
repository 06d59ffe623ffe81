"""jax.scipy.cluster.vq: which code is nearest."""

from __future__ import annotations

from compat.jax import numpy as jnp
from compat.jax.functions.common import promoted_inexact


def vq(obs, code_book, check_finite=True):
    """(the nearest code of each observation, its distance)."""
    obs, code_book = promoted_inexact(obs, code_book)
    if obs.ndim != code_book.ndim:
        raise ValueError("Observation and code_book should have the same rank")
    if obs.ndim == 1:
        obs, code_book = obs[:, None], code_book[:, None]
    if obs.ndim != 2:
        raise ValueError("ndim different than 1 or 2 are not supported")
    distance = jnp.linalg.norm(obs[:, None] - code_book[None], axis=-1)
    code = jnp.argmin(distance, axis=-1)
    return code, distance[jnp.arange(len(obs)), code]
