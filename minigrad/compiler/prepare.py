"""What is done to a program before it is divided into kernels: calls written out, the algebra of
`simplify`, and equations rewritten as others that kernels know."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from minigrad.compiler.scalar import REDUCERS
from minigrad.compiler.scans import renamed, with_better_scans
from minigrad.core import Aval, table
from minigrad.ops.families import dtype_kind
from minigrad.program import Atom, Eqn, Jaxpr, Literal, Var
from minigrad.programs.simplify import dead_code, inline_calls, simplify
from minigrad.programs.source import kernel_params


def prepare(program: Jaxpr) -> Jaxpr:
    return rewritten(reduced(program), {"concatenate": pieces})


def reduced(program: Jaxpr) -> Jaxpr:
    small = with_better_scans(folded(simplify(inline_calls(program))))
    if any(e.primitive.name in REWRITES for e in small.eqns):
        small = simplify(rewritten(small, REWRITES))
    made = {v: e for e in small.eqns for v in e.outvars}
    small = dead_code(rewritten(small, {
        "dot_general": lambda eqn: turned_operands(eqn, made),
        **dict.fromkeys(("add", "add_any"), lambda eqn: side_by_side(eqn, made))}))
    return recomputed(small)


def recomputed(program: Jaxpr) -> Jaxpr:
    """The bodies of checkpoints in place of them: last, so that what they compute again is not
    taken for what the program knows already."""
    if not any(e.primitive.name == "remat2" for e in program.eqns):
        return program
    eqns: list[Eqn] = []
    same: dict[Var, Atom] = {}
    consts = dict(zip(program.constvars, program.consts))
    for eqn in program.eqns:
        eqn = eqn.replace(invars=[same.get(a, a) if type(a) is Var else a for a in eqn.invars])
        if eqn.primitive.name != "remat2":
            eqns.append(eqn)
            continue
        body = reduced(eqn.params["jaxpr"])
        consts.update(zip(body.constvars, body.consts))
        inside, outs = renamed(body, dict(zip(body.invars, eqn.invars)))
        eqns += inside
        same.update(zip(eqn.outvars, outs))
    outvars = [same.get(v, v) if type(v) is Var else v for v in program.outvars]
    return program.replace(eqns=eqns, outvars=outvars, constvars=list(consts),
                           consts=list(consts.values()))


def folded(program: Jaxpr) -> Jaxpr:
    """Arithmetic on literals is done now; a maximum with -inf or a minimum with inf is none."""
    same: dict[Var, Atom] = {}
    eqns: list[Eqn] = []
    for eqn in program.eqns:
        eqn = eqn.replace(invars=[same.get(a, a) if type(a) is Var else a for a in eqn.invars])
        answer = None
        if eqn.primitive.family == "elementwise" and len(eqn.outvars) == 1:
            answer = literal_result(eqn) or neutral_result(eqn)
        if answer is None:
            eqns.append(eqn)
        else:
            same[eqn.outvars[0]] = answer
    if not same:
        return program
    outvars = [same.get(v, v) if type(v) is Var else v for v in program.outvars]
    return program.replace(eqns=eqns, outvars=outvars)


def literal_result(eqn: Eqn) -> Literal | None:
    (out,) = eqn.outvars
    if not all(type(a) is Literal for a in eqn.invars) or out.aval.dtype.kind not in "fiub":
        return None
    with np.errstate(all="ignore"):
        params = kernel_params(eqn.primitive, eqn.params)
        value = eqn.primitive.impl(*(np.asarray(a.value) for a in eqn.invars), **params)
    return Literal(np.asarray(value, out.aval.dtype)[()], out.aval)


NEUTRAL = {"max": -np.inf, "min": np.inf}


def neutral_result(eqn: Eqn) -> Atom | None:
    number = NEUTRAL.get(eqn.primitive.name)
    if number is None or dtype_kind(eqn.outvars[0].aval.dtype) != "f":
        return None
    for literal, other in (eqn.invars, eqn.invars[::-1]):
        if type(literal) is Literal and literal.value == number \
                and other.aval.shape == eqn.outvars[0].aval.shape:
            return other
    return None


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


# ------------------------------------------------------------------ two equations as one


def turned_operands(eqn: Eqn, made: dict[Var, Eqn]) -> list[Eqn] | None:
    """A product of transposed operands reads them as they are: BLAS takes any order of axes."""
    contract, batch = ([list(dims) for dims in pair] for pair in eqn.params["dimension_numbers"])
    operands = list(eqn.invars)
    for k, x in enumerate(eqn.invars):
        inner = made.get(x) if type(x) is Var else None
        if inner is None or inner.primitive.name != "transpose":
            continue
        order = inner.params["permutation"]
        free = [order[d] for d in range(x.aval.ndim) if d not in contract[k] + batch[k]]
        if free != sorted(free):  # the axes of the result would come in another order
            continue
        operands[k] = inner.invars[0]
        contract[k], batch[k] = ([order[d] for d in dims] for dims in (contract[k], batch[k]))
    if operands == eqn.invars:
        return None
    numbers = tuple(map(tuple, contract)), tuple(map(tuple, batch))
    return [eqn.replace(invars=operands, params=eqn.params | {"dimension_numbers": numbers})]


def side_by_side(eqn: Eqn, made: dict[Var, Eqn]) -> list[Eqn] | None:
    """A sum of arrays padded with zeros so that each element belongs to one of them is their
    concatenation: what the derivative of `split` comes to."""
    parts = summands(eqn, made)
    if len(parts) < 2 or any(not is_placed(p) for p in parts):
        return None
    shape = eqn.outvars[0].aval.shape
    moved = {d for p in parts for d, config in enumerate(p.params["padding_config"])
             if config[:2] != (0, 0)}
    if len(moved) != 1:
        return None
    (axis,) = moved
    parts.sort(key=lambda p: p.params["padding_config"][axis][0])
    end = 0
    for p in parts:
        if p.params["padding_config"][axis][0] != end:
            return None
        end += p.invars[0].aval.shape[axis]
    if end != shape[axis]:
        return None
    return [apply("concatenate", [p.invars[0] for p in parts], eqn.outvars[0], dimension=axis)]


def summands(eqn: Eqn, made: dict[Var, Eqn]) -> list[Eqn]:
    """The pads that an addition adds up; others stand for themselves."""
    found = []
    for a in eqn.invars:
        inner = made.get(a) if type(a) is Var else None
        if inner is None:
            return []
        if inner.primitive.name in ("add", "add_any"):
            found += summands(inner, made) or [inner]
        else:
            found.append(inner)
    return found


def is_placed(eqn: Eqn) -> bool:
    return eqn.primitive.name == "pad" and type(eqn.invars[1]) is Literal \
        and type(eqn.invars[0]) is Var and eqn.invars[1].value == 0 \
        and all(low >= 0 and high >= 0 and interior == 0
                for low, high, interior in eqn.params["padding_config"])


REWRITES: dict[str, Callable[[Eqn], list[Eqn] | None]] = {
    "split": split, "unstack": unstack, "stack": stack, "tile": tile,
    **dict.fromkeys(REDUCERS, reduction_of_ones),
}
