"""Operations and updates that became hot: compiled, they compute and complain as before."""

import numpy as np
import pytest
import torch

import compat.torch as ours
from minigrad.eager.hot import HOT

OPTIMIZERS = {
    "SGD": {"lr": 0.05}, "SGD with momentum": {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.01},
    "Adam": {"lr": 0.01}, "AdamW": {"lr": 0.01, "amsgrad": True}, "RMSprop": {"lr": 0.01},
    "Adagrad": {"lr": 0.01}, "NAdam": {"lr": 0.01},
}


def train(library, name, steps):
    """Losses of a small network with a norm, a softmax and a frozen layer."""
    library.manual_seed(0)
    nn = library.nn
    model = nn.Sequential(nn.Linear(6, 8), nn.LayerNorm(8), nn.GELU(), nn.Linear(8, 5))
    optimizer = getattr(library.optim, name.split()[0])(model.parameters(), **OPTIMIZERS[name])
    scheduler = library.optim.lr_scheduler.StepLR(optimizer, 7, 0.7)
    x, y = library.randn(10, 6), library.randint(0, 5, (10,))
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        scheduler.step()
        losses.append(loss.item())
    return losses, model


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_training_goes_on_alike(name):
    expected, _ = train(torch, name, 2 * HOT)
    got, _ = train(ours, name, 2 * HOT)
    np.testing.assert_allclose(got, expected, rtol=2e-5)


def test_hot_updates_write_in_place():
    _, model = train(ours, "Adam", HOT + 2)
    optimizer = ours.optim.Adam(model.parameters(), lr=0.1)
    for p in model.parameters():
        p.grad = ours.ones_like(p)
    arrays = []
    for _ in range(HOT + 4):
        optimizer.step()
        arrays.append([p.value for p in model.parameters()])
    assert all(a is b for a, b in zip(arrays[-1], arrays[-2]))


def test_a_saved_parameter_that_was_updated_is_noticed():
    w = ours.nn.Parameter(ours.ones(40))
    optimizer = ours.optim.SGD([w], lr=0.1)
    for _ in range(HOT + 2):
        optimizer.zero_grad()
        (w * w).sum().backward()
        optimizer.step()
    loss = (w * w * w).sum()
    w.grad = ours.ones(40)
    optimizer.step()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_a_parameter_that_is_no_contiguous_array():
    base = np.ones((3, 50), np.float32)
    w = ours.nn.Parameter(ours.from_numpy(base.T))
    optimizer = ours.optim.SGD([w], lr=0.1)
    for _ in range(HOT + 3):
        w.grad = ours.ones(50, 3)
        optimizer.step()
    np.testing.assert_allclose(base, 1 - 0.1 * (HOT + 3), rtol=1e-5)


def test_hot_results_are_their_owners():
    """A result that somebody holds keeps its numbers, whatever is computed after it."""
    x = ours.linspace(-2, 2, 400).reshape(20, 20)
    kept = []
    for i in range(3 * HOT):
        kept.append(ours.softmax(x + i * x, -1))
        kept[-1].mul_(2.0)
    for i, value in enumerate(kept):
        expected = torch.softmax(torch.linspace(-2, 2, 400).reshape(20, 20) * (1 + i), -1) * 2
        np.testing.assert_allclose(value.numpy(), expected.numpy(), rtol=2e-5, atol=1e-7)


def test_hot_operations_with_scalars_strides_and_double_backward():
    x = ours.linspace(0.1, 2, 120, dtype=ours.float64).reshape(12, 10).T.requires_grad_()
    y = torch.linspace(0.1, 2, 120, dtype=torch.float64).reshape(12, 10).T.requires_grad_()

    def second(library, value):
        out = library.nn.functional.gelu(value * 0.5).sum() * library.tanh(value.mean())
        (g,) = library.autograd.grad(out, value, create_graph=True)
        return library.autograd.grad((g * g).sum(), value)[0]

    expected = second(torch, y)
    for _ in range(HOT + 4):
        np.testing.assert_allclose(second(ours, x).numpy(), expected.numpy(), rtol=1e-9)
