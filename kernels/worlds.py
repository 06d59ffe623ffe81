"""Arrays that are not NumPy's: what computes on them is found by their type.

NumPy's need no entry here. A device registers its type of array when the first value goes there
(`minigrad/devices`); until then the look-ups below cost one look at an empty dictionary.
"""

from collections.abc import Callable, Iterable
from typing import Any

worlds: dict[type, Any] = {}  # type of array -> its `minigrad.devices.World`


def world_of(arrays: Iterable) -> Any:
    """Where an operation on these arrays runs; None is NumPy."""
    return next((worlds[type(a)] for a in arrays if type(a) in worlds), None) if worlds else None


def place_of_arrays(arrays: Iterable) -> Any:
    """Where arrays lie: True for the host, or the device of the first that lies on one."""
    return next((worlds[type(a)].place(a) for a in arrays if type(a) in worlds), True) \
        if worlds else True


def implementation(primitive, arrays: Iterable) -> Callable:
    """What computes a primitive of the table on these arrays."""
    world = world_of(arrays)
    return primitive.impl if world is None else world.implementation(primitive)


def fetch(array) -> Any:
    """The numbers of any array as one of NumPy's. This is the only way back from a device, and
    waits for it."""
    world = worlds.get(type(array))
    return array if world is None else world.kernels.fetch(array)


def concrete_of(value) -> Any:
    """How a spec says that this value is no traced one: True, or the device it lies on."""
    return worlds[type(value)].place(value) if type(value) in worlds else True
