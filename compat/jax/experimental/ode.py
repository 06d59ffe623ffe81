"""jax.experimental.ode: differential equations by Dormand and Prince's pair of orders 5 and 4, with
steps as long as the error allows; gradients by the adjoint equation, solved backwards.

The steps are minigrad/scipy/integrate.py's. Source of the adjoint: Chen et al. 2018.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

from compat.jax import lax
from compat.jax import numpy as jnp
from compat.jax.custom import closure_convert, custom_vjp
from compat.jax.flatten_util import ravel_pytree
from compat.jax.transforms import arrays, vjp
from minigrad.scipy.integrate import error_ratio, first_step, interpolant, next_step, step
from minigrad.tree import tree_flatten, tree_map

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
