"""Rows for `minigrad/ops/elementwise.py`, `selection.py` and `transcendental.py`."""

from __future__ import annotations

import ml_dtypes
import numpy as np

from minigrad.ops.elementwise import RoundingMethod
from tests.rows.row import Row

INF, NAN = float("inf"), float("nan")
EDGES = np.array([0.0, -0.0, 1.0, -1.0, 0.5, -2.5, INF, -INF, NAN], np.float32)
INTS = np.array([0, 1, -1, 5, -7, 2**31 - 1, -(2**31)], np.int32)
HALVES = np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 0.49999997, 8388609.0], np.float32)
F4, F8, F2, I4, I1, U1, C8 = (np.dtype(t) for t in ("f4", "f8", "f2", "i4", "i1", "u1", "c8"))
BF16 = np.dtype(ml_dtypes.bfloat16)


def unary(name: str, *dtypes: str, **kwargs) -> list[Row]:
    """A matrix, a scalar and an empty array of the first dtype, a vector of the others."""
    shapes = [(dtypes[0], shape) for shape in ("2,3", "", "0,3")]
    return [Row(name, (f"{d}[{shape}]",), **kwargs)
            for d, shape in shapes + [(d, "5") for d in dtypes[1:]]]


def binary(name: str, *dtypes: str, **kwargs) -> list[Row]:
    """Equal shapes of every dtype, then the ways in which lax broadcasts."""
    pairs = [("", ""), ("1,4", "3,1"), ("", "2,3"), ("0,3", "1,3")]
    return [Row(name, (f"{d}[4]",) * 2, **kwargs) for d in dtypes] + [
        Row(name, (f"{dtypes[0]}[{x}]", f"{dtypes[0]}[{y}]"), **kwargs) for x, y in pairs]


def on(name: str, *values, params=None, note: str = "", **kwargs) -> Row:
    """A row on given arrays, without derivatives."""
    kwargs = {"differentiable": False} | kwargs
    return Row(name, ("given",) * len(values), params or {}, values=values, note=note, **kwargs)


def pairs_of(values):
    """Every value beside every other."""
    return [np.repeat(values, len(values)), np.tile(values, len(values))]


WHOLE = dict(differentiable=False, ints=(-9, 9))
INTEGERS = ("i32", "u8", "i8")

ARITHMETIC = [
    *unary("neg", "f32", "f64", "f16", "bf16", "c64"),
    *unary("neg", *INTEGERS, **WHOLE),
    *[row for name in ("add", "sub") for row in binary(name, "f32", "f64", "bf16", "c64")],
    *binary("mul", "f32", "f64", "bf16", "c64", params={"out_dtype": None}),
    *[row for name in ("add", "sub") for row in binary(name, *INTEGERS, **WHOLE)],
    *binary("mul", *INTEGERS, params={"out_dtype": None}, **WHOLE),
    *binary("div", "f32", "f64", "c64", low=0.5),
    *binary("div", "i32", "u8", differentiable=False, ints=(0, 9)),
    on("div", *pairs_of(INTS), note="truncates; all bits set over zero; overflow wraps"),
    on("div", *pairs_of(EDGES)),
    *binary("rem", "f32", "f64", low=0.3),
    on("rem", *pairs_of(INTS)),
    on("rem", *pairs_of(EDGES)),
    *unary("square", "f32", "f64", "f16", "c64"),
    *unary("square", "i32", **WHOLE),
    *[row for y in (0, 1, 2, 3, 5, -1, -2)
      for row in unary("integer_pow", "f32", "f64", params={"y": y}, low=0.5)],
    *unary("integer_pow", "i32", params={"y": 3}, **WHOLE),
    Row("integer_pow", ("c64[3]",), {"y": 3}, second=False),
    *unary("abs", "f32", "f64", "bf16"),
    Row("abs", ("c64[4]",), second=False),
    *unary("abs", "i32", "i8", **WHOLE),
    on("abs", np.array([0.0, -0.0, 2.0], np.float32), differentiable=True, second=False),
    *unary("sign", "f32", "f64", "bf16"),
    Row("sign", ("c64[3]",)),
    *unary("sign", *INTEGERS, **WHOLE),
    on("sign", EDGES),
    *[row for name in ("max", "min") for row in binary(name, "f32", "f64", "bf16")],
    *[row for name in ("max", "min") for row in binary(name, "i32", "u8", "bool", **WHOLE)],
    *[on(name, *pairs_of(EDGES), note="nan wins") for name in ("max", "min")],
    *[on(name, *pairs_of(np.array([0.0, 1.0, 2.0], np.float32)), differentiable=True,
         second=False, note="ties share") for name in ("max", "min")],
    *binary("nextafter", "f32", "f64", differentiable=False),
    on("nextafter", *pairs_of(EDGES)),
]

ROUNDING = [
    *[row for name in ("floor", "ceil") for row in unary(name, "f32", "f64", "f16", "bf16")],
    *[row for method in RoundingMethod
      for row in unary("round", "f32", "f64", "bf16", params={"rounding_method": method})],
    *[on("round", HALVES, params={"rounding_method": method}) for method in RoundingMethod],
    *[on(name, EDGES) for name in ("floor", "ceil", "is_finite")],
    *unary("is_finite", "f32", "bf16"),
]

ORDERED = ("ge", "gt", "le", "lt")
COMPARISON = [
    *[row for name in ("eq", "ne") for row in binary(name, "f32", "bf16", "c64")],
    *[row for name in ORDERED for row in binary(name, "f32", "bf16")],
    *[row for name in ("eq", "ne", *ORDERED) for row in binary(name, "i32", "u8", "bool", **WHOLE)],
    *[on(name, *pairs_of(EDGES)) for name in ("eq", "ne", *ORDERED, "eq_to", "le_to", "lt_to")],
    *[row for name in ("eq_to", "le_to", "lt_to") for row in binary(name, "f32", "i32", **WHOLE)],
]

BITS = [
    *unary("not", "i32", "u8", "bool", **WHOLE),
    *[row for name in ("and", "or", "xor") for row in binary(name, "i32", "u8", "bool", **WHOLE)],
    *[row for name in ("shift_left", "shift_right_logical", "shift_right_arithmetic")
      for row in [*binary(name, "i32", "u8", differentiable=False, ints=(0, 8)),
                  on(name, *pairs_of(np.array([0, 1, -1, -9, 31, 32, 40, 2**31 - 1], np.int32)),
                     note="amounts out of range")]],
    *binary("mulhi", *INTEGERS, "i64", "u64", **WHOLE),
    on("mulhi", *pairs_of(INTS)),
    on("mulhi", *pairs_of(np.array([0, 1, -1, 3, 2**63 - 1, -(2**63), -(2**40)], np.int64))),
    on("mulhi", *pairs_of(np.array([0, 1, 2**64 - 1, 2**63, 2**40 + 7], np.uint64))),
    *[row for name in ("population_count", "clz")
      for row in [*unary(name, *INTEGERS, **WHOLE), on(name, INTS)]],
]

COMPLEX = [
    *[row for name in ("real", "imag") for row in unary(name, "c64", second=False)],
    *binary("complex", "f32", "f64"),
    on("complex", *pairs_of(EDGES), note="infinities stay apart"),
    *unary("conj", "c64", params={"input_dtype": C8}, second=False),
    *unary("conj", "f32", params={"input_dtype": F4}, second=False),
]

SELECTION = [
    *[Row("select_n", avals, ints=(0, 3)) for avals in (
        ("bool[3]", "f32[3]", "f32[3]"), ("bool[]", "f32[2,3]", "f32[2,3]"),
        ("bool[]", "f32[]", "f32[]"), ("bool[0]", "f32[0]", "f32[0]"),
        ("i32[4]", "f32[4]", "f32[4]", "f32[4]"), ("i32[]", "f32[2]", "f32[2]", "f32[2]"),
        ("bool[3]", "c64[3]", "c64[3]"), ("bool[3]", "bf16[3]", "bf16[3]"))],
    Row("select_n", ("bool[3]", "f32[3]"), differentiable=False),
    Row("select_n", ("bool[3]", "i32[3]", "i32[3]"), differentiable=False),
    on("select_n", np.array([-3, 0, 1, 2, 9], np.int32), *np.arange(15, dtype=F4).reshape(3, 5),
       note="an index out of range takes the nearest case"),
    Row("clamp", ("f32[3]", "f32[3]", "f32[3]")),
    Row("clamp", ("f32[]", "f32[]", "f32[]")),
    Row("clamp", ("f32[4]",) * 3, second=False, note="below, inside, above", values=(
        np.full(4, -1, F4), np.array([-2, -0.5, 0.5, 2], F4), np.full(4, 1, F4))),
    Row("clamp", ("f32[]", "f32[3,4]", "f32[]"), differentiable=False,
        note="lax has no derivative by a scalar bound of an array"),
    Row("clamp", ("f32[3]", "f32[3]", "f32[]"), differentiable=False),
    Row("clamp", ("i32[]", "i32[5]", "i32[]"), differentiable=False, ints=(-3, 3)),
    Row("clamp", ("bf16[4]", "bf16[4]", "bf16[4]"), second=False),
    on("clamp", np.float32(2), EDGES, np.float32(1), note="bounds that cross"),
]


def conversion(x: str, dtype: np.dtype, **kwargs) -> Row:
    return Row("convert_element_type", (x,),
               {"new_dtype": dtype, "weak_type": False, "sharding": None}, **kwargs)


OUTSIDE = np.array([1e10, -1e10, 300.7, -300.7, -0.9, INF, -INF, NAN], np.float32)
CONVERSION = [
    *[conversion(x, d) for x, d in (
        ("f64[2,3]", F4), ("f64[]", F8), ("f32[3]", F2), ("f32[]", BF16), ("bf16[3]", F4),
        ("f16[0,2]", F4), ("f32[3]", C8), ("f32[3]", F4), ("f16[3]", BF16))],
    conversion("c64[3]", F4, second=False),
    *[conversion(x, d, differentiable=False, ints=(-200, 400)) for x, d in (
        ("i32[4]", F4), ("i32[9]", I1), ("i32[9]", U1), ("f32[4]", I4), ("f32[4]", np.dtype("?")),
        ("i32[4]", np.dtype("?")), ("bool[4]", F4), ("bool[]", I4), ("u8[4]", BF16),
        ("c64[3]", I4), ("i32[3]", C8), ("bf16[3]", I4))],
    *[Row("convert_element_type", ("given",), {"new_dtype": d, "weak_type": False,
                                               "sharding": None},
          values=(OUTSIDE,), differentiable=False, note="saturates") for d in (I4, I1, U1, F2)],
    *[Row("bitcast_convert_type", (x,), {"new_dtype": np.dtype(d)}, differentiable=False)
      for x, d in (("f32[3]", "i4"), ("i32[2,3]", "f4"), ("f32[3]", "u2"), ("u16[3,2]", "f4"),
                   ("f32[]", "u1"), ("u8[4]", "i4"), ("bf16[3]", "u2"), ("f32[0]", "i4"),
                   ("bool[2]", "?"))],
    *[Row("reduce_precision", (x,), {"exponent_bits": e, "mantissa_bits": m})
      for x, e, m in (("f32[5]", 5, 10), ("f32[2,3]", 8, 7), ("f64[4]", 8, 23), ("f32[]", 4, 3),
                      ("f16[4]", 5, 2), ("bf16[4]", 8, 3))],
    *unary("copy", "f32", "bf16", "c64"),
    *unary("copy", "i32", "bool", **WHOLE),
    *[Row("name", (x,), {"name": "a"}) for x in ("f32[2,3]", "f32[]", "bf16[4]", "c64[3]")],
    *[Row("name", (x,), {"name": "a"}, **WHOLE) for x in ("i32[3]", "bool[2]")],
    *unary("stop_gradient", "f32", "bf16"),
    *unary("stop_gradient", "i32", **WHOLE),
]

ACCURATE = {"accuracy": None}  # the parameter of those that XLA computes in several accuracies
EXPONENTIALS = [
    *[row for name in ("exp", "exp2", "expm1", "logistic", "tanh", "sin", "cos", "tan")
      for row in unary(name, "f32", "f64", "f16", "bf16", params=ACCURATE, high=1.4)],
    *[row for name in ("log", "sqrt", "rsqrt", "cbrt")
      for row in unary(name, "f32", "f64", "f16", params=ACCURATE, low=0.2)],
    *unary("log1p", "f32", "f64", "f16", params=ACCURATE, low=-0.8),
    *[Row(name, ("c64[4]",), ACCURATE, second=False) for name in (
        "exp", "exp2", "expm1", "log", "log1p", "tanh", "logistic", "sqrt", "rsqrt", "sin", "cos",
        "tan")],
    *[on(name, EDGES, params=ACCURATE) for name in (
        "exp", "exp2", "expm1", "log", "log1p", "tanh", "logistic", "sqrt", "rsqrt", "cbrt",
        "sin", "cos")],
    *binary("pow", "f32", "f64", "f16", low=0.2),
    Row("pow", ("c64[3]", "c64[3]"), low=0.3, second=False),
    *[Row("pow", avals, ints=(-2, 4), low=0.3) for avals in (
        ("f32[4]", "i32[4]"), ("f32[3,4]", "i32[]"), ("f32[]", "i32[3]"), ("f32[3]", "u8[3]"))],
    on("pow", *pairs_of(EDGES)),
    on("pow", np.array([0, 0, 0, 2], np.float32), np.array([0, 1, 2, 0], np.int32),
       differentiable=True, second=False, note="the derivative of x^0 is zero also at 0"),
]

TRIGONOMETRY = [
    *[row for name in ("asin", "acos", "atanh") for row in unary(name, "f32", "f64", "f16",
                                                                low=-0.9, high=0.9)],
    *[row for name in ("atan", "sinh", "cosh", "asinh")
      for row in unary(name, "f32", "f64", "f16")],
    *unary("acosh", "f32", "f64", "f16", low=1.2, high=3.0),
    *[Row(name, ("c64[4]",), second=False) for name in (
        "asin", "acos", "atan", "sinh", "cosh", "asinh", "acosh", "atanh")],
    *[on(name, EDGES) for name in (
        "asin", "acos", "atan", "sinh", "cosh", "asinh", "acosh", "atanh")],
    *binary("atan2", "f32", "f64", "bf16"),
    on("atan2", *pairs_of(EDGES)),
]

SPECIAL = [
    *[row for name in ("erf", "erfc") for row in unary(name, "f32", "f64", "f16")],
    *unary("erf_inv", "f32", "f64", "f16", low=-0.9, high=0.9),
    *[row for name in ("lgamma", "digamma") for row in unary(name, "f32", "f64", low=0.3,
                                                            high=5.0)],
    *[on(name, EDGES) for name in ("erf", "erfc", "erf_inv", "digamma")],
    on("lgamma", EDGES[EDGES > -INF]),
    *[Row("polygamma", ("f32[4]", "f32[4]"), differentiable=False, note="m is whole", values=(
        np.array([0, 1, 2, 3], F4), np.array([0.5, 1.5, 2.5, 3.5], F4)))],
    Row("polygamma", ("f64[2]", "f64[2]"), differentiable=False, values=(
        np.array([1.0, 4.0]), np.array([0.5, 3.0]))),
    *[Row("zeta", avals, differentiable=False, low=1.3, high=4.0)
      for avals in (("f32[4]", "f32[4]"), ("f64[3]", "f64[3]"), ("f32[]", "f32[]"))],
    *[on("igamma_grad_a", np.array([0.5, 1.0, 3.0, 9.0], dtype),
         np.array([0.3, 2.0, 3.5, 0.0], dtype)) for dtype in (F4, F8)],
    *[Row(name, avals, low=0.5, high=4.0, second=False) for name in ("igamma", "igammac")
      for avals in (("f32[4]", "f32[4]"), ("f64[3]", "f64[3]"), ("f32[]", "f32[]"))],
    on("regularized_incomplete_beta", np.array([0.5, 1.0, 2.0], F4),
       np.array([0.5, 2.0, 1.0], F4), np.array([0.25, 0.5, 0.75], F4)),
    *[row for name in ("bessel_i0e", "bessel_i1e") for row in unary(name, "f32", "f64")],
    *[on(name, np.array([0.0, 1e-9, 3.0, -20.0], F4), differentiable=True, second=False)
      for name in ("bessel_i0e", "bessel_i1e")],
]

ROWS = [*ARITHMETIC, *ROUNDING, *COMPARISON, *BITS, *COMPLEX, *SELECTION, *CONVERSION,
        *EXPONENTIALS, *TRIGONOMETRY, *SPECIAL]
