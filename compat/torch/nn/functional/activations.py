"""Activation functions, one node each, with PyTorch's derivatives at the corners."""

from __future__ import annotations

import math

from compat.torch.operation import operation
from compat.torch.pointwise import UNARY, floating, like
from compat.torch.reductions import log_softmax_op, softmax_op
from compat.torch.dtypes import to_numpy_or_none
from compat.torch.views import part
from compat.torch.tensor import wrap_dim
from minigrad.imperative import views
from minigrad.core import aval_of
from minigrad.ops import elementwise as e
from minigrad.ops import transcendental as t
from minigrad.ops.selection import select_n, stop_gradient


def where(condition, on_true, on_false):
    return select_n(condition, on_false, on_true)


def gelu_body(input, approximate="none"):
    x = floating(input)
    if approximate == "none":
        return e.mul(e.mul(x, like(x, 0.5)), e.add(t.erf(e.mul(x, like(x, math.sqrt(0.5)))),
                                                   like(x, 1)))
    if approximate != "tanh":
        raise RuntimeError("approximate argument must be either none or tanh.")
    inner = e.mul(e.add(x, e.mul(like(x, 0.044715), e.mul(e.mul(x, x), x))),
                  like(x, math.sqrt(2 / math.pi)))
    return e.mul(e.mul(like(x, 0.5), x), e.add(like(x, 1), t.tanh(inner)))


def leaky_relu_body(input, negative_slope=0.01):
    return where(e.gt(input, 0), input, e.mul(input, like(input, negative_slope)))


def elu_body(input, alpha=1.0):
    x = input
    safe = where(e.gt(x, 0), like(x, 0), x)
    return where(e.gt(x, 0), x, e.mul(like(x, alpha), t.expm1(safe)))


def softplus_body(input, beta=1.0, threshold=20.0):
    """log(1 + exp(beta x)) / beta; x itself where that is all there is."""
    x = input
    scaled = e.mul(x, like(x, beta))
    large = e.gt(scaled, like(x, threshold))
    safe = where(large, like(x, 0), scaled)
    return where(large, x, e.div(t.log1p(t.exp(safe)), like(x, beta)))


def log_sigmoid_body(input):
    """-log(1 + exp(-x)) without overflow."""
    x = input
    low = where(e.lt(x, 0), x, like(x, 0))
    size = e.mul(x, stop_gradient(where(e.lt(x, 0), like(x, -1), like(x, 1))))
    return e.sub(low, t.log1p(t.exp(e.neg(size))))


def hardtanh_body(input, min_val=-1.0, max_val=1.0):
    """Clipped; unlike clamp's, the derivative at a bound is 0."""
    x = input
    inside = e.and_(e.gt(x, min_val), e.lt(x, max_val))
    bound = where(e.le(x, min_val), like(x, min_val), where(e.ge(x, max_val), like(x, max_val), x))
    return where(inside, x, stop_gradient(bound))


def hardsigmoid_body(input):
    return e.div(hardtanh_body(e.add(input, like(input, 3)), 0.0, 6.0), like(input, 6))


def softsign(input):
    """x / (1 + |x|)."""
    return input / (input.abs() + 1)


def tanhshrink(input):
    return input - input.tanh()


def mish_body(input):
    return e.mul(input, t.tanh(softplus_body(input)))


def glu_body(input, dim=-1):
    d = wrap_dim(dim, len(aval_of(input).shape))
    n = aval_of(input).shape[d]
    if n % 2:
        raise RuntimeError(f"Halving dimension must be even, but dimension {d} is size {n}")
    return e.mul(part(input, d, 0, n // 2), t.logistic(part(input, d, n // 2, n)))


def hardswish_body(input):
    return e.mul(input, hardsigmoid_body(input))


def activation(name: str, body):
    return operation(body, name=name, tensors=("input",))


gelu_op = activation("gelu", gelu_body)
leaky_relu_op = activation("leaky_relu", leaky_relu_body)
elu_op = activation("elu", elu_body)
softplus = activation("softplus", softplus_body)
logsigmoid = activation("log_sigmoid", log_sigmoid_body)
hardtanh_op = activation("hardtanh", hardtanh_body)
hardsigmoid_op = activation("hardsigmoid", hardsigmoid_body)
hardswish_op = activation("hardswish", hardswish_body)
mish_op = activation("mish", mish_body)
glu = activation("glu", glu_body)


def finish(input, out, inplace: bool):
    return views.write(input, out) if inplace else out


def relu(input, inplace=False):
    """max(x, 0), with derivative 0 at 0."""
    return finish(input, UNARY["relu"](input), True) if inplace else UNARY["relu"](input)


def gelu(input, *, approximate="none"):
    """x times the normal distribution function at x, exactly or by tanh."""
    return gelu_op(input, approximate)


def silu(input, inplace=False):
    """x sigmoid(x)."""
    return finish(input, UNARY["silu"](input), inplace)


def leaky_relu(input, negative_slope=0.01, inplace=False):
    """x, or negative_slope x below zero."""
    return finish(input, leaky_relu_op(input, negative_slope), inplace)


def elu(input, alpha=1.0, inplace=False):
    """x, or alpha (exp(x) - 1) below zero."""
    return finish(input, elu_op(input, alpha), inplace)


def hardtanh(input, min_val=-1.0, max_val=1.0, inplace=False):
    """x between two bounds."""
    if min_val > max_val:
        raise ValueError("min_val cannot be greater than max_val")
    return finish(input, hardtanh_op(input, min_val, max_val), inplace)


def relu6(input, inplace=False):
    return hardtanh(input, 0.0, 6.0, inplace)


def hardsigmoid(input, inplace=False):
    return finish(input, hardsigmoid_op(input), inplace)


def hardswish(input, inplace=False):
    return finish(input, hardswish_op(input), inplace)


def mish(input, inplace=False):
    return finish(input, mish_op(input), inplace)


def tanh(input):
    return UNARY["tanh"](input)


def sigmoid(input):
    return UNARY["sigmoid"](input)


def implicit_dim(ndim: int) -> int:
    """The dimension that softmax takes where none is given."""
    return 0 if ndim in (0, 1, 3) else 1


def softmax(input, dim=None, _stacklevel=3, dtype=None):
    """exp(x) / sum exp(x) along `dim`."""
    dim = implicit_dim(input.dim()) if dim is None else dim
    return softmax_op(input, dim, to_numpy_or_none(dtype))


def log_softmax(input, dim=None, _stacklevel=3, dtype=None):
    """The logarithm of softmax."""
    dim = implicit_dim(input.dim()) if dim is None else dim
    return log_softmax_op(input, dim, to_numpy_or_none(dtype))


def softmin(input, dim=None, _stacklevel=3, dtype=None):
    return softmax(-input, dim, dtype=dtype)
