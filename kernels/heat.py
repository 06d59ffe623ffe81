"""When machine code pays: not before a program has spent some time without it.

Importing LLVM and compiling a kernel takes some hundredths of a second. A short program is over
before that; a long one waits for it once. The count is of work, not of time, so that the same
program takes the same roads, to the same bits, on every run.
"""

from __future__ import annotations

import os

ENOUGH = {  # elements that have gone by without it; of products, multiplications
    "convolution": 1 << 20, "pooling": 1 << 21, "products": 1 << 31}
seen = dict.fromkeys(ENOUGH, 0)
_available: bool | None = None


def ready(kind: str, work: int) -> bool:
    """Count `work`, and say whether enough have been counted."""
    if seen[kind] > ENOUGH[kind]:
        return available()
    seen[kind] += work
    return False


def hurry() -> None:
    """`jit` was asked for: machine code at once."""
    for kind in seen:
        seen[kind] = ENOUGH[kind] + 1


def wanted() -> bool:
    """`MINIGRAD_COMPILER=numpy` does without kernels of our own, on a device too."""
    return os.environ.get("MINIGRAD_COMPILER") != "numpy"


def available() -> bool:
    """Is there LLVM, and is it wanted?"""
    global _available
    if _available is None:
        _available = wanted() and _has_llvm()
    return _available


def _has_llvm() -> bool:
    try:
        import kernels.native  # noqa: F401
    except ImportError:
        return False
    return True
