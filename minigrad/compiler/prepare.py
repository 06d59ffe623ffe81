"""What is done to a program before it is divided into kernels: calls written out, the algebra of
`simplify`, and equations rewritten as others that kernels know."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from minigrad.compiler.scalar import REDUCERS
from minigrad.core import Aval, table
from minigrad.program import Atom, Eqn, Jaxpr, Var
from minigrad.simplify import inline_calls, simplify


def prepare(program: Jaxpr) -> Jaxpr:
    small = simplify(inline_calls(program))
    if any(e.primitive.name in REWRITES for e in small.eqns):
        small = simplify(rewritten(small, REWRITES))
    return rewritten(small, {"concatenate": pieces})


def rewritten(program: Jaxpr, rewrites: dict) -> Jaxpr:
    eqns: list[Eqn] = []
    for eqn in program.eqns:
        rewrite = rewrites.get(eqn.primitive.name)
        new = None if rewrite is None else rewrite(eqn)
        eqns += [eqn] if new is None else new
    return program.replace(eqns=eqns)


def apply(name: str, operands: Sequence[Atom], out: Var, **params) -> Eqn:
    return Eqn(table[name], operands, [out], table[name].defaults | params)


def reshaped(x: Atom, out: Var) -> Eqn:
    return apply("reshape", [x], out, new_sizes=out.aval.shape)


def cut(x: Atom, out: Var, axis: int, start: int, stop: int) -> Eqn:
    starts, limits = [0] * x.aval.ndim, list(x.aval.shape)
    starts[axis], limits[axis] = start, stop
    return apply("slice", [x], out, start_indices=tuple(starts), limit_indices=tuple(limits))


def split(eqn: Eqn) -> list[Eqn]:
    """Each part is a slice: a view."""
    (x,), axis = eqn.invars, eqn.params["axis"]
    ends = [sum(eqn.params["sizes"][:k + 1]) for k in range(len(eqn.outvars))]
    return [cut(x, out, axis, end - size, end)
            for out, end, size in zip(eqn.outvars, ends, eqn.params["sizes"])]


def unstack(eqn: Eqn) -> list[Eqn]:
    (x,), axis = eqn.invars, eqn.params["axis"]
    made = []
    for k, out in enumerate(eqn.outvars):
        shape = out.aval.shape
        thin = Var(x.aval.update(shape=(*shape[:axis], 1, *shape[axis:])))
        made += [cut(x, thin, axis, k, k + 1), reshaped(thin, out)]
    return made


def stack(eqn: Eqn) -> list[Eqn]:
    axis, (out,) = eqn.params["axis"], eqn.outvars
    thin = [Var(thin_aval(x.aval, axis)) for x in eqn.invars]
    return [*map(reshaped, eqn.invars, thin),
            apply("concatenate", thin, out, dimension=axis)]


def thin_aval(aval: Aval, axis: int) -> Aval:
    return aval.update(shape=(*aval.shape[:axis], 1, *aval.shape[axis:]))


def pieces(eqn: Eqn) -> list[Eqn] | None:
    """Each operand of a concatenation is copied to its place in the result by whoever makes it."""
    if 0 in eqn.outvars[0].aval.shape:
        return None
    pieces = [Var(x.aval) for x in eqn.invars]
    return [*(Eqn(table["copy"], [x], [piece], {}) for x, piece in zip(eqn.invars, pieces)),
            eqn.replace(invars=pieces)]


def tile(eqn: Eqn) -> list[Eqn] | None:
    (x,), (out,), reps = eqn.invars, eqn.outvars, eqn.params["reps"]
    shape = tuple(n for pair in zip(reps, x.aval.shape) for n in pair)
    long = Var(out.aval.update(shape=shape))
    dims = tuple(range(1, 2 * x.aval.ndim, 2))
    return [apply("broadcast_in_dim", [x], long, shape=shape, broadcast_dimensions=dims),
            reshaped(long, out)]


def reduction_of_ones(eqn: Eqn) -> list[Eqn] | None:
    """A reduction over axes of size one moves no number."""
    (x,), (out,) = eqn.invars, eqn.outvars
    if math.prod(x.aval.shape[a] for a in eqn.params["axes"]) != 1 \
            or x.aval.dtype != out.aval.dtype:
        return None
    return [reshaped(x, out)]


REWRITES: dict[str, Callable[[Eqn], list[Eqn] | None]] = {
    "split": split, "unstack": unstack, "stack": stack, "tile": tile,
    **dict.fromkeys(REDUCERS, reduction_of_ones),
}
