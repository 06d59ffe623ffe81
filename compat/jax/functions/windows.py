"""Window functions. Source: jax.numpy, after NumPy."""

from __future__ import annotations

from compat.jax import numpy as jnp
from compat.jax.face import composite
from compat.jax.functions.common import promoted_inexact
from minigrad.core import scalar_dtype


def cosine_window(name: str, *coefficients: float):
    """A sum of cosines: the first coefficient less the second times cos(t), and so on."""

    def window(M):
        n = jnp.arange(M, dtype=scalar_dtype(float))
        if M <= 1:
            return jnp.ones(M, scalar_dtype(float))
        angle = 2 * jnp.pi * n / (M - 1)
        out = coefficients[0] - coefficients[1] * jnp.cos(angle)
        return out + coefficients[2] * jnp.cos(2 * angle) if len(coefficients) > 2 else out

    window.__name__, window.__doc__ = name, f"The {name} window of M points."
    return window


blackman = cosine_window("blackman", 0.42, 0.5, 0.08)
hamming = cosine_window("hamming", 0.54, 0.46)
hanning = cosine_window("hanning", 0.5, 0.5)


def bartlett(M):
    """The triangular window of M points."""
    n = jnp.arange(M, dtype=scalar_dtype(float))
    return 1 - jnp.abs(2 * n + 1 - M) / (M - 1) if M > 1 else jnp.ones(M, scalar_dtype(float))


def kaiser(M, beta):
    """The Kaiser window of M points; `beta` is its shape."""
    if M <= 1:
        return jnp.ones(M, scalar_dtype(float))
    n = jnp.arange(M, dtype=scalar_dtype(float))
    alpha = (M - 1) / 2
    return i0(beta * jnp.sqrt(1 - ((n - alpha) / alpha) ** 2)) / i0(jnp.asarray(beta))


@composite(static=())
def i0(x):
    """The modified Bessel function of order zero."""
    from compat.jax import lax

    (x,) = promoted_inexact(x)
    return lax.mul(lax.exp(lax.abs(x)), lax.bessel_i0e(x))
