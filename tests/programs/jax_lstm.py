"""An LSTM under scan that predicts a sine, with clipped gradients and a cosine schedule."""

import jax
import jax.numpy as jnp
from jax import lax, random


def init(key, n_in, n_hidden):
    k1, k2, k3 = random.split(key, 3)
    orthogonal = jax.nn.initializers.orthogonal()
    return {"wx": random.normal(k1, (n_in, 4 * n_hidden)) / jnp.sqrt(n_in),
            "wh": jnp.concatenate([orthogonal(k, (n_hidden, n_hidden))
                                   for k in random.split(k2, 4)], axis=1),
            "b": jnp.zeros(4 * n_hidden).at[n_hidden:2 * n_hidden].set(1.0),
            "out": random.normal(k3, (n_hidden, 1)) * 0.1}


def lstm(params, xs):  # (time, batch, features)
    n = params["wh"].shape[0]
    h0 = jnp.zeros((xs.shape[1], n))

    def cell(carry, x):
        h, c = carry
        gates = x @ params["wx"] + h @ params["wh"] + params["b"]
        i, f, g, o = jnp.split(gates, 4, axis=-1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), h

    (h, _), hs = lax.scan(cell, (h0, h0), xs)
    return hs @ params["out"], h


def loss_fn(params, xs, ys):
    predicted, h = lstm(params, xs)
    return jnp.mean((predicted - ys) ** 2) + 1e-4 * jnp.sum(h ** 2)


def clip_by_global_norm(grads, limit):
    norm = jnp.sqrt(sum(jnp.vdot(g, g) for g in jax.tree.leaves(grads)))
    return jax.tree.map(lambda g: g * jnp.minimum(1.0, limit / (norm + 1e-6)), grads), norm


@jax.jit
def step(params, i, xs, ys):
    loss, grads = jax.value_and_grad(loss_fn)(params, xs, ys)
    grads, norm = clip_by_global_norm(grads, 1.0)
    rate = 0.5 * (1 + jnp.cos(jnp.pi * i / 40)) * 0.3
    return jax.tree_util.tree_map(lambda p, g: p - rate * g, params, grads), loss, norm


def main(steps=20):
    params = init(random.PRNGKey(7), 1, 12)
    t = jnp.linspace(0.0, 6.0, 21)[:, None] + jnp.arange(4.0)[None]
    wave = jnp.sin(t)[..., None]
    history = []
    for i in range(steps):
        params, loss, norm = step(params, i, wave[:-1], wave[1:])
        history += [float(loss), float(norm)]
    return history
