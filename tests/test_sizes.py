"""Operations met at many sizes: what templates give equals what is derived for each, to the bit."""

import numpy as np
import pytest

import compat.jax as jax
import compat.torch as torch
from minigrad import core
from minigrad.eager import sizes

F = torch.nn.functional
SIZES = [5, 6, 8, 12, 2, 17, 1, 33, 31, 150]

EXPRESSIONS = {
    "mean": lambda x: x.mean(1) * x.mean(),
    "variance": lambda x: x.var(0) + x.std(),
    "softmax": lambda x: torch.softmax(x, 1) @ x.T,
    "norm": lambda x: F.layer_norm(x, x.shape[1:]) + x.norm(),
    "group norm": lambda x: F.group_norm(x[None, :4], 2),
    "cumulative": lambda x: x.cumsum(1) * x.cumprod(1),
    "running maximum": lambda x: x.cummax(1).values,
    "sorted": lambda x: x.sort(1).values * x.topk(2, 1).values.sum(),
    "middle": lambda x: x.median(1).values + x.quantile(0.3, 1),
    "reshaped": lambda x: x.reshape(-1) * x.T.reshape(-1),
    "viewed": lambda x: x.view(2, -1, x.shape[1]).permute(2, 0, 1).flatten(1),
    "sliced": lambda x: x[:, 1:] - x[:, :-1],
    "every other": lambda x: x[:, ::2].sum(0),
    "last": lambda x: x[:, -1] * x[:, x.shape[1] // 2],
    "chunks": lambda x: torch.cat([c * k for k, c in enumerate(x.chunk(3, 1))], 1),
    "halves": lambda x: torch.stack([c.sum() for c in x.split((x.shape[1] + 1) // 2, 1)]),
    "rolled": lambda x: x.roll(2, 1) + x.flip(1),
    "padded": lambda x: F.pad(x, (2, 1)) * 2,
    "triangle": lambda x: (x.T @ x).tril() + torch.eye(x.shape[1]),
    "diagonal": lambda x: (x.T @ x).diagonal(),
    "gathered": lambda x: x[:, torch.arange(x.shape[1]) // 2],
    "windows": lambda x: x.unfold(1, 2, 1).prod(-1) if x.shape[1] > 1 else x,
    "pooled": lambda x: F.avg_pool1d(x[None], 2, ceil_mode=True),
    "adaptive": lambda x: F.adaptive_avg_pool1d(x[None], 3),
    "convolved": lambda x: F.conv1d(x[None], x[:, :1, None].detach().expand(-1, 4, 2), padding=1),
    "resized": lambda x: F.interpolate(x[None], scale_factor=2.0, mode="linear"),
    "loss": lambda x: F.cross_entropy(x.T, torch.arange(x.shape[1]) % 4),
    "attention": lambda x: F.scaled_dot_product_attention(x.T[None], x.T[None], x.T[None],
                                                          is_causal=True),
    "outer": lambda x: torch.einsum("ij,kj->ikj", x, x),
    "spectrum": lambda x: torch.fft.rfft(x, dim=1).abs(),
}


def measured(f, n: int) -> list:
    """The value, its gradient and a second one."""
    rng = np.random.default_rng(n)
    x = torch.tensor(rng.uniform(0.5, 1.5, (4, n)).astype(np.float32), requires_grad=True)
    try:
        out = f(x)
        (g,) = torch.autograd.grad((out * out).sum(), x, create_graph=True)
        (h,) = torch.autograd.grad(g.sum(), x)
    except (RuntimeError, ValueError, IndexError) as error:
        return [type(error), str(error)]
    return [(a.shape, a.dtype, a.detach().numpy().tobytes()) for a in (out, g, h)]


def clear():
    for forget in core.caches_to_clear:
        forget()


@pytest.fixture
def used(monkeypatch):
    """The names of what was made of templates, and of what was derived."""
    names = {"template": [], "derived": []}
    at, derived = sizes.Template.at, sizes.Call.derived
    monkeypatch.setattr(sizes.Template, "at", lambda self, *args: (
        names["template"].append(self.entry.name), at(self, *args))[1])
    monkeypatch.setattr(sizes.Call, "derived", lambda self: (
        names["derived"].append(self.name), derived(self))[1])
    clear()
    return names


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_equal_to_deriving_for_each_size(name, used, monkeypatch):
    got = [measured(EXPRESSIONS[name], n) for n in SIZES]
    assert used["template"]
    monkeypatch.setattr(sizes, "PROBES", 0)
    clear()
    assert got == [measured(EXPRESSIONS[name], n) for n in SIZES]


def test_few_sizes_are_derived(used):
    for n in range(5, 60):
        x = torch.ones(2, n, requires_grad=True)
        torch.tanh(x).mean().backward()
    assert used["derived"].count("tanh") in (4, 5) and used["derived"].count("mean") in (4, 5)


def test_what_no_size_allows_is_an_error_as_ever():
    for n in range(5, 12):
        x = torch.ones(3, n, requires_grad=True)
        (x * torch.ones(n)).sum().backward()
    with pytest.raises(RuntimeError, match="must match the size"):
        x * torch.ones(n + 1)


def test_the_jax_face_and_source_on_demand():
    clear()
    for n in range(5, 20):
        x = jax.numpy.linspace(0.0, 1.0, n)
        assert jax.numpy.var(x).shape == ()
    for n in range(5, 20):
        x = torch.ones(2, n, requires_grad=True)
        node = torch.tanh(x).grad_fn
    assert "def tanh_backward(g, saved)" in node.entry.source
