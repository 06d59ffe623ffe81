"""The examples run as a reader would run them, and what they print is true."""

import importlib.util
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import pytest

from tests.lines import ROOT

OURS = ["tape", "tape under jit", "jit(value_and_grad)"]
THEIRS = [name for name in ("torch", "jax") if importlib.util.find_spec(name)]

for package in ("sklearn", "matplotlib", "tqdm"):
    pytest.importorskip(package)

# Not `sys.modules["torch"] = None`: SciPy looks there to see whether an array is torch's.
HIDE = """
from importlib.machinery import PathFinder
find = PathFinder.find_spec
PathFinder.find_spec = lambda name, *rest: None if name in {hidden!r} else find(name, *rest)
"""
RUN = "import runpy; runpy.run_path({path!r}, run_name='__main__')"


def run(out, *arguments, hidden=()):
    """`python examples/digits.py`, in a process that lacks some modules."""
    program = HIDE.format(hidden=list(hidden)) + RUN.format(path=str(ROOT / "examples/digits.py"))
    return subprocess.run(
        [sys.executable, "-c", program, "--out", str(out), *arguments], cwd=out,
        env={**os.environ, "MPLBACKEND": "Agg", "JAX_PLATFORMS": "cpu"},
        capture_output=True, text=True, timeout=120)


def table(stdout):
    """run -> (final loss, test accuracy in percent)"""
    rows = re.findall(r"^(\S.*?) {2,}(?:minigrad|torch|jax) .*? ([\d.]+) +([\d.]+)% .* ms$",
                      stdout, re.M)
    return {name: (float(loss), float(accuracy)) for name, loss, accuracy in rows}


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    out = tmp_path_factory.mktemp("digits")
    result = run(out, "--epochs", "15")
    assert result.returncode == 0, result.stdout + result.stderr
    return result, out


def test_every_run_learns(digits):
    result, _ = digits
    rows = table(result.stdout)
    assert list(rows) == OURS + THEIRS
    assert all(loss < 0.2 and accuracy > 96 for loss, accuracy in rows.values())
    assert "test accuracy of every run is above 96%" in result.stdout


def test_pairs_of_curves_coincide(digits):
    result, _ = digits
    found = re.findall(r"^(.*) = (.*): curves coincide \(max relative difference (.*)\)$",
                       result.stdout, re.M)
    expected = [("tape under jit", "tape")]
    if "torch" in THEIRS:
        expected += [("tape", "torch"), ("tape under jit", "torch")]
    if "jax" in THEIRS:
        expected += [("jit(value_and_grad)", "jax")]
    assert [(a, b) for a, b, _ in found] == expected
    assert all(float(difference) < 1e-4 for *_, difference in found)


def test_pictures_are_saved_where_it_says(digits):
    result, out = digits
    plot, tape = out / "digits.png", out / "digits-tape.svg"
    assert str(plot) in result.stdout and str(tape) in result.stdout
    assert plot.read_bytes().startswith(b"\x89PNG")
    drawn = {e.text for e in ElementTree.parse(tape).iter("{http://www.w3.org/2000/svg}text")}
    assert {"0.weight", "0.bias", "2.weight", "2.bias", "AccumulateGrad (64, 64)"} <= drawn


def test_quiet_without_a_terminal(digits):
    assert "step/s" not in digits[0].stderr


def test_without_the_real_frameworks_and_below_the_wanted_accuracy(tmp_path):
    result = run(tmp_path, "--epochs", "1", hidden=["torch", "jax"])
    assert result.returncode == 1 and not result.stderr, result.stderr
    assert list(table(result.stdout)) == OURS
    for name in ("torch", "jax"):
        assert f"{name} is not installed: nothing to compare with it" in result.stdout
    assert "test accuracy of every run is NOT above 96%" in result.stdout
