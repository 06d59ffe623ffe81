"""The steps of a compiled program, and the buffers that they work on."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from minigrad.compiler.fuse import Fuser
from minigrad.compiler.nest import Kernel
from minigrad.program import Eqn, Jaxpr

ALIGNMENT = 64


class Buffer:
    """A piece of memory. where: "operand", "constant", "result" or "arena"; number: which of its
    kind, or the offset in the arena."""

    __slots__ = ("where", "number", "shape", "dtype", "value", "first", "last", "shown")

    def __init__(self, where: str, number: int, shape, dtype, value=None):
        self.where, self.number, self.shape, self.dtype = where, number, tuple(shape), dtype
        self.value = value  # of a constant
        self.first = self.last = -1  # the steps between which it holds something
        self.shown = ""

    @property
    def size(self) -> int:
        """In bytes."""
        return math.prod(self.shape) * self.dtype.itemsize

    def __repr__(self) -> str:
        return f"{self.where} {self.number} {self.dtype.name}{list(self.shape)}"


@dataclass
class Step:
    """A kernel and its buffers, in the order of its table."""

    buffers: list
    title = ""
    calls_numpy = False

    @property
    def name(self) -> str:
        return self.title


@dataclass
class KernelStep(Step):
    kernel: Kernel

    @property
    def name(self) -> str:
        return self.kernel.name


@dataclass
class ProductStep(Step):
    """A matrix product through BLAS."""

    product: Any
    title = "dot_general"


@dataclass
class CopyStep(Step):
    title = "copy"


@dataclass
class NumpyStep(Step):
    """The NumPy kernel of one equation. buffers: operands (literals as they are), then results."""

    eqn: Eqn
    calls_numpy = True

    @property
    def name(self) -> str:
        return self.eqn.primitive.name


@dataclass
class LoopStep(Step):
    """scan. Each move: (("operand" | "result", number in the body), buffer, start in bytes, step
    in bytes, the buffer it changes places with at every turn or None)."""

    body: Plan
    times: int
    moves: list
    arena: Buffer
    title = "scan"


@dataclass
class WhileStep(Step):
    test: Plan
    body: Plan
    test_moves: list
    moves: list
    flag: Buffer
    arenas: list
    title = "while"


@dataclass
class BranchStep(Step):
    """cond. buffers[0]: the index."""

    branches: list
    moves: list
    arenas: list
    title = "cond"


@dataclass
class Plan:
    program: Jaxpr
    fuser: Fuser
    steps: list[Step] = field(default_factory=list)
    operands: list[Buffer] = field(default_factory=list)
    constants: list[Buffer] = field(default_factory=list)
    results: list[Buffer] = field(default_factory=list)
    arena: list[Buffer] = field(default_factory=list)
    arena_size: int = 0
    written: dict[int, int] = field(default_factory=dict)  # result -> the operand it is written to

    def every_step(self):
        """The steps, and those inside of them."""
        for step in self.steps:
            yield step
            for inner in plans_in(step):
                yield from inner.every_step()


def plans_in(step: Step) -> list[Plan]:
    return [p for p in (*step.__dict__.values(), *step.__dict__.get("branches", ()))
            if isinstance(p, Plan)]


class View:
    """A buffer under another shape."""

    __slots__ = ("buffer", "shape")

    def __init__(self, buffer: Buffer, shape):
        self.buffer, self.shape = buffer, tuple(shape)

    dtype = property(lambda self: self.buffer.dtype)
    size = property(lambda self: self.buffer.size)


class Outer:
    """A buffer of the plan around, in a step of an inner one."""

    __slots__ = ("buffer",)

    def __init__(self, buffer):
        self.buffer = buffer


# ------------------------------------------------------------------ the arena


def place(plan: Plan) -> None:
    """Offsets in the arena: the largest buffers first, each where none that lives at the same time
    is."""
    for k, step in enumerate(plan.steps):
        for b in step.buffers:
            b = getattr(b, "buffer", b)
            if isinstance(b, Buffer) and b.where == "arena":
                b.first = k if b.first < 0 else b.first
                b.last = k
    placed: list[Buffer] = []
    for b in sorted(plan.arena, key=lambda b: -b.size):
        if b.first < 0:
            b.number = 0
            continue
        offset = 0
        for other in sorted((o for o in placed if o.first <= b.last and b.first <= o.last),
                            key=lambda o: o.number):
            if offset + b.size <= other.number:
                break
            offset = max(offset, round_up(other.number + other.size))
        b.number = offset
        placed.append(b)
        plan.arena_size = max(plan.arena_size, round_up(offset + b.size))


def round_up(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT

