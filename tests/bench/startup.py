"""`python -m tests.bench startup [words]`: compile time, memory bandwidth, memory.

Compile time is that of the first call less that of a later one, in a fresh process: with an empty
cache ("cold") and with the one that this left ("disk"). JAX runs without a cache on disk.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from statistics import median

import numpy as np

from tests.bench import jax_programs
from tests.bench.timing import seconds_per_call
from tests.lines import ROOT

COMPILED = {"gelu": (1000,), "adam": (1000,), "softmax": (4096, 512), "mlp": (), "cnn": (),
            "lstm": (), "gpt": (), "per_example": (), "hessian": ()}
PROCESSES = 3

FIRST_CALL = """
import sys, time
import {module} as jax
from tests.bench import jax_programs
jax.jit(lambda x: x + 1)(1.0)  # whatever is set up once in a process
step = jax_programs.{program}(jax, *{arguments})
def timed():
    start = time.perf_counter()
    jax.block_until_ready(step())
    return time.perf_counter() - start
first = timed()
print(first - min(timed() for _ in range(5)))
"""

GROWTH = """
import {module} as torch
from tests.bench import torch_programs
def resident(what):  # kB; Linux only
    lines = open("/proc/self/status").read().splitlines()
    return int(next(line for line in lines if line.startswith(what)).split()[1])
step = torch_programs.gpt(torch)
step = torch.compile(step) if {compiled} else step
open("/proc/self/clear_refs", "w").write("5")  # the peak so far was that of importing
before = resident("VmRSS")
for _ in range(10):
    step()
print((resident("VmHWM") - before) / 1024)
"""


def in_process(program: str, cache: str) -> float:
    out = subprocess.run([sys.executable, "-c", program], cwd=ROOT, text=True, capture_output=True,
                         env={**os.environ, "XDG_CACHE_HOME": cache, "JAX_PLATFORMS": "cpu"})
    if out.returncode:
        raise RuntimeError(out.stderr.strip().splitlines()[-1])
    return float(out.stdout)


def compile_times(words: list[str]) -> None:
    print(f"\n{'compile time, ms':24} {'cold':>8} {'disk':>8} {'jax':>8} {'cold/jax':>9} "
          f"{'disk/jax':>9}   (targets 0.60, 0.10)")
    for name, arguments in COMPILED.items():
        if words and not any(w in f"compile {name}" for w in words):
            continue
        ours, theirs = (FIRST_CALL.format(module=m, program=name, arguments=arguments)
                        for m in ("compat.jax", "jax"))
        times: dict[str, list[float]] = {"cold": [], "disk": [], "jax": []}
        try:
            for _ in range(PROCESSES):
                with tempfile.TemporaryDirectory() as cache:
                    times["cold"].append(in_process(ours, cache))
                    times["disk"].append(in_process(ours, cache))
                    times["jax"].append(in_process(theirs, cache))
        except RuntimeError as error:
            print(f"{name:24} {error}")
            continue
        cold, disk, jax = (1e3 * median(times[k]) for k in ("cold", "disk", "jax"))
        print(f"{name:24} {cold:8.0f} {disk:8.0f} {jax:8.0f} {cold / jax:9.2f} {disk / jax:9.2f}",
              flush=True)


def bandwidth() -> None:
    """Bytes that a fused kernel has to move, by its time, against copying: at 1e7 elements."""
    import compat.jax
    from kernels import pool

    n = 10 ** 7
    source, target = np.ones(n, np.float32), np.zeros(n, np.float32)

    def copy():
        pool.each(lambda a, b: np.copyto(target[a:b], source[a:b]), n, -(-n // pool.threads()))

    moved = {"copy": 2, "axpy": 3, "relu": 2, "adam": 7}  # arrays read and written
    steps = {name: getattr(jax_programs, name)(compat.jax, n) for name in ("axpy", "relu", "adam")}
    steps["copy"] = copy
    times: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(15):
        for name, step in steps.items():
            step()
            times[name].append(seconds_per_call(step, 2))
    rates = {name: moved[name] * 4 * n / median(t) / 1e9 for name, t in times.items()}
    print(f"\n{'bandwidth at 1e7':24} {'GB/s':>8} {'of copy':>8}   (target 0.85)")
    for name, rate in rates.items():
        print(f"{name:24} {rate:8.1f} {rate / rates['copy']:8.2f}", flush=True)


def memory() -> None:
    print("\ngrowth of the largest resident size over ten GPT steps, MB (target: not above torch)")
    for name, module, compiled in (("minigrad, compiled", "compat.torch", True),
                                   ("minigrad, eager", "compat.torch", False),
                                   ("torch, eager", "torch", False)):
        with tempfile.TemporaryDirectory() as cache:
            program = GROWTH.format(module=module, compiled=compiled)
            print(f"{name:24} {in_process(program, cache):8.0f}", flush=True)


def main(words: Iterable[str] = ()) -> None:
    words = list(words)
    for name, part in (("bandwidth", bandwidth), ("memory", memory)):
        if not words or name in words:
            part()
    if not words or any(w not in ("bandwidth", "memory") for w in words):
        compile_times([w for w in words if w not in ("bandwidth", "memory")])
