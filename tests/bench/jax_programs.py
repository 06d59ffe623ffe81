"""Programs in JAX's idiom, each written once: `build(jax)` gives a function without arguments that
runs one step and returns its results. `jax` is the real one or `compat.jax`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np


def normal(*shape, seed=0, scale=1.0):
    return (np.random.default_rng(seed).standard_normal(shape) * scale).astype(np.float32)


def positive(*shape, seed=0):
    return np.random.default_rng(seed).random(shape, np.float32) + 0.1


def on(function: Callable, *arrays) -> Callable:
    return lambda: function(*arrays)


# ------------------------------------------------------------------ elementwise


def gelu(jax, n: int):
    return on(jax.jit(jax.nn.gelu), jax.numpy.asarray(normal(n)))


def chain(jax, n: int):
    jnp = jax.numpy

    def f(x):
        return jnp.exp(-x) * jnp.sin(3 * x) + jnp.log(x) * jnp.cos(2 * x)

    return on(jax.jit(f), jnp.asarray(positive(n)))


def adam(jax, n: int):
    jnp = jax.numpy

    def update(p, g, m, v, t):
        m = 0.9 * m + 0.1 * g
        v = 0.999 * v + 0.001 * g * g
        step = (m / (1 - 0.9 ** t)) / (jnp.sqrt(v / (1 - 0.999 ** t)) + 1e-8)
        return p - 1e-3 * step, m, v

    arrays = [jnp.asarray(a) for a in (normal(n), normal(n, seed=1), normal(n, seed=2),
                                       positive(n, seed=3))]
    return on(jax.jit(update), *arrays, jnp.float32(10))


def axpy(jax, n: int):
    return on(jax.jit(lambda x, y: 2.5 * x + y), *(jax.numpy.asarray(normal(n, seed=i))
                                                   for i in range(2)))


def relu(jax, n: int):
    return on(jax.jit(jax.nn.relu), jax.numpy.asarray(normal(n)))


# ------------------------------------------------------------------ rows


def pulled_back(jax, f: Callable, x, ct):
    """f(x) and the gradient of x for the cotangent ct."""
    def both(x, ct):
        out, pull = jax.vjp(f, x)
        return out, pull(ct)[0]

    return on(jax.jit(both), jax.numpy.asarray(x), jax.numpy.asarray(ct))


def softmax(jax, rows: int, columns: int):
    return pulled_back(jax, jax.nn.softmax, normal(rows, columns), normal(rows, columns, seed=1))


def layer_norm(jax, rows: int, columns: int):
    jnp = jax.numpy
    scale, shift = jnp.asarray(positive(columns)), jnp.asarray(normal(columns))

    def f(x):
        mean = x.mean(-1, keepdims=True)
        variance = ((x - mean) ** 2).mean(-1, keepdims=True)
        return (x - mean) * jax.lax.rsqrt(variance + 1e-5) * scale + shift

    return pulled_back(jax, f, normal(rows, columns), normal(rows, columns, seed=1))


def cross_entropy_of(jax, logits, labels):
    picked = jax.numpy.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], axis=1)
    return -picked.mean()


def cross_entropy(jax, rows: int, columns: int):
    labels = jax.numpy.asarray(np.random.default_rng(2).integers(0, columns, rows), "int32")
    return pulled_back(jax, lambda x: cross_entropy_of(jax, x, labels), normal(rows, columns),
                       np.float32(1))


# ------------------------------------------------------------------ products and windows


def matmul(jax, *shapes):
    return on(jax.jit(jax.numpy.matmul), *(jax.numpy.asarray(normal(*s, seed=i))
                                           for i, s in enumerate(shapes)))


def convolve(jax, x, w):
    return jax.lax.conv_general_dilated(x, w, (1, 1), "SAME",
                                        dimension_numbers=("NCHW", "OIHW", "NCHW"))


def conv(jax, batch, features, outs, size, window=3):
    return on(jax.jit(partial(convolve, jax)), *(jax.numpy.asarray(a) for a in (
        normal(batch, features, size, size), normal(outs, features, window, window, scale=0.1))))


def conv_both(jax, batch, features, outs, size, window=3):
    arrays = (normal(batch, features, size, size), normal(outs, features, window, window,
                                                          scale=0.1),
              normal(batch, outs, size, size, seed=1))

    def both(x, w, ct):
        out, pull = jax.vjp(partial(convolve, jax), x, w)
        return out, *pull(ct)

    return on(jax.jit(both), *map(jax.numpy.asarray, arrays))


def pool(jax, x):
    return jax.lax.reduce_window(x, -np.inf, jax.lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")


def max_pool(jax, batch, features, size):
    return pulled_back(jax, partial(pool, jax), normal(batch, features, size, size),
                       normal(batch, features, size // 2, size // 2, seed=1))


# ------------------------------------------------------------------ whole steps


def trained(jax, loss: Callable, params, *data, batch_arguments=True):
    """A step of Adam on `loss(params, *data)`, which keeps its state; returns the loss."""
    jnp, tree = jax.numpy, jax.tree
    params = tree.map(jnp.asarray, params)
    data = tuple(map(jnp.asarray, data))

    def update(params, m, v, t, *data):
        value, grads = jax.value_and_grad(loss)(params, *data)
        t = t + 1
        m = tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, grads)
        v = tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, grads)
        first, second = 1 - 0.9 ** t, 1 - 0.999 ** t
        params = tree.map(lambda p, m, v: p - 1e-3 * (m / first) / (jnp.sqrt(v / second) + 1e-8),
                          params, m, v)
        return params, m, v, t, value

    state = [params, tree.map(jnp.zeros_like, params), tree.map(jnp.zeros_like, params),
             jnp.float32(0)]
    run = jax.jit(update)

    def step():
        *state[:], value = run(*state, *data)
        return value

    return step


def labels(count, classes, seed=5):
    return np.random.default_rng(seed).integers(0, classes, count).astype(np.int32)


def mlp(jax):
    params = [(normal(784, 128, scale=0.04), np.zeros(128, np.float32)),
              (normal(128, 10, scale=0.1), np.zeros(10, np.float32))]

    def loss(params, x, y):
        (w1, b1), (w2, b2) = params
        return cross_entropy_of(jax, jax.nn.relu(x @ w1 + b1) @ w2 + b2, y)

    return trained(jax, loss, params, normal(32, 784), labels(32, 10))


def cnn(jax):
    params = {"c1": normal(16, 1, 3, 3, scale=0.3), "c2": normal(32, 16, 3, 3, scale=0.1),
              "w": normal(32 * 49, 10, scale=0.03), "b": np.zeros(10, np.float32)}

    def loss(params, x, y):
        h = pool(jax, jax.nn.relu(convolve(jax, x, params["c1"])))
        h = pool(jax, jax.nn.relu(convolve(jax, h, params["c2"])))
        return cross_entropy_of(jax, h.reshape(len(x), -1) @ params["w"] + params["b"], y)

    return trained(jax, loss, params, normal(32, 1, 28, 28), labels(32, 10))


def lstm(jax, steps=50, batch=32, inputs=64, hidden=128):
    jnp = jax.numpy
    params = {"w": normal(inputs, 4 * hidden, scale=0.1),
              "u": normal(hidden, 4 * hidden, scale=0.1),
              "b": np.zeros(4 * hidden, np.float32), "out": normal(hidden, 10, scale=0.1)}

    def loss(params, xs, y):
        def cell(carry, x):
            h, c = carry
            i, f, g, o = jnp.split(x @ params["w"] + h @ params["u"] + params["b"], 4, axis=-1)
            c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
            h = jax.nn.sigmoid(o) * jnp.tanh(c)
            return (h, c), None

        zero = jnp.zeros((batch, hidden))
        (h, _), _ = jax.lax.scan(cell, (zero, zero), xs)
        return cross_entropy_of(jax, h @ params["out"], y)

    return trained(jax, loss, params, normal(steps, batch, inputs), labels(batch, 10))


def gpt(jax, layers=4, width=128, heads=4, length=64, batch=8, words=64):
    jnp = jax.numpy
    block = {"ln1": np.ones(width, np.float32), "ln2": np.ones(width, np.float32),
             "qkv": normal(width, 3 * width, scale=0.05), "proj": normal(width, width, scale=0.05),
             "up": normal(width, 4 * width, scale=0.05), "down": normal(4 * width, width,
                                                                        scale=0.05)}
    params = {"words": normal(words, width, scale=0.1), "places": normal(length, width, scale=0.1),
              "blocks": [dict(block) for _ in range(layers)], "out": normal(width, words,
                                                                           scale=0.05)}
    mask = np.tril(np.ones((length, length), bool))

    def norm(x, scale):
        mean = x.mean(-1, keepdims=True)
        return (x - mean) * jax.lax.rsqrt(((x - mean) ** 2).mean(-1, keepdims=True) + 1e-5) * scale

    def attend(p, x):
        q, k, v = jnp.split(x @ p["qkv"], 3, axis=-1)
        q, k, v = (a.reshape(batch, length, heads, width // heads).transpose(0, 2, 1, 3)
                   for a in (q, k, v))
        scores = q @ k.transpose(0, 1, 3, 2) / np.sqrt(width // heads).astype(np.float32)
        weights = jax.nn.softmax(jnp.where(mask, scores, -1e9))
        return (weights @ v).transpose(0, 2, 1, 3).reshape(batch, length, width) @ p["proj"]

    def loss(params, tokens, targets):
        x = params["words"][tokens] + params["places"]
        for p in params["blocks"]:
            x = x + attend(p, norm(x, p["ln1"]))
            x = x + jax.nn.gelu(norm(x, p["ln2"]) @ p["up"]) @ p["down"]
        return cross_entropy_of(jax, (x @ params["out"]).reshape(-1, words), targets.reshape(-1))

    tokens = labels(batch * (length + 1), words).reshape(batch, length + 1)
    return trained(jax, loss, params, tokens[:, :-1], tokens[:, 1:])


# ------------------------------------------------------------------ transforms


def per_example(jax, batch=128):
    def loss(params, x, y):
        w1, w2 = params
        return jax.numpy.sum((jax.numpy.tanh(x @ w1) @ w2 - y) ** 2)

    grads = jax.jit(jax.vmap(jax.grad(loss), (None, 0, 0)))
    asarray = jax.numpy.asarray
    return on(grads, tuple(map(asarray, (normal(64, 64, scale=0.1), normal(64, 10, scale=0.1)))),
              asarray(normal(batch, 64)), asarray(normal(batch, 10)))


def hessian(jax, n=50):
    jnp = jax.numpy
    w = jnp.asarray(normal(n, n, scale=0.1))

    def f(x):
        return jnp.sum(jnp.tanh(w @ x) ** 2) + jnp.sum(jnp.exp(-x * x))

    return on(jax.jit(jax.hessian(f)), jnp.asarray(normal(n)))
