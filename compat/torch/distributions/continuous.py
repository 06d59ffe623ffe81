"""Distributions over real numbers. Formulas: Johnson, Kotz and Balakrishnan (1994)."""

from __future__ import annotations

import math

import numpy as np

import compat.torch as torch
from compat.torch.autograd import Function
from compat.torch.distributions import constraints as c
from compat.torch.distributions.distribution import (
    LOG_2PI, ExponentialFamily, broadcast_all, family, standard_normal,
)
from compat.torch.random import default_generator
from kernels import rejection
from minigrad.core import table

EULER = 0.57721566490153286060
LOCATED = {"loc": c.real, "scale": c.positive}

Normal = family(
    "Normal", "loc, scale", LOCATED, "Of mean `loc` and standard deviation `scale`.",
    support=c.real, mean=lambda d: d.loc, mode=lambda d: d.loc, stddev=lambda d: d.scale,
    variance=lambda d: d.scale ** 2,
    draw=lambda d, shape: d.loc + standard_normal(d.loc, shape) * d.scale,
    draw_only=lambda d, shape: torch.normal(d.loc.expand(shape), d.scale.expand(shape)),
    log_prob=lambda d, x: -((x - d.loc) ** 2) / (2 * d.variance) - d.scale.log() - LOG_2PI / 2,
    cdf=lambda d, x: 0.5 * (1 + torch.erf((x - d.loc) / d.scale / math.sqrt(2))),
    icdf=lambda d, p: d.loc + d.scale * torch.erfinv(2 * p - 1) * math.sqrt(2),
    entropy=lambda d: 0.5 + LOG_2PI / 2 + torch.log(d.scale))


def uniform(like, shape, low: float, high: float):
    return torch.empty(shape, dtype=like.dtype).uniform_(low, high)


def two_sided(d, u):
    """The place of Laplace's distribution for u, which is uniform between -1 and 1."""
    return d.loc - d.scale * u.sign() * torch.log1p(-u.abs())


Laplace = family(
    "Laplace", "loc, scale", LOCATED, "Two exponentials back to back.",
    support=c.real, mean=lambda d: d.loc, mode=lambda d: d.loc,
    variance=lambda d: 2 * d.scale ** 2,
    draw=lambda d, shape: two_sided(
        d, uniform(d.loc, shape, torch.finfo(d.loc.dtype).eps - 1, 1)),
    log_prob=lambda d, x: -torch.log(2 * d.scale) - torch.abs(x - d.loc) / d.scale,
    cdf=lambda d, x: 0.5 - 0.5 * (x - d.loc).sign() * torch.expm1(-(x - d.loc).abs() / d.scale),
    icdf=lambda d, p: two_sided(d, 2 * (p - 0.5)),
    entropy=lambda d: 1 + torch.log(2 * d.scale))

Cauchy = family(
    "Cauchy", "loc, scale", LOCATED, "The ratio of two normal numbers.",
    support=c.real, mode=lambda d: d.loc, mean=lambda d: torch.full_like(d.loc, math.nan),
    variance=lambda d: torch.full_like(d.loc, math.inf),
    draw=lambda d, shape: d.loc + torch.empty(shape, dtype=d.loc.dtype).cauchy_() * d.scale,
    log_prob=lambda d, x: (-math.log(math.pi) - d.scale.log()
                           - (((x - d.loc) / d.scale) ** 2).log1p()),
    cdf=lambda d, x: torch.atan((x - d.loc) / d.scale) / math.pi + 0.5,
    icdf=lambda d, p: torch.tan(math.pi * (p - 0.5)) * d.scale + d.loc,
    entropy=lambda d: math.log(4 * math.pi) + d.scale.log())


def gumbel_draw(d, shape):
    info = torch.finfo(d.loc.dtype)
    u = torch.rand(shape, dtype=d.loc.dtype)
    return d.icdf(info.tiny + u * (1 - info.eps - info.tiny))


def gumbel_log_prob(d, x):
    y = (d.loc - x) / d.scale
    return y - y.exp() - d.scale.log()


Gumbel = family(
    "Gumbel", "loc, scale", LOCATED, "Extreme values.",
    support=c.real, mean=lambda d: d.loc + d.scale * EULER, mode=lambda d: d.loc,
    stddev=lambda d: math.pi / math.sqrt(6) * d.scale, variance=lambda d: d.stddev ** 2,
    draw=gumbel_draw, log_prob=gumbel_log_prob,
    cdf=lambda d, x: torch.exp(-torch.exp((d.loc - x) / d.scale)),
    icdf=lambda d, p: d.loc - d.scale * torch.log(-torch.log(p)),
    entropy=lambda d: d.scale.log() + (1 + EULER))

Uniform = family(
    "Uniform", "low, high", {"low": c.real, "high": c.real},
    "Equally likely between `low` and `high`.",
    check=(lambda d: torch.lt(d.low, d.high).all(), "Uniform is not defined when low>= high"),
    support=lambda d: c.interval(d.low, d.high), mean=lambda d: (d.high + d.low) / 2,
    mode=lambda d: math.nan * d.high, stddev=lambda d: (d.high - d.low) / 12 ** 0.5,
    variance=lambda d: (d.high - d.low) ** 2 / 12,
    draw=lambda d, shape: d.low + torch.rand(shape, dtype=d.low.dtype) * (d.high - d.low),
    log_prob=lambda d, x: (torch.log((d.low.le(x) & d.high.gt(x)).to(d.low.dtype))
                           - torch.log(d.high - d.low)),
    cdf=lambda d, x: ((x - d.low) / (d.high - d.low)).clamp(min=0, max=1),
    icdf=lambda d, p: p * (d.high - d.low) + d.low,
    entropy=lambda d: torch.log(d.high - d.low))

Exponential = family(
    "Exponential", "rate", {"rate": c.positive}, "Waiting times of events that come at `rate`.",
    support=c.nonnegative, mean=lambda d: d.rate.reciprocal(),
    stddev=lambda d: d.rate.reciprocal(), mode=lambda d: torch.zeros_like(d.rate),
    variance=lambda d: d.rate.pow(-2),
    draw=lambda d, shape: torch.empty(shape, dtype=d.rate.dtype).exponential_() / d.rate,
    log_prob=lambda d, x: d.rate.log() - d.rate * x,
    cdf=lambda d, x: 1 - torch.exp(-d.rate * x), icdf=lambda d, p: -torch.log1p(-p) / d.rate,
    entropy=lambda d: 1.0 - torch.log(d.rate))

# ------------------------------------------------------------------ gamma and its kin


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


def gamma_draw(d, shape):
    value = StandardGamma.apply(d.concentration.expand(shape)) / d.rate.expand(shape)
    value.detach().clamp_(min=torch.finfo(value.dtype).tiny)
    return value


Gamma: type = family(
    "Gamma", "concentration, rate", {"concentration": c.positive, "rate": c.positive},
    "The sum of `concentration` exponential waiting times.",
    support=c.nonnegative, mean=lambda d: d.concentration / d.rate,
    mode=lambda d: ((d.concentration - 1) / d.rate).clamp(min=0),
    variance=lambda d: d.concentration / d.rate.pow(2), draw=gamma_draw,
    log_prob=lambda d, x: (
        torch.xlogy(d.concentration, d.rate) + torch.xlogy(d.concentration - 1, x) - d.rate * x
        - torch.lgamma(d.concentration)),
    cdf=lambda d, x: torch.special.gammainc(d.concentration, d.rate * x),
    entropy=lambda d: (d.concentration - torch.log(d.rate) + torch.lgamma(d.concentration)
                       + (1.0 - d.concentration) * torch.digamma(d.concentration)))
Gamma.checked = lambda self, value: super(Gamma, self).checked(  # numbers are taken, too
    torch.as_tensor(value, dtype=self.rate.dtype))


class Chi2(Gamma):
    """The sum of `df` squared normal numbers."""

    arg_constraints = {"df": c.positive}

    def __init__(self, df, validate_args=None):
        super().__init__(0.5 * df, 0.5, validate_args=validate_args)

    df = property(lambda self: self.concentration * 2)

    def expand(self, batch_shape):
        return self.again(self.df.expand(batch_shape))


def student_variance(d):
    finite = d.scale.pow(2) * d.df / torch.where(d.df > 2, d.df - 2, 1.0)
    return torch.where(d.df > 2, finite, torch.where(d.df > 1, math.inf, math.nan))


def student_draw(d, shape):
    x = standard_normal(d.df, shape)
    z = Chi2(d.df, validate_args=False).rsample(shape[:len(shape) - d.df.ndim])
    return d.loc + d.scale * x * torch.rsqrt(z / d.df)


def student_log_prob(d, x):
    y = (x - d.loc) / d.scale
    z = (d.scale.log() + 0.5 * d.df.log() + 0.5 * math.log(math.pi)
         + torch.lgamma(0.5 * d.df) - torch.lgamma(0.5 * (d.df + 1.0)))
    return -0.5 * (d.df + 1.0) * torch.log1p(y ** 2.0 / d.df) - z


def student_entropy(d):
    beta = torch.lgamma(0.5 * d.df) + math.lgamma(0.5) - torch.lgamma(0.5 * (d.df + 1))
    return (d.scale.log() + 0.5 * (d.df + 1) * (
        torch.digamma(0.5 * (d.df + 1)) - torch.digamma(0.5 * d.df)) + 0.5 * d.df.log() + beta)


StudentT = family(
    "StudentT", "df, loc=0.0, scale=1.0", {"df": c.positive} | LOCATED,
    "A normal number over the root of an average of squares.",
    support=c.real, mode=lambda d: d.loc, mean=lambda d: torch.where(d.df <= 1, math.nan, d.loc),
    variance=student_variance, draw=student_draw, log_prob=student_log_prob,
    entropy=student_entropy)


class Dirichlet(ExponentialFamily):
    """Proportions; the conjugate of the categorical distribution."""

    arg_constraints = {"concentration": c.independent(c.positive, 1)}
    support, has_rsample = c.simplex, True

    def __init__(self, concentration, validate_args=None):
        if concentration.ndim < 1:
            raise ValueError("`concentration` parameter must be at least one-dimensional.")
        self.concentration = concentration
        super().__init__(concentration.shape[:-1], concentration.shape[-1:], validate_args)

    mean = property(lambda self: self.concentration / self.concentration.sum(-1, True))

    @property
    def variance(self):
        total = self.concentration.sum(-1, True)
        return self.concentration * (total - self.concentration) / (total.pow(2) * (total + 1))

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

    def entropy(self):
        k, a = self.concentration.size(-1), self.concentration
        a0 = a.sum(-1)
        return (torch.lgamma(a).sum(-1) - torch.lgamma(a0) - (k - a0) * torch.digamma(a0)
                - ((a - 1.0) * torch.digamma(a)).sum(-1))


class OfPair(ExponentialFamily):
    """Beta, by the Dirichlet distribution of two proportions."""

    def _take(self, validate_args, concentration1, concentration0) -> None:
        both = torch.stack(broadcast_all(concentration1, concentration0), -1)
        self.pair = Dirichlet(both, validate_args)
        super().__init__(both.shape[:-1], validate_args=validate_args)

    concentration1 = property(lambda self: self.pair.concentration[..., 0])
    concentration0 = property(lambda self: self.pair.concentration[..., 1])
    total = property(lambda self: self.concentration1 + self.concentration0)

    def expand(self, batch_shape):
        return self.again(self.concentration1.expand(batch_shape),
                          self.concentration0.expand(batch_shape))


Beta = family(
    "Beta", "concentration1, concentration0",
    {"concentration1": c.positive, "concentration0": c.positive}, "One of two proportions.",
    OfPair, support=c.unit_interval, mean=lambda d: d.concentration1 / d.total,
    mode=lambda d: (d.concentration1 - 1) / (d.total - 2),
    variance=lambda d: d.concentration1 * d.concentration0 / (d.total.pow(2) * (d.total + 1)),
    draw=lambda d, shape: d.pair.rsample(shape[:len(shape) - len(d.batch_shape)]).select(-1, 0),
    log_prob=lambda d, x: d.pair.log_prob(torch.stack([x, 1.0 - x], -1)),
    entropy=lambda d: d.pair.entropy())
