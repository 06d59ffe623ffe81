"""Functions about floats and complex numbers: NaN and infinity, rounding, signs, parts, closeness.
Source: jax.numpy."""

from __future__ import annotations

import math
import operator

import numpy as np

from minigrad.core import BOOL, aval_of, scalar_dtype, table
from minigrad.numpy.elementwise import (
    absolute, add, equal, greater, less, logical_and, multiply, subtract,
)
from minigrad.numpy.promotion import (
    as_is, check_array, convert, inexact, numeric, operand, promote, promote_dtypes, settled,
    shape_of,
)
from minigrad.numpy.reductions import all as all_of
from minigrad.numpy.selecting import where
from minigrad.numpy.staging import staged
from minigrad.ops.families import dtype_kind, full


def kind(x) -> str:
    return dtype_kind(aval_of(x).dtype)


def falses(x):
    return full(shape_of(x), False, BOOL)


# ------------------------------------------------------------------ NaN and infinity


def isnan(x):
    """Whether an element is NaN."""
    check_array("isnan", x)
    x = operand(x)
    return table["ne"](x, x)


def isfinite(x):
    """Whether an element is neither infinite nor NaN."""
    check_array("isfinite", x)
    x = operand(x)
    if kind(x) == "f":
        return table["is_finite"](x)
    if kind(x) == "c":
        return table["and"](table["is_finite"](table["real"](x)),
                            table["is_finite"](table["imag"](x)))
    return full(shape_of(x), True, BOOL)


@staged
def isinf(x):
    """Whether an element is infinite."""
    if kind(x) == "f":
        return table["eq"](table["abs"](x), math.inf)
    if kind(x) == "c":
        parts = table["real"](x), table["imag"](x)
        return table["or"](*(table["eq"](table["abs"](p), math.inf) for p in parts))
    return falses(x)


def isposinf(x):
    """Whether an element is plus infinity."""
    check_array("isposinf", x)
    return table["eq"](operand(x), math.inf) if kind(operand(x)) == "f" else falses(x)


def isneginf(x):
    """Whether an element is minus infinity."""
    check_array("isneginf", x)
    return table["eq"](operand(x), -math.inf) if kind(operand(x)) == "f" else falses(x)


@staged
def nan_to_num(x, nan=0.0, posinf=None, neginf=None):
    """NaN becomes 0, infinities the extreme finite numbers."""
    dtype = aval_of(x).dtype
    if kind(x) == "c":
        return table["complex"](nan_to_num(table["real"](x), nan, posinf, neginf),
                                nan_to_num(table["imag"](x), nan, posinf, neginf))
    if kind(x) != "f":
        return x
    info = finfo(dtype)
    for bad, given, default in (
            (lambda x: table["ne"](x, x), nan, 0.0),
            (lambda x: table["eq"](x, math.inf), posinf, info.max),
            (lambda x: table["eq"](x, -math.inf), neginf, info.min)):
        value = default if given is None else given
        x = where(bad(x), convert(value, dtype) if isinstance(value, (int, float, np.generic))
                  else convert(value, dtype), x)
    return x


def finfo(dtype):
    import ml_dtypes

    return ml_dtypes.finfo(dtype)


# ------------------------------------------------------------------ rounding


@staged(name="round", static=("decimals",))
def round_(a, decimals):
    if kind(a) in "iub":
        if decimals < 0:
            raise NotImplementedError("integer np.round not implemented for decimals < 0")
        return a
    if kind(a) == "c":
        return table["complex"](*(round_(table[p](a), decimals) for p in ("real", "imag")))
    if decimals == 0:
        return table["round"](a, rounding_method=1)
    dtype = aval_of(a).dtype
    used = np.dtype(np.float32) if dtype.itemsize == 2 else dtype
    factor = settled(10.0 ** decimals, used)
    rounded = table["div"](table["round"](table["mul"](convert(a, used), factor),
                                          rounding_method=1), factor)
    return convert(rounded, dtype)


def round(a, decimals=0, out=None):
    """Rounded to `decimals` digits, halves to even."""
    check_array("round", a)
    return round_(a, operator.index(decimals))


around = round


@staged
def rint(x):
    """Rounded to the nearest integer, halves to even."""
    (x,) = promote(x, to=default_float, name="rint")
    if kind(x) == "c":
        return table["complex"](rint(real(x)), rint(imag(x)))
    return table["round"](x, rounding_method=1)


def default_float(dtype: np.dtype) -> np.dtype:
    """Integers become the default float, whatever their width."""
    return dtype if dtype_kind(dtype) in "fc" else scalar_dtype(float)


@staged
def trunc(x):
    """Rounded towards zero."""
    if kind(x) in "iub":
        return x
    return where(table["lt"](x, 0), table["ceil"](x), table["floor"](x))


fix = trunc


@staged
def modf(x):
    """(the fraction, the integer part), both with the sign of `x`."""
    (x,) = promote(x, to=inexact, name="modf")
    whole = where(table["ge"](x, 0), table["floor"](x), table["ceil"](x))
    return table["sub"](x, whole), whole


# ------------------------------------------------------------------ signs


@staged
def signbit(x):
    """Whether the sign bit is set; it is for -0.0 too."""
    (x,) = promote(x, name="signbit")
    if kind(x) in "iu":
        return table["lt"](x, 0)
    if kind(x) == "b":
        return falses(x)
    bits = aval_of(x).dtype.itemsize * 8
    whole = table["bitcast_convert_type"](x, new_dtype=np.dtype(f"int{bits}"))
    return convert(table["shift_right_arithmetic"](whole, bits - 1), BOOL)


@staged
def copysign(x1, x2):
    """The magnitude of `x1` with the sign of `x2`."""
    x1, x2 = promote(x1, x2, to=inexact, name="copysign")
    return where(signbit(x2), table["neg"](table["abs"](x1)), table["abs"](x1))


@staged
def heaviside(x1, x2):
    """0 below zero, 1 above it, `x2` at zero."""
    x1, x2 = promote(x1, x2, to=inexact, name="heaviside")
    dtype = aval_of(x1).dtype
    below, above = table["lt"](x1, 0), table["gt"](x1, 0)
    at_zero = where(table["ne"](x1, x1), x1, x2)
    return where(below, settled(0, dtype), where(above, settled(1, dtype), at_zero))


@staged
def clip(arr, min=None, max=None):
    """Elements below `min` become `min`, those above `max` become `max`."""
    if any(x is not None and dtype_kind(aval_of(x).dtype) == "c" for x in (arr, min, max)):
        raise ValueError("Clip received a complex value either through the input or the min/max "
                         "keywords. Complex values have no ordering and cannot be clipped. Please "
                         "convert to a real value or array by taking the real or imaginary "
                         "components via jax.numpy.real/imag respectively.")
    if min is not None:
        arr = table["max"](*promote(min, arr, name="clip"))
    if max is not None:
        arr = table["min"](*promote(max, arr, name="clip"))
    return arr


@staged
def fmin(x1, x2):
    """The smaller one, ignoring NaN."""
    x1, x2 = promote(x1, x2, name="fmin")
    return where(table["or"](less(x1, x2), table["ne"](x2, x2)), x1, x2)


@staged
def fmax(x1, x2):
    """The larger one, ignoring NaN."""
    x1, x2 = promote(x1, x2, name="fmax")
    return where(table["or"](greater(x1, x2), table["ne"](x2, x2)), x1, x2)


# ------------------------------------------------------------------ complex numbers


def real(val):
    """The real part."""
    check_array("real", val)
    return table["real"](operand(val)) if kind(operand(val)) == "c" else operand(val)


def imag(val):
    """The imaginary part; zeros for real numbers."""
    check_array("imag", val)
    val = operand(val)
    return table["imag"](val) if kind(val) == "c" else full(shape_of(val), 0, aval_of(val).dtype)


def conjugate(x):
    """The complex conjugate."""
    check_array("conjugate", x)
    x = operand(x)
    return table["conj"](x, input_dtype=aval_of(x).dtype) if kind(x) == "c" else x


conj = conjugate


@staged(static=("deg",))
def angle(z, deg=False):
    """The angle of a complex number."""
    (z,) = promote(z, to=default_float, name="angle")
    horizontal, vertical = real(z), imag(z)
    out = table["atan2"](vertical, horizontal)
    return multiply(out, settled(180 / math.pi, aval_of(out).dtype)) if deg else out


def iscomplexobj(x) -> bool:
    return kind(x) == "c"


def isrealobj(x) -> bool:
    return kind(x) != "c"


# ------------------------------------------------------------------ closeness


@staged(static=("equal_nan",))
def isclose(a, b, rtol=1e-05, atol=1e-08, equal_nan=False):
    """Whether |a - b| <= atol + rtol |b|."""
    a, b = promote(a, b, name="isclose")
    if kind(a) in "fc":
        dtype = aval_of(a).dtype if kind(a) == "f" else np.finfo(aval_of(a).dtype).dtype
        rtol, atol = convert(rtol, dtype), convert(atol, dtype)
        both_nan = table["and"](isnan(a), isnan(b))
        finite = isfinite(b)
        distance, size = table["abs"](table["sub"](a, b)), table["abs"](b)
        near = table["le"](distance, table["add"](atol, table["mul"](rtol, size)))
        out = table["or"](table["eq"](a, b), table["and"](finite, near))
        return table["or"](out, both_nan) if equal_nan else out
    if kind(a) == "b":
        return table["eq"](a, b)
    distance, size = absolute(subtract(a, b)), absolute(b)
    near = table["le"](*promote(distance, add(atol, multiply(rtol, size)), name="isclose"))
    return convert(near, BOOL)


@staged(static=("equal_nan",))
def allclose(a, b, rtol=1e-05, atol=1e-08, equal_nan=False):
    """Whether all elements are close."""
    return all_of(isclose(a, b, rtol, atol, equal_nan))


def array_equal(a1, a2, equal_nan=False):
    """Whether shapes and elements are equal."""
    a1, a2 = operand(a1), operand(a2)
    if shape_of(a1) != shape_of(a2):
        return settled(False, BOOL)
    same = equal(a1, a2)
    if equal_nan:
        both = logical_and(isnan(a1), isnan(a2))
        same = table["or"](same, both)
    return all_of(same)


_ = as_is, numeric, promote_dtypes
