"""From a mismatch to its cause: the smallest input, then the equation."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from compat.differential.comparison import Cell, Comparison, compare
from compat.differential.locate import Finding, locate
from compat.differential.shrink import smallest, spell
from compat.differential.worlds import module


def side_of(cell: Cell) -> str:
    return "torch" if cell.theirs == "torch" else "jax"


def investigate(result: Comparison, functions: dict[tuple[str, bool], Callable],
                arrays: Sequence[np.ndarray]) -> Finding | None:
    """Add the smallest failing input and the first wrong equation to the report."""
    cell = result.mismatches[0]
    library = side_of(cell)
    pair = {key: fn for key, fn in functions.items() if key[0] == library}

    def fails(candidate) -> bool:
        again = compare(pair, candidate, [cell.question], timing=False, once=False)
        return any(c.question == cell.question and c.ours == cell.ours for c in again.mismatches)

    small = smallest(arrays, fails)
    result.found.append(f"  smallest input that differs ({cell.question}, {cell.ours}): "
                        + "; ".join(map(spell, small)))
    if result.answers[cell.ours, cell.question].error is not None:
        return None
    finding = first_difference(functions[library, True], small, cell, library)
    result.found.append(str(finding) if finding else
                        "  every equation alone agrees with JAX's: the difference lies in how "
                        "they are put together, or in a convention of the face")
    return finding


def first_difference(fn: Callable, arrays, cell: Cell, library: str) -> Finding | None:
    face = module(library, True)
    try:
        return locate(fn, arrays, cell.question,
                      face.Tensor if library == "torch" else face.Array)
    except Exception:  # the function cannot be staged: it raises, or asks for concrete numbers
        return None
