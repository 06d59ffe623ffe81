"""Groups of equations: a region shares one loop nest, everything else runs by itself."""

from __future__ import annotations

from collections.abc import Sequence

from minigrad.compiler.index import Index
from minigrad.program import Eqn, Var


class Group:
    """A node of the program's graph: a region, or one equation that runs by itself."""

    def __init__(self, number: int):
        self.number = number
        self.eqns: list[Eqn] = []
        self.reach = 0  # bits: the groups it depends on, directly or not


class Opaque(Group):
    def __init__(self, number: int, eqn: Eqn):
        super().__init__(number)
        self.eqns = [eqn]


class Region(Group):
    """Equations in one loop nest. `at`: where in the nest each value stands.

    axes: all loops, outer ones first; rows, cols: how a reduction has divided them, if any has;
    outer: loops around those of a reduction that keeps leading axes and is over middle ones;
    late: values that are complete only when the region has run.
    """

    def __init__(self, number: int):
        super().__init__(number)
        self.at: dict[Var, tuple[Index, ...]] = {}
        self.axes: list[str] = []
        self.rows: list[str] | None = None
        self.cols: list[str] = []
        self.outer: list[str] = []
        self.late: set[Var] = set()
        self.arrays: set[Var] = set()  # what it reads

    def divide(self, outer: list[str], rows: list[str], cols: list[str]) -> None:
        self.outer, self.rows, self.cols = outer, rows, cols
        self.axes = outer + rows + cols

    def state(self):
        return self.axes, self.rows, self.cols, self.outer


def fits(region: Region, at: Sequence[Index]) -> bool:
    """May a value stand there? Everywhere in the nest, or, in rows, once a row."""
    used = set().union(*(i.axes() for i in at), set())
    if used == set(region.axes):
        return True
    return region.rows is not None and not region.outer and used == set(region.rows)
