"""The one door to compiled kernels: source in the subset (`kernels/subset.py`) in, addresses out.

>>> source = '''
... def axpy(a, x, y, start, stop):
...     for i in range(start, stop):
...         y[i] = a * x[i] + y[i]
... '''
>>> axpy = compile_kernels(source, {"axpy": {"a": "f32", "x": "f32*", "y": "f32*"}})["axpy"]
>>> x, y = np.arange(4, dtype=np.float32), np.ones(4, np.float32)
>>> axpy(2.0, x, y, start=0, stop=4)
>>> y.tolist()
[1.0, 3.0, 5.0, 7.0]

Every kernel has one ABI, so that one pool runs them all:

    void kernel(int64_t *table, int64_t start, int64_t stop)

`table[i]` is the address of the i-th array (flat, C-contiguous) or the bits of a number. A
signature maps the parameters, in that order, to types: `f32` a number, `f32*` an array,
`f32* restrict` an array that overlaps no other (see `kernels/subset.py` for all of them).
"""

from __future__ import annotations

import ctypes
import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from kernels import cache, llvm, machine
from kernels.grammar import KernelError, Parameter, dtype_name

ENTRY = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
NUMPY = {"bool": np.bool_, **{f"{letter}{size}": np.dtype(f"{letter}{size // 8}").type
                              for letter in "iu" for size in (8, 16, 32, 64)},
         "f32": np.float32, "f64": np.float64}


class Kernel:
    """A compiled kernel: `address` for those who fill tables, calling it for everyone else.

    It keeps its machine code alive: hold the kernel for as long as its address is used.
    """

    def __init__(self, name: str, parameters: tuple[Parameter, ...], code: Any, address: int):
        self.name = name
        self.parameters = parameters
        self.code = code
        self.address = address
        self.entry = ENTRY(address)

    def table(self, *args: Any) -> np.ndarray:
        """The table of these arguments: C-contiguous arrays, and numbers."""
        if len(args) != len(self.parameters):
            raise TypeError(f"{self.name} takes {len(self.parameters)} arguments, got {len(args)}")
        table = np.zeros(len(args), np.int64)
        for i, (parameter, arg) in enumerate(zip(self.parameters, args)):
            if not parameter.array:
                number = np.array([arg], NUMPY[parameter.dtype])
                table[i:i + 1].view(np.uint8)[:number.itemsize] = number.view(np.uint8)
            elif isinstance(arg, np.ndarray) and arg.flags.c_contiguous \
                    and dtype_name(arg.dtype) == parameter.dtype:
                table[i] = arg.ctypes.data
            else:
                raise TypeError(f"{self.name}: {parameter.name} must be a C-contiguous array of "
                                f"{parameter.dtype}")
        return table

    def __call__(self, *args: Any, start: int = 0, stop: int = 1) -> None:
        table = self.table(*args)
        self.entry(table.ctypes.data, start, stop)

    def __repr__(self) -> str:
        rows = ", ".join(f"{p.name}: {p.dtype}{'*' * p.array}" for p in self.parameters)
        return f"<kernel {self.name}({rows})>"


loaded: WeakValueDictionary[str, machine.Code] = WeakValueDictionary()  # by digest of their source


def loaded_code(digest: str, names: Iterable[str],
                text: Callable[[], tuple[str, bool]]) -> machine.Code:
    """The machine code of LLVM text, whose functions get the digest as part of their names."""
    with machine.lock:
        code = loaded.get(digest)
        if code is None:
            data = cache.read(digest)
            if data is None:
                written, vectors = text()
                rename = {name: f"{name}.{digest}" for name in names}
                data = machine.object_file(written, rename, vectors)
                cache.write(digest, data)
            code = loaded[digest] = machine.Code(data)
        return code


def digest_of(*parts: Any) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]


def compile_kernels(source: str,
                    signatures: Mapping[str, Mapping[str, str]]) -> dict[str, Kernel]:
    """Compile the functions of `source` that `signatures` names, in one module.

    Other functions of `source` are helpers that these call: numbers in, a number (or several) out.
    Raises KernelError, which names the line, for text outside the subset.
    """
    parameters = {name: tuple(Parameter.parse(*row) for row in signature.items())
                  for name, signature in signatures.items()}
    digest = digest_of(source, parameters)
    if os.environ.get("MINIGRAD_COMPILER") == "numba":
        from kernels import numba_cpu

        other = numba_cpu.Code(source, parameters)
        return {name: Kernel(name, row, other, other.address(name))
                for name, row in parameters.items()}
    code = loaded_code(digest, parameters, lambda: llvm.emit(source, parameters))
    return {name: Kernel(name, row, code, code.address(f"{name}.{digest}"))
            for name, row in parameters.items()}


def compile_ir(text: str, *names: str, vectors: bool = False) -> dict[str, Kernel]:
    """Compile LLVM text written by hand; `names` are functions of the ABI above. `vectors`: its
    loops are over vectors already, so that a third of the passes will do."""
    digest = digest_of(text, names)
    code = loaded_code(digest, names, lambda: (text, vectors))
    return {name: Kernel(name, (), code, code.address(f"{name}.{digest}")) for name in names}


__all__ = ["Kernel", "KernelError", "compile_ir", "compile_kernels"]
