"""Automatic differentiation variational inference: samples of a Gaussian under vmap."""

from functools import partial

import jax
import jax.numpy as jnp
import jax.scipy.stats.norm as norm
from jax import grad, jit, random, vmap
from jax.example_libraries import optimizers


def diag_gaussian_sample(rng, mean, log_std):
    return mean + jnp.exp(log_std) * random.normal(rng, mean.shape)


def diag_gaussian_logpdf(x, mean, log_std):
    return jnp.sum(vmap(norm.logpdf)(x, mean, jnp.exp(log_std)))


def elbo(logprob, rng, mean, log_std):
    sample = diag_gaussian_sample(rng, mean, log_std)
    return logprob(sample) - diag_gaussian_logpdf(sample, mean, log_std)


def batch_elbo(logprob, rng, params, num_samples):
    rngs = random.split(rng, num_samples)
    vectorized_elbo = vmap(partial(elbo, logprob), in_axes=(0, None, None))
    return jnp.mean(vectorized_elbo(rngs, *params))


def funnel_log_density(params):
    return norm.logpdf(params[0], 0, jnp.exp(params[1])) + norm.logpdf(params[1], 0, 1.35)


def main(steps=20):
    @jit
    def objective(params, t):
        return -batch_elbo(funnel_log_density, random.PRNGKey(t), params, 40)

    init_mean, init_std = jnp.zeros(2), jnp.zeros(2)
    opt_init, opt_update, get_params = optimizers.momentum(step_size=0.01, mass=0.9)
    opt_state = opt_init((init_mean, init_std))

    @jit
    def update(i, opt_state):
        gradient = grad(objective)(get_params(opt_state), i)
        return opt_update(i, gradient, opt_state)

    history = []
    for t in range(steps):
        opt_state = update(t, opt_state)
        history.append(float(objective(get_params(opt_state), t)))
    mean, log_std = get_params(opt_state)
    jax.block_until_ready(mean)
    return [*history, *map(float, mean), *map(float, log_std)]
