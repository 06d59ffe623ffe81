"""Whole training steps through the faces: eager and staged, against torch and `jax.jit`."""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("JAX_PLATFORMS", "cpu")

import numpy as np  # noqa: E402

from tests.bench.timing import Workload, run, seconds_per_call  # noqa: E402

BATCH, SIZES = 32, (784, 128, 10)


def data():
    rng = np.random.default_rng(0)
    return rng.random((BATCH, SIZES[0]), np.float32), rng.integers(0, SIZES[-1], BATCH)


def torch_step(torch, optimizer: str, staged: bool = False):
    """Forward, backward, update: an MLP in torch style, perhaps under `torch.compile`."""
    torch.manual_seed(0)
    nn = torch.nn
    model = nn.Sequential(nn.Linear(*SIZES[:2]), nn.ReLU(), nn.Linear(*SIZES[1:]))
    update = getattr(torch.optim, optimizer)(model.parameters(), lr=1e-3)
    x, y = map(torch.tensor, data())

    def step():
        update.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        update.step()
        return loss

    return torch.compile(step) if staged else step


def jax_step(jax):
    """The same network in jax style, with plain gradient descent: `jit(value_and_grad)`."""
    jnp = jax.numpy
    keys = jax.random.split(jax.random.key(0))
    params = [(0.05 * jax.random.normal(key, shape), jnp.zeros(shape[1]))
              for key, shape in zip(keys, (SIZES[:2], SIZES[1:]))]
    x, y = data()
    x, y = jnp.asarray(x), jnp.asarray(y, jnp.int32)

    def loss_of(params, x, y):
        (w1, b1), (w2, b2) = params
        log_p = jax.nn.log_softmax(jax.nn.relu(x @ w1 + b1) @ w2 + b2)
        return -jnp.mean(jnp.take_along_axis(log_p, y[:, None], axis=1))

    @jax.jit
    def update(params, x, y):
        loss, grads = jax.value_and_grad(loss_of)(params, x, y)
        return jax.tree.map(lambda p, g: p - 1e-3 * g, params, grads), loss

    def step():
        nonlocal params
        params, loss = update(params, x, y)
        return float(loss)  # waits for the result

    return step


def main() -> None:
    import jax
    import torch

    import compat.jax
    import compat.torch

    torch.set_num_threads(1)
    run([Workload(f"MLP, {name}, {'jit' if staged else 'eager'}",
                  torch_step(compat.torch, name, staged), torch_step(torch, name))
         for name in ("SGD", "Adam") for staged in (False, True)],
        "whole steps, one thread, against torch eager", "torch")
    steps = {"minigrad": jax_step(compat.jax), "jax": jax_step(jax)}
    for name, step in steps.items():
        first = seconds_per_call(step, 1)
        print(f"first call of jit(value_and_grad), {name}: {first * 1e3:.0f} ms")
    run([Workload("MLP, SGD, jit(value_and_grad)", steps["minigrad"], steps["jax"])],
        "whole steps against jax.jit", "jax")


if __name__ == "__main__":
    main()
