"""jax.interpreters.mlir: how primitives are computed under `jit`. There is no MLIR here: a lowering
is a function of arrays, which is what `lower_fun` makes of one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from compat.jax.array import as_array
from minigrad.core import Primitive, unbox_value
from minigrad.tree import tree_map

LoweringRule = Callable
LoweringRuleContext = Any


def lower_fun(fun: Callable, multiple_results: bool = True) -> Callable:
    """`fun`, a function of Arrays, as the way to compute a primitive."""
    def rule(context, *args, **params):
        return fun(*args, **params)

    rule.of_arrays = fun  # type: ignore[attr-defined]
    return rule


def register_lowering(primitive: Primitive, rule: Callable | None = None, platform=None,
                      inline: bool = True, cacheable: bool = True):
    """Compute a primitive by a rule of `lower_fun`."""
    if rule is None:
        return lambda found: register_lowering(primitive, found)
    fun = getattr(rule, "of_arrays", None)
    if fun is None and primitive.impl is None:
        raise NotImplementedError(
            f"a lowering of {primitive} to MLIR: here primitives are computed by `def_impl`, or by "
            "`mlir.lower_fun` of a function of arrays")
    if fun is not None:
        primitive.lowering = fun  # type: ignore[attr-defined]
        if primitive.impl is None:
            primitive.own_impl = fun  # type: ignore[attr-defined]
            primitive.impl = lambda *args, **params: tree_map(
                unbox_value, fun(*map(as_array, args), **params))
    return rule
