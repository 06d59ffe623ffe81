"""pmap and shard_map: the function is written for one device, and runs once with an axis for the
devices: batching along named axes, under jit."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

from compat.jax.array import as_array
from compat.jax.devices import all_devices
from compat.jax.sharding import PartitionSpec, current_mesh, names_of
from compat.jax.jitting import jit
from compat.jax.transforms import arrays, check_callable, vmap
from minigrad.batch import batch_flat
from minigrad.jit import as_tuple
from minigrad.ops.families import move_axis
from minigrad.tree import flatten_axes, tree_flatten, tree_map, tree_unflatten


class PmapAxis:
    """The name of an axis that was given none."""

    def __repr__(self) -> str:
        return "<axis of pmap>"


def pmap(fun: Callable, axis_name=None, *, in_axes=0, out_axes=0, static_broadcasted_argnums=(),
         devices=None, backend=None, axis_size=None, donate_argnums=()) -> Callable:
    """`fun` for each device, over an axis of its arguments. Raises ValueError where that axis has
    another size than there are devices for."""
    check_callable(fun)
    name = PmapAxis() if axis_name is None else axis_name
    fixed = set(as_tuple(static_broadcasted_argnums))
    available = len(all_devices() if devices is None else devices)

    @functools.wraps(fun)
    def mapped(*args, **kwargs):
        in_axes_of = in_axes if isinstance(in_axes, (tuple, list)) else None
        rows = [a for i, a in enumerate(args) if i not in fixed]
        axes = in_axes if in_axes_of is None else tuple(
            a for i, a in enumerate(in_axes_of) if i not in fixed)
        size = checked_size(rows, kwargs, axes, axis_size, available)
        key = tuple((i, args[i]) for i in sorted(fixed) if i < len(args))
        return program(key, len(args), size)(*rows, **kwargs)

    programs: dict = {}

    def program(key, count: int, size: int) -> Callable:
        if (key, count, size) not in programs:
            statics = dict(key)

            @functools.wraps(fun)
            def call(*rows, **kwargs):
                given = iter(rows)
                return fun(*[statics[i] if i in statics else next(given) for i in range(count)],
                           **kwargs)

            axes = in_axes if not isinstance(in_axes, (tuple, list)) else tuple(
                a for i, a in enumerate(in_axes) if i not in statics)
            programs[key, count, size] = jit(functools.wraps(fun)(
                spread(call, axes, out_axes, name, size)))
        return programs[key, count, size]

    mapped.lower = lambda *args, **kwargs: program((), len(args), checked_size(
        args, kwargs, in_axes, axis_size, available)).lower(*args, **kwargs)
    return mapped


def checked_size(rows, kwargs, axes, axis_size, available: int) -> int:
    leaves, tree = tree_flatten((tuple(rows), kwargs))
    dims = flatten_axes("pmap in_axes", tree, (axes, 0), tupled_args=True)
    sizes = []
    for x, d in zip(arrays(leaves), dims):
        if d is not None and not x.ndim:
            raise ValueError("pmap requires at least one argument with a mapped axis.")
        if d is not None:
            sizes.append(x.shape[d])
    if axis_size is not None:
        sizes.append(axis_size)
    if not sizes:
        raise ValueError("pmap requires at least one argument with a mapped axis.")
    if len(set(sizes)) > 1:
        raise ValueError("pmap got inconsistent sizes for array axes to be mapped: "
                         f"{', '.join(map(str, sizes))}")
    if sizes[0] > available:
        raise ValueError(f"compiling computation that requires {sizes[0]} logical devices, but "
                         f"only {available} XLA devices are available (num_replicas={sizes[0]})")
    return sizes[0]


def spread(fun: Callable, in_axes, out_axes, name, size: int) -> Callable:
    """vmap in which an output axis of None means: what the first device has."""

    def call(*args, **kwargs):
        out = vmap(fun, in_axes=in_axes, out_axes=0, axis_name=name, axis_size=size)(
            *args, **kwargs)
        leaves, tree = tree_flatten(out)
        wanted = flatten_axes("pmap out_axes", tree, out_axes)
        from compat.jax import numpy as jnp

        return tree_unflatten(tree, [x[0] if a is None else jnp.moveaxis(x, 0, a)
                                     for x, a in zip(leaves, wanted)])

    return call


# ------------------------------------------------------------------ shard_map


def shard_map(f: Callable | None = None, /, *, out_specs, in_specs=None, mesh=None,
              axis_names=frozenset(), check_vma: bool = True, check_rep: bool | None = None):
    """`f` for each device of a mesh, on the parts of its arguments that `in_specs` give it.

    Raises ValueError where parts do not come out even, and where a result is said to be equal on
    all devices of an axis (`out_specs`) but may not be.
    """
    if f is None:
        return functools.partial(shard_map, out_specs=out_specs, in_specs=in_specs, mesh=mesh,
                                 axis_names=axis_names, check_vma=check_vma)
    check = check_vma if check_rep is None else check_rep

    @functools.wraps(f)
    def call(*args):
        over = mesh if mesh is not None else current_mesh.get()
        names = [n for n in over.axis_names if not axis_names or n in axis_names]
        leaves, tree = tree_flatten(tuple(args))
        leaves = [as_array(x) for x in leaves]
        wanted = in_specs if in_specs is not None else tree_map(spec_of, tuple(args))
        specs = spread_specs("in_specs", tree, wanted if isinstance(wanted, (tuple, list)) and
                             not isinstance(wanted, PartitionSpec) else (wanted,) * len(args))
        blocks = [cut(x, s, over, names, f) for x, s in zip(leaves, specs)]
        out_tree: list = []

        def flat(*xs):
            out_leaves, found = tree_flatten(f(*tree_unflatten(tree, xs)))
            out_tree[:] = [found]
            return [as_array(x) for x in out_leaves], [frozenset()] * len(out_leaves)

        mapped: Callable = flat
        for name in reversed(names):
            in_axes = tuple(0 if name in used(s) else None for s in specs)
            mapped = along(mapped, in_axes, name, over.shape[name], check)
        outs, varying = mapped(*blocks)
        result = spread_specs("out_specs", out_tree[0], out_specs)
        return tree_unflatten(out_tree[0], [
            joined(x, s, over, names, v, check) for x, s, v in zip(outs, result, varying)])

    return call


def smap(f: Callable | None = None, /, *, in_axes, out_axes, axis_name) -> Callable:
    """`shard_map` over one axis of the current mesh, with axes in the place of specs."""
    if f is None:
        return functools.partial(smap, in_axes=in_axes, out_axes=out_axes, axis_name=axis_name)

    def spec(axis):
        return PartitionSpec() if axis is None else PartitionSpec(*[None] * axis, axis_name)

    is_leaf = lambda a: a is None
    return shard_map(f, in_specs=tree_map(spec, in_axes, is_leaf=is_leaf),
                     out_specs=tree_map(spec, out_axes, is_leaf=is_leaf), axis_names={axis_name})


def spread_specs(what: str, tree, specs) -> list:
    """A spec for each leaf; `specs` is a prefix of the tree."""
    leaf = lambda s: s is None or isinstance(s, PartitionSpec)
    marks = tree_map(lambda s: Marked(s), specs, is_leaf=leaf)
    return [m.spec if m.spec is not None else PartitionSpec()
            for m in flatten_axes(f"shard_map {what}", tree, marks)]


class Marked:
    """A spec as a leaf."""

    def __init__(self, spec):
        self.spec = spec


def spec_of(x):
    """The spec an argument is placed by."""
    return getattr(getattr(x, "sharding", None), "spec", PartitionSpec())


def used(spec) -> set:
    return {n for entry in spec for n in names_of(entry)}


def cut(x, spec, mesh, names, f):
    """`x` with an axis in front for each mesh axis of its spec, in the order of the mesh."""
    if len(spec) > x.ndim:
        raise ValueError(f"shard_map applied to the function '{f.__name__}' with argument of rank "
                         f"{x.ndim}, but its in_spec is {spec!r}")
    shape, order, place = [], {}, 0
    for i, n in enumerate(x.shape):
        own = names_of(spec[i]) if i < len(spec) else ()
        parts = math.prod(mesh.shape[a] for a in own)
        if n % parts:
            raise ValueError(
                f"shard_map applied to the function '{f.__name__}' was given argument arrays with "
                "axis sizes that are not evenly divisible by the corresponding mesh axis sizes: "
                f"the array has shape {x.shape}, in_specs {spec!r} maps its axis {i} (of size {n}) "
                f"to mesh axes {own} (of size {parts}).\n\nArray arguments' axis sizes must be "
                "evenly divisible by the mesh axis or axes indicated by the corresponding elements "
                "of the argument's in_spec")
        for a in own:
            order[a] = place
            shape.append(mesh.shape[a])
            place += 1
        shape.append(n // parts)
        place += 1
    front = [order[n] for n in names if n in order]
    rest = [i for i in range(place) if i not in front]
    return x.reshape(tuple(shape)).transpose(*front, *rest) if shape else x


def along(function: Callable, in_axes, name, size: int, shared_sums: bool) -> Callable:
    """vmap of a function that gives (outputs, the axes that each varies along): those that vary
    along this one too get it in front."""

    def call(*blocks):
        found: list = []

        def flat(*xs):
            outs, found[:] = function(*[as_array(x) for x in xs])
            return outs

        outs, dims = batch_flat(flat, size, blocks, in_axes, name, shared_sums)
        outs = [as_array(o) if d is None else as_array(move_axis(o, d, 0))
                for o, d in zip(outs, dims)]
        return outs, [v | {name} if d is not None else v for v, d in zip(found, dims)]

    return call


def joined(x, spec, mesh, names, varying, check: bool):
    """The whole result from its parts: the axes of devices go where the spec says."""
    order = [n for n in names if n in varying]  # the axes in front, as `along` left them
    for n in list(order):
        if n not in used(spec):
            if check:
                raise ValueError(
                    "shard_map applied to a function was given out_specs which require "
                    f"replication which can't be statically inferred given the mesh: the result "
                    f"with out_specs {spec!r} might vary over mesh axis {n!r}. Check if these "
                    "output values are meant to be replicated over those mesh axes. If not, "
                    "consider revising the corresponding out_specs entries. If so, consider "
                    "disabling the check by passing the check_vma=False argument to shard_map.")
            x = x[(slice(None),) * order.index(n) + (0,)]
            order.remove(n)
    from compat.jax import numpy as jnp

    for n in used(spec):  # the same part everywhere, once for each device
        if n not in order:
            x = jnp.broadcast_to(x, (mesh.shape[n], *x.shape))
            order.insert(0, n)
    lead = len(order)
    perm, shape = [], []
    for i in range(x.ndim - lead):
        own = names_of(spec[i]) if i < len(spec) else ()
        perm += [order.index(n) for n in own] + [lead + i]
        shape.append(math.prod(mesh.shape[n] for n in own) * x.shape[lead + i])
    return x.transpose(*perm).reshape(tuple(shape)) if perm else x
