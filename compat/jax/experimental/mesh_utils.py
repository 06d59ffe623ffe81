"""jax.experimental.mesh_utils: devices in an array."""

from __future__ import annotations

import math

import numpy as np

from compat.jax.devices import all_devices


def create_device_mesh(mesh_shape, devices=None, **_):
    """The devices in an array of the given shape."""
    devices = list(all_devices() if devices is None else devices)
    if math.prod(mesh_shape) != len(devices):
        raise ValueError(f"Number of devices {len(devices)} must equal the product of mesh_shape "
                         f"{tuple(mesh_shape)}")
    return np.array(devices, dtype=object).reshape(tuple(mesh_shape))
