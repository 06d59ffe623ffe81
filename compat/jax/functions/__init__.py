"""Functions of jax.numpy that are written in JAX's own idiom, over others of it."""
