"""Rows of the primitive table (`tests/rows/row.py`): their operands, and all their checks."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence

import numpy as np

from compat.differential import BATCH, CHECKS, Report, check, is_wide
from compat.differential.oracle import Oracle, jax_function, random_array
from minigrad import core
from minigrad.show.derived import parse_aval


def row_examples(row) -> list[list[np.ndarray]]:
    """The operands of a row, BATCH times; the same on every run."""
    if row.values is not None:
        return [[np.asarray(v) for v in row.values]]
    rng = np.random.default_rng(zlib.crc32(repr((row.name, row.avals, row.low)).encode()))
    avals = [parse_aval(text) for text in row.avals]
    return [[random_array(rng, a.shape, a.dtype, row.low, row.high, row.ints)
             for a in avals] for _ in range(BATCH)]


def oracle_of(row) -> Oracle:
    """Real JAX on a row, to be asked more than once."""
    return Oracle(jax_of(row), row_examples(row)[0], order_of(row), is_wide(row_examples(row)[0]))


def jax_of(row) -> Callable:
    return row.jax or jax_function(row.name, row.params)


def order_of(row) -> int:
    return 0 if not row.differentiable else 2 if row.second else 1


def check_row(row, checks: Sequence[str] = tuple(CHECKS), oracle: Oracle | None = None) -> Report:
    """All checks of one row (`tests/rows/row.py`)."""
    primitive = core.table[row.name]
    first, *examples = row_examples(row)

    def fn(*args):
        return primitive(*args, **row.params)

    checks = [name for name in checks if name not in row.without]
    return check(fn, jax_of(row), *first, checks=checks, order=order_of(row), examples=examples,
                 name=str(row), oracle=oracle)
