"""Whole programs, as people write them for PyTorch: loss by loss the same here."""

from __future__ import annotations

import math
import runpy
import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch  # noqa: F401  (loaded before it is substituted)

from compat.substitution import substituted
from tests.lines import ROOT

FOLDER = ROOT / "examples" / "torch_programs"
PROGRAMS = sorted(p.stem for p in FOLDER.glob("*.py") if p.stem != "cartpole")


def run(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return runpy.run_path(str(FOLDER / f"{name}.py"))["main"]()


@pytest.mark.parametrize("name", PROGRAMS)
def test_losses_coincide(name, monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    expected = run(name)
    with substituted("torch"):
        got = run(name)
    assert len(expected) == len(got) >= 6
    assert all(math.isfinite(x) for x in got)
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-6)


def test_substitution_ends():
    import torch as before

    with substituted("torch"):
        import torch
        import torch.nn.functional as F
        from torch.utils.data import DataLoader

        assert torch.__name__ == "compat.torch"
        assert F is torch.nn.functional
        assert DataLoader.__module__ == "compat.torch.utils.data.dataloader"
        with pytest.raises(ImportError):
            import torch.nothing  # noqa: F401
    import torch as after

    assert after is before


def test_a_program_runs_by_command():
    done = subprocess.run([sys.executable, "-m", "compat.torch", str(FOLDER / "vae.py")], cwd=ROOT,
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("[")
