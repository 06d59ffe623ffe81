"""Sums over the rows of a region."""

from __future__ import annotations

from minigrad.compiler.nest import Kernel, step
from minigrad.compiler.scalar import start_of, subset_dtype
from minigrad.program import Eqn


class Accumulator:
    """A sum over the rows: a number, or one for each column. With several blocks of rows each
    block has its own, and another kernel adds them up in order."""

    def __init__(self, writer, eqn: Eqn):
        self.writer, self.eqn = writer, eqn
        self.out = eqn.outvars[0]
        self.row_steps: list = []
        self.starts: list[str] = []
        self.ends: list[str] = []
        if writer.region.outer:
            return
        self.size = self.out.aval.size
        start = start_of(eqn)
        if self.size == 1:
            self.name = writer.fresh()
            self.starts = [f"{self.name} = {start}"]
            self.ends = [f"{self.memory('b')} = {self.name}"]
        else:
            self.name = ""
            self.starts = writer.column_loops([f"{self.target()} = {start}"], at=self.out)

    def memory(self, at: str) -> str:
        """Its place in the result, or in the block's part of the partial results."""
        w = self.writer
        if w.blocks == 1:
            return f"{w.array(self.out, True)}[{'0' if at == 'b' else at}]"
        name = w.temporary(("partial", self.out), self.out.aval.dtype, w.blocks * self.size)
        return f"{name}[{at if self.size == 1 else f'b * {self.size} + {at}'}]"

    def target(self) -> str:
        if self.writer.region.outer:
            return f"{self.writer.array(self.out, True)}[{self.writer.place(self.out)}]"
        return self.name if self.size == 1 else self.memory(self.writer.place(self.out))

    def combine(self, name: str) -> Kernel:
        w, dtype = self.writer, subset_dtype(self.out.aval.dtype)
        partial = w.temporaries["partial", self.out]
        lines = ["for j in range(start, stop):", f"    t = {start_of(self.eqn)}",
                 f"    for b in range({w.blocks}):",
                 "        " + step(self.eqn, "t", f"a0[b * {self.size} + j]"),
                 "    a1[j] = t"]
        return Kernel(f"{name}_total", [partial, self.out], [f"{dtype}* restrict"] * 2, lines,
                      self.size, max(256, self.size))
