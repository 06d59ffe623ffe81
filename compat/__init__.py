"""Faces that speak PyTorch and JAX over one engine, and bridges to the real frameworks."""

import importlib

# Loaded when they are asked for: they import what the bare install does not have.
BRIDGES = {
    "from_jax": "compat.importers",
    "from_torch": "compat.bridges.exported",
    "to_jax": "compat.bridges.outward",
    "to_torch": "compat.bridges.outward",
}


def __getattr__(name: str):
    if name in BRIDGES:
        return getattr(importlib.import_module(BRIDGES[name]), name)
    raise AttributeError(f"module 'compat' has no attribute {name!r}")
