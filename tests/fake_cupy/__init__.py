"""A stand-in for CuPy without a device: arrays that hold NumPy's, and are none.

It is stricter than CuPy. Nothing becomes a NumPy array by itself (`__array__` raises, as CuPy's
does), no NumPy function takes such an array, and no function of these takes a NumPy array but
`asarray`, `array` and `ndarray.set`. Only what the real CuPy has is offered (`names.json`), ufuncs
only for the types that the real ones have. Kernels in CUDA C++ run on the grid simulator. Every way
back to the host is counted:

>>> with installed() as counts:
...     import cupy
...     x = cupy.asarray(np.arange(3.0)) * 2
...     type(x).__mro__[1] is object, x.get().tolist(), counts.get
(True, [0.0, 2.0, 4.0], 1)

What it cannot show: anything of memory, streams and timing, races, CuPy's rounding, and where the
real functions differ from NumPy's in corners that nobody has written down.
"""

from __future__ import annotations

import ctypes
import importlib
import sys
import types
from contextlib import contextmanager
from dataclasses import dataclass

import ml_dtypes
import numpy as np

from minigrad import devices
from tests.fake_cupy import functions
from tests.fake_cupy.arrays import counts, ndarray
from tests.fake_cupy.names import kept

DEVICE_KERNELS = ("cupy_gpu", "cupy_arrays", "cupy_linalg", "cupy_device", "segments")
_ = ml_dtypes


@dataclass
class Machine:
    """How many devices there seem to be."""

    devices: int = 1


machine = Machine()
compute_types: dict[str, int] = {}  # of products, by dtype
CORE = types.SimpleNamespace(
    set_compute_type=compute_types.__setitem__, _routines_linalg=types.SimpleNamespace(
        COMPUTE_TYPE_DEFAULT=1, COMPUTE_TYPE_TF32=4,
        get_compute_type=lambda dtype: compute_types.get(dtype, 1)))


class CUDARuntimeError(RuntimeError):
    pass


class Device:
    """A device that can be made the current one."""

    current: list[int] = [0]

    def __init__(self, id=None):
        self.id = self.current[-1] if id is None else int(id)

    def __enter__(self):
        self.current.append(self.id)
        return self

    def __exit__(self, *error):
        self.current.pop()

    def use(self):
        self.current[-1] = self.id

    def synchronize(self):
        counts.synchronize += 1

    compute_capability, mem_info = "90", (70 << 30, 80 << 30)


class Stream:
    """A stream on which everything has been done already."""

    null: Stream
    ptr = 0

    def __init__(self, null=False, non_blocking=False, ptds=False, priority=None):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def synchronize(self):
        counts.synchronize += 1

    def wait_event(self, event):
        pass

    def record(self, event=None):
        return event or Event()

    done = True


Stream.null = Stream()


class Event:
    done = True

    def __init__(self, block=True, disable_timing=False, interprocess=False):
        pass

    def record(self, stream=None):
        pass

    def synchronize(self):
        counts.synchronize += 1


class UnownedMemory:
    """Memory that somebody else keeps."""

    def __init__(self, ptr: int, size: int, owner, device_id: int = -1):
        self.ptr, self.size, self.owner = ptr, size, owner


class MemoryPointer:
    def __init__(self, mem: UnownedMemory, offset: int):
        self.mem, self.ptr = mem, mem.ptr + offset


def memcpy_async(target: int, source: int, size: int, kind: int, stream: int) -> None:
    assert kind == 3  # from device to device
    ctypes.memmove(target, source, size)


class MemoryPool:
    def used_bytes(self):
        return ndarray.used_bytes()

    total_bytes = used_bytes

    def free_all_blocks(self, stream=None):
        pass

    def set_limit(self, size=None, fraction=None):
        pass


def properties(index: int) -> dict:
    return {"name": b"NVIDIA stand-in", "totalGlobalMem": 80 << 30, "multiProcessorCount": 132,
            "major": 9, "minor": 0, "maxThreadsPerMultiProcessor": 2048, "warpSize": 32,
            "l2CacheSize": 50 << 20, "regsPerMultiprocessor": 65536, "sharedMemPerBlock": 49152,
            "sharedMemPerMultiprocessor": 233472, "sharedMemPerBlockOptin": 232448,
            "maxThreadsPerBlock": 1024, "clockRate": 1980000, "memoryClockRate": 2619000,
            "memoryBusWidth": 5120, "pciBusID": 0, "pciDeviceID": 0, "pciDomainID": 0,
            "integrated": 0, "isMultiGpuBoard": 0, "uuid": b"\0" * 16}


def device_count() -> int:
    if not machine.devices:
        raise CUDARuntimeError("cudaErrorNoDevice: no CUDA-capable device is detected")
    return machine.devices


def cuda_module() -> types.ModuleType:
    cuda = types.ModuleType("cupy.cuda")
    runtime = types.ModuleType("cupy.cuda.runtime")
    vars(runtime).update(getDeviceCount=device_count, getDeviceProperties=properties,
                         CUDARuntimeError=CUDARuntimeError, deviceSynchronize=lambda: None,
                         runtimeGetVersion=lambda: 13000, driverGetVersion=lambda: 13000,
                         memcpyAsync=memcpy_async)
    vars(cuda).update(
        UnownedMemory=UnownedMemory, MemoryPointer=MemoryPointer,
        runtime=runtime, Device=Device, Stream=Stream, Event=Event, MemoryPool=MemoryPool,
        get_current_stream=lambda: Stream.null, is_available=lambda: machine.devices > 0,
        get_elapsed_time=lambda start, end: 0.0, ExternalStream=Stream)
    return cuda


def modules() -> dict[str, types.ModuleType]:
    """The stand-in's modules by name."""
    names = kept()
    pool = MemoryPool()
    cupy = functions.module("cupy", names["cupy"], functions.CUPY | functions.ufuncs(names) | {
        "cuda": cuda_module(), "ndarray": ndarray, "RawModule": functions.RawModule,
        "RawKernel": functions.RawKernel, "get_default_memory_pool": lambda: pool,
        "get_default_pinned_memory_pool": lambda: pool,
        "linalg": functions.module("cupy.linalg", names["linalg"], functions.LINALG),
        "fft": functions.module("cupy.fft", names["fft"], functions.FFT)})
    cupy.__version__, cupy._core = names["version"], CORE
    special = functions.module("cupyx.scipy.special", names["special"], functions.SPECIAL)
    linalg = functions.module("cupyx.scipy.linalg", names["scipy_linalg"], functions.SCIPY_LINALG)
    scipy = types.ModuleType("cupyx.scipy")
    vars(scipy).update(special=special, linalg=linalg)
    cupyx = types.ModuleType("cupyx")
    vars(cupyx).update(scipy=scipy)
    return {"cupy": cupy, "cupy.cuda": cupy.cuda, "cupy.cuda.runtime": cupy.cuda.runtime,
            "cupyx": cupyx, "cupyx.scipy": scipy, "cupyx.scipy.special": special,
            "cupyx.scipy.linalg": linalg}


def forget_kernels() -> None:
    package = importlib.import_module("kernels")
    for name in DEVICE_KERNELS:
        sys.modules.pop(f"kernels.{name}", None)
        vars(package).pop(name, None)
    devices.forget()


@contextmanager
def installed(count: int = 1):
    """`import cupy` gives the stand-in, on a machine with `count` devices. Yields the counts of
    ways to the host."""
    before = {n: m for n, m in sys.modules.items() if n.partition(".")[0] in ("cupy", "cupyx")}
    for name in before:
        del sys.modules[name]
    forget_kernels()
    sys.modules.update(modules())
    machine.devices = count
    counts.clear()
    try:
        yield counts
    finally:
        forget_kernels()
        for name in [n for n in sys.modules if n.partition(".")[0] in ("cupy", "cupyx")]:
            del sys.modules[name]
        sys.modules.update(before)


@contextmanager
def several(count: int):
    """The machine with more devices for a while, within `installed`."""
    machine.devices, before = count, machine.devices
    devices.several.cache_clear()
    try:
        yield
    finally:
        machine.devices = before
        devices.several.cache_clear()


__all__ = ["counts", "installed", "machine", "np", "several"]
