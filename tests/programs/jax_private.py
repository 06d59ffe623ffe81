"""Differentially private SGD: gradients of each example, clipped, summed, with noise."""

import jax
import jax.numpy as jnp
from jax import grad, jit, random, vmap
from jax.example_libraries import optimizers, stax
from jax.flatten_util import ravel_pytree
from jax.tree_util import tree_flatten, tree_unflatten

init_random_params, predict = stax.serial(
    stax.Conv(4, (3, 3), padding="SAME", strides=(2, 2)), stax.Relu, stax.MaxPool((2, 2), (1, 1)),
    stax.Flatten, stax.Dense(8), stax.Tanh, stax.Dense(3))


def loss(params, batch):
    inputs, targets = batch
    logits = jax.nn.log_softmax(predict(params, inputs))
    return -jnp.mean(jnp.sum(logits * targets, axis=1))


def clipped_grad(params, l2_norm_clip, single_example_batch):
    grads = grad(loss)(params, single_example_batch)
    nonempty, tree = tree_flatten(grads)
    total = jnp.linalg.norm(jnp.array([jnp.linalg.norm(g.ravel()) for g in nonempty]))
    divisor = jnp.maximum(total / l2_norm_clip, 1.0)
    return tree_unflatten(tree, [g / divisor for g in nonempty])


def private_grad(params, batch, rng, l2_norm_clip, noise_multiplier, batch_size):
    clipped = vmap(clipped_grad, (None, None, 0))(params, l2_norm_clip, batch)
    clipped, tree = tree_flatten(clipped)
    aggregated = [g.sum(0) for g in clipped]
    rngs = random.split(rng, len(aggregated))
    noised = [g + l2_norm_clip * noise_multiplier * random.normal(r, g.shape)
              for r, g in zip(rngs, aggregated)]
    return tree_unflatten(tree, [g / batch_size for g in noised])


def main(steps=20):
    key = random.PRNGKey(0)
    _, params = init_random_params(key, (-1, 8, 8, 1))
    images = random.normal(random.PRNGKey(1), (16, 8, 8, 1))
    labels = jax.nn.one_hot(jnp.arange(16) % 3, 3)
    opt_init, opt_update, get_params = optimizers.sgd(0.3)
    opt_state = opt_init(params)

    @jit
    def update(rng, i, opt_state, batch):
        params = get_params(opt_state)
        rng = random.fold_in(rng, i)
        grads = private_grad(params, batch, rng, 1.0, 0.1, 16)
        return opt_update(i, grads, opt_state)

    history = []
    batch = (jnp.expand_dims(images, 1), jnp.expand_dims(labels, 1))
    for i in range(steps):
        opt_state = update(key, i, opt_state, batch)
        history.append(float(loss(get_params(opt_state), (images, labels))))
    flat, unravel = ravel_pytree(get_params(opt_state))
    assert jax.tree.structure(unravel(flat)) == jax.tree.structure(params)
    return [*history, float(jnp.linalg.norm(flat))]
