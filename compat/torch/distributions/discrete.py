"""Distributions over whole numbers and categories."""

from __future__ import annotations

import math

import compat.torch as torch
from compat.torch.distributions import constraints as c
from compat.torch.distributions.continuous import Gamma, uniform
from compat.torch.distributions.distribution import (
    Distribution, ProbsOrLogits, Size, broadcast_all, clamp_probs, family,
)
from compat.torch.nn import functional as F

CHANCE = {"probs": c.unit_interval, "logits": c.real}
CHANCES = {"probs": c.simplex, "logits": c.real_vector}
EITHER = "probs=None, logits=None"


def cross_entropy(logits, probs):
    return F.binary_cross_entropy_with_logits(logits, probs, reduction="none")


def listed(distribution, values, expand: bool):
    values = values.view(-1, *(1,) * len(distribution.batch_shape))
    return values.expand(-1, *distribution.batch_shape) if expand else values


Bernoulli = family(
    "Bernoulli", EITHER, CHANCE, "1 with a probability, else 0.", ProbsOrLogits,
    support=c.boolean, mean=lambda d: d.probs, variance=lambda d: d.probs * (1 - d.probs),
    mode=lambda d: torch.where(d.probs == 0.5, math.nan, (d.probs >= 0.5).to(d.probs.dtype)),
    draw_only=lambda d, shape: torch.bernoulli(d.probs.expand(shape)),
    log_prob=lambda d, x: -cross_entropy(*broadcast_all(d.logits, x)),
    entropy=lambda d: cross_entropy(d.logits, d.probs), has_enumerate_support=True,
    enumerate_support=lambda d, expand=True: listed(
        d, torch.arange(2, dtype=getattr(d, d.given).dtype), expand))


def geometric_draw(d, shape):
    u = uniform(d.probs, shape, 0.0, 1.0).clamp(min=torch.finfo(d.probs.dtype).tiny)
    return (u.log() / (-d.probs).log1p()).floor()


def geometric_log_prob(d, x):
    value, probs = broadcast_all(x, d.probs)
    other = torch.where((probs == 1) & (value == 0), 0.0, probs)
    return value * (-other).log1p() + d.probs.log()


Geometric = family(
    "Geometric", EITHER, CHANCE, "How many failures come before the first success.",
    ProbsOrLogits, support=c.nonnegative_integer,
    check=(lambda d: d.given == "logits" or (d.probs > 0).all(),
           "Expected parameter probs of distribution Geometric to be positive"),
    mean=lambda d: 1.0 / d.probs - 1.0, mode=lambda d: torch.zeros_like(d.probs),
    variance=lambda d: (1.0 / d.probs - 1.0) / d.probs, draw_only=geometric_draw,
    log_prob=geometric_log_prob, entropy=lambda d: cross_entropy(d.logits, d.probs) / d.probs)

Poisson = family(
    "Poisson", "rate", {"rate": c.nonnegative}, "How many events come in a unit of time at `rate`.",
    support=c.nonnegative_integer, mean=lambda d: d.rate, variance=lambda d: d.rate,
    mode=lambda d: d.rate.floor(),
    draw_only=lambda d, shape: torch.poisson(d.rate.expand(shape)),
    log_prob=lambda d, x: torch.xlogy(x, d.rate) - d.rate - torch.lgamma(x + 1))


def binomial_log_prob(d, x):
    n, logits = d.total_count, d.logits
    positive = (logits.clamp(min=0) + logits - logits.clamp(max=0)) / 2  # 0.5 is its slope at 0
    normalize = (n * positive + n * torch.log1p(torch.exp(-torch.abs(logits)))
                 - torch.lgamma(n + 1))
    return x * logits - torch.lgamma(x + 1) - torch.lgamma(n - x + 1) - normalize


Binomial = family(
    "Binomial", f"total_count=1, {EITHER}", {"total_count": c.nonnegative_integer} | CHANCE,
    "How many of `total_count` trials succeed.", ProbsOrLogits,
    support=lambda d: c.integer_interval(0, d.total_count),
    mean=lambda d: d.total_count * d.probs,
    mode=lambda d: ((d.total_count + 1) * d.probs).floor().clamp(max=d.total_count),
    variance=lambda d: d.total_count * d.probs * (1 - d.probs),
    draw_only=lambda d, shape: torch.binomial(d.total_count.expand(shape), d.probs.expand(shape)),
    log_prob=binomial_log_prob)


def negative_binomial_log_prob(d, x):
    n = d.total_count
    unnormalized = n * F.logsigmoid(-d.logits) + x * F.logsigmoid(d.logits)
    norm = -torch.lgamma(n + x) + torch.lgamma(1.0 + x) + torch.lgamma(n)
    return unnormalized - torch.where(n + x == 0, 0.0, norm)


NegativeBinomial = family(
    "NegativeBinomial", f"total_count, {EITHER}",
    {"total_count": c.greater_than_eq(0), "probs": c.half_open_interval(0.0, 1.0),
     "logits": c.real}, "How many trials succeed before `total_count` fail.", ProbsOrLogits,
    support=c.nonnegative_integer, mean=lambda d: d.total_count * torch.exp(d.logits),
    variance=lambda d: d.mean / torch.sigmoid(-d.logits),
    draw_only=lambda d, shape: torch.poisson(
        Gamma(d.total_count, torch.exp(-d.logits), False).expand(shape).sample()),
    log_prob=negative_binomial_log_prob)


def relaxed_draw(d, shape):
    p = clamp_probs(d.probs.expand(shape))
    u = clamp_probs(torch.rand(shape, dtype=p.dtype))
    return torch.sigmoid((u.log() - (-u).log1p() + p.log() - (-p).log1p()) / d.temperature)


def relaxed_log_prob(d, x):
    value = clamp_probs(x)
    raw = torch.log(value) - torch.log1p(-value)
    difference = d.logits - raw * d.temperature
    inner = d.temperature.log() + difference - 2 * difference.exp().log1p()
    return inner + F.softplus(-raw) + F.softplus(raw)


RelaxedBernoulli = family(
    "RelaxedBernoulli", f"temperature, {EITHER}", CHANCE,
    "A Bernoulli variable made continuous. Source: Maddison et al. (2017).", ProbsOrLogits,
    support=c.unit_interval, draw=relaxed_draw, log_prob=relaxed_log_prob,
    # PyTorch derives it from another distribution, which shows nothing
    __repr__=lambda d: "RelaxedBernoulli()")

# ------------------------------------------------------------------ categories


class Categorical(ProbsOrLogits):
    """One of the categories along the last dimension."""

    arg_constraints, binary = CHANCES, False
    has_enumerate_support = True

    def __init__(self, probs=None, logits=None, validate_args=None):
        value = self.chosen(probs, logits)
        if value.ndim < 1:
            raise ValueError(f"`{self.given}` parameter must be at least one-dimensional.")
        self.__dict__[self.given] = value / value.sum(-1, keepdim=True) \
            if self.given == "probs" else value - value.logsumexp(dim=-1, keepdim=True)
        self._num_events = value.size(-1)
        super().__init__(value.shape[:-1], validate_args=validate_args)

    support = property(lambda self: c.integer_interval(0, self._num_events - 1))
    mean = variance = property(lambda self: torch.full(self._batch_shape, math.nan,
                                                       dtype=self.probs.dtype))
    mode = property(lambda self: self.probs.argmax(dim=-1))

    def sample(self, sample_shape=()):
        sample_shape = Size(sample_shape)
        with torch.no_grad():
            flat = self.probs.reshape(-1, self._num_events)
            drawn = torch.multinomial(flat, sample_shape.numel(), True).T
            return drawn.reshape(self._extended_shape(sample_shape))

    def log_prob(self, value):
        value = self.checked(value).long().unsqueeze(-1)
        value, logits = torch.broadcast_tensors(value, self.logits)
        return logits.gather(-1, value[..., :1]).squeeze(-1)

    def entropy(self):
        logits = torch.clamp(self.logits, min=torch.finfo(self.logits.dtype).min)
        return -(logits * self.probs).sum(-1)

    def enumerate_support(self, expand: bool = True):
        return listed(self, torch.arange(self._num_events), expand)


class OverCategories(Distribution):
    """Vectors with a number for each category, by a Categorical distribution."""

    def _take(self, validate_args, probs, logits, **beside) -> None:
        if not isinstance(beside.get("total_count", 1), int):
            raise NotImplementedError("inhomogeneous total_count is not supported")
        vars(self).update(beside)
        self._categorical = Categorical(probs, logits, validate_args)
        super().__init__(self._categorical.batch_shape, self._categorical.param_shape[-1:],
                         validate_args)

    probs = property(lambda self: self._categorical.probs)
    logits = property(lambda self: self._categorical.logits)
    param_shape = property(lambda self: self._categorical.param_shape)

    def expand(self, batch_shape):
        made = super().expand(batch_shape)
        made._categorical = self._categorical.expand(batch_shape)
        return made

    def drawn(self, *sample_shape):
        """Categories, each as a vector with a single 1."""
        return F.one_hot(self._categorical.sample(sample_shape), self._event_shape[0])

    def in_front(self, shape) -> tuple:
        """The sample shape of draws of this whole shape."""
        return tuple(shape)[:len(shape) - len(self._batch_shape) - 1]


OneHotCategorical: type = family(
    "OneHotCategorical", EITHER, CHANCES, "A category as a vector with a single 1.",
    OverCategories, support=c.one_hot, has_enumerate_support=True, mean=lambda d: d.probs,
    variance=lambda d: d.probs * (1 - d.probs),
    mode=lambda d: F.one_hot(d._categorical.mode, d._event_shape[0]).to(d.probs.dtype),
    draw_only=lambda d, shape: d.drawn(*d.in_front(shape)).to(d.probs.dtype),
    log_prob=lambda d, x: d._categorical.log_prob(x.max(-1)[1]),
    entropy=lambda d: d._categorical.entropy())


class OneHotCategoricalStraightThrough(OneHotCategorical):
    """With the gradient of the probabilities. Source: Bengio et al. (2013)."""

    has_rsample = True

    def rsample(self, sample_shape=()):
        return self.sample(sample_shape) + (self.probs - self.probs.detach())


def multinomial_log_prob(d, x):
    logits, value = broadcast_all(d.logits, x)
    logits = torch.where((value == 0) & (logits == -math.inf), 0.0, logits)
    return (torch.lgamma(value.sum(-1) + 1) - torch.lgamma(value + 1).sum(-1)
            + (logits * value).sum(-1))


Multinomial = family(
    "Multinomial", f"total_count=1, {EITHER}", CHANCES,
    "How often each category comes in `total_count` draws.", OverCategories,
    mean=lambda d: d.probs * d.total_count,
    variance=lambda d: d.total_count * d.probs * (1 - d.probs), log_prob=multinomial_log_prob,
    draw_only=lambda d, shape: d.drawn(d.total_count, *d.in_front(shape)).sum(0).to(d.probs.dtype))


def relaxed_categories(d, shape):
    u = clamp_probs(torch.rand(shape, dtype=d.logits.dtype))
    scores = (d.logits - (-u.log()).log()) / d.temperature
    return torch.exp(scores - scores.logsumexp(-1, True))


def relaxed_categories_log_prob(d, x):
    raw, k = x.log(), d._event_shape[0]
    scale = torch.full_like(d.temperature, float(k)).lgamma() - d.temperature.log().mul(-(k - 1))
    score = d.logits - raw * d.temperature
    return (score - score.logsumexp(-1, True)).sum(-1) + scale - raw.sum(-1)


RelaxedOneHotCategorical = family(
    "RelaxedOneHotCategorical", f"temperature, {EITHER}", CHANCES,
    "A category made continuous. Source: Jang et al. (2017), Maddison et al. (2017).",
    OverCategories, support=c.simplex, draw=relaxed_categories,
    log_prob=relaxed_categories_log_prob)
