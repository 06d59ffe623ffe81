"""jax.typing: names for annotations."""

from typing import Any

import numpy as np

from compat.jax.array import Array

ArrayLike = Array | np.ndarray | np.bool_ | np.number | bool | int | float | complex
DTypeLike = Any
