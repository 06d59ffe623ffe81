"""Every primitive against real JAX, on every road: one test a row (`tests/rows`).

A row that differs prints which road went astray, where, by how many ulps, and both values.
"""

from __future__ import annotations

import jax
import numpy as np
import pytest

import compat.jax.random  # adds primitives of random numbers to the table, as torch's does
import compat.torch.random  # noqa: F401
import minigrad
from compat.differential import check
from compat.differential.rows import check_row
from minigrad import core
from minigrad.show.derived import parse_aval
from tests.rows import Row, all_rows

COLLECTIVE = "wants a mapped axis with a name: tests/test_collectives.py"
RANDOM = "random numbers, equal to JAX's or torch's: tests/test_jax_face.py, test_torch_face.py"
CALLBACK = "calls the user's Python: tests/test_jax_effects.py"
PROGRAM = "its parameters are programs: tests/test_compositions.py"

WITHOUT_ROWS: dict[str, str] = {
    **dict.fromkeys(
        ["psum", "pmax", "pmin", "axis_index", "all_gather", "ppermute", "all_to_all"], COLLECTIVE),
    **dict.fromkeys(
        ["scan", "while", "cond", "jit", "remat2", "custom_jvp_call", "custom_vjp_call",
         "custom_lin", "linear_call"], PROGRAM),
    **dict.fromkeys(
        ["random_bits", "random_clone", "random_fold_in", "random_gamma", "random_seed",
         "random_split", "random_unwrap", "random_wrap", "torch_random"], RANDOM),
    **dict.fromkeys(["pure_callback", "io_callback", "debug_callback"], CALLBACK),
    **dict.fromkeys(["special_function", "frexp_exponent", "integer_power", "nonzero_divisor"],
                    "the torch face's alone: python -m compat.differential.opdb"),
    "add_any": "the sum of two cotangents: in every vjp of a value that is used twice",
}


def is_wide(row: Row) -> bool:
    """Rows under x64 run together: switching it empties the engine's caches."""
    avals = [parse_aval(text).dtype for text in row.avals] if row.values is None \
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
    gone = set(WITHOUT_ROWS) - set(core.table)
    assert not gone, f"these are no primitives any more: {sorted(gone)}"


# ------------------------------------------------------------------ the checks see what is wrong


def sin(x):
    return minigrad.core.table["sin"](x)


def test_a_wrong_value_is_reported_on_every_road():
    report = check(sin, jax.lax.cos, np.linspace(0, 1, 3, dtype=np.float32))
    assert {m.check for m in report.mismatches} == {"value", "jvp", "vjp", "second", "vmap", "jit",
                                                    "tape"}


def test_a_report_shows_where_and_both_values():
    report = check(sin, jax.lax.cos, np.float32(0), checks=["value"])
    assert str(report) == """\
sin(f32[]): 1 of 4 comparisons differ
  value [value]: error 1, 8.39e+06 ulps of 1 (limit 4), at ()
      minigrad: 0.0
      jax:      1.0"""


def test_a_wrong_derivative_is_reported_although_the_value_is_right():
    def stopped(x):
        return jax.lax.stop_gradient(jax.lax.sin(x))

    report = check(sin, stopped, np.float32(1))
    assert {m.check for m in report.mismatches} == {"jvp", "vjp", "second", "vmap", "jit", "tape"}


def test_dtypes_shapes_and_weak_types_are_compared():
    x = np.float32([1, 2])
    for wrong in (lambda x: jax.lax.sin(x).astype("bfloat16"), lambda x: jax.lax.sin(x)[None]):
        assert not check(sin, wrong, x, checks=["value"]).ok
    weak = check(sin, lambda x: jax.lax.convert_element_type(jax.lax.sin(x), "float32"), x,
                 checks=["value"])
    assert "weak" in str(weak)


def test_the_same_error_is_agreement():
    assert check(minigrad.core.table["add"], jax.lax.add_p.bind, np.ones(2), np.ones(3)).ok
    assert not check(lambda x, y: x, jax.lax.add_p.bind, np.ones(2), np.ones(3)).ok
