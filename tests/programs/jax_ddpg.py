"""DDPG on a cart-pole with a continuous force: replay, target networks, soft updates."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax


class Transition(NamedTuple):
    state: jax.Array
    action: jax.Array
    reward: jax.Array
    following: jax.Array


def physics(state, action):
    x, dx, angle, spin = state
    force = 10.0 * action
    inertia = (force + 0.05 * spin ** 2 * jnp.sin(angle)) / 1.1
    turn = (9.8 * jnp.sin(angle) - jnp.cos(angle) * inertia) / (
        0.5 * (4.0 / 3.0 - 0.1 * jnp.cos(angle) ** 2 / 1.1))
    push = inertia - 0.05 * turn * jnp.cos(angle) / 1.1
    return jnp.array([x + 0.02 * dx, dx + 0.02 * push, angle + 0.02 * spin, spin + 0.02 * turn])


def dense(key, n, m):
    return jax.random.uniform(key, (n, m), minval=-1, maxval=1) / jnp.sqrt(n), jnp.zeros(m)


def network(key, sizes):
    return [dense(k, n, m) for k, n, m in zip(jax.random.split(key, len(sizes)), sizes, sizes[1:])]


def forward(params, x):
    for w, b in params[:-1]:
        x = jnp.tanh(x @ w + b)
    w, b = params[-1]
    return x @ w + b


def policy(params, state):
    return jnp.tanh(forward(params, state))[..., 0]


def quality(params, state, action):
    return forward(params, jnp.concatenate([state, action[..., None]], -1))[..., 0]


def collect(params, key, steps):
    def act(carry, key):
        state = carry
        noise = 0.3 * jax.random.normal(key)
        action = jnp.clip(policy(params, state) + noise, -1.0, 1.0)
        following = physics(state, action)
        fallen = jnp.abs(following[2]) > 0.4
        reward = jnp.where(fallen, -1.0, jnp.cos(following[2]))
        start = jnp.array([0.0, 0.0, 0.05, 0.0])
        return lax.select(fallen, start, following), Transition(state, action, reward, following)

    return lax.scan(act, jnp.array([0.0, 0.0, 0.05, 0.0]), jax.random.split(key, steps))[1]


def critic_loss(critic, targets, batch):
    actor_t, critic_t = targets
    best = quality(critic_t, batch.following, policy(actor_t, batch.following))
    goal = lax.stop_gradient(batch.reward + 0.95 * best)
    return jnp.mean((quality(critic, batch.state, batch.action) - goal) ** 2)


def actor_loss(actor, critic, batch):
    return -quality(critic, batch.state, policy(actor, batch.state)).mean()


@jax.jit
def train_step(actor, critic, targets, batch):
    c_loss, c_grads = jax.value_and_grad(critic_loss)(critic, targets, batch)
    critic = jax.tree.map(lambda p, g: p - 0.05 * g, critic, c_grads)
    a_loss, a_grads = jax.value_and_grad(actor_loss)(actor, critic, batch)
    actor = jax.tree.map(lambda p, g: p - 0.02 * g, actor, a_grads)
    targets = jax.tree.map(lambda t, p: 0.95 * t + 0.05 * p, targets, (actor, critic))
    return actor, critic, targets, c_loss, a_loss


def main(steps=20):
    k1, k2, k3 = jax.random.split(jax.random.key(0), 3)
    actor, critic = network(k1, [4, 16, 1]), network(k2, [5, 16, 1])
    targets = (actor, critic)
    replay = jax.jit(partial(collect, steps=64))(actor, k3)
    history = []
    for i in range(steps):
        index = jax.random.choice(jax.random.fold_in(k3, i), 64, (32,), replace=False)
        batch = jax.tree.map(lambda x, index=index: x[index], replay)
        actor, critic, targets, c_loss, a_loss = train_step(actor, critic, targets, batch)
        history += [float(c_loss), float(a_loss)]
    return history
