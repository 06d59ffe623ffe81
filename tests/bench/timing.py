"""Ratios of two ways of doing the same, measured side by side in one process."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median


@dataclass
class Workload:
    """name, our function, theirs, and the ratio ours/theirs that is wanted, if any."""

    name: str
    ours: Callable[[], object]
    theirs: Callable[[], object]
    target: float | None = None


def seconds_per_call(f: Callable, calls: int) -> float:
    start = time.perf_counter()
    for _ in range(calls):
        f()
    return (time.perf_counter() - start) / calls


# Seconds. Threads of the other side watch for work before they sleep: those of GNU's OpenMP, which
# PyTorch uses, for 300,000 pauses, 6 ms on AMD's Zen 2 and above 20 on Intel's Sapphire Rapids.
SETTLE = 0.03


def interleaved(f: Callable, g: Callable, budget: float = 2.0) -> tuple[float, float]:
    """Median seconds of a call of each, alternating short batches so that both see the same
    weather on a shared machine."""
    f(), g()
    once = max(seconds_per_call(f, 1), seconds_per_call(g, 1), 1e-7)
    calls = max(1, min(1000, int(0.01 / once)))
    ours, theirs = [], []
    end = time.perf_counter() + budget
    while time.perf_counter() < end or len(ours) < 5:
        for function, times in ((f, ours), (g, theirs)):
            time.sleep(SETTLE)
            function()
            times.append(seconds_per_call(function, calls))
    return median(ours), median(theirs)


def processor_seconds() -> tuple[float, float, float]:
    """Seconds until now: of the clock, and of processors, those of this process and all (Linux)."""
    try:
        with open("/proc/stat") as file:
            times = list(map(int, file.readline().split()[1:9]))
    except OSError:
        times = [0] * 8
    busy = (sum(times) - times[3] - times[4]) / os.sysconf("SC_CLK_TCK")
    return time.perf_counter(), sum(os.times()[:2]), busy


def share_of_others(since: tuple[float, float, float]) -> float:
    """How many processors other programs had on average."""
    clock, own, busy = (b - a for a, b in zip(since, processor_seconds()))
    return max(0.0, busy - own) / max(clock, 1e-9)


def run(workloads: Sequence[Workload], title: str, theirs: str) -> None:
    print(f"\n{title}\n"
          f"{'workload':40} {'ours µs':>10} {theirs + ' µs':>10} {'ratio':>7} {'target':>7}")
    for w in workloads:
        a, b = interleaved(w.ours, w.theirs)
        target = "" if w.target is None else f"{w.target:.2f}"
        mark = "  above target" if target and a / b > w.target else ""
        print(f"{w.name:40} {a * 1e6:10.1f} {b * 1e6:10.1f} {a / b:7.2f} {target:>7}{mark}",
              flush=True)
