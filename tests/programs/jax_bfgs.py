"""BFGS: Rosenbrock's function, and a logistic regression with a Hessian for error bars."""

import jax
import jax.numpy as jnp
from jax.scipy.optimize import minimize


def rosenbrock(x):
    return jnp.sum(100.0 * jnp.diff(x) ** 2 + (1.0 - x[:-1]) ** 2)


def logistic_loss(w, x, y):
    margins = jnp.where(y, 1.0, -1.0) * (x @ w)
    return jnp.mean(jnp.logaddexp(0.0, -margins)) + 0.01 * jnp.dot(w, w)


def main(steps=20):
    with jax.enable_x64(True):
        out = minimize(rosenbrock, jnp.array([-1.2, 1.0, 0.5]), method="BFGS",
                       options={"maxiter": steps})
        history = [float(out.fun), int(out.nit), *map(float, out.x)]
        full = minimize(rosenbrock, jnp.array([-1.2, 1.0, 0.5]), method="BFGS", tol=1e-6)
        assert bool(full.success)
        history += [float(full.fun) * 1e-3, *map(float, full.x)]
        x = jax.random.normal(jax.random.PRNGKey(0), (50, 3), jnp.float64)
        y = x @ jnp.array([1.0, -2.0, 0.5]) > 0
        fit = jax.jit(lambda w0: minimize(logistic_loss, w0, args=(x, y), method="BFGS").x)
        w = fit(jnp.zeros(3))
        bars = jnp.sqrt(jnp.diag(jnp.linalg.inv(jax.hessian(logistic_loss)(w, x, y)) / 50))
        return [*history, *map(float, w), *map(float, bars)]
