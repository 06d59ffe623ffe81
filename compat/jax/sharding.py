"""jax.sharding: meshes of devices, and how arrays are cut over them.

All devices are this machine, so a sharding is a label: it says which part of an array a device
would hold, and programs written for shards run on whole arrays.
"""

from __future__ import annotations

import enum
import itertools
import math
from collections import OrderedDict
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np

from compat.jax.devices import Device, all_devices


class AxisType(enum.Enum):
    Auto, Explicit, Manual = "Auto", "Explicit", "Manual"

    def __repr__(self) -> str:
        return self.name


class PartitionSpec(tuple):
    """For each axis of an array the mesh axis (or several) that cuts it; None where none does."""

    __slots__ = ()
    UNCONSTRAINED = "unconstrained"

    def __new__(cls, *partitions, unreduced=frozenset(), reduced=frozenset()):
        return super().__new__(cls, partitions)

    def __repr__(self) -> str:
        return f"P({', '.join(map(repr, self))}{',' if len(self) == 1 else ''})"


P = PartitionSpec


class AbstractMesh:
    """The shape of a mesh without devices."""

    def __init__(self, axis_sizes, axis_names, axis_types=None):
        self.axis_sizes, self.axis_names = tuple(axis_sizes), tuple(axis_names)
        self.axis_types = axis_types or (AxisType.Auto,) * len(self.axis_names)

    shape = property(lambda self: OrderedDict(zip(self.axis_names, self.axis_sizes)))
    size = property(lambda self: math.prod(self.axis_sizes))
    empty = property(lambda self: not self.axis_names)

    def parts(self) -> tuple:
        return self.axis_sizes, self.axis_names, self.axis_types

    def __eq__(self, other) -> bool:
        return type(self) is type(other) and self.parts() == other.parts()

    def __hash__(self) -> int:
        return hash(self.parts())

    def __repr__(self) -> str:
        return (f"{type(self).__name__}(axis_sizes={self.axis_sizes}, axis_names="
                f"{self.axis_names}, axis_types={self.axis_types})")

    def __str__(self) -> str:
        sizes = ", ".join(f"{n!r}: {s}" for n, s in self.shape.items())
        return f"{type(self).__name__}({sizes}, axis_types={self.axis_types})"


class Mesh(AbstractMesh):
    """Devices in an array whose axes have names."""

    def __init__(self, devices, axis_names, axis_types=None):
        self.devices = np.asarray(devices, dtype=object)
        names = (axis_names,) if isinstance(axis_names, str) else tuple(axis_names)
        if self.devices.ndim != len(names):
            raise ValueError("Mesh requires the ndim of its first argument (`devices`) to equal "
                             "the length of its second argument (`axis_names`), but got "
                             f"devices.ndim == {self.devices.ndim} and len(axis_names) == "
                             f"{len(names)}.")
        super().__init__(self.devices.shape, names, axis_types)

    device_ids = property(lambda self: np.vectorize(lambda d: d.id)(self.devices))
    abstract_mesh = property(lambda self: AbstractMesh(*self.parts()))
    local_mesh = property(lambda self: self)

    def __enter__(self) -> Mesh:
        entered.append(current_mesh.set(self))
        return self

    def __exit__(self, *error) -> None:
        current_mesh.reset(entered.pop())


NO_MESH = AbstractMesh((), ())
current_mesh: ContextVar = ContextVar("jax_mesh", default=NO_MESH)
entered: list = []


def make_mesh(axis_shapes, axis_names, axis_types=None, *, devices=None) -> Mesh:
    """A mesh of the given shape over the first devices."""
    count = math.prod(axis_shapes)
    available = list(all_devices() if devices is None else devices)
    if count > len(available):
        raise ValueError(f"Number of devices {len(available)} must be >= the product of "
                         f"mesh_shape {tuple(axis_shapes)}")
    chosen = np.array(available[:count], dtype=object).reshape(tuple(axis_shapes))
    return Mesh(chosen, axis_names, axis_types or (AxisType.Explicit,) * len(axis_names))


@contextmanager
def set_mesh(mesh):
    """The mesh for functions that are given none."""
    token = current_mesh.set(mesh)
    try:
        yield mesh
    finally:
        current_mesh.reset(token)


use_abstract_mesh = set_mesh


def get_mesh():
    """The mesh that `set_mesh` made current."""
    return current_mesh.get()


def get_abstract_mesh():
    """The shape of the current mesh."""
    mesh = current_mesh.get()
    return mesh.abstract_mesh if isinstance(mesh, Mesh) else mesh


class Sharding:
    """Which part of an array each device holds."""

    memory_kind = "device"

    def spec_for(self, ndim: int) -> list[tuple]:
        """For each axis the names of the mesh axes that cut it."""
        return [()] * ndim

    def sizes(self) -> dict:
        return {}

    device_set: set = set()
    addressable_devices = property(lambda self: self.device_set)
    is_fully_addressable = True
    is_fully_replicated = property(lambda self: True)
    num_devices = property(lambda self: len(self.device_set))

    def shard_shape(self, global_shape) -> tuple:
        """The shape of a part."""
        sizes = self.sizes()
        out = []
        for n, names in zip(global_shape, self.spec_for(len(global_shape))):
            parts = math.prod(sizes[a] for a in names)
            if n % parts:
                raise ValueError(f"Sharding {self} implies that array axis is partitioned {parts} "
                                 f"times, but the dimension size is {n} (full shape: "
                                 f"{tuple(global_shape)})")
            out.append(n // parts)
        return tuple(out)

    def devices_indices_map(self, global_shape) -> dict:
        """The slices that each device holds."""
        raise NotImplementedError

    def is_equivalent_to(self, other, ndim: int) -> bool:
        """Do both cut arrays alike?"""
        return self.spec_for(ndim) == other.spec_for(ndim) and self.sizes() == other.sizes()


class SingleDeviceSharding(Sharding):
    """The whole array on one device."""

    def __init__(self, device, *, memory_kind=None):
        self._device = device
        self.device_set = {device}

    def devices_indices_map(self, global_shape) -> dict:
        return {self._device: (slice(None),) * len(global_shape)}

    def __eq__(self, other) -> bool:
        return isinstance(other, SingleDeviceSharding) and self._device is other._device

    def __hash__(self) -> int:
        return hash(self._device.id)

    def __repr__(self) -> str:
        return f"SingleDeviceSharding(device={self._device!r}, memory_kind=device)"


class NamedSharding(Sharding):
    """Axes of an array cut by axes of a mesh."""

    def __init__(self, mesh, spec, *, memory_kind=None):
        self.mesh, self.spec = mesh, spec if isinstance(spec, PartitionSpec) else P(*spec)
        seen = list(itertools.chain.from_iterable(map(names_of, self.spec)))
        for name in seen:
            if name not in mesh.axis_names:
                raise ValueError(f"Resource axis: {name} of {self.spec!r} is not found in mesh: "
                                 f"{mesh.axis_names}.")
        if len(set(seen)) != len(seen):
            raise ValueError(f"A single NamedSharding spec specification can map every mesh axis "
                             f"to at most one positional dimension, but {self.spec!r} has "
                             "duplicate entries")
        self.device_set = set(mesh.devices.flat) if isinstance(mesh, Mesh) else set()

    def sizes(self) -> dict:
        return dict(self.mesh.shape)

    def spec_for(self, ndim: int) -> list[tuple]:
        if len(self.spec) > ndim:
            raise ValueError(f"Sharding {self} is only valid for values of rank at least "
                             f"{len(self.spec)}, but was applied to a value of rank {ndim}")
        return [*map(names_of, self.spec), *[()] * (ndim - len(self.spec))]

    @property
    def is_fully_replicated(self) -> bool:
        return all(self.mesh.shape[n] == 1 for names in map(names_of, self.spec) for n in names)

    def devices_indices_map(self, global_shape) -> dict:
        parts, out = self.shard_shape(global_shape), {}
        for place in np.ndindex(self.mesh.devices.shape):
            at = dict(zip(self.mesh.axis_names, place))
            index = []
            for k, names in zip(parts, self.spec_for(len(global_shape))):
                block = 0
                for name in names:
                    block = block * self.mesh.shape[name] + at[name]
                index.append(slice(block * k, (block + 1) * k, None) if names else slice(None))
            out[self.mesh.devices[place]] = tuple(index)
        return out

    def __eq__(self, other) -> bool:
        return isinstance(other, NamedSharding) and (self.mesh, self.spec) == (
            other.mesh, other.spec)

    def __hash__(self) -> int:
        return hash((self.mesh, self.spec))

    def __repr__(self) -> str:
        return f"NamedSharding(mesh={self.mesh!s}, spec={self.spec!r}, memory_kind=device)"


def names_of(entry) -> tuple:
    """The mesh axes of one entry of a spec."""
    return () if entry is None else tuple(entry) if isinstance(entry, (tuple, list)) else (entry,)


def as_sharding(placed) -> Sharding | None:
    """A device, a sharding, or a spec for the current mesh, as a sharding."""
    if isinstance(placed, Device):
        return SingleDeviceSharding(placed)
    if isinstance(placed, PartitionSpec):
        return NamedSharding(current_mesh.get(), placed)
    return placed


class Shard:
    """The part of an array that one device holds."""

    def __init__(self, device, sharding, global_shape, data=None):
        self.device, self.sharding, self.global_shape, self.data = (device, sharding,
                                                                    global_shape, data)

    index = property(lambda self: self.sharding.devices_indices_map(self.global_shape)[self.device])

    @property
    def replica_id(self) -> int:
        """How many devices before this one hold the same part."""
        count = 0
        for device, index in self.sharding.devices_indices_map(self.global_shape).items():
            if device is self.device:
                return count
            count += index == self.index
        return count

    def __repr__(self) -> str:
        return (f"Shard(device={self.device!r}, index={self.index}, replica_id={self.replica_id}, "
                f"data={self.data})")


def reshard(xs, out_shardings):
    """Arrays under another sharding."""
    from compat.jax.transforms import device_put

    return device_put(xs, out_shardings)


def make_single_device_sharding(device) -> SingleDeviceSharding:
    """The sharding of an array on one device."""
    return SingleDeviceSharding(device)


