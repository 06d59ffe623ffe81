"""max, min, sort and topk: values with the indices they came from."""

from __future__ import annotations

from collections import namedtuple

from compat.torch import reductions as r
from compat.torch.indexing import gather_, gather_op
from compat.torch.operation import operation
from compat.torch.pointwise import PAIRS
from compat.torch.promotion import cast
from compat.torch.tensor import wrap_dim
from minigrad import core
from minigrad.core import I64, aval_of, table
from minigrad.ops.shaping import iota, rev

Pair = {name: namedtuple(name, "values indices")
        for name in ("max", "min", "sort", "topk")}


def pick(name: str, input, index, dim: int, keepdim: bool):
    """The elements at `index`: their derivative goes to these positions alone."""
    if not input.spec.shape:
        return Pair[name](input.clone(), index)
    values = gather_op(input, index if keepdim else index.unsqueeze(dim), dim)
    return Pair[name](values if keepdim else values.squeeze(dim), index)


def extreme(name: str, whole, position, pairwise):
    def fn(input, dim=None, keepdim=False):
        if isinstance(dim, core.Tensor):
            return PAIRS[pairwise](input, dim)
        if dim is None:
            return whole(input)
        d = wrap_dim(dim, len(input.spec.shape))
        return pick(name, input, position(input, d, keepdim), d, keepdim)

    fn.__name__ = fn.__qualname__ = name
    fn.__doc__ = f"The {name} of all elements, along `dim` with its index, or of two tensors."
    return fn


max = extreme("max", r.max_of_all, r.argmax, "maximum")
min = extreme("min", r.min_of_all, r.argmin, "minimum")


@operation(name="argsort", tensors=("input",))
def argsort_op(input, dim=-1, descending=False):
    shape = aval_of(input).shape
    if not shape:
        return core.box(cast(0, I64))
    d = wrap_dim(dim, len(shape))
    x, places = input, iota(dtype=I64, shape=shape, dimension=d)
    if descending:  # stable: sort the reverse, then turn the result round
        x, places = rev(x, dimensions=(d,)), rev(places, dimensions=(d,))
    _, order = table["sort"](x, places, dimension=d, is_stable=True, num_keys=1)
    return rev(order, dimensions=(d,)) if descending else order


def sort(input, dim=-1, descending=False, stable=False):
    """The elements in order, and where they were."""
    index = argsort_op(input, dim, descending)
    if not input.spec.shape:
        return Pair["sort"](input.clone(), index)
    return Pair["sort"](gather_(input, dim, index), index)


def argsort(input, dim=-1, descending=False, stable=False):
    return argsort_op(input, dim, descending)


def topk(input, k, dim=-1, largest=True, sorted=True):
    """The k largest (or smallest) elements along `dim`."""
    index = argsort_op(input, dim, largest).narrow(dim, 0, k)
    return Pair["topk"](gather_(input, dim, index), index)
