"""jax.interpreters.batching: what `vmap` does with primitives."""

from __future__ import annotations

from collections.abc import Callable

from compat.jax.face import argument_of_face as in_face
from compat.jax.interpreters.rules import Rules
from minigrad.core import Primitive
from minigrad.ops.families import broadcast_batch, move_axis

not_mapped = None


def as_batch(rule: Callable) -> Callable:
    def batch(size, args, dims, **params):
        out, dims_out = rule(tuple(map(in_face, args)), tuple(dims), **params)
        return (list(out), list(dims_out)) if isinstance(out, (list, tuple)) else (out, dims_out)

    return batch


primitive_batchers = Rules("batch", as_batch)


def moveaxis(x, source, destination):
    """`x` with its batch axis at another place."""
    return x if source == destination else in_face(move_axis(x, source, destination))


def bdim_at_front(x, dim, size):
    """`x` with a batch axis in front, whether it had one or not."""
    return in_face(broadcast_batch(x, None, size)) if dim is None else moveaxis(x, dim, 0)


def defvectorized(primitive: Primitive) -> None:
    """A primitive that treats all axes alike, of one argument."""
    primitive_batchers[primitive] = lambda args, dims, **params: (
        primitive.bind(*args, **params), dims[0])  # type: ignore[attr-defined]


def defbroadcasting(primitive: Primitive) -> None:
    """A primitive of elements, of any number of arguments of one rank."""
    def rule(args, dims, **params):
        size = next(x.shape[d] for x, d in zip(args, dims) if d is not None)
        wide = [bdim_at_front(x, d, size) for x, d in zip(args, dims)]
        return primitive.bind(*wide, **params), 0  # type: ignore[attr-defined]

    primitive_batchers[primitive] = rule
