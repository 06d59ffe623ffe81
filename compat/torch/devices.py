"""Where Tensors are: `device=`, `.to("cuda")`, the default device.

PyTorch's rules over minigrad's devices (`minigrad/devices`). A machine without a GPU answers as
PyTorch's build for the CPU does.
"""

from __future__ import annotations

import os
import sys
from inspect import CO_VARARGS, CO_VARKEYWORDS
from pathlib import Path
from typing import Any

from compat.torch import dtypes
from compat.torch.dtypes import DEFAULTS
from compat.torch.tensor import Parameter, Tensor
from minigrad import core, devices
from minigrad.core import make_box, make_spec
from minigrad.devices.moving import transfer

WORLDS = core.worlds  # empty until the first value goes to a device
NO_CUDA = "Torch not compiled with CUDA enabled"


def resolve(given) -> devices.Device | None:
    """minigrad's device for one of PyTorch's, a name or a number; None is the host. Raises what
    PyTorch does for a device that is not there."""
    wanted = given if isinstance(given, dtypes.device) else dtypes.device(given)
    if wanted.type == "cpu":
        return None
    if wanted.type != "cuda":
        raise RuntimeError(f"PyTorch is not linked with support for {wanted.type} devices")
    if devices.availability():
        raise AssertionError(NO_CUDA)
    index = current_index() if wanted.index is None else wanted.index
    if index >= devices.count():
        raise RuntimeError("CUDA error: invalid device ordinal")
    return devices.cuda(index)


def current_index() -> int:
    from kernels import cupy_device  # only where there is CuPy

    return cupy_device.current()


def settle(made, where: devices.Device | None) -> Any:
    """What a factory made, a leaf if it is to have a gradient, on a device."""
    if isinstance(made, tuple):
        return type(made)(settle(part, where) for part in made)
    if not isinstance(made, Tensor) or not made.spec.concrete \
            or devices.place_of(made.spec) is where:
        return made
    value = devices.put(made.value, where)
    moved = make_box(type(made), value, make_spec(made.spec.aval, False, where or True))
    return moved.requires_grad_() if made.spec.requires_grad else moved


def placed(made, given, operand) -> Any:
    """The result of a factory on the device that was asked for, or on the default one. What is made
    in the likeness of a Tensor is already where that is."""
    if given is None:
        if isinstance(operand, core.Tensor) or not DEFAULTS:
            return made
        given = DEFAULTS[-1]
    return settle(made, resolve(given))


def beside(x, made) -> Any:
    """What was made on the host of the numbers of `x`, or in its shape, where `x` is."""
    return settle(made, devices.place_of(x.spec)) if WORLDS and isinstance(x, core.Tensor) else made


# ------------------------------------------------------------------ operands on two devices


def together(operands: list) -> list:
    """Operands of one operation on one device. The user's Tensors of the host beside those of a
    device are an error; constants that a function of this package made for itself go along."""
    tensors = [a for a in operands if isinstance(a, core.Tensor)]
    apart = devices.strangers(tensors)
    if not apart:
        return operands
    place = devices.common_place([t.spec for t in tensors])
    given = handed_in()
    if any(isinstance(t, Parameter) or t.spec.requires_grad or id(t) in given for t in apart):
        raise RuntimeError(devices.mixed(place, "cpu"))
    return [transfer(a, place) if any(a is t for t in apart) else a for a in operands]


def handed_in() -> set[int]:
    """What the user's call into this package was given: the ids of its arguments, and of what is in
    lists among them."""
    frame = entry = sys._getframe(1)
    while frame is not None and is_ours(frame.f_code.co_filename):
        frame, entry = frame.f_back, frame
    code = entry.f_code
    count = code.co_argcount + code.co_kwonlyargcount
    count += sum(bool(code.co_flags & flag) for flag in (CO_VARARGS, CO_VARKEYWORDS))
    found = [entry.f_locals[n] for n in code.co_varnames[:count] if n in entry.f_locals]
    for value in tuple(found):
        if isinstance(value, (list, tuple)):
            found += value
        elif isinstance(value, dict):
            found += value.values()
    return set(map(id, found))


def is_ours(filename: str) -> bool:
    return filename.startswith(("<minigrad", "<torch", *ROOTS))


ROOTS = tuple(str(Path(module.__file__).parent) + os.sep for module in (core, dtypes))


def moved(tensor: Tensor, given) -> Any:
    """`tensor.to(device)`, on the graph."""
    return transfer(tensor, resolve(given))


def get_default_device() -> dtypes.device:
    """The device of factories that are told none."""
    if not DEFAULTS:
        return dtypes.CPU
    resolve(DEFAULTS[-1])
    return DEFAULTS[-1]


def set_default_device(device) -> None:
    """Where factories make Tensors from now on; None: on the host."""
    DEFAULTS[-1:] = [] if device is None else [dtypes.device(device)]
