"""Where concrete numbers lie: in this machine's memory, or on a CUDA device, through CuPy.

The place of a value is part of its spec: `spec.concrete` is True on the host and a `Device`
elsewhere. So the look-up that finds what to run (`minigrad/eager`) finds what runs *there*, and
NumPy's road does not pay for the question. Kernels of a device are chosen by the type of the
arrays (`core.worlds`), never by a flag in user code.

A host scalar goes to any device. Arrays that an operation makes by itself (a table of indices) are
taken along; Tensors of the user that lie on two devices are an error, in PyTorch's words.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kernels.worlds import fetch
from minigrad import core
from minigrad.core import Tensor

__all__ = ["Device", "availability", "common_place", "count", "cuda", "device_of", "fetch",
           "place_of", "put"]


class Device:
    """A CUDA device as the place of values, and the other one for those made in inference mode.
    Interned: `cuda(0) is cuda(0)`."""

    __slots__ = ("index", "inference", "plain", "marked", "world")
    platform = "cuda"

    def __init__(self, index: int, world, plain: Device | None = None):
        self.index, self.world = index, world
        self.inference = plain is not None
        self.plain: Device = plain or self
        self.marked: Device = self if plain is not None else Device(index, world, self)

    def __repr__(self) -> str:
        return f"cuda:{self.index}"


class World:
    """What arrays of one type can do: the kernels by name of primitive, and the ways in and out.

    kernels: `kernels.cupy_gpu`, or a module with its names."""

    def __init__(self, kernels):
        self.kernels, self.array_type = kernels, kernels.array_type
        self.names: dict[str, Any] = {}  # what generated source may say, by name

    def implementation(self, primitive) -> Callable:
        """The kernel of a primitive. One that runs a program (`scan`, `cond`) is the table's own,
        which finds the programs' kernels by the arrays again. What nobody wrote a kernel for (a
        callback, a function of SciPy's) goes through the host, and says so once."""
        found = self.kernels.implementations.get(primitive.name)
        if found is None:
            found = primitive.impl if primitive.name in ANYWHERE else \
                getattr(primitive, "on_device", None) or \
                self.kernels.through_host(primitive.name, primitive.impl)
            self.kernels.implementations[primitive.name] = found
        return found

    def place(self, array) -> Device:
        return cuda(self.kernels.index_of(array))

    def asarray(self, x):
        """Any array or number as one of this world's; what is one already is left alone."""
        return x if type(x) is self.array_type else self.kernels.asarray(x)

    @property
    def empty(self) -> Callable:
        return self.kernels.empty

    def constant(self, value):
        """A constant of a program, as its kernels take it: a number, or an array on the device."""
        if isinstance(value, core.Literal):
            value = value.value
        if isinstance(value, np.generic) and value.dtype.kind == "V":
            return self.asarray(value)  # bfloat16 is no scalar that a ufunc of CuPy takes
        if type(value) is np.ndarray:
            return self.asarray(value) if value.shape else value[()]
        return value


ANYWHERE = frozenset(  # kernels that run programs, or operators alone, on arrays of any kind
    "jit remat2 custom_jvp_call custom_lin custom_vjp_call linear_call scan while cond reduce "
    "reduce_window custom_linear_solve approx_top_k stop_gradient symmetric_product psum pmax pmin "
    "axis_index all_gather ppermute all_to_all name".split())

# ------------------------------------------------------------------ which there are


@functools.lru_cache(maxsize=1)
def opened() -> World:
    """The world of CuPy's arrays. Raises RuntimeError where there is no device."""
    if reason := availability():
        raise RuntimeError(reason)
    from kernels import cupy_gpu  # CuPy's kernels are loaded when the first value goes to a device

    world = World(cupy_gpu)
    core.worlds[world.array_type] = world
    return world


@functools.lru_cache(maxsize=64)
def cuda(index: int = 0) -> Device:
    """The CUDA device of this number."""
    return Device(index, opened())


def availability() -> str:
    """Why there is no device, or "" if there is one."""
    try:
        return "" if count() else "CuPy finds no CUDA device"
    except (ImportError, RuntimeError) as error:
        return f"{type(error).__name__}: {error}"


def count() -> int:
    """How many CUDA devices there are. Raises ImportError without CuPy, RuntimeError without a
    driver."""
    from kernels import cupy_device  # loads CuPy

    return cupy_device.count()


HERE = contextlib.nullcontext()


@functools.lru_cache(maxsize=1)
def several() -> bool:
    """Are there devices among which one has to be made the current one?"""
    return count() > 1


def current(place) -> Any:
    """A context in which what is made goes to this device."""
    if place is True or not several():
        return HERE
    return place.world.kernels.on(place.index)


def on_place(place, run: Callable) -> Callable:
    """`run`, with its device as the current one where there are several."""
    if place is True or not several():
        return run

    def there(*args):
        with current(place):
            return run(*args)

    return there


def forget() -> None:
    """Look again, for tests that bring a device along or take it away."""
    core.worlds.clear()
    opened.cache_clear()
    cuda.cache_clear()
    several.cache_clear()


# ------------------------------------------------------------------ where a value is


def place_of(spec) -> Device | None:
    """The device of a spec; None for the host and for traced values."""
    return spec.concrete.plain if type(spec.concrete) is Device else None


def device_of(x) -> Device | None:
    """The device of a Tensor or an array; None for the host."""
    value = x.value if isinstance(x, Tensor) else x
    world = core.worlds.get(type(value))
    return None if world is None else world.place(value)


def is_marked(spec) -> bool:
    """Does the spec say that its value was made in inference mode?"""
    return spec.concrete == "inference" or type(spec.concrete) is Device and spec.concrete.inference


def common_place(specs: Sequence) -> Any:
    """Where an operation on operands of these specs runs: True for the host, or the device."""
    found = [s.concrete.plain for s in specs if s is not None and type(s.concrete) is Device]
    if not found:
        return True
    for other in found:
        if other is not found[0]:
            raise RuntimeError(mixed(found[0], other))
    return found[0]


def strangers(tensors: Sequence) -> list[Tensor]:
    """The Tensors of the host among those of a device, but for scalars, which go anywhere. Raises
    for several devices."""
    place = common_place([t.spec for t in tensors])
    return [] if place is True else [t for t in tensors if t.spec.shape and t.spec.concrete is True]


def mixed(first, second) -> str:
    """PyTorch's words."""
    return ("Expected all tensors to be on the same device, but found at least two devices, "
            f"{first} and {second}!")


# ------------------------------------------------------------------ moving


def put(array, device: Device | None):
    """An array on the device, copied there unless it is there; None means the host."""
    here = device_of(array)
    if here is device:
        return array
    if device is None:
        return fetch(array)
    return device.world.kernels.put(array if here is None else array, device.index)


def alike(array, other):
    """`array` in the memory that `other` is in."""
    return put(array, device_of(other)) if core.worlds else array


CUDA_KINDS = (2, 3, 13)  # of DLPack's device types: CUDA, its pinned and its managed memory


def from_dlpack(x):
    """Another library's array, as one of NumPy's or of the device it lies on, without a copy."""
    kind, _ = x.__dlpack_device__()
    return opened().kernels.from_dlpack(x) if kind in CUDA_KINDS else np.from_dlpack(x)


def address(array) -> int:
    """Where the numbers of an array begin."""
    world = core.worlds.get(type(array))
    return array.__array_interface__["data"][0] if world is None else world.kernels.address(array)


def contiguous(array):
    """The array, or a copy, in the order of its indices."""
    world = core.worlds.get(type(array))
    return (np if world is None else world.kernels).ascontiguousarray(array)


def share_memory(x, y) -> bool:
    """May a write to one array be seen in the other, of the same type?"""
    world = core.worlds.get(type(x))
    return np.may_share_memory(x, y) if world is None else world.kernels.share_memory(x, y)
