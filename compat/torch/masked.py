"""`torch.masked`: reductions and normalizations that leave out what the mask leaves out.

Each is the plain function of the input with what a mask excludes replaced by a neutral number.
"""

from __future__ import annotations

import math

import numpy as np

from compat.torch import functions, order, pointwise
from compat.torch import reductions as r
from compat.torch.selecting import where
from compat.torch.promotion import is_floating



def limit(kind: str, x):
    """The least or largest number of a dtype."""
    dtype = x.spec.dtype
    if is_floating(dtype):
        return -math.inf if kind == "low" else math.inf
    if dtype.kind == "b":
        return kind == "high"
    return np.iinfo(dtype).min if kind == "low" else np.iinfo(dtype).max


NEUTRAL = {"sum": 0, "prod": 1, "cumsum": 0, "cumprod": 1, "amax": "low", "amin": "high",
           "argmax": "low", "argmin": "high", "logsumexp": "low", "softmax": "low",
           "log_softmax": "low", "softmin": "high", "norm": 0}


def excluded(name: str, x, mask, ord=None):
    """The input with the neutral number of an operation where the mask is False."""
    if mask is None:
        return x
    value = NEUTRAL[name]
    if name == "norm" and ord is not None and ord < 0:
        value = math.inf
    value = limit(value, x) if isinstance(value, str) else value
    return x.masked_fill(~mask.expand(x.shape) if mask.shape != x.shape else ~mask, value)


def cast_to(x, dtype, name: str):
    if dtype is None and name in ("sum", "prod", "cumsum", "cumprod") and not is_floating(
            x.spec.dtype):
        return x.long()
    return x if dtype is None else x.to(dtype)


def dims_of(x, dim):
    return tuple(range(x.dim())) if dim is None or dim == () else dim


def reduction(name: str, function):
    def fn(input, dim=None, *, keepdim=False, dtype=None, mask=None):
        x = excluded(name, cast_to(input, dtype, name), mask)
        return function(x, dims_of(x, dim), keepdim)

    return named(fn, name)


def named(fn, name: str):
    fn.__name__ = fn.__qualname__ = name
    fn.__doc__ = f"torch.masked.{name}: over the elements that the mask keeps."
    return fn


def product(x, dims, keepdim):
    for d in sorted((d % max(x.dim(), 1) for d in ((dims,) if isinstance(dims, int) else dims)),
                    reverse=True):
        x = r.prod(x, d, True) if x.dim() else x
        x = x if keepdim or not x.dim() else x.squeeze(d)
    return x


sum, prod, amax, amin = (reduction(name, f) for name, f in (
    ("sum", r.sum), ("prod", product), ("amax", r.amax), ("amin", r.amin)))


def place(name: str, function):
    def fn(input, dim=None, *, keepdim=False, dtype=None, mask=None):
        x = cast_to(input, dtype, name)
        return function(excluded(name, x, mask), dim, keepdim).to(x.dtype)

    return named(fn, name)


argmax, argmin = place("argmax", r.argmax), place("argmin", r.argmin)


def along(name: str, function):
    def fn(input, dim, *, dtype=None, mask=None):
        return function(excluded(name, cast_to(input, dtype, name), mask), dim)

    return named(fn, name)


cumsum, cumprod = along("cumsum", functions.cumsum), along("cumprod", functions.cumprod)
softmax, log_softmax = along("softmax", r.softmax), along("log_softmax", r.log_softmax)
softmin = along("softmin", lambda x, dim: r.softmax(-x, dim))


def logsumexp(input, dim=None, *, keepdim=False, dtype=None, mask=None):
    """log of the sum of exponentials of what the mask keeps."""
    x = input if dtype is None else input.to(dtype)
    out = r.logsumexp(excluded("logsumexp", x if is_floating(x.spec.dtype) else x * 1.0, mask),
                      dims_of(x, dim), keepdim)
    return out.to(x.dtype)


def logaddexp(input, other, *, dtype=None, input_mask=None, other_mask=None):
    """log(exp(x) + exp(y)), what a mask leaves out counting as -inf."""
    x, y = (v if dtype is None else v.to(dtype) for v in (input, other))
    return excluded("logsumexp", x, input_mask).logaddexp(excluded("logsumexp", y, other_mask))


def count(x, mask, dims, keepdim):
    kept = x.new_ones(x.shape) if mask is None \
        else mask.expand(x.shape).to(x.dtype)
    return r.sum(kept, dims, keepdim)


def mean(input, dim=None, *, keepdim=False, dtype=None, mask=None):
    """The mean of what the mask keeps."""
    x = input if dtype is None else input.to(dtype)
    if not is_floating(x.spec.dtype):
        raise ValueError(f"input dtype {x.dtype} is not floating point or complex")
    dims = dims_of(x, dim)
    return r.sum(excluded("sum", x, mask), dims, keepdim) / count(x, mask, dims, keepdim)


def median(input, dim=-1, *, keepdim=False, dtype=None, mask=None):
    """The median of what the mask keeps; nan where that is nothing."""
    x = input if dtype is None else input.to(dtype)
    if not x.dim():
        return x if mask is None else where(mask, x, math.nan)
    kept = x if mask is None else where(mask, x, math.nan)
    return order.nanmedian(kept, dim, keepdim)[0]


def norm(input, ord=2.0, dim=None, *, keepdim=False, dtype=None, mask=None):
    """The vector norm of what the mask keeps."""
    x = input if dtype is None else input.to(dtype)
    return r.vector_norm(excluded("norm", x, mask, ord), float(ord), dims_of(x, dim), keepdim)


def normalize(input, ord, dim, *, eps=1e-12, dtype=None, mask=None):
    """The input over its norm, or over eps if that is larger."""
    x = excluded("sum", input if dtype is None else input.to(dtype), mask)
    return x / norm(x, ord, dim, keepdim=True, mask=mask).clamp(min=eps)


def var(input, dim=None, unbiased=None, *, correction=None, keepdim=False, dtype=None, mask=None):
    """The variance of what the mask keeps."""
    x = input if dtype is None else input.to(dtype)
    x = x if is_floating(x.spec.dtype) else x * 1.0
    dims = dims_of(x, dim)
    correction = correction if correction is not None else 0 if unbiased is False else 1
    n = count(x, mask, dims, True)
    center = r.sum(excluded("sum", x, mask), dims, True) / n
    squares = excluded("sum", (x - center).square(), mask)
    total = r.sum(squares, dims, keepdim)
    n = n.reshape(total.shape) - correction
    return total / n.clamp(min=0)


def std(input, dim=None, unbiased=None, *, correction=None, keepdim=False, dtype=None, mask=None):
    """The standard deviation of what the mask keeps."""
    return pointwise.UNARY["sqrt"](var(input, dim, unbiased, correction=correction,
                                       keepdim=keepdim, dtype=dtype, mask=mask))
