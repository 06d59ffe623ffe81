"""jax.ops: reductions of segments."""

from __future__ import annotations

from compat.jax import numpy as jnp
from compat.jax.array import as_array
from minigrad.ops.families import dtype_kind


def segment(name: str, combine: str, identity):
    def function(data, segment_ids, num_segments=None, indices_are_sorted=False,
                 unique_indices=False, bucket_size=None, mode=None):
        data, ids = as_array(data), as_array(segment_ids)
        if num_segments is None:
            num_segments = int(jnp.max(ids)) + 1 if ids.size else 0
        if num_segments < 0:
            raise ValueError("num_segments must be non-negative.")
        out = jnp.full((num_segments, *data.shape[1:]), identity(data.dtype), data.dtype)
        place = out.at[ids]
        return getattr(place, combine)(data, indices_are_sorted=indices_are_sorted,
                                       unique_indices=unique_indices, mode=mode or "drop",
                                       wrap_negative_indices=False)

    function.__name__ = name
    function.__doc__ = f"The {combine} of the elements of each segment."
    return function


def extreme(sign: int):
    """The smallest (-1) or largest (1) number of a dtype."""
    def of(dtype):
        if dtype_kind(dtype) == "f":
            return sign * jnp.inf
        if dtype_kind(dtype) == "b":
            return sign > 0
        return jnp.iinfo(dtype).max if sign > 0 else jnp.iinfo(dtype).min

    return of


segment_sum = segment("segment_sum", "add", lambda dtype: 0)
segment_prod = segment("segment_prod", "mul", lambda dtype: 1)
segment_max = segment("segment_max", "max", extreme(-1))
segment_min = segment("segment_min", "min", extreme(1))
