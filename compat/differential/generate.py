"""Rows made of rows: other dtypes, layouts in memory and values for what a row calls.

A row of `tests/rows` says how a primitive is called. Everything that does not change the call is
varied here: the dtype of its operands, zero-size and stretched dimensions of elementwise ones,
whether they lie contiguously in memory, and the numbers in them: nan, infinities, both zeros,
subnormals, equal elements.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import ml_dtypes
import numpy as np

from compat.differential import CHECKS, Report, check
from compat.differential.agreement import is_inexact, kind_of
from compat.differential.oracle import jax_function
from compat.differential.rows import row_examples
from minigrad import core
from minigrad.ops.solves import LinearSolve
from minigrad.program import Jaxpr

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
NARROW = [np.dtype(d) for d in ("bool", "i1", "i2", "i4", "u1", "u2", "u4", "f2")] + [BFLOAT16] \
    + [np.dtype(d) for d in ("f4", "c8")]
WIDE = [np.dtype(d) for d in ("i8", "u8", "f8", "c16")]
DTYPES = NARROW + WIDE  # in this order, so that x64 is switched once
TIED_TO_DTYPE = (np.dtype, Jaxpr, LinearSolve)  # parameters that hold for operands of one dtype
LAYOUTS = ("contiguous", "reversed", "transposed", "strided", "broadcast")
SHAPES = ((), (0, 3), (2, 3), (1, 3))  # of elementwise operands; stretched beside one another
SPECIAL = {"f": [np.nan, np.inf, -np.inf, -0.0, 0.0, 1.0, -1.0, 0.5, "tiny", "-tiny", "max"],
           "i": [0, 1, -1, "min", "max"], "u": [0, 1, "max"], "b": [False, True]}


@dataclass
class Variation:
    """A row with its operands replaced."""

    row: Any
    args: list[np.ndarray]
    examples: list[list[np.ndarray]]
    params: dict
    what: str = ""
    smooth: bool = True  # derivatives are compared, not values alone

    def __str__(self) -> str:
        operands = ",".join(repr(core.make_aval(a.shape, a.dtype)) for a in self.args)
        return f"{self.row.name}({operands}){' ' + self.what if self.what else ''}"


def check_variation(variation: Variation, checks: Iterable[str] = tuple(CHECKS)) -> Report:
    row, primitive = variation.row, core.table[variation.row.name]
    inexact = any(is_inexact(a.dtype) for a in variation.args)
    order = 0 if not (inexact and row.differentiable and variation.smooth) \
        else 2 if row.second else 1
    theirs = row.jax or jax_function(row.name, variation.params)
    checks = [name for name in checks if name not in row.without]
    return check(lambda *args: primitive(*args, **variation.params), theirs, *variation.args,
                 checks=checks, order=order, examples=variation.examples,
                 name=str(variation))


# ------------------------------------------------------------------ other dtypes


def main_dtype(row) -> np.dtype | None:
    """The dtype that a row's operands share: the most frequent, floats first."""
    dtypes = [a.dtype for a in row_examples(row)[0]]
    if not dtypes:
        return None
    return max(Counter(dtypes).items(), key=lambda item: (kind_of(item[0]) in "fc", item[1]))[0]


def with_dtype(row, dtype: np.dtype) -> Variation | None:
    """The row called with this dtype in place of its main one. JAX says whether that is allowed.
    None for a row that calls JAX in words of its own where they are tied to a dtype."""
    old = main_dtype(row)
    tied = row.jax is not None and any(isinstance(v, TIED_TO_DTYPE) for v in row.params.values())
    if old is None or tied and old != dtype:
        return None
    examples = [[converted(a, dtype) if a.dtype == old else a for a in example]
                for example in row_examples(row)]
    params = {k: dtype if isinstance(v, np.dtype) and v == old and k == "input_dtype" else v
              for k, v in row.params.items()}
    return Variation(row, examples[0], examples[1:], params)


def converted(array: np.ndarray, dtype: np.dtype) -> np.ndarray:
    kinds = kind_of(array.dtype), kind_of(dtype)
    with np.errstate(all="ignore"):
        if kinds[1] == "b":
            return np.asarray(np.round(array.real) % 2 != 0)
        if kinds[0] in "fc" and kinds[1] in "iu":
            return np.asarray(np.abs(np.round(array.real * 2))).astype(dtype)
        if kinds[0] == "c" and kinds[1] != "c":
            array = array.real
        return np.asarray(array).astype(dtype)


def base_rows(rows: Iterable[Any]) -> dict[str, list[Any]]:
    """For each primitive the rows that others are made of: with random operands, not empty."""
    found: dict[str, list[Any]] = {}
    for row in rows:
        found.setdefault(row.name, []).append(row)

    def plain(row) -> tuple:
        sizes = [a.size for a in row_examples(row)[0]] or [1]
        return (row.jax is not None, row.values is not None, min(sizes) == 0,
                not row.differentiable, max(sizes) == 1)

    return {name: sorted(own, key=plain) for name, own in found.items()}


# ------------------------------------------------------------------ other layouts, shapes, values


def laid_out(array: np.ndarray, layout: str) -> np.ndarray:
    """The same numbers, otherwise in memory."""
    if not array.ndim or layout == "contiguous":
        return array
    if layout == "reversed":
        return np.ascontiguousarray(array[::-1])[::-1]
    if layout == "transposed":
        return np.asfortranarray(array)
    if layout == "broadcast":  # no memory of its own along the first axis
        return np.broadcast_to(array[:1], array.shape) if array.size else array
    wide = np.repeat(array, 2, axis=-1)
    return wide[..., ::2]


def with_layout(variation: Variation, layout: str) -> Variation:
    def change(arrays):
        return [laid_out(a, layout) for a in arrays]

    return replace(variation, args=change(variation.args),
                   examples=[change(e) for e in variation.examples], what=layout)


def special_values(dtype: np.dtype) -> np.ndarray:
    """Numbers at which rules differ: zeros of both signs, infinities, nan, the smallest that
    XLA keeps. (It takes subnormal numbers for zeros; the engine computes with them.)"""
    kind = "f" if kind_of(dtype) == "c" else kind_of(dtype)
    info = ml_dtypes.finfo(np.zeros((), dtype).real.dtype) if kind == "f" else \
        np.iinfo(dtype) if kind in "iu" else None
    names = {"min": lambda: info.min, "max": lambda: info.max,
             "tiny": lambda: info.smallest_normal, "-tiny": lambda: -info.smallest_normal}
    values = [names[v]() if isinstance(v, str) else v for v in SPECIAL[kind]]
    return np.array([dtype.type(v) for v in values])


def with_special_values(variation: Variation) -> Variation:
    """Every special value beside every other, in operands that stretch to one shape."""
    dtype = variation.args[0].dtype
    values = special_values(dtype)
    count = len(variation.args)
    grids = np.meshgrid(*[values] * min(count, 2), indexing="ij")
    args = [grids[k % len(grids)].reshape(-1) if a.dtype == dtype else a
            for k, a in enumerate(variation.args)]
    return replace(variation, args=args, examples=[], what="special values", smooth=False)


def is_elementwise(row) -> bool:
    own = {a.dtype for a in row_examples(row)[0]}
    return core.table[row.name].family == "elementwise" and len(own) == 1


def with_shapes(variation: Variation, shapes: Iterable[tuple]) -> Variation:
    """Operands of other shapes, their numbers repeated."""
    shapes = list(shapes)

    def change(arrays):
        return [np.resize(a, s).astype(a.dtype) for a, s in zip(arrays, shapes)]

    return replace(variation, args=change(variation.args), what="other shapes",
                   examples=[change(e) for e in variation.examples])
