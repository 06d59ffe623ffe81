"""Making programs smaller: dead code, common subexpressions, and algebra as a table of rewrites.

A rewrite takes an equation and the equations that made its operands; it returns an equation, or a
pair (atom, variable) when the value is already there.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from minigrad.core import table
from minigrad.program import Atom, Eqn, Jaxpr, Literal, Var, has_effect


def dead_code(jaxpr: Jaxpr, keep: Callable[[Eqn], bool] = lambda eqn: False) -> Jaxpr:
    """Drop equations that no output needs."""
    needed = {v for v in jaxpr.outvars if type(v) is Var}
    kept = []
    for eqn in reversed(jaxpr.eqns):
        if keep(eqn) or has_effect(eqn) or needed & set(eqn.outvars):
            kept.append(eqn)
            needed.update(v for v in eqn.invars if type(v) is Var)
    consts = [(v, c) for v, c in zip(jaxpr.constvars, jaxpr.consts) if v in needed]
    return jaxpr.replace(eqns=kept[::-1], constvars=[v for v, _ in consts],
                         consts=[c for _, c in consts])


CALLS = {"jit": "jaxpr", "custom_jvp_call": "call_jaxpr", "custom_vjp_call": "call_jaxpr"}


def inline_calls(jaxpr: Jaxpr, calls: dict[str, str] = CALLS) -> Jaxpr:
    """Write the bodies of calls in place of the calls: for running, not for differentiating, if
    calls with derivatives of their own are among them."""
    if not any(e.primitive.name in calls for e in jaxpr.eqns):
        return jaxpr
    eqns: list[Eqn] = []
    consts = dict(zip(jaxpr.constvars, jaxpr.consts))

    def expand(body: Jaxpr, env: dict[Var, Atom]) -> list[Atom]:
        def read(atom: Atom) -> Atom:
            return env.get(atom, atom) if type(atom) is Var else atom

        consts.update(zip(body.constvars, body.consts))
        for eqn in body.eqns:
            operands = [read(a) for a in eqn.invars]
            if eqn.primitive.name in calls:
                inner = eqn.params[calls[eqn.primitive.name]]
                outs = expand(inner, dict(zip(inner.invars, operands)))
            else:
                outs = [Var(v.aval) for v in eqn.outvars]
                eqns.append(eqn.replace(invars=operands, outvars=outs))
            env.update(zip(eqn.outvars, outs))
        return [read(v) for v in body.outvars]

    outvars = expand(jaxpr, {})
    return jaxpr.replace(eqns=eqns, outvars=outvars, constvars=list(consts),
                         consts=list(consts.values()))


def simplify(jaxpr: Jaxpr) -> Jaxpr:
    """Common subexpressions, the algebra of `rewrites`, then dead code."""
    known: dict = {}
    same: dict[Var, Atom] = {}
    made_by: dict[Var, Eqn] = {}
    eqns = []
    for eqn in jaxpr.eqns:
        eqn = eqn.replace(invars=[same.get(a, a) if type(a) is Var else a for a in eqn.invars])
        for rewrite in rewrites.get(eqn.primitive.name, ()):
            eqn = rewrite(eqn, made_by)
            if not isinstance(eqn, Eqn):
                break
        if not isinstance(eqn, Eqn):  # the rewrite found an atom that already holds the value
            atom, var = eqn
            same[var] = atom
            continue
        key = equation_key(eqn)
        if key in known:
            same.update(zip(eqn.outvars, known[key]))
            continue
        if key is not None:
            known[key] = eqn.outvars
        made_by.update((v, eqn) for v in eqn.outvars)
        eqns.append(eqn)
    outvars = [same.get(v, v) if type(v) is Var else v for v in jaxpr.outvars]
    return dead_code(jaxpr.replace(eqns=eqns, outvars=outvars))


def equation_key(eqn: Eqn):
    if has_effect(eqn):
        return None
    atoms = tuple(a if type(a) is Var else (a.value.tobytes(), a.aval) for a in eqn.invars)
    try:
        key = eqn.primitive, atoms, tuple(sorted(eqn.params.items()))
        hash(key)
    except TypeError:
        return None
    return key


def is_literal(atom: Atom, value) -> bool:
    return type(atom) is Literal and bool(np.all(atom.value == value))


def drop_unit(eqn: Eqn, made_by, unit, positions):
    """x * 1, x + 0: the other operand, if it has the shape and type of the result."""
    (out,) = eqn.outvars
    for i in positions:
        other = eqn.invars[1 - i]
        if is_literal(eqn.invars[i], unit) and other.aval.strong is out.aval.strong \
                and type(other) is Var:
            return other, out
    return eqn


def drop_identity(eqn: Eqn, made_by):
    """convert to the dtype it has, reshape to the shape it has, sum over no axes."""
    (x,), (out,) = eqn.invars[:1], eqn.outvars
    permutes = eqn.params.get("dimensions") is not None
    return (x, out) if x.aval is out.aval and type(x) is Var and not permutes else eqn


def convert_literal(eqn: Eqn, made_by):
    """A constant takes its final dtype at once."""
    (x,), (out,) = eqn.invars, eqn.outvars
    if type(x) is Literal and x.aval.dtype.kind in "fib" and out.aval.dtype.kind in "fV":
        return Literal(x.value.astype(out.aval.dtype), out.aval), out
    return eqn


def sum_of_ones_is_reshape(eqn: Eqn, made_by):
    """A sum over axes of size one moves no number."""
    x, axes = eqn.invars[0], eqn.params["axes"]
    if axes and all(x.aval.shape[a] == 1 for a in axes):
        params = {"new_sizes": eqn.outvars[0].aval.shape, "dimensions": None, "sharding": None}
        return reshape_of_reshape(Eqn(table["reshape"], [x], eqn.outvars, params), made_by)
    return eqn


def reshape_of_reshape(eqn: Eqn, made_by):
    inner = made_by.get(eqn.invars[0])
    if inner is not None and inner.primitive.name == "reshape" \
            and inner.params["dimensions"] is eqn.params["dimensions"] is None:
        eqn = eqn.replace(invars=inner.invars)
        return drop_identity(eqn, made_by)
    return eqn


def transpose_of_transpose(eqn: Eqn, made_by):
    inner = made_by.get(eqn.invars[0])
    outer = eqn.params["permutation"]
    if inner is not None and inner.primitive.name == "transpose":
        order = tuple(inner.params["permutation"][i] for i in outer)
        eqn = eqn.replace(invars=inner.invars, params={"permutation": order})
        outer = order
    if outer == tuple(range(len(outer))) and type(eqn.invars[0]) is Var:
        return eqn.invars[0], eqn.outvars[0]
    return eqn


def transpose_of_dot(eqn: Eqn, made_by):
    """(x y)^T = y^T x^T: the product comes out in the order that is wanted."""
    inner = made_by.get(eqn.invars[0])
    if inner is None or inner.primitive.name != "dot_general":
        return eqn
    (x, y), ((x_sum, y_sum), (x_batch, y_batch)) = inner.invars, inner.params["dimension_numbers"]
    n = len(x_batch)
    x_free, y_free = (v.aval.ndim - len(s) - n for v, s in ((x, x_sum), (y, y_sum)))
    swapped = (*range(n), *range(n + x_free, n + x_free + y_free), *range(n, n + x_free))
    if eqn.params["permutation"] != swapped:
        return eqn
    numbers = (y_sum, x_sum), (y_batch, x_batch)
    return Eqn(inner.primitive, [y, x], eqn.outvars, inner.params | {"dimension_numbers": numbers})


rewrites: dict[str, tuple] = {
    "mul": (lambda eqn, made: drop_unit(eqn, made, 1, (0, 1)),),
    "add": (lambda eqn, made: drop_unit(eqn, made, 0, (0, 1)),),
    "add_any": (lambda eqn, made: drop_unit(eqn, made, 0, (0, 1)),),
    "sub": (lambda eqn, made: drop_unit(eqn, made, 0, (1,)),),
    "div": (lambda eqn, made: drop_unit(eqn, made, 1, (1,)),),
    "convert_element_type": (drop_identity, convert_literal),
    "broadcast_in_dim": (drop_identity,),
    "reshape": (drop_identity, reshape_of_reshape),
    "reduce_sum": (drop_identity, sum_of_ones_is_reshape),
    "transpose": (transpose_of_transpose, transpose_of_dot),
}
