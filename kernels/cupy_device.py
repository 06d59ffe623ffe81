"""What one can ask a CUDA device for, through CuPy: its properties, memory, streams and events."""

from __future__ import annotations

from typing import Any

import cupy

Stream, Event = cupy.cuda.Stream, cupy.cuda.Event


def count() -> int:
    """How many devices there are. Raises RuntimeError where the driver is missing."""
    try:
        return cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        raise RuntimeError(str(error)) from None


def current() -> int:
    return cupy.cuda.Device().id


def use(index: int) -> None:
    """Make a device the one that new arrays go to."""
    cupy.cuda.Device(index).use()


def on(index: int):
    """A context in which a device is the current one."""
    return cupy.cuda.Device(index)


def synchronize(index: int | None = None) -> None:
    """Wait until everything that was asked of the device is done."""
    cupy.cuda.Device(index).synchronize()


def properties(index: int) -> dict[str, Any]:
    """As the CUDA runtime has them."""
    return cupy.cuda.runtime.getDeviceProperties(index)


def runtime_version() -> int:
    return cupy.cuda.runtime.runtimeGetVersion()


def memory(index: int) -> tuple[int, int]:
    """(bytes free, bytes in all) on the device."""
    with on(index):
        return cupy.cuda.Device(index).mem_info


def allocated(index: int) -> int:
    """The bytes that arrays of this process hold."""
    with on(index):
        return cupy.get_default_memory_pool().used_bytes()


def reserved(index: int) -> int:
    """The same, and what the pool keeps for the next ones."""
    with on(index):
        return cupy.get_default_memory_pool().total_bytes()


def release() -> None:
    """Give the blocks back that the pool keeps."""
    cupy.get_default_memory_pool().free_all_blocks()
    cupy.get_default_pinned_memory_pool().free_all_blocks()


def limit(fraction: float, index: int) -> None:
    """The part of the device's memory that the pool may take."""
    with on(index):
        cupy.get_default_memory_pool().set_limit(fraction=fraction)


def current_stream():
    return cupy.cuda.get_current_stream()


def elapsed(start, end) -> float:
    """Milliseconds between two events."""
    return cupy.cuda.get_elapsed_time(start, end)
