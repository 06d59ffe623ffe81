"""What the rules of scan, while, cond, jit and checkpoint share: taking a program apart.

`partial_eval_jaxpr` splits a program where its inputs are not yet known; `transpose_jaxpr` turns
one that is linear around. Both trace the program anew under the level that does the work.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from minigrad.core import Linear, Tensor, box, level, owns
from minigrad.forward import LinearTrace
from minigrad.ops.families import instantiate
from minigrad.program import Jaxpr, eval_jaxpr, stage
from minigrad.reverse import backward_pass


def fixpoint(raise_flags: Callable[[list[bool]], Sequence[bool]], flags: Sequence[bool]):
    """Raise flags until the body asks for no more."""
    flags = list(flags)
    while True:
        higher = [a or b for a, b in zip(flags, raise_flags(flags), strict=True)]
        if higher == flags:
            return flags
        flags = higher


def split_list(items: Sequence, *sizes: int) -> list[list]:
    parts, start = [], 0
    for n in sizes:
        parts.append(list(items[start:start + n]))
        start += n
    return [*parts, list(items[start:])]


def pick(items: Sequence, flags: Sequence) -> list:
    return [x for x, f in zip(items, flags, strict=True) if f]


def merge(flags: Sequence[bool], yes: Sequence, no: Sequence) -> list:
    yes, no = iter(yes), iter(no)
    return [next(yes) if f else next(no) for f in flags]


def invert(flags: Sequence[bool]) -> list[bool]:
    return [not f for f in flags]


def reorder_inputs(jaxpr: Jaxpr, order: Sequence[int]) -> Jaxpr:
    return jaxpr.replace(invars=[jaxpr.invars[i] for i in order])


def close_over(jaxpr: Jaxpr) -> tuple[Jaxpr, list]:
    """Captured values become leading operands, so that every level below sees them."""
    if not jaxpr.consts:
        return jaxpr, []  # the same object, so that programs called twice are printed once
    return jaxpr.replace(constvars=[], consts=[], invars=jaxpr.constvars + jaxpr.invars), \
        jaxpr.consts


def partial_eval_jaxpr(jaxpr: Jaxpr, unknown: Sequence[bool],
                       instantiate_out: Sequence[bool] | bool = False):
    """Split a program in two at the unknown inputs.

    known:  known inputs -> known outputs, then residuals
    staged: residuals, then unknown inputs -> unknown outputs
    Returns (known, staged, flags of the unknown outputs, avals of the residuals).
    """
    forced = [instantiate_out] * len(jaxpr.outvars) if isinstance(instantiate_out, bool) \
        else instantiate_out
    key = "partial_eval", tuple(unknown), tuple(forced)
    if key in jaxpr.cache:
        return jaxpr.cache[key]
    result: dict[str, Any] = {}

    def known_fn(*known_args):
        linear = LinearTrace()
        with level(linear):
            given = iter(known_args)
            args = [box(linear.new_input(a)) if u else next(given)
                    for a, u in zip(jaxpr.in_avals, unknown, strict=True)]
            outs = eval_jaxpr(jaxpr, *args)
            flags = [f or isinstance(o, Tensor) and owns(linear, o)
                     for o, f in zip(outs, forced)]
            program = linear.program(pick(outs, flags))
        staged, residuals = close_over(program)
        result.update(staged=staged, flags=flags)
        return pick(outs, invert(flags)) + residuals

    known = stage(known_fn, pick(jaxpr.in_avals, invert(unknown)), name="known")
    n_known_out = len(jaxpr.outvars) - sum(result["flags"])
    answer = known, result["staged"], result["flags"], known.out_avals[n_known_out:]
    jaxpr.cache[key] = answer
    return answer


def transpose_jaxpr(jaxpr: Jaxpr, linear: Sequence[bool], ct_nonzero: Sequence[bool]):
    """(non-linear inputs, cotangents of the outputs) -> cotangents of the linear inputs."""
    key = "transpose", tuple(linear), tuple(ct_nonzero)
    if key not in jaxpr.cache:
        def transposed(*args):
            n_res = len(linear) - sum(linear)
            res, given = args[:n_res], iter(args[n_res:])
            full = merge(linear, [None] * sum(linear), res)
            cts = [next(given) if nz else None for nz in ct_nonzero]
            grads = backward_pass(jaxpr, linear, full, cts)
            likes = pick(jaxpr.in_avals, linear)
            return [instantiate(g, Linear(a)) for g, a in zip(grads, likes, strict=True)]

        avals = pick(jaxpr.in_avals, invert(linear)) + [
            a.strong for a in pick(jaxpr.out_avals, ct_nonzero)]
        jaxpr.cache[key] = stage(transposed, avals, name="transpose")
    return jaxpr.cache[key]


def as_dims(flags: Sequence[bool]) -> list[int | None]:
    return [0 if f else None for f in flags]
