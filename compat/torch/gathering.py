"""Functions that read or write at computed places: gather, scatter, index_*, masks."""

from __future__ import annotations


import numpy as np

from compat.torch.dtypes import SCALAR_NAMES
from compat.torch.indexing import check_bounds, getitem, read
from compat.torch.operation import operation
from compat.torch.promotion import broadcast_shapes, cast
from compat.torch.devices import beside
from compat.torch.tensor import array_of, at_hand, from_array, wrap_dim
from kernels.indexing import GatherDimensionNumbers
from minigrad import tape
from minigrad.core import I64, aval_of
from minigrad.ops.indexing import CLIP, gather
from minigrad.ops.shaping import concatenate, iota, reshape

# ------------------------------------------------------------------ checks


def check_index(name: str, input, index, others=()) -> None:
    """PyTorch's rules for an index that stands beside its input."""
    if index.spec.aval.size and index.spec.dtype.name not in ("int64", "int32", "uint8", "int16",
                                                              "int8"):
        raise RuntimeError(f"{name}(): Expected dtype int32/int64 for index")
    rank = max(len(index.spec.shape), 1)
    for what, x in (("self", input), *others):
        if max(len(x.spec.shape), 1) != rank:
            raise RuntimeError(f"Index tensor must have the same number of dimensions as {what} "
                               "tensor")


def check_fits(index, x, dim: int, what: str, all_dims: bool = False) -> None:
    for d, (n, m) in enumerate(zip(index.spec.shape, x.spec.shape)):
        if n > m and (all_dims or d != dim):
            raise RuntimeError(f"Size does not match at dimension {d} expected index "
                               f"{list(index.spec.shape)} to be no larger than {what} "
                               f"{list(x.spec.shape)} apart from dimension {dim}")


def check_places(index, n: int, dim: int) -> None:
    value = tape.current(index).value
    if not isinstance(value, (np.ndarray, np.generic)):
        return
    array = np.asarray(value)
    if array.size and (array.min() < 0 or array.max() >= n):
        wrong = array[(array < 0) | (array >= n)].reshape(-1)[0]
        raise RuntimeError(f"index {wrong} is out of bounds for dimension {dim} with size {n}")


def check_same_dtype(name: str, x, y, what: str = "src") -> None:
    if x.spec.dtype != y.spec.dtype:
        raise RuntimeError(f"{name}(): Expected self.dtype to be equal to {what}.dtype")


def check_vector(name: str, index) -> None:
    if len(index.spec.shape) > 1:
        raise IndexError(f"{name}(): Index is supposed to be a vector, but got dim: "
                         f"{len(index.spec.shape)}")
    if index.spec.dtype.name not in ("int64", "int32"):
        raise RuntimeError(f"{name}(): Expected dtype int32/int64 for index but got: "
                           f"{SCALAR_NAMES[index.spec.dtype.name]}")


# ------------------------------------------------------------------ gather, take


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


def at_least_1d(x):
    return x if aval_of(x).shape else reshape(x, new_sizes=(1,))


def gathered(input, index, dim):
    x, i = at_least_1d(input), at_least_1d(index)
    rank = len(aval_of(x).shape)
    out = gather(x, along(x, i, dim), dimension_numbers=point_numbers(rank),
                 slice_sizes=(1,) * rank, mode=CLIP)
    return reshape(out, new_sizes=aval_of(index).shape)


gather_op = operation(gathered, name="gather", tensors=("input", "index"))


def gather_(input, dim, index, *, sparse_grad=False):
    """input[i][index[i][j]] for dim=1, and so on."""
    d = wrap_dim(dim, len(input.spec.shape))
    if index.spec.aval.size:
        check_index("gather", input, index)
        check_fits(index, input, d, "self")
        check_places(index, at_shape(input)[d], d)
    elif len(index.spec.shape) != len(input.spec.shape) or not input.spec.aval.size:
        return input.reshape(-1)[:0].reshape(index.spec.shape)
    return gather_op(input, index, d)


def at_shape(x) -> tuple[int, ...]:
    return x.spec.shape or (1,)


def take_along_dim(input, indices, dim=None):
    """Elements at the indices along `dim`; the other dimensions broadcast."""
    if indices.spec.dtype != I64:
        raise RuntimeError("torch.take_along_dim(): dtype of indices should be Long but got "
                           f"{SCALAR_NAMES[indices.spec.dtype.name]}")
    if dim is None:
        return gather_(input.reshape(-1), 0, indices.reshape(-1))
    if len(input.spec.shape) != len(indices.spec.shape):
        raise RuntimeError("torch.take_along_dim(): input and indices should have the same number "
                           f"of dimensions, but got {input.dim()} dimensions for input, and "
                           f"{indices.dim()} dimensions for indices")
    d = wrap_dim(dim, len(input.spec.shape))
    rest = broadcast_shapes(*(x.spec.shape[:d] + (1,) + x.spec.shape[d + 1:]
                              for x in (input, indices)))
    if not at_hand(indices) or bool((indices < 0).any()):
        indices = indices % max(input.spec.shape[d], 1)
    x, i = (x.expand(rest[:d] + (x.spec.shape[d],) + rest[d + 1:]) for x in (input, indices))
    return gather_(x, d, i)


@operation(name="index_select", tensors=("input", "index"))
def index_select_op(input, index, dim):
    out = read(at_least_1d(input), [reshape(index, new_sizes=(aval_of(index).size,))], (dim,))
    return out if aval_of(input).shape else reshape(out, new_sizes=())


def index_select(input, dim, index):
    """The positions `index` along `dim`."""
    check_vector("index_select", index)
    d = wrap_dim(dim, len(input.spec.shape))
    check_places(index, at_shape(input)[d], d)
    return index_select_op(input, index, d)


def masked_select(input, mask):
    """The elements under the mask, in a row."""
    if mask.spec.dtype != np.bool_:
        raise RuntimeError("masked_select: expected BoolTensor for mask")
    shape = broadcast_shapes(input.spec.shape, mask.spec.shape)
    return getitem(input.expand(shape) if input.spec.shape != shape else input,
                   mask.expand(shape) if mask.spec.shape != shape else mask, "masked_select")


def take(input, index):
    """Elements at positions of the flattened tensor."""
    if index.spec.dtype != I64:
        raise RuntimeError("take(): Expected a long tensor for index, but got "
                           f"{SCALAR_NAMES[index.spec.dtype.name]}")
    if not input.spec.aval.size and index.spec.aval.size:
        raise IndexError("take(): tried to take from an empty tensor")
    check_bounds(input.reshape(-1), [index], (0,))
    return take_op(input, index)


@operation(name="take", tensors=("input", "index"))
def take_op(input, index):
    return read(reshape(input, new_sizes=(aval_of(input).size,)), [index], (0,))


def nonzero(input, *, as_tuple=False):
    """The positions of elements that are not zero."""
    found = np.nonzero(np.atleast_1d(array_of(input)) if not input.spec.shape
                       else array_of(input))
    if as_tuple:
        return tuple(beside(input, from_array(f)) for f in found)
    width = len(input.spec.shape)
    return beside(input, from_array(np.stack(found[:width], axis=-1) if width
                                    else np.zeros((len(found[0]), 0), np.int64)))


def argwhere(input):
    """The positions of elements that are not zero, a row each."""
    return nonzero(input)


def nonzero_static(input, *, size, fill_value=-1):
    """`nonzero` with exactly `size` rows."""
    found = array_of(nonzero(input))[:size]
    missing = np.full((size - len(found), found.shape[1]), fill_value, np.int64)
    return beside(input, from_array(np.concatenate([found, missing])))


GATHERING = {
    "gather": gather_, "take_along_dim": take_along_dim, "index_select": index_select,
    "masked_select": masked_select, "take": take, "nonzero": nonzero, "argwhere": argwhere,
    "nonzero_static": nonzero_static,
}
