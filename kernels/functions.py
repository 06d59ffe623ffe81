"""Powers and special functions of `jax.lax` on bare NumPy arrays, in the dtype of the operands.

What NumPy lacks is SciPy's, which is imported at the first call. Half floats go through float32.
"""

import numpy as np

from kernels.reference import in_float32, quiet

# ---- powers and angles -------------------------------------------------------------------------


def power(x, y):
    return np.power(x, y if y.dtype == x.dtype else y.astype(x.dtype))


def atan2(x, y):
    """Of complex operands, the continuation: -i log((y + ix) / sqrt(x^2 + y^2))."""
    if np.iscomplexobj(x):
        return (-1j * np.log((y + 1j * x) / np.sqrt(x * x + y * y))).astype(x.dtype)
    return np.arctan2(x, y)


@quiet
@in_float32
def logistic(x, **_):
    """`1 / (1 + exp(-x))`."""
    return 1 / (1 + np.exp(-x))


@quiet
@in_float32
def rsqrt(x, **_):
    """`1 / sqrt(x)`."""
    return 1 / np.sqrt(x)


@in_float32
def cbrt(x, **_):
    """The real cube root."""
    return np.cbrt(x)


def _special(name, scipy_name):
    """A function of `scipy.special`, which is imported at the first call."""

    @quiet
    @in_float32
    def kernel(x, **_):
        from scipy import special

        return getattr(special, scipy_name)(x)

    kernel.__name__ = kernel.__qualname__ = name
    kernel.__doc__ = f"`scipy.special.{scipy_name}`, in the dtype of `x`."
    return kernel


erf = _special("erf", "erf")
erfc = _special("erfc", "erfc")
erf_inv = _special("erf_inv", "erfinv")
_gammaln = _special("gammaln", "gammaln")
_psi = _special("psi", "psi")


def lgamma(x):
    """log |Gamma(x)|, infinite at both ends (SciPy has -inf at -inf)."""
    return _gammaln(np.where(np.equal(x, -np.inf), x.dtype.type(np.inf), x))


def digamma(x):
    """`d lgamma(x) / dx`; nan at the poles, 0 among them (SciPy has -inf there)."""
    return np.where(np.equal(x, 0), x.dtype.type(np.nan), _psi(x))


# ---- of several operands -----------------------------------------------------------------------


def _of_scipy(name):
    """A function of `scipy.special` of one or more operands."""

    @quiet
    def kernel(*args):
        from scipy import special

        dtype = args[0].dtype
        wide = [x.astype(np.promote_types(x.dtype, np.float32), copy=False) for x in args]
        return getattr(special, name)(*wide).astype(dtype)

    kernel.__name__ = kernel.__qualname__ = name
    kernel.__doc__ = f"`scipy.special.{name}`."
    return kernel


zeta, igamma, igammac = map(_of_scipy, ("zeta", "gammainc", "gammaincc"))
regularized_incomplete_beta = _of_scipy("betainc")
bessel_i0e, bessel_i1e = map(_of_scipy, ("i0e", "i1e"))


@quiet
def polygamma(m, x):
    """The m-th derivative of digamma: (-1)^(m+1) m! zeta(m + 1, x)."""
    from scipy import special

    order, wide = m.astype(np.float64), x.astype(np.float64)
    higher = (-1.0) ** (order + 1) * special.gamma(order + 1) * special.zeta(order + 1, wide)
    return np.where(order == 0, special.psi(wide), higher).astype(x.dtype)


@quiet
def igamma_grad_a(a, x):
    """The derivative by `a` of the series igamma(a, x) = sum x^(a+n) e^(-x) / Gamma(a+n+1)."""
    from scipy import special

    dtype = a.dtype
    a, x = np.broadcast_arrays(a.astype(np.float64), x.astype(np.float64))
    safe = np.where(x > 0, x, 1.0)
    term = np.exp(a * np.log(safe) - safe - special.gammaln(a + 1))
    slope = np.log(safe) - special.psi(a + 1)  # the logarithmic derivative of the term
    total, n, least = term * slope, 0, float(safe.max()) if safe.size else 0.0
    while n < least or bool(np.any(np.abs(term * slope) > 1e-17)):
        n += 1
        term, slope = term * safe / (a + n), slope - 1 / (a + n)
        total = total + term * slope
    total = np.where(x == 0, 0.0, total)
    return np.where((a <= 0) | ~(x >= 0), np.nan, total).astype(dtype)
