"""jax.lax: elementwise primitives, as strict as they are: equal dtypes, equal shapes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from compat.jax import face
from compat.jax.array import as_array, canonical_dtype
from compat.jax.transforms import arrays
from minigrad.core import aval_of, table
from minigrad.numpy import creation, promotion
from minigrad.numpy.promotion import operand
from minigrad.ops.elementwise import RoundingMethod
from minigrad.ops.families import dtype_kind
from minigrad.tree import tree_map


# How accurate a result must be: here always as the kernels are.
ACCURATE = "cbrt cos exp exp2 expm1 log log1p logistic rsqrt sin sqrt tan tanh".split()
NAMES = {"igamma": "ax", "igammac": "ax", "polygamma": "mx", "zeta": "xq",
         "nextafter": ("x1", "x2")}


def strict(primitive: str, names="") -> Callable:
    """A primitive as a function: operands must have one dtype. Scalars keep their own."""
    p = table[primitive]
    names = names or NAMES.get(primitive, "xyz"[:p.arity])
    extra = ["accuracy=None"] if primitive in ACCURATE else []
    text = (f"def {primitive}_({', '.join([*names, *extra])}):\n"
            f"    return p({', '.join(f'operand({n})' for n in names)})")
    namespace = {"p": p, "operand": operand}
    exec(text, namespace)
    fn = namespace[f"{primitive}_"]
    fn.__name__, fn.__doc__ = primitive, f"The primitive `{primitive}`."
    return face.eager(fn, arrays=tuple(names))


(abs, acos, acosh, asin, asinh, atan, atan2, atanh, bessel_i0e, bessel_i1e, cbrt, ceil, clz, cos,
 cosh, digamma, div, eq, erf, erf_inv, erfc, exp, exp2, expm1, floor, ge, gt, igamma, igammac,
 is_finite, le, lgamma, log, log1p, logistic, lt, max, min, mul, ne, neg, nextafter, polygamma,
 population_count, real, imag, regularized_incomplete_beta, rem, rsqrt, shift_left,
 shift_right_arithmetic, shift_right_logical, sign, sin, sinh, sqrt, square, sub, tan, tanh,
 zeta, add) = map(strict, (
    "abs acos acosh asin asinh atan atan2 atanh bessel_i0e bessel_i1e cbrt ceil clz cos cosh "
    "digamma div eq erf erf_inv erfc exp exp2 expm1 floor ge gt igamma igammac is_finite le "
    "lgamma log log1p logistic lt max min mul ne neg nextafter polygamma population_count real "
    "imag regularized_incomplete_beta rem rsqrt shift_left shift_right_arithmetic "
    "shift_right_logical sign sin sinh sqrt square sub tan tanh zeta add").split())
bitwise_not = face.eager(lambda x: table["not"](operand(x)), "bitwise_not", ("x",))
bitwise_and = face.eager(lambda x, y: table["and"](operand(x), operand(y)), "bitwise_and", "xy")
bitwise_or = face.eager(lambda x, y: table["or"](operand(x), operand(y)), "bitwise_or", "xy")
bitwise_xor = face.eager(lambda x, y: table["xor"](operand(x), operand(y)), "bitwise_xor", "xy")
complex = face.eager(lambda x, y: table["complex"](x, y), "complex", "xy")
stop_gradient_leaf = face.eager(lambda x: table["stop_gradient"](operand(x)), "stop_gradient", "x")


def stop_gradient(x):
    """`x`, without a derivative. Takes trees."""
    return tree_map(lambda leaf: stop_gradient_leaf(leaf) if dtype_kind(
        aval_of(leaf).dtype) in "fc" else leaf, x)


def conj_(x):
    return table["conj"](x, input_dtype=aval_of(x).dtype)


conj = face.eager(conj_, "conj", ("x",))


def pow_(x, y):
    return table["pow"](operand(x), operand(y))


pow = face.eager(pow_, "pow", ("x", "y"))
integer_pow = face.eager(lambda x, y: table["integer_pow"](operand(x), y=y), "integer_pow", ("x",))
reciprocal = face.eager(lambda x: table["integer_pow"](operand(x), y=-1), "reciprocal", ("x",))
clamp = face.eager(lambda min, x, max: table["clamp"](operand(min), operand(x), operand(max)),
                   "clamp", ("min", "x", "max"))


def round(x, rounding_method=RoundingMethod.AWAY_FROM_ZERO):
    """Rounded to integers."""
    return round_to(x, RoundingMethod(rounding_method))


round_to = face.eager(lambda x, method: table["round"](operand(x), rounding_method=method),
                      "round", ("x",))


def select_(pred, on_true, on_false):
    return table["select_n"](operand(pred), operand(on_false), operand(on_true))


select = face.eager(select_, "select", ("pred", "on_true", "on_false"))


def select_n(which, *cases):
    """The case that `which` counts."""
    return as_array(table["select_n"](*map(operand, arrays([which, *cases]))))


def convert_element_type(operand, new_dtype):
    """`operand` in another dtype."""
    dtype = canonical_dtype(creation.canonical_dtype(new_dtype))
    weak = new_dtype in (float, int)
    return convert_to(operand, dtype, weak)


convert_to = face.eager(lambda x, dtype, weak: promotion.convert(x, dtype, weak),
                        "convert_element_type", ("x",))
bitcast_convert_type = face.eager(
    lambda operand, new_dtype: table["bitcast_convert_type"](operand, new_dtype=np.dtype(
        new_dtype)), "bitcast_convert_type", ("operand",))

