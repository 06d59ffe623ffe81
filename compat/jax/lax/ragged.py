"""jax.lax: products of groups of rows with matrices of their own."""

from __future__ import annotations

from typing import NamedTuple

from compat.jax.array import as_array
from compat.jax.lax.products import dot_general
from compat.jax.transforms import vmap


class RaggedDotDimensionNumbers(NamedTuple):
    """dot_general's numbers, the axis of `lhs` that groups cut, the axis of `rhs` that counts
    groups (none where groups cut a contracting or batch axis)."""

    dot_dimension_numbers: tuple
    lhs_ragged_dimensions: tuple
    rhs_group_dimensions: tuple


def ragged_dot(lhs, rhs, group_sizes, precision=None, preferred_element_type=None,
               group_offset=None, out_sharding=None):
    """Rows of `lhs` (m, k), cut into groups, times the matrix of each group, (g, k, n)."""
    numbers = RaggedDotDimensionNumbers((((1,), (1,)), ((), ())), (0,), (0,))
    return ragged_dot_general(lhs, rhs, group_sizes, numbers, precision, preferred_element_type,
                              group_offset)


def ragged_dot_general(lhs, rhs, group_sizes, ragged_dot_dimension_numbers, precision=None,
                       preferred_element_type=None, group_offset=None, out_sharding=None):
    """A dot_general one of whose axes is cut into groups of the given sizes."""
    from compat.jax import numpy as jnp

    if group_offset is not None:
        raise NotImplementedError("ragged_dot_general with group_offset")
    lhs, rhs, sizes = as_array(lhs), as_array(rhs), as_array(group_sizes)
    numbers = ragged_dot_dimension_numbers.dot_dimension_numbers
    (axis,) = ragged_dot_dimension_numbers.lhs_ragged_dimensions
    (contracting, _), (batch, _) = numbers
    product = lambda a, b: dot_general(a, b, numbers, precision, preferred_element_type)
    if axis in batch:
        return product(lhs, rhs)
    ends = jnp.cumsum(sizes)
    place = jnp.arange(lhs.shape[axis])
    inside = (place[None] < ends[:, None]) & (place[None] >= (ends - sizes)[:, None])
    shape = [-1 if i == axis else 1 for i in range(lhs.ndim)]
    own = lambda mask: jnp.where(mask.reshape(shape), lhs, jnp.zeros((), lhs.dtype))
    if axis in contracting:
        return vmap(lambda mask: product(own(mask), rhs))(inside)
    (group_axis,) = ragged_dot_dimension_numbers.rhs_group_dimensions
    shifted = tuple(tuple(d - (d > group_axis) for d in side) for side in (
        numbers[0][1], numbers[1][1]))
    one = ((numbers[0][0], shifted[0]), (numbers[1][0], shifted[1]))
    parts = vmap(lambda mask, b: dot_general(own(mask), b, one, precision, preferred_element_type),
                 in_axes=(0, group_axis))(inside, rhs)
    return parts.sum(0)
