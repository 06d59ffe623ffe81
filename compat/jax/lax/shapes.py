"""jax.lax: functions that move numbers."""

from __future__ import annotations

import functools
from collections.abc import Callable


from compat.jax import face
from compat.jax.array import as_array, canonical_dtype
from minigrad.core import table
from minigrad.numpy import creation, promotion
from minigrad.ops import shaping
from minigrad.ops.shaping import reorder, reshape_to


def broadcast(operand, sizes, *, out_sharding=None):
    """`operand` repeated along new leading axes."""
    return as_array(shaping.broadcast(as_array(operand), tuple(sizes)))


def broadcast_in_dim(operand, shape, broadcast_dimensions, *, out_sharding=None):
    """`operand` whose axes become `broadcast_dimensions` of the result."""
    operand, shape = as_array(operand), tuple(shape)
    if operand.shape == shape and tuple(broadcast_dimensions) == tuple(range(len(shape))):
        return operand
    return as_array(table["broadcast_in_dim"](
        operand, shape=shape, broadcast_dimensions=tuple(broadcast_dimensions)))


def reshape(operand, new_sizes, dimensions=None, *, out_sharding=None):
    """`operand` with another shape."""
    x = as_array(operand)
    if dimensions is not None and tuple(dimensions) != tuple(range(x.ndim)):
        return as_array(table["reshape"](x, new_sizes=tuple(new_sizes),
                                         dimensions=tuple(dimensions)))
    return as_array(reshape_to(x, tuple(new_sizes)))


def transpose(operand, permutation):
    """Axes in another order."""
    return as_array(reorder(as_array(operand), tuple(permutation)))


def squeeze(array, dimensions):
    """Without axes of size one."""
    x = as_array(array)
    dimensions = tuple(d % x.ndim for d in dimensions)
    return as_array(table["squeeze"](x, dimensions=dimensions)) if dimensions else x


def shaping_function(fn: Callable, name: str) -> Callable:
    """A function of the ops whose first argument is the array."""

    @functools.wraps(fn)
    def call(operand, *args, **kwargs):
        return as_array(fn(as_array(operand), *args, **kwargs))

    call.__name__ = name
    return call


expand_dims = shaping_function(shaping.expand_dims, "expand_dims")
slice_in_dim = shaping_function(shaping.slice_in_dim, "slice_in_dim")
index_in_dim = shaping_function(shaping.index_in_dim, "index_in_dim")
broadcast_to_rank = shaping_function(shaping.broadcast_to_rank, "broadcast_to_rank")


def slice(operand, start_indices, limit_indices, strides=None):
    """operand[start:limit:stride] along every axis."""
    return as_array(table["slice"](
        as_array(operand), start_indices=tuple(start_indices),
        limit_indices=tuple(limit_indices),
        strides=None if strides is None else tuple(strides)))


def pad(operand, padding_value, padding_config):
    """`operand` with (low, high, interior) padding along every axis."""
    return as_array(table["pad"](as_array(operand), promotion.operand(padding_value),
                                 padding_config=tuple(map(tuple, padding_config))))


def rev(operand, dimensions):
    """Elements in reverse order."""
    return as_array(table["rev"](as_array(operand), dimensions=tuple(dimensions)))


def concatenate(operands, dimension):
    """Arrays one behind the other."""
    operands = [as_array(x) for x in operands]
    return operands[0] if len(operands) == 1 else as_array(
        table["concatenate"](*operands, dimension=dimension))


def iota(dtype, size):
    """0, 1, 2 ..."""
    return broadcasted_iota(dtype, (size,), 0)


def broadcasted_iota(dtype, shape, dimension):
    """Positions along one axis."""
    return as_array(table["iota"](dtype=canonical_dtype(creation.canonical_dtype(dtype)),
                                  shape=tuple(shape), dimension=dimension))


def full(shape, fill_value, dtype=None):
    """An array of one value."""
    return face.boxed(creation.full)(shape, fill_value, dtype)


def full_like(x, fill_value, dtype=None, shape=None):
    """One value in the shape and dtype of `x`."""
    return face.boxed(creation.full_like)(x, fill_value, dtype, shape)


def split(operand, sizes, axis=0):
    """Parts of the given sizes."""
    return [as_array(x) for x in table["split"](as_array(operand), sizes=tuple(sizes),
                                                axis=axis)]


def tile(operand, reps):
    return as_array(table["tile"](as_array(operand), reps=tuple(reps)))


