"""In which pass over a row each value of a region is computed."""

from __future__ import annotations

from collections.abc import Sequence

from minigrad.compiler.fuse import Fuser
from minigrad.compiler.regions import Region
from minigrad.compiler.scalar import EXPENSIVE, is_reducer
from minigrad.program import Atom, Var


class Passes:
    """levels: how many passes over the row come before a value; saved: what a later pass reads
    again rather than compute it again; uses: how often the region itself reads a value."""

    def __init__(self, fuser: Fuser, region: Region, results: Sequence[Var]):
        self.fuser, self.region, self.results = fuser, region, list(results)
        self.levels = self.find_levels()
        self.uses = self.count_uses()
        self.saved = self.find_saved()

    def operand(self, atom: Atom) -> Var | None:
        """The region's own value that an operand shows."""
        found, _ = self.fuser.source(atom)
        return found if found in self.region.at else None

    def is_full(self, v: Var) -> bool:
        """Does it vary along a row?"""
        if self.region.rows is None or self.region.outer:
            return True
        return bool(self.axes_of(v) - set(self.region.rows))

    def axes_of(self, v: Var) -> set[str]:
        return set().union(*(i.axes() for i in self.region.at[v]), set())

    def find_levels(self) -> dict[Var, int]:
        """How many passes over the row come before a value can be computed."""
        levels: dict[Var, int] = {}
        for eqn in self.region.eqns:
            (out,) = eqn.outvars
            level = max((levels[o] for a in eqn.invars if (o := self.operand(a)) is not None),
                        default=0)
            passes = is_reducer(eqn) and out not in self.region.late
            levels[out] = level + 1 if passes else level
        return levels

    def count_uses(self) -> dict[Var, int]:
        uses: dict[Var, int] = {}
        for eqn in self.region.eqns:
            for a in eqn.invars:
                found = self.operand(a)
                if found is not None:
                    uses[found] = uses.get(found, 0) + 1
        return uses

    def find_saved(self) -> set[Var]:
        """Costly values that a later pass over the row wants again."""
        saved: set[Var] = set()
        for eqn in self.region.eqns:
            roots = eqn.outvars if eqn.outvars[0] in self.results or is_reducer(eqn) else ()
            for root in roots:
                level = self.levels[root] - (is_reducer(eqn) and root not in self.region.late)
                stack = [o for a in eqn.invars if (o := self.operand(a)) is not None]
                while stack:
                    v = stack.pop()
                    made = self.fuser.made[v]
                    if not self.is_full(v) or is_reducer(made):
                        continue
                    if self.levels[v] < level and made.primitive.name in EXPENSIVE:
                        saved.add(v)
                        continue
                    stack += [o for a in made.invars if (o := self.operand(a)) is not None]
        return saved
