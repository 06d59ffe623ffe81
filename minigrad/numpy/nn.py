"""Activations, softmax and their kin, as jax.nn has them. Class-agnostic, like `minigrad.numpy`."""

from __future__ import annotations

import math

import numpy as np

from minigrad.core import aval_of, scalar_dtype, table
from minigrad.numpy import elementwise as ew
from minigrad.numpy import reductions
from minigrad.numpy.floats import clip, isfinite
from minigrad.numpy.promotion import convert, inexact, operand, promote, promote_dtypes, shape_of
from minigrad.numpy.selecting import where as choose
from minigrad.numpy.joining import split_at
from minigrad.numpy.staging import staged
from minigrad.ops.calls import custom_jvp
from minigrad.ops.families import dtype_kind, full
from minigrad.ops.shaping import expand_dims

# The arguments that are arrays; all others are static.
ARRAYS = {
    "celu": ("x", "alpha"), "elu": ("x", "alpha"), "gelu": ("x",), "glu": ("x",),
    "hard_sigmoid": ("x",), "hard_silu": ("x",), "hard_tanh": ("x",),
    "leaky_relu": ("x", "negative_slope"), "log_sigmoid": ("x",), "log_softmax": ("x", "where"),
    "mish": ("x",), "relu6": ("x",), "selu": ("x",), "sigmoid": ("x",), "silu": ("x",),
    "soft_sign": ("x",), "softmax": ("x", "where"), "softplus": ("x",), "sparse_plus": ("x",),
    "sparse_sigmoid": ("x",), "squareplus": ("x", "b"),
    "standardize": ("x", "mean", "variance", "epsilon", "where"), "relu": ("x",), "one_hot": ("x",),
}


def zeros_like(x):
    return full(shape_of(x), 0, aval_of(x).dtype)


def with_rule(fn, rule):
    """`fn`, staged, with the derivative `rule(tangent, out, x)`."""
    call = custom_jvp(staged(fn))
    call.defjvps(rule)
    return call


def relu_(x):
    return ew.maximum(x, 0)


relu_.__name__ = "relu"
relu_rule = with_rule(relu_, lambda t, out, x: table["select_n"](
    ew.greater(x, 0), zeros_like(t), t))


def relu(x):
    """max(x, 0), with the derivative 0 at 0."""
    return relu_rule(operand(x))


def relu6_(x):
    return ew.minimum(ew.maximum(x, 0), 6.0)


relu6_.__name__ = "relu6"
relu6_rule = with_rule(relu6_, lambda t, out, x: table["select_n"](
    table["and"](ew.greater(x, 0), ew.less(x, 6)), zeros_like(t), t))


def relu6(x):
    """min(max(x, 0), 6)."""
    return relu6_rule(operand(x))


def sigmoid(x):
    """1 / (1 + exp(-x))."""
    (x,) = promote(x, to=inexact, name="sigmoid")
    return table["logistic"](x)


@staged
def softplus(x):
    """log(1 + exp(x))."""
    return ew.logaddexp(x, 0)


@staged
def sparse_plus(x):
    """0 below -1, x above 1, a parabola between."""
    return choose(ew.less_equal(x, -1.0), 0.0,
                  choose(ew.greater_equal(x, 1.0), x, ew.divide(ew.power(ew.add(x, 1.0), 2), 4)))


@staged
def soft_sign(x):
    """x / (|x| + 1)."""
    return ew.divide(x, ew.add(ew.absolute(x), 1))


@staged
def silu(x):
    """x sigmoid(x), also called swish."""
    return ew.multiply(x, sigmoid(x))


@staged
def mish(x):
    """x tanh(softplus(x))."""
    return ew.multiply(x, ew.tanh(softplus(x)))


@staged
def log_sigmoid(x):
    """log(sigmoid(x))."""
    return ew.negative(softplus(ew.negative(x)))


@staged
def elu(x, alpha=1.0):
    """x above 0, alpha (exp(x) - 1) below."""
    above = ew.greater(x, 0)
    safe = choose(ew.greater(x, 0), 0.0, x)  # exp of a large x would be infinite
    return choose(above, x, ew.multiply(alpha, ew.expm1(safe)))


@staged
def leaky_relu(x, negative_slope=1e-2):
    """x above 0, a small multiple of it below."""
    above = ew.greater_equal(x, 0)
    return choose(above, x, ew.multiply(negative_slope, x))


@staged
def hard_tanh(x):
    """x cut off at -1 and 1."""
    above = ew.greater(x, 1)
    return choose(above, 1, choose(ew.less(x, -1), -1, x))


@staged
def celu(x, alpha=1.0):
    """max(x, 0) + min(0, alpha (exp(x / alpha) - 1))."""
    above = ew.maximum(x, 0.0)
    below = ew.multiply(alpha, ew.expm1(ew.divide(ew.minimum(x, 0.0), alpha)))
    return ew.add(above, below)


@staged
def selu(x):
    """The self-normalising elu. Source: Klambauer et al., 2017."""
    return ew.multiply(1.0507009873554805, elu(x, 1.6732632423543772))


def gelu(x, approximate=True):
    """x times the probability that a normal number lies below it."""
    (x,) = promote(x, to=inexact, name="gelu")
    dtype = aval_of(x).dtype
    if not approximate:
        half_root = np.sqrt(0.5).astype(dtype)
        out = ew.multiply(ew.multiply(0.5, x), table["erfc"](
            ew.multiply(ew.negative(x), half_root)))
        return table["copy"](out)
    scale = np.sqrt(2 / np.pi).astype(dtype)
    inner = ew.multiply(scale, ew.add(x, ew.multiply(0.044715, ew.power(x, 3))))
    return ew.multiply(x, ew.multiply(0.5, ew.add(1.0, ew.tanh(inner))))


@staged(static=("axis",))
def glu(x, axis=-1):
    """One half times the sigmoid of the other."""
    size = shape_of(x)[axis]
    if size % 2:
        raise AssertionError("axis size must be divisible by 2")
    left, right = split_at("split", x, 2, axis)
    return ew.multiply(left, sigmoid(right))


@staged
def hard_sigmoid(x):
    """relu6(x + 3) / 6."""
    return ew.divide(relu6(ew.add(x, 3.0)), 6.0)


@staged
def hard_silu(x):
    """x hard_sigmoid(x)."""
    return ew.multiply(x, hard_sigmoid(x))


@staged
def sparse_sigmoid(x):
    """The derivative of sparse_plus."""
    return ew.multiply(0.5, clip(ew.add(x, 1.0), 0.0, 2.0))


@staged
def squareplus(x, b=4):
    """(x + sqrt(x^2 + b)) / 2."""
    y = ew.add(x, ew.sqrt(ew.add(ew.square(x), b)))
    return ew.divide(y, 2)


# ------------------------------------------------------------------ over an axis


def logsumexp(a, axis=None, b=None, keepdims=False, return_sign=False, where=None):
    """log(sum(exp(a))), the largest element taken out first so that nothing overflows."""
    if b is not None:
        a, b = promote_dtypes(a, b, to=inexact)
        a = choose(table["ne"](b, 0), a, -math.inf)
    else:
        (a,) = promote_dtypes(a, to=inexact)
    axes = reductions.axes_of(a, axis)
    is_complex = dtype_kind(aval_of(a).dtype) == "c"
    high = reductions.max(table["real"](a) if is_complex else a, axes, keepdims=keepdims,
                          where=where, initial=-math.inf)
    finite = isfinite(high)
    high = table["stop_gradient"](table["select_n"](finite, zeros_like(high), high))
    centred = ew.subtract(a, high if keepdims else expand_dims(high, axes))
    total = ew.exp(centred)
    if b is not None:
        total = ew.multiply(total, b)
    total = reductions.sum(total, axes, keepdims=keepdims, where=where)
    sign = ew.sign(total)
    absolute = total if is_complex and not return_sign else ew.absolute(total)
    out = ew.add(ew.log(absolute), high)
    if return_sign:
        return out, sign
    if b is not None:
        return choose(ew.less(sign, 0), math.nan, out)
    return out


@staged(static=("axis",))
def log_softmax(x, axis=-1, where=None):
    """log(softmax(x))."""
    (x,) = promote(x, to=inexact, name="log_softmax")
    high = reductions.max(x, axis, keepdims=True, where=where, initial=-math.inf)
    safe = x if where is None else choose(where, x, -math.inf)
    shifted = ew.subtract(safe, table["stop_gradient"](high))
    total = reductions.sum(ew.exp(shifted), axis, keepdims=True, where=where)
    out = ew.subtract(shifted, ew.log(total))
    return out if where is None else choose(where, out, -math.inf)


def softmax(x, axis=-1, where=None):
    """exp(x), scaled so that the sum along `axis` is one."""
    (x,) = promote(x, to=inexact, name="softmax")
    high = reductions.max(x, axis, keepdims=True, where=where, initial=-math.inf)
    safe = x if where is None else choose(where, x, -math.inf)
    numbers = ew.exp(ew.subtract(safe, table["stop_gradient"](high)))
    out = ew.divide(numbers, reductions.sum(numbers, axis, keepdims=True, where=where))
    return out if where is None else choose(where, out, 0)


@staged(static=("axis",))
def standardize(x, axis=-1, mean=None, variance=None, epsilon=1e-5, where=None):
    """x minus its mean, divided by its standard deviation."""
    (x,) = promote(x, to=inexact, name="standardize")
    if mean is None:
        mean = reductions.mean(x, axis, keepdims=True, where=where)
    if variance is None:
        mean_of_squares = reductions.mean(ew.square(x), axis, keepdims=True, where=where)
        variance = clip(ew.subtract(mean_of_squares, ew.square(mean)), 0)
    centred = ew.subtract(x, mean)
    return ew.multiply(centred, table["rsqrt"](ew.add(variance, epsilon)))


@staged(name="_one_hot", static=("num_classes", "dtype", "axis"))
def one_hot_(x, num_classes, dtype, axis):
    rank = len(shape_of(x)) + 1
    axis %= rank
    lifted = expand_dims(x, (axis,))
    shape = tuple(num_classes if i == axis else 1 for i in range(rank))
    classes = table["iota"](dtype=aval_of(x).dtype, shape=shape, dimension=axis) \
        if rank > 1 else table["iota"](dtype=aval_of(x).dtype, shape=(num_classes,), dimension=0)
    return convert(ew.equal(lifted, classes), dtype)


def one_hot(x, num_classes, *, dtype=None, axis=-1):
    """1 at the class `x` says, 0 elsewhere, along a new axis."""
    dtype = scalar_dtype(float) if dtype is None else np.dtype(dtype)
    return one_hot_(operand(x), num_classes, dtype, axis)
