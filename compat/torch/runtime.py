"""Settings and questions about the machine that programs ask `torch` for, and the older names of
tensor types."""

from __future__ import annotations

import sys
import types

from compat.torch.autograd.anomaly import (  # noqa: F401
    is_anomaly_check_nan_enabled, is_anomaly_enabled, set_anomaly_enabled,
)
from compat.torch.creation import empty, tensor
from compat.torch.dtypes import (
    CPU, NAMED, SCALAR_NAMES, Size, device, set_default_dtype,
)
from compat.torch.precision import (
    get_float32_matmul_precision, matmul, set_float32_matmul_precision,  # noqa: F401
)
from compat.torch.tensor import Tensor
from kernels import pool

__version__ = "2.13.0+minigrad"
SETTINGS: dict = {"interop": 1, "deterministic": False, "warn_only": False,
                  "warn_always": False, "debug": 0, "device": CPU}


def setting(name: str, kind=lambda value: value):
    """(get, set) of one setting, which the mirror keeps and has no further use for."""
    def get():
        return SETTINGS[name]

    def put(value):
        SETTINGS[name] = kind(value)

    return get, put


def get_num_threads() -> int:
    return pool.threads()


def set_num_threads(num_threads) -> None:
    """Threads that share the work of one operation. Results do not depend on it."""
    if type(num_threads) is not int:
        raise RuntimeError("set_num_threads expects an int, but got "
                           f"{type(num_threads).__name__}")
    if num_threads < 1:
        raise RuntimeError("set_num_threads expects a positive integer")
    pool.use(num_threads)


get_num_interop_threads, set_num_interop_threads = setting("interop", int)
is_warn_always_enabled, set_warn_always = setting("warn_always", bool)
get_deterministic_debug_mode, set_deterministic_debug_mode = setting("debug")
get_default_device, set_default_device = setting("device", device)


def use_deterministic_algorithms(mode, *, warn_only=False) -> None:
    """All algorithms here are deterministic."""
    SETTINGS.update(deterministic=bool(mode), warn_only=warn_only)


def are_deterministic_algorithms_enabled() -> bool:
    return SETTINGS["deterministic"]


def is_deterministic_algorithms_warn_only_enabled() -> bool:
    return SETTINGS["warn_only"]


def set_flush_denormal(mode) -> bool:
    """Denormal numbers are kept: the switch is refused."""
    return False


def set_default_tensor_type(t) -> None:
    """The dtype of Python floats, by the older name of a tensor type."""
    name = t if isinstance(t, str) else t.__name__
    set_default_dtype(LEGACY[name.rpartition(".")[2]].dtype)


def get_device_name(*_):
    raise AssertionError("Torch not compiled with CUDA enabled")


class LegacyType(type):
    """`torch.FloatTensor` and its kin: constructors, and classes for `isinstance`."""

    dtype = None

    def __call__(cls, *args, device=None):
        if len(args) == 1 and not isinstance(args[0], (int, Size)):
            return tensor(args[0], dtype=cls.dtype)
        return empty(*args, dtype=cls.dtype) if args else empty(0, dtype=cls.dtype)

    def __instancecheck__(cls, x) -> bool:
        return isinstance(x, Tensor) and x.dtype == cls.dtype


LEGACY = {f"{name}Tensor": LegacyType(f"{name}Tensor", (), {"dtype": d}) for d in NAMED.values()
          if (name := SCALAR_NAMES[d.name]) and not d.is_complex and "UInt" not in name}


def no_cuda(*args, **kwargs):
    raise AssertionError("Torch not compiled with CUDA enabled")


def module(name: str, **contents):
    made = types.ModuleType(f"{__package__}.{name}")
    made.__dict__.update(contents)
    sys.modules[made.__name__] = made
    return made


def unavailable(name: str, **more):
    """A device that this machine does not have, as PyTorch answers for it."""
    return module(name, is_available=lambda: False, device_count=lambda: 0,
                  is_initialized=lambda: False, current_device=no_cuda, get_device_name=no_cuda,
                  set_device=no_cuda, synchronize=no_cuda, manual_seed=lambda seed: None,
                  manual_seed_all=lambda seed: None, empty_cache=lambda: None,
                  is_bf16_supported=lambda *_: False, **more)


cuda, mps, xpu = unavailable("cuda"), unavailable("mps"), unavailable("xpu")
cpu = module("cpu", is_available=lambda: True, device_count=lambda: 1,
             current_device=lambda: "cpu", synchronize=lambda device=None: None)
backends = module(
    "backends", mps=module("backends.mps", is_available=lambda: False, is_built=lambda: False),
    cudnn=module("backends.cudnn", deterministic=False, benchmark=False, enabled=True,
                 is_available=lambda: False, version=lambda: None),
    cuda=module("backends.cuda", is_built=lambda: False,
                matmul=matmul),
    mkl=module("backends.mkl", is_available=lambda: False),
    openmp=module("backends.openmp", is_available=lambda: False))
version = module("version", __version__=__version__, cuda=None, hip=None, git_version="minigrad")
globals().update(LEGACY)
__all__ = [name for name in dict(globals()) if not name.startswith("_") and name not in (
    "annotations", "sys", "types", "empty", "tensor", "CPU", "NAMED", "SCALAR_NAMES", "Size",
    "Tensor", "device", "set_default_dtype", "SETTINGS", "setting", "LEGACY", "LegacyType",
    "matmul", "no_cuda", "module", "unavailable", "get_device_name")] + ["__version__"]
