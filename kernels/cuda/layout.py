"""How a kernel's loops are laid over threads: which are shared, how large the teams are, how many
elements a thread takes at a time, and what stays in registers between passes over a row."""

from __future__ import annotations

import ast
import math
from collections.abc import Sequence
from dataclasses import dataclass

from kernels.cuda.packs import ThreadLoop, itemsize, lanes_of, packs_of, thread_loop
from kernels.grammar import KernelError, Parameter

FLAT = 256  # threads of a block without teams
BLOCK = 128  # threads of a block of small teams
REGISTERS = 24  # words of rows that a thread keeps: 64 are all that 1024 threads get each
SHARE = 16  # elements of a row that a thread takes, if there are threads enough
BUSY = 1 << 15  # threads that a device should have at least
LARGE = 1 << 29  # elements from which positions, and one step past them, take 64 bits


@dataclass(frozen=True)
class Schedule:
    """How a kernel's loops are spread. threads: loops that the threads of a team share; width: how
    many turns they have; rows: arrays that are one row long and live in registers; largest: the
    elements of the largest array."""

    threads: frozenset[str] = frozenset()
    width: int = 1
    rows: frozenset[str] = frozenset()
    largest: int = 1


def power_above(n: int) -> int:
    return 1 << max(n - 1, 0).bit_length()


def team_size(width: int, kept: int, rows: int) -> int:
    """Threads for a row of so many elements, of which each thread keeps so many rows' share. Few
    rows get larger teams, so that the device has enough to do."""
    if width <= 32:
        return power_above(width)
    size = 32
    while size < 1024 and (width > SHARE * size or width * kept > REGISTERS * size
                           or rows * size < BUSY and width >= 8 * size):
        size *= 2
    return size


class Layout:
    """flat: the outermost loop itself is shared; loops: the shared ones; lanes: elements at a time;
    size: threads of a team; teams: of a block; turns: of a team over a row; repeated: loads that
    registers keep for later passes."""

    def __init__(self, node: ast.FunctionDef, parameters: Sequence[Parameter], schedule: Schedule,
                 extent: int):
        self.node, self.parameters = node, parameters
        self.schedule, self.extent = schedule, extent
        self.outermost = next((s for s in node.body if isinstance(s, ast.For)), None)
        self.flat = self.outermost is not None and self.outermost.target.id in schedule.threads
        rows, dtypes = set(self.schedule.rows), {p.name: p.dtype for p in self.parameters}
        known = {p.name for p in self.parameters} | {"start", "stop"}
        self.loops: dict[ast.For, ThreadLoop] = {}
        self.around: dict[ast.For, ast.AST] = {}
        self.find_loops(self.node, known)
        loops = list(self.loops.values())
        self.lanes = lanes_of(loops, dtypes)
        repeated = {} if self.flat else self.repeated_loads(rows)
        words = [itemsize(dtypes[a]) / 4 for a in rows] + [
            itemsize(dtypes[a]) / 4 for a, _ in repeated]
        width = self.schedule.width
        must = sum(words[:len(rows)])
        if width * must > REGISTERS * 1024:
            raise KernelError(f"{self.node.name}: a row of {width} does not fit into registers")
        while repeated and width * sum(words) > REGISTERS * 1024:
            repeated.popitem()
            words.pop()
        self.repeated = repeated
        self.unrolled = bool(rows or repeated)
        share = width if self.unrolled else -(-width // self.lanes)
        self.size = FLAT if self.flat else 1 if not loops else \
            team_size(share, math.ceil(sum(words)), self.extent)
        if self.unrolled:
            while self.size > 1 and self.size * self.lanes > power_above(width):
                self.size //= 2
        self.teams = 1 if self.flat or self.size > 32 or not loops else BLOCK // self.size
        self.turns = -(-width // (self.size * self.lanes))  # of a team over a row

    def find_loops(self, around: ast.AST, outer: set[str]) -> None:
        for statement in around.body:  # type: ignore[attr-defined]
            if isinstance(statement, ast.For):
                name = statement.target.id  # type: ignore[union-attr]
                if name in self.schedule.threads:
                    whole = self.extent if statement is self.outermost else None
                    self.loops[statement] = thread_loop(statement, self.schedule.threads, whole,
                                                        set(outer))
                    self.around[statement] = around
                else:
                    self.find_loops(statement, outer | {name})
            for node in ast.walk(statement):
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                    outer.add(node.id)

    def repeated_loads(self, rows: set[str]) -> dict[tuple[str, str], ast.expr]:
        """Loads that more than one pass over the same row does, of what no pass before changes."""
        seen: dict[tuple, ast.expr] = {}
        again: dict[tuple[str, str], ast.expr] = {}
        stored: set[str] = set()
        for loop_node, loop in self.loops.items():
            loads, _ = packs_of(loop, 1, rows)
            for key, index in loads.items():
                if key[0] in stored or not loop.is_packed(index, self.lanes):
                    continue
                place = (*key, self.around[loop_node])
                if place in seen:
                    again[key] = index
                seen[place] = index
            stored |= {node.value.id for _, node in loop.accesses()  # type: ignore[attr-defined]
                       if isinstance(node.ctx, ast.Store)}
        return {key: index for key, index in again.items()
                if not self.stored_elsewhere(key)}

    def stored_elsewhere(self, key: tuple[str, str]) -> bool:
        return any(isinstance(n, ast.Subscript) and isinstance(n.ctx, ast.Store)
                   and n.value.id == key[0] and ast.unparse(n.slice) != key[1]
                   for n in ast.walk(self.node))
