"""Devices: this machine's CPU, counted as often as XLA_FLAGS or the configuration say, and its CUDA
devices. The CPU stays the default: what is to run on a GPU is put there."""

from __future__ import annotations

import functools
import os
import re

from minigrad import devices as places
from minigrad.devices.moving import transfer


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


class CudaDevice(Device):
    """A GPU."""

    platform = "gpu"

    def __repr__(self) -> str:
        return f"CudaDevice(id={self.id})"

    def __str__(self) -> str:
        return f"cuda:{self.id}"

    @property
    def device_kind(self) -> str:  # type: ignore[override]
        from kernels import cupy_device  # only where there is CuPy

        name = cupy_device.properties(self.id)["name"]
        return name.decode() if isinstance(name, bytes) else name

    def memory_stats(self) -> dict:  # type: ignore[override]
        """Bytes in use, in the pool, and in all."""
        from kernels import cupy_device

        return {"bytes_in_use": cupy_device.allocated(self.id),
                "bytes_reserved": cupy_device.reserved(self.id),
                "bytes_limit": cupy_device.memory(self.id)[1]}


@functools.lru_cache(maxsize=64)
def gpu(index: int) -> CudaDevice:
    """The GPU of this number: one object."""
    return CudaDevice(index)


def place_of(device: Device) -> places.Device | None:
    """Where its values lie: minigrad's device, or None for the host."""
    return places.cuda(device.id) if isinstance(device, CudaDevice) else None


def moved(x, device: Device | None):
    """An Array on a device, on the graph."""
    return x if device is None else transfer(x, place_of(device))


CHOSEN: list[Device] = []  # where new arrays go, as `jax_default_device` says; empty: the CPU

FLAG = re.compile(r"--xla_force_host_platform_device_count=(\d+)")


@functools.lru_cache
def all_devices() -> tuple[Device, ...]:
    """Made once, as JAX's are: later changes of the flag have no effect."""
    from compat.jax.config import config

    flags = FLAG.findall(os.environ.get("XLA_FLAGS", ""))
    count = config.jax_num_cpu_devices or (int(flags[-1]) if flags else 1)
    return tuple(map(Device, range(count)))


GPUS = ("gpu", "cuda")


def devices(backend: str | None = None) -> list[Device]:
    """The devices of a platform: "cpu", or "gpu" ("cuda")."""
    if backend in GPUS:
        if places.availability():
            raise RuntimeError(
                "Unknown backend cuda. Available backends are ['cpu']" if backend == "cuda" else
                "Unknown backend: 'gpu' requested, but no platforms that are instances of gpu are "
                "present. Platforms present are: cpu")
        return [gpu(i) for i in range(places.count())]
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
