"""Where in a program the first difference appears: equation by equation, engine beside JAX.

The function is staged once on the engine. Then every equation runs on both sides *at the same
operands*, those the engine computed so far, so that an early difference cannot be blamed on a
later equation; what a wrong value leads to is not looked at. An equation is also differentiated
and batched alone: a program whose gradient is wrong holds an equation whose gradient is wrong.
Calls, loops and branches are entered: their bodies run with the values they meet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from compat.differential import Report, check, engine_x64
from compat.differential.agreement import is_inexact
from compat.differential.comparison import is_wide
from compat.differential.oracle import jax_function
from compat.differential.sides import leaves_of
from minigrad import core
from minigrad.program import Eqn, Jaxpr, Literal, stage

CHECKS_OF = {"value": ("value",), "jvp": ("jvp",), "gradient": ("vjp", "tape"),
             "second": ("jvp", "vjp", "second", "tape"), "vmap": ("vmap",)}
LOOP = 3  # rounds of a loop that are looked at


@dataclass
class Finding:
    """An equation, its operands, and how it differs from JAX's."""

    eqn: Eqn
    path: tuple[str, ...]  # the calls and loops around it
    operands: list[np.ndarray]
    report: Report
    before: list[str]  # the equations that agree, with their distance in ulps

    def __str__(self) -> str:
        inside = f" inside {' > '.join(self.path)}" if self.path else ""
        agreed = [f"    {line}" for line in self.before[-6:]]
        if len(self.before) > 6:
            agreed.insert(0, f"    ... {len(self.before) - 6} equations agree")
        lines = "\n".join(map(str, self.report.mismatches[:3])).replace("\n", "\n    ")
        return "\n".join([
            f"  the first equation that differs from JAX's{inside}, at {self.eqn.source}:",
            *agreed, f"    {spell(self.eqn)}    <-- differs", f"    {lines}"])


def spell(eqn: Eqn) -> str:
    """The equation with its types, without letters: `f32[3] = sin f32[3]`."""
    shown = {k: v for k, v in eqn.params.items()
             if v is not None and len(str(v)) < 40 and not callable(v)}
    params = f"[{' '.join(f'{k}={v}' for k, v in shown.items())}]" if shown else ""
    operands = " ".join(str(a.value) if type(a) is Literal else repr(a.aval) for a in eqn.invars)
    return f"{' '.join(repr(v.aval) for v in eqn.outvars)} = {eqn.primitive}{params} {operands}"


def ulps_apart(a: np.ndarray, b: np.ndarray) -> int:
    """How many representable numbers lie between the two, at the worst element."""
    if not is_inexact(a.dtype):
        return int((a != b).sum())
    if a.dtype.kind == "c":
        return max(ulps_apart(a.real, b.real), ulps_apart(a.imag, b.imag))
    if a.size == 0:
        return 0
    code = np.dtype(f"i{a.dtype.itemsize}")
    lowest = np.iinfo(code).min

    def ordered(x):
        bits = np.ascontiguousarray(x).view(code)
        return np.where(bits < 0, lowest - bits, bits).astype(object)

    both_nan = (a != a) & (b != b)
    return int(np.where(both_nan, 0, abs(ordered(a) - ordered(b))).max())


def in_jax(program: Jaxpr) -> Callable:
    """Our program as a function of JAX's arrays: the same primitives, by name."""
    import jax

    def call(*args) -> list:
        env = dict(zip(program.constvars, [np.asarray(core.to_array(c)) for c in program.consts]))
        env.update(zip(program.invars, args, strict=True))

        def read(atom):
            return np.asarray(atom.value, atom.aval.dtype) if type(atom) is Literal else env[atom]

        for eqn in program.eqns:
            env.update(zip(eqn.outvars, jax.tree.leaves(equation_in_jax(eqn)(
                *map(read, eqn.invars)))))
        return [read(v) for v in program.outvars]

    return call


def equation_in_jax(eqn: Eqn) -> Callable:
    """One equation as a function of JAX's arrays. JAX has no names for our programs, so what
    holds one is written with its own control flow."""
    from jax import lax

    params, name = eqn.params, eqn.primitive.name
    body = params.get("jaxpr") or params.get("call_jaxpr")
    if name == "scan":
        n_consts, n_carry = params["num_consts"], params["num_carry"]

        def scan(*args):
            consts, rest = args[:n_consts], args[n_consts:]

            def step(carry, x):
                outs = in_jax(body)(*consts, *carry, *x)
                return tuple(outs[:n_carry]), tuple(outs[n_carry:])

            carry, ys = lax.scan(step, tuple(rest[:n_carry]), tuple(rest[n_carry:]),
                                 params["length"], params["reverse"])
            return [*carry, *ys]

        return scan
    if name == "while":
        n, m = params["cond_nconsts"], params["body_nconsts"]
        return lambda *args: lax.while_loop(
            lambda c: in_jax(params["cond_jaxpr"])(*args[:n], *c)[0],
            lambda c: tuple(in_jax(params["body_jaxpr"])(*args[n:n + m], *c)), tuple(args[n + m:]))
    if name == "cond":
        return lambda i, *args: lax.switch(
            i, [(lambda *xs, b=b: tuple(in_jax(b)(*xs))) for b in params["branches"]], *args)
    return in_jax(body) if isinstance(body, Jaxpr) else jax_function(name, params)


# ------------------------------------------------------------------ walking


def bodies(eqn: Eqn, operands: list) -> Iterator[tuple[Jaxpr, list]]:
    """The programs inside an equation with the operands they meet, round by round."""
    params, name = eqn.params, eqn.primitive.name
    if name == "cond":
        index = min(max(int(operands[0]), 0), len(params["branches"]) - 1)
        yield params["branches"][index], operands[1:]
    elif name == "scan":
        n, m = params["num_consts"], params["num_carry"]
        consts, carry, xs = operands[:n], operands[n:n + m], operands[n + m:]
        rounds = range(params["length"])
        for i in list(reversed(rounds) if params["reverse"] else rounds)[:LOOP]:
            given = [*consts, *carry, *[x[i] for x in xs]]
            yield params["jaxpr"], given
            carry = evaluate(params["jaxpr"], given)[:m]
    elif name == "while":
        n, m = params["cond_nconsts"], params["body_nconsts"]
        carry = operands[n + m:]
        for _ in range(LOOP):
            yield params["cond_jaxpr"], [*operands[:n], *carry]
            if not evaluate(params["cond_jaxpr"], [*operands[:n], *carry])[0]:
                return
            yield params["body_jaxpr"], [*operands[n:n + m], *carry]
            carry = evaluate(params["body_jaxpr"], [*operands[n:n + m], *carry])
    else:
        body = params.get("jaxpr") or params.get("call_jaxpr")
        if isinstance(body, Jaxpr):
            yield body, operands


def evaluate(program: Jaxpr, operands: Sequence) -> list[np.ndarray]:
    env = environment(program, operands)
    for eqn in program.eqns:
        run(eqn, env)
    return [value(env, v) for v in program.outvars]


def environment(program: Jaxpr, operands: Sequence) -> dict:
    env = {v: np.asarray(core.to_array(c)) for v, c in zip(program.constvars, program.consts)}
    return env | dict(zip(program.invars, operands, strict=True))


def value(env: dict, atom):
    return np.asarray(atom.value, atom.aval.dtype) if type(atom) is Literal else env[atom]


def run(eqn: Eqn, env: dict) -> list[np.ndarray]:
    outs = eqn.primitive(*[core.box(as_scalar(value(env, a))) for a in eqn.invars], **eqn.params)
    arrays = [np.asarray(core.to_array(o)) for o in leaves_of(
        outs if eqn.primitive.multiple_results else [outs])]
    env.update(zip(eqn.outvars, arrays))
    return arrays


def as_scalar(array):
    return array if np.shape(array) else np.asarray(array)[()]


def walk(program: Jaxpr, operands: Sequence, checks: Sequence[str], path: tuple,
         before: list[str]) -> Finding | None:
    env = environment(program, operands)
    for eqn in program.eqns:
        given = [value(env, a) for a in eqn.invars]
        inner = list(bodies(eqn, given))
        for body, args in inner:
            found = walk(body, args, checks, (*path, eqn.primitive.name), before)
            if found:
                return found
        report = alone(eqn, given, checks)
        if report is not None and not report.ok:
            return Finding(eqn, path, given, report, before)
        outs = run(eqn, env)
        if not inner:
            before.append(f"{spell(eqn)}    {distance_to_jax(eqn, given, outs)}")
    return None


def alone(eqn: Eqn, operands: list, checks: Sequence[str]) -> Report | None:
    """The differential checks of this equation by itself; None where JAX does not have it."""
    try:
        theirs = equation_in_jax(eqn)
    except LookupError:
        return None
    order = 2 if "second" in checks else 1 if {"jvp", "vjp", "tape"} & set(checks) else 0
    return check(lambda *args: eqn.primitive(*args, **eqn.params), theirs, *operands,
                 checks=checks, order=order, name=eqn.primitive.name, weak=False)


def distance_to_jax(eqn: Eqn, operands: list, outs: list[np.ndarray]) -> str:
    import jax

    try:
        with jax.enable_x64(is_wide(operands)):
            theirs = [np.asarray(x) for x in jax.tree.leaves(equation_in_jax(eqn)(*operands))]
    except Exception:
        return "not in JAX"
    apart = max((ulps_apart(a, b) for a, b in zip(outs, theirs)), default=0)
    return "equal" if apart == 0 else f"{apart} ulp"


def locate(fn: Callable, arrays: Sequence[np.ndarray], question: str,
           cls: type = core.Tensor) -> Finding | None:
    """The first equation of `fn`, a function of Tensors of class `cls`, that answers `question`
    otherwise than JAX does at `arrays`."""
    arrays = [np.asarray(a) for a in arrays]
    with engine_x64(is_wide(arrays)):
        avals = [core.make_aval(a.shape, a.dtype) for a in arrays]
        program = stage(lambda *xs: leaves_of(fn(*xs)), avals, cls)
        checks = ("value",) if question == "value" else ("value", *CHECKS_OF[question])
        return walk(program, arrays, checks, (), [])
