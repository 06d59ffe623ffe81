"""How long `import minigrad` takes, NumPy included: the median of fresh processes."""

from __future__ import annotations

import os
import subprocess
import sys
from statistics import median

from tests.lines import ROOT

PROGRAM = """
import time
start = time.perf_counter()
import {module}
print(time.perf_counter() - start)
"""
TARGETS = {"numpy": None, "minigrad": 0.25, "compat.torch": None, "compat.jax": None}
PROCESSES = 7


def seconds_to_import(module: str) -> float:
    command = [sys.executable, "-c", PROGRAM.format(module=module)]
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return float(subprocess.check_output(command, cwd=ROOT, text=True, env=environment))


def main() -> None:
    seconds_to_import("compat.torch, compat.jax")  # compile once, as installing a package does
    print(f"\nimport, median of {PROCESSES} processes\n{'module':40} {'seconds':>10} {'target':>7}")
    for module, target in TARGETS.items():
        seconds = median(seconds_to_import(module) for _ in range(PROCESSES))
        mark = "  above target" if target and seconds > target else ""
        print(f"{module:40} {seconds:10.3f} {target or '':>7}{mark}", flush=True)


if __name__ == "__main__":
    main()
