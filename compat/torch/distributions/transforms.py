"""torch.distributions.transforms: invertible maps, with the log of how they stretch volumes."""

from __future__ import annotations

import math
from typing import Any

import compat.torch as torch
from compat.torch.distributions import constraints as c
from compat.torch.nn import functional as F


def sum_rightmost(value, dims: int):
    """The sum over the last dimensions."""
    if dims == 0:
        return value
    return value.reshape(*value.shape[:value.ndim - dims], -1).sum(-1)


class Transform:
    """y = transform(x), x = transform.inv(y)."""

    bijective, event_dim = True, 0
    domain: Any = c.real
    codomain: Any = c.real
    sign: Any = 1

    def __init__(self, cache_size: int = 0):
        self._cache_size = cache_size

    @property
    def inv(self):
        return InverseTransform(self)

    def __call__(self, x):
        return self._call(x)

    def forward_shape(self, shape):
        return shape

    inverse_shape = forward_shape

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class InverseTransform(Transform):
    def __init__(self, transform):
        super().__init__()
        self._inv = transform

    inv = property(lambda self: self._inv)
    domain = property(lambda self: self._inv.codomain)
    codomain = property(lambda self: self._inv.domain)
    sign = property(lambda self: self._inv.sign)
    event_dim = property(lambda self: self._inv.event_dim)

    def _call(self, y):
        return self._inv._inverse(y)

    def log_abs_det_jacobian(self, x, y):
        return -self._inv.log_abs_det_jacobian(y, x)

    def forward_shape(self, shape):
        return self._inv.inverse_shape(shape)

    def inverse_shape(self, shape):
        return self._inv.forward_shape(shape)


class ComposeTransform(Transform):
    """One after the other."""

    def __init__(self, parts, cache_size: int = 0):
        super().__init__(cache_size)
        self.parts = list(parts)

    event_dim = property(lambda self: max((p.event_dim for p in self.parts), default=0))
    domain = property(lambda self: self.parts[0].domain if self.parts else c.real)
    codomain = property(lambda self: self.parts[-1].codomain if self.parts else c.real)

    @property
    def sign(self):
        sign = 1
        for p in self.parts:
            sign = sign * p.sign
        return sign

    def _call(self, x):
        for p in self.parts:
            x = p(x)
        return x

    def _inverse(self, y):
        for p in reversed(self.parts):
            y = p.inv(y)
        return y

    def log_abs_det_jacobian(self, x, y):
        total = torch.zeros_like(x) if not self.parts else 0.0
        for p in self.parts:
            after = p(x)
            total = total + sum_rightmost(p.log_abs_det_jacobian(x, after),
                                          self.event_dim - p.event_dim)
            x = after
        return total

    def forward_shape(self, shape):
        for p in self.parts:
            shape = p.forward_shape(shape)
        return shape

    def inverse_shape(self, shape):
        for p in reversed(self.parts):
            shape = p.inverse_shape(shape)
        return shape


identity_transform = ComposeTransform([])


def transform(name: str, call, inverse, log_det=None, **attributes) -> type:
    """A class for one row: the map of x, its inverse of y, and log |dy/dx| of both."""
    formulas: dict = {"_call": lambda self, x: call(x), "_inverse": lambda self, y: inverse(y)}
    if log_det is not None:
        formulas["log_abs_det_jacobian"] = lambda self, x, y: log_det(x, y)
    return type(name, (Transform,), attributes | formulas | {
        "__module__": "compat.torch.distributions"})


def within_unit(y):
    """y, kept where float numbers between 0 and 1 have a logarithm on both sides."""
    info = torch.finfo(y.dtype)
    return y.clamp(min=info.tiny, max=1.0 - info.eps)


def logit(y):
    y = within_unit(y)
    return y.log() - (-y).log1p()


def stretched(x):
    shifted = (x - x.max(-1, True)[0]).exp()
    return shifted / shifted.sum(-1, True)


def with_diagonal(change):
    """A map of lower triangles that changes the diagonal."""
    return lambda x: x.tril(-1) + change(x.diagonal(dim1=-2, dim2=-1)).diag_embed()


ExpTransform = transform("ExpTransform", torch.exp, torch.log, lambda x, y: x,
                         codomain=c.positive)
SigmoidTransform = transform(
    "SigmoidTransform", lambda x: within_unit(torch.sigmoid(x)), logit,
    lambda x, y: -F.softplus(-x) - F.softplus(x), codomain=c.unit_interval)
SoftplusTransform = transform(
    "SoftplusTransform", F.softplus, lambda y: (-y).expm1().neg().log() + y,
    lambda x, y: -F.softplus(-x), codomain=c.positive)
TanhTransform = transform(
    "TanhTransform", torch.tanh, torch.atanh,
    lambda x, y: 2.0 * (math.log(2.0) - x - F.softplus(-2.0 * x)), codomain=c.interval(-1.0, 1.0))
AbsTransform = transform("AbsTransform", torch.abs, lambda y: y, bijective=False,
                         codomain=c.positive)
SoftmaxTransform = transform("SoftmaxTransform", stretched, torch.log, bijective=False,
                             event_dim=1, domain=c.real_vector, codomain=c.simplex)
LowerCholeskyTransform = transform(  # exp of the diagonal; zeros above it
    "LowerCholeskyTransform", with_diagonal(torch.exp), with_diagonal(torch.log), event_dim=2,
    codomain=c.lower_cholesky)


class PowerTransform(Transform):
    domain = codomain = c.positive

    def __init__(self, exponent, cache_size: int = 0):
        super().__init__(cache_size)
        self.exponent = torch.as_tensor(exponent)

    sign = property(lambda self: self.exponent.sign())

    def _call(self, x):
        return x.pow(self.exponent)

    def _inverse(self, y):
        return y.pow(1 / self.exponent)

    def log_abs_det_jacobian(self, x, y):
        return (self.exponent * y / x).abs().log()


class AffineTransform(Transform):
    """loc + scale * x"""

    def __init__(self, loc, scale, event_dim: int = 0, cache_size: int = 0):
        super().__init__(cache_size)
        self.loc, self.scale, self.event_dim = loc, scale, event_dim

    @property
    def sign(self):
        if isinstance(self.scale, torch.Tensor):
            return self.scale.sign()
        return 1 if self.scale > 0 else -1 if self.scale < 0 else 0

    def _call(self, x):
        return self.loc + self.scale * x

    def _inverse(self, y):
        return (y - self.loc) / self.scale

    def log_abs_det_jacobian(self, x, y):
        scale = self.scale if isinstance(self.scale, torch.Tensor) else torch.tensor(
            float(self.scale), dtype=x.dtype)
        return sum_rightmost(scale.abs().log().expand(x.shape), self.event_dim)


class StickBreakingTransform(Transform):
    """Breaks a stick of length 1, piece by piece."""

    event_dim, domain, codomain = 1, c.real_vector, c.simplex

    def offset(self, x):
        n = x.shape[-1]
        return torch.arange(n, 0, -1, dtype=x.dtype)

    def _call(self, x):
        z = SigmoidTransform()(x - self.offset(x).log())
        left = (1 - z).cumprod(-1)
        return F.pad(z, [0, 1], value=1) * F.pad(left, [1, 0], value=1)

    def _inverse(self, y):
        front = y[..., :-1]
        left = (1 - front.cumsum(-1)).clamp(min=torch.finfo(y.dtype).tiny)
        offset = torch.arange(y.shape[-1] - 1, 0, -1, dtype=y.dtype)
        return front.log() - left.log() + offset.log()

    def log_abs_det_jacobian(self, x, y):
        x = x - self.offset(x).log()
        return (-x + F.logsigmoid(x) + y[..., :-1].log()).sum(-1)

    def forward_shape(self, shape):
        return shape[:-1] + (shape[-1] + 1,)

    def inverse_shape(self, shape):
        return shape[:-1] + (shape[-1] - 1,)


class ReshapeTransform(Transform):
    def __init__(self, in_shape, out_shape, cache_size: int = 0):
        super().__init__(cache_size)
        self.in_shape, self.out_shape = torch.Size(in_shape), torch.Size(out_shape)
        if self.in_shape.numel() != self.out_shape.numel():
            raise ValueError("in_shape, out_shape have different numbers of elements")
        self.event_dim = len(self.in_shape)

    def _call(self, x):
        return x.reshape(*x.shape[:x.ndim - len(self.in_shape)], *self.out_shape)

    def _inverse(self, y):
        return y.reshape(*y.shape[:y.ndim - len(self.out_shape)], *self.in_shape)

    def log_abs_det_jacobian(self, x, y):
        return x.new_zeros(x.shape[:x.ndim - len(self.in_shape)])

    def forward_shape(self, shape):
        return shape[:len(shape) - len(self.in_shape)] + self.out_shape

    def inverse_shape(self, shape):
        return shape[:len(shape) - len(self.out_shape)] + self.in_shape
