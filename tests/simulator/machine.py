"""A device for compiled programs (`minigrad/compiler/device.py`) that is the simulator: memory is
NumPy's, launches are simulated. `order` -1 runs the threads of each block in reverse."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np

from kernels.cuda.machine import as_matrices
from tests.simulator import module


class SimulatedMachine:
    def __init__(self, order: int = 1, change: Callable[[str], str] = str):
        self.order, self.change = order, change
        self.launches: list[str] = []
        self.active = nullcontext()

    def load(self, source: str, names: Sequence[str]) -> dict[str, Callable]:
        made = module(self.change(source))

        def launcher(name: str) -> Callable:
            def launch(grid, block, addresses) -> None:
                self.launches.append(name)
                made.launch(name, grid, block, addresses, self.order)

            return launch

        return {name: launcher(name) for name in names}

    def empty(self, shape, dtype) -> np.ndarray:
        """Aligned as device memory is, and full of rubbish, so that what is never written shows."""
        dtype = np.dtype(dtype)
        size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        memory = np.full(size + 64, 0xA5, np.uint8)
        start = -memory.ctypes.data % 64
        return memory[start:start + size].view(dtype).reshape(shape)

    def asarray(self, x) -> np.ndarray:
        return np.asarray(x)

    def operand(self, x, shape, dtype) -> np.ndarray:
        if type(x) is np.ndarray and x.flags.c_contiguous and x.ctypes.data % 16 == 0:
            return x
        made = self.empty(shape, dtype)
        made[...] = x
        return made

    def address(self, array: np.ndarray) -> int:
        return array.ctypes.data

    def view(self, address: int, shape, dtype, owner: Any) -> np.ndarray:
        size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        if not size:
            return np.empty(shape, dtype)
        return np.ndarray(shape, dtype, (ctypes.c_char * size).from_address(address))

    def copy(self, target: int, source: int, size: int) -> None:
        ctypes.memmove(target, source, size)

    def product(self, x, y, out, dimension_numbers) -> Callable[[], None]:
        def call() -> None:
            a, b, shape = as_matrices(x, y, dimension_numbers)
            np.matmul(a, b, out=out.reshape(shape))

        return call

    def read(self, address: int, dtype, owner: Any) -> Any:
        return self.view(address, (), dtype, owner).item()

    def wait(self) -> None:
        pass

    def table(self, words: Sequence[int]) -> np.ndarray:
        return np.array(words, np.uint64)

    def capture(self, run: Callable[[], None]) -> Callable[[], None]:
        return run
