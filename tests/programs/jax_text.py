"""A recurrent language model that is trained a little and then writes, by sampling in a scan."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

CORPUS = "a stitch in time saves nine. all that glitters is not gold. " * 3
LETTERS = sorted(set(CORPUS))


def init(key, width=24):
    a, b, c = jax.random.split(key, 3)
    scale = jax.nn.initializers.variance_scaling(1.0, "fan_in", "truncated_normal")
    return {"embed": jax.random.normal(a, (len(LETTERS), width)) * 0.3,
            "recur": scale(b, (width, width)), "out": scale(c, (width, len(LETTERS)))}


def cell(params, h, token):
    h = jnp.tanh(h @ params["recur"] + params["embed"][token])
    return h, h @ params["out"]


@jax.jit
def loss_fn(params, tokens):
    step = jax.checkpoint(lambda h, token: cell(params, h, token))
    _, logits = lax.scan(step, jnp.zeros(params["recur"].shape[0]), tokens[:-1])
    return -jnp.mean(jax.nn.log_softmax(logits)[jnp.arange(len(tokens) - 1), tokens[1:]])


def generate(params, key, length, temperature):
    def step(carry, key):
        h, token = carry
        h, logits = cell(params, h, token)
        top, places = lax.top_k(logits / temperature, 5)
        token = places[jax.random.categorical(key, top)]
        return (h, token), token

    start = jnp.zeros(params["recur"].shape[0]), jnp.int32(0)
    return lax.scan(step, start, jax.random.split(key, length))[1]


def main(steps=20):
    ids = jnp.array([LETTERS.index(c) for c in CORPUS])
    params = init(jax.random.PRNGKey(0))
    history = []
    for i in range(steps):
        window = lax.dynamic_slice_in_dim(ids, (i * 7) % 100, 40)
        loss, grads = jax.value_and_grad(loss_fn)(params, window)
        params = jax.tree.map(lambda p, g: p - 0.5 * g, params, grads)
        history.append(float(loss))
    write = jax.jit(generate, static_argnames=("length", "temperature"))
    text = write(params, jax.random.PRNGKey(1), length=30, temperature=0.8)
    assert set(np.asarray(text)) <= set(range(len(LETTERS)))
    return [*history, *map(int, text)]
