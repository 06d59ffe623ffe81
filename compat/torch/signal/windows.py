"""`torch.signal.windows`: a formula each, over the same positions."""

from __future__ import annotations

import functools
import math

import numpy as np

from compat.torch.creation import finish
from compat.torch.devices import placed
from compat.torch.dtypes import strided, to_numpy_or_none
from minigrad.core import config


def window(name: str, formula, **parameters):
    """A window of M points. `formula(k, n, ...)`: k runs to n - 1, the number of points of the
    symmetric window; a periodic one leaves its last point out."""
    def fn(M, *, sym=True, dtype=None, layout=None, device=None, requires_grad=False, **given):
        unknown = set(given) - set(parameters)
        if unknown:
            raise TypeError(f"{name}() got an unexpected keyword argument '{unknown.pop()}'")
        if layout not in (None, strided):
            raise ValueError(f"{name} is not implemented for layout: {layout}")
        if M < 0:
            raise ValueError(f"{name} requires non-negative window length, got M={M}")
        kind = to_numpy_or_none(dtype) or config.default_dtype
        if kind.kind != "f" or kind.itemsize < 4:
            raise ValueError(f"{name} expects float32 or float64 dtypes, got: {dtype}")
        if M <= 1:
            return finish(np.ones(M, kind), requires_grad)
        n = M if sym else M + 1
        if sym and given.get("center") is not None:
            raise ValueError("Center must be None for symmetric windows")
        numbers = formula(np.arange(M, dtype=np.float64), n, **(parameters | given))
        return finish(numbers.astype(kind), requires_grad)

    fn.__name__ = fn.__qualname__ = name
    fn.__doc__ = f"torch.signal.windows.{name} of M points."
    return fn


def cosines(k, n, a):
    """a0 - a1 cos(x) + a2 cos(2x) - ..."""
    if not isinstance(a, (list, tuple)):
        raise TypeError("Coefficients must be a list/tuple")
    if not a:
        raise ValueError("Coefficients cannot be empty")
    x = 2 * math.pi * k / (n - 1)
    return sum((-1) ** i * c * np.cos(i * x) for i, c in enumerate(a))


def hamming_like(k, n, alpha):
    return cosines(k, n, [alpha, 1 - alpha])


def exponential_of(k, n, center, tau):
    if tau <= 0:
        raise ValueError(f"Tau must be positive, got: {tau} instead.")
    middle = (n - 1) / 2 if center is None else center
    return np.exp(-np.abs(k - middle) / tau)


def gaussian_of(k, n, std):
    if std <= 0:
        raise ValueError(f"Standard deviation must be positive, got: {std} instead.")
    return np.exp(-0.5 * ((k - (n - 1) / 2) / std) ** 2)


def kaiser_of(k, n, beta):
    if beta < 0:
        raise ValueError(f"beta must be non-negative, got: {beta} instead.")
    r = 2 * k / (n - 1) - 1
    return np.i0(beta * np.sqrt(np.maximum(1 - r * r, 0))) / np.i0(beta)


WINDOWS = {
    "bartlett": (lambda k, n: 1 - np.abs(2 * k / (n - 1) - 1), {}),
    "blackman": (lambda k, n: cosines(k, n, [0.42, 0.5, 0.08]), {}),
    "cosine": (lambda k, n: np.sin(math.pi / n * (k + 0.5)), {}),
    "exponential": (exponential_of, {"center": None, "tau": 1.0}),
    "gaussian": (gaussian_of, {"std": 1.0}), "general_cosine": (cosines, {"a": ()}),
    "general_hamming": (hamming_like, {"alpha": 0.54}),
    "hamming": (lambda k, n: hamming_like(k, n, 0.54), {}),
    "hann": (lambda k, n: hamming_like(k, n, 0.5), {}), "kaiser": (kaiser_of, {"beta": 12.0}),
    "nuttall": (lambda k, n: cosines(k, n, [0.3635819, 0.4891775, 0.1365995, 0.0106411]), {}),
}
MADE = {name: window(name, formula, **given) for name, (formula, given) in WINDOWS.items()}
globals().update(MADE)


def of_torch(name: str, *own: str):
    """`torch.hann_window(n, periodic)`, the older form."""
    @functools.wraps(MADE[name])
    def fn(window_length, periodic=True, *values, dtype=None, layout=None, device=None,
           requires_grad=False, **named):
        if window_length < 0:
            raise RuntimeError(f"{name}_window requires non-negative window_length, got "
                               f"window_length={window_length}")
        kind = to_numpy_or_none(dtype) or config.default_dtype
        formula, given = WINDOWS[name] if not own or own == ("beta",) else WINDOWS_OF_TORCH[name]
        given = given | dict(zip(own, values)) | named
        if window_length <= 1:
            return placed(finish(np.ones(window_length, kind), requires_grad), device, None)
        numbers = formula(np.arange(window_length, dtype=np.float64),
                          window_length + periodic, **given)
        return placed(finish(numbers.astype(kind), requires_grad), device, None)

    fn.__name__ = fn.__qualname__ = f"{name}_window"
    return fn


WINDOWS_OF_TORCH = {"hamming": (
    lambda k, n, alpha, beta: alpha - beta * np.cos(2 * math.pi * k / (n - 1)),
    {"alpha": 0.54, "beta": 0.46})}
OF_TORCH = {f"{name}_window": of_torch(name, *own) for name, *own in (
    ("hann",), ("hamming", "alpha", "beta"), ("bartlett",), ("blackman",), ("kaiser", "beta"))}
