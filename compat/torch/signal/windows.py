"""`torch.signal.windows`: a formula each, over the same positions."""

from __future__ import annotations

import math

import numpy as np

from compat.torch.creation import finish
from compat.torch.devices import placed
from compat.torch.dtypes import strided, to_numpy_or_none
from compat.torch.written import parameters_of, written
from minigrad.core import config


def points(formula, count: int, n: int, kind, device, requires_grad: bool, **given):
    """The first points of a window. `formula(k, n, ...)`: k runs to n - 1, the number of points of
    the symmetric window; a periodic one leaves its last point out."""
    numbers = np.ones(count) if count <= 1 else formula(
        np.arange(count, dtype=np.float64), n, **given)
    return placed(finish(numbers.astype(kind), requires_grad), device, None)


def symmetric(name, formula, M, sym, dtype, layout, device, requires_grad, **given):
    """A window of M points, after PyTorch's complaints."""
    if layout is not strided:
        raise ValueError(f"{name} is not implemented for layout: {layout}")
    if M < 0:
        raise ValueError(f"{name} requires non-negative window length, got M={M}")
    kind = to_numpy_or_none(dtype) or config.default_dtype
    if kind.kind != "f" or kind.itemsize < 4:
        raise ValueError(f"{name} expects float32 or float64 dtypes, got: {dtype}")
    if sym and M > 1 and given.get("center") is not None:
        raise ValueError("Center must be None for symmetric windows")
    return points(formula, M, M if sym else M + 1, kind, device, requires_grad, **given)


def window(name: str, formula, signature: str = ""):
    """torch.signal.windows.<name>; the signature names the parameters of the formula."""
    given = [f"{n}={n}" for n in parameters_of(signature)]
    made = written(name, f"M, *, {signature and signature + ','} sym=True, dtype=None, "
                   "layout=strided, device=None, requires_grad=False", [
                       f"return make('{name}', formula, M, sym, dtype, layout, device, "
                       f"requires_grad, {', '.join(given)})"],
                   make=symmetric, formula=formula, strided=strided, __name__=__name__)
    made.__doc__ = f"torch.signal.windows.{name} of M points."
    return made


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


def hamming_of(k, n, alpha, beta):
    return alpha - beta * np.cos(2 * math.pi * k / (n - 1))


FORMULAS = {
    "bartlett": lambda k, n: 1 - np.abs(2 * k / (n - 1) - 1),
    "blackman": lambda k, n: cosines(k, n, [0.42, 0.5, 0.08]),
    "cosine": lambda k, n: np.sin(math.pi / n * (k + 0.5)), "exponential": exponential_of,
    "gaussian": gaussian_of, "general_cosine": cosines, "general_hamming": hamming_like,
    "hamming": lambda k, n: hamming_like(k, n, 0.54),
    "hann": lambda k, n: hamming_like(k, n, 0.5), "kaiser": kaiser_of,
    "nuttall": lambda k, n: cosines(k, n, [0.3635819, 0.4891775, 0.1365995, 0.0106411]),
}
SIGNATURES = {"exponential": "center=None, tau=1.0", "gaussian": "std=1.0", "general_cosine": "a",
              "general_hamming": "alpha=0.54", "kaiser": "beta=12.0"}
globals().update({name: window(name, formula, SIGNATURES.get(name, ""))
                  for name, formula in FORMULAS.items()})


def of_torch(name: str, formula, signature: str = ""):
    """`torch.hann_window(n, periodic)`, the older form."""
    def make(window_length, periodic, dtype, device, requires_grad, **given):
        if window_length < 0:
            raise RuntimeError(f"{name} requires non-negative window_length, got "
                               f"window_length={window_length}")
        kind = to_numpy_or_none(dtype) or config.default_dtype
        return points(formula, window_length, window_length + bool(periodic), kind, device,
                      requires_grad, **given)

    given = "".join(f", {n}={n}" for n in parameters_of(signature))
    return written(name, f"window_length, periodic=True, {signature and signature + ','} *, "
                   "dtype=None, layout=None, device=None, requires_grad=False",
                   ["return make(window_length, periodic, dtype, device, requires_grad"
                    f"{given})"], make=make, __name__=__name__)


OF_TORCH = {f"{name}_window": of_torch(f"{name}_window", *row) for name, *row in (
    ("hann", FORMULAS["hann"]), ("hamming", hamming_of, "alpha=0.54, beta=0.46"),
    ("bartlett", FORMULAS["bartlett"]), ("blackman", FORMULAS["blackman"]),
    ("kaiser", kaiser_of, "beta=12.0"))}
