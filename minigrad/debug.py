"""One debug ladder: `MINIGRAD_DEBUG` = 1 ops, 2 programs, 3 derived backwards, 4 kernels,
5 timings. Each rung shows the ones below it; output goes to standard error."""

from __future__ import annotations

import functools
import os
import sys
import time

level = int(os.environ.get("MINIGRAD_DEBUG", "0") or 0)


def show(rung: int, *what) -> None:
    if level >= rung:
        print(f"[minigrad {rung}]", *what, file=sys.stderr)


def timed(what: str):
    """Decorates a function whose calls the fifth rung times."""

    def decorate(function):
        if level < 5:
            return function

        @functools.wraps(function)
        def wrapped(*args, **kwargs):
            start = time.perf_counter()
            result = function(*args, **kwargs)
            show(5, f"{what}: {(time.perf_counter() - start) * 1e6:.0f} us")
            return result

        return wrapped

    return decorate
