"""Keep freed memory in the process.

glibc returns large blocks to the system when they are freed, and the next array of that size pays
for its pages again: a chain of operations on a million elements spends two thirds of its time so.
Two settings change that. They hold for the whole process; `MINIGRAD_MALLOC=default` leaves it
alone, and other C libraries are left alone anyway.
"""

from __future__ import annotations

import ctypes
import os

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
