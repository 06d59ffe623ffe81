"""jax.lax: the primitives as functions, and control flow."""

from compat.jax.lax.control import *  # noqa: F403
from compat.jax.lax.convolving import *  # noqa: F403
from compat.jax.lax.elementwise import *  # noqa: F403
from compat.jax.lax.indexing import *  # noqa: F403
from compat.jax.lax.others import *  # noqa: F403
from compat.jax.lax.parallel import *  # noqa: F403
from compat.jax.lax.products import *  # noqa: F403
from compat.jax.lax.ragged import *  # noqa: F403
from compat.jax.lax.reductions import *  # noqa: F403
from compat.jax.lax.shapes import *  # noqa: F403
from compat.jax.lax.solving import *  # noqa: F403
from kernels.indexing import (
    GatherDimensionNumbers, GatherScatterMode, ScatterDimensionNumbers,
)
from kernels.windows import ConvDimensionNumbers


def __getattr__(name: str):
    """`linalg`, and the primitives: `add_p` is the row of the table that is named "add"."""
    import importlib

    from minigrad.core import table

    if name == "linalg":
        return importlib.import_module("compat.jax.lax.linalg")
    stem = name[:-2] if name.endswith("_p") else None
    for candidate in (stem, f"{stem}".replace("_", "-"), PRIMITIVES.get(name)):
        if candidate in table:
            return table[candidate]
    raise AttributeError(f"module 'jax.lax' has no attribute {name!r}")


PRIMITIVES = {"and_p": "and", "linear_solve_p": "custom_linear_solve", "reduce_and_p": "reduce_and"}
