"""Models and optimizers of Flax, Haiku, Equinox and Optax: a training step each.

A case gives (step, state, batch), `step(state, batch) -> (state, loss)` written for the real JAX,
which `tests/test_ecosystem.py` runs there and here. Wants the extra `ecosystem`.

    python -m tests.ecosystem      how far the losses of 20 steps are apart, and the times of a
                                   step; so for modules of torch.nn through `from_torch`
"""

from __future__ import annotations

import time
from collections.abc import Callable

import jax
import numpy as np
from jax import numpy as jnp

from tests.torch_modules import MODULES, trained_pair

RNG = np.random.default_rng(0)
ROWS = RNG.standard_normal((16, 8)).astype(np.float32)
TARGETS = np.tanh(ROWS @ RNG.standard_normal((8, 4)).astype(np.float32))
IMAGES = RNG.standard_normal((4, 8, 8, 2)).astype(np.float32)
LABELS = np.int32([0, 2, 1, 2])
SEQUENCES = RNG.standard_normal((3, 5, 8)).astype(np.float32)


def squared(prediction, target):
    return jnp.mean((prediction - target) ** 2)


def cross_entropy(logits, labels):
    chosen = jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], 1)
    return -chosen.mean()


def training(loss: Callable, params, optimizer) -> tuple[Callable, tuple]:
    """A step of Optax on `loss(params, batch)`."""
    import optax

    def step(state, batch):
        params, opt_state = state
        value, grads = jax.value_and_grad(loss)(params, batch)
        updates, opt_state = optimizer.update(grads, opt_state, params)
        return (optax.apply_updates(params, updates), opt_state), value

    return step, (params, optimizer.init(params))


def optimizers() -> dict:
    import optax

    return {
        "sgd with momentum": optax.sgd(0.05, momentum=0.9, nesterov=True),
        "adam": optax.adam(1e-2),
        "adamw, clipped": optax.chain(optax.clip_by_global_norm(1.0),
                                      optax.adamw(1e-2, weight_decay=1e-2)),
        "cosine schedule": optax.sgd(optax.cosine_decay_schedule(0.1, 20)),
    }


# ------------------------------------------------------------------ Flax


def flax_case(module, batch, loss):
    variables = module.init(jax.random.key(0), batch[0])
    params = variables["params"]
    return training(lambda p, b: loss(module.apply({"params": p}, b[0]), b[1]), params,
                    optimizers()["adam"])


def flax_mlp():
    from flax import linen as nn

    module = nn.Sequential([nn.Dense(16), nn.gelu, nn.LayerNorm(), nn.Dense(4)])
    return *flax_case(module, (ROWS, TARGETS), squared), (ROWS, TARGETS)


def flax_cnn():
    from flax import linen as nn

    class Net(nn.Module):
        @nn.compact
        def __call__(self, x):
            x = nn.relu(nn.Conv(4, (3, 3))(x))
            x = nn.avg_pool(x, (2, 2), (2, 2))
            x = nn.GroupNorm(2)(nn.max_pool(nn.Conv(8, (3, 3), strides=(2, 2))(x), (2, 2)))
            return nn.Dense(3)(x.reshape(len(x), -1))

    return *flax_case(Net(), (IMAGES, LABELS), cross_entropy), (IMAGES, LABELS)


def flax_lstm():
    from flax import linen as nn

    class Net(nn.Module):
        @nn.compact
        def __call__(self, x):
            return nn.Dense(3)(nn.RNN(nn.OptimizedLSTMCell(6))(x)[:, -1])

    labels = LABELS[:3]
    return *flax_case(Net(), (SEQUENCES, labels), cross_entropy), (SEQUENCES, labels)


def flax_attention():
    from flax import linen as nn

    class Net(nn.Module):
        @nn.compact
        def __call__(self, x):
            mask = nn.make_causal_mask(x[..., 0])
            return nn.Dense(3)(x + nn.MultiHeadDotProductAttention(2)(x, mask=mask)).mean(1)

    labels = LABELS[:3]
    return *flax_case(Net(), (SEQUENCES, labels), cross_entropy), (SEQUENCES, labels)


# ------------------------------------------------------------------ Haiku, Equinox, Optax


def haiku_mlp():
    import haiku as hk

    net = hk.transform(lambda x: hk.Linear(4)(jax.nn.relu(hk.Linear(16)(x))))
    params = net.init(jax.random.PRNGKey(0), ROWS)
    step, state = training(lambda p, b: squared(net.apply(p, None, b[0]), b[1]), params,
                           optimizers()["sgd with momentum"])
    return step, state, (ROWS, TARGETS)


def haiku_with_dropout():
    import haiku as hk

    def forward(x):
        x = hk.Linear(16)(x)
        return hk.Linear(4)(hk.dropout(hk.next_rng_key(), 0.3, jax.nn.relu(x)))

    net = hk.transform(forward)
    params = net.init(jax.random.PRNGKey(0), ROWS)
    key = jax.random.PRNGKey(5)
    step, state = training(lambda p, b: squared(net.apply(p, key, b[0]), b[1]), params,
                           optimizers()["adam"])
    return step, state, (ROWS, TARGETS)


def equinox_mlp():
    import equinox as eqx

    model = eqx.nn.MLP(8, 4, 16, 2, key=jax.random.key(0))
    params, static = eqx.partition(model, eqx.is_array)

    def loss(params, batch):
        return squared(jax.vmap(eqx.combine(params, static))(batch[0]), batch[1])

    return *training(loss, params, optimizers()["adamw, clipped"]), (ROWS, TARGETS)


def scheduled():
    params = {"w": np.zeros((8, 4), np.float32), "b": np.zeros(4, np.float32)}
    return *training(lambda p, b: squared(jnp.tanh(b[0] @ p["w"] + p["b"]), b[1]), params,
                     optimizers()["cosine schedule"]), (ROWS, TARGETS)


CASES = {f.__name__: f for f in (
    flax_mlp, flax_cnn, flax_lstm, flax_attention, haiku_mlp, haiku_with_dropout, equinox_mlp,
    scheduled)}


def losses(step: Callable, state, batch, count: int = 20) -> list[float]:
    """The loss of each of `count` steps."""
    found = []
    for _ in range(count):
        state, loss = step(state, batch)
        found.append(float(loss))
    return found


def apart(ours: list[float], theirs: list[float]) -> float:
    """The largest relative difference of two loss curves."""
    return float(np.max(np.abs(np.array(ours) - theirs) / np.abs(theirs)))


def time_of(step: Callable, state, batch) -> float:
    """Seconds of one step, the best of 20."""
    times = []
    for _ in range(20):
        start = time.perf_counter()
        state, loss = step(state, batch)
        float(loss)
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    import compat

    print(f"{'case':20} {'losses apart':>12} {'ours, ms':>9} {'jax.jit, ms':>11}")
    for name, make in CASES.items():
        step, state, batch = make()
        ours, theirs = compat.from_jax(step), jax.jit(step)
        distance = apart(losses(ours, state, batch), losses(theirs, state, batch))
        times = (1e3 * time_of(f, state, batch) for f in (ours, theirs))
        print(f"{name:20} {distance:12.1e} {next(times):9.2f} {next(times):11.2f}", flush=True)
    print(f"\n{'torch.nn':20} {'losses apart':>12} {'compiled':>9} {'torch, ms':>11}")
    for name in MODULES:
        (_, theirs), (_, ours), given = trained_pair(name)
        steps = [lambda _, x, f=f: (None, f(x)) for f in (compat.torch.compile(ours), theirs)]
        distance = apart(*(losses(f, None, x) for f, x in zip(steps, given[::-1])))
        times = (1e3 * time_of(f, None, x) for f, x in zip(steps, given[::-1]))
        print(f"{name:20} {distance:12.1e} {next(times):9.2f} {next(times):11.2f}", flush=True)


if __name__ == "__main__":
    main()
