"""Rows made of rows, by hypothesis: other dtypes, shapes, layouts and values against real JAX.

`python -m compat.differential --table` goes through all of them and prints counts. Here a fixed
pool is drawn in CI (real JAX compiles every new shape), thousands in the thorough profile.
"""

from __future__ import annotations

import jax  # noqa: F401  (what is compared with)
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from compat.differential.generate import (
    DTYPES, LAYOUTS, SHAPES, Variation, base_rows, check_variation, is_elementwise, laid_out,
    special_values, with_dtype, with_layout, with_shapes, with_special_values,
)
from compat.differential.table import COLUMN_OF, SLOW, explanation
from minigrad import core
from tests.rows import all_rows

ROWS = base_rows(all_rows())

@st.composite
def variations(draw) -> Variation:
    """Any way of calling any primitive that its rows lead to."""
    name = draw(st.sampled_from(sorted(set(ROWS) - SLOW)))
    row = draw(st.sampled_from(ROWS[name][:4]))
    varied = with_dtype(row, draw(st.sampled_from(DTYPES)))
    assume(varied is not None)
    change = draw(st.sampled_from(["", "layout", "shapes", "special"]))
    if change == "layout":
        return with_layout(varied, draw(st.sampled_from(LAYOUTS[1:])))
    if change and is_elementwise(row) and row.values is None:
        if change == "special":
            return with_special_values(varied)
        count = len(varied.args)
        pool = [[s] * count for s in SHAPES] + ([[(2, 1), (1, 3)]] if count == 2 else [])
        return with_shapes(varied, draw(st.sampled_from(pool)))
    return varied


@pytest.mark.filterwarnings("ignore")
@given(variations())
def test_generated_rows(variation):
    report = check_variation(variation, ("value", "vjp", "vmap", "tape"))
    report.mismatches = [m for m in report.mismatches
                         if not explanation(variation.row.name, COLUMN_OF[m.check],
                                            str(variation))]
    report.raise_on_mismatch()


# ------------------------------------------------------------------ what is varied


def test_layouts_hold_the_same_numbers():
    x = np.arange(12.0).reshape(3, 4)
    for layout in LAYOUTS[:4]:
        assert (laid_out(x, layout) == x).all()
    assert not any(laid_out(x, layout).flags.c_contiguous for layout in LAYOUTS[1:])


def test_a_row_in_another_dtype():
    row = next(r for r in ROWS["mul"] if r.avals == ("f32[4]", "f32[4]"))
    varied = with_dtype(row, np.dtype(np.int32))
    assert str(varied) == "mul(i32[4],i32[4])"
    assert len(varied.examples) > 1


def test_special_values_are_among_the_operands():
    values = special_values(np.dtype(np.float32))
    assert np.isnan(values).any() and np.isinf(values).any() and np.signbit(values[3])
    assert set(special_values(np.dtype(np.int8))) == {0, 1, -1, -128, 127}


SUBNORMAL = np.array([1e-40, -3e-42, 1e-45], np.float32)


@pytest.mark.parametrize("name", ["neg", "abs", "sign", "floor", "ceil", "copy", "sqrt", "cbrt",
                                  "log", "rsqrt", "is_finite", "exp", "sin", "tanh", "atan"])
def test_subnormal_numbers_are_computed_with(name):
    """XLA takes them for zeros; IEEE 754, NumPy and PyTorch do not, and neither does the engine:
    float64, where they are ordinary numbers, is the oracle."""
    x = np.abs(SUBNORMAL) if name in ("sqrt", "log", "rsqrt") else SUBNORMAL
    ours = np.asarray(core.to_array(core.table[name](x)))
    exact = np.asarray(core.to_array(core.table[name](x.astype(np.float64))))
    np.testing.assert_allclose(ours, exact.astype(ours.dtype), rtol=1e-6)
