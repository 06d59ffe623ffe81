"""`x.at[index].set(y)`: a new array with some elements changed, by a scatter.
Source: jax.Array.at."""

from __future__ import annotations



from kernels.indexing import GatherScatterMode, ScatterDimensionNumbers
from minigrad.core import aval_of, table
from minigrad.numpy.promotion import convert, operand, promote_dtypes
from minigrad.numpy.selecting import broadcast_to
from minigrad.ops.families import dtype_kind, full
from minigrad.ops.shaping import expand_dims

from minigrad.numpy.indexing import PROMISE, parse, plan_gather, read


def scatter(x, index, y, combine: str = "", *, mode=None, unique_indices=False,
            indices_are_sorted=False, wrap_negative_indices=True, out_sharding=None):
    """`x` with `y` combined into `x[index]`: "" writes; "add", "mul", "min", "max" combine."""
    aval = aval_of(x)
    x, given = operand(x), y
    parsed = parse(index, aval.shape)._replace(wrap=wrap_negative_indices)
    plan = plan_gather(parsed)
    if 0 in plan.shape:
        return x
    if type(given) is int and dtype_kind(aval.dtype) in "iu":
        y = convert(given, aval.dtype)
    x, y = promote_dtypes(x, y)
    y = broadcast_to(y, plan.shape)
    if plan.new:
        y = table["squeeze"](y, dimensions=plan.new)
    if plan.reverse:
        y = table["rev"](y, dimensions=plan.reverse)
    if parsed.boolean_axes:
        x = expand_dims(x, parsed.boolean_axes)
    n = plan.numbers
    out = table["scatter" + ("-" + combine if combine else "")](
        x, plan.indices, y, indices_are_sorted=plan.no_arrays or indices_are_sorted,
        unique_indices=plan.no_arrays or unique_indices, mode=GatherScatterMode.from_any(mode),
        dimension_numbers=ScatterDimensionNumbers(n.offset_dims, n.collapsed_slice_dims,
                                                  n.start_index_map))
    if parsed.boolean_axes:
        out = table["squeeze"](out, dimensions=parsed.boolean_axes)
    return convert(out, aval.dtype, aval.weak_type)


class At:
    """`x.at`: write `x.at[index].set(y)` for an `x[index] = y` that makes a new array."""

    __slots__ = ("x",)

    def __init__(self, x):
        self.x = x

    def __getitem__(self, index) -> AtIndex:
        return AtIndex(self.x, index)


class AtIndex:
    """One place of an array: `get` reads it; the others return the array with it changed."""

    __slots__ = ("x", "index")

    def __init__(self, x, index):
        self.x, self.index = x, index

    def get(self, *, mode=None, fill_value=None, indices_are_sorted=False, unique_indices=False,
            wrap_negative_indices=True, out_sharding=None):
        wanted = PROMISE if mode is None and fill_value is None else \
            GatherScatterMode.from_any(mode)
        return read(self.x, self.index, wanted, fill_value=fill_value,
                    unique_indices=unique_indices, indices_are_sorted=indices_are_sorted,
                    wrap_negative_indices=wrap_negative_indices)

    def set(self, values, **options):
        return scatter(self.x, self.index, values, "", **options)

    def add(self, values, **options):
        return scatter(self.x, self.index, values, "add", **options)

    def subtract(self, values, **options):
        return scatter(self.x, self.index, values, "sub", **options)

    def multiply(self, values, **options):
        return scatter(self.x, self.index, values, "mul", **options)

    mul = multiply

    def min(self, values, **options):
        return scatter(self.x, self.index, values, "min", **options)

    def max(self, values, **options):
        return scatter(self.x, self.index, values, "max", **options)

    def divide(self, values, **options):
        return self.x / self.factors(values, options)

    def power(self, values, **options):
        return self.x ** self.factors(values, options)

    def factors(self, values, options):
        """Ones, but for the values at the place."""
        aval = aval_of(self.x)
        return scatter(full(aval.shape, 1, aval.dtype), self.index, values, "mul", **options)

    def apply(self, func, **options):
        """`func` of the elements at the place."""
        return self.set(func(self.get()), **options)
