"""The same training steps with each accelerator switched off, and with other numbers of threads."""

import os
import subprocess
import sys

import pytest

from tests.lines import ROOT

# Losses of a small CNN and of a matrix network, as bits: eager for some steps (so that machine
# code is made where it may be), then compiled, in both styles.
STEPS = """
import numpy as np
import compat.jax as jax, compat.torch as torch
from kernels import heat
from tests.bench import jax_programs, torch_programs
losses = []
for build in (torch_programs.mlp, torch_programs.cnn):
    step = build(torch)
    losses += [step() for _ in range(2)]
    heat.hurry()
    losses += [step() for _ in range(2)]
    compiled = torch.compile(step)
    losses += [compiled() for _ in range(2)]
for build in (jax_programs.mlp, jax_programs.cnn):
    step = build(jax)
    losses += [step() for _ in range(3)]
print(" ".join(float(np.asarray(x.detach() if hasattr(x, "detach") else x)).hex() for x in losses))
"""
SWITCHES = {
    "no compiler": {"MINIGRAD_COMPILER": "numpy"},
    "threads of Python": {"MINIGRAD_POOL": "python"},
    "another BLAS": {"MINIGRAD_BLAS": "default"},
    "nothing": {"MINIGRAD_COMPILER": "numpy", "MINIGRAD_POOL": "python", "MINIGRAD_BLAS": "default",
                "MINIGRAD_MALLOC": "default", "MINIGRAD_CACHE": "off"},
}


def losses(**switches) -> list[float]:
    run = subprocess.run([sys.executable, "-c", STEPS], cwd=ROOT, text=True, capture_output=True,
                         env={**os.environ, **switches})
    assert run.returncode == 0, run.stderr
    return [float.fromhex(x) for x in run.stdout.split()]


@pytest.fixture(scope="module")
def usual():
    return losses(MINIGRAD_NUM_THREADS="2")


@pytest.mark.parametrize("name", SWITCHES)
def test_switched_off(usual, name):
    assert losses(**SWITCHES[name]) == pytest.approx(usual, rel=1e-4)


@pytest.mark.parametrize("threads", ["1", "3"])
def test_bits_do_not_depend_on_the_number_of_threads(usual, threads):
    assert losses(MINIGRAD_NUM_THREADS=threads) == usual


def test_bits_are_the_same_from_run_to_run(usual):
    assert losses(MINIGRAD_NUM_THREADS="2") == usual
