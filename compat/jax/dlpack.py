"""jax.dlpack: exchange with other libraries."""

from __future__ import annotations

from compat.jax import numpy as jnp
from compat.jax.array import Array


def from_dlpack(external_array, device=None, copy=None) -> Array:
    """An Array of what another library exports by DLPack."""
    return jnp.from_dlpack(external_array, device=device, copy=copy)


def is_supported_dtype(dtype) -> bool:
    """Can arrays of this dtype be exchanged?"""
    import numpy as np

    return np.dtype(getattr(dtype, "dtype", dtype)).kind in "biufc"
