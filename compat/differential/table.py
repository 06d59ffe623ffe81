"""python -m compat.differential --table: every primitive in every dtype on every road.

A cell counts the dtypes for which the engine agrees with real JAX. Where JAX refuses a dtype,
or has no derivative, the engine must refuse too: that is agreement, and is counted apart. What
disagrees is listed below with its reason, or as it is.
"""

from __future__ import annotations

import re
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from compat.differential import Report
from compat.differential.generate import (
    DTYPES, LAYOUTS, SHAPES, Variation, base_rows, check_variation, is_elementwise, with_dtype,
    with_layout, with_shapes, with_special_values,
)
from minigrad import core

COLUMNS = {"forward": ("value",), "jvp": ("jvp",), "vjp": ("vjp", "tape"), "vmap": ("vmap",),
           "jit": ("jit",), "second": ("second",)}
COLUMN_OF = {check: column for column, checks in COLUMNS.items() for check in checks}

# JAX compiles the loops in these for seconds: they come last.
SLOW = {"igamma", "igammac", "igamma_grad_a", "regularized_incomplete_beta", "random_gamma_grad",
        "zeta", "polygamma"}

@dataclass(frozen=True)
class Explained:
    """Where the engine differs from JAX and is meant to, or JAX itself is in the wrong."""

    names: str
    columns: str
    cases: str  # a pattern in the case, as it is printed
    reason: str

    def covers(self, name: str, column: str, case: str) -> bool:
        return name in self.names.split() and column in self.columns.split() \
            and re.search(self.cases, case) is not None


EXPLAINED = [
    Explained("polygamma zeta", "forward vmap jit", "special values",
              "at poles and outside of its domain JAX's series gives nan, SciPy's the limit"),
    Explained("eq_to", "forward", r"c\d", "complex numbers have no total order: refused at once, "
              "where JAX leaves the refusal to XLA"),
    Explained("argmax argmin", "forward", r"c\d", "complex numbers have no order: refused at once, "
              "where JAX refuses when it lowers the program"),
    Explained("bitcast_convert_type", "forward", "bool", "booleans are refused with a TypeError "
              "that says why, where JAX stumbles over their size with a ValueError"),
    Explained("svd", "vjp second", r"c\d", "singular vectors of complex matrices have free phases: "
              "JAX's own jvp of vjp and vjp of vjp differ"),
    Explained("reduce_window_max reduce_window_min select_and_scatter_add select_and_gather_add",
              "vjp second", r"c\d", "complex numbers have no order: refused, where the program "
              "that JAX compiles for a second derivative of zero never asks for the winners"),
    Explained("select_and_gather_add", "forward vmap jit", "bool", "JAX packs both operands into "
              "words of floats, in which booleans are lost"),
]


def explanation(name: str, column: str, case: str) -> Explained | None:
    return next((e for e in EXPLAINED if e.covers(name, column, case)), None)


@dataclass
class Line:
    """One primitive: what agreed, what both refuse, and what differs."""

    name: str
    agreed: Counter = field(default_factory=Counter)
    refused: Counter = field(default_factory=Counter)
    differs: list[tuple[str, str, str]] = field(default_factory=list)  # column, case, what

    def add(self, case: str, report: Report, columns: Sequence[str]) -> None:
        wrong = {COLUMN_OF[m.check]: m for m in report.mismatches}
        for column in columns:
            if column in wrong:
                self.differs.append((column, case, str(wrong[column]).strip()))
            elif report.refused:
                self.refused[column] += 1
            else:
                self.agreed[column] += 1

    def __str__(self) -> str:
        failed = Counter(column for column, _, _ in self.differs)
        cells = []
        for column in COLUMNS:
            text = str(self.agreed[column]) if self.agreed[column] else "-"
            cells.append(f"{text}{f' !{failed[column]}' if failed[column] else ''}".rjust(8))
        return f"{self.name[:26]:26}" + "".join(cells) + f"{self.refused['forward']:9}"


def variations(name: str, rows: Sequence, thorough: bool) -> Iterator[Variation]:
    """One row in every dtype; then layouts, shapes and special values in its own."""
    first = rows[0]
    for dtype in DTYPES:
        varied = with_dtype(first, dtype)
        if varied is not None:
            yield varied
    for row in rows if thorough else rows[:1]:
        plain = Variation(row, *split(row), row.params)
        for layout in LAYOUTS[1:] if thorough else LAYOUTS[3:4]:
            yield with_layout(plain, layout)
    if is_elementwise(first):
        plain = Variation(first, *split(first), first.params)
        yield with_special_values(plain)
        count = len(plain.args)
        for k in range(len(SHAPES) if thorough else 2):
            yield with_shapes(plain, [SHAPES[k]] * count)
        if count == 2 and thorough:
            yield with_shapes(plain, [(2, 1), (1, 3)])


def split(row):
    from compat.differential.rows import row_examples

    first, *more = row_examples(row)
    return first, more


def measure(name: str, rows: Sequence, thorough: bool) -> Line:
    line = Line(name)
    for variation in variations(name, rows, thorough):
        try:
            report = check_variation(variation)
        except Exception as error:  # a check that cannot run is no agreement
            line.differs.append(("forward", str(variation), f"{type(error).__name__}: {error}"))
            continue
        # where JAX does not accept the operands, there is nothing more to compare
        columns = ["forward"] if report.refused else [
            c for c, checks in COLUMNS.items() if not report.ran.isdisjoint(checks)]
        line.add(str(variation), report, columns)
    return line


def main(only: Sequence[str] = (), thorough: bool = False) -> int:
    """Print the table; 0 where every difference is explained."""
    from tests.rows import all_rows  # the rows live with the tests: a clone has them

    rows = base_rows(all_rows())
    names = sorted((n for n in rows if not only or n in only), key=SLOW.__contains__)
    print(f"{'primitive':26}" + "".join(c.rjust(8) for c in COLUMNS) + "  refused")
    lines, start = [], time.time()
    for name in names:
        lines.append(measure(name, rows[name], thorough))
        print(lines[-1], flush=True)
    return summary(lines, set(core.table) - set(rows), time.time() - start)


def summary(lines: Sequence[Line], without: set[str], seconds: float) -> int:
    agreed, refused, differs = Counter(), Counter(), []
    for line in lines:
        agreed.update(line.agreed)
        refused.update(line.refused)
        differs += [(line.name, *d) for d in line.differs]
    reasons = [explanation(*d[:3]) for d in differs]
    unexplained = [d for d, reason in zip(differs, reasons) if reason is None]
    print("\n" + f"{'agree':26}" + "".join(str(agreed[c]).rjust(8) for c in COLUMNS)
          + f"{refused['forward']:9}")
    counts = Counter(d[1] for d in differs)
    print(f"{'differ':26}" + "".join(str(counts[c]).rjust(8) for c in COLUMNS))
    total = sum(agreed.values()) + sum(refused.values()) + len(differs)
    print(f"\n{len(lines)} primitives, {total} cells: {len(differs)} differ, of which "
          f"{len(differs) - len(unexplained)} are explained; {seconds:.0f} s")
    for reason in dict.fromkeys(filter(None, reasons)):
        print(f"  explained: {reason.names} ({reason.cases}), {reason.columns}: {reason.reason}")
    for name, column, case, what in unexplained:
        print(f"  {name}, {column}: {case}\n    {what}")
    if without:
        print(f"no rows here (programs, collectives, random bits): {', '.join(sorted(without))}")
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
