"""The subset's casts and intrinsics as plain functions of NumPy scalars, so that a kernel's text is
also a Python function: slow, and the meaning that compiled kernels are held to.

>>> from kernels.vecmath import exp
>>> exp(np.float32(1))
np.float32(2.7182817)
"""

from __future__ import annotations

import ml_dtypes
import numpy as np

bool_ = np.bool_
i8, i16, i32, i64 = np.int8, np.int16, np.int32, np.int64
u8, u16, u32, u64 = np.uint8, np.uint16, np.uint32, np.uint64
f32, f64 = np.float32, np.float64
inf, nan, pi = np.inf, np.nan, np.pi

sqrt, rint, floor, ceil, trunc = np.sqrt, np.rint, np.floor, np.ceil, np.trunc
copysign, minimum, maximum, isnan, isfinite = (
    np.copysign, np.minimum, np.maximum, np.isnan, np.isfinite)
popcount = np.bitwise_count

def by_type(*variants):
    """The function of several, `name_f32` and `name_f64`, that its first argument asks for."""
    table = {variant.__name__.rpartition("_")[2]: variant for variant in variants}
    return lambda x, *args: table[f"{x.dtype.kind}{x.dtype.itemsize * 8}"](x, *args)


SAME_SIZE = {"float32": np.int32, "float64": np.int64, "int32": np.float32, "int64": np.float64}


def f16(x):
    """An f32 rounded to what an f16 array would hold."""
    return np.float32(np.float16(x))


def bf16(x):
    """An f32 rounded to what a bf16 array would hold."""
    return np.float32(ml_dtypes.bfloat16(x))


def bits(x):
    """A float's bits as an integer."""
    return x.view(SAME_SIZE[x.dtype.name])


def unbits(x):
    """The float of these bits."""
    return x.view(SAME_SIZE[x.dtype.name])


def fma(x, y, z):
    """x * y + z, rounded once."""
    kind = next(v.dtype.type for v in (x, y, z) if hasattr(v, "dtype"))
    x, y, z = kind(x), kind(y), kind(z)
    if x.dtype == np.float32:  # exact but for one rounding of the sum to double, made odd
        product, addend = np.float64(x) * np.float64(y), np.float64(z)
        total = product + addend
        large, small = (product, addend) if abs(product) >= abs(addend) else (addend, product)
        lost = small - (total - large)
        if np.isfinite(total) and lost and not bits(total) & 1:
            total = np.nextafter(total, np.inf if lost > 0 else -np.inf)
        return np.float32(total)
    from fractions import Fraction  # exact, and slow

    if not (np.isfinite(x) and np.isfinite(y) and np.isfinite(z)):
        return x * y + z
    exact = Fraction(float(x)) * Fraction(float(y)) + Fraction(float(z))
    return np.float64(float(exact)) if exact else x * y + z


def clz(x):
    """How many of the leading bits are zero."""
    size = x.dtype.itemsize * 8
    return x.dtype.type(size - (int(x) & (1 << size) - 1).bit_length())


def lshr(x, y):
    """x >> y with zeros coming in from the left."""
    unsigned = np.dtype(f"u{x.dtype.itemsize}").type
    return (x.view(unsigned) >> unsigned(y)).view(x.dtype)


def quotient(x, y):
    """x / y towards zero; x / 0 = -1."""
    if y == 0:
        return ~(x * 0)
    exact = abs(int(x)) // abs(int(y))
    return np.array(exact if (x < 0) == (y < 0) else -exact).astype(x.dtype)[()]


def rem(x, y):
    """The rest of that; rem(x, 0) = x for integers."""
    if x.dtype.kind == "f":
        return np.fmod(x, y)
    return x if y == 0 else np.fmod(x, y)


def per_type(x, for_f32, for_f64):
    """One of two literals, by the type of x."""
    return for_f32 if x.dtype == np.float32 else for_f64


def like(x, literal):
    """A literal in the type of x."""
    return x.dtype.type(literal)


def some(condition):
    """Whether a condition holds, for any of the lanes computed together: here there is one."""
    return condition


def libm_sin(x):
    return x.dtype.type(np.sin(np.float64(x)))


def libm_cos(x):
    return x.dtype.type(np.cos(np.float64(x)))


def libm_tan(x):
    return x.dtype.type(np.tan(np.float64(x)))
