"""A classifier of layers from stax, trained with momentum from optimizers."""

import itertools

import jax.numpy as jnp
from jax import grad, jit, random
from jax.example_libraries import optimizers, stax
from jax.example_libraries.stax import (
    AvgPool, BatchNorm, Conv, Dense, FanInSum, FanOut, Flatten, Identity, LogSoftmax, MaxPool, Relu,
)


def residual(channels):
    main = stax.serial(Conv(channels, (3, 3), padding="SAME"), BatchNorm(), Relu)
    return stax.serial(FanOut(2), stax.parallel(main, Identity), FanInSum, Relu)


init_random_params, predict = stax.serial(
    Conv(8, (3, 3), padding="SAME"), Relu, residual(8), MaxPool((2, 2), strides=(2, 2)),
    residual(8), AvgPool((2, 2)), Flatten, Dense(16), Relu, Dense(3), LogSoftmax)


def loss(params, batch):
    inputs, targets = batch
    return -jnp.mean(jnp.sum(predict(params, inputs) * targets, axis=1))


def main(steps=20):
    rng = random.PRNGKey(0)
    images = random.normal(random.PRNGKey(1), (16, 8, 8, 1))
    labels = jnp.eye(3)[random.randint(random.PRNGKey(2), (16,), 0, 3)]
    output_shape, init_params = init_random_params(rng, (-1, 8, 8, 1))
    assert output_shape[-1] == 3
    schedule = optimizers.polynomial_decay(0.05, 20, 0.01, power=0.5)
    opt_init, opt_update, get_params = optimizers.momentum(schedule, mass=0.9)

    @jit
    def update(i, opt_state, batch):
        return opt_update(i, grad(loss)(get_params(opt_state), batch), opt_state)

    opt_state = opt_init(init_params)
    counter = itertools.count()
    losses = []
    for _ in range(steps):
        losses.append(float(loss(get_params(opt_state), (images, labels))))
        opt_state = update(next(counter), opt_state, (images, labels))
    return losses
