"""Rows of the primitive table (`tests/rows/row.py`): their operands, and all their checks."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence

import ml_dtypes
import numpy as np

from compat.differential import BATCH, CHECKS, Report, check
from compat.differential.oracle import jax_function, random_array
from minigrad import core


def parse_aval(text: str) -> tuple[tuple[int, ...], np.dtype]:
    """`f32[3,4]` as shape and dtype.

    >>> parse_aval("bf16[2,0]")
    ((2, 0), dtype(bfloat16))
    """
    match = re.fullmatch(r"([a-z]+)(\d*)\[([\d,]*)\]", text)
    if match is None:
        raise ValueError(f"not an aval: {text!r}. It is spelled like 'f32[3,4]'.")
    letters, bits, sizes = match.groups()
    shape = tuple(int(n) for n in sizes.split(",") if n)
    if letters == "bool":
        return shape, np.dtype(np.bool_)
    if letters == "bf":
        return shape, np.dtype(ml_dtypes.bfloat16)
    return shape, np.dtype(f"{letters}{int(bits) // 8}")


def row_examples(row) -> list[list[np.ndarray]]:
    """The operands of a row, BATCH times; the same on every run."""
    if row.values is not None:
        return [[np.asarray(v) for v in row.values]]
    rng = np.random.default_rng(zlib.crc32(repr((row.name, row.avals, row.low)).encode()))
    avals = [parse_aval(text) for text in row.avals]
    return [[random_array(rng, shape, dtype, row.low, row.high, row.ints)
             for shape, dtype in avals] for _ in range(BATCH)]


def check_row(row, checks: Sequence[str] = tuple(CHECKS)) -> Report:
    """All checks of one row (`tests/rows/row.py`)."""
    primitive = core.table[row.name]
    first, *examples = row_examples(row)
    order = 0 if not row.differentiable else 2 if row.second else 1

    def fn(*args):
        return primitive(*args, **row.params)

    jax_fn = row.jax or jax_function(row.name, row.params)
    return check(fn, jax_fn, *first, checks=checks, order=order, examples=examples, name=str(row))
