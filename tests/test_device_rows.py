"""The rows of the torch face, functions and layers, on the stand-in's device: results and gradients
of the host, and no transfer but where PyTorch too must look at the numbers."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import compat.torch as torch
from minigrad.tree import tree_leaves
from tests import fake_cupy, simulator, torch_nn_rows, torch_rows

pytestmark = pytest.mark.skipif(simulator.compiler() is None,
                                reason="no C++ compiler for the simulator")
SHAPES = {"x": (3, 4), "w": (5, 4), "b": (5,), "v": (4,), "c": (2, 3, 4), "im": (2, 4, 6, 6),
          "k": (4, 4, 3, 3)}
LOOKS = (  # first words of rows that must see numbers: sizes depend on them, or they are checked
    "composed: one_hot", "indexing: mask", "indexing: nonzero", "indexing: row mask", "nn: gau",
    "nn: ctc", "nn: eb", "nn: emb", "nn: rrelu", "nn: unpool")  # the latter four could do without


@pytest.fixture(scope="module", autouse=True)
def counts():
    with fake_cupy.installed() as counts:
        yield counts


def operand(name: str) -> np.ndarray:
    rng = np.random.default_rng(len(name))
    return {"i": np.array([0, 2, 1]), "big": rng.integers(0, 4, (2, 6, 6)),
            "m": rng.random((3, 4)) > 0.5}.get(name) if name not in SHAPES else \
        rng.standard_normal(SHAPES[name]).astype(np.float32)


CASES = {f"nn: {name}": row for name, row in torch_nn_rows.ROWS.items()} | {
    name: (fn, [operand(n) for n in torch_rows.arguments(fn)], True)
    for name, fn in torch_rows.ROWS.items()}


def run(device: str, fn, arrays, grad) -> tuple[list, list]:
    torch.manual_seed(0)
    with warnings.catch_warnings(), torch.device(device):
        warnings.simplefilter("ignore")
        given = [torch.tensor(a) for a in arrays]
        for t in given if grad else ():
            if t.is_floating_point():
                t.requires_grad_()
        outs = [o for o in tree_leaves(fn(torch, *given)) if isinstance(o, torch.Tensor)]
        wanted = [o for o in outs if o.requires_grad]
        if wanted:
            torch.autograd.backward(wanted, [
                torch.linspace(0.5, 1.5, o.numel()).reshape(o.shape).to(o.dtype) for o in wanted])
    return outs, [t.grad for t in given]


@pytest.mark.parametrize("name", sorted(CASES))
def test_row(name, counts):
    expected = run("cpu", *CASES[name])
    counts.clear()
    ours = run("cuda", *CASES[name])
    looked = counts.to_host
    for a, e in zip(sum(ours, []), sum(expected, []), strict=True):
        assert (a is None) == (e is None)
        if a is not None:
            assert a.is_cuda and a.dtype == e.dtype
            np.testing.assert_allclose(a.detach().cpu().numpy(), e.detach().numpy(), 1e-4, 1e-5)
    assert not looked or name.startswith(LOOKS), f"{looked} times on the host"
