"""jax.custom_batching: functions that say how they are batched."""

from __future__ import annotations

import functools
from collections.abc import Callable

from compat.jax import lax
from compat.jax.array import as_array
from compat.jax.transforms import arrays
from minigrad.batch import BatchTrace, BatchTracer
from minigrad.core import Tensor, get_mode, using
from minigrad.ops.families import move_axis
from minigrad.tree import tree_flatten, tree_map, tree_unflatten


class custom_vmap:  # noqa: N801
    """A function with a batching rule of its own: `rule(axis_size, in_batched, *args)` gives
    (outputs, which of them are batched), batch axes in front."""

    def __init__(self, fun: Callable):
        functools.update_wrapper(self, fun)
        self.fun = fun
        self.rule: Callable | None = None

    def def_vmap(self, rule: Callable) -> Callable:
        self.rule = rule
        return rule

    def __call__(self, *args):
        args = arrays(args)
        trace = get_mode().trace
        leaves, tree = tree_flatten(args)
        own = [isinstance(x, Tensor) and type(x.value) is BatchTracer and x.value.trace is trace
               and x.value.dim is not None for x in leaves]
        if not isinstance(trace, BatchTrace) or not any(own):
            return self.fun(*args)
        if self.rule is None:
            raise AttributeError(f"No batching rule defined for custom_vmap function "
                                 f"{self.__name__} using def_vmap")
        with using(trace.outer):
            values = [as_array(move_axis(x.value.value, x.value.dim, 0)) if mine else x
                      for x, mine in zip(leaves, own)]
            out, batched = self.rule(int(trace.size), list(tree_unflatten(tree, own)),
                                     *tree_unflatten(tree, values))
        return tree_map(lambda x, b: as_array(BatchTracer(trace, x, 0)) if b else x, out, batched)


def sequential_vmap(f: Callable) -> custom_vmap:
    """A function that is batched by a loop."""
    mapped = custom_vmap(f)

    @mapped.def_vmap
    def rule(axis_size, in_batched, *args):
        leaves, tree = tree_flatten(args)
        flags = tree_flatten(in_batched)[0]
        moving = [x for x, b in zip(leaves, flags) if b]

        def one(rows):
            rows = iter(rows)
            full = [next(rows) if b else x for x, b in zip(leaves, flags)]
            return f(*tree_unflatten(tree, full))

        out = lax.map(one, moving)
        return out, tree_map(lambda _: True, out)

    return mapped
