"""CUDA C++ run on the CPU: a kernel is compiled by the machine's C++ compiler behind a header that
plays the grid (`grid.h`), and launched with NumPy arrays in place of device memory.

>>> source = '''
... extern "C" __global__ void twice(const float* x, float* y, int n) {
...     int i = blockIdx.x * blockDim.x + threadIdx.x;
...     if (i < n) y[i] = 2 * x[i];
... }
... '''
>>> x, y = np.arange(5, dtype=np.float32), np.empty(5, np.float32)
>>> simulate(source, "twice", grid=(2,), block=(4,), arrays=[x, y, 5])
>>> y.tolist()
[0.0, 2.0, 4.0, 6.0, 8.0]

What it cannot show: timing, races between blocks or inside a warp, limits of registers and shared
memory, and the last bits of CUDA's own mathematical functions (the C library's stand in for them).
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

HEADER = Path(__file__).with_name("grid.h")
KERNEL = re.compile(r"__global__\s+void\s+(?:__launch_bounds__\([^)]*\)\s*)?(\w+)\s*\(([^)]*)\)")
COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
FLAGS = ("-std=c++17", "-O1", "-fPIC", "-shared", "-w", "-fwrapv", "-ffp-contract=off",
         "-fno-strict-aliasing")
C_TYPES = {  # of parameters that are no pointers
    "bool": "?", "char": "b", "signed char": "b", "unsigned char": "B", "short": "h",
    "unsigned short": "H", "int": "i", "unsigned": "I", "unsigned int": "I", "long": "l",
    "unsigned long": "L", "long long": "q", "unsigned long long": "Q", "float": "f",
    "double": "d", "size_t": "Q", "i8": "b", "i16": "h", "i32": "i", "i64": "q", "u8": "B",
    "u16": "H", "u32": "I", "u64": "Q", "f32": "f", "f64": "d", "int8_t": "b", "int16_t": "h",
    "int32_t": "i", "int64_t": "q", "uint8_t": "B", "uint16_t": "H", "uint32_t": "I",
    "uint64_t": "Q",
}


class Deadlock(RuntimeError):
    """Threads wait at a barrier that not all others of the block (or the warp) reach."""


@cache
def compiler() -> str | None:
    """The C++ compiler, if the machine has one (and POSIX's `ucontext`, for fibers)."""
    if os.name != "posix":
        return None
    return next((found for name in ("g++", "c++", "clang++") if (found := shutil.which(name))),
                None)


class Module:
    """Compiled kernels. Their threads run in the order of their numbers, or against it."""

    def __init__(self, source: str):
        bare = COMMENT.sub("", source)
        self.parameters = {name: [parameter(text) for text in row.split(",") if text.strip()]
                           for name, row in KERNEL.findall(bare)}
        self.library = ctypes.CDLL(str(shared_object(source, self.parameters)))

    def launch(self, name: str, grid: Sequence[int], block: Sequence[int], arguments: Sequence,
               order: int = 1) -> None:
        """Run a kernel. Arguments are arrays (anything with `ctypes`), addresses, numbers."""
        row = self.parameters[name]
        if len(row) != len(arguments):
            raise TypeError(f"{name} takes {len(row)} arguments, got {len(arguments)}")
        shape = [*grid, *(1,) * (3 - len(grid)), *block, *(1,) * (3 - len(block))]
        if np.prod(shape[3:]) > 1024:
            raise ValueError(f"a block of {np.prod(shape[3:])} threads: at most 1024")
        kept = [argument(kind, value) for (_, kind), value in zip(row, arguments)]
        table = (ctypes.c_void_p * max(len(kept), 1))(*(k.ctypes.data for k in kept))
        if getattr(self.library, f"launch_{name}")((ctypes.c_uint * 6)(*shape), order, table):
            raise Deadlock(f"{name}: threads wait at a barrier that not all others reach")


def parameter(text: str) -> tuple[str, str]:
    """(the type as C has it, the letter of a number or P)"""
    text = re.sub(r"\b(__restrict__|const|volatile)\b", " ", text).strip()
    kind = re.sub(r"\w+$", "", text).strip()
    if "*" in kind:
        return "void*", "P"
    return kind, C_TYPES[" ".join(kind.split())]


def argument(letter: str, value: Any) -> np.ndarray:
    """One argument as CUDA takes it: memory that holds it."""
    if letter == "P":
        address = value.ctypes.data if hasattr(value, "ctypes") else value
        return np.array([address], np.uint64)
    return np.array([value]).astype(letter)


def shared_object(source: str, parameters: dict) -> Path:
    """The library of a text, compiled once and kept."""
    digest = hashlib.sha256()
    for part in (source, HEADER.read_text(), str(FLAGS), Path(__file__).read_text()):
        digest.update(part.encode() + b"\0")
    where = Path(tempfile.gettempdir()) / f"minigrad-simulator-{os.getuid()}"
    where.mkdir(mode=0o700, exist_ok=True)
    place = where / f"{digest.hexdigest()[:32]}.so"
    if place.exists():
        return place
    launchers = []
    for name, row in parameters.items():
        given = ", ".join(f"*({kind}*)args[{k}]" if letter != "P" else
                          f"grid::Pointer{{*(void**)args[{k}]}}"
                          for k, (kind, letter) in enumerate(row))
        launchers.append(f'extern "C" int launch_{name}(const unsigned* shape, int order, '
                         f"void** args) {{\n    return grid::run(shape, order, [&] {{ "
                         f"{name}({given}); }});\n}}\n")
    pointer = ("namespace grid { struct Pointer { void* p; template <class T> operator T*() const "
               "{ return (T*)p; } }; }\n")
    with tempfile.TemporaryDirectory(dir=where) as folder:
        text, made = Path(folder) / "kernels.cpp", Path(folder) / "kernels.so"
        text.write_text(f'#include "{HEADER}"\n{source}\n{pointer}{"".join(launchers)}')
        found = compiler()
        if found is None:
            raise RuntimeError("the simulator needs a C++ compiler: g++, c++ or clang++")
        done = subprocess.run([found, *FLAGS, str(text), "-o", str(made)], capture_output=True,
                              text=True)
        if done.returncode:
            raise RuntimeError(f"{found} refuses a kernel's text:\n{done.stderr[:4000]}")
        os.replace(made, place)
    return place


@cache
def module(source: str) -> Module:
    return Module(source)


def simulate(source: str, name: str, grid: Sequence[int], block: Sequence[int], arrays: Sequence,
             order: int = 1) -> None:
    """Run the kernel `name` of `source` on arrays and numbers. `order` -1: threads in reverse."""
    module(source).launch(name, grid, block, arrays, order)
