"""`torch.amp`: the gradient scaler of mixed precision, and `autocast` regions.

On the CPU a region changes no dtype: float32 stays float32, which is at least as precise. Regions
for a device that this machine lacks are switched off with PyTorch's warning.
"""

from __future__ import annotations

import contextlib
import warnings
from typing import Any

from compat.torch.dtypes import bfloat16, float16
from compat.torch.runtime import module
from minigrad import core

ACTIVE: list[tuple[str, Any]] = []  # (device type, dtype) of the regions around, innermost last


class autocast(contextlib.ContextDecorator):
    """A region of mixed precision: a `with` block or a decorator."""

    def __init__(self, device_type: str, dtype=None, enabled: bool = True, cache_enabled=None):
        if not isinstance(device_type, str):
            raise ValueError("Expected `device_type` of type `str`, got: `"
                             f"{type(device_type)}`")
        if enabled and device_type != "cpu":
            warnings.warn("CUDA is not available or torch_xla is imported. Disabling autocast."
                          if device_type == "cuda" else f"User provided device_type of "
                          f"'{device_type}', but {device_type.upper()} is not available. "
                          "Disabling", stacklevel=2)
            enabled = False
        self.device, self.fast_dtype = device_type, dtype or default_dtype(device_type)
        self._enabled = enabled

    def __enter__(self):
        ACTIVE.append((self.device if self._enabled else "", self.fast_dtype))
        return self

    def __exit__(self, *error):
        ACTIVE.pop()


def default_dtype(device_type: str):
    return bfloat16 if device_type == "cpu" else float16


def is_autocast_enabled(device_type: str = "cuda") -> bool:
    return bool(ACTIVE) and ACTIVE[-1][0] == device_type


def get_autocast_dtype(device_type: str):
    return ACTIVE[-1][1] if is_autocast_enabled(device_type) else default_dtype(device_type)


def is_autocast_available(device_type: str) -> bool:
    return device_type in ("cpu", "cuda", "mps", "xpu", "hpu", "mtia", "xla", "maia")


def custom_fwd(fwd=None, *, device_type: str, cast_inputs=None):
    """Marks the forward of an autograd Function: it is run as it is."""
    return fwd if fwd is not None else lambda fwd: fwd


custom_bwd = custom_fwd


class GradScaler:
    """Scales a loss so that its gradients fit half precision, and skips the steps whose gradients
    are not finite; the scale halves then, and doubles after `growth_interval` good steps."""

    def __init__(self, device: str = "cuda", init_scale: float = 65536.0,
                 growth_factor: float = 2.0, backoff_factor: float = 0.5,
                 growth_interval: int = 2000, enabled: bool = True):
        self._device = device
        if enabled and device != "cpu":
            warnings.warn(f"torch.{device}.amp.GradScaler is enabled, but {device.upper()} is not "
                          "available.  Disabling.", stacklevel=2)
            enabled = False
        self._enabled, self._scale, self._tracker = enabled, float(init_scale), 0
        self._growth_factor, self._backoff_factor = growth_factor, backoff_factor
        self._growth_interval = growth_interval
        self._found: dict[int, bool] = {}  # id of an optimizer whose gradients are unscaled

    def scale(self, outputs):
        """The outputs times the scale: a Tensor or a sequence of them."""
        if not self._enabled:
            return outputs
        if isinstance(outputs, core.Tensor):
            return outputs * self._scale
        return type(outputs)(map(self.scale, outputs))

    def unscale_(self, optimizer) -> None:
        """Divide the gradients of an optimizer's parameters, once between its steps."""
        if not self._enabled:
            return
        if id(optimizer) in self._found:
            raise RuntimeError("unscale_() has already been called on this optimizer since the "
                               "last update().")
        grads = [p.grad for group in optimizer.param_groups for p in group["params"]
                 if p.grad is not None]
        for grad in grads:
            grad.mul_(1.0 / self._scale)
        self._found[id(optimizer)] = not all(bool(grad.isfinite().all()) for grad in grads)

    def step(self, optimizer, *args, **kwargs):
        """A step of the optimizer, if all its gradients are finite."""
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if "closure" in kwargs:
            raise RuntimeError("Closure use is not currently supported if GradScaler is enabled.")
        if id(optimizer) not in self._found:
            self.unscale_(optimizer)
        return None if self._found[id(optimizer)] else optimizer.step(*args, **kwargs)

    def update(self, new_scale=None) -> None:
        """The next scale, from what the steps since the last update found."""
        if not self._enabled:
            return
        if new_scale is not None:
            self._scale = float(new_scale)
        elif not self._found:
            raise AssertionError("No inf checks were recorded prior to update.")
        elif any(self._found.values()):
            self._scale, self._tracker = self._scale * self._backoff_factor, 0
        else:
            self._tracker += 1
            if self._tracker == self._growth_interval:
                self._scale, self._tracker = self._scale * self._growth_factor, 0
        self._found.clear()

    def get_scale(self) -> float:
        return self._scale if self._enabled else 1.0

    def is_enabled(self) -> bool:
        return self._enabled

    def state_dict(self) -> dict:
        """The scale and its rule, or nothing where scaling is off."""
        return {"scale": self._scale, "growth_factor": self._growth_factor,
                "backoff_factor": self._backoff_factor, "growth_interval": self._growth_interval,
                "_growth_tracker": self._tracker} if self._enabled else {}

    def load_state_dict(self, state_dict: dict) -> None:
        if not self._enabled:
            return
        if not state_dict:
            raise RuntimeError("The source state dict is empty, possibly because it was saved from "
                               "a disabled instance of GradScaler.")
        self._scale, self._tracker = state_dict["scale"], state_dict["_growth_tracker"]
        self._growth_factor = state_dict["growth_factor"]
        self._backoff_factor = state_dict["backoff_factor"]
        self._growth_interval = state_dict["growth_interval"]


for _name in ("growth_factor", "backoff_factor", "growth_interval"):
    setattr(GradScaler, f"get_{_name}", lambda self, name="_" + _name: getattr(self, name))
    setattr(GradScaler, f"set_{_name}",
            lambda self, value, name="_" + _name: setattr(self, name, value))


def on_cuda(cls: type) -> type:
    """The class for CUDA alone, as `torch.cuda.amp` still has it."""
    def __init__(self, *args, **kwargs):
        cls.__init__(self, "cuda", *args, **kwargs)  # type: ignore[misc]

    return type(cls.__name__, (cls,), {"__init__": __init__})


cuda_amp = module("cuda.amp", autocast=on_cuda(autocast), GradScaler=on_cuda(GradScaler),
                  custom_fwd=lambda fwd=None, **_: custom_fwd(fwd, device_type="cuda"),
                  custom_bwd=lambda bwd=None, **_: custom_bwd(bwd, device_type="cuda"))
