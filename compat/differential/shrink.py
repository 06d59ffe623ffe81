"""The smallest input at which two sides still differ, by hypothesis.

Equal dimensions shrink together, so that `f32[3,4] @ f32[4,5]` stays a product; elements become
0, 1, -1 ... one by one, and what they were before only where the difference needs it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from compat.differential.agreement import is_inexact

SIMPLE = {"f": (0.0, 1.0, -1.0, 2.0, 0.5), "c": (0j, 1 + 0j, 1j), "i": (0, 1, -1, 2),
          "u": (0, 1, 2), "b": (False, True)}
EXAMPLES = 80


def smallest(arrays: Sequence[np.ndarray],
             fails: Callable[[list[np.ndarray]], bool]) -> list[np.ndarray]:
    """A simpler list of arrays for which `fails` still holds; `arrays` where there is none.

    >>> [x] = smallest([np.float32([3.5, 2.5])], lambda arrays: bool((arrays[0] > 2).any()))
    >>> x
    array([3.5], dtype=float32)
    """
    from hypothesis import HealthCheck, Phase, find, settings
    from hypothesis.errors import NoSuchExample

    limits = settings(max_examples=EXAMPLES, deadline=None, derandomize=True, database=None,
                      phases=[Phase.generate, Phase.shrink],
                      suppress_health_check=list(HealthCheck))
    try:
        return find(candidates(arrays), lambda found: holds(fails, found), settings=limits)
    except NoSuchExample:
        return list(arrays)


def holds(fails: Callable, arrays: list[np.ndarray]) -> bool:
    try:
        return bool(fails(arrays))
    except Exception:
        return False


def candidates(arrays: Sequence[np.ndarray]):
    from hypothesis import strategies as st

    sizes = sorted({n for a in arrays for n in a.shape})

    @st.composite
    def draw(pick):
        smaller = {n: pick(st.sampled_from(sorted({min(n, 1), n}))) for n in sizes}
        return [pick(elements(a, tuple(min(smaller[n], n) for n in a.shape))) for a in arrays]

    return draw()


def elements(array: np.ndarray, shape: tuple[int, ...]):
    """Arrays of this shape: the corner of `array`, its elements replaced by simple numbers."""
    from hypothesis import strategies as st

    corner = array[tuple(slice(0, n) for n in shape)]
    simple = simple_values(array.dtype)
    choices = st.lists(st.integers(0, len(simple)), min_size=corner.size, max_size=corner.size)

    def build(picks):
        flat = [x if k == len(simple) else simple[k] for x, k in zip(corner.reshape(-1), picks)]
        return np.array(flat, array.dtype).reshape(shape)

    return choices.map(build)


def simple_values(dtype) -> tuple:
    kind = "f" if is_inexact(dtype) and dtype.kind not in "fc" else dtype.kind
    return SIMPLE.get(kind, ())


def spell(array: np.ndarray) -> str:
    return f"{array.tolist()} ({array.dtype})"
