"""Programs of the real frameworks on this engine, and ours in theirs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from torch import nn

import compat
import compat.jax
import compat.torch
from compat.jax import numpy as our_jnp
from tests.torch_modules import MODULES, trained_pair

@pytest.mark.parametrize("name", MODULES)
def test_an_exported_module_trains_as_in_torch(name):
    (module, theirs), (ours, mine), given = trained_pair(name)
    for _ in range(20):
        assert float(mine(given[1])) == pytest.approx(float(theirs(given[0])), rel=1e-5)
    module.eval(), ours.eval()
    with torch.no_grad(), compat.torch.no_grad():
        got, wanted = ours(given[1]), module(given[0])
        np.testing.assert_allclose(got.numpy(), wanted.numpy(), rtol=2e-4, atol=1e-5)


def test_another_batch_runs_on_the_same_program():
    module = nn.Linear(8, 2)
    ours = compat.from_torch(module, (torch.randn(4, 8),))
    x = torch.randn(9, 8)
    got = ours(compat.torch.from_numpy(x.numpy()))
    np.testing.assert_allclose(got.detach().numpy(), module(x).detach().numpy(), rtol=1e-5)
    assert len(ours.programs[True]) == 1


def test_another_width_is_traced_anew():
    ours = compat.from_torch(lambda x: x.sum(-1) * x.shape[-1], (torch.ones(4, 8),))
    assert ours(compat.torch.ones(2, 3)).tolist() == [9.0, 9.0]


def test_a_missing_operator_is_named():
    with pytest.raises(NotImplementedError, match="aten::_fused_dropout|aten::mkldnn"):
        compat.bridges.aten.function_for("mkldnn_linear", "default")


def test_to_torch_and_back_to_any_order():
    @compat.to_torch
    def energy(x, scale):
        return (compat.torch.sin(x * x) * scale).sum(), {"x": x * 2}

    x = torch.tensor([0.3, -0.7, 1.1], dtype=torch.float64, requires_grad=True)
    out, more = energy(x, 3.0)
    (g,) = torch.autograd.grad(out + more["x"].sum(), x, create_graph=True)
    torch.testing.assert_close(g, 6 * x * torch.cos(x * x) + 2)
    assert torch.autograd.gradgradcheck(lambda v: energy(v, 3.0)[0], x)


def test_to_jax_differentiates_maps_and_jits():
    f = compat.to_jax(lambda x: our_jnp.sin(x["a"]) * x["b"])
    reference = lambda x: jnp.sin(x["a"]) * x["b"]  # noqa: E731
    x = {"a": jnp.float32(0.4), "b": jnp.float32(2.0)}
    for transform in (jax.grad, lambda g: jax.jit(jax.grad(g)),
                      lambda g: jax.grad(lambda v: jax.grad(g)(v)["a"])):
        got, expected = transform(f)(x), transform(reference)(x)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), got, expected)
    xs = {"a": jnp.linspace(0.0, 1.0, 5), "b": jnp.ones(5)}
    for transform in (jax.vmap, lambda g: jax.vmap(jax.grad(g))):
        got, expected = transform(f)(xs), transform(reference)(xs)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), got, expected)


def test_the_three_in_one_program():
    ours = compat.to_torch(lambda x: compat.torch.tanh(x) ** 2)

    def through_jax(x):
        return compat.to_jax(lambda v: our_jnp.exp(v) + v)(x)

    x = torch.tensor([0.1, 0.2], requires_grad=True)
    y = ours(x * 3)
    y.sum().backward()
    inner = jax.grad(lambda v: through_jax(v).sum())(jnp.asarray(y.detach().numpy()))
    np.testing.assert_allclose(inner, np.exp(y.detach().numpy()) + 1, rtol=1e-6)
    t = np.tanh([0.3, 0.6])
    np.testing.assert_allclose(x.grad, 6 * t * (1 - t**2), rtol=1e-6)
