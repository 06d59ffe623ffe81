"""`torch.cuda`: what a program asks a GPU for. Where there is none, the answers of PyTorch's build
for the CPU. Random numbers have one source here: the CPU's generator, also for the device, so that
equal seeds give equal weights on both (PyTorch's own, Philox, gives others on a device)."""

from __future__ import annotations

import contextlib
import types
from collections import OrderedDict

from compat.torch import dtypes
from compat.torch.devices import NO_CUDA, resolve
from compat.torch.random import default_generator
from minigrad import devices


def is_available() -> bool:
    """Is there a CUDA device, and CuPy?"""
    return not devices.availability()


def device_count() -> int:
    """How many CUDA devices there are."""
    return devices.count() if is_available() else 0


def is_initialized() -> bool:
    return bool(devices.core.worlds)


def asked():
    """The device's side, or PyTorch's complaint."""
    if not is_available():
        raise AssertionError(NO_CUDA)
    from kernels import cupy_device  # only where there is CuPy

    return cupy_device


def number(device=None) -> int:
    """The index of a device that is given as PyTorch allows."""
    if device is None:
        return asked().current()
    asked()
    place = resolve(device)
    if place is None:
        raise ValueError(f"Expected a cuda device, but got: {device}")
    return place.index


def init() -> None:
    asked()


def current_device() -> int:
    return asked().current()


def set_device(device) -> None:
    """Where `"cuda"` without a number is from now on."""
    if isinstance(device, int) and device < 0:
        return
    asked().use(number(device))


class device:
    """A context in which another device is the current one."""

    def __init__(self, device):
        self.index = -1 if device is None else number(device)

    def __enter__(self):
        self.context = asked().on(self.index) if self.index >= 0 else contextlib.nullcontext()
        self.context.__enter__()

    def __exit__(self, *error):
        self.context.__exit__(*error)


def device_of(tensor):
    return device(tensor.device if tensor.is_cuda else None)


def synchronize(device=None) -> None:
    """Wait for everything that was asked of the device."""
    asked().synchronize(number(device))


# ------------------------------------------------------------------ what kind of device


def get_device_properties(device=None):
    """Name, memory, multiprocessors and compute capability."""
    found = asked().properties(number(device))
    name = found["name"]
    return types.SimpleNamespace(
        name=name.decode() if isinstance(name, bytes) else name, major=found["major"],
        minor=found["minor"], total_memory=found["totalGlobalMem"],
        multi_processor_count=found["multiProcessorCount"], warp_size=found["warpSize"],
        max_threads_per_multi_processor=found["maxThreadsPerMultiProcessor"],
        L2_cache_size=found["l2CacheSize"], is_integrated=found["integrated"],
        is_multi_gpu_board=found["isMultiGpuBoard"],
        regs_per_multiprocessor=found["regsPerMultiprocessor"],
        shared_memory_per_block=found["sharedMemPerBlock"],
        shared_memory_per_multiprocessor=found["sharedMemPerMultiprocessor"])


def get_device_name(device=None) -> str:
    return get_device_properties(device).name


def get_device_capability(device=None) -> tuple[int, int]:
    found = get_device_properties(device)
    return found.major, found.minor


def get_arch_list() -> list[str]:
    """Kernels are compiled for the device that is there."""
    return [f"sm_{major}{minor}" for major, minor in
            sorted({get_device_capability(i) for i in range(device_count())})]


def is_bf16_supported(including_emulation=True) -> bool:
    return is_available() and get_device_capability()[0] >= (0 if including_emulation else 8)


def can_device_access_peer(device, peer_device) -> bool:
    return number(device) != number(peer_device)


# ------------------------------------------------------------------ memory

PEAKS: dict[tuple[str, int], int] = {}  # the most that was seen when somebody asked


def seen(kind: str, device) -> int:
    """The bytes that arrays hold ("allocated"), or with them the pool ("reserved")."""
    if not is_available():
        return 0
    index = number(device)
    amount = getattr(asked(), kind)(index)
    PEAKS[kind, index] = max(PEAKS.get((kind, index), 0), amount)
    return amount


def memory_allocated(device=None) -> int:
    """Bytes that Tensors hold."""
    return seen("allocated", device)


def memory_reserved(device=None) -> int:
    """Bytes that CuPy's pool holds, for Tensors and for later ones."""
    return seen("reserved", device)


def max_memory_allocated(device=None) -> int:
    """The most of `memory_allocated` whenever it was asked for: the pool keeps no maximum."""
    return max(seen("allocated", device), PEAKS.get(("allocated", number(device)), 0)) \
        if is_available() else 0


def max_memory_reserved(device=None) -> int:
    return max(seen("reserved", device), PEAKS.get(("reserved", number(device)), 0)) \
        if is_available() else 0


memory_cached, max_memory_cached = memory_reserved, max_memory_reserved


def reset_peak_memory_stats(device=None) -> None:
    for kind in ("allocated", "reserved"):
        PEAKS.pop((kind, number(device)), None)


reset_max_memory_allocated = reset_max_memory_cached = reset_peak_memory_stats


def memory_stats(device=None) -> OrderedDict:
    if not is_available():
        return OrderedDict()
    return OrderedDict(
        (f"{kind}_bytes.all.{when}", value) for kind, now, peak in (
            ("allocated", memory_allocated(device), max_memory_allocated(device)),
            ("reserved", memory_reserved(device), max_memory_reserved(device)))
        for when, value in (("current", now), ("peak", peak)))


def memory_summary(device=None, abbreviated=False) -> str:
    return "\n".join(f"{name:32} {value:>16,}" for name, value in memory_stats(device).items())


def mem_get_info(device=None) -> tuple[int, int]:
    """(bytes free, bytes in all)"""
    return asked().memory(number(device))


def set_per_process_memory_fraction(fraction: float, device=None) -> None:
    asked().limit(fraction, number(device))


def empty_cache() -> None:
    """Give back what the pool keeps for later."""
    if is_available():
        asked().release()


def ipc_collect() -> None:
    asked()


# ------------------------------------------------------------------ streams and events


class Stream:
    """A queue of work on a device."""

    def __init__(self, device=None, priority=0, *, of=None):
        if not is_available():
            raise RuntimeError("torch.cuda.Stream requires CUDA support")
        self.index = number(device)
        self.raw = asked().Stream(non_blocking=True) if of is None else of

    device = property(lambda self: dtypes.device("cuda", self.index))
    cuda_stream = property(lambda self: self.raw.ptr)

    def synchronize(self) -> None:
        self.raw.synchronize()

    def query(self) -> bool:
        return bool(self.raw.done)

    def wait_event(self, event) -> None:
        self.raw.wait_event(event.raw)

    def wait_stream(self, stream) -> None:
        self.wait_event(stream.record_event())

    def record_event(self, event=None):
        event = event or Event()
        event.record(self)
        return event

    def __eq__(self, other) -> bool:
        return isinstance(other, Stream) and self.cuda_stream == other.cuda_stream

    def __hash__(self) -> int:
        return hash(self.cuda_stream)


class Event:
    """A mark in a stream."""

    def __init__(self, enable_timing=False, blocking=False, interprocess=False, external=False):
        if not is_available():
            raise RuntimeError("Tried to instantiate dummy base class Event")
        self.raw = asked().Event(block=blocking, disable_timing=not enable_timing)

    def record(self, stream=None) -> None:
        self.raw.record((stream or current_stream()).raw)

    def wait(self, stream=None) -> None:
        (stream or current_stream()).wait_event(self)

    def query(self) -> bool:
        return bool(self.raw.done)

    def synchronize(self) -> None:
        self.raw.synchronize()

    def elapsed_time(self, end_event) -> float:
        """Milliseconds from this mark to the other."""
        return asked().elapsed(self.raw, end_event.raw)


def current_stream(device=None) -> Stream:
    return Stream(device, of=asked().current_stream())


def default_stream(device=None) -> Stream:
    return Stream(device, of=asked().Stream.null)


@contextlib.contextmanager
def stream(stream):
    """Work is put into this stream; None: nothing changes."""
    if stream is None:
        yield
        return
    with stream.raw:
        yield stream


def set_stream(stream) -> None:
    if stream is not None:
        stream.raw.use()


StreamContext = stream

def __getattr__(name: str):
    """`torch.cuda.amp`, loaded when it is used."""
    if name != "amp":
        raise AttributeError(f"module 'torch.cuda' has no attribute '{name}'")
    from compat.torch.amp import cuda_amp

    return cuda_amp


# ------------------------------------------------------------------ random numbers


def manual_seed(seed) -> None:
    """There is one source of random numbers, also for the device. On a machine without one
    nothing is seeded."""
    if is_available():
        default_generator.manual_seed(int(seed))


manual_seed_all = manual_seed


def seed() -> None:
    if is_available():
        default_generator.seed()


seed_all = seed


def initial_seed() -> int:
    asked()
    return default_generator.initial_seed()


def get_rng_state(device="cuda"):
    asked()
    return default_generator.get_state()


def get_rng_state_all() -> list:
    return [get_rng_state() for _ in range(device_count())]


def set_rng_state(new_state, device="cuda") -> None:
    if is_available():
        default_generator.set_state(new_state)


def set_rng_state_all(new_states) -> None:
    for state in new_states:
        set_rng_state(state)
