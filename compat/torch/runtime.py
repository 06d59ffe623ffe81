"""Settings and questions about the machine that programs ask `torch` for, and the older names of
tensor types."""

from __future__ import annotations

import contextlib
import sys
import types

from compat.torch.autograd.anomaly import (  # noqa: F401
    is_anomaly_check_nan_enabled, is_anomaly_enabled, set_anomaly_enabled,
)
from compat.torch import cuda, dtypes
from compat.torch.creation import empty, tensor
from compat.torch.devices import get_default_device, set_default_device, settle  # noqa: F401
from compat.torch.dtypes import NAMED, SCALAR_NAMES, Size, set_default_dtype, to_numpy
from compat.torch.precision import (
    get_float32_matmul_precision, matmul, set_float32_matmul_precision,  # noqa: F401
)
from compat.torch.tensor import Tensor
from kernels import pool
from minigrad import core, devices
from minigrad.core import config, make_box
from minigrad.imperative.views import detach

__version__ = "2.13.0+minigrad"
SETTINGS: dict = {"interop": 1, "deterministic": False, "warn_only": False,
                  "warn_always": False, "debug": 0}


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


def construct(cls: type, *args, dtype=None, device=None):
    """`torch.Tensor(2, 3)`, `torch.FloatTensor([1, 2])`: sizes, numbers or a Tensor, which shares
    its memory with the new one. `cls` may be a program's subclass of Tensor."""
    kind = to_numpy(dtype) if dtype else config.default_dtype
    data = args[0] if len(args) == 1 else None
    if isinstance(data, core.Tensor):
        if dtype and data.spec.dtype != kind:
            raise TypeError(f"expected {NAMED[kind].name} (got {NAMED[data.spec.dtype].name})")
        made = detach(data)
    elif data is None or isinstance(data, (int, Size)):
        made = empty(*args or (0,), dtype=dtype)
    elif isinstance(data, float):
        raise TypeError("new(): data must be a sequence (got float)")
    else:
        made = tensor(data, dtype=NAMED[kind])
    return made if cls is Tensor else make_box(cls, made.value, made.spec)


Tensor.__new__ = construct  # type: ignore[method-assign, assignment]


class LegacyType(type):
    """`torch.FloatTensor` and its kin: constructors, and classes for `isinstance`."""

    dtype = None

    def __call__(cls, *args, device=None):
        return construct(Tensor, *args, dtype=cls.dtype)

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


class Absent:
    """An object of a device that this machine does not have."""

    def __init__(self, *args, **kwargs):
        no_cuda()


def of_no_memory(*_, **__) -> int:
    return 0


def accepted(*_, **__) -> None:
    """Asks for something that concerns a device that is not there."""


MEMORY = {f"{word}memory_{what}": of_no_memory for word in ("", "max_") for what in (
    "allocated", "reserved", "cached")}


def unavailable(name: str, **more):
    """A device that this machine does not have, as PyTorch answers for it."""
    refused = ("current_device get_device_name get_device_properties get_device_capability "
               "set_device synchronize current_stream mem_get_info")
    quiet = ("manual_seed manual_seed_all seed_all empty_cache ipc_collect reset_peak_memory_stats "
             "reset_max_memory_allocated reset_max_memory_cached")
    return module(name, is_available=lambda: False, device_count=lambda: 0,
                  is_initialized=lambda: False, is_bf16_supported=lambda *_: False,
                  Event=Absent, Stream=Absent, get_rng_state_all=list, stream=no_stream,
                  **dict.fromkeys(refused.split(), no_cuda),
                  **dict.fromkeys(quiet.split(), accepted), **MEMORY, **more)


def no_stream(stream=None):
    return contextlib.nullcontext()


class CudaType(LegacyType):
    """`torch.cuda.FloatTensor` and its kin."""

    def __call__(cls, *args, device=None):
        if not cuda.is_available():
            raise TypeError(f"type torch.cuda.{cls.__name__} not available. Torch not compiled "
                            "with CUDA enabled.")
        return settle(construct(Tensor, *args, dtype=cls.dtype),
                      devices.cuda(cuda.current_device()))

    def __instancecheck__(cls, x) -> bool:
        return isinstance(x, Tensor) and x.dtype == cls.dtype and x.is_cuda


mps, xpu = unavailable("mps"), unavailable("xpu")
for _name, _type in LEGACY.items():
    setattr(cuda, _name, CudaType(_name, (), {"dtype": _type.dtype}))
cpu = module("cpu", is_available=lambda: True, device_count=lambda: 1,
             current_device=lambda: "cpu", synchronize=lambda device=None: None)
accelerator = module(
    "accelerator", is_available=cuda.is_available, device_count=cuda.device_count,
    current_accelerator=lambda check_available=False:
        dtypes.device("cuda") if cuda.is_available() else None,
    synchronize=lambda device=None: cuda.synchronize(device) if cuda.is_available() else None,
    empty_cache=cuda.empty_cache, set_device_index=cuda.set_device,
    current_device_index=cuda.current_device)


class switch:
    """A setting of a backend as PyTorch reads it: callable, or a `with` block."""

    def __init__(self, *_, **__):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass


SDP = ("flash", "math", "mem_efficient", "cudnn")
backends = module(
    "backends", mps=module("backends.mps", is_available=lambda: False, is_built=lambda: False),
    cudnn=module("backends.cudnn", deterministic=False, benchmark=False, enabled=True,
                 allow_tf32=True, is_available=lambda: False, version=lambda: None, flags=switch),
    cuda=module("backends.cuda", is_built=cuda.is_available, sdp_kernel=switch,
                matmul=matmul,
                **{f"enable_{kind}_sdp": accepted for kind in SDP},
                **{f"{kind}_sdp_enabled": lambda: True for kind in SDP}),
    mkl=module("backends.mkl", is_available=lambda: False),
    mkldnn=module("backends.mkldnn", is_available=lambda: False, enabled=False, flags=switch),
    opt_einsum=module("backends.opt_einsum", is_available=lambda: False, enabled=False),
    quantized=module("backends.quantized", engine="none", supported_engines=["none"]),
    openmp=module("backends.openmp", is_available=lambda: False))
_dynamo = module("_dynamo", reset=accepted, disable=lambda fn=None, recursive=True: fn or (
    lambda fn: fn), config=types.SimpleNamespace(), is_compiling=lambda: False)
_inductor = module("_inductor", config=types.SimpleNamespace())
version = module("version", __version__=__version__, cuda=None, hip=None, git_version="minigrad")
globals().update(LEGACY)
HIDDEN = (
    "annotations contextlib dtypes sys types construct core config make_box detach "
    "empty tensor Size to_numpy NAMED SCALAR_NAMES Tensor settle devices "
    "CudaType set_default_dtype SETTINGS setting LEGACY LegacyType no_cuda module unavailable "
    "get_device_name matmul Absent MEMORY SDP HIDDEN accepted no_stream of_no_memory switch "
    "pool").split()
__all__ = [name for name in dict(globals()) if not name.startswith("_") and name not in HIDDEN] + [
    "__version__", "_dynamo", "_inductor"]
