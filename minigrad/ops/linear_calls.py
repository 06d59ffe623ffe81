"""linear_call: a function that is linear in some operands, with a transpose of the user's own."""

from __future__ import annotations

from collections.abc import Callable

from minigrad.batch import batch_jaxpr
from minigrad.core import Linear, Primitive, aval_of, box
from minigrad.ops.bodies import as_dims, close_over, split_list
from minigrad.ops.families import instantiate, move_axis
from minigrad.program import stage
from minigrad.programs.source import run_program
from minigrad.tree import tree_flatten, tree_unflatten


def linear_call_jvp(primals, tangents, *, num_callee_consts, num_res, **params):
    """Linear: the tangents go the way of the operands. Nothing is known of the residuals."""
    known = num_callee_consts + num_res
    if any(t is not None for t in tangents[:known]):
        raise NotImplementedError("linear_call: derivatives with respect to its residuals")
    params |= {"num_callee_consts": num_callee_consts, "num_res": num_res}
    own = [instantiate(t, x) for t, x in zip(tangents[known:], primals[known:])]
    return linear_call_p(*primals, **params), linear_call_p(*primals[:known], *own, **params)


def linear_call_transpose(cts, args, *, callee, transpose_thunk, num_callee_consts, num_res):
    back, consts = transpose_thunk()
    callee_consts, residuals, _ = split_list(args, num_callee_consts, num_res)
    cts = [instantiate(ct, Linear(aval)) for ct, aval in zip(cts, callee.out_avals)]
    found = linear_call_p(*consts, *residuals, *cts, callee=back, num_res=num_res,
                          transpose_thunk=lambda: (callee, callee_consts),
                          num_callee_consts=len(consts))
    return [None] * (num_callee_consts + num_res) + found


def linear_call_batch(size, args, dims, *, callee, transpose_thunk, num_callee_consts, num_res):
    args = [a if d is None else move_axis(a, d, 0) for a, d in zip(args, dims)]
    body, flags = batch_jaxpr(callee, size, dims, True)
    body, captured = close_over(body)
    res_dims = dims[num_callee_consts:num_callee_consts + num_res]

    def batched_thunk():
        back, consts = transpose_thunk()
        turned = [None] * len(consts) + [None if d is None else 0 for d in res_dims]
        turned += [0] * len(callee.outvars)
        batched_back, extra = close_over(batch_jaxpr(back, size, turned, True)[0])
        return batched_back, [*extra, *consts]

    out = linear_call_p(*captured, *args, callee=body, transpose_thunk=batched_thunk,
                        num_callee_consts=len(captured) + num_callee_consts, num_res=num_res)
    return out, as_dims(flags)


linear_call_p = Primitive(
    "linear_call", lambda *args, callee, **_: run_program(callee, args),
    lambda *avals, callee, **_: list(callee.out_avals),
    linear_call_jvp, linear_call_transpose, linear_call_batch, multiple_results=True)


def linear_call(fun: Callable, fun_transpose: Callable, residual_args, linear_args):
    """`fun(residual_args, linear_args)`, whose transpose is `fun_transpose(residual_args, ct)`.

    Source: jax.custom_derivatives.linear_call.
    """
    residuals, res_tree = tree_flatten(residual_args)
    operands, lin_tree = tree_flatten(linear_args)
    residuals, operands = [box(x) for x in residuals], [box(x) for x in operands]
    out: dict = {}

    def staged(f: Callable, tree, avals, classes):
        def body(*xs):
            result = f(tree_unflatten(res_tree, xs[:len(residuals)]),
                       tree_unflatten(tree, xs[len(residuals):]))
            leaves, out["tree"] = tree_flatten(result)
            return [box(x) for x in leaves]

        return close_over(stage(body, avals, classes, getattr(f, "__name__", "linear_call")))

    res_avals, res_classes = [aval_of(x) for x in residuals], [type(x) for x in residuals]
    callee, consts = staged(fun, lin_tree, res_avals + [aval_of(x) for x in operands],
                            res_classes + [type(x) for x in operands])
    out_tree, out_avals = out["tree"], callee.out_avals

    def transpose_thunk():
        classes = res_classes + [type(operands[0]) if operands else type(residuals[0])] * len(
            out_avals)
        back = staged(fun_transpose, out_tree, [*res_avals, *out_avals], classes)
        if out["tree"] != lin_tree:
            raise TypeError("transpose output pytree structure must match that of linear inputs, "
                            f"got output structure {out['tree']} and input structure {lin_tree}.")
        return back

    outs = linear_call_p(*consts, *residuals, *operands, callee=callee,
                         transpose_thunk=transpose_thunk, num_callee_consts=len(consts),
                         num_res=len(residuals))
    return tree_unflatten(out_tree, outs)
