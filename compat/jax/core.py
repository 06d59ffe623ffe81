"""jax.core: what programs that look into JAX use: tracers, types, and running a program."""

from __future__ import annotations

import builtins
from collections.abc import Sequence

from compat.jax.array import Array, ShapedArray as ShapedArray, as_array
from compat.jax.config import ensure_compile_time_eval as ensure_compile_time_eval
from minigrad import core, program
from minigrad.program import Atom as Atom

__all__ = ["AbstractValue", "Atom", "ParamDict", "ShapedArray", "Trace", "Tracer", "Value",
           "ensure_compile_time_eval", "eval_context", "eval_jaxpr", "max_dim", "min_dim"]

AbstractValue, Trace = ShapedArray, core.Trace
ParamDict, Value = dict, Array
eval_context = ensure_compile_time_eval


class TracedMeta(type):
    """`isinstance(x, Tracer)`: an Array whose numbers are not known."""

    def __instancecheck__(cls, x) -> bool:
        return isinstance(x, core.Tracer) or isinstance(x, core.Tensor) and not x.spec.concrete

    def __subclasscheck__(cls, other) -> bool:
        return issubclass(other, core.Tracer)


class Tracer(metaclass=TracedMeta):
    """The class that traced values seem to have."""


def eval_jaxpr(jaxpr, consts: Sequence, *args, propagate_source_info: bool = True) -> list:
    """The results of a program, each equation applied at the current level."""
    given = jaxpr.replace(consts=[as_array(c) for c in consts])
    return [as_array(x) for x in program.eval_jaxpr(given, *map(as_array, args))]


def max_dim(a, b):
    """The larger of two sizes."""
    return builtins.max(a, b)


def min_dim(a, b):
    """The smaller of two sizes."""
    return builtins.min(a, b)
