"""Type promotion: what `add(int32, float16)` gives. JAX's lattice, with weak types.

A Python scalar, and what is computed from Python scalars alone, is *weakly typed*: beside an array
it takes the array's dtype, so `x * 2.0` keeps a float16 a float16. In the lattice the weak types
are nodes of their own, below all dtypes of their kind.

>>> result_type(np.int32, np.float16), result_type(np.float16, 2.0)
(dtype('float16'), dtype('float16'))
"""

from __future__ import annotations

import operator
from functools import lru_cache

import numpy as np

from minigrad import errors
from minigrad.core import (
    BOOL, F32, I32, PYTHON_SCALARS, Aval, Literal, Tensor, aval_of, caches_to_clear, config,
    make_aval, scalar_dtype, table,
)
from minigrad.ops.families import dtype_kind

# ------------------------------------------------------------------ the lattice

# Each type and the next wider ones. "int*", "float*" and "complex*" are the weak types.
WIDER = {
    "bool": "int*",
    "int*": "uint8 int8",
    "uint8": "int16 uint16", "uint16": "int32 uint32", "uint32": "int64 uint64", "uint64": "float*",
    "int8": "int16", "int16": "int32", "int32": "int64", "int64": "float*",
    "float*": "bfloat16 float16 complex*",
    "bfloat16": "float32", "float16": "float32", "float32": "float64 complex64",
    "float64": "complex128",
    "complex*": "complex64", "complex64": "complex128", "complex128": "",
}
WEAK_NAMES = {"b": "bool", "i": "int*", "u": "int*", "f": "float*", "c": "complex*"}


class TypePromotionError(ValueError):
    """Dtypes that do not promote to one."""


@lru_cache
def above(name: str, x64: bool) -> frozenset:
    """All types that a type can become."""
    wider = WIDER[name].split()
    if name == "uint32" and not x64:  # nothing that has 32 bits may become 64 bits wide
        wider = ["int32", "uint64"]
    return frozenset({name}).union(*(above(w, x64) for w in wider))


def node(aval: Aval) -> str:
    return WEAK_NAMES[dtype_kind(aval.dtype)] if aval.weak_type else aval.dtype.name


def dtype_named(name: str) -> np.dtype:
    if name == "bfloat16":
        import ml_dtypes

        return np.dtype(ml_dtypes.bfloat16)
    kinds = {"int*": int, "float*": float, "complex*": complex}
    return scalar_dtype(kinds[name]) if name in kinds else np.dtype(name)


@lru_cache
def join(types: tuple[Aval, ...], x64: bool) -> tuple[np.dtype, bool]:
    """(dtype, weak type) that values of these types meet in: the least upper bound."""
    dtypes, weak = {a.dtype for a in types}, all(a.weak_type for a in types)
    if len(dtypes) == 1:
        (dtype,) = dtypes
        return dtype, weak and dtype != BOOL
    names = {node(a.strong if weak else a) for a in types}
    if any(n.startswith("float8") for n in names):
        raise TypePromotionError(
            f"Input dtypes {tuple(sorted(names))} have no available implicit dtype promotion path. "
            "To avoid unintended promotion, 8-bit floats do not support implicit promotion. If "
            "you'd like your inputs to be promoted to another type, you can do so explicitly using "
            "e.g. x.astype('float32')")
    if unknown := names - WIDER.keys():
        raise ValueError(f"dtype={unknown.pop()} is not a valid dtype for JAX type promotion.")
    common = frozenset.intersection(*(above(n, x64) for n in names))
    least = [n for n in common if common <= above(n, x64)]
    if len(least) != 1:
        raise TypePromotionError(
            f"Input dtypes {tuple(sorted(names))} have no available implicit dtype promotion "
            "path. Try explicitly casting inputs to the desired output type.")
    dtype = dtype_named(least[0])
    return dtype, (weak or least[0].endswith("*")) and dtype != BOOL


caches_to_clear.append(join.cache_clear)


def type_of(x) -> Aval:
    """The type, without shape, of a value, of a dtype, or of a Python type such as `float`."""
    if isinstance(x, type) and x in PYTHON_SCALARS:
        return make_aval((), scalar_dtype(x), x is not bool)
    if isinstance(x, (type, np.dtype, str)):
        return make_aval((), np.dtype(x))
    return aval_of(x).update(shape=())


def promoted(*args) -> tuple[np.dtype, bool]:
    """(dtype, weak type) of what values promote to."""
    return join(tuple(type_of(a) for a in args), config.x64)


def result_type(*args, return_weak_type_flag: bool = False):
    """The dtype that values, dtypes and Python scalars promote to. Source: jax.numpy."""
    if not args:
        raise ValueError("at least one array or dtype is required")
    dtype, weak = promoted(*(float if a is None else a for a in args))
    if weak:
        dtype = scalar_dtype({"i": int, "u": int, "f": float, "c": complex}[dtype_kind(dtype)])
    return (dtype, weak) if return_weak_type_flag else dtype


def promote_types(a, b) -> np.dtype:
    return result_type(a, b)


# ------------------------------------------------------------------ what an operation computes in


def as_is(dtype: np.dtype) -> np.dtype:
    return dtype


def inexact(dtype: np.dtype) -> np.dtype:
    """Floating or complex: integers become floats, and only those of 64 bits float64."""
    if dtype_kind(dtype) in "fc":
        return dtype
    return scalar_dtype(float) if dtype.itemsize == 8 else F32


def numeric(dtype: np.dtype) -> np.dtype:
    """Booleans become int32."""
    return I32 if dtype == BOOL else dtype


def complexified(dtype: np.dtype) -> np.dtype:
    kind = dtype_kind(dtype)
    if kind == "c":
        return dtype
    return np.result_type(inexact(dtype) if kind != "f" or dtype.itemsize > 2 else np.float32,
                          np.complex64)


# ------------------------------------------------------------------ applied to operands


def settled(value, dtype, weak: bool = False) -> Literal:
    """A Python scalar whose dtype is decided."""
    return Literal(np.array(value).astype(dtype)[()], make_aval((), np.dtype(dtype), weak))


def convert(x, dtype, weak: bool = False):
    """`x` in the given type: itself where it has it, a new literal if it is a Python scalar."""
    if type(x) in PYTHON_SCALARS:
        return settled(x, dtype, weak)
    aval = aval_of(x)
    if aval.dtype == dtype and aval.weak_type == weak:
        return x
    if isinstance(x, np.generic) and not weak:
        return settled(x, dtype)
    return table["convert_element_type"](x, new_dtype=np.dtype(dtype), weak_type=weak)


def operand(x):
    """A value as primitives take it: a Python scalar becomes a weakly typed literal."""
    return convert(x, *promoted(x)) if type(x) in PYTHON_SCALARS else x


def promote_dtypes(*args, to=as_is) -> list:
    """The operands in the dtype they promote to; `to` says what the operation computes in."""
    dtype, weak = promoted(*args)
    return [convert(x, to(dtype), weak) for x in args]


def promote_inexact(*args) -> list:
    """The operands in the dtype they promote to, integers having become floats."""
    return promote_dtypes(*args, to=inexact)


def known_index(x, context: str) -> int:
    """An integer that has to be known while programs are traced; `context` says what for."""
    if isinstance(x, Tensor) and not x.spec.concrete:
        raise errors.concretization_error(x.value, context)
    return operator.index(x)


def shape_of(x) -> tuple[int, ...]:
    return () if type(x) in PYTHON_SCALARS else aval_of(x).shape


def broadcast_shapes(*shapes) -> tuple[int, ...]:
    """The shape that arrays of these shapes broadcast to. Raises ValueError if they do not."""
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        raise ValueError(f"Incompatible shapes for broadcasting: shapes={list(shapes)}") from None


def promote_ranks(*args) -> list:
    """Operands of one rank (axes of size one in front), unless they differ by scalars alone:
    these the primitives take as they are."""
    shapes = [shape_of(a) for a in args]
    if all(s == shapes[0] for s in shapes) or len({len(s) for s in shapes if s}) < 2:
        return list(args)
    rank = len(broadcast_shapes(*shapes))
    return [with_rank(a, s, rank) for a, s in zip(args, shapes)]


def with_rank(x, shape: tuple[int, ...], rank: int):
    if len(shape) == rank:
        return x
    new = rank - len(shape)
    return table["broadcast_in_dim"](x, shape=(1,) * new + shape,
                                     broadcast_dimensions=tuple(range(new, rank)))


def promote(*args, to=as_is, name: str = "") -> list:
    """Operands as an elementwise primitive takes them: one dtype, one rank."""
    for position, a in enumerate(args):
        check_array(name, a, position)
    return promote_ranks(*promote_dtypes(*args, to=to))


def check_array(name: str, x, position: int = 0) -> None:
    if not isinstance(x, (Tensor, np.ndarray, *PYTHON_SCALARS, np.generic)) \
            and not hasattr(x, "aval"):
        raise TypeError(f"{name} requires ndarray or scalar arguments, got {type(x)} at position "
                        f"{position}.")
