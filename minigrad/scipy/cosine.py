"""Cosine transforms, by one Fourier transform each. Source: Makhoul 1980."""

from __future__ import annotations

import numpy as np

import minigrad.numpy as mnp
from minigrad.numpy import fft
from minigrad.numpy.promotion import promote_inexact
from minigrad.ops.axes import canonical


def resized(x, n, axis: int):
    if n is None or n == x.shape[axis]:
        return x
    if n < x.shape[axis]:
        return mnp.take(x, mnp.arange(n), axis=axis)
    widths = [(0, n - x.shape[axis] if a == axis else 0) for a in range(x.ndim)]
    return mnp.pad(x, widths)


def twist(n: int, dtype, sign: int):
    """exp(sign i pi k / 2n)."""
    kind = np.result_type(dtype, np.complex64)
    return mnp.asarray(mnp.astype(np.exp(sign * 0.5j * np.pi * np.arange(n) / n), kind))


def lengths(n: int, dtype):
    """What divides the coefficients of the orthogonal transform."""
    return mnp.asarray(np.where(np.arange(n) == 0, 4 * n, 2 * n) ** 0.5, dtype)


def prepared(x, type: int, n: int | None, axis: int):
    """(x, inexact and of length n, with the axis last; where that axis belongs; the order in which
    a Fourier transform of the same length takes the elements: even ones, odd ones from the end)."""
    if type != 2:
        raise NotImplementedError("Only DCT type 2 is implemented.")
    (x,) = promote_inexact(mnp.asarray(x))
    axis = canonical(axis, x.ndim)
    x = mnp.moveaxis(resized(x, n, axis), axis, -1)
    n = x.shape[-1]
    return x, axis, np.concatenate([np.arange(0, n, 2), np.arange(1, n, 2)[::-1]])


def dct(x, type=2, n=None, axis=-1, norm=None):
    """The discrete cosine transform of type 2 along an axis."""
    x, axis, order = prepared(x, type, n, axis)
    n = x.shape[-1]
    out = 2 * mnp.real(fft.fft(x[..., order]) * twist(n, x.dtype, -1))
    out = out / lengths(n, x.dtype) if norm == "ortho" else out
    return mnp.moveaxis(mnp.astype(out, x.dtype), -1, axis)


def idct(x, type=2, n=None, axis=-1, norm=None):
    """The inverse of `dct`."""
    x, axis, order = prepared(x, type, n, axis)
    n = x.shape[-1]
    x = x * lengths(n, x.dtype) if norm == "ortho" else x
    turned = mnp.concatenate([mnp.zeros_like(x[..., :1]), x[..., :0:-1]], axis=-1)
    values = mnp.real(fft.ifft((x - 1j * turned) * twist(n, x.dtype, 1))) / 2
    out = values[..., np.argsort(order)]
    return mnp.moveaxis(mnp.astype(out, x.dtype), -1, axis)


def over_axes(transform, x, s, axes, norm):
    x = mnp.asarray(x)
    axes = range(x.ndim) if axes is None and s is None else \
        range(x.ndim - len(s), x.ndim) if axes is None else axes
    sizes = [None] * len(axes) if s is None else s
    for axis, n in zip(axes, sizes):
        x = transform(x, n=n, axis=axis, norm=norm)
    return x


def dctn(x, type=2, s=None, axes=None, norm=None):
    """`dct` along several axes."""
    return over_axes(dct, x, s, axes, norm)


def idctn(x, type=2, s=None, axes=None, norm=None):
    """`idct` along several axes."""
    return over_axes(idct, x, s, axes, norm)
