"""Where arrays lie in memory, and keeping freed memory in the process.

glibc returns large blocks to the system when they are freed, and the next array of that size pays
for its pages again: a chain of operations on a million elements spends two thirds of its time so.
Two settings change that. They hold for the whole process; `MINIGRAD_MALLOC=default` leaves it
alone, and other C libraries are left alone anyway. For blocks that are larger than these settings
allow, `empty` keeps some arrays itself and hands them out again when nobody holds them any more.
"""

from __future__ import annotations

import ctypes
import math
import os
import sys
from collections import OrderedDict

import numpy as np

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
LARGEST_KEPT = 32 << 20  # bytes; glibc accepts no larger threshold


def keep_freed_memory() -> bool:
    """Apply the settings where glibc is; says whether it did."""
    if os.environ.get("MINIGRAD_MALLOC") == "default":
        return False
    try:
        libc = ctypes.CDLL(None)
        libc.gnu_get_libc_version  # noqa: B018  (only glibc has it)
        return bool(libc.mallopt(M_MMAP_THRESHOLD, LARGEST_KEPT)
                    and libc.mallopt(M_TRIM_THRESHOLD, 1 << 30))
    except (AttributeError, OSError, TypeError):
        return False


KEPT_BYTES = 256 << 20  # of arrays above LARGEST_KEPT
kept: OrderedDict[tuple, list[np.ndarray]] = OrderedDict()  # by (shape, dtype); last used, last


def empty(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """`np.empty`; a large one may be an earlier large one that nobody holds any more."""
    size = math.prod(shape) * dtype.itemsize
    if size <= LARGEST_KEPT or size > KEPT_BYTES or os.environ.get("MINIGRAD_MALLOC") == "default":
        return np.empty(shape, dtype)
    key = shape, dtype
    for array in kept.get(key, ()):  # another thread that looks at it counts as a holder, too
        if sys.getrefcount(array) == 3:  # the list, the loop's variable, the question
            kept.move_to_end(key)
            return array
    array = np.empty(shape, dtype)
    kept.setdefault(key, []).append(array)
    kept.move_to_end(key)
    while sum(a.nbytes for arrays in list(kept.values()) for a in arrays) > KEPT_BYTES:
        oldest = next(iter(kept))
        kept[oldest].pop(0)
        if not kept[oldest]:
            del kept[oldest]
    return array


def placed(result, out):
    """The result, in `out` where that is given."""
    if out is None:
        return result
    np.copyto(out, result)
    return out


def _reads_headers() -> bool:
    probe = np.arange(3)[1:]
    return ctypes.c_void_p.from_address(id(probe) + DATA).value == probe.ctypes.data


def address_of(array) -> int:
    """Where the elements of an array begin. `array.ctypes.data` takes eight times as long."""
    return pointer_at(id(array) + DATA).value or 0


DATA = object.__basicsize__  # of an array's header, its pointer is the first field after Python's
pointer_at = ctypes.c_void_p.from_address
if sys.implementation.name != "cpython" or not _reads_headers():
    def address_of(array) -> int:  # noqa: F811
        return array.ctypes.data
