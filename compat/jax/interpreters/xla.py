"""jax.interpreters.xla: running a primitive by its lowering."""

from __future__ import annotations

from compat.jax.array import canonical_dtype as canonicalize_dtype
from minigrad.core import Primitive

__all__ = ["apply_primitive", "canonicalize_dtype"]


def apply_primitive(primitive: Primitive, *args, **params):
    """Compute a primitive as its lowering says."""
    return primitive.lowering(*args, **params)  # type: ignore[attr-defined]
