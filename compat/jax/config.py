"""`jax.config`, and the context managers that change it for a while."""

from __future__ import annotations

from contextlib import contextmanager

from compat.jax.transforms import JittedFunction
from minigrad.core import config as settings


class Config:
    """Settings by JAX's names. Those that mean nothing here are kept and have no effect."""

    def __init__(self):
        self.__dict__["values"] = {"jax_debug_nans": False, "jax_default_matmul_precision": None,
                                   "jax_platforms": "cpu", "jax_numpy_rank_promotion": "allow"}

    def update(self, name: str, value) -> None:
        if name == "jax_enable_x64":
            settings.set("x64", bool(value))
        elif name == "jax_disable_jit":
            JittedFunction.enabled = not value
        else:
            self.values[name] = value

    def __getattr__(self, name: str):
        known = {"jax_enable_x64": settings.x64, "x64_enabled": settings.x64,
                 "jax_disable_jit": not JittedFunction.enabled, **self.values}
        try:
            return known[name]
        except KeyError:
            raise AttributeError(f"Unrecognized config option: {name}") from None

    def read(self, name: str):
        return getattr(self, name)


config = Config()


@contextmanager
def enable_x64(new_val: bool = True):
    """64-bit types inside the `with` block."""
    old = settings.x64
    settings.set("x64", bool(new_val))
    try:
        yield
    finally:
        settings.set("x64", old)


@contextmanager
def disable_jit(disable: bool = True):
    """Functions under `jit` run as they are written, inside the `with` block."""
    old = JittedFunction.enabled
    JittedFunction.enabled = not disable
    try:
        yield
    finally:
        JittedFunction.enabled = old
