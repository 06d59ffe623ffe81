"""Distributions over whole numbers and categories."""

from __future__ import annotations

import math

import compat.torch as torch
from compat.torch.distributions import constraints as c
from compat.torch.distributions.continuous import Gamma
from compat.torch.distributions.distribution import (
    ByParameters, Distribution, ProbsOrLogits, Size, broadcast_all, clamp_probs,
)
from compat.torch.nn import functional as F

CHANCE = {"probs": c.unit_interval, "logits": c.real}
CHANCES = {"probs": c.simplex, "logits": c.real_vector}


class Bernoulli(ProbsOrLogits):
    """1 with a probability, else 0."""

    arg_constraints, support = CHANCE, c.boolean
    has_enumerate_support = True

    def __init__(self, probs=None, logits=None, validate_args=None):
        value = self.take(probs, logits)
        setattr(self, self.given, value)
        super().__init__(value.shape, validate_args=validate_args)

    mean = property(lambda self: self.probs)
    variance = property(lambda self: self.probs * (1 - self.probs))

    @property
    def mode(self):
        rounded = (self.probs >= 0.5).to(self.probs.dtype)
        return torch.where(self.probs == 0.5, math.nan, rounded)

    @property
    def param_shape(self):
        return getattr(self, self.given).size()

    def sample(self, sample_shape=()):
        with torch.no_grad():
            return torch.bernoulli(self.probs.expand(self._extended_shape(sample_shape)))

    def log_prob(self, value):
        logits, value = broadcast_all(self.logits, self.checked(value))
        return -F.binary_cross_entropy_with_logits(logits, value, reduction="none")

    def entropy(self):
        return F.binary_cross_entropy_with_logits(self.logits, self.probs, reduction="none")

    def enumerate_support(self, expand: bool = True):
        return listed(self, torch.arange(2, dtype=getattr(self, self.given).dtype), expand)


def listed(distribution, values, expand: bool):
    values = values.view(-1, *(1,) * len(distribution.batch_shape))
    return values.expand(-1, *distribution.batch_shape) if expand else values


class Geometric(ProbsOrLogits):
    """How many failures come before the first success."""

    arg_constraints, support = CHANCE, c.nonnegative_integer

    def __init__(self, probs=None, logits=None, validate_args=None):
        value = self.take(probs, logits)
        setattr(self, self.given, value)
        super().__init__(value.shape, validate_args=validate_args)
        if self._validate_args and probs is not None and not bool((self.probs > 0).all()):
            raise ValueError("Expected parameter probs of distribution Geometric to be positive")

    mean = property(lambda self: 1.0 / self.probs - 1.0)
    mode = property(lambda self: torch.zeros_like(self.probs))
    variance = property(lambda self: (1.0 / self.probs - 1.0) / self.probs)

    def sample(self, sample_shape=()):
        with torch.no_grad():
            shape = self._extended_shape(sample_shape)
            u = torch.empty(shape, dtype=self.probs.dtype).uniform_()
            u = u.clamp(min=torch.finfo(self.probs.dtype).tiny)
            return (u.log() / (-self.probs).log1p()).floor()

    def log_prob(self, value):
        value, probs = broadcast_all(self.checked(value), self.probs)
        other = torch.where((probs == 1) & (value == 0), 0.0, probs)
        return value * (-other).log1p() + self.probs.log()

    def entropy(self):
        return F.binary_cross_entropy_with_logits(
            self.logits, self.probs, reduction="none") / self.probs


class Categorical(ProbsOrLogits):
    """One of the categories along the last dimension."""

    arg_constraints, binary = CHANCES, False
    has_enumerate_support = True

    def __init__(self, probs=None, logits=None, validate_args=None):
        value = self.take(probs, logits)
        if value.ndim < 1:
            raise ValueError(f"`{self.given}` parameter must be at least one-dimensional.")
        self.__dict__[self.given] = value / value.sum(-1, keepdim=True) \
            if self.given == "probs" else value - value.logsumexp(dim=-1, keepdim=True)
        self._num_events = value.size(-1)
        super().__init__(value.shape[:-1], validate_args=validate_args)

    support = property(lambda self: c.integer_interval(0, self._num_events - 1))
    param_shape = property(lambda self: getattr(self, self.given).size())
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


class OneHotCategorical(Distribution):
    """A category as a vector with a single 1."""

    arg_constraints, support, has_enumerate_support = CHANCES, c.one_hot, True

    def __init__(self, probs=None, logits=None, validate_args=None):
        self._categorical = Categorical(probs, logits, validate_args)
        super().__init__(self._categorical.batch_shape, self._categorical.param_shape[-1:],
                         validate_args)

    probs = property(lambda self: self._categorical.probs)
    logits = property(lambda self: self._categorical.logits)
    param_shape = property(lambda self: self._categorical.param_shape)
    mean = property(lambda self: self.probs)
    variance = property(lambda self: self.probs * (1 - self.probs))
    mode = property(lambda self: F.one_hot(self._categorical.mode, self._event_shape[0])
                    .to(self.probs.dtype))

    def expand(self, batch_shape):
        made = super().expand(batch_shape)
        made._categorical = self._categorical.expand(batch_shape)
        return made

    def sample(self, sample_shape=()):
        drawn = self._categorical.sample(sample_shape)
        return F.one_hot(drawn, self._event_shape[0]).to(self.probs.dtype)

    def log_prob(self, value):
        return self._categorical.log_prob(self.checked(value).max(-1)[1])

    def entropy(self):
        return self._categorical.entropy()


class OneHotCategoricalStraightThrough(OneHotCategorical):
    """With the gradient of the probabilities. Source: Bengio et al. (2013)."""

    has_rsample = True

    def rsample(self, sample_shape=()):
        return self.sample(sample_shape) + (self.probs - self.probs.detach())


class Multinomial(Distribution):
    """How often each category comes in `total_count` draws."""

    arg_constraints = CHANCES

    def __init__(self, total_count=1, probs=None, logits=None, validate_args=None):
        if not isinstance(total_count, int):
            raise NotImplementedError("inhomogeneous total_count is not supported")
        self.total_count = total_count
        self._categorical = Categorical(probs, logits, validate_args)
        super().__init__(self._categorical.batch_shape, self._categorical.param_shape[-1:],
                         validate_args)

    probs = property(lambda self: self._categorical.probs)
    logits = property(lambda self: self._categorical.logits)
    mean = property(lambda self: self.probs * self.total_count)
    variance = property(lambda self: self.total_count * self.probs * (1 - self.probs))

    def sample(self, sample_shape=()):
        drawn = self._categorical.sample((self.total_count, *sample_shape))
        return F.one_hot(drawn, self._event_shape[0]).sum(0).to(self.probs.dtype)

    def log_prob(self, value):
        logits, value = broadcast_all(self.logits, self.checked(value))
        logits = torch.where((value == 0) & (logits == -math.inf), 0.0, logits)
        return (torch.lgamma(value.sum(-1) + 1) - torch.lgamma(value + 1).sum(-1)
                + (logits * value).sum(-1))


class Poisson(ByParameters):
    """How many events come in a unit of time at `rate`."""

    arg_constraints, support, has_rsample = {"rate": c.nonnegative}, c.nonnegative_integer, False
    mean = variance = property(lambda self: self.rate)
    mode = property(lambda self: self.rate.floor())

    def sample(self, sample_shape=()):
        with torch.no_grad():
            return torch.poisson(self.rate.expand(self._extended_shape(sample_shape)))

    def log_prob(self, value):
        rate, value = broadcast_all(self.rate, self.checked(value))
        return torch.xlogy(value, rate) - rate - torch.lgamma(value + 1)


class Counted(ProbsOrLogits):
    """Binomial and NegativeBinomial: a count beside a probability."""

    def __init__(self, total_count=1, probs=None, logits=None, validate_args=None):
        value = self.take(probs, logits)
        self.total_count, value = broadcast_all(total_count, value)
        self.total_count = self.total_count.to(value.dtype)
        setattr(self, self.given, value)
        super().__init__(value.shape, validate_args=validate_args)


class Binomial(Counted):
    """How many of `total_count` trials succeed."""

    arg_constraints = {"total_count": c.nonnegative_integer, **CHANCE}
    support = property(lambda self: c.integer_interval(0, self.total_count))
    mean = property(lambda self: self.total_count * self.probs)
    mode = property(lambda self: ((self.total_count + 1) * self.probs).floor().clamp(
        max=self.total_count))
    variance = property(lambda self: self.total_count * self.probs * (1 - self.probs))

    def sample(self, sample_shape=()):
        with torch.no_grad():
            shape = self._extended_shape(sample_shape)
            return torch.binomial(self.total_count.expand(shape), self.probs.expand(shape))

    def log_prob(self, value):
        value = self.checked(value)
        n, logits = self.total_count, self.logits
        positive = (logits.clamp(min=0) + logits - logits.clamp(max=0)) / 2  # 0.5 is its slope at 0
        normalize = (n * positive + n * torch.log1p(torch.exp(-torch.abs(self.logits)))
                     - torch.lgamma(n + 1))
        return (value * self.logits - torch.lgamma(value + 1) - torch.lgamma(n - value + 1)
                - normalize)


class NegativeBinomial(Counted):
    """How many trials succeed before `total_count` fail."""

    arg_constraints = {"total_count": c.greater_than_eq(0),
                       "probs": c.half_open_interval(0.0, 1.0), "logits": c.real}
    support = c.nonnegative_integer
    mean = property(lambda self: self.total_count * torch.exp(self.logits))
    variance = property(lambda self: self.mean / torch.sigmoid(-self.logits))

    def sample(self, sample_shape=()):
        with torch.no_grad():
            rate = Gamma(self.total_count, torch.exp(-self.logits), False).sample(sample_shape)
            return torch.poisson(rate)

    def log_prob(self, value):
        value = self.checked(value)
        unnormalized = (self.total_count * F.logsigmoid(-self.logits)
                        + value * F.logsigmoid(self.logits))
        norm = (-torch.lgamma(self.total_count + value) + torch.lgamma(1.0 + value)
                + torch.lgamma(self.total_count))
        return unnormalized - torch.where(self.total_count + value == 0, 0.0, norm)


class RelaxedBernoulli(ProbsOrLogits):
    """A Bernoulli variable made continuous. Source: Maddison et al. (2017)."""

    arg_constraints, support, has_rsample = CHANCE, c.unit_interval, True

    def __init__(self, temperature, probs=None, logits=None, validate_args=None):
        value, self.temperature = self.take(probs, logits), temperature
        setattr(self, self.given, value)
        super().__init__(value.shape, validate_args=validate_args)

    def rsample(self, sample_shape=()):
        shape = self._extended_shape(sample_shape)
        p = clamp_probs(self.probs.expand(shape))
        u = clamp_probs(torch.rand(shape, dtype=p.dtype))
        return torch.sigmoid((u.log() - (-u).log1p() + p.log() - (-p).log1p()) / self.temperature)

    def log_prob(self, value):
        value = clamp_probs(self.checked(value))
        raw = torch.log(value) - torch.log1p(-value)
        difference = self.logits - raw * self.temperature
        inner = self.temperature.log() + difference - 2 * difference.exp().log1p()
        return inner + F.softplus(-raw) + F.softplus(raw)

    def __repr__(self) -> str:  # PyTorch derives it from another distribution, which shows nothing
        return "RelaxedBernoulli()"


class RelaxedOneHotCategorical(Distribution):
    """A category made continuous. Source: Jang et al. (2017), Maddison et al. (2017)."""

    arg_constraints, support, has_rsample = CHANCES, c.simplex, True

    def __init__(self, temperature, probs=None, logits=None, validate_args=None):
        self._categorical, self.temperature = Categorical(probs, logits, validate_args), temperature
        super().__init__(self._categorical.batch_shape, self._categorical.param_shape[-1:],
                         validate_args)

    probs = property(lambda self: self._categorical.probs)
    logits = property(lambda self: self._categorical.logits)

    def rsample(self, sample_shape=()):
        shape = self._extended_shape(sample_shape)
        u = clamp_probs(torch.rand(shape, dtype=self.logits.dtype))
        scores = (self.logits - (-u.log()).log()) / self.temperature
        return torch.exp(scores - scores.logsumexp(-1, True))

    def log_prob(self, value):
        raw, k = self.checked(value).log(), self._event_shape[0]
        scale = (torch.full_like(self.temperature, float(k)).lgamma()
                 - self.temperature.log().mul(-(k - 1)))
        score = self.logits - raw * self.temperature
        return (score - score.logsumexp(-1, True)).sum(-1) + scale - raw.sum(-1)
