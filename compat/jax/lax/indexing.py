"""jax.lax: slices at computed positions, gather and scatter."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from compat.jax.array import as_array
from compat.jax.lax.shapes import shaping_function
from compat.jax.transforms import arrays
from kernels.indexing import GatherScatterMode
from minigrad.core import table
from minigrad.numpy import indexing as indexed
from minigrad.ops import indexing


def dynamic_slice(operand, start_indices, slice_sizes, *, allow_negative_indices=True):
    """A window that starts where computed scalars say."""
    x = as_array(operand)
    check_starts(start_indices, x)
    starts = [indexed.normalized(start_of(s), n) for s, n in zip(start_indices, x.shape)]
    return as_array(table["dynamic_slice"](x, *starts, slice_sizes=tuple(slice_sizes)))


def dynamic_update_slice(operand, update, start_indices, *, allow_negative_indices=True):
    """`operand` with a window overwritten."""
    x = as_array(operand)
    check_starts(start_indices, x)
    starts = [indexed.normalized(start_of(s), n) for s, n in zip(start_indices, x.shape)]
    return as_array(table["dynamic_update_slice"](x, as_array(update), *starts))


def check_starts(start_indices, x) -> None:
    if not np.isscalar(start_indices) and len(start_indices) != x.ndim:
        raise ValueError("Length of slice indices must match number of operand dimensions "
                         f"({len(start_indices)} vs {x.shape})")


def start_of(index):
    return int(index) if isinstance(index, (int, np.integer)) else as_array(index)


dynamic_slice_in_dim = shaping_function(indexing.dynamic_slice_in_dim, "dynamic_slice_in_dim")
dynamic_index_in_dim = shaping_function(indexing.dynamic_index_in_dim, "dynamic_index_in_dim")


def dynamic_update_slice_in_dim(operand, update, start_index, axis, **options):
    return as_array(indexing.dynamic_update_slice_in_dim(
        as_array(operand), as_array(update), start_of(start_index), axis, **options))


def dynamic_update_index_in_dim(operand, update, index, axis, **options):
    return as_array(indexing.dynamic_update_index_in_dim(
        as_array(operand), as_array(update), start_of(index), axis, **options))


def gather(operand, start_indices, dimension_numbers, slice_sizes, **options):
    """Windows at index vectors."""
    return as_array(indexed.gather(as_array(operand), as_array(start_indices), dimension_numbers,
                                   slice_sizes, **options))


def scatter_with(name: str) -> Callable:
    def function(operand, scatter_indices, updates, dimension_numbers, *,
                 indices_are_sorted=False, unique_indices=False, mode=None):
        return as_array(table[name](
            *arrays([operand, scatter_indices, updates]), dimension_numbers=dimension_numbers,
            indices_are_sorted=indices_are_sorted, unique_indices=unique_indices,
            mode=GatherScatterMode.from_any(mode)))

    function.__name__ = name.replace("-", "_")
    function.__doc__ = f"The primitive `{name}`: updates at index vectors."
    return function


def scatter_apply(operand, scatter_indices, func, dimension_numbers, *, update_shape=(),
                  indices_are_sorted=False, unique_indices=False, mode=None):
    """`func` of the elements at index vectors, in their places."""
    from compat.jax import numpy as jnp

    x = as_array(operand)
    chosen = scatter_add(jnp.zeros(x.shape, int), scatter_indices, jnp.ones(update_shape, int),
                         dimension_numbers, mode=mode)
    return jnp.where(chosen > 0, func(x), x)


scatter, scatter_add, scatter_sub, scatter_mul, scatter_min, scatter_max = map(
    scatter_with, ("scatter", "scatter-add", "scatter-sub", "scatter-mul", "scatter-min",
                   "scatter-max"))

