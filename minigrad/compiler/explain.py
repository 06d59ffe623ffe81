"""A compiled program as text: `jitted.kernels`, `jitted.memory` and `jitted.explain`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from statistics import median
from typing import Any

from kernels import driver, pool
from minigrad.compiler.executable import Executable
from minigrad.compiler.steps import (
    BranchStep, Buffer, KernelStep, LoopStep, NumpyStep, Plan, ProductStep, Step, View, WhileStep,
    plans_in,
)


def memory_text(plan: Plan) -> str:
    """The buffers of a plan: where each is, how large, and between which steps it is alive."""
    lines = [f"{'buffer':14} {'bytes':>12} {'steps':>9}  shape"]
    for kind, buffers in (("operand", plan.operands), ("constant", plan.constants),
                          ("result", plan.results)):
        for k, b in enumerate(buffers):
            note = ""
            if kind == "result" and k in plan.written:
                note = f"  written in place of operand {plan.written[k]}"
            lines.append(f"{kind + ' ' + str(k):14} {b.size:12,} {'':>9}  {shown(b)}{note}")
    for b in sorted(plan.arena, key=lambda b: (b.first, b.number)):
        if b.first >= 0:
            life = f"{b.first}-{b.last}"
            lines.append(f"{'arena +' + str(b.number):14} {b.size:12,} {life:>9}  {shown(b)}")
    alone = sum(b.size for b in plan.arena if b.first >= 0)
    lines.append(f"arena: {plan.arena_size:,} bytes; {alone:,} if no two shared memory")
    return "\n".join(lines)


def shown(b: Buffer) -> str:
    return f"{b.dtype.name}[{','.join(map(str, b.shape))}]"


def steps_text(plan: Plan, times: Sequence[float] | None = None, depth: int = 0) -> str:
    lines = []
    for k, step in enumerate(plan.steps):
        took = "" if times is None else f"{times[k] * 1e6:9.1f} us  "
        lines.append(f"{'    ' * depth}{k:3} {took}{step.name}{detail(step)}")
        lines += [steps_text(inner, None, depth + 1) for inner in plans_in(step)]
    return "\n".join(line for line in lines if line)


def detail(step: Step) -> str:
    given = ", ".join(repr(getattr(b, "buffer", b)) if isinstance(b, (Buffer, View)) else str(b)
                      for b in step.buffers)
    if isinstance(step, KernelStep):
        return f"({given})"
    if isinstance(step, ProductStep):
        return f"({given})  by BLAS, {step.product.multiplications:,} multiplications"
    if isinstance(step, NumpyStep):
        return f"({given})  no kernel: its NumPy kernel runs"
    if isinstance(step, LoopStep):
        return f"  {step.times} times:"
    if isinstance(step, (WhileStep, BranchStep)):
        return ":"
    return f"({given})"


def step_times(executable: Executable, operands: Sequence, repeats: int = 5) -> list[float]:
    """Seconds of each step, by itself. Operands that the program writes are copied before."""
    operands = [x.copy() if k in executable.plan.written.values() else x
                for k, x in enumerate(operands)]
    executable(operands)
    instance = executable.idle[-1]
    rows = instance.rows.reshape(-1, 5) if len(instance.rows) else []
    runs: list[list[float]] = []
    for _ in range(repeats):
        executable(operands)
        times = []
        for function, table, extent, grain, _ in rows:
            start = time.perf_counter()
            if extent <= grain:
                driver.ENTRY(int(function))(int(table), 0, int(extent))
            else:
                pool.run(int(function), int(table), int(extent), int(grain))
            times.append(time.perf_counter() - start)
        runs.append(times)
    return [median(column) for column in zip(*runs)]


def explanation(name: str, staged, executable: Any, operands: Sequence,
                reasons: Sequence[str]) -> str:
    """Program, simplified program, steps with their times, kernels, buffers, and why the function
    was traced."""
    plan = executable.plan
    times = step_times(executable, operands) if isinstance(executable, Executable) \
        else executable.step_times(operands)
    parts = [
        (f"{name} was traced {len(reasons)} times", "\n".join(reasons)),
        ("program", str(staged.jaxpr)), ("simplified", str(plan.program)),
        ("steps", steps_text(plan, times)),
        ("kernels", executable.source), ("memory", memory_text(plan)),
    ]
    return "\n\n".join(f"== {title} ==\n{text}" for title, text in parts)
