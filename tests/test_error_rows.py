"""Every bad call of `error_rows.py` is refused with JAX's class; the messages are a snapshot."""

from __future__ import annotations

import jax  # noqa: F401  (what is compared with)
import pytest

from tests.error_rows import SNAPSHOT, bad_function_calls, bad_primitive_calls, spell, verdicts


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("make", [bad_primitive_calls, bad_function_calls])
def test_bad_calls_are_refused_as_in_jax(make):
    known = dict(zip(*[iter(SNAPSHOT.read_text(encoding="utf-8").splitlines())] * 2))
    count, wrong, changed = 0, {}, {}
    for call, problem, ours in verdicts(make()):
        count += 1
        if problem:
            wrong[call.name] = problem
        elif known.get(call.name, "").strip() not in ("", spell(ours)):
            changed[call.name] = known[call.name].strip(), spell(ours)
    assert count > 300
    assert wrong == {}
    assert changed == {}, "run `python -m tests.error_rows --write` if the new words are better"
