"""Primitives that join arrays and part them again; each is the transpose of another.

>>> import minigrad
>>> print(minigrad.backward_source("stack", "f32[3]", "f32[3]", axis=0))
def stack_backward(g, saved):
    t4, t5 = unstack(g, axis=0)
    return t4, t5
"""

from __future__ import annotations

import numpy as np

from kernels import reference
from minigrad.core import Primitive, aval_of, is_linear, make_aval
from minigrad.ops.axes import check_same_dtypes, insert, linear_together, shapes_of, skip, without
from minigrad.ops.families import broadcast_batch, full, linear


def concatenate_abstract(*operands, dimension):
    if not operands:
        raise TypeError("concatenate expects at least one operand, got 0.")
    ranks = {len(x.shape) for x in operands}
    if len(ranks) != 1:
        raise TypeError("Cannot concatenate arrays with different numbers of dimensions: got "
                        f"{shapes_of(operands)}.")
    if not 0 <= dimension < min(ranks):
        raise TypeError(f"concatenate dimension out of bounds: dimension {dimension} for shapes "
                        f"{shapes_of(operands)}.")
    if len({without(x.shape, [dimension]) for x in operands}) > 1:
        raise TypeError("Cannot concatenate arrays with shapes that differ in dimensions other "
                        "than the one being concatenated: concatenating along dimension "
                        f"{dimension} for shapes {shapes_of(operands)}.")
    check_same_dtypes("concatenate", operands, " (Tip: jnp.concatenate is a similar function that "
                      "does automatic type promotion on inputs).")
    shape = list(operands[0].shape)
    shape[dimension] = sum(x.shape[dimension] for x in operands)
    return make_aval(tuple(shape), operands[0].dtype, all(x.weak_type for x in operands))


def concatenate_transpose(ct, args, *, dimension):
    parts = split(ct, sizes=tuple(aval_of(x).shape[dimension] for x in args), axis=dimension)
    return [part if is_linear(x) else None for part, x in zip(parts, args)]


def concatenate_batch(size, args, dims, *, dimension):
    return join([broadcast_batch(x, d, size) for x, d in zip(args, dims)], dimension + 1), 0


concatenate = Primitive("concatenate", reference.concatenate, concatenate_abstract,
                        transpose=concatenate_transpose, batch=concatenate_batch, family="linear")
linear_together(concatenate)


def join(operands, dimension: int):
    """The operands side by side; one alone is itself."""
    return concatenate(*operands, dimension=dimension) if len(operands) > 1 else operands[0]


def split_abstract(x, *, sizes, axis):
    if any(n < 0 for n in sizes):
        raise ValueError(f"Sizes passed to split must be nonnegative, got {list(sizes)}")
    if x.shape[axis] != sum(sizes):
        raise ValueError(f"Sum of sizes {sum(sizes)} must be equal to dimension {axis} of the "
                         f"operand shape {list(x.shape)}")
    shapes = [insert(without(x.shape, [axis]), axis, n) for n in sizes]
    return [make_aval(shape, x.dtype, x.weak_type) for shape in shapes]


def real_cotangents(cts, avals) -> list:
    """Zeros for the results whose cotangent is missing."""
    return [full(a.shape, 0, a.dtype) if ct is None else ct for ct, a in zip(cts, avals)]


def split_transpose(cts, x, **params):
    cts = real_cotangents(cts, split_abstract(x.aval, **params))
    return join(cts, params["axis"])


split = linear(
    "split", reference.split, split_abstract, split_transpose,
    lambda size, args, dims, *, sizes, axis: (
        split(*args, sizes=sizes, axis=skip(axis, *dims)), dims * len(sizes)),
    view=True, multiple_results=True,
)


def stack_abstract(*operands, axis):
    if not operands:
        raise ValueError("stack expects at least one operand, got 0.")
    if not 0 <= axis <= len(operands[0].shape):
        raise ValueError(f"stack axis {axis} is out of bounds for operands of shape "
                         f"{operands[0].shape}.")
    if len({len(x.shape) for x in operands}) != 1:
        raise ValueError("Cannot stack arrays with different numbers of dimensions: got "
                         f"{shapes_of(operands)}.")
    if len({x.shape for x in operands}) != 1:
        raise ValueError("All input arrays must have the same shape. Got "
                         f"{shapes_of(operands)}.")
    check_same_dtypes("stack", operands)
    return make_aval(insert(operands[0].shape, axis, len(operands)), operands[0].dtype,
                     all(x.weak_type for x in operands))


def stack_transpose(ct, args, *, axis):
    return [part if is_linear(x) else None for part, x in zip(unstack(ct, axis=axis), args)]


def stack_batch(size, args, dims, *, axis):
    if len(set(dims)) == 1:  # the new axis goes in beside the batch; nothing moves
        (dim,) = set(dims)
        return (stack(*args, axis=axis), dim + 1) if axis <= dim else \
            (stack(*args, axis=axis + 1), dim)
    return stack(*(broadcast_batch(x, d, size) for x, d in zip(args, dims)), axis=axis + 1), 0


stack = Primitive("stack", lambda *operands, axis: np.stack(operands, axis), stack_abstract,
                  transpose=stack_transpose, batch=stack_batch, family="linear")
linear_together(stack)


def unstack_abstract(x, *, axis):
    if not x.shape:
        raise ValueError("unstack requires arrays with rank > 0, however a scalar array of shape "
                         f"{x.shape} was passed.")
    return [make_aval(without(x.shape, [axis]), x.dtype, x.weak_type)] * x.shape[axis]


def unstack_transpose(cts, x, *, axis):
    return stack(*real_cotangents(cts, unstack_abstract(x.aval, axis=axis)), axis=axis)


def unstack_batch(size, args, dims, *, axis):
    (x,), (dim,) = args, dims
    outs = unstack(x, axis=skip(axis, dim))
    return outs, [dim - (axis < dim)] * len(outs)


unstack = linear("unstack", lambda x, *, axis: tuple(np.moveaxis(x, axis, 0)), unstack_abstract,
                 unstack_transpose, unstack_batch, view=True, multiple_results=True)
