"""Functions of one position at a time: arithmetic, comparison, logic, rounding, curves.

Where PyTorch's derivative differs from the primitive's, the function is written so that PyTorch's
comes out, and a comment says where.
"""

from __future__ import annotations

import operator
import math

import numpy as np

from compat.torch.dtypes import SCALAR_NAMES
from compat.torch.operation import operation
from compat.torch.promotion import (
    cast, category, expanded, inexact, is_floating, result_dtype,
    together,
)
from minigrad.core import I64, PYTHON_SCALARS, Tensor, aval_of
from minigrad.ops import elementwise as e
from minigrad.ops import transcendental as t
from minigrad.ops.calls import custom_jvp
from minigrad.ops.families import dtype_kind, elementwise, full, zeros_like
from minigrad.ops.selection import select_n, stop_gradient

# ------------------------------------------------------------------ building blocks


def where_(condition, on_true, on_false):
    """`select_n` for operands of any shapes and dtypes."""
    on_true, on_false = expanded(on_true, on_false)
    return select_n(condition, on_false, on_true)


def like(x, value):
    """`value` in the shape and dtype of `x`."""
    aval = aval_of(x)
    return full(aval.shape, value, aval.dtype)


def strong(x):
    return cast(x, result_dtype(x))


def floating(x):
    """Integers become the default float: sin, mean, true division."""
    return cast(x, inexact(x))


def is_complex(x) -> bool:
    return dtype_kind(aval_of(x).dtype) == "c"


# ------------------------------------------------------------------ one operand


def relu_body(x):  # 0 at 0; nan stays
    return select_n(e.le(x, 0), x, zeros_like(x))


def abs_body(x):
    """|x| as x sign(x): the derivative at 0 is 0, where lax has 1."""
    if dtype_kind(aval_of(x).dtype) == "u":
        return x
    if is_complex(x) or not is_floating(aval_of(x).dtype):
        return e.abs_(x)
    return e.mul(x, e.sign(x))


def trunc_body(x):
    if not is_floating(aval_of(x).dtype):
        return x
    return select_n(e.lt(x, 0), e.floor(x), e.ceil(x))


def whole(rounding):
    """Integers are rounded already."""
    return lambda x: rounding(x) if is_floating(aval_of(x).dtype) else x


def log_base(base: float):
    return lambda x: e.div(t.log(x), like(x, math.log(base)))


def reciprocal_body(x):
    return e.div(like(x, 1), x)


def logical_not_body(x):
    return e.eq(x, like(x, 0))


def sign_body(x):  # 0 of nan, which is neither above zero nor below
    kind = dtype_kind(aval_of(x).dtype)
    if kind == "f":
        return select_n(e.ne(x, x), e.sign(x), zeros_like(x))
    return x if kind == "b" else e.sign(x)


def is_nan_body(x):
    return e.ne(x, x)


def is_infinite_body(x):
    if not is_floating(aval_of(x).dtype):
        return like(e.ne(x, x), False)
    return e.eq(e.abs_(x), like(x, np.inf))


def is_finite_body(x):
    if not is_floating(aval_of(x).dtype):
        return like(e.ne(x, x), True)
    return e.is_finite(x)


def positive_where(x):
    return e.mul(x, t.logistic(x))


@custom_jvp
def tanh_body(x):
    return t.tanh(x)


@tanh_body.defjvp
def tanh_rule(primals, tangents):
    """PyTorch's form of the derivative, 1 - out * out; JAX's is one multiplication longer."""
    out = tanh_body(*primals)
    return out, e.mul(tangents[0], e.sub(like(out, 1), e.mul(out, out)))


def digamma_body(x):
    """-inf at 0, where the primitive has nan."""
    zero = e.eq(x, like(x, 0))
    return select_n(zero, t.digamma(x), e.div(like(x, -1), x))


FLOATING = {  # integers become floats first
    "exp": t.exp, "exp2": t.exp2, "expm1": t.expm1, "log": t.log, "log1p": t.log1p,
    "log2": log_base(2.0), "log10": log_base(10.0), "sqrt": t.sqrt, "rsqrt": t.rsqrt, "sin": t.sin,
    "cos": t.cos, "tan": t.tan, "asin": t.asin, "acos": t.acos, "atan": t.atan, "sinh": t.sinh,
    "cosh": t.cosh, "tanh": tanh_body, "asinh": t.asinh, "acosh": t.acosh, "atanh": t.atanh,
    "erf": t.erf, "erfc": t.erfc, "erfinv": t.erf_inv, "sigmoid": t.logistic, "lgamma": t.lgamma,
    "digamma": digamma_body, "reciprocal": reciprocal_body, "silu": positive_where,
    "deg2rad": lambda x: e.mul(x, like(x, math.pi / 180)),
    "rad2deg": lambda x: e.mul(x, like(x, 180 / math.pi)),
}

SAME = {  # the dtype stays
    "neg": e.neg, "abs": abs_body, "sign": sign_body, "floor": whole(e.floor),
    "ceil": whole(e.ceil), "trunc": trunc_body, "relu": relu_body,
    "round": whole(lambda x: e.round_(x, rounding_method=e.RoundingMethod.TO_NEAREST_EVEN)),
    "frac": lambda x: e.sub(x, trunc_body(x)), "bitwise_not": e.not_,
    "logical_not": logical_not_body, "isnan": is_nan_body, "isinf": is_infinite_body,
    "isfinite": is_finite_body, "clone": lambda x: x, "conj_physical": lambda x: x,
}


def unary(name: str, body, prepare):
    def fn(input):
        return body(prepare(input))

    fn.__name__ = fn.__qualname__ = name
    fn.__doc__ = f"torch.{name} of each element."
    return operation(fn, name=name)


UNARY = {name: unary(name, body, floating) for name, body in FLOATING.items()} \
    | {name: unary(name, body, strong) for name, body in SAME.items()}


@operation(name="pow")
def square(input):
    """input * input."""
    x = strong(input)
    return e.square(cast(x, I64) if dtype_kind(aval_of(x).dtype) == "b" else x)


@operation(name="pow", tensors=("input",))
def pow_number(input, exponent, kind):
    """A power with a fixed exponent. For exponent 0 its derivative is 0, not 0/0, at 0."""
    x = cast(input, result_dtype(input, exponent))
    if exponent == 0:
        return select_n(np.True_, x, like(x, 1))  # ones, yet a function of x
    if exponent == 0.5:
        return t.sqrt(x)
    if exponent == -0.5:
        return t.rsqrt(x)
    if exponent == 2:
        return e.square(x)
    if exponent in (1, 3, -1, -2) and not (exponent < 0 and not is_floating(aval_of(x).dtype)):
        return e.integer_pow(x, y=int(exponent))
    if not is_floating(aval_of(x).dtype):
        if exponent < 0:
            raise RuntimeError("Integers to negative integer powers are not allowed.")
        return e.integer_pow(x, y=int(exponent))
    return t.pow_(x, like(x, exponent))


def pow_pair(input, exponent):
    """Powers of tensors: both derivatives are 0 where the formulas have 0 * inf."""
    x, y = expanded(input, exponent)
    if not is_floating(aval_of(x).dtype):
        return integer_power(x, y)
    zero = e.eq(y, like(y, 0))
    safe = select_n(zero, y, like(y, 1))
    power = t.pow_(x, safe)
    return select_n(zero, power, like(x, 1)) if not is_complex(x) else t.pow_(x, y)


def wrapping_power(x, y):
    """Powers that wrap as whole numbers do; a negative one is 0 except of 1 and -1."""
    x, y = np.asarray(x), np.asarray(y)
    out = np.power(x, np.maximum(y, 0))
    if dtype_kind(y.dtype) == "u" or not (y < 0).any():
        return out
    unit = np.where(x == 1, 1, np.where(x == -1, 1 - 2 * (y & 1), 0))
    return np.where(y < 0, unit, out).astype(x.dtype)


integer_power = elementwise("integer_power", wrapping_power, accepts="iub", jvp=(None, None))


# ------------------------------------------------------------------ two operands


def pairwise(primitive):
    def body(input, other):
        return primitive(*together(input, other))

    return body


def arithmetic(primitive, on_bool):
    """Booleans have `or` for a sum and `and` for a product."""
    def body(input, other):
        x, y = together(input, other)
        return (on_bool if dtype_kind(aval_of(x).dtype) == "b" else primitive)(x, y)

    return body


def no_bool(x, y):
    raise RuntimeError(
        "Subtraction, the `-` operator, with two bool tensors is not supported. Use the `^` or "
        "`logical_xor()` operator instead.")


subtract = arithmetic(e.sub, no_bool)


def true_divide(input, other):
    return e.div(*together(input, other, dtype=inexact(input, other)))


def without_zeros(y):
    y = np.asarray(y)
    if not y.all():
        raise RuntimeError("ZeroDivisionError")
    return +y


nonzero = elementwise("nonzero_divisor", without_zeros, accepts="iu", jvp=(None,),
                      on_device=operator.pos)  # where PyTorch does not look either


def dividing(name: str, body):
    """Whole numbers have no quotient by zero, where lax has one; booleans none at all."""
    def fn(input, other):
        dtype = result_dtype(input, other)
        if dtype_kind(dtype) == "b":
            raise NotImplementedError(f"\"{name}_cpu\" not implemented for 'Bool'")
        if dtype_kind(dtype) in "iu":
            other = nonzero(cast(other, dtype))
        return body(input, other)

    return fn


def floor_divide_body(input, other):
    """The largest whole number not above the quotient."""
    x, y = together(input, other)
    if is_floating(aval_of(x).dtype):
        x, y = expanded(x, y)
        rest = remainder_body(x, y)
        quotient = e.div(e.sub(x, rest), y)
        rounded = e.round_(quotient, rounding_method=e.RoundingMethod.TO_NEAREST_EVEN)
        return where_(e.eq(y, like(y, 0)), e.div(x, y), rounded)
    quotient, rest = e.div(x, y), e.rem(x, y)
    rest, y = expanded(rest, y)
    lower = e.and_(e.ne(rest, like(rest, 0)), e.lt(e.mul(e.sign(rest), e.sign(y)), like(y, 0)))
    return e.sub(quotient, cast(lower, aval_of(quotient).dtype))


def remainder_body(input, other):
    """Python's `%`: the sign of the divisor."""
    x, y = expanded(input, other)
    rest = e.rem(x, y)
    if dtype_kind(aval_of(x).dtype) in "ub":
        return rest
    zero = like(rest, 0)
    wrong = e.and_(e.ne(rest, zero), e.ne(e.lt(rest, zero), e.lt(y, zero)))
    return select_n(wrong, rest, e.add(rest, y))


def truncated(input, other):
    x, y = together(input, other)
    return trunc_body(e.div(x, y))


def atan2_body(input, other):
    """At the origin the angle is what the signs say, and the gradient is 0 rather than 0 / 0."""
    y, x = expanded(*together(input, other, dtype=inexact(input, other)))
    origin = e.and_(e.eq(x, like(x, 0)), e.eq(y, like(y, 0)))
    safe = t.atan2(y, select_n(origin, x, full(aval_of(x).shape, 1, aval_of(x).dtype)))
    return select_n(origin, safe, stop_gradient(t.atan2(y, x)))


def logical(primitive):
    def body(input, other):
        x, y = together(truth(input), truth(other))
        return primitive(x, y)

    return body


def truth(x):
    return bool(x) if type(x) in PYTHON_SCALARS else e.ne(strong(x), like(x, 0))


def bits(name: str, primitive):
    def body(input, other):
        dtype = result_dtype(input, other)
        if category(dtype) > 1:
            raise RuntimeError(f'"{name}_cpu" not implemented for '
                               f"'{SCALAR_NAMES[dtype.name]}'")
        return primitive(*together(input, other))

    return body


BINARY = {
    "add": arithmetic(e.add, e.or_), "sub": subtract, "mul": arithmetic(e.mul, e.and_),
    "div": true_divide, "floor_divide": dividing("div_floor", floor_divide_body),
    "remainder": dividing("remainder", remainder_body), "fmod": dividing("fmod", pairwise(e.rem)),
    "atan2": atan2_body,
    "eq": pairwise(e.eq), "ne": pairwise(e.ne), "lt": pairwise(e.lt), "le": pairwise(e.le),
    "gt": pairwise(e.gt), "ge": pairwise(e.ge),
    "logical_and": logical(e.and_), "logical_or": logical(e.or_), "logical_xor": logical(e.xor),
    "bitwise_and": bits("bitwise_and", e.and_), "bitwise_or": bits("bitwise_or", e.or_),
    "bitwise_xor": bits("bitwise_xor", e.xor),
    "bitwise_left_shift": pairwise(e.shift_left),
    "bitwise_right_shift": pairwise(e.shift_right_arithmetic),
}


def ordered(name: str, primitive):
    body = pairwise(primitive)

    def checked(input, other):
        if dtype_kind(result_dtype(input, other)) == "c":
            raise RuntimeError(f"{name} not implemented for complex tensors.")
        return body(input, other)

    return checked


BINARY |= {"maximum": ordered("maximum", e.max_), "minimum": ordered("minimum", e.min_)}


def binary(name: str, body, node: str | None = None, operator: bool = False):
    def fn(input, other):
        return body(input, other)

    fn.__name__ = fn.__qualname__ = name
    fn.__doc__ = f"torch.{name} of two operands, promoted and broadcast."
    return operation(fn, name=node or name, scalars=("other",) if operator else scalars_of(name),
                     operator=operator)


NO_SCALARS = {"atan2", "maximum", "minimum", "logical_and", "logical_or", "logical_xor", "fmax",
              "fmin", "hypot", "logaddexp", "logaddexp2", "nextafter", "gcd", "lcm", "heaviside",
              "igamma", "igammac", "complex", "polar", "ldexp"}
SCALAR_SECOND = {"eq", "ne", "lt", "le", "gt", "ge", "fmod", "copysign"}


def scalars_of(name: str) -> tuple[str, ...]:
    """Which operands may be Python numbers."""
    return () if name in NO_SCALARS else ("other",) if name in SCALAR_SECOND \
        else ("input", "other")


PAIRS = {name: binary(name, body) for name, body in BINARY.items()}

pow_tensors = operation(pow_pair, name="pow.1", scalars=("exponent",))
pow_of_number = operation(pow_pair, name="pow.2", scalars=("input",))


def pow(input, exponent):
    """input ** exponent."""
    if type(exponent) in (int, float):
        return pow_number(input, exponent, type(exponent))  # 2 and 2.0 differ
    return pow_tensors(input, exponent) if isinstance(input, Tensor) \
        else pow_of_number(input, exponent)


@operation(name="add", tensors=("input", "other", "alpha"), scalars=("other", "alpha"))
def add_scaled(input, other, alpha):
    dtype = result_dtype(input, other)
    total = e.or_ if dtype_kind(dtype) == "b" else e.add
    return total(*together(input, scaled(other, alpha, dtype), dtype=dtype))


@operation(name="sub", tensors=("input", "other", "alpha"), scalars=("other", "alpha"))
def sub_scaled(input, other, alpha):
    dtype = result_dtype(input, other)
    return e.sub(*together(input, scaled(other, alpha, dtype), dtype=dtype))


def scaled(other, alpha, dtype):
    product = e.and_ if dtype_kind(dtype) == "b" else e.mul
    return product(*together(other, alpha, dtype=dtype))


def add(input, other, *, alpha=1):
    """input + alpha * other."""
    return PAIRS["add"](input, other) if alpha == 1 else add_scaled(input, other, alpha)


def sub(input, other, *, alpha=1):
    """input - alpha * other."""
    return PAIRS["sub"](input, other) if alpha == 1 else sub_scaled(input, other, alpha)


div_trunc = binary("div", dividing("div_trunc", truncated))


def div(input, other, *, rounding_mode=None):
    """input / other; rounding_mode "floor" or "trunc" rounds the quotient."""
    if rounding_mode is None:
        return PAIRS["div"](input, other)
    if rounding_mode == "floor":
        return PAIRS["floor_divide"](input, other)
    if rounding_mode == "trunc":
        return div_trunc(input, other)
    raise RuntimeError("div expected rounding_mode to be one of None, 'trunc', or 'floor' but "
                       f"found '{rounding_mode}'")
