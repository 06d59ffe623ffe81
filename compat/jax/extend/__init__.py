"""jax.extend: what libraries on top of JAX use."""

from compat.jax.extend import backend, core, linear_util, random, source_info_util

__all__ = ["backend", "core", "linear_util", "random", "source_info_util"]
