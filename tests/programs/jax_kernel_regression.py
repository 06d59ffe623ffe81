"""Kernel least squares: Gram matrices by vmap, gradient descent in a while_loop."""

from functools import partial

import jax
import jax.numpy as jnp
from jax import grad, jit, lax, random, vmap


def gram(kernel, xs):
    return vmap(lambda x: vmap(lambda y: kernel(x, y))(xs))(xs)


def rbf(gamma, x, y):
    return jnp.exp(-gamma * jnp.sum((x - y) ** 2))


def minimize(f, x, num_steps=10, step_size=0.000001, mass=0.9):
    fprime = grad(f)

    def step(state):
        i, x, v = state
        v = mass * v - (1.0 - mass) * fprime(x)
        return i + 1, x + step_size * v, v

    _, x, _ = lax.while_loop(lambda s: s[0] < num_steps, step, (0, x, jnp.zeros_like(x)))
    return x


def train(kernel, xs, ys, regularization=0.01):
    kernel_ = jit(partial(gram, kernel))

    @jit
    def objective(v):
        risk = 0.5 * jnp.sum((jnp.dot(kernel_(xs), v) - ys) ** 2.0)
        return risk + regularization * jnp.sum(v ** 2.0)

    v = minimize(objective, jnp.zeros(xs.shape[0]), num_steps=100, step_size=0.05)
    return objective(v), jit(lambda x: jnp.dot(vmap(lambda z: kernel(z, x))(xs), v)), v


def main(steps=20):
    history = []
    x = random.uniform(random.PRNGKey(3), (20, 2), minval=-2.0, maxval=2.0)
    y = jnp.sin(x[:, 0]) + x[:, 1] ** 2
    for i in range(min(steps, 5)):
        gamma = 0.2 * (i + 1)
        loss, predict, v = train(partial(rbf, gamma), x, y)
        history += [float(loss), float(predict(jnp.array([0.5, -0.5])))]
        exact = jnp.linalg.solve(gram(partial(rbf, gamma), x) + 0.1 * jnp.eye(20), y)
        history.append(float(jnp.linalg.norm(exact)))
    sensitivity = jax.jacfwd(lambda g: gram(partial(rbf, g), x).sum())(0.3)
    return [*history, float(sensitivity)]
