"""More activation functions: other slopes below a threshold, and random ones."""

from __future__ import annotations

import numpy as np

from compat.torch.nn.functional.activations import (
    activation, elu, finish, hardtanh, leaky_relu, relu, softmax, where,
)
from compat.torch.operation import operation
from compat.torch.pointwise import like
from compat.torch.promotion import cast
from compat.torch.random import draw
from compat.torch.tensor import array_of, from_array
from minigrad.core import aval_of
from minigrad.ops import elementwise as e
from minigrad.ops import transcendental as t
from minigrad.ops.shaping import broadcast_in_dim, reshape

SELU_ALPHA, SELU_SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946


def below_zero(x, alpha: float, width: float, scale: float = 1.0):
    """scale * (x, or alpha (exp(x / width) - 1) below zero)."""
    positive = e.gt(x, 0)
    low = t.expm1(e.div(where(positive, like(x, 0), x), like(x, width)))
    out = where(positive, x, e.mul(like(x, alpha), low))
    return out if scale == 1 else e.mul(out, like(x, scale))


def prelu_body(input, weight):
    shape, n = aval_of(input).shape, aval_of(weight).size
    dim = min(1, len(shape) - 1)
    if len(aval_of(weight).shape) > 1:
        raise RuntimeError("prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = "
                           f"{len(aval_of(weight).shape)}")
    if n != 1 and (len(shape) < 2 or shape[1] != n):
        raise RuntimeError("Mismatch of parameter numbers and input channel size. Found parameter "
                           f"numbers = {n}, and channel size = {shape[1] if len(shape) > 1 else 1}"
                           ".")
    slope = reshape(cast(weight, aval_of(input).dtype), new_sizes=(n,) if n > 1 else ())
    slope = broadcast_in_dim(slope, shape=shape, broadcast_dimensions=(dim,) if n > 1 else ())
    return where(e.gt(input, 0), input, e.mul(slope, input))


def softshrink_body(input, lambd=0.5):
    x = input
    towards = where(e.gt(x, lambd), e.sub(x, like(x, lambd)), where(e.ne(x, x), x, like(x, 0)))
    return where(e.lt(x, -lambd), e.add(x, like(x, lambd)), towards)


celu_op = activation("celu", lambda input, alpha=1.0: below_zero(input, alpha, alpha))
selu_op = activation("elu", lambda input: below_zero(input, SELU_ALPHA, 1.0, SELU_SCALE))
threshold_op = activation("threshold", lambda input, threshold, value: where(
    e.le(input, threshold), like(input, value), input))
hardshrink_op = activation("hardshrink", lambda input, lambd=0.5: where(
    e.and_(e.ge(input, -lambd), e.le(input, lambd)), like(input, 0), input))
softshrink_op = activation("softshrink", softshrink_body)
prelu = operation(prelu_body, name="prelu_kernel", tensors=("input", "weight"))


def celu(input, alpha=1.0, inplace=False):
    """x, or alpha (exp(x / alpha) - 1) below zero."""
    return finish(input, celu_op(input, alpha), inplace)


def selu(input, inplace=False):
    """The elu that keeps mean 0 and variance 1. Source: Klambauer et al. (2017)."""
    return finish(input, selu_op(input), inplace)


def threshold(input, threshold, value, inplace=False):
    """x above the threshold, otherwise `value`."""
    return finish(input, threshold_op(input, threshold, value), inplace)


def hardshrink(input, lambd=0.5):
    """x, or 0 within lambd of 0."""
    return hardshrink_op(input, lambd)


def softshrink(input, lambd=0.5):
    """x, moved towards 0 by lambd."""
    if lambd < 0:
        raise RuntimeError("lambda must be greater or equal to 0, but found to be "
                           f"{lambd:g}.")
    return softshrink_op(input, lambd)


def rrelu(input, lower=1.0 / 8, upper=1.0 / 3, training=False, inplace=False):
    """Leaky relu with a slope drawn between two bounds for each element below zero."""
    if lower > upper:
        raise RuntimeError("Lower bound should be less than or equal to the upper bound")
    if not training:
        return leaky_relu(input, (lower + upper) / 2, inplace)
    negative = array_of(input) <= 0
    slopes = np.ones(negative.shape, input.spec.dtype)
    slopes[negative] = draw("uniform", (int(negative.sum()),), np.float64, low=lower,
                            high=upper).value
    return finish(input, input * from_array(slopes), inplace)


def gumbel_softmax(logits, tau=1, hard=False, eps=1e-10, dim=-1):
    """A sample of a softened one-hot distribution. Source: Jang et al. (2017)."""
    noise = draw("exponential", logits.spec.shape, logits.spec.dtype, rate=1.0).log()
    soft = softmax((logits - noise) / tau, dim)
    if not hard:
        return soft
    top = soft.max(dim, keepdim=True)[1]
    return (top.new_zeros(soft.shape, dtype=soft.dtype).scatter(dim, top, 1.0)
            - soft.detach() + soft)


def in_place(function):
    """The variant whose name ends in an underscore."""
    def write(input, *args, **kwargs):
        return function(input, *args, **kwargs, inplace=True)

    write.__name__ = write.__qualname__ = function.__name__ + "_"
    return write


relu_, elu_, selu_, celu_, leaky_relu_, hardtanh_, threshold_, rrelu_ = map(
    in_place, (relu, elu, selu, celu, leaky_relu, hardtanh, threshold, rrelu))
