"""Operations that are called again and again get kernels of their own.

Their forward, and their derived backward, are programs; after some calls they are compiled as those
of `jit` are (`minigrad/compiler`). Which call that is depends on counts alone, so that a run and
its repetition give the same bits. `MINIGRAD_COMPILER=none` leaves all of it to NumPy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from minigrad.compiler import compiled, wants_compiler
from minigrad.eager.runner import runner
from minigrad.program import Eqn, Jaxpr
from minigrad.programs.source import CHEAP

HOT = 16  # calls after which compiling pays
MOVES = CHEAP - {"convert_element_type"}
CALL, ELEMENT = 0.45, 0.0004  # what NumPy takes for a call, and for an element, in µs
WORTH = 4.0  # µs of NumPy's time from which a compiled program, called through a table, is faster


def numpy_time(eqn: Eqn) -> float:
    """About how many µs NumPy takes for an equation that a loop of ours could do."""
    if eqn.primitive.name == "scan":
        return eqn.params["length"] * sum(map(numpy_time, eqn.params["jaxpr"].eqns))
    sizes = [v.aval.size for v in (*eqn.invars, *eqn.outvars)]
    if eqn.primitive.name in MOVES or eqn.primitive.view \
            or eqn.primitive.family not in ("elementwise", "reduction"):
        return 0.0
    return CALL + ELEMENT * max(sizes)


def is_worthwhile(program: Jaxpr) -> bool:
    """Do loops of ours save more than the call of a compiled program costs? Scalars are NumPy's:
    there an operation takes no longer than a look-up."""
    return any(v.aval.shape for v in program.invars) \
        and sum(map(numpy_time, program.eqns)) > WORTH


def kernels_of(program: Jaxpr) -> Callable[[Sequence], list] | None:
    """The program compiled; None where that is not worthwhile, or would call NumPy's kernels."""
    if not wants_compiler() or not is_worthwhile(program):
        return None
    made = compiled(program)
    plan = getattr(made, "plan", None)
    if plan is None or any(step.calls_numpy for step in plan.every_step()):
        return None
    return made


class Warming:
    """Runs `first` and counts; when it is hot, `better()` gives what runs from then on (None: no
    change), and `install` puts that in its place."""

    def __init__(self, first: Callable, better: Callable[[], Callable | None]):
        self.run, self.better, self.left = first, better, HOT
        self.install: Callable[[Any], None] = lambda run: None

    def __call__(self, *args):
        self.left -= 1
        if self.left == 0:
            self.run = self.better() or self.run
            self.install(self.run)
        return self.run(*args)


def warmed_forward(entry, run: Callable) -> Warming:
    """The function of boxes, which its table will exchange for one of a compiled program."""

    def better() -> Callable | None:
        program = kernels_of(entry.forward)
        return None if program is None else runner(entry, program)

    return Warming(run, better)


def warmed_backward(entry) -> Callable:
    """The derived backward, which the entry will exchange for a compiled one."""

    def better() -> Callable | None:
        program = entry.backward_program
        run = kernels_of(program)
        if run is None:
            return None
        many = len(entry.out_specs) != 1
        scalars = [not v.aval.shape for v in program.outvars]

        def backward(g, saved):
            outs = run((*g, *(saved or ())) if many else (g, *(saved or ())))
            parts = tuple(o[()] if s else o for o, s in zip(outs, scalars))
            return parts if len(parts) != 1 else parts[0]

        return backward

    warming = Warming(entry.backward, better)

    def install(run: Callable) -> None:
        entry.backward = run

    warming.install = install
    return warming
