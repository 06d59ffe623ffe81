"""Every primitive against real JAX, on every road: one test a row (`tests/rows`).

A row that differs prints which road went astray, where, by how many ulps, and both values.
"""

from __future__ import annotations

import pytest

import minigrad  # noqa: F401  (fills the table)
from compat.differential.rows import check_row, parse_aval
from minigrad import core
from tests.rows import Row, all_rows

COLLECTIVE = "wants a mapped axis with a name: tests/test_batch.py"
PROGRAM = "its parameters are programs: tests/test_compositions.py"

WITHOUT_ROWS: dict[str, str] = {
    **dict.fromkeys(
        ["psum", "pmax", "pmin", "axis_index", "all_gather", "ppermute", "all_to_all"], COLLECTIVE),
    **dict.fromkeys(
        ["scan", "while", "cond", "jit", "checkpoint", "custom_jvp_call", "custom_vjp_call"],
        PROGRAM),
}


def is_wide(row: Row) -> bool:
    """Rows under x64 run together: switching it empties the engine's caches."""
    avals = [parse_aval(text)[1] for text in row.avals] if row.values is None \
        else [getattr(v, "dtype", None) for v in row.values]
    return any(d is not None and d.name in ("int64", "uint64", "float64", "complex128")
               for d in avals)


ROWS = sorted(all_rows(), key=is_wide)


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_row(row: Row):
    check_row(row).raise_on_mismatch()


def test_every_primitive_has_a_row():
    without = set(core.table) - {row.name for row in ROWS} - set(WITHOUT_ROWS)
    assert not without, f"primitives without a row in tests/rows: {sorted(without)}"


def test_every_row_names_a_primitive():
    unknown = {row.name for row in ROWS} - set(core.table)
    assert not unknown, f"rows of primitives that the table lacks: {sorted(unknown)}"


def test_excuses_are_needed():
    with_rows = {row.name for row in ROWS} & set(WITHOUT_ROWS)
    assert not with_rows, f"these have rows now: {sorted(with_rows)}"
