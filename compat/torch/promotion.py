"""Which dtype and shape operands of different kinds meet at.

PyTorch ranks operands: Python scalars below tensors of rank zero below tensors with dimensions. A
lower operand decides only where it is of a higher category (bool < integer < float < complex):
`int32[3] * 2.5` is the default float, `float32[3] * float64[]` stays float32.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from compat.torch.dtypes import NAMED, SCALAR_NAMES
from minigrad.core import I64, PYTHON_SCALARS, aval_of, config
from minigrad.ops.elementwise import add, and_, ge, lt
from minigrad.ops.families import dtype_kind, full, zeros_like
from minigrad.ops.selection import convert_element_type, select_n
from minigrad.ops.shaping import broadcast_in_dim

CATEGORIES = {"b": 0, "i": 1, "u": 1, "f": 2, "c": 3}
COMPLEX: dict[int, np.dtype] = {8: np.dtype(np.complex64), 16: np.dtype(np.complex128)}


def category(dtype: np.dtype) -> int:
    return CATEGORIES[dtype_kind(dtype)]


def is_floating(dtype: np.dtype) -> bool:
    return dtype_kind(dtype) in "fc"


def promote_types(a: np.dtype, b: np.dtype) -> np.dtype:
    """The dtype of a result of two tensors with dimensions."""
    if a == b:
        return a
    if category(a) < category(b):
        a, b = b, a
    kind, other = dtype_kind(a), dtype_kind(b)
    if kind == "c":
        part = 2 * b.itemsize if other == "f" else b.itemsize if other == "c" else 0
        return COMPLEX[max(8, a.itemsize, part)]
    if kind == "f":
        if other != "f" or a.itemsize != b.itemsize:
            return a if other != "f" or a.itemsize > b.itemsize else b
        return np.dtype(np.float32)  # float16 with bfloat16
    if kind == "b" or other == "b":
        return a
    limited = [NAMED[d] for d in (a, b) if d.kind == "u" and d.itemsize > 1]
    if limited:
        raise RuntimeError("Promotion for uint16, uint32, uint64 types is not supported, "
                           f"attempted to promote {SCALAR_NAMES[a.name]} and "
                           f"{SCALAR_NAMES[b.name]}")
    return np.promote_types(a, b)


def scalar_type(kind: type) -> np.dtype:
    """The dtype of a Python scalar beside nothing of its category."""
    if kind is float:
        return config.default_dtype
    if kind is complex:
        return COMPLEX[16 if config.default_dtype.itemsize == 8 else 8]
    return np.dtype(np.int64 if kind is int else np.bool_)


def rank_of(operand) -> tuple[int, np.dtype]:
    """(0 for a Python scalar, 1 for rank zero, 2 for dimensions; the dtype)."""
    if type(operand) in PYTHON_SCALARS:
        return 0, scalar_type(type(operand))
    aval = aval_of(operand)
    if aval.weak_type:
        kind = {"b": bool, "i": int, "u": int, "f": float, "c": complex}[dtype_kind(aval.dtype)]
        return 0, scalar_type(kind)
    return (2 if aval.shape else 1), aval.dtype


def combine(higher: np.dtype | None, lower: np.dtype | None) -> np.dtype | None:
    """The dtype of a higher rank, unless the lower one is of a higher category."""
    if higher is None or lower is None:
        return lower if higher is None else higher
    if dtype_kind(higher) == "c":
        return higher
    if dtype_kind(higher) == "f":
        return COMPLEX[max(8, 2 * higher.itemsize)] if dtype_kind(lower) == "c" else higher
    if dtype_kind(higher) == "b" or is_floating(lower):
        return promote_types(higher, lower)
    return higher


def result_dtype(*operands) -> np.dtype:
    """PyTorch's `result_type` as a NumPy dtype."""
    by_rank: list[np.dtype | None] = [None, None, None]
    for operand in operands:
        rank, dtype = rank_of(operand)
        seen = by_rank[rank]
        by_rank[rank] = dtype if seen is None else promote_types(seen, dtype)
    scalar, zero, dimensioned = by_rank
    return combine(dimensioned, combine(zero, scalar))


def cast(x, dtype: np.dtype):
    """`x` as a strong `dtype`; a Python scalar becomes a NumPy scalar."""
    if type(x) in PYTHON_SCALARS:
        return np.asarray(x).astype(dtype)[()]
    aval = aval_of(x)
    if aval.dtype == dtype and not aval.weak_type:
        return x
    if dtype_kind(aval.dtype) == "f" and dtype_kind(dtype) in "iu":
        return truncated_to_integer(x, dtype)
    return convert_element_type(x, new_dtype=dtype)


def truncated_to_integer(x, dtype: np.dtype):
    """As the processor does it, where XLA saturates: what does not fit, nan included, is the
    lowest integer of 32 (or 64) bits; narrower types keep the low bits of that."""
    wide: Any = dtype if dtype.itemsize >= 4 and dtype.kind == "i" else I64
    limit = -float(np.iinfo(wide).min)
    zeros = zeros_like(x)
    fits = and_(lt(x, add(zeros, limit)), ge(x, add(zeros, -limit)))
    whole = convert_element_type(x, new_dtype=wide)
    lowest = full(aval_of(x).shape, np.iinfo(wide).min, wide)
    whole = select_n(fits, lowest, whole)
    return whole if wide == dtype else convert_element_type(whole, new_dtype=dtype)


def shape_of(x) -> tuple[int, ...]:
    return () if type(x) in PYTHON_SCALARS else aval_of(x).shape


def broadcast_shapes(*shapes) -> tuple[int, ...]:
    """The common shape, or PyTorch's error."""
    out: tuple[int, ...] = ()
    for shape in shapes:
        if shape == out or not shape:
            continue
        rank = max(len(out), len(shape))
        a, b = ((1,) * (rank - len(s)) + tuple(s) for s in (out, shape))
        for i, n, m in reversed(list(zip(range(rank), a, b))):
            if n != m and n != 1 and m != 1:
                raise RuntimeError(f"The size of tensor a ({n}) must match the size of tensor b "
                                   f"({m}) at non-singleton dimension {i}")
        out = tuple(m if n == 1 else n for n, m in zip(a, b))
    return out


def expand_to(x, shape: tuple[int, ...]):
    """`x` stretched to `shape`."""
    own = shape_of(x)
    if own == shape:
        return x
    dims = tuple(range(len(shape) - len(own), len(shape)))
    return broadcast_in_dim(x, shape=tuple(shape), broadcast_dimensions=dims)


def together(*operands, dtype: np.dtype | None = None) -> list:
    """Operands as primitives want them: of the common dtype (or of `dtype`), and of equal rank or
    rank zero."""
    dtype = result_dtype(*operands) if dtype is None else dtype
    shapes = [shape_of(x) for x in operands]
    rank = len(broadcast_shapes(*shapes))
    return [at_rank(cast(x, dtype), shape, rank) for x, shape in zip(operands, shapes)]


def at_rank(x, shape: tuple[int, ...], rank: int):
    if not shape or len(shape) == rank:
        return x
    return expand_to(x, (1,) * (rank - len(shape)) + shape)


def expanded(*operands, dtype: np.dtype | None = None) -> list:
    """Operands of the common dtype, all stretched to the common shape."""
    dtype = result_dtype(*operands) if dtype is None else dtype
    shape = broadcast_shapes(*map(shape_of, operands))
    return [expand_to(cast(x, dtype), shape) for x in operands]


def inexact(*operands) -> np.dtype:
    """The common dtype, or the default float where that is an integer: sin, true division."""
    dtype = result_dtype(*operands)
    return dtype if is_floating(dtype) else config.default_dtype


def numel(shape) -> int:
    return math.prod(shape)
