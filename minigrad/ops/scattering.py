"""Writing at computed places: scatter, and scatter with add, sub, mul, min, max.

A scatter writes one window of `updates` into a copy of the operand for each index vector, the
last axis of `indices`. Its transpose is a gather: an update gets back what stands where it went.

>>> import minigrad
>>> from kernels.indexing import ScatterDimensionNumbers
>>> one = ScatterDimensionNumbers((), (0,), (0,))  # x[i] += u, for each i
>>> text = minigrad.backward_source("scatter-add", "f32[5]", "i32[4,1]", "f32[4]",
...                                 dimension_numbers=one)
>>> "gather(g, y" in text
True
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np

from kernels import indexing as kernels
from kernels.indexing import GatherDimensionNumbers
from minigrad.core import Primitive, aval_of, is_linear, make_aval
from minigrad.ops.axes import check_same_dtypes, shifted, without
from minigrad.ops.families import broadcast_batch, instantiate, jvp_from_rules, table_op, zeros_like
from minigrad.ops.indexing import (
    DROP, check_batching_dims, check_dims, check_disjoint, check_index_map, gather, writable,
    zero_fill,
)
from minigrad.ops.shaping import full_like, iota, reshape_to
from minigrad.program import stage

# ------------------------------------------------------------------ shared by the rows


class Scatter(Primitive):
    """A row of this file. JAX keeps the program that combines an element with its update among
    the parameters; it follows from the row's name and the dtype, and is filled in here."""

    defaults = {"update_consts": (), "indices_are_sorted": False, "unique_indices": False,
                "mode": DROP}

    def __init__(self, name: str, impl, **rules):
        super().__init__(name, writable(impl), scatter_abstract, **rules)
        self.combine = name.partition("-")[2]
        self.batch = scatter_batch(self)

    def __call__(self, operand, indices, updates, **params):
        if params.get("update_jaxpr") is None:
            params["update_jaxpr"] = combiner(self.combine, aval_of(operand).dtype)
        return super().__call__(operand, indices, updates, **params)


@cache
def combiner(name: str, dtype):
    """The program of `name` on two scalars; None for a plain write."""
    scalar = make_aval((), dtype)
    return stage(lambda x, y: [table_op(name)(x, y)], [scalar, scalar]) if name else None


def scatter_abstract(x, indices, updates, *, update_jaxpr, update_consts, dimension_numbers,
                     indices_are_sorted, unique_indices, mode):
    n = dimension_numbers
    check_index_map("scatter", "scatter_dims_to_operand_dims", n.scatter_dims_to_operand_dims, x,
                    indices)
    check_same_dtypes("scatter", [x, updates])
    batch, rank = indices.shape[:-1], len(updates.shape)
    if rank != len(batch) + len(n.update_window_dims):
        raise TypeError("Updates tensor must be of rank "
                        f"{len(batch) + len(n.update_window_dims)}; got {rank}.")
    check_dims("scatter", "update_window_dims", n.update_window_dims, rank)
    check_dims("scatter", "inserted_window_dims", n.inserted_window_dims, len(x.shape))
    names = "operand_batching_dims", "scatter_indices_batching_dims"
    check_batching_dims("scatter", names, x, indices, n.operand_batching_dims,
                        n.scatter_indices_batching_dims)
    for name in ("inserted_window_dims", "scatter_dims_to_operand_dims"):
        check_disjoint("scatter", name, getattr(n, name), names[0], n.operand_batching_dims)
    dropped = (*n.inserted_window_dims, *n.operand_batching_dims)
    if len(x.shape) != len(n.update_window_dims) + len(dropped):
        raise TypeError("Scatter op has window of size "
                        f"{len(n.update_window_dims) + len(dropped)}; doesn't match operand of "
                        f"rank {len(x.shape)}.")
    for d, bound in zip(n.update_window_dims, without(x.shape, dropped)):
        if updates.shape[d] > bound:
            raise TypeError("Bounds of the window dimensions of updates must not exceed the "
                            "bounds of the corresponding dimensions of operand. For dimension "
                            f"{d}, updates bound is {updates.shape[d]}, operand bound is {bound}.")
    scattered = [d for d in range(rank) if d not in n.update_window_dims]
    for d, bound in zip(scattered, batch):
        if updates.shape[d] != bound:
            raise TypeError("Bounds of the scatter dimensions of updates must be the same as the "
                            "bounds of the corresponding dimensions of scatter indices. For "
                            f"scatter dimension {d}, updates bound is {updates.shape[d]}, "
                            f"indices bound is {bound}.")
    return make_aval(x.shape, x.dtype, x.weak_type)


def scatter_batch(p: Primitive):
    """Operand and updates both get a batch axis in front. Indices without one are the same for
    all: the axis is part of the window. With one, the three axes run side by side."""

    def batch(size, args, dims, *, dimension_numbers, **params):
        x, indices, updates = args
        x, updates = broadcast_batch(x, dims[0], size), broadcast_batch(updates, dims[2], size)
        n = dimension_numbers._replace(
            update_window_dims=shifted(dimension_numbers.update_window_dims),
            inserted_window_dims=shifted(dimension_numbers.inserted_window_dims),
            scatter_dims_to_operand_dims=shifted(dimension_numbers.scatter_dims_to_operand_dims),
            operand_batching_dims=shifted(dimension_numbers.operand_batching_dims))
        if dims[1] is None:
            n = n._replace(update_window_dims=(0, *n.update_window_dims))
        else:
            indices = broadcast_batch(indices, dims[1], size)
            n = n._replace(
                operand_batching_dims=(0, *n.operand_batching_dims),
                scatter_indices_batching_dims=(0, *shifted(n.scatter_indices_batching_dims)))
        return p(x, indices, updates, dimension_numbers=n, **params), 0

    return batch


def read_back(x, indices, updates, dimension_numbers, **params):
    """The windows of `x` at the places that `updates` were written to."""
    n = dimension_numbers
    dropped = (*n.inserted_window_dims, *n.operand_batching_dims)
    window = iter(n.update_window_dims)
    shape = aval_of(updates).shape
    sizes = tuple(1 if d in dropped else shape[next(window)] for d in range(len(aval_of(x).shape)))
    return gather(x, indices, dimension_numbers=GatherDimensionNumbers(*n), slice_sizes=sizes,
                  **params)


def select(mask, on_true, on_false):
    return table_op("select_n")(mask, on_false, on_true)


# ------------------------------------------------------------------ scatter-add, scatter-sub


def jvp_of_both(p: Primitive):
    """Linear in operand and updates together."""

    def jvp(primals, tangents, **params):
        x, indices, updates = primals
        out = p(x, indices, updates, **params)
        t, t_updates = instantiate(tangents[0], x), instantiate(tangents[2], updates)
        return out, p(t, indices, t_updates, **params)

    return jvp


def transpose_of_both(ct, args, *, dimension_numbers, mode, **_):
    x, indices, updates = args
    if not is_linear(updates):
        return [ct, None, None]
    back = read_back(ct, indices, updates, dimension_numbers, mode=mode,
                     fill_value=zero_fill(mode))
    return [ct if is_linear(x) else None, None, back]


scatter_add = Scatter("scatter-add", kernels.scatter_add, transpose=transpose_of_both)
scatter_add.jvp = jvp_of_both(scatter_add)


def scatter_sub_transpose(ct, args, **params):
    ct_x, _, back = transpose_of_both(ct, args, **params)
    return [ct_x, None, None if back is None else table_op("neg")(back)]


scatter_sub = Scatter("scatter-sub", kernels.scatter_sub, transpose=scatter_sub_transpose)
scatter_sub.jvp = jvp_of_both(scatter_sub)


# ------------------------------------------------------------------ scatter-mul


def check_unique(unique_indices: bool) -> None:
    """An element multiplied by two updates needs the product of the others for each."""
    if not unique_indices:
        raise NotImplementedError(
            "scatter_mul gradients are only implemented if `unique_indices=True`")


def scatter_mul_tangent(t, out, x, indices, updates, *, update_jaxpr, unique_indices, **params):
    check_unique(unique_indices)
    return table_op("mul")(x, scatter_add(zeros_like(x), indices, t,
                                          unique_indices=unique_indices, **params))


def scatter_mul_transpose(ct, args, *, dimension_numbers, unique_indices, mode, **params):
    x, indices, updates = args
    numbers = {"dimension_numbers": dimension_numbers, "mode": mode}
    if is_linear(x):
        return [scatter_mul(ct, indices, updates, unique_indices=unique_indices, **numbers,
                            **params), None, None]
    check_unique(unique_indices)
    return [None, None, read_back(table_op("mul")(ct, x), indices, updates, **numbers,
                                  fill_value=zero_fill(mode))]


scatter_mul = Scatter("scatter-mul", kernels.scatter_mul, transpose=scatter_mul_transpose)
scatter_mul.jvp = jvp_from_rules(scatter_mul, (
    lambda t, out, x, indices, updates, **params: scatter_mul(t, indices, updates, **params),
    None,
    scatter_mul_tangent,
))


# ------------------------------------------------------------------ scatter-min, scatter-max


def jvp_of_extreme(p: Primitive):
    """The tangent of whatever won; where several are equal, the mean of theirs."""

    def jvp(primals, tangents, *, update_jaxpr, dimension_numbers, **params):
        n = dimension_numbers
        x, indices, updates = primals
        out = p(x, indices, updates, update_jaxpr=update_jaxpr, dimension_numbers=n, **params)
        t, t_updates = instantiate(tangents[0], x), instantiate(tangents[2], updates)
        add, mul, div, eq = map(table_op, ("add", "mul", "div", "eq"))

        def look(array):
            return read_back(array, indices, updates, n)

        def count(zeros, ones):
            return look(scatter_add(zeros, indices, ones, dimension_numbers=n))

        before, after = look(x), look(out)
        won, kept = eq(updates, after), eq(before, after)
        winners = count(zeros_like(x), select(won, full_like(updates, 1), zeros_like(updates)))
        writers = count(zeros_like(x), full_like(updates, 1))
        share = select(kept, div(1.0, add(winners, 1.0)), div(1.0, winners))
        share = select(won, share, zeros_like(updates))
        remains = select(kept, div(1.0, add(winners, 1.0)), zeros_like(winners))
        # Each writer of an element takes its part of what the element itself loses.
        loss = div(add(-1.0, remains), writers)
        change = add(mul(look(t), loss), mul(t_updates, share))
        return out, scatter_add(t, indices, change, dimension_numbers=n, **params)

    return jvp


scatter_min = Scatter("scatter-min", kernels.scatter_min)
scatter_min.jvp = jvp_of_extreme(scatter_min)

scatter_max = Scatter("scatter-max", kernels.scatter_max)
scatter_max.jvp = jvp_of_extreme(scatter_max)


# ------------------------------------------------------------------ scatter


def scatter_jvp(primals, tangents, *, update_jaxpr, dimension_numbers, unique_indices, mode,
                **params):
    """Which of several updates to one place wins is not said; the tangent must be that of the
    winner. So the updates are numbered, the numbers scattered and read back: an update that finds
    another's number has lost. What is left has no overlaps and is added up."""
    if update_jaxpr is not None:
        raise NotImplementedError("scatter_apply JVP not implemented")
    x, indices, updates = primals
    t, t_updates = instantiate(tangents[0], x), instantiate(tangents[2], updates)
    n = dimension_numbers
    params = dict(params, dimension_numbers=n, unique_indices=unique_indices, mode=mode)
    if unique_indices:
        return scatter(x, indices, updates, **params), scatter(t, indices, t_updates, **params)

    shape = list(aval_of(updates).shape)
    for d in n.update_window_dims:
        shape[d] = 1
    count = math.prod(shape)
    dtype = np.dtype(np.uint32 if count < 2 ** 32 else np.uint64)
    numbers = reshape_to(iota(dtype=dtype, shape=(count,), dimension=0), shape)
    numbers = table_op("add")(numbers, full_like(updates, 1, dtype))
    written = scatter(full_like(x, 0, dtype), indices, numbers, **params)
    found = read_back(written, indices, updates, n)

    eq = table_op("eq")

    def without_overlaps(operand, new):
        untouched = eq(written, zeros_like(written))
        operand = select(untouched, operand, zeros_like(operand))
        return operand, select(eq(numbers, found), new, zeros_like(new))

    masked, masked_t = without_overlaps(x, updates), without_overlaps(t, t_updates)
    return (scatter_add(masked[0], indices, masked[1], **params),
            scatter_add(masked_t[0], indices, masked_t[1], **params))


def scatter_transpose(ct, args, *, dimension_numbers, indices_are_sorted, unique_indices, mode,
                      **_):
    """What was overwritten has no influence; the updates have what stands in its place."""
    if not unique_indices:
        raise NotImplementedError(
            "scatter transpose is only implemented where unique_indices=True")
    x, indices, updates = args
    ct_x = ct_updates = None
    if is_linear(x):
        zeros = full_like(ct, 0, shape=aval_of(updates).shape)
        ct_x = scatter(ct, indices, zeros, dimension_numbers=dimension_numbers, mode=mode,
                       indices_are_sorted=indices_are_sorted, unique_indices=True)
    if is_linear(updates):
        ct_updates = read_back(ct, indices, updates, dimension_numbers, mode=mode,
                               fill_value=zero_fill(mode))
    return [ct_x, None, ct_updates]


scatter = Scatter("scatter", kernels.scatter, jvp=scatter_jvp, transpose=scatter_transpose)

