"""Gaussian process regression: the marginal likelihood by Cholesky, momentum on hyperparameters."""

from functools import partial

import jax.numpy as jnp
import jax.scipy as scipy
import jax.scipy.linalg  # noqa: F401  (makes `scipy.linalg` known)
from jax import grad, jit, random, value_and_grad, vmap


def cov_map(cov_func, xs, xs2=None):
    if xs2 is None:
        return vmap(lambda x: vmap(lambda y: cov_func(x, y))(xs))(xs)
    return vmap(lambda x: vmap(lambda y: cov_func(x, y))(xs))(xs2).T


def softplus(x):
    return jnp.logaddexp(x, 0.0)


def exp_quadratic(x1, x2):
    return jnp.exp(-jnp.sum((x1 - x2) ** 2))


def gp(params, x, y, xtest=None, compute_marginal_likelihood=False):
    noise, amp, ls = softplus(params["noise"]), softplus(params["amplitude"]), softplus(
        params["lengthscale"])
    ymean = jnp.mean(y)
    y = y - ymean
    x = x / ls
    train_cov = amp * cov_map(exp_quadratic, x) + jnp.eye(x.shape[0]) * (noise + 1e-3)
    chol = scipy.linalg.cholesky(train_cov, lower=True)
    kinvy = scipy.linalg.solve_triangular(
        chol.T, scipy.linalg.solve_triangular(chol, y, lower=True))
    if compute_marginal_likelihood:
        log2pi = jnp.log(2.0 * 3.1415)
        ml = jnp.sum(-0.5 * jnp.dot(y.T, kinvy) - jnp.sum(jnp.log(jnp.diag(chol)))
                     - (x.shape[0] / 2.0) * log2pi)
        ml -= jnp.sum(-0.5 * jnp.log(2 * 3.1415) - jnp.log(amp) - 0.5 * jnp.log(amp) ** 2)
        return -ml
    cross_cov = amp * cov_map(exp_quadratic, x, xtest / ls)
    mu = jnp.dot(cross_cov.T, kinvy) + ymean
    v = scipy.linalg.solve_triangular(chol, cross_cov, lower=True)
    var = amp * cov_map(exp_quadratic, xtest / ls) - jnp.dot(v.T, v)
    return mu, var


marginal_likelihood = partial(gp, compute_marginal_likelihood=True)
grad_fun = jit(grad(marginal_likelihood))


def main(steps=20):
    y_fun = lambda x: jnp.sin(x) + 0.1 * random.normal(random.PRNGKey(0), shape=(x.shape[0], 1))
    x = jnp.linspace(-3.0, 3.0, 12)[:, None]
    y = y_fun(x)
    xtest = jnp.linspace(-4.0, 4.0, 9)[:, None]
    params = {"amplitude": jnp.zeros((1, 1)), "noise": jnp.zeros((1, 1)) - 2.0,
              "lengthscale": jnp.zeros((1, 1))}
    momentums = {k: p * 0.0 for k, p in params.items()}
    scales = {k: p * 0.0 + 1.0 for k, p in params.items()}
    value = jit(value_and_grad(marginal_likelihood))
    history = []
    for _ in range(steps):
        loss, grads = value(params, x, y)
        history.append(float(loss))
        for k in params:
            momentums[k] = 0.9 * momentums[k] + 0.1 * grads[k][0]
            scales[k] = 0.9 * scales[k] + 0.1 * grads[k][0] ** 2
            params[k] -= 0.05 * momentums[k] / jnp.sqrt(scales[k] + 1e-5)
    mu, var = gp(params, x, y, xtest)
    assert grad_fun(params, x, y)["noise"].shape == (1, 1)
    return [*history, *map(float, mu.ravel()), *map(float, jnp.diag(var))]
