"""JAX's own cases for its primitives, through `from_jax` or over the jax face.

The real JAX's wheel holds some 5,600 ways of calling its primitives, with the operands for each
(`jax._src.internal_test_util.test_harnesses`; wants `absl-py`). Every case is run here: its value,
jvp, vjp, vmap and jit, each compared with the real JAX wherever that has an answer.

    python -m compat.harness                       all cases, x64 on: counts, and what differs
    python -m compat.harness --group scatter_add   one group
    python -m compat.harness --every 20            one case of twenty
    python -m compat.harness --narrow              x64 off
    python -m compat.harness --direct              the face's functions in the place of JAX's

How close is close follows from the dtype alone: `ULPS` units in the last place of the largest
number of the result. Where the real JAX is itself farther from the truth (the same case in 64
bits) than that, so may this package be (`compat/differential/agreement.py`).
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import jax
import numpy as np

import compat.jax
from compat.differential.agreement import WIDE, difference, is_inexact, kind_of
from compat.differential.oracle import FAST_COMPILE
from compat.face_cases import face_functions
from compat.importers import from_jax, to_numpy

CHECKS = ("forward", "jvp", "vjp", "vmap", "jit")
ULPS = 100
EXAMPLES = 3  # how many make a batch


@dataclass
class Case:
    """One case of JAX's, with operands; what both sides are asked."""

    harness: Any
    examples: list[list] = field(default_factory=list)

    def __post_init__(self):
        for seed in range(EXAMPLES):
            args = self.harness.dyn_args_maker(np.random.RandomState(seed))
            self.examples.append([to_leaf(x) for x in args])

    @property
    def args(self) -> list:
        return self.examples[0]

    @cached_property
    def inexact(self) -> list[int]:
        return [i for i, x in enumerate(self.args) if is_number(x) and is_inexact(x.dtype)]

    @cached_property
    def batched(self) -> list:
        return [np.stack([np.asarray(example[i]) for example in self.examples])
                for i in range(len(self.args))]

    def chosen(self, f: Callable, args: Sequence) -> Callable:
        """`f` as a function of its floating operands, to its floating results."""
        def of_inexact(*xs):
            full = list(args)
            for i, x in zip(self.inexact, xs):
                full[i] = x
            return [y for y in jax.tree.leaves(f(*full)) if is_inexact(np.dtype(y.dtype))]

        return of_inexact

    def random(self, seed: int, likes: Sequence) -> list:
        rng = np.random.default_rng(seed)
        return [random_like(rng, x) for x in likes]

    def ask(self, check: str, api, f: Callable, args: Sequence, moved: Sequence) -> list:
        """The leaves of one check; `api` is jax or compat.jax. `args` are the operands (a batch of
        them for vmap), `moved` the tangents or the cotangents."""
        if check in ("forward", "jit", "vmap"):
            transform = {"forward": lambda f: f, "jit": api.jit, "vmap": api.vmap}[check]
            return jax.tree.leaves(transform(f)(*args))
        primals, chosen = [args[i] for i in self.inexact], self.chosen(f, args)
        if check == "jvp":
            return jax.tree.leaves(api.jvp(chosen, primals, list(moved))[1])
        return jax.tree.leaves(api.vjp(chosen, *primals)[1](list(moved)))


def to_leaf(x):
    return x if isinstance(x, (np.ndarray, jax.Array)) else np.asarray(x)


def is_number(x) -> bool:
    return isinstance(x, np.ndarray) and kind_of(x.dtype) in "fciub"


def random_like(rng, like) -> np.ndarray:
    """Numbers that a tangent or a cotangent may be, near one."""
    dtype = np.dtype(like.dtype)
    numbers = rng.uniform(0.5, 1.5, like.shape) * rng.choice([-1, 1], like.shape)
    if dtype.kind == "c":
        numbers = numbers + 1j * rng.uniform(0.5, 1.5, like.shape)
    return np.asarray(numbers).astype(dtype)


# ------------------------------------------------------------------ what the real JAX says


class Reference:
    """The real JAX's answers for one case; an exception where it has none."""

    def __init__(self, case: Case):
        self.case = case
        self.answers: dict[str, Any] = {}

    @cached_property
    def outputs(self) -> list:
        return jax.tree.leaves(jax.eval_shape(self.case.harness.dyn_fun, *self.case.args))

    def question(self, check: str) -> tuple[list, list]:
        """The operands, and the tangents or cotangents, that belong to a check."""
        case = self.case
        if check == "jvp":
            return case.args, case.random(1, [case.args[i] for i in case.inexact])
        if check == "vjp":
            return case.args, case.random(2, [o for o in self.outputs if inexact_aval(o)])
        return (case.batched if check == "vmap" else case.args), []

    def has_meaning(self, check: str) -> bool:
        if check in ("jvp", "vjp"):
            return bool(self.case.inexact) and any(map(inexact_aval, self.outputs))
        return check != "vmap" or bool(self.case.args)

    def answer(self, check: str) -> list | Exception | None:
        """The leaves; None where the question makes no sense."""
        check = "forward" if check == "jit" else check
        if check not in self.answers:
            try:
                self.answers[check] = self.compute(check) if self.has_meaning(check) else None
            except Exception as error:
                self.answers[check] = error
        return self.answers[check]

    def compute(self, check: str) -> list:
        def program(args, moved):
            return self.case.ask(check, jax, self.case.harness.dyn_fun, args, moved)

        question = self.question(check)
        run = jax.jit(program).lower(*question).compile(compiler_options=FAST_COMPILE)
        return [to_numpy(x) for x in run(*question)]


def inexact_aval(aval) -> bool:
    return not jax.dtypes.issubdtype(aval.dtype, jax.dtypes.extended) \
        and is_inexact(np.dtype(aval.dtype))


# ------------------------------------------------------------------ comparing


@dataclass
class Outcome:
    name: str
    group: str
    check: str
    problem: str | None  # None is agreement


def outcomes(harness, checks: Sequence[str] = CHECKS, direct: bool = False) -> Iterator[Outcome]:
    """One case's, its function translated by `from_jax`, or written anew over the face."""
    case = Case(harness)
    reference = Reference(case)
    ours = face_functions()[harness.fullname] if direct else from_jax(harness.dyn_fun)
    for check in checks:
        expected = reference.answer(check)
        if expected is None or isinstance(expected, Exception):
            continue
        yield Outcome(harness.fullname, harness.group_name, check,
                      problem_of(case, reference, ours, check, expected))


def problem_of(case: Case, reference: Reference, ours: Callable, check: str,
               expected: list) -> str | None:
    try:
        question = reference.question(check)
        found = [to_numpy(x) for x in case.ask(check, compat.jax, ours, *question)]
    except Exception as error:
        return f"{type(error).__name__}: {str(error).splitlines()[0][:160] if str(error) else ''}"
    if len(found) != len(expected):
        return f"{len(found)} results, expected {len(expected)}"
    for k, (a, b) in enumerate(zip(found, expected)):
        problem = difference(a, b, ULPS, truth=lambda k=k: truth(case, check, k))
        if problem:
            return problem.splitlines()[0]
    return None


def truth(case: Case, check: str, k: int) -> np.ndarray | None:
    """Result `k` from operands of 64 bits."""
    if all(x.dtype.itemsize >= (16 if x.dtype.kind == "c" else 8)
           for x in case.args if is_number(x) and is_inexact(x.dtype)):
        return None
    wide = Case.__new__(Case)
    wide.harness = case.harness
    wide.examples = [[x.astype(WIDE[kind_of(x.dtype)]) if is_number(x) and is_inexact(x.dtype)
                      else x for x in example] for example in case.examples]
    try:
        with jax.enable_x64(True):
            answer = Reference(wide).answer(check)
    except Exception:
        return None
    return None if not isinstance(answer, list) else answer[k]


# ------------------------------------------------------------------ the command


def harnesses(group: str | None = None, every: int = 1) -> list:
    """JAX's cases that the real JAX has on the CPU."""
    from jax._src.internal_test_util import test_harnesses

    found = [h for h in test_harnesses.all_harnesses
             if h.filter("cpu") and (group is None or group in (h.group_name, h.fullname))]
    return found[::every]


def run(cases: Sequence, checks: Sequence[str] = CHECKS, wide: bool = True,
        progress: bool = False, direct: bool = False) -> list[Outcome]:
    """All outcomes of these cases."""
    found: list[Outcome] = []
    start = time.monotonic()
    with jax.enable_x64(wide):
        compat.jax.config.update("jax_enable_x64", wide)
        with np.errstate(all="ignore"):
            for i, harness in enumerate(cases):
                fresh = list(outcomes(harness, checks, direct))
                found += fresh
                for o in fresh if progress else []:
                    if o.problem:
                        print(f"{o.name[:90]} {o.check}: {o.problem[:160]}", file=sys.stderr)
                if i % 200 == 199:
                    jax.clear_caches()
                    if progress:
                        agree = sum(o.problem is None for o in found)
                        print(f"{i + 1} of {len(cases)} cases, {agree} of {len(found)} agree, "
                              f"{time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)
    return found


def report(found: Sequence[Outcome], listed: int = 20) -> str:
    """Counts by check, then the failures by reason."""
    lines = ["check      agree   of      share"]
    for check in CHECKS:
        of = [o for o in found if o.check == check]
        if of:
            agree = sum(o.problem is None for o in of)
            lines.append(f"{check:8} {agree:7} {len(of):6}   {agree / len(of):7.2%}")
    reasons: dict = defaultdict(list)
    for o in found:
        if o.problem:
            kind = o.problem if "rror:" in o.problem else o.problem.split()[0]
            reasons[o.group, o.check, kind].append(o)
    for (group, check, kind), group_of in sorted(reasons.items(), key=lambda p: -len(p[1])):
        lines.append(f"\n{group} {check}: {len(group_of)} x {kind}")
        lines += [f"    {o.name[:90]}: {o.problem[:120]}" for o in group_of[:listed]]
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m compat.harness", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--group", help="one group (a primitive), or one case by its full name")
    parser.add_argument("--every", type=int, default=1, help="one case of so many")
    parser.add_argument("--checks", default=",".join(CHECKS), help="some of " + ", ".join(CHECKS))
    parser.add_argument("--narrow", action="store_true", help="x64 off")
    parser.add_argument("--direct", action="store_true",
                        help="over compat.jax itself, not through from_jax")
    parser.add_argument("--listed", type=int, default=20, help="failures shown of each kind")
    options = parser.parse_args(argv)
    found = run(harnesses(options.group, options.every), options.checks.split(","),
                not options.narrow, progress=True, direct=options.direct)
    print(report(found, options.listed))
    bad = Counter(o.check for o in found if o.problem)
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main())
