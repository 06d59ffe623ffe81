"""Functions that rearrange elements into new memory: cat, stack, repeat, flip, pad, triangles."""

from __future__ import annotations

import math

import numpy as np

from compat.torch.operation import operation, variadic
from compat.torch.promotion import cast, expand_to, result_dtype
from compat.torch.tensor import Tensor, wrap_dim, wrap_dims
from compat.torch.views import part, sizes_of
from minigrad.core import aval_of
from minigrad.ops.joining import concatenate
from minigrad.ops.selection import select_n
from minigrad.ops.shaping import pad, reshape, rev, tile


def concatenated(tensors, dim=0):
    dtype = result_dtype(*tensors)
    kept = [x for x in tensors if aval_of(x).shape != (0,)] or tensors[:1]
    for i, x in enumerate(kept):
        if not aval_of(x).shape:
            raise RuntimeError(f"zero-dimensional tensor (at position {i}) cannot be concatenated")
    axis = wrap_dim(dim, len(aval_of(kept[0]).shape))
    first = aval_of(kept[0]).shape
    for i, x in enumerate(kept):
        own = aval_of(x).shape
        if len(own) != len(first):
            raise RuntimeError("Tensors must have same number of dimensions: got "
                               f"{len(first)} and {len(own)}")
        for d, (n, m) in enumerate(zip(first, own)):
            if n != m and d != axis:
                raise RuntimeError("Sizes of tensors must match except in dimension "
                                   f"{axis}. Expected size {n} but got size {m} for tensor number "
                                   f"{i} in the list.")
    kept = [cast(x, dtype) for x in kept]
    return concatenate(*kept, dimension=axis) if len(kept) > 1 else kept[0]


def stacked(tensors, dim=0):
    dtype, first = result_dtype(*tensors), aval_of(tensors[0]).shape
    for i, x in enumerate(tensors):
        if aval_of(x).shape != first:
            raise RuntimeError("stack expects each tensor to be equal size, but got "
                               f"{list(first)} at entry 0 and {list(aval_of(x).shape)} at entry "
                               f"{i}")
    d = wrap_dim(dim, len(first) + 1)
    sizes = first[:d] + (1,) + first[d:]
    parts = [reshape(cast(x, dtype), new_sizes=sizes) for x in tensors]
    return concatenate(*parts, dimension=d) if len(parts) > 1 else parts[0]


cat_op, stack_op = variadic(concatenated, "cat"), variadic(stacked, "stack")


def cat(tensors, dim=0):
    """The tensors one after the other along `dim`."""
    if isinstance(tensors, Tensor):
        raise TypeError("cat(): argument 'tensors' (position 1) must be tuple of Tensors, not "
                        "Tensor")
    tensors = list(tensors)
    if not tensors:
        raise ValueError("torch.cat(): expected a non-empty list of Tensors")
    return cat_op(tensors, dim=dim)


def stack(tensors, dim=0):
    """The tensors side by side along a new dimension."""
    tensors = list(tensors)
    if not tensors:
        raise RuntimeError("stack expects a non-empty TensorList")
    return stack_op(tensors, dim=dim)


@operation(name="repeat", tensors=("input",))
def repeat_op(input, sizes):
    shape = aval_of(input).shape
    x = expand_to(input, (1,) * (len(sizes) - len(shape)) + shape)
    return tile(x, reps=sizes)


def repeat(input, *sizes, repeats=None):
    """Copies along each dimension."""
    sizes = sizes_of(sizes if repeats is None else repeats)
    if len(sizes) < len(input.spec.shape):
        raise RuntimeError("Number of dimensions of repeat dims can not be smaller than number of "
                           "dimensions of tensor")
    if any(n < 0 for n in sizes):
        raise RuntimeError(f"Trying to create tensor with negative dimension in {list(sizes)}")
    return repeat_op(input, sizes)


@operation(name="flip", tensors=("input",))
def flip_op(input, dims):
    return rev(input, dimensions=wrap_dims(dims, len(aval_of(input).shape)) if dims else ())


def flip(input, *reversed_dims, dims=None):
    """The reverse order along `dims`."""
    return flip_op(input, sizes_of(reversed_dims if dims is None else (dims,)))


@operation(name="constant_pad_nd", tensors=("input",))
def constant_pad(input, padding, value=0.0):
    """`value` around the last dimensions; pairs from the last dimension backwards."""
    ndim = len(aval_of(input).shape)
    config = [(0, 0, 0)] * ndim
    for i in range(len(padding) // 2):
        config[ndim - 1 - i] = (padding[2 * i], padding[2 * i + 1], 0)
    dtype = aval_of(input).dtype
    return pad(input, np.asarray(value).astype(dtype)[()], padding_config=tuple(config))


@operation(name="roll", tensors=("input",))
def roll_op(input, shifts, dims):
    shape = aval_of(input).shape
    x = reshape(input, new_sizes=(math.prod(shape),)) if dims is None else input
    for shift, dim in zip(shifts, (0,) if dims is None else dims):
        n = aval_of(x).shape[dim]
        cut = -shift % n if n else 0
        if cut:
            x = concatenate(part(x, dim, cut, n), part(x, dim, 0, cut), dimension=dim)
    return reshape(x, new_sizes=shape)


def roll(input, shifts, dims=None):
    """Elements moved along dimensions; what falls off the end comes back at the start."""
    shifts = (shifts,) if isinstance(shifts, int) else tuple(shifts)
    if not shifts:
        raise RuntimeError("`shifts` required")
    given = () if dims is None else (dims,) if isinstance(dims, int) else tuple(dims)
    if len(given) != len(shifts) and (given or len(shifts) > 1):
        raise RuntimeError(f"shifts and dimensions must align. shifts: {len(shifts)}, "
                           f"dims:{len(given)}")
    if given and not input.spec.shape:
        raise IndexError(f"Dimension specified as {given[0]} but tensor has no dimensions")
    dims = tuple(wrap_dim(d, len(input.spec.shape)) for d in given) or None
    return roll_op(input, shifts, dims)


def triangle(keep):
    def fn(input, diagonal=0):
        x = input
        shape = aval_of(x).shape
        if len(shape) < 2:
            raise RuntimeError("tril: input tensor must have at least 2 dimensions")
        mask = expand_to(keep(np.ones(shape[-2:], bool), diagonal), shape)
        zeros = np.zeros(shape, aval_of(x).dtype)
        return select_n(mask, zeros, x)

    return fn


tril = operation(triangle(np.tril), name="tril")
triu = operation(triangle(np.triu), name="triu")
