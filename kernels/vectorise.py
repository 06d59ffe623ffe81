"""Loops over vectors instead of numbers: innermost ones, and loops whose inner loops walk down the
columns of what they themselves walk along.

A loop `for i in range(start, stop)` becomes a loop over blocks of `lanes` elements, then the rest
with a mask (AVX-512) or number by number. Sums, products, minima and maxima that it carries are
kept per lane and joined at the end, always in the same order. This may be done because

- two arrays of a kernel are the same array or do not overlap, and where they are the same they are
  used at equal indices (the plan sees to it), so the order of iterations matters only through
  carried variables and through arrays that the loop both reads and writes;
- those are accepted only where every subscript of the array is the same, or so far from the others
  that the loop never gets there.

What does not fit raises NotVectorisable, and is written as a loop over numbers.
"""

from __future__ import annotations

import ast
from collections import Counter
from typing import Any, NamedTuple

from kernels.grammar import CASTS, INTRINSICS, STORED, Parameter, is_float, is_signed, size_of
from kernels.instructions import (
    LLVM_TYPE, Instructions, Linear, NotVectorisable, Vec, float_text, lane_list, lane_numbers,
)
from kernels.machine import converts_halves, has_masks, vector_bits

IN_MEMORY = LLVM_TYPE | {"bool": "i8"}
BUILT_IN = CASTS.keys() | INTRINSICS.keys()
LINE = 64  # bytes of a cache line
LARGE, LARGER = 12, 60  # operations in a body: from here on two vectors, then one, at a time


class Shape(NamedTuple):
    """What a loop is like: its reductions (variable: operation), how many lanes suit it, the
    arrays that it reads, and whether there are loops inside."""

    reductions: dict[str, str]
    lanes: int
    read_arrays: set[str]
    nested: bool


def shape_of(node: ast.For, carried: list[str], arrays: dict[str, Parameter],
             count: int | None) -> Shape:
    reads: Counter[str] = Counter()
    writes: Counter[str] = Counter()
    places: dict[str, set[tuple[str, int]]] = {}
    stored: set[str] = set()
    loaded: set[str] = set()
    inside: set[str] = set()  # variables of loops inside
    work, bits = 0, 32
    for child in ast.walk(node):
        if isinstance(child, ast.Subscript) and isinstance(child.value, ast.Name):
            name = child.value.id
            places.setdefault(name, set()).add(core_and_offset(child.slice))
            (loaded if isinstance(child.ctx, ast.Load) else stored).add(name)
            if name in arrays:
                bits = max(bits, size_of(arrays[name].dtype))
        elif isinstance(child, ast.Name):
            (reads if isinstance(child.ctx, ast.Load) else writes)[child.id] += 1
        elif isinstance(child, ast.BinOp | ast.Compare | ast.IfExp):
            work += 1
        elif isinstance(child, ast.Call):
            work += 1 if isinstance(child.func, ast.Name) and child.func.id in BUILT_IN else 15
        elif isinstance(child, ast.For) and isinstance(child.target, ast.Name):
            inside.add(child.target.id)
        elif isinstance(child, ast.AugAssign) and isinstance(child.target, ast.Subscript):
            loaded.add(child.target.value.id)
    inside.discard(node.target.id)
    for name in stored:
        if any(f"'{variable}'" in core for core, _ in places[name] for variable in inside):
            raise NotVectorisable  # two iterations may meet there
        cores = {core for core, _ in places[name]}
        offsets = sorted(offset for _, offset in places[name])
        apart = min((b - a for a, b in zip(offsets, offsets[1:])), default=None)
        if len(cores) > 1 or apart is not None and (count is None or apart < count):
            raise NotVectorisable
    reductions = {}
    for statement in node.body:
        name, op, mentions = carried_update(statement)
        if name in carried and op and writes[name] == 1 and reads[name] == mentions:
            reductions[name] = op
    if set(carried) - set(reductions):
        raise NotVectorisable
    lanes = vector_bits() // bits * (4 if work < LARGE else 2 if work < LARGER else 1)
    if count is not None:
        while lanes > 2 and lanes // 2 >= count:
            lanes //= 2
    return Shape(reductions, lanes, loaded, bool(inside))


def core_and_offset(index: ast.expr) -> tuple[str, int]:
    """`i * 64 + j + 32` is 32 after `i * 64 + j`."""
    match index:
        case ast.BinOp(left=core, op=ast.Add(), right=ast.Constant(value=int(offset))):
            return ast.dump(core), offset
    return ast.dump(index), 0


def carried_update(statement: ast.stmt) -> tuple[str | None, str | None, int]:
    """(name, operation, how often the statement reads the name) of an update like `s += x`."""
    match statement:
        case ast.AugAssign(target=ast.Name(id=name), op=op):
            kinds = {ast.Add: "add", ast.Sub: "add", ast.Mult: "mul", ast.BitAnd: "and",
                     ast.BitOr: "or", ast.BitXor: "xor"}
            return name, kinds.get(type(op)), 0
        case ast.Assign(targets=[ast.Name(id=name)],
                        value=ast.Call(func=ast.Name(id="minimum" | "maximum" as op),
                                       args=[a, b])):
            if any(isinstance(x, ast.Name) and x.id == name for x in (a, b)):
                return name, op, 1
    return None, None, 0


class Vectoriser(Instructions):
    """Loads, stores and loops, on numbers and on vectors."""

    def __init__(self, *args: Any):
        super().__init__(*args)
        self.label = "entry"  # of the block that is being written
        self.reductions: dict[str, str] = {}
        self.read_arrays: set[str] = set()
        self.nested = False  # whether the vector loop has loops inside; then all is contiguous,
        self.columns = 0  # and this counts what is read so inside of them
        self.depth = 0  # of such loops
        self.streams: list[Parameter] = []  # arrays to be written past the caches
        self.streamed = False  # whether that was done
        self.past_caches = False  # whether it is being done

    # ---- memory

    def address(self, array: Parameter, index: Any) -> Any:
        kind = IN_MEMORY[array.dtype]
        if isinstance(index, Vec):
            return Vec(self.emit(f"getelementptr inbounds {kind}, ptr %{array.name}, "
                                 f"{self.kind('i64')} {index}"))
        return self.emit(f"getelementptr inbounds {kind}, ptr %{array.name}, i64 {index}")

    def memory_call(self, name: str, array: Parameter, place: Any, value: str | None) -> Any:
        """A masked load, gather, store or scatter."""
        element = IN_MEMORY[array.dtype]
        kind, mask = f"<{self.lanes} x {element}>", f"<{self.lanes} x i1>"
        suffix = f"v{self.lanes}" + {"float": "f32", "double": "f64", "half": "f16"}.get(
            element, element)
        pointer = f"<{self.lanes} x ptr>" if isinstance(place, Vec) else "ptr"
        suffix += f".v{self.lanes}p0" if isinstance(place, Vec) else ".p0"
        align = size_of(array.dtype) // 8
        chosen = self.mask or "splat (i1 true)"
        full = f"@llvm.masked.{name}.{suffix}"
        if value is None:
            self.declared[f"declare {kind} {full}({pointer}, i32, {mask}, {kind})"] = None
            return self.emit(f"call {kind} {full}({pointer} {place}, i32 {align}, {mask} {chosen}, "
                             f"{kind} zeroinitializer)")
        self.declared[f"declare void {full}({kind}, {pointer}, i32, {mask})"] = None
        self.lines.append(f"  call void {full}({kind} {value}, {pointer} {place}, i32 {align}, "
                          f"{mask} {chosen})")
        return None

    def load(self, array: Parameter, index: Any) -> Any:
        if isinstance(index, str) and not isinstance(index, Vec):
            value = self.emit(f"load {IN_MEMORY[array.dtype]}, ptr {self.address(array, index)}")
        elif isinstance(index, Linear) and index.step == 0:
            return self.load(array, index.base)
        elif isinstance(index, Linear) and index.step == 1:
            place = self.address(array, index.base)
            self.columns += self.depth > 0
            if self.mask:
                value = Vec(self.memory_call("load", array, place, None))
            else:
                kind = f"<{self.lanes} x {IN_MEMORY[array.dtype]}>"
                align = size_of(array.dtype) // 8
                value = Vec(self.emit(f"load {kind}, ptr {place}, align {align}"))
        elif self.nested:
            raise NotVectorisable
        elif isinstance(index, Linear) and 2 <= index.step <= 4 and has_masks() and not self.mask:
            value = self.every_nth(array, index)
        else:
            place = self.address(array, self.vector(index, "i64"))
            value = Vec(self.memory_call("gather", array, place, None))
        if array.dtype == "bool":
            return self.compare("!=", "u8", value, "0")
        return self.from_half(value, array.dtype) if array.dtype in STORED else value

    def every_nth(self, array: Parameter, index: Linear) -> Vec:
        """Load all that lies between the first lane's element and the last one's, and choose."""
        element, lanes, step = IN_MEMORY[array.dtype], self.lanes, index.step
        self.lanes, width = lanes * step, lanes * step
        self.mask = lane_list("i1", ["true"] * (width - step + 1) + ["false"] * (step - 1))
        wide = self.memory_call("load", array, self.address(array, index.base), None)
        self.lanes, self.mask = lanes, None
        kind = f"<{width} x {element}>"
        chosen = lane_list("i32", range(0, width, step))
        return Vec(self.emit(f"shufflevector {kind} {wide}, {kind} poison, "
                             f"<{lanes} x i32> {chosen}"))

    def store(self, array: Parameter, index: Any, value: Any) -> None:
        if array.dtype == "bool":
            value = self.cast(value, "bool", "u8")
        elif array.dtype in STORED:
            value = self.to_half(value, array.dtype)
        element = IN_MEMORY[array.dtype]
        if not self.lanes:
            self.lines.append(f"  store {element} {value}, ptr {self.address(array, index)}")
            return
        dtype = {"bool": "u8", "f16": "f16", "bf16": "bf16"}.get(array.dtype, array.dtype)
        if isinstance(index, Linear) and index.step == 1:
            place, value = self.address(array, index.base), self.vector(value, dtype)
            if self.mask:
                self.memory_call("store", array, place, value)
            else:
                how = f"align {size_of(array.dtype) // 8}"
                if self.past_caches and array in self.streams:
                    how = f"align {LINE}, !nontemporal !0"
                self.lines.append(f"  store <{self.lanes} x {element}> {value}, ptr {place}, {how}")
        elif isinstance(index, Vec) or isinstance(index, Linear) and index.step:
            if array.name in self.read_arrays or self.nested:
                raise NotVectorisable  # two lanes may meet
            place = self.address(array, self.vector(index, "i64"))
            self.memory_call("scatter", array, place, self.vector(value, dtype))
        else:
            raise NotVectorisable  # all lanes meet

    def rounded(self, value: Any, dtype: str) -> Any:
        return self.from_half(self.to_half(value, dtype), dtype)

    def to_half(self, value: Any, dtype: str) -> Any:
        if dtype == "bf16":
            return self.cast(self.library_call("bfloat16_bits", value, "f32"), "i32", "i16")
        if not converts_halves():
            bits = self.cast(self.library_call("float16_bits", value, "f32"), "i32", "i16")
            return self.bitcast(bits, "i16", "f16")
        kind, (value,), made = self.together("f32", value)
        return made(self.emit(f"fptrunc {kind} {value} to {kind.replace('float', 'half')}"))

    def from_half(self, value: Any, dtype: str) -> Any:
        if dtype == "bf16":
            wide = self.cast(value, "u16", "i32")
            return self.intrinsic("unbits", "i32", [self.binary("<<", "i32", wide, "16", "")])
        if not converts_halves():
            bits = self.cast(self.bitcast(value, "f16", "i16"), "u16", "i32")
            return self.library_call("float16_value", bits, "i32")
        kind, (value,), made = self.together("f16", value)
        return made(self.emit(f"fpext {kind} {value} to {kind.replace('half', 'float')}"))

    # ---- vector loops

    def assign(self, name: str, value: Any, dtype: str) -> None:
        if name in self.reductions:
            value = self.vector(value, dtype)
            if self.mask:
                value = self.select(dtype, Vec(self.mask), value, self.env[name][0])
        self.env[name] = value, dtype

    def vector_loop(self, node: ast.For, name: str, start: str, stop: str,
                    carried: list[str]) -> None:
        """The loop over vectors, or NotVectorisable with nothing changed."""
        known = start.isdigit() and stop.isdigit()
        count = int(stop) - int(start) if known else None
        shape = shape_of(node, carried, self.arrays, count)
        if count is not None and count < 2 or count == 0:
            raise NotVectorisable
        saved = (self.lines, len(self.lines), dict(self.env), self.label, self.splats,
                 self.before_loop, self.loop_born)
        try:
            self.lanes, self.reductions, self.splats = shape.lanes, shape.reductions, {}
            self.read_arrays, self.nested, self.columns = shape.read_arrays, shape.nested, 0
            self.blocks_and_rest(node, name, start, stop, carried, count)
            if shape.nested and not self.columns:
                raise NotVectorisable
        except NotVectorisable:
            self.lines, length, self.env, self.label = saved[:4]
            del self.lines[length:]
            raise
        finally:
            self.splats, self.before_loop, self.loop_born = saved[4:]
            self.lanes, self.reductions, self.mask = 0, {}, None
            self.nested, self.depth, self.past_caches = False, 0, False

    def blocks_and_rest(self, node, name, start, stop, carried, count) -> None:
        lanes, entered = self.lanes, dict(self.env)
        stream = self.streams and start == "%start" and not self.nested \
            and lanes * size_of(self.streams[0].dtype) // 8 % LINE == 0
        if stream:
            begin, start = start, self.next_line(self.streams[0], start, stop)
        if count is None:
            length = self.llvm_call("smax", "i64", [self.emit(f"sub nsw i64 {stop}, {start}"), "0"])
            whole = self.emit(f"and i64 {length}, {-lanes}")
            full = self.emit(f"add nsw i64 {start}, {whole}")
        else:
            full = str(int(start) + count // lanes * lanes)
        self.before_loop = []
        self.lines.append(self.before_loop)
        self.loop_born = self.count + 1
        for v in carried:
            self.env[v] = self.first_lanes(v, *entered[v]), entered[v][1]
        if stream:
            self.rest(node, name, begin, start, carried, None)
            self.streamed = self.past_caches = True
        if count is None or count >= lanes:
            self.blocks(node, name, start, full, carried, count is not None)
        self.past_caches = False
        if full != stop:
            if has_masks():
                self.rest(node, name, full, stop, carried, count)
            else:
                self.join(carried, entered)
                lanes, self.lanes, self.reductions = self.lanes, 0, {}
                self.number_loop(node, name, full, stop, 1, carried)
                return
        self.join(carried, entered)

    def next_line(self, array: Parameter, start: str, stop: str) -> str:
        """The first index from `start` on that begins a cache line."""
        size = size_of(array.dtype) // 8
        address = self.emit(f"ptrtoint ptr {self.address(array, start)} to i64")
        missing = self.emit(f"and i64 {self.emit(f'sub i64 0, {address}')}, {LINE - 1}")
        ahead = self.emit(f"udiv i64 {missing}, {size}")
        first = self.emit(f"add nsw i64 {start}, {ahead}")
        return self.llvm_call("smin", "i64", [first, self.llvm_call("smax", "i64", [start, stop])])

    def first_lanes(self, variable: str, value: str, dtype: str) -> Vec:
        op = self.reductions[variable]
        if op in ("add", "xor"):
            return self.vector(self.constant(-0.0 if is_float(dtype) else 0, dtype), dtype)
        return self.vector("1" if not is_float(dtype) else float_text(1.0, dtype), dtype) \
            if op == "mul" else self.vector(value, dtype)

    def join(self, carried: list[str], entered: dict) -> None:
        """Numbers again from the lanes of the reductions."""
        for v in carried:
            (lanes, dtype), op = self.env[v], self.reductions[v]
            if op in ("add", "mul"):
                result = self.reduced(("f" if is_float(dtype) else "") + op, dtype, lanes)
                symbol = "+" if op == "add" else "*"
                self.env[v] = self.binary(symbol, dtype, entered[v][0], result, ""), dtype
            elif op == "xor":
                self.env[v] = self.binary("^", dtype, entered[v][0],
                                          self.reduced("xor", dtype, lanes), ""), dtype
            elif op in ("minimum", "maximum"):
                if is_float(dtype):
                    reduction = "f" + op
                elif dtype == "bool":
                    reduction = "and" if op == "minimum" else "or"
                else:
                    reduction = ("s" if is_signed(dtype) else "u") + op[:3]
                self.env[v] = self.reduced(reduction, dtype, lanes), dtype
            else:
                self.env[v] = self.reduced(op, dtype, lanes), dtype

    def blocks(self, node, name, start, full, carried, known) -> None:
        body, end = self.new_labels("vector", "rest")
        before, entered = self.label, dict(self.env)
        self.lines.append(f"  br label %{body}" if known else
                          f"  br i1 {self.emit(f'icmp slt i64 {start}, {full}')}, "
                          f"label %{body}, label %{end}")
        self.start_block(body)
        phis: list[str] = []
        self.lines.append(phis)
        heads, counter = self.fresh(carried), self.fresh([name])[name]
        for v in carried:
            self.env[v] = Vec(heads[v]), entered[v][1]
        self.env[name] = Linear(counter, 1), "i64"
        after = self.scoped(lambda: self.block(node.body))
        following = self.emit(f"add nsw i64 {counter}, {self.lanes}")
        more = self.emit(f"icmp slt i64 {following}, {full}")
        latch = self.label
        self.lines.append(f"  br i1 {more}, label %{body}, label %{end}")
        phis += self.phis([(counter, "i64", [(start, before), (following, latch)])] + [
            (heads[v], self.kind(entered[v][1]), [(entered[v][0], before), (after[v][0], latch)])
            for v in carried])
        self.start_block(end)
        self.merge(carried, after, latch, entered, None if known else before)
        self.env.pop(name, None)

    def rest(self, node, name, full, stop, carried, count) -> None:
        """What is left over, under a mask."""
        lanes, entered = self.lanes, dict(self.env)
        before = self.label
        if count is None:
            body, end = self.new_labels("masked", "end")
            some = self.emit(f"icmp slt i64 {full}, {stop}")
            self.lines.append(f"  br i1 {some}, label %{body}, label %{end}")
            self.start_block(body)
            left = self.emit(f"trunc i64 {self.emit(f'sub nsw i64 {stop}, {full}')} to i8")
            bytes_ = self.splat(left, "i8")
            self.mask = self.emit(f"icmp ult <{lanes} x i8> {lane_numbers(lanes, 'i8')}, {bytes_}")
        else:
            left = count % lanes
            self.mask = lane_list("i1", ["true"] * left + ["false"] * (lanes - left))
        self.env[name] = Linear(full, 1), "i64"
        after = self.scoped(lambda: self.block(node.body))
        self.mask = None
        if count is None:
            latch = self.label
            self.lines.append(f"  br label %{end}")
            self.start_block(end)
            self.merge(carried, after, latch, entered, before)
        self.env.pop(name, None)

    # ---- what llvm.py adds

    def new_labels(self, *names: str) -> list[str]: raise NotImplementedError
    def start_block(self, label: str) -> None: raise NotImplementedError
    def phis(self, incoming) -> list[str]: raise NotImplementedError
    def fresh(self, names: list[str]) -> dict[str, str]: raise NotImplementedError
    def merge(self, carried, after, latch, before, skipped) -> None: raise NotImplementedError
    def number_loop(self, node, name, start, stop, step, carried): raise NotImplementedError
    def library_call(self, name: str, value: Any, dtype: str) -> Any: raise NotImplementedError
