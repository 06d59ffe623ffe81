"""The roads by which the engine reaches a number, each a generator of claims about one case."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

import minigrad
from compat.differential.oracle import Oracle
from minigrad import core, tape
from minigrad.graph import leaf
from minigrad.tree import tree_flatten


@dataclass
class Case:
    """One function on both sides, and the arrays it is called with."""

    fn: Callable
    oracle: Oracle
    examples: list[list[np.ndarray]]  # the batch of vmap; the first one is the case itself
    loops: dict = field(default_factory=dict)  # which operands are mapped -> results of each

    @property
    def args(self) -> list:
        return [core.box(as_operand(a)) for a in self.oracle.args]

    @property
    def chosen(self) -> list:
        return [self.args[i] for i in self.oracle.inexact]

    @property
    def tangents(self) -> list:
        return [core.box(as_operand(t)) for t in self.oracle.tangents]

    @property
    def cotangents(self) -> list:
        return [core.box(as_operand(ct)) for ct in self.oracle.cotangents]

    def flat(self, *args) -> list:
        return tree_flatten(self.fn(*args))[0]

    def inner(self, *chosen) -> list:
        """Differentiable operands to differentiable outputs, the others held fixed."""
        return self.inner_at(self.args, *chosen)

    def inner_at(self, args, *chosen) -> list:
        full = list(args)
        for i, x in zip(self.oracle.inexact, chosen, strict=True):
            full[i] = x
        outs = self.flat(*full)
        return [outs[j] for j in self.oracle.kept]

    def alone(self, k: int) -> Callable:
        """`inner` as a function of its operand `k` only."""
        def of_one(x):
            chosen = self.chosen
            chosen[k] = x
            return self.inner(*chosen)

        return of_one

    def pullback(self, *chosen) -> list:
        return list(minigrad.vjp(self.inner, *chosen)[1](self.cotangents))


def as_operand(array: np.ndarray):
    """Rank zero travels as a NumPy scalar, as results of the engine's arithmetic do."""
    return array if array.shape else array[()]


def as_arrays(leaves) -> list[np.ndarray]:
    return [np.asarray(core.to_array(x)) for x in leaves]


@dataclass
class Claim:
    """The engine's answer on one road, to be compared with the oracle's result of that name."""

    where: str
    leaves: Callable[[], Sequence]
    result: str
    pick: Callable[[list], list] = list  # the part of the oracle's result that is meant
    ask: Callable[[Oracle], list] | None = None  # where the oracle has to be asked apart
    through: tuple[str, ...] = ()  # results on the way: where JAX refuses them, so must we
    partial: bool = False  # some operands only: what JAX refuses may not be reached

    def numbers(self, oracle: Oracle) -> list[np.ndarray]:
        return self.ask(oracle) if self.ask else self.pick(oracle.results[self.result])


def value_claims(case: Case) -> Iterator[Claim]:
    yield Claim("value", lambda: case.flat(*case.args), "value")


def jvp_claims(case: Case) -> Iterator[Claim]:
    if not case.oracle.derivable:
        return
    primals, tangents = tuple(case.chosen), tuple(case.tangents)
    yield Claim("value of jvp", lambda: minigrad.jvp(case.inner, primals, tangents)[0],
                "value", lambda outs: [outs[j] for j in case.oracle.kept], through=("jvp",))
    yield Claim("all operands", lambda: minigrad.jvp(case.inner, primals, tangents)[1], "jvp")
    yield Claim("linearize", lambda: minigrad.linearize(case.inner, *primals)[1](*tangents), "jvp")
    if len(primals) > 1:
        for k, (x, t) in enumerate(zip(primals, tangents)):
            yield Claim(f"operand {case.oracle.inexact[k]} alone",
                        lambda k=k, x=x, t=t: minigrad.jvp(case.alone(k), (x,), (t,))[1],
                        f"jvp{k}", partial=True)


def vjp_claims(case: Case) -> Iterator[Claim]:
    if not case.oracle.derivable:
        return
    yield Claim("all operands", lambda: case.pullback(*case.chosen), "vjp")
    if len(case.chosen) > 1:
        for k, x in enumerate(case.chosen):
            yield Claim(f"operand {case.oracle.inexact[k]} alone",
                        lambda k=k, x=x: minigrad.vjp(case.alone(k), x)[1](case.cotangents),
                        "vjp", lambda cts, k=k: [cts[k]], partial=True)


def second_claims(case: Case) -> Iterator[Claim]:
    """The Hessian of <ct, f> is symmetric, so every order of the two derivatives gives it."""
    if not case.oracle.derivable or case.oracle.order < 2:
        return
    primals, tangents = tuple(case.chosen), tuple(case.tangents)

    def push(*chosen):
        return minigrad.jvp(case.inner, chosen, tangents)[1]

    yield Claim("jvp of vjp", lambda: minigrad.jvp(case.pullback, primals, tangents)[1], "second")
    yield Claim("vjp of jvp", lambda: minigrad.vjp(push, *primals)[1](case.cotangents), "second",
                through=("jvp",))
    yield Claim("vjp of vjp", lambda: minigrad.vjp(case.pullback, *primals)[1](list(tangents)),
                "second")


def vmap_claims(case: Case) -> Iterator[Claim]:
    """Batched calls against a loop over the examples."""
    count = len(case.oracle.args)
    plans = [[0 if i == k else None for i in range(count)] for k in range(min(count, 4))]
    mixed = [case.oracle.args[i].ndim if i % 2 else 0 for i in range(count)]
    if count > 1:
        plans.append(mixed)
    last = [a.ndim for a in case.oracle.args]
    if last not in plans and any(last):
        plans.append(last)
    for in_axes in plans:
        yield Claim(f"in_axes={tuple(in_axes)}",
                    lambda axes=in_axes: minigrad.vmap(case.flat, in_axes=tuple(axes))(
                        *batched(case, axes)),
                    "value", ask=lambda o, axes=in_axes: looped(case, o, axes, "value"))
    if count:
        yield Claim("out_axes=-1",
                    lambda: minigrad.vmap(case.flat, in_axes=tuple(mixed), out_axes=-1)(
                        *batched(case, mixed)),
                    "value", ask=lambda o: looped(case, o, mixed, "value", -1))
    if case.oracle.derivable:
        def pull(*args):
            chosen = [args[i] for i in case.oracle.inexact]
            return minigrad.vjp(lambda *xs: case.inner_at(args, *xs), *chosen)[1](case.cotangents)

        yield Claim(f"vjp, in_axes={tuple(mixed)}",
                    lambda: minigrad.vmap(pull, in_axes=tuple(mixed))(*batched(case, mixed)),
                    "vjp", ask=lambda o: looped(case, o, mixed, "vjp"))


def batched(case: Case, in_axes: Sequence[int | None]) -> list:
    stacked = [example[i] if axis is None else np.stack([e[i] for e in case.examples], axis)
               for i, axis in enumerate(in_axes) for example in case.examples[:1]]
    return [core.box(as_operand(a)) for a in stacked]


def looped(case: Case, oracle: Oracle, in_axes, name: str, out_axis: int = 0) -> list[np.ndarray]:
    """Results of one example after the other, stacked: what vmap means."""
    key = oracle.wide, tuple(axis is not None for axis in in_axes)
    if key not in case.loops:
        case.loops[key] = []
        for example in case.examples:
            args = [e if mapped else first
                    for e, first, mapped in zip(example, case.examples[0], key[1])]
            args = [a.astype(like.dtype) for a, like in zip(args, oracle.args)]
            case.loops[key].append(oracle.evaluate(args))
    by_leaf = zip(*[run[name] for run in case.loops[key]])
    return [np.stack(leaves, out_axis) for leaves in by_leaf]


def jit_claims(case: Case) -> Iterator[Claim]:
    yield Claim("value", lambda: minigrad.jit(case.flat)(*case.args), "value")
    if case.oracle.derivable:
        yield Claim("vjp in jit", lambda: minigrad.jit(case.pullback)(*case.chosen), "vjp")
        yield Claim("vjp of jit", lambda: minigrad.vjp(
            minigrad.jit(case.inner), *case.chosen)[1](case.cotangents), "vjp")


def tape_claims(case: Case) -> Iterator[Claim]:
    if not case.oracle.derivable:
        return

    def leaves() -> list:
        chosen = case.chosen
        for x in chosen:
            leaf(x)
        return chosen

    def backward() -> list:
        inputs = leaves()
        wanted = [(o, ct) for o, ct in zip(case.inner(*inputs), case.cotangents)
                  if o.requires_grad]
        for k, (out, ct) in enumerate(wanted):
            out.backward(ct, retain_graph=k + 1 < len(wanted))
        return [zeros_for(x) if x.grad is None else x.grad for x in inputs]

    def double_backward() -> list:
        inputs = leaves()
        first = tape_grad(case.inner(*inputs), inputs, case.cotangents, create_graph=True)
        return tape_grad(first, inputs, case.tangents, create_graph=False)

    yield Claim("backward", backward, "vjp")
    if case.oracle.order > 1:
        yield Claim("double backward", double_backward, "second")


def tape_grad(outputs, inputs, cotangents, create_graph: bool) -> list:
    """Gradients on the tape; zeros for inputs, and from outputs, without a connection."""
    wanted = [(o, ct) for o, ct in zip(outputs, cotangents, strict=True) if o.requires_grad]
    if not wanted:
        return [zeros_for(x) for x in inputs]
    found = tape.grad([o for o, _ in wanted], inputs, [ct for _, ct in wanted],
                      retain_graph=True, create_graph=create_graph, allow_unused=True)
    return [zeros_for(x) if g is None else g for x, g in zip(inputs, found)]


def zeros_for(x):
    return core.box(as_operand(np.zeros(x.shape, x.dtype)))


CHECKS: dict[str, Callable[[Case], Iterator[Claim]]] = {
    "value": value_claims, "jvp": jvp_claims, "vjp": vjp_claims, "second": second_claims,
    "vmap": vmap_claims, "jit": jit_claims, "tape": tape_claims,
}
