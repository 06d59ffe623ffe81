"""What a compiled program needs of a device, by CuPy: memory, launches, copies, graphs. Nothing
here waits for the device but `read`.

Programs hold addresses, not arrays: a launch costs a tuple of integers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from kernels.cuda.nvrtc import OPTIONS

ALIGNMENT = 16  # bytes, of operands that move in packs
COPY = 3  # cudaMemcpyDeviceToDevice


class Machine:
    """A CUDA device, through CuPy."""

    def __init__(self, index: int = 0):
        import cupy  # the module that is there now: tests put another in its place

        self.cupy, self.index = cupy, index
        self.active = cupy.cuda.Device(index)  # a context in which this is the current device

    def load(self, source: str, names: Sequence[str]) -> dict[str, Callable]:
        """Launchable kernels: `kernel(grid, block, addresses)`. CuPy compiles by NVRTC and keeps
        what it made on disk, by text, options, architecture and NVRTC's version."""
        module = self.cupy.RawModule(code=source, options=OPTIONS)
        found = {name: module.get_function(name) for name in names}
        # a RawKernel asks at each launch which device is the current one; its Function does not
        return {name: getattr(kernel, "kernel", kernel) for name, kernel in found.items()}

    def empty(self, shape, dtype) -> Any:
        return self.cupy.empty(shape, dtype)

    def asarray(self, x) -> Any:
        return self.cupy.asarray(x)

    def operand(self, x, shape, dtype) -> Any:
        """The array as kernels take it: on the device, contiguous, aligned."""
        if isinstance(x, self.cupy.ndarray) and x.flags.c_contiguous \
                and x.data.ptr % ALIGNMENT == 0 and x.dtype == dtype:
            return x
        if not isinstance(x, self.cupy.ndarray):
            return self.cupy.asarray(np.asarray(x, dtype)).reshape(shape)
        return self.cupy.array(x, dtype, order="C", copy=True).reshape(shape)

    def address(self, array) -> int:
        return array.data.ptr

    def view(self, address: int, shape, dtype, owner: Any) -> Any:
        """An array on memory that `owner` keeps."""
        cuda = self.cupy.cuda
        size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        memory = cuda.MemoryPointer(cuda.UnownedMemory(address, size, owner, self.index), 0)
        return self.cupy.ndarray(shape, dtype, memory)

    def copy(self, target: int, source: int, size: int) -> None:
        if size and target != source:
            self.cupy.cuda.runtime.memcpyAsync(target, source, size, COPY,
                                               self.cupy.cuda.get_current_stream().ptr)

    def product(self, x, y, out, dimension_numbers) -> Callable[[], Any]:
        """`dot_general` by cuBLAS, into memory that is there already, to be called. Operands that
        are matrices as they lie, transposed or not, are not copied."""
        a, b, shape = as_matrices(x, y, dimension_numbers)
        if shares(a, x) and shares(b, y):
            return partial(self.cupy.matmul, a, b, out=out.reshape(shape))

        def call() -> None:
            a, b, _ = as_matrices(x, y, dimension_numbers)
            self.cupy.matmul(a, b, out=out.reshape(shape))

        return call

    def read(self, address: int, dtype, owner: Any) -> Any:
        """A number, which the host waits for."""
        return self.view(address, (), dtype, owner).item()

    def wait(self) -> None:
        """Until everything that was launched is done; for those who measure."""
        self.cupy.cuda.get_current_stream().synchronize()

    def table(self, words: Sequence[int]) -> Any:
        """Words in device memory, for a launch over several sets of arrays."""
        return self.cupy.asarray(np.array(words, np.uint64))

    def capture(self, run: Callable[[], None]) -> Callable[[], None] | None:
        """What `run` launches as a CUDA graph, to be launched again at once; None where CuPy or
        the driver do not let it be captured."""
        stream = self.cupy.cuda.Stream(non_blocking=True)
        try:
            with stream:
                stream.begin_capture()
                try:
                    run()
                finally:
                    graph = stream.end_capture()
        except (AttributeError, NotImplementedError, RuntimeError):
            return None
        return lambda: graph.launch(self.cupy.cuda.get_current_stream())


def shares(made, array) -> bool:
    """Is it a view of the array, or a copy that must be made at each call?"""
    return made.data.ptr == array.data.ptr


def as_matrices(x, y, dimension_numbers) -> tuple[Any, Any, tuple[int, ...]]:
    """The operands of `dot_general` as matrices or stacks of them; the product's shape."""
    (x_sum, y_sum), (x_batch, y_batch) = dimension_numbers
    rows = [d for d in range(x.ndim) if d not in (*x_sum, *x_batch)]
    columns = [d for d in range(y.ndim) if d not in (*y_sum, *y_batch)]
    stack = [math.prod(x.shape[d] for d in x_batch)] if x_batch else []
    m, n = math.prod(x.shape[d] for d in rows), math.prod(y.shape[d] for d in columns)
    k = math.prod(x.shape[d] for d in x_sum)
    return (x.transpose(*x_batch, *rows, *x_sum).reshape(*stack, m, k),
            y.transpose(*y_batch, *y_sum, *columns).reshape(*stack, k, n), (*stack, m, n))
