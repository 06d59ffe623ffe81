"""jax.dtypes: dtypes and how they promote."""

from __future__ import annotations

import ml_dtypes
import numpy as np

from compat.jax import array
from compat.jax.numpy.dtypes import bfloat16, finfo, iinfo, issubdtype
from minigrad.forward import FLOAT0 as float0
from minigrad.numpy import creation
from minigrad.numpy.promotion import TypePromotionError, result_type

__all__ = ["TypePromotionError", "bfloat16", "canonicalize_dtype", "extended", "finfo", "float0",
           "iinfo", "issubdtype", "itemsize_bits", "prng_key", "result_type", "scalar_type_of"]


class extended(np.generic):  # noqa: N801
    """Dtypes that NumPy does not know."""


class prng_key(extended):  # noqa: N801
    """Dtypes of typed keys."""


def canonicalize_dtype(dtype, allow_extended_dtype: bool = False) -> np.dtype:
    """The dtype that JAX uses for a requested one."""
    return array.canonical_dtype(creation.canonical_dtype(dtype))


def itemsize_bits(dtype) -> int:
    """Bits of an element."""
    dtype = array.as_dtype(dtype)
    small = {"int2": 2, "uint2": 2, "int4": 4, "uint4": 4, "float4_e2m1fn": 4}
    return small.get(dtype.name, 1 if dtype.kind == "b" else dtype.itemsize * 8)


def scalar_type_of(x) -> type:
    """The Python type of the scalars that a value holds."""
    dtype = np.dtype(getattr(x, "dtype", type(x)))
    kinds = {"b": bool, "i": int, "u": int, "f": float, "c": complex}
    if dtype == np.dtype(ml_dtypes.bfloat16):
        return float
    if dtype.kind not in kinds:
        raise TypeError(f"Invalid scalar value {x}")
    return kinds[dtype.kind]
