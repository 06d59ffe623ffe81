"""Control flow: scan, while and cond are primitives whose parameters are programs.

Each rule stages the programs anew with the transform applied, then asks for the same primitive:
the jvp of a scan is a scan of the jvp. Carries that start without a tangent (or unbatched) may
acquire one in the body, so their flags are raised until nothing changes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from minigrad.batch import batch_jaxpr
from minigrad.core import Aval, Linear, Primitive, aval_of, box, is_linear, world_of
from minigrad.forward import LinearTrace, jvp_jaxpr
from minigrad.ops.bodies import (
    as_dims, close_over, fixpoint, invert, merge, partial_eval_jaxpr, pick, reorder_inputs,
    split_list, transpose_jaxpr,
)
from minigrad.ops.families import add_any, broadcast_batch, instantiate, move_axis, zeros_like
from minigrad.program import Jaxpr, Var, eval_jaxpr, stage
from minigrad.programs.source import array_function, run_program

# ------------------------------------------------------------------ scan


def scan_impl(*args, jaxpr, length, reverse, num_consts, num_carry, **_):
    world = world_of(args)
    step, empty = array_function(jaxpr, world=world), np.empty if world is None else world.empty
    consts, carry, xs = split_list(args, num_consts, num_carry)
    ys = [empty((length, *a.shape), a.dtype) for a in jaxpr.out_avals[num_carry:]]
    for i in reversed(range(length)) if reverse else range(length):
        outs = step(*consts, *carry, *[x[i] for x in xs])
        carry = outs[:num_carry]
        for y, value in zip(ys, outs[num_carry:]):
            y[i] = value
    return [*carry, *ys]


def scan_abstract(*avals, jaxpr, length, num_consts, num_carry, **_):
    carry, ys = split_list(jaxpr.out_avals, num_carry)
    return carry + [a.update(shape=(length, *a.shape)) for a in ys]


def scan_params(params: dict, **changes) -> dict:
    return params | changes


def scan_jvp(primals, tangents, **params):
    jaxpr, n_consts, n_carry = params["jaxpr"], params["num_consts"], params["num_carry"]
    nonzero = [t is not None for t in tangents]
    nz_consts, nz_init, nz_xs = split_list(nonzero, n_consts, n_carry)

    def out_flags(nz_carry):
        n_ys = len(jaxpr.outvars) - n_carry
        body, flags = jvp_jaxpr(jaxpr, nz_consts + nz_carry + nz_xs, nz_carry + [False] * n_ys)
        return flags[:n_carry]

    nz_carry = fixpoint(out_flags, nz_init)
    n_ys = len(jaxpr.outvars) - n_carry
    body, nz_out = jvp_jaxpr(jaxpr, nz_consts + nz_carry + nz_xs, nz_carry + [False] * n_ys)
    # inputs: primals and tangents, group by group; outputs: carries first, then ys
    n_in = len(jaxpr.invars)
    t_consts, t_carry = sum(nz_consts), sum(nz_carry)
    index = list(range(len(body.invars)))
    p, t = index[:n_in], index[n_in:]
    order = (p[:n_consts] + t[:t_consts] + p[n_consts:n_consts + n_carry]
             + t[t_consts:t_consts + t_carry] + p[n_consts + n_carry:] + t[t_consts + t_carry:])
    outs, outs_t = split_list(body.outvars, len(jaxpr.outvars))
    body = reorder_inputs(body, order).replace(
        outvars=outs[:n_carry] + outs_t[:t_carry] + outs[n_carry:] + outs_t[t_carry:])
    consts, init, xs = split_list(primals, n_consts, n_carry)
    d_consts, d_init, d_xs = split_list(tangents, n_consts, n_carry)
    d_init = [instantiate(d, c) if nz else None for d, c, nz in zip(d_init, init, nz_carry)]
    operands = (consts + pick(d_consts, nz_consts) + init + pick(d_init, nz_carry)
                + xs + pick(d_xs, nz_xs))
    body, captured = close_over(body)
    out = scan_p(*captured, *operands, **scan_params(
        params, jaxpr=body, num_consts=len(captured) + n_consts + t_consts,
        num_carry=n_carry + t_carry))
    carry, d_carry, ys, d_ys = split_list(out, n_carry, t_carry, n_ys)
    found = iter(d_carry + d_ys)
    return carry + ys, [next(found) if nz else None for nz in nz_out]


def scan_partial_eval(trace: LinearTrace, args, **params):
    jaxpr, n_consts, n_carry = params["jaxpr"], params["num_consts"], params["num_carry"]
    unknown = [trace.is_own(a) for a in args]
    uk_consts, uk_init, uk_xs = split_list(unknown, n_consts, n_carry)
    n_ys = len(jaxpr.outvars) - n_carry

    def out_flags(uk_carry):
        flags = partial_eval_jaxpr(jaxpr, uk_consts + uk_carry + uk_xs,
                                   uk_carry + [False] * n_ys)[2]
        return flags[:n_carry]

    uk_carry = fixpoint(out_flags, uk_init)
    uk_in = uk_consts + uk_carry + uk_xs
    known, staged, uk_out, residuals = partial_eval_jaxpr(jaxpr, uk_in,
                                                         uk_carry + [False] * n_ys)
    known_args = pick(args, invert(uk_in))
    nk_consts, nk_carry = uk_consts.count(False), uk_carry.count(False)
    nk_out = uk_out.count(False)
    # a residual that is a constant operand stays one, rather than be stacked at every step
    const_vars = known.invars[:nk_consts]
    res_vars = known.outvars[nk_out:]
    invariant = [type(v) is Var and v in const_vars for v in res_vars]
    known_run = known.replace(outvars=known.outvars[:nk_out] + pick(res_vars, invert(invariant)))
    known_run, captured = close_over(known_run)
    known_outs = scan_p(*captured, *known_args, **scan_params(
        params, jaxpr=known_run, num_consts=len(captured) + nk_consts, num_carry=nk_carry)
    ) if known_run.outvars else []
    outs_known, stacked = split_list(known_outs, nk_out)
    from_consts = [known_args[const_vars.index(v)] for v in pick(res_vars, invariant)]
    # the staged body takes residuals, then unknown inputs; constants go first, stacked ones last
    n_res = len(res_vars)
    res_index = list(range(n_res))
    un_index = list(range(n_res, len(staged.invars)))
    u_consts, u_carry = sum(uk_consts), sum(uk_carry)
    body = reorder_inputs(staged, pick(res_index, invariant) + un_index + pick(
        res_index, invert(invariant)))
    u_args = pick(args, uk_in)
    outs_unknown = trace.write(scan_p, [*from_consts, *u_args, *stacked], scan_params(
        params, jaxpr=body, num_consts=sum(invariant) + u_consts, num_carry=u_carry))
    return merge(uk_out, outs_unknown, outs_known)


def scan_transpose(cts, args, **params):
    """Run the body's transpose from the last step to the first. Linear: some constants, all
    carries, some xs. Cotangents of constants add up in the carry."""
    jaxpr, n_consts, n_carry = params["jaxpr"], params["num_consts"], params["num_carry"]
    length = params["length"]
    linear = [is_linear(a) for a in args]
    l_consts, l_carry, l_xs = split_list(linear, n_consts, n_carry)
    # a carry that starts at a known zero tangent is linear all the same; nobody asks for its ct
    linear = l_consts + [True] * n_carry + l_xs
    consts, _, xs = split_list(args, n_consts, n_carry)
    ct_carry, ct_ys = split_list(cts, n_carry)
    out_avals = jaxpr.out_avals
    ct_carry = [instantiate(c, Linear(a.strong)) for c, a in zip(ct_carry, out_avals)]
    ys_avals = [a.update(shape=(length, *a.shape)) for a in out_avals[n_carry:]]
    ct_ys = [instantiate(c, Linear(a)) for c, a in zip(ct_ys, ys_avals)]
    back = transpose_jaxpr(jaxpr, linear, [True] * len(out_avals))
    res_consts, res_xs = pick(consts, invert(l_consts)), pick(xs, invert(l_xs))
    n_rc, n_rx, n_lc = len(res_consts), len(res_xs), sum(l_consts)

    def body_fn(*values):
        rc, acc, ct_c, ct_y, rx = split_list(values, n_rc, n_lc, n_carry, len(ct_ys))
        grads = eval_jaxpr(back, *rc, *rx, *ct_c, *ct_y)
        g_consts, g_carry, g_xs = split_list(grads, n_lc, n_carry)
        return [add_any(a, g) for a, g in zip(acc, g_consts)] + g_carry + g_xs

    const_avals = [a.aval.strong for a in pick(consts, l_consts)]
    in_avals = ([aval_of(r) for r in res_consts] + const_avals
                + [a.strong for a in out_avals]
                + [aval_of(r).update(shape=aval_of(r).shape[1:]) for r in res_xs])
    body, captured = close_over(stage(body_fn, in_avals, name="transpose"))
    zeros = [zeros_like(Linear(a)) for a in const_avals]
    out = scan_p(*captured, *res_consts, *zeros, *ct_carry, *ct_ys, *res_xs, **scan_params(
        params, jaxpr=body, reverse=not params["reverse"], num_consts=len(captured) + n_rc,
        num_carry=n_lc + n_carry))
    g_consts, g_carry, g_xs = split_list(out, n_lc, n_carry)
    return (merge(l_consts, g_consts, [None] * n_rc) + g_carry
            + merge(l_xs, g_xs, [None] * n_rx))


def scan_batch(size, args, dims, **params):
    jaxpr, n_consts, n_carry = params["jaxpr"], params["num_consts"], params["num_carry"]
    batched = [d is not None for d in dims]
    b_consts, b_init, b_xs = split_list(batched, n_consts, n_carry)
    n_ys = len(jaxpr.outvars) - n_carry

    def out_flags(b_carry):
        flags = batch_jaxpr(jaxpr, size, as_dims(b_consts + b_carry + b_xs),
                            b_carry + [False] * n_ys)[1]
        return flags[:n_carry]

    b_carry = fixpoint(out_flags, b_init)
    body, b_out = batch_jaxpr(jaxpr, size, as_dims(b_consts + b_carry + b_xs),
                              b_carry + [False] * n_ys)
    consts, init, xs = split_list(args, n_consts, n_carry)
    d_consts, d_init, d_xs = split_list(dims, n_consts, n_carry)
    consts = [a if d is None else move_axis(a, d, 0) for a, d in zip(consts, d_consts)]
    init = [broadcast_batch(a, d, size) if b else a for a, d, b in zip(init, d_init, b_carry)]
    xs = [a if d is None else move_axis(a, d, 1) for a, d in zip(xs, d_xs)]
    body, captured = close_over(body)
    out = scan_p(*captured, *consts, *init, *xs, **scan_params(
        params, jaxpr=body, num_consts=len(captured) + n_consts))
    return out, [(0 if i < n_carry else 1) if b else None for i, b in enumerate(b_out)]


scan_p = Primitive("scan", scan_impl, scan_abstract, scan_jvp, scan_transpose, scan_batch,
                   multiple_results=True, partial_eval=scan_partial_eval)


# ------------------------------------------------------------------ while


def while_impl(*args, cond_jaxpr, cond_nconsts, body_jaxpr, body_nconsts):
    world = world_of(args)
    test, step = (array_function(p, world=world) for p in (cond_jaxpr, body_jaxpr))
    c_consts, b_consts, carry = split_list(args, cond_nconsts, body_nconsts)
    while test(*c_consts, *carry)[0]:
        carry = step(*b_consts, *carry)
    return list(carry)


def while_jvp(primals, tangents, *, cond_jaxpr, cond_nconsts, body_jaxpr, body_nconsts):
    c_consts, b_consts, init = split_list(primals, cond_nconsts, body_nconsts)
    _, d_consts, d_init = split_list(tangents, cond_nconsts, body_nconsts)
    nz_consts = [d is not None for d in d_consts]

    def out_flags(nz):
        return jvp_jaxpr(body_jaxpr, nz_consts + nz, nz)[1]

    nz = fixpoint(out_flags, [d is not None for d in d_init])
    body, _ = jvp_jaxpr(body_jaxpr, nz_consts + nz, nz)
    n, t = body_nconsts, sum(nz_consts)
    index = list(range(len(body.invars)))
    p_index, t_index = index[:len(body_jaxpr.invars)], index[len(body_jaxpr.invars):]
    body = reorder_inputs(body, p_index[:n] + t_index[:t] + p_index[n:] + t_index[t:])
    d_init = [instantiate(d, x) for d, x, f in zip(d_init, init, nz) if f]
    body, captured = close_over(body)
    cond = cond_jaxpr.replace(
        invars=cond_jaxpr.invars + [Var(aval_of(d)) for d in d_init])
    out = while_p(*c_consts, *captured, *b_consts, *pick(d_consts, nz_consts), *init, *d_init,
                  cond_jaxpr=cond, cond_nconsts=cond_nconsts, body_jaxpr=body,
                  body_nconsts=len(captured) + n + t)
    outs, d_outs = split_list(out, len(init))
    found = iter(d_outs)
    return outs, [next(found) if f else None for f in nz]


def while_partial_eval(trace: LinearTrace, args, *, cond_jaxpr, cond_nconsts, body_jaxpr,
                       body_nconsts):
    """Known carries are computed now; the unknown ones are staged with the whole loop, which has
    a forward derivative but, its length being unknown, no transpose."""
    params = dict(cond_jaxpr=cond_jaxpr, cond_nconsts=cond_nconsts, body_jaxpr=body_jaxpr,
                  body_nconsts=body_nconsts)
    uk_cond, uk_body, uk_init = split_list([trace.is_own(a) for a in args], cond_nconsts,
                                           body_nconsts)

    def out_flags(uk):
        return partial_eval_jaxpr(body_jaxpr, uk_body + uk, uk)[2]

    uk = fixpoint(out_flags, uk_init)
    unknown_test = any(partial_eval_jaxpr(cond_jaxpr, uk_cond + uk)[2])
    if unknown_test or all(uk):
        return trace.write(while_p, args, params)
    known, _, _, _ = partial_eval_jaxpr(body_jaxpr, uk_body + uk, uk)
    known = known.replace(outvars=known.outvars[:uk.count(False)])
    test = cond_jaxpr.replace(
        invars=cond_jaxpr.invars[:cond_nconsts] + pick(cond_jaxpr.invars[cond_nconsts:],
                                                       invert(uk)))
    c_args, b_args, init = split_list(args, cond_nconsts, body_nconsts)
    known, captured = close_over(known)
    outs_known = while_p(
        *c_args, *captured, *pick(b_args, invert(uk_body)), *pick(init, invert(uk)),
        cond_jaxpr=test, cond_nconsts=cond_nconsts, body_jaxpr=known,
        body_nconsts=len(captured) + uk_body.count(False))
    outs = trace.write(while_p, args, params)
    return merge(uk, pick(outs, uk), outs_known)


def while_transpose(cts, args, **params):
    raise ValueError(
        "Reverse-mode differentiation does not work for lax.while_loop or lax.fori_loop with "
        "dynamic start/stop values. Try using lax.scan, or using fori_loop with static start/stop.")


def while_batch(size, args, dims, *, cond_jaxpr, cond_nconsts, body_jaxpr, body_nconsts):
    c_dims, b_dims, i_dims = split_list(dims, cond_nconsts, body_nconsts)
    b_cond, b_body = [d is not None for d in c_dims], [d is not None for d in b_dims]

    def out_flags(b):
        return batch_jaxpr(body_jaxpr, size, as_dims(b_body + b), b)[1]

    b_carry = fixpoint(out_flags, [d is not None for d in i_dims])
    test, (b_test,) = batch_jaxpr(cond_jaxpr, size, as_dims(b_cond + b_carry))
    if b_test:  # positions stop at different steps: all carries run on, finished ones stand still
        b_carry = [True] * len(b_carry)
        test, _ = batch_jaxpr(cond_jaxpr, size, as_dims(b_cond + b_carry), True)
    body, _ = batch_jaxpr(body_jaxpr, size, as_dims(b_body + b_carry), b_carry)
    c_args, b_args, init = split_list(args, cond_nconsts, body_nconsts)
    c_args = [a if d is None else move_axis(a, d, 0) for a, d in zip(c_args, c_dims)]
    b_args = [a if d is None else move_axis(a, d, 0) for a, d in zip(b_args, b_dims)]
    init = [broadcast_batch(a, d, size) if b else a for a, d, b in zip(init, i_dims, b_carry)]
    if b_test:
        test, body, b_args = select_where_running(test, body, c_args, b_args, cond_nconsts)
    test, test_captured = close_over(test)
    body, captured = close_over(body)
    out = while_p(*test_captured, *c_args, *captured, *b_args, *init, cond_jaxpr=test,
                  cond_nconsts=len(test_captured) + cond_nconsts, body_jaxpr=body,
                  body_nconsts=len(captured) + len(b_args))
    return out, as_dims(b_carry)


def select_where_running(test: Jaxpr, body: Jaxpr, c_args, b_args, n_cond: int):
    """A loop over a batch: go on while any position runs; keep the others as they are."""
    from minigrad.core import table

    carry_avals = test.in_avals[n_cond:]

    def any_runs(*values):
        return [table["reduce_or"](eval_jaxpr(test, *values)[0], axes=(0,))]

    def masked(*values):
        c, b, carry = split_list(values, n_cond, len(b_args))
        (running,) = eval_jaxpr(test, *c, *carry)
        new = eval_jaxpr(body, *b, *carry)
        return [table["select_n"](stretch(running, aval_of(x)), old, x)
                for old, x in zip(carry, new)]

    both_avals = [aval_of(a) for a in c_args] + [aval_of(a) for a in b_args] + carry_avals
    return (stage(any_runs, test.in_avals, name="cond"),
            stage(masked, both_avals, name="body"), [*c_args, *b_args])


def stretch(mask, aval: Aval):
    from minigrad.core import table

    if len(aval.shape) == 1:
        return mask
    return table["broadcast_in_dim"](mask, shape=aval.shape, broadcast_dimensions=(0,))


while_p = Primitive(
    "while", while_impl, lambda *avals, body_jaxpr, **_: list(body_jaxpr.out_avals), while_jvp,
    while_transpose, while_batch, multiple_results=True, partial_eval=while_partial_eval)


# ------------------------------------------------------------------ cond


def cond_impl(index, *operands, branches, **_):
    which = min(max(int(index), 0), len(branches) - 1)
    return run_program(branches[which], operands)


def cond_jvp(primals, tangents, *, branches, **params):
    index, *operands = primals
    nonzero = [t is not None for t in tangents[1:]]
    flags = [jvp_jaxpr(b, nonzero)[1] for b in branches]
    joined = [any(f) for f in zip(*flags)]
    new = tuple(jvp_jaxpr(b, nonzero, joined)[0] for b in branches)
    new, captured = join_captured(new)
    out = cond_p(index, *captured, *operands, *pick(tangents[1:], nonzero), branches=new, **params)
    outs, d_outs = split_list(out, len(joined))
    found = iter(d_outs)
    return outs, [next(found) if f else None for f in joined]


def join_captured(branches: Sequence[Jaxpr]) -> tuple[tuple[Jaxpr, ...], list]:
    """Give all branches the same leading operands: what any of them captured."""
    captured = [c for b in branches for c in b.consts]
    if not captured:
        return tuple(branches), []
    joined = []
    for b in branches:
        own = iter(b.constvars)
        lead = [next(own) if other is b else Var(aval_of(c))
                for other in branches for c in other.consts]
        joined.append(b.replace(constvars=[], consts=[], invars=lead + b.invars))
    return tuple(joined), captured


def cond_partial_eval(trace: LinearTrace, args, *, branches, **params):
    unknown = [trace.is_own(a) for a in args][1:]
    flags = [any(f) for f in zip(*[partial_eval_jaxpr(b, unknown)[2] for b in branches])]
    halves = [partial_eval_jaxpr(b, unknown, flags) for b in branches]
    n_out = flags.count(False)
    res_avals = [h[3] for h in halves]
    known = tuple(pad_residuals(h[0], n_out, res_avals, i) for i, h in enumerate(halves))
    known, captured = join_captured(known)
    index, *operands = args
    out = cond_p(index, *captured, *pick(operands, invert(unknown)), branches=known, **params)
    outs_known, residuals = split_list(out, n_out)
    n_before, all_avals = 0, [a for avals in res_avals for a in avals]
    staged = []
    for h, avals in zip(halves, res_avals):
        own = h[1].invars[:len(avals)]
        lead = [own[k - n_before] if n_before <= k < n_before + len(avals) else Var(a)
                for k, a in enumerate(all_avals)]
        staged.append(h[1].replace(invars=lead + h[1].invars[len(avals):]))
        n_before += len(avals)
    outs_unknown = trace.write(cond_p, [index, *residuals, *pick(operands, unknown)],
                               {"branches": tuple(staged), **params})
    return merge(flags, outs_unknown, outs_known)


def pad_residuals(known: Jaxpr, n_out: int, res_avals: list[list[Aval]], which: int) -> Jaxpr:
    """A branch also answers for the residuals of the others: with zeros."""
    def fn(*args):
        out = eval_jaxpr(known, *args)
        padded = list(out[:n_out])
        for i, avals in enumerate(res_avals):
            padded += out[n_out:] if i == which else [box(zeros_like(Linear(a))) for a in avals]
        return padded

    return stage(fn, known.in_avals, name="branch")


def cond_transpose(cts, args, *, branches, **params):
    index, *operands = args
    linear = [is_linear(a) for a in operands]
    nonzero = [c is not None for c in cts]
    back = tuple(transpose_jaxpr(b, linear, nonzero) for b in branches)
    back, captured = join_captured(back)
    grads = cond_p(index, *captured, *pick(operands, invert(linear)), *pick(cts, nonzero),
                   branches=back, **params)
    return [None, *merge(linear, grads, [None] * linear.count(False))]


def cond_batch(size, args, dims, *, branches, **params):
    from minigrad.core import table

    index, *operands = args
    index_dim, *op_dims = dims
    if index_dim is not None:  # positions take different branches: run all, then choose
        operands = [broadcast_batch(a, d, size) for a, d in zip(operands, op_dims)]
        all_dims = [0] * len(operands)
        outs = [eval_jaxpr(batch_jaxpr(b, size, all_dims, True)[0], *operands) for b in branches]
        index = move_axis(index, index_dim, 0)
        if len(branches) == 2:
            index = table["ne"](index, 0)
        chosen = [table["select_n"](stretch(index, aval_of(cases[0])), *cases)
                  for cases in zip(*outs)]
        return chosen, [0] * len(chosen)
    flags = [any(f) for f in zip(*[batch_jaxpr(b, size, op_dims)[1] for b in branches])]
    operands = [a if d is None else move_axis(a, d, 0) for a, d in zip(operands, op_dims)]
    new, captured = join_captured([batch_jaxpr(b, size, op_dims, flags)[0] for b in branches])
    return cond_p(index, *captured, *operands, branches=new, **params), as_dims(flags)


cond_p = Primitive(
    "cond", cond_impl, lambda index, *avals, branches, **_: list(branches[0].out_avals), cond_jvp,
    cond_transpose, cond_batch, multiple_results=True, partial_eval=cond_partial_eval)
