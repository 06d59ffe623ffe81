"""Collectives: primitives that mix the positions of an axis mapped under a name.

At the level that owns the axis (`vmap(..., axis_name=...)`) a collective is an ordinary operation
over the batch axis; at any other level that axis passes through as one more dimension.

>>> import minigrad as mg, numpy as np
>>> from minigrad.ops import collectives
>>> share = mg.vmap(lambda x: collectives.psum(x, "i"), axis_name="i")
>>> print(np.asarray(share(np.arange(3.0))))
[3. 3. 3.]
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from minigrad.batch import BatchTrace, axis_names
from minigrad.core import Primitive, Trace, aval_of, box, get_mode, make_aval, table
from minigrad.ops.families import broadcast_batch, move_axis
from minigrad.ops.indexing import dynamic_index_in_dim
from minigrad.tree import tree_flatten, tree_unflatten

# ------------------------------------------------------------------ families


def collective(name: str, abstract, mapped, jvp=None, transpose=None, multiple_results=False):
    """A primitive that mixes the positions of a mapped axis. `mapped` is its rule at the level
    that owns the axis; at any other level the axis passes through as one more dimension."""

    def unbound(*args, **params):
        raise NameError(f"Found an unbound axis name: {', '.join(map(str, axis_names(params)))}. "
                        "To fix this, call the function under `vmap(..., axis_name=...)`.")

    p = Primitive(name, unbound, abstract, jvp=jvp, transpose=transpose,
                  multiple_results=multiple_results)
    p.mapped = mapped
    return p


def without(axes: tuple, name) -> tuple:
    return tuple(a for a in axes if a != name)


def reducing(name: str, reduce_name: str, **rules) -> Primitive:
    """psum, pmax, pmin: reduce over the named axis; the result is the same for all positions."""

    def abstract(*avals, axes, axis_index_groups=None):
        return list(avals)

    def mapped(size, values, dims, *, axes, axis_index_groups):
        rest = without(axes, size.name)
        outs = []
        for x, d in zip(values, dims, strict=True):
            if d is not None:
                params = {"out_sharding": None} if reduce_name == "reduce_sum" else {}
                x = table[reduce_name](x, axes=(d,), **params)
            elif reduce_name == "reduce_sum":
                x = table["mul"](x, int(size))
            outs.append(x)
        if rest:
            outs = p(*outs, axes=rest, axis_index_groups=axis_index_groups)
        return outs, [None] * len(outs)

    p = collective(name, abstract, mapped, multiple_results=True, **rules)
    p.defaults = {"axis_index_groups": None}
    p.batch = lambda size, args, dims, **params: (p(*args, **params), dims)
    return p


def linear_rules(get) -> dict:
    """A collective that is linear in all operands: jvp is itself."""

    def jvp(primals, tangents, **params):
        p = get()
        outs = p(*primals, **params)
        given = [t for t in tangents if t is not None]
        moved = iter(p(*given, **params) if given else [])
        return outs, [None if t is None else next(moved) for t in tangents]

    def transpose(cts, args, *, axes, **params):
        """Its own transpose; over devices (`shared_sums`) the cotangent is shared already."""
        axes = tuple(a for a in axes if not getattr(bound_trace(a), "shared_sums", False))
        given = [c for c in cts if c is not None]
        moved = iter(get()(*given, axes=axes, **params) if given and axes else given)
        return [None if c is None else next(moved) for c in cts]

    return {"jvp": jvp, "transpose": transpose}


psum_p = reducing("psum", "reduce_sum", **linear_rules(lambda: psum_p))
pmax_p = reducing("pmax", "reduce_max")
pmin_p = reducing("pmin", "reduce_min")


def axis_index_mapped(size, values, dims, *, axis_name):
    return table["iota"](dtype=np.dtype("i4"), shape=(int(size),), dimension=0), 0


axis_index_p = collective("axis_index", lambda *, axis_name: make_aval((), np.int32),
                          axis_index_mapped)


def all_gather_abstract(x, *, all_gather_dimension, axis_name, axis_size, tiled, **_):
    shape = list(x.shape)
    if tiled:
        shape[all_gather_dimension] *= axis_size
    else:
        shape.insert(all_gather_dimension, axis_size)
    return x.update(shape=tuple(shape))


def all_gather_mapped(size, values, dims, *, all_gather_dimension, tiled, **_):
    x = broadcast_batch(values[0], dims[0], size)
    x = move_axis(x, 0, all_gather_dimension)
    return (merge_axes(x, all_gather_dimension) if tiled else x), None


def merge_axes(x, axis: int):
    s = aval_of(x).shape
    return table["reshape"](x, new_sizes=s[:axis] + (s[axis] * s[axis + 1],) + s[axis + 2:])


def split_axis_of(x, axis: int, size: int):
    s = aval_of(x).shape
    if s[axis] % size:
        raise ValueError(f"cannot split axis {axis} of shape {s} into {size} equal parts")
    return table["reshape"](x, new_sizes=s[:axis] + (size, s[axis] // size) + s[axis + 1:])


def simple_collective(name: str, abstract, mapped, transpose) -> Primitive:
    p = collective(name, abstract, mapped, transpose=transpose)
    p.jvp = lambda primals, tangents, **params: (p(*primals, **params), p(*tangents, **params))
    return p


def all_gather_transpose(ct, args, *, all_gather_dimension, axis_name, axis_size, tiled, **_):
    total = psum_p(ct, axes=(axis_name,))[0]
    if tiled:
        total = split_axis_of(total, all_gather_dimension, axis_size)
    return [take_own(total, all_gather_dimension, axis_name)]


def take_own(x, axis: int, axis_name):
    return dynamic_index_in_dim(x, axis_index_p(axis_name=axis_name), axis, keepdims=False)


all_gather_p = simple_collective("all_gather", all_gather_abstract, all_gather_mapped,
                                 all_gather_transpose)


def ppermute_mapped(size, values, dims, *, axis_name, perm):
    x = broadcast_batch(values[0], dims[0], size)
    sources = np.full(int(size), -1)
    for source, target in perm:
        sources[target] = source
    rows = [table["slice"](x, start_indices=(s,) + (0,) * (aval_of(x).ndim - 1),
                           limit_indices=(s + 1, *aval_of(x).shape[1:]), strides=None)
            if s >= 0 else box(np.zeros((1, *aval_of(x).shape[1:]), aval_of(x).dtype))
            for s in map(int, sources)]
    return table["concatenate"](*rows, dimension=0), 0


ppermute_p = simple_collective(
    "ppermute", lambda x, **_: x, ppermute_mapped,
    lambda ct, args, *, axis_name, perm: [
        ppermute_p(ct, axis_name=axis_name, perm=tuple((t, s) for s, t in perm))])


def all_to_all_abstract(x, *, split_axis, concat_axis, axis_name, tiled, axis_size, **_):
    shape = list(x.shape)
    if tiled:
        shape[split_axis] //= axis_size
        shape[concat_axis] *= axis_size
    else:
        shape.insert(concat_axis, shape.pop(split_axis))
    return x.update(shape=tuple(shape))


def all_to_all_mapped(size, values, dims, *, split_axis, concat_axis, tiled, **_):
    x = broadcast_batch(values[0], dims[0], size)  # (sender, ...)
    if tiled:
        x = split_axis_of(x, split_axis + 1, int(size))
    x = move_axis(x, split_axis + 1, 0)  # (receiver, sender, ...)
    x = move_axis(x, 1, concat_axis + 1)
    return (merge_axes(x, concat_axis + 1) if tiled else x), 0


all_to_all_p = simple_collective(
    "all_to_all", all_to_all_abstract, all_to_all_mapped,
    lambda ct, args, *, split_axis, concat_axis, **params: [
        all_to_all_p(ct, split_axis=concat_axis, concat_axis=split_axis, **params)])


def batch_other_axis(p: Primitive, shift: Callable):
    """Under a vmap that does not own the axis: the batch axis goes to the front and axes move."""

    def batch(size, args, dims, **params):
        return p(move_axis(args[0], dims[0], 0), **shift(params)), 0

    return batch


all_gather_p.batch = batch_other_axis(
    all_gather_p, lambda q: q | {"all_gather_dimension": q["all_gather_dimension"] + 1})
ppermute_p.batch = batch_other_axis(ppermute_p, lambda q: q)
all_to_all_p.batch = batch_other_axis(
    all_to_all_p, lambda q: q | {"split_axis": q["split_axis"] + 1,
                                 "concat_axis": q["concat_axis"] + 1})


# ------------------------------------------------------------------ what the user calls


def bound_trace(axis_name) -> BatchTrace | None:
    """The level that owns a mapped axis."""
    trace: Trace | None = get_mode().trace
    while trace is not None:
        if isinstance(trace, BatchTrace) and trace.size.name == axis_name:
            return trace
        trace = trace.outer.trace if trace.outer else None
    return None


def axis_size(axis_name) -> int:
    """The size of a mapped axis, known while tracing. Raises NameError if it is not bound."""
    trace = bound_trace(axis_name)
    if trace is not None:
        return int(trace.size)
    raise NameError(f"Found an unbound axis name: {axis_name}. To fix this, call the function "
                    "under `vmap(..., axis_name=...)`.")


def over_leaves(reduce: Callable):
    def collective_fn(x, axis_name, *, axis_index_groups=None):
        leaves, tree = tree_flatten(x)
        axes = axis_name if isinstance(axis_name, tuple) else (axis_name,)
        for name in axes:
            axis_size(name)
        return tree_unflatten(tree, reduce([box(v) for v in leaves], axes))

    return collective_fn


psum = over_leaves(lambda leaves, axes: psum_p(*leaves, axes=axes))
pmax = over_leaves(lambda leaves, axes: pmax_p(*leaves, axes=axes))
pmin = over_leaves(lambda leaves, axes: pmin_p(*leaves, axes=axes))


def pmean(x, axis_name):
    """The mean over a mapped axis."""
    names = axis_name if isinstance(axis_name, tuple) else (axis_name,)
    total = int(np.prod([axis_size(n) for n in names]))
    leaves, tree = tree_flatten(psum(x, axis_name))
    return tree_unflatten(tree, [table["div"](v, total) for v in leaves])


def axis_index(axis_name):
    """This position's index along a mapped axis."""
    axis_size(axis_name)
    return axis_index_p(axis_name=axis_name)


def all_gather(x, axis_name, *, axis: int = 0, tiled: bool = False):
    """Every position gets the values of all, along a new axis (or joined, if `tiled`)."""
    leaves, tree = tree_flatten(x)
    return tree_unflatten(tree, [
        all_gather_p(box(v), all_gather_dimension=axis % (aval_of(v).ndim + (not tiled)),
                     axis_name=axis_name, axis_size=axis_size(axis_name), tiled=tiled,
                     axis_index_groups=None) for v in leaves])


def ppermute(x, axis_name, perm):
    """Send values along the mapped axis by (source, target) pairs; others receive zeros."""
    axis_size(axis_name)
    leaves, tree = tree_flatten(x)
    return tree_unflatten(tree, [
        ppermute_p(box(v), axis_name=axis_name, perm=tuple(map(tuple, perm))) for v in leaves])


def all_to_all(x, axis_name, split_axis: int, concat_axis: int, *, tiled: bool = False):
    """Exchange: split an axis among the positions and join what the others sent."""
    leaves, tree = tree_flatten(x)
    return tree_unflatten(tree, [
        all_to_all_p(box(v), split_axis=split_axis, concat_axis=concat_axis, axis_name=axis_name,
                     axis_size=axis_size(axis_name), tiled=tiled, axis_index_groups=None)
        for v in leaves])
