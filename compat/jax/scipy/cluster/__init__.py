"""jax.scipy.cluster."""

from compat.jax.scipy.cluster import vq

__all__ = ["vq"]
