"""jax.experimental."""

from compat.jax.callbacks import io_callback


def __getattr__(name: str):
    import importlib

    if name in ("checkify", "shard_map", "mesh_utils", "ode"):
        return importlib.import_module(f"compat.jax.experimental.{name}")
    raise AttributeError(f"module 'jax.experimental' has no attribute {name!r}")
