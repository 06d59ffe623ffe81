"""The wider surface of `compat.torch` against PyTorch: programs, the coverage of names,
and the substitution of the whole package."""

from __future__ import annotations

import importlib
import inspect
import sys
import warnings

import pytest
import torch as theirs

import compat.torch as ours
from compat import coverage
from tests.test_torch_face import check, plain
from tests.torch_surface import PROGRAMS


@pytest.mark.parametrize("name", PROGRAMS)
def test_program(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected, got = (plain(PROGRAMS[name](torch)) for torch in (theirs, ours))
    check(expected, got, 1e-6, 1e-8)


def test_names():
    """The share of PyTorch's public names that the face has."""
    found = coverage.measure("torch")
    total, have = sum(c.counted for c in found), sum(len(c.implemented) for c in found)
    assert have / total >= 0.92, {c.namespace: c.missing for c in found}


def test_windows_have_the_signatures_of_torchs():
    for name in theirs.signal.windows.__all__:
        expected, got = ([(p.name, p.kind, str(p.default)) for p in inspect.signature(
            getattr(torch.signal.windows, name)).parameters.values()] for torch in (theirs, ours))
        assert expected == got


def test_every_reason_leaves_a_name_out():
    found = coverage.measure("torch")
    used = {reason for c in found for reason in c.excluded.values()}
    assert set(coverage.TORCH.excluded) - used <= {"nested tensors"}


def test_substitution(monkeypatch):
    """The whole name, submodules included, can stand for torch in `sys.modules`."""
    names = [n for n in sys.modules if n == "torch" or n.startswith("torch.")]
    for name in names:
        monkeypatch.delitem(sys.modules, name)
    for name in [n for n in sys.modules if n == "compat.torch" or n.startswith("compat.torch.")]:
        monkeypatch.setitem(sys.modules, name.removeprefix("compat."), sys.modules[name])
    for name in ("torch", "torch.nn.functional", "torch.utils.data", "torch.autograd.functional",
                 "torch.optim.lr_scheduler", "torch.linalg", "torch.fft", "torch.special",
                 "torch.func", "torch.testing", "torch.utils.checkpoint"):
        assert importlib.import_module(name).__name__ == f"compat.{name}"
