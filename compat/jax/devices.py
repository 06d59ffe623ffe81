"""Devices: this machine's CPU, counted as often as XLA_FLAGS or the configuration say."""

from __future__ import annotations

import functools
import os
import re


class Device:
    """A CPU device. All of them are this machine."""

    platform, device_kind, process_index, host_id = "cpu", "cpu", 0, 0
    client, local_hardware_id = None, None

    def __init__(self, id: int):
        self.id = id

    def __repr__(self) -> str:
        return f"CpuDevice(id={self.id})"

    def __str__(self) -> str:
        return f"cpu:{self.id}"

    def memory_stats(self) -> None:
        """Nothing is known of them."""


FLAG = re.compile(r"--xla_force_host_platform_device_count=(\d+)")


@functools.lru_cache
def all_devices() -> tuple[Device, ...]:
    """Made once, as JAX's are: later changes of the flag have no effect."""
    from compat.jax.config import config

    flags = FLAG.findall(os.environ.get("XLA_FLAGS", ""))
    count = config.jax_num_cpu_devices or (int(flags[-1]) if flags else 1)
    return tuple(map(Device, range(count)))


def devices(backend: str | None = None) -> list[Device]:
    """The devices of a platform ("cpu")."""
    if backend not in (None, "cpu"):
        raise RuntimeError(f"Unknown backend {backend}. Available backends are ['cpu']")
    return list(all_devices())


def device_count(backend: str | None = None) -> int:
    return len(devices(backend))


def local_devices(process_index=None, backend=None, host_id=None) -> list[Device]:
    """The devices of this process: all."""
    return devices(backend)


def local_device_count(backend=None) -> int:
    return device_count(backend)


def default_backend() -> str:
    return "cpu"


def process_index(backend=None) -> int:
    return 0


def process_count(backend=None) -> int:
    return 1


def process_indices(backend=None) -> list[int]:
    return [0]
