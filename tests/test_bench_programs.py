"""The benchmark's programs give the same results on both sides, so its ratios compare like with
like. Sizes are small here: only results are checked, never times."""

import subprocess
import sys

import jax
import pytest
import torch

import compat.jax
import compat.torch
from tests.bench import jax_programs, table, torch_programs
from tests.lines import ROOT

SMALL = {"gelu": (100,), "chain": (100,), "adam": (100,), "softmax": (5, 7), "layer_norm": (5, 7),
         "cross_entropy": (5, 7), "matmul": ((9, 8), (8, 7)), "conv": (2, 3, 8, 9),
         "conv_both": (2, 3, 8, 9), "max_pool": (2, 3, 8), "mlp": (), "lstm": (4, 3, 5, 6),
         "gpt": (1, 16, 2, 8, 2, 11)}
JAX_ONLY = {"axpy": (50,), "relu": (50,), "per_example": (4,), "hessian": (6,)}


def same(build, module, real, arguments, compiled=lambda step: step):
    ours, theirs = compiled(build(module, *arguments)), build(real, *arguments)
    for _ in range(3):
        a, b = ours(), theirs()
    assert table.difference(table.flat(a), table.flat(b)) < 2e-4


@pytest.mark.parametrize("name", [*SMALL, *JAX_ONLY])
def test_jax_programs(name):
    same(getattr(jax_programs, name), compat.jax, jax, (SMALL | JAX_ONLY)[name])


@pytest.mark.parametrize("name", SMALL)
def test_torch_programs(name):
    same(getattr(torch_programs, name), compat.torch, torch, SMALL[name], compat.torch.compile)


def test_every_row_has_its_programs():
    for row in table.rows():
        assert hasattr(jax_programs, row.program)
        assert row.torch is None or hasattr(torch_programs, row.program)


def test_unknown_benchmarks_are_named():
    run = subprocess.run([sys.executable, "-m", "tests.bench", "nonsense"], cwd=ROOT, text=True,
                         capture_output=True)
    assert run.returncode == 1
    assert "no benchmark is called nonsense; there are table, " in run.stderr
