"""Fourier transforms over chosen axes. Source: jax.numpy.fft.

All are the primitive `fft` over the last axes, between cutting or padding to the wanted lengths
and moving axes there and back.

>>> import numpy as np
>>> np.asarray(rfft(np.float32([1, 2, 3, 4]))).tolist()
[(10+0j), (-2+2j), (-2+0j)]
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence

import numpy as np

from minigrad.core import aval_of, scalar_dtype, table
from minigrad.numpy import elementwise as ew
from minigrad.numpy.floats import conjugate
from minigrad.numpy.joining import roll
from minigrad.numpy.promotion import check_array, complexified, convert, inexact, shape_of
from minigrad.numpy.shaping import moveaxis
from minigrad.numpy.staging import staged
from minigrad.ops.fft import FftType
from minigrad.ops.fft import fft as fft_p
from minigrad.ops.shaping import slice_in_dim

FFT, IFFT, RFFT, IRFFT = FftType
LARGEST = 3  # the primitive transforms at most three axes at once, as XLA's does

# ------------------------------------------------------------------ any number of axes


def transform(name: str, kind: FftType, a, s, axes, norm):
    """Each axis of `axes` (all, or the last ones) cut or padded to its length in `s`."""
    check_array(f"jax.numpy.fft.{name}", a)
    if s is not None:
        s = tuple(map(operator.index, s))
        if any(n <= 0 for n in s):
            raise ValueError("Shape should be positive.")
    if s is not None and axes is not None and len(s) != len(axes):
        raise ValueError("Shape and axes have different lengths.")
    rank = len(shape_of(a))
    count = len(axes) if axes is not None else rank if s is None else len(s)
    if axes is not None and len(set(axes)) < count:
        raise ValueError(f"jax.numpy.fft.{name} does not support repeated axes. Got axes {axes}.")
    last = tuple(range(rank - count, rank))
    if axes is not None:
        a = moveaxis(a, tuple(axes), last)
    a = as_transformed(a, kind)
    if s is None:
        s = shape_of(a)[rank - count:]
        if kind is IRFFT and s:
            s = (*s[:-1], max(0, 2 * (s[-1] - 1)))
    else:
        sizes = (*s[:-1], s[-1] // 2 + 1) if kind is IRFFT and s else s
        for axis, size in zip(last, sizes):
            a = resized(a, axis, size)
    out = over_last(a, kind, s)
    if scale := scaling(kind, s, norm):
        out = ew.multiply(out, convert(scale, aval_of(out).dtype))
    return out if axes is None else moveaxis(out, last, tuple(axes))


def as_transformed(a, kind: FftType):
    """Real numbers for RFFT, complex ones for the others, of 32 bits or more."""
    dtype = aval_of(a).dtype
    if kind is not RFFT:
        return convert(a, complexified(dtype))
    if dtype.kind == "c":
        raise TypeError("only real valued inputs supported for rfft")
    wide = inexact(dtype)
    return convert(a, wide if wide.itemsize > 2 else np.dtype(np.float32))


def resized(x, axis: int, size: int):
    """Cut or padded with zeros at the end."""
    have = shape_of(x)[axis]
    if have > size:
        return slice_in_dim(x, 0, size, axis=axis)
    if have == size:
        return x
    config = [(0, 0, 0)] * len(shape_of(x))
    config[axis] = (0, size - have, 0)
    return table["pad"](x, aval_of(x).dtype.type(0), padding_config=tuple(config))


def over_last(a, kind: FftType, s: Sequence[int]):
    """The transform over the last axes; more than three go one group after the other."""
    if len(s) <= LARGEST:
        return fft_p(a, fft_type=kind, fft_lengths=tuple(s))
    n = 2 if len(s) == 4 else LARGEST
    rank = len(shape_of(a))
    before, behind = tuple(range(rank - len(s), rank - n)), tuple(range(rank - len(s) + n, rank))
    if kind in (FFT, RFFT):
        a = fft_p(a, fft_type=kind, fft_lengths=tuple(s[-n:]))
        return moveaxis(over_last(moveaxis(a, before, behind), FFT, s[:-n]), behind, before)
    a = moveaxis(over_last(moveaxis(a, before, behind), IFFT, s[:-n]), behind, before)
    return fft_p(a, fft_type=kind, fft_lengths=tuple(s[-n:]))


def scaling(kind: FftType, s: Sequence[int], norm: str | None) -> float | None:
    """What to multiply by: the primitive divides the inverse transforms by the size."""
    if norm in (None, "backward"):
        return None
    size, inverse = math.prod(s), kind in (IFFT, IRFFT)
    if norm == "ortho":
        return math.sqrt(size) if inverse else 1 / math.sqrt(size)
    if norm == "forward":
        return float(size) if inverse else 1 / size
    raise ValueError(f'Invalid norm value {norm}; should be "backward","ortho" or "forward".')


# ------------------------------------------------------------------ one, two and many axes

WHAT = {FFT: "The discrete Fourier transform", IFFT: "The inverse Fourier transform",
        RFFT: "Half the spectrum of real numbers", IRFFT: "Real numbers from half a spectrum"}


def over_axis(name: str, kind: FftType) -> Callable:
    @staged(name=name, static=("n", "axis", "norm"))
    def function(a, n=None, axis=-1, norm=None):
        check_axis(name, axis)
        return transform(name, kind, a, None if n is None else [n],
                         None if axis is None else [axis], norm)

    return named(function, name, f"{WHAT[kind]} along `axis`, cut or padded to length `n`.")


def over_two_axes(name: str, kind: FftType) -> Callable:
    @staged(name=name, static=("s", "axes", "norm"))
    def function(a, s=None, axes=(-2, -1), norm=None):
        if len(axes) != 2:
            raise ValueError(f"jax.numpy.fft.{name} only supports 2 axes. Got axes = {axes!r}.")
        return transform(name, kind, a, s, axes, norm)

    return named(function, name, f"{WHAT[kind]} over two axes, cut or padded to shape `s`.")


def over_axes(name: str, kind: FftType) -> Callable:
    @staged(name=name, static=("s", "axes", "norm"))
    def function(a, s=None, axes=None, norm=None):
        return transform(name, kind, a, s, axes, norm)

    return named(function, name, f"{WHAT[kind]} over all or some axes.")


def named(function: Callable, name: str, doc: str) -> Callable:
    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return function


def check_axis(name: str, axis) -> None:
    if isinstance(axis, (list, tuple)):
        raise ValueError(f"jax.numpy.fft.{name} does not support multiple axes. Please use "
                         f"jax.numpy.fft.{name}n. Got axis = {axis!r}.")


fft, ifft, rfft, irfft = (over_axis(kind.name.lower(), kind) for kind in FftType)
fft2, ifft2, rfft2, irfft2 = (over_two_axes(f"{kind.name.lower()}2", kind) for kind in FftType)
fftn, ifftn, rfftn, irfftn = (over_axes(f"{kind.name.lower()}n", kind) for kind in FftType)


def hfft(a, n=None, axis=-1, norm=None):
    """The real spectrum of a signal whose second half is the first one's conjugate."""
    check_axis("hfft", axis)
    check_array("hfft", a)
    size = 2 * (shape_of(a)[axis] - 1) if n is None else n
    return ew.multiply(transform("hfft", IRFFT, conjugate(a), None if n is None else [n], [axis],
                                 norm), size)


def ihfft(a, n=None, axis=-1, norm=None):
    """The inverse of `hfft`."""
    check_axis("ihfft", axis)
    check_array("ihfft", a)
    size = shape_of(a)[axis] if n is None else n
    out = transform("ihfft", RFFT, a, None if n is None else [n], [axis], norm)
    return ew.multiply(conjugate(out), 1 / size)


# ------------------------------------------------------------------ frequencies


def frequencies(name: str, n, d, dtype, half: bool):
    for argument, value in (("n", n), ("d", d)):
        if isinstance(value, (list, tuple)):
            kind = "an int" if argument == "n" else "a single value"
            raise ValueError(f"The {argument} argument of jax.numpy.fft.{name} only takes {kind}. "
                             f"Got {argument} = {list(value)}.")
    dtype = scalar_dtype(float) if dtype is None else np.dtype(dtype)
    used = inexact(dtype)
    places = table["iota"](dtype=used, shape=(n // 2 + 1 if half else n,), dimension=0)
    if not half:
        wrapped = ew.remainder(ew.add(places, n // 2), n)
        places = ew.subtract(wrapped, n // 2)
    return convert(ew.divide(places, ew.multiply(d, n)), dtype)


def fftfreq(n, d=1.0, *, dtype=None):
    """The frequencies of `fft`'s results, for samples `d` apart."""
    return frequencies("fftfreq", n, d, dtype, False)


def rfftfreq(n, d=1.0, *, dtype=None):
    """The frequencies of `rfft`'s results, for samples `d` apart."""
    return frequencies("rfftfreq", n, d, dtype, True)


def shifted(x, axes, sign: int):
    check_array("fftshift", x)
    shape = shape_of(x)
    axes = tuple(range(len(shape))) if axes is None else axes
    listed = (axes,) if isinstance(axes, int) else tuple(axes)
    return roll(x, tuple(sign * (shape[a] // 2) for a in listed), listed)


def fftshift(x, axes=None):
    """The frequency zero moved to the middle."""
    return shifted(x, axes, 1)


def ifftshift(x, axes=None):
    """The inverse of `fftshift`."""
    return shifted(x, axes, -1)
