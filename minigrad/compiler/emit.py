"""A region as source: a readable Python function in the kernels' subset, shapes written in.

Values are pulled from what is stored: to write `out[i, j]` its expression is written, for which
its operands' are, at the indices where the equation reads them, down to loads. What does not
depend on the inner loops is written outside of them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from minigrad.compiler.access import reads
from minigrad.compiler.computed import COMPUTED
from minigrad.compiler.fuse import Fuser
from minigrad.compiler.regions import Region
from minigrad.compiler.index import ZERO, Index, axis, flatten
from minigrad.compiler.nest import Kernel, Scope, Temporary, indent, kernel_name, step
from minigrad.compiler.passes import Passes
from minigrad.compiler.totals import Accumulator
from minigrad.compiler.scalar import (
    EXPENSIVE, body, cast, is_reducer, literal_text, start_of, subset_dtype,
)
from minigrad.program import Atom, Eqn, Var

CHUNK = 1 << 15  # elements that make up a block of rows whose partial sums are added in order
LARGE = 1 << 25  # bytes; results above this are written past the caches
GRAIN = 1 << 14  # cheap operations that are worth another thread
NAME = re.compile(r"\b[xyz]\b")


class Writer(Passes):
    """Writes one region. `results`: the values that others want, which it stores."""

    def __init__(self, fuser: Fuser, region: Region, results: Sequence[Var],
                 in_place: dict[Var, Var]):
        super().__init__(fuser, region, results)
        self.in_place = in_place
        self.sizes = fuser.sizes
        self.rows, self.cols = region.rows, region.cols
        self.flat: list[Index] = []  # where arrays are read and written
        self.pinned: set[str] = set()  # axes whose value is used otherwise
        self.merged: dict[str, str | None] = {}  # axis -> None where a later one runs over it too

    # ---- layout of the nest

    def divide(self) -> None:
        """Loops over rows and columns: of a region without reductions the last axis is the inner
        one; neighbouring axes that every array walks through alike become one."""
        region = self.region
        if region.rows is None:
            self.rows, self.cols = [], list(region.axes)
        self.write()  # once, to see which arrays are walked through, and how
        if region.rows is None:
            axes = self.join_axes(region.axes)
            self.rows, self.cols = (axes, []) if len(axes) == 1 else (axes[:-1], axes[-1:])
        else:
            self.rows = self.join_axes(region.rows)
            self.cols = self.join_axes(region.cols)

    def join_axes(self, axes: Sequence[str]) -> list[str]:
        kept: list[str] = []
        for name in axes:
            if kept and self.walk_alike(kept[-1], name):
                self.merged[kept[-1]] = name
                self.sizes = {**self.sizes, name: self.sizes[kept[-1]] * self.sizes[name]}
                kept[-1] = name
            else:
                kept.append(name)
        return kept

    def walk_alike(self, first: str, second: str) -> bool:
        """Is a step along the first axis as far as all steps along the second, everywhere?"""
        if first in self.pinned or second in self.pinned:
            return False
        n = self.fuser.sizes[second]
        return all(i.terms.get(first, 0) == i.terms.get(second, 0) * n for i in self.flat)

    def reads_only_at(self, array: Var, place: Index, new: Var) -> bool:
        """Is each element of an array read just before `new` is stored in its place?"""
        self.divide()
        return all(flat == place and level == self.levels[new]
                   for found, flat, level in self.loads if found is array)

    # ---- writing

    def kernels(self) -> list[Kernel]:
        self.divide()
        self.flat = []
        return self.write()

    def write(self) -> list[Kernel]:
        region = self.region
        self.parameters: dict = {}  # array -> its name
        self.stored: set = set()
        self.temporaries: dict = {}
        self.top = Scope()
        self.row = Scope(self.top)
        self.count = 0
        self.level = 0
        self.loads: list[tuple] = []  # (array, where, in which pass)
        self.spelling = {a: f"i{k}" if len(self.rows) > 1 else "i"
                         for k, a in enumerate(self.rows)}
        self.spelling |= {a: f"j{k}" if len(self.cols) > 1 else "j"
                          for k, a in enumerate(self.cols)}
        self.spelling |= {a: f"k{k}" for k, a in enumerate(region.outer)}
        late = [e for e in region.eqns if e.outvars[0] in region.late]
        self.extent = math.prod(self.sizes[a] for a in self.rows)
        self.width = math.prod(self.sizes[a] for a in self.cols)
        self.count_blocks(late)
        return self.nest(late)

    def count_blocks(self, late: list[Eqn]) -> None:
        """Blocks of rows whose partial sums are added in order."""
        self.blocks = 1
        self.blocked = bool(late or self.saved) and bool(self.rows) and not self.region.outer
        if self.blocked:
            most = min(64, self.extent * self.width // CHUNK)
            self.divide_rows(min(self.extent, max(1, most)))

    def divide_rows(self, blocks: int, multiple: int = 1) -> None:
        self.block = -(-self.extent // (blocks * multiple)) * multiple
        self.blocks = -(-self.extent // self.block)

    def nest(self, late: list[Eqn]) -> list[Kernel]:
        region = self.region
        accumulators = [self.accumulator(e) for e in late]
        ends: list[str] = []
        self.row.lines += self.divided("i", self.rows)
        last = max(self.levels.values(), default=0)
        for level in range(last + 1):
            self.pass_over_row(level, late)
        self.store_rows()
        lines = self.row.lines
        if region.outer:
            lines = self.outer_loops(late, lines)
        elif self.blocked:
            stop = f"minimum(b * {self.block} + {self.block}, {self.extent})"
            inner = [f"for i in range(b * {self.block}, {stop}):", *indent(lines)] \
                if self.blocks > 1 else [f"for i in range({self.extent}):", *indent(lines)]
            starts = [line for a in accumulators for line in a.starts]
            ends = [line for a in accumulators for line in a.ends]
            lines = [f"for b in range({'start, stop' if self.blocks > 1 else '1'}):",
                     *indent(starts + inner + ends)]
            if self.blocks == 1:
                lines = [line[4:] for line in lines[1:]]
        elif self.rows:
            lines = ["for i in range(start, stop):", *indent(lines)]
        lines = self.top.lines + lines
        name = self.name()
        types = [self.type_of(p) + " stream" * self.streams(p) for p in self.parameters]
        per_row = self.cost() * max(self.width, 1)
        extent = self.blocks if self.blocked else self.extent if self.rows else 1
        grain = 1
        if region.outer:
            extent = self.sizes[region.outer[0]]
            per_row *= self.extent * math.prod(self.sizes[a] for a in region.outer[1:])
        if not self.blocked:
            grain = max(1, GRAIN // per_row, -(-extent // 64))
            if grain > 64:
                grain = -(-grain // 64) * 64
        kernels = [Kernel(name, list(self.parameters), types, lines, extent, grain)]
        for a in accumulators:
            if self.blocked and self.blocks > 1:
                kernels.append(a.combine(name))
        return kernels

    def divided(self, whole: str, axes: Sequence[str]) -> list[str]:
        """Positions along axes that one loop runs over."""
        lines = []
        for k, name in enumerate(axes if len(axes) > 1 else ()):
            inner = math.prod(self.sizes[a] for a in axes[k + 1:])
            text = whole if inner == 1 else f"{whole} // {inner}"
            if k:
                text = f"{text if inner == 1 else f'({text})'} % {self.sizes[name]}"
            lines.append(f"{self.spelling[name]} = {text}")
        return lines

    def outer_loops(self, late: list[Eqn], lines: list[str]) -> list[str]:
        """Loops around a reduction over middle axes: for each of them the result starts anew."""
        region = self.region
        starts = []
        for eqn in late:
            out = eqn.outvars[0]
            starts += self.column_loops(
                [f"{self.array(out)}[{self.place(out)}] = {start_of(eqn)}"], at=out)
        lines = starts + [f"for i in range({self.extent}):", *indent(lines)]
        for k, a in reversed(list(enumerate(region.outer))):
            bounds = "start, stop" if k == 0 else str(self.sizes[a])
            lines = [f"for {self.spelling[a]} in range({bounds}):", *indent(lines)]
        return lines

    def column_loops(self, lines: list[str], at: Var | None = None) -> list[str]:
        axes = [a for a in self.cols if at is None or a in self.axes_seen(at)]
        for a in reversed(axes):
            lines = [f"for {self.spelling[a]} in range({self.sizes[a]}):", *indent(lines)]
        return lines

    def axes_seen(self, v: Var) -> set[str]:
        """The axes of a value, under the names that they have after merging."""
        found = set()
        for a in self.axes_of(v):
            while a in self.merged:
                a = self.merged[a]
            found.add(a)
        return found

    # ---- one pass over the columns of a row

    def pass_over_row(self, level: int, late: list[Eqn]) -> None:
        """The reductions, sums over rows, saved values and results that belong to this pass."""
        region, loop = self.region, Scope(self.row)
        self.level = level
        tails: list[str] = []
        before: list[str] = []
        for eqn in region.eqns:
            (out,) = eqn.outvars
            if is_reducer(eqn):
                if out in region.late:
                    if self.operand_level(eqn) == level:
                        self.accumulate(eqn, loop, tails)
                elif self.levels[out] == level + 1:
                    name = self.fresh()
                    before.append(f"{name} = {start_of(eqn)}")
                    inner = self.inner_index(eqn)
                    value = self.pull(eqn.invars[0], inner, loop)
                    tails.append(step(eqn, name, value))
                    self.row.known[out, region.at[out]] = name
            elif self.levels[out] == level and self.is_full(out):
                if out in self.saved and self.scratch(out) is not None:
                    value = self.pull(out, region.at[out], loop)
                    tails.append(f"{self.scratch(out)} = {value}")
                if out in self.results:
                    value = self.pull(out, region.at[out], loop)
                    tails.append(f"{self.array(out, True)}[{self.place(out)}] = {value}")
        body_lines = loop.lines + tails
        if body_lines:
            self.row.lines += before + self.column_loops(body_lines)

    def operand_level(self, eqn: Eqn) -> int:
        found = self.operand(eqn.invars[0])
        return 0 if found is None else self.levels[found]

    def inner_index(self, eqn: Eqn) -> tuple[Index, ...]:
        """Where a reduction's operand is read: its own loops for what the result has not."""
        found = self.fuser.index_in(self.region, eqn)
        shape, gone = eqn.invars[0].aval.shape, eqn.params["axes"]
        at = self.region.at[eqn.outvars[0]]
        # of axes of equal size, an operand from outside may have been given the wrong one
        if found is not None and tuple(i for d, i in enumerate(found) if d not in gone) == at:
            return found
        out = iter(at)
        used = set().union(*(i.axes() for i in self.region.at[eqn.outvars[0]]), set())
        rest = iter([a for a in self.region.axes if a not in used])
        return tuple((ZERO if n == 1 else axis(next(rest))) if d in gone else next(out)
                     for d, n in enumerate(shape))

    def accumulator(self, eqn: Eqn) -> Accumulator:
        made = Accumulator(self, eqn)
        self.row.known["accumulator", eqn.outvars[0]] = made
        return made

    def accumulate(self, eqn: Eqn, loop: Scope, tails: list[str]) -> None:
        """Add to a sum over rows. A sum over everything is a number; a sum for each column is in
        memory; where its operand has one number a row, it is added outside the pass."""
        value_of = self.operand(eqn.invars[0])
        inner = self.inner_index(eqn)
        acc = self.row.known["accumulator", eqn.outvars[0]]
        if value_of is not None and not self.is_full(value_of):
            acc.row_steps.append(lambda: step(eqn, acc.name, self.pull(eqn.invars[0], inner,
                                                                       self.row)))
            return
        value = self.pull(eqn.invars[0], inner, loop)
        tails.append(step(eqn, acc.target(), value))

    def store_rows(self) -> None:
        """Results with one number a row, and sums of such numbers."""
        region = self.region
        stores = []
        for eqn in region.eqns:
            (out,) = eqn.outvars
            if out in region.late:
                acc = self.row.known["accumulator", out]
                stores += [make() for make in acc.row_steps]
            elif out in self.results and not self.is_full(out):
                value = self.pull(out, region.at[out], self.row)
                stores.append(f"{self.array(out, True)}[{self.place(out)}] = {value}")
        self.row.lines += stores

    # ---- values

    def pull(self, atom: Atom, at: Sequence[Index], scope: Scope) -> str:
        """The text of one element of an operand; lines that it needs go into the scope."""
        if type(atom) is not Var:
            return literal_text(atom)
        eqn = self.fuser.made.get(atom)
        if atom in self.region.at:
            return self.computed(atom, tuple(at), scope)
        if atom in self.fuser.inlined:
            at = tuple(at)
            scope = self.scope_for(set().union(*(i.axes() for i in at), set()), scope)
            known = scope.find((atom, at))
            return known or self.remember(atom, at, scope, self.expression(eqn, at, scope))
        if eqn is None or atom in self.fuser.home:
            return self.load(atom, flatten(at, atom.aval.shape), scope)
        if eqn.primitive.name == "iota":
            index = at[eqn.params["dimension"]]
            self.pinned |= index.axes()
            return cast(self.index_text(index), subset_dtype(atom.aval.dtype))
        return self.pull(eqn.invars[0], reads(eqn, at, self.fuser.sizes), scope)

    def computed(self, v: Var, at: tuple[Index, ...], scope: Scope) -> str:
        known = scope.find((v, at))
        if known is not None:
            return known
        eqn = self.fuser.made[v]
        if is_reducer(eqn):
            raise NotImplementedError(f"a value of {eqn.primitive} away from its row")
        if at == self.region.at[v]:
            if not self.is_full(v):
                scope = self.row
            elif v in self.saved and scope is not self.row and ("saved", v) in self.row.known:
                return self.remember(v, at, scope, self.scratch(v))
            if v in self.saved:
                self.row.known["saved", v] = ""
        text = self.expression(eqn, at, scope)
        once = self.uses.get(v, 0) <= 1 and v not in self.results and v not in self.saved
        if once and len(text) < 50 and self.is_full(v) == (scope is not self.row):
            return f"({text})" if not re.fullmatch(r"\w+(\([^()]*\))?", text) else text
        return self.remember(v, at, scope, text)

    def remember(self, v, at, scope: Scope, text: str) -> str:
        name = self.fresh()
        scope.lines.append(f"{name} = {text}")
        scope.known[v, at] = name
        return name

    def expression(self, eqn: Eqn, at: Sequence[Index], scope: Scope) -> str:
        (out,) = eqn.outvars
        if self.fuser.copies and out in self.fuser.copies:
            if eqn.primitive.name == "iota":
                return cast(self.index_text(at[eqn.params["dimension"]], pin=True),
                            subset_dtype(out.aval.dtype))
            x = eqn.invars[0]
            text = self.pull(x, reads(eqn, at, self.fuser.sizes), scope)
            return cast(text, subset_dtype(out.aval.dtype)) if self.is_literal(x) else text
        if eqn.primitive.name in COMPUTED:
            return COMPUTED[eqn.primitive.name].text(self, eqn, at, scope)
        text = body(eqn)
        shape = out.aval.shape
        operands = []
        for a in eqn.invars:
            index = () if not a.aval.shape else tuple(
                ZERO if n == 1 != m else i for i, n, m in zip(at, a.aval.shape, shape))
            operands.append(self.pull(a, index, scope))
        numbers = operands[1:] if eqn.primitive.name == "select_n" else operands
        given = eqn.invars[1:] if eqn.primitive.name == "select_n" else eqn.invars
        literal = [self.is_literal(a) for a in given]
        if all(literal):
            dtype = subset_dtype(given[0].aval.dtype)
            operands[-len(numbers):] = [cast(n, dtype) for n in numbers]
        for k, letter in enumerate("xyz"[:len(operands)]):
            if len(re.findall(rf"\b{letter}\b", text)) > 1 and not operands[k].isidentifier():
                name = self.fresh()
                scope.lines.append(f"{name} = {operands[k]}")
                operands[k] = name
        where = dict(zip("xyz", operands))
        if NAME.search(text) is None:  # x ** 0
            return cast(text, subset_dtype(out.aval.dtype))
        text = NAME.sub(lambda m: where[m[0]], text)
        dtype = subset_dtype(out.aval.dtype)
        return f"{dtype}({text})" if dtype in ("f16", "bf16") and \
            eqn.primitive.name not in ("select_n", "convert_element_type", "neg", "max", "min") \
            else text

    def number(self, text: str, axes: set[str] | None, scope: Scope) -> str:
        """A name for a number that depends on these axes only (None: on all of the scope's)."""
        if axes is not None:
            scope = self.scope_for(axes, scope)
        if text.isidentifier():
            return text
        known = scope.find(("number", text))
        if known is not None:
            return known
        return self.remember("number", text, scope, text)

    def scope_for(self, axes: set[str], scope: Scope) -> Scope:
        axes = {self.seen(a) for a in axes}
        return self.top if not axes else scope if axes & set(self.cols) else self.row

    def is_literal(self, atom: Atom) -> bool:
        while type(atom) is Var:
            eqn = self.fuser.made.get(atom)
            if eqn is None or atom in self.fuser.home or not eqn.invars \
                    or eqn.primitive.name != "broadcast_in_dim" and len(eqn.invars) != 1 \
                    or self.fuser.source(atom)[0] is not None:
                return False
            atom = eqn.invars[0]
        return True

    # ---- arrays

    def load(self, array: Var, flat: Index, scope: Scope) -> str:
        self.loads.append((array, flat, self.level))
        scope = self.scope_for(flat.axes(), scope)
        known = scope.find((array, flat))
        if known is not None:
            return known
        text = f"{self.array(array)}[{self.index_text(flat, flat=True)}]"
        return self.remember(array, flat, scope, text)

    def seen(self, name: str) -> str:
        while name in self.merged:
            name = self.merged[name]
        return name

    def array(self, v, store: bool = False) -> str:
        v = self.in_place.get(v, v)
        if v in self.fuser.pieces:
            v = self.fuser.pieces[v][0]
        if store:
            self.stored.add(v)
        if v not in self.parameters:
            self.parameters[v] = f"a{len(self.parameters)}"
        return self.parameters[v]

    def place(self, v: Var) -> str:
        at, shape = self.region.at[v], v.aval.shape
        if v in self.fuser.pieces:
            whole, dimension, offset = self.fuser.pieces[v]
            at = tuple(i + offset if d == dimension else i for d, i in enumerate(at))
            shape = whole.aval.shape
        return self.index_text(flatten(at, shape), flat=True)

    def temporary(self, key, dtype, size: int) -> str:
        if key not in self.temporaries:
            self.temporaries[key] = Temporary(dtype, size)
        return self.array(self.temporaries[key], True)

    def scratch(self, v: Var) -> str:
        """Where a value of this row is kept for a later pass over it."""
        if v in self.results:
            return f"{self.array(v, True)}[{self.place(v)}]"
        name = self.temporary(("row", v), v.aval.dtype, self.blocks * self.width)
        flat = ZERO
        for k, a in enumerate(self.cols):
            flat += axis(a) * math.prod(self.sizes[b] for b in self.cols[k + 1:])
        text = self.index_text(flat)
        return f"{name}[{f'b * {self.width} + ' if self.blocks > 1 else ''}{text}]"

    def index_text(self, index: Index, flat: bool = False, pin: bool = False) -> str:
        if flat:
            self.flat.append(index)
            if not index.is_plain():
                for atom in index.terms:
                    if type(atom) is not str:
                        self.pinned |= Index({atom: 1}).axes()
            index = Index({a: c for a, c in index.terms.items()
                           if type(a) is not str or a not in self.merged}, index.const)
        if pin:
            self.pinned |= index.axes()
        return index.text(self.spelling.__getitem__)

    def type_of(self, parameter) -> str:
        dtype = getattr(parameter, "aval", parameter).dtype
        return f"{subset_dtype(dtype)}* restrict"

    def streams(self, parameter) -> bool:
        """Whether an array is only written, from front to back, and larger than caches are."""
        aval = getattr(parameter, "aval", None)
        return (len(self.rows) == 1 and not (self.cols or self.blocked or self.region.outer)
                and parameter in self.stored and aval is not None
                and math.prod(aval.shape) * aval.dtype.itemsize > LARGE
                and parameter not in self.in_place.values()
                and all(array is not parameter for array, *_ in self.loads))

    def fresh(self) -> str:
        self.count += 1
        return f"t{self.count}"

    def cost(self) -> int:
        """Cheap operations an element."""
        return 1 + sum(8 if e.primitive.name in EXPENSIVE else 1 for e in self.region.eqns
                       if e.outvars[0] in self.region.late or self.is_full(e.outvars[0]))

    def name(self) -> str:
        return kernel_name(self.region.eqns)
