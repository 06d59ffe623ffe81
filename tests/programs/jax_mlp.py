"""A multilayer perceptron from scratch: initializers, one-hot labels, SGD by tree.map."""

import jax
import jax.numpy as jnp
from jax import grad, jit, random, vmap
from jax.nn import log_softmax, one_hot


def init_layers(sizes, key, scale=0.3):
    keys = random.split(key, len(sizes))
    return [(scale * random.normal(k, (n, m)), jnp.zeros((n,)))
            for m, n, k in zip(sizes[:-1], sizes[1:], keys)]


def predict(params, image):
    activations = image
    for w, b in params[:-1]:
        activations = jax.nn.relu(jnp.dot(w, activations) + b)
    w, b = params[-1]
    return log_softmax(jnp.dot(w, activations) + b)


batched_predict = vmap(predict, in_axes=(None, 0))


def loss(params, images, targets):
    return -jnp.mean(jnp.sum(batched_predict(params, images) * targets, axis=1))


@jit
def update(params, x, y, step_size=0.1):
    grads = grad(loss)(params, x, y)
    return jax.tree.map(lambda p, g: p - step_size * g, params, grads)


def main(steps=20):
    key = random.PRNGKey(0)
    params = init_layers([20, 32, 16, 4], key)
    x = random.normal(random.PRNGKey(1), (64, 20))
    y = one_hot(jnp.argmax(x[:, :4], axis=1), 4)
    losses = []
    for _ in range(steps):
        losses.append(float(loss(params, x, y)))
        params = update(params, x, y)
    accuracy = jnp.mean(jnp.argmax(batched_predict(params, x), axis=1) == jnp.argmax(y, axis=1))
    return [*losses, float(accuracy)]
