"""jax.lax: reductions, windows, running reductions, sorting."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from compat.jax.array import Array, as_array, canonical_dtype
from compat.jax.transforms import arrays, vmap
from minigrad.core import table
from minigrad.ops import windows
from minigrad.ops.axes import canonical
from minigrad.ops.families import dtype_kind
from compat.jax.lax import elementwise as ops
from compat.jax.lax.products import padding_pairs
from compat.jax.lax.shapes import (
    broadcast, concatenate, reshape, squeeze, transpose,
)
from minigrad.tree import tree_flatten, tree_unflatten


def reduction(primitive: str) -> Callable:
    def function(operand, axes):
        return as_array(table[primitive](as_array(operand), axes=tuple(axes)))

    function.__name__ = primitive
    function.__doc__ = f"The primitive `{primitive}` over `axes`."
    return function


reduce_sum, reduce_max, reduce_min, reduce_prod, reduce_and, reduce_or, reduce_xor = map(
    reduction, ("reduce_sum", "reduce_max", "reduce_min", "reduce_prod", "reduce_and",
                "reduce_or", "reduce_xor"))

# The monoids that have a primitive of their own: (function, identity) -> reduction, window.
MONOIDS = [(ops.add, 0, "reduce_sum", "reduce_window_sum"),
           (ops.max, -math.inf, "reduce_max", "reduce_window_max"),
           (ops.min, math.inf, "reduce_min", "reduce_window_min"),
           (ops.mul, 1, "reduce_prod", None), (ops.bitwise_and, -1, "reduce_and", None),
           (ops.bitwise_or, 0, "reduce_or", None)]


def monoid(computation, init, dtype):
    """The row of MONOIDS that a computation and its initial value are."""
    value = np.asarray(init) if not isinstance(init, Array) or init.spec.concrete else None
    if value is None or value.ndim:
        return None
    for fn, identity, whole, window in MONOIDS:
        if computation is fn:
            kind = dtype_kind(dtype)
            if math.isinf(identity) and value == identity:  # integers may start from it too
                return whole, window
            if kind in "iu" and math.isinf(identity):
                identity = np.iinfo(dtype).max if identity > 0 else np.iinfo(dtype).min
            if kind == "b":
                identity = identity != 0
            if value == identity:
                return whole, window
    return None


def reduce(operands, init_values, computation, dimensions):
    """A reduction by any associative function of two scalars."""
    if not isinstance(operands, (tuple, list)):
        x = as_array(operands)
        found = monoid(computation, init_values, x.dtype)
        if found:
            return as_array(table[found[0]](x, axes=tuple(dimensions)))
        sizes = [n if i in dimensions else 1 for i, n in enumerate(x.shape)]
        out = reduce_window(x, init_values, computation, sizes, (1,) * x.ndim, "VALID")
        return squeeze(out, dimensions)
    return reduce_several(arrays(operands), arrays(init_values), computation, dimensions)


def reduce_several(operands, init_values, computation, dimensions):
    """Several arrays at once: halves are combined until one is left, then the initial values."""
    ndim = operands[0].ndim
    axes = tuple(d % ndim for d in dimensions)
    rest = [i for i in range(ndim) if i not in axes]
    n = math.prod(operands[0].shape[i] for i in axes)
    many = isinstance(init_values, (tuple, list))
    combine = vmap(lambda a, b: tuple(computation(type(init_values)(a), type(init_values)(b))) if
                   many else computation(a, b))
    rows = [reshape(transpose(x, (*axes, *rest)), (n, math.prod(
        x.shape[i] for i in rest))) for x in operands]
    flat = vmap(combine)
    while n > 1:
        half = n // 2
        left, right = ([r[k:k + half] for r in rows] for k in (0, half))
        joined = flat(tuple(left), tuple(right))
        rows = [concatenate([j, r[2 * half:]], 0) for j, r in zip(joined, rows)]
        n -= half
    width = rows[0].shape[1]
    start = tuple(broadcast(v, (width,)) for v in init_values)
    out = combine(start, tuple(r[0] for r in rows)) if n else start
    shape = tuple(operands[0].shape[i] for i in rest)
    return type(init_values)(reshape(o, shape) for o in out)


def reduce_window(operand, init_value, computation, window_dimensions, window_strides, padding,
                  base_dilation=None, window_dilation=None):
    """A reduction over each window. Sums, maxima and minima have primitives of their own."""
    x = as_array(operand)
    base = (1,) * x.ndim if base_dilation is None else tuple(base_dilation)
    dilation = (1,) * x.ndim if window_dilation is None else tuple(window_dilation)
    extents = [(w - 1) * d + 1 for w, d in zip(window_dimensions, dilation)]
    window = dict(window_dimensions=tuple(window_dimensions),
                  window_strides=tuple(window_strides),
                  padding=padding_pairs(padding, x.shape, extents, window_strides),
                  base_dilation=base, window_dilation=dilation)
    found = monoid(computation, init_value, x.dtype)
    if found and found[1]:
        return as_array(table[found[1]](x, **window))
    from minigrad.program import stage

    scalar = x.spec.aval.update(shape=(), weak_type=False)
    body = stage(lambda a, b: [computation(a, b)], [scalar, scalar], Array)
    init = as_array(init_value)
    (out,) = table["reduce_window"](x, init, jaxpr=body, consts=(), **window)
    return as_array(out)


def cumulative(primitive: str) -> Callable:
    def function(operand, axis=0, reverse=False):
        x = as_array(operand)
        return as_array(table[primitive](x, axis=canonical(axis, x.ndim), reverse=reverse))

    function.__name__, function.__doc__ = primitive, f"The running {primitive[3:]}."
    return function


cumsum, cumprod, cummax, cummin, cumlogsumexp = map(
    cumulative, ("cumsum", "cumprod", "cummax", "cummin", "cumlogsumexp"))


def argmax(operand, axis, index_dtype):
    """The position of the maximum."""
    return as_array(table["argmax"](as_array(operand), axes=(axis,),
                                    index_dtype=canonical_dtype(index_dtype)))


def argmin(operand, axis, index_dtype):
    """The position of the minimum."""
    return as_array(table["argmin"](as_array(operand), axes=(axis,),
                                    index_dtype=canonical_dtype(index_dtype)))


def sort(operand, dimension=-1, is_stable=True, num_keys=1):
    """In order along an axis; several arrays by the first `num_keys` of them."""
    several = isinstance(operand, (tuple, list))
    operands = [as_array(x) for x in (operand if several else (operand,))]
    outs = table["sort"](*operands, dimension=canonical(dimension, operands[0].ndim),
                         is_stable=is_stable, num_keys=num_keys)
    return tuple(map(as_array, outs)) if several else as_array(outs[0])


def sort_key_val(keys, values, dimension=-1, is_stable=True):
    """Keys in order, and the values with them."""
    return sort((keys, values), dimension, is_stable)


def top_k(operand, k, *, axis=-1):
    """The k largest along an axis, and their positions."""
    x = as_array(operand)
    return [as_array(o) for o in table["top_k"](x, k=k, axis=canonical(axis, x.ndim))]


def associative_scan(fn, elems, reverse=False, axis=0):
    """Running combinations by an associative function, in logarithmic depth."""
    if not callable(fn):
        raise TypeError("lax.associative_scan: fn argument should be callable.")
    leaves, tree = tree_flatten(arrays(elems))
    axis = axis % leaves[0].ndim
    n = leaves[0].shape[axis]
    if any(x.shape[axis] != n for x in leaves):
        raise ValueError("Array inputs to associative_scan must have the same first dimension. "
                         f"(saw: {[x.shape for x in leaves]})")

    def combine(a, b):
        return [as_array(x) for x in tree_flatten(fn(tree_unflatten(tree, a),
                                                     tree_unflatten(tree, b)))[0]]

    return tree_unflatten(tree, [as_array(x) for x in windows.associative_scan(
        combine, leaves, axis, reverse)])
