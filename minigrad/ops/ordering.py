"""Order: sort, top_k and approx_top_k. All move numbers to places that depend on them, and their
derivatives move the tangents to the same places.

>>> x = np.array([3, 1, 2], np.float32)
>>> from minigrad import jvp
>>> jvp(lambda x: sort(x, dimension=0)[0], (x,), (np.array([30, 10, 20], np.float32),))
(Tensor([1. 2. 3.]), Tensor([10. 20. 30.]))
"""

from __future__ import annotations

import math

import numpy as np

from kernels import ordering
from kernels.indexing import GatherDimensionNumbers
from minigrad.core import Primitive, aval_of, implementation, make_aval
from minigrad.ops.axes import computed, skip, without
from minigrad.ops.families import dtype_kind, move_axis
from minigrad.ops.indexing import gather
from minigrad.ops.shaping import broadcast_in_dim, expand_dims, iota, reshape

UINT32, INT32 = np.dtype(np.uint32), np.dtype(np.int32)


def take_along(x, places, axis: int, spelled=tuple):
    """`x` read along `axis` at `places`, which have an axis of size one at their end."""
    ndim = len(aval_of(x).shape)
    others = spelled(without(range(ndim), (axis,)))
    numbers = GatherDimensionNumbers(
        offset_dims=(), collapsed_slice_dims=(axis,), start_index_map=(axis,),
        operand_batching_dims=others, start_indices_batching_dims=others)
    return gather(x, places, dimension_numbers=numbers, slice_sizes=(1,) * ndim)


# ------------------------------------------------------------------ sort


def sort_abstract(*avals, dimension, is_stable, num_keys):
    if any(a.shape != avals[0].shape for a in avals[1:]):
        raise TypeError("Arguments to sort must have equal shapes, got: "
                        f"{' '.join(str(a.shape) for a in avals)}")
    return list(avals)


def sort_jvp(primals, tangents, *, dimension, **params):
    """Sort the positions along, and read the tangents there."""
    shape = aval_of(primals[0]).shape
    here = iota(dtype=UINT32, shape=shape, dimension=dimension)
    *outs, places = sort(*primals, here, dimension=dimension, **params)
    places = expand_dims(places, (len(shape),))
    return outs, [None if t is None else take_along(t, places, dimension, computed)
                  for t in tangents]


def sort_batch(size, args, dims, *, dimension, **params):
    """All operands get the batch axis of the first one that has one."""
    example, dim = next((aval_of(a), d) for a, d in zip(args, dims) if d is not None)
    axes = without(range(len(example.shape)), (dim,))
    args = [move_axis(a, d, dim) if d is not None
            else broadcast_in_dim(a, shape=example.shape, broadcast_dimensions=axes)
            for a, d in zip(args, dims)]
    return sort(*args, dimension=skip(dimension, dim), **params), [dim] * len(args)


sort = Primitive(  # several operands are ordered by the first `num_keys` of them
    "sort", ordering.sort, sort_abstract, sort_jvp, batch=sort_batch, multiple_results=True,
    defaults={"is_stable": True, "num_keys": 1},
)

# ------------------------------------------------------------------ top_k


def top_k_abstract(x, *, k, axis):
    if dtype_kind(x.dtype) == "c":
        raise ValueError("top_k is not compatible with complex inputs.")
    if k < 0:
        raise ValueError(f"k argument to top_k must be nonnegative, got {k}")
    if not x.shape:
        raise TypeError(f"top_k operand must have >= 1 dimension, got {x.shape}")
    if not 0 <= axis < len(x.shape):
        raise ValueError(f"axis argument out of range: {axis=} for operand.shape={x.shape}")
    shape = list(x.shape)
    if shape[axis] < k:
        raise ValueError(f"k argument to top_k must be no larger than size along axis; got {k=} "
                         f"with {shape=} and {axis=}")
    shape[axis] = k
    return [x.update(tuple(shape)), make_aval(tuple(shape), INT32, x.weak_type)]


def top_k_jvp(primals, tangents, *, k, axis):
    outs = top_k(*primals, k=k, axis=axis)
    places = reshape(outs[1], new_sizes=(*aval_of(outs[1]).shape, 1))
    return outs, [take_along(*tangents, places, axis), None]


def top_k_batch(size, args, dims, *, k, axis):
    return top_k(*args, k=k, axis=skip(axis, *dims)), [*dims, *dims]


top_k = Primitive(  # the k largest, largest first, and where they were
    "top_k", ordering.top_k, top_k_abstract, top_k_jvp, batch=top_k_batch, multiple_results=True)

# ------------------------------------------------------------------ approx_top_k


def approx_top_k_impl(x, *, reduction_dimension=-1, is_max_k=True, **params):
    """Exact, as XLA's is on the CPU. The smallest are the largest of the negated."""
    count = approx_top_k_size(x.shape, reduction_dimension=reduction_dimension, **params)
    kernel = implementation(top_k, (x,))
    values, places = kernel(x if is_max_k else -x, k=count, axis=reduction_dimension)
    return (values if is_max_k else -values), places


def approx_top_k_size(shape, *, k, reduction_dimension=-1, recall_target=0.95,
                      reduction_input_size_override=-1, aggregate_to_topk=True) -> int:
    """How many come back. XLA's method for TPUs keeps the best of each of so many bins that k of
    them are the true ones with the wanted probability, for the caller to choose from."""
    n, lanes = shape[reduction_dimension], 1024 if len(shape) == 1 else 128
    if aggregate_to_topk:
        return k
    if n <= lanes:
        return n
    if k == 1:
        return lanes
    logical = n if reduction_input_size_override < 0 else reduction_input_size_override
    wanted = int((1 - k) / math.log(recall_target)) if recall_target < 1 else logical
    halvings = (logical // max(wanted, lanes)).bit_length() - 1
    if halvings <= 0:
        return n
    halvings = min(halvings, (n // lanes - 1).bit_length())
    return math.ceil(math.ceil(n / lanes) / 2 ** halvings) * lanes


def approx_top_k_abstract(x, *, is_max_k, **params):
    k, axis = params["k"], params["reduction_dimension"]
    if k <= 0:
        raise ValueError(f"k must be positive, got {k}")
    if not x.shape:
        raise TypeError(f"approx_top_k operand must have >= 1 dimension, got {x.shape}")
    shape = list(x.shape)
    if shape[axis] < k:
        raise ValueError("k must be smaller than the size of reduction_dim "
                         f"{shape[axis]}, got {k}")
    if dtype_kind(x.dtype) != "f":
        raise ValueError("operand must be a floating type")
    shape[axis] = approx_top_k_size(x.shape, **params)
    return [x.update(tuple(shape)), make_aval(tuple(shape), INT32, x.weak_type)]


def approx_top_k_jvp(primals, tangents, *, reduction_dimension, **params):
    axis = reduction_dimension % len(aval_of(primals[0]).shape)
    outs = approx_top_k(*primals, reduction_dimension=axis, **params)
    places = reshape(outs[1], new_sizes=(*aval_of(outs[1]).shape, 1))
    return outs, [take_along(*tangents, places, axis), None]


def approx_top_k_batch(size, args, dims, *, reduction_dimension, **params):
    axis = reduction_dimension % (len(aval_of(args[0]).shape) - 1)
    outs = approx_top_k(*args, reduction_dimension=skip(axis, *dims), **params)
    return outs, [*dims, *dims]


approx_top_k = Primitive(  # a TPU may miss some of the k; here all are found
    "approx_top_k", approx_top_k_impl, approx_top_k_abstract, approx_top_k_jvp,
    batch=approx_top_k_batch, multiple_results=True,
    defaults={"reduction_dimension": -1, "recall_target": 0.95, "is_max_k": True,
              "reduction_input_size_override": -1, "aggregate_to_topk": True})
