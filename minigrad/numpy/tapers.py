"""Window functions. Source: jax.numpy, after NumPy."""

from __future__ import annotations

import numpy as np

import minigrad.numpy as mnp
from minigrad.numpy.staging import staged
from minigrad.numpy.promotion import promote_inexact
from minigrad.core import scalar_dtype, table


def cosine_window(name: str, *coefficients: float):
    """A sum of cosines: the first coefficient less the second times cos(t), and so on."""

    def window(M):
        n = mnp.arange(M, dtype=scalar_dtype(float))
        if M <= 1:
            return mnp.ones(M, scalar_dtype(float))
        angle = 2 * np.pi * n / (M - 1)
        out = coefficients[0] - coefficients[1] * mnp.cos(angle)
        return out + coefficients[2] * mnp.cos(2 * angle) if len(coefficients) > 2 else out

    window.__name__, window.__doc__ = name, f"The {name} window of M points."
    return window


blackman = cosine_window("blackman", 0.42, 0.5, 0.08)
hamming = cosine_window("hamming", 0.54, 0.46)
hanning = cosine_window("hanning", 0.5, 0.5)


def bartlett(M):
    """The triangular window of M points."""
    n = mnp.arange(M, dtype=scalar_dtype(float))
    return 1 - mnp.abs(2 * n + 1 - M) / (M - 1) if M > 1 else mnp.ones(M, scalar_dtype(float))


def kaiser(M, beta):
    """The Kaiser window of M points; `beta` is its shape."""
    if M <= 1:
        return mnp.ones(M, scalar_dtype(float))
    n = mnp.arange(M, dtype=scalar_dtype(float))
    alpha = (M - 1) / 2
    return i0(beta * mnp.sqrt(1 - ((n - alpha) / alpha) ** 2)) / i0(mnp.asarray(beta))


@staged
def i0(x):
    """The modified Bessel function of order zero."""
    (x,) = promote_inexact(x)
    return table["mul"](table["exp"](table["abs"](x)), table["bessel_i0e"](x))
