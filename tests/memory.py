"""Does training leak? `python -m tests.memory` runs 10,000 steps and prints what they left."""

import gc
import resource
import sys

import numpy as np

from minigrad.imperative.modes import grad_mode
from tests.tensors import matmul, tensor

LIMIT = 5e6  # bytes in 10,000 steps


def resident() -> int:
    """Bytes of memory that the process occupies now (at most so far, where /proc is missing)."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * resource.getpagesize()
    except OSError:
        scale = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale


def train(steps: int) -> float:
    """Momentum on a small network, with everything a step may leave behind: views, writes, hooks,
    retained gradients, gradients of gradients."""
    random = np.random.default_rng(0)
    weights = [tensor(random.normal(size=s) * 0.3, requires_grad=True) for s in ((8, 16), (16, 1))]
    momenta = [tensor(np.zeros(w.shape)) for w in weights]
    x, y = tensor(random.normal(size=(32, 8))), tensor(random.normal(size=(32, 1)))
    for step in range(steps):
        hidden = matmul(x, weights[0]).tanh() * 1.0
        hidden.retain_grad()
        hidden[0].mul_(0.5)
        hidden.register_hook(lambda g: g * 1.0)
        error = matmul(hidden, weights[1]) - y
        loss = (error * error).sum() * (1 / 32)
        loss.backward(create_graph=step % 50 == 0)
        with grad_mode(False):
            for w, m in zip(weights, momenta):
                m.mul_(0.9).add_(w.grad)
                w.sub_(m * 0.01)
                w.grad = None
    return loss.item()


def growth(steps: int) -> int:
    gc.collect()
    before = resident()
    train(steps)
    gc.collect()
    return resident() - before


if __name__ == "__main__":
    train(500)
    grown = growth(10_000)
    print(f"10,000 steps: {grown / 1e6:+.2f} MB (limit {LIMIT / 1e6:.0f})")
    sys.exit(grown > LIMIT)
