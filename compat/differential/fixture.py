"""A pytest fixture for functions of your own. In a conftest.py:

    pytest_plugins = ["compat.differential.fixture"]

and in a test:

    def test_my_loss(differential):
        differential("lambda x, y: ((x - y) ** 2).mean()", "3x4", "3x4")
        differential(my_loss, x, y, xp=jax.numpy)       # see `Differential`
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from compat.differential.comparison import Comparison
from compat.differential.tool import inputs_for, run_functions, run_texts


class Differential:
    """Compare a function across minigrad, JAX and PyTorch; raises AssertionError with the
    report where they differ, after shrinking the input and locating the equation."""

    def __call__(self, function: str | Callable, *args, torch: str | Callable | None = None,
                 dtype: str = "float32") -> Comparison:
        """function: an expression, or a function whose first parameter is `xp`, the array
        functions of the side that runs it. args: arrays, or shapes such as "3x4". torch: the
        same for the torch sides, where names differ."""
        arrays = [inputs_for(a, dtype, k) if isinstance(a, str) else np.asarray(a)
                  for k, a in enumerate(args)]
        if isinstance(function, str):
            result = run_texts([t for t in (function, torch) if t is not None], arrays)
        else:
            result = run_functions(function, torch, arrays)
        result.raise_on_mismatch()
        return result


@pytest.fixture
def differential() -> Differential:
    return Differential()
