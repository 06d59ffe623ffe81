"""Kernels of the subset as CUDA C++: the loops of a kernel, spread over a grid of threads.

A *team* is a number of neighbouring threads that work on one turn of the kernel's outermost loop
(a row); its threads share the turns of the inner loops that `Schedule.threads` names, and meet in
a reduction after each. Teams of 32 threads or fewer reduce by shuffles alone, and several sit in a
block; a larger one is a block. If the outermost loop itself is shared, every thread takes turns of
its own (and the grid is one flat range of them).

    for i in range(start, stop):        a team each: i = blockIdx.x * 4 + threadIdx.y, ...
        t = f32(0)
        for j in range(1024):           a thread each: j = threadIdx.x, ...
            t += a0[i * 1024 + j]
        a1[i] = t                       t = team<32>(t, Sum()), and one thread stores it

What several passes over a row read is loaded once and kept in registers, where it fits.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from kernels.cuda.expressions import CudaReader, Expr, assigned_once, inside, libraries
from kernels.cuda.layout import FLAT, LARGE, Layout, Schedule
from kernels.cuda.packs import ThreadLoop, packs_of
from kernels.grammar import STORED, KernelError, Parameter

REDUCTIONS = {ast.Add: "Sum", ast.Mult: "Product", ast.BitAnd: "And", ast.BitOr: "Or",
              "maximum": "Maximum", "minimum": "Minimum"}


@dataclass
class CudaKernel:
    """One function's text, and how it is launched: `grid` and `block` as CUDA takes them.

    kept: which of the kernel's parameters are left (rows in registers are none)."""

    name: str
    text: str
    kept: list[int]
    block: tuple[int, int]
    turns: int  # of a block at once
    extent: int
    many: bool = False  # one launch for several sets of arrays
    functions: dict[str, Any] = field(default_factory=dict)

    def grid(self, extent: int | None = None) -> int:
        extent = self.extent if extent is None else extent
        return max(1, min(-(-extent // self.turns), (1 << 31) - 1))


class Emitter(Layout, CudaReader):
    """Writes one kernel. Depth counts the loops around that a thread goes through alone."""

    def __init__(self, node: ast.FunctionDef, parameters: Sequence[Parameter], schedule: Schedule,
                 extent: int, functions: dict, many: bool):
        index = "i64" if schedule.largest >= LARGE else "i32"
        CudaReader.__init__(self, libraries(), f"<{node.name}>", functions, index)
        Layout.__init__(self, node, parameters, schedule, extent)
        self.many = many
        self.arrays = {p.name: p for p in parameters if p.array}
        self.env = {p.name: (Expr(p.name), p.dtype) for p in parameters if not p.array}
        self.env |= {"start": (Expr("0"), "i64"), "stop": (Expr(str(extent)), "i64")}
        self.once = assigned_once(node)
        self.depth = 0
        self.level: dict[str, int] = {}  # at which depth a variable began
        self.pending: dict[int, list[str]] = {}  # reductions to be done when that depth is reached
        self.lane: str | None = None
        self.inner = False  # inside a loop that threads share
        self.packed: dict[tuple[str, str], str] = {}
        self.held: dict[tuple[str, str], str] = {}  # loads that registers hold for later passes

    # ---- the whole

    def write(self) -> CudaKernel:
        stored = {n.value.id for n in ast.walk(self.node)
                  if isinstance(n, ast.Subscript) and isinstance(n.ctx, ast.Store)}
        kept = [k for k, p in enumerate(self.parameters) if p.name not in self.schedule.rows]
        given = []
        for k in kept:
            p = self.parameters[k]
            const = "" if p.name in stored else "const "
            given.append(f"{const}{p.dtype}* __restrict__ {p.name}" if p.array
                         else f"const {p.dtype} {p.name}")
        if self.many:
            self.out(f"const u64* job = jobs + blockIdx.y * {len(given) + 1};")
            for k, text in enumerate(given):
                kind = text.replace(" __restrict__", "").rpartition(" ")[0]
                self.out(f"{text} = ({kind})job[{k}];")
            self.out(f"const {self.index_type} n = ({self.index_type})job[{len(given)}];")
            given = ["const u64* __restrict__ jobs"]
        self.block(self.node.body)
        threads = self.size * self.teams
        head = [f'extern "C" __global__ void __launch_bounds__({threads})',
                f"{self.node.name}({', '.join(given)}) {{"]
        text = "\n".join([*self.comment(), *head, *self.lines, "}"]) + "\n"
        turns = FLAT * self.lanes if self.flat else self.teams
        return CudaKernel(self.node.name, text, kept, (self.size, self.teams), turns, self.extent,
                          self.many, self.functions)

    def comment(self) -> Iterator[str]:
        if self.flat:
            many = f", {self.lanes} elements a thread at a time" if self.lanes > 1 else ""
            turns = "as many turns as each set of arrays has" if self.many else \
                f"{self.extent} turns"
            yield f"// {turns}, {FLAT} threads a block{many}"
        elif self.loops:
            where = ", rows in registers" if self.unrolled else ""
            threads = "1 thread" if self.size == 1 else f"{self.size} threads"
            teams = f", {self.teams} rows a block" if self.teams > 1 else ""
            rows = "1 row" if self.extent == 1 else f"{self.extent} rows"
            yield f"// {rows} of {self.schedule.width}: {threads} a row{teams}{where}"

    # ---- stores outside of loops that threads share: by one thread of the team

    def store(self, array: Parameter, index: Any, value: Any) -> None:
        if isinstance(index, Register):
            value = f"{array.dtype}({value})" if array.dtype in STORED else value
            self.out(f"{index} = {value};")
            return
        tests = []
        if not self.inner and self.size > 1:
            tests.append("threadIdx.x == 0")
        if self.depth == 0 and not self.inner and not self.flat and self.outermost is not None:
            tests.append("blockIdx.x == 0 && threadIdx.y == 0")
        if not tests:
            return super().store(array, index, value)
        if array.dtype in STORED:
            value = f"{array.dtype}({value})"
        self.out(f"if ({' && '.join(tests)}) {array.name}[{index}] = {value};")
        return None

    def load(self, array: Parameter, index: Any) -> Any:
        if isinstance(index, Register):
            return Expr(f"f32({index})") if array.dtype in STORED else Expr(index)
        return super().load(array, index)

    def element(self, node: ast.Subscript) -> tuple[Parameter, Any]:
        if isinstance(node.value, ast.Name):
            name = node.value.id
            if name in self.schedule.rows:
                return self.arrays[name], Register(name + self.of_turn() + self.of_lane())
            found = self.packed.get((name, ast.unparse(node.slice)))
            if found is not None:
                return self.arrays[name], Register(found + self.of_lane())
        return super().element(node)

    def of_turn(self) -> str:
        return "" if self.turns == 1 else "[k]"

    def of_lane(self) -> str:
        return "" if self.lanes == 1 else "[v]"

    # ---- loops

    def assign(self, name: str, value: Any, dtype: str) -> None:
        if name not in self.env:
            self.level[name] = self.depth
        super().assign(name, value, dtype)

    def do_For(self, node: ast.For) -> None:
        self.in_positions(lambda: super(Emitter, self).do_For(node))

    def loop(self, node: ast.For, name: str, start, stop, step: int, carried) -> None:
        outer, self.indexing = self.indexing, False
        if node in self.loops:
            self.shared_loop(node, carried)
        else:
            self.depth += 1
            if node is self.outermost:
                self.team_loop(node, name)
            else:
                super().loop(node, name, start, stop, step, carried)
            self.depth -= 1
            for variable in self.pending.pop(self.depth, ()):
                self.reduce(variable, *self.reductions[variable])
        self.indexing = outer

    def of_grid(self, word: str) -> str:
        return f"{word}.x" if self.index_type == "i32" else f"i64({word}.x)"

    def limit(self) -> str:
        return "n" if self.many else str(self.extent)

    def team_loop(self, node: ast.For, name: str) -> None:
        """Every turn is a team's."""
        first, step = self.of_grid("blockIdx"), self.of_grid("gridDim")
        if self.teams > 1:
            first, step = f"{first} * {self.teams} + threadIdx.y", f"{step} * {self.teams}"
        self.env[name] = Expr(name), "i64"
        self.declare_rows()
        self.braced(f"for ({self.index_type} {name} = {first}; {name} < {self.limit()}; "
                    f"{name} += {step})", lambda: self.scoped(lambda: self.block(node.body)))
        self.env.pop(name, None)

    def declare_rows(self) -> None:
        kinds = [(a, self.arrays[a].dtype) for a in sorted(self.schedule.rows)]
        for array, text in self.repeated:
            self.held[array, text] = self.fresh("r")
            kinds.append((self.held[array, text], self.arrays[array].dtype))
        for row, dtype in kinds:
            kind = dtype if self.lanes == 1 else f"pack<{dtype}, {self.lanes}>"
            self.out(f"{kind} {row}{'' if self.turns == 1 else f'[{self.turns}]'};")

    reductions: dict[str, tuple[str, str]]

    def shared_loop(self, node: ast.For, carried: list[str]) -> None:
        """A loop whose turns the threads share; what it carries they reduce afterwards."""
        loop, lanes, name = self.loops[node], self.lanes, self.loops[node].name
        kind, many = self.index_type, f" * {lanes}" if lanes > 1 else ""
        outside = dict(self.env)
        self.env[name] = Expr(name), "i64"
        self.inner = True
        if self.flat:
            first = f"{self.of_grid('blockIdx')} * {FLAT} + threadIdx.x"
            first = f"({first}){many}" if many else first
            head = f"for ({kind} {name} = {first}; {name} < {self.limit()}; " \
                   f"{name} += {self.of_grid('gridDim')} * {FLAT * lanes})"
            self.braced(head, lambda: self.turn(loop))
        elif self.unrolled:
            first = "threadIdx.x" if self.turns == 1 else f"k * {self.size} + threadIdx.x"
            if many:
                first = f"{first}{many}" if self.turns == 1 else f"({first}){many}"
            whole = self.turns * self.size * lanes == self.schedule.width

            def body() -> None:
                self.out(f"const {kind} {name} = {first};")
                if whole:
                    self.turn(loop)
                else:
                    self.braced(f"if ({name} < {self.schedule.width})", lambda: self.turn(loop))

            if self.turns > 1:
                self.out("#pragma unroll")
            self.braced(f"for (int k = 0; k < {self.turns}; k++)" if self.turns > 1 else "", body)
        else:
            start = self.in_positions(lambda: self.number(loop.start, "i64"))
            stop = self.in_positions(lambda: self.number(loop.stop, "i64"))
            first = f"threadIdx.x{many}" if self.size > 1 else "0"
            first = first if start == "0" else f"{start} + {first}"
            self.braced(f"for ({kind} {name} = {first}; {name} < {inside(stop, 8)}; "
                        f"{name} += {self.size * lanes})", lambda: self.turn(loop))
        self.inner = False
        self.env = outside
        self.reductions = getattr(self, "reductions", {})
        for variable in carried:
            self.reductions[variable] = self.env[variable][1], reduction_of(node, variable)
            if self.level.get(variable, 0) == self.depth:
                self.reduce(variable, *self.reductions[variable])
            else:
                waiting = self.pending.setdefault(self.level[variable], [])
                if variable not in waiting:
                    waiting.append(variable)

    def reduce(self, variable: str, dtype: str, operation: str) -> None:
        if self.size > 1:
            self.out(f"{variable} = team<{self.size}>({variable}, {operation}());")

    def turn(self, loop: ThreadLoop) -> None:
        """One turn of a shared loop: packs in, element by element, packs out."""
        self.scoped(lambda: self.turn_inside(loop))

    def turn_inside(self, loop: ThreadLoop) -> None:
        for name, node in loop.positions.items():
            value = self.in_positions(lambda node=node: self.number(node, "i64"))
            self.in_positions(lambda name=name, value=value: self.assign(name, value, "i64"))
        loads, stores = packs_of(loop, self.lanes, set(self.schedule.rows)) \
            if self.lanes > 1 or self.repeated else ({}, {})
        self.packed = {}
        out: list[tuple[str, str, str]] = []
        for (array, text), node in loads.items():
            row = self.held.get((array, text))
            if row is not None and (array, text) not in self.repeated:
                self.packed[array, text] = row + self.of_turn()
                continue
            if self.lanes == 1 and row is None:
                continue
            index = self.in_positions(lambda node=node: self.number(node, "i64"))
            value = f"{array}[{index}]" if self.lanes == 1 \
                else f"load<{self.lanes}>({plus(array, index)})"
            if row is None:
                place = self.fresh("p")
                self.out(f"const pack<{self.arrays[array].dtype}, {self.lanes}> {place} = {value};")
            else:  # the first pass over the row fills the registers
                place = row + self.of_turn()
                self.out(f"{place} = {value};")
                del self.repeated[array, text]
            self.packed[array, text] = place
        reads = dict(self.packed)
        if self.lanes > 1:
            for (array, text), node in stores.items():
                index = self.in_positions(lambda node=node: self.number(node, "i64"))
                place = self.fresh("q")
                dtype = self.arrays[array].dtype
                self.out(f"pack<{dtype}, {self.lanes}> {place};")
                out.append((place, array, index))
                self.packed[array, text] = place
        self.packed = Places(reads, {k: v for k, v in self.packed.items() if k in stores}, self)
        if self.lanes == 1:
            self.block(loop.body)
        else:
            self.out("#pragma unroll")
            self.braced(f"for (int v = 0; v < {self.lanes}; v++)", lambda: self.of_each_lane(loop))
            for place, array, index in out:
                self.out(f"store({plus(array, index)}, {place});")
        self.packed = {}

    def of_each_lane(self, loop: ThreadLoop) -> None:
        outside = dict(self.env)
        self.env[loop.name] = Expr.of(f"{loop.name} + v", "+"), "i64"
        for name, node in loop.positions.items():
            stride = loop.stride(node, self.lanes)
            if stride == 1:
                self.env[name] = Expr.of(f"{name} + v", "+"), "i64"
            elif stride != 0:
                text = self.in_positions(lambda node=node: self.number(node, "i64"))
                self.env[name] = text, "i64"
        self.scoped(lambda: self.block(loop.body))
        self.env = outside

    def do_Assign(self, node: ast.Assign) -> None:
        storing = isinstance(node.targets[0], ast.Subscript)
        if storing and isinstance(self.packed, Places):
            self.packed.stores_now = False
            value = self.expression(node.value)
            self.packed.stores_now = True
            self.set(node, node.targets[0], value)
            self.packed.stores_now = False
        else:
            super().do_Assign(node)


class Register(str):
    """An element that a register holds, in place of an index."""


class Places(dict):
    """Where accesses find packs: loads and stores of one place have each their own."""

    def __init__(self, loads: dict, stores: dict, emitter: Emitter):
        super().__init__(loads)
        self.stores, self.stores_now = stores, False

    def get(self, key, default=None):
        return self.stores.get(key, default) if self.stores_now else super().get(key, default)


def plus(array: str, index: str) -> str:
    return array if index == "0" else f"{array} + {index}"


def reduction_of(loop: ast.For, variable: str) -> str:
    """How a loop combines a variable that it carries."""
    found = set()
    for node in ast.walk(loop):
        if isinstance(node, ast.AugAssign) and ast.unparse(node.target) == variable:
            found.add(REDUCTIONS.get(type(node.op)))
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == variable:
            value = node.value
            if isinstance(value, ast.BinOp) and ast.unparse(value.left) == variable:
                found.add(REDUCTIONS.get(type(value.op)))
            elif isinstance(value, ast.Call) and ast.unparse(value.args[0]) == variable:
                found.add(REDUCTIONS.get(ast.unparse(value.func)))
            else:
                found.add(None)
    if len(found) != 1 or None in found:
        raise KernelError(f"threads cannot share a loop that carries {variable}: no reduction")
    return found.pop()  # type: ignore[return-value]


def emit_kernel(text: str, signature: dict[str, str], schedule: Schedule, extent: int,
                functions: dict[str, Any] | None = None, many: bool = False) -> CudaKernel:
    """One function of the subset as a CUDA kernel. `functions` collects what it calls. `many`: for
    several sets of arrays at once, whose extents are multiples of `extent`."""
    (node,) = ast.parse(text).body
    assert isinstance(node, ast.FunctionDef)
    parameters = [Parameter.parse(*row) for row in signature.items()]
    return Emitter(node, parameters, schedule, extent, {} if functions is None else functions,
                   many).write()
