"""Regions as kernels for a GPU: the text is that of `emit.py`'s kernels, but its loops are divided
so that thousands of threads have work, and each kernel says which loops they share.

    flat      no reductions: one range over all elements
    rows      reductions of rows: a team of threads each; passes keep their values in registers
    total     reductions of everything: blocks of elements, a team each, then the blocks' sums
    columns   reductions of columns: a thread for each column of each block of rows, then the same
    blocks    both at once (the gradient of a normalization): a team goes through a block of rows

Sums over blocks are added by a second kernel, always in the same order: there are no atomics.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from kernels.cuda.layout import REGISTERS, Schedule, power_above
from minigrad.compiler.emit import Writer
from minigrad.compiler.fuse import Fuser
from minigrad.compiler.nest import Kernel, Temporary, indent
from minigrad.compiler.regions import Region
from minigrad.compiler.scalar import is_reducer, start_of
from minigrad.compiler.totals import Accumulator
from minigrad.program import Eqn, Var

THREADS = 1 << 18  # that a large GPU holds at once
MOST_BLOCKS = 1024  # partial sums of one result
ROW_WORDS = REGISTERS * 1024  # of rows that a team's registers hold
WIDE_TOTAL = 4096  # results from which one thread each adds the partial sums


class GridWriter(Writer):
    """Writes one region for a grid of threads."""

    def __init__(self, fuser: Fuser, region: Region, results: Sequence[Var],
                 in_place: dict[Var, Var]):
        super().__init__(fuser, region, results, in_place)
        self.kind = self.find_kind()
        self.width = math.prod(self.sizes[a] for a in region.cols)
        sums = [e for e in self.late_equations() if e.outvars[0].aval.size > 1]
        self.sums_in_registers = self.width * len(sums) <= ROW_WORDS
        held = len(sums) * self.sums_in_registers + len(self.saved - set(self.results))
        if self.kind not in ("rows", "blocks") or self.width * held > ROW_WORDS:
            self.saved = set()  # cheaper to compute again than to store

    def late_equations(self) -> list[Eqn]:
        return [e for e in self.region.eqns if e.outvars[0] in self.region.late]

    def find_kind(self) -> str:
        region, late = self.region, self.late_equations()
        if region.rows is None:
            return "total" if late else "flat"
        if not late:
            return "rows"
        if region.outer:
            return "columns"
        operands = [self.operand(e.invars[0]) for e in late]
        by_rows = any(v is not None and not self.is_full(v) for v in operands) or any(
            not self.is_full(v) for v in self.results if v in region.at and v not in region.late)
        whole = all(self.axes_of(e.outvars[0]) == set(region.cols) for e in late)
        inner = any(is_reducer(e) and e.outvars[0] not in region.late for e in region.eqns)
        return "blocks" if inner or by_rows or not whole else "columns"

    def divide(self) -> None:
        region = self.region
        if self.kind in ("flat", "total"):
            self.rows, self.cols = list(region.axes), []
            self.write()
            self.rows = self.join_axes(region.axes)
        else:
            super().divide()

    # ---- blocks of rows, and their sums

    def count_blocks(self, late: list[Eqn]) -> None:
        self.blocks, self.blocked = 1, bool(late)
        self.across = math.prod(self.sizes[a] for a in self.region.outer) * self.width
        if self.kind == "total":
            self.divide_rows(max(1, min(MOST_BLOCKS, self.extent // 2048)), 8)
        elif self.kind == "columns":
            most = min(self.extent // 32, THREADS // self.across)
            self.divide_rows(max(1, min(MOST_BLOCKS, most)))
        elif self.kind == "blocks":
            team = max(32, min(1024, power_above(self.width) // 8))
            self.divide_rows(max(1, min(MOST_BLOCKS, self.extent // 4, THREADS // 2 // team)))

    def accumulator(self, eqn: Eqn) -> Accumulator:
        made = GridAccumulator(self, eqn)
        self.row.known["accumulator", eqn.outvars[0]] = made
        return made

    def scratch(self, v: Var) -> str:
        return super().scratch(v) if v in self.results else self.row_element(v)

    def row_element(self, v: Var) -> str:
        """An element of a row that the team's registers hold."""
        key = "row", v
        if key not in self.temporaries:
            self.temporaries[key] = Temporary(v.aval.dtype, self.width, in_registers=True)
        return f"{self.array(self.temporaries[key], True)}[{self.spelling[self.cols[-1]]}]"

    def column_loops(self, lines: list[str], at: Var | None = None) -> list[str]:
        return lines if self.kind == "columns" else super().column_loops(lines, at)

    # ---- the nest

    def kernels(self) -> list[Kernel]:
        empty = any(self.fuser.sizes[a] == 0 for a in self.region.axes)
        return [] if empty else super().kernels()

    def nest(self, late: list[Eqn]) -> list[Kernel]:
        accumulators = [self.accumulator(e) for e in late]
        self.row.lines += self.divided("i", self.rows)
        for level in range(max(self.levels.values(), default=0) + 1):
            self.pass_over_row(level, late)
        self.store_rows()
        starts = [line for a in accumulators for line in a.starts]
        ends = [line for a in accumulators for line in a.ends]
        lines, threads, width, extent = self.row.lines, self.column_names(), self.width, self.extent
        if self.blocked:
            bounds = str(self.extent) if self.blocks == 1 else \
                f"b * {self.block}, minimum(b * {self.block} + {self.block}, {self.extent})"
            lines = [*starts, f"for i in range({bounds}):", *indent(lines), *ends]
            extent = self.blocks
        if self.kind == "columns":
            name, positions = self.positions()
            lines, extent = [*positions, *lines], self.across * self.blocks
            threads, width = {name}, 1
        else:
            name = "b" if self.blocked else "i"
            if self.kind == "total":
                threads, width = {"i"}, self.block
            elif self.kind == "flat":
                threads, width = {"i"}, 1
        if self.region.axes:
            lines = [f"for {name} in range(start, stop):", *indent(lines)]
        kernels = [self.kernel(self.name(), list(self.parameters), self.top.lines + lines, extent,
                               threads, width)]
        return kernels + [a.combine(kernels[0].name) for a in accumulators if self.blocks > 1]

    def positions(self) -> tuple[str, list[str]]:
        """The loop over blocks, outer axes and columns as one, and what each is then."""
        names = (["b"] if self.blocks > 1 else []) + self.region.outer + self.cols
        self.spelling["b"], self.sizes = "b", {**self.sizes, "b": self.blocks}
        if len(names) == 1:
            return self.spelling[names[0]], []
        return "p", self.divided("p", names)

    def column_names(self) -> set[str]:
        return {self.spelling[a] for a in self.cols}

    def kernel(self, name: str, parameters: list, lines: list[str], extent: int, threads: set[str],
               width: int) -> Kernel:
        types = [self.type_of(p) for p in parameters]
        made = Kernel(name, parameters, types, lines, extent, 1)
        rows = frozenset(n for n, p in zip(made.names, parameters)
                         if isinstance(p, Temporary) and p.in_registers)
        sizes = [p.size if isinstance(p, Temporary) else p.aval.size for p in parameters]
        made.schedule = Schedule(frozenset(threads), width, rows, max([extent, *sizes]))
        return made


class GridAccumulator(Accumulator):
    """A sum over rows on the device: a number of each thread or team, or a row in registers."""

    def __init__(self, writer: GridWriter, eqn: Eqn):
        self.writer, self.eqn = writer, eqn
        self.out, self.size = eqn.outvars[0], eqn.outvars[0].aval.size
        self.row_steps: list = []
        start, by_row = start_of(eqn), writer.kind == "blocks" and self.size > 1
        if not by_row:
            self.name = writer.fresh()
            place = writer.place(self.out) if writer.kind == "columns" else "b"
            self.starts = [f"{self.name} = {start}"]
            self.ends = [f"{self.memory(place)} = {self.name}"]
            return
        self.name = writer.row_element(self.out) if writer.sums_in_registers \
            else self.memory(writer.place(self.out))
        self.starts = writer.column_loops([f"{self.name} = {start}"])
        self.ends = writer.column_loops([f"{self.memory(writer.place(self.out))} = {self.name}"]) \
            if writer.sums_in_registers else []

    def target(self) -> str:
        return self.name

    def combine(self, name: str) -> Kernel:
        made = super().combine(name)
        each = {"j"} if self.size >= WIDE_TOTAL else {"b"}
        return self.writer.kernel(made.name, made.parameters, made.lines, self.size, each,
                                  self.writer.blocks)
