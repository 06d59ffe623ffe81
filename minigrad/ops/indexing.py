"""Reading at computed places: dynamic slices and gather. Writing there is in `scattering`.

A gather reads one window of the operand for each index vector, the last axis of `indices`; its
transpose adds windows up where they were read, so indices that repeat get the sum:

>>> import minigrad
>>> from kernels.indexing import GatherDimensionNumbers
>>> rows = GatherDimensionNumbers((1,), (0,), (0,))  # x[i] of a matrix, for each i
>>> text = minigrad.backward_source("gather", "f32[5,3]", "i32[4,1]", dimension_numbers=rows,
...                                 slice_sizes=(1, 3))
>>> "scatter_add(" in text
True
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kernels import indexing as kernels
from kernels.indexing import GatherDimensionNumbers, GatherScatterMode, ScatterDimensionNumbers
from minigrad.core import Primitive, Tensor, aval_of, is_linear, make_aval
from minigrad.ops.axes import canonical, check_same_dtypes, linear_together, shifted, without
from minigrad.ops.families import (
    dtype_kind, full, jvp_from_rules, linear, move_axis, table_op, weak_scalar,
)
from minigrad.ops.joining import join
from minigrad.ops.shaping import broadcast_in_dim, expand_dims, squeeze

CLIP, DROP = GatherScatterMode.CLIP, GatherScatterMode.FILL_OR_DROP
PROMISE = GatherScatterMode.PROMISE_IN_BOUNDS

# ------------------------------------------------------------------ one window


def writable(kernel):
    """An operand of rank 0 may come as a NumPy scalar, which no kernel can write to."""
    return lambda x, *rest, **params: kernel(np.asarray(x), *rest, **params)


def check_start_indices(name: str, indices) -> None:
    if any(i.shape for i in indices):
        shown = ", ".join(f"{i.dtype.name}[{','.join(map(str, i.shape))}]" for i in indices)
        raise TypeError(f"start_indices arguments to {name} must be scalars,  got indices {shown}")
    if any(i.dtype != indices[0].dtype or dtype_kind(i.dtype) not in "iu" for i in indices):
        raise TypeError(f"index arguments to {name} must be integers of the same type, got: "
                        f"{', '.join(i.dtype.name for i in indices)}")


def index_operands(args, params) -> list:
    """Start indices that are Python integers take the dtype of those that are arrays."""
    dtype = next((aval_of(a).dtype for a in reversed(args) if type(a) is not int), None)
    dtype = dtype if dtype is not None and dtype_kind(dtype) in "iu" else np.dtype(np.int32)
    return [weak_scalar(a, dtype) if type(a) is int else a for a in args]


def dynamic_slice_abstract(x, *start_indices, slice_sizes):
    if len(slice_sizes) != len(x.shape) or len(start_indices) != len(x.shape):
        raise TypeError("dynamic_slice needs a start index and a slice size for each axis, got "
                        f"{len(start_indices)} start indices and slice_sizes {slice_sizes} for "
                        f"operand shape {x.shape}.")
    if any(size > n for size, n in zip(slice_sizes, x.shape)):
        raise TypeError("slice slice_sizes must be less than or equal to operand shape, got "
                        f"slice_sizes {slice_sizes} for operand shape {x.shape}.")
    if any(size < 0 for size in slice_sizes):
        raise TypeError("slice slice_sizes must be greater than or equal to zero, got "
                        f"slice_sizes of {slice_sizes}.")
    check_start_indices("dynamic_slice", start_indices)
    return make_aval(tuple(slice_sizes), x.dtype, x.weak_type)


def dynamic_slice_transpose(ct, x, *start_indices, slice_sizes):
    """Zeros, with the cotangent where the window was."""
    return dynamic_update_slice(full(x.shape, 0, x.dtype), ct, *start_indices)


def dynamic_slice_batch(size, args, dims, *, slice_sizes):
    """Windows at different places: a gather."""
    axes = tuple(range(len(slice_sizes)))
    indices, dim = index_vectors(int(size), args[1:], dims[1:])
    return gather_batch(
        size, [args[0], indices], [dims[0], dim],
        dimension_numbers=GatherDimensionNumbers(axes, (), axes), slice_sizes=slice_sizes,
        unique_indices=True, indices_are_sorted=True, mode=CLIP, fill_value=None)


def index_vectors(size: int, indices, dims):
    """Scalar indices as one array of index vectors, (size, ndim) where any of them is batched."""
    if not indices:
        return np.zeros(0, np.int32), None
    batch = () if all(d is None for d in dims) else (size,)
    columns = [broadcast_in_dim(i, shape=(*batch, 1),
                                broadcast_dimensions=() if d is None else (0,))
               for i, d in zip(indices, dims)]
    return join(columns, len(batch)), 0 if batch else None


dynamic_slice = linear("dynamic_slice", kernels.dynamic_slice, dynamic_slice_abstract,
                       dynamic_slice_transpose, dynamic_slice_batch, prepare=index_operands)


def dynamic_update_slice_abstract(x, update, *start_indices):
    name = "dynamic_update_slice"
    if len(x.shape) != len(update.shape):
        raise TypeError(f"{name} update must have the same rank as operand, got update shape "
                        f"{update.shape} for operand shape {x.shape}.")
    if len(x.shape) != len(start_indices):
        raise TypeError(f"{name} start_indices must have length equal to the rank of operand, got "
                        f"indices {start_indices} for operand shape {x.shape}.")
    if any(size > n for size, n in zip(update.shape, x.shape)):
        raise TypeError(f"{name} update shape must be smaller than operand shape, got update "
                        f"shape {update.shape} for operand shape {x.shape}.")
    check_same_dtypes(name, [x, update])
    check_start_indices(name, start_indices)
    weak = all(a.weak_type for a in (x, update, *start_indices))
    return make_aval(x.shape, x.dtype, weak)


def dynamic_update_slice_transpose(ct, args):
    """The window of the cotangent belongs to the update, the rest to the operand."""
    x, update, *starts = args
    shape, dtype = aval_of(update).shape, aval_of(ct).dtype
    zeros = full(shape, 0, dtype)
    ct_x = dynamic_update_slice(ct, zeros, *starts) if is_linear(x) else None
    ct_update = dynamic_slice(ct, *starts, slice_sizes=shape) if is_linear(update) else None
    return [ct_x, ct_update] + [None] * len(starts)


def dynamic_update_slice_batch(size, args, dims):
    """Windows at different places: a scatter."""
    axes = tuple(range(len(args) - 2))
    indices, dim = index_vectors(int(size), args[2:], dims[2:])
    return table_op("scatter").batch(
        size, [args[0], indices, args[1]], [dims[0], dim, dims[1]], update_jaxpr=None,
        update_consts=(), dimension_numbers=ScatterDimensionNumbers(axes, (), axes),
        indices_are_sorted=True, unique_indices=True, mode=CLIP)


dynamic_update_slice = Primitive(
    "dynamic_update_slice", writable(kernels.dynamic_update_slice),
    dynamic_update_slice_abstract, transpose=dynamic_update_slice_transpose,
    batch=dynamic_update_slice_batch, prepare=index_operands, family="linear",
)
linear_together(dynamic_update_slice, 2)


# ------------------------------------------------------------------ checks of dimension numbers


def check_dims(op: str, name: str, dims: Sequence[int], rank: int, in_order: bool = True) -> None:
    """Dimensions of an array of `rank`, each at most once."""
    if in_order and list(dims) != sorted(dims):
        raise TypeError(f"{name} in {op} op must be sorted; got {dims}")
    for d in dims:
        if not 0 <= d < rank:
            raise TypeError(f"Invalid {name} set in {op} op; valid range is [0, {rank}); "
                            f"got: {d}.")
    if len(set(dims)) != len(dims):
        raise TypeError(f"{name} in {op} op must not repeat; got: {dims}.")


def check_disjoint(op: str, name: str, dims, other_name: str, others) -> None:
    if set(dims) & set(others):
        raise TypeError(f"{name} and {other_name} in {op} op must be disjoint; "
                        f"got: {dims} and {others}.")


def check_index_map(op: str, name: str, index_map, x, indices) -> None:
    """An index vector has an entry for each dimension of the operand that it moves along."""
    if not indices.shape:
        raise TypeError(f"{op.capitalize()} index leaf dimension must be within [0, rank(indices) "
                        "+ 1). rank(indices) is 0 and index leaf dimension is -1.")
    if dtype_kind(indices.dtype) not in "iu":
        raise ValueError("indices must have an integer type")
    last = len(indices.shape) - 1
    if len(index_map) != indices.shape[last]:
        raise TypeError(f"{op.capitalize()} op has {len(index_map)} elements in {name} and the "
                        f"bound of dimension index_vector_dim={last} of indices is "
                        f"{indices.shape[last]}. These two numbers must be equal.")
    for i, d in enumerate(index_map):
        if not 0 <= d < len(x.shape):
            raise TypeError(f"Invalid {name}; domain is [0, {len(x.shape)}), got: {i}->{d}.")
    if len(set(index_map)) != len(index_map):
        raise TypeError(f"{name} in {op} op must not repeat; got: {index_map}.")


def check_batching_dims(op: str, names, x, indices, x_dims, index_dims) -> None:
    """Dimensions of operand and indices that run side by side."""
    check_dims(op, names[0], x_dims, len(x.shape))
    check_dims(op, names[1], index_dims, len(indices.shape), in_order=False)
    if len(indices.shape) - 1 in index_dims:
        raise TypeError(f"{op.capitalize()} op cannot have the index vector dimension as a "
                        f"batching dimension; got {index_dims}.")
    if len(x_dims) != len(index_dims):
        raise TypeError(f"{op.capitalize()} op requires equal numbers of {names[0]} and "
                        f"{names[1]}, got {x_dims} and{index_dims}.")
    sizes = tuple(x.shape[d] for d in x_dims), tuple(indices.shape[d] for d in index_dims)
    if sizes[0] != sizes[1]:
        raise TypeError(f"{op.capitalize()} op requires operand batching dimensions and indices "
                        f"batching dimensions to have the same shape, got {sizes[0]} and "
                        f"{sizes[1]}.")


# ------------------------------------------------------------------ gather


def gather_abstract(x, indices, *, dimension_numbers, slice_sizes, unique_indices,
                    indices_are_sorted, mode, fill_value):
    n = dimension_numbers
    check_index_map("gather", "start_index_map", n.start_index_map, x, indices)
    rank = len(indices.shape) - 1 + len(n.offset_dims)
    for i, d in enumerate(n.offset_dims):
        if not 0 <= d < rank:
            raise TypeError(f"Offset dimension {i} in gather op is out of bounds; got {d}, but "
                            f"should have been in [0, {rank})")
    check_dims("gather", "offset_dims", n.offset_dims, rank)
    check_dims("gather", "collapsed_slice_dims", n.collapsed_slice_dims, len(x.shape))
    names = "operand_batching_dims", "start_indices_batching_dims"
    check_batching_dims("gather", names, x, indices, n.operand_batching_dims,
                        n.start_indices_batching_dims)
    for name in ("collapsed_slice_dims", "start_index_map"):
        check_disjoint("gather", name, getattr(n, name), names[0], n.operand_batching_dims)
    if len(slice_sizes) != len(x.shape):
        raise TypeError("Gather op must have one slice size for every input dimension; got: "
                        f"len(slice_sizes)={len(slice_sizes)}, input_shape.rank={len(x.shape)}")
    dropped = (*n.collapsed_slice_dims, *n.operand_batching_dims)
    if len(slice_sizes) != len(n.offset_dims) + len(dropped):
        raise TypeError("All components of the offset index in a gather op must either be a "
                        "offset dimension or explicitly collapsed/batching; got "
                        f"len(slice_sizes)={len(slice_sizes)}, output_slice_sizes="
                        f"{n.offset_dims}, collapsed_slice_dims={n.collapsed_slice_dims}, "
                        f"operand_batching_dims={n.operand_batching_dims}.")
    for i, (size, bound) in enumerate(zip(slice_sizes, x.shape)):
        if not 0 <= size <= bound and 0 not in indices.shape:
            raise TypeError(f"Slice size at index {i} in gather op is out of range, must be "
                            f"within [0, {bound} + 1), got {size}.")
    for i, d in enumerate(n.collapsed_slice_dims):
        if slice_sizes[d] != 1:
            raise TypeError("Gather op can only collapse slice dims with bound 1, but bound is "
                            f"{slice_sizes[d]} for index {d} at position {i}.")
    for i, d in enumerate(n.operand_batching_dims):
        if slice_sizes[d] > 1:
            raise TypeError("Gather op can only have operand batching dims with bound 0/1, but "
                            f"bound is {slice_sizes[d]} for index {d} at position {i}.")
    window, batch = iter(without(slice_sizes, dropped)), iter(indices.shape)
    shape = tuple(next(window if i in n.offset_dims else batch) for i in range(rank))
    return make_aval(shape, x.dtype, x.weak_type)


def zero_fill(mode: GatherScatterMode):
    """Nothing comes from outside the operand to a derivative."""
    return 0 if mode is DROP else None


def gather_transpose(ct, args, *, dimension_numbers, slice_sizes, unique_indices,
                     indices_are_sorted, mode, fill_value):
    x, indices = args
    zeros = full(x.shape, 0, aval_of(ct).dtype)
    return [table_op("scatter-add")(
        zeros, indices, ct, dimension_numbers=ScatterDimensionNumbers(*dimension_numbers),
        unique_indices=unique_indices, indices_are_sorted=indices_are_sorted, mode=mode), None]


def gather_batch(size, args, dims, *, dimension_numbers, slice_sizes, **params):
    """A batched operand is read whole, a batched index array just has more vectors; where both
    are batched, the two axes run side by side."""
    x, indices = (a if d is None else move_axis(a, d, 0) for a, d in zip(args, dims))
    n = dimension_numbers
    if dims[0] is not None:
        n = n._replace(collapsed_slice_dims=shifted(n.collapsed_slice_dims),
                       start_index_map=shifted(n.start_index_map),
                       operand_batching_dims=shifted(n.operand_batching_dims))
    if dims[1] is None:
        n = n._replace(offset_dims=(0, *shifted(n.offset_dims)))
        slice_sizes = (int(size), *slice_sizes)
    else:
        n = n._replace(offset_dims=shifted(n.offset_dims),
                       start_indices_batching_dims=shifted(n.start_indices_batching_dims))
    if dims[0] is None:  # the vectors of all examples together may repeat
        params |= {"unique_indices": False, "indices_are_sorted": False}
    elif dims[1] is not None:
        n = n._replace(operand_batching_dims=(0, *n.operand_batching_dims),
                       start_indices_batching_dims=(0, *n.start_indices_batching_dims))
        slice_sizes = (min(1, int(size)), *slice_sizes)
    return gather(x, indices, dimension_numbers=n, slice_sizes=slice_sizes, **params), 0


gather = Primitive(
    "gather", kernels.gather, gather_abstract, transpose=gather_transpose, batch=gather_batch,
    family="linear", defaults={"unique_indices": False, "indices_are_sorted": False,
                               "mode": PROMISE, "fill_value": None},
)
gather.jvp = jvp_from_rules(gather, (
    lambda t, out, x, indices, *, mode, fill_value, **params: gather(
        t, indices, mode=mode, fill_value=zero_fill(mode), **params),
    None,
))


# ------------------------------------------------------------------ functions of jax.lax


def from_the_end(index, n: int):
    """A negative index counts from the end; a computed one is looked at when it is known."""
    if isinstance(index, (int, np.integer)):
        return index + n if index < 0 else index
    if dtype_kind(aval_of(index).dtype) == "u":
        return index
    lt, add, select_n = table_op("lt"), table_op("add"), table_op("select_n")
    return select_n(lt(index, 0), index, add(index, n))


def starts_in_dim(x, index, axis: int, allow_negative_indices: bool) -> list:
    """Zeros but for `index` at `axis`, all of one dtype."""
    shape = aval_of(x).shape
    dtype = aval_of(index).dtype
    if allow_negative_indices:
        index = from_the_end(index, shape[axis])
    starts: list = [np.zeros((), dtype)[()]] * len(shape)
    starts[axis] = index if isinstance(index, Tensor) else np.asarray(index, dtype)[()]
    return starts


def dynamic_slice_in_dim(x, start_index, slice_size: int, axis: int = 0, *,
                         allow_negative_indices: bool = True):
    """`slice_size` positions from a computed start along one axis; moved inside if need be."""
    shape = aval_of(x).shape
    axis = canonical(axis, len(shape))
    sizes = (*shape[:axis], slice_size, *shape[axis + 1:])
    return dynamic_slice(x, *starts_in_dim(x, start_index, axis, allow_negative_indices),
                         slice_sizes=sizes)


def dynamic_index_in_dim(x, index, axis: int = 0, keepdims: bool = True, *,
                         allow_negative_indices: bool = True):
    """One position along an axis, which `keepdims` leaves in with size one."""
    axis = canonical(axis, len(aval_of(x).shape))
    cut = dynamic_slice_in_dim(x, index, 1, axis, allow_negative_indices=allow_negative_indices)
    return cut if keepdims else squeeze(cut, dimensions=(axis,))


def dynamic_update_slice_in_dim(x, update, start_index, axis: int, *,
                                allow_negative_indices: bool = True):
    """`x` with `update` written from a computed start along one axis."""
    axis = canonical(axis, len(aval_of(x).shape))
    return dynamic_update_slice(
        x, update, *starts_in_dim(x, start_index, axis, allow_negative_indices))


def dynamic_update_index_in_dim(x, update, index, axis: int, *,
                                allow_negative_indices: bool = True):
    """`x` with `update` written at one computed position along an axis."""
    ndim = len(aval_of(x).shape)
    axis = canonical(axis, ndim)
    if len(aval_of(update).shape) != ndim:
        update = expand_dims(update, (axis,))
    return dynamic_update_slice_in_dim(x, update, index, axis,
                                       allow_negative_indices=allow_negative_indices)


def index_take(x, indices: Sequence, axes: Sequence[int]):
    """`x` read at index arrays of rank one, an array for each of `axes`, which come first in the
    result as one axis. Negative indices count from the end, as everywhere modulo the size."""
    shape = aval_of(x).shape
    vectors = join([expand_dims(i, (1,)) for i in indices], 1)
    bounds = np.array([[shape[a] for a in axes]], aval_of(vectors).dtype)
    rem, add, lt, select_n = map(table_op, ("rem", "add", "lt", "select_n"))
    vectors = rem(vectors, bounds)
    vectors = select_n(lt(vectors, 0), vectors, add(vectors, bounds))
    sizes = tuple(1 if i in axes else n for i, n in enumerate(shape))
    offset_dims = tuple(range(1, len(shape) - len(axes) + 1))
    return gather(x, vectors, slice_sizes=sizes,
                  dimension_numbers=GatherDimensionNumbers(offset_dims, tuple(axes), tuple(axes)))


