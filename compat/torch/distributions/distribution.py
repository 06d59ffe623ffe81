"""The base of torch.distributions: shapes, parameters, and what follows from the rest."""

from __future__ import annotations

import math
import warnings
from typing import Any

import compat.torch as torch
from compat.torch.distributions.constraints import Constraint
from compat.torch.written import parameters_of, written

Size = torch.Size


def broadcast_all(*values) -> tuple:
    """Numbers and tensors as tensors of one shape, in the dtype of the tensors among them."""
    tensors = [v for v in values if isinstance(v, torch.Tensor)]
    if not all(isinstance(v, (torch.Tensor, int, float)) for v in values):
        raise ValueError("Input arguments must all be instances of Number, torch.Tensor or objects "
                         "implementing __torch_function__.")
    dtype = tensors[0].dtype if tensors else torch.get_default_dtype()
    return torch.broadcast_tensors(*[v if isinstance(v, torch.Tensor)
                                     else torch.tensor(v, dtype=dtype) for v in values])


class Distribution:
    """A distribution over values of `event_shape`, for each position of `batch_shape`.

    A subclass names its parameters in `arg_constraints`; each is an attribute. Wrong values raise
    ValueError unless `validate_args=False`. Source: torch.distributions.
    """

    has_rsample = False
    has_enumerate_support = False
    _validate_args = __debug__
    arg_constraints: dict[str, Constraint] = {}
    support: Any = None

    def __init__(self, batch_shape=(), event_shape=(), validate_args=None):
        self._batch_shape, self._event_shape = Size(batch_shape), Size(event_shape)
        if validate_args is not None:
            self._validate_args = validate_args
        if self._validate_args:
            for name, constraint in self.arg_constraints.items():
                value = vars(self).get(name)
                if isinstance(value, torch.Tensor) and not bool(constraint.check(value).all()):
                    raise ValueError(
                        f"Expected parameter {name} ({type(value).__name__} of shape "
                        f"{tuple(value.shape)}) of distribution {self!r} to satisfy the constraint "
                        f"{constraint!r}, but found invalid values:\n{value}")

    @staticmethod
    def set_default_validate_args(value: bool) -> None:
        Distribution._validate_args = value

    batch_shape = property(lambda self: self._batch_shape)
    event_shape = property(lambda self: self._event_shape)

    def _extended_shape(self, sample_shape=()):
        return Size(tuple(sample_shape) + tuple(self._batch_shape) + tuple(self._event_shape))

    def expand(self, batch_shape):
        """The same distribution over a larger batch."""
        made = type(self).__new__(type(self))
        made.__dict__.update(vars(self))
        for name, constraint in self.arg_constraints.items():
            value = vars(self).get(name)
            if isinstance(value, torch.Tensor):
                tail = value.shape[value.ndim - constraint.event_dim:]
                setattr(made, name, value.expand(Size(batch_shape) + tail))
        made._batch_shape = Size(batch_shape)
        return made

    def again(self, *args):
        """A distribution of this class with other parameters, which are known to be right."""
        made = type(self)(*args, validate_args=False)
        made._validate_args = self._validate_args
        return made

    def sample(self, sample_shape=()):
        """Draws without a gradient, of shape (*sample_shape, *batch_shape, *event_shape)."""
        with torch.no_grad():
            return self.rsample(sample_shape)

    def sample_n(self, n: int):
        warnings.warn("sample_n(n) will be deprecated. Use .sample((n,)) instead.", FutureWarning,
                      stacklevel=2)
        return self.sample((n,))

    def rsample(self, sample_shape=()):
        """Draws that are differentiable functions of the parameters."""
        raise NotImplementedError

    def log_prob(self, value):
        raise NotImplementedError

    def cdf(self, value):
        raise NotImplementedError

    def icdf(self, value):
        raise NotImplementedError

    def entropy(self):
        raise NotImplementedError

    def enumerate_support(self, expand: bool = True):
        raise NotImplementedError

    @property
    def mean(self):
        raise NotImplementedError

    @property
    def mode(self):
        raise NotImplementedError(f"{self.__class__} does not implement mode")

    @property
    def variance(self):
        raise NotImplementedError

    stddev = property(lambda self: self.variance.sqrt())

    def perplexity(self):
        return torch.exp(self.entropy())

    def _validate_sample(self, value) -> None:
        """Raise ValueError unless `value` has the right shape and lies in the support."""
        if not isinstance(value, torch.Tensor):
            raise ValueError("The value argument to log_prob must be a Tensor")
        events = len(self._event_shape)
        if value.shape[value.ndim - events:] != self._event_shape:
            raise ValueError("The right-most size of value must match event_shape: "
                             f"{value.shape} vs {self._event_shape}.")
        expected = tuple(self._batch_shape) + tuple(self._event_shape)
        for i, j in zip(reversed(tuple(value.shape)), reversed(expected)):
            if i != 1 and j != 1 and i != j:
                raise ValueError(f"Value is not broadcastable with batch_shape+event_shape: "
                                 f"{value.shape} vs {Size(expected)}.")
        if self.support is not None and not bool(self.support.check(value).all()):
            raise ValueError(
                f"Expected value argument ({type(value).__name__} of shape "
                f"{tuple(value.shape)}) to be within the support ({self.support!r}) of the "
                f"distribution {self!r}, but found invalid values:\n{value}")

    def checked(self, value):
        if self._validate_args:
            self._validate_sample(value)
        return value

    def __repr__(self) -> str:
        shown = [f"{n}: {v if v.numel() == 1 else v.size()}"
                 for n in self.arg_constraints if (v := vars(self).get(n)) is not None]
        return f"{type(self).__name__}({', '.join(shown)})"


class ExponentialFamily(Distribution):
    """Those whose entropy and divergence have the form of an exponential family."""


class ByParameters(ExponentialFamily):
    """A distribution over scalars whose parameters are broadcast together."""

    def _take(self, validate_args, **given) -> None:
        values = broadcast_all(*given.values())
        vars(self).update(zip(given, values))
        Distribution.__init__(self, values[0].shape, validate_args=validate_args)


PROPERTIES = ("mean", "mode", "variance", "stddev", "support", "param_shape")


def family(name: str, signature: str, constraints: dict, doc: str, base: type = ByParameters,
           check: tuple | None = None, **formulas) -> type:
    """A class for one row. Its formulas are functions of the distribution, and of

    - `draw`, `draw_only`: the shape of the draws; the first has a gradient.
    - `log_prob`, `cdf`: a value, which is checked before. `icdf`: a probability.

    check: (predicate, message) for the parameters together.
    """
    names = list(parameters_of(signature))
    lines = [f"take(self, validate_args, {', '.join(f'{n}={n}' for n in names)})"]
    if check is not None:
        lines += ["if self._validate_args and not bool(holds(self)):", "    raise ValueError(text)"]
    holds, text = check or (None, "")
    init = written("__init__", f"self, {signature}, validate_args=None", lines, take=base._take,
                   holds=holds, text=text)
    init.__qualname__ = f"{name}.__init__"
    made = {"__init__": init, "__doc__": doc, "__module__": "compat.torch.distributions",
            "arg_constraints": constraints, "signature": signature}
    if not hasattr(base, "rsample") or base.rsample is Distribution.rsample:
        made["has_rsample"] = "draw" in formulas
    for key, value in formulas.items():
        if key in PROPERTIES and not isinstance(value, Constraint):
            value = property(value)
        elif key in ("log_prob", "cdf"):
            value = of_checked(value)
        elif key.startswith("draw"):
            key, value = "sample" if key == "draw_only" else "rsample", of_shape(value)
        made[key] = value
    if "sample" in made:
        made["sample"] = torch.no_grad()(made["sample"])
    return type(name, (base,), made)


def of_checked(formula):
    return lambda self, value: formula(self, self.checked(value))


def of_shape(formula):
    def draw(self, sample_shape=()):
        return formula(self, self._extended_shape(sample_shape))

    return draw


def standard_normal(like, shape):
    return torch.normal(torch.zeros(shape, dtype=like.dtype), torch.ones(shape, dtype=like.dtype))


def clamp_probs(probs):
    eps = torch.finfo(probs.dtype).eps
    return probs.clamp(min=eps, max=1 - eps)


def logits_of(probs, binary: bool):
    clamped = clamp_probs(probs)
    return torch.log(clamped) - torch.log1p(-clamped) if binary else torch.log(clamped)


def probs_of(logits, binary: bool):
    return torch.sigmoid(logits) if binary else torch.softmax(logits, -1)


class ProbsOrLogits(Distribution):
    """Given by one of two parameters, of which the other follows."""

    binary = True

    def chosen(self, probs, logits) -> Any:
        """The parameter that was given; `given` is its name."""
        if (probs is None) == (logits is None):
            raise ValueError("Either `probs` or `logits` must be specified, but not both.")
        self.given = "probs" if probs is not None else "logits"
        value = probs if probs is not None else logits
        return broadcast_all(value)[0] if self.binary else value

    def _take(self, validate_args, probs, logits, **beside) -> None:
        value = self.chosen(probs, logits)
        vars(self).update(beside)
        if "total_count" in beside:
            total, value = broadcast_all(self.total_count, value)
            self.total_count = total.to(value.dtype)
        setattr(self, self.given, value)
        Distribution.__init__(self, value.shape, validate_args=validate_args)

    param_shape = property(lambda self: getattr(self, self.given).size())

    def __getattr__(self, name: str):
        if name == "logits" and "probs" in vars(self):
            return logits_of(vars(self)["probs"], self.binary)
        if name == "probs" and "logits" in vars(self):
            return probs_of(vars(self)["logits"], self.binary)
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")


LOG_2PI = math.log(2 * math.pi)
