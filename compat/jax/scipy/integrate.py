"""jax.scipy.integrate."""

from compat.jax.numpy import trapezoid  # type: ignore[attr-defined]

__all__ = ["trapezoid"]
