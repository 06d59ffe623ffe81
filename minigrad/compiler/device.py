"""A plan on a device: kernels launched one after another, without waiting for them.

Values lie in an arena on the device, as on the CPU. Equations that have no kernel here run the
device's implementation of their primitive (cuBLAS for products). A program that calls none of
these, and meets the same arrays again, is replayed as one CUDA graph.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

import numpy as np

from kernels.cuda import CudaKernel, emit_kernel, module_source
from minigrad import debug
from minigrad.compiler import Overlap
from minigrad.compiler.grid import GridWriter
from minigrad.compiler.nest import Kernel
from minigrad.compiler.plan import Planner
from minigrad.compiler.steps import (
    BranchStep, Buffer, CopyStep, KernelStep, LoopStep, NumpyStep, Outer, Plan, Step, View,
    WhileStep, plans_in,
)
from minigrad.program import Jaxpr, Var
from minigrad.programs.source import kernel_params

GRAPHS = 8  # of one program
FEWEST = 4  # launches that are worth a graph
CUBLAS = ("float16", "float32", "float64")
TABLES = 16  # of one launch over several sets of arrays


@dataclass
class ManyStep(Step):
    """Kernels of equal text on several sets of arrays, as one launch: an optimizer's updates."""

    kernels: list[Kernel]
    sets: list[list]

    @property
    def name(self) -> str:
        return f"{self.kernels[0].name} and {len(self.kernels) - 1} more"


class DevicePlanner(Planner):
    """Products, scatters and running sums are left to the device's libraries."""

    writer = GridWriter
    SPECIAL = {name: Planner.SPECIAL[name] for name in ("concatenate", "scan", "while", "cond")}

    def gather(self) -> None:
        """Kernels of equal text, none of which needs another's results, become one launch, in the
        place of the last of them."""
        steps = self.plan.steps
        groups: dict[str, list[int]] = {}
        for k, step in enumerate(steps):
            if isinstance(step, KernelStep):
                groups.setdefault(kind_of(step.kernel), []).append(k)
        for places in groups.values():
            last = places[-1]
            moved = [k for k in places if k == last or self.can_wait(steps, k, last)]
            if len(moved) < 2:
                continue
            kernels = [steps[k].kernel for k in moved]
            sets = [steps[k].buffers for k in moved]
            steps[last] = ManyStep([b for row in sets for b in row], kernels, sets)
            for k in moved[:-1]:
                steps[k] = None
        self.plan.steps = [s for s in steps if s is not None]

    @staticmethod
    def can_wait(steps: Sequence[Step | None], k: int, last: int) -> bool:
        """May the step run after all others up to `last`? Not if they touch what it writes, or
        write what it reads."""
        step = steps[k]
        wrote, read = writes(step), {id(b) for b in bases(step.buffers)}
        return not any(
            other is not None and (wrote & {id(b) for b in bases(other.buffers)}
                                   or read & writes(other))
            for other in steps[k + 1:last + 1])


def bases(buffers: Sequence) -> list[Buffer]:
    found = (b.buffer if isinstance(b, (View, Outer)) else b for b in buffers)
    return [b for b in found if isinstance(b, Buffer)]


def writes(step: Step) -> set[int]:
    """The buffers that a step may write, by identity."""
    if isinstance(step, KernelStep):
        stored = {line.split("[")[0].strip() for line in step.kernel.lines
                  if "[" in line.split("=")[0]}
        return {id(b) for n, b in zip(step.kernel.names, step.buffers) if n in stored}
    if isinstance(step, NumpyStep):
        return {id(b) for b in bases(step.buffers[len(step.eqn.invars):])}
    if isinstance(step, CopyStep):
        return {id(b) for b in bases(step.buffers[:1])}
    return {id(b) for b in bases(step.buffers)}


def kind_of(kernel: Kernel) -> str:
    """Kernels of one kind differ in their arrays alone, and, if they are one flat range whose text
    does not say how long it is, in that."""
    head = [line for line in kernel.lines if line.startswith("for ")]
    flat = head == ["for i in range(start, stop):"] and "i" in kernel.schedule.threads \
        and "//" not in "".join(kernel.lines)
    # of a range that four divides, threads take four elements at a time
    size: Any = kernel.extent % 4 == 0 if flat else (kernel.extent, kernel.schedule)
    return repr((flat, size, kernel.lines, kernel.types))


# ------------------------------------------------------------------ compiling


class Module:
    """The CUDA kernels of plans, by the step that launches them; equal ones are one."""

    def __init__(self, *plans: Plan):
        self.functions: dict[str, Any] = {}
        self.made: dict[str, CudaKernel] = {}
        self.of_step: dict[int, CudaKernel] = {}
        self.names: set[str] = set()
        for plan in plans:
            for step in every_step(plan):
                if isinstance(step, KernelStep):
                    self.add(step, step.kernel, [step.kernel.extent], False)
                elif isinstance(step, ManyStep):
                    self.add(step, step.kernels[0], [k.extent for k in step.kernels], True)

    def add(self, step: Step, kernel: Kernel, extents: list[int], many: bool) -> None:
        key = repr((kernel.lines, kernel.types, kernel.schedule, extents, many))
        if key not in self.made:
            own = kernel.name
            if own in self.names:
                kernel.name = f"{own}_{len(self.names)}"
            self.names.add(kernel.name)
            schedule = replace(kernel.schedule, largest=max(kernel.schedule.largest, *extents))
            made = emit_kernel(kernel.text(), kernel.signature(), schedule, math.gcd(*extents),
                               self.functions, many)
            made.extent = max(extents)
            self.made[key] = made
            kernel.name = own
        self.of_step[id(step)] = self.made[key]

    @property
    def kernels(self) -> list[CudaKernel]:
        return list(self.made.values())

    @property
    def text(self) -> str:
        """What these programs add to the prelude."""
        return module_source(self.kernels, self.functions, head=False)

    @property
    def source(self) -> str:
        return module_source(self.kernels, self.functions)


def every_step(plan: Plan):
    for step in plan.steps:
        yield step
        for inner in plans_in(step):
            yield from every_step(inner)


def device_plan(program: Jaxpr, into: dict[int, int] | None = None) -> Plan:
    return DevicePlanner(program, into or {}).plan


def cuda_source(program: Jaxpr, into: dict[int, int] | None = None) -> str:
    """The CUDA kernels of a program, as text; no device is needed."""
    return Module(device_plan(program, into)).text


# ------------------------------------------------------------------ running


class Frame:
    """Where the buffers of one plan lie during one run."""

    def __init__(self, runner: DeviceExecutable, plan: Plan, arena: int, around: Frame | None):
        self.runner, self.plan, self.arena, self.around = runner, plan, arena, around
        self.operand = [0] * len(plan.operands)
        self.result = [0] * len(plan.results)

    def at(self, b) -> int:
        if isinstance(b, View):
            b = b.buffer
        if isinstance(b, Outer):
            assert self.around is not None
            return self.around.at(b.buffer)
        if b.where == "arena":
            return self.arena + b.number
        if b.where == "constant":
            return self.runner.constant(b)
        return (self.operand if b.where == "operand" else self.result)[b.number]

    def move(self, moves: Sequence, turn: int, around: Frame) -> None:
        """Operands and results of this turn of the loop around."""
        for (kind, number), buffer, start, step, other in moves:
            given = other if other is not None and turn % 2 else buffer
            getattr(self, kind)[number] = around.at(given) + start + turn * step


class DeviceExecutable:
    """A compiled program on a device. Calling it launches it on arrays and returns arrays. The
    arena is taken from the device's pool for each call, and back there before the call has run:
    whoever gets it next is queued behind (the pool keeps streams apart).

    machine: memory and launches (`kernels.cuda.machine.Machine`); implementation: what computes a
    primitive on the device's arrays, for equations that have no kernel; module: the kernels, if
    they were made already.
    """

    def __init__(self, plan: Plan, machine: Any, implementation: Callable[[Any], Callable],
                 module: Module | None = None):
        self.plan, self.machine, self.implementation = plan, machine, implementation
        self.module = Module(plan) if module is None else module
        self.source = self.module.text
        if self.source:
            debug.show(4, self.source)
        names = [k.name for k in self.module.kernels]
        with machine.active:
            self.launchers = machine.load(self.module.source, names) if names else {}
        self.constants: dict[int, tuple[Buffer, Any]] = {}
        self.actions: dict[int, list[Callable[[Frame], None]]] = {}
        self.lock = threading.RLock()
        self.verified: tuple = ()
        self.graphs: dict[tuple, tuple[Any, list]] = {}  # with the tables that they read
        self.used: list = []  # tables of this run
        self.seen: dict[tuple, int] = {}
        self.graphable = is_graphable(plan)

    def __call__(self, operands: Sequence) -> list:
        with self.lock, self.machine.active:
            return self.run(operands)

    def run(self, operands: Sequence, how: Callable[[Plan, Frame], None] | None = None) -> list:
        machine, plan = self.machine, self.plan
        given = [machine.operand(x, b.shape, b.dtype) for x, b in zip(operands, plan.operands)]
        arena = machine.empty((max(plan.arena_size, 1),), np.dtype(np.uint8))
        frame = Frame(self, plan, machine.address(arena), None)
        frame.operand = [machine.address(x) for x in given]
        self.verify(operands, given, frame.operand)
        results = []
        for k, b in enumerate(plan.results):
            results.append(operands[plan.written[k]] if k in plan.written
                           else machine.empty(b.shape, b.dtype))
        frame.result = [machine.address(x) for x in results]
        self.used = []
        if how is not None:
            how(plan, frame)
        elif not (self.graphable and self.replay(frame)):
            self.steps(plan, frame)
        return results

    def verify(self, operands: Sequence, given: Sequence, addresses: list[int]) -> None:
        """Raise Overlap, with nothing done, if an operand that is to be written shares memory."""
        written = set(self.plan.written.values())
        if not written or (key := tuple(addresses)) == self.verified:
            return
        if any(given[k] is not operands[k] for k in written):
            raise Overlap("an operand that is to be written is not contiguous, or elsewhere")
        ends = sorted((a, a + b.size, k) for k, (a, b) in
                      enumerate(zip(addresses, self.plan.operands)) if b.size)
        for (_, stop, j), (start, _, k) in zip(ends, ends[1:]):
            if start < stop and (j in written or k in written):
                raise Overlap("an operand that is to be written shares memory with another")
        self.verified = key

    # ---- graphs

    def replay(self, frame: Frame) -> bool:
        """Launch the graph of this program on these arrays, if there is one or can be one now."""
        key = frame.arena, *frame.operand, *frame.result
        if key not in self.graphs:
            self.seen[key] = self.seen.get(key, 0) + 1
            if len(self.seen) > 4 * GRAPHS:
                self.seen.pop(next(iter(self.seen)))
            if self.seen.get(key, 0) < 3:
                return False
            if len(self.graphs) >= GRAPHS:
                self.graphs.pop(next(iter(self.graphs)))
            self.used = []
            self.graphs[key] = (self.machine.capture(lambda: self.steps(self.plan, frame)),
                                self.used)
        graph, _ = self.graphs[key]
        if graph is None:
            return False
        graph()
        return True

    # ---- steps

    def steps(self, plan: Plan, frame: Frame) -> None:
        actions = self.actions.get(id(plan))
        if actions is None:
            actions = self.actions[id(plan)] = [self.action(step) for step in plan.steps]
        for action in actions:
            action(frame)

    def action(self, step: Step) -> Callable[[Frame], None]:
        """What launches a step."""
        kind = type(step)
        if kind is CopyStep:
            target, source = step.buffers
            size = getattr(target, "buffer", target).size
            return lambda frame: self.machine.copy(frame.at(target), frame.at(source), size)
        return getattr(self, kind.__name__)(step)

    def KernelStep(self, step: KernelStep) -> Callable[[Frame], None]:
        kernel = self.module.of_step[id(step)]
        launch, grid = self.launchers[kernel.name], (kernel.grid(),)
        buffers = [step.buffers[k] for k in kernel.kept]
        return lambda frame: launch(grid, kernel.block, tuple(map(frame.at, buffers)))

    def ManyStep(self, step: ManyStep) -> Callable[[Frame], None]:
        kernel = self.module.of_step[id(step)]
        launch, grid = self.launchers[kernel.name], (kernel.grid(), len(step.sets))
        tables: dict[tuple[int, ...], Any] = {}

        def run(frame: Frame) -> None:
            words = tuple(w for k, row in zip(step.kernels, step.sets)
                          for w in (*(frame.at(row[n]) for n in kernel.kept), k.extent))
            if words not in tables:
                if len(tables) >= TABLES:
                    tables.pop(next(iter(tables)))
                tables[words] = self.machine.table(words)
            self.used.append(tables[words])
            launch(grid, kernel.block, (self.machine.address(tables[words]),))

        return run

    def NumpyStep(self, step: NumpyStep) -> Callable[[Frame], None]:
        eqn, machine = step.eqn, self.machine
        implementation = self.implementation(eqn.primitive)
        params = kernel_params(eqn.primitive, eqn.params)
        into = getattr(implementation, "into", False)
        count = len(eqn.invars)
        avals = [v.aval for v in (*eqn.invars, *eqn.outvars)]
        literals = {k: machine.asarray(np.asarray(a.value, a.aval.dtype))
                    for k, a in enumerate(eqn.invars) if type(a) is not Var}
        outputs = range(count, len(avals))

        def view(frame: Frame, k: int) -> Any:
            return machine.view(frame.at(step.buffers[k]), tuple(avals[k].shape),
                                avals[k].dtype, self)

        if is_product(avals, eqn):
            return lambda frame: machine.product(
                *(view(frame, k) for k in range(3)), eqn.params["dimension_numbers"])

        def run(frame: Frame) -> None:
            given = [literals[k] if k in literals else view(frame, k) for k in range(count)]
            if into:
                implementation(*given, out=view(frame, count), **params)
                return
            outs = implementation(*given, **params)
            for k, out in zip(outputs, outs if eqn.primitive.multiple_results else [outs]):
                view(frame, k)[...] = out

        return run

    def LoopStep(self, step: LoopStep) -> Callable[[Frame], None]:
        def run(frame: Frame) -> None:
            inner = Frame(self, step.body, frame.at(step.arena), frame)
            for turn in range(step.times):
                inner.move(step.moves, turn, frame)
                self.steps(step.body, inner)

        return run

    def WhileStep(self, step: WhileStep) -> Callable[[Frame], None]:
        def run(frame: Frame) -> None:
            test = Frame(self, step.test, frame.at(step.arenas[0]), frame)
            body = Frame(self, step.body, frame.at(step.arenas[1]), frame)
            while True:
                test.move(step.test_moves, 0, frame)
                self.steps(step.test, test)
                if not self.machine.read(frame.at(step.flag), np.dtype(np.bool_), self):
                    return
                body.move(step.moves, 0, frame)
                self.steps(step.body, body)

        return run

    def BranchStep(self, step: BranchStep) -> Callable[[Frame], None]:
        def run(frame: Frame) -> None:
            k = self.machine.read(frame.at(step.buffers[0]), np.dtype(np.int32), self)
            k = min(max(int(k), 0), len(step.branches) - 1)
            inner = Frame(self, step.branches[k], frame.at(step.arenas[k]), frame)
            inner.move(step.moves, 0, frame)
            self.steps(step.branches[k], inner)

        return run

    def step_times(self, operands: Sequence, repeats: int = 5) -> list[float]:
        """Seconds of each step by itself, from its launch until the device has done it. Operands
        that the program writes are copied before."""
        written = self.plan.written.values()
        operands = [x.copy() if k in written else x for k, x in enumerate(operands)]
        runs: list[list[float]] = []

        def timed(plan: Plan, frame: Frame) -> None:
            times = []
            for step in plan.steps:
                action = self.action(step)
                self.machine.wait()
                start = time.perf_counter()
                action(frame)
                self.machine.wait()
                times.append(time.perf_counter() - start)
            runs.append(times)

        with self.lock, self.machine.active:
            for _ in range(repeats + 1):
                self.run(operands, timed)
        return [median(column) for column in zip(*runs[1:])]

    def constant(self, b: Buffer) -> int:
        found = self.constants.get(id(b))
        if found is None:
            found = self.constants[id(b)] = b, self.machine.operand(b.value, b.shape, b.dtype)
        return self.machine.address(found[1])


def is_product(avals: Sequence, eqn: Any) -> bool:
    """Is it a product of arrays of one float type, which cuBLAS writes where it is told to?"""
    return eqn.primitive.name == "dot_general" and all(type(a) is Var for a in eqn.invars) \
        and len({a.dtype for a in avals}) == 1 and avals[0].dtype.name in CUBLAS \
        and all(0 not in a.shape for a in avals)


def is_graphable(plan: Plan) -> bool:
    """Only launches and copies, and enough of them?"""
    kinds = [type(step) for step in every_step(plan)]
    return len(kinds) >= FEWEST and set(kinds) <= {KernelStep, ManyStep, CopyStep, LoopStep}
