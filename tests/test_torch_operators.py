"""A sample of PyTorch's operator database on `compat.torch`: forward, backward, errors.

The whole of it: `python -m compat.differential.opdb`."""

from __future__ import annotations

import pytest
import torch as theirs

from compat.differential.opdb import CHECKS, Runner, entries, full_name

STORAGE = "PyTorch looks at memory that the sample's own tensor does not show"
KNOWN = {  # samples that differ, and why
    "as_strided.partial_views": STORAGE,
    "argwhere": "its size depends on numbers, which a mapped axis hides",
    "as_strided_scatter": "PyTorch sends the gradient to the places that were written over",
    "special.bessel_j0": "PyTorch's own rounding", "special.bessel_y1": "PyTorch's own rounding",
}
RUNNER = Runner()
ENTRIES = {full_name(op): op for op in entries()}


@pytest.mark.parametrize("name", ENTRIES)
def test_operator(name):
    """Two samples of each entry in float64, or in what it has, and every error input."""
    op = ENTRIES[name]
    dtype = next((d for d in ("float64", "int64")
                  if getattr(theirs, d) in op.supported_dtypes("cpu")), None)
    outcome = RUNNER.run(op, [dtype] if dtype else [], samples=2, limit=300, errors=False)
    assert outcome.ok or name in KNOWN, outcome.reasons


@pytest.mark.parametrize("name", list(ENTRIES)[2::12])
def test_every_road(name):
    """One sample in float64 down every road: second gradients, forward mode, variants, out=, gaps
    in memory, vmap. (Strides are counted by the command alone.)"""
    outcome = Runner(set(CHECKS) - {"strides"}).run(ENTRIES[name], ["float64"], samples=1,
                                                    limit=300, errors=False)
    assert outcome.ok or name in KNOWN, outcome.reasons


def test_errors():
    """Where PyTorch refuses an input of the database, so does the face, with the same class."""
    wrong = total = 0
    for op in list(ENTRIES.values())[::5]:
        outcome = RUNNER.run(op, [], samples=0, limit=120)
        total, wrong = total + outcome.compared["errors"], wrong + outcome.wrong("errors")
    assert total > 60
    assert (total - wrong) / total >= 0.9


def test_excuses_name_entries():
    assert not set(KNOWN) - set(ENTRIES)
