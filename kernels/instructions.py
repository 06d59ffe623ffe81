"""The subset's expressions as LLVM instructions, on numbers and, inside a vector loop, on vectors.

Inside a vector loop a value is one of three things: a number that all lanes share (`str`, as
outside), a vector (`Vec`), or an index that grows by a constant from lane to lane (`Linear`), from
which loads and stores see that they are contiguous. An operation on numbers gives a number; with a
vector among its operands it gives a vector.
"""

from __future__ import annotations

import functools
import math
import struct
from collections.abc import Iterable
from typing import Any, NamedTuple

from kernels.grammar import BITS, is_float, is_signed, size_of
from kernels.subset import Reader

LLVM_TYPE = {"bool": "i1", "f32": "float", "f64": "double", "f16": "half", "bf16": "i16",
             **{f"{sign}{size}": f"i{size}" for sign in "iu" for size in (8, 16, 32, 64)}}
FLOAT_OP = {"+": "fadd", "-": "fsub", "*": "fmul", "/": "fdiv"}
INT_OP = {"+": "add", "-": "sub", "*": "mul", "&": "and", "|": "or", "^": "xor", "<<": "shl"}
FLOAT_TEST = {"<": "olt", "<=": "ole", ">": "ogt", ">=": "oge", "==": "oeq", "!=": "une"}
INT_TEST = {"<": "lt", "<=": "le", ">": "gt", ">=": "ge", "==": "eq", "!=": "ne"}
FLOAT_CALL = {"abs": "fabs", "sqrt": "sqrt", "rint": "rint", "floor": "floor", "ceil": "ceil",
              "trunc": "trunc", "copysign": "copysign", "fma": "fma", "minimum": "minimum",
              "maximum": "maximum"}

EACH_LANE = """
define internal <{n} x double> @each.{name}.{n}(<{n} x double> %x) noinline cold nounwind {{
entry:
  br label %lane
lane:
  %i = phi i32 [ 0, %entry ], [ %next, %lane ]
  %before = phi <{n} x double> [ poison, %entry ], [ %after, %lane ]
  %one = extractelement <{n} x double> %x, i32 %i
  %result = call double @{name}(double %one)
  %after = insertelement <{n} x double> %before, double %result, i32 %i
  %next = add i32 %i, 1
  %more = icmp ult i32 %next, {n}
  br i1 %more, label %lane, label %end
end:
  ret <{n} x double> %after
}}
"""


class Vec(str):
    """The name of a vector, or a constant one."""


class Linear(NamedTuple):
    """The index `base + step * lane`."""

    base: str
    step: int


class NotVectorisable(Exception):
    """Something that a vector loop cannot do: the loop is written for numbers instead."""


def float_text(number: float, dtype: str) -> str:
    """LLVM writes both kinds of floats by the bits of a double."""
    if dtype == "f32":
        try:
            number = struct.unpack("f", struct.pack("f", number))[0]
        except OverflowError:
            number = math.copysign(math.inf, number)
    return "0x" + struct.pack(">d", number).hex().upper()


def lane_list(kind: str, values: Iterable[Any]) -> str:
    """A constant vector."""
    return "<" + ", ".join(f"{kind} {value}" for value in values) + ">"


@functools.cache
def lane_numbers(lanes: int, kind: str, step: int = 1) -> Vec:
    return Vec(lane_list(kind, (i * step for i in range(lanes))))


def born(text: str) -> int:
    """When a name was made: names are `%name.count`; parameters and constants are older."""
    return int(text.rpartition(".")[2]) if text.startswith("%") and "." in text else 0


class Instructions(Reader):
    """Writes instructions to `lines`, in which a nested list is room for more."""

    def __init__(self, libraries, file: str, declared: dict[str, None]):
        super().__init__(libraries, file)
        self.declared = declared  # declarations and functions that the text needs
        self.lines: list = []
        self.count = 0
        self.indexing = False
        self.lanes = 0  # of the vector loop that is being written; 0 outside
        self.mask: str | None = None  # of the lanes that take part; None if all do
        self.splats: dict[tuple[str, str], Vec] = {}
        self.before_loop: list = []  # room before the vector loop
        self.loop_born = 0

    def emit(self, text: str) -> str:
        self.count += 1
        name = f"%t.{self.count}"
        self.lines.append(f"  {name} = {text}")
        return name

    # ---- numbers and vectors

    def kind(self, dtype: str) -> str:
        """LLVM's type of a vector."""
        return f"<{self.lanes} x {LLVM_TYPE[dtype]}>"

    def vector(self, value: Any, dtype: str) -> Vec:
        if isinstance(value, Vec):
            return value
        if isinstance(value, Linear):
            numbers = lane_numbers(self.lanes, "i64", value.step)
            base = self.vector(value.base, "i64")
            return Vec(self.emit(f"add nsw {self.kind('i64')} {base}, {numbers}"))
        element = LLVM_TYPE[dtype]
        if not value.startswith("%"):
            return Vec(f"splat ({element} {value})")
        if born(value) >= self.loop_born:
            return self.splat(value, dtype)
        if (value, element) not in self.splats:  # made once, before the loop
            lines, self.lines = self.lines, self.before_loop
            self.splats[value, element] = self.splat(value, dtype)
            self.lines = lines
        return self.splats[value, element]

    def splat(self, value: str, dtype: str) -> Vec:
        kind, element = self.kind(dtype), LLVM_TYPE[dtype]
        first = self.emit(f"insertelement {kind} poison, {element} {value}, i64 0")
        return Vec(self.emit(f"shufflevector {kind} {first}, {kind} poison, "
                             f"<{self.lanes} x i32> zeroinitializer"))

    def together(self, dtype: str, *values: Any) -> tuple[str, list[Any], type]:
        """LLVM's type, the values all as numbers or all as vectors, and the class of a result."""
        for value in values:
            if type(value) is not str:
                return self.kind(dtype), [self.vector(v, dtype) for v in values], Vec
        return LLVM_TYPE[dtype], list(values), str

    # ---- what Reader asks for

    def constant(self, number: Any, dtype: str) -> str:
        if is_float(dtype):
            return float_text(float(number), dtype)
        return str(bool(number)).lower() if dtype == "bool" else str(int(number))

    def cast(self, value: Any, source: str, target: str) -> Any:
        if target == "bool":
            return self.compare("!=", source, value, self.constant(0, source))
        a, (value,), made = self.together(source, value)
        b = LLVM_TYPE[target] if made is str else self.kind(target)
        if LLVM_TYPE[source] == LLVM_TYPE[target]:
            return value
        small = size_of(target) < size_of(source)
        signed = is_signed(source) and source != "bool"
        if is_float(source) and is_float(target):
            op = "fptrunc" if small else "fpext"
        elif is_float(target):
            op = "sitofp" if signed else "uitofp"
        elif is_float(source):
            op = "fptosi" if is_signed(target) else "fptoui"
        else:
            op = "trunc" if small and source != "bool" else "sext" if signed else "zext"
        return made(self.emit(f"{op} {a} {value} to {b}"))

    def unary(self, op: str, dtype: str, a: Any) -> Any:
        kind, (a,), made = self.together(dtype, a)
        if op == "-" and is_float(dtype):
            return made(self.emit(f"fneg {kind} {a}"))
        if op == "-":
            return self.binary("-", dtype, self.constant(0, dtype), a, "")
        return self.binary("^", dtype, a, "true" if dtype == "bool" else "-1", "")

    def binary(self, op: str, dtype: str, a: Any, b: Any, flags: str) -> Any:
        if isinstance(a, Linear) or isinstance(b, Linear):
            linear = self.linear(op, a, b)
            if linear:
                return linear
        if op in ("//", "%"):
            return self.floor_division(op, dtype, a, b)
        kind, (a, b), made = self.together(dtype, a, b)
        if is_float(dtype):
            name = f"{FLOAT_OP[op]} {flags}" if flags else FLOAT_OP[op]
        elif op == ">>":
            name = "ashr" if is_signed(dtype) else "lshr"
        else:
            name = INT_OP[op] + (" nsw" if self.indexing and op in "+-*" else "")
        return made(self.emit(f"{name} {kind} {a}, {b}"))

    def linear(self, op: str, a: Any, b: Any) -> Linear | None:
        """Sums of linear indices, and their products with a literal, are linear."""
        if isinstance(a, Vec) or isinstance(b, Vec):
            return None
        (a, s), (b, t) = (x if isinstance(x, Linear) else (x, 0) for x in (a, b))
        if op in "+-":
            return Linear(self.binary(op, "i64", a, b, ""), s + t if op == "+" else s - t)
        if op == "*":
            if t:
                (a, s), (b, t) = (b, t), (a, s)
            if not t and b.isdigit():
                return Linear(self.binary("*", "i64", a, b, ""), s * int(b))
        return None

    def floor_division(self, op: str, dtype: str, a: Any, b: Any) -> Any:
        """Python's; nothing traps: x // 0 = x % 0 = 0, and the smallest integer // -1 is itself."""
        if isinstance(b, str) and b.isdigit() and int(b).bit_count() == 1:  # a power of two
            if op == "%":
                return self.binary("&", dtype, a, str(int(b) - 1), "")
            return self.binary(">>", dtype, a, str(int(b).bit_length() - 1), "")
        rest = self.division("rem", dtype, a, b)
        result = rest if op == "%" else self.division("quotient", dtype, a, b)
        if is_signed(dtype):
            unlike = self.compare("<", dtype, self.binary("^", dtype, rest, b, ""), "0")
            off = self.binary("&", "bool", unlike, self.compare("!=", dtype, rest, "0"), "")
            result = self.binary("+", dtype, result, self.select(dtype, off, b, "0"), "") \
                if op == "%" else self.binary("-", dtype, result, self.cast(off, "bool", dtype), "")
        if isinstance(b, str) and b.isdigit():
            return result
        return self.select(dtype, self.compare("==", dtype, b, "0"), "0", result)

    def fused(self, dtype: str, a: Any, b: Any, c: Any, flags: str) -> Any:
        return self.llvm_call("fmuladd", dtype, (a, b, c), flags)

    def compare(self, op: str, dtype: str, a: Any, b: Any) -> Any:
        kind, (a, b), made = self.together(dtype, a, b)
        if is_float(dtype):
            return made(self.emit(f"fcmp {FLOAT_TEST[op]} {kind} {a}, {b}"))
        sign = "" if op in ("==", "!=") else "s" if is_signed(dtype) else "u"
        return made(self.emit(f"icmp {sign}{INT_TEST[op]} {kind} {a}, {b}"))

    def select(self, dtype: str, test: Any, a: Any, b: Any) -> Any:
        if isinstance(test, Vec):
            kind, a, b = self.kind(dtype), self.vector(a, dtype), self.vector(b, dtype)
            return Vec(self.emit(f"select {self.kind('bool')} {test}, {kind} {a}, {kind} {b}"))
        kind, (a, b), made = self.together(dtype, a, b)
        return made(self.emit(f"select i1 {test}, {kind} {a}, {kind} {b}"))

    def llvm_call(self, name: str, dtype: str, args: Any, flags: str = "", more: str = "") -> Any:
        kind, args, made = self.together(dtype, *args)
        suffix = dtype if is_float(dtype) else LLVM_TYPE[dtype]
        full = f"@llvm.{name}.{f'v{self.lanes}' if made is Vec else ''}{suffix}"
        types = ", ".join([kind] * len(args)) + (", i1" if more else "")
        self.declared[f"declare {kind} {full}({types})"] = None
        given = ", ".join([f"{kind} {arg}" for arg in args]) + more
        return made(self.emit(f"call {flags}{' ' * bool(flags)}{kind} {full}({given})"))

    def reduced(self, name: str, dtype: str, vector: str) -> str:
        """One number from the lanes of a vector."""
        suffix = dtype if is_float(dtype) else LLVM_TYPE[dtype]
        full, kind = f"@llvm.vector.reduce.{name}.v{self.lanes}{suffix}", LLVM_TYPE[dtype]
        if name in ("fadd", "fmul"):
            start = float_text(-0.0 if name == "fadd" else 1.0, dtype)
            self.declared[f"declare {kind} {full}({kind}, {self.kind(dtype)})"] = None
            return self.emit(f"call reassoc nsz {kind} {full}({kind} {start}, "
                             f"{self.kind(dtype)} {vector})")
        self.declared[f"declare {kind} {full}({self.kind(dtype)})"] = None
        flags = "nsz " if is_float(dtype) else ""
        return self.emit(f"call {flags}{kind} {full}({self.kind(dtype)} {vector})")

    def intrinsic(self, name: str, dtype: str, args: Any) -> Any:
        if name in ("bits", "unbits"):
            return self.bitcast(args[0], dtype, BITS[dtype])
        if name == "some":
            return self.any_lane(args[0]) if isinstance(args[0], Vec) else args[0]
        if name == "isnan":
            return self.compare_unordered(dtype, *args)
        if name == "isfinite":
            size = self.llvm_call("fabs", dtype, args)
            return self.compare("<", dtype, size, self.constant(float("inf"), dtype))
        if name.startswith("libm_"):
            return self.libm(name.removeprefix("libm_"), dtype, *args)
        if is_float(dtype) and name == "rem":
            kind, args, made = self.together(dtype, *args)
            return made(self.emit(f"frem {kind} {args[0]}, {args[1]}"))
        if is_float(dtype):  # without `nsz` the sign of a zero keeps maximum from becoming fast
            flags = "nsz" if name in ("minimum", "maximum") else ""
            return self.llvm_call(FLOAT_CALL[name], dtype, args, flags)
        if name in ("minimum", "maximum"):
            if dtype == "bool":
                return self.binary("&" if name == "minimum" else "|", dtype, *args, "")
            return self.llvm_call(("s" if is_signed(dtype) else "u") + name[:3], dtype, args)
        if name == "abs":
            return self.llvm_call("abs", dtype, args, more=", i1 false") if is_signed(dtype) \
                else args[0]
        if name == "popcount":
            return self.llvm_call("ctpop", dtype, args)
        if name == "clz":
            return self.llvm_call("ctlz", dtype, args, more=", i1 false")
        if name == "lshr":
            kind, args, made = self.together(dtype, *args)
            return made(self.emit(f"lshr {kind} {args[0]}, {args[1]}"))
        return self.division(name, dtype, *args)

    def any_lane(self, condition: Vec) -> str:
        if self.mask:
            condition = self.binary("&", "bool", condition, Vec(self.mask), "")
        return self.reduced("or", "bool", condition)

    def bitcast(self, value: Any, source: str, target: str) -> Any:
        kind, (value,), made = self.together(source, value)
        wanted = LLVM_TYPE[target] if made is str else self.kind(target)
        return made(self.emit(f"bitcast {kind} {value} to {wanted}"))

    def compare_unordered(self, dtype: str, a: Any) -> Any:
        kind, (a,), made = self.together(dtype, a)
        return made(self.emit(f"fcmp uno {kind} {a}, {a}"))

    def division(self, name: str, dtype: str, a: Any, b: Any) -> Any:
        """`quotient` and `rem` as lax has them: nothing traps, x / 0 = -1, rem(x, 0) = x."""
        signed = is_signed(dtype)
        if isinstance(b, str) and b.isdigit() and int(b):
            kind, (x, y), made = self.together(dtype, a, b)
            instruction = "rem" if name == "rem" else "div"
            return made(self.emit(f"{'s' if signed else 'u'}{instruction} {kind} {x}, {y}"))
        zero = self.compare("==", dtype, b, "0")
        divisor = self.select(dtype, zero, "1", b)
        if signed:  # the smallest integer / -1 overflows; negate instead
            minus = self.compare("==", dtype, b, "-1")
            divisor = self.select(dtype, minus, "1", divisor)
        kind, (x, y), made = self.together(dtype, a, divisor)
        if name == "rem":
            rest = made(self.emit(f"{'s' if signed else 'u'}rem {kind} {x}, {y}"))
            return self.select(dtype, zero, a, rest)
        result = made(self.emit(f"{'s' if signed else 'u'}div {kind} {x}, {y}"))
        if signed:
            result = self.select(dtype, minus, self.unary("-", dtype, a), result)
        return self.select(dtype, zero, "-1", result)

    def libm(self, name: str, dtype: str, x: Any) -> Any:
        """The C library's function, lane by lane: exact everywhere, and slow."""
        wide = x if dtype == "f64" else self.cast(x, dtype, "f64")
        self.declared[f"declare double @{name}(double)"] = None
        if isinstance(x, Vec):
            self.declared[EACH_LANE.format(n=self.lanes, name=name)] = None
            kind = self.kind("f64")
            result = Vec(self.emit(f"call {kind} @each.{name}.{self.lanes}({kind} {wide})"))
        else:
            result = self.emit(f"call double @{name}(double {wide})")
        return result if dtype == "f64" else self.cast(result, "f64", dtype)
