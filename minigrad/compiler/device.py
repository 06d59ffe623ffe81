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
from functools import partial
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

KEPT = 8  # sets of addresses for which a program's launches are kept
CAPTURED = 3  # the run on the same addresses that becomes a graph
FEWEST = 4  # launches that are worth a graph
UNROLLED = 4096  # launches of a loop that are kept
CUBLAS = ("float16", "float32", "float64")


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

    def inside(self, plan: Plan, arena: Buffer, moves: Sequence, turn: int = 0) -> Frame:
        """The frame of a body, for this turn of the loop."""
        made = Frame(self.runner, plan, self.at(arena), self)
        for (kind, number), buffer, start, step, other in moves:
            given = other if other is not None and turn % 2 else buffer
            getattr(made, kind)[number] = self.at(given) + start + turn * step
        return made


class Bound:
    """A plan's steps on arrays at certain addresses: calls without arguments, and, from the third
    run on, their graph, if they can be one."""

    def __init__(self, calls: list[Callable[[], Any]], graphable: bool):
        self.calls, self.graphable = calls, graphable
        self.runs, self.graph = 0, None

    def run(self) -> None:
        for call in self.calls:
            call()

    def __call__(self, capture: Callable) -> None:
        self.runs += 1
        if self.graphable and self.runs == CAPTURED:
            self.graph = capture(self.run)
        (self.graph or self.run)()


class DeviceExecutable:
    """A compiled program on a device. Calling it launches it on arrays and returns arrays. The
    arena is taken from the device's pool for each call, and back there before the call has run:
    whoever gets it next is queued behind (the pool keeps streams apart). So the same addresses
    come again, and for them everything that a launch needs is kept.

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
        self.lock = threading.RLock()
        self.bound: dict[tuple[int, ...], Bound] = {}
        self.graphable = is_graphable(plan)

    def __call__(self, operands: Sequence) -> list:
        with self.lock, self.machine.active:
            return self.run(operands, lambda bound: bound(self.machine.capture))

    def run(self, operands: Sequence, how: Callable[[Bound], None]) -> list:
        machine, plan = self.machine, self.plan
        given = [machine.operand(x, b.shape, b.dtype) for x, b in zip(operands, plan.operands)]
        results = [operands[plan.written[k]] if k in plan.written
                   else machine.empty(b.shape, b.dtype) for k, b in enumerate(plan.results)]
        arena = machine.empty((max(plan.arena_size, 1),), np.dtype(np.uint8))
        key = tuple(map(machine.address, (arena, *given, *results)))
        bound = self.bound.get(key)
        if bound is None or any(given[k] is not operands[k] for k in plan.written.values()):
            frame = Frame(self, plan, key[0], None)
            frame.operand[:] = key[1:1 + len(given)]
            frame.result[:] = key[1 + len(given):]
            self.verify(operands, given, frame.operand)
            if len(self.bound) >= KEPT:
                self.bound.pop(next(iter(self.bound)))
            bound = self.bound[key] = Bound(self.calls(plan, frame), self.graphable)
        how(bound)
        return results

    def verify(self, operands: Sequence, given: Sequence, addresses: list[int]) -> None:
        """Raise Overlap, with nothing done, if an operand that is to be written shares memory."""
        written = set(self.plan.written.values())
        if any(given[k] is not operands[k] for k in written):
            raise Overlap("an operand that is to be written is not contiguous, or elsewhere")
        ends = sorted((a, a + b.size, k) for k, (a, b) in
                      enumerate(zip(addresses, self.plan.operands)) if b.size)
        for (_, stop, j), (start, _, k) in zip(ends, ends[1:]):
            if start < stop and (j in written or k in written):
                raise Overlap("an operand that is to be written shares memory with another")

    # ---- steps, bound to addresses

    def calls(self, plan: Plan, frame: Frame) -> list[Callable[[], Any]]:
        return [getattr(self, type(step).__name__)(step, frame) for step in plan.steps]

    def CopyStep(self, step: CopyStep, frame: Frame) -> Callable[[], Any]:
        target, source = step.buffers
        return partial(self.machine.copy, frame.at(target), frame.at(source),
                       getattr(target, "buffer", target).size)

    def KernelStep(self, step: KernelStep, frame: Frame) -> Callable[[], Any]:
        kernel = self.module.of_step[id(step)]
        addresses = tuple(frame.at(step.buffers[k]) for k in kernel.kept)
        return partial(self.launchers[kernel.name], (kernel.grid(),), kernel.block, addresses)

    def ManyStep(self, step: ManyStep, frame: Frame) -> Callable[[], Any]:
        kernel = self.module.of_step[id(step)]
        launch, grid = self.launchers[kernel.name], (kernel.grid(), len(step.sets))
        table = self.machine.table([
            word for k, row in zip(step.kernels, step.sets)
            for word in (*(frame.at(row[n]) for n in kernel.kept), k.extent)])
        addresses = (self.machine.address(table),)

        def call(held=table) -> None:
            launch(grid, kernel.block, addresses)

        return call

    def NumpyStep(self, step: NumpyStep, frame: Frame) -> Callable[[], Any]:
        eqn, machine = step.eqn, self.machine
        avals = [v.aval for v in (*eqn.invars, *eqn.outvars)]
        count = len(eqn.invars)
        views = [machine.asarray(np.asarray(a.value, a.aval.dtype))
                 if k < count and type(a) is not Var else
                 machine.view(frame.at(step.buffers[k]), tuple(aval.shape), aval.dtype, self)
                 for k, (a, aval) in enumerate(zip((*eqn.invars, *eqn.outvars), avals))]
        if is_product(avals, eqn):
            return machine.product(*views, eqn.params["dimension_numbers"])
        implementation = self.implementation(eqn.primitive)
        params = kernel_params(eqn.primitive, eqn.params)
        given, targets = views[:count], views[count:]
        several = eqn.primitive.multiple_results

        def call() -> None:
            outs = implementation(*given, **params)
            for target, out in zip(targets, outs if several else [outs]):
                target[...] = out

        return call

    def LoopStep(self, step: LoopStep, frame: Frame) -> Callable[[], Any]:
        def turn(t: int) -> list[Callable[[], Any]]:
            return self.calls(step.body, frame.inside(step.body, step.arena, step.moves, t))

        turns = range(step.times)
        kept = [turn(t) for t in turns] if step.times * len(step.body.steps) <= UNROLLED else None

        def call() -> None:
            for t in turns:
                for one in turn(t) if kept is None else kept[t]:
                    one()

        return call

    def WhileStep(self, step: WhileStep, frame: Frame) -> Callable[[], Any]:
        test = self.calls(step.test, frame.inside(step.test, step.arenas[0], step.test_moves))
        body = self.calls(step.body, frame.inside(step.body, step.arenas[1], step.moves))
        flag = frame.at(step.flag)

        def call() -> None:
            while True:
                for one in test:
                    one()
                if not self.machine.read(flag, np.dtype(np.bool_), self):
                    return
                for one in body:
                    one()

        return call

    def BranchStep(self, step: BranchStep, frame: Frame) -> Callable[[], Any]:
        index, branches = frame.at(step.buffers[0]), [
            self.calls(plan, frame.inside(plan, arena, step.moves))
            for plan, arena in zip(step.branches, step.arenas)]

        def call() -> None:
            k = int(self.machine.read(index, np.dtype(np.int32), self))
            for one in branches[min(max(k, 0), len(branches) - 1)]:
                one()

        return call

    def step_times(self, operands: Sequence, repeats: int = 5) -> list[float]:
        """Seconds of each step by itself, from its launch until the device has done it. Operands
        that the program writes are copied before."""
        written = self.plan.written.values()
        operands = [x.copy() if k in written else x for k, x in enumerate(operands)]
        runs: list[list[float]] = []

        def timed(bound: Bound) -> None:
            times = []
            for call in bound.calls:
                self.machine.wait()
                start = time.perf_counter()
                call()
                self.machine.wait()
                times.append(time.perf_counter() - start)
            runs.append(times)

        with self.lock, self.machine.active:
            for _ in range(repeats + 1):
                self.bound.clear()  # a graph has no steps
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
