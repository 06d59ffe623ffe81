"""The table of disagreements: every row against both real frameworks and both faces."""

from __future__ import annotations

import jax  # noqa: F401  (what is compared with)
import torch  # noqa: F401  (what is compared with)
import pytest

from compat import conventions
from compat.conventions import CONVENTIONS, ask

# Rows where a face does not give its framework's answer yet.
PENDING: dict[str, set[str]] = {
    "torch": set(),
    "jax": set(),
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
    assert agree != (row.name in PENDING[library]), (ask(row, library, True),
                                                   ask(row, library, False))


def test_the_page(tmp_path, capsys):
    page = tmp_path / "page.html"
    conventions.main(["--html", str(page)])
    text = page.read_text()
    assert text.count("<tr>") >= len(CONVENTIONS)
    assert f"{len(CONVENTIONS)} conventions" in capsys.readouterr().out
