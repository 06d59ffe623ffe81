"""Functions that fold dimensions: sums, means, extremes, variances, norms, softmax."""

from __future__ import annotations

import math

import numpy as np

from compat.torch.dtypes import SCALAR_NAMES, to_numpy_or_none
from compat.torch.operation import operation
from compat.torch.pointwise import floating, like, strong
from compat.torch.promotion import cast, inexact, is_floating
from compat.torch.tensor import wrap_dim, wrap_dims
from minigrad.core import I64, aval_of
from minigrad.ops import elementwise as e
from minigrad.ops import reduction as r
from minigrad.ops import transcendental as t
from minigrad.ops.families import dtype_kind, full
from minigrad.ops.selection import select_n, stop_gradient
from minigrad.ops.shaping import broadcast_in_dim, reshape

# ------------------------------------------------------------------ shapes


def kept(x, axes):
    """The shape with size one where `axes` were."""
    return tuple(1 if i in axes else n for i, n in enumerate(aval_of(x).shape))


def fold(primitive, x, axes, keepdim: bool = True):
    """Reduce `axes`, leaving them in with size one if `keepdim`."""
    out = primitive(x, axes=axes) if axes else x
    return reshape(out, new_sizes=kept(x, axes)) if keepdim and axes else out


def spread(x, shape):
    """A reduced value that kept its dimensions, in the shape from before."""
    return broadcast_in_dim(x, shape=shape, broadcast_dimensions=tuple(range(len(shape))))


def axes_of(x, dim):
    return wrap_dims(dim, len(aval_of(x).shape))


def count(x, axes) -> int:
    return math.prod(aval_of(x).shape[a] for a in axes)


# ------------------------------------------------------------------ sums


def sum_body(input, dim, keepdim, dtype):
    dtype = dtype or (aval_of(input).dtype if is_floating(aval_of(input).dtype) else I64)
    x = cast(input, dtype)
    primitive = r.reduce_or if dtype_kind(dtype) == "b" else r.reduce_sum
    return fold(primitive, x, axes_of(x, dim), keepdim)


def mean_body(input, dim, keepdim, dtype):
    x = cast(input, dtype or aval_of(input).dtype)
    if not is_floating(aval_of(x).dtype):
        raise RuntimeError("mean(): could not infer output dtype. Input dtype must be either a "
                           "floating point or complex dtype. Got: "
                           f"{SCALAR_NAMES[aval_of(x).dtype.name]}")
    axes = axes_of(x, dim)
    total = fold(r.reduce_sum, x, axes, keepdim)
    n = count(x, axes)
    return e.div(total, like(total, n)) if n else e.mul(total, like(total, math.nan))


def by_dims(name: str, body):
    """One op for all dimensions and one for some: PyTorch names their nodes apart."""
    whole = operation(lambda input, dtype=None: body(input, None, False, dtype), name=name)
    part = operation(lambda input, dim=None, keepdim=False, dtype=None:
                     body(input, dim, keepdim, dtype), name=f"{name}.1")

    def fn(input, dim=None, keepdim=False, *, dtype=None):
        if dtype is not None:
            dtype = to_numpy_or_none(dtype)
        if dim is None and not keepdim:
            return whole(input, dtype)
        return part(input, dim, keepdim, dtype)

    fn.__name__ = fn.__qualname__ = name
    fn.__doc__ = f"torch.{name} over all dimensions, or over `dim`."
    return fn


sum = by_dims("sum", sum_body)
mean = by_dims("mean", mean_body)


def prod_body(input, dim, keepdim, dtype):
    dtype = dtype or (aval_of(input).dtype if is_floating(aval_of(input).dtype) else I64)
    x = cast(input, dtype)
    primitive = r.reduce_and if dtype_kind(dtype) == "b" else r.reduce_prod
    return fold(primitive, x, axes_of(x, dim), keepdim)


prod = by_dims("prod", prod_body)


def quantifier(primitive):
    def fn(input, dim=None, keepdim=False):
        x = strong(input)
        return fold(primitive, e.ne(x, like(x, 0)), axes_of(x, dim), keepdim)

    return fn


all = operation(quantifier(r.reduce_and), name="all")
any = operation(quantifier(r.reduce_or), name="any")


@operation
def count_nonzero(input, dim=None):
    """The number of elements that are not zero."""
    x = strong(input)
    return fold(r.reduce_sum, cast(e.ne(x, like(x, 0)), I64), axes_of(x, dim), False)


# ------------------------------------------------------------------ extremes


def check_not_empty(x, name: str) -> None:
    if not aval_of(x).size:
        raise RuntimeError(f"{name}(): Expected reduction dim to be specified for "
                           "input.numel() == 0. Specify the reduction dim with the 'dim' "
                           "argument.")


def extreme(name: str, primitive, node: str):
    """Over several dimensions: the derivative is shared evenly among ties."""
    def fn(input, dim=None, keepdim=False):
        x = strong(input)
        if dim is None or dim == ():
            check_not_empty(x, name)
        for d in axes_of(x, dim):
            if not aval_of(x).shape[d]:
                raise IndexError(f"{name}(): Expected reduction dim {d} to have non-zero size.")
        return fold(primitive, x, axes_of(x, dim), keepdim)

    return operation(fn, name=node)


amax, amin = extreme("amax", r.reduce_max, "amax"), extreme("amin", r.reduce_min, "amin")
max_of_all = extreme("max", r.reduce_max, "max.1")
min_of_all = extreme("min", r.reduce_min, "min.1")


def arg(primitive):
    """The first position of the extreme; nan counts as extreme."""
    def fn(input, dim=None, keepdim=False):
        x = strong(input)
        shape = aval_of(x).shape
        name = primitive.name
        if dim is None and aval_of(x).size == 0:
            raise IndexError(f"{name}(): Expected reduction dim to be specified for "
                             "input.numel() == 0.")
        if dim is None:
            flat = reshape(x, new_sizes=(aval_of(x).size,))
            out = primitive(flat, axes=(0,), index_dtype=I64)
            return reshape(out, new_sizes=(1,) * len(shape)) if keepdim else out
        axis = wrap_dim(dim, len(shape))
        if not shape:
            return full((), 0, I64)
        if shape[axis] == 0:
            raise IndexError(f"{name}(): Expected reduction dim {dim} to have non-zero size.")
        out = primitive(x, axes=(axis,), index_dtype=I64)
        return reshape(out, new_sizes=kept(x, (axis,))) if keepdim else out

    return fn


argmax, argmin = operation(arg(r.argmax), name="argmax"), operation(arg(r.argmin), name="argmin")


# ------------------------------------------------------------------ variances and norms


def variance(input, dim, correction, keepdim):
    x = floating(input)
    axes = axes_of(x, dim)
    n = count(x, axes)
    center = e.div(fold(r.reduce_sum, x, axes), like_count(x, n))
    deviation = e.sub(x, spread(center, aval_of(x).shape))
    if dtype_kind(aval_of(x).dtype) == "c":
        squares = e.add(e.square(e.real(deviation)), e.square(e.imag(deviation)))
    else:
        squares = e.square(deviation)
    total = fold(r.reduce_sum, squares, axes, keepdim)
    return e.div(total, like_count(total, max(0, n - correction)))


def like_count(x, n):
    return full((), n, aval_of(x).dtype)


@operation(name="var")
def variance_op(input, dim=None, correction=1, keepdim=False):
    return variance(input, dim, correction, keepdim)


@operation(name="std")
def deviation_op(input, dim=None, correction=1, keepdim=False):
    """The root of the variance. Its derivative is 0 where the root is, not nan."""
    squared = variance(input, dim, correction, keepdim)
    return root(squared)


def root(squared):
    """sqrt with a derivative of 0 at 0: of a norm, of a standard deviation."""
    zero = e.eq(squared, like(squared, 0))
    return select_n(zero, t.sqrt(select_n(zero, squared, like(squared, 1))), like(squared, 0))


def spread_function(op, name: str):
    def fn(input, dim=None, unbiased=None, keepdim=False, *, correction=None):
        if isinstance(dim, bool):
            dim, unbiased = None, dim
        if correction is None:
            correction = 1 if unbiased is None else int(unbiased)
        return op(input, dim, correction, keepdim)

    fn.__name__ = fn.__qualname__ = name
    fn.__doc__ = f"torch.{name}: divides by n - correction."
    return fn


var, std = spread_function(variance_op, "var"), spread_function(deviation_op, "std")


def var_mean(input, dim=None, unbiased=None, keepdim=False, *, correction=None):
    """The variance and the mean."""
    return (var(input, dim, unbiased, keepdim, correction=correction),
            mean(input, dim, keepdim))


@operation(name="linalg_vector_norm")
def vector_norm(input, ord=2, dim=None, keepdim=False, dtype=None):
    """(sum |x|^ord)^(1/ord). The derivative at the zero vector is 0."""
    x = cast(input, dtype or inexact(input))
    axes = axes_of(x, dim)
    if ord == 2:
        squares = e.square(x) if dtype_kind(aval_of(x).dtype) != "c" else \
            e.add(e.square(e.real(x)), e.square(e.imag(x)))
        return root(fold(r.reduce_sum, squares, axes, keepdim))
    size = e.mul(x, e.sign(x)) if dtype_kind(aval_of(x).dtype) != "c" else e.abs_(x)
    if ord == math.inf:
        return fold(r.reduce_max, size, axes, keepdim)
    if ord == -math.inf:
        return fold(r.reduce_min, size, axes, keepdim)
    if ord == 0:
        return fold(r.reduce_sum, cast(e.ne(size, like(size, 0)), aval_of(size).dtype), axes,
                    keepdim)
    if ord == 1:
        return fold(r.reduce_sum, size, axes, keepdim)
    total = fold(r.reduce_sum, power(size, ord), axes, keepdim)
    return power(total, 1 / ord)


def power(x, exponent):
    """x ** exponent with a derivative of 0 at 0."""
    zero = e.eq(x, like(x, 0))
    safe = select_n(zero, x, like(x, 1))
    return select_n(zero, t.pow_(safe, like(x, exponent)), like(x, 0 if exponent > 0 else np.inf))


def norm(input, p="fro", dim=None, keepdim=False, *, dtype=None):
    """The p-norm of all elements, or along `dim`."""
    return vector_norm(input, 2 if p in ("fro", None) else p, dim, keepdim,
                       to_numpy_or_none(dtype))


# ------------------------------------------------------------------ softmax and its kin


def shift_by_maximum(x, axes):
    """x minus its maximum, which is a constant of the derivative; -inf where all are is 0."""
    top = stop_gradient(fold(r.reduce_max, x, axes))
    top = select_n(e.is_finite(top), like(top, 0), top)
    return e.sub(x, spread(top, aval_of(x).shape)), top


def softmax_of(x, axes):
    top = stop_gradient(fold(r.reduce_max, x, axes))
    powers = t.exp(e.sub(x, spread(top, aval_of(x).shape)))
    total = fold(r.reduce_sum, powers, axes)
    return e.div(powers, spread(total, aval_of(x).shape))


@operation(name="softmax")
def softmax_op(input, dim=-1, dtype=None):
    x = cast(input, dtype or inexact(input))
    return softmax_of(x, (wrap_dim(dim, len(aval_of(x).shape)),)) if aval_of(x).shape \
        else like(x, 1)


@operation(name="log_softmax")
def log_softmax_op(input, dim=-1, dtype=None):
    x = cast(input, dtype or inexact(input))
    if not aval_of(x).shape:
        return e.sub(x, x)
    axes = (wrap_dim(dim, len(aval_of(x).shape)),)
    top = stop_gradient(fold(r.reduce_max, x, axes))
    shifted = e.sub(x, spread(top, aval_of(x).shape))
    total = t.log(fold(r.reduce_sum, t.exp(shifted), axes))
    return e.sub(shifted, spread(total, aval_of(x).shape))


def softmax(input, dim, dtype=None):
    """exp(x) / sum exp(x) along `dim`."""
    return softmax_op(input, dim, to_numpy_or_none(dtype))


def log_softmax(input, dim, dtype=None):
    """The logarithm of softmax, without the rounding of its parts."""
    return log_softmax_op(input, dim, to_numpy_or_none(dtype))


@operation
def logsumexp(input, dim=None, keepdim=False):
    """log sum exp(x) along `dim`, shifted by the maximum against overflow."""
    x = floating(input)
    axes = axes_of(x, dim)
    shifted, top = shift_by_maximum(x, axes)
    out = e.add(t.log(fold(r.reduce_sum, t.exp(shifted), axes)), top)
    return out if keepdim else reshape(out, new_sizes=tuple(
        n for i, n in enumerate(aval_of(x).shape) if i not in axes))
