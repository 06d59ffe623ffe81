"""Compiling the corpus for two architectures, and running it against the reference evaluator."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import ml_dtypes
import numpy as np

from kernels.cuda import module_source, nvrtc
from minigrad.compiler import by_numpy
from minigrad.compiler.device import DeviceExecutable, Module, device_plan
from minigrad.compiler.steps import Plan
from tests.cuda.corpus import Program
from tests.simulator.machine import SimulatedMachine

ARCHITECTURES = ("sm_80", "sm_90")
CHUNK = 120  # kernels of one translation unit
INTEGER = {2: np.int16, 4: np.int32, 8: np.int64}


class Corpus:
    """Programs, their plans, and their kernels, each distinct one once."""

    def __init__(self, programs: Sequence[Program]):
        self.programs = list(programs)
        self.plans = [device_plan(p.program) for p in programs]
        self.modules = [Module(*plans) for plans in self.chunks()]

    def chunks(self) -> Iterator[list[Plan]]:
        chunk: list[Plan] = []
        for plan in self.plans:
            chunk.append(plan)
            if sum(len(p.steps) for p in chunk) >= CHUNK:
                yield chunk
                chunk = []
        if chunk:
            yield chunk

    @property
    def texts(self) -> set[str]:
        """The distinct kernels, whatever their names."""
        return {k.text.replace(k.name, "kernel") for m in self.modules for k in m.kernels}

    def compile(self, architecture: str) -> int:
        """Compile all kernels; how many bytes of machine code they are."""
        return sum(len(nvrtc.compile_cubin(m.source, architecture)) for m in self.modules)

    def run(self, order: int = 1, change: Callable[[str], str] = str) -> Iterator[tuple]:
        """(program, how far it is from the reference relative to what is allowed), simulated."""
        machine = SimulatedMachine(order, change)
        for program, plan, module in zip(self.programs, self.plans, self.owners()):
            run = DeviceExecutable(plan, machine, lambda p: p.impl, module)
            yield program, distance(program, run([aligned(machine, x) for x in program.operands]))

    def owners(self) -> Iterator[Module]:
        for module, chunk in zip(self.modules, self.chunks()):
            yield from [module] * len(chunk)


def aligned(machine: SimulatedMachine, x: np.ndarray) -> np.ndarray:
    return machine.operand(x, x.shape, x.dtype)


def distance(program: Program, outs: Sequence[np.ndarray]) -> float:
    """The largest difference from the reference evaluator over what is allowed: 1 is the limit."""
    with np.errstate(all="ignore"):
        expected = by_numpy(program.program, None)([x.copy() for x in program.operands])
        return max(one_distance(program, np.asarray(a), np.asarray(b))
                   for a, b in zip(outs, expected, strict=True))


def one_distance(program: Program, ours: np.ndarray, theirs: np.ndarray) -> float:
    if ours.shape != theirs.shape or ours.dtype != theirs.dtype:
        return np.inf
    if not ours.size:
        return 0.0
    if ours.dtype.kind in "biu":
        return 0.0 if np.array_equal(ours, theirs) else np.inf
    bfloat = ours.dtype == ml_dtypes.bfloat16
    wide, other = (x.astype("f4") if bfloat else x for x in (ours, theirs))
    nan = np.isnan(wide)
    if not np.array_equal(nan, np.isnan(other)) or not np.array_equal(
            np.isinf(wide) & ~nan, np.isinf(other) & ~nan):
        return np.inf
    whole = np.isfinite(wide)
    if not np.array_equal(wide[~whole & ~nan], other[~whole & ~nan]):
        return np.inf
    if program.ulp is None:
        assert program.tolerance is not None
        a, b = wide[whole].astype("f8"), other[whole].astype("f8")
        scale = np.abs(b).max(initial=0) or 1.0
        return float(np.abs(a - b).max(initial=0) / scale / program.tolerance)
    steps = ulps(ours[whole], theirs[whole])
    if program.floor:
        spacing = np.spacing(np.asarray(program.floor, ours.dtype))
        steps = np.minimum(steps, np.abs(wide[whole] - other[whole]) / spacing)
    most = steps.max(initial=0)
    return float(most / program.ulp) if program.ulp else float(most and np.inf)


def ulps(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """How many floats lie between two of one dtype; 0 and -0 are neighbours of none."""
    kind = INTEGER[a.dtype.itemsize]
    x, y = a.view(kind).astype(object), b.view(kind).astype(object)
    low = int(np.iinfo(kind).min)
    x, y = (np.where(v < 0, low - v, v) for v in (x, y))
    return np.abs(x - y).astype(float) if len(x) else np.zeros(0)


def sources(programs: Sequence[Program]) -> str:
    """All text, to be read."""
    module = Module(*[device_plan(p.program) for p in programs])
    return module_source(module.kernels, module.functions, head=False)
