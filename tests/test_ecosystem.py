"""Training steps of Flax, Haiku, Equinox and Optax through `from_jax`: the real JAX's losses."""

from __future__ import annotations

import importlib.util

import jax
import pytest

import compat
from tests import ecosystem

MISSING = [name for name in ("flax", "haiku", "equinox", "optax")
           if importlib.util.find_spec(name) is None]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=(
    f"not installed: {', '.join(MISSING)}. They come with the extra `ecosystem`."))


@pytest.mark.parametrize("name", ecosystem.CASES)
def test_twenty_steps(name):
    step, state, batch = ecosystem.CASES[name]()
    theirs = ecosystem.losses(jax.jit(step), state, batch)
    ours = ecosystem.losses(compat.from_jax(step), state, batch)
    assert theirs[-1] < theirs[0]
    assert ecosystem.apart(ours, theirs) < 1e-5
