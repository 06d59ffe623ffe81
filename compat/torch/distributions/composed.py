"""Distributions made of others: independent dimensions, mixtures, transforms, normal vectors."""

from __future__ import annotations

import math

import compat.torch as torch
from compat.torch.distributions import constraints as c
from compat.torch.distributions.continuous import LOCATED, Cauchy, Exponential, Normal
from compat.torch.distributions.distribution import (
    LOG_2PI, Distribution, Size, broadcast_all, family, standard_normal,
)
from compat.torch.distributions.transforms import (
    AffineTransform, ComposeTransform, ExpTransform, PowerTransform, StickBreakingTransform,
    sum_rightmost,
)
from compat.torch.written import parameters_of


class Independent(Distribution):
    """The last batch dimensions as dimensions of one event."""

    def __init__(self, base_distribution, reinterpreted_batch_ndims: int, validate_args=None):
        shape, events = base_distribution.batch_shape, len(base_distribution.event_shape)
        if reinterpreted_batch_ndims > len(shape):
            raise ValueError(
                "Expected reinterpreted_batch_ndims <= len(base_distribution.batch_shape), actual "
                f"{reinterpreted_batch_ndims} vs {len(shape)}")
        whole = shape + base_distribution.event_shape
        cut = len(whole) - events - reinterpreted_batch_ndims
        self.base_dist = base_distribution
        self.reinterpreted_batch_ndims = reinterpreted_batch_ndims
        super().__init__(whole[:cut], whole[cut:], validate_args)

    has_rsample = property(lambda self: self.base_dist.has_rsample)
    mean = property(lambda self: self.base_dist.mean)
    mode = property(lambda self: self.base_dist.mode)
    variance = property(lambda self: self.base_dist.variance)
    support = property(lambda self: c.independent(self.base_dist.support,
                                                  self.reinterpreted_batch_ndims))

    def expand(self, batch_shape):
        whole = Size(tuple(batch_shape) + tuple(self._event_shape))
        base = self.base_dist.expand(whole[:len(whole) - len(self.base_dist.event_shape)])
        return Independent(base, self.reinterpreted_batch_ndims)

    def sample(self, sample_shape=()):
        return self.base_dist.sample(sample_shape)

    def rsample(self, sample_shape=()):
        return self.base_dist.rsample(sample_shape)

    def log_prob(self, value):
        return sum_rightmost(self.base_dist.log_prob(value), self.reinterpreted_batch_ndims)

    def entropy(self):
        return sum_rightmost(self.base_dist.entropy(), self.reinterpreted_batch_ndims)

    def __repr__(self) -> str:
        return f"Independent({self.base_dist}, {self.reinterpreted_batch_ndims})"


class MixtureSameFamily(Distribution):
    """A categorical choice among the components along the last batch dimension."""

    def __init__(self, mixture_distribution, component_distribution, validate_args=None):
        self._mixture_distribution = mixture_distribution
        self._component_distribution = component_distribution
        events = component_distribution.event_shape
        super().__init__(component_distribution.batch_shape[:-1], events, validate_args)

    mixture_distribution = property(lambda self: self._mixture_distribution)
    component_distribution = property(lambda self: self._component_distribution)
    support = property(lambda self: self._component_distribution.support)

    def weighted(self, values):
        probs = self._mixture_distribution.probs
        return (probs.reshape(*probs.shape, *(1,) * len(self._event_shape)) * values).sum(
            -1 - len(self._event_shape))

    mean = property(lambda self: self.weighted(self._component_distribution.mean))

    @property
    def variance(self):
        each = self._component_distribution
        spread = (each.mean - self.mean.unsqueeze(-1 - len(self._event_shape))).pow(2)
        return self.weighted(each.variance) + self.weighted(spread)

    def sample(self, sample_shape=()):
        with torch.no_grad():
            dim = len(sample_shape) + len(self._batch_shape)
            chosen = self._mixture_distribution.sample(sample_shape)
            drawn = self._component_distribution.sample(sample_shape)
            index = chosen.reshape(*chosen.shape, *(1,) * (drawn.ndim - chosen.ndim))
            index = index.expand(*chosen.shape, 1, *drawn.shape[dim + 1:]) \
                if drawn.ndim > chosen.ndim else index
            return drawn.gather(dim, index).squeeze(dim)

    def log_prob(self, value):
        value = self.checked(value).unsqueeze(-1 - len(self._event_shape))
        each = self._component_distribution.log_prob(value)
        return torch.logsumexp(each + torch.log_softmax(self._mixture_distribution.logits, -1), -1)

    def cdf(self, value):
        each = self._component_distribution.cdf(self.checked(value).unsqueeze(-1))
        return (each * self._mixture_distribution.probs).sum(-1)


class TransformedDistribution(Distribution):
    """What a chain of transforms makes of a base distribution."""

    def __init__(self, base_distribution, transforms, validate_args=None):
        self.base_dist = base_distribution
        self.transforms = list(transforms) if isinstance(transforms, (list, tuple)) \
            else [transforms]
        self.chain = ComposeTransform(self.transforms)
        whole = base_distribution.batch_shape + base_distribution.event_shape
        self.events = max(self.chain.event_dim, len(base_distribution.event_shape))
        extra = self.events - len(base_distribution.event_shape)
        if extra > 0:
            self.base_dist = Independent(base_distribution, extra)
        out = self.chain.forward_shape(whole)
        cut = len(out) - self.events
        super().__init__(out[:cut], out[cut:], validate_args)

    has_rsample = property(lambda self: self.base_dist.has_rsample)
    support = property(lambda self: self.chain.codomain)

    def expand(self, batch_shape):
        return TransformedDistribution(self.base_dist.expand(batch_shape), self.transforms)

    def sample(self, sample_shape=()):
        with torch.no_grad():
            return self.chain(self.base_dist.sample(sample_shape))

    def rsample(self, sample_shape=()):
        return self.chain(self.base_dist.rsample(sample_shape))

    def log_prob(self, value):
        y, total = self.checked(value), 0.0
        for transform in reversed(self.transforms):
            x = transform.inv(y)
            total = total - sum_rightmost(transform.log_abs_det_jacobian(x, y),
                                          self.events - transform.event_dim)
            y = x
        base = self.base_dist.log_prob(y)
        return total + sum_rightmost(base, self.events - len(self.base_dist.event_shape))

    def cdf(self, value):
        for transform in reversed(self.transforms):
            value = transform.inv(value)
        return self.turned(self.base_dist.cdf(value))

    def icdf(self, value):
        return self.chain(self.base_dist.icdf(self.turned(value)))

    def turned(self, share):
        """The share of values below, if the transforms turn the order round."""
        sign = self.chain.sign
        return share if isinstance(sign, int) and sign == 1 else sign * (share - 0.5) + 0.5


class Derived(TransformedDistribution):
    """A base distribution and transforms, by parameters of their own."""

    def _take(self, validate_args, **given) -> None:
        vars(self).update(zip(given, broadcast_all(*given.values())))
        super().__init__(*self.made_of(validate_args), validate_args)

    def expand(self, batch_shape):
        tail = len(self.base_dist.event_shape)
        return self.again(*[v.expand(Size(batch_shape) + v.shape[v.ndim - tail:]) for v in map(
            vars(self).get, parameters_of(self.signature))])


LogNormal = family(
    "LogNormal", "loc, scale", LOCATED, "exp of a normal number.", Derived, support=c.positive,
    made_of=lambda d, validate: (Normal(d.loc, d.scale, validate), ExpTransform()),
    mean=lambda d: (d.loc + d.scale.pow(2) / 2).exp(),
    mode=lambda d: (d.loc - d.scale.square()).exp(),
    variance=lambda d: d.scale.pow(2).expm1() * (2 * d.loc + d.scale.pow(2)).exp(),
    entropy=lambda d: d.base_dist.entropy() + d.loc, __repr__=lambda d: "LogNormal()")
LogisticNormal = family(
    "LogisticNormal", "loc, scale", LOCATED, "Proportions from normal numbers.", Derived,
    support=c.simplex, __repr__=lambda d: "LogisticNormal()",
    made_of=lambda d, validate: (Normal(d.loc, d.scale, validate), StickBreakingTransform()))


def weibull_variance(d):
    r = d.concentration.reciprocal()
    return d.scale.pow(2) * (torch.exp(torch.lgamma(1 + 2 * r))
                             - torch.exp(2 * torch.lgamma(1 + r)))


Weibull = family(
    "Weibull", "scale, concentration", {"scale": c.positive, "concentration": c.positive},
    "A power of a waiting time.", Derived, support=c.positive, variance=weibull_variance,
    made_of=lambda d, validate: (
        Exponential(torch.ones_like(d.scale), validate_args=validate),
        [PowerTransform(d.concentration.reciprocal()), AffineTransform(0, d.scale)]),
    mean=lambda d: d.scale * torch.exp(torch.lgamma(1 + d.concentration.reciprocal())))
Pareto = family(
    "Pareto", "scale, alpha", {"alpha": c.positive, "scale": c.positive}, "exp of a waiting time.",
    Derived, support=lambda d: c.greater_than_eq(d.scale), mode=lambda d: d.scale,
    made_of=lambda d, validate: (Exponential(d.alpha, validate_args=validate),
                                 [ExpTransform(), AffineTransform(0, d.scale)]),
    mean=lambda d: d.alpha.clamp(min=1) * d.scale / (d.alpha.clamp(min=1) - 1),
    entropy=lambda d: (d.scale / d.alpha).log() + (1 + d.alpha.reciprocal()))


class Folded(TransformedDistribution):
    """The absolute value of a symmetric distribution."""

    arg_constraints, support = {"scale": c.positive}, c.nonnegative

    def __init__(self, scale, validate_args=None):
        Distribution.__init__(self, broadcast_all(scale)[0].shape, (), validate_args)
        self.base_dist = self.family(0, scale, validate_args)

    scale = property(lambda self: self.base_dist.scale)
    mode = property(lambda self: torch.zeros_like(self.scale))

    def expand(self, batch_shape):
        return self.again(self.scale.expand(batch_shape))

    def sample(self, sample_shape=()):
        return self.base_dist.sample(sample_shape).abs()

    def rsample(self, sample_shape=()):
        return self.base_dist.rsample(sample_shape).abs()

    def log_prob(self, value):
        inner = self.base_dist.log_prob(self.checked(value)) + math.log(2)
        return torch.where(value >= 0, inner, -math.inf)

    def cdf(self, value):
        return 2 * self.base_dist.cdf(self.checked(value)) - 1

    def icdf(self, prob):
        return self.base_dist.icdf((prob + 1) / 2)

    def entropy(self):
        return self.base_dist.entropy() - math.log(2)


class HalfNormal(Folded):
    """|Normal(0, scale)|"""

    family = Normal
    mean = property(lambda self: self.scale * math.sqrt(2 / math.pi))
    variance = property(lambda self: self.scale.pow(2) * (1 - 2 / math.pi))


class HalfCauchy(Folded):
    """|Cauchy(0, scale)|"""

    family = Cauchy
    mean = property(lambda self: torch.full_like(self.scale, math.inf))
    variance = property(lambda self: self.base_dist.variance)


class MultivariateNormal(Distribution):
    """A normal vector, by its covariance, its inverse, or the covariance's Cholesky factor."""

    arg_constraints = {"loc": c.real_vector, "covariance_matrix": c.positive_definite,
                       "precision_matrix": c.positive_definite, "scale_tril": c.lower_cholesky}
    support, has_rsample = c.real_vector, True

    def __init__(self, loc, covariance_matrix=None, precision_matrix=None, scale_tril=None,
                 validate_args=None):
        given = {"covariance_matrix": covariance_matrix, "precision_matrix": precision_matrix,
                 "scale_tril": scale_tril}
        chosen = {k: v for k, v in given.items() if v is not None}
        if loc.ndim < 1:
            raise ValueError("loc must be at least one-dimensional.")
        if len(chosen) != 1:
            raise ValueError("Exactly one of covariance_matrix or precision_matrix or scale_tril "
                             "may be specified.")
        ((name, matrix),) = chosen.items()
        if matrix.ndim < 2:
            raise ValueError(f"{name} must be at least two-dimensional, with optional leading "
                             "batch dimensions")
        batch = torch.broadcast_shapes(matrix.shape[:-2], loc.shape[:-1])
        self.loc = loc.expand(Size(batch) + loc.shape[-1:])
        self.__dict__[name] = matrix = matrix.expand(Size(batch) + matrix.shape[-2:])
        super().__init__(batch, loc.shape[-1:], validate_args)
        if name == "precision_matrix":
            flipped = torch.linalg.cholesky(torch.flip(matrix, (-2, -1)))
            inverse = torch.flip(flipped, (-2, -1)).mT
            eye = torch.eye(loc.shape[-1], dtype=loc.dtype)
            tril = torch.linalg.solve_triangular(inverse, eye, upper=False)
        else:
            tril = matrix if name == "scale_tril" else torch.linalg.cholesky(matrix)
        self._unbroadcasted_scale_tril = tril

    def __getattr__(self, name: str):
        tril = vars(self).get("_unbroadcasted_scale_tril")
        if tril is None or name not in ("scale_tril", "covariance_matrix", "precision_matrix"):
            raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")
        return {"scale_tril": lambda: tril, "covariance_matrix": lambda: tril @ tril.mT,
                "precision_matrix": lambda: torch.cholesky_inverse(tril)}[name]()

    def expand(self, batch_shape):
        shape = Size(batch_shape)
        tril = self._unbroadcasted_scale_tril
        return self.again(self.loc.expand(shape + self._event_shape), None, None,
                          tril.expand(shape + tril.shape[-2:]))

    mean = mode = property(lambda self: self.loc)
    variance = property(lambda self: self._unbroadcasted_scale_tril.pow(2).sum(-1))

    def rsample(self, sample_shape=()):
        noise = standard_normal(self.loc, self._extended_shape(sample_shape))
        return self.loc + (self._unbroadcasted_scale_tril @ noise.unsqueeze(-1)).squeeze(-1)

    def log_prob(self, value):
        difference = (self.checked(value) - self.loc).unsqueeze(-1)
        tril = self._unbroadcasted_scale_tril
        whole = tril.expand(torch.broadcast_shapes(difference.shape[:-2], tril.shape[:-2])
                            + tuple(tril.shape[-2:]))
        white = torch.linalg.solve_triangular(whole, difference.expand(
            *whole.shape[:-1], 1), upper=False).squeeze(-1)
        return -0.5 * (self._event_shape[0] * LOG_2PI + white.pow(2).sum(-1)) - self.half_logdet()

    def half_logdet(self):
        return self._unbroadcasted_scale_tril.diagonal(dim1=-2, dim2=-1).log().sum(-1)

    def entropy(self):
        return 0.5 * self._event_shape[0] * (1.0 + LOG_2PI) + self.half_logdet()
