"""Kernels of the subset on NVIDIA GPUs: CUDA C++ (`emit`, `expressions`, `packs`), compiled by CuPy
on a machine with a device, or by NVRTC (`nvrtc`) where there is none.

>>> text = '''
... def twice(a0, a1, start, stop):
...     for i in range(start, stop):
...         a1[i] = a0[i] * 2.0
... '''
>>> print(emit_kernel(text, {"a0": "f32*", "a1": "f32*"}, Schedule(frozenset("i")), 1000).text)
// 1000 turns, 256 threads a block, 4 elements a thread at a time
extern "C" __global__ void __launch_bounds__(256)
twice(const f32* __restrict__ a0, f32* __restrict__ a1) {
    for (i32 i = (blockIdx.x * 256 + threadIdx.x) * 4; i < 1000; i += gridDim.x * 1024) {
        const pack<f32, 4> p1 = load<4>(a0 + i);
        pack<f32, 4> q2;
        #pragma unroll
        for (int v = 0; v < 4; v++) {
            q2[v] = p1[v] * 2.0f;
        }
        store(a1 + i, q2);
    }
}
<BLANKLINE>
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from kernels.cuda.emit import CudaKernel, emit_kernel
from kernels.cuda.layout import Schedule

__all__ = ["CudaKernel", "Schedule", "emit_kernel", "module_source", "prelude"]


def prelude() -> str:
    return Path(__file__).with_name("prelude.h").read_text(encoding="utf-8")


def module_source(kernels: Iterable[CudaKernel], functions: dict, head: bool = True) -> str:
    """All that a module needs: the prelude (`head`), the library functions called, the kernels."""
    parts = [prelude()] if head else []
    parts += [text for text, _ in functions.values()]
    return "\n".join([*parts, *(k.text for k in kernels)])
