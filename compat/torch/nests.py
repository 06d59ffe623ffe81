"""What `torch.tensor` makes of Python data: numbers, nested sequences, Tensors in them."""

from __future__ import annotations

import functools
import math
import operator

import numpy as np

from compat.torch.dtypes import NAMED
from compat.torch.promotion import promote_types, scalar_type
from minigrad import core
from minigrad.core import config


def check_dtype(array: np.ndarray) -> None:
    """TypeError for strings, objects, dates and whatever else has no dtype here."""
    if array.dtype not in NAMED:
        kind = array.dtype.type
        raise TypeError(f"can't convert np.ndarray of type {kind.__module__}.{kind.__name__}. The "
                        "only supported types are: float64, float32, float16, complex64, "
                        "complex128, int64, int32, int16, int8, uint64, uint32, uint16, uint8, and "
                        "bool.")


def from_python(data, wanted) -> np.ndarray:
    """Nested sequences as an array of the dtype that their leaves call for."""
    wanted = infer_dtype(data) if wanted is None else wanted
    shape = shape_of(data)
    leaves: list = []
    gather_leaves(data, shape, leaves)
    if not {type(x) for x in leaves} <= PYTHON_NUMBERS or wanted.kind not in "bc" and any(
            type(x) is complex for x in leaves):
        leaves = [number(x, wanted.kind) for x in leaves]
    try:
        array = np.array(leaves, dtype=None if wanted.kind in "iub" and leaves else wanted)
    except OverflowError:
        raise ValueError("Overflow when unpacking long long") from None
    if array.dtype == object:
        raise ValueError("Overflow when unpacking long long")
    return array.astype(wanted).reshape(shape)


PYTHON_NUMBERS = {bool, int, float, complex}
NUMBERS = (bool, int, float, complex, np.generic)


def is_sequence(data) -> bool:
    return hasattr(data, "__getitem__") and hasattr(data, "__len__") and not isinstance(
        data, (core.Tensor, dict, np.generic))


def shape_of(data) -> tuple[int, ...]:
    """The sizes of a nest, which its first elements tell. A Tensor in it is a number."""
    sizes: list[int] = []
    while is_sequence(data):
        if isinstance(data, str):
            raise ValueError("too many dimensions 'str'")
        sizes.append(len(data))
        if not sizes[-1]:
            break
        data = data[0]
    return tuple(sizes)


def gather_leaves(data, shape, leaves: list, dim: int = 0) -> None:
    """The leaves of a nest into a list; ValueError unless it is as regular as `shape` says."""
    if dim == len(shape):
        leaves.append(data)
        return
    if not is_sequence(data):
        raise TypeError("not a sequence")
    if len(data) != shape[dim]:
        raise ValueError(f"expected sequence of length {shape[dim]} at dim {dim} (got {len(data)})")
    if dim + 1 == len(shape) and type(data) in (list, tuple):
        leaves.extend(data)
        return
    for item in data:
        gather_leaves(item, shape, leaves, dim + 1)


def number(x, kind: str):
    """A leaf as the Python number that a dtype of this kind takes."""
    if isinstance(x, core.Tensor):
        if kind in "iu" and x.spec.dtype.kind not in "iub":
            raise TypeError("only integer tensors of a single element can be converted to an index")
        if x.numel() != 1:
            raise ValueError("only one element tensors can be converted to Python scalars")
        return x.item()
    if kind in "iu" and not isinstance(x, float):
        return operator.index(x)
    if kind == "b":
        return bool(x)
    return x if isinstance(x, (complex, np.complexfloating)) and kind == "c" else math.fsum((x,))


def infer_dtype(data) -> np.dtype:
    """The dtype that the leaves of a nest promote to."""
    if isinstance(data, (core.Tensor, np.ndarray)):
        return data.dtype if isinstance(data, np.ndarray) else data.spec.dtype
    if isinstance(data, NUMBERS):
        return np.asarray(data).dtype if isinstance(data, np.generic) else scalar_type(
            next(kind for kind in (bool, int, float, complex) if isinstance(data, kind)))
    if isinstance(data, str):
        raise TypeError("new(): invalid data type 'str'")
    if not is_sequence(data):
        raise RuntimeError(f"Could not infer dtype of {type(data).__name__}")
    kinds = {type(x) for x in data}
    if not kinds:
        return config.default_dtype
    if kinds <= PYTHON_NUMBERS:
        widest = next(k for k in (complex, float, int, bool) if k in kinds)
        return scalar_type(widest)
    return functools.reduce(promote_types, {infer_dtype(x) for x in data})
