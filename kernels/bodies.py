"""What the scalar bodies of lax primitives call beside `kernels/vecmath.py` and its kin, so that
each of them is text of the subset as it stands: `max(x, y)`, `sign(x)`, `shift_left(x, y)`."""

from __future__ import annotations

from kernels.intrinsics import (
    bits, by_type, copysign, i32, i64, isfinite, like, lshr, maximum, minimum, popcount, rint,
    trunc, unbits,
)


def max(x, y):
    return maximum(x, y)


def min(x, y):
    return minimum(x, y)


def is_finite(x):
    return isfinite(x)


def population_count(x):
    return popcount(x)


def round_even(x):
    return rint(x)


def round_away(x):
    """The nearest integer; halves go away from zero."""
    whole = trunc(x)
    return whole + copysign(1.0, x) if abs(x - whole) >= 0.5 else whole


def sign_f32(x):
    return copysign(1.0, x) if (x < 0.0) | (x > 0.0) else x


def sign_f64(x):
    return copysign(1.0, x) if (x < 0.0) | (x > 0.0) else x


def sign(x):
    below = like(x, 0) - 1  # of unsigned numbers none is
    return like(x, 1) if x > 0 else below if x < 0 else like(x, 0)


def towards(x, y, one):
    """The bits of the float after x on the way to y; `one` is 1 as such bits."""
    up = y > x
    step = one if up == (x > 0.0) else -one
    first = one if up else bits(-unbits(one))  # from zero: the smallest float of that sign
    return bits(y) if x == y else first if x == 0.0 else bits(x) + step


def nextafter_f32(x, y):
    return x + y if (x != x) | (y != y) else unbits(towards(x, y, i32(1)))


def nextafter_f64(x, y):
    return x + y if (x != x) | (y != y) else unbits(towards(x, y, i64(1)))


nextafter = by_type(nextafter_f32, nextafter_f64)


def shift_left(x, y):
    """0 for shifts by less than nothing or by more than there is."""
    known = (y >= 0) & (y < popcount(x | ~x))
    return x << (y if known else 0) if known else like(x, 0)


def shift_right_logical(x, y):
    known = (y >= 0) & (y < popcount(x | ~x))
    return lshr(x, y if known else 0) if known else like(x, 0)


def shift_right_arithmetic(x, y):
    """Copies of the sign come in."""
    width = popcount(x | ~x)
    known = (y >= 0) & (y < width)
    return x >> (y if known else width - 1)
