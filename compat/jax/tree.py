"""jax.tree: the functions of `jax.tree_util` by short names."""

