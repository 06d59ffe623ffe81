"""One debug ladder: `MINIGRAD_DEBUG` = 1 ops, 2 programs, 3 derived backwards, 4 kernels,
5 timings. Each rung shows the ones below it; output goes to standard error."""

from __future__ import annotations

import os
import sys

level = int(os.environ.get("MINIGRAD_DEBUG", "0") or 0)


def show(rung: int, *what) -> None:
    if level >= rung:
        print(f"[minigrad {rung}]", *what, file=sys.stderr)
