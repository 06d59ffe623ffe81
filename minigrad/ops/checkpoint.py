"""`checkpoint`: a call whose derivative recomputes instead of saving, or saves what a policy says.

A policy is a function `(primitive, *avals, **params) -> bool`, asked for every equation that does
not depend on tangents. What it saves enters the differentiated call as a further operand, so that
a gradient's program shows it. `checkpoint_name` gives a value a name for policies.

Source: jax.checkpoint.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from minigrad.core import Aval, Linear, Primitive, aval_of, box, is_linear, table
from minigrad.forward import LinearTrace
from minigrad.ops.bodies import close_over, invert, merge, partial_eval_jaxpr, pick
from minigrad.ops.calls import call_abstract, call_batch, call_impl, call_jvp
from minigrad.ops.families import dtype_kind, elementwise, instantiate
from minigrad.program import Eqn, Jaxpr, Var, eval_jaxpr, stage
from minigrad.programs.simplify import dead_code, inline_calls
from minigrad.reverse import backward_pass
from minigrad.tree import tree_flatten, tree_unflatten

name_p = elementwise("name", lambda x, name: x, scalar="x", accepts="fciub",
                     jvp=(lambda t, out, x, *, name: t,))


def checkpoint_partial_eval(trace: LinearTrace, args, *, jaxpr, policy, **params):
    """Compute the known outputs and forget how, but for what the policy saves; the staged half
    starts again from the inputs and from that."""
    unknown = [trace.is_own(a) for a in args]
    if policy is not None:
        jaxpr = inline_calls(jaxpr, {"jit": "jaxpr"})
    flags = partial_eval_jaxpr(jaxpr, unknown)[2]
    body = jaxpr.replace(outvars=pick(jaxpr.outvars, flags))
    saved: list[Var] = []
    read = [True] * len(args)
    if policy is not None:
        saved, read, body = without(saved_by(policy, jaxpr, unknown), body)
    known = partial_eval_jaxpr(jaxpr.replace(outvars=[*jaxpr.outvars, *saved]), unknown)[0]
    n_out = flags.count(False)
    known = known.replace(outvars=known.outvars[:n_out + len(saved)])
    if saved:
        known = rounded(known, len(saved))
    outs_known = eval_jaxpr(dead_code(known), *pick(args, invert(unknown)))
    operands = [*outs_known[n_out:], *pick(args, read)]
    outs = trace.write(checkpoint_p, operands, {"jaxpr": body, "policy": policy,
                                                **params, "differentiated": True})
    return merge(flags, outs, outs_known[:n_out])


def saved_by(policy: Callable, jaxpr: Jaxpr, unknown: Sequence[bool]) -> list[Var]:
    """The results of equations, known without the unknown inputs, that a policy saves."""
    depends, saved = {v for v, u in zip(jaxpr.invars, unknown) if u}, []
    for eqn in jaxpr.eqns:
        if depends.intersection(v for v in eqn.invars if type(v) is Var):
            depends.update(eqn.outvars)
        elif policy(eqn.primitive, *[v.aval for v in eqn.invars], **eqn.params):
            saved += eqn.outvars
    return saved


def without(saved: Sequence[Var], body: Jaxpr) -> tuple[list[Var], list[bool], Jaxpr]:
    """(what is read of what was saved, which inputs are read, the program of these two)."""
    given = set(saved)
    body = dead_code(body.replace(invars=[*saved, *body.invars], eqns=[
        e for e in body.eqns if not given.issuperset(e.outvars)]))
    used = {a for e in body.eqns for a in e.invars if type(a) is Var} | set(body.outvars)
    flags = [v in used for v in body.invars]
    return (pick(saved, flags[:len(saved)]), flags[len(saved):],
            body.replace(invars=pick(body.invars, flags)))


def rounded(known: Jaxpr, n_saved: int) -> Jaxpr:
    """Saved floats that are also read on the way are rounded to their own precision, which changes
    no number: a compiler that computes them wider must not save other values than it uses."""
    read = {a for e in known.eqns for a in e.invars if type(a) is Var}
    new: dict[Any, Var] = {v: Var(v.aval) for v in known.outvars[-n_saved:]
                           if v in read and dtype_kind(v.aval.dtype) == "f"}
    eqns = []
    for eqn in known.eqns:
        eqns.append(eqn.replace(invars=[new.get(a, a) if type(a) is Var else a
                                        for a in eqn.invars]))
        for v in eqn.outvars:
            if v in new:
                bits = float_bits(v.aval)
                eqns.append(Eqn(table["reduce_precision"], [v], [new[v]], bits, eqn.source))
    return known.replace(eqns=eqns, outvars=[
        *known.outvars[:-n_saved], *[new.get(v, v) for v in known.outvars[-n_saved:]]])


def float_bits(aval: Aval) -> dict[str, int]:
    import ml_dtypes

    info = ml_dtypes.finfo(aval.dtype)
    return {"exponent_bits": info.nexp, "mantissa_bits": info.nmant}


def checkpoint_transpose(cts, args, *, jaxpr, **params):
    """Recompute, then run backwards: one call that holds both."""
    linear = [is_linear(a) for a in args]
    nonzero = [c is not None for c in cts]

    def recompute(*values):
        res, given = values[:linear.count(False)], iter(values[linear.count(False):])
        residuals = eval_jaxpr(known, *res)
        flags = [False] * len(residuals) + [True] * sum(linear)
        found = backward_pass(staged, flags, [*residuals, *[None] * sum(linear)],
                              [next(given) if nz else None for nz in nonzero])
        return [instantiate(g, Linear(a)) for g, a in zip(found, pick(jaxpr.in_avals, linear))]

    # A scan in the body computes values and tangents in one loop: it is taken apart first.
    known, staged, _, _ = partial_eval_jaxpr(jaxpr, linear, True)
    avals = [aval_of(a) for a in pick(args, invert(linear))] + [
        a.strong for a in pick(jaxpr.out_avals, nonzero)]
    back, captured = close_over(dead_code(stage(recompute, avals, name="checkpoint")))
    grads = checkpoint_p(*captured, *pick(args, invert(linear)), *pick(cts, nonzero), jaxpr=back,
                         **params)
    return merge(linear, grads, [None] * linear.count(False))


checkpoint_p = Primitive("remat2", call_impl, call_abstract, multiple_results=True,
                         partial_eval=checkpoint_partial_eval, transpose=checkpoint_transpose)
checkpoint_p.jvp, checkpoint_p.batch = call_jvp(checkpoint_p), call_batch(checkpoint_p)


def checkpoint(fun: Callable, *, prevent_cse: bool = True, policy=None, static_argnums=()):
    """`fun`, but its backward recomputes instead of saving. Source: jax.checkpoint."""
    fixed = (static_argnums,) if isinstance(static_argnums, int) else tuple(static_argnums)

    @functools.wraps(fun)
    def wrapped(*args, **kwargs):
        dynamic = [a for i, a in enumerate(args) if i not in fixed]
        leaves, tree = tree_flatten((dynamic, kwargs))
        leaves = [box(x) for x in leaves]

        def flat(*xs):
            given, inner_kwargs = tree_unflatten(tree, xs)
            given = iter(given)
            full = [a if i in fixed else next(given) for i, a in enumerate(args)]
            out_leaves, wrapped.out_tree = tree_flatten(fun(*full, **inner_kwargs))
            return [box(x) for x in out_leaves]

        program = stage(flat, [aval_of(x) for x in leaves], [type(x) for x in leaves],
                        getattr(fun, "__name__", "checkpoint"))
        out_tree = wrapped.out_tree
        body, captured = close_over(program)
        outs = checkpoint_p(*captured, *leaves, jaxpr=body, prevent_cse=prevent_cse,
                            differentiated=False, policy=policy)
        return tree_unflatten(out_tree, outs)

    return wrapped
