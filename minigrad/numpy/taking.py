"""Reading at arrays of indices: take, take_along_axis. Source: jax.numpy."""

from __future__ import annotations



from kernels.indexing import GatherDimensionNumbers, GatherScatterMode
from minigrad.core import aval_of, table
from minigrad.numpy.promotion import check_array, convert, operand, shape_of
from minigrad.numpy.selecting import broadcast_to, where
from minigrad.numpy.staging import staged
from minigrad.ops.axes import canonical
from minigrad.ops.families import dtype_kind, full
from minigrad.ops.shaping import expand_dims, reshape_to

from minigrad.numpy.indexing import PROMISE, gather, normalized


@staged(name="_take", static=("axis", "mode", "unique_indices", "indices_are_sorted",
                              "fill_value"))
def take_(a, indices, axis, mode, unique_indices, indices_are_sorted, fill_value):
    if axis is None:
        a, axis = reshape_to(operand(a), (aval_of(a).size,)), 0
    shape, index_shape = shape_of(a), shape_of(indices)
    axis = canonical(axis, len(shape))
    n, modes = shape[axis], {"clip": GatherScatterMode.CLIP, "wrap": PROMISE}
    if mode in (None, "fill"):
        indices = where(table["lt"](indices, 0), table["add"](indices, n), indices)
    elif mode == "wrap":
        from minigrad.numpy.elementwise import mod

        indices = mod(indices, convert(n, aval_of(indices).dtype))
    elif mode != "clip":
        raise ValueError(f"Invalid mode '{mode}' for np.take")
    if 0 in index_shape or n == 0:
        if n == 0 and 0 not in index_shape:
            raise IndexError("Cannot do a non-empty jnp.take() from an empty axis.")
        return full(shape[:axis] + index_shape + shape[axis + 1:], 0, aval_of(a).dtype)
    rank = len(index_shape)
    offset = (*range(axis), *range(axis + rank, len(shape) + rank - 1))
    return gather(a, expand_dims(indices, (rank,)),
                  GatherDimensionNumbers(offset, (axis,), (axis,)),
                  shape[:axis] + (1,) + shape[axis + 1:], fill_value=fill_value,
                  mode=modes.get(mode, GatherScatterMode.FILL_OR_DROP),
                  unique_indices=unique_indices, indices_are_sorted=indices_are_sorted)


def take(a, indices, axis=None, out=None, mode=None, unique_indices=False,
         indices_are_sorted=False, fill_value=None):
    """Elements of `a` at `indices` along an axis (of the flat array if None). Reads out of
    bounds give NaN unless `mode` is "clip" or "wrap". Source: jax.numpy.take."""
    check_array("take", a), check_array("take", indices, 1)
    if dtype_kind(aval_of(indices).dtype) not in "iu":
        raise ValueError("take indices must be of integer type, got "
                        f"{aval_of(indices).dtype.name}")
    return take_(a, indices, axis, mode, unique_indices, indices_are_sorted, fill_value)


@staged(static=("axis", "mode", "fill_value"))
def take_along_axis(arr, indices, axis=-1, mode=None, fill_value=None,
                    wrap_negative_indices=True):
    """`arr` read at `indices` along one axis, other axes going in step.
    Source: jax.numpy.take_along_axis."""
    if axis is None:
        arr, axis = reshape_to(arr, (aval_of(arr).size,)), 0
    shape, rank = shape_of(arr), len(shape_of(indices))
    if rank != len(shape):
        raise ValueError("indices and arr must have the same number of dimensions; "
                         f"{rank} vs. {len(shape)}")
    axis = canonical(axis, rank)
    others = [i for i in range(rank) if i != axis]
    index_shape = shape_of(indices)
    grown = tuple(index_shape[i] if i == axis or 1 in (index_shape[i], shape[i]) and
                  index_shape[i] != 1 else shape[i] if i != axis else index_shape[i]
                  for i in range(rank))
    arr = broadcast_to(arr, tuple(shape[i] if i == axis else max(shape[i], grown[i])
                                  for i in range(rank)))
    if dtype_kind(aval_of(indices).dtype) not in "iu":
        raise TypeError("take_along_axis indices must be of integer type, got "
                        f"{aval_of(indices).dtype}")
    indices = broadcast_to(indices, grown)
    indices = normalized(indices, shape[axis]) if wrap_negative_indices else indices
    indices = table["reshape"](indices, new_sizes=(*grown, 1))
    numbers = GatherDimensionNumbers((), (axis,), (axis,), tuple(others), tuple(others))
    return gather(arr, indices, numbers, (1,) * rank, mode=mode, fill_value=fill_value)
