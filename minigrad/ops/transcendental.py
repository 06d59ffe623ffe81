"""Elementwise curves: powers and roots, exponentials, trigonometry, special functions.

Where the derivative can be had from the result, it is, so that only the result is saved:

>>> import minigrad
>>> print(minigrad.backward_source("logistic", "f32[3]"))
def logistic_backward(g, saved):
    out, = saved
    return g * (out * (1.0 - out))
"""

from __future__ import annotations

import math

import ml_dtypes
import numpy as np

from kernels import functions
from minigrad.core import aval_of, make_aval
from minigrad.ops.elementwise import (
    abs_, add, div, eq, gt, integer_pow, mul, neg, replace_zero, sign, square, sub,
)
from minigrad.ops.families import broadcast_shapes, dtype_kind, elementwise, full, match_shape
from minigrad.ops.selection import convert, filled, select

ACCURACY = {"accuracy": None}  # how exact XLA is asked to be; these kernels have one accuracy

# ------------------------------------------------------------------ exponentials and logarithms

exp = elementwise("exp", np.exp, scalar="exp(x)", defaults=ACCURACY,
                  jvp=(lambda t, out, x, **_: mul(t, out),))

exp2 = elementwise(
    "exp2", np.exp2, scalar="exp2(x)", defaults=ACCURACY,
    jvp=(lambda t, out, x, **_: mul(log(full((), 2.0, aval_of(x).dtype)), mul(t, out)),))

log = elementwise("log", np.log, scalar="log(x)", defaults=ACCURACY,
                  jvp=(lambda t, out, x, **_: div(t, x),))

expm1 = elementwise("expm1", np.expm1, scalar="expm1(x)", defaults=ACCURACY,
                    jvp=(lambda t, out, x, **_: mul(t, add(out, 1.0)),))

log1p = elementwise("log1p", np.log1p, scalar="log1p(x)", defaults=ACCURACY,
                    jvp=(lambda t, out, x, **_: div(t, add(x, 1.0)),))

tanh = elementwise(  # t (1 + tanh) (1 - tanh)
    "tanh", np.tanh, scalar="tanh(x)", defaults=ACCURACY,
    jvp=(lambda t, out, x, **_: mul(add(t, mul(t, out)), sub(1.0, out)),))

logistic = elementwise("logistic", functions.logistic, scalar="1 / (1 + exp(-x))",
                       defaults=ACCURACY,
                       jvp=(lambda t, out, x, **_: mul(t, mul(out, sub(1.0, out))),))


# ------------------------------------------------------------------ powers and roots

sqrt = elementwise("sqrt", np.sqrt, scalar="sqrt(x)", defaults=ACCURACY,
                   jvp=(lambda t, out, x, **_: mul(t, div(0.5, out)),))

rsqrt = elementwise("rsqrt", functions.rsqrt, scalar="1 / sqrt(x)", defaults=ACCURACY,
                    jvp=(lambda t, out, x, **_: mul(t, mul(-0.5, div(out, x))),))

cbrt = elementwise(
    "cbrt", functions.cbrt, scalar="cbrt(x)", accepts="f", defaults=ACCURACY,
    jvp=(lambda t, out, x, **_: mul(t, mul(1 / 3, integer_pow(out, y=-2))),))


def pow_abstract(x, y):
    if dtype_kind(x.dtype) not in "fc" or x.dtype != y.dtype and dtype_kind(y.dtype) not in "iu":
        raise TypeError(
            "the first argument to pow must have an inexact dtype (float or complex), and the "
            "second argument must have an inexact or integer dtype, and two inexact dtypes must "
            f"match, but got {x.dtype.name} and {y.dtype.name} respectively.")
    return make_aval(broadcast_shapes("pow", (x, y)), x.dtype, x.weak_type and y.weak_type)


def pow_tangent_of_base(t, out, x, y):
    """y x^(y-1); for a whole exponent 0 at y = 0, where the formula has 0 * inf at x = 0."""
    if dtype_kind(aval_of(y).dtype) not in "iu":
        return mul(t, mul(y, pow_(x, sub(y, filled(y, 1)))))
    y = convert(y, aval_of(x).dtype)
    x, y = (match_shape(operand, aval_of(out)) for operand in (x, y))
    constant, flat = eq(y, 0.0), filled(y, 0)
    return mul(t, select(constant, flat, mul(replace_zero(y), pow_(x, sub(y, filled(y, 1))))))


pow_ = elementwise(
    "pow", functions.power, scalar="pow(x, y)",
    jvp=(pow_tangent_of_base,
         lambda t, out, x, y: mul(t, mul(log(replace_zero(x)), out))),
)
pow_.abstract = pow_abstract  # the exponent may be an integer

# ------------------------------------------------------------------ trigonometry

sin = elementwise("sin", np.sin, scalar="sin(x)", defaults=ACCURACY,
                  jvp=(lambda t, out, x, **_: mul(t, cos(x)),))

cos = elementwise("cos", np.cos, scalar="cos(x)", defaults=ACCURACY,
                  jvp=(lambda t, out, x, **_: neg(mul(t, sin(x))),))

tan = elementwise("tan", np.tan, scalar="tan(x)", defaults=ACCURACY,
                  jvp=(lambda t, out, x, **_: mul(t, add(1.0, square(out))),))

asin = elementwise("asin", np.arcsin, scalar="asin(x)",
                   jvp=(lambda t, out, x: mul(t, rsqrt(sub(1.0, square(x)))),))

acos = elementwise("acos", np.arccos, scalar="acos(x)",
                   jvp=(lambda t, out, x: mul(t, neg(rsqrt(sub(1.0, square(x))))),))

atan = elementwise("atan", np.arctan, scalar="atan(x)",
                   jvp=(lambda t, out, x: div(t, add(1.0, square(x))),))

atan2 = elementwise(  # the angle of the point (y, x), which lax passes as (x, y)
    "atan2", functions.atan2, scalar="atan2(x, y)",
    jvp=(lambda t, out, x, y: mul(t, div(y, add(square(x), square(y)))),
         lambda t, out, x, y: mul(t, div(neg(x), add(square(x), square(y))))))

sinh = elementwise("sinh", np.sinh, scalar="sinh(x)",
                   jvp=(lambda t, out, x: mul(t, cosh(x)),))

cosh = elementwise("cosh", np.cosh, scalar="cosh(x)",
                   jvp=(lambda t, out, x: mul(t, sinh(x)),))

asinh = elementwise("asinh", np.arcsinh, scalar="asinh(x)",
                    jvp=(lambda t, out, x: mul(t, rsqrt(add(square(x), 1.0))),))

acosh = elementwise("acosh", np.arccosh, scalar="acosh(x)",
                    jvp=(lambda t, out, x: mul(t, rsqrt(sub(square(x), 1.0))),))

atanh = elementwise(
    "atanh", np.arctanh, scalar="atanh(x)",
    jvp=(lambda t, out, x: mul(integer_pow(add(1.0, x), y=-1), div(t, sub(1.0, x))),))

# ------------------------------------------------------------------ special functions

TWO_OVER_ROOT_PI = 2.0 / math.sqrt(math.pi)

erf = elementwise(
    "erf", functions.erf, scalar="erf(x)", accepts="f",
    jvp=(lambda t, out, x: mul(TWO_OVER_ROOT_PI, mul(t, exp(neg(square(x))))),))

erfc = elementwise(
    "erfc", functions.erfc, scalar="erfc(x)", accepts="f",
    jvp=(lambda t, out, x: mul(-TWO_OVER_ROOT_PI, mul(t, exp(neg(square(x))))),))

erf_inv = elementwise(
    "erf_inv", functions.erf_inv, scalar="erf_inv(x)", accepts="f",
    jvp=(lambda t, out, x: mul(1.0 / TWO_OVER_ROOT_PI, mul(t, exp(square(out)))),))

lgamma = elementwise("lgamma", functions.lgamma, scalar="lgamma(x)", accepts="f",
                     jvp=(lambda t, out, x: mul(t, digamma(x)),))

digamma = elementwise("digamma", functions.digamma, scalar="digamma(x)", accepts="f",
                      jvp=(lambda t, out, x: mul(t, polygamma(1.0, x)),))

def not_supported(message: str):
    def rule(t, out, *args):
        raise ValueError(message)

    return rule

polygamma = elementwise(
    "polygamma", functions.polygamma, scalar="polygamma(x, y)", accepts="f",
    jvp=(not_supported("polygamma gradient with respect to m is not supported"),
         lambda t, out, m, x: mul(t, polygamma(add(m, 1.0), x))))

zeta = elementwise("zeta", functions.zeta, scalar="zeta(x, y)", accepts="f", arity=2)


def igamma_density(t, a, x):
    """t x^(a-1) e^(-x) / Gamma(a): the derivative of igamma by x."""
    return mul(t, exp(sub(add(neg(x), mul(sub(a, filled(a, 1)), log(x))), lgamma(a))))

igamma_grad_a = elementwise("igamma_grad_a", functions.igamma_grad_a, scalar="igamma_grad_a(x, y)",
                            accepts="f", arity=2)

igamma = elementwise(
    "igamma", functions.igamma, scalar="igamma(x, y)", accepts="f",
    jvp=(lambda t, out, a, x: mul(t, igamma_grad_a(a, x)),
         lambda t, out, a, x: igamma_density(t, a, x)))

igammac = elementwise(
    "igammac", functions.igammac, scalar="igammac(x, y)", accepts="f",
    jvp=(lambda t, out, a, x: neg(mul(t, igamma_grad_a(a, x))),
         lambda t, out, a, x: neg(igamma_density(t, a, x))))

regularized_incomplete_beta = elementwise(
    "regularized_incomplete_beta", functions.regularized_incomplete_beta,
    scalar="regularized_incomplete_beta(x, y, z)", accepts="f",
    jvp=(not_supported("Betainc gradient with respect to a and b not supported."),) * 2
    + (lambda t, out, a, b, x: mul(beta_density(a, b, x), t),))


def beta_density(a, b, x):
    """x^(a-1) (1-x)^(b-1) / B(a, b)."""
    log_beta = sub(add(lgamma(a), lgamma(b)), lgamma(add(a, b)))
    return exp(sub(add(mul(sub(b, 1.0), log1p(neg(x))), mul(sub(a, 1.0), log(x))), log_beta))


bessel_i0e = elementwise(
    "bessel_i0e", functions.bessel_i0e, scalar="bessel_i0e(x)", accepts="f",
    jvp=(lambda t, out, x: mul(t, sub(bessel_i1e(x), mul(sign(x), out))),))


def bessel_i1e_tangent(t, out, x):
    """i0e(x) - i1e(x) (sign(x) + 1/x), whose limit at zero is a half."""
    eps = float(ml_dtypes.finfo(aval_of(x).dtype).eps)
    away = gt(abs_(x), eps)
    safe = select(away, x, filled(x, eps))
    slope = sub(bessel_i0e(safe), mul(out, add(sign(safe), integer_pow(safe, y=-1))))
    return mul(t, select(away, slope, filled(x, 0.5)))


bessel_i1e = elementwise("bessel_i1e", functions.bessel_i1e, scalar="bessel_i1e(x)", accepts="f",
                         jvp=(bessel_i1e_tangent,))
