"""`torch.float32` and its kin, devices, and sizes.

A dtype is a name for a NumPy dtype: `np.dtype(torch.float32)` works, and inside minigrad only
NumPy's dtypes occur.
"""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

from minigrad.core import config

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
type_bool, type_int, type_float = bool, int, float  # below these names mean dtypes


class dtype:
    """A type of numbers; there is one object for each."""

    def __init__(self, name: str, numpy: np.dtype):
        self.name, self.dtype = name, numpy  # NumPy reads the attribute `dtype`

    @property
    def kind(self) -> str:
        """b(ool), i(nt), u(nsigned), f(loat) or c(omplex)."""
        return "f" if self.dtype == BFLOAT16 else self.dtype.kind

    is_floating_point = property(lambda self: self.kind == "f")
    is_complex = property(lambda self: self.kind == "c")
    is_signed = property(lambda self: self.kind in "ifc")
    itemsize = property(lambda self: self.dtype.itemsize)

    def to_real(self) -> dtype:
        return NAMED[np.empty(0, self.dtype).real.dtype] if self.is_complex else self

    def to_complex(self) -> dtype:
        return NAMED[np.result_type(self.dtype, np.complex64)]

    def __repr__(self) -> str:
        return f"torch.{self.name}"

    def __reduce__(self):
        return f"{self.name}"


NAMED: dict[np.dtype, dtype] = {}  # NumPy's dtype -> ours


def named(name: str, numpy) -> dtype:
    return NAMED.setdefault(np.dtype(numpy), dtype(name, np.dtype(numpy)))


float16 = half = named("float16", np.float16)
bfloat16 = named("bfloat16", BFLOAT16)
float32 = float = named("float32", np.float32)
float64 = double = named("float64", np.float64)
complex64 = cfloat = named("complex64", np.complex64)
complex128 = cdouble = named("complex128", np.complex128)
uint8 = named("uint8", np.uint8)
uint16 = named("uint16", np.uint16)
uint32 = named("uint32", np.uint32)
uint64 = named("uint64", np.uint64)
int8 = named("int8", np.int8)
int16 = short = named("int16", np.int16)
int32 = int = named("int32", np.int32)
int64 = long = named("int64", np.int64)
bool = named("bool", np.bool_)

PYTHON = {type_bool: bool, type_int: int64, type_float: float64, complex: complex128}
SCALAR_NAMES = {  # what error messages call them
    "float16": "Half", "bfloat16": "BFloat16", "float32": "Float", "float64": "Double",
    "complex64": "ComplexFloat", "complex128": "ComplexDouble", "uint8": "Byte", "int8": "Char",
    "int16": "Short", "int32": "Int", "int64": "Long", "bool": "Bool", "uint16": "UInt16",
    "uint32": "UInt32", "uint64": "UInt64",
}


def to_numpy(given: Any) -> np.dtype:
    """The NumPy dtype that a user's `dtype=` argument means."""
    if isinstance(given, dtype):
        return given.dtype
    if given in PYTHON:
        return PYTHON[given].dtype
    raise TypeError(f"dtype must be a torch.dtype, not {type(given).__name__}")


def to_numpy_or_none(given: Any) -> np.dtype | None:
    return None if given is None else to_numpy(given)


def get_default_dtype() -> dtype:
    """The dtype of Python floats, float32 unless changed."""
    return NAMED[config.default_dtype]


def set_default_dtype(d: dtype) -> None:
    """Make `d`, a floating dtype, the default."""
    if not isinstance(d, dtype) or not d.is_floating_point:
        raise TypeError("only floating-point types are supported as the default type")
    config.set("default_dtype", d.dtype)


class Info:
    """Limits of a dtype, under PyTorch's names."""

    def __init__(self, source, d: dtype, names: str):
        self._shown = {name: getattr(source, name) for name in names.split()}
        for name, value in self._shown.items():
            setattr(self, name, value if isinstance(value, type_int) else type_float(value))
        self.dtype = d.name

    def __repr__(self) -> str:
        shown = ", ".join(f"{k}={getattr(self, k):g}" for k in self._shown if k != "bits")
        return f"{type(self).__name__}({shown}, dtype={self.dtype})"


class finfo(Info):
    """Limits of a floating dtype; of the default one if none is given."""

    def __init__(self, d: dtype | None = None):
        d = d or get_default_dtype()
        super().__init__(ml_dtypes.finfo(d.to_real().dtype), d,
                         "resolution min max eps smallest_normal tiny bits")


class iinfo(Info):
    """Limits of an integer dtype."""

    def __init__(self, d: dtype):
        super().__init__(np.iinfo(d.dtype), d, "min max bits")


class Named:
    """A constant of `torch` that prints as its own name: a layout, a memory format."""

    def __init__(self, name: str):
        self.name = name

    def __repr__(self) -> str:
        return f"torch.{self.name}"

    def __reduce__(self):
        return self.name


class layout(Named):
    """How a Tensor's numbers lie in memory; here, always strided."""


class memory_format(Named):
    """In which order of dimensions numbers follow each other."""


strided = layout("strided")
sparse_coo, sparse_csr = layout("sparse_coo"), layout("sparse_csr")  # names to refuse
contiguous_format, preserve_format, channels_last, channels_last_3d = map(memory_format, (
    "contiguous_format", "preserve_format", "channels_last", "channels_last_3d"))

DEVICES = ("cpu", "cuda", "ipu", "xpu", "mkldnn", "opengl", "opencl", "ideep", "hip", "ve", "fpga",
           "maia", "xla", "lazy", "vulkan", "mps", "meta", "hpu", "mtia", "privateuseone")


DEFAULTS: list[Any] = []  # devices of factories: `set_default_device`, `with torch.device`


class device:
    """Where a Tensor lives, by name. As a context: where factories make them."""

    def __init__(self, type: Any = "cpu", index: Any = None):
        if isinstance(type, type_int):
            type = f"cuda:{type}"
        name, _, number = str(type).partition(":")
        if name not in DEVICES:
            raise RuntimeError(f"Expected one of {', '.join(DEVICES)} device type at start of "
                               f"device string: {name}")
        if number and not number.isdigit():
            raise RuntimeError(f"Invalid device string: '{type}'")
        self.type = name
        self.index = type_int(number) if number else \
            index if not isinstance(type, device) else type.index

    def __eq__(self, other) -> Any:
        return isinstance(other, device) and (self.type, self.index) == (other.type, other.index)

    def __hash__(self):
        return hash((self.type, self.index))

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __repr__(self) -> str:
        index = "" if self.index is None else f", index={self.index}"
        return f"device(type='{self.type}'{index})"

    def __reduce__(self):
        return device, (str(self),)

    def __enter__(self):
        DEFAULTS.append(self)
        return self

    def __exit__(self, *error):
        if DEFAULTS:
            DEFAULTS.pop()


CPU = device("cpu")


class Size(tuple):
    """A shape: a tuple of sizes that knows its product."""

    __slots__ = ()

    def numel(self) -> Any:
        product = 1
        for n in self:
            product *= n
        return product

    def __repr__(self) -> str:
        return f"torch.Size({list(self)})"

    def __getitem__(self, index):
        part = tuple.__getitem__(self, index)
        return Size(part) if isinstance(index, slice) else part

    def __add__(self, other):
        return Size(tuple(self) + tuple(other))
