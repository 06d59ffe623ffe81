"""Regressions: normal equations, custom_vjp clipping, custom_jvp softplus, Huber loss, IRLS."""

import jax
import jax.numpy as jnp
from jax import lax


@jax.custom_vjp
def clip_gradient(lo, hi, x):
    return x


clip_gradient.defvjp(lambda lo, hi, x: (x, (lo, hi)),
                     lambda res, g: (None, None, jnp.clip(g, res[0], res[1])))


@jax.custom_jvp
def log1pexp(x):
    return jnp.log(1.0 + jnp.exp(x))


@log1pexp.defjvp
def log1pexp_jvp(primals, tangents):
    (x,), (t,) = primals, tangents
    return log1pexp(x), (1 - 1 / (1 + jnp.exp(x))) * t


def huber(error, delta=0.5):
    size = jnp.abs(error)
    return jnp.where(size < delta, 0.5 * error ** 2, delta * (size - 0.5 * delta))


def model(params, x):
    hidden = jax.vmap(log1pexp)(x @ params["w"] + params["b"])
    return clip_gradient(-0.02, 0.02, hidden @ params["v"])


@jax.jit
def step(params, x, y):
    def objective(params):
        return jnp.mean(huber(model(params, x) - y))

    value, grads = jax.value_and_grad(objective)(params)
    return jax.tree.map(lambda p, g: p - 0.5 * g, params, grads), value


def irls(x, y, rounds):
    def body(_, w):
        p = jax.nn.sigmoid(x @ w)
        weights = p * (1 - p) + 1e-6
        gram = (x * weights[:, None]).T @ x + 0.1 * jnp.eye(x.shape[1])
        return w + jnp.linalg.solve(gram, x.T @ (y - p) - 0.1 * w)

    return lax.fori_loop(0, rounds, body, jnp.zeros(x.shape[1]))


def main(steps=20):
    key = jax.random.key(11)
    x = jax.random.normal(key, (40, 3))
    y = jnp.sin(x[:, 0]) + 0.5 * x[:, 1]
    design = jnp.column_stack([jnp.ones(40), x])
    exact, *_ = jnp.linalg.lstsq(design, y)
    fitted = jnp.polyfit(x[:, 0], y, 3)
    params = {"w": jax.random.normal(key, (3, 8)) * 0.5, "b": jnp.zeros(8), "v": jnp.ones(8) * 0.1}
    history = []
    for _ in range(steps):
        params, value = step(params, x, y)
        history.append(float(value))
    logistic = irls(design, (y > 0).astype(jnp.float32), 6)
    return [*history, *map(float, exact), *map(float, fitted), *map(float, logistic)]
