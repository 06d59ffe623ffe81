"""Elementwise functions: promote the operands, bind one primitive.

Most are a row: what they compute in (`inexact` makes floats of integers), and the primitive. Those
that JAX shows as a `jit` equation in its programs are `staged`.
"""

from __future__ import annotations

import math
import operator

import numpy as np

from minigrad.core import BOOL, aval_of, table
from minigrad.numpy.promotion import (
    as_is, check_array, convert, inexact, numeric, operand, promote, promoted,
    settled,
)
from minigrad.numpy.selecting import where
from minigrad.numpy.staging import staged
from minigrad.ops.calls import custom_jvp
from minigrad.ops.families import dtype_kind, full
from minigrad.ops.windows import complex_log_add

# ------------------------------------------------------------------ makers of rows


def unary(name: str, primitive: str, to=as_is, **params):
    """A function of one array that binds `primitive` in the dtype that `to` says."""
    p = table[primitive]

    def function(x):
        (x,) = promote(x, to=to, name=name)
        return p(x, **params)

    return named(function, name, primitive)


def rounding(name: str):
    """What is whole already stays as it is."""
    round_floats = unary(name, name)

    def function(x):
        check_array(name, x)
        return operand(x) if kind_of(x) in "iub" else round_floats(x)

    return named(function, name, name)


def binary(name: str, primitive: str, to=as_is):
    """A function of two arrays that promotes, broadcasts, and binds `primitive`."""
    p = table[primitive]

    def function(x, y):
        x, y = promote(x, y, to=to, name=name)
        return p(x, y)

    return named(function, name, primitive)


def named(function, name: str, primitive: str):
    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"`{primitive}` of the operands, promoted and broadcast."
    return function


def kind_of(x) -> str:
    return dtype_kind(promoted(x)[0])


# ------------------------------------------------------------------ arithmetic

add_, multiply_ = binary("add", "add"), binary("multiply", "mul")
subtract = binary("subtract", "sub")
maximum, minimum = binary("maximum", "max"), binary("minimum", "min")
nextafter = binary("nextafter", "nextafter", inexact)
arctan2 = binary("arctan2", "atan2", inexact)
true_divide = divide = binary("divide", "div", inexact)
square, negative = unary("square", "square", numeric), unary("negative", "neg")


def add(x, y):
    """`x + y`; of booleans, `x | y`."""
    x, y = promote(x, y, name="add")
    return table["or" if aval_of(x).dtype == BOOL else "add"](x, y)


def multiply(x, y):
    """`x * y`; of booleans, `x & y`."""
    x, y = promote(x, y, name="multiply")
    return table["and" if aval_of(x).dtype == BOOL else "mul"](x, y)


def positive(x):
    """`x` itself."""
    check_array("positive", x)
    return operand(x)


def absolute(x):
    """`|x|`; unsigned integers and booleans are returned as they are."""
    check_array("absolute", x)
    return operand(x) if kind_of(x) in "ub" else table["abs"](operand(x))


abs = absolute


def fabs(x):
    """`|x|` as a float."""
    (x,) = promote(x, to=inexact, name="fabs")
    return absolute(x)


def reciprocal(x):
    """`1 / x`."""
    (x,) = promote(x, to=inexact, name="reciprocal")
    return table["integer_pow"](x, y=-1)


def sign(x):
    """-1, 0 or 1; of complex numbers, `x / |x|`."""
    check_array("sign", x)
    return table["sign"](operand(x))


def power(x1, x2):
    """`x1 ** x2`. A Python integer as exponent is `integer_pow`. Source: jax.numpy.power."""
    check_array("power", x1), check_array("power", x2, 1)
    if isinstance(x2, (int, np.integer)):
        (x1,) = promote(x1, to=numeric, name="power")
        return table["integer_pow"](x1, y=operator.index(x2))
    if kind_of(x2) in "iu" and kind_of(x1) in "fc":
        x1, x2 = promote(x1, x2, name="power")
        return table["pow"](x1, x2)
    x1, x2 = promote(x1, x2, to=numeric, name="power")
    dtype = aval_of(x1).dtype
    if dtype_kind(dtype) not in "iu":
        return table["pow"](x1, x2)
    return integer_power(x1, x2)


pow = power


def integer_power(x1, x2):
    """Integers to integer powers, by squaring: six rounds serve every exponent that fits."""
    dtype = aval_of(x1).dtype
    result = convert(1, dtype)
    zero, one = settled(0, dtype), settled(1, dtype)
    bits = 6 if dtype.itemsize > 1 else 3
    for _ in range(bits):
        odd = table["eq"](table["and"](x2, one), one)
        result = where(odd, multiply(result, x1), result)
        x1 = multiply(x1, x1)
        x2 = table["shift_right_logical"](x2, one)
    return where(table["lt"](x2, zero), zero, result) if dtype_kind(dtype) == "i" else result


def float_power(x, y):
    """`x ** y` in floats."""
    return table["pow"](*promote(x, y, to=inexact, name="float_power"))


# ------------------------------------------------------------------ division with remainder


@staged
def floor_divide(x1, x2):
    """`x1 // x2`, rounded down. Source: jax.numpy.floor_divide."""
    x1, x2 = promote(x1, x2, to=numeric, name="floor_divide")
    kind = dtype_kind(aval_of(x1).dtype)
    if kind == "u":
        return table["div"](x1, x2)
    if kind == "i":
        quotient = table["div"](x1, x2)
        below = table["ne"](table["sign"](x1), table["sign"](x2))
        inexact_ = table["ne"](table["rem"](x1, x2), 0)
        return where(table["and"](below, inexact_), table["sub"](quotient, 1), quotient)
    if kind == "c":
        raise TypeError("floor_divide does not support complex-valued inputs")
    return divmod_floats(x1, x2)[0]


def divmod_floats(x1, x2):
    """Quotient and remainder of floats: the quotient is made exact before it is rounded."""
    rest = table["rem"](x1, x2)
    exact = where(table["eq"](x2, 0), x1, table["sub"](x1, rest))
    quotient = table["div"](exact, x2)
    wrong_sign = table["and"](table["ne"](rest, 0),
                              table["ne"](table["sign"](x2), table["sign"](rest)))
    rest = table["select_n"](wrong_sign, rest, table["add"](rest, x2))
    quotient = table["select_n"](wrong_sign, quotient, table["sub"](quotient, 1))
    return table["round"](quotient, rounding_method=0), rest


@staged
def remainder(x1, x2):
    """`x1 % x2`, with the sign of `x2`."""
    x1, x2 = promote(x1, x2, to=numeric, name="remainder")
    if dtype_kind(aval_of(x1).dtype) in "iu":
        x2 = where(table["eq"](x2, 0), one_like(x2), x2)
    rest = table["rem"](x1, x2)
    nonzero = table["ne"](rest, 0)
    wrong_sign = table["and"](table["ne"](table["lt"](rest, 0), table["lt"](x2, 0)), nonzero)
    return table["select_n"](wrong_sign, rest, table["add"](rest, x2))


mod = remainder


@staged
def divmod(x1, x2):
    """(x1 // x2, x1 % x2)."""
    x1, x2 = promote(x1, x2, to=numeric, name="divmod")
    if dtype_kind(aval_of(x1).dtype) in "iu":
        return floor_divide(x1, x2), remainder(x1, x2)
    return divmod_floats(x1, x2)


@staged
def fmod(x1, x2):
    """The remainder with the sign of `x1`, as C's fmod."""
    x1, x2 = promote(x1, x2, to=numeric, name="fmod")
    if dtype_kind(aval_of(x1).dtype) in "iu":
        x2 = where(table["eq"](x2, 0), one_like(x2), x2)
    return table["rem"](x1, x2)


def one_like(x):
    return settled(1, aval_of(x).dtype, aval_of(x).weak_type)


# ------------------------------------------------------------------ exponentials, trigonometry

exp, exp2 = unary("exp", "exp", inexact), unary("exp2", "exp2", inexact)
log, log1p = unary("log", "log", inexact), unary("log1p", "log1p", inexact)
expm1, sqrt = unary("expm1", "expm1", inexact), unary("sqrt", "sqrt", inexact)
cbrt = unary("cbrt", "cbrt", inexact)
sin, cos = unary("sin", "sin", inexact), unary("cos", "cos", inexact)
tan, arctan = unary("tan", "tan", inexact), unary("arctan", "atan", inexact)
arcsin, arccos = unary("arcsin", "asin", inexact), unary("arccos", "acos", inexact)
sinh, cosh = unary("sinh", "sinh", inexact), unary("cosh", "cosh", inexact)
tanh, arctanh = unary("tanh", "tanh", inexact), unary("arctanh", "atanh", inexact)
arcsinh, arccosh = unary("arcsinh", "asinh", inexact), unary("arccosh", "acosh", inexact)
floor, ceil = rounding("floor"), rounding("ceil")
asin, acos, atan, asinh, acosh, atanh = arcsin, arccos, arctan, arcsinh, arccosh, arctanh
atan2 = arctan2


def log2(x):
    """The logarithm to base 2."""
    (x,) = promote(x, to=inexact, name="log2")
    return divide(table["log"](x), table["log"](settled(2, real_dtype(x), aval_of(x).weak_type)))


def log10(x):
    """The logarithm to base 10."""
    (x,) = promote(x, to=inexact, name="log10")
    return multiply(table["log"](x), settled(1 / np.log(10), aval_of(x).dtype))


def real_dtype(x) -> np.dtype:
    dtype = aval_of(x).dtype
    return dtype if dtype_kind(dtype) != "c" else np.finfo(dtype).dtype


def deg2rad(x):
    """Degrees to radians."""
    (x,) = promote(x, to=inexact, name="deg2rad")
    return table["mul"](x, settled(np.pi / 180, aval_of(x).dtype))


def rad2deg(x):
    """Radians to degrees."""
    (x,) = promote(x, to=inexact, name="rad2deg")
    return table["mul"](x, settled(180 / np.pi, aval_of(x).dtype))


radians, degrees = deg2rad, rad2deg


@staged
def hypot(x1, x2):
    """The length of (x1, x2), without overflow on the way."""
    x1, x2 = promote(x1, x2, to=inexact, name="hypot")
    x1, x2 = table["abs"](x1), table["abs"](x2)
    infinite = table["or"](table["eq"](x1, math.inf), table["eq"](x2, math.inf))
    large, small = table["max"](x1, x2), table["min"](x1, x2)
    is_zero, unsafe = table["eq"](large, 0), table["eq"](large, 0)
    ones = full(aval_of(large).shape, 1, aval_of(large).dtype)
    ratio = table["div"](small, where(unsafe, ones, large))
    length = table["mul"](large, table["sqrt"](table["add"](1, table["square"](ratio))))
    result = where(is_zero, large, length)
    return where(infinite, settled(math.inf, aval_of(result).dtype), result)


def log_add(name: str, exponential: str, scale: float):
    """log(exp(x1) + exp(x2)) to some base, with a derivative that overflows nowhere."""

    def function(x1, x2):
        x1, x2 = promote(x1, x2, to=inexact, name=name)
        if dtype_kind(aval_of(x1).dtype) == "c":
            return complex_log_add(x1, x2, table[exponential], scale)
        large, difference = table["max"](x1, x2), table["sub"](x1, x2)
        is_nan, total = table["ne"](difference, difference), table["add"](x1, x2)
        rest = table["log1p"](table[exponential](table["neg"](table["abs"](difference))))
        if scale != 1:
            rest = table["mul"](settled(scale, aval_of(rest).dtype), rest)
        return table["select_n"](is_nan, table["add"](large, rest), total)

    function.__name__ = name
    function.__doc__ = f"log({exponential}(x1) + {exponential}(x2)). Source: jax.numpy.{name}."
    rule = custom_jvp(function)

    def jvp(primals, tangents):
        out = rule(*primals)
        parts = [table["mul"](t, table[exponential](table["sub"](finite(x), finite(out))))
                 for x, t in zip(primals, tangents)]
        return out, table["add"](*parts)

    def finite(x):
        """Zero in place of infinity: exp(inf - inf) is to be 1."""
        infinite = table["eq"](x, math.inf)
        return table["select_n"](infinite, x, full(aval_of(x).shape, 0, aval_of(x).dtype))

    jvp.__name__ = f"_{name}_jvp"
    rule.defjvp(jvp)

    def promoted_call(x1, x2):
        return rule(*promote(x1, x2, to=inexact, name=name))

    return named(promoted_call, name, name)


logaddexp = log_add("logaddexp", "exp", 1.0)
logaddexp2 = log_add("logaddexp2", "exp2", 1 / np.log(2))


@staged
def sinc(x):
    """sin(pi x) / (pi x), and 1 at 0 where all derivatives exist too."""
    (x,) = promote(x, to=inexact, name="sinc")
    zero = table["eq"](x, 0)
    scaled = table["mul"](settled(np.pi, aval_of(x).dtype), x)
    safe = where(zero, settled(1, aval_of(x).dtype), scaled)
    near_zero = sinc_series[0](scaled)
    return where(zero, near_zero, table["div"](table["sin"](safe), safe))


def sinc_derivative(order: int):
    """The derivatives of sin(x)/x at 0, each with the next as its own derivative."""

    def _sinc_maclaurin(x):
        zeros = table["mul"](x, 0)
        return zeros if order % 2 else table["add"](zeros, (-1) ** (order // 2) / (order + 1))

    rule = custom_jvp(_sinc_maclaurin)

    @rule.defjvp
    def _sinc_maclaurin_jvp(primals, tangents):
        (x,), (t,) = primals, tangents
        return rule(x), table["mul"](sinc_derivative(order + 1)(x), t)

    return rule


sinc_series = [sinc_derivative(0)]

# ------------------------------------------------------------------ comparison, logic, bits


def ordering(name: str, primitive: str):
    """A comparison; complex numbers by their real, then their imaginary parts."""
    p = table[primitive]

    def function(x, y):
        x, y = promote(x, y, name=name)
        if dtype_kind(aval_of(x).dtype) != "c":
            return p(x, y)
        real, imaginary = ([table[part](a) for a in (x, y)] for part in ("real", "imag"))
        return table["select_n"](table["eq"](*real), p(*real), p(*imaginary))

    return named(function, name, primitive)


less, less_equal = ordering("less", "lt"), ordering("less_equal", "le")
greater, greater_equal = ordering("greater", "gt"), ordering("greater_equal", "ge")
equal, not_equal = binary("equal", "eq"), binary("not_equal", "ne")
bitwise_and, bitwise_or = binary("bitwise_and", "and"), binary("bitwise_or", "or")
bitwise_xor = binary("bitwise_xor", "xor")
left_shift = binary("left_shift", "shift_left", numeric)
bitwise_not = invert = bitwise_invert = unary("bitwise_not", "not")
bitwise_left_shift = left_shift


def right_shift(x, y):
    """`x >> y`: signed integers keep their sign."""
    x, y = promote(x, y, to=numeric, name="right_shift")
    signed = dtype_kind(aval_of(x).dtype) == "i"
    return table["shift_right_arithmetic" if signed else "shift_right_logical"](x, y)


bitwise_right_shift = right_shift


def truth(x):
    """`x != 0`, as a boolean."""
    return operand(x) if kind_of(x) == "b" else not_equal(x, 0)


def logical(name: str, primitive: str):
    p = table[primitive]

    def function(x, y):
        check_array(name, x), check_array(name, y, 1)
        return p(*promote(truth(x), truth(y), name=name))

    return named(function, name, primitive)


logical_and, logical_or = logical("logical_and", "and"), logical("logical_or", "or")
logical_xor = logical("logical_xor", "xor")


def logical_not(x):
    """Whether `x` is zero."""
    check_array("logical_not", x)
    return table["not"](truth(x))


@staged
def bitwise_count(x):
    """The number of set bits of `|x|`."""
    (x,) = promote(x, to=numeric, name="bitwise_count")
    return convert(table["population_count"](absolute(x)), np.uint8)


@staged
def gcd(x1, x2):
    """The greatest common divisor, by Euclid's algorithm."""
    from minigrad.ops.flow import while_loop
    from minigrad.numpy.selecting import broadcast_arrays

    x1, x2 = broadcast_arrays(*promote(x1, x2, name="gcd"))
    if dtype_kind(aval_of(x1).dtype) not in "iu":
        raise ValueError("Arguments to jax.numpy.gcd must be integers.")

    def step(pair):
        a, b = pair
        a, b = (where(table["ne"](b, 0), b, a),
                where(table["ne"](b, 0), table["rem"](a, b), settled(0, aval_of(b).dtype)))
        return where(table["lt"](a, b), b, a), where(table["lt"](a, b), a, b)

    def running(pair):
        left = table["ne"](pair[1], 0)
        return table["reduce_or"](left, axes=tuple(range(aval_of(left).ndim)))

    return while_loop(running, step, (absolute(x1), absolute(x2)))[0]


@staged
def lcm(x1, x2):
    """The least common multiple."""
    x1, x2 = promote(x1, x2, name="lcm")
    x1, x2 = absolute(x1), absolute(x2)
    divisor = gcd(x1, x2)
    zero = settled(0, aval_of(divisor).dtype)
    return where(table["eq"](divisor, 0), zero,
                 table["mul"](x1, floor_divide(x2, where(table["eq"](divisor, 0),
                                                         settled(1, zero.aval.dtype), divisor))))



