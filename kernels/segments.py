"""Values combined into places of a device array, several to one place in their order: scatter.

The kernel is `segments.cu`; PyTorch's `index_put_(accumulate=True)` sorts in the same way. Adding
with atomics would be faster where few values meet, and another sum in every run.
"""

from __future__ import annotations

import functools
from pathlib import Path

import cupy
import numpy as np

TEXT = Path(__file__).with_name("segments.cu").read_text()
TYPES = {"?": "bool", "b": "signed char", "B": "unsigned char", "h": "short", "H": "unsigned short",
         "i": "int", "I": "unsigned int", "l": "long long", "L": "unsigned long long",
         "q": "long long", "Q": "unsigned long long", "f": "float", "d": "double"}
COMBINE = {  # a nan wins over every number
    "assign": "(b)", "add": "(T)(a + b)", "subtract": "(T)(a - b)", "multiply": "(T)(a * b)",
    "maximum": "(a != a ? a : b != b ? b : a > b ? a : b)",
    "minimum": "(a != a ? a : b != b ? b : a < b ? a : b)"}
COMPLEX = """struct T {{ {part} re, im; }};
__device__ inline T times(T a, T b) {{ return T{{a.re * b.re - a.im * b.im,
                                               a.re * b.im + a.im * b.re}}; }}
#define COMBINE(a, b) times(a, b)
"""
BLOCK = 256


def source(name: str, dtype: np.dtype) -> str:
    """The kernel for one combination and one type."""
    if dtype.kind == "c":
        head = COMPLEX.format(part="float" if dtype.itemsize == 8 else "double")
    else:
        head = f"typedef {TYPES[dtype.char]} T;\n#define COMBINE(a, b) {COMBINE[name]}\n"
    return head + TEXT


@functools.cache
def kernel(name: str, dtype: np.dtype):
    return cupy.RawModule(code=source(name, dtype)).get_function("combine")


def combine(name: str, out, places, values, unique: bool = False) -> None:
    """`out[places] = out[places] (name) values`, in place. `out` is flat and contiguous, places
    outside of it are dropped. `unique`: no two are the same, so nothing need be sorted."""
    if out.dtype.kind == "c" and name != "multiply":  # both parts alike
        part = np.dtype(f"f{out.dtype.itemsize // 2}")
        pairs = cupy.arange(2, dtype=np.int64)
        places = (2 * places.reshape(-1, 1) + pairs).reshape(-1)
        out, values = out.view(part), cupy.ascontiguousarray(values).reshape(-1).view(part)
    elif name == "assign" and out.dtype.char not in TYPES:  # half floats are only moved
        word = np.dtype(f"u{out.dtype.itemsize}")
        out, values = out.view(word), cupy.ascontiguousarray(values).view(word)
    places = places.reshape(-1).astype(np.int64)
    count = places.size
    if not count:
        return
    order = cupy.arange(count, dtype=np.int64) if unique else cupy.argsort(places, kind="stable")
    there = places if unique else places[order]
    values = cupy.ascontiguousarray(values.reshape(-1))
    kernel(name, out.dtype)((-(-count // BLOCK),), (BLOCK,), (
        out, there, order.astype(np.int64), values, np.int64(count), np.int64(out.size)))
