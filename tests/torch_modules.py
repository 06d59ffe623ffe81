"""Modules of the real PyTorch that `from_torch` takes over, with an input and a step of each."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

import compat
import compat.torch

torch.manual_seed(0)


class Residual(nn.Module):
    """Convolutions, batch norm with its buffers, dropout, pooling, a linear layer."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.again = nn.Conv2d(8, 8, 3, padding=1)
        self.drop, self.head = nn.Dropout(0.1), nn.Linear(8, 4)

    def forward(self, x):
        h = torch.relu(self.norm(self.conv(x)))
        h = torch.max_pool2d(h + self.again(h), 2)
        return self.head(self.drop(h.mean((2, 3))))


class Tokens(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.rnn = nn.Embedding(11, 6), nn.LSTM(6, 5, batch_first=True)
        self.head = nn.Linear(5, 3)

    def forward(self, ids):
        return self.head(self.rnn(self.embed(ids))[0][:, -1])


IDS = torch.randint(0, 11, (4, 7))
MODULES = {
    "mlp": (nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 2)), torch.randn(4, 8)),
    "residual": (Residual(), torch.randn(4, 3, 8, 8)),
    "tokens": (Tokens(), IDS),
    "transformer": (nn.TransformerEncoderLayer(16, 2, 32, batch_first=True),
                    torch.randn(2, 5, 16)),
}


def step_of(framework, model) -> Callable:
    """A step of gradient descent with momentum; gives the loss."""
    optimizer = framework.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)

    def step(x):
        loss = (model(x) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


def trained_pair(name: str):
    """(the module, its step), (what `from_torch` makes of it, its step), (its input, ours); both
    generators start from the same seed."""
    module, x = MODULES[name]
    module.train()
    ours = compat.from_torch(module, (x,))
    assert set(ours.state_dict()) == set(module.state_dict())
    pair = (module, step_of(torch, module)), (ours, step_of(compat.torch, ours))
    torch.manual_seed(1)
    compat.torch.manual_seed(1)
    return *pair, (x, compat.torch.from_numpy(x.numpy().copy()))
