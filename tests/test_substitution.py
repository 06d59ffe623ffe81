"""A program's own import lines find the faces: no second copy of any module."""

import subprocess
import sys

from tests.lines import ROOT

PLAIN = """
import sys
import compat.{name}
sys.modules["{name}"] = compat.{name}
{imports}
for module in list(sys.modules):
    if module.startswith("{name}."):
        assert sys.modules[module] is sys.modules["compat." + module], module
{check}
try:
    import {name}.nothing
except ImportError as error:
    print("no such module")
"""

TORCH = """
import torch.nn as nn, torch.nn.functional as F
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence
from torch.distributions import Normal
from torch.utils.data import DataLoader
import torch.optim.lr_scheduler
"""
JAX = """
import jax.numpy as jnp
from jax import lax, random
from jax.example_libraries import stax
import jax.scipy.special
"""


def run(name, imports, check):
    text = PLAIN.format(name=name, imports=imports, check=check)
    done = subprocess.run([sys.executable, "-c", text], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_torch():
    check = "print(isinstance(nn.GRU(2, 3)(pack_padded_sequence(torch.ones(4, 1, 2), " \
            "torch.tensor([4])))[0], PackedSequence))"
    assert run("torch", "import torch" + TORCH, check) == "True\nno such module\n"


def test_jax():
    check = "print(jnp.ones(2) + 1, stax.Dense is jax.example_libraries.stax.Dense)"
    assert run("jax", "import jax" + JAX, check) == "[2. 2.] True\nno such module\n"
