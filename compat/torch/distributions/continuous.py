"""Distributions over real numbers. Formulas: Johnson, Kotz and Balakrishnan (1994)."""

from __future__ import annotations

import math

import numpy as np

import compat.torch as torch
from compat.torch.autograd import Function
from compat.torch.distributions import constraints as c
from compat.torch.distributions.distribution import (
    LOG_2PI, ByParameters, ExponentialFamily, broadcast_all, standard_normal,
)
from compat.torch.random import default_generator
from kernels import rejection
from minigrad.core import table

EULER = 0.57721566490153286060
LOCATED = {"loc": c.real, "scale": c.positive}


class Normal(ByParameters):
    """The normal distribution of mean `loc` and standard deviation `scale`."""

    arg_constraints, support = LOCATED, c.real
    mean = mode = property(lambda self: self.loc)
    stddev = property(lambda self: self.scale)
    variance = property(lambda self: self.scale ** 2)

    def sample(self, sample_shape=()):
        shape = self._extended_shape(sample_shape)
        with torch.no_grad():
            return torch.normal(self.loc.expand(shape), self.scale.expand(shape))

    def rsample(self, sample_shape=()):
        return self.loc + standard_normal(self.loc, self._extended_shape(sample_shape)) * self.scale

    def log_prob(self, value):
        deviation = self.checked(value) - self.loc
        return -(deviation ** 2) / (2 * self.variance) - self.scale.log() - LOG_2PI / 2

    def cdf(self, value):
        return 0.5 * (1 + torch.erf((self.checked(value) - self.loc) / self.scale / math.sqrt(2)))

    def icdf(self, value):
        return self.loc + self.scale * torch.erfinv(2 * value - 1) * math.sqrt(2)

    def entropy(self):
        return 0.5 + LOG_2PI / 2 + torch.log(self.scale)


class Laplace(ByParameters):
    """Two exponentials back to back."""

    arg_constraints, support = LOCATED, c.real
    mean = mode = property(lambda self: self.loc)
    variance = property(lambda self: 2 * self.scale ** 2)

    def rsample(self, sample_shape=()):
        shape = self._extended_shape(sample_shape)
        eps = torch.finfo(self.loc.dtype).eps
        u = torch.empty(shape, dtype=self.loc.dtype).uniform_(eps - 1, 1)
        return self.loc - self.scale * u.sign() * torch.log1p(-u.abs())

    def log_prob(self, value):
        return -torch.log(2 * self.scale) - torch.abs(self.checked(value) - self.loc) / self.scale

    def cdf(self, value):
        z = self.checked(value) - self.loc
        return 0.5 - 0.5 * z.sign() * torch.expm1(-z.abs() / self.scale)

    def icdf(self, value):
        term = value - 0.5
        return self.loc - self.scale * term.sign() * torch.log1p(-2 * term.abs())

    def entropy(self):
        return 1 + torch.log(2 * self.scale)


class Cauchy(ByParameters):
    """The ratio of two normal numbers."""

    arg_constraints, support = LOCATED, c.real
    mode = property(lambda self: self.loc)
    mean = property(lambda self: torch.full_like(self.loc, math.nan))
    variance = property(lambda self: torch.full_like(self.loc, math.inf))

    def rsample(self, sample_shape=()):
        shape = self._extended_shape(sample_shape)
        return self.loc + torch.empty(shape, dtype=self.loc.dtype).cauchy_() * self.scale

    def log_prob(self, value):
        z = (self.checked(value) - self.loc) / self.scale
        return -math.log(math.pi) - self.scale.log() - (z ** 2).log1p()

    def cdf(self, value):
        return torch.atan((self.checked(value) - self.loc) / self.scale) / math.pi + 0.5

    def icdf(self, value):
        return torch.tan(math.pi * (value - 0.5)) * self.scale + self.loc

    def entropy(self):
        return math.log(4 * math.pi) + self.scale.log()


class Gumbel(ByParameters):
    """Extreme values."""

    arg_constraints, support = LOCATED, c.real
    mean = property(lambda self: self.loc + self.scale * EULER)
    mode = property(lambda self: self.loc)
    stddev = property(lambda self: math.pi / math.sqrt(6) * self.scale)
    variance = property(lambda self: self.stddev ** 2)

    def rsample(self, sample_shape=()):
        info = torch.finfo(self.loc.dtype)
        u = torch.rand(self._extended_shape(sample_shape), dtype=self.loc.dtype)
        u = info.tiny + u * (1 - info.eps - info.tiny)
        return self.loc - self.scale * torch.log(-torch.log(u))

    def log_prob(self, value):
        y = (self.loc - self.checked(value)) / self.scale
        return y - y.exp() - self.scale.log()

    def cdf(self, value):
        return torch.exp(-torch.exp((self.loc - self.checked(value)) / self.scale))

    def icdf(self, value):
        return self.loc - self.scale * torch.log(-torch.log(value))

    def entropy(self):
        return self.scale.log() + (1 + EULER)


class Uniform(ByParameters):
    """Equally likely between `low` and `high`."""

    arg_constraints = {"low": c.real, "high": c.real}
    mean = property(lambda self: (self.high + self.low) / 2)
    mode = property(lambda self: math.nan * self.high)
    stddev = property(lambda self: (self.high - self.low) / 12 ** 0.5)
    variance = property(lambda self: (self.high - self.low) ** 2 / 12)
    support = property(lambda self: c.interval(self.low, self.high))

    def __init__(self, *args, validate_args=None, **kwargs):
        super().__init__(*args, validate_args=validate_args, **kwargs)
        if self._validate_args and not bool(torch.lt(self.low, self.high).all()):
            raise ValueError("Uniform is not defined when low>= high")

    def rsample(self, sample_shape=()):
        u = torch.rand(self._extended_shape(sample_shape), dtype=self.low.dtype)
        return self.low + u * (self.high - self.low)

    def log_prob(self, value):
        value = self.checked(value)
        inside = (self.low.le(value) & self.high.gt(value)).to(self.low.dtype)
        return torch.log(inside) - torch.log(self.high - self.low)

    def cdf(self, value):
        return ((self.checked(value) - self.low) / (self.high - self.low)).clamp(min=0, max=1)

    def icdf(self, value):
        return value * (self.high - self.low) + self.low

    def entropy(self):
        return torch.log(self.high - self.low)


class Exponential(ByParameters):
    """Waiting times of events that come at `rate`."""

    arg_constraints, support = {"rate": c.positive}, c.nonnegative
    mean = stddev = property(lambda self: self.rate.reciprocal())
    mode = property(lambda self: torch.zeros_like(self.rate))
    variance = property(lambda self: self.rate.pow(-2))

    def rsample(self, sample_shape=()):
        shape = self._extended_shape(sample_shape)
        return torch.empty(shape, dtype=self.rate.dtype).exponential_() / self.rate

    def log_prob(self, value):
        return self.rate.log() - self.rate * self.checked(value)

    def cdf(self, value):
        return 1 - torch.exp(-self.rate * self.checked(value))

    def icdf(self, value):
        return -torch.log1p(-value) / self.rate

    def entropy(self):
        return 1.0 - torch.log(self.rate)


class StandardGamma(Function):
    """Draws from Gamma(concentration, 1), with the gradient that keeps the quantile."""

    @staticmethod
    def forward(ctx, concentration):
        numbers = rejection.gamma(default_generator, np.asarray(concentration.detach()))
        out = torch.from_numpy(np.asarray(numbers))
        ctx.save_for_backward(concentration, out)
        return out

    @staticmethod
    def backward(ctx, grad):
        concentration, out = ctx.saved_tensors
        log_density = (concentration - 1) * out.log() - out - torch.lgamma(concentration)
        return -grad * table["igamma_grad_a"](concentration, out) / log_density.exp()


class Gamma(ByParameters):
    """The sum of `concentration` exponential waiting times."""

    arg_constraints = {"concentration": c.positive, "rate": c.positive}
    support = c.nonnegative
    mean = property(lambda self: self.concentration / self.rate)
    mode = property(lambda self: ((self.concentration - 1) / self.rate).clamp(min=0))
    variance = property(lambda self: self.concentration / self.rate.pow(2))

    def rsample(self, sample_shape=()):
        shape = self._extended_shape(sample_shape)
        value = StandardGamma.apply(self.concentration.expand(shape)) / self.rate.expand(shape)
        value.detach().clamp_(min=torch.finfo(value.dtype).tiny)
        return value

    def log_prob(self, value):
        value = torch.as_tensor(value, dtype=self.rate.dtype)
        self.checked(value)
        return (torch.xlogy(self.concentration, self.rate)
                + torch.xlogy(self.concentration - 1, value) - self.rate * value
                - torch.lgamma(self.concentration))

    def cdf(self, value):
        return torch.special.gammainc(self.concentration, self.rate * self.checked(value))

    def entropy(self):
        k = self.concentration
        return k - torch.log(self.rate) + torch.lgamma(k) + (1.0 - k) * torch.digamma(k)


class Chi2(Gamma):
    """The sum of `df` squared normal numbers."""

    arg_constraints = {"df": c.positive}
    parameters = ("concentration", "rate")

    def __init__(self, df, validate_args=None):
        super().__init__(0.5 * df, 0.5, validate_args=validate_args)

    df = property(lambda self: self.concentration * 2)

    def expand(self, batch_shape):
        return Chi2(self.df.expand(batch_shape), validate_args=False)


class StudentT(ByParameters):
    """A normal number over the root of an average of squares."""

    arg_constraints = {"df": c.positive, "loc": c.real, "scale": c.positive}
    defaults, support = {"loc": 0.0, "scale": 1.0}, c.real
    mode = property(lambda self: self.loc)

    @property
    def mean(self):
        return torch.where(self.df <= 1, math.nan, self.loc)

    @property
    def variance(self):
        finite = self.scale.pow(2) * self.df / torch.where(self.df > 2, self.df - 2, 1.0)
        return torch.where(self.df > 2, finite, torch.where(self.df > 1, math.inf, math.nan))

    def rsample(self, sample_shape=()):
        x = standard_normal(self.df, self._extended_shape(sample_shape))
        z = Chi2(self.df, validate_args=False).rsample(sample_shape)
        return self.loc + self.scale * x * torch.rsqrt(z / self.df)

    def log_prob(self, value):
        y = (self.checked(value) - self.loc) / self.scale
        z = (self.scale.log() + 0.5 * self.df.log() + 0.5 * math.log(math.pi)
             + torch.lgamma(0.5 * self.df) - torch.lgamma(0.5 * (self.df + 1.0)))
        return -0.5 * (self.df + 1.0) * torch.log1p(y ** 2.0 / self.df) - z

    def entropy(self):
        beta = (torch.lgamma(0.5 * self.df) + math.lgamma(0.5) - torch.lgamma(0.5 * (self.df + 1)))
        return (self.scale.log() + 0.5 * (self.df + 1) * (
            torch.digamma(0.5 * (self.df + 1)) - torch.digamma(0.5 * self.df))
            + 0.5 * self.df.log() + beta)


class Dirichlet(ExponentialFamily):
    """Proportions; the conjugate of the categorical distribution."""

    arg_constraints = {"concentration": c.independent(c.positive, 1)}
    support, has_rsample = c.simplex, True

    def __init__(self, concentration, validate_args=None):
        if concentration.ndim < 1:
            raise ValueError("`concentration` parameter must be at least one-dimensional.")
        self.concentration = concentration
        super().__init__(concentration.shape[:-1], concentration.shape[-1:], validate_args)

    def rsample(self, sample_shape=()):
        shape = self._extended_shape(sample_shape)
        gammas = StandardGamma.apply(self.concentration.expand(shape).to(torch.float64))
        info = torch.finfo(self.concentration.dtype)
        parts = (gammas / gammas.sum(-1, keepdim=True)).to(self.concentration.dtype)
        return parts.clamp(min=info.tiny, max=1 - info.eps / 2)

    def log_prob(self, value):
        k = self.concentration
        return (torch.xlogy(k - 1.0, self.checked(value)).sum(-1) + torch.lgamma(k.sum(-1))
                - torch.lgamma(k).sum(-1))

    @property
    def mean(self):
        return self.concentration / self.concentration.sum(-1, True)

    @property
    def variance(self):
        total = self.concentration.sum(-1, True)
        return self.concentration * (total - self.concentration) / (total.pow(2) * (total + 1))

    def entropy(self):
        k, a = self.concentration.size(-1), self.concentration
        a0 = a.sum(-1)
        return (torch.lgamma(a).sum(-1) - torch.lgamma(a0) - (k - a0) * torch.digamma(a0)
                - ((a - 1.0) * torch.digamma(a)).sum(-1))


class Beta(ExponentialFamily):
    """One of two proportions."""

    arg_constraints = {"concentration1": c.positive, "concentration0": c.positive}
    support, has_rsample = c.unit_interval, True

    def __init__(self, concentration1, concentration0, validate_args=None):
        both = torch.stack(broadcast_all(concentration1, concentration0), -1)
        self.pair = Dirichlet(both, validate_args)
        super().__init__(both.shape[:-1], validate_args=validate_args)

    concentration1 = property(lambda self: self.pair.concentration[..., 0])
    concentration0 = property(lambda self: self.pair.concentration[..., 1])
    total = property(lambda self: self.concentration1 + self.concentration0)
    mean = property(lambda self: self.concentration1 / self.total)
    variance = property(lambda self: self.concentration1 * self.concentration0
                        / (self.total.pow(2) * (self.total + 1)))

    @property
    def mode(self):
        return (self.concentration1 - 1) / (self.total - 2)

    def expand(self, batch_shape):
        return Beta(self.concentration1.expand(batch_shape),
                    self.concentration0.expand(batch_shape), validate_args=False)

    def rsample(self, sample_shape=()):
        return self.pair.rsample(sample_shape).select(-1, 0)

    def log_prob(self, value):
        value = self.checked(value)
        return self.pair.log_prob(torch.stack([value, 1.0 - value], -1))

    def entropy(self):
        return self.pair.entropy()
