"""Arrays from nothing, and from Python's values. Source: jax.numpy."""

from __future__ import annotations

import math
import operator

import numpy as np

from minigrad import devices, errors
from minigrad.core import (
    PYTHON_SCALARS, Tensor, aval_of, box, scalar_dtype, table, worlds,
)
from minigrad.numpy import elementwise
from minigrad.numpy.promotion import (
    convert, inexact, operand, promote_dtypes, promoted, result_type, settled, shape_of,
)
from minigrad.numpy.selecting import broadcast_to
from minigrad.numpy.joining import concatenate
from minigrad.numpy.shaping import as_shape
from minigrad.numpy.staging import staged
from minigrad.ops.families import dtype_kind
from minigrad.ops.families import full as filled
from minigrad.ops.shaping import expand_dims, reshape_to
from minigrad.tree import tree_leaves


def float_or(dtype) -> np.dtype:
    return scalar_dtype(float) if dtype is None else canonical_dtype(dtype)


def canonical_dtype(dtype) -> np.dtype:
    """Python's `float` as dtype means the default float."""
    if any(dtype is kind for kind in PYTHON_SCALARS):  # `jnp.bool` equals `bool`, and is no key
        return scalar_dtype(dtype)
    return np.dtype(dtype)


def zeros(shape, dtype=None):
    """An array of zeros."""
    return filled(as_shape(shape), 0, float_or(dtype))


def ones(shape, dtype=None):
    """An array of ones."""
    return filled(as_shape(shape), 1, float_or(dtype))


empty = zeros  # memory is never left uninitialised


def full(shape, fill_value, dtype=None):
    """An array of one value; its dtype is that of the value unless given."""
    weak = dtype is None and promoted(fill_value)[1]
    value_dtype = aval_of(operand(fill_value)).dtype if dtype is None else canonical_dtype(dtype)
    return full_of(as_shape(shape), fill_value, value_dtype, weak)


def full_of(shape, value, dtype, weak=False):
    if shape_of(value):
        return broadcast_to(convert(value, dtype), shape)
    value = settled(value, dtype, weak) if type(value) in PYTHON_SCALARS else \
        convert(value, dtype, weak)
    if not shape:
        return value
    return table["broadcast_in_dim"](value, shape=shape, broadcast_dimensions=())


def like(a, value, dtype, shape):
    aval = aval_of(a)
    weak = dtype is None and aval.weak_type
    dtype = aval.dtype if dtype is None else canonical_dtype(dtype)
    return full_of(aval.shape if shape is None else as_shape(shape), value, dtype, weak)


def zeros_like(a, dtype=None, shape=None):
    """Zeros of the shape and dtype of `a`."""
    return like(a, 0, dtype, shape)


def ones_like(a, dtype=None, shape=None):
    """Ones of the shape and dtype of `a`."""
    return like(a, 1, dtype, shape)


empty_like = zeros_like


def full_like(a, fill_value, dtype=None, shape=None):
    """One value in the shape and dtype of `a`."""
    return like(a, fill_value, dtype, shape)


# ------------------------------------------------------------------ ranges


def arange(start, stop=None, step=None, dtype=None):
    """Numbers from `start` (0 if only one bound is given) up to `stop`, by `step`."""
    bounds = [b for b in (start, stop, step) if b is not None]
    dtype = result_type(*bounds) if dtype is None else canonical_dtype(dtype)
    named = {"stop" if stop is None else "start": start, **({"stop": stop} if stop is not None
                                                             else {}), "step": step}
    for name, b in named.items():
        if isinstance(b, Tensor) and not b.spec.concrete:
            raise errors.concretization_error(b.value,
                                              f"It arose in the jnp.arange argument {name!r}")
    start, stop, step = (np.asarray(b).item() if b is not None else None
                         for b in (start, stop, step))
    if stop is None and step is None:
        count = max(0, math.ceil(start))
        return table["iota"](dtype=dtype, shape=(count,), dimension=0) \
            if dtype_kind(dtype) != "b" else convert(np.arange(count), dtype)
    start, stop = (0, start) if stop is None else (start, stop)
    step = 1 if step is None else step
    if step == 0:
        raise ValueError("arange: Maximum allowed size exceeded; step must not be zero")
    count = max(0, math.ceil((stop - start) / step))
    positions = table["iota"](dtype=dtype, shape=(count,), dimension=0)
    if step != 1:
        positions = table["mul"](settled(step, dtype), positions)
    return table["add"](settled(start, dtype), positions) if start != 0 or step != 1 \
        else positions


@staged(name="_linspace", static=("num", "endpoint", "dtype", "axis", "retstep"))
def linspace_(start, stop, num, endpoint, retstep, dtype, axis):
    used = inexact(promoted(start, stop)[0] if dtype is None
                   else result_type(start, stop, dtype))
    start, stop = convert(start, used), convert(stop, used)
    shape = np.broadcast_shapes(shape_of(start), shape_of(stop))
    start, stop = broadcast_to(start, shape), broadcast_to(stop, shape)
    parts = num - 1 if endpoint else num
    step = table["div"](table["sub"](stop, start), settled(parts, used)) if parts else \
        filled(shape, math.nan, used)
    if num > 1:
        positions = table["iota"](dtype=used, shape=(parts,), dimension=0)
        fraction = reshape_to(table["div"](positions, settled(parts, used)),
                              (parts,) + (1,) * len(shape))
        from_start = elementwise.multiply(
            reshape_to(start, (1, *shape)), table["sub"](settled(1, used), fraction))
        from_stop = elementwise.multiply(reshape_to(stop, (1, *shape)), fraction)
        out = elementwise.add(from_start, from_stop)
        if endpoint:
            out = concatenate([out, expand_dims(stop, (0,))], 0)
    elif num == 1:
        out = reshape_to(start, (1, *shape))
    else:
        out = filled((0, *shape), 0, used)
    if axis != 0:
        from minigrad.numpy.shaping import moveaxis

        out = moveaxis(out, 0, axis)
    if dtype is not None and dtype_kind(np.dtype(dtype)) in "iu":
        out = elementwise.floor(out)
    out = convert(out, used if dtype is None else np.dtype(dtype))
    return (out, step) if retstep else out


def linspace(start, stop, num=50, endpoint=True, retstep=False, dtype=None, axis=0):
    """`num` numbers from `start` to `stop`, evenly spaced."""
    num = operator.index(num)
    if num < 0:
        raise ValueError(f"Number of samples, {num}, must be non-negative.")
    return linspace_(start, stop, num, endpoint, retstep, dtype, axis)


def logspace(start, stop, num=50, endpoint=True, base=10.0, dtype=None, axis=0):
    """`num` powers of `base`, their exponents evenly spaced."""
    exponents = linspace(start, stop, num, endpoint, axis=axis)
    out = elementwise.power(base, exponents)
    return out if dtype is None else convert(out, np.dtype(dtype))


def geomspace(start, stop, num=50, endpoint=True, dtype=None, axis=0):
    """`num` numbers from `start` to `stop`, in equal ratios."""
    exponents = linspace(elementwise.log10(start), elementwise.log10(stop), num, endpoint,
                         axis=axis)
    used = inexact(result_type(start, stop)) if dtype is None else np.dtype(dtype)
    return convert(elementwise.power(10.0, exponents), used)


# ------------------------------------------------------------------ from values


def array(object, dtype=None, copy=True, ndmin=0, cls: type = Tensor):
    """An array of a number, a nested list, a NumPy array, or of arrays."""
    dtype = None if dtype is None else canonical_dtype(dtype)
    out = from_value(object, dtype, cls)
    if copy and isinstance(object, Tensor) and out is object:
        out = table["copy"](object)
    rank = len(shape_of(out))
    return expand_dims(out, tuple(range(ndmin - rank))) if ndmin > rank else out


def asarray(a, dtype=None, copy=None, cls: type = Tensor):
    """`a` as an array, itself if it is one already."""
    return array(a, dtype, bool(copy), cls=cls)


def from_value(value, dtype, cls):
    if isinstance(value, Tensor):
        return value if dtype is None else convert(value, dtype)
    if type(value) in PYTHON_SCALARS:
        return box(np.asarray(value, dtype or scalar_dtype(type(value)))[()], cls) \
            if dtype is not None else box(value, cls)
    if isinstance(value, (list, tuple)):
        leaves = tree_leaves(value, is_leaf=lambda x: x is None)
        if any(x is None for x in leaves):
            raise ValueError("None is not a valid value for jnp.array")
        if not leaves:
            return box(np.asarray(value, dtype or scalar_dtype(float)), cls)
        target = dtype or result_type(*leaves)
        if any(isinstance(x, Tensor) for x in leaves):
            return join_nested(value, target)
        plain = np.asarray(value)
        if plain.dtype == object:
            raise TypeError(f"Value '{value}' with dtype object is not a valid JAX array type. "
                            "Only arrays of numeric types are supported by JAX.")
        return box(plain.astype(target), cls)
    if type(value) in worlds:
        return box(value, cls)
    if isinstance(value, (np.ndarray, np.generic)):
        return box(value if dtype is None else np.asarray(value, dtype), cls)
    if isinstance(value, (str, bytes)):
        raise TypeError(f"Value {value!r} with dtype {np.asarray(value).dtype} is not a "
                        "valid JAX array type. Only arrays of numeric types are supported by JAX.")
    if value is None:
        raise ValueError("None is not a valid value for jnp.array")
    if hasattr(value, "__jax_array__"):
        return from_value(value.__jax_array__(), dtype, cls)
    if hasattr(value, "__array__") or hasattr(value, "__dlpack__"):
        return box(np.asarray(value, dtype), cls)
    if hasattr(value, "__len__"):
        return from_value(list(value), dtype, cls)
    raise TypeError(f"Value '{value}' of type {type(value)} is not a valid JAX type")


def from_dlpack(x) -> Tensor:
    """A Tensor over the memory of any array that speaks DLPack (torch, jax, NumPy), not copied.

    Raises AttributeError for an object without `__dlpack__`. Source: the array API standard.
    """
    return box(devices.from_dlpack(x))


def join_nested(value, dtype):
    """A nested list with arrays in it, level by level."""
    if not isinstance(value, (list, tuple)):
        return convert(value, dtype)
    rows = [join_nested(v, dtype) for v in value]
    return concatenate([expand_dims(row, (0,)) for row in rows], 0)


def astype(x, dtype, copy=False):
    """`x` in another dtype."""
    target = scalar_dtype(float) if dtype is None else canonical_dtype(dtype)
    if dtype_kind(aval_of(x).dtype) == "c" and dtype_kind(target) != "c":
        x = table["ne"](x, 0) if dtype_kind(target) == "b" else table["real"](x)
    return convert(x, target)


_ = promote_dtypes
