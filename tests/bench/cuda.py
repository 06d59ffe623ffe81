"""`python -m tests.bench --device cuda [words]`: on a GPU, against the memory's speed, against
cuBLAS, and against PyTorch and JAX on the same device. Without one it says so.

A memory-bound kernel is measured by the bytes that it has to move, as a fraction of the bandwidth
of a plain copy measured beside it. Whole steps are those of `python -m tests.bench table`. Times
are medians of batches that end in one synchronisation. Words choose rows.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from statistics import median
from typing import Any, NamedTuple

import numpy as np

from minigrad import devices
from minigrad.core import box
from tests.bench import jax_programs, torch_programs
from tests.bench.table import difference, flat
from tests.cuda.corpus import Recorder

BATCHES, SECONDS = 7, 0.05  # of each line, and of each batch at least
FRACTION = 0.85  # of the bandwidth of a copy, wanted
CUBLAS, EAGER, XLA = 1.05, 0.8, 1.1  # ours / theirs, wanted


class Sizes(NamedTuple):
    """How large the rows are: elements, columns of a row, sides of matrices."""

    elements: int = 10 ** 8
    columns: Sequence[int] = (512, 1024, 4096, 16384)
    sides: Sequence[int] = (512, 1024, 2048, 4096, 8192)


def seconds(f: Callable[[], Any], wait: Callable[[], None]) -> float:
    """Of one call, when many are queued one behind another."""
    for _ in range(3):
        f()
    wait()
    start = time.perf_counter()
    f()
    wait()
    calls = max(1, int(SECONDS / max(time.perf_counter() - start, 1e-6)))
    found = []
    for _ in range(BATCHES):
        start = time.perf_counter()
        for _ in range(calls):
            f()
        wait()
        found.append((time.perf_counter() - start) / calls)
    return median(found)


class Bench:
    """The rows, on the device that CuPy has."""

    def __init__(self, words: Iterable[str], sizes: Sizes):
        import cupy

        self.cupy, self.words, self.sizes = cupy, list(words), sizes
        self.place = devices.cuda(0)
        self.wait = cupy.cuda.Device().synchronize

    def wanted(self, name: str) -> bool:
        return not self.words or any(word in name for word in self.words)

    def on_device(self, x) -> Any:
        import compat.jax as jax

        return box(devices.put(np.asarray(x), self.place), type(jax.numpy.zeros(())))

    def numbers(self, *shape: int, dtype="float32") -> Any:
        """Made on the device; every element is another."""
        count = math.prod(shape)
        values = self.cupy.arange(count, dtype=self.cupy.float32) * (2.0 / count) - 1.0
        return self.cupy.ascontiguousarray(values.astype(dtype).reshape(shape))

    def boxed(self, array) -> Any:
        import compat.jax as jax

        return box(array, type(jax.numpy.zeros(())))

    # ---- memory

    def bandwidth(self) -> float:
        """Bytes a second of a copy on the device, read and written."""
        x = self.numbers(self.sizes.elements)
        y = self.cupy.empty(x.shape, x.dtype)
        return 2 * x.nbytes / seconds(lambda: self.copied(y, x), self.wait)

    def copied(self, y, x) -> None:
        self.cupy.cuda.runtime.memcpyAsync(y.data.ptr, x.data.ptr, x.nbytes, 3,
                                           self.cupy.cuda.get_current_stream().ptr)

    def memory_rows(self) -> Iterator[tuple[str, Callable, list, float]]:
        """(name, function, operands, arrays of all elements that it reads and writes)"""
        import compat.jax as jax

        jnp, n = jax.numpy, self.sizes.elements

        def adam(p, g, m, v):
            m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
            return p - 1e-3 * m / (jnp.sqrt(v) + 1e-8), m, v

        def layer_norm(x):
            mean = x.mean(-1, keepdims=True)
            return (x - mean) * jax.lax.rsqrt(((x - mean) ** 2).mean(-1, keepdims=True) + 1e-5)

        def gradient(f):
            return lambda x, ct: jax.vjp(f, x)[1](ct)[0]

        yield "gelu", jax.nn.gelu, [(n,)], 2
        yield "gelu float16", lambda x: jax.nn.gelu(x.astype("float32")).astype("float16"), [
            (n,)], 1
        yield "adam", adam, [(n // 4,)] * 4, 7 / 4
        yield "sum of everything", lambda x: jnp.sum(x), [(n,)], 1
        for columns in self.sizes.columns:
            rows = n // columns
            shape = (rows, columns)
            yield f"bias {columns}", lambda x, b: jax.nn.relu(x + b), [shape, (columns,)], 2
            yield f"sum of columns {columns}", lambda x: jnp.sum(x, 0), [shape], 1
            yield f"softmax {columns}", jax.nn.softmax, [shape], 2
            yield f"softmax backward {columns}", gradient(jax.nn.softmax), [shape] * 2, 3
            yield f"layer norm {columns}", layer_norm, [shape], 2
            yield f"layer norm backward {columns}", gradient(layer_norm), [shape] * 2, 3

    def memory(self) -> None:
        import compat.jax as jax

        copy = self.bandwidth()
        print(f"\ncopy on the device: {copy / 1e9:.0f} GB/s, read and written\n"
              f"{'memory-bound kernel':34} {'µs':>10} {'GB/s':>8} {'of copy':>8} {'target':>7}")
        for name, function, shapes, moved in self.memory_rows():
            if not self.wanted(name):
                continue
            dtype = "float16" if "float16" in name else "float32"
            operands = [self.boxed(self.numbers(*s, dtype=dtype)) for s in shapes]
            jitted = jax.jit(function)
            took = seconds(lambda f=jitted, xs=operands: f(*xs), self.wait)
            rate = 4 * moved * self.sizes.elements / took
            mark = "" if rate / copy >= FRACTION else "  below target"
            print(f"{name:34} {took * 1e6:10.1f} {rate / 1e9:8.0f} {rate / copy:8.2f} "
                  f"{FRACTION:7.2f}{mark}", flush=True)

    # ---- products

    def products(self) -> None:
        import compat.jax as jax
        from kernels.cuda import precision

        print(f"\n{'product':34} {'ours µs':>10} {'cuBLAS µs':>10} {'ratio':>7} {'target':>7} "
              f"{'TFLOP/s':>8}")
        for dtype, tf32 in (("float32", False), ("float32", True), ("float16", False)):
            for n in self.sizes.sides:
                name = f"matmul {n} {'tf32' if tf32 else dtype}"
                if not self.wanted(name):
                    continue
                precision.allow_tf32(tf32)
                x, y = (self.numbers(n, n, dtype=dtype) for _ in range(2))
                given, out = (self.boxed(x), self.boxed(y)), self.cupy.empty(x.shape, x.dtype)
                f = jax.jit(jax.numpy.matmul)
                ours = seconds(lambda f=f, xs=given: f(*xs), self.wait)
                theirs = seconds(lambda x=x, y=y, out=out: self.cupy.matmul(x, y, out=out),
                                 self.wait)
                precision.allow_tf32(False)
                self.show(name, ours, theirs, CUBLAS, f" {2e-12 * n ** 3 / ours:8.1f}")

    def show(self, name: str, ours: float, theirs: float, target: float, more: str = "") -> None:
        mark = "  above target" if ours / theirs > target else ""
        print(f"{name:34} {ours * 1e6:10.1f} {theirs * 1e6:10.1f} {ours / theirs:7.2f} "
              f"{target:7.2f}{more}{mark}", flush=True)

    # ---- whole steps

    def steps(self) -> None:
        print(f"\n{'step':34} {'ours µs':>10} {'theirs µs':>10} {'ratio':>7} {'target':>7}")
        for name in ("mlp", "cnn", "lstm", "gpt"):
            for theirs, run in (("jax.jit", self.against_jax), ("torch eager", self.against_torch),
                                ("torch.compile", self.against_compiled_torch)):
                title = f"{name} step against {theirs}"
                if not self.wanted(title):
                    continue
                try:
                    ours, other, apart = run(name)
                except Exception as error:  # a line, not the end of the table
                    print(f"{title:34} {type(error).__name__}: {str(error)[:90]}", flush=True)
                    continue
                more = f"  WRONG by {apart:.1e}" if apart > 2e-2 else ""
                self.show(title, ours, other, XLA if theirs == "jax.jit" else EAGER, more)

    def against_jax(self, name: str) -> tuple[float, float, float]:
        """One update of Adam on equal operands."""
        import jax

        import compat.jax

        if jax.default_backend() == "cpu":
            raise RuntimeError("this build of jax has no GPU")
        f, xs = self.update(compat.jax, name)
        g, ys = self.update(jax, name)
        xs = compat.jax.tree.map(self.on_device, xs)
        apart = difference(self.fetched(compat.jax, f(*xs)),
                           [np.asarray(y) for y in jax.tree.leaves(g(*ys))])
        return (seconds(lambda: f(*xs), self.wait),
                seconds(lambda: g(*ys), lambda: jax.block_until_ready(g(*ys))), apart)

    def update(self, face, name: str) -> tuple[Callable, tuple]:
        """The staged update of a program, and its operands."""
        recorder = Recorder(face)
        getattr(jax_programs, name)(recorder)()
        function, operands = recorder.calls[-1]
        return face.jit(function), operands

    def fetched(self, face, results) -> list[np.ndarray]:
        return [np.asarray(devices.fetch(x.value)) for x in face.tree.leaves(results)]

    def against_torch(self, name: str, compiled: bool = False) -> tuple[float, float, float]:
        """Forward, backward and Adam; ours under `compat.torch.compile`."""
        import torch

        import compat.torch

        if not torch.cuda.is_available():
            raise RuntimeError("this build of torch has no CUDA")
        faces = compat.torch, torch
        for face in faces:
            face.set_default_device("cuda")
        try:
            ours, theirs = (getattr(torch_programs, name)(face) for face in faces)
            ours = compat.torch.compile(ours)
            theirs = torch.compile(theirs) if compiled else theirs
            for _ in range(3):
                a, b = ours(), theirs()
            apart = difference(flat(a.detach().cpu()), flat(b.detach().cpu()))
            return seconds(ours, self.wait), seconds(theirs, torch.cuda.synchronize), apart
        finally:
            for face in faces:
                face.set_default_device("cpu")

    def against_compiled_torch(self, name: str) -> tuple[float, float, float]:
        return self.against_torch(name, compiled=True)


def main(words: Iterable[str] = (), sizes: Sizes | None = None) -> None:
    missing = devices.availability()
    if missing:
        print(f"No GPU here, so nothing is measured: {missing}")
        return
    bench = Bench(words, sizes or Sizes())
    properties = bench.cupy.cuda.runtime.getDeviceProperties(0)
    print(f"{properties['name'].decode()}, CuPy {bench.cupy.__version__}")
    bench.memory()
    bench.products()
    bench.steps()
