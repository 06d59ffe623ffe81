"""One wrong rule at a time: do the rows notice?

    python -m tests.mutation [PRIMITIVE ...]

A mutant is a primitive whose jvp, transpose, batching rule, abstract rule or kernel is wrong in
one way: another sign, a factor, swapped operands, a missing term, the wrong axis. Rules are
functions, so the mistake is made where they are called: in what they get or in what they give.
Only the rows of that primitive run, cheapest first, until one of them notices.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from compat.differential.rows import check_row
from minigrad import core
from minigrad.ops.families import dtype_kind
from minigrad.source import refresh_worlds
from tests.rows import Row, all_rows

# ------------------------------------------------------------------ planting


@contextmanager
def wrong_rule(name: str, rule: str, wrong: Callable[[Callable], Callable]):
    """The table with one wrong rule; whatever was made of the right one is forgotten."""
    primitive = core.table[name]
    right = getattr(primitive, rule)
    setattr(primitive, rule, wrong(right))
    forget()
    try:
        yield
    finally:
        setattr(primitive, rule, right)
        forget()


def forget() -> None:
    for primitive in core.table.values():
        primitive.runs.clear()
    refresh_worlds()
    for clear in core.caches_to_clear:
        clear()


# ------------------------------------------------------------------ kinds of mistakes


def on_values(change: Callable, results):
    """`change` of each result that is a value; symbolic zeros stay."""
    if isinstance(results, (list, tuple)):
        return [None if r is None else change(r) for r in results]
    return None if results is None else change(results)


def inexact(x) -> bool:
    return dtype_kind(core.aval_of(x).dtype) in "fc"


def scaled(factor: float) -> Callable:
    def change(x):
        return core.table["mul"](x, factor, out_dtype=None) if inexact(x) else x

    return change


def dropped(x):
    return None


def jvp_mistake(change: Callable) -> Callable:
    """A wrong tangent beside the right value."""
    def wrong(jvp):
        def rule(primals, tangents, **params):
            out, tangent = jvp(primals, tangents, **params)
            return out, on_values(change, tangent)

        return rule

    return wrong


def missing_term(jvp):
    """The last operand's tangent does not count."""
    def rule(primals, tangents, **params):
        given = [i for i, t in enumerate(tangents) if t is not None]
        kept = [None if i == given[-1] and len(given) > 1 else t for i, t in enumerate(tangents)]
        return jvp(primals, kept, **params)

    return rule


def swapped_tangents(jvp):
    def rule(primals, tangents, **params):
        avals = [None if t is None else core.aval_of(t) for t in tangents]
        order = list(range(len(tangents)))
        for i in range(len(order) - 1):
            if avals[i] is not None and avals[i] is avals[i + 1]:
                order[i], order[i + 1] = order[i + 1], order[i]
                break
        return jvp(primals, [tangents[i] for i in order], **params)

    return rule


def out_for_in(jvp):
    """The rule is evaluated at the negated operands (its value stays right)."""
    def rule(primals, tangents, **params):
        out, _ = jvp(primals, tangents, **params)
        moved = [core.table["neg"](p) if inexact(p) else p for p in primals]
        return out, jvp(moved, tangents, **params)[1]

    return rule


def transpose_mistake(change: Callable) -> Callable:
    def wrong(transpose):
        return lambda ct, args, **params: on_values(change, transpose(ct, args, **params))

    return wrong


def first_only(transpose):
    """Only the first operand gets its cotangent."""
    def rule(ct, args, **params):
        found = list(transpose(ct, args, **params))
        given = [i for i, f in enumerate(found) if f is not None]
        return [f if i == given[0] or len(given) == 1 else None for i, f in enumerate(found)]

    return rule


def wrong_axis(batch):
    """The batch axis is said to be another one."""
    def rule(size, args, dims, **params):
        out, dim = batch(size, args, dims, **params)
        many = isinstance(out, (list, tuple))
        outs, found = (out, dim) if many else ([out], [dim])
        moved = [d if d is None or (n := len(core.aval_of(o).shape)) < 2 else (d + 1) % n
                 for o, d in zip(outs, found)]
        return (out, moved) if many else (out, moved[0])

    return rule


def first_of_batch(batch):
    """Every example gets what the first one gets."""
    def rule(size, args, dims, **params):
        firsts = [a if d is None else core.table["slice"](
            a, start_indices=tuple(0 for _ in core.aval_of(a).shape),
            limit_indices=tuple(1 if i == d else n for i, n in enumerate(core.aval_of(a).shape)),
            strides=None) for a, d in zip(args, dims)]
        repeated = [a if d is None else core.table["concatenate"](*[f] * size, dimension=d)
                    for f, a, d in zip(firsts, args, dims)]
        return batch(size, repeated, dims, **params)

    return rule


def kernel_mistake(change: Callable) -> Callable:
    def wrong(impl):
        def kernel(*arrays, **params):
            out = impl(*arrays, **params)
            return [change(o) for o in out] if isinstance(out, (list, tuple)) else change(out)

        return kernel

    return wrong


def off_by_one(x):
    """Integers off by one, booleans inverted, floats wrong in the third digit."""
    x = np.asarray(x)
    if x.dtype.kind == "b":
        return ~x
    return (x + 1 if x.dtype.kind in "iu" else x * 1.01 + 0.01).astype(x.dtype)


def swapped_operands(impl):
    return lambda x, y, *rest, **params: impl(y, x, *rest, **params)


def strong(abstract):
    """Weak types are inverted."""
    def rule(*avals, **params):
        return on_values(lambda a: a.update(weak_type=not a.weak_type), abstract(*avals, **params))

    return rule


MISTAKES: dict[str, dict[str, Callable]] = {
    "jvp": {"sign": jvp_mistake(scaled(-1.0)), "factor": jvp_mistake(scaled(2.0)),
            "missing term": missing_term, "dropped": jvp_mistake(dropped),
            "swapped tangents": swapped_tangents, "at minus the operands": out_for_in},
    "transpose": {"sign": transpose_mistake(scaled(-1.0)),
                  "factor": transpose_mistake(scaled(0.5)),
                  "dropped": transpose_mistake(dropped), "first operand only": first_only},
    "batch": {"wrong axis": wrong_axis, "the first example": first_of_batch},
    "impl": {"off by one": kernel_mistake(off_by_one), "swapped operands": swapped_operands},
    "abstract": {"weak type": strong},
}
CHECKS_OF = {"jvp": ("jvp", "vjp", "tape", "second"), "transpose": ("vjp", "tape", "second"),
             "batch": ("vmap",), "impl": ("value",), "abstract": ("value",)}

# Mutants that mean the same, so that no test can tell them apart.
COMMUTE = ("add", "mul", "max", "min", "eq", "ne", "and", "or", "xor", "add_any", "eq_to",
           "igamma_grad_a", "dot_general")


@dataclass
class Mutant:
    primitive: str
    rule: str
    mistake: str

    def __str__(self) -> str:
        return f"{self.primitive}.{self.rule}: {self.mistake}"

    def planted(self):
        return wrong_rule(self.primitive, self.rule, MISTAKES[self.rule][self.mistake])


def rows_by_primitive() -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in all_rows():
        found.setdefault(row.name, []).append(row)
    return found


def mutants(rows: dict[str, list[Row]]) -> Iterator[Mutant]:
    """Every mistake that can matter for a primitive, given the rows that it has."""
    for name, own in rows.items():
        primitive = core.table[name]
        operands = max(len(r.values or r.avals) for r in own)
        differentiable = any(r.differentiable for r in own)
        for rule, mistakes in MISTAKES.items():
            if getattr(primitive, rule) is None:
                continue
            if rule in ("jvp", "transpose") and not differentiable:
                continue
            for mistake in mistakes:
                several = mistake in ("missing term", "swapped tangents", "swapped operands",
                                      "first operand only")
                if several and operands < 2:
                    continue
                yield Mutant(name, rule, mistake)


def killed_by(mutant: Mutant, rows: list[Row]) -> Row | None:
    """The first row that notices; JAX's answers are kept from one mutant to the next."""
    with mutant.planted():
        for row in sorted(rows, key=cost):
            if mutant.rule in ("jvp", "transpose") and not row.differentiable:
                continue
            try:
                report = check_row(row, CHECKS_OF[mutant.rule])
            except Exception:
                return row
            if not report.ok:
                return row
    return None


def cost(row: Row) -> tuple:
    """Small operands of float32 first: x64 empties the caches."""
    return "64" in " ".join(row.avals), row.values is not None, len(" ".join(row.avals))


def main(names: list[str]) -> int:
    rows = rows_by_primitive()
    chosen = {n: r for n, r in rows.items() if not names or n in names}
    survivors, count, start = [], 0, time.time()
    for mutant in mutants(chosen):
        count += 1
        if killed_by(mutant, rows[mutant.primitive]) is None:
            survivors.append(mutant)
            print(f"survives: {mutant}", flush=True)
    rules = len({(m.primitive, m.rule) for m in mutants(chosen)})
    print(f"{count} mutants of {rules} rules of {len(chosen)} primitives: "
          f"{count - len(survivors)} caught, {len(survivors)} survive, "
          f"{time.time() - start:.0f} s")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
