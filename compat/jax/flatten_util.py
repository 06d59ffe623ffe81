"""jax.flatten_util: a tree of arrays as one vector."""

from __future__ import annotations

import math

from compat.jax import numpy as jnp
from compat.jax.array import as_array
from minigrad.tree import Partial, tree_flatten, tree_unflatten


def ravel_pytree(pytree):
    """(all leaves, flat, joined in the dtype they promote to; the function back to the tree)."""
    leaves, tree = tree_flatten(pytree)
    leaves = [as_array(x) for x in leaves]
    if not leaves:
        return jnp.zeros(0), Partial(lambda flat: tree_unflatten(tree, []))
    shapes, dtypes = [x.shape for x in leaves], [x.dtype for x in leaves]
    flat = jnp.concatenate([jnp.ravel(x) for x in leaves])

    def unravel(vector):
        vector = jnp.asarray(vector)
        if vector.shape != flat.shape:
            raise ValueError(f"unravel function given array of shape {vector.shape}, but expected "
                             f"shape {flat.shape}")
        if vector.dtype != flat.dtype:
            raise TypeError(f"unravel function given array of dtype {vector.dtype}, but expected "
                            f"dtype {flat.dtype}")
        parts, start = [], 0
        for shape, dtype in zip(shapes, dtypes):
            n = math.prod(shape)
            parts.append(vector[start:start + n].reshape(shape).astype(dtype))
            start += n
        return tree_unflatten(tree, parts)

    return flat, Partial(unravel)
