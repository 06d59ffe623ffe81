"""Elementary functions in the subset."""

from __future__ import annotations

from kernels.intrinsics import bits, shift_right_logical


def bfloat16_bits(x):
    """The upper half of an f32's bits, rounded to even; a nan stays one."""
    u = bits(x)
    high = shift_right_logical(u, 16)
    rounded = shift_right_logical(u + 32767 + (high & 1), 16)
    return high | 64 if x != x else rounded
