"""Elementwise primitives: arithmetic, comparison, logic, rounding, complex numbers. The curves
(exp, sin, erf ...) are in `transcendental`, select_n and conversions in `selection`.

A jvp rule is the derivative as a textbook writes it: `t` is the tangent of the one argument it
stands for, `out` the value already computed. `None` is a derivative of zero.

>>> import minigrad
>>> print(minigrad.backward_source("div", "f32[3]", "f32[3]"))
def div_backward(g, saved):
    x, y = saved
    return g / y, -((g * integer_pow(y, y=-2)) * x)
"""

from __future__ import annotations

import enum

import numpy as np

from kernels import integers, ordering, reference
from minigrad.core import BOOL, aval_of, make_aval
from minigrad.ops.families import (
    broadcast_batch, check_dtypes, elementwise, match_shape, move_axis, table_op, zeros_like,
)
from minigrad.ops.selection import convert, filled, select

# ------------------------------------------------------------------ arithmetic


def replace_zero(x):
    """`x` with ones for its zeros, to divide by or to take the logarithm of."""
    return select(eq(x, 0.0), filled(x, 1), x)


def is_complex(x) -> bool:
    return aval_of(x).dtype.kind == "c"


def real_dtype(dtype):
    """float32 for complex64; any other dtype is itself."""
    return np.empty(0, dtype).real.dtype if dtype.kind == "c" else dtype


def complex_dtype(dtype):
    """complex64 for float32, complex128 for float64."""
    if dtype.itemsize < 4:
        raise TypeError(f"complex does not accept dtype {dtype.name}. Accepted dtypes are "
                        "subtypes of float32, float64, complexfloating.")
    return np.result_type(dtype, np.complex64)


neg = elementwise(
    "neg", np.negative, scalar="-x", infix="-{}", accepts="fciu", together=True,
    jvp=(lambda t, out, x: neg(t),),
    transpose=(lambda ct, x: neg(ct),),
)

add = elementwise(
    "add", np.add, scalar="x + y", infix="{} + {}", accepts="fciu", together=True,
    jvp=(lambda t, out, x, y: t, lambda t, out, x, y: t),
    transpose=(lambda ct, x, y: ct, lambda ct, x, y: ct),
)

sub = elementwise(
    "sub", np.subtract, scalar="x - y", infix="{} - {}", accepts="fciu", together=True,
    jvp=(lambda t, out, x, y: t, lambda t, out, x, y: neg(t)),
    transpose=(lambda ct, x, y: ct, lambda ct, x, y: neg(ct)),
)


def mul_dtype(dtype, *, out_dtype):
    if out_dtype is not None:
        raise NotImplementedError(f"mul with out_dtype={out_dtype}: convert the operands first.")
    return dtype


mul = elementwise(
    "mul", np.multiply, scalar="x * y", infix="{} * {}", accepts="fciu", result=mul_dtype,
    defaults={"out_dtype": None},
    jvp=(lambda t, out, x, y, **_: mul(t, y), lambda t, out, x, y, **_: mul(x, t)),
    transpose=(lambda ct, x, y, **_: mul(ct, y), lambda ct, x, y, **_: mul(x, ct)),
)

div = elementwise(
    "div", reference.div, scalar="x / y", infix="{} / {}", accepts="fciu",
    jvp=(lambda t, out, x, y: div(t, y),
         lambda t, out, x, y: mul(mul(neg(t), x), integer_pow(y, y=-2))),
    transpose=(lambda ct, x, y: div(ct, y), None),
)

rem = elementwise(  # x - y * trunc(x / y)
    "rem", reference.rem, scalar="rem(x, y)", accepts="fiu",
    jvp=(lambda t, out, x, y: t,
         lambda t, out, x, y: mul(neg(t), mul(sign(div(x, y)), floor(abs_(div(x, y)))))),
)

square = elementwise("square", np.square, scalar="x * x", accepts="fciu",
                     jvp=(lambda t, out, x: mul(t, mul(2.0, x)),))


def integer_pow_tangent(t, out, x, *, y):
    if y == 0:
        return zeros_like(t)
    if y == 1:
        return t
    return mul(t, mul(float(y), x if y == 2 else integer_pow(x, y=y - 1)))


def integer_pow_dtype(dtype, *, y):
    if y < 0 and dtype.kind in "iu":
        raise TypeError("Integers cannot be raised to negative powers, got "
                        f"integer_pow({dtype.name}, {y})")
    return dtype


def integer_pow_body(*, y: int) -> str:
    """Products of repeated squares: y=5 is `x * ((x * x) * (x * x))`."""
    if y <= 0:
        return f"1 / ({integer_pow_body(y=-y)})" if y else "1"
    square_of, factors = "x", []
    while y:
        if y & 1:
            factors.append(square_of)
        square_of, y = f"({square_of} * {square_of})", y >> 1
    return " * ".join(factors)


integer_pow = elementwise("integer_pow", reference.integer_pow, scalar=integer_pow_body,
                          accepts="fciu", result=integer_pow_dtype, jvp=(integer_pow_tangent,))


def abs_tangent(t, out, x):
    if is_complex(x):  # the part of t along x: Re(t conj(x) / |x|)
        return real(mul(t, div(conj(x, input_dtype=aval_of(x).dtype),
                               replace_zero(convert(out, aval_of(x).dtype)))))
    return select(ge(x, 0.0), t, neg(t))


abs_ = elementwise("abs", np.absolute, scalar="abs(x)", accepts="fci", result=real_dtype,
                   jvp=(abs_tangent,))

sign = elementwise("sign", reference.sign, scalar="sign(x)", accepts="fciu", jvp=(None,))


def share(x, out, y):
    """Which part of the derivative of max(x, y) = out goes to `x`: 1, 0, or a half at a tie."""
    return div(select(eq(x, out), filled(out, 1), filled(out, 0)),
               select(eq(y, out), filled(out, 2), filled(out, 1)))


max_ = elementwise(
    "max", ordering.maximum, scalar="max(x, y)", accepts="fciub",
    jvp=(lambda t, out, x, y: mul(t, share(x, out, y)),
         lambda t, out, x, y: mul(t, share(y, out, x))),
)

min_ = elementwise(
    "min", ordering.minimum, scalar="min(x, y)", accepts="fciub",
    jvp=(lambda t, out, x, y: mul(t, share(x, out, y)),
         lambda t, out, x, y: mul(t, share(y, out, x))),
)

nextafter = elementwise("nextafter", reference.nextafter, scalar="nextafter(x, y)", accepts="f",
                        arity=2)

# ------------------------------------------------------------------ rounding: derivatives are zero


class RoundingMethod(enum.IntEnum):
    """Where `round` sends halves."""

    AWAY_FROM_ZERO = 0
    TO_NEAREST_EVEN = 1


floor = elementwise("floor", np.floor, scalar="floor(x)", accepts="f", jvp=(None,))
ceil = elementwise("ceil", np.ceil, scalar="ceil(x)", accepts="f", jvp=(None,))
round_ = elementwise("round", reference.round_, accepts="f", jvp=(None,),
                     scalar=lambda *, rounding_method: ("round_away(x)", "round_even(x)")
                     [rounding_method])
is_finite = elementwise("is_finite", np.isfinite, scalar="is_finite(x)", accepts="f",
                        result=BOOL, jvp=(None,))

# ------------------------------------------------------------------ comparison


def compares(name: str, kernel, scalar: str, accepts: str):
    return elementwise(name, kernel, scalar=scalar, accepts=accepts, result=BOOL,
                       jvp=(None, None))


def in_total_order(comparison):
    """Compare by IEEE 754's total order: -nan < -inf < ... < -0.0 < 0.0 < ... < inf < nan."""

    def key(x):  # an integer
        return ordering.total_order(x).reshape(np.shape(x))

    return lambda x, y: comparison(key(x), key(y))


eq = compares("eq", np.equal, "x == y", "fciub")
ne = compares("ne", np.not_equal, "x != y", "fciub")
ge = compares("ge", np.greater_equal, "x >= y", "fiub")
gt = compares("gt", np.greater, "x > y", "fiub")
le = compares("le", np.less_equal, "x <= y", "fiub")
lt = compares("lt", np.less, "x < y", "fiub")
eq_to = compares("eq_to", in_total_order(np.equal), "eq_to(x, y)", "fiub")
le_to = compares("le_to", in_total_order(np.less_equal), "le_to(x, y)", "fiub")
lt_to = compares("lt_to", in_total_order(np.less), "lt_to(x, y)", "fiub")

# ------------------------------------------------------------------ logic and bits

not_ = elementwise("not", np.invert, scalar="~x", accepts="iub", jvp=(None,))
and_ = elementwise("and", np.bitwise_and, scalar="x & y", accepts="iub",
                   jvp=(None, None))
or_ = elementwise("or", np.bitwise_or, scalar="x | y", accepts="iub",
                  jvp=(None, None))
xor = elementwise("xor", np.bitwise_xor, scalar="x ^ y", accepts="iub", jvp=(None, None))

shift_left = elementwise("shift_left", np.left_shift, scalar="shift_left(x, y)", accepts="iu",
                         jvp=(None, None))
shift_right_logical = elementwise("shift_right_logical", reference.shift_right_logical,
                                  scalar="shift_right_logical(x, y)", accepts="iu",
                                  jvp=(None, None))
shift_right_arithmetic = elementwise("shift_right_arithmetic", reference.shift_right_arithmetic,
                                     scalar="shift_right_arithmetic(x, y)", accepts="iu",
                                     jvp=(None, None))
population_count = elementwise("population_count", reference.population_count,
                               scalar="population_count(x)", accepts="iu")
clz = elementwise("clz", reference.clz, scalar="clz(x)", accepts="iu")

mulhi = elementwise("mulhi", integers.mulhi, accepts="iu", arity=2)  # the high half of x * y

# ------------------------------------------------------------------ complex numbers


def join_parts(x, y):
    """x + iy; multiplying by 1j instead would make nan of infinities."""
    out = np.empty(np.broadcast_shapes(np.shape(x), np.shape(y)), complex_dtype(x.dtype))
    out.real, out.imag = x, y
    return out


real = elementwise(  # the real part, a view of every second number
    "real", lambda x: x.real, scalar="real(x)", accepts="c", result=real_dtype, together=True,
    view=True,
    jvp=(lambda t, out, x: real(t),),
    transpose=(lambda ct, x: complex_(ct, 0.0),),
)

imag = elementwise(
    "imag", lambda x: x.imag, scalar="imag(x)", accepts="c", result=real_dtype, together=True,
    view=True,
    jvp=(lambda t, out, x: imag(t),),
    transpose=(lambda ct, x: complex_(0.0, neg(ct)),),
)

complex_ = elementwise(
    "complex", join_parts, scalar="complex(x, y)", accepts="f", result=complex_dtype,
    together=True,
    jvp=(lambda t, out, x, y: complex_(t, zeros_like(t)),
         lambda t, out, x, y: complex_(zeros_like(t), t)),
    transpose=(lambda ct, x, y: real(ct), lambda ct, x, y: imag(neg(ct))),
)

conj = elementwise(
    "conj", lambda x, **_: np.conjugate(x).astype(complex_dtype(x.dtype), copy=False),
    scalar="conj(x)", accepts="fc", result=lambda dtype, **_: complex_dtype(dtype),
    jvp=(lambda t, out, x, **params: conj(t, **params),),
    transpose=(lambda ct, x, *, input_dtype:
               conj(ct, input_dtype=aval_of(ct).dtype) if input_dtype.kind == "c" else real(ct),),
)

# ------------------------------------------------------------------ clamp


def clamp_abstract(low, x, high):
    check_dtypes("clamp", (low, x, high), "fciub")
    for name, bound in (("min", low), ("max", high)):
        if bound.shape not in ((), x.shape):
            raise TypeError(f"clamp requires {name}.shape == operand.shape or {name}.shape == (), "
                            f"got {name}.shape={bound.shape}, operand.shape={x.shape}.")
    return make_aval(x.shape, x.dtype, low.weak_type and x.weak_type and high.weak_type)


def clamp_batch(size, args, dims):
    low, x, high = args
    if dims[1] is not None and not aval_of(low).shape and not aval_of(high).shape:
        return clamp(low, x, high), dims[1]
    if len(set(dims)) == 1 and len({aval_of(a).shape for a in args}) == 1:
        return clamp(low, x, high), dims[1]
    x = broadcast_batch(x, dims[1], size)
    shape = aval_of(x).shape

    def stretched(bound, dim):
        bound = move_axis(bound, dim, 0) if dim is not None else bound
        ndim = len(aval_of(bound).shape)
        axes = range(ndim) if dim is not None else range(len(shape) - ndim, len(shape))
        if ndim == len(shape):
            return bound
        return table_op("broadcast_in_dim")(bound, shape=shape, broadcast_dimensions=tuple(axes))

    return clamp(stretched(low, dims[0]), x, stretched(high, dims[2])), 0


def clamp_rule(passes):
    """The tangent of one argument, where the result is that argument."""
    return lambda t, out, low, x, high: select(
        passes(low, x, high), match_shape(t, aval_of(out)), zeros_like(out))


clamp = elementwise(
    "clamp", reference.clamp, scalar="min(max(y, x), z)", accepts="fciub",
    jvp=(clamp_rule(lambda low, x, high: and_(gt(low, x), lt(low, high))),
         clamp_rule(lambda low, x, high: and_(gt(x, low), lt(x, high))),
         clamp_rule(lambda low, x, high: lt(high, x))),
)
clamp.abstract, clamp.batch = clamp_abstract, clamp_batch  # stricter than broadcasting
