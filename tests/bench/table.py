"""`python -m tests.bench table [words]`: the compiler against jax.jit and against eager PyTorch.

Every program is written once and run on both by exchanging the import; results are compared before
anything is timed. Ours is jitted (`compat.jax.jit`, `compat.torch.compile`), except products and
convolutions of the torch column, which are single operations run eagerly as theirs are. Both
sides use all processors. Medians of short batches in turn, in one process. Words choose rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

from tests.bench import jax_programs, torch_programs
from tests.bench.timing import interleaved, processor_seconds, share_of_others

ELEMENTWISE = ("gelu", "chain", "adam")
ROWS = ("softmax", "layer_norm", "cross_entropy")
PRODUCTS = [(((n, n), (n, n)), f"{n}") for n in (64, 128, 256, 512, 1024, 2048)] + [
    (((32, 784), (784, 128)), "32x784x128"), (((64, 32, 32),) * 2, "64 of 32"),
    (((16, 128, 128),) * 2, "16 of 128"), (((32, 64, 32), (32, 32, 64)), "32 of 64x32x64")]
CONVOLUTIONS = [(32, 16, 16, 14), (32, 16, 32, 28), (32, 32, 64, 32), (32, 64, 64, 16)]
POOLS = [(32, 16, 28), (32, 64, 32)]


BUDGET = 2.0  # seconds for each line


class Row(NamedTuple):
    name: str
    program: str
    arguments: tuple
    jax: float | None  # targets, ours / theirs
    torch: float | None
    eager: bool = False  # ours is not compiled in the torch column
    tolerance: float = 2e-4


def rows() -> Iterable[Row]:
    for n, jax, torch in ((10 ** 3, 0.25, 0.4), (10 ** 5, 0.35, 0.6), (10 ** 7, 0.6, 0.3)):
        for name in ELEMENTWISE:
            yield Row(f"{name} {n:.0e}".replace("e+0", "e"), name, (n,), jax, torch)
    for name in ROWS:
        yield Row(f"{name} 4096x512 fwd+bwd", name, (4096, 512), 0.6, 0.7)
    for shapes, name in PRODUCTS:
        yield Row(f"matmul {name}", "matmul", shapes, 1.05, 0.9, eager=True, tolerance=2e-3)
    for sizes in CONVOLUTIONS:
        size = "x".join(map(str, sizes))
        yield Row(f"conv 3x3 {size} fwd", "conv", sizes, 0.5, 1.0, eager=True)
        yield Row(f"conv 3x3 {size} fwd+bwd", "conv_both", sizes, 0.5, 1.15, eager=True,
                  tolerance=2e-3)
    for sizes in POOLS:
        yield Row(f"max_pool 2x2 {'x'.join(map(str, sizes))} fwd+bwd", "max_pool", sizes, 0.2, 0.8,
                  eager=True)
    yield Row("MLP step, Adam", "mlp", (), 0.5, 0.35)
    yield Row("CNN step, Adam", "cnn", (), 0.8, 0.8, tolerance=2e-3)
    yield Row("LSTM step, scan of 50", "lstm", (), 0.8, 0.8, tolerance=2e-3)
    yield Row("GPT step, 4 layers", "gpt", (), 0.8, 0.8, tolerance=2e-3)
    yield Row("per-example gradients, 128", "per_example", (), 1.0, None)
    yield Row("hessian of 50", "hessian", (), 1.0, None)


def flat(results) -> list[np.ndarray]:
    if isinstance(results, (tuple, list)):
        return [a for part in results for a in flat(part)]
    return [np.asarray(results.detach() if hasattr(results, "detach") else results)]


def difference(ours, theirs) -> float:
    """The largest difference of two results relative to their size."""
    worst = 0.0
    for a, b in zip(ours, theirs, strict=True):
        if a.shape != b.shape:
            return math.inf
        scale = max(1e-6, float(np.abs(b).max(initial=0)))
        worst = max(worst, float(np.abs(a - b).max(initial=0)) / scale)
    return worst


def measured(row: Row, ours: Callable, theirs: Callable) -> tuple[float, float, float]:
    """Seconds of ours and of theirs, and how far their results are apart after three steps."""
    for _ in range(3):
        a, b = ours(), theirs()
    apart = difference(flat(a), flat(b))
    return *interleaved(ours, theirs, BUDGET), apart


def against_jax(row: Row):
    import jax

    import compat.jax

    build = getattr(jax_programs, row.program)
    theirs = build(jax, *row.arguments)
    return measured(row, build(compat.jax, *row.arguments),
                    lambda: jax.block_until_ready(theirs()))


def against_torch(row: Row):
    import torch

    import compat.torch

    build = getattr(torch_programs, row.program)
    ours = build(compat.torch, *row.arguments)
    return measured(row, ours if row.eager else compat.torch.compile(ours),
                    build(torch, *row.arguments))


def show(row: Row, theirs: str, target: float, run: Callable) -> float | None:
    """One line; the ratio, or None where there is no result."""
    since = processor_seconds()
    try:
        a, b, apart = run(row)
    except Exception as error:  # a row that fails is a line, not the end of the table
        print(f"{row.name:34} {theirs:6} {type(error).__name__}: {str(error)[:60]}", flush=True)
        return None
    mark = f"  WRONG by {apart:.1e}" if apart > row.tolerance else (
        "  above target" if a / b > target else "")
    if (others := share_of_others(since)) > 0.1:
        mark += f"  disturbed: others had {others:.1f} processors"
    print(f"{row.name:34} {theirs:6} {a * 1e6:10.1f} {b * 1e6:10.1f} {a / b:7.2f} {target:7.2f}"
          f"{mark}", flush=True)
    return a / b


def main(words: Iterable[str] = ()) -> None:
    import torch

    torch.set_num_threads(torch.get_num_threads())
    words = list(words)
    print(f"\n{'workload':34} {'theirs':6} {'ours µs':>10} {'theirs µs':>10} {'ratio':>7} "
          f"{'target':>7}")
    ratios: dict[str, list[float]] = {}
    for row in rows():
        for theirs, target, run in (("jax", row.jax, against_jax),
                                    ("torch", row.torch, against_torch)):
            chosen = not words or any(w in f"{row.name} {theirs}" for w in words)
            if target is not None and chosen:
                ratio = show(row, theirs, target, run)
                if ratio and row.program == "matmul":
                    ratios.setdefault(theirs, []).append(ratio)
    for theirs, values in ratios.items():
        mean = math.exp(sum(map(math.log, values)) / len(values))
        print(f"{'matmul, geometric mean':34} {theirs:6} {'':10} {'':10} {mean:7.2f} {0.9:7.2f}")
