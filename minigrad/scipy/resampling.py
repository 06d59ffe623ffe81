"""Arrays sampled anew along some of their axes, each output a sum of inputs weighted by a kernel of
their distance. Sources: Keys 1981 (cubic), Duchon 1979 (Lanczos)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

import minigrad.numpy as mnp


def triangle(x):
    return mnp.maximum(0, 1 - mnp.abs(x))


def keys_cubic(x):
    near = ((1.5 * x - 2.5) * x) * x + 1.0
    far = ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0
    return mnp.where(x >= 2.0, 0.0, mnp.where(x >= 1.0, far, near))


def lanczos(radius: float) -> Callable:
    def kernel(x):
        wave = radius * mnp.sin(np.pi * x) * mnp.sin(np.pi * x / radius)
        out = mnp.where(x > 1e-3, wave / mnp.where(x != 0, np.pi ** 2 * x ** 2, 1), 1)
        return mnp.where(x > radius, 0.0, out)

    return kernel


def weights(n_in: int, n_out: int, scale, translation, kernel: Callable, antialias: bool, dtype):
    """(n_in, n_out): how much of each input goes into each output."""
    inverse = 1.0 / scale
    width = mnp.maximum(inverse, 1.0) if antialias else 1.0
    at = (mnp.arange(n_out, dtype=dtype) + 0.5) * inverse - translation * inverse - 0.5
    w = kernel(mnp.abs(at[None, :] - mnp.arange(n_in, dtype=dtype)[:, None]) / width)
    total = mnp.sum(w, axis=0, keepdims=True)
    w = mnp.where(mnp.abs(total) > 1000.0 * float(np.finfo(np.float32).eps),
                  w / mnp.where(total != 0, total, 1), 0)
    return mnp.where(((at >= -0.5) & (at <= n_in - 0.5))[None, :], w, 0)


def scaled(x, shape, axes, scale, translation, kernel, antialias, precision=None):
    letters = "".join(chr(ord("a") + i) for i in range(x.ndim))
    for i, axis in enumerate(axes):
        w = weights(x.shape[axis], shape[axis], scale[i], translation[i], kernel, antialias,
                    x.dtype)
        out = letters.replace(letters[axis], "z")
        x = mnp.einsum(f"{letters},{letters[axis]}z->{out}", x, mnp.astype(w, x.dtype),
                       precision=precision)
    return x
