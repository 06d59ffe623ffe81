"""jax.scipy."""

from compat.jax.scipy import special
