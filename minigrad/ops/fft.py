"""Fourier transforms over the last axes. All are linear, so the transpose is all there is to say.

>>> import minigrad
>>> print(minigrad.backward_source("fft", "c64[8]", fft_type=0, fft_lengths=(8,)))
def fft_backward(g, saved):
    return fft(g, fft_type=0, fft_lengths=(8,))
"""

from __future__ import annotations

import enum
import math

import numpy as np

from minigrad.core import aval_of, make_aval
from minigrad.ops.elementwise import complex_dtype, conj, mul, real_dtype
from minigrad.ops.families import linear, move_axis


class FftType(enum.IntEnum):
    """From complex to complex numbers and back; from real ones to half a spectrum and back."""

    FFT = 0
    IFFT = 1
    RFFT = 2
    IRFFT = 3

    __repr__ = enum.IntEnum.__str__


def fft_kernel(x, *, fft_type, fft_lengths):
    """The transform that `fft_type` names, over the last axes of `x`."""
    kind, axes = FftType(int(fft_type)), tuple(range(-len(fft_lengths), 0))
    if not axes:
        return x.copy()
    transform = {FftType.FFT: np.fft.fftn, FftType.IFFT: np.fft.ifftn,
                 FftType.RFFT: np.fft.rfftn, FftType.IRFFT: np.fft.irfftn}[kind]
    if 0 in x.shape or 0 in fft_lengths:
        out = fft_abstract(make_aval(x.shape, x.dtype), fft_type=kind, fft_lengths=fft_lengths)
        return np.zeros(out.shape, out.dtype)
    lengths = {"s": fft_lengths} if kind is FftType.IRFFT else {}
    return transform(x, axes=axes, **lengths)


def fft_abstract(x, *, fft_type, fft_lengths):
    kind, lengths, n = FftType(int(fft_type)), tuple(fft_lengths), len(fft_lengths)
    if n > len(x.shape):
        raise ValueError(f"FFT input shape {x.shape} must have at least as many input dimensions "
                         f"as fft_lengths {fft_lengths}.")
    before, own = x.shape[:len(x.shape) - n], x.shape[len(x.shape) - n:]
    if kind is FftType.RFFT:
        if x.dtype.name not in ("float32", "float64"):
            raise ValueError(f"RFFT input must be float32 or float64, got {x.dtype}")
    elif x.dtype.kind != "c":
        name = "IRFFT" if kind is FftType.IRFFT else "FFT"
        raise ValueError(f"{name} input must be complex64 or complex128, got {x.dtype}")
    if kind is FftType.IRFFT:
        if own[:-1] != lengths[:-1]:
            raise ValueError(f"IRFFT input shape {x.shape} minor dimensions must be equal to all "
                             f"except the last fft_length, got {fft_lengths=}")
        return x.update((*before, *lengths), real_dtype(x.dtype))
    if own != lengths:
        name = "RFFT" if kind is FftType.RFFT else "FFT"
        raise ValueError(f"{name} input shape {x.shape} minor dimensions must be equal to "
                         f"fft_lengths {fft_lengths}")
    if kind is FftType.RFFT:
        return x.update((*before, *lengths[:-1], lengths[-1] // 2 + 1), complex_dtype(x.dtype))
    return x


def weights(count: int, length: int, rank: int) -> np.ndarray:
    """How often each number of half a spectrum occurs in the whole: once the first and, of an even
    length, the last; twice the others, which stand for a conjugate pair."""
    twice = np.full(count, 2.0)
    twice[:1] = 1
    if length % 2 == 0:
        twice[-1:] = 1
    return twice.reshape((1,) * (rank - 1) + (count,))


def fft_transpose(ct, x, *, fft_type, fft_lengths):
    kind, size, last = FftType(int(fft_type)), math.prod(fft_lengths), fft_lengths[-1:]
    if kind in (FftType.FFT, FftType.IFFT) or not last:
        return fft(ct, fft_type=fft_type, fft_lengths=fft_lengths)
    if kind is FftType.RFFT:
        half = aval_of(ct)
        scale = size / weights(half.shape[-1], *last, len(half.shape))
        return fft(mul(conj(ct, input_dtype=half.dtype), scale.astype(half.dtype)),
                   fft_type=FftType.IRFFT, fft_lengths=fft_lengths)
    spectrum = fft(ct, fft_type=FftType.RFFT, fft_lengths=fft_lengths)
    half = aval_of(spectrum)
    scale = weights(half.shape[-1], *last, len(half.shape)) / max(size, 1)
    return conj(mul(spectrum, scale.astype(half.dtype)), input_dtype=half.dtype)


fft = linear(
    "fft", fft_kernel, fft_abstract, fft_transpose,
    lambda size, args, dims, **params: (fft(move_axis(*args, *dims, 0), **params), 0))
