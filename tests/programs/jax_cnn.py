"""A convolutional network over lax, with Adam written by hand and dropout."""

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax


def init(key):
    k1, k2, k3, k4 = jax.random.split(key, 4)
    glorot = jax.nn.initializers.glorot_uniform()
    he = jax.nn.initializers.he_normal(in_axis=-2, out_axis=-1)
    return {"conv1": he(k1, (3, 3, 1, 4)), "conv2": he(k2, (3, 3, 4, 8)),
            "dense": {"w": glorot(k3, (4 * 4 * 8, 10)), "b": jnp.zeros(10)},
            "gain": jnp.ones(8) + 0.1 * jax.random.uniform(k4, (8,))}


def apply(params, x, key, train: bool):
    dims = ("NHWC", "HWIO", "NHWC")
    x = lax.conv_general_dilated(x, params["conv1"], (1, 1), "SAME", dimension_numbers=dims)
    x = jax.nn.relu(x)
    x = lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
    x = lax.conv_general_dilated(x, params["conv2"], (1, 1), "SAME", dimension_numbers=dims)
    mean = x.mean((0, 1, 2), keepdims=True)
    x = params["gain"] * (x - mean) * lax.rsqrt(x.var((0, 1, 2), keepdims=True) + 1e-5)
    x = jax.nn.gelu(x)
    x = lax.reduce_window(x, 0.0, lax.add, (1, 2, 2, 1), (1, 2, 2, 1), "SAME") / 4
    x = x.reshape(x.shape[0], -1)
    if train:
        keep = jax.random.bernoulli(key, 0.8, x.shape)
        x = jnp.where(keep, x / 0.8, 0.0)
    return x @ params["dense"]["w"] + params["dense"]["b"]


@partial(jax.jit, static_argnames="train")
def loss_fn(params, x, y, key, train=True):
    logits = apply(params, x, key, train)
    picked = jnp.take_along_axis(jax.nn.log_softmax(logits), y[:, None], axis=1)
    return -picked.mean(), (logits.argmax(-1) == y).mean()


@jax.jit
def adam_step(params, m, v, i, x, y, key):
    (loss, accuracy), grads = jax.value_and_grad(loss_fn, has_aux=True)(params, x, y, key)
    m = jax.tree.map(lambda a, g: 0.9 * a + 0.1 * g, m, grads)
    v = jax.tree.map(lambda a, g: 0.999 * a + 0.001 * g ** 2, v, grads)
    scale = 0.01 * jnp.sqrt(1 - 0.999 ** i) / (1 - 0.9 ** i)
    params = jax.tree.map(lambda p, a, b: p - scale * a / (jnp.sqrt(b) + 1e-8), params, m, v)
    return params, m, v, loss, accuracy


def main(steps=20):
    params = init(jax.random.key(0))
    m = jax.tree.map(jnp.zeros_like, params)
    v = jax.tree.map(jnp.zeros_like, params)
    x = jax.random.normal(jax.random.key(1), (12, 16, 16, 1))
    y = jax.random.randint(jax.random.key(2), (12,), 0, 10)
    losses = []
    for i in range(1, steps + 1):
        key = jax.random.fold_in(jax.random.key(3), i)
        params, m, v, loss, _ = adam_step(params, m, v, float(i), x, y, key)
        losses.append(loss.item())
    loss, accuracy = loss_fn(params, x, y, None, train=False)
    return [*losses, loss.item(), accuracy.item()]
