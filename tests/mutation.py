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

from compat.differential.agreement import is_inexact
from compat.differential.oracle import Oracle
from compat.differential.rows import check_row, oracle_of, row_examples
from minigrad import core
from minigrad.ops.families import dtype_kind
from minigrad.programs.source import refresh_worlds
from tests.rows import Row, all_rows

# ------------------------------------------------------------------ planting


@contextmanager
def wrong_rule(name: str, rule: str, wrong: Callable[[Callable], Callable]):
    """The table with one wrong rule; whatever was made of the right one is forgotten."""
    primitive = core.table[name]
    right, infix = getattr(primitive, rule), primitive.infix
    setattr(primitive, rule, wrong(right))
    if rule == "impl":
        primitive.infix = None  # generated code would write the operator in place of the kernel
    forget()
    try:
        yield
    finally:
        setattr(primitive, rule, right)
        primitive.infix = infix
        forget()


def forget() -> None:
    for primitive in core.table.values():
        primitive.runs.clear()
    refresh_worlds()
    for clear in core.caches_to_clear:
        clear()


# ------------------------------------------------------------------ kinds of mistakes


def scaled(x, factor: float):
    """`factor` times a tangent or cotangent; symbolic zeros stay."""
    return None if x is None else core.table["mul"](x, factor, out_dtype=None)


reached = {"yes": False}  # whether the planted mistake met anything to change


def noted(jvp, primals, tangents, params):
    out, tangent = jvp(primals, tangents, **params)
    found = tangent if isinstance(tangent, (list, tuple)) else [tangent]
    reached["yes"] |= any(t is not None for t in found)
    return out, tangent


def changed(values, k: int, change: Callable) -> list:
    return [change(v) if i == k and v is not None else v for i, v in enumerate(values)]


def tangent_mistake(change: Callable) -> Callable:
    """jvp is linear in the tangents: what happens to operand k's, happens to its term."""
    def of(k: int):
        return lambda jvp: lambda primals, tangents, **params: noted(
            jvp, primals, changed(tangents, k, change), params)

    return of


def missing_term(k: int):
    """The tangent of operand k does not count; alone, it gives zeros that should be a number."""
    def wrong(jvp):
        def rule(primals, tangents, **params):
            zero = scaled(tangents[k], 0.0)
            return noted(jvp, primals, changed(tangents, k, lambda _: zero), params)

        return rule

    return wrong


def at_other_operands(jvp):
    """The derivative is taken somewhere else; the value stays right."""
    def rule(primals, tangents, **params):
        out, _ = jvp(primals, tangents, **params)
        moved = [scaled(p, 0.75) if inexact(p) else p for p in primals]
        return out, noted(jvp, moved, tangents, params)[1]

    return rule


def inexact(x) -> bool:
    return dtype_kind(core.aval_of(x).dtype) in "fc"


def swapped_tangents(jvp):
    def rule(primals, tangents, **params):
        same = [i for i, t in enumerate(tangents) if t is not None
                and core.aval_of(t) is core.aval_of(tangents[-1])] if tangents[-1] is not None \
            else []
        if len(same) > 1:
            tangents = list(tangents)
            i, j = same[-2:]
            tangents[i], tangents[j] = tangents[j], tangents[i]
            return noted(jvp, primals, tangents, params)
        return jvp(primals, tangents, **params)

    return rule


def cotangent_mistake(change: Callable) -> Callable:
    def of(k: int):
        def wrong(transpose):
            def rule(ct, args, **params):
                found = transpose(ct, args, **params)
                reached["yes"] |= found[k] is not None
                return changed(found, k, change)

            return rule

        return wrong

    return of


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
        def repeated(a, d):
            if d is None:
                return a
            shape = core.aval_of(a).shape
            first = core.table["slice"](
                a, start_indices=(0,) * len(shape), strides=None,
                limit_indices=tuple(1 if i == d else n for i, n in enumerate(shape)))
            return core.table["concatenate"](*[first] * size, dimension=d)

        return batch(size, [repeated(a, d) for a, d in zip(args, dims)], dims, **params)

    return rule


def off_by_one(impl):
    """Integers off by one, booleans inverted, floats wrong in the third digit."""
    def change(x):
        x = np.asarray(x)
        if x.dtype.kind == "b":
            return ~x
        return (x + 1 if x.dtype.kind in "iu" else x * 1.01 + 0.01).astype(x.dtype)

    def kernel(*arrays, **params):
        out = impl(*arrays, **params)
        return [change(o) for o in out] if isinstance(out, (list, tuple)) else change(out)

    return kernel


def swapped_operands(impl):
    return lambda x, y, *rest, **params: impl(y, x, *rest, **params)


def weak_types(abstract):
    """Weak becomes strong, and strong weak."""
    def rule(*avals, **params):
        out = abstract(*avals, **params)
        flipped = [a.update(weak_type=not a.weak_type)
                   for a in (out if isinstance(out, (list, tuple)) else [out])]
        return flipped if isinstance(out, (list, tuple)) else flipped[0]

    return rule


# (rule, mistake): made once for each operand that has a derivative, or once
BY_OPERAND: dict[tuple[str, str], Callable] = {
    ("jvp", "sign"): tangent_mistake(lambda t: scaled(t, -1.0)),
    ("jvp", "factor"): tangent_mistake(lambda t: scaled(t, 2.0)),
    ("jvp", "missing term"): missing_term,
    ("transpose", "sign"): cotangent_mistake(lambda ct: scaled(ct, -1.0)),
    ("transpose", "factor"): cotangent_mistake(lambda ct: scaled(ct, 0.5)),
    ("transpose", "missing"): cotangent_mistake(lambda ct: None),
}
ONCE: dict[tuple[str, str], Callable] = {
    ("jvp", "at other operands"): at_other_operands,
    ("jvp", "swapped tangents"): swapped_tangents,
    ("batch", "wrong axis"): wrong_axis, ("batch", "the first example"): first_of_batch,
    ("impl", "off by one"): off_by_one, ("impl", "swapped operands"): swapped_operands,
    ("abstract", "weak types"): weak_types,
}
CHECKS_OF = {"jvp": ("jvp", "vjp", "tape", "second"), "transpose": ("vjp", "tape", "second"),
             "batch": ("vmap",), "impl": ("value", "vmap", "jit"), "abstract": ("value",)}

# Mistakes that are none: no test can tell such a mutant from the right rule.
SYMMETRIC = {"add", "mul", "mulhi", "max", "min", "eq", "ne", "and", "or", "xor", "add_any",
             "eq_to", "clamp",  # the middle of three
             "custom_linear_solve"}  # the matrix and its transpose's, which is the same one
PIECEWISE_LINEAR = {"abs", "max", "min", "clamp", "select_n", "real", "imag", "conj", "copy",
                    "complex", "convert_element_type", "add", "sub", "neg", "add_any", "sort",
                    "reduce_max", "reduce_min", "reduce_precision", "rem", "cummax", "cummin",
                    "scatter-add", "scatter-sub", "scatter", "concatenate", "stack", "pad",
                    "dynamic_update_slice", "linear_call",
                    # the winners stay the winners where all numbers shrink
                    "scatter-min", "scatter-max", "top_k", "approx_top_k", "reduce_window_max",
                    "reduce_window_min"}


@dataclass
class Mutant:
    primitive: str
    rule: str
    mistake: str
    operand: int | None = None

    def __str__(self) -> str:
        where = "" if self.operand is None else f", operand {self.operand}"
        return f"{self.primitive}.{self.rule}: {self.mistake}{where}"

    def planted(self):
        key = self.rule, self.mistake
        wrong = ONCE[key] if self.operand is None else BY_OPERAND[key](self.operand)
        return wrong_rule(self.primitive, self.rule, wrong)


def rows_by_primitive() -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in all_rows():
        found.setdefault(row.name, []).append(row)
    return found


def mutants(rows: dict[str, list[Row]]) -> Iterator[Mutant]:
    """Every mistake that can matter for a primitive, given the rows that it has."""
    for name, own in rows.items():
        primitive = core.table[name]
        operands = set() if name in ZERO else {
            k for row in own if row.differentiable
            for k, x in enumerate(row_examples(row)[0]) if is_inexact(x.dtype)}
        operands.discard(ONLY_CHOOSES.get(name))
        several = max(len(row.values or row.avals) for row in own) > 1
        for rule, mistake in ONCE:
            if getattr(primitive, rule) is None or rule == "jvp" and not operands:
                continue
            if mistake.startswith("swapped") and (not several or name in SYMMETRIC):
                continue
            if mistake == "at other operands" and is_linear_family(primitive):
                continue
            if rule == "batch" and all("vmap" in row.without or not row.avals for row in own):
                continue
            yield Mutant(name, rule, mistake)
        for rule, mistake in BY_OPERAND:
            for k in sorted(operands) if getattr(primitive, rule) is not None else []:
                yield Mutant(name, rule, mistake, k)


ZERO = {"sign", "floor", "ceil", "round", "stop_gradient"}  # their derivative
ONLY_CHOOSES = {"select_and_scatter_add": 1, "select_and_gather_add": 1}  # the operand that does


def is_linear_family(primitive) -> bool:
    return primitive.family == "linear" or primitive.name in PIECEWISE_LINEAR \
        or primitive.family == "reduction" and primitive.transpose is not None


def caught_by(mutant: Mutant, rows: list[Row]) -> Row | None:
    """The first row that notices."""
    with mutant.planted():
        for row in sorted(rows, key=cost):
            if mutant.rule in ("jvp", "transpose") and not row.differentiable:
                continue
            try:
                report = check_row(row, CHECKS_OF[mutant.rule], asked(row))
            except Exception:
                return row
            if not report.ok:
                return row
    return None


oracles: dict[int, Oracle] = {}  # by the identity of the row


def asked(row: Row) -> Oracle:
    """JAX on a row, compiled once for all mutants of the primitive."""
    if id(row) not in oracles:
        if len(oracles) > 64:  # the compiled programs of other primitives
            oracles.clear()
        oracles[id(row)] = oracle_of(row)
    return oracles[id(row)]


def cost(row: Row) -> tuple:
    """Small operands of float32 first: x64 empties the caches."""
    return "64" in " ".join(row.avals), row.values is not None, len(" ".join(row.avals))


def main(names: list[str]) -> int:
    rows = rows_by_primitive()
    chosen = {n: r for n, r in rows.items() if not names or n in names}
    caught, survivors, start = set(), [], time.time()
    for mutant in mutants(chosen):
        reached["yes"] = mutant.rule not in ("jvp", "transpose")
        if caught_by(mutant, rows[mutant.primitive]) is not None:
            caught.add(str(mutant))
        elif reached["yes"]:  # else the rule has no such term
            survivors.append(mutant)
            print(f"survives: {mutant}", flush=True)
    rules = {text.split(":")[0] for text in caught}
    print(f"{len(caught) + len(survivors)} mutants of {len(rules)} rules of {len(chosen)} "
          f"primitives: {len(caught)} caught, {len(survivors)} survive, "
          f"{time.time() - start:.0f} s")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
