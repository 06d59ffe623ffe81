"""`to_torch` and `to_jax`: functions of this engine inside programs of the real frameworks.

Both give the other side a derivative by asking this engine for the vjp, and hand that over by the
same road: so gradients of gradients work, to any order.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from compat.bridges.arrays import from_real_torch, is_real_torch, to_real_torch
from minigrad.batch import vmap
from minigrad.core import Tensor, box, level, make_box, make_spec, to_array
from minigrad.forward import is_differentiable
from minigrad.program import StageTrace
from minigrad.reverse import vjp
from minigrad.tree import tree_flatten, tree_unflatten


def flat_function(fn: Callable, tree, cls: type) -> tuple[Callable, list]:
    """`fn` over a flat list of Tensors of a face, with a flat list for result; the structure of
    the result is left in the list."""
    trees: list = []

    def flat(*leaves):
        held = [x if type(x) is cls or not isinstance(x, Tensor)
                else make_box(cls, x.value, x.spec, x.node) for x in leaves]
        args, kwargs = tree_unflatten(tree, held)
        outs, out_tree = tree_flatten(fn(*args, **kwargs))
        trees[:] = [out_tree]
        return [box(o, cls) for o in outs]

    return flat, trees


def pullback_of(flat: Callable, count: int) -> Callable:
    """(inputs, cotangents of the outputs) -> cotangents of the inputs, or zeros."""

    def pull(*values):
        inputs, cotangents = values[:count], list(values[count:])
        outs, back = vjp(flat, *inputs)
        wanted = [c if is_differentiable(o.spec.aval) else np.zeros(o.shape, o.spec.dtype)
                  for c, o in zip(cotangents, outs)]
        return [box(np.zeros(x.shape, np.float32) if not is_differentiable(x.spec.aval) else g)
                for x, g in zip(inputs, back(wanted))]

    return pull


# ------------------------------------------------------------------ torch


def to_torch(fn: Callable) -> Callable:
    """`fn`, written for `compat.torch` (or any face), as a function of real torch tensors.

    Pytrees of tensors in and out; memory is shared where layouts allow. Gradients flow through it
    to any order. Source: torch.autograd.Function.
    """
    from compat.torch import Tensor as TorchTensor

    @functools.wraps(fn)
    def called(*args, **kwargs):
        leaves, tree = tree_flatten((args, kwargs))
        flat, trees = flat_function(fn, static_tree(leaves, tree), TorchTensor)
        outs = apply_flat(flat, TorchTensor, [x for x in leaves if is_real_torch(x)])
        return tree_unflatten(trees[0], outs)

    return called


class Hole:
    """Stands, among the arguments, for a tensor."""


HOLE = Hole()


def static_tree(leaves: Sequence, tree):
    """The structure with what is no tensor filled in."""
    return StaticTree(tree, [HOLE if is_real_torch(x) else x for x in leaves])


class StaticTree:
    def __init__(self, tree, template: Sequence):
        self.tree, self.template = tree, template

    def unflatten(self, leaves):
        given = iter(leaves)
        return self.tree.unflatten([next(given) if x is HOLE else x for x in self.template])


def apply_flat(flat: Callable, cls: type, tensors: Sequence) -> list:
    """One autograd Function of the real torch; its backward is one of these again."""
    import torch

    class Minigrad(torch.autograd.Function):
        @staticmethod
        def forward(ctx, *tensors):
            ctx.save_for_backward(*tensors)
            outs = flat(*[box(from_real_torch(t), cls) for t in tensors])
            made = tuple(to_real_torch(o) for o in outs)
            ctx.mark_non_differentiable(*[m for m in made if not m.dtype.is_floating_point
                                          and not m.dtype.is_complex])
            return made

        @staticmethod
        def backward(ctx, *gradients):
            saved = ctx.saved_tensors
            cotangents = [g.conj() if g.is_complex() else g for g in gradients]
            grads = apply_flat(pullback_of(flat, len(saved)), Tensor, [*saved, *cotangents])
            return tuple((g.conj() if g.is_complex() else g) if t.requires_grad else None
                         for g, t in zip(grads, saved))

    return list(Minigrad.apply(*tensors))


# ------------------------------------------------------------------ jax


def to_jax(fn: Callable) -> Callable:
    """`fn`, written for `compat.jax` (or any face), as a function of real jax arrays.

    Pytrees of arrays in and out. It may be jitted, mapped and differentiated in reverse, to any
    order: a `pure_callback` with a custom vjp; under vmap this engine's own vmap runs.
    Source: jax.pure_callback, jax.custom_vjp.
    """
    from compat.jax.array import Array

    @functools.wraps(fn)
    def called(*args, **kwargs):
        leaves, tree = tree_flatten((args, kwargs))
        flat, trees = flat_function(fn, tree, Array)
        outs = callback(flat)(*leaves)
        return tree_unflatten(trees[0], outs)

    return called


def out_avals(flat: Callable, shapes: Sequence) -> list:
    trace = StageTrace("to_jax")
    with level(trace, grad=False):
        made = [trace.new_input(box(np.zeros((), s.dtype)).spec.aval.update(shape=tuple(s.shape)))
                for s in shapes]
        return [o.spec.aval for o in
                flat(*[make_box(Tensor, t, make_spec(t.aval, False, False)) for t in made])]


def callback(flat: Callable) -> Callable:
    import jax
    import jax.numpy as jnp

    def host(ranks: Sequence[int], *arrays):
        """Any number of mapped axes stand in front; each is one vmap."""
        arrays = [np.asarray(a) for a in arrays]
        extra = max((a.ndim - r for a, r in zip(arrays, ranks)), default=0)
        run: Callable = flat
        for _ in range(extra):
            run = vmap(run)
        return [np.asarray(to_array(o)) for o in run(*[box(a) for a in arrays])]

    @jax.custom_vjp
    def call(*leaves):
        leaves = [jnp.asarray(x) for x in leaves]
        results = [jax.ShapeDtypeStruct(a.shape, a.dtype) for a in out_avals(flat, leaves)]
        ranks = [x.ndim for x in leaves]
        return jax.pure_callback(functools.partial(host, ranks), results, *leaves,
                                 vmap_method="broadcast_all")

    def forward(*leaves):
        return call(*leaves), leaves

    def backward(leaves, cotangents):
        leaves = [jnp.asarray(x) for x in leaves]
        given: list[Any] = [
            np.zeros(c.shape, np.float32) if c.dtype == jax.dtypes.float0 else c
            for c in cotangents]
        grads = callback(pullback_of(flat, len(leaves)))(*leaves, *given)
        return tuple(g if jnp.issubdtype(x.dtype, jnp.inexact)
                     else np.zeros(x.shape, jax.dtypes.float0) for g, x in zip(grads, leaves))

    call.defvjp(forward, backward)
    return call
