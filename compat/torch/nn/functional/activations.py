"""Activation functions, one node each, with PyTorch's derivatives at the corners."""

from __future__ import annotations

import inspect
import math

from ml_dtypes import finfo

from compat.torch.operation import operation
from compat.torch.pointwise import UNARY, floating, like
from compat.torch.reductions import log_softmax_op, softmax_op
from compat.torch.dtypes import SCALAR_NAMES, to_numpy_or_none
from compat.torch.views import part
from compat.torch.tensor import wrap_dim
from compat.torch.written import written
from minigrad.imperative import views
from minigrad.core import aval_of
from minigrad.ops import elementwise as e
from minigrad.ops import transcendental as t
from minigrad.ops.selection import select_n, stop_gradient


def where(condition, on_true, on_false):
    return select_n(condition, on_false, on_true)


def with_inplace(fn, name: str = ""):
    """`fn` with the argument `inplace`, which writes the result into the input."""
    parameters = inspect.signature(fn).parameters
    listed = ", ".join(map(str, parameters.values()))
    made = written(name or fn.__name__, f"{listed}, inplace=False", [
        f"out = fn({', '.join(parameters)})", "return write(input, out) if inplace else out"],
        fn=fn, write=views.write, __name__=__name__)
    made.__doc__ = fn.__doc__
    return made


def activation(node: str):
    """Decorates the body of a function of elements: it becomes one node, with `inplace`."""
    return lambda body: with_inplace(operation(body, name=node, tensors=("input",)))


def function(node: str):
    """As `activation`, without `inplace`."""
    return lambda body: operation(body, name=node, tensors=("input",))


@function("gelu")
def gelu_op(input, approximate="none"):
    """x times the normal distribution function at x, exactly or by tanh."""
    x = floating(input)
    if approximate == "none":
        return e.mul(e.mul(x, like(x, 0.5)), e.add(t.erf(e.mul(x, like(x, math.sqrt(0.5)))),
                                                   like(x, 1)))
    if approximate != "tanh":
        raise RuntimeError("approximate argument must be either none or tanh.")
    inner = e.mul(e.add(x, e.mul(like(x, 0.044715), e.mul(e.mul(x, x), x))),
                  like(x, math.sqrt(2 / math.pi)))
    return e.mul(e.mul(like(x, 0.5), x), e.add(like(x, 1), t.tanh(inner)))


gelu = written("gelu", "input, *, approximate='none'", ["return op(input, approximate)"],
               op=gelu_op, __name__=__name__)
relu, silu = (with_inplace(UNARY[name], name) for name in ("relu", "silu"))


def tanh(input):
    return UNARY["tanh"](input)


def sigmoid(input):
    return UNARY["sigmoid"](input)


@activation("leaky_relu")
def leaky_relu(input, negative_slope=0.01):
    """x, or negative_slope x below zero."""
    return where(e.gt(input, 0), input, e.mul(input, like(input, negative_slope)))


def below_zero(x, alpha: float, width: float = 1.0, scale: float = 1.0):
    """scale * (x, or alpha (exp(x / width) - 1) below zero)."""
    positive = e.gt(x, 0)
    low = where(positive, like(x, 0), x)
    low = t.expm1(low if width == 1 else e.div(low, like(x, width)))
    out = where(positive, x, e.mul(like(x, alpha), low))
    return out if scale == 1 else e.mul(out, like(x, scale))


@activation("elu")
def elu(input, alpha=1.0):
    """x, or alpha (exp(x) - 1) below zero."""
    return below_zero(input, alpha)


@activation("celu")
def celu(input, alpha=1.0):
    """x, or alpha (exp(x / alpha) - 1) below zero."""
    return below_zero(input, alpha, alpha)


@activation("elu")
def selu(input):
    """The elu that keeps mean 0 and variance 1. Source: Klambauer et al. (2017)."""
    return below_zero(input, 1.6732632423543772848170429916717,
                      scale=1.0507009873554804934193349852946)


@function("softplus")
def softplus(input, beta=1.0, threshold=20.0):
    """log(1 + exp(beta x)) / beta; x itself where that is all there is."""
    x = input
    scaled = e.mul(x, like(x, beta))
    large = e.gt(scaled, like(x, threshold))
    safe = where(large, like(x, 0), scaled)
    return where(large, x, e.div(t.log1p(t.exp(safe)), like(x, beta)))


@function("log_sigmoid")
def logsigmoid(input):
    """-log(1 + exp(-x)) without overflow."""
    x = input
    low = where(e.lt(x, 0), x, like(x, 0))
    size = e.mul(x, stop_gradient(where(e.lt(x, 0), like(x, -1), like(x, 1))))
    return e.sub(low, t.log1p(t.exp(e.neg(size))))


def clipped(x, low: float, high: float):
    """x between two bounds; unlike clamp's, the derivative at a bound is 0."""
    inside = e.and_(e.gt(x, low), e.lt(x, high))
    bound = where(e.le(x, low), like(x, low), where(e.ge(x, high), like(x, high), x))
    return where(inside, x, stop_gradient(bound))


def sixth(x):
    """(x + 3) / 6, clipped to [0, 1]."""
    return e.div(clipped(e.add(x, like(x, 3)), 0.0, 6.0), like(x, 6))


@activation("hardtanh")
def hardtanh(input, min_val=-1.0, max_val=1.0):
    """x between two bounds."""
    if min_val > max_val:
        raise ValueError("min_val cannot be greater than max_val")
    return clipped(input, min_val, max_val)


@activation("hardtanh")
def relu6(input):
    """x between 0 and 6."""
    return clipped(input, 0.0, 6.0)


@activation("hardsigmoid")
def hardsigmoid(input):
    """(x + 3) / 6 between 0 and 1."""
    return sixth(input)


@activation("hardswish")
def hardswish(input):
    """x hardsigmoid(x)."""
    return e.mul(input, sixth(input))


@activation("mish")
def mish(input):
    """x tanh(softplus(x))."""
    return e.mul(input, t.tanh(softplus.op.fn(input)))


@activation("threshold")
def threshold(input, threshold, value):
    """x above the threshold, otherwise `value`."""
    return where(e.le(input, threshold), like(input, value), input)


@function("hardshrink")
def hardshrink(input, lambd=0.5):
    """x, or 0 within lambd of 0."""
    return where(e.and_(e.ge(input, -lambd), e.le(input, lambd)), like(input, 0), input)


@function("softshrink")
def softshrink(input, lambd=0.5):
    """x, moved towards 0 by lambd."""
    if lambd < 0:
        dtype = aval_of(input).dtype
        raise RuntimeError(f"lambda must be in range [0, {float(finfo(dtype).max):g}] for input "
                           f"dtype {SCALAR_NAMES[dtype.name]}, but found {lambd:g}")
    x = input
    towards = where(e.gt(x, lambd), e.sub(x, like(x, lambd)), where(e.ne(x, x), x, like(x, 0)))
    return where(e.lt(x, -lambd), e.add(x, like(x, lambd)), towards)


@function("glu")
def glu(input, dim=-1):
    """The first half along `dim` times the sigmoid of the second."""
    d = wrap_dim(dim, len(aval_of(input).shape))
    n = aval_of(input).shape[d]
    if n % 2:
        raise RuntimeError(f"Halving dimension must be even, but dimension {d} is size {n}")
    return e.mul(part(input, d, 0, n // 2), t.logistic(part(input, d, n // 2, n)))


def softsign(input):
    """x / (1 + |x|)."""
    return input / (input.abs() + 1)


def tanhshrink(input):
    """x - tanh(x)."""
    return input - input.tanh()


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
