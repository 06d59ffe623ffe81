"""The table of disagreements: every row against both real frameworks and both faces."""

from __future__ import annotations

import pytest

from compat import conventions
from compat.conventions import CONVENTIONS, ask

# Rows where a face does not give its framework's answer yet.
PENDING: dict[str, set[str]] = {
    "torch": {
        "atan2 at the origin", "cummax over ties", "median of equal numbers",
        "logaddexp at infinity", "of |z|^2 for complex z", "1e10 as int32", "-1.5 as uint8",
        "nan as int32", "1 // 0", "1 % 0", "maximum of -0. and 0.", "heaviside of nan",
        "sign of nan", "digamma at 0", "median of two numbers", "argmax of nothing",
        "max of complex numbers", "unique of two nans", "writing beyond the end",
        "a uint8 array as an index", "cholesky of an indefinite matrix",
        "inverse of a singular matrix", "solving with a singular matrix", "outer of a matrix",
        "a Hann window of 4", "a gradient by an integer", "a gradient of a vector",
    },
    "jax": {
        "a float64 asked for", "an integer to the power -1", "cholesky of an indefinite matrix",
        "inverse of a singular matrix", "solving with a singular matrix",
    },
}


def test_there_are_enough_and_no_two_alike():
    assert len(CONVENTIONS) >= 40
    assert len({row.name for row in CONVENTIONS}) == len(CONVENTIONS)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("row", CONVENTIONS, ids=lambda row: row.name)
def test_the_frameworks_disagree(row):
    assert ask(row, "torch", False) != ask(row, "jax", False)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("library", ["torch", "jax"])
@pytest.mark.parametrize("row", CONVENTIONS, ids=lambda row: row.name)
def test_each_face_gives_its_frameworks_answer(row, library):
    agree = ask(row, library, True) == ask(row, library, False)
    assert agree or row.name in PENDING[library], (ask(row, library, True),
                                                   ask(row, library, False))


def test_the_page(tmp_path, capsys):
    page = tmp_path / "page.html"
    conventions.main(["--html", str(page)])
    text = page.read_text()
    assert text.count("<tr>") >= len(CONVENTIONS)
    assert f"{len(CONVENTIONS)} conventions" in capsys.readouterr().out
