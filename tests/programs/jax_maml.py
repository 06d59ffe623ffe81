"""Model-agnostic meta-learning of sine waves: a gradient through gradients, tasks under vmap."""

from functools import partial

import jax
import jax.numpy as jnp
from jax import grad, jit, random, value_and_grad, vmap
from jax.example_libraries import optimizers, stax
from jax.example_libraries.stax import Dense, Relu
from jax.tree_util import tree_map

net_init, net_apply = stax.serial(Dense(16), Relu, Dense(16), Relu, Dense(1))


def loss(params, inputs, targets):
    return jnp.mean((targets - net_apply(params, inputs)) ** 2)


def inner_update(p, x1, y1, alpha=0.1):
    grads = grad(loss)(p, x1, y1)
    return tree_map(lambda a, g: a - alpha * g, p, grads)


def maml_loss(p, x1, y1, x2, y2):
    return loss(inner_update(p, x1, y1), x2, y2)


def batch_maml_loss(p, x1, y1, x2, y2):
    return jnp.mean(vmap(partial(maml_loss, p))(x1, y1, x2, y2))


def sample_tasks(key, tasks, points):
    k1, k2, k3 = random.split(key, 3)
    amplitude = random.uniform(k1, (tasks, 1, 1), minval=0.1, maxval=0.5)
    phase = random.uniform(k2, (tasks, 1, 1), minval=0.0, maxval=jnp.pi)
    x = random.uniform(k3, (2, tasks, points, 1), minval=-5.0, maxval=5.0)
    y = amplitude * jnp.sin(x + phase)
    return x[0], y[0], x[1], y[1]


def main(steps=20):
    _, params = net_init(random.PRNGKey(0), (-1, 1))
    opt_init, opt_update, get_params = optimizers.adam(step_size=1e-2)

    @jit
    def step(i, opt_state, batch):
        value, g = value_and_grad(batch_maml_loss)(get_params(opt_state), *batch)
        return opt_update(i, g, opt_state), value

    opt_state = opt_init(params)
    history = []
    for i in range(steps):
        opt_state, value = step(i, opt_state, sample_tasks(random.PRNGKey(i), 4, 8))
        history.append(float(value))
    jax.block_until_ready(opt_state)
    return history
