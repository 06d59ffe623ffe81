"""Fourier transforms: four kinds, one to three axes, even and odd lengths."""

from __future__ import annotations

from jax import lax

from minigrad.ops.fft import FftType
from tests.rows.row import Row


def transform(kind: FftType, x: str, *lengths: int, **row) -> Row:
    theirs = lax.FftType[kind.name]
    return Row("fft", (x,), {"fft_type": kind, "fft_lengths": lengths}, **row,
               jax=lambda a: lax.fft_p.bind(a, fft_type=theirs, fft_lengths=lengths))


FFT, IFFT, RFFT, IRFFT = FftType

ROWS = [
    transform(FFT, "c64[5]", 5),
    transform(FFT, "c128[2,3,4]", 3, 4),
    transform(IFFT, "c64[2,4]", 4),
    transform(IFFT, "c64[2,3,4]", 2, 3, 4),
    transform(RFFT, "f32[6]", 6),
    transform(RFFT, "f64[2,5]", 5),
    transform(RFFT, "f32[2,4,3]", 4, 3),
    transform(IRFFT, "c64[4]", 6),
    transform(IRFFT, "c64[2,3]", 5),
    transform(IRFFT, "c128[3,3]", 3, 4),
    transform(FFT, "c64[1]", 1),
    transform(RFFT, "f32[0,4]", 4, differentiable=False),
    # what JAX refuses
    transform(FFT, "f32[4]", 4),
    transform(RFFT, "c64[4]", 4),
    transform(FFT, "c64[4]", 3),
    transform(IRFFT, "c64[4]", 4, 4),
]
