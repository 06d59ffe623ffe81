"""Whole JAX programs, written for JAX: run on JAX and, `jax` being replaced by the face, here. They
return their losses and what they found."""

import importlib.util
import sys
from pathlib import Path

import jax  # noqa: F401  (the programs import it; first, so that it is loaded once)
import numpy as np
import pytest

from compat.substitution import substituted

FOLDER = Path(__file__).parent / "programs"
PROGRAMS = sorted(p.stem for p in FOLDER.glob("jax_*.py"))
RTOL = {"jax_bfgs": 1e-4, "jax_regression": 5e-5, "jax_gaussian_process": 1e-4}


def run(name: str, steps: int) -> list[float]:
    spec = importlib.util.spec_from_file_location(f"program_{name}", FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
        return module.main(steps)
    finally:
        del sys.modules[spec.name]


@pytest.mark.parametrize("name", PROGRAMS)
def test_program(name):
    with substituted("jax"):
        ours = run(name, 20)
    theirs = run(name, 20)
    assert len(ours) == len(theirs)
    assert all(isinstance(x, (int, float)) for x in ours)
    np.testing.assert_allclose(ours, theirs, rtol=RTOL.get(name, 1e-5), atol=1e-6)
