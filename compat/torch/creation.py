"""Tensors from nothing, from Python data and from arrays."""

from __future__ import annotations

import math

import numpy as np

from compat.torch.dtypes import (
    NAMED, SCALAR_NAMES, Size, device as Device, dtype as Dtype, to_numpy,
    to_numpy_or_none,
)
from compat.torch.host import on_arrays
from compat.torch.devices import beside, moved
from compat.torch.nests import check_dtype, from_python
from compat.torch.pointwise import UNARY
from compat.torch.selecting import convert
from compat.torch.promotion import scalar_type
from compat.torch.random import sizes_of
from compat.torch.tensor import Tensor, array_of, from_array, of_face
from minigrad import core, devices
from minigrad.core import EVAL, config, get_mode
from minigrad.ops.families import full as full_of
from minigrad.ops.selection import copy


def finish(array, requires_grad: bool) -> Tensor:
    """A Tensor over a new array; one of rank zero is held as a NumPy scalar.

    While a function is staged the Tensor is born in the program: made at the outer level it would
    be one and the same for all calls, and `y = zeros(3); y += x` would add up from call to call.
    """
    if get_mode().trace is EVAL:
        made = from_array(array if array.shape else array[()])
    else:
        made = of_face(copy(array))
    return made.requires_grad_() if requires_grad else made


def fill(shape, value, dtype: np.dtype, requires_grad: bool) -> Tensor:
    """`value` everywhere."""
    if get_mode().trace is EVAL or not shape:
        return finish(np.full(shape, value, dtype), requires_grad)
    made = of_face(full_of(shape, value, dtype))
    return made.requires_grad_() if requires_grad else made


def tensor(data, *, dtype=None, device=None, requires_grad=False, pin_memory=False) -> Tensor:
    """A copy of numbers, nested lists or an array. Python floats become the default dtype."""
    wanted = to_numpy_or_none(dtype)
    if isinstance(data, core.Tensor):
        array = np.array(array_of(data))
    elif isinstance(data, (np.ndarray, np.generic)):
        array = np.array(data)
        check_dtype(array)
    else:
        array = from_python(data, wanted)
    if wanted is not None and array.dtype != wanted:
        array = array.astype(wanted)
    made = finish(np.ascontiguousarray(array).reshape(array.shape), requires_grad)
    return beside(data, made) if device is None else made


def as_tensor(data, dtype=None, device=None) -> Tensor:
    """`data` itself if it is a Tensor of that dtype; an array is shared, the rest copied."""
    if isinstance(data, Tensor):
        return data if dtype is None else data.to(dtype)
    if isinstance(data, np.ndarray) and (dtype is None or to_numpy(dtype) == data.dtype):
        return from_array(data)
    return tensor(data, dtype=dtype)


def from_numpy(ndarray) -> Tensor:
    """A Tensor that shares the array's memory."""
    if not isinstance(ndarray, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {type(ndarray).__name__})")
    check_dtype(ndarray)
    return from_array(ndarray)


def filled(name: str, value):
    def fn(*sizes, size=None, dtype=None, layout=None, device=None, requires_grad=False,
           pin_memory=False, memory_format=None):
        kind = to_numpy_or_none(dtype) or config.default_dtype
        return fill(sizes_of(sizes, size), value, kind, requires_grad)

    def like(input, *, dtype=None, layout=None, device=None, requires_grad=False,
             memory_format=None):
        kind = to_numpy_or_none(dtype) or input.spec.dtype
        return beside(input, fill(input.spec.shape, value, kind, requires_grad))

    fn.__name__ = fn.__qualname__ = name
    fn.__doc__ = f"A Tensor of {name}."
    like.__name__ = like.__qualname__ = f"{name}_like"
    like.__doc__ = f"A Tensor of {name} in the shape and dtype of another."
    return fn, like


zeros, zeros_like = filled("zeros", 0)
ones, ones_like = filled("ones", 1)
empty, empty_like = filled("empty", 0)


def full(size, fill_value, *, dtype=None, layout=None, device=None,
         requires_grad=False, pin_memory=False) -> Tensor:
    """`fill_value` everywhere; its Python type gives the dtype."""
    if isinstance(fill_value, core.Tensor):
        dtype = dtype or fill_value.dtype
        fill_value = fill_value.item()
    kind = to_numpy_or_none(dtype) or scalar_type(type(fill_value))
    return fill(sizes_of((size,)), fill_value, kind, requires_grad)


def full_like(input, fill_value, *, dtype=None, layout=None, device=None, requires_grad=False,
              memory_format=None) -> Tensor:
    """`fill_value` in the shape and dtype of another."""
    return beside(input, full(input.spec.shape, fill_value, dtype=dtype or input.dtype,
                              requires_grad=requires_grad))


def numbers(*given) -> list:
    """Python's numbers of numbers and of tensors of rank zero."""
    for x in given:
        if isinstance(x, core.Tensor) and x.spec.shape:
            raise RuntimeError("only supports 0-dimensional start and end tensors, but got "
                               f"a tensor with {x.dim()} dimension(s)")
    return [x.item() if isinstance(x, core.Tensor) else x for x in given]


def arange(start, end=None, step=1, *, dtype=None, layout=None, device=None,
           requires_grad=False, pin_memory=False) -> Tensor:
    """start, start + step, ... below end."""
    if end is None:
        start, end = 0, start
    start, end, step = numbers(start, end, step)
    if not step:
        raise RuntimeError("step must be nonzero")
    if not all(math.isfinite(x) for x in (start, end)):
        raise RuntimeError(f"unsupported range: {start} -> {end}")
    if (end - start) * step < 0:
        raise RuntimeError("upper bound and lower bound inconsistent with step sign")
    kind = to_numpy_or_none(dtype) or (
        config.default_dtype if any(isinstance(x, float) for x in (start, end, step))
        else np.dtype(np.int64))
    if kind.kind in "iu":  # every operand is cut to a whole number first
        start, end, step = int(start), int(end), int(step)
        count = -((start - end) // step)
        array = start + step * np.arange(count)
    else:
        count = math.ceil((end - start) / step)
        array = start + step * np.arange(count, dtype=np.float64)
    return finish(array.astype(kind), requires_grad)


def range_(start=0, end=None, step=1, **options) -> Tensor:
    """start, start + step, ... up to and with end. Deprecated by PyTorch."""
    if not step:
        raise RuntimeError("step must be nonzero")
    count = math.floor((end - start) / step) + 1
    made = start + step * np.arange(count, dtype=np.float64)
    kind = to_numpy_or_none(options.get("dtype")) or config.default_dtype
    return finish(made.astype(kind), options.get("requires_grad", False))


def spaced(start, end, steps, kind) -> np.ndarray:
    """`steps` numbers from start to end, both included, counted from the nearer end."""
    if kind.kind in "iub":
        inner = np.float64 if kind.kind != "b" else np.float32
        start, end = (int(x) if kind.kind != "b" else bool(x) for x in (start, end))
    else:
        inner = kind.type
    step = inner((end - start) / (steps - 1)) if steps > 1 else inner(0)
    i = np.arange(steps).astype(inner)
    low, high = inner(start) + step * i, inner(end) - step * i[::-1]
    array = np.where(np.arange(steps) < steps // 2, low, high) if steps > 1 else \
        np.full(steps, start)
    return array


def between(name: str, start, end, steps, dtype, compute) -> Tensor:
    """`compute(start, end, steps, kind)`; the ends may be tensors, also of a traced program."""
    if isinstance(steps, float):
        given = ", ".join(type(x).__name__ for x in (start, end, steps))
        raise TypeError(f"{name}() received an invalid combination of arguments - got ({given})")
    steps = int(steps)
    if steps < 0:
        raise RuntimeError("number of steps must be non-negative")
    ends = [x for x in (start, end) if isinstance(x, core.Tensor)]
    if any(x.spec.shape for x in ends):
        shown = [f"{side} with {x.dim()} dimension(s)" if isinstance(x, core.Tensor) else
                 f"{side} {x}" for side, x in (("start", start), ("end", end))]
        raise RuntimeError(f"{name} only supports 0-dimensional start and end tensors, but got "
                           f"{' and '.join(shown)}.")
    kind = to_numpy_or_none(dtype) or (
        np.dtype(np.complex64) if isinstance(start, complex) or isinstance(end, complex)
        or any(x.is_complex() for x in ends) else config.default_dtype)

    def on_numbers(*found):
        rest = [x.item() for x in found]
        a, b = (rest.pop(0) if isinstance(x, core.Tensor) else x for x in (start, end))
        return compute(a, b, steps, kind)

    return on_arrays(on_numbers, (steps,), kind, *ends) if ends else \
        finish(np.asarray(on_numbers(), kind), False)


def linspace(start, end, steps, *, dtype=None, layout=None, device=None,
             requires_grad=False, pin_memory=False) -> Tensor:
    """`steps` numbers from start to end, both included."""
    return between("linspace", start, end, steps, dtype, spaced).requires_grad_(requires_grad)


def logspace(start, end, steps, base=10.0, *, dtype=None, layout=None, device=None,
             requires_grad=False, pin_memory=False) -> Tensor:
    """base to the power of `linspace`."""
    def powers(start, end, steps, kind):
        floating = kind.kind in "fc"
        wide = kind if floating else np.dtype(np.float64 if kind.itemsize > 4 else np.float32)
        with np.errstate(all="ignore"):
            exponents = spaced(start, end, steps, kind).astype(wide)
            return np.power(np.asarray(base, wide), exponents)

    return between("logspace", start, end, steps, dtype, powers).requires_grad_(requires_grad)


def eye(n, m=None, *, dtype=None, layout=None, device=None, requires_grad=False,
        pin_memory=False) -> Tensor:
    """Ones on the diagonal."""
    for name, size in (("n", n), ("m", n if m is None else m)):
        if size < 0:
            raise RuntimeError(f"{name} must be greater or equal to 0, got {size}")
    return finish(np.eye(n, m, dtype=to_numpy_or_none(dtype) or config.default_dtype),
                  requires_grad)


def triangle_indices(indices):
    def fn(row, col, offset=0, *, dtype=None, layout=None, device=None, pin_memory=False):
        places = np.stack(indices(row, offset, col)) if row and col else np.zeros((2, 0))
        return finish(places.astype(to_numpy_or_none(dtype) or np.int64), False)

    return fn


tril_indices, triu_indices = map(triangle_indices, (np.tril_indices, np.triu_indices))


def scalar_tensor(s, *, dtype=None, layout=None, device=None, requires_grad=False,
                  pin_memory=False) -> Tensor:
    """A number as a tensor of rank zero, of the default dtype."""
    return fill((), s, to_numpy_or_none(dtype) or config.default_dtype, requires_grad)


def empty_strided(size, stride, *, dtype=None, layout=None, device=None, requires_grad=False,
                  pin_memory=False) -> Tensor:
    """Memory with the given sizes and strides."""
    kind = to_numpy_or_none(dtype) or config.default_dtype
    count = 1 + sum((n - 1) * s for n, s in zip(size, stride)) if math.prod(size) else 0
    memory = np.zeros(count, kind)
    made = from_array(np.lib.stride_tricks.as_strided(
        memory, tuple(size), [s * kind.itemsize for s in stride]))
    return made.requires_grad_() if requires_grad else made


def empty_permuted(size, physical_layout, *, dtype=None, layout=None, device=None,
                   requires_grad=False, pin_memory=False) -> Tensor:
    """Memory whose dimensions follow each other in the given order."""
    sizes = sizes_of((size,))
    if sorted(physical_layout) != list(range(len(sizes))):
        raise RuntimeError("Number of dimensions in size does not match the length of the "
                           f"physical_layout; i.e. len(size) = {len(sizes)} is not equal to "
                           f"len(physical_layout) = {len(physical_layout)}"
                           if len(physical_layout) != len(sizes) else
                           "Duplicate or out-of-range dim in physical_layout")
    memory = np.zeros([sizes[d] for d in physical_layout],
                      to_numpy_or_none(dtype) or config.default_dtype)
    made = from_array(memory.transpose(np.argsort(physical_layout)))
    return made.requires_grad_() if requires_grad else made


def frombuffer(buffer, *, dtype, count=-1, offset=0, requires_grad=False) -> Tensor:
    """A tensor over the memory of a buffer."""
    try:
        array = np.frombuffer(buffer, to_numpy(dtype), count, offset)
    except (ValueError, TypeError) as error:
        raise type(error)(f"frombuffer: {error}") from None
    made = from_array(array)
    return made.requires_grad_() if requires_grad else made


def asarray(obj, *, dtype=None, device=None, copy=None, requires_grad=False) -> Tensor:
    """A tensor of anything; it shares memory where that is possible and not forbidden."""
    if hasattr(obj, "__dlpack__") and not isinstance(obj, (core.Tensor, np.ndarray)):
        obj = from_dlpack(obj)
    made = as_tensor(obj, dtype)
    if isinstance(obj, core.Tensor) and obj.spec.requires_grad and not requires_grad:
        made = made.detach()
    if copy and (made is obj or isinstance(obj, (np.ndarray, core.Tensor))):
        made = UNARY["clone"](made)
    return made.requires_grad_() if requires_grad and not made.requires_grad else made


def from_dlpack(ext_tensor) -> Tensor:
    """A tensor over the memory of another library's array, on the host or on a CUDA device."""
    return from_array(devices.from_dlpack(ext_tensor))


def meshgrid(*tensors, indexing="ij"):
    """Coordinates of a grid."""
    tensors = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)) else tensors
    rank = len(tensors)
    shape = [x.numel() for x in tensors]
    if indexing == "xy" and rank > 1:
        shape[:2] = shape[1::-1]
    grids = []
    for i, x in enumerate(tensors):
        axis = {0: 1, 1: 0}.get(i, i) if indexing == "xy" and rank > 1 else i
        grids.append(x.reshape(*(-1 if d == axis else 1 for d in range(rank))).expand(*shape))
    return tuple(grids)


# ------------------------------------------------------------------ conversions as methods


def to(self, *args, dtype=None, device=None, non_blocking=False, copy=False, memory_format=None):
    """The same numbers in another dtype, on another device; the Tensor itself if nothing
    changes."""
    for a in args:
        if isinstance(a, core.Tensor):
            dtype, device = a.dtype, a.device
        elif isinstance(a, (str, int, Device)) and type(a) is not bool:
            device = a
        elif isinstance(a, Dtype):
            dtype = a
    out = self if dtype is None or dtype.dtype == self.spec.dtype else convert(self, dtype.dtype)
    out = out if device is None else moved(out, device)
    return UNARY["clone"](self) if copy and out is self else out


def converter(name: str):
    wanted = {d.name: d for d in NAMED.values()}[name]

    def method(self, memory_format=None):
        return to(self, wanted)

    method.__doc__ = f"This Tensor as {wanted}."
    return method


CONVERSIONS = {
    "float": converter("float32"), "double": converter("float64"), "half": converter("float16"),
    "bfloat16": converter("bfloat16"), "long": converter("int64"), "int": converter("int32"),
    "short": converter("int16"), "char": converter("int8"), "byte": converter("uint8"),
    "bool": converter("bool"), "cfloat": converter("complex64"),
    "cdouble": converter("complex128"),
}


def type_as(self, other):
    return to(self, other)


def type_(self, dtype=None):
    if dtype is None:
        return f"torch.{self.type_name()}"
    if isinstance(dtype, str):
        name = dtype.rpartition(".")[2].removesuffix("Tensor")
        dtype = next(d for d in NAMED.values() if SCALAR_NAMES[d.name] == name)
    return to(self, dtype.dtype if isinstance(dtype, type) else dtype)


def new_like(maker):
    def method(self, *sizes, dtype=None, layout=None, device=None, requires_grad=False,
               pin_memory=False, **named):
        made = maker(*sizes, dtype=dtype or self.dtype, requires_grad=requires_grad, **named)
        return beside(self, made) if device is None else made

    return method


new_full = new_like(full)
new_empty_strided = new_like(empty_strided)


def new_tensor(self, data, *, dtype=None, device=None, requires_grad=False, layout=None,
               pin_memory=False):
    made = tensor(data, dtype=dtype or self.dtype, requires_grad=requires_grad)
    return beside(self, made) if device is None else made


def new(self, *args, device=None):
    """A tensor of this dtype: of data, or uninitialised of a size."""
    if len(args) == 1 and not isinstance(args[0], (int, Size)):
        return new_tensor(self, args[0])
    return beside(self, empty(*args, dtype=self.dtype))


def cuda(self, device=None, non_blocking=False, memory_format=None):
    """The Tensor on a GPU, the current one if no other is named."""
    return moved(self, "cuda" if device is None else device)


def cpu(self, memory_format=None):
    """The Tensor in the memory of the host, where it may be already."""
    return moved(self, "cpu")


def pin_memory(self, device=None):
    """CuPy copies through pinned memory by itself, so the Tensor will do."""
    if devices.availability():
        raise RuntimeError("Cannot access accelerator device when none is available.")
    return self


def is_pinned(self, device=None) -> bool:
    return False


METHODS = CONVERSIONS | {
    "to": to, "type_as": type_as, "type": type_, "new_zeros": new_like(zeros),
    "new_ones": new_like(ones), "new_empty": new_like(empty), "new_full": new_full,
    "new_tensor": new_tensor, "new_empty_strided": new_empty_strided, "new": new,
    "cpu": cpu, "cuda": cuda, "pin_memory": pin_memory,
    "is_pinned": is_pinned,
}
BOTH: dict = {}
FUNCTIONS = {f.__name__.strip("_"): f for f in (
    tensor, as_tensor, from_numpy, zeros, zeros_like, ones, ones_like, empty, empty_like,
    full, full_like, arange, linspace, logspace, eye, meshgrid, scalar_tensor,
    empty_strided, empty_permuted, frombuffer, asarray, from_dlpack, range_)} | {
        "tril_indices": tril_indices, "triu_indices": triu_indices}
