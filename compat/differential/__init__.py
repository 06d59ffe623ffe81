"""One function, two libraries: does the engine agree with real JAX?

    report = check(minigrad_fn, jax_fn, *arrays)
    report.raise_on_mismatch()

Real JAX is asked once, for everything: one jitted program gives the value, the jvp of every
operand, the vjp and the second derivatives, so that a check costs one compilation. The engine
must then reach the same numbers by every road it has:

    value   dtypes, shapes, weak types; weakly typed operands too
    jvp     all operands together, each alone, and `linearize`
    vjp     the same, transposed
    second  jvp of vjp, vjp of jvp, vjp of vjp: one Hessian-vector product
    vmap    each operand alone and all at once, values and vjps, against a loop over the batch
    jit     value and vjp
    tape    backward, and double backward

How close is close: see `agreement.py`.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from compat.differential.agreement import difference, is_inexact, widened
from compat.differential.oracle import Oracle
from compat.differential.roads import CHECKS, Case, Claim, as_arrays
from minigrad import core

ULPS = {"value": 4, "first": 8, "second": 16}  # a derivative is a longer computation
WITHOUT_TRUTH = 16  # as many times more, where operands are 64 bits wide already
BATCH = 5  # unlike the dimensions that rows use, so that a misplaced batch axis shows


# ------------------------------------------------------------------ the report


@dataclass
class Mismatch:
    check: str
    where: str
    problem: str

    def __str__(self) -> str:
        indented = self.problem.replace("\n", "\n      ")
        return f"  {self.check} [{self.where}]: {indented}"


@dataclass
class Report:
    """What was compared, and where the two sides differ."""

    name: str
    compared: int = 0
    mismatches: list[Mismatch] = field(default_factory=list)
    ran: set[str] = field(default_factory=set)  # the checks that had anything to compare
    refused: bool = False  # JAX does not accept these operands

    @property
    def ok(self) -> bool:
        return not self.mismatches

    def raise_on_mismatch(self) -> None:
        if not self.ok:
            raise AssertionError(str(self))

    def __str__(self) -> str:
        if self.ok:
            return f"{self.name}: {self.compared} comparisons agree"
        head = f"{self.name}: {len(self.mismatches)} of {self.compared} comparisons differ"
        return "\n".join([head, *map(str, self.mismatches)])


# ------------------------------------------------------------------ running the checks


def check(fn: Callable, jax_fn: Callable, *args, checks: Sequence[str] = tuple(CHECKS),
          order: int = 2, examples: Sequence[Sequence] | None = None, name: str = "",
          weak: bool = True, oracle: Oracle | None = None) -> Report:
    """Compare `fn` over the engine's Tensors with `jax_fn` over JAX's arrays at `args`.

    args: NumPy arrays or scalars. checks: names of CHECKS. order: 0 compares values only, 1 first
    derivatives too, 2 second ones. examples: further arguments of the same shapes, the batch of
    vmap; without them `args` is shrunk step by step. weak: try weakly typed operands too. oracle:
    that of an earlier check of the same function at the same operands, which JAX has compiled.
    Where JAX raises, the engine must raise the same class.
    """
    arrays = [np.asarray(a) for a in args]
    batch = [[np.asarray(a) for a in example] for example in examples or []]
    while len(batch) + 1 < BATCH:
        batch.append([shrunk(a, len(batch) + 1) for a in arrays])
    wide = is_wide(arrays)
    operands = ", ".join(map(spell, arrays))
    report = Report(name or f"{getattr(fn, '__name__', 'function')}({operands})")
    case = Case(fn, oracle or Oracle(jax_fn, arrays, order, wide), [arrays, *batch])
    with engine_x64(wide):
        if "value" in checks and not check_types(case, report, weak):
            report.refused = True
            return report
        for check_name in checks:
            for claim in CHECKS[check_name](case):
                report.ran.add(check_name)
                compare(case, check_name, claim, report)
    return report


def is_wide(arrays: Sequence[np.ndarray]) -> bool:
    """Do these need x64?"""
    return any(a.dtype.name in ("int64", "uint64", "float64", "complex128") for a in arrays)


def check_types(case: Case, report: Report, try_weak: bool = True) -> bool:
    """Weak types, and errors: where JAX refuses the operands there is nothing more to compare."""
    report.compared += 1
    refused = raised(lambda: case.oracle.outputs)
    if refused is not None:
        ours = raised(lambda: case.flat(*case.args))
        if not same_class(ours, refused):
            report.mismatches.append(Mismatch("value", "error", f"raised {ours!r}\n"
                                              f"expected {refused!r}"))
        return False
    count = len(case.oracle.args)
    kinds = [[], *[[i] for i in range(count) if count > 1], list(range(count))]
    for weak in kinds if try_weak else []:
        report.compared += 1
        try:
            boxes = [core.make_box(core.Tensor, x.value, core.make_spec(
                x.aval.update(weak_type=i in weak))) for i, x in enumerate(case.args)]
            ours = [core.aval_of(out).weak_type for out in case.flat(*boxes)]
        except Exception as error:
            if same_class(error, case.oracle.results["value"]):
                continue  # JAX gives the types, and refuses to compile
            ours = short_traceback(error)
        expected = case.oracle.weak_types(weak)
        if ours != expected:
            report.mismatches.append(Mismatch(
                "value", f"weak types, weak operands {weak}", f"{ours}, expected {expected}"))
    return True


def compare(case: Case, check_name: str, claim: Claim, report: Report) -> None:
    report.compared += 1
    order = {"value": "value", "second": "second"}.get(claim.result, "first")
    expected = case.oracle.results[claim.result]
    refusals = [r for name in (claim.result, *claim.through)
                if isinstance(r := case.oracle.results[name], Exception)]
    if refusals:
        ours = None if claim.partial else raised(claim.leaves)
        if not claim.partial and not same_class(ours, refusals[0]):
            problem = f"raised {ours!r}\nexpected {refusals[0]!r}"
            report.mismatches.append(Mismatch(check_name, claim.where, problem))
        return
    try:
        ours = as_arrays(claim.leaves())
    except Exception as error:
        report.mismatches.append(Mismatch(check_name, claim.where, short_traceback(error)))
        return
    expected = claim.numbers(case.oracle)
    if len(ours) != len(expected):
        problem = f"{len(ours)} results, expected {len(expected)}"
        report.mismatches.append(Mismatch(check_name, claim.where, problem))
        return
    ulps = ULPS[order] * (1 if case.oracle.exact else WITHOUT_TRUTH)
    for k, (a, b) in enumerate(zip(ours, expected)):
        problem = difference(a, b, ulps, truth=lambda k=k: true_number(case, claim, k))
        if problem:
            where = claim.where if len(ours) == 1 else f"{claim.where}, result {k}"
            report.mismatches.append(Mismatch(check_name, where, problem))


def true_number(case: Case, claim: Claim, k: int) -> np.ndarray | None:
    """Result `k` from 64-bit operands, or None where it cannot be had."""
    if case.oracle.exact is None:
        return None
    try:
        return claim.numbers(case.oracle.exact)[k]
    except Exception:
        return None


def same_class(ours: Exception | None, expected) -> bool:
    """Is that the exception that JAX raises, if it is one? Our classes carry JAX's names; JAX
    itself may raise a subclass of ours where we are brief."""
    if not isinstance(expected, Exception):
        return False
    wanted = type(expected).__name__
    if wanted == "JaxRuntimeError":  # XLA trips over what JAX let pass
        return ours is not None
    return any(cls.__name__ == wanted for cls in type(ours).__mro__) \
        or isinstance(ours, (TypeError, ValueError)) and isinstance(expected, type(ours))


def raised(function: Callable) -> Exception | None:
    try:
        function()
    except Exception as error:
        return error
    return None


def short_traceback(error: Exception) -> str:
    """The error and the last lines of the engine it came through."""
    frames = traceback.extract_tb(error.__traceback__)[-4:]
    places = [f"{os.path.relpath(f.filename)}:{f.lineno} in {f.name}" for f in frames]
    return "\n".join([f"raised {type(error).__name__}: {error}", *places])


@contextmanager
def engine_x64(wide: bool):
    before = core.config.x64
    core.config.set("x64", wide)
    try:
        with np.errstate(all="ignore"):
            yield
    finally:
        core.config.set("x64", before)


def shrunk(array: np.ndarray, step: int) -> np.ndarray:
    """Another example near by: definite matrices stay definite, indices stay in range."""
    if is_inexact(array.dtype) and np.isfinite(widened(array)).all():
        return (widened(array) * (1 - step / 16)).astype(array.dtype)
    return np.roll(array, step) if array.shape else array


def spell(array: np.ndarray) -> str:
    return repr(core.make_aval(array.shape, array.dtype))
