"""jax.experimental.ode: differential equations by Dormand and Prince's pair of orders 5 and 4, with
steps as long as the error allows; gradients by the adjoint equation, solved backwards.

Sources: Shampine 1986 (the interpolant), Chen et al. 2018 (the adjoint).
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np

from compat.jax import lax
from compat.jax import numpy as jnp
from compat.jax.custom import closure_convert, custom_vjp
from compat.jax.flatten_util import ravel_pytree
from compat.jax.transforms import arrays, vjp
from minigrad.tree import tree_flatten, tree_map

NODES = np.array([1 / 5, 3 / 10, 4 / 5, 8 / 9, 1.0, 1.0, 0])
TABLEAU = np.array([
    [1 / 5, 0, 0, 0, 0, 0, 0],
    [3 / 40, 9 / 40, 0, 0, 0, 0, 0],
    [44 / 45, -56 / 15, 32 / 9, 0, 0, 0, 0],
    [19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729, 0, 0, 0],
    [9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656, 0, 0],
    [35 / 384, 0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84, 0]])
SOLUTION = np.array([35 / 384, 0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84, 0])
ERROR = np.array([35 / 384 - 1951 / 21600, 0, 500 / 1113 - 22642 / 50085, 125 / 192 - 451 / 720,
                  -2187 / 6784 + 12231 / 42400, 11 / 84 - 649 / 6300, -1 / 60])
MIDDLE = np.array([6025192743 / 30085553152 / 2, 0, 51252292925 / 65400821598 / 2,
                   -2691868925 / 45128329728 / 2, 187940372067 / 1594534317056 / 2,
                   -1776094331 / 19743644256 / 2, 11237099 / 235043384 / 2])


def step(f, y, f0, t, dt):
    """(y, its derivative, the error of y, the slopes) one step later."""
    k = jnp.zeros((7, f0.shape[0]), f0.dtype).at[0].set(f0)

    def stage(i, k):
        ti = t + dt * jnp.asarray(NODES, dt.dtype)[i - 1]
        yi = y.astype(f0.dtype) + dt.astype(f0.dtype) * jnp.dot(
            jnp.asarray(TABLEAU, f0.dtype)[i - 1, :], k)
        return k.at[i].set(f(yi, ti))

    k = lax.fori_loop(1, 7, stage, k)
    dt = dt.astype(f0.dtype)
    return (dt * jnp.dot(jnp.asarray(SOLUTION, f0.dtype), k) + y, k[-1],
            dt * jnp.dot(jnp.asarray(ERROR, f0.dtype), k), k)


def interpolant(y0, y1, k, dt):
    """The polynomial of degree four through both ends and the middle."""
    dt = dt.astype(y0.dtype)
    middle = y0 + dt * jnp.dot(jnp.asarray(MIDDLE, y0.dtype), k)
    d0, d1 = k[0], k[-1]
    a = -2 * dt * d0 + 2 * dt * d1 - 8 * y0 - 8 * y1 + 16 * middle
    b = 5 * dt * d0 - 3 * dt * d1 + 18 * y0 + 14 * y1 - 32 * middle
    c = -4 * dt * d0 + dt * d1 - 11 * y0 - 5 * y1 + 16 * middle
    return jnp.stack([a, b, c, dt * d0, y0])


def error_ratio(error, rtol, atol, y0, y1):
    scale = atol + rtol * jnp.maximum(jnp.abs(y0), jnp.abs(y1))
    ratio = error / scale.astype(error.dtype)
    return jnp.sqrt(jnp.mean(jnp.real(ratio * jnp.conj(ratio))))


def next_step(dt, ratio):
    shrink = jnp.where(ratio < 1, 1.0, 0.2).astype(dt.dtype)
    factor = jnp.clip(ratio ** (-1.0 / 5.0) * 0.9, shrink, 10.0)
    return jnp.where(ratio == 0, dt * 10, dt * factor.astype(dt.dtype))


def first_step(f, t0, y0, rtol, atol, f0):
    """Hairer, Norsett and Wanner, II.4."""
    dtype = y0.dtype
    scale = atol + jnp.abs(y0) * rtol
    d0 = jnp.linalg.norm(y0 / scale.astype(dtype))
    d1 = jnp.linalg.norm(f0 / scale.astype(dtype))
    h0 = jnp.where((d0 < 1e-5) | (d1 < 1e-5), 1e-6, 0.01 * d0 / d1)
    f1 = f(y0 + h0.astype(dtype) * f0, t0 + h0)
    d2 = jnp.linalg.norm((f1 - f0) / scale.astype(dtype)) / h0
    h1 = jnp.where((d1 <= 1e-15) & (d2 <= 1e-15), jnp.maximum(1e-6, h0 * 1e-3),
                   (0.01 / jnp.maximum(d1, d2)) ** (1.0 / 5.0))
    return jnp.minimum(100.0 * h0, h1)


def odeint(func: Callable, y0, t, *args, rtol=1.4e-8, atol=1.4e-8, mxstep=jnp.inf, hmax=jnp.inf):
    """The solution of dy/dt = func(y, t, *args) from y0 at t[0], at all times t (which rise).
    Differentiable in y0, t and args by reverse mode."""
    for leaf in tree_flatten(args)[0]:
        if not hasattr(leaf, "dtype") and not isinstance(leaf, (bool, int, float, complex)):
            raise TypeError(f"The contents of odeint *args must be arrays or scalars, but got "
                            f"{leaf}.")
    y0, args = arrays(y0), arrays(args)
    converted, consts = closure_convert(func, y0, arrays(t)[0], *args)
    flat, unravel = ravel_pytree(y0)

    def flat_func(y, t, *args):
        return ravel_pytree(converted(unravel(y), t, *args))[0]

    out = solve(flat_func, rtol, atol, mxstep, hmax, flat, arrays(t), *args, *consts)
    from compat.jax.transforms import vmap

    return vmap(unravel)(out)


@functools.partial(custom_vjp, nondiff_argnums=(0, 1, 2, 3, 4))
def solve(func, rtol, atol, mxstep, hmax, y0, ts, *args):
    f = lambda y, t: func(y, t, *args)

    def to_next(carry, target):
        def unfinished(state):
            i, _, _, t, dt, _, _ = state
            return (t < target) & (i < mxstep) & (dt > 0)

        def advance(state):
            i, y, f0, t, dt, last, poly = state
            new_y, new_f, error, k = step(f, y, f0, t, dt)
            ratio = error_ratio(error, rtol, atol, y, new_y)
            dt_next = jnp.clip(next_step(dt, ratio), 0.0, hmax)
            accepted = [new_y, new_f, t + dt, dt_next, t, interpolant(y, new_y, k, dt)]
            kept = [y, f0, t, dt_next, last, poly]
            return [i + 1, *(jnp.where(ratio <= 1.0, a, b) for a, b in zip(accepted, kept))]

        _, *carry = lax.while_loop(unfinished, advance, [0, *carry])
        _, _, t, _, last, poly = carry
        relative = (target - last) / (t - last)
        return carry, jnp.polyval(poly, relative.astype(poly.dtype))

    f0 = f(y0, ts[0])
    dt = jnp.clip(first_step(f, ts[0], y0, rtol, atol, f0), 0.0, hmax).astype(ts.dtype)
    start = [y0, f0, ts[0], dt, ts[0], jnp.stack([y0] * 5)]
    _, ys = lax.scan(to_next, start, ts[1:])
    return jnp.concatenate([y0[None], ys])


def solve_fwd(func, rtol, atol, mxstep, hmax, y0, ts, *args):
    ys = solve(func, rtol, atol, mxstep, hmax, y0, ts, *args)
    return ys, (ys, ts, args)


def solve_bwd(func, rtol, atol, mxstep, hmax, residuals, g):
    ys, ts, args = residuals

    def adjoint(augmented, t, *args):
        """The state, its cotangent, and the cotangents of t and args, in reversed time."""
        y, ct, *_ = augmented
        out, pullback = vjp(func, y, -t, *args)
        return (-out, *pullback(ct))

    t_bar = jnp.dot(func(ys[-1], ts[-1], *args), g[-1])
    args_bar = tree_map(jnp.zeros_like, args)

    def back(carry, i):
        ct, t0_bar, args_bar = carry
        rate = jnp.dot(func(ys[i], ts[i], *args), g[i])
        t0_bar = t0_bar - rate
        _, ct, t0_bar, args_bar = odeint(
            adjoint, (ys[i], ct, t0_bar, args_bar), jnp.array([-ts[i], -ts[i - 1]]), *args,
            rtol=rtol, atol=atol, mxstep=mxstep, hmax=hmax)
        ct, t0_bar, args_bar = tree_map(lambda x: x[1], (ct, t0_bar, args_bar))
        return (ct + g[i - 1], t0_bar, args_bar), rate

    start = g[-1], jnp.zeros_like(t_bar), args_bar
    (ct, t0_bar, args_bar), rates = lax.scan(back, start, jnp.arange(len(ts) - 1, 0, -1))
    t_bar = jnp.concatenate([t0_bar[None], rates[::-1]])
    return ct, t_bar, *args_bar


solve.defvjp(solve_fwd, solve_bwd)
