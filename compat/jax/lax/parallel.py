"""jax.lax: operators along mapped axes. The primitives are minigrad's collectives."""

from __future__ import annotations

import math

import numpy as np

from compat.jax.array import as_array
from compat.jax.transforms import arrays, results
from minigrad.core import PYTHON_SCALARS, table
from minigrad.ops import collectives
from minigrad.ops.families import dtype_kind
from minigrad.tree import tree_map


def axis_size(axis_name) -> int:
    """How many positions a mapped axis (or several together) has."""
    names = axis_name if isinstance(axis_name, (tuple, list)) else (axis_name,)
    return math.prod(map(collectives.axis_size, names))


def axis_index(axis_name):
    """This position's index along a mapped axis; the first of several axes counts most."""
    if not isinstance(axis_name, (tuple, list)):
        return as_array(collectives.axis_index(axis_name))
    index = as_array(np.zeros((), np.int32)[()])
    for name in axis_name:
        index = index * np.int32(axis_size(name)) + axis_index(name)
    return index


def is_named(axis_name) -> bool:
    names = axis_name if isinstance(axis_name, (tuple, list)) else (axis_name,)
    return not any(isinstance(n, int) for n in names)


def as_names(axis_name):
    return tuple(axis_name) if isinstance(axis_name, list) else axis_name


def over_groups(x, axis_name, groups, combine):
    """`combine(gathered, mask)` of the positions that are in the group of this one."""
    n = axis_size(axis_name)
    together = np.zeros((n, n), bool)
    for group in groups:
        for i in group:
            together[i, list(group)] = True
    mask = as_array(together)[axis_index(axis_name)]
    return tree_map(lambda v: combine(all_gather(v, axis_name), mask.reshape(
        (n,) + (1,) * as_array(v).ndim)), x)


def reducing(name: str, fill: float):
    reduce = getattr(collectives, name)

    def function(x, axis_name, *, axis_index_groups=None):
        if axis_index_groups is not None:
            from compat.jax import numpy as jnp

            total = getattr(jnp, name[1:])
            return over_groups(x, axis_name, axis_index_groups,
                               lambda v, mask: total(jnp.where(mask, v, fill), axis=0))
        if name == "psum" and is_named(axis_name):  # of a number: known while tracing
            size = axis_size(axis_name)
            fixed = lambda v: v * size if type(v) in PYTHON_SCALARS else None  # noqa: E731
            if type(x) in PYTHON_SCALARS:
                return fixed(x)
        x = tree_map(lambda v: as_array(v).astype(int) if name == "psum" and dtype_kind(
            as_array(v).dtype) == "b" else v, x)
        return results(reduce(arrays(x), as_names(axis_name)))

    function.__name__ = name
    function.__doc__ = f"The {name[1:]} over a mapped axis, for every position."
    return function


psum, pmax, pmin = (reducing(name, fill) for name, fill in (
    ("psum", 0), ("pmax", -math.inf), ("pmin", math.inf)))


def pmean(x, axis_name, *, axis_index_groups=None):
    """The mean over a mapped axis."""
    if axis_index_groups is None:
        return results(collectives.pmean(arrays(x), as_names(axis_name)))
    size = len(axis_index_groups[0])
    return tree_map(lambda v: v / size, psum(x, axis_name, axis_index_groups=axis_index_groups))


def all_gather(x, axis_name, *, axis_index_groups=None, axis=0, tiled=False, to="varying"):
    """The values of all positions, along a new axis (joined along it, if `tiled`)."""
    if isinstance(axis_name, (tuple, list)):
        for name in reversed(axis_name):
            x = all_gather(x, name, axis=axis, tiled=tiled or name != axis_name[-1])
        return x
    out = results(collectives.all_gather(arrays(x), axis_name, axis=axis, tiled=tiled))
    if axis_index_groups is None:
        return out
    members = np.zeros((axis_size(axis_name), len(axis_index_groups[0])), np.int32)
    for group in axis_index_groups:
        members[list(group)] = group
    own = as_array(members)[axis_index(axis_name)]
    from compat.jax import numpy as jnp

    picked = tree_map(lambda v: jnp.take(v, own, axis=axis), results(
        collectives.all_gather(arrays(x), axis_name, axis=axis)))
    return tree_map(lambda v: jnp.concatenate(list(jnp.moveaxis(v, axis, 0)), axis), picked) \
        if tiled else picked


def ppermute(x, axis_name, perm):
    """Send values along pairs (source, target); who receives nothing has zeros."""
    return results(collectives.ppermute(arrays(x), axis_name, perm))


def pshuffle(x, axis_name, perm):
    """Position i receives the value of position perm[i]."""
    if set(perm) != set(range(len(perm))):
        raise ValueError(f"`perm` does not represent a permutation: {perm}")
    return ppermute(x, axis_name, list(zip(perm, range(len(perm)))))


def all_to_all(x, axis_name, split_axis, concat_axis, *, axis_index_groups=None, tiled=False):
    """Split an axis among the positions, and join what the others sent."""
    if axis_index_groups is not None:
        raise NotImplementedError("all_to_all with axis_index_groups")
    return results(collectives.all_to_all(arrays(x), axis_name, split_axis, concat_axis,
                                          tiled=tiled))


def pswapaxes(x, axis_name, axis, *, axis_index_groups=None):
    """The mapped axis and an axis of the values change places."""
    return all_to_all(x, axis_name, axis, axis, axis_index_groups=axis_index_groups)


def psum_scatter(x, axis_name, *, scatter_dimension=0, axis_index_groups=None, tiled=False):
    """Of the sum over the mapped axis, each position's own part along an axis."""
    from compat.jax.lax.indexing import dynamic_index_in_dim, dynamic_slice_in_dim

    size, index = axis_size(axis_name), axis_index(axis_name)

    def own_part(total):
        n = total.shape[scatter_dimension]
        if tiled:
            return dynamic_slice_in_dim(total, index * (n // size), n // size, scatter_dimension)
        if n != size:
            raise ValueError(f"psum_scatter: axis {scatter_dimension} of {total.shape} must have "
                             f"the size of the mapped axis, {size}")
        return dynamic_index_in_dim(total, index, scatter_dimension, keepdims=False)

    return tree_map(own_part, psum(x, axis_name, axis_index_groups=axis_index_groups))


def pbroadcast(x, axis_name, source):
    """The value of one position, for all."""
    is_source = axis_index(axis_name) == source
    return psum(tree_map(lambda v: as_array(table["select_n"](
        is_source, as_array(v) * 0, as_array(v))), x), axis_name)


def pcast(x, axis_name, *, to):
    """The value: whether it varies along an axis is not part of a type here."""
    return arrays(x)
