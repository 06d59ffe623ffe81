"""The dtype objects of jax.numpy: `jnp.float32` is a dtype and, called, makes an array."""

from __future__ import annotations

import ml_dtypes
import numpy as np

from compat.jax.array import Array, as_array, canonical_dtype
from minigrad.numpy import creation


class ScalarMeta(type):
    """The class of `jnp.float32`, which equals and hashes like its NumPy dtype."""

    dtype: np.dtype

    def __eq__(cls, other) -> bool:
        try:
            return cls.dtype == np.dtype(other)
        except TypeError:
            return False

    def __hash__(cls) -> int:
        return hash(cls.dtype.type)

    def __call__(cls, x):
        return as_array(creation.asarray(x, canonical_dtype(cls.dtype), cls=Array))

    def __instancecheck__(cls, x) -> bool:
        return isinstance(x, cls.dtype.type)

    def __repr__(cls) -> str:
        return f"<class 'jax.numpy.{cls.__name__}'>"


def scalar_type(scalar) -> ScalarMeta:
    dtype = np.dtype(scalar)
    return ScalarMeta(dtype.name if dtype.kind != "b" else "bool", (), {"dtype": dtype})


bool_, int8, int16, int32, int64 = map(scalar_type, "? i1 i2 i4 i8".split())
uint8, uint16, uint32, uint64 = map(scalar_type, "u1 u2 u4 u8".split())
float16, float32, float64, complex64, complex128 = map(scalar_type, "f2 f4 f8 c8 c16".split())
bfloat16 = scalar_type(ml_dtypes.bfloat16)
# Types of less than a byte's precision: storage, which ml_dtypes knows how to convert.
SMALL = ("float4_e2m1fn float6_e2m3fn float6_e3m2fn float8_e3m4 float8_e4m3 float8_e4m3b11fnuz "
         "float8_e4m3fn float8_e4m3fnuz float8_e5m2 float8_e5m2fnuz float8_e8m0fnu int1 int2 int4 "
         "uint1 uint2 uint4").split()
for _name in SMALL:
    globals()[_name] = scalar_type(getattr(ml_dtypes, _name))
finfo, iinfo = ml_dtypes.finfo, ml_dtypes.iinfo


def issubdtype(arg1, arg2) -> bool:
    """`numpy.issubdtype`, which knows that bfloat16 is floating."""
    kinds = {np.floating, np.inexact, np.number, np.generic}
    try:
        if np.dtype(arg1) == bfloat16.dtype:
            return arg2 in kinds if isinstance(arg2, type) and arg2 in kinds else \
                np.dtype(arg2) == bfloat16.dtype
    except TypeError:
        pass
    first = arg1.dtype if isinstance(arg1, ScalarMeta) else arg1
    second = arg2.dtype if isinstance(arg2, ScalarMeta) else arg2
    return np.issubdtype(first, second)
