"""Eager speed against PyTorch, one thread: the same program, written once, on both."""

from __future__ import annotations

import os

os.environ.update(OPENBLAS_NUM_THREADS="1", MINIGRAD_NUM_THREADS="1")

import numpy as np  # noqa: E402

from tests.bench.timing import Workload, run  # noqa: E402


def scalar_graph(torch):
    """A little expression of scalars with shared parts, forward and backward."""
    a, b, c = (torch.tensor(v, requires_grad=True) for v in (0.5, -1.5, 2.0))

    def step():
        x = a
        for _ in range(20):
            y = x * b + c
            z = torch.tanh(y - x * a)
            x = z * z + y * 0.1
        x.backward()

    return step


def chain(torch, shape, ops):
    """A chain of elementwise operations, forward and backward."""
    rng = np.random.default_rng(0)
    x = torch.tensor(rng.random(shape, np.float32), requires_grad=True)
    w = torch.tensor(rng.random(shape, np.float32), requires_grad=True)
    g = torch.tensor(np.ones(shape, np.float32))

    def step():
        y = x
        for _ in range(ops // 4):
            y = y * w + x
            y = torch.tanh(y) - w
        y.backward(g)

    return step


def mlp(torch):
    """784-128-10 on a batch of 32: forward, backward, SGD."""
    torch.manual_seed(0)
    nn = torch.nn
    model = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    rng = np.random.default_rng(0)
    x = torch.tensor(rng.random((32, 784), np.float32))
    y = torch.tensor(rng.integers(0, 10, 32))

    def step():
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()

    return step


def double_backward(torch):
    rng = np.random.default_rng(0)
    x = torch.tensor(rng.random((32, 32), np.float32), requires_grad=True)
    w = torch.tensor(rng.random((32, 32), np.float32), requires_grad=True)

    def step():
        y = x
        for _ in range(5):
            y = torch.tanh(y * w) + x
        (g,) = torch.autograd.grad(y.sum(), x, create_graph=True)
        (g * g).sum().backward()

    return step


def main() -> None:
    import torch

    import compat.torch as ours

    torch.set_num_threads(1)

    def pair(name, build, target, *args):
        return Workload(name, build(ours, *args), build(torch, *args), target)

    run([
        pair("scalar graph, forward + backward", scalar_graph, 0.45),
        pair("chain of 100 ops, (32, 32)", chain, 0.7, (32, 32), 100),
        pair("MLP 784-128-10, batch 32, SGD", mlp, 0.85),
        pair("double backward, (32, 32)", double_backward, 0.9),
        pair("chain of 16 ops, 1e6 elements", chain, 1.0, (1000, 1000), 16),
    ], "eager, one thread", "torch")


if __name__ == "__main__":
    main()
