"""jax.extend.linear_util: functions that are transformed."""

from __future__ import annotations

from collections.abc import Callable


class WrappedFun:
    """A function, and how to call it."""

    def __init__(self, f: Callable, params: dict):
        self.f, self.params = f, params
        self.__name__ = getattr(f, "__name__", "<unnamed function>")

    def call_wrapped(self, *args, **kwargs):
        return self.f(*args, **self.params, **kwargs)


def wrap_init(f: Callable, params: dict | None = None, *, debug_info=None) -> WrappedFun:
    """A function made ready for transformations."""
    return WrappedFun(f, params or {})
