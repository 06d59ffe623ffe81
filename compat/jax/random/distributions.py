"""Distributions that are functions of others. Their algorithms, and so their numbers, are those of
jax.random; a sample is differentiable in the parameters wherever its formula is.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable

import numpy as np

from compat.jax import lax
from compat.jax import numpy as jnp
from compat.jax import random as base
from compat.jax.array import as_array, canonical_dtype
from compat.jax.custom import custom_jvp
from compat.jax.functions.common import promoted_inexact
from compat.jax.transforms import vmap
from minigrad.core import scalar_dtype
from minigrad.numpy import creation
from minigrad.numpy.random import as_shape, finfo
from minigrad.ops.families import dtype_kind

exponential, normal, split, uniform = base.exponential, base.normal, base.split, base.uniform


def distribution(shape=None, kind: str = "f", keep: str = "") -> Callable:
    """Gives a sampler `fn(key, *parameters, shape, dtype)` what all have in common: a typed key,
    parameters in the dtype of the result, the shape they broadcast to where none is asked for.

    shape: the default. kind: of dtype, "f" or "i". keep: names of parameters left as they are.
    """

    def decorate(fn: Callable) -> Callable:
        name = fn.__name__
        own = [p for p in inspect.signature(fn).parameters.values() if p.name not in
               ("shape", "dtype")]
        P = inspect.Parameter
        signature = inspect.Signature([
            *own, P("shape", P.POSITIONAL_OR_KEYWORD, default=shape),
            P("dtype", P.POSITIONAL_OR_KEYWORD, default=None),
            P("out_sharding", P.KEYWORD_ONLY, default=None)])

        @functools.wraps(fn)
        def sample(*args, **kwargs):
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            given = dict(bound.arguments)
            wanted, dtype = given.pop("shape"), given.pop("dtype")
            given.pop("out_sharding")
            dtype = checked_dtype(name, dtype, kind)
            given["key"] = typed_key(given["key"], name)
            for n in given.keys() - {"key"} - set(keep.split()):
                given[n] = lax.convert_element_type(as_array(given[n]), dtype) if kind == "f" \
                    else as_array(given[n])
            if wanted is None:
                wanted = lax.broadcast_shapes(*(jnp.shape(given[n]) for n in given if n != "key"))
            return fn(**given, shape=as_shape(wanted), dtype=dtype)

        sample.__signature__ = signature
        return sample

    return decorate


def checked_dtype(name: str, dtype, kind: str) -> np.dtype:
    default = float if kind == "f" else int
    found = scalar_dtype(default) if dtype is None or dtype is default else canonical_dtype(
        creation.canonical_dtype(dtype))
    if dtype_kind(found) not in ("f" if kind == "f" else "iu"):
        article = "a float" if kind == "f" else "an int"
        raise ValueError(f"dtype argument to `{name}` must be {article} dtype, got {found}")
    return found


def typed_key(key, name: str):
    from minigrad.numpy import keys

    return as_array(keys.typed(as_array(key), name)[0])


# ------------------------------------------------------------------ gamma and its relatives


def gamma_one(key, alpha, log_space: bool):
    """Marsaglia and Tsang's rejection for one parameter; below one it is raised by one, and the
    sample multiplied by a power of a uniform number."""
    dtype = alpha.dtype
    one, zero = np.ones((), dtype)[()], np.zeros((), dtype)[()]
    third = np.array(1 / 3, dtype)[()]
    large = alpha >= 1
    raised = jnp.where(large, alpha, alpha + one)
    d = raised - third
    c = third / jnp.sqrt(d)

    def rejected(state):
        _, x, v, u = state
        quick = u >= one - np.array(0.0331, dtype)[()] * (x * x)
        exact = jnp.log(u) >= x * np.array(0.5, dtype)[()] + d * (one - v + jnp.log(v))
        return quick & exact

    def attempt(state):
        key, x_key, u_key = split(state[0], 3)

        def draw(state):
            key, own = split(state[0])
            x = normal(own, (), dtype)
            return key, x, one + x * c

        _, x, v = lax.while_loop(lambda s: s[2] <= 0, draw, (x_key, zero, -one))
        return key, x * x, v * v * v, uniform(u_key, (), dtype)

    key, own = split(key)
    two = one + one
    _, _, v, _ = lax.while_loop(rejected, attempt, (key, zero, one, two))
    if log_space:
        drawn = -exponential(own, (), dtype)
        boost = jnp.where(large | (drawn == 0), zero, drawn * (one / alpha))
        return jnp.log(d) + jnp.log(v) + boost
    return d * v * jnp.where(large, one, (one - uniform(own, (), dtype)) ** (one / alpha))


@functools.partial(custom_jvp, nondiff_argnums=(2,))
def gamma_samples(key, a, log_space):
    keys = split(key, max(a.size, 1))
    flat = vmap(lambda k, alpha: gamma_one(k, alpha, log_space))(keys, jnp.ravel(a)) \
        if a.size else jnp.ravel(a)
    return flat.reshape(a.shape)


@gamma_samples.defjvp
def gamma_jvp(log_space, primals, tangents):
    """How a sample moves with the parameter while its probability stays."""
    key, a = primals
    out = gamma_samples(key, a, log_space)
    if not log_space:
        return out, tangents[1] * lax.random_gamma_grad(a, out)
    x = jnp.exp(out)
    x = jnp.where(x == 0, finfo(x.dtype).tiny, x)
    return out, tangents[1] * (lax.random_gamma_grad(a, x) / x)


@distribution()
def gamma(key, a, shape, dtype):
    """Gamma numbers of shape parameter `a` and scale 1."""
    return gamma_samples(key, jnp.broadcast_to(a, shape), False)


@distribution()
def loggamma(key, a, shape, dtype):
    """Logarithms of gamma numbers, exact also for tiny parameters."""
    return gamma_samples(key, jnp.broadcast_to(a, shape), True)


@distribution()
def beta(key, a, b, shape, dtype):
    """Beta numbers: a gamma number's share of the sum of two."""
    key_a, key_b = split(key)
    x, y = loggamma(key_a, a, shape, dtype), loggamma(key_b, b, shape, dtype)
    largest = lax.max(x, y)
    x, y = jnp.exp(x - largest), jnp.exp(y - largest)
    return x / (x + y)


def dirichlet(key, alpha, shape=None, dtype=None, *, out_sharding=None):
    """Points of the simplex: gamma numbers divided by their sum."""
    from compat.jax.nn import softmax

    if jnp.ndim(alpha) < 1:
        raise ValueError("dirichlet requires alpha.ndim >= 1, got alpha.ndim == "
                         f"{jnp.ndim(alpha)}")
    own = jnp.shape(alpha)
    shape = own[:-1] if shape is None else as_shape(shape)
    return softmax(loggamma(key, alpha, (*shape, own[-1]), dtype), -1)


@distribution()
def chisquare(key, df, shape, dtype):
    """Chi-square numbers of `df` degrees of freedom."""
    return jnp.exp(loggamma(key, df / np.array(2, dtype), shape, dtype)) * np.array(2, dtype)


@distribution()
def f(key, dfnum, dfden, shape, dtype):
    """F numbers: a ratio of two chi-square numbers, each by its degrees of freedom."""
    key_den, key_num = split(key)
    over = chisquare(key_num, dfnum, shape, dtype) / dfnum
    return over / (chisquare(key_den, dfden, shape, dtype) / dfden)


@distribution()
def t(key, df, shape, dtype):
    """Student's t."""
    key_n, key_g = split(key)
    half = df / np.array(2, dtype)
    return normal(key_n, shape, dtype) * jnp.sqrt(half / gamma(key_g, half, shape, dtype))


@distribution(shape=())
def generalized_normal(key, p, shape, dtype):
    """Numbers with density proportional to exp(-|x|^p)."""
    key_g, key_r = split(key)
    g = gamma(key_g, 1 / p, shape, dtype)
    return base.rademacher(key_r, shape, dtype) * g ** (1 / p)


def ball(key, d, p=2, shape=(), dtype=None, *, out_sharding=None):
    """Uniform points of the unit ball of the p-norm in d dimensions."""
    key_g, key_e = split(key)
    dtype = checked_dtype("ball", dtype, "f")
    g = generalized_normal(key_g, p, (*as_shape(shape), d), dtype)
    e = exponential(key_e, as_shape(shape), dtype)
    return g / (((jnp.abs(g) ** p).sum(-1) + e) ** (1 / p))[..., None]


# ------------------------------------------------------------------ functions of a few numbers


@distribution(shape=())
def maxwell(key, shape, dtype):
    """The length of normal vectors in three dimensions."""
    return jnp.linalg.norm(normal(key, (*shape, 3), dtype), axis=-1)


@distribution(shape=())
def double_sided_maxwell(key, loc, scale, shape, dtype):
    """A Maxwell number with a random sign, scaled and shifted."""
    own = lax.broadcast_shapes(loc.shape, scale.shape)
    shape = (shape or own) + own
    key_m, key_r = split(key)
    sign = base.rademacher(key_r, shape, dtype)
    return sign * maxwell(key_m, shape, dtype) * scale + loc


@distribution(shape=())
def weibull_min(key, scale, concentration, shape, dtype):
    """Weibull numbers, by the inverse of their distribution function."""
    u = uniform(key, shape, dtype)
    return jnp.power(-jnp.log1p(-u), 1.0 / concentration) * scale


@distribution()
def pareto(key, b, shape, dtype):
    """Pareto numbers of shape parameter `b`."""
    return lax.exp(exponential(key, shape, dtype) / b)


@distribution()
def rayleigh(key, scale, shape, dtype):
    """The length of normal vectors in the plane."""
    u = uniform(key, shape, dtype)
    return jnp.broadcast_to(scale, shape) * jnp.sqrt(jnp.log(u) * np.array(-2, dtype))


@distribution()
def wald(key, mean, shape, dtype):
    """Inverse Gaussian numbers."""
    key_n, key_u = split(key, 2)
    mean = jnp.broadcast_to(mean, shape)
    y = lax.integer_pow(normal(key_n, shape, dtype), 2)
    z = uniform(key_u, shape, dtype)
    square = lax.integer_pow(mean, 2)
    root = jnp.sqrt(4 * mean * y + square * lax.integer_pow(y, 2))
    x = mean + square * y / 2 - mean / 2 * root
    return jnp.where(z <= mean / (mean + x), x, square / x)


@distribution(kind="i")
def geometric(key, p, shape, dtype):
    """How many trials it takes until the first succeeds."""
    (p,) = promoted_inexact(p)
    u = uniform(key, shape, p.dtype)
    u = jnp.where(u == 0, 1, u)
    g = jnp.floor(jnp.log(u) / jnp.broadcast_to(jnp.log1p(-p), shape)) + 1
    return g.astype(dtype)


@distribution()
def triangular(key, left, mode, right, shape, dtype):
    """Numbers whose density rises from `left` to `mode` and falls to `right`."""
    left, mode, right = (jnp.broadcast_to(v, shape) for v in (left, mode, right))
    u = uniform(key, shape, dtype)
    low = left + jnp.sqrt(u * (right - left) * (mode - left))
    high = right - jnp.sqrt((1 - u) * (right - left) * (right - mode))
    return jnp.where(u < (mode - left) / (right - left), low, high)


def lognormal(key, sigma=1.0, shape=None, dtype=None, *, out_sharding=None):
    """Numbers whose logarithm is normal."""
    dtype = checked_dtype("lognormal", dtype, "f")
    sigma = lax.convert_element_type(as_array(sigma), dtype)
    shape = sigma.shape if shape is None else as_shape(shape)
    return jnp.exp(normal(key, shape, dtype) * sigma)


def orthogonal(key, n, shape=(), dtype=None, m=None, *, out_sharding=None):
    """Matrices with orthonormal columns (or rows), uniformly distributed."""
    m = n if m is None else m
    dtype = scalar_dtype(float) if dtype is None else canonical_dtype(
        creation.canonical_dtype(dtype))
    z = normal(key, (*as_shape(shape), max(n, m), min(n, m)), dtype)
    q, r = jnp.linalg.qr(z)
    out = q * jnp.expand_dims(jnp.sign(jnp.linalg.diagonal(r)), -2)
    return jnp.matrix_transpose(out) if n < m else out


def multivariate_normal(key, mean, cov, shape=None, dtype=None, method="cholesky", *,
                        out_sharding=None):
    """Normal vectors of a mean and a covariance; `method` factors the covariance."""
    mean, cov = promoted_inexact(mean, cov)
    if method not in ("svd", "eigh", "cholesky"):
        raise ValueError("method must be one of {'svd', 'eigh', 'cholesky'}")
    if mean.ndim < 1 or cov.ndim < 2:
        which = ("mean", 1, mean) if mean.ndim < 1 else ("cov", 2, cov)
        raise ValueError(f"multivariate_normal requires {which[0]}.ndim >= {which[1]}, got "
                         f"{which[0]}.ndim == {which[2].ndim}")
    n = mean.shape[-1]
    if cov.shape[-2:] != (n, n):
        raise ValueError("multivariate_normal requires cov.shape == (..., n, n) for "
                         f"n={n}, but got cov.shape == {cov.shape}.")
    dtype = mean.dtype if dtype is None else checked_dtype("multivariate_normal", dtype, "f")
    shape = lax.broadcast_shapes(mean.shape[:-1], cov.shape[:-2]) if shape is None \
        else as_shape(shape)
    if method == "svd":
        u, s, _ = jnp.linalg.svd(cov)
        factor = u * jnp.sqrt(s[..., None, :])
    elif method == "eigh":
        w, v = jnp.linalg.eigh(cov)
        factor = v * jnp.sqrt(w[..., None, :])
    else:
        factor = jnp.linalg.cholesky(cov)
    drawn = normal(key, (*shape, n), dtype)
    return mean + jnp.einsum("...ij,...j->...i", factor, drawn)


# ------------------------------------------------------------------ counts


@distribution(kind="i")
def poisson(key, lam, shape, dtype):
    """Poisson counts: Knuth's products below 10, Hormann's transformed rejection above."""
    (lam,) = promoted_inexact(lam)
    lam = jnp.broadcast_to(lam, shape)
    small = jnp.isnan(lam) | (lam < 10)
    most = np.iinfo(dtype).max
    few = poisson_products(key, jnp.where(small, lam, 0), shape, dtype, most)
    many = poisson_rejection(key, jnp.where(small, np.float32(1e5), lam), shape, dtype, most)
    out = jnp.where(small, few, many)
    return jnp.where(lam == 0, 0, out).astype(dtype)


def poisson_products(key, lam, shape, dtype, most):
    def go_on(state):
        return (state[3] > -lam).any() & (state[0] < most)

    def step(state):
        i, k, key, log_product = state
        key, own = split(key)
        k = jnp.where(log_product > -lam, k + 1, k)
        return i + 1, k, key, log_product + jnp.log(uniform(own, shape, np.float32))

    start = (0, jnp.zeros(shape, dtype), key, jnp.zeros(shape, np.float32))
    return (lax.while_loop(go_on, step, start)[1] - 1).astype(dtype)


def poisson_rejection(key, lam, shape, dtype, most):
    log_lam = jnp.log(lam)
    b = 0.931 + 2.53 * jnp.sqrt(lam)
    a = -0.059 + 0.02483 * b
    inverse_alpha = 1.1239 + 1.1328 / (b - 3.4)
    v_r = 0.9277 - 3.6224 / (b - 2)

    def go_on(state):
        return (~state[2]).any() & (state[0] < most)

    def step(state):
        i, k_out, accepted, key = state
        key, key_u, key_v = split(key, 3)
        u = uniform(key_u, shape, lam.dtype) - 0.5
        v = uniform(key_v, shape, lam.dtype)
        us = 0.5 - abs(u)
        k = jnp.floor((2 * a / us + b) * u + lam + 0.43)
        s = jnp.log(v * inverse_alpha / (a / (us * us) + b))
        bound = -lam + k * log_lam - lax.lgamma(k + 1)
        reject = (k < 0) | ((us < 0.013) & (v > us))
        accept = (us >= 0.07) & (v <= v_r) | (~reject & (s <= bound))
        return i + 1, jnp.where(accept, k, k_out), accepted | accept, key

    start = (0, jnp.full(shape, -1, lam.dtype), jnp.zeros(shape, bool), key)
    return lax.while_loop(go_on, step, start)[1].astype(dtype)


@distribution(keep="n p")
def binomial(key, n, p, shape, dtype):
    """How many of n trials succeed: sums of geometric numbers where few do, else rejection."""
    (p,) = promoted_inexact(as_array(p))
    count = jnp.broadcast_to(lax.convert_element_type(as_array(n), p.dtype), shape)
    p = jnp.broadcast_to(p, shape)
    rare = p < 0.5
    q = jnp.where(rare, p, 1.0 - p)  # the rarer of success and failure is counted
    bad_count, bad_q = jnp.isnan(count) | (count < 0), jnp.isnan(q) | (q < 0)
    endless = jnp.isinf(count)
    q = jnp.where(bad_q, 0.01, q)
    few = bad_count | (count * q <= 10)
    count = jnp.floor(count)
    most = dtype.type(finfo(dtype).max)
    sums = binomial_inversion(key, jnp.where(few, count, 0), q, shape, dtype, most)
    drawn = binomial_rejection(key, jnp.where(few, 1e4, count), jnp.where(few, 0.5, q), shape,
                               dtype, most)
    out = jnp.where(few, sums, drawn)
    invalid = bad_q | bad_count
    out = jnp.where(invalid, jnp.nan, out)
    out = jnp.where(endless & ~invalid, jnp.inf, out)
    same = rare | bad_count | jnp.isnan(q) | endless
    return jnp.where(same, out, count.astype(dtype) - out).astype(dtype)


def binomial_inversion(key, count, p, shape, dtype, most):
    rate = jnp.log1p(-p)

    def go_on(state):
        return (state[2] <= count).any() & (state[0] < most)

    def step(state):
        i, found, total, key = state
        own, key = split(key)
        found = jnp.where(total <= count, found + 1, found)
        return i + 1, found, total + jnp.ceil(jnp.log(uniform(own, shape, p.dtype)) / rate), key

    start = (0, jnp.zeros(shape, p.dtype), jnp.zeros(shape, p.dtype), key)
    return (lax.while_loop(go_on, step, start)[1] - 1).astype(dtype)


# log(k!) less Stirling's first terms, for k below ten
STIRLING = [0.0810614667953272, 0.0413406959554092, 0.0276779256849983, 0.02079067210376509,
            0.0166446911898211, 0.0138761288230707, 0.0118967099458917, 0.0104112652619720,
            0.00925546218271273, 0.00833056343336287]


def stirling_tail(k):
    small = jnp.clip(k, 0, 9)
    square = (small + 1) * (small + 1)
    series = (1.0 / 12 - (1.0 / 360 - 1.0 / 1260 / square) / square) / (small + 1)
    return jnp.where(k <= 9, jnp.array(STIRLING, k.dtype)[jnp.floor(small).astype(np.int32)],
                     series)


def binomial_rejection(key, n, p, shape, dtype, most):
    """Hormann's BTRS."""
    stddev = jnp.sqrt(n * p * (1 - p))
    b = 1.15 + 2.53 * stddev
    a = -0.0873 + 0.0248 * b + 0.01 * p
    c, v_r, r = n * p + 0.5, 0.92 - 4.2 / b, p / (1 - p)
    alpha = (2.83 + 5.1 / b) * stddev
    m = jnp.floor((n + 1) * p)

    def go_on(state):
        return (~state[2]).any() & (state[0] < most)

    def step(state):
        i, k_out, accepted, key = state
        key, key_u, key_v = split(key, 3)
        u = uniform(key_u, shape, p.dtype)
        v = uniform(key_v, shape, p.dtype)
        u = u - 0.5
        us = 0.5 - jnp.abs(u)
        k = jnp.floor((2 * a / us + b) * u + c)
        quick = (us >= 0.07) & (v <= v_r)
        reject = (k < 0) | (k > n)
        v = jnp.log(v * alpha / (a / (us * us) + b))
        bound = ((m + 0.5) * jnp.log((m + 1) / (r * (n - m + 1)))
                 + (n + 1) * jnp.log((n - m + 1) / (n - k + 1))
                 + (k + 0.5) * jnp.log(r * (n - k + 1) / (k + 1))
                 + stirling_tail(m) + stirling_tail(n - m)
                 - stirling_tail(k) - stirling_tail(n - k))
        accept = quick | (~reject & (v <= bound))
        return i + 1, jnp.where(accept, k, k_out), accepted | accept, key

    start = (0, jnp.full(shape, -1, p.dtype), jnp.zeros(shape, bool), key)
    return lax.while_loop(go_on, step, start)[1].astype(dtype)


def multinomial(key, n, p, *, shape=None, dtype=None, unroll=1):
    """How often each outcome comes in n trials, one binomial count after the other."""
    n, p = promoted_inexact(as_array(n), as_array(p))
    shape = p.shape if shape is None else as_shape(shape)
    n, p = jnp.broadcast_to(n, shape[:-1]), jnp.broadcast_to(p, shape)
    p = jnp.moveaxis(p, -1, 0)
    left = lax.cumsum(p, 0, reverse=True)
    ratios = p / jnp.where(left == 0, 1, left)

    def step(rest, inputs):
        ratio, key = inputs
        count = binomial(key, rest, jnp.clip(ratio, 0, 1), dtype=rest.dtype)
        return rest - count, count

    _, counts = lax.scan(step, n, (ratios, split(key, ratios.shape[0])), unroll=unroll)
    return jnp.moveaxis(counts, 0, -1).astype(checked_dtype("multinomial", dtype, "f"))
