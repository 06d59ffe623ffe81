"""jax.interpreters.pxla: nothing of it is left in JAX but names that nobody needs here."""
