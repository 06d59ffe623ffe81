"""The same kernels under Numba, for `MINIGRAD_COMPILER=numba`: a second compiler with the same
results, and where llvmlite's host cannot run ours, a portable one.

Numba reads Python by its own rules (`f32 * 2.0` is an f64, `i32 + i32` an i64), so a kernel's text
is written out again with every type said: `out[i] = f32(2.0) * x[i]`.
"""

from __future__ import annotations

import ast
import itertools
import math
from typing import Any

import numpy as np
from llvmlite import ir
from numba import cfunc, njit, types
from numba.extending import intrinsic

from kernels.grammar import (
    STORED, Library, Parameter, Typed, elementary, entries_of, is_float, size_of,
)
from kernels.subset import Reader

OPTIONS = {"error_model": "numpy", "fastmath": False}
NUMBA = {"bool": types.uint8, "f32": types.float32, "f64": types.float64, "f16": types.uint16,
         "bf16": types.uint16,
         **{f"{sign}{size}": getattr(types, f"{'u' * (sign == 'u')}int{size}")
            for sign in "iu" for size in (8, 16, 32, 64)}}
INSTRUCTION = {"+": "fadd", "-": "fsub", "*": "fmul"}
ANY_ORDER = ("reassoc", "nsz")  # a long sum of f32 needs several partial ones, also for accuracy
LLVM = {"f32": ir.FloatType(), "f64": ir.DoubleType(),
        **{f"{sign}{size}": ir.IntType(size) for sign in "iu" for size in (8, 16, 32, 64)}}


# ---- what Numba has no function for ----------------------------------------------------------


def instruction(name: str, result: str, *arguments: str):
    """An LLVM instruction or intrinsic as a function that Numba compiles."""
    signature = NUMBA[result](*(NUMBA[a] for a in arguments))

    def build(context, builder, signature, values):
        if name == "bitcast":
            return builder.bitcast(values[0], LLVM[result])
        if name in INSTRUCTION.values():
            return getattr(builder, name)(*values, flags=ANY_ORDER)
        kind = LLVM[arguments[0]]
        more = [ir.Constant(ir.IntType(1), 0)] if name == "ctlz" else []
        function_type = ir.FunctionType(kind, [kind] * len(values) + [m.type for m in more])
        suffix = arguments[0] if is_float(arguments[0]) else f"i{size_of(arguments[0])}"
        function = builder.module.declare_intrinsic(f"llvm.{name}.{suffix}", (), function_type)
        return builder.call(function, [*values, *more])

    parameters = ", ".join("xyz"[:len(arguments)])
    return intrinsic(eval(f"lambda context, {parameters}: (signature, build)",
                          {"signature": signature, "build": build}))


def pointer(dtype: str):
    """The array at an address."""
    kind = types.CPointer(NUMBA[dtype])

    def build(context, builder, signature, values):
        return builder.inttoptr(values[0], context.get_value_type(kind))

    return intrinsic(lambda context, address: (kind(types.int64), build))


def divisions(dtype: str) -> list:
    """The subset's division of integers: it floors (`//`, `%`) or goes towards zero (lax's), and
    never traps. Every result is cast: an i64 and a u64 together would be an f64 to Numba."""
    cast, signed = np.dtype(f"{dtype[0]}{size_of(dtype) // 8}").type, dtype[0] == "i"

    def floor_quotient(x, y):
        if y == 0:
            return cast(0)
        return cast(-x) if signed and y == -1 else cast(x // y)

    def floor_rest(x, y):
        return cast(0) if y == 0 or signed and y == -1 else cast(x % y)

    def quotient(x, y):
        if y == 0:
            return cast(-1)
        if signed and y == -1:
            return cast(-x)
        return cast(x // y + (1 if (x < 0) != (y < 0) and x % y != 0 else 0))

    def rem(x, y):
        if y == 0:
            return x
        rest = floor_rest_(x, y)
        return cast(rest - y) if rest != 0 and (x < 0) != (y < 0) else rest

    floor_rest_ = njit(**OPTIONS)(floor_rest)
    return [njit(**OPTIONS)(f) for f in (floor_quotient, floor_rest, quotient, rem)]


def names() -> dict[str, Any]:
    """What generated text may refer to."""
    found: dict[str, Any] = {"np": np, "math": math, "inf": math.inf, "nan": math.nan, "njit": njit,
                             "OPTIONS": OPTIONS}
    found |= {dtype: np.dtype(f"{dtype[0]}{size_of(dtype) // 8}").type
              for dtype in NUMBA if dtype not in ("bool", *STORED)}
    for a, b in (("f32", "i32"), ("f64", "i64")):
        found[f"bits_{a}"] = instruction("bitcast", b, a)
        found[f"unbits_{b}"] = instruction("bitcast", a, b)
        found[f"fmuladd_{a}"] = instruction("fmuladd", a, a, a, a)
        found[f"fma_{a}"] = instruction("fma", a, a, a, a)
        found |= {f"{name}_{a}": instruction(name, a, a, a) for name in INSTRUCTION.values()}
    for dtype in NUMBA:
        found[f"array_{dtype}"] = pointer(dtype)
        if dtype[0] in "iu":
            found |= {f"{f.__name__}_{dtype}": f for f in divisions(dtype)}
            found[f"popcount_{dtype}"] = instruction("ctpop", dtype, dtype)
            found[f"clz_{dtype}"] = instruction("ctlz", dtype, dtype)
    return found


# ---- the text ----------------------------------------------------------------------------------


class Printer(Reader):
    """Writes one function again, with its types. Values are Python expressions."""

    def __init__(self, libraries, file: str, functions: dict[str, str]):
        super().__init__(libraries, file)
        self.functions = functions  # the library functions that were needed, in order
        self.lines: list[str] = []
        self.depth = 1
        self.types: dict[str, str] = {}  # of Python's names: Numba allows each only one
        self.counter = itertools.count()

    def line(self, text: str) -> None:
        self.lines.append("    " * self.depth + text)

    # ---- expressions

    def constant(self, number: Any, dtype: str) -> str:
        if dtype == "bool":
            return repr(bool(number))
        if is_float(dtype):
            return f"{dtype}({float(number)!r})"
        size = size_of(dtype)
        number = int(number) & (1 << size) - 1
        if dtype[0] == "i" and number >> size - 1:
            number -= 1 << size
        return f"{dtype}({number})"

    def cast(self, value: str, source: str, target: str) -> str:
        return f"({value} != 0)" if target == "bool" else f"{target}({value})"

    def rounded(self, value: str, dtype: str) -> str:
        return self.from_half(self.to_half(value, dtype), dtype)

    def library_call(self, name: str, value: str, dtype: str) -> str:
        function = elementary()[0].find(name, dtype)
        assert function is not None
        return self.call(function, function, [(value, dtype)], elementary()[0].name)[0]

    def to_half(self, value: str, dtype: str) -> str:
        name = "float16_bits" if dtype == "f16" else "bfloat16_bits"
        return f"u16({self.library_call(name, value, 'f32')})"

    def from_half(self, value: str, dtype: str) -> str:
        if dtype == "f16":
            return self.library_call("float16_value", f"i32({value})", "i32")
        return f"unbits_i32(i32(i32({value}) << 16))"

    def unary(self, op: str, dtype: str, a: str) -> str:
        if op == "not":
            return f"(not {a})"
        return f"(-{a})" if is_float(dtype) else f"{dtype}({op}{a})"

    def binary(self, op: str, dtype: str, a: str, b: str, flags: str) -> str:
        if dtype == "bool":
            return f"({a} { {'&': 'and', '|': 'or', '^': '!='}[op]} {b})"
        if is_float(dtype):
            return f"{INSTRUCTION[op]}_{dtype}({a}, {b})" if flags else f"({a} {op} {b})"
        if op in ("//", "%"):
            return f"floor_{'quotient' if op == '//' else 'rest'}_{dtype}({a}, {b})"
        return f"{dtype}({a} {op} {b})"

    def fused(self, dtype: str, a: str, b: str, c: str, flags: str) -> str:
        if flags:
            return self.binary("+", dtype, c, self.binary("*", dtype, a, b, ""), flags)
        return f"fmuladd_{dtype}({a}, {b}, {c})"

    def compare(self, op: str, dtype: str, a: str, b: str) -> str:
        return f"({a} {op} {b})"

    def select(self, dtype: str, test: str, a: str, b: str) -> str:
        return f"({a} if {test} else {b})"

    def intrinsic(self, name: str, dtype: str, args: Any) -> str:
        given = ", ".join(args)
        if name in ("bits", "unbits", "fma", "popcount", "clz"):
            return f"{name}_{dtype}({given})"
        if name == "some":
            return args[0]
        if name.startswith("libm_"):
            return f"{dtype}(math.{name.removeprefix('libm_')}(f64({given})))"
        if name == "lshr":
            unsigned = f"u{size_of(dtype)}"
            return f"{dtype}({unsigned}({args[0]}) >> {unsigned}({args[1]}))"
        if name in ("minimum", "maximum") and dtype == "bool":
            return self.binary("&" if name == "minimum" else "|", dtype, *args, "")
        if name == "quotient" or name == "rem" and not is_float(dtype):
            return f"{name}_{dtype}({given})"
        if name == "rem":
            return f"{dtype}(np.fmod({given}))"
        if name in ("isnan", "isfinite"):
            return f"np.{name}({given})"
        return f"{dtype}(abs({given}))" if name == "abs" else f"{dtype}(np.{name}({given}))"

    def load(self, array: Parameter, index: str) -> str:
        value = f"{array.name}[{index}]"
        if array.dtype == "bool":
            return f"({value} != 0)"
        return self.from_half(value, array.dtype) if array.dtype in STORED else value

    # ---- statements

    def several(self, node: ast.expr) -> list[Typed]:
        """All parts before any of them is assigned: `a, b = b, a`."""
        held: list[Typed] = []
        for value, dtype in super().several(node):
            if dtype is not None:
                name = f"part{next(self.counter)}_"
                self.line(f"{name} = {value}")
                value = name
            held.append((value, dtype))
        return held

    def store(self, array: Parameter, index: str, value: str) -> None:
        if array.dtype in STORED:
            value = self.to_half(value, array.dtype)
        elif array.dtype == "bool":
            value = f"u8({value})"
        self.line(f"{array.name}[{index}] = {value}")

    def assign(self, name: str, value: str, dtype: str) -> None:
        full = name
        while self.types.setdefault(full, dtype) != dtype:  # a name that ended and began anew
            full += "_"
        self.line(f"{full} = {value}")
        self.env[name] = full, dtype

    def call(self, node: ast.AST, function: ast.FunctionDef, args: list[Typed],
             file: str) -> Typed:
        kinds = [dtype for _, dtype in args]
        full = "_".join([function.name, *map(str, kinds)])
        inner = Printer(self.libraries, file, self.functions)
        parameters = [param.arg for param in function.args.args]
        for parameter, dtype in zip(parameters, kinds):
            inner.env[parameter] = parameter, dtype
            inner.types[parameter] = str(dtype)
        result, dtype = inner.returned(function)
        if full not in self.functions:
            text = f"({', '.join(result)})" if isinstance(dtype, tuple) else result
            inner.line(f"return {text}")
            self.functions[full] = "\n".join([
                "@njit(inline='never', forceinline=True, **OPTIONS)",
                f"def {full}({', '.join(parameters)}):", *inner.lines, ""])
        call = f"{full}({', '.join(value for value, _ in args)})"
        if not isinstance(dtype, tuple):
            return call, dtype
        name = f"parts{next(self.counter)}_"
        self.line(f"{name} = {call}")
        return tuple(f"{name}[{i}]" for i in range(len(dtype))), dtype

    def indented(self, body: list[ast.stmt]) -> None:
        self.depth += 1
        self.scoped(lambda: self.block(body))
        self.line("pass")
        self.depth -= 1

    def loop(self, node: ast.For, name: str, start: str, stop: str, step: int,
             carried: list[str]) -> None:
        full = name
        while self.types.setdefault(full, "i64") != "i64":
            full += "_"
        self.line(f"for {full} in range({start}, {stop}, {step}):")
        self.env[name] = full, "i64"
        self.indented(node.body)
        del self.env[name]

    def while_loop(self, node: ast.While, carried: list[str]) -> None:
        self.line("while True:")
        self.depth += 1
        self.line(f"if not {self.number(node.test, 'bool')}:")
        self.line("    break")
        self.depth -= 1
        self.indented(node.body)

    def branch(self, node: ast.If, test: str, carried: list[str]) -> None:
        self.line(f"if {test}:")
        self.indented(node.body)
        if node.orelse:
            self.line("else:")
            self.indented(node.orelse)


def entry_text(node: ast.FunctionDef, parameters: tuple[Parameter, ...],
               printer: Printer) -> str:
    for i, (name, dtype, array, *_) in enumerate(parameters):
        slot = f"table[{i}]"
        if array:
            printer.arrays[name] = parameters[i]
            printer.line(f"{name} = array_{dtype}({slot})")
        else:
            bits = f"i32({slot})" if dtype == "f32" else slot
            number = f"unbits_i{size_of(dtype)}({bits})" if is_float(dtype) else f"{dtype}({slot})"
            printer.assign(name, f"(({slot} & 255) != 0)" if dtype == "bool" else number, dtype)
        printer.types[name] = dtype
    for name in ("start", "stop"):
        printer.env[name] = name, "i64"
        printer.types[name] = "i64"
    printer.block(node.body)
    return "\n".join([f"def {node.name}(table, start, stop):", *printer.lines, ""])


def written(source: str, parameters: dict[str, tuple[Parameter, ...]]) -> str:
    """The text that Numba compiles."""
    library = Library("\n" + source, "the kernel's source")
    functions: dict[str, str] = {}
    nodes = entries_of(source, parameters)
    entries = [entry_text(nodes[name], row, Printer((library, *elementary()),
                                                    "the kernel's source", functions))
               for name, row in parameters.items()]
    return "\n\n".join([*functions.values(), *entries])


class Code:
    """Kernels that Numba compiled."""

    def __init__(self, source: str, parameters: dict[str, tuple[Parameter, ...]]):
        scope = names()
        exec(compile(written(source, parameters), "<kernels>", "exec"), scope)
        signature = types.void(types.CPointer(types.int64), types.int64, types.int64)
        self.functions = {name: cfunc(signature, **OPTIONS)(scope[name]) for name in parameters}

    def address(self, name: str) -> int:
        return self.functions[name].address
