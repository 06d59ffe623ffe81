"""A causal transformer on characters: attention, layer norm, positions, weight decay."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

TEXT = "the quick brown fox jumps over the lazy dog. " * 4


class Block(NamedTuple):
    qkv: jax.Array
    out: jax.Array
    up: jax.Array
    down: jax.Array
    gain: jax.Array


def init(key, vocabulary, width=16, heads=2, layers=2, length=16):
    normal = jax.nn.initializers.normal(0.1)
    key, *keys = jax.random.split(key, 4)
    blocks = []
    for k in jax.random.split(key, layers):
        a, b, c, d = jax.random.split(k, 4)
        blocks.append(Block(normal(a, (width, 3, heads, width // heads)),
                            normal(b, (heads, width // heads, width)),
                            normal(c, (width, 4 * width)),
                            normal(d, (4 * width, width)), jnp.ones((2, width))))
    return {"tokens": normal(keys[0], (vocabulary, width)),
            "positions": normal(keys[1], (length, width)), "blocks": blocks}


def layer_norm(x, gain):
    mean, var = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    return gain * (x - mean) / jnp.sqrt(var + 1e-5)


def attention(block, x):
    q, k, v = jnp.einsum("btd,dchk->cbhtk", x, block.qkv)
    scores = jnp.einsum("bhtk,bhsk->bhts", q, k) / np.sqrt(q.shape[-1])
    mask = jnp.tril(jnp.ones(scores.shape[-2:], dtype=bool))
    weights = jax.nn.softmax(jnp.where(mask, scores, -jnp.inf), axis=-1)
    return jnp.einsum("bhts,bhsk,hkd->btd", weights, v, block.out)


def logits_of(params, tokens):
    x = params["tokens"][tokens] + params["positions"][:tokens.shape[1]]
    for block in params["blocks"]:
        x = x + attention(block, layer_norm(x, block.gain[0]))
        x = x + jax.nn.gelu(layer_norm(x, block.gain[1]) @ block.up) @ block.down
    return x @ params["tokens"].T


def loss_fn(params, tokens):
    logp = jax.nn.log_softmax(logits_of(params, tokens[:, :-1]))
    return -jnp.mean(jnp.take_along_axis(logp, tokens[:, 1:, None], -1))


@partial(jax.jit, donate_argnums=(0, 1))
def update(params, moments, step, tokens):
    loss, grads = jax.value_and_grad(loss_fn)(params, tokens)

    def adamw(p, g, m):
        m = (0.9 * m[0] + 0.1 * g, 0.99 * m[1] + 0.01 * g * g)
        scaled = (m[0] / (1 - 0.9 ** step)) / (jnp.sqrt(m[1] / (1 - 0.99 ** step)) + 1e-8)
        return p - 0.01 * (scaled + 0.01 * p), m

    flat, tree = jax.tree.flatten(params)
    pairs = [adamw(p, g, m) for p, g, m in zip(flat, jax.tree.leaves(grads), moments)]
    return tree.unflatten([p for p, _ in pairs]), [m for _, m in pairs], loss


def main(steps=20):
    letters = sorted(set(TEXT))
    ids = np.array([letters.index(c) for c in TEXT])
    params = init(jax.random.key(0), len(letters))
    moments = [(jnp.zeros_like(p), jnp.zeros_like(p)) for p in jax.tree.leaves(params)]
    losses = []
    for i in range(steps):
        starts = np.asarray(jax.random.randint(jax.random.key(i), (8,), 0, len(ids) - 17))
        batch = jnp.array(np.stack([ids[s:s + 17] for s in starts]))
        params, moments, loss = update(params, moments, jnp.float32(i + 1), batch)
        losses.append(float(loss))
    return losses
