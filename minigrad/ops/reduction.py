"""Reductions: the axes in `axes` are folded into one number each.

>>> import minigrad
>>> print(minigrad.backward_source("reduce_max", "f32[3,4]", axes=(0,)))
def reduce_max_backward(g, saved):
    x, out = saved
    t3 = convert_element_type(eq(x, reshape(out, new_sizes=(1, 4))), new_dtype=float32)
    return (g / reduce_sum(t3, axes=(0,))) * t3
"""

from __future__ import annotations

import math

import numpy as np

from kernels import ordering, reductions
from minigrad.batch import batch_flat
from minigrad.core import NO_GRAD, Primitive, aval_of, box, make_aval, to_array, using
from minigrad.forward import jvp_flat
from minigrad.ops.axes import computed, without
from minigrad.ops.elementwise import div, eq, mul
from minigrad.ops.families import broadcast_batch, dtype_kind, full, reduction
from minigrad.ops.joining import concatenate
from minigrad.ops.selection import convert
from minigrad.ops.shaping import (
    broadcast_in_dim, example_by_example, pad, reshape, reshape_to, slice_in_dim, squeeze,
)
from minigrad.program import Jaxpr, eval_jaxpr


def reduce_sum_transpose(ct, x, *, axes, out_sharding):
    if not axes:
        return ct
    kept = without(range(len(x.shape)), axes)
    return broadcast_in_dim(ct, shape=x.shape, broadcast_dimensions=computed(kept))


reduce_sum = reduction("reduce_sum", reductions.reduce_sum, transpose=reduce_sum_transpose,
                       accepts="fciu", defaults={"out_sharding": None})


def shared_among_winners(t, out, x, *, axes, **_):
    """The derivative of a maximum or minimum goes to the elements that reach it, in equal parts."""
    kept_dims = tuple(1 if i in axes else n for i, n in enumerate(aval_of(x).shape))
    winners = convert(eq(x, reshape_to(out, kept_dims)), aval_of(t).dtype)
    count = reduce_sum(winners, axes=axes)
    return div(reduce_sum(mul(t, winners), axes=axes), count)


reduce_max = reduction("reduce_max", reductions.reduce_max, jvp=(shared_among_winners,))
reduce_min = reduction("reduce_min", reductions.reduce_min, jvp=(shared_among_winners,))


def product_tree(x, axes):
    """The product as a tree of halves, multiplied pairwise: a derivative that divides by no
    element, and so stays right where one is zero. (d/dx of x*y*z at x=0 is y*z, not out/x.)"""
    shape = aval_of(x).shape
    kept = without(range(len(shape)), axes)
    sizes = tuple(shape[i] for i in kept)
    stacked = math.prod(shape[i] for i in axes), *sizes
    if (order := (*axes, *kept)) == tuple(range(len(shape))):
        x = reshape_to(x, stacked)
    else:
        x = reshape(x, new_sizes=stacked, dimensions=order)
    while (n := aval_of(x).shape[0]) > 1:
        half = (n + 1) // 2
        left, right = slice_in_dim(x, 0, half), slice_in_dim(x, half, None)
        if n % 2:
            right = pad(right, 1.0, padding_config=((0, 1, 0), *[(0, 0, 0)] * len(sizes)))
        x = mul(left, right)
    return squeeze(x, dimensions=(0,)) if n else full(sizes, 1, aval_of(x).dtype)


def reduce_prod_jvp(primals, tangents, *, axes, **_):
    (out,), (tangent,) = jvp_flat(lambda x: [product_tree(x, axes)], primals, tangents)
    return out, tangent


reduce_prod = reduction("reduce_prod", reductions.reduce_prod, accepts="fciu")
reduce_prod.jvp = reduce_prod_jvp

# ------------------------------------------------------------------ bits and positions


def logical(name: str, impl):
    """A reduction of bits. Its result has a type of its own, whatever the operand's."""
    p = reduction(name, impl)
    shaped = p.abstract

    def abstract(x, **params):
        if dtype_kind(x.dtype) not in "iub":
            raise TypeError("logical reduction requires operand dtype bool or int, got "
                            f"{x.dtype.name}.")
        return shaped(x, **params).strong

    p.abstract = abstract
    return p


reduce_and = logical("reduce_and", reductions.reduce_and)
reduce_or = logical("reduce_or", reductions.reduce_or)
reduce_xor = logical("reduce_xor", reductions.reduce_xor)


def arg_abstract(x, *, axes, index_dtype):
    (axis,) = axes
    if not 0 <= axis < len(x.shape):
        raise ValueError(f"Invalid axis {axis} for operand shape {x.shape}")
    if dtype_kind(x.dtype) == "c":
        raise TypeError(f"argmax and argmin do not accept dtype {x.dtype.name}: complex numbers "
                        "have no order.")
    if x.shape[axis] < 1:
        raise ValueError("argmin and argmax require non-empty reduced dimension. "
                         f"operand.shape={x.shape} {axis=}")
    if np.dtype(index_dtype).kind not in "iu":
        raise TypeError("index_dtype must be an integer type, but got "
                        f"{np.dtype(index_dtype).name}")
    return make_aval(without(x.shape, axes), index_dtype)


argmax = reduction("argmax", ordering.argmax, jvp=(None,))
argmin = reduction("argmin", ordering.argmin, jvp=(None,))
argmax.abstract = argmin.abstract = arg_abstract

# ------------------------------------------------------------------ any reduction


def combine_everywhere(jaxpr: Jaxpr):
    """A program of scalars, n lefts and n rights, as a function of arrays of equal shapes."""

    def combine(*values):
        shape, size = aval_of(values[0]).shape, aval_of(values[0]).size
        rows = [reshape_to(x, (size,)) for x in values]
        outs, dims = batch_flat(lambda *xs: eval_jaxpr(jaxpr, *xs), size, rows, [0] * len(rows))
        return [reshape_to(broadcast_batch(o, d, size), shape) for o, d in zip(outs, dims)]

    return combine


def reduce_by_halves(jaxpr: Jaxpr, arrays, initials, dimensions) -> list:
    """The results of a tree of `jaxpr`, whose leaves are the elements along `dimensions`."""
    shape = aval_of(arrays[0]).shape
    kept = without(range(len(shape)), dimensions)
    sizes = tuple(shape[i] for i in kept)
    flat = math.prod(shape[i] for i in dimensions), *sizes
    xs = [reshape(x, new_sizes=flat, dimensions=(*dimensions, *kept)) for x in arrays]
    combine = combine_everywhere(jaxpr)
    if not flat[0]:
        return [broadcast_in_dim(i, shape=sizes, broadcast_dimensions=()) for i in initials]
    while (n := aval_of(xs[0]).shape[0]) > 1:
        half = n // 2
        left, right = ([slice_in_dim(x, a, b) for x in xs] for a, b in
                       ((0, half), (half, 2 * half)))
        rest = [slice_in_dim(x, 2 * half, None) for x in xs]
        xs = combine(*left, *right)
        if n % 2:
            xs = [concatenate(x, r, dimension=0) for x, r in zip(xs, rest)]
    return [squeeze(x, dimensions=(0,)) for x in xs]


def reduce_impl(*operands, jaxpr, dimensions, computation=None):
    with using(NO_GRAD):
        n = len(operands) // 2
        arrays, initials = map(box, operands[:n]), map(box, operands[n:])
        arrays, initials = list(arrays), list(initials)
        outs = reduce_by_halves(jaxpr, arrays, initials, dimensions)
        if math.prod(operands[0].shape[d] for d in dimensions):
            starts = [broadcast_in_dim(i, shape=aval_of(o).shape, broadcast_dimensions=())
                      for i, o in zip(initials, outs)]
            outs = combine_everywhere(jaxpr)(*starts, *outs)
        return [to_array(o) for o in outs]


def reduce_abstract(*avals, jaxpr, dimensions, computation):
    n = len(avals) // 2
    arrays, initials = avals[:n], avals[n:]
    if any(x.shape != arrays[0].shape for x in arrays):
        raise ValueError("reduce found input shapes that differ: "
                         f"{', '.join(str(x.shape) for x in arrays)}")
    if any(i.shape for i in initials):
        raise ValueError("reduce found non-scalar initial values: "
                         f"{', '.join(str(i.shape) for i in initials)}")
    if any(x.dtype != i.dtype for x, i in zip(arrays, initials)):
        raise TypeError("reduce got inconsistent dtypes for operands and init_values: got operand "
                        f"dtypes {[x.dtype.name for x in arrays]} and init_value dtypes "
                        f"{[i.dtype.name for i in initials]}.")
    shape = without(arrays[0].shape, dimensions)
    return [make_aval(shape, x.dtype, x.weak_type and i.weak_type)
            for x, i in zip(arrays, initials)]


def reduce_jvp(primals, tangents, *, jaxpr, dimensions, computation):
    n = len(primals) // 2
    if any(t is not None for t in tangents[n:]):
        raise NotImplementedError("Gradient of general lax.reduce with non-zero tangents for "
                                  "initial values to reduction not implemented")
    outs = reduce_(*primals, jaxpr=jaxpr, dimensions=dimensions, computation=computation)
    _, ts = jvp_flat(lambda *xs: reduce_by_halves(jaxpr, xs, primals[n:], dimensions),
                     primals[:n], tangents[:n])
    return outs, ts


def reduce_batch(size, args, dims, *, dimensions, **params):
    n = len(args) // 2
    if any(d is not None for d in dims[n:]):  # JAX refuses
        return example_by_example(reduce_, size, args, dims, dimensions=dimensions, **params)
    arrays = [broadcast_batch(x, d, size) for x, d in zip(args[:n], dims)]
    outs = reduce_(*arrays, *args[n:], dimensions=tuple(d + 1 for d in dimensions), **params)
    return outs, [0] * n


reduce_ = Primitive(  # n arrays, n initial values; `jaxpr` reduces n lefts and n rights
    "reduce", reduce_impl, reduce_abstract, reduce_jvp, batch=reduce_batch, multiple_results=True,
    defaults={"computation": None})
