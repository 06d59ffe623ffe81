"""Tensors from nothing, from Python data and from arrays."""

from __future__ import annotations

import math

import numpy as np

from compat.torch.dtypes import NAMED, dtype as Dtype, to_numpy, to_numpy_or_none
from compat.torch.pointwise import UNARY, convert
from compat.torch.promotion import result_dtype, scalar_type
from compat.torch.random import sizes_of
from compat.torch.tensor import Tensor, from_array
from minigrad import core
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


def of_face(x: core.Tensor) -> Tensor:
    return core.make_box(Tensor, x.value, x.spec, x.node)


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
        array = np.array(core.to_array(data))
    elif isinstance(data, (np.ndarray, np.generic)):
        array = np.array(data)
    else:
        array = from_python(data, wanted)
    if wanted is not None and array.dtype != wanted:
        array = array.astype(wanted)
    return finish(np.ascontiguousarray(array).reshape(array.shape), requires_grad)


def from_python(data, wanted) -> np.ndarray:
    """Nested sequences as an array of the dtype that their leaves call for."""
    leaves: list = []
    shape = shape_of(data, leaves)
    if wanted is None:
        wanted = infer_dtype(leaves)
    try:
        array = np.array([x.item() if isinstance(x, core.Tensor) else x for x in leaves]
                         or [], dtype=None if wanted.kind in "iub" else wanted)
    except OverflowError:
        raise RuntimeError("Overflow when unpacking long long") from None
    if array.dtype == object:
        raise RuntimeError("Overflow when unpacking long long")
    return array.astype(wanted).reshape(shape)


def shape_of(data, leaves: list) -> tuple[int, ...]:
    if isinstance(data, core.Tensor) and not data.spec.shape \
            or isinstance(data, (bool, int, float, complex, np.generic)):
        leaves.append(data)
        return ()
    if isinstance(data, (core.Tensor, np.ndarray)):
        data = data.tolist()
    if isinstance(data, str) or not hasattr(data, "__len__"):
        raise TypeError(f"new(): data must be a sequence (got {type(data).__name__})"
                        if not isinstance(data, str) else
                        f"new(): invalid data type '{type(data).__name__}'")
    shapes = [shape_of(item, leaves) for item in data]
    for s in shapes:
        if s != shapes[0]:
            expected, got = (x[0] if x else 0 for x in (shapes[0], s))
            raise ValueError(f"expected sequence of length {expected} at dim 1 (got {got})")
    return (len(shapes), *(shapes[0] if shapes else ()))


def infer_dtype(leaves) -> np.dtype:
    kinds = {type(x) for x in leaves}
    if not kinds:
        return config.default_dtype
    if kinds <= {bool, int, float, complex}:
        widest = next(k for k in (complex, float, int, bool) if k in kinds)
        return scalar_type(widest)
    return result_dtype(*leaves) if all(isinstance(x, core.Tensor) for x in leaves) \
        else np.asarray(leaves).dtype


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
    return from_array(ndarray)


def filled(name: str, value):
    def fn(*size, out=None, dtype=None, layout=None, device=None, requires_grad=False,
           pin_memory=False, memory_format=None):
        kind = to_numpy_or_none(dtype) or config.default_dtype
        return fill(sizes_of(size), value, kind, requires_grad)

    def like(input, *, dtype=None, layout=None, device=None, requires_grad=False,
             memory_format=None):
        kind = to_numpy_or_none(dtype) or input.spec.dtype
        return fill(input.spec.shape, value, kind, requires_grad)

    fn.__name__ = fn.__qualname__ = name
    fn.__doc__ = f"A Tensor of {name}."
    like.__name__ = like.__qualname__ = f"{name}_like"
    like.__doc__ = f"A Tensor of {name} in the shape and dtype of another."
    return fn, like


zeros, zeros_like = filled("zeros", 0)
ones, ones_like = filled("ones", 1)
empty, empty_like = filled("empty", 0)


def full(size, fill_value, *, dtype=None, device=None, requires_grad=False) -> Tensor:
    """`fill_value` everywhere; its Python type gives the dtype."""
    if isinstance(fill_value, core.Tensor):
        dtype = dtype or fill_value.dtype
        fill_value = fill_value.item()
    kind = to_numpy_or_none(dtype) or scalar_type(type(fill_value))
    return fill(sizes_of((size,)), fill_value, kind, requires_grad)


def full_like(input, fill_value, *, dtype=None, device=None, requires_grad=False) -> Tensor:
    return full(input.spec.shape, fill_value, dtype=dtype or input.dtype,
                requires_grad=requires_grad)


def arange(start, end=None, step=1, *, dtype=None, device=None, requires_grad=False) -> Tensor:
    """start, start + step, ... below end."""
    if end is None:
        start, end = 0, start
    numbers = [x.item() if isinstance(x, core.Tensor) else x for x in (start, end, step)]
    start, end, step = numbers
    if not step:
        raise RuntimeError("step must be nonzero")
    if (end - start) * step < 0:
        raise RuntimeError("upper bound and lower bound inconsistent with step sign")
    kind = to_numpy_or_none(dtype) or (
        config.default_dtype if any(isinstance(x, float) for x in numbers) else np.dtype(np.int64))
    count = math.ceil((end - start) / step)
    if kind.kind in "iu":
        array = (start + step * np.arange(count)).astype(kind)
    else:
        array = (start + step * np.arange(count, dtype=np.float64)).astype(kind)
    return finish(array, requires_grad)


def linspace(start, end, steps, *, dtype=None, device=None, requires_grad=False) -> Tensor:
    """`steps` numbers from start to end, both included, counted from the nearer end."""
    kind = to_numpy_or_none(dtype) or config.default_dtype
    start, end = (x.item() if isinstance(x, core.Tensor) else x for x in (start, end))
    number = kind.type
    step = number((end - start) / (steps - 1)) if steps > 1 else number(0)
    i = np.arange(steps).astype(kind)
    low, high = number(start) + step * i, number(end) - step * i[::-1]
    array = np.where(np.arange(steps) < steps // 2, low, high) if steps > 1 else \
        np.full(steps, start)
    return finish(array.astype(kind), requires_grad)


def eye(n, m=None, *, dtype=None, device=None, requires_grad=False) -> Tensor:
    """Ones on the diagonal."""
    return finish(np.eye(n, m, dtype=to_numpy_or_none(dtype) or config.default_dtype),
                  requires_grad)


def logspace(start, end, steps, base=10.0, *, dtype=None) -> Tensor:
    """base to the power of `linspace`."""
    return finish((base ** np.linspace(start, end, steps)).astype(
        to_numpy_or_none(dtype) or config.default_dtype), False)


def tril_indices(row, col, offset=0) -> Tensor:
    return from_array(np.stack(np.tril_indices(row, offset, col)))


def triu_indices(row, col, offset=0) -> Tensor:
    return from_array(np.stack(np.triu_indices(row, offset, col)))


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
    """The same numbers in another dtype; the Tensor itself if nothing changes."""
    for a in args:
        if isinstance(a, core.Tensor):
            dtype = a.dtype
        elif isinstance(a, Dtype):
            dtype = a
    if dtype is None or dtype.dtype == self.spec.dtype:
        return UNARY["clone"](self) if copy else self
    return convert(self, dtype.dtype)


def converter(name: str):
    wanted = {d.name: d for d in NAMED.values()}[name]

    def method(self):
        return to(self, wanted)

    method.__doc__ = f"This Tensor as {wanted}."
    return method


CONVERSIONS = {
    "float": converter("float32"), "double": converter("float64"), "half": converter("float16"),
    "bfloat16": converter("bfloat16"), "long": converter("int64"), "int": converter("int32"),
    "short": converter("int16"), "char": converter("int8"), "byte": converter("uint8"),
    "bool": converter("bool"),
}


def type_as(self, other):
    return to(self, other.dtype)


def type_(self, dtype=None):
    return to(self, dtype) if dtype is not None else f"torch.{self.type_name()}"


def new_like(maker):
    def method(self, *size, dtype=None, device=None, requires_grad=False):
        return maker(*size, dtype=dtype or self.dtype, requires_grad=requires_grad)

    return method


def new_full(self, size, fill_value, *, dtype=None, device=None, requires_grad=False):
    return full(size, fill_value, dtype=dtype or self.dtype, requires_grad=requires_grad)


def new_tensor(self, data, *, dtype=None, device=None, requires_grad=False):
    return tensor(data, dtype=dtype or self.dtype, requires_grad=requires_grad)


METHODS = CONVERSIONS | {
    "to": to, "type_as": type_as, "type": type_, "new_zeros": new_like(zeros),
    "new_ones": new_like(ones), "new_empty": new_like(empty), "new_full": new_full,
    "new_tensor": new_tensor, "cpu": lambda self, memory_format=None: self,
}
