"""Primitives that move numbers without changing them: reshape, transpose, slice, pad, concatenate.

All are linear, so their jvp is the operation itself; what a row adds is its transpose. Going back,
a copy becomes a sum, a cut becomes a pad with zeros, and a rearrangement becomes its inverse:

>>> import minigrad
>>> print(minigrad.backward_source("transpose", "f32[2,3,4]", permutation=(1, 2, 0)))
def transpose_backward(g, saved):
    return transpose(g, permutation=(2, 0, 1))
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kernels import reference
from minigrad.core import Primitive, Tensor, aval_of, is_linear, make_aval
from minigrad.ops.axes import (
    canonical, check_sizes, computed, insert, inverse, linear_together, moves, shifted, skip,
    without,
)
from minigrad.ops.families import (
    adopt_dtype, broadcast_batch, dtype_kind, full, move_axis, table_op,
)
from minigrad.ops.joining import concatenate, split, stack, unstack

# ------------------------------------------------------------------ broadcast_in_dim


def broadcast_in_dim_shape(x, *, shape, broadcast_dimensions, sharding):
    name, dims = "broadcast_in_dim", broadcast_dimensions
    check_sizes(name, "shape", shape)
    check_sizes(name, "broadcast_dimensions", dims)
    if len(x.shape) != len(dims):
        raise TypeError(f"{name} broadcast_dimensions must have length equal to operand ndim; got "
                        f"broadcast_dimensions {dims} for operand ndim {len(x.shape)}.")
    if len(shape) < len(x.shape):
        raise TypeError(f"{name} target broadcast shape must have equal or higher rank to the "
                        f"operand shape; got operand ndim {len(x.shape)} and target broadcast "
                        f"ndim {len(shape)}.")
    if not set(dims) <= set(range(len(shape))):
        raise TypeError(f"{name} broadcast_dimensions must be a subset of output dimensions, got "
                        f"{dims} for operand ndim {len(x.shape)} and shape {shape}.")
    if any(n not in (1, shape[d]) for n, d in zip(x.shape, dims)):
        raise TypeError(f"{name} operand dimension sizes must either be 1, or be equal to their "
                        "corresponding dimensions in the target broadcast shape; got operand of "
                        f"shape {x.shape}, target broadcast shape {shape}, "
                        f"broadcast_dimensions {dims} ")
    if len(dims) != len(set(dims)):
        raise TypeError(f"{name} broadcast_dimensions must not contain duplicates, got "
                        f"broadcast_dimensions {dims}")
    return shape


def broadcast_in_dim_transpose(ct, x, *, shape, broadcast_dimensions, sharding):
    """What was copied is summed; axes of size one are summed too, and put back."""
    ones = [i for i, n in enumerate(x.shape) if n == 1]
    kept = without(broadcast_dimensions, ones)
    axes = tuple(i for i in range(len(shape)) if i not in kept)
    return expand_dims(table_op("reduce_sum")(ct, axes=axes), ones)


def broadcast_in_dim_batch(size, args, dims, *, shape, broadcast_dimensions, sharding):
    x = move_axis(args[0], dims[0], 0)
    return broadcast_to(x, (int(size), *shape), (0, *shifted(broadcast_dimensions))), 0


broadcast_in_dim = moves(
    "broadcast_in_dim", reference.broadcast_in_dim, broadcast_in_dim_shape,
    broadcast_in_dim_transpose, broadcast_in_dim_batch, view=True, defaults={"sharding": None},
)


# ------------------------------------------------------------------ reshape, squeeze, transpose


def reshape_shape(x, *, new_sizes, dimensions, sharding):
    if any(n < 0 for n in new_sizes):
        raise TypeError(f"reshape new_sizes must all be positive, got {new_sizes}.")
    if x.size != int(np.prod(new_sizes, dtype=np.int64)):
        raise TypeError("reshape total size must be unchanged, got new_sizes "
                        f"{tuple(new_sizes)} for shape {x.shape}.")
    if dimensions is not None and set(dimensions) != set(range(len(x.shape))):
        raise TypeError("reshape dimensions must be a permutation of operand dimensions, got "
                        f"dimensions {dimensions} for shape {x.shape}.")
    return new_sizes


def reshape_transpose(ct, x, *, new_sizes, dimensions, sharding):
    if dimensions is None:
        return reshape(ct, new_sizes=x.shape)
    ct = reshape_to(ct, (x.shape[d] for d in dimensions))
    return reorder(ct, inverse(dimensions))


def reshape_batch(size, args, dims, *, new_sizes, dimensions, sharding):
    x = move_axis(args[0], dims[0], 0)
    dimensions = None if dimensions is None else (0, *shifted(dimensions))
    return reshape(x, new_sizes=(int(size), *new_sizes), dimensions=dimensions,
                   sharding=sharding), 0


reshape = moves(
    "reshape", reference.reshape, reshape_shape, reshape_transpose, reshape_batch,
    view=True, defaults={"dimensions": None, "sharding": None},
)


def transpose_shape(x, *, permutation):
    if not isinstance(permutation, (tuple, list, np.ndarray)):
        raise TypeError("transpose permutation must be a tuple/list/ndarray, got "
                        f"{type(permutation)}.")
    if sorted(permutation) != list(range(len(x.shape))):
        raise TypeError("transpose permutation isn't a permutation of operand dimensions, got "
                        f"permutation {permutation} for operand shape {x.shape}.")
    return (x.shape[d] for d in permutation)


transpose = moves(
    "transpose", reference.transpose, transpose_shape,
    lambda ct, x, *, permutation: reorder(ct, inverse(permutation)),
    lambda size, args, dims, *, permutation: (
        reorder(*args, (*dims, *(skip(d, *dims) for d in permutation))), 0),
    view=True,
)


def squeeze_shape(x, *, dimensions):
    if len(set(dimensions)) != len(dimensions):
        raise ValueError(f"dimensions are not unique: {dimensions}")
    if not all(0 <= d < len(x.shape) for d in dimensions):
        raise ValueError(f"dimensions outside range [0, ndim): {dimensions}")
    if any(x.shape[d] != 1 for d in dimensions):
        raise ValueError("cannot select an axis to squeeze out which has size not equal to one, "
                         f"got shape={x.shape} and {dimensions=}")
    return without(x.shape, dimensions)


squeeze = moves(
    "squeeze", reference.squeeze, squeeze_shape,
    lambda ct, x, *, dimensions: expand_dims(ct, dimensions),
    lambda size, args, dims, *, dimensions: (
        squeeze(move_axis(*args, *dims, 0), dimensions=shifted(dimensions)), 0),
    view=True,
)


def tile_shape(x, *, reps):
    if len(x.shape) != len(reps):
        raise TypeError(f"reps length must be equal to the ndim of x, got len(reps)={len(reps)} "
                        f"and x.ndim={len(x.shape)}.")
    return (n * rep for n, rep in zip(x.shape, reps))


def tile_transpose(ct, x, *, reps):
    """(rep, n) for each axis; the sum over the repetitions."""
    pairs = tuple(k for pair in zip(reps, x.shape) for k in pair)
    return table_op("reduce_sum")(reshape_to(ct, pairs), axes=tuple(range(0, len(pairs), 2)))


tile = moves(
    "tile", reference.tile, tile_shape, tile_transpose,
    lambda size, args, dims, *, reps: (tile(*args, reps=insert(reps, *dims, 1)), *dims),
)


# ------------------------------------------------------------------ slice, pad, rev


def slice_shape(x, *, start_indices, limit_indices, strides):
    starts, limits = start_indices, limit_indices
    check_sizes("slice", "start_indices", starts)
    check_sizes("slice", "limit_indices", limits)
    if len(x.shape) != len(starts):
        raise TypeError("slice start_indices must have length equal to the number of dimensions "
                        f"of the operand, got indices {starts} for operand shape {x.shape}.")
    if len(starts) != len(limits):
        raise TypeError("slice limit_indices must have the same length as start_indices, got "
                        f"start_indices {starts} and limit_indices {limits}.")
    if any(limit > n for limit, n in zip(limits, x.shape)):
        raise TypeError("slice limit_indices must be less than or equal to operand shape, got "
                        f"limit_indices {limits} for operand shape {x.shape}.")
    if any(start > limit for start, limit in zip(starts, limits)):
        raise TypeError("slice limit_indices must be greater than or equal to start_indices, got "
                        f"start_indices {starts} and limit_indices {limits}.")
    strides = (1,) * len(starts) if strides is None else strides
    check_sizes("slice", "strides", strides, least=1)
    if len(strides) != len(x.shape):
        raise TypeError("slice strides must have length equal to the number of dimensions of the "
                        f"operand, got strides {strides} for operand shape {x.shape}.")
    return map(len, map(range, starts, limits, strides))


def slice_transpose(ct, x, *, start_indices, limit_indices, strides):
    """Zeros around what was cut out, and between it where the slice strode."""
    if strides is None or set(strides) <= {1}:
        after, between = np.subtract(x.shape, limit_indices), (0,) * len(x.shape)
    else:  # a stride may have stopped short of the limit
        counts = aval_of(ct).shape
        last = [(n - 1) * step + 1 if n else 0 for n, step in zip(counts, strides)]
        after = np.subtract(x.shape, np.add(start_indices, last))
        between = computed(step - 1 for step in strides)
    config = zip(start_indices, computed(after), between)
    return pad(ct, 0.0, padding_config=tuple(config))


def slice_batch(size, args, dims, *, start_indices, limit_indices, strides):
    (dim,) = dims
    return slice_(*args, start_indices=insert(start_indices, dim, 0),
                  limit_indices=insert(limit_indices, dim, int(size)),
                  strides=None if strides is None else insert(strides, dim, 1)), dim


slice_ = moves("slice", reference.slice_, slice_shape, slice_transpose, slice_batch,
               view=True, defaults={"strides": None})


def pad_abstract(x, padding_value, *, padding_config):
    if x.dtype != padding_value.dtype:
        raise TypeError("pad operand and padding_value must be same dtype: got "
                        f"{x.dtype.name} and {padding_value.dtype.name}.")
    if padding_value.shape:
        raise ValueError("padding_value must be a scalar; got "
                         f"np.shape(padding_value)={padding_value.shape}")
    if len(padding_config) != len(x.shape):
        raise ValueError("length of padding_config must equal the number of axes of operand, got "
                         f"padding_config {padding_config} for operand shape {x.shape}")
    if any(interior < 0 for _, _, interior in padding_config):
        raise ValueError("interior padding in padding_config must be nonnegative, got "
                         f"padding_config {padding_config}")
    shape = tuple(low + high + n + max(n - 1, 0) * interior
                  for n, (low, high, interior) in zip(x.shape, padding_config))
    if any(n < 0 for n in shape):
        raise ValueError("Dimension size after padding is not at least 0, got result shape "
                         f"{shape}, for padding_config {padding_config} and operand shape "
                         f"{x.shape}")
    return make_aval(shape, x.dtype, x.weak_type and padding_value.weak_type)


def pad_transpose(ct, args, *, padding_config):
    """Each result is an element of `x` or the padding value: the first is cut out again, and
    what is left of the sum belongs to the second."""
    x, padding_value = args
    outward = tuple(computed((-low, -high, 0)) for low, high, _ in padding_config)
    cut = pad(ct, 0.0, padding_config=outward)
    shape = aval_of(cut).shape
    ct_x = slice_(cut, start_indices=computed((0,) * len(shape)), limit_indices=shape,
                  strides=computed(interior + 1 for _, _, interior in padding_config))
    if not is_linear(padding_value):
        return [ct_x, None]
    total, rest = (table_op("reduce_sum")(part, axes=tuple(range(len(shape))))
                   for part in (ct, ct_x))
    return [ct_x if is_linear(x) else None, table_op("sub")(total, rest)]


def pad_batch(size, args, dims, *, padding_config):
    x, padding_value = args
    if dims[0] is None:
        x, dims = broadcast_batch(x, None, size), (0, dims[1])
    dim = dims[0]
    config = insert(padding_config, dim, (0, 0, 0))
    if dims[1] is None:
        return pad(x, padding_value, padding_config=config), dim
    # A padding value for each example: pad with zeros, and choose it where the padding is.
    padded = pad(x, full((), 0, aval_of(x).dtype), padding_config=config)
    inside = pad(full_like(x, True, bool), np.False_, padding_config=config)
    values = broadcast_to(padding_value, aval_of(padded).shape, (dim,))
    return table_op("select_n")(inside, values, padded), dim


pad = Primitive("pad", reference.pad, pad_abstract, transpose=pad_transpose, batch=pad_batch,
                family="linear", prepare=adopt_dtype)
linear_together(pad)


def rev_shape(x, *, dimensions):
    check_sizes("rev", "dimensions", dimensions)
    if len(set(dimensions)) != len(dimensions):
        raise TypeError(f"rev dimensions must be unique, got {dimensions}.")
    if any(d >= len(x.shape) for d in dimensions):
        raise TypeError("rev dimensions must all be less than operand ndim, got dimensions "
                        f"{dimensions} for operand ndim {len(x.shape)}.")
    return x.shape


rev = moves(
    "rev", reference.rev, rev_shape,
    lambda ct, x, *, dimensions: rev(ct, dimensions=dimensions),
    lambda size, args, dims, *, dimensions: (
        rev(*args, dimensions=tuple(skip(d, *dims) for d in dimensions)), *dims),
    view=True,
)


# ------------------------------------------------------------------ arrays from nothing


def iota_abstract(*, dtype, shape, dimension, sharding):
    check_sizes("iota", "shape", shape)
    if dtype_kind(np.dtype(dtype)) not in "fciu":
        raise TypeError(f"iota does not accept dtype {np.dtype(dtype).name}. Accepted dtypes are "
                        "subtypes of number.")
    if not 0 <= dimension < len(shape):
        raise ValueError("iota dimension must be between 0 and len(shape), got "
                         f"{dimension=} for {shape=}")
    return make_aval(tuple(shape), dtype)


iota = Primitive("iota", reference.iota, iota_abstract,
                 batch=lambda size, args, dims, **params: (iota(**params), None),
                 defaults={"sharding": None})

empty = Primitive("empty", lambda *, shape, dtype, **_: np.zeros(shape, dtype),
                  lambda *, shape, dtype, out_sharding: make_aval(tuple(shape), dtype),
                  batch=lambda size, args, dims, **params: (empty(**params), None),
                  defaults={"out_sharding": None})


# ------------------------------------------------------------------ functions of jax.lax


def reshape_to(x, shape: Sequence[int]):
    """`x` itself where it has the shape; a scalar is reshaped all the same, as in jax.lax."""
    shape = tuple(shape)
    return x if shape and aval_of(x).shape == shape else reshape(x, new_sizes=shape)


def broadcast_to(x, shape: tuple[int, ...], broadcast_dimensions: Sequence[int]):
    """`x` itself where it has the shape: JAX leaves such an equation out of its programs."""
    if aval_of(x).shape == shape:
        return x
    return broadcast_in_dim(x, shape=shape, broadcast_dimensions=tuple(broadcast_dimensions))


def reorder(x, permutation: tuple[int, ...]):
    """`x` itself where its axes stand in that order already."""
    if permutation == tuple(range(len(aval_of(x).shape))):
        return x
    return transpose(x, permutation=permutation)


def expand_dims(x, dimensions: Sequence[int]):
    """`x` with axes of size one that stand at `dimensions` of the result.

    >>> aval_of(expand_dims(np.zeros((3, 4)), (0, -1)))
    f64[1,3,4,1]
    """
    shape = aval_of(x).shape
    ndim = len(shape) + len(dimensions)
    new = {canonical(d, ndim) for d in dimensions}
    if len(new) != len(dimensions):
        raise ValueError(f"repeated axis in lax.expand_dims: {dimensions}")
    sizes = iter(shape)
    return broadcast_to(x, tuple(1 if i in new else next(sizes) for i in range(ndim)),
                        tuple(i for i in range(ndim) if i not in new))


def broadcast(x, sizes: Sequence[int]):
    """`x` repeated along new leading axes of the given sizes."""
    if not sizes:
        return x
    shape = (*sizes, *aval_of(x).shape)
    return broadcast_to(x, shape, range(len(sizes), len(shape)))


def broadcast_to_rank(x, rank: int):
    """`x` with leading axes of size one, until it has `rank` of them."""
    return broadcast(x, (1,) * (rank - len(aval_of(x).shape)))


def full_like(x, fill_value, dtype=None, shape: Sequence[int] | None = None):
    """`fill_value` in the shape and dtype of `x`, where these are not given."""
    aval = aval_of(x)
    shape = aval.shape if shape is None else tuple(shape)
    dtype = np.dtype(aval.dtype if dtype is None else dtype)
    if not isinstance(fill_value, Tensor):
        return full(shape, fill_value, dtype)
    if fill_value.dtype != dtype:
        fill_value = table_op("convert_element_type")(fill_value, new_dtype=dtype)
    return broadcast(fill_value, shape)


def slice_in_dim(x, start_index: int | None, limit_index: int | None, stride: int = 1,
                 axis: int = 0):
    """`x[start_index:limit_index:stride]` along one axis."""
    shape = aval_of(x).shape
    axis = canonical(axis, len(shape))
    n, starts, limits, strides = shape[axis], [0] * len(shape), list(shape), [1] * len(shape)
    start, limit = start_index or 0, n if limit_index is None else limit_index
    starts[axis] = start + n if start < 0 else start
    limits[axis] = limit + n if limit < 0 else limit
    strides[axis] = stride
    return slice_(x, start_indices=tuple(starts), limit_indices=tuple(limits),
                  strides=tuple(strides))


def index_in_dim(x, index: int, axis: int = 0, keepdims: bool = True):
    """`x[index]` along one axis, which `keepdims` leaves in with size one."""
    shape = aval_of(x).shape
    axis = canonical(axis, len(shape))
    wrapped = index + shape[axis] if index < 0 else index
    if not 0 <= wrapped < shape[axis]:
        raise IndexError(f"index {index} is out of bounds for axis {axis} with size {shape[axis]}")
    cut = slice_in_dim(x, wrapped, wrapped + 1, axis=axis)
    return cut if keepdims else squeeze(cut, dimensions=(axis,))


_ = concatenate, split, stack, unstack  # rows of `joining`, imported for those who look here


def example_by_example(p: Primitive, size: int, args, dims, **params):
    """A batch of results, one after the other: for what no axis more could express."""
    results = [p(*(x if d is None else index_in_dim(x, i, d, keepdims=False)
                   for x, d in zip(args, dims)), **params) for i in range(size)]
    return [stack(*column, axis=0) for column in zip(*results)], [0] * len(results[0])
