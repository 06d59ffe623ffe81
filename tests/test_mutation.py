"""The rows notice wrong rules: a sample of `python -m tests.mutation`, which tries every one."""

from __future__ import annotations

import jax  # noqa: F401  (what is compared with)
import pytest

from tests.mutation import Mutant, caught_by, mutants, reached, rows_by_primitive

ROWS = rows_by_primitive()
SAMPLE = [
    Mutant("mul", "jvp", "sign", 1), Mutant("div", "jvp", "missing term", 1),
    Mutant("sub", "impl", "swapped operands"), Mutant("pow", "jvp", "swapped tangents"),
    Mutant("tanh", "jvp", "at other operands"), Mutant("log", "jvp", "factor", 0),
    Mutant("atan2", "jvp", "sign", 0), Mutant("select_n", "transpose", "missing", 1),
    Mutant("reduce_sum", "transpose", "factor", 0), Mutant("reduce_max", "batch", "wrong axis"),
    Mutant("transpose", "batch", "the first example"), Mutant("reshape", "transpose", "sign", 0),
    Mutant("dot_general", "transpose", "sign", 1), Mutant("cumsum", "impl", "off by one"),
    Mutant("concatenate", "transpose", "missing", 1), Mutant("exp", "abstract", "weak types"),
]


@pytest.mark.parametrize("mutant", SAMPLE, ids=str)
def test_a_wrong_rule_is_caught(mutant):
    assert caught_by(mutant, ROWS[mutant.primitive]) is not None


def test_right_rules_are_not_caught():
    reached["yes"] = False
    assert caught_by(Mutant("sign", "jvp", "sign", 0), ROWS["sign"]) is None  # minus zero is zero


def test_there_are_enough_rules_to_get_wrong():
    rules = {(m.primitive, m.rule) for m in mutants(ROWS) if m.rule != "impl"}
    assert len(rules) >= 100
