"""CuPy as the `numpy` of the kernels that are run again on its arrays (`kernels/twin.py`).

Most names are CuPy's own. What CuPy lacks, or what it does otherwise than NumPy in a corner that
the kernels rely on, stands here. Nothing here waits for the device.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable
from typing import Any

import cupy
import numpy as np

from kernels import segments

# ------------------------------------------------------------------ reductions


def drop_axes(shape, axis) -> tuple:
    axes = [a % len(shape) for a in (axis if isinstance(axis, tuple) else (axis,))]
    return tuple(n for i, n in enumerate(shape) if i not in axes)


def folded(combine: Callable) -> Callable:
    """Reduce by halves: about log2(n) launches, whatever `combine` is."""

    def fold(x, axis, dtype):
        for a in sorted(a % x.ndim for a in (axis if isinstance(axis, tuple) else (axis,)))[::-1]:
            rows = cupy.moveaxis(x, a, 0)
            while len(rows) > 1:
                half = len(rows) // 2
                rest = rows[2 * half:]
                rows = combine(rows[:half], rows[half:2 * half])
                rows = cupy.concatenate([rows, rest]) if len(rest) else rows
            x = rows[0]
        return x

    return fold


def doubled(combine: Callable) -> Callable:
    """The running `combine` along an axis, in about log2(n) launches (Hillis and Steele, 1986)."""

    def run(x, axis, dtype):
        rows = cupy.moveaxis(x, axis, 0).astype(dtype)
        step = 1
        while step < len(rows):
            rows = cupy.concatenate([rows[:step], combine(rows[:-step], rows[step:])])
            step *= 2
        return cupy.moveaxis(rows, 0, axis)

    return run


class Ufunc:
    """A ufunc of CuPy with the methods of NumPy's that the kernels call."""

    def __init__(self, name: str, total: Callable | None = None, running: Callable | None = None,
                 empty: Any = None):
        self.call = getattr(cupy, name)
        self.__name__ = name
        self.total, self.running = total or folded(self.call), running or doubled(self.call)
        self.empty, self.outer = empty, self.call.outer

    def __call__(self, *args, **options):
        return self.call(*args, **options)

    def reduce(self, x, axis=0, dtype=None, initial=None):
        dtype = x.dtype if dtype is None else dtype
        if axis == () or not x.ndim:
            return x.astype(dtype)
        if not x.size:
            start = self.empty if initial is None else initial
            return cupy.full(drop_axes(x.shape, axis), start, dtype)
        return self.total(x, axis, dtype)

    def accumulate(self, x, axis=0, dtype=None):
        return self.running(x, axis, x.dtype if dtype is None else dtype)

    def at(self, out, places, values):
        """Combine `values` into `out` at `places`, in the order of the values."""
        segments.combine(self.__name__, out, places, values)


UFUNCS = {ufunc.__name__: ufunc for ufunc in (
    Ufunc("add", lambda x, axis, dtype: cupy.sum(x, axis, dtype),
          lambda x, axis, dtype: cupy.cumsum(x, axis, dtype), 0),
    Ufunc("multiply", lambda x, axis, dtype: cupy.prod(x, axis, dtype),
          lambda x, axis, dtype: cupy.cumprod(x, axis, dtype), 1),
    Ufunc("maximum", lambda x, axis, dtype: cupy.max(x, axis)),
    Ufunc("minimum", lambda x, axis, dtype: cupy.min(x, axis)),
    Ufunc("bitwise_and", empty=-1), Ufunc("bitwise_or", empty=0), Ufunc("bitwise_xor", empty=0),
    Ufunc("subtract"), Ufunc("logaddexp"))}

# ------------------------------------------------------------------ what C leaves undefined


def left_shift(x, y, out=None):
    """0 for amounts out of range, as NumPy has it."""
    if type(y) is int:
        return cupy.left_shift(x, y, out=out)
    width = 8 * x.dtype.itemsize
    inside = (y >= 0) & (y < width)
    return cupy.where(inside, cupy.left_shift(x, cupy.where(inside, y, y.dtype.type(0))),
                      x.dtype.type(0))


def right_shift(x, y, out=None):
    """0 (of negative numbers -1) for amounts out of range, as NumPy has it."""
    if type(y) is int:
        return cupy.right_shift(x, y, out=out)
    width = 8 * x.dtype.itemsize
    inside = (y >= 0) & (y < width)
    far = cupy.right_shift(x, width - 1) if x.dtype.kind == "i" else x.dtype.type(0)
    return cupy.where(inside, cupy.right_shift(x, cupy.where(inside, y, y.dtype.type(0))), far)


def fmod(x, y):
    """The remainder with the sign of `x`. Of integers CuPy takes it in float64, which is too short
    for 64 bits; where `y` is 0 theirs is 0."""
    if x.dtype.kind not in "iu":
        return cupy.fmod(x, y)
    rest = x - cupy.floor_divide(x, y) * y
    turned = (rest != 0) & ((x < 0) != (y < 0))
    return cupy.where(y == 0, x.dtype.type(0), cupy.where(turned, rest - y, rest))


# ------------------------------------------------------------------ order


def lexsort(keys, axis=-1):
    """Stable sorts by one key after the other, the last being the first to count."""
    order = None
    for key in keys:
        there = key if order is None else cupy.take_along_axis(key, order, axis)
        new = cupy.argsort(there, axis=axis, kind="stable")
        order = new if order is None else cupy.take_along_axis(order, new, axis)
    return order


def array(x, dtype=None, copy=True):
    return cupy.asarray(x, dtype) if copy is None else cupy.array(x, dtype, copy=copy)


def split(x, places, axis=0):
    """Views of the pieces; the places are known on the host."""
    stops = [*places, x.shape[axis]]
    before = (slice(None),) * axis
    return [x[(*before, slice(start, stop))] for start, stop in zip([0, *stops], stops)]


def as_strided(x, shape, strides, writeable=True):
    return cupy.lib.stride_tricks.as_strided(x, shape, strides)


class Arrays(types.ModuleType):
    """The module that `import numpy as np` gives."""

    def __getattr__(self, name: str):
        found = getattr(cupy, name)
        setattr(self, name, found)
        return found


numpy = Arrays("numpy on CuPy's arrays")
for name, given in UFUNCS.items():
    setattr(numpy, name, given)
for given in (left_shift, right_shift, fmod, lexsort, array, split):
    setattr(numpy, given.__name__, given)
for name in ("errstate", "dtype", "iinfo", "finfo", "generic", "promote_types", "newaxis", "ndim",
             "broadcast_shapes"):
    setattr(numpy, name, getattr(np, name))
numpy.cumsum = lambda x, dtype=None: np.cumsum(x, dtype=dtype)  # type: ignore[attr-defined]
numpy.take = lambda x, places, axis=None, mode=None: cupy.take(x, places, axis)  # type: ignore
numpy.partition = lambda x, k, axis=-1: cupy.sort(x, axis)  # type: ignore[attr-defined]
numpy.lib = types.SimpleNamespace(  # type: ignore[attr-defined]
    stride_tricks=types.SimpleNamespace(as_strided=as_strided))


@functools.cache
def scipy() -> Any:
    """CuPy's `scipy`, for kernels that import from it."""
    from cupyx.scipy import special  # at the first call, as in the kernels themselves

    return types.SimpleNamespace(special=special)


class Scipy:
    """Stands for `scipy` in an import statement, and loads CuPy's when it is asked for a part."""

    special = property(lambda self: scipy().special)


