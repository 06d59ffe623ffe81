"""What one element of a result is, as text in the kernels' subset: each primitive's scalar body
with the names that the subset has. None where it has none: then the equation runs its NumPy
kernel."""

from __future__ import annotations

import math
import re
from functools import lru_cache

import numpy as np

from kernels.grammar import STORED, dtype_name, has_function
from minigrad.ops.families import dtype_kind
from minigrad.program import Atom, Eqn, Literal

EXPENSIVE = {"exp", "log", "log1p", "expm1", "sin", "cos", "tan", "tanh", "logistic", "erf", "erfc",
             "erf_inv", "pow", "rsqrt", "sqrt", "div", "exp2", "cbrt", "integer_pow", "atan2"}
CALL = re.compile(r"([A-Za-z_]\w*)\(")


@lru_cache(4096)
def subset_dtype(dtype) -> str | None:
    """`f32`; None for a dtype that kernels do not know (complex, keys)."""
    kind = dtype_kind(dtype)
    if kind in "fiub" and (kind != "f" or dtype.name in ("float32", "float64", "float16",
                                                         "bfloat16")):
        return dtype_name(dtype)
    return None


def computed(dtype: str) -> str:
    """The type that values of a dtype have in a kernel: bfloat16 is computed in float32."""
    return STORED.get(dtype, dtype)


def avals_of(eqn: Eqn):
    return [a.aval for a in (*eqn.invars, *eqn.outvars)]


def is_pointwise(eqn: Eqn) -> bool:
    return eqn.primitive.family == "elementwise" and body(eqn) is not None


def body(eqn: Eqn) -> str | None:
    """The expression over x, y, z for one element, without the cast to the result's type."""
    avals = avals_of(eqn)
    if any(0 in a.shape for a in avals):
        return None
    dtypes = [subset_dtype(a.dtype) for a in avals]
    if None in dtypes:
        return None
    name, kind = eqn.primitive.name, dtype_kind(avals[0].dtype)
    if name == "convert_element_type":
        return conversion(*dtypes)
    if name == "select_n":
        return "z if x else y" if kind == "b" and len(eqn.invars) == 3 else None
    if name == "pow" and dtypes[0] != dtypes[1] \
            or name == "nextafter" and dtypes[0] in STORED \
            or name == "shift_right_arithmetic" and kind == "u":  # the highest bit is a sign there
        return None
    if name == "div" and kind in "iu":
        return "quotient(x, y)"
    if name == "logistic" and has_function("logistic", computed(dtypes[0])):
        return "logistic(x)"
    if kind == "b" and name in ("ge", "gt", "le", "lt", "add_any"):
        return None
    scalar = eqn.primitive.__dict__.get("scalar")
    if callable(scalar):
        scalar = scalar(**eqn.params)
    if scalar is None:
        return None
    if kind in "iu" and "/" in scalar:
        return None
    functions = CALL.findall(scalar)
    return scalar if all(has_function(f, computed(dtypes[0])) for f in functions) else None


def conversion(source: str, target: str) -> str | None:
    if source == target:
        return "x"
    if source[0] in "f" and target[0] in "iu" or source == "bf16" and target[0] in "iu":
        return None  # saturates: left to the reference kernel
    if target in STORED:
        return f"{target}(f32(x))" if source in ("f64", "bool") or source[0] in "iu" \
            else f"{target}(x)"
    if source in STORED:
        return "x" if target == "f32" else "x != 0.0" if target == "bool" else f"{target}(x)"
    return "bool_(x)" if target == "bool" else f"{target}(x)"


# name: (first value, how to go on)
REDUCERS = {
    "reduce_sum": ("0", "{} + {}"), "reduce_prod": ("1", "{} * {}"),
    "reduce_max": ("-inf", "maximum({}, {})"), "reduce_min": ("inf", "minimum({}, {})"),
    "reduce_and": ("True", "{} & {}"), "reduce_or": ("False", "{} | {}"),
}


def is_reducer(eqn: Eqn) -> bool:
    name = eqn.primitive.name
    if name not in REDUCERS:
        return False
    (x,), (out,) = eqn.invars, eqn.outvars
    kind, dtype = dtype_kind(x.aval.dtype), subset_dtype(x.aval.dtype)
    if dtype is None or x.aval.dtype != out.aval.dtype or 0 in x.aval.shape or type(x) is Literal:
        return False
    if not eqn.params["axes"]:
        return False
    if dtype in STORED and name not in ("reduce_max", "reduce_min"):  # sums would be rounded anew
        return False
    return kind == "b" if name in ("reduce_and", "reduce_or") else kind in "fiu"


def start_of(eqn: Eqn) -> str:
    """What a reduction begins with, typed."""
    dtype = eqn.outvars[0].aval.dtype
    first, _ = REDUCERS[eqn.primitive.name]
    if dtype_kind(dtype) in "iu" and "inf" in first:
        info = np.iinfo(dtype)
        first = str(info.min if first == "-inf" else info.max)
    return first if dtype.kind == "b" else f"{dtype_name(dtype)}({first})"


def literal_text(atom: Atom) -> str:
    """A literal beside an operand of its type."""
    return literal_value(atom.value)


def literal_value(value) -> str:
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, float):
        if math.isnan(value):
            return "nan"
        if math.isinf(value):
            return "inf" if value > 0 else "-inf"
        return repr(value) if value >= 0 and not str(value).startswith("-") else f"({value!r})"
    if isinstance(value, bool):
        return repr(value)
    return repr(value) if not isinstance(value, int) or value >= 0 else f"({value!r})"


def cast(text: str, dtype: str) -> str:
    return f"{'bool_' if dtype == 'bool' else computed(dtype)}({text})"
