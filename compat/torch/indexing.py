"""Reading and writing at indices: `x[...]` and `x[...] = value`.

An index is first turned into a static, hashable key for what is known (integers, slices, None) and
index arrays for what is computed. The static part makes a view; index arrays make a copy.
"""

from __future__ import annotations

import functools
import operator
import warnings

import numpy as np

from compat.torch.devices import beside
from compat.torch.operation import operation
from compat.torch.selecting import masked_fill
from compat.torch.promotion import cast, expand_to, shape_of
from compat.torch.views import alias, select, shareable
from compat.torch.tensor import Tensor, array_of, from_array
from kernels.indexing import GatherDimensionNumbers, ScatterDimensionNumbers
from minigrad import core, tape
from minigrad.imperative import views
from minigrad.core import EVAL, I64, aval_of, box, get_mode
from minigrad.ops import elementwise as e
from minigrad.ops.families import dtype_kind, zeros_like
from minigrad.ops.indexing import CLIP, gather
from minigrad.ops.scattering import scatter, scatter_add
from minigrad.ops.selection import select_n
from minigrad.ops.shaping import concatenate, reshape, slice_

# ------------------------------------------------------------------ from an index to its parts


def parts_of(index) -> list:
    """The items of an index. A list of integers is one array, as in NumPy; a short list that holds
    anything else stands for a tuple."""
    if isinstance(index, tuple) or type(index) is list and len(index) < 32 and any(
            isinstance(x, (core.Tensor, list, tuple, slice, type(None), type(...))) for x in index):
        return list(index)
    return [index]


def is_integer(item) -> bool:
    return isinstance(item, (int, np.integer)) and not isinstance(item, (bool, np.bool_))


def as_index_array(item):
    """An index array as a Tensor, or None for what belongs to the static key."""
    if isinstance(item, core.Tensor):
        if not item.spec.shape and item.spec.dtype.kind in "iu" and item.spec.concrete:
            return None
        return item
    item = list(item) if isinstance(item, (tuple, range)) else item
    if isinstance(item, (list, np.ndarray)):
        array = np.asarray([x.item() if isinstance(x, core.Tensor) else x for x in item]
                           if isinstance(item, list) else item)
        empty = not array.size and array.dtype.kind == "f"  # NumPy has [] of floats
        return from_array(array.astype(np.int64) if empty else array)
    if isinstance(item, (bool, np.bool_)):
        return from_array(np.asarray(item))
    return None


def covers(item) -> int:
    """How many dimensions an item stands for."""
    if item is None:
        return 0
    array = as_index_array(item)
    if array is not None and array.spec.dtype == np.bool_:
        return len(array.spec.shape)
    return 1


def analyse(index, shape) -> tuple[tuple, list]:
    """(static key of the view, index arrays by dimension of the view; None where there is none)."""
    items = parts_of(index)
    used = sum(covers(i) for i in items if i is not Ellipsis)
    if used > len(shape):
        if len(items) == 1 and type(items[0]) is int:
            raise IndexError("invalid index of a 0-dim tensor. Use `tensor.item()` in Python or "
                             "`tensor.item<T>()` in C++ to convert a 0-dim tensor to a number")
        raise IndexError(f"too many indices for tensor of dimension {len(shape)}")
    if not any(i is Ellipsis for i in items):
        items.append(Ellipsis)
    key: list = []
    arrays: list = []
    dim = 0
    for item in items:
        if item is Ellipsis:
            for _ in range(len(shape) - used):
                key.append((0, shape[dim], 1))
                arrays.append(None)
                dim += 1
        elif item is None:
            key.append(None)
            arrays.append(None)
        elif isinstance(item, slice):
            key.append(bounds(item, shape[dim]))
            arrays.append(None)
            dim += 1
        elif (array := as_index_array(item)) is not None:
            dim += take_whole(array, key, arrays, shape, dim)
        elif is_integer(item) or isinstance(item, core.Tensor):
            key.append(position(int(item), shape[dim], dim))
            dim += 1
        else:
            raise IndexError("only integers, slices (`:`), ellipsis (`...`), None and long or byte "
                             f"Variables are valid indices (got {type(item).__name__})")
    return tuple(key), arrays


def take_whole(array, key: list, arrays: list, shape, dim: int) -> int:
    """An index array reads whole dimensions of the view; how many it stands for."""
    if array.spec.dtype == np.uint8:
        warnings.warn("indexing with dtype torch.uint8 is now deprecated, please use a dtype "
                      "torch.bool instead.", stacklevel=2)
    if array.spec.dtype in (np.bool_, np.uint8):
        ndim = len(array.spec.shape)
        for i, (n, m) in enumerate(zip(array.spec.shape, shape[dim:])):
            if n != m:
                raise IndexError(
                    f"The shape of the mask {list(array.spec.shape)} at index {i} does not match "
                    f"the shape of the indexed tensor {list(shape)} at index {dim + i}")
        if not ndim:
            key.append(None)
            arrays.append(from_array(np.zeros(int(bool(array)), np.int64)))
            return 0
        found = np.nonzero(array_of(array))
        for i, places in enumerate(found):
            key.append((0, shape[dim + i], 1))
            arrays.append(from_array(places))
        return ndim
    if array.spec.dtype.kind not in "iu":
        raise IndexError("tensors used as indices must be long, int, byte or bool tensors")
    key.append((0, shape[dim], 1))
    arrays.append(array)
    return 1


def bounds(item: slice, n: int) -> tuple[int, int, int]:
    if item.step is not None and operator.index(item.step) <= 0:
        raise ValueError("step must be greater than zero")
    start, stop, step = slice(*(None if i is None else operator.index(i) for i in (
        item.start, item.stop, item.step))).indices(n)
    return start, max(start, stop), step


def position(index: int, n: int, dim: int) -> int:
    if not -n <= index < n:
        raise IndexError(f"index {index} is out of bounds for dimension {dim} with size {n}")
    return index % n


# ------------------------------------------------------------------ the static part: a view


def basic(input, key):
    """Slices of some dimensions, one position of others, new ones of size one."""
    x = input
    shape = aval_of(x).shape
    items = [k for k in key if k is not None]
    starts = tuple(k if type(k) is int else k[0] for k in items)
    limits = tuple(k + 1 if type(k) is int else k[1] for k in items)
    steps = tuple(1 if type(k) is int else k[2] for k in items)
    if (starts, limits, set(steps)) != ((0,) * len(shape), shape, {1}) and shape:
        x = slice_(x, start_indices=starts, limit_indices=limits,
                   strides=None if set(steps) == {1} else steps)
    cut = iter(aval_of(x).shape)
    sizes: list[int] = []
    for k in key:
        n = 1 if k is None else next(cut)
        if type(k) is not int:
            sizes.append(n)
    return reshape(x, new_sizes=tuple(sizes))


BASIC = {name: operation(basic, name=name, view=True, tensors=("input",))
         for name in ("select", "slice", "unsqueeze")}


def last_step(key) -> str:
    """PyTorch's node is named after the last of the views it makes."""
    for k in reversed(key):
        if k is None:
            return "unsqueeze"
        if type(k) is int:
            return "select"
        if k[0] or k[2] != 1:
            return "slice"
    return "slice"


def view_at(input, key):
    """The view of a static key. Where nothing is recorded, the array's own indexing serves."""
    op = BASIC[last_step(key)]
    if is_recorded(input):
        return op(shareable(input), key)
    out = from_array(input.value[(*(slice(*k) if type(k) is tuple else k for k in key), ...)])
    views.register_view(out, input, functools.partial(op, key=key))
    return out


def is_recorded(input) -> bool:
    """Is more to be done than to index the array?"""
    mode = get_mode()
    return mode.trace is not EVAL or mode.grad and input.spec.requires_grad \
        or type(input.value) is not np.ndarray


def row(input, index: int):
    """`input[index]`, the commonest of all."""
    if is_recorded(input):
        return select(input, 0, index)
    out = from_array(input.value[index, ...])
    views.register_view(out, input, functools.partial(select, dim=0, index=index))
    return out


# ------------------------------------------------------------------ index arrays


def indexed_dims(arrays) -> tuple[int, ...]:
    return tuple(i for i, a in enumerate(arrays) if a is not None)


def index_vectors(x, arrays, dims):
    """Index arrays, broadcast, as vectors along a last axis; negative ones count from the end."""
    shape = broadcast([aval_of(a).shape for a in arrays])
    columns = []
    for a, d in zip(arrays, dims):
        a = cast(a, I64)
        a = select_n(e.lt(a, 0), a, e.add(a, aval_of(x).shape[d]))
        columns.append(reshape(expand_to(a, shape), new_sizes=(*shape, 1)))
    return concatenate(*columns, dimension=len(shape)) if len(columns) > 1 else columns[0]


def broadcast(shapes) -> tuple[int, ...]:
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        shown = ", ".join(str(list(s)) for s in shapes)
        raise IndexError("shape mismatch: indexing tensors could not be broadcast together with "
                         f"shapes {shown}") from None


def numbers_for(x, vectors, dims):
    """(dimension numbers, slice sizes) with the index axes where NumPy puts them: in the place of
    the indexed dimensions if these are neighbours, else in front."""
    shape, rank = aval_of(x).shape, len(aval_of(vectors).shape) - 1
    adjacent = dims == tuple(range(dims[0], dims[0] + len(dims)))
    front = dims[0] if adjacent else 0
    rest = [d for d in range(len(shape)) if d not in dims]
    offset = tuple(i if i < front else i + rank for i in range(len(rest)))
    sizes = tuple(1 if d in dims else n for d, n in enumerate(shape))
    return GatherDimensionNumbers(offset, dims, dims), sizes


def read(x, arrays, dims):
    vectors = index_vectors(x, arrays, dims)
    numbers, sizes = numbers_for(x, vectors, dims)
    return gather(x, vectors, dimension_numbers=numbers, slice_sizes=sizes, mode=CLIP)


def written(x, arrays, values, dims, primitive=scatter):
    """`x` with `values` put (or added, multiplied ... by another scatter) at the places."""
    vectors = index_vectors(x, arrays, dims)
    numbers, sizes = numbers_for(x, vectors, dims)
    shape, window = list(aval_of(vectors).shape[:-1]), iter(
        n for d, n in enumerate(sizes) if d not in dims)
    rank = len(shape) + len(numbers.offset_dims)
    batch = iter(shape)
    full = tuple(next(window) if i in numbers.offset_dims else next(batch) for i in range(rank))
    own = aval_of(values).shape
    extra = len(own) - len(full)
    if extra > 0 and all(n == 1 for n in own[:extra]):
        values = reshape(values, new_sizes=own[extra:])
    try:
        np.broadcast_shapes(aval_of(values).shape, full)
    except ValueError:
        raise RuntimeError(f"shape mismatch: value tensor of shape {list(own)} cannot be broadcast "
                           f"to indexing result of shape {list(full)}") from None
    values = expand_to(cast(values, aval_of(x).dtype), full)
    return primitive(x, vectors, values, mode=CLIP,
                     dimension_numbers=ScatterDimensionNumbers(*numbers))


@functools.lru_cache(maxsize=32)
def index_op(count: int, name: str = "index"):
    """`x[i, j, ...]` for `count` index arrays."""
    names = ["i", "j", "k", "l", "m", "n"][:count]

    def fn(input, i, j=None, k=None, l=None, m=None, n=None, dims=()):
        return read(input, [a for a in (i, j, k, l, m, n) if a is not None], dims)

    return operation(fn, name=name, tensors=("input", *names))


@functools.lru_cache(maxsize=32)
def index_put_op(count: int):
    names = ["i", "j", "k", "l", "m", "n"][:count]

    def fn(input, values, i, j=None, k=None, l=None, m=None, n=None, dims=(), accumulate=False):
        given = [a for a in (i, j, k, l, m, n) if a is not None]
        if not accumulate:
            return written(input, given, values, dims)
        if dtype_kind(aval_of(input).dtype) == "b":  # a sum of booleans is `or`
            wide = np.dtype(np.int32)
            out = written(cast(input, wide), given, cast(values, wide), dims, scatter_add)
            return e.ne(out, zeros_like(out))
        return written(input, given, values, dims, scatter_add)

    return operation(fn, name="index_put", tensors=("input", "values", *names),
                     scalars=("values",))


def check_bounds(x, arrays, dims) -> None:
    """PyTorch refuses indices outside the dimension."""
    for a, d in zip(arrays, dims):
        array, n = tape.current(a).value, x.spec.shape[d]
        if isinstance(array, (np.ndarray, np.generic)) and array.size \
                and (array.min() < -n or array.max() >= n):
            wrong = array[(array < -n) | (array >= n)].reshape(-1)[0]
            raise IndexError(f"index {wrong} is out of bounds for dimension {d} with size {n}")


def getitem(self, index, name="index"):
    """x[index]: a view for integers, slices, None and ...; a copy for index arrays and masks."""
    if index is Ellipsis:
        return alias(shareable(self))
    if type(index) is int and self.spec.shape:
        return row(self, position(index, self.spec.shape[0], 0))
    key, arrays = analyse(index, self.spec.shape)
    dims = indexed_dims([a for a, k in zip_arrays(key, arrays)])
    given = [a for a in arrays if a is not None]
    plain = len(key) == len(self.spec.shape) and all(
        k == (0, n, 1) for k, n in zip(key, self.spec.shape))
    base = self if given and plain else view_at(self, key)
    if not given:
        return base
    check_bounds(base, given, dims)
    given = [beside(base, a) for a in given]  # indices may come from the host
    return index_op(len(given), name)(base, *given, dims=dims)


def zip_arrays(key, arrays):
    """(array, key) for the dimensions that the view has: integers drop theirs."""
    return zip(arrays, [k for k in key if type(k) is not int])


def setitem(self, index, value) -> None:
    """x[index] = value, in place."""
    mask = index[0] if isinstance(index, tuple) and len(index) == 1 else index
    if isinstance(mask, core.Tensor) and mask.spec.dtype == np.bool_ \
            and (not isinstance(value, core.Tensor) or not value.spec.shape):
        views.write(self, masked_fill_leading(self, mask, value))
        return
    key, arrays = analyse(index, self.spec.shape)
    given = [a for a in arrays if a is not None]
    plain = len(key) == len(self.spec.shape) and all(
        k == (0, n, 1) for k, n in zip(key, self.spec.shape))
    target = self if plain else view_at(self, key)
    if not isinstance(value, core.Tensor):
        value = value if isinstance(value, (bool, int, float, complex)) else \
            from_array(np.asarray(value))
    if not given:
        fill(target, value)
        return
    dims = indexed_dims([a for a, k in zip_arrays(key, arrays)])
    check_bounds(target, given, dims)
    given = [beside(target, a) for a in given]
    new = index_put_op(len(given))(target, value, *given, dims=dims)
    views.write(target, new)


def masked_fill_leading(x, mask, value):
    """A mask of the leading dimensions covers the others whole."""
    missing = len(x.spec.shape) - len(mask.spec.shape)
    if missing:
        mask = mask.reshape(*mask.spec.shape, *(1,) * missing)
    return masked_fill(x, mask, value)


@operation(name="copy", tensors=("source",), scalars=("source",))
def copied(source, shape, dtype):
    """`source` in the shape and dtype of what it is written to."""
    own = shape_of(source)
    extra = len(own) - len(shape)
    if extra > 0 and all(n == 1 for n in own[:extra]):
        source = reshape(source, new_sizes=own[extra:])
        own = own[extra:]
    for d in range(1, len(own) + 1):
        n = shape[-d] if d <= len(shape) else 0
        if own[-d] not in (1, n):
            raise RuntimeError(
                f"The expanded size of the tensor ({n}) must match the existing size ({own[-d]}) "
                f"at non-singleton dimension {len(shape) - d}.  Target sizes: {list(shape)}.  "
                f"Tensor sizes: {list(own)}")
    return expand_to(cast(source, dtype), shape)


def fill(target, value):
    """Write a number or a broadcast Tensor into `target`."""
    return views.write(target, box(copied(value, target.spec.shape, target.spec.dtype), Tensor))
