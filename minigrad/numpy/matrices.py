"""Triangles, diagonals, and grids of coordinates. Source: jax.numpy."""

from __future__ import annotations

import operator

import numpy as np

from minigrad.core import aval_of, scalar_dtype, table
from minigrad.numpy.promotion import (
    check_array, convert, operand, shape_of,
)
from minigrad.numpy.selecting import broadcast_to, where
from minigrad.numpy.staging import staged
from minigrad.ops.families import full
from minigrad.ops.shaping import expand_dims as insert_axes

from minigrad.numpy.shaping import moveaxis


def grid(shape, dimension: int):
    return table["iota"](dtype=scalar_dtype(int), shape=tuple(shape), dimension=dimension)


def lower_triangle(shape, k: int):
    return table["ge"](table["add"](grid(shape, 0), k), grid(shape, 1))


def triangular(name: str, upper: bool):
    @staged(name=name, static=("k",))
    def function(m, k=0):
        shape = shape_of(m)
        if len(shape) < 2:
            raise ValueError(f"Argument to jax.numpy.{name} must be at least 2D")
        mask = lower_triangle(shape[-2:], k - upper)
        mask = broadcast_to(mask, shape)
        zeros = full(shape, 0, aval_of(m).dtype)
        return table["select_n"](mask, m, zeros) if upper else table["select_n"](mask, zeros, m)

    function.__name__ = name
    function.__doc__ = f"The {'upper' if upper else 'lower'} triangle, zeros elsewhere."
    return function


tril, triu = triangular("tril", False), triangular("triu", True)


def tri(N, M=None, k=0, dtype=None):
    """Ones on and below diagonal `k`."""
    return convert(lower_triangle((N, N if M is None else M), k),
                   scalar_dtype(float) if dtype is None else np.dtype(dtype))


def eye(N, M=None, k=0, dtype=None):
    """Ones on diagonal `k`."""
    shape = (operator.index(N), operator.index(N if M is None else M))
    if min(shape) < 0:
        raise ValueError(f"negative dimensions are not allowed, got {N} and {M}")
    rows, columns = grid(shape, 0), grid(shape, 1)
    on = table["eq"](table["add"](rows, k), columns)
    return convert(on, scalar_dtype(float) if dtype is None else np.dtype(dtype))


def identity(n, dtype=None):
    """The identity matrix."""
    return eye(n, dtype=dtype)


@staged(static=("offset", "axis1", "axis2"))
def diagonal(a, offset=0, axis1=0, axis2=1):
    """The diagonal of two axes, which becomes the last."""
    from minigrad.numpy.indexing import getitem

    a = moveaxis(a, (axis1, axis2), (-2, -1))
    rows, columns = shape_of(a)[-2:]
    count = max(0, min(rows + min(offset, 0), columns - max(offset, 0)))
    i = j = None
    i, j = (table["iota"](dtype=np.dtype(np.int32), shape=(count,), dimension=0) for _ in "ij")
    i = table["sub"](i, offset) if offset < 0 else i
    j = table["add"](j, offset) if offset > 0 else j
    return getitem(a, (..., i, j))


@staged(name="_diag", static=("k",))
def diag_(v, k):
    shape = shape_of(v)
    if len(shape) == 2:
        return diagonal(v, k)
    if len(shape) != 1:
        raise ValueError("diag input must be 1d or 2d")
    n = shape[0] + abs(k)
    v = table["pad"](v, full((), 0, aval_of(v).dtype),
                     padding_config=((max(0, k), max(0, -k), 0),))
    rows, columns = grid((n, n), 0), grid((n, n), 1)
    on = table["eq"](table["add"](rows, k), columns)
    return where(on, insert_axes(v, (0 if k else 1,)), full((), 0, aval_of(v).dtype))


def diag(v, k=0):
    """The matrix with `v` on diagonal `k`, or diagonal `k` of a matrix."""
    check_array("diag", v)
    return diag_(v, k)


@staged(static=("offset", "axis1", "axis2", "dtype"))
def trace(a, offset=0, axis1=0, axis2=1, dtype=None):
    """The sum of a diagonal."""
    from minigrad.numpy.reductions import sum as total

    a = moveaxis(a, (axis1, axis2), (-2, -1))
    shape = shape_of(a)
    rows, columns = grid(shape[-2:], 0), grid(shape[-2:], 1)
    on = table["eq"](table["add"](rows, offset), columns)
    a = where(on, a, full(shape, 0, aval_of(a).dtype))
    return total(a, axis=(-2, -1), dtype=dtype)


def meshgrid(*xi, copy=True, sparse=False, indexing="xy"):
    """Coordinate arrays from coordinate vectors."""
    if indexing not in ("xy", "ij"):
        raise ValueError("Valid values for indexing are 'xy' and 'ij', got " + repr(indexing))
    xi = [operand(x) for x in xi]
    if indexing == "xy" and len(xi) >= 2:
        xi[0], xi[1] = xi[1], xi[0]
    sizes = [aval_of(x).size for x in xi]
    out = []
    for i, x in enumerate(xi):
        shape = [n if i == j or not sparse else 1 for j, n in enumerate(sizes)]
        out.append(table["broadcast_in_dim"](x, shape=tuple(shape), broadcast_dimensions=(i,)))
    if indexing == "xy" and len(out) >= 2:
        out[0], out[1] = out[1], out[0]
    return out
