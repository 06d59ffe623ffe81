"""Expressions of the kernels' subset as CUDA C++, without parentheses that nobody needs.

`CudaReader` is a `Reader` (`kernels/subset.py`) whose values are C++ text. Statements and loops are
plain C++ here, which is all that library functions need; `kernels/cuda/emit.py` spreads the loops
of a kernel over threads.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from kernels.grammar import (
    STORED, Library, Parameter, Typed, elementary, is_float, is_signed, size_of,
)
from kernels.subset import Reader

# what CUDA's own library has, in full accuracy, by the name that the subset has for it
CUDA_MATH = {name: (f"{name}f", name) for name in (
    "exp", "exp2", "expm1", "log", "log2", "log1p", "tanh", "sinh", "cosh", "sin", "cos", "tan",
    "asin", "acos", "atan", "atan2", "asinh", "acosh", "atanh", "pow", "cbrt", "erf", "erfc",
    "rsqrt", "sqrt", "rint", "floor", "ceil", "trunc", "copysign", "fma")}
CUDA_MATH |= {"abs": ("fabsf", "fabs"), "libm_sin": ("sinf", "sin"), "libm_cos": ("cosf", "cos"),
              "libm_tan": ("tanf", "tan"), "logistic": ("logistic", "logistic")}
RESERVED = set("auto bits bool char const default double far float half int k load long near new "
               "pack register short signed small store team this unsigned v".split())
INDEX_NAME = re.compile(r"[bijkp]\d*$")  # positions: loop variables, and what is divided from them
LEVELS = {"?": 1, "||": 2, "|": 3, "^": 4, "&&": 5, "&": 5, "==": 6, "!=": 6, "<": 7, "<=": 7,
          ">": 7, ">=": 7, "<<": 8, ">>": 8, "+": 9, "-": 9, "*": 10, "/": 10, "%": 10}


class Expr(str):
    """C++ text whose outermost operator binds as strongly as `level` says."""

    level = 20
    parts: tuple[str, str, str] | None = None  # left, operator, right

    @staticmethod
    def of(text: str, operator: str) -> Expr:
        made = Expr(text)
        made.level = LEVELS[operator]
        return made


def inside(text: str, level: int) -> str:
    return text if getattr(text, "level", 20) >= level else f"({text})"


def infix(a: str, operator: str, b: str) -> Expr:
    level = LEVELS[operator]
    mixed = operator in ("||", "|", "^", "&&", "&", "<<", ">>", "/", "%", "==", "!=")
    first, second = inside(a, level + mixed), inside(b, level + 1)
    made = Expr.of(f"{first} {operator} {second}", operator)
    made.parts = a, operator, b
    return made


class CudaReader(Reader):
    """functions: the library functions that were called, by their C++ names, in order of need."""

    def __init__(self, libraries: tuple[Library, ...], file: str, functions: dict[str, Any],
                 index_type: str = "i64"):
        super().__init__(libraries, file)
        self.functions = functions
        self.index_type = index_type
        self.lines: list[str] = []
        self.margin = 1
        self.indexing = False  # positions never overflow, and are not negative when divided
        self.once: set[str] = set()  # names that are assigned in one place only
        self.count = 0

    # ---- lines

    def out(self, line: str) -> None:
        self.lines.append("    " * self.margin + line)

    def braced(self, head: str, body: Callable[[], Any]) -> None:
        self.out(f"{head} {{".lstrip())
        self.margin += 1
        body()
        self.margin -= 1
        self.out("}")

    def fresh(self, word: str) -> str:
        self.count += 1
        return f"{word}{self.count}"

    # ---- numbers

    def constant(self, number: Any, dtype: str) -> Expr:
        if dtype == "bool":
            return Expr("true" if number else "false")
        if is_float(dtype):
            return float_text(float(number), dtype)
        bits = size_of(dtype)
        number = int(number) % (1 << bits)
        if is_signed(dtype) and number >> bits - 1:
            number -= 1 << bits
        if self.indexing:
            return Expr(number) if number >= 0 else Expr.of(str(number), "*")
        if dtype in ("i32", "i64") and number == -(1 << bits - 1):
            return Expr(f"{dtype}({number + 1}{'LL' if bits == 64 else ''} - 1)")
        suffix = {"i32": "", "i64": "LL", "u32": "u", "u64": "ull"}.get(dtype)
        text = Expr(f"{dtype}({number})" if suffix is None else f"{number}{suffix}")
        text.level = 20 if number >= 0 or suffix is None else LEVELS["*"]
        return text

    def cast(self, value: Any, source: str, target: str) -> Any:
        if target == "bool":
            return infix(value, "!=", self.constant(0, source))
        return Expr(f"{target}({value})")

    def rounded(self, value: Any, dtype: str) -> Any:
        return Expr(f"f32({dtype}({value}))")

    def unary(self, op: str, dtype: str, a: Any) -> Any:
        if op == "not":
            return Expr(f"!{inside(a, 20)}")
        if op == "-" and not is_float(dtype):
            return self.binary("-", dtype, self.constant(0, dtype), a, "")
        text = Expr.of(f"{op}{inside(a, 20)}", "*")
        return text if is_float(dtype) or size_of(dtype) >= 32 else Expr(f"{dtype}({text})")

    def binary(self, op: str, dtype: str, a: Any, b: Any, flags: str) -> Any:
        if is_float(dtype):
            return infix(a, op, b)
        if dtype == "bool":
            return infix(a, {"&": "&&", "|": "||", "^": "!="}[op], b)
        if self.indexing:
            return infix(a, "/" if op == "//" else op, b)
        if op in ("//", "%"):
            return Expr(f"floor_{'div' if op == '//' else 'mod'}({a}, {b})")
        if op in "+-*<<" and (is_signed(dtype) or size_of(dtype) < 32):  # they wrap around
            wide = f"u{max(size_of(dtype), 32)}"
            right = b if op == "<<" else Expr(f"{wide}({b})")
            return Expr(f"{dtype}({infix(Expr(f'{wide}({a})'), op, right)})")
        text = infix(a, op, b)
        return text if size_of(dtype) >= 32 else Expr(f"{dtype}({text})")

    def fused(self, dtype: str, a: Any, b: Any, c: Any, flags: str) -> Any:
        return Expr(f"{'fmaf' if dtype == 'f32' else 'fma'}({a}, {b}, {c})")

    def compare(self, op: str, dtype: str, a: Any, b: Any) -> Any:
        return infix(a, op, b)

    def select(self, dtype: str, test: Any, a: Any, b: Any) -> Any:
        return Expr.of(f"{inside(test, 2)} ? {inside(a, 2)} : {inside(b, 2)}", "?")

    def intrinsic(self, name: str, dtype: str, args: Any) -> Any:
        if name == "some":
            return args[0]
        if name == "isnan":
            return infix(args[0], "!=", args[0])
        if name == "lshr":
            unsigned = dtype.replace("i", "u")
            return Expr(f"{dtype}({unsigned}({args[0]}) >> {unsigned}({args[1]}))")
        if dtype == "bool":
            return self.binary("&" if name == "minimum" else "|", "bool", *args, "")
        if is_float(dtype) and name in CUDA_MATH:
            return Expr(f"{CUDA_MATH[name][dtype == 'f64']}({', '.join(args)})")
        if name == "abs":
            return Expr(f"magnitude({args[0]})") if is_signed(dtype) else args[0]
        exact = f"<{self.index_type}>" if self.indexing else ""
        name = "is_number" if name == "isfinite" else name
        return Expr(f"{name}{exact}({', '.join(args)})")

    # ---- names and positions

    def index(self, node: ast.expr) -> Any:
        return self.in_positions(lambda: super(CudaReader, self).index(node))

    def in_positions(self, read: Callable[[], Any]) -> Any:
        outer, self.indexing = self.indexing, True
        try:
            return read()
        finally:
            self.indexing = outer

    def read_Name(self, node: ast.Name) -> Typed:
        text, dtype = super().read_Name(node)
        if dtype == "i64" and not self.indexing and self.index_type != "i64" \
                and INDEX_NAME.match(node.id):
            return Expr(f"i64({text})"), dtype
        return text, dtype

    def do_Assign(self, node: ast.Assign) -> None:
        target = node.targets[0]
        if isinstance(target, ast.Tuple):  # all are computed before the first is assigned
            values = [self.kept(value) for value in self.several(node.value)]
            for name, value in zip(target.elts, values):
                self.set(node, name, value)
        elif isinstance(target, ast.Name) and INDEX_NAME.match(target.id) and self.arrays:
            self.in_positions(lambda: super(CudaReader, self).do_Assign(node))
        else:
            super().do_Assign(node)

    def kept(self, value: Typed) -> Typed:
        text, dtype = value
        if dtype is None or str(text).isidentifier() and text not in self.env:
            return value
        name = self.fresh("w")
        self.out(f"const {dtype} {name} = {text};")
        return Expr(name), dtype

    def assign(self, name: str, value: Any, dtype: str) -> None:
        known = self.env.get(name)
        if known is not None and known[1] is not None:
            left, operator, right = getattr(value, "parts", None) or ("", "", "")
            if left == known[0] and operator in ("+", "-", "*"):
                self.out(f"{left} {operator}= {right};")
            else:
                self.out(f"{known[0]} = {value};")
            return
        text = Expr(f"{name}_" if name in RESERVED else name)
        kind = self.index_type if self.indexing else dtype
        self.out(f"{'const ' if name in self.once else ''}{kind} {text} = {value};")
        self.env[name] = text, dtype

    # ---- arrays

    def load(self, array: Parameter, index: Any) -> Any:
        text = Expr(f"{array.name}[{index}]")
        return Expr(f"f32({text})") if array.dtype in STORED else text

    def store(self, array: Parameter, index: Any, value: Any) -> None:
        if array.dtype in STORED:
            value = f"{array.dtype}({value})"
        self.out(f"{array.name}[{index}] = {value};")

    # ---- control flow

    def loop(self, node: ast.For, name: str, start, stop, step: int, carried) -> None:
        head = f"for ({self.index_type} {name} = {start}; {name} < {inside(stop, 8)}; "
        head += f"{name}++)" if step == 1 else f"{name} += {step})"
        self.env[name] = Expr(name), "i64"
        self.braced(head, lambda: self.scoped(lambda: self.block(node.body)))
        self.env.pop(name, None)

    def while_loop(self, node: ast.While, carried: list[str]) -> None:
        def body() -> None:
            self.out(f"if (!({self.number(node.test, 'bool')})) break;")
            self.scoped(lambda: self.block(node.body))

        self.braced("while (true)", body)

    def branch(self, node: ast.If, test: Any, carried: list[str]) -> None:
        self.braced(f"if ({test})", lambda: self.scoped(lambda: self.block(node.body)))
        if node.orelse:
            self.braced("else", lambda: self.scoped(lambda: self.block(node.orelse)))

    # ---- library functions

    def call(self, node: ast.AST, function: ast.FunctionDef, args: list[Typed], file: str) -> Typed:
        types = [str(dtype) for _, dtype in args]
        name = function.name
        if name in CUDA_MATH and is_float(types[0]):
            found = CUDA_MATH[name][types[0] == "f64"]
            return Expr(f"{found}({', '.join(text for text, _ in args)})"), types[0]
        full = name if name.endswith(f"_{types[0]}") else "_".join([name, *dict.fromkeys(types)])
        if full not in self.functions:
            self.define(full, function, types, file)
        text, result = self.functions[full]
        given = [value for value, _ in args]
        if not isinstance(result, tuple):
            return Expr(f"{full}({', '.join(given)})"), result
        places = [self.fresh("w") for _ in result]
        for place, dtype in zip(places, result):
            self.out(f"{dtype} {place};")
        self.out(f"{full}({', '.join([*given, *places])});")
        return tuple(map(Expr, places)), result  # type: ignore[return-value]

    def define(self, full: str, function: ast.FunctionDef, types: list[str], file: str) -> None:
        """Write a library function for these types; several results go out by reference."""
        reader = CudaReader(self.libraries, file, self.functions)
        reader.once = assigned_once(function)
        parameters = []
        for argument, dtype in zip(function.args.args, types):
            word = Expr(f"{argument.arg}_" if argument.arg in RESERVED else argument.arg)
            reader.env[argument.arg] = word, dtype
            parameters.append(f"{dtype} {word}")
        text, result = reader.returned(function)
        if isinstance(result, tuple):
            for k, value in enumerate(text):
                reader.out(f"r{k} = {value};")
            parameters += [f"{dtype}& r{k}" for k, dtype in enumerate(result)]
        else:
            reader.out(f"return {text};")
        kind = "void" if isinstance(result, tuple) else result
        lines = [f"__device__ __forceinline__ {kind} {full}({', '.join(parameters)}) {{",
                 *reader.lines, "}"]
        self.functions[full] = "\n".join(lines), result


def float_text(number: float, dtype: str) -> Expr:
    size = dtype.upper()
    with np.errstate(over="ignore"):
        value = np.float32(number) if dtype == "f32" else np.float64(number)
    if math.isnan(value):
        return Expr(f"NAN_{size}")
    if math.isinf(value):
        return Expr(f"INF_{size}") if value > 0 else Expr.of(f"-INF_{size}", "*")
    text = str(value)
    if "." not in text and "e" not in text:
        text += ".0"
    text += "f" * (dtype == "f32")
    return Expr(text) if text[0] != "-" else Expr.of(text, "*")


def assigned_once(function: ast.FunctionDef) -> set[str]:
    """Names that stand on the left in one place only: they are constants."""
    counts: dict[str, int] = {}
    for node in ast.walk(function):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            counts[node.id] = counts.get(node.id, 0) + 1
    return {name for name, count in counts.items() if count == 1} - {
        a.arg for a in function.args.args}


def libraries() -> tuple[Library, ...]:
    return elementary()
