"""torch.distributions.constraints: what a parameter or a value must satisfy."""

from __future__ import annotations

from collections.abc import Callable

import compat.torch as torch


class Constraint:
    """A predicate of tensors. `event_dim`: how many of the last dimensions one value has."""

    is_discrete = False
    event_dim = 0

    def __init__(self, name: str, check: Callable, event_dim: int = 0, discrete: bool = False):
        self.name, self.check = name, check
        self.event_dim, self.is_discrete = event_dim, discrete

    def __repr__(self) -> str:
        return self.name


def bounded(name: str, test: Callable, discrete: bool = False, **bounds) -> Constraint:
    shown = ", ".join(f"{k}_bound={v}" for k, v in bounds.items())

    def check(value):
        inside = test(value, *bounds.values())
        return (value % 1 == 0) & inside if discrete else inside

    return Constraint(f"{name}({shown})", check, discrete=discrete)


def greater_than(lower) -> Constraint:
    return bounded("GreaterThan", lambda v, low: low < v, lower=lower)


def greater_than_eq(lower) -> Constraint:
    return bounded("GreaterThanEq", lambda v, low: low <= v, lower=lower)


def less_than(upper) -> Constraint:
    return bounded("LessThan", lambda v, high: v < high, upper=upper)


def interval(lower, upper) -> Constraint:
    return bounded("Interval", lambda v, low, high: (low <= v) & (v <= high), lower=lower,
                   upper=upper)


def half_open_interval(lower, upper) -> Constraint:
    return bounded("HalfOpenInterval", lambda v, low, high: (low <= v) & (v < high), lower=lower,
                   upper=upper)


def integer_interval(lower, upper) -> Constraint:
    return bounded("IntegerInterval", lambda v, low, high: (low <= v) & (v <= high), True,
                   lower=lower, upper=upper)


def integer_greater_than(lower) -> Constraint:
    return bounded("IntegerGreaterThan", lambda v, low: v >= low, True, lower=lower)


def independent(base: Constraint, ndims: int) -> Constraint:
    """All elements along the last dimensions."""

    def check(value):
        if value.ndim < ndims:
            raise ValueError(f"Expected value.dim() >= {ndims + base.event_dim} but got "
                             f"{value.ndim}")
        inside = base.check(value)
        return inside.reshape(*inside.shape[:inside.ndim - ndims], -1).all(-1) if ndims else inside

    return Constraint(f"IndependentConstraint({base}, {ndims})", check,
                      base.event_dim + ndims, base.is_discrete)


def is_lower(value):
    return (value.tril() == value).flatten(-2).all(-1)


def is_symmetric(value):
    return torch.isclose(value, value.mT, atol=1e-6).flatten(-2).all(-1)


def is_positive_definite(value):
    return is_symmetric(value) & (torch.linalg.cholesky_ex(value)[1] == 0)


boolean = Constraint("Boolean()", lambda v: (v == 0) | (v == 1), discrete=True)
real = Constraint("Real()", lambda v: v == v)
real_vector = independent(real, 1)
positive = greater_than(0.0)
nonnegative = greater_than_eq(0.0)
unit_interval = interval(0.0, 1.0)
nonnegative_integer, positive_integer = integer_greater_than(0), integer_greater_than(1)
simplex = Constraint("Simplex()", lambda v: (v >= 0).all(-1) & ((v.sum(-1) - 1).abs() < 1e-6), 1)
one_hot = Constraint("OneHot()", lambda v: ((v == 0) | (v == 1)).all(-1) & (v.sum(-1) == 1), 1,
                     discrete=True)
lower_triangular = Constraint("LowerTriangular()", is_lower, 2)
lower_cholesky = Constraint(
    "LowerCholesky()", lambda v: is_lower(v) & (v.diagonal(dim1=-2, dim2=-1) > 0).all(-1), 2)
symmetric = Constraint("Symmetric()", is_symmetric, 2)
positive_definite = Constraint("PositiveDefinite()", is_positive_definite, 2)
