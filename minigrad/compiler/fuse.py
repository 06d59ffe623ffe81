"""Which equations run in one loop nest.

A program's equations are taken in order, and each joins the *region* that made one of its operands
if it can run in the same loops; otherwise it opens a region of its own, or stands alone (matmul,
sort, ...). A region has loops over `rows` and, inside, over `cols`:

    softmax of x[r, c]      for r: pass over c for the maximum, pass for the sum, pass to divide
    gradient of a bias      for r: for c: total[c] += g[r, c]
    anything elementwise    for i

A reduction over the columns gives a number a row, which later passes over the same row may use. A
reduction over the rows (or over everything) is complete only when the region is: its users are
elsewhere. Views cost nothing (`access.py`), so they belong to no region; a value has one canonical
index in its region, and an equation joins only if it reads what the region makes at that index.
"""

from __future__ import annotations

from collections.abc import Sequence

from minigrad.compiler.access import goes, is_view, keeps_memory
from minigrad.compiler.computed import COMPUTED, is_computed
from minigrad.compiler.index import ZERO, Index, axis
from minigrad.compiler.regions import Group, Opaque, Region, fits
from minigrad.compiler.scalar import EXPENSIVE, is_reducer
from minigrad.compiler.scalar import is_pointwise as has_body
from minigrad.compiler.scalar import subset_dtype
from minigrad.program import Atom, Eqn, Jaxpr, Var

LARGEST_ROW = 1 << 14  # a full reduction of no more elements is done as one row, in cache
MOST_EQUATIONS, MOST_ARRAYS = 96, 32


def is_pointwise(eqn: Eqn) -> bool:
    """Is there an expression for one element of the result?"""
    return has_body(eqn) or is_computed(eqn)


def is_joining(eqn: Eqn) -> bool:
    """Do kernels store the parts where they belong? Not those of a dtype that they do not know."""
    aval = eqn.outvars[0].aval
    return eqn.primitive.name == "concatenate" and 0 not in aval.shape \
        and subset_dtype(aval.dtype) is not None


class Fuser:
    """Divides a program into groups. `home`: the group that makes a variable."""

    def __init__(self, program: Jaxpr):
        self.program = program
        self.made: dict[Var, Eqn] = {v: e for e in program.eqns for v in e.outvars}
        self.home: dict[Var, Group] = {}
        self.groups: list[Group] = []
        self.sizes: dict[str, int] = {}
        # parts of a concatenation are stored in place: part -> (the whole, dimension, offset)
        self.pieces = {part: (e.outvars[0], e.params["dimension"], sum(
            p.aval.shape[e.params["dimension"]] for p in e.invars[:k]))
            for e in program.eqns if is_joining(e) for k, part in enumerate(e.invars)}
        self.copies = self.views_in_memory() | set(self.pieces)
        for eqn in program.eqns:
            self.place(eqn)
        self.merge_regions()
        self.inlined: set[Var] = set()  # values that are computed again wherever they are read
        self.inline_producers()

    # ---- views

    def views_in_memory(self) -> set[Var]:
        """Views that somebody wants as an array: operands of equations that run by themselves, and
        results, unless they can share the memory of what they view."""
        wanted: set[Var] = set()
        results: set[Var] = set()
        for eqn in self.program.eqns:
            if is_joining(eqn):
                continue
            if not is_view(eqn) and not is_pointwise(eqn) and not is_reducer(eqn):
                wanted.update(v for v in map(self.memory, eqn.invars) if v is not None)
        for out in self.program.outvars:
            base = self.memory(out)
            if base is None:
                continue
            if base not in self.made or base in results:  # an input, or another result's memory
                base = out
            if base in self.made:
                results.add(base)
        return {v for v in wanted | results if v in self.made and is_view(self.made[v])}

    def memory(self, atom: Atom) -> Var | None:
        """Whose memory an array shares at least: the variable under reshapes and the like."""
        while atom in self.made and keeps_memory(self.made[atom]) \
                and type(self.made[atom].invars[0]) is Var:
            atom = self.made[atom].invars[0]
        return atom if type(atom) is Var else None

    def source(self, atom: Atom) -> tuple[Var | None, list[Eqn]]:
        """(the array that views show, the views, the outermost first); no array for literals and
        for what views make up themselves."""
        chain = []
        while type(atom) is Var and atom not in self.home and atom in self.made:
            eqn = self.made[atom]
            if not is_view(eqn):
                break
            chain.append(eqn)
            if not eqn.invars:
                return None, chain
            atom = eqn.invars[0]
        return (atom if type(atom) is Var else None), chain

    def sources(self, atom: Atom) -> list[Var]:
        """The arrays that an operand is read from: under views, and under inlined values."""
        found, _ = self.source(atom)
        if found in self.inlined:
            return [v for a in self.made[found].invars for v in self.sources(a)]
        return [] if found is None else [found]

    # ---- placing equations

    def place(self, eqn: Eqn) -> None:
        if is_view(eqn) and eqn.outvars[0] not in self.copies:
            return
        if is_view(eqn) or is_pointwise(eqn) or is_reducer(eqn):
            numbers = self.homes(eqn)
            if eqn.primitive.name == "gather" and (x := self.source(eqn.invars[0])[0]) in self.home:
                numbers.insert(0, self.home[x].number)  # a row's element, picked where the row is
            for number in numbers:
                group = self.groups[number]
                if isinstance(group, Region) and self.join(group, eqn):
                    return
            region = Region(len(self.groups))
            self.groups.append(region)
            self.open(region, eqn)
        else:
            self.groups.append(Opaque(len(self.groups), eqn))
        group = self.groups[-1]
        for v in eqn.outvars:
            self.home[v] = group
        self.depend(group, eqn)

    def homes(self, eqn: Eqn) -> list[int]:
        """The groups that make the operands, the latest first; regions that can be one are made
        one before an equation joins either."""
        while True:
            found = sorted({self.home[s].number for a in eqn.invars
                            if (s := self.source(a)[0]) in self.home}, reverse=True)
            regions = [g for n in found if isinstance(g := self.groups[n], Region)]
            if not any(self.related(first, second, eqn) and self.merge(first, second)
                       for k, second in enumerate(regions) for first in regions[k + 1:]):
                return found

    def depend(self, group: Group, eqn: Eqn) -> None:
        """Note what the group depends on now, and what depends on that through it."""
        new = group.reach
        for a in eqn.invars:
            found = self.home.get(self.source(a)[0])
            if found is not None and found is not group:
                new |= found.reach | 1 << found.number
        if new != group.reach:
            group.reach = new
            bit = 1 << group.number
            for other in self.groups:
                if other is not None and other.reach & bit:
                    other.reach |= new

    def new_axis(self, size: int) -> str:
        name = f"a{len(self.sizes)}"
        self.sizes[name] = size
        return name

    def open(self, region: Region, eqn: Eqn) -> None:
        """A new region whose loops are the axes of what the equation works on."""
        over = eqn.invars[0] if is_reducer(eqn) else eqn.outvars[0]
        names = [None if n == 1 else self.new_axis(n) for n in over.aval.shape]
        region.axes = [n for n in names if n]
        at = tuple(ZERO if n is None else axis(n) for n in names)
        if is_reducer(eqn):
            self.reduce(region, eqn, at)
        else:
            region.at[eqn.outvars[0]] = at
        self.enter(region, eqn)

    def enter(self, region: Region, eqn: Eqn) -> None:
        region.eqns.append(eqn)
        self.home[eqn.outvars[0]] = region
        sources = (self.source(a)[0] for a in eqn.invars)
        region.arrays.update(s for s in sources if s is not None and s not in region.at)

    def join(self, region: Region, eqn: Eqn) -> bool:
        """Let the equation run in the region's loops, if it can."""
        if len(region.eqns) >= MOST_EQUATIONS or len(region.arrays) > MOST_ARRAYS:
            return False
        bit = 1 << region.number
        for a in eqn.invars:
            found = self.source(a)[0]
            if found in region.late:
                return False
            group = self.home.get(found)
            if group is not None and group is not region and group.reach & bit:
                return False
        at = self.index_in(region, eqn)
        if at is None or eqn.primitive.name in COMPUTED and self.reads_total(region, eqn):
            return False
        if is_reducer(eqn):
            if not self.reduce(region, eqn, at):
                return False
        else:
            if not fits(region, at):
                return False
            region.at[eqn.outvars[0]] = at
        self.enter(region, eqn)
        self.depend(region, eqn)
        return True

    def reads_total(self, region: Region, eqn: Eqn) -> bool:
        """Does a position come out of one of the region's reductions? Then it is not known before
        the loops end: `values[sum(i > bounds)]`."""
        first = 0 if eqn.primitive.name == "pad" else 2 \
            if eqn.primitive.name == "dynamic_update_slice" else 1
        stack = [self.source(a)[0] for a in eqn.invars[first:]]
        while stack:
            found = stack.pop()
            if found not in region.at:
                continue
            if is_reducer(self.made[found]):
                return True
            stack += [self.source(a)[0] for a in self.made[found].invars]
        return False

    def index_in(self, region: Region, eqn: Eqn) -> tuple[Index, ...] | None:
        """The index, in the region's loops, of the elements that the equation works on: its
        result's, or its operand's if it reduces. None if its operands do not agree on one."""
        over = eqn.invars[0] if is_reducer(eqn) else eqn.outvars[0]
        shape = over.aval.shape
        known: list[Index | None] = [ZERO if n == 1 else None for n in shape]
        for a in eqn.invars:
            found, chain = self.source(a)
            if found not in region.at:
                continue
            at = self.forward(region, found, chain)
            if is_view(eqn) and at is not None:
                at = self.through(region, eqn, at, found, chain)
            if at is None:
                return None
            if eqn.primitive.name in COMPUTED:
                if not self.along(region, eqn, a, at, known):
                    return None
                continue
            for d, i in enumerate(at if len(at) == len(shape) else ()):
                if i is not None and shape[d] != 1 and (is_view(eqn) or a.aval.shape[d] != 1):
                    if known[d] is not None and known[d] != i:
                        return None
                    known[d] = i
        return self.complete(region, known, shape)

    def along(self, region: Region, eqn: Eqn, operand: Atom, at, known: list) -> bool:
        """The same for an operand that is read where others say: only along shared axes, but a row
        of the region may be picked from anywhere."""
        k = next(k for k, a in enumerate(eqn.invars) if a is operand)
        dims = COMPUTED[eqn.primitive.name].dims(eqn)[k]
        for d, i in enumerate(at):
            if operand.aval.shape[d] == 1:
                continue
            if dims[d] is None:
                picks = eqn.primitive.name == "gather" and k == 0 and region.rows is not None \
                    and not region.outer and i is not None
                if not picks or not i.axes() <= set(region.cols):
                    return False
            elif known[dims[d]] not in (None, i) and i is not None:
                return False
            elif i is not None:
                known[dims[d]] = i
        return True

    def forward(self, region: Region, found: Var, chain: Sequence[Eqn]):
        """Where an element of the region's value `found` is seen through views."""
        at = region.at[found]
        for eqn in reversed(chain):
            at = self.through(region, eqn, at, found, chain)
            if at is None:
                return None
        return at

    def through(self, region: Region, eqn: Eqn, at, found: Var, chain: Sequence[Eqn]):
        return goes(eqn, at, self.sizes)

    def complete(self, region: Region, known: list, shape: Sequence[int]):
        """Axes along which an operand is repeated are the loops that it does not vary over."""
        open_dims = [d for d, i in enumerate(known) if i is None]
        if open_dims:
            used = set().union(*(i.axes() for i in known if i is not None), set())
            missing = [a for a in region.axes if a not in used]
            if [self.sizes[a] for a in missing] != [shape[d] for d in open_dims]:
                return None
            for d, name in zip(open_dims, missing):
                known[d] = axis(name)
        names = [name for i in known for name in i.axes()]
        if len(set(names)) != len(names):  # x - x.T of a column: that is not its diagonal
            return None
        return tuple(known)

    def reduce(self, region: Region, eqn: Eqn, at: Sequence[Index]) -> bool:
        """Place a reduction of what stands at `at`; this may decide the region's rows."""
        axes = eqn.params["axes"]
        out = tuple(i for d, i in enumerate(at) if d not in axes)
        gone = set().union(*(at[d].axes() for d in axes), set())
        kept = set().union(*(i.axes() for i in out), set())
        every = set(region.axes)
        if gone & kept:
            return False
        (result,) = eqn.outvars
        if gone | kept != every:  # a reduction of one number a row
            if region.rows is None or region.outer or gone != set(region.rows) or not gone:
                return False
            region.late.add(result)
        elif gone == every:
            if region.rows is None and len(every) == 1 \
                    and self.sizes[region.axes[0]] <= LARGEST_ROW:
                region.divide([], [], region.axes)
            if region.rows != [] or region.outer:
                region.late.add(result)
        elif region.rows is None:
            if region.axes[-1] in gone:
                region.divide([], [a for a in region.axes if a in kept],
                              [a for a in region.axes if a in gone])
            else:
                first = next(k for k, a in enumerate(region.axes) if a in gone)
                region.divide(region.axes[:first], [a for a in region.axes if a in gone],
                              [a for a in region.axes[first:] if a in kept])
                region.late.add(result)
        elif gone == set(region.rows):
            region.late.add(result)
        elif gone != set(region.cols) or region.outer:
            return False
        region.at[result] = out
        return True

    # ---- merging regions

    def merge_regions(self) -> None:
        """Regions with equal loops that read the same arrays, or one another's values, become one.
        (Two gradients of one activation; the numbers of a loss.)"""
        for number in range(len(self.groups)):
            for earlier in range(number):
                first, second = self.groups[earlier], self.groups[number]
                if isinstance(first, Region) and isinstance(second, Region) \
                        and self.related(first, second):
                    self.merge(first, second)

    def related(self, first: Region, second: Region, eqn: Eqn | None = None) -> bool:
        """Have they equal loops and read the same arrays, or is there an equation to read both?"""
        if not first.axes and not second.axes:
            return True
        if [self.sizes[a] for a in first.axes] != [self.sizes[a] for a in second.axes]:
            return False
        wanted = second.arrays & (first.arrays | set(first.at))
        return eqn is not None or any(v.aval.size > 1 for v in wanted)

    def merge(self, first: Region, second: Region) -> bool:
        """Run both in the loops of the second, if nothing between them stands in the way."""
        if len(first.eqns) + len(second.eqns) > MOST_EQUATIONS \
                or len(first.arrays | second.arrays) > MOST_ARRAYS or first.outer or second.outer:
            return False
        bit = 1 << first.number
        if second.reach & bit and any(
                g.reach & bit and second.reach >> g.number & 1
                for g in self.groups if g is not None and g is not first):
            return False
        if first.reach >> second.number & 1:
            return False
        sides = [r for r in (first, second) if r.rows is not None]
        if len(sides) == 2 and [self.sizes[a] for a in first.rows] != [
                self.sizes[a] for a in second.rows]:
            return False
        rename = {a: axis(b) for a, b in zip(first.axes, second.axes)}
        at = {v: tuple(i.substitute(rename) for i in index) for v, index in first.at.items()}
        trial = Region(second.number)
        trial.at = at | second.at
        trial.axes, trial.rows, trial.cols = second.axes, second.rows, second.cols
        if second.rows is None and first.rows is not None:
            name = dict(zip(first.axes, second.axes))
            trial.rows, trial.cols = ([name[a] for a in part] for part in (first.rows, first.cols))
            trial.axes = trial.rows + trial.cols
        trial.late = first.late | second.late
        if not self.agrees(first, second, trial):
            return False
        trial.eqns = first.eqns + second.eqns
        trial.arrays = (first.arrays | second.arrays) - set(trial.at)
        trial.reach = (first.reach | second.reach) & ~bit
        self.replace(first, second, trial)
        return True

    def agrees(self, first: Region, second: Region, trial: Region) -> bool:
        """Does the second read what the first makes where the first makes it?"""
        for eqn in second.eqns:
            over = eqn.invars[0] if is_reducer(eqn) else eqn.outvars[0]
            reads_first = False
            for a in eqn.invars:
                found = self.source(a)[0]
                if found in first.at:
                    reads_first = True
                    if found in first.late:
                        return False
            if not reads_first:
                continue
            if is_reducer(eqn):
                wanted = self.index_in(trial, eqn)
                kept = None if wanted is None else tuple(
                    i for d, i in enumerate(wanted) if d not in eqn.params["axes"])
                if kept != trial.at[eqn.outvars[0]]:
                    return False
            elif self.index_in(trial, eqn) != trial.at[over]:
                return False
        return all(fits(trial, trial.at[v]) for v in trial.at if v not in trial.late
                   and not is_reducer(self.made[v]))

    def replace(self, first: Region, second: Region, merged: Region) -> None:
        old, new = 1 << first.number, 1 << second.number
        self.groups[first.number] = None
        self.groups[second.number] = merged
        for v in merged.at:
            self.home[v] = merged
        for g in self.groups:
            if g is not None and g is not merged and g.reach & (old | new):
                g.reach = g.reach & ~old | new | merged.reach

    # ---- cheap producers

    def inline_producers(self) -> None:
        """A few cheap operations on what is in memory anyway (a bias added to a product) are done
        again by whoever reads the result, rather than stored and loaded."""
        readers: dict[Var, set[int]] = {}
        for g in self.groups:
            for e in g.eqns if g is not None else ():
                for a in e.invars:
                    found = self.source(a)[0]
                    if self.home.get(found) is not g:
                        readers.setdefault(found, set()).add(g.number)
        kept = {self.source(out)[0] for out in self.program.outvars}
        for g in self.groups:
            if isinstance(g, Region) and self.is_cheap(g) and not kept & set(g.at):
                users = set().union(*(readers.get(v, ()) for v in g.at))
                if all(isinstance(self.groups[n], Region) for n in users):
                    self.groups[g.number] = None
                    for v in g.at:
                        del self.home[v]
                        self.inlined.add(v)

    def is_cheap(self, region: Region) -> bool:
        """Reads it hardly more memory than it writes, to compute next to nothing?"""
        if len(region.eqns) > 3 or region.rows is not None or not region.axes or any(
                e.primitive.name in EXPENSIVE or e.primitive.name in COMPUTED or is_view(e)
                or is_reducer(e) for e in region.eqns):
            return False
        read = {v for e in region.eqns for a in e.invars for v in self.sources(a)} - set(region.at)
        return sum(v.aval.size for v in read) < 1.5 * region.eqns[-1].outvars[0].aval.size
