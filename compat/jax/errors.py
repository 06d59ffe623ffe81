"""jax.errors."""

