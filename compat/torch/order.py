"""Order statistics: what stands at which place of the sorted elements."""

from __future__ import annotations

import math

import numpy as np

from compat.torch import extremes, reductions as r
from compat.torch.gathering import gather_
from compat.torch.host import on_arrays
from compat.torch.operation import operation
from compat.torch.pointwise import like, strong
from compat.torch.selecting import where
from compat.torch.promotion import cast, is_floating
from compat.torch.return_types import return_type
from compat.torch.ties import SMALL, arranged, ranks_of
from compat.torch.tensor import from_array, known, of_face, wrap_dim
from minigrad import core
from minigrad.core import I64, aval_of, table
from minigrad.ops.families import dtype_kind
from minigrad.ops.shaping import iota


def last(input, dim):
    """The dimension at the end, and how to put a result back."""
    d = wrap_dim(dim, len(input.spec.shape))
    return input.movedim(d, -1) if input.spec.shape else input.reshape(1)


def chosen(input, places, dim, keepdim):
    """(values, indices) at one position a row along the last dimension of `last(input, dim)`."""
    if not input.spec.shape:
        return input.clone(), places.reshape(())
    d = wrap_dim(dim, len(input.spec.shape))
    index = places.unsqueeze(d)
    values = gather_(input, d, index)
    return (values, index) if keepdim else (values.squeeze(d), places)


def kthvalue(input, k, dim=-1, keepdim=False):
    """The k-th smallest element along `dim`, and where it is."""
    n = input.spec.shape[wrap_dim(dim, len(input.spec.shape))] if input.spec.shape else 1
    if not 1 <= k <= n:
        raise RuntimeError(f"kthvalue(): selected number k out of range for dimension {dim}")

    def place(x):
        rows = x.reshape(-1, n)
        places = np.argsort(rows, -1, kind="stable")[:, k - 1]
        for i, (row, p) in enumerate(zip(rows, places)):
            if (row == row[p]).sum() > 1:
                places[i] = arranged("quickselect", ranks_of(row), k - 1)[k - 1]
        return places.reshape(x.shape[:-1])

    return return_type("kthvalue")(*placed(place, input, dim, keepdim))


def placed(place, input, dim, keepdim):
    """(values, indices) of the position that `place` finds in each row of an array."""
    x = last(input.detach(), dim)
    places = on_arrays(place, x.spec.shape[:-1], np.int64, x)
    return chosen(input, places, dim, keepdim)


def middle(name: str, ignore_nan: bool):
    """The lower of the two middle elements."""
    result = return_type(name)

    @operation(name=f"{name}.1", tensors=("input",))
    def of_all(input):
        """Equal elements share the gradient."""
        x = of_face(input).reshape(-1)
        value = extremes.sort(x, 0)[0].gather(0, position(x).reshape(1))
        if not is_floating(aval_of(x).dtype):
            return value[0]
        same = (x == value) | x.isnan() & value.isnan()
        return where(same, x, 0.0).sum() / same.sum()

    def position(x):
        """Of the middle among the sorted, along the last dimension."""
        n = aval_of(x).shape[-1]
        if not is_floating(aval_of(x).dtype):
            return of_face(np.full(aval_of(x).shape[:-1], (n - 1) // 2))
        missing = cast(x.isnan(), I64).sum(-1)
        count = n - missing
        if ignore_nan:
            return ((count - 1) // 2).clamp(min=0)
        return where(missing > 0, count, (count - 1) // 2)

    def function(input, dim=None, keepdim=False):
        if dim is None:
            if not input.spec.aval.size:
                return input.new_full((), math.nan)
            return of_all(input)
        if input.spec.shape and not input.spec.shape[wrap_dim(dim, len(input.spec.shape))]:
            raise IndexError(f"{name}(): Expected reduction dim {dim} to have non-zero size.")
        x = last(input.detach(), dim)
        order = extremes.argsort(x, -1)
        return result(*chosen(input, order.gather(-1, position(x).unsqueeze(-1)).squeeze(-1), dim,
                              keepdim))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"torch.{name}: of all elements, or along `dim` with its index."
    return function


median, nanmedian = middle("median", False), middle("nanmedian", True)


def mode(input, dim=-1, keepdim=False):
    """The commonest element along `dim` (the smallest of several), and its last place."""
    def place(x):
        rows = x.reshape(-1, x.shape[-1])
        places = np.zeros(len(rows), np.int64)
        for i, row in enumerate(rows):
            ranks = ranks_of(row)
            commonest = np.bincount(ranks).argmax()
            order = np.arange(len(row)) if len(row) <= SMALL else arranged("sort", ranks, len(row))
            places[i] = order[np.flatnonzero(ranks[order] == commonest)[-1]]
        return places.reshape(x.shape[:-1])

    return return_type("mode")(*placed(place, input, dim, keepdim))


INTERPOLATIONS = ("linear", "lower", "higher", "midpoint", "nearest")


def quantile_function(name: str, ignore_nan: bool):
    @operation(name=name, tensors=("input", "q"))
    def op(input, q, dim, keepdim, interpolation):
        x, q = of_face(input), of_face(q)
        shape = aval_of(x).shape
        moved = x.reshape(-1) if dim is None or not shape else x.movedim(dim, -1)
        ordered = extremes.sort(moved, -1)[0]
        n = aval_of(moved).shape[-1]
        missing = moved.isnan()
        count = n - cast(missing, I64).sum(-1)
        size = count.clamp(min=1) if ignore_nan else like(count, n)
        many = len(aval_of(q).shape)  # 1 for several quantiles: they come first
        q = q.reshape(aval_of(q).shape + (1,) * len(aval_of(size).shape))
        place = q * (cast(size, aval_of(x).dtype) - 1)
        low, high = place.floor(), place.ceil()
        if interpolation == "nearest":
            low = high = place.round()
        low = high if interpolation == "higher" else low
        high = low if interpolation == "lower" else high
        weight = 0.5 if interpolation == "midpoint" else place - low

        def at(position):
            index = cast(position, I64)
            rows = ordered.expand(*aval_of(index).shape[:many], *aval_of(ordered).shape)
            return rows.gather(-1, index.unsqueeze(-1)).squeeze(-1)

        a, b = at(low), at(high)
        out = a + weight * (b - a)
        out = where(count == 0 if ignore_nan else missing.any(-1), math.nan, out)
        if keepdim:
            for d in range(len(shape)) if dim is None else [dim] if shape else []:
                out = out.unsqueeze(d + many)
        return out

    def function(input, q, dim=None, keepdim=False, *, interpolation="linear"):
        if not is_floating(input.spec.dtype) or input.spec.dtype.itemsize < 4:
            raise RuntimeError(f"{name}() input tensor must be either float or double dtype")
        if interpolation not in INTERPOLATIONS:
            raise RuntimeError(f"{name}() interpolation must be one of linear, lower, higher, "
                               f"midpoint or nearest, but got {interpolation}")
        if not isinstance(q, core.Tensor):
            if not 0 <= q <= 1:
                raise RuntimeError(f"{name}() q must be in the range [0, 1] but got {q}")
            q = from_array(np.asarray(q, input.spec.dtype))
        elif len(q.spec.shape) > 1:
            raise RuntimeError(f"{name}() q must be a scalar or 1D tensor")
        elif q.spec.dtype != input.spec.dtype:
            raise RuntimeError(f"{name}() q tensor must be same dtype as the input tensor")
        elif known(q) and not bool(((q >= 0) & (q <= 1)).all()):
            raise RuntimeError(f"{name}() q values must be in the range [0, 1]")
        if not input.spec.aval.size:
            raise RuntimeError(f"{name}() input tensor must be non-empty")
        d = None if dim is None else wrap_dim(dim, len(input.spec.shape))
        return op(input, q, d, keepdim, interpolation)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = "The value below which the share `q` of the elements lies."
    return function


quantile, nanquantile = quantile_function("quantile", False), quantile_function("nanquantile", True)


def msort(input):
    """The elements in order along the first dimension."""
    return extremes.sort(input, 0)[0] if input.spec.shape else input.clone()


def running_extreme(name: str, better):
    """The extreme so far and its last place; nan, once met, stays."""
    result = return_type(name)

    def both(input, dim):
        x = of_face(strong(input))
        if not aval_of(x).shape:
            return x, of_face(np.zeros((), np.int64))
        as_number = cast(x, np.dtype(np.int32)) if dtype_kind(aval_of(x).dtype) == "b" else x
        best = of_face(table[name](as_number, axis=dim, reverse=False))
        if is_floating(aval_of(x).dtype):
            seen = of_face(table["cummax"](cast(x.isnan(), np.dtype(np.int32)), axis=dim,
                                           reverse=False)) > 0
            hit = (as_number == best) & ~seen | x.isnan()
        else:
            hit = of_face(as_number) == best
        places = of_face(iota(dtype=I64, shape=aval_of(x).shape, dimension=dim))
        places = of_face(table["cummax"](where(hit, places, 0), axis=dim, reverse=False))
        return x.gather(dim, places), places

    op = operation(both, name=name, tensors=("input",))

    def function(input, dim):
        return result(*op(input, wrap_dim(dim, len(input.spec.shape))))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = "The extreme so far along `dim`, and where it is."
    return function


cummax, cummin = running_extreme("cummax", "ge"), running_extreme("cummin", "le")


def aminmax(input, *, dim=None, keepdim=False):
    """The least and the largest element."""
    if not input.spec.aval.size and dim is None:
        raise RuntimeError("aminmax(): cannot compute aminmax over an empty dimension as the "
                           "operation has no identity.")
    return return_type("aminmax", "min max")(r.amin(input, dim, keepdim),
                                            r.amax(input, dim, keepdim))


ORDER = {f.__name__: f for f in (kthvalue, median, nanmedian, mode, quantile, nanquantile, msort,
                                 cummax, cummin, aminmax)}
