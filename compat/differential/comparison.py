"""Four ways to one answer: minigrad's reference path and compiled path, real JAX, real PyTorch.

    comparison = compare(functions, arrays)
    print(comparison)

`functions` maps "jax" and "torch" to what runs on each side (`worlds.py`). Each of our paths is
held against the framework it mirrors, question by question (`sides.QUESTIONS`); the two
frameworks are also held against one another, as information: where they disagree, see
`compat/conventions.py`.

An answer may be off by some ulps of its largest number. Where it is off by more, the same
question is asked of the framework in 64 bits, at the operands and at operands moved by half an
ulp: an error is forgiven up to a few times what the framework's own answer is off by, plus what
the rounding of the operands alone would change: that is the condition of the function there.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from compat.differential.agreement import (
    WIDE, difference, distance, is_inexact, kind_of, magnitude, smallest_normal, unit_roundoff,
    widened,
)
from compat.differential.sides import QUESTIONS, SIDES, Side, chosen
from compat.differential.worlds import Unknown
from minigrad import core

ULPS = {"value": 4, "jvp": 8, "gradient": 8, "second": 16, "vmap": 4}
NARROW_ULPS = 16  # as many times more, where the operands are 64 bits wide already
DERIVATIVES = ("jvp", "gradient", "second")
REPEAT, SECONDS = 5, 0.02


@dataclass
class Answer:
    """The arrays a side gave, or what it raised."""

    arrays: list[np.ndarray] | None = None
    error: Exception | None = None

    @property
    def refusal(self) -> str:
        text = str(self.error).strip().splitlines()
        return f"{type(self.error).__name__}: {text[0] if text else ''}"[:200]


@dataclass
class Cell:
    """One question, two sides: do they agree?"""

    question: str
    ours: str
    theirs: str
    ulps: float = 0.0
    problem: str | None = None
    note: str = ""
    errors: list[np.ndarray] = field(default_factory=list)  # by element, for the plots

    def __str__(self) -> str:
        if self.note:
            return self.note
        if self.problem:
            return f"DIFFERS ({spell_ulps(self.ulps)})" if np.isfinite(self.ulps) else "DIFFERS"
        return spell_ulps(self.ulps)


def spell_ulps(ulps: float) -> str:
    return "equal" if ulps == 0 else f"{ulps:.2g} ulp" if ulps >= 0.1 else "< 0.1 ulp"


@dataclass
class Comparison:
    name: str
    arrays: list[np.ndarray]
    answers: dict[tuple[str, str], Answer]  # (side, question)
    cells: list[Cell]
    times: dict[str, float]
    found: list[str] = field(default_factory=list)  # smallest input, first wrong equation

    @property
    def mismatches(self) -> list[Cell]:
        return [c for c in self.cells if c.problem and c.ours.startswith("minigrad")]

    ok = property(lambda self: not self.mismatches)

    @property
    def columns(self) -> list[tuple[str, str]]:
        return list(dict.fromkeys((c.ours, c.theirs) for c in self.cells))

    def raise_on_mismatch(self) -> None:
        if not self.ok:
            raise AssertionError(str(self))

    def __str__(self) -> str:
        return "\n".join([self.name, *self.table(), "", *self.details()]).rstrip()

    def table(self) -> list[str]:
        heads = [(ours.replace("minigrad.", ""), f"/ {theirs}") for ours, theirs in self.columns]
        rows = [["", *[a for a, _ in heads]], ["", *[b for _, b in heads]]]
        for question in dict.fromkeys(c.question for c in self.cells):
            by_column = {(c.ours, c.theirs): str(c) for c in self.cells if c.question == question}
            rows.append([question, *[by_column.get(column, "") for column in self.columns]])
        widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
        lines = ["  " + "  ".join(cell.ljust(w) for cell, w in zip(row, widths)) for row in rows]
        times = ", ".join(f"{side} {spell_time(t)}" for side, t in self.times.items())
        return [line.rstrip() for line in lines] + ([f"  time      {times}"] if times else [])

    def details(self) -> list[str]:
        """What differs, the same words once; then its cause."""
        said: dict[str, list[Cell]] = {}
        for cell in self.mismatches:
            said.setdefault(cell.problem.replace(cell.ours, f"minigrad.{cell.theirs}"),
                            []).append(cell)
        lines = []
        for problem, cells in said.items():
            questions = ", ".join(dict.fromkeys(c.question for c in cells))
            sides = " and ".join(dict.fromkeys(c.ours for c in cells))
            indented = problem.replace("\n", "\n    ")
            lines.append(f"  {questions}: {sides} beside {cells[0].theirs}\n    {indented}")
        return lines + self.found


def spell_time(seconds: float) -> str:
    return f"{seconds * 1e6:.1f} us" if seconds < 1e-3 else f"{seconds * 1e3:.2f} ms"


# ------------------------------------------------------------------ asking


def is_wide(arrays) -> bool:
    return any(a.dtype.name in ("int64", "uint64", "float64", "complex128") for a in arrays)


def sides_of(library: str, wide: bool) -> list[Side]:
    """Our reference path, our compiled path, and the framework itself."""
    make = SIDES[library]
    return [make(library, True, False, wide), make(library, True, True, wide),
            make(library, False, False, wide)]


def answer(side: Side, question: str, functions: dict, arrays) -> Answer:
    try:
        fn = functions[side.library, side.ours]
        return Answer(side.ask(question, fn, arrays))
    except Exception as error:
        return Answer(error=error)


def compare(functions: dict[tuple[str, bool], Callable], arrays: Sequence[np.ndarray],
            questions: Sequence[str] = QUESTIONS, name: str = "", timing: bool = True,
            optional: Sequence[str] = (), once: bool = True) -> Comparison:
    """Compare what `functions[library, ours]` gives at `arrays`.

    once: no other arrays of these shapes will follow, so that compiling the whole is worth it.

    optional: libraries whose absence of a function is no mismatch (the text was translated).
    """
    arrays = [np.asarray(a) for a in arrays]
    wide = is_wide(arrays)
    if not chosen(arrays):
        questions = [q for q in questions if q not in DERIVATIVES]
    operands = ", ".join(repr(core.make_aval(a.shape, a.dtype)) for a in arrays)
    result = Comparison(f"{name}    at {operands}" if name else operands, arrays, {}, [], {})
    present = []
    for library in dict.fromkeys(lib for lib, _ in functions):
        ours, compiled, theirs = sides_of(library, wide)
        theirs.once = once
        for question in questions:
            for side in (theirs, ours, compiled):
                result.answers[side.name, question] = answer(side, question, functions, arrays)
        first = result.answers[theirs.name, questions[0]]
        if library in optional and isinstance(first.error, (Unknown, AttributeError, TypeError)):
            result.found.append(f"  not compared with {library}: {first.refusal}")
            continue
        present.append(theirs)
        for question in questions:
            for side in (ours, compiled):
                result.cells.append(cell_of(result, question, side, theirs, functions, arrays))
        if timing:
            for side in (ours, compiled, theirs):
                measure(result, side, functions[side.library, side.ours], arrays)
    if len(present) == 2:
        for question in questions:
            result.cells.append(cell_of(result, question, *reversed(present), functions, arrays))
    return result


def measure(result: Comparison, side: Side, fn, arrays) -> None:
    if result.answers[side.name, "value"].error is not None:
        return
    with side.settings(), np.errstate(all="ignore"):
        call = side.caller(fn, arrays)
        call()
        start = time.perf_counter()
        call()
        count = max(1, int(SECONDS / max(time.perf_counter() - start, 1e-7) / REPEAT))
        runs = []
        for _ in range(REPEAT):
            start = time.perf_counter()
            for _ in range(count):
                call()
            runs.append((time.perf_counter() - start) / count)
    result.times[side.name] = statistics.median(runs)


# ------------------------------------------------------------------ judging


def cell_of(result: Comparison, question: str, ours: Side, theirs: Side, functions,
            arrays) -> Cell:
    a, b = result.answers[ours.name, question], result.answers[theirs.name, question]
    cell = Cell(question, ours.name, theirs.name)
    if b.error is not None or a.error is not None:
        judge_errors(cell, a, b)
        return cell
    if len(a.arrays) != len(b.arrays):
        cell.problem = f"{len(a.arrays)} results, expected {len(b.arrays)}"
        cell.ulps = np.inf
        return cell
    reference = Reference(theirs, question, functions, arrays)
    problems = []
    for k, (x, y) in enumerate(zip(a.arrays, b.arrays)):
        across = ours.library != theirs.library
        if across and x.dtype != y.dtype:  # int64 beside int32: said once, values compared
            cell.note = f"{x.dtype} / {y.dtype}"
            x = x.astype(y.dtype)
        limit = ULPS[question] * (NARROW_ULPS if is_wide(arrays) else 1)
        problem = difference(x, y, limit, truth=lambda k=k: reference.truth(k),
                             condition=lambda k=k: reference.condition(k))
        if problem and not across:
            problem = problem.replace("minigrad:", f"{ours.name}:").replace(
                "jax:     ", f"{theirs.name}:")
        if x.shape == y.shape and is_inexact(y.dtype) and y.size:
            floor = unit_roundoff(y.dtype) * max(magnitude(y), smallest_normal(y.dtype))
            cell.errors.append(distance(x, y) / floor)
            cell.ulps = max(cell.ulps, float(cell.errors[-1].max()))
        elif problem:
            cell.ulps = np.inf
        if problem:
            problems.append(f"result {k}: {problem}" if len(b.arrays) > 1 else problem)
    if question == "value" and ours.library == theirs.library == "jax" and not problems:
        weak = [s.weak_types(functions["jax", s.ours], arrays) for s in (ours, theirs)]
        if weak[0] != weak[1]:
            problems.append(f"weak types {weak[0]}, expected {weak[1]}")
    cell.problem = "\n".join(problems) or None
    if cell.problem and cell.note:
        cell.note += ", DIFFERS"
    return cell


def judge_errors(cell: Cell, ours: Answer, theirs: Answer) -> None:
    """Both refuse with the same class, or one of the two is wrong."""
    if ours.error is not None and theirs.error is not None:
        names = [type(a.error).__name__ for a in (ours, theirs)]
        kin = isinstance(theirs.error, type(ours.error)) and isinstance(
            ours.error, (TypeError, ValueError, RuntimeError))
        if names[0] == names[1] or kin:
            cell.note = f"both {names[1]}"
            return
    if theirs.error is not None and isinstance(theirs.error, (NotImplementedError, ImportError)):
        cell.note = f"{cell.theirs}: {type(theirs.error).__name__}"
        return
    cell.ulps = np.inf
    cell.problem = "\n".join(
        f"{name}: {a.refusal if a.error is not None else 'an answer'}"
        for name, a in ((cell.ours, ours), (cell.theirs, theirs)))


@dataclass
class Reference:
    """The framework's own answer in 64 bits, and what rounding the operands does to it."""

    side: Side
    question: str
    functions: dict
    arrays: Sequence[np.ndarray]
    known: dict = field(default_factory=dict)

    def ask(self, moved: bool) -> list[np.ndarray] | None:
        if moved not in self.known:
            wide = [widened(a) for a in self.arrays]
            if moved:
                rng = np.random.default_rng(0)
                wide = [w * (1 + unit_roundoff(a.dtype) * rng.choice([-0.5, 0.5], a.shape))
                        if is_inexact(a.dtype) else w for w, a in zip(wide, self.arrays)]
            side = SIDES[self.side.library](self.side.library, self.side.ours, False, True)
            self.known[moved] = answer(side, self.question, self.functions, wide).arrays
        return self.known[moved]

    def truth(self, k: int) -> np.ndarray | None:
        if all(widened(a) is a or a.dtype in WIDE.values() or kind_of(a.dtype) not in WIDE
               for a in self.arrays):
            return None
        found = self.ask(False)
        return found[k] if found and k < len(found) else None

    def condition(self, k: int) -> np.ndarray | None:
        """How far half an ulp in every operand moves the result."""
        truth, found = self.ask(False), self.ask(True)
        if not truth or not found or k >= len(found):
            return None
        return distance(found[k], truth[k])
