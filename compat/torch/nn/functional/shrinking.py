"""Activation functions of several arguments, random ones, and those that write in place."""

from __future__ import annotations

import numpy as np

from compat.torch.devices import beside
from compat.torch.nn.functional.activations import (
    celu, elu, hardtanh, leaky_relu, relu, selu, softmax, threshold, where,
)
from compat.torch.operation import operation
from compat.torch.promotion import cast
from compat.torch.random import draw
from compat.torch.tensor import array_of, from_array
from minigrad.core import aval_of
from minigrad.imperative import views
from minigrad.ops import elementwise as e
from minigrad.ops.shaping import broadcast_in_dim, reshape


@operation(name="prelu_kernel", tensors=("input", "weight"))
def prelu(input, weight):
    """x, or a learned multiple of it below zero, one for all channels or one each."""
    shape, n = aval_of(input).shape, aval_of(weight).size
    dim = min(1, len(shape) - 1)
    if n != 1 and not shape:
        raise RuntimeError("Not allow zero-dim input tensor.")
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
    out = input * from_array(slopes)
    return views.write(input, out) if inplace else out


def gumbel_softmax(logits, tau=1, hard=False, eps=1e-10, dim=-1):
    """A sample of a softened one-hot distribution. Source: Jang et al. (2017)."""
    noise = beside(logits, draw("exponential", logits.spec.shape, logits.spec.dtype,
                                rate=1.0)).log()
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
