"""jax.extend.backend: what computes."""

from __future__ import annotations

from types import SimpleNamespace

from compat.jax import devices
from compat.jax.transforms import clear_caches as clear_backends

__all__ = ["backends", "clear_backends", "get_backend", "get_default_device"]


def get_backend(platform: str | None = None) -> SimpleNamespace:
    """The one platform."""
    return SimpleNamespace(platform="cpu", devices=lambda: devices.devices(platform),
                           device_count=devices.device_count, platform_version="minigrad")


def backends() -> dict[str, SimpleNamespace]:
    return {"cpu": get_backend()}


def get_default_device():
    return devices.devices()[0]
