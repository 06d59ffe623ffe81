"""Functions that read or write at computed places: gather, scatter, index_select, masks."""

from __future__ import annotations

import numpy as np

from compat.torch.indexing import check_bounds, getitem, read
from compat.torch.operation import operation
from compat.torch.promotion import cast, expand_to
from compat.torch.tensor import from_array, wrap_dim
from kernels.indexing import GatherDimensionNumbers, ScatterDimensionNumbers
from minigrad import core
from minigrad.core import I64, aval_of
from minigrad.ops.indexing import CLIP, gather
from minigrad.ops.scattering import scatter, scatter_add
from minigrad.ops.shaping import concatenate, iota, reshape, slice_


def along(x, index, dim):
    """Index vectors that differ from their own position only along `dim`."""
    shape = aval_of(index).shape
    columns = []
    for d in range(len(shape)):
        column = cast(index, I64) if d == dim else \
            iota(dtype=I64, shape=shape, dimension=d)
        columns.append(reshape(column, new_sizes=(*shape, 1)))
    return concatenate(*columns, dimension=len(shape)) if len(columns) > 1 else columns[0]


def point_numbers(ndim: int):
    dims = tuple(range(ndim))
    return GatherDimensionNumbers((), dims, dims)


@operation(name="gather", tensors=("input", "index"))
def gather_op(input, index, dim):
    shape = aval_of(input).shape
    return gather(input, along(input, index, dim), dimension_numbers=point_numbers(len(shape)),
                  slice_sizes=(1,) * len(shape), mode=CLIP)


def gather_(input, dim, index, *, sparse_grad=False):
    """input[i][index[i][j]] for dim=1, and so on."""
    if index.spec.dtype != I64 and index.spec.dtype != np.int32:
        raise RuntimeError("gather(): Expected dtype int32/int64 for index, but got "
                           f"{index.dtype}")
    if len(index.spec.shape) != len(input.spec.shape):
        raise RuntimeError("Index tensor must have the same number of dimensions as input tensor")
    return gather_op(input, index, wrap_dim(dim, len(input.spec.shape)))


def scatter_function(name: str, primitive):
    def fn(input, index, src, dim):
        shape = aval_of(index).shape
        values = expand_to(cast(src, aval_of(input).dtype), shape) \
            if not isinstance(src, core.Tensor) or not aval_of(src).shape else \
            slice_(src, start_indices=(0,) * len(shape), limit_indices=shape)
        return primitive(input, along(input, index, dim), values, mode=CLIP,
                         dimension_numbers=ScatterDimensionNumbers(*point_numbers(len(shape))))

    op = operation(fn, name=name, tensors=("input", "index", "src"), scalars=("src",))

    def function(input, dim, index, src=None, *, value=None):
        return op(input, index, value if src is None else src,
                  wrap_dim(dim, len(input.spec.shape)))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"torch.{name}: the inverse of gather."
    return function


scatter_ = scatter_function("scatter", scatter)
scatter_add_ = scatter_function("scatter_add", scatter_add)


@operation(name="index_select", tensors=("input", "index"))
def index_select_op(input, index, dim):
    return read(input, [reshape(index, new_sizes=(aval_of(index).size,))], (dim,))


def index_select(input, dim, index):
    """The positions `index` along `dim`."""
    d = wrap_dim(dim, len(input.spec.shape))
    check_bounds(input, [index], (d,))
    return index_select_op(input, index, d)


def masked_select(input, mask):
    """The elements under the mask, in a row."""
    shape = np.broadcast_shapes(input.spec.shape, mask.spec.shape)
    return getitem(input.expand(shape) if input.spec.shape != shape else input,
                   mask.expand(shape), "masked_select")


def take(input, index):
    """Elements at positions of the flattened tensor."""
    check_bounds(input.reshape(-1), [index], (0,))
    return take_op(input, index)


@operation(name="take", tensors=("input", "index"))
def take_op(input, index):
    return read(reshape(input, new_sizes=(aval_of(input).size,)), [index], (0,))


def nonzero(input, *, as_tuple=False):
    """The positions of elements that are not zero."""
    found = np.nonzero(np.atleast_1d(core.to_array(input)) if not input.spec.shape
                       else core.to_array(input))
    if as_tuple:
        return tuple(from_array(f) for f in found)
    width = len(input.spec.shape)
    return from_array(np.stack(found[:width], axis=-1) if width
                      else np.zeros((len(found[0]), 0), np.int64))
