"""max, min, sort and topk: values with the indices they came from."""

from __future__ import annotations

import numpy as np

from compat.torch import reductions as r
from compat.torch.dtypes import SCALAR_NAMES
from compat.torch.gathering import along, gather_, point_numbers
from compat.torch.operation import operation
from compat.torch.pointwise import PAIRS, strong
from compat.torch.promotion import cast
from compat.torch.return_types import return_type
from compat.torch.views import part
from compat.torch.tensor import array_of, at_hand, from_array, wrap_dim
from compat.torch.ties import arranged, ranks_of
from minigrad import core
from minigrad.core import I64, aval_of, table
from minigrad.ops.families import dtype_kind
from minigrad.ops.indexing import CLIP, gather
from minigrad.ops.reduction import argmax, argmin
from minigrad.ops.shaping import iota, reshape, rev

Max, Min, Sort, Topk = map(return_type, ("max", "min", "sort", "topk"))


def extreme(name: str, result, whole, primitive, pairwise):
    """The value at the first position of the extreme: the derivative goes there alone, where the
    extreme of all elements shares it among ties."""
    def both(input, dim, keepdim):
        x = strong(input)
        shape = aval_of(x).shape
        if not shape:
            return x, cast(0, I64)
        small = tuple(1 if i == dim else n for i, n in enumerate(shape))
        index = reshape(primitive(x, axes=(dim,), index_dtype=I64), new_sizes=small)
        values = gather(x, along(x, index, dim), dimension_numbers=point_numbers(len(shape)),
                        slice_sizes=(1,) * len(shape), mode=CLIP)
        if not keepdim:
            kept = shape[:dim] + shape[dim + 1:]
            values, index = (reshape(v, new_sizes=kept) for v in (values, index))
        return values, index

    op = operation(both, name=name, tensors=("input",))

    def fn(input, dim=None, keepdim=False):
        if not isinstance(input, core.Tensor):
            raise TypeError(f"{name}() received an invalid combination of arguments - got "
                            f"({type(input).__name__}, {type(dim).__name__})")
        if isinstance(dim, core.Tensor):
            return PAIRS[pairwise](input, dim)
        if dtype_kind(input.spec.dtype) == "c":
            raise NotImplementedError(f'"{name}_all" not implemented for '
                                      f"'{SCALAR_NAMES[input.spec.dtype.name]}'")
        if dim is None:
            return whole(input)
        return result(*op(input, wrap_dim(dim, len(input.spec.shape)), keepdim))

    fn.__name__ = fn.__qualname__ = name
    fn.__doc__ = f"The {name} of all elements, along `dim` with its index, or of two tensors."
    return fn


max = extreme("max", Max, r.max_of_all, argmax, "maximum")
min = extreme("min", Min, r.min_of_all, argmin, "minimum")


def sorted_pair(input, dim, descending, count=None):
    """(values, indices) in order, both stable; the first `count` of them."""
    shape = aval_of(input).shape
    if not shape:
        return input, cast(0, I64)
    d = wrap_dim(dim, len(shape))
    pair = input, iota(dtype=I64, shape=shape, dimension=d)
    if descending:  # stable: sort the reverse, then turn the result round
        pair = tuple(rev(x, dimensions=(d,)) for x in pair)
    pair = table["sort"](*pair, dimension=d, is_stable=True, num_keys=1)
    if descending:
        pair = tuple(rev(x, dimensions=(d,)) for x in pair)
    return tuple(pair) if count is None else tuple(part(x, d, 0, count) for x in pair)


sort_op = operation(sorted_pair, name="sort", tensors=("input",))
topk_op = operation(sorted_pair, name="topk", tensors=("input",))


def sort(input, dim=-1, descending=False, stable=False):
    """The elements in order, and where they were."""
    return Sort(*sort_op(input, dim, descending))


def argsort(input, dim=-1, descending=False, stable=False):
    """Where the elements in order come from."""
    return sort_op(input, dim, descending)[1]


def topk(input, k, dim=-1, largest=True, sorted=True):
    """The k largest (or smallest) elements along `dim`."""
    if k > (input.size(dim) if input.dim() else 1):
        raise RuntimeError("selected index k out of range")
    values, indices = topk_op(input, dim, largest, k)
    if k and input.spec.shape and at_hand(input):
        d = wrap_dim(dim, len(input.spec.shape))
        places = tied(array_of(input), array_of(values), array_of(indices), d, largest, sorted)
        if places is not None:
            indices = from_array(places)
            values = gather_(input, d, indices)
    return Topk(values, indices)


def tied(x, values, indices, axis: int, largest: bool, ordered: bool):
    """The indices that PyTorch's algorithm finds, where equal elements compete; else None."""
    x, values, indices = (np.moveaxis(a, axis, -1) for a in (x, values, indices))
    k = values.shape[-1]
    least = values[..., -1:]
    compete = (values[..., 1:] == values[..., :-1]).any(-1) \
        | ((x == least).sum(-1) > (values == least).sum(-1))
    if not ordered and 64 * k > x.shape[-1]:  # selected, and left as they lie
        compete[...] = True
    if not compete.any():
        return None
    indices = indices.copy()
    for row in zip(*np.nonzero(compete)):
        indices[row] = arranged("topk", ranks_of(x[row], largest), k, ordered)[:k]
    return np.ascontiguousarray(np.moveaxis(indices, -1, axis))
