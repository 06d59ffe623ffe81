"""jax.lax: the primitives as functions, and control flow."""

from compat.jax.lax.control import *  # noqa: F403
from compat.jax.lax.elementwise import *  # noqa: F403
from compat.jax.lax.indexing import *  # noqa: F403
from compat.jax.lax.products import *  # noqa: F403
from compat.jax.lax.reductions import *  # noqa: F403
from compat.jax.lax.shapes import *  # noqa: F403
from kernels.indexing import (
    GatherDimensionNumbers, GatherScatterMode, ScatterDimensionNumbers,
)
from kernels.windows import ConvDimensionNumbers
