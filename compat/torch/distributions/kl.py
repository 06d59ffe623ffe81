"""Kullback-Leibler divergences, a row for each pair of families."""

from __future__ import annotations

import math
from collections.abc import Callable

import compat.torch as torch
from compat.torch.distributions import composed as m
from compat.torch.distributions import continuous as r
from compat.torch.distributions import discrete as d
from compat.torch.distributions.transforms import sum_rightmost

TABLE: dict[tuple[type, type], Callable] = {}


def register_kl(type_p: type, type_q: type) -> Callable:
    """Decorates `kl(p, q)` for two families."""
    if not (isinstance(type_p, type) and isinstance(type_q, type)):
        raise TypeError("Expected type_p to be a Distribution subclass")

    def register(fn: Callable) -> Callable:
        TABLE[type_p, type_q] = fn
        return fn

    return register


def kl_divergence(p, q):
    """KL(p || q) = the mean, under p, of log p - log q. Raises NotImplementedError for a pair that
    has no row."""
    pairs = [(a, b) for a in type(p).__mro__ for b in type(q).__mro__ if (a, b) in TABLE]
    if not pairs:
        raise NotImplementedError(f"No KL(p || q) is implemented for p type {type(p).__name__} and "
                                  f"q type {type(q).__name__}")
    return TABLE[pairs[0]](p, q)


def normal(p, q):
    ratio = (p.scale / q.scale).pow(2)
    return 0.5 * (ratio + ((p.loc - q.loc) / q.scale).pow(2) - 1 - ratio.log())


def bernoulli(p, q):
    softplus = torch.nn.functional.softplus
    one = p.probs * (softplus(-q.logits) - softplus(-p.logits))
    one = torch.where(p.probs == 0, 0.0, torch.where(q.probs == 0, math.inf, one))
    zero = (1 - p.probs) * (softplus(q.logits) - softplus(p.logits))
    zero = torch.where(p.probs == 1, 0.0, torch.where(q.probs == 1, math.inf, zero))
    return one + zero


def categorical(p, q):
    t = p.probs * (p.logits - q.logits)
    t = torch.where((q.probs == 0).expand(t.shape), math.inf, t)
    return torch.where((p.probs == 0).expand(t.shape), 0.0, t).sum(-1)


def binomial(p, q):
    kl = p.total_count * (p.probs * (p.logits - q.logits)
                          + (-p.probs).log1p() - (-q.probs).log1p())
    return torch.where(p.total_count > q.total_count, math.inf, kl)


def exponential(p, q):
    ratio = q.rate / p.rate
    return -ratio.log() + ratio - 1


def gamma(p, q):
    return (q.concentration * (p.rate / q.rate).log() + torch.lgamma(q.concentration)
            - torch.lgamma(p.concentration)
            + (p.concentration - q.concentration) * torch.digamma(p.concentration)
            + (q.rate - p.rate) * (p.concentration / p.rate))


def dirichlet(p, q):
    a, b = p.concentration, q.concentration
    total = a.sum(-1)
    return (total.lgamma() - b.sum(-1).lgamma() - (a.lgamma() - b.lgamma()).sum(-1)
            + ((a - b) * (a.digamma() - total.digamma().unsqueeze(-1))).sum(-1))


def laplace(p, q):
    ratio, apart = p.scale / q.scale, (p.loc - q.loc).abs()
    return -ratio.log() + apart / q.scale + ratio * torch.exp(-apart / p.scale) - 1


def uniform(p, q):
    inside = (q.low > p.low) | (q.high < p.high)
    return torch.where(inside, math.inf, ((q.high - q.low) / (p.high - p.low)).log())


def multivariate_normal(p, q):
    n = p.event_shape[0]
    a, b = p._unbroadcasted_scale_tril, q._unbroadcasted_scale_tril
    batch = torch.broadcast_shapes(p.batch_shape, q.batch_shape)
    a, b = a.expand(*batch, n, n), b.expand(*batch, n, n)
    apart = (q.loc - p.loc).unsqueeze(-1).expand(*batch, n, 1)
    spread = torch.linalg.solve_triangular(b, a, upper=False).pow(2).sum((-2, -1))
    shift = torch.linalg.solve_triangular(b, apart, upper=False).pow(2).sum((-2, -1))
    return q.half_logdet() - p.half_logdet() + 0.5 * (spread + shift - n)


def independent(p, q):
    if p.reinterpreted_batch_ndims != q.reinterpreted_batch_ndims:
        raise NotImplementedError
    return sum_rightmost(kl_divergence(p.base_dist, q.base_dist), p.reinterpreted_batch_ndims)


def by_base(p, q):
    return kl_divergence(p.base_dist, q.base_dist)


TABLE.update({(kind, kind): formula for kind, formula in (
    (r.Normal, normal), (d.Bernoulli, bernoulli), (d.Categorical, categorical),
    (d.OneHotCategorical, lambda p, q: categorical(p._categorical, q._categorical)),
    (d.Poisson, lambda p, q: p.rate * (p.rate.log() - q.rate.log()) - (p.rate - q.rate)),
    (d.Geometric, lambda p, q: -p.entropy() - torch.log1p(-q.probs) / p.probs - q.logits),
    (d.Binomial, binomial), (r.Exponential, exponential), (r.Gamma, gamma),
    (r.Dirichlet, dirichlet), (r.Beta, lambda p, q: dirichlet(p.pair, q.pair)),
    (r.Laplace, laplace), (r.Uniform, uniform), (m.MultivariateNormal, multivariate_normal),
    (m.Independent, independent), (m.LogNormal, by_base), (m.HalfNormal, by_base))})
