"""jax.scipy.optimize: minimization by BFGS.

Source: Nocedal and Wright, "Numerical Optimization" (1999): algorithm 6.1, with the line search of
algorithms 3.5 and 3.6 for the strong Wolfe conditions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from compat.jax import lax
from compat.jax import numpy as jnp
from compat.jax.transforms import value_and_grad


class OptimizeResults(NamedTuple):
    """x: the solution. success: did it converge? status: 0 yes, 1 too many steps, 2 and more the
    line search failed. fun, jac: value and gradient there. hess_inv: the estimate of the inverse
    Hessian. nfev, njev, nit: how many evaluations and steps."""

    x: Any
    success: Any
    status: Any
    fun: Any
    jac: Any
    hess_inv: Any
    nfev: Any
    njev: Any
    nit: Any


def minimize(fun: Callable, x0, args=(), *, method: str, tol=None, options=None):
    """The minimum of a function of a vector. method: "BFGS". options: maxiter, gtol, norm,
    line_search_maxiter."""
    if not isinstance(args, tuple):
        raise TypeError("args argument to jax.scipy.optimize.minimize must be a tuple, got "
                        f"{args}")
    if method.lower() != "bfgs":
        raise ValueError(f"Method {method} not recognized")
    given = dict(options or {})
    if tol is not None:
        given.setdefault("gtol", tol)
    s = bfgs(lambda x: fun(x, *args), jnp.asarray(x0), **given)
    return OptimizeResults(
        x=s["x"], success=s["converged"] & ~s["failed"], status=s["status"], fun=s["f"],
        jac=s["g"], hess_inv=s["H"], nfev=s["nfev"], njev=s["nfev"], nit=s["k"])


def bfgs(fun: Callable, x0, maxiter=None, norm=np.inf, gtol=1e-5, line_search_maxiter=10) -> dict:
    d = x0.shape[0]
    maxiter = x0.size * 200 if maxiter is None else maxiter
    eye = jnp.eye(d, dtype=x0.dtype)
    f, g = value_and_grad(fun)(x0)
    start = dict(converged=jnp.linalg.norm(g, ord=norm) < gtol, failed=jnp.array(False),
                 k=jnp.array(0), nfev=jnp.array(1), x=x0, f=f, g=g, H=eye,
                 before=f + jnp.linalg.norm(g) / 2, search=jnp.array(0))

    def step(s):
        p = -jnp.dot(s["H"], s["g"])
        found = line_search(fun, s["x"], p, s["f"], s["before"], s["g"], line_search_maxiter)
        dx, dg = found["a"] * p, found["g"] - s["g"]
        rho = 1 / jnp.dot(dg, dx)
        w = eye - rho * (dx[:, None] * dg[None, :])
        H = jnp.einsum("ij,jk,lk", w, s["H"], w) + rho * dx[:, None] * dx[None, :]
        return dict(converged=jnp.linalg.norm(found["g"], ord=norm) < gtol,
                    failed=found["failed"], k=s["k"] + 1, nfev=s["nfev"] + found["nfev"],
                    x=s["x"] + dx, f=found["f"], g=found["g"],
                    H=jnp.where(jnp.isfinite(rho), H, s["H"]), before=s["f"],
                    search=found["status"])

    end = lax.while_loop(lambda s: ~s["converged"] & ~s["failed"] & (s["k"] < maxiter), step, start)
    status = jnp.where(end["failed"], 2 + end["search"], -1)
    status = jnp.where(end["k"] == maxiter, 1, status)
    return end | {"status": jnp.where(end["converged"], 0, status)}


# ------------------------------------------------------------------ line search


def where(condition, state: dict, **changes) -> dict:
    """`state`, some entries changed where the condition holds."""
    return state | {k: jnp.where(condition, v, state[k]) for k, v in changes.items()}


def line_search(fun: Callable, x, p, f0, before, g0, maxiter: int, c1=1e-4, c2=0.9) -> dict:
    """A step `a` along `p` that lowers the value enough and makes the slope flat enough."""
    slope0 = jnp.dot(g0, p)
    guess = 1.01 * 2 * (f0 - before) / slope0
    guess = jnp.where(guess > 1, 1.0, guess)

    def along(a):
        f, g = value_and_grad(fun)(x + a * p)
        return f, jnp.dot(g, p), g

    def too_high(a, f):
        return f > f0 + c1 * a * slope0

    def flat(slope):
        return jnp.abs(slope) <= -c2 * slope0

    zero = jnp.zeros((), x.dtype)
    start = dict(done=jnp.array(False), failed=jnp.array(False), i=jnp.array(1), a1=zero, f1=f0,
                 slope1=slope0, nfev=jnp.array(0), a=zero, f=f0, g=g0)

    def step(s):
        a = jnp.where(s["i"] == 1, guess, s["a1"] * 2.0)
        f, slope, g = along(a)
        above = too_high(a, f) | ((f >= s["f1"]) & (s["i"] > 1))
        good = flat(slope) & ~above
        rising = (slope >= 0) & ~above & ~good
        here, last = (a, f, slope), (s["a1"], s["f1"], s["slope1"])
        s = s | {"nfev": s["nfev"] + 1}
        zooms = [(above, zoom(along, too_high, flat, last, here, g0, ~above)),
                 (rising, zoom(along, too_high, flat, here, last, g0, ~rising))]
        for wanted, found in (zooms[0], (good, None), zooms[1]):
            if found is None:
                s = where(good, s, a=a, f=f, g=g)
            else:
                s = where(wanted, s, a=found["a"], f=found["f"], g=found["g"])
                s["failed"] = s["failed"] | wanted & found["failed"]
                s["nfev"] = s["nfev"] + found["nfev"]
            s["done"] = s["done"] | wanted
        return s | dict(i=s["i"] + 1, a1=a, f1=f, slope1=slope)

    s = lax.while_loop(lambda s: ~s["done"] & (s["i"] <= maxiter) & ~s["failed"], step, start)
    a = s["a"]
    if jnp.finfo(a.dtype).bits < 64:  # a smaller step would change nothing
        a = jnp.where(jnp.abs(a) < 1e-8, jnp.sign(a) * 1e-8, a)
    status = jnp.where(s["failed"], 1, jnp.where(s["i"] > maxiter, 3, 0))
    return dict(a=a, f=s["f"], g=s["g"], nfev=s["nfev"], failed=s["failed"] | ~s["done"],
                status=status)


def zoom(along, too_high, flat, low, high, g0, skip) -> dict:
    """A good step between two, the lower end first: by cubic or quadratic interpolation, or the
    middle where these lie too near an end."""
    (a_lo, f_lo, slope_lo), (a_hi, f_hi, slope_hi) = low, high
    start = dict(done=jnp.array(False), failed=jnp.array(False), j=jnp.array(0), a_lo=a_lo,
                 f_lo=f_lo, slope_lo=slope_lo, a_hi=a_hi, f_hi=f_hi, slope_hi=slope_hi,
                 a_old=(a_lo + a_hi) / 2.0, f_old=(f_lo + f_hi) / 2.0,
                 a=jnp.ones((), a_hi.dtype), f=f_lo, g=g0, nfev=jnp.array(0))

    def step(s):
        width = s["a_hi"] - s["a_lo"]
        left, right = jnp.minimum(s["a_hi"], s["a_lo"]), jnp.maximum(s["a_hi"], s["a_lo"])
        least = 1e-5 if jnp.finfo(width.dtype).bits < 64 else 1e-10
        s = s | {"failed": s["failed"] | (width <= least)}
        by_cubic = cubic_minimum(s["a_lo"], s["f_lo"], s["slope_lo"], s["a_hi"], s["f_hi"],
                                 s["a_old"], s["f_old"])
        use_cubic = (s["j"] > 0) & (by_cubic > left + 0.2 * width)
        use_cubic = use_cubic & (by_cubic < right - 0.2 * width)
        db = s["a_hi"] - s["a_lo"]
        bend = (s["f_hi"] - s["f_lo"] - s["slope_lo"] * db) / db ** 2
        by_square = s["a_lo"] - s["slope_lo"] / (2.0 * bend)
        use_square = (by_square > left + 0.1 * width) & (by_square < right - 0.1 * width)
        a = jnp.where(use_square, by_square, (s["a_lo"] + s["a_hi"]) / 2.0)
        a = jnp.where(use_cubic, by_cubic, a)
        f, slope, g = along(a)
        above = too_high(a, f) | (f >= s["f_lo"])
        good = flat(slope) & ~above
        turn = (slope * (s["a_hi"] - s["a_lo"]) >= 0.0) & ~above & ~good
        lower = ~above & ~good
        s = s | {"nfev": s["nfev"] + 1}
        s = where(above, s, a_hi=a, f_hi=f, slope_hi=slope, a_old=s["a_hi"], f_old=s["f_hi"])
        s = where(good, s, a=a, f=f, g=g)
        s["done"] = s["done"] | good
        s = where(turn, s, a_hi=s["a_lo"], f_hi=s["f_lo"], slope_hi=s["slope_lo"],
                  a_old=s["a_hi"], f_old=s["f_hi"])
        s = where(lower & ~turn, s, a_old=s["a_lo"], f_old=s["f_lo"])
        s = where(lower, s, a_lo=a, f_lo=f, slope_lo=slope)
        return s | {"j": s["j"] + 1, "failed": s["failed"] | (s["j"] + 1 >= 30)}

    return lax.while_loop(lambda s: ~s["done"] & ~skip & ~s["failed"], step, start)


def cubic_minimum(a, fa, slope, b, fb, c, fc):
    """The minimum of the cubic through three values and one slope."""
    db, dc = b - a, c - a
    rb, rc = fb - fa - slope * db, fc - fa - slope * dc
    scale = (db * dc) ** 2 * (db - dc)
    A = (dc ** 2 * rb - db ** 2 * rc) / scale
    B = (-dc ** 3 * rb + db ** 3 * rc) / scale
    return a + (-B + jnp.sqrt(B * B - 3.0 * A * slope)) / (3.0 * A)
