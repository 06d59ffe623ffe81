"""`vmap`: a level whose values carry a batch axis.

>>> import minigrad as mg, numpy as np
>>> scaled = mg.vmap(mg.numpy.multiply, in_axes=(0, None))
>>> print(np.asarray(scaled(np.arange(3.0), 2.0)))
[0. 2. 4.]
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from minigrad import errors
from minigrad.show import mismatches
from minigrad.core import (
    Primitive, Tensor, Trace, Tracer, aval_of, box, get_mode, level, owns, table,
)
from minigrad.ops.families import broadcast_batch, move_axis
from minigrad.program import Jaxpr, eval_jaxpr, stage
from minigrad.tree import flatten_axes, tree_flatten, tree_unflatten


class AxisSize(int):
    """The size of a mapped axis, which knows its name."""

    name: object = None

    @classmethod
    def named(cls, size: int, name) -> AxisSize:
        axis = cls(size)
        axis.name = name
        return axis


class BatchTracer(Tracer):
    __slots__ = ("value", "dim")

    def __init__(self, trace: Trace, value, dim: int | None):
        self.trace, self.value, self.dim = trace, value, dim
        aval = aval_of(value)
        shape = aval.shape
        self.aval = aval if dim is None else aval.update(shape=shape[:dim] + shape[dim + 1:])


class BatchTrace(Trace):
    """Values are arrays with one axis more than the function sees; `None` marks one without."""

    origin = "vmap"

    def __init__(self, size: int, name=None, shared_sums: bool = False):
        self.size = AxisSize.named(size, name)
        self.shared_sums = shared_sums  # positions are devices: see `sum_of_shared`

    def interpret(self, primitive: Primitive, args: list, params: dict):
        own = [type(a) is BatchTracer and a.trace is self for a in args]
        values = [a.value if mine else a for a, mine in zip(args, own)]
        dims = [a.dim if mine else None for a, mine in zip(args, own)]
        if self.size.name is not None and self.size.name in axis_names(params):
            outs, dims_out = primitive.mapped(self.size, values, dims, **params)
        elif all(d is None for d in dims):
            outs = primitive(*values, **params)
            dims_out = [None] * len(outs) if primitive.multiple_results else None
        elif primitive.batch is None:
            raise errors.no_rule(primitive, "batching")
        else:
            outs, dims_out = primitive.batch(self.size, values, dims, **params)
        if primitive.multiple_results:
            return [BatchTracer(self, o, d) for o, d in zip(outs, dims_out, strict=True)]
        return BatchTracer(self, outs, dims_out)


def batch_flat(f: Callable[..., list], size: int, args: Sequence, dims: Sequence,
               name=None, shared_sums: bool = False) -> tuple[list, list]:
    """Map a function of flat values; returns the outputs and their batch axes."""
    trace = BatchTrace(size, name, shared_sums)
    with level(trace, grad=get_mode().grad):
        boxes = [box(BatchTracer(trace, a, d), type(a)) if isinstance(a, Tensor) else
                 box(BatchTracer(trace, a, d)) for a, d in zip(args, dims, strict=True)]
        outs = f(*boxes)
        pairs = [(o.value.value, o.value.dim) if isinstance(o, Tensor) and owns(trace, o)
                 else (o, None) for o in outs]
    return [o for o, _ in pairs], [d for _, d in pairs]


def sum_of_shared(cotangent, primal):
    """Where positions are devices, what they share is one value, and a gradient taken inside by it
    is the sum of what each device contributes, as in jax.shard_map. Under vmap each position has
    a gradient of its own."""
    trace, ct, x, names = get_mode().trace, cotangent, primal, []
    while isinstance(trace, BatchTrace) and trace.shared_sums:
        (ct, varies), (x, varied) = below(trace, ct), below(trace, x)
        if varies and not varied:
            names.append(trace.size.name)
        trace = trace.outer.trace
    return table["psum"](cotangent, axes=tuple(names))[0] if names else cotangent


def below(trace: BatchTrace, x):
    """(the value one level down, does it vary along the axis?)"""
    if isinstance(x, Tensor) and owns(trace, x):
        return x.value.value, x.value.dim is not None
    return x, False


def batch_jaxpr(jaxpr: Jaxpr, size: AxisSize, dims: Sequence[int | None],
                instantiate: Sequence[bool] | bool = False) -> tuple[Jaxpr, list[bool]]:
    """A program of the mapped program. Batched inputs come with the axis in front, and so do
    batched outputs; `instantiate` forces outputs to be batched. Returns the flags too."""
    forced = [instantiate] * len(jaxpr.outvars) if isinstance(instantiate, bool) else instantiate
    key = "batch", int(size), size.name, tuple(d is not None for d in dims), tuple(forced)
    if key in jaxpr.cache:
        return jaxpr.cache[key]
    batched: list[bool] = []

    def mapped(*args):
        fronts = [None if d is None else 0 for d in dims]
        outs, dims_out = batch_flat(lambda *xs: eval_jaxpr(jaxpr, *xs), size, args, fronts,
                                    size.name)
        batched[:] = [d is not None or f for d, f in zip(dims_out, forced, strict=True)]
        return [broadcast_batch(o, d, size) if b else o
                for o, d, b in zip(outs, dims_out, batched)]

    avals = [a if d is None else a.update(shape=(int(size), *a.shape))
             for a, d in zip(jaxpr.in_avals, dims)]
    jaxpr.cache[key] = stage(mapped, avals, name="vmap"), batched
    return jaxpr.cache[key]


def vmap(f: Callable, in_axes=0, out_axes=0, axis_name=None, axis_size: int | None = None,
         spmd_axis_name=None) -> Callable:
    """Map `f` over an axis of its arguments.

    in_axes, out_axes: an int, None (not mapped), or a tree prefix of the arguments (outputs).
    axis_name: what collectives inside call the axis. Raises ValueError where sizes disagree.
    Source: jax.vmap.
    """
    if isinstance(in_axes, list):
        in_axes = tuple(in_axes)
    if not (in_axes is None or isinstance(in_axes, (int, tuple))) or isinstance(in_axes, bool):
        raise TypeError(mismatches.IN_AXES.format(f"{in_axes}."))

    def mapped(*args, **kwargs):
        if isinstance(in_axes, tuple) and len(in_axes) != len(args):
            raise ValueError(mismatches.IN_AXES.format(
                f"len(in_axes)={len(in_axes)}, len(args)={len(args)}"))
        leaves, tree = tree_flatten((args, kwargs))
        axes = flatten_axes("vmap in_axes", tree, (in_axes, 0), tupled_args=True)
        leaves = [box(x) for x in leaves]
        dims = [canonical_axis(x, d) for x, d in zip(leaves, axes)]
        size = mapped_size(f, tree, leaves, dims, axis_size)
        seen: dict = {}

        def flat(*xs):
            inner_args, inner_kwargs = tree_unflatten(tree, xs)
            out_leaves, seen["tree"] = tree_flatten(f(*inner_args, **inner_kwargs))
            return [box(x) for x in out_leaves]

        outs, dims_out = batch_flat(flat, size, leaves, dims, axis_name)
        wanted = flatten_axes("vmap out_axes", seen["tree"], out_axes)
        return tree_unflatten(seen["tree"], [
            match_axis(o, d, w, size) for o, d, w in zip(outs, dims_out, wanted)])

    mapped.__name__ = getattr(f, "__name__", "mapped")
    return mapped


def canonical_axis(x, axis: int | None) -> int | None:
    ndim = len(aval_of(x).shape)
    if axis is None:
        return None
    if not -ndim <= axis < ndim:
        raise ValueError(mismatches.axis_beyond(axis, aval_of(x).shape))
    return axis % ndim


def mapped_size(f: Callable, tree, leaves, dims, axis_size: int | None) -> int:
    sizes = {aval_of(x).shape[d] for x, d in zip(leaves, dims) if d is not None}
    if axis_size is not None:
        sizes.add(axis_size)
    if len(sizes) != 1:
        raise ValueError(mismatches.axis_sizes(f, tree, leaves, dims, axis_size))
    return sizes.pop()


def match_axis(out, dim: int | None, wanted: int | None, size: int):
    if wanted is None:
        if dim is not None:
            raise ValueError(mismatches.UNMAPPED.format(dim))
        return out
    ndim = len(aval_of(out).shape) + (dim is None)
    if not -ndim <= wanted < ndim:
        raise ValueError(mismatches.OUT_AXES.format(wanted, ndim))
    wanted %= ndim
    if dim is None:
        out, dim = broadcast_batch(out, None, size), 0
    return move_axis(out, dim, wanted)


def axis_names(params: dict) -> tuple:
    """The mapped axes that an equation speaks of."""
    names = params.get("axes", params.get("axis_name", ()))
    names = names if isinstance(names, tuple) else (names,)
    return tuple(n for n in names if not isinstance(n, int))
