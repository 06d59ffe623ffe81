"""Densities and distribution functions. A distribution is a module whose functions take the value,
the shape parameters, then location and scale; `pdf` is the exponential of `logpdf`, and so on.
"""

from __future__ import annotations

import inspect
import math
import sys
import types
from collections.abc import Callable

import numpy as np

from compat.jax import numpy as jnp
from compat.jax.functions.common import promoted_inexact
from compat.jax.nn import sigmoid, softplus
from compat.jax.scipy import special

LOG_2PI = math.log(2 * math.pi)
# What follows from what: name -> (from, how).
DERIVED = {"pdf": ("logpdf", jnp.exp), "pmf": ("logpmf", jnp.exp), "cdf": ("logcdf", jnp.exp),
           "logcdf": ("cdf", jnp.log), "logsf": ("sf", jnp.log), "sf": ("cdf", lambda p: 1 - p),
           "isf": ("ppf", None)}


def distribution(name: str, support=None, shift: bool = True, **functions: Callable):
    """A module of the functions given and of those that follow from them.

    Functions see the standardized value; a log-density is lessened by log(scale), and is -inf
    outside `support`, a function of the value and the parameters.
    """
    module = types.ModuleType(f"compat.jax.scipy.stats.{name}", f"The {name} distribution.")
    sys.modules[module.__name__] = module
    for own, fn in functions.items():
        setattr(module, own, standardized(own, fn, support, shift))
    for own, (source, how) in DERIVED.items():
        if hasattr(module, own) or not hasattr(module, source) or source == own:
            continue
        if own == "isf":
            setattr(module, own, composed(own, module.ppf, before=lambda q: 1 - q))
        elif (own, source) != ("logcdf", "cdf") or "cdf" in functions:
            setattr(module, own, composed(own, getattr(module, source), after=how))
    return module


def composed(name: str, fn: Callable, before=None, after=None) -> Callable:
    def function(x, *args, **kwargs):
        out = fn(x if before is None else before(jnp.asarray(x)), *args, **kwargs)
        return out if after is None else after(out)

    function.__name__ = name
    return function


def standardized(name: str, fn: Callable, support, shift: bool) -> Callable:
    """`fn(x, *parameters)` with location and scale as further arguments."""
    parameters = list(inspect.signature(fn).parameters)[1:]
    discrete = name in ("logpmf", "cdf", "sf") and not shift
    extra = {"loc": 0} if discrete or not shift else {"loc": 0, "scale": 1}
    P = inspect.Parameter
    signature = inspect.Signature(
        [P("x", P.POSITIONAL_OR_KEYWORD)] + [P(p, P.POSITIONAL_OR_KEYWORD) for p in parameters]
        + [P(k, P.POSITIONAL_OR_KEYWORD, default=v) for k, v in extra.items()])
    inverse = name in ("ppf", "isf")

    def function(*args, **kwargs):
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        values = promoted_inexact(*[jnp.asarray(v) for v in bound.arguments.values()])
        x, *rest = values
        shape, (loc, *scale) = rest[:len(parameters)], rest[len(parameters):]
        if inverse:
            return fn(x, *shape) * scale[0] + loc
        y = (x - loc) / scale[0] if scale else x - loc
        out = fn(y, *shape)
        if name == "logpdf" and scale:
            out = out - jnp.log(scale[0])
        if name in ("logpdf", "logpmf") and support is not None:
            out = jnp.where(support(y, *shape), out, -jnp.inf)
        return out.astype(out.dtype)  # strongly typed

    function.__name__, function.__signature__ = name, signature
    return function


def gammaln(x):
    return special.gammaln(x)


# ------------------------------------------------------------------ continuous

norm = distribution(
    "norm", logpdf=lambda x: -(x ** 2 + LOG_2PI) / 2, cdf=special.ndtr, logcdf=special.log_ndtr,
    ppf=special.ndtri, sf=lambda x: special.ndtr(-x), logsf=lambda x: special.log_ndtr(-x))
uniform = distribution(
    "uniform", lambda x: (x >= 0) & (x <= 1), logpdf=lambda x: jnp.zeros_like(x),
    cdf=lambda x: jnp.clip(x, 0, 1), ppf=lambda q: jnp.where((q < 0) | (q > 1), jnp.nan, q))
expon = distribution(
    "expon", lambda x: x >= 0, logpdf=lambda x: -x,
    cdf=lambda x: jnp.where(x < 0, 0, -jnp.expm1(-x)),
    sf=lambda x: jnp.where(x < 0, 1, jnp.exp(-x)),
    logsf=lambda x: jnp.where(x < 0, 0, -x), ppf=lambda q: -jnp.log1p(-q))
laplace = distribution(
    "laplace", logpdf=lambda x: -jnp.abs(x) - math.log(2),
    cdf=lambda x: jnp.where(x <= 0, 0.5 * jnp.exp(jnp.minimum(x, 0)),
                            1 - 0.5 * jnp.exp(-jnp.maximum(x, 0))))
logistic = distribution(
    "logistic", logpdf=lambda x: x - 2.0 * softplus(x), cdf=sigmoid, sf=lambda x: sigmoid(-x),
    ppf=special.logit)
cauchy = distribution(
    "cauchy", logpdf=lambda x: -(math.log(math.pi) + jnp.log1p(x * x)),
    cdf=lambda x: jnp.arctan2(x, jnp.ones_like(x)) / math.pi + 0.5,
    sf=lambda x: jnp.arctan2(-x, jnp.ones_like(x)) / math.pi + 0.5,
    ppf=lambda q: jnp.tan(math.pi * (q - 0.5)))
t = distribution(
    "t", logpdf=lambda x, df: -((df + 1) / 2 * jnp.log1p(x * x / df) + 0.5 * (
        jnp.log(df) + math.log(math.pi)) + gammaln(df / 2) - gammaln((df + 1) / 2)))
chi2 = distribution(
    "chi2", lambda x, df: x >= 0,
    logpdf=lambda x, df: (df / 2 - 1) * jnp.log(jnp.where(x > 0, x, 1)) - x / 2 - (
        df / 2 * math.log(2) + gammaln(df / 2)),
    cdf=lambda x, df: special.gammainc(df / 2, jnp.maximum(x, 0) / 2),
    sf=lambda x, df: special.gammaincc(df / 2, jnp.maximum(x, 0) / 2))
gamma = distribution(
    "gamma", lambda x, a: x >= 0,
    logpdf=lambda x, a: special.xlogy(a - 1, jnp.where(x >= 0, x, 1)) - x - gammaln(a),
    cdf=lambda x, a: special.gammainc(a, jnp.clip(x, 0)),
    sf=lambda x, a: special.gammaincc(a, jnp.clip(x, 0)))
beta = distribution(
    "beta", lambda x, a, b: (x >= 0) & (x <= 1),
    logpdf=lambda x, a, b: special.xlogy(a - 1, x) + special.xlog1py(b - 1, -x) - special.betaln(
        a, b),
    cdf=lambda x, a, b: special.betainc(a, b, jnp.clip(x, 0, 1)),
    sf=lambda x, a, b: special.betainc(b, a, 1 - jnp.clip(x, 0, 1)))
pareto = distribution(
    "pareto", lambda x, b: x >= 1, logpdf=lambda x, b: jnp.log(b) - (b + 1) * jnp.log(x),
    cdf=lambda x, b: jnp.where(x < 1, 0, 1 - jnp.power(x, -b)),
    sf=lambda x, b: jnp.where(x < 1, 1, jnp.power(x, -b)),
    ppf=lambda q, b: jnp.power(1 - q, -1 / b))
gennorm = distribution(
    "gennorm", logpdf=lambda x, p: jnp.log(0.5 * p) - gammaln(1 / p) - jnp.abs(x) ** p,
    cdf=lambda x, p: 0.5 * (1 + jnp.sign(x) * special.gammainc(1 / p, jnp.abs(x) ** p)))
gumbel_r = distribution(
    "gumbel_r", logpdf=lambda x: -(x + jnp.exp(-x)), logcdf=lambda x: -jnp.exp(-x),
    ppf=lambda q: -jnp.log(-jnp.log(q)), sf=lambda x: -jnp.expm1(-jnp.exp(-x)))
gumbel_l = distribution(
    "gumbel_l", logpdf=lambda x: x - jnp.exp(x), cdf=lambda x: -jnp.expm1(-jnp.exp(x)),
    ppf=lambda q: jnp.log(-jnp.log1p(-q)), logsf=lambda x: -jnp.exp(x),
    sf=lambda x: jnp.exp(-jnp.exp(x)))
wrapcauchy = distribution(
    "wrapcauchy", lambda x, c: (x >= 0) & (x <= 2 * np.pi),
    logpdf=lambda x, c: jnp.log1p(-c * c) - LOG_2PI - jnp.log1p(c * c - 2 * c * jnp.cos(x)),
    shift=False)
vonmises = distribution(
    "vonmises", logpdf=lambda x, kappa: -(LOG_2PI + jnp.log(special.i0e(kappa))) + kappa * (
        jnp.cos(x) - 1), shift=False)


def normal_mass(a, b):
    """log(Phi(b) - Phi(a)), without cancellation in the tails."""
    right = a > 0
    low, high = jnp.where(right, -b, a), jnp.where(right, -a, b)
    tail = special.log_ndtr(high) + jnp.log1p(-jnp.exp(
        special.log_ndtr(low) - special.log_ndtr(high)))
    middle = jnp.log1p(-special.ndtr(a) - special.ndtr(-b))
    return jnp.where((a > 0) | (b <= 0), tail, middle)


truncnorm = distribution(
    "truncnorm", lambda x, a, b: (x >= a) & (x <= b),
    logpdf=lambda x, a, b: -(x ** 2 + LOG_2PI) / 2 - normal_mass(a, b),
    logcdf=lambda x, a, b: jnp.where(x <= a, -jnp.inf, jnp.where(x >= b, 0, normal_mass(
        a, jnp.clip(x, a, b)) - normal_mass(a, b))),
    logsf=lambda x, a, b: jnp.where(x <= a, 0, jnp.where(x >= b, -jnp.inf, normal_mass(
        jnp.clip(x, a, b), b) - normal_mass(a, b))))

# ------------------------------------------------------------------ discrete

bernoulli = distribution(
    "bernoulli", lambda k, p: (k == 0) | (k == 1), shift=False,
    logpmf=lambda k, p: special.xlogy(k, p) + special.xlog1py(1 - k, -p),
    cdf=lambda k, p: jnp.where(k < 0, 0, jnp.where(k < 1, 1 - p, 1)),
    ppf=lambda q, p: jnp.where((q < 0) | (q > 1), jnp.nan, jnp.where(q <= 1 - p, 0.0, 1.0)))
geom = distribution(
    "geom", lambda k, p: k > 0, shift=False,
    logpmf=lambda k, p: special.xlog1py(k - 1, -p) + jnp.log(p))
poisson = distribution(
    "poisson", lambda k, mu: (k >= 0) & (jnp.floor(k) == k), shift=False,
    logpmf=lambda k, mu: special.xlogy(k, mu) - gammaln(k + 1) - mu,
    cdf=lambda k, mu: jnp.where(k < 0, 0, special.gammaincc(jnp.floor(k) + 1, mu)))
binom = distribution(
    "binom", lambda k, n, p: (k >= 0) & (k <= n) & (jnp.floor(k) == k), shift=False,
    logpmf=lambda k, n, p: (gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
                            + special.xlogy(k, p) + special.xlog1py(n - k, -p)))
nbinom = distribution(
    "nbinom", lambda k, n, p: k >= 0, shift=False,
    logpmf=lambda k, n, p: (gammaln(k + n) - gammaln(n) - gammaln(k + 1) + special.xlogy(n, p)
                            + special.xlogy(k, 1 - p)))
betabinom = distribution(
    "betabinom", lambda k, n, a, b: (k >= 0) & (k <= n), shift=False,
    logpmf=lambda k, n, a, b: (-jnp.log(n + 1) - special.betaln(n - k + 1, k + 1)
                               + special.betaln(k + a, n - k + b) - special.betaln(a, b)))


# ------------------------------------------------------------------ of several values


def module_of(name: str, **functions) -> types.ModuleType:
    module = types.ModuleType(f"compat.jax.scipy.stats.{name}", f"The {name} distribution.")
    sys.modules[module.__name__] = module
    vars(module).update(functions)
    return module


def normal_logpdf(x, mean, cov, allow_singular=None):
    """The log-density of normal vectors."""
    if allow_singular is not None:
        raise NotImplementedError("allow_singular argument of multivariate_normal.logpdf")
    x, mean, cov = promoted_inexact(jnp.asarray(x), jnp.asarray(mean), jnp.asarray(cov))
    if not mean.shape:
        return -(x - mean) ** 2 / (2 * cov) - 0.5 * (LOG_2PI + jnp.log(cov))
    n = mean.shape[-1]
    if not cov.shape:
        y = x - mean
        return -0.5 * jnp.einsum("...i,...i->...", y, y) / cov - n / 2 * (LOG_2PI + jnp.log(cov))
    from compat.jax.scipy.linalg import solve_triangular

    low = jnp.linalg.cholesky(cov)
    y = jnp.vectorize(lambda a, b: solve_triangular(a, b, lower=True),
                      signature="(n,n),(n)->(n)")(low, x - mean)
    return (-0.5 * jnp.einsum("...i,...i->...", y, y) - n / 2 * LOG_2PI
            - jnp.log(jnp.diagonal(low, axis1=-1, axis2=-2)).sum(-1))


multivariate_normal = module_of(
    "multivariate_normal", logpdf=normal_logpdf,
    pdf=lambda x, mean, cov: jnp.exp(normal_logpdf(x, mean, cov)))


def dirichlet_logpdf(x, alpha):
    """The log-density of points of the simplex."""
    x, alpha = promoted_inexact(jnp.asarray(x), jnp.asarray(alpha))
    if x.shape[0] + 1 == alpha.shape[0]:
        x = jnp.concatenate([x, 1 - x.sum(0, keepdims=True)], 0)
    total = jnp.sum(gammaln(alpha)) - gammaln(jnp.sum(alpha))
    wide = alpha.reshape(alpha.shape + (1,) * (x.ndim - 1))
    inside = jnp.all(x > 0, axis=0) & (jnp.abs(x.sum(0) - 1) < 1e-6)
    return jnp.where(inside, jnp.sum(special.xlogy(wide - 1, x), axis=0) - total, -jnp.inf)


dirichlet = module_of("dirichlet", logpdf=dirichlet_logpdf,
                      pdf=lambda x, alpha: jnp.exp(dirichlet_logpdf(x, alpha)))


def multinomial_logpmf(x, n, p):
    """The log-probability of counts."""
    (p,) = promoted_inexact(jnp.asarray(p))
    x, n = jnp.asarray(x).astype(p.dtype), jnp.asarray(n).astype(p.dtype)
    out = gammaln(n + 1) + jnp.sum(special.xlogy(x, p) - gammaln(x + 1), axis=-1)
    return jnp.where(x.sum(-1) == n, out, -jnp.inf)


multinomial = module_of("multinomial", logpmf=multinomial_logpmf,
                        pmf=lambda x, n, p: jnp.exp(multinomial_logpmf(x, n, p)))
