"""jax.scipy.special: special functions.

Those that JAX has primitives for are these primitives. The others are computed by SciPy in double
precision, and know their derivatives.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from compat.jax import face, lax, nn
from compat.jax import numpy as jnp
from compat.jax.array import ShapedArray, as_array
from compat.jax.callbacks import pure_callback
from compat.jax.custom import custom_jvp
from compat.jax.face import composite
from compat.jax.functions.common import promoted_inexact
from compat.jax.nn import logsumexp  # noqa: F401
from compat.jax.nn import sigmoid as expit  # noqa: F401
from minigrad.core import make_aval
from minigrad.numpy.elementwise import unary
from minigrad.numpy.promotion import inexact

erf, erfc, erfinv = (face.eager(unary(name, primitive, inexact)) for name, primitive in (
    ("erf", "erf"), ("erfc", "erfc"), ("erfinv", "erf_inv")))
gammaln, digamma = (face.eager(unary(name, primitive, inexact)) for name, primitive in (
    ("gammaln", "lgamma"), ("digamma", "digamma")))
i0e, i1e = (face.eager(unary(name, primitive, inexact)) for name, primitive in (
    ("i0e", "bessel_i0e"), ("i1e", "bessel_i1e")))


def of_arrays(fn: Callable) -> Callable:
    """A function of arrays, which promote to one inexact dtype and broadcast."""
    name = fn.__name__

    @composite(name=name)
    def call(*args):
        return fn(*jnp.broadcast_arrays(*promoted_inexact(*map(as_array, args))))

    call.__name__, call.__doc__ = name, fn.__doc__
    return call


def softmax(x, /, *, axis=None):
    """Exponentials divided by their sum over `axis` (over all elements if None)."""
    return nn.softmax(x, axis=tuple(range(jnp.ndim(x))) if axis is None else axis)


def log_softmax(x, /, *, axis=None):
    """The logarithm of `softmax`."""
    return nn.log_softmax(x, axis=tuple(range(jnp.ndim(x))) if axis is None else axis)


# ------------------------------------------------------------------ gamma, beta, zeta


def loggamma(x):
    """The logarithm of the gamma function."""
    return gammaln(x)


@of_arrays
def gammasgn(x):
    """The sign of the gamma function."""
    floor = jnp.floor(x)
    negative = jnp.where(x == 0, jnp.copysign(1.0, x), jnp.where(floor % 2 == 0, 1.0, -1.0))
    sign = jnp.where((x < 0) & (x == floor), jnp.nan, negative)
    return jnp.where(x > 0, 1.0, sign).astype(x.dtype)


def gamma(x):
    """The gamma function."""
    (x,) = promoted_inexact(as_array(x))
    return gammasgn(x) * jnp.exp(gammaln(x))


def betaln(a, b):
    """The logarithm of the beta function."""
    a, b = promoted_inexact(as_array(a), as_array(b))
    return gammaln(a) + gammaln(b) - gammaln(a + b)


def beta(a, b):
    """The beta function."""
    a, b = promoted_inexact(as_array(a), as_array(b))
    return gammasgn(a) * gammasgn(b) * gammasgn(a + b) * jnp.exp(betaln(a, b))


def factorial(n, exact=False):
    """n!, as a float."""
    if exact:
        raise NotImplementedError("factorial with exact=True")
    (n,) = promoted_inexact(as_array(n))
    return jnp.where(n < 0, 0, jnp.exp(gammaln(n + 1)))


def comb(N, k, *, repetition=False):
    """How many ways there are to choose k of N."""
    N, k = promoted_inexact(as_array(N), as_array(k))
    if repetition:
        N = N + k - 1
    out = jnp.exp(gammaln(N + 1) - gammaln(k + 1) - gammaln(N - k + 1))
    return jnp.where((k > N) | (k < 0) | (N < 0), 0, out)


def poch(z, m):
    """gamma(z + m) / gamma(z)."""
    z, m = promoted_inexact(as_array(z), as_array(m))
    return jnp.where(m == 0, 1, gamma(z + m) / gamma(z))


@of_arrays
def gammainc(a, x):
    """The regularized lower incomplete gamma function."""
    return lax.igamma(a, x)


@of_arrays
def gammaincc(a, x):
    """The regularized upper incomplete gamma function."""
    return lax.igammac(a, x)


@of_arrays
def betainc(a, b, x):
    """The regularized incomplete beta function."""
    return lax.betainc(a, b, x)


@of_arrays
def polygamma(n, x):
    """The n-th derivative of digamma."""
    return lax.polygamma(n, x)


@of_arrays
def hurwitz(x, q):
    return lax.zeta(x, q)


def zeta(x, q=None):
    """Hurwitz's zeta function; Riemann's for q = 1."""
    return hurwitz(x, 1.0 if q is None else q)


def multigammaln(a, d):
    """The logarithm of the multivariate gamma function."""
    (a,) = promoted_inexact(as_array(a))
    steps = a[..., None] - np.arange(d, dtype=np.float32).astype(a.dtype) / 2
    return jnp.sum(gammaln(steps), axis=-1) + d * (d - 1) / 4 * math.log(math.pi)


# ------------------------------------------------------------------ entropies, logarithms


@of_arrays
def xlogy(x, y):
    """x log(y), 0 where x is 0."""
    zero = x == 0
    return jnp.where(zero, jnp.zeros_like(x), x * jnp.log(jnp.where(zero, 1, y)))


@of_arrays
def xlog1py(x, y):
    """x log(1 + y), 0 where x is 0."""
    zero = x == 0
    return jnp.where(zero, jnp.zeros_like(x), x * jnp.log1p(jnp.where(zero, 1, y)))


@of_arrays
def entr(x):
    """-x log(x); -inf for negative numbers."""
    return jnp.where(x < 0, -jnp.inf, -xlogy(jnp.where(x < 0, 0, x), jnp.where(x < 0, 1, x)))


@of_arrays
def rel_entr(p, q):
    """p log(p / q)."""
    both, only_zero = (p > 0) & (q > 0), (p == 0) & (q >= 0)
    safe_p, safe_q = jnp.where(both, p, 1), jnp.where(both, q, 1)
    out = safe_p * jnp.log(safe_p / safe_q)
    return jnp.where(both, out, jnp.where(only_zero, 0, jnp.inf))


@of_arrays
def kl_div(p, q):
    """p log(p / q) - p + q."""
    return rel_entr(p, q) - p + q


@of_arrays
def logit(x):
    """log(x / (1 - x))."""
    return jnp.log(x / (1 - x))


@of_arrays
def boxcox(x, lmbda):
    """(x^lambda - 1) / lambda, log(x) for lambda = 0."""
    safe = jnp.where(lmbda == 0, 1, lmbda)
    return jnp.where(lmbda == 0, jnp.log(x), jnp.expm1(safe * jnp.log(x)) / safe)


@of_arrays
def boxcox1p(x, lmbda):
    """The same of 1 + x."""
    safe = jnp.where(lmbda == 0, 1, lmbda)
    return jnp.where(lmbda == 0, jnp.log1p(x), jnp.expm1(safe * jnp.log1p(x)) / safe)


# ------------------------------------------------------------------ normal distribution, Bessel


@of_arrays
def ndtr(x):
    """The normal distribution function."""
    half = math.sqrt(0.5)
    z = jnp.abs(x) * half
    near = 1 + lax.erf(x * half)
    far = jnp.where(x > 0, 2 - lax.erfc(z), lax.erfc(z))
    return 0.5 * jnp.where(z < half, near, far)


@custom_jvp
def log_ndtr_(x):
    return by_scipy_now("log_ndtr", x)


@log_ndtr_.defjvp
def log_ndtr_jvp(primals, tangents):
    (x,), (t,) = primals, tangents
    out = log_ndtr_(x)
    return out, t * jnp.exp(-0.5 * x * x - out) / math.sqrt(2 * math.pi)


def log_ndtr(x, series_order=3):
    """The logarithm of the normal distribution function."""
    return log_ndtr_(*promoted_inexact(as_array(x)))


def ndtri(p):
    """The inverse of the normal distribution function."""
    (p,) = promoted_inexact(as_array(p))
    return math.sqrt(2) * lax.erf_inv(2 * p - 1) if p.dtype == np.float16 else ndtri_(p)


@of_arrays
def i0(x):
    """The modified Bessel function of order zero."""
    return lax.exp(lax.abs(x)) * lax.bessel_i0e(x)


@of_arrays
def i1(x):
    """The modified Bessel function of order one."""
    return lax.exp(lax.abs(x)) * lax.bessel_i1e(x)


def bessel_jn(z, *, v: int, n_iter: int = 50):
    """Bessel functions of the first kind of the orders 0 to v, along a new first axis."""
    (z,) = promoted_inexact(as_array(z))
    return jnp.stack([bessel_j(np.asarray(k, z.dtype), z) for k in range(v + 1)])


def bernoulli(n: int):
    """The first n + 1 Bernoulli numbers."""
    import scipy.special

    return as_array(np.asarray(scipy.special.bernoulli(max(n, 2))[:n + 1], np.float64))


# ------------------------------------------------------------------ by SciPy


def by_scipy_now(name: str, *args):
    """SciPy's function of arrays of one shape and dtype, in double precision."""
    import scipy.special

    fn, dtype, shape = getattr(scipy.special, name), args[0].dtype, args[0].shape
    wide = np.complex128 if np.dtype(dtype).kind == "c" else np.float64

    def call(*values):
        with np.errstate(all="ignore"):
            out = fn(*[np.asarray(v, wide) for v in values])
        return np.asarray(out, dtype)

    return pure_callback(call, ShapedArray(make_aval(shape, dtype)), *args,
                         vmap_method="expand_dims" if len(args) == 1 else "broadcast_all")


def by_scipy(name: str, *slopes: Callable | None, doc: str) -> Callable:
    """`slopes`: the derivative by each argument, given the result and the arguments."""
    @custom_jvp
    def base(*args):
        return by_scipy_now(name, *args)

    @base.defjvp
    def rule(primals, tangents):
        out = base(*primals)
        total = None
        for slope, t in zip(slopes, tangents):
            if slope is not None:
                part = slope(out, *primals) * t
                total = part if total is None else total + part
        return out, jnp.zeros_like(out) if total is None else total

    def call(*args):
        return base(*jnp.broadcast_arrays(*promoted_inexact(*map(as_array, args))))

    call.__name__, call.__doc__ = name, doc
    return call


ndtri_ = by_scipy("ndtri", lambda y, p: math.sqrt(2 * math.pi) * jnp.exp(y * y / 2),
                  doc="The inverse of ndtr.")
bessel_j = by_scipy("jv", None, lambda y, v, z: 0.5 * (bessel_j(v - 1, z) - bessel_j(v + 1, z)),
                    doc="A Bessel function.")
expi = by_scipy("expi", lambda y, x: jnp.exp(x) / x, doc="The exponential integral Ei.")
exp1 = by_scipy("exp1", lambda y, x: -jnp.exp(-x) / x, doc="The exponential integral E1.")
expn = by_scipy("expn", None, lambda y, n, x: -expn(n - 1, x), doc="The exponential integral En.")
spence = by_scipy("spence", lambda y, x: -jnp.log(x) / (x - 1), doc="The dilogarithm of 1 - x.")
dawsn = by_scipy("dawsn", lambda y, x: 1 - 2 * x * y, doc="Dawson's integral.")
erfcx = by_scipy("erfcx", lambda y, x: 2 * x * y - 2 / math.sqrt(math.pi),
                 doc="exp(x^2) erfc(x).")
wofz_ = by_scipy("wofz", lambda y, z: -2 * z * y + 2j / math.sqrt(math.pi), doc="Faddeeva.")
owens_t = by_scipy(
    "owens_t", lambda y, h, a: -jnp.exp(-h * h / 2) * lax.erf(a * h / math.sqrt(2)) / (
        2 * math.sqrt(2 * math.pi)),
    lambda y, h, a: jnp.exp(-h * h * (1 + a * a) / 2) / (2 * math.pi * (1 + a * a)),
    doc="Owen's T function.")
hyp1f1 = by_scipy("hyp1f1", None, None, lambda y, a, b, x: a / b * hyp1f1(a + 1, b + 1, x),
                  doc="The confluent hypergeometric function.")
hyp2f1 = by_scipy("hyp2f1", None, None, None, lambda y, a, b, c, x: a * b / c * hyp2f1(
    a + 1, b + 1, c + 1, x), doc="Gauss's hypergeometric function.")


def wofz(z):
    """The Faddeeva function."""
    (z,) = promoted_inexact(as_array(z))
    return wofz_(z.astype(jnp.result_type(z.dtype, np.complex64)))


def pair(name: str, first: Callable, second: Callable, doc: str) -> Callable:
    """Two functions that SciPy gives together."""
    import scipy.special

    both = getattr(scipy.special, name)

    @custom_jvp
    def base(x):
        call = lambda v: [np.asarray(o, x.dtype) for o in both(np.asarray(v, np.float64))]
        out = ShapedArray(make_aval(x.shape, x.dtype))
        return tuple(pure_callback(call, [out, out], x, vmap_method="expand_dims"))

    @base.defjvp
    def rule(primals, tangents):
        (x,), (t,) = primals, tangents
        return base(x), (first(x) * t, second(x) * t)

    def call(x):
        return base(*promoted_inexact(as_array(x)))

    call.__name__, call.__doc__ = name, doc
    return call


sici = pair("sici", lambda x: jnp.sinc(x / math.pi), lambda x: jnp.cos(x) / x,
            "(sine integral, cosine integral).")
fresnel = pair("fresnel", lambda x: jnp.sin(math.pi / 2 * x * x),
               lambda x: jnp.cos(math.pi / 2 * x * x), "Fresnel's integrals (S, C).")
