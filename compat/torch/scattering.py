"""Functions that write at computed places: scatter, index_add, put, *_scatter."""

from __future__ import annotations

import functools
import math

import numpy as np

from compat.torch.dtypes import SCALAR_NAMES
from compat.torch.indexing import check_bounds, read, written
from compat.torch.operation import operation
from compat.torch.pointwise import like
from compat.torch.promotion import broadcast_shapes, cast, expand_to
from compat.torch.views import strided_places
from compat.torch.tensor import from_array, of_face, wrap_dim
from kernels.indexing import ScatterDimensionNumbers
from minigrad import core
from minigrad.core import I64, aval_of, table
from minigrad.ops import elementwise as e
from minigrad.ops.families import dtype_kind
from minigrad.ops.indexing import CLIP
from minigrad.ops.scattering import scatter, scatter_add
from minigrad.ops.shaping import iota, reshape, slice_

from compat.torch.gathering import (
    along, at_least_1d, at_shape, check_fits, check_index, check_places, check_same_dtype,
    check_vector, point_numbers,
)


# ------------------------------------------------------------------ scatter


def numeric(fn):
    """Booleans are written as whole numbers: a sum of them is `or`, a product `and`."""
    @functools.wraps(fn)
    def over_bools(input, *args, **statics):
        if dtype_kind(aval_of(input).dtype) != "b":
            return fn(input, *args, **statics)
        wide = np.dtype(np.int32)
        out = fn(cast(input, wide), *args, **statics)
        return e.ne(out, like(out, 0))

    return over_bools


REDUCTIONS = {"sum": "scatter-add", "add": "scatter-add", "prod": "scatter-mul",
              "multiply": "scatter-mul", "amin": "scatter-min", "amax": "scatter-max"}


def combine(primitive, x, index, src, dim):
    shape = aval_of(index).shape
    values = cast(src, aval_of(x).dtype)
    values = slice_(values, start_indices=(0,) * len(shape), limit_indices=shape) \
        if not np.isscalar(values) and aval_of(values).shape else expand_to(values, shape)
    return primitive(x, along(x, index, dim), values, mode=CLIP,
                     dimension_numbers=ScatterDimensionNumbers(*point_numbers(len(shape))))


def neutral(how: str, dtype):
    """What a reduction starts from."""
    if how in ("sum", "mean"):
        return 0
    if how == "prod":
        return 1
    low, high = (-math.inf, math.inf) if dtype_kind(dtype) == "f" else \
        (0, 1) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    return high if how == "amin" else low


def reduced(input, index, src, dim, how, include_self):
    """The elements that meet at a place, summed, multiplied ...; `combine` for whole windows."""
    if dtype_kind(aval_of(input).dtype) == "b" and how in ("amin", "amax", "mean"):
        how = {"amin": "prod", "amax": "sum", "mean": "prod"}[how]
    return numeric(reduced_numbers)(input, index, src, dim=dim, how=how,
                                    include_self=include_self)


def reduced_numbers(input, index, src, dim, how, include_self):
    shape = aval_of(input).shape
    x, index, src = (at_least_1d(v) for v in (input, index, src))
    if not include_self:
        x = combine(scatter, x, index, neutral(how, aval_of(x).dtype), dim)
    if how == "prod":
        return reshape(product_at(x, index, src, dim), new_sizes=shape)
    out = combine(table[REDUCTIONS["sum" if how == "mean" else how]], x, index, src, dim)
    if how == "mean":
        ones = like(x, 1 if include_self else 0)
        count = combine(scatter_add, ones, index, 1, dim).clamp(min=1)
        out = out.div(count, rounding_mode=None if dtype_kind(aval_of(x).dtype) == "f"
                      else "floor")
    return reshape(out, new_sizes=shape)


def product_at(x, index, src, dim):
    """Products of what meets at a place, over a table of all pairs: it can be differentiated
    where an element is zero, or meets another."""
    shape = aval_of(index).shape
    src = of_face(slice_(src, start_indices=(0,) * len(shape), limit_indices=shape))
    n = aval_of(x).shape[dim]
    places = iota(dtype=I64, shape=(n, *shape), dimension=0)
    hit = e.eq(places, expand_to(cast(index, I64), (n, *shape)))
    values = expand_to(cast(src, aval_of(x).dtype), (n, *shape))
    factors = of_face(table["select_n"](hit, like(values, 1), values))
    products = of_face(table["reduce_prod"](factors, axes=(dim + 1,))).movedim(0, dim)
    pad = tuple((0, m - k, 0) for m, k in zip(aval_of(x).shape, aval_of(products).shape))
    full = table["pad"](products, np.ones((), aval_of(x).dtype)[()], padding_config=pad)
    return e.mul(x, full)


REDUCED = {name: operation(reduced, name=name, tensors=("input", "index", "src"))
           for name in ("scatter_reduce",)}


@operation(name="scatter", tensors=("input", "index", "src"), scalars=("src",))
def scatter_op(input, index, src, dim, primitive="scatter"):
    def body(x, index, src):
        out = combine(table[primitive], at_least_1d(x), at_least_1d(index),
                      at_least_1d(src) if isinstance(src, core.Tensor) and aval_of(
                          index).shape == () else src, dim)
        return reshape(out, new_sizes=aval_of(input).shape)

    return (body if primitive == "scatter" else numeric(body))(input, index, src)


scatter_add_op = operation(numeric(lambda input, index, src, dim: reduced_numbers(
    input, index, src, dim, "sum", True)), name="scatter_add", tensors=("input", "index", "src"))


def scatter_(input, dim, index, src=None, *, value=None, reduce=None):
    """The inverse of gather: `src` (or a number) written at the indices along `dim`."""
    src = value if src is None else src
    d = check_scatter("scatter", input, dim, index, src)
    if reduce is not None and reduce not in ("add", "multiply"):
        raise RuntimeError("reduce argument must be either add or multiply.")
    if not index.spec.aval.size:
        return input.clone()
    return scatter_op(input, index, src, d, REDUCTIONS.get(reduce, "scatter"))


def check_scatter(name: str, input, dim, index, src) -> int:
    d = wrap_dim(dim, len(input.spec.shape))
    if isinstance(src, core.Tensor) and index.spec.aval.size:
        check_same_dtype(name, input, src)
        check_index(name, input, index, (("src", src),))
        check_fits(index, src, d, "src", all_dims=True)
    elif index.spec.aval.size:
        check_index(name, input, index)
    if index.spec.aval.size:
        check_fits(index, input, d, "self")
        check_places(index, at_shape(input)[d], d)
    return d


def scatter_add_(input, dim, index, src):
    """`src` added at the indices along `dim`."""
    d = check_scatter("scatter_add", input, dim, index, src)
    return scatter_add_op(input, index, src, d) if index.spec.aval.size else input.clone()


def scatter_reduce(input, dim, index, src, reduce, *, include_self=True):
    """`src` combined at the indices: sum, prod, mean, amax or amin."""
    d = check_scatter("scatter_reduce", input, dim, index, src)
    if reduce not in ("sum", "prod", "mean", "amax", "amin"):
        raise RuntimeError("reduce argument must be either sum, prod, mean, amax or amin, got "
                           f"{reduce}.")
    if not index.spec.aval.size:
        return input.clone()
    return REDUCED["scatter_reduce"](input, index, src, d, reduce, include_self)


# ------------------------------------------------------------------ whole slices: index_add ...


def by_slices(name: str, primitive):
    """x with the slices of `source` put at the positions `index` along `dim`."""
    def fn(input, index, source, dim):
        x = at_least_1d(input)
        index = reshape(index, new_sizes=(aval_of(index).size,))
        if aval_of(source).shape == ():
            source = reshape(source, new_sizes=(1,) * len(aval_of(x).shape))
        return reshape(written(x, [index], source, (dim,), primitive),
                       new_sizes=aval_of(input).shape)

    return operation(fn if primitive is scatter else numeric(fn), name=name,
                     tensors=("input", "index", "source"), scalars=("source",))


SLICES = {name: by_slices(name, primitive) for name, primitive in (
    ("index_add", scatter_add), ("index_copy", scatter), ("index_fill", scatter))}


def check_slices(name: str, input, dim, index, source) -> int:
    check_vector(name, index)
    d = wrap_dim(dim, len(input.spec.shape))
    check_same_dtype(name, input, source, "source")
    count = at_shape(source)[d] if source.dim() == input.dim() else source.spec.aval.size
    if input.spec.shape and source.spec.shape and (
            len(source.spec.shape) != len(input.spec.shape) or any(
                a != b for i, (a, b) in enumerate(zip(source.spec.shape, input.spec.shape))
                if i != d)):
        raise RuntimeError(f"{name}(): source tensor shape must match self tensor shape, excluding "
                           f"the specified dimension. Got self.shape = {list(input.spec.shape)} "
                           f"source.shape = {list(source.spec.shape)}")
    if count != index.spec.aval.size:
        raise IndexError(f"{name}(): Number of indices ({index.spec.aval.size}) should be equal to "
                         f"source.size(dim): ({count}), for dim: {dim}")
    check_places(index, at_shape(input)[d], d)
    return d


def index_add(input, dim, index, source, *, alpha=1):
    """Slices of `source` times alpha, added at the positions `index` along `dim`."""
    d = check_slices("index_add", input, dim, index, source)
    return SLICES["index_add"](input, index, source if alpha == 1 else source * alpha, d)


def index_copy(input, dim, index, source):
    """Slices of `source` written at the positions `index` along `dim`."""
    d = check_slices("index_copy", input, dim, index, source)
    return SLICES["index_copy"](input, index, source, d)


def index_fill(input, dim, index, value):
    """A number written at the positions `index` along `dim`."""
    check_vector("index_fill", index)
    if isinstance(value, core.Tensor) and value.spec.shape:
        raise RuntimeError("index_fill_ only supports a 0-dimensional value tensor, but got tensor "
                           f"with {value.dim()} dimension(s).")
    d = wrap_dim(dim, len(input.spec.shape))
    check_bounds(input if input.spec.shape else input.reshape(1), [index], (d,))
    return SLICES["index_fill"](input, index, value, d)


def index_reduce(input, dim, index, source, reduce, *, include_self=True):
    """Slices of `source` combined at the positions: prod, mean, amax or amin."""
    if reduce not in ("prod", "mean", "amax", "amin"):
        raise RuntimeError("index_reduce(): Expected reduce to be one of prod, mean, amax or amin "
                           f"but got {reduce}.")
    d = check_slices("index_reduce", input, dim, index, source)
    shape = [1] * len(at_shape(source))
    shape[d] = -1
    places = index.reshape(shape).expand(at_shape(source)).reshape(source.spec.shape)
    return REDUCED_SLICES(input, places, source, d, reduce, include_self)


REDUCED_SLICES = operation(reduced, name="index_reduce", tensors=("input", "index", "src"))


def put(input, index, source, accumulate=False):
    """`source` written (or added) at positions of the flattened tensor."""
    if index.spec.dtype != I64:
        raise RuntimeError("put_(): Expected a long tensor for index, but got "
                           f"{SCALAR_NAMES[index.spec.dtype.name]}")
    check_same_dtype("put_", input, source, "source")
    if index.spec.aval.size != source.spec.aval.size:
        raise RuntimeError("put_(): Expected source and index to have the same number of elements")
    flat = input.reshape(-1)
    check_bounds(flat, [index], (0,))
    return index_put(flat, (index.reshape(-1),), source.reshape(-1), accumulate).reshape(
        input.spec.shape)


def index_put(input, indices, values, accumulate=False):
    """A copy of `input` with `values` at the indices."""
    made = input.clone()
    return made.index_put_(tuple(indices), values, accumulate)


@operation(tensors=("input", "mask", "source"))
def masked_scatter(input, mask, source):
    """The elements of `source`, in order, where the mask is True."""
    shape = broadcast_shapes(aval_of(input).shape, aval_of(mask).shape)
    if dtype_kind(aval_of(mask).dtype) != "b":
        raise RuntimeError("masked_scatter_ only supports boolean masks, but got mask with dtype "
                           f"{SCALAR_NAMES[aval_of(mask).dtype.name]}")
    x, m = of_face(expand_to(input, shape)), of_face(expand_to(mask, shape))
    if aval_of(x).dtype != aval_of(source).dtype:
        raise RuntimeError("masked_scatter_: expected self and source to have same dtypes but got "
                           f"{SCALAR_NAMES[aval_of(x).dtype.name]} and "
                           f"{SCALAR_NAMES[aval_of(source).dtype.name]}")
    order = cast(m, I64).reshape(-1).cumsum(0) - 1
    values = read(reshape(source, new_sizes=(aval_of(source).size,)), [order.clamp(min=0)], (0,))
    return table["select_n"](m, x, reshape(values, new_sizes=shape))


# ------------------------------------------------------------------ *_scatter: a view replaced


def replaced(name: str):
    """`input` with `src` where the positions are, along dimensions that come first."""
    @operation(name=name, tensors=("input", "src"))
    def op(input, src, dims, places):
        x = of_face(input).movedim(dims, tuple(range(len(dims))))
        out = written(x, [np.array(p) for p in places], src, tuple(range(len(dims))))
        return of_face(out).movedim(tuple(range(len(dims))), dims)

    return op


SELECT, SLICE, DIAGONAL = map(replaced, ("select_scatter", "slice_scatter", "diagonal_scatter"))


def check_embedded(src, shape) -> None:
    if tuple(src.spec.shape) != tuple(shape):
        raise RuntimeError(f"expected src to have a size equal to the slice of self. src size = "
                           f"{list(src.spec.shape)}, slice size = {list(shape)}")


def select_scatter(input, src, dim, index):
    """`input` with `src` at one position of `dim`."""
    d = wrap_dim(dim, len(input.spec.shape))
    check_embedded(src, input.select(dim, index).spec.shape)
    return SELECT(input, src[None], (d,), ((index % input.spec.shape[d],),))


def slice_scatter(input, src, dim=0, start=None, end=None, step=1):
    """`input` with `src` at the positions start:end:step of `dim`."""
    d = wrap_dim(dim, len(input.spec.shape))
    places = tuple(range(input.spec.shape[d]))[slice(start, end, step)]
    check_embedded(src, input.spec.shape[:d] + (len(places),) + input.spec.shape[d + 1:])
    return SLICE(input, src.movedim(d, 0), (d,), (places,)) if places else input.clone()


def diagonal_scatter(input, src, offset=0, dim1=0, dim2=1):
    """`input` with `src` on a diagonal."""
    check_embedded(src, input.diagonal(offset, dim1, dim2).spec.shape)
    dims = tuple(wrap_dim(d, len(input.spec.shape)) for d in (dim1, dim2))
    n = src.spec.shape[-1]
    rows, columns = (tuple(range(max(s, 0), max(s, 0) + n)) for s in (-offset, offset))
    return DIAGONAL(input, src.movedim(-1, 0), dims, (rows, columns)) if n else input.clone()


def as_strided_scatter(input, src, size, stride, storage_offset=0):
    """`input` with `src` at the places that the strides show."""
    places = strided_places(tuple(size), tuple(stride), storage_offset or 0).reshape(-1)
    check_embedded(src, tuple(size))
    if places.size and places.max() >= input.spec.aval.size:
        raise RuntimeError(f"setStorage: sizes {list(size)}, strides {list(stride)}, storage "
                           f"offset {storage_offset or 0} are out of bounds for storage of "
                           f"{input.spec.aval.size} elements")
    flat = index_put(input.reshape(-1), (from_array(places),), src.reshape(-1))
    return flat.reshape(input.spec.shape)


SCATTERING = {
    "as_strided_scatter": as_strided_scatter,
    "scatter": scatter_, "scatter_add": scatter_add_, "scatter_reduce": scatter_reduce,
    "index_add": index_add, "index_copy": index_copy, "index_fill": index_fill,
    "index_reduce": index_reduce, "put": put, "index_put": index_put,
    "masked_scatter": masked_scatter, "select_scatter": select_scatter,
    "slice_scatter": slice_scatter, "diagonal_scatter": diagonal_scatter,
}
