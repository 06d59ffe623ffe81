"""jax.scipy."""

import importlib

MODULES = set("cluster fft integrate interpolate linalg ndimage optimize signal sparse "
              "special stats".split())


def __getattr__(name: str):
    if name in MODULES:
        return importlib.import_module(f"compat.jax.scipy.{name}")
    raise AttributeError(f"module 'jax.scipy' has no attribute {name!r}")
