"""Programs in PyTorch's idiom, each written once: `build(torch)` gives a function without
arguments that runs one step and returns its results. `torch` is the real one or `compat.torch`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tests.bench.jax_programs import labels, normal, positive


def on(function: Callable, *arrays) -> Callable:
    return lambda: function(*arrays)


def tensor(torch, array, grad=False):
    x = torch.from_numpy(np.array(array)).to(torch.get_default_device())
    return x.requires_grad_() if grad else x


# ------------------------------------------------------------------ elementwise


def gelu(torch, n: int):
    return on(lambda x: torch.nn.functional.gelu(x, approximate="tanh"), tensor(torch, normal(n)))


def chain(torch, n: int):
    def f(x):
        return torch.exp(-x) * torch.sin(3 * x) + torch.log(x) * torch.cos(2 * x)

    return on(f, tensor(torch, positive(n)))


def adam(torch, n: int):
    def update(p, g, m, v):
        t = 10.0
        m = 0.9 * m + 0.1 * g
        v = 0.999 * v + 0.001 * g * g
        step = (m / (1 - 0.9 ** t)) / (torch.sqrt(v / (1 - 0.999 ** t)) + 1e-8)
        return p - 1e-3 * step, m, v

    return on(update, *(tensor(torch, a) for a in (normal(n), normal(n, seed=1), normal(n, seed=2),
                                                   positive(n, seed=3))))


# ------------------------------------------------------------------ rows


def pulled_back(torch, f: Callable, x, ct):
    x, ct = tensor(torch, x, True), tensor(torch, ct)

    def both():
        out = f(x)
        (grad,) = torch.autograd.grad(out, x, ct)
        return out.detach(), grad

    return both


def softmax(torch, rows: int, columns: int):
    return pulled_back(torch, lambda x: torch.softmax(x, -1), normal(rows, columns),
                       normal(rows, columns, seed=1))


def layer_norm(torch, rows: int, columns: int):
    scale, shift = tensor(torch, positive(columns)), tensor(torch, normal(columns))
    return pulled_back(
        torch, lambda x: torch.nn.functional.layer_norm(x, (columns,), scale, shift),
        normal(rows, columns), normal(rows, columns, seed=1))


def cross_entropy(torch, rows: int, columns: int):
    y = tensor(torch, np.random.default_rng(2).integers(0, columns, rows))
    return pulled_back(torch, lambda x: torch.nn.functional.cross_entropy(x, y),
                       normal(rows, columns), np.float32(1))


# ------------------------------------------------------------------ products and windows


def matmul(torch, *shapes):
    return on(torch.matmul, *(tensor(torch, normal(*s, seed=i)) for i, s in enumerate(shapes)))


def conv(torch, batch, features, outs, size, window=3):
    return on(lambda x, w: torch.nn.functional.conv2d(x, w, padding=window // 2),
              tensor(torch, normal(batch, features, size, size)),
              tensor(torch, normal(outs, features, window, window, scale=0.1)))


def conv_both(torch, batch, features, outs, size, window=3):
    x = tensor(torch, normal(batch, features, size, size), True)
    w = tensor(torch, normal(outs, features, window, window, scale=0.1), True)
    ct = tensor(torch, normal(batch, outs, size, size, seed=1))

    def both():
        out = torch.nn.functional.conv2d(x, w, padding=window // 2)
        return out.detach(), *torch.autograd.grad(out, (x, w), ct)

    return both


def max_pool(torch, batch, features, size):
    return pulled_back(torch, lambda x: torch.nn.functional.max_pool2d(x, 2),
                       normal(batch, features, size, size),
                       normal(batch, features, size // 2, size // 2, seed=1))


# ------------------------------------------------------------------ whole steps


def trained(torch, model, *data):
    """A step of Adam on `model(*data)`, which is a loss."""
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    data = [tensor(torch, a) for a in data]

    def step():
        optimizer.zero_grad()
        loss = model(*data)
        loss.backward()
        optimizer.step()
        return loss

    return step


def with_loss(torch, model):
    class WithLoss(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, x, y):
            return torch.nn.functional.cross_entropy(self.model(x), y)

    return WithLoss()


def whole(count, classes):
    return labels(count, classes).astype(np.int64)


def mlp(torch):
    torch.manual_seed(0)
    nn = torch.nn
    model = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
    return trained(torch, with_loss(torch, model), normal(32, 784), whole(32, 10))


def cnn(torch):
    torch.manual_seed(0)
    nn = torch.nn
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(32 * 49, 10))
    return trained(torch, with_loss(torch, model), normal(32, 1, 28, 28), whole(32, 10))


def lstm(torch, steps=50, batch=32, inputs=64, hidden=128):
    torch.manual_seed(0)

    class Last(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm = torch.nn.LSTM(inputs, hidden)
            self.out = torch.nn.Linear(hidden, 10)

        def forward(self, xs):
            return self.out(self.lstm(xs)[0][-1])

    return trained(torch, with_loss(torch, Last()), normal(steps, batch, inputs), whole(batch, 10))


def gpt(torch, layers=4, width=128, heads=4, length=64, batch=8, words=64):
    torch.manual_seed(0)
    nn, functional = torch.nn, torch.nn.functional

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.ln1, self.ln2 = nn.LayerNorm(width), nn.LayerNorm(width)
            self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

        def forward(self, x):
            q, k, v = self.qkv(self.ln1(x)).split(width, dim=-1)
            q, k, v = (a.view(batch, length, heads, width // heads).transpose(1, 2)
                       for a in (q, k, v))
            y = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.proj(y.transpose(1, 2).reshape(batch, length, width))
            return x + self.down(functional.gelu(self.up(self.ln2(x))))

    class GPT(nn.Module):
        def __init__(self):
            super().__init__()
            self.words, self.places = nn.Embedding(words, width), nn.Embedding(length, width)
            self.blocks = nn.Sequential(*(Block() for _ in range(layers)))
            self.out = nn.Linear(width, words)

        def forward(self, tokens, targets):
            x = self.words(tokens) + self.places(torch.arange(length))
            logits = self.out(self.blocks(x))
            return functional.cross_entropy(logits.view(-1, words), targets.reshape(-1))

    tokens = whole(batch * (length + 1), words).reshape(batch, length + 1)
    return trained(torch, GPT(), tokens[:, :-1], tokens[:, 1:])
