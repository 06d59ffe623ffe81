"""Kernels as LLVM's text, which `kernels/machine.py` compiles.

Control flow in the subset is structured, so values go straight into single-assignment form: a
loop has one phi for each variable that it carries. Library functions are written out where they
are called. LLVM then vectorises the loops.
"""

from __future__ import annotations

import ast
import struct
from typing import Any

import numpy as np

from kernels.grammar import (
    BITS, STORED, KernelError, Library, Parameter, Typed, functions_of, is_float, is_signed,
    size_of, vecmath,
)
from kernels.machine import wide_vectors
from kernels.subset import Reader

LLVM_TYPE = {"bool": "i1", "f32": "float", "f64": "double", "f16": "half", "bf16": "i16",
             **{f"{sign}{size}": f"i{size}" for sign in "iu" for size in (8, 16, 32, 64)}}
IN_MEMORY = LLVM_TYPE | {"bool": "i8"}
FLOAT_OP = {"+": "fadd", "-": "fsub", "*": "fmul", "/": "fdiv"}
INT_OP = {"+": "add", "-": "sub", "*": "mul", "&": "and", "|": "or", "^": "xor", "<<": "shl"}
FLOAT_TEST = {"<": "olt", "<=": "ole", ">": "ogt", ">=": "oge", "==": "oeq", "!=": "une"}
INT_TEST = {"<": "lt", "<=": "le", ">": "gt", ">=": "ge", "==": "eq", "!=": "ne"}
FLOAT_CALL = {"abs": "fabs", "sqrt": "sqrt", "rint": "rint", "floor": "floor", "ceil": "ceil",
              "trunc": "trunc", "copysign": "copysign", "fma": "fma", "minimum": "minimum",
              "maximum": "maximum"}


def float_text(number: float, dtype: str) -> str:
    """LLVM writes both kinds of floats by the bits of a double."""
    with np.errstate(over="ignore"):
        exact = float(np.float32(number)) if dtype == "f32" else float(number)
    return "0x" + struct.pack(">d", exact).hex().upper()


class Emitter(Reader):
    """Writes the body of one kernel as LLVM text."""

    def __init__(self, libraries: tuple[Library, ...], file: str, declared: set[str]):
        super().__init__(libraries, file)
        self.declared = declared
        self.lines: list[str] = []
        self.count = 0
        self.label = "entry"  # of the block that is being written
        self.indexing = False

    def emit(self, text: str) -> str:
        self.count += 1
        name = f"%t{self.count}"
        self.lines.append(f"  {name} = {text}")
        return name

    def start_block(self, label: str) -> None:
        self.lines.append(f"{label}:")
        self.label = label

    # ---- values

    def constant(self, number: Any, dtype: str) -> str:
        if is_float(dtype):
            return float_text(number, dtype)
        return str(bool(number)).lower() if dtype == "bool" else str(int(number))

    def cast(self, value: str, source: str, target: str) -> str:
        a, b = LLVM_TYPE[source], LLVM_TYPE[target]
        if target == "bool":
            return self.compare("!=", source, value, self.constant(0, source))
        if source == "bool":
            if is_float(target):
                return self.emit(f"uitofp i1 {value} to {b}")
            return self.emit(f"zext i1 {value} to {b}")
        if is_float(source) and is_float(target):
            return self.emit(f"{'fpext' if b == 'double' else 'fptrunc'} {a} {value} to {b}")
        if is_float(target):
            return self.emit(f"{'sitofp' if is_signed(source) else 'uitofp'} {a} {value} to {b}")
        if is_float(source):
            return self.emit(f"{'fptosi' if is_signed(target) else 'fptoui'} {a} {value} to {b}")
        if a == b:
            return value
        if size_of(target) < size_of(source):
            return self.emit(f"trunc {a} {value} to {b}")
        return self.emit(f"{'sext' if is_signed(source) else 'zext'} {a} {value} to {b}")

    def rounded(self, value: str, dtype: str) -> str:
        return self.from_half(self.to_half(value, dtype), dtype)

    def to_half(self, value: str, dtype: str) -> str:
        if dtype == "f16":
            return self.emit(f"fptrunc float {value} to half")
        bits = self.library_call("bfloat16_bits", value, "f32")
        return self.emit(f"trunc i32 {bits} to i16")

    def from_half(self, value: str, dtype: str) -> str:
        if dtype == "f16":
            return self.emit(f"fpext half {value} to float")
        wide = self.emit(f"zext i16 {value} to i32")
        return self.emit(f"bitcast i32 {self.emit(f'shl i32 {wide}, 16')} to float")

    def unary(self, op: str, dtype: str, a: str) -> str:
        kind = LLVM_TYPE[dtype]
        if op == "-":
            return self.emit(f"fneg {kind} {a}" if is_float(dtype) else f"sub {kind} 0, {a}")
        return self.emit(f"xor {kind} {a}, {'true' if dtype == 'bool' else '-1'}")

    def binary(self, op: str, dtype: str, a: str, b: str, flags: str) -> str:
        kind = LLVM_TYPE[dtype]
        if is_float(dtype):
            return self.emit(f"{FLOAT_OP[op]} {flags}{' ' * bool(flags)}{kind} {a}, {b}")
        if op in ("//", "%"):
            return self.floor_division(op, dtype, a, b)
        if op == ">>":
            return self.emit(f"{'ashr' if is_signed(dtype) else 'lshr'} {kind} {a}, {b}")
        exact = "nsw " if self.indexing and op in "+-*" else ""
        return self.emit(f"{INT_OP[op]} {exact}{kind} {a}, {b}")

    def floor_division(self, op: str, dtype: str, a: str, b: str) -> str:
        kind = LLVM_TYPE[dtype]
        if b.isdigit() and int(b) & int(b) - 1 == 0 and int(b):  # a power of two
            if op == "%":
                return self.emit(f"and {kind} {a}, {int(b) - 1}")
            shift = "ashr" if is_signed(dtype) else "lshr"
            return self.emit(f"{shift} {kind} {a}, {int(b).bit_length() - 1}")
        if not is_signed(dtype):
            return self.emit(f"{'udiv' if op == '//' else 'urem'} {kind} {a}, {b}")
        rest = self.emit(f"srem {kind} {a}, {b}")
        unlike = self.emit(f"icmp slt {kind} {self.emit(f'xor {kind} {rest}, {b}')}, 0")
        off = self.emit(f"and i1 {unlike}, {self.emit(f'icmp ne {kind} {rest}, 0')}")
        if op == "%":
            return self.emit(f"add {kind} {rest}, {self.select(dtype, off, b, '0')}")
        quotient = self.emit(f"sdiv {kind} {a}, {b}")
        return self.emit(f"sub {kind} {quotient}, {self.emit(f'zext i1 {off} to {kind}')}")

    def fused(self, dtype: str, a: str, b: str, c: str, flags: str) -> str:
        return self.llvm_call("fmuladd", dtype, (a, b, c), flags)

    def compare(self, op: str, dtype: str, a: str, b: str) -> str:
        kind = LLVM_TYPE[dtype]
        if is_float(dtype):
            return self.emit(f"fcmp {FLOAT_TEST[op]} {kind} {a}, {b}")
        sign = "" if op in ("==", "!=") else "s" if is_signed(dtype) else "u"
        return self.emit(f"icmp {sign}{INT_TEST[op]} {kind} {a}, {b}")

    def select(self, dtype: str, test: str, a: str, b: str) -> str:
        kind = LLVM_TYPE[dtype]
        return self.emit(f"select i1 {test}, {kind} {a}, {kind} {b}")

    def llvm_call(self, name: str, dtype: str, args: Any, flags: str = "", more: str = "") -> str:
        kind = LLVM_TYPE[dtype]
        full = f"@llvm.{name}.{dtype if is_float(dtype) else kind}"
        types = ", ".join([kind] * len(args)) + (", i1" if more else "")
        self.declared.add(f"declare {kind} {full}({types})")
        given = ", ".join(f"{kind} {arg}" for arg in args) + more
        return self.emit(f"call {flags}{' ' * bool(flags)}{kind} {full}({given})")

    def intrinsic(self, name: str, dtype: str, args: Any) -> str:
        kind = LLVM_TYPE[dtype]
        if name in ("bits", "unbits"):
            return self.emit(f"bitcast {kind} {args[0]} to {LLVM_TYPE[BITS[dtype]]}")
        if name == "isnan":
            return self.emit(f"fcmp uno {kind} {args[0]}, {args[0]}")
        if name == "isfinite":
            size = self.llvm_call("fabs", dtype, args)
            return self.emit(f"fcmp olt {kind} {size}, {float_text(float('inf'), dtype)}")
        if is_float(dtype) and name == "rem":
            return self.emit(f"frem {kind} {args[0]}, {args[1]}")
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
        if name == "shift_right_logical":
            return self.emit(f"lshr {kind} {args[0]}, {args[1]}")
        return self.division(name, dtype, *args)

    def division(self, name: str, dtype: str, a: str, b: str) -> str:
        """`quotient` and `rem` as lax has them: nothing traps, x / 0 = -1, rem(x, 0) = x."""
        kind, sign = LLVM_TYPE[dtype], "s" if is_signed(dtype) else "u"
        zero = self.emit(f"icmp eq {kind} {b}, 0")
        divisor = self.select(dtype, zero, "1", b)
        minus = None
        if is_signed(dtype):  # the smallest integer / -1 overflows; negate instead
            minus = self.emit(f"icmp eq {kind} {b}, -1")
            divisor = self.select(dtype, minus, "1", divisor)
        if name == "rem":
            rest = self.emit(f"{sign}rem {kind} {a}, {divisor}")
            return self.select(dtype, zero, a, rest)
        result = self.emit(f"{sign}div {kind} {a}, {divisor}")
        if minus:
            result = self.select(dtype, minus, self.emit(f"sub {kind} 0, {a}"), result)
        return self.select(dtype, zero, "-1", result)

    # ---- memory

    def index(self, node: ast.expr) -> str:
        outer, self.indexing = self.indexing, True  # an index never overflows
        result = super().index(node)
        self.indexing = outer
        return result

    def address(self, array: Parameter, index: str) -> str:
        kind = IN_MEMORY[array.dtype]
        return self.emit(f"getelementptr inbounds {kind}, ptr %{array.name}, i64 {index}")

    def load(self, array: Parameter, index: str) -> str:
        value = self.emit(f"load {IN_MEMORY[array.dtype]}, ptr {self.address(array, index)}")
        if array.dtype == "bool":
            return self.emit(f"icmp ne i8 {value}, 0")
        return self.from_half(value, array.dtype) if array.dtype in STORED else value

    def store(self, array: Parameter, index: str, value: str) -> None:
        if array.dtype == "bool":
            value = self.emit(f"zext i1 {value} to i8")
        elif array.dtype in STORED:
            value = self.to_half(value, array.dtype)
        address = self.address(array, index)
        self.lines.append(f"  store {IN_MEMORY[array.dtype]} {value}, ptr {address}")

    # ---- names, calls, control flow

    def assign(self, name: str, value: str, dtype: str) -> None:
        self.env[name] = value, dtype

    def library_call(self, name: str, value: str, dtype: str) -> str:
        function = vecmath().find(name, dtype)
        assert function is not None
        return self.call(function, function, [(value, dtype)], "vecmath.py")[0]

    def call(self, node: ast.AST, function: ast.FunctionDef, args: list[Typed],
             file: str) -> Typed:
        saved = self.env, self.file, self.carried, self.indexing
        self.env = {param.arg: arg for param, arg in zip(function.args.args, args)}
        self.file, self.carried, self.indexing = file, set(), False
        result = self.returned(function)
        self.env, self.file, self.carried, self.indexing = saved
        return result

    def new_labels(self, *names: str) -> list[str]:
        self.count += 1
        return [f"{name}{self.count}" for name in names]

    def phis(self, incoming: list[tuple[str, str, list[tuple[str, str]]]]) -> list[str]:
        """Lines `%name = phi type [value, %block] ...`."""
        return [f"  {name} = phi {kind} "
                + ", ".join(f"[ {value}, %{block} ]" for value, block in pairs)
                for name, kind, pairs in incoming]

    def fresh(self, names: list[str]) -> dict[str, str]:
        self.count += 1
        return {name: f"%{name}.{self.count}" for name in names}

    def loop(self, node: ast.For, name: str, start: str, stop: str, step: int,
             carried: list[str]) -> None:
        body, end = self.new_labels("loop", "end")
        before, entered = self.label, dict(self.env)
        known = start.lstrip("-").isdigit() and stop.lstrip("-").isdigit()
        if known and int(start) >= int(stop):
            return
        self.lines.append(f"  br label %{body}" if known else
                          f"  br i1 {self.emit(f'icmp slt i64 {start}, {stop}')}, "
                          f"label %{body}, label %{end}")
        self.start_block(body)
        at = len(self.lines)
        heads, counter = self.fresh(carried), self.fresh([name])[name]
        for variable in carried:
            self.env[variable] = heads[variable], self.env[variable][1]
        self.env[name] = counter, "i64"
        after = self.scoped(lambda: self.block(node.body))
        following = self.emit(f"add nsw i64 {counter}, {step}")
        more = self.emit(f"icmp slt i64 {following}, {stop}")
        latch = self.label
        self.lines.append(f"  br i1 {more}, label %{body}, label %{end}")
        rows = [(heads[v], LLVM_TYPE[entered[v][1]],
                 [(entered[v][0], before), (after[v][0], latch)]) for v in carried]
        self.lines[at:at] = self.phis(
            [(counter, "i64", [(start, before), (following, latch)]), *rows])
        self.start_block(end)
        self.leave(carried, entered, after, None if known else before, latch)
        self.env.pop(name, None)

    def leave(self, carried: list[str], before: dict, after: dict, skipped: str | None,
              latch: str) -> None:
        """What variables are once control flow has met again: from the block `latch`, or as they
        were, from the block `skipped`."""
        ends = self.fresh(carried)
        for v in carried:
            value, dtype = after[v]
            if skipped is not None and value != before[v][0]:
                pairs = [(before[v][0], skipped), (value, latch)]
                self.lines += self.phis([(ends[v], LLVM_TYPE[dtype], pairs)])
                value = ends[v]
            self.env[v] = value, dtype

    def while_loop(self, node: ast.While, carried: list[str]) -> None:
        head, body, end = self.new_labels("while", "body", "end")
        before, entered = self.label, dict(self.env)
        self.lines.append(f"  br label %{head}")
        self.start_block(head)
        at = len(self.lines)
        heads = self.fresh(carried)
        for v in carried:
            self.env[v] = heads[v], self.env[v][1]
        looped = dict(self.env)
        test = self.number(node.test, "bool")
        self.lines.append(f"  br i1 {test}, label %{body}, label %{end}")
        self.start_block(body)
        after = self.scoped(lambda: self.block(node.body))
        self.lines.append(f"  br label %{head}")
        self.lines[at:at] = self.phis(
            [(heads[v], LLVM_TYPE[entered[v][1]],
              [(entered[v][0], before), (after[v][0], self.label)]) for v in carried])
        self.start_block(end)
        self.env = looped

    def branch(self, node: ast.If, test: str, carried: list[str]) -> None:
        yes, no, end = self.new_labels("then", "else", "end")
        entered = dict(self.env)
        self.lines.append(f"  br i1 {test}, label %{yes}, label %{no}")
        ends = []
        for label, body in ((yes, node.body), (no, node.orelse)):
            self.start_block(label)
            self.env = dict(entered)
            after = self.scoped(lambda body=body: self.block(body))
            ends.append((after, self.label))
            self.lines.append(f"  br label %{end}")
        self.start_block(end)
        (first, one), (second, other) = ends
        merged = self.fresh(carried)
        self.env = entered
        for v in carried:
            pairs = [(first[v][0], one), (second[v][0], other)]
            self.lines += self.phis([(merged[v], LLVM_TYPE[entered[v][1]], pairs)])
            self.env[v] = merged[v], entered[v][1]


# ---- a module's text -------------------------------------------------------------------------


def kernel_text(node: ast.FunctionDef, parameters: tuple[Parameter, ...],
                library: Library, declared: set[str]) -> str:
    """The body with its arrays as arguments (where `noalias` can be said), and the entry point
    `name(table, start, stop)` that takes them from the table."""
    emitter = Emitter((library, vecmath()), "the kernel's source", declared)
    arguments, slots = [], []
    for i, (name, dtype, array, restrict) in enumerate(parameters):
        if array:
            kind = "ptr noalias" if restrict else "ptr"
            emitter.arrays[name] = parameters[i]
        else:
            kind = LLVM_TYPE[dtype]
            emitter.env[name] = f"%{name}", dtype
        arguments.append(f"{kind} %{name}")
        slots += [f"  %slot{i} = getelementptr i64, ptr %table, i64 {i}",
                  f"  %{name} = load {'ptr' if array else IN_MEMORY[dtype]}, ptr %slot{i}"]
        if dtype == "bool" and not array:
            slots[-1] = (f"  %{name}.byte = load i8, ptr %slot{i}\n"
                         f"  %{name} = icmp ne i8 %{name}.byte, 0")
    for name in ("start", "stop"):
        arguments.append(f"i64 %{name}")
        emitter.env[name] = f"%{name}", "i64"
    emitter.block(node.body)
    return "\n".join([
        f"define internal void @{node.name}.body({', '.join(arguments)}) #0 {{",
        "entry:", *emitter.lines, "  ret void", "}",
        f"define void @{node.name}(ptr %table, i64 %start, i64 %stop) #0 {{",
        *slots, f"  call void @{node.name}.body({', '.join(arguments)})", "  ret void", "}", ""])


def emit(source: str, parameters: dict[str, tuple[Parameter, ...]]) -> str:
    """The LLVM text of the kernels of `source` that `parameters` names; other functions in it
    are library functions of theirs."""
    library, declared = Library("\n" + source, "the kernel's source"), set()
    nodes = {node.name: node for node in functions_of(source)}
    for name, row in parameters.items():
        if name not in nodes:
            raise KernelError(f"the source has no function {name}")
        given = [arg.arg for arg in nodes[name].args.args]
        if given not in ([p.name for p in row], [*(p.name for p in row), "start", "stop"]):
            raise KernelError(f"{name}({', '.join(given)}) does not match its signature "
                              f"({', '.join(p.name for p in row)}, start, stop)")
    bodies = [kernel_text(nodes[name], row, library, declared)
              for name, row in parameters.items()]
    attributes = 'nounwind "prefer-vector-width"="512"' if wide_vectors() else "nounwind"
    return "\n".join([*sorted(declared), *bodies, f"attributes #0 = {{ {attributes} }}", ""])
