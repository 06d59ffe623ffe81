"""The parts that source of a region is put together from."""

from __future__ import annotations

import math
from collections.abc import Sequence

from kernels.cuda.layout import Schedule
from minigrad.compiler.scalar import EXPENSIVE, REDUCERS
from minigrad.program import Eqn


class Kernel:
    """The text of one function, and what its parameters are: variables, or memory of its own.
    `schedule`: how a GPU's threads share its loops."""

    schedule: Schedule | None = None

    def __init__(self, name: str, parameters: list, types: list[str], lines: list[str],
                 extent: int, grain: int):
        self.name, self.parameters, self.types, self.lines = name, parameters, types, lines
        self.extent, self.grain = extent, grain

    @property
    def names(self) -> list[str]:
        return [f"a{k}" for k in range(len(self.parameters))]

    def text(self) -> str:
        head = f"def {self.name}({', '.join([*self.names, 'start', 'stop'])}):"
        return "\n".join([head, *("    " + line for line in self.lines)]) + "\n"

    def signature(self) -> dict[str, str]:
        return dict(zip(self.names, self.types))


class Temporary:
    """Memory that a kernel needs beside its operands and results: partial sums, one row.
    `in_registers`: a row that a GPU's threads keep between them."""

    def __init__(self, dtype, size: int, in_registers: bool = False):
        self.dtype, self.size, self.in_registers = dtype, size, in_registers


class Scope:
    """Lines at one depth of the nest, and the values that are known there."""

    def __init__(self, outer: Scope | None = None):
        self.lines: list[str] = []
        self.known: dict = {}
        self.outer = outer

    def find(self, key) -> str | None:
        scope: Scope | None = self
        while scope is not None:
            if key in scope.known:
                return scope.known[key]
            scope = scope.outer
        return None


def step(eqn: Eqn, target: str, value: str) -> str:
    name = eqn.primitive.name
    if name in ("reduce_sum", "reduce_prod"):
        return f"{target} {'+' if name == 'reduce_sum' else '*'}= {value}"
    return f"{target} = {REDUCERS[name][1].format(target, value)}"


def indent(lines: Sequence[str]) -> list[str]:
    return ["    " + line for line in lines]


UNTOLD = {"convert_element_type", "broadcast_in_dim", "reshape", "squeeze", "select_n", "copy",
          "stop_gradient", "neg"}


def kernel_name(eqns: Sequence[Eqn]) -> str:
    """What a kernel computes, in a few words: `exp_reduce_sum_div_4096x512`."""
    words = list(dict.fromkeys(e.primitive.name for e in eqns if e.primitive.name not in UNTOLD))
    words = words or [eqns[-1].primitive.name]
    if {"reduce_max", "exp", "reduce_sum"} <= set(words):
        words = ["softmax"] + [w for w in words if w in ("log", "reduce_min")]
    elif "rsqrt" in words and "reduce_sum" in words:
        words = ["normalize"]
    elif len(words) > 4:
        told = [w for w in words if w in EXPENSIVE or w.startswith("reduce")] or words
        words = told[:4]
    largest = max((v.aval.shape for e in eqns for v in (*e.invars, *e.outvars)), key=math.prod)
    shape = "x".join(map(str, largest)) or "scalars"
    return f"{'_'.join(words)}_{shape}".replace("-", "_")

