"""The words of the subset (`kernels/subset.py` has its rules): types, operators, intrinsics, and
libraries of functions."""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

FLOATS = ("f32", "f64")
INTEGERS = ("i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64")
COMPUTED = ("bool", *INTEGERS, *FLOATS)
STORED = {"f16": "f32", "bf16": "f32"}  # what a load gives
BITS = {"f32": "i32", "f64": "i64", "i32": "f32", "i64": "f64"}

# (value of the back end, type); for a literal (Python number, None)
Typed = tuple[Any, str | None]


class KernelError(TypeError):
    """A kernel's text is outside the subset, or its types do not agree."""


class Parameter(NamedTuple):
    """One slot of a kernel's table. Written as C writes it: `f32` is a number, `f32*` an array;
    `f32* restrict` an array that no other parameter overlaps; `f32* stream` one that the kernel
    only writes, and so much of it that it shall go past the caches."""

    name: str
    dtype: str
    array: bool
    restrict: bool = False
    stream: bool = False

    @staticmethod
    def parse(name: str, text: str) -> Parameter:
        kind, *qualifiers = text.split()
        dtype = kind.removesuffix("*")
        array = kind.endswith("*")
        known = COMPUTED + tuple(STORED) if array else COMPUTED
        if dtype not in known or not {"restrict", "stream"}.issuperset(qualifiers):
            raise KernelError(f"parameter {name} has the type '{text}'; expected one of "
                              f"{', '.join(known)}, with * for an array, then perhaps 'restrict', "
                              "'stream'")
        return Parameter(name, dtype, array, "restrict" in qualifiers, "stream" in qualifiers)


def is_float(dtype: str | None) -> bool:
    return dtype == "f32" or dtype == "f64"


def is_signed(dtype: str) -> bool:
    return dtype[0] == "i"


def size_of(dtype: str) -> int:
    """In bits."""
    return 8 if dtype == "bool" else int(dtype.lstrip("biuf"))


# ---- intrinsics: what they accept ------------------------------------------------------------

INTRINSICS = {  # name: (number of arguments, kinds of types: float, int, bool)
    "abs": (1, "fi"), "sqrt": (1, "f"), "rint": (1, "f"), "floor": (1, "f"), "ceil": (1, "f"),
    "trunc": (1, "f"), "copysign": (2, "f"), "fma": (3, "f"), "minimum": (2, "fib"),
    "maximum": (2, "fib"), "isnan": (1, "f"), "isfinite": (1, "f"), "popcount": (1, "i"),
    "clz": (1, "i"), "bits": (1, "f"), "unbits": (1, "i"), "quotient": (2, "i"),
    "rem": (2, "fi"), "lshr": (2, "i"), "some": (1, "b"),
    "libm_sin": (1, "f"), "libm_cos": (1, "f"), "libm_tan": (1, "f"),
}
CASTS = {"bool_": "bool", **{dtype: dtype for dtype in (*INTEGERS, *FLOATS, *STORED)}}
BINARY = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//",
          ast.Mod: "%", ast.BitAnd: "&", ast.BitOr: "|", ast.BitXor: "^", ast.LShift: "<<",
          ast.RShift: ">>"}
COMPARE = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!="}
ALLOWED = {"+": "fi", "-": "fi", "*": "fi", "/": "f", "//": "i", "%": "i", "&": "ib", "|": "ib",
           "^": "ib", "<<": "i", ">>": "i"}
CONSTANTS = {"inf": math.inf, "nan": math.nan, "pi": math.pi}


def kind_of(dtype: str) -> str:
    return "f" if is_float(dtype) else "b" if dtype == "bool" else "i"


# ---- library functions -----------------------------------------------------------------------


class Library:
    """The functions of one module, parsed one by one when they are first called."""

    def __init__(self, source: str, name: str):
        self.name = name
        self.parsed: dict[str, ast.FunctionDef] = {}
        self.texts: dict[str, tuple[str, int]] = {}
        line = 1
        for chunk in source.split("\ndef "):
            head, paren, _ = chunk.partition("(")
            if paren and head.isidentifier():
                self.texts[head] = "def " + chunk, line
            line += chunk.count("\n") + 1

    def find(self, name: str, dtype: str | None) -> ast.FunctionDef | None:
        """`exp_f32` if there is one, otherwise `exp`."""
        for full in (f"{name}_{dtype}", name):
            if full in self.texts:
                if full not in self.parsed:
                    text, line = self.texts[full]
                    node = ast.parse(text).body[0]
                    assert isinstance(node, ast.FunctionDef)
                    self.parsed[full] = ast.increment_lineno(node, line - 1)
                return self.parsed[full]
        return None


LIBRARIES = ("vecmath", "trigonometry", "special", "bodies")


@cache
def elementary() -> tuple[Library, ...]:
    """The libraries that every kernel may call."""
    paths = [Path(__file__).with_name(f"{name}.py") for name in LIBRARIES]
    return tuple(Library(path.read_text(encoding="utf-8"), path.name) for path in paths)


@cache
def assigned_names(node: ast.stmt) -> tuple[str, ...]:
    """The variables that a loop or a branch assigns, in order."""
    names = {}
    for child in ast.walk(node):
        if isinstance(child, ast.Name) and isinstance(child.ctx, ast.Store):
            names[child.id] = None
    return tuple(names)


def functions_of(source: str) -> Iterator[ast.FunctionDef]:
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef):
            yield node


def entries_of(source: str,
               parameters: dict[str, tuple[Parameter, ...]]) -> dict[str, ast.FunctionDef]:
    """The kernels of `source` that `parameters` names, whose signatures must be theirs."""
    nodes = {node.name: node for node in functions_of(source)}
    for name, row in parameters.items():
        if name not in nodes:
            raise KernelError(f"the source has no function {name}")
        given = [arg.arg for arg in nodes[name].args.args]
        if given not in ([p.name for p in row], [*(p.name for p in row), "start", "stop"]):
            raise KernelError(f"{name}({', '.join(given)}) does not match its signature "
                              f"({', '.join(p.name for p in row)}, start, stop)")
    return {name: nodes[name] for name in parameters}


def dtype_name(dtype: Any) -> str:
    """The subset's name of a NumPy dtype: `f32`, `bool`, `bf16`."""
    dtype = np.dtype(dtype)
    if dtype.name == "bfloat16":
        return "bf16"
    return "bool" if dtype.kind == "b" else f"{dtype.kind}{dtype.itemsize * 8}"


@cache
def has_function(name: str, dtype: str) -> bool:
    """Whether kernels may call `name` with a first argument of this type."""
    return name in INTRINSICS or any(library.find(name, dtype) for library in elementary())
