"""Runs a compiled program: its steps one after another, without Python in between.

A program is words of 64 bits, made once. A call fills in where the operands are and starts
`run_program`, which is machine code (`driver.ll`, beside this file). The words:

     0 operands  1 their objects' addresses (id)  2 room for their elements' addresses
     3 patches   4 the first: (where in a table the address of which operand belongs)
     5 steps     6 the first: (kernel, table, extent, grain, through the pool?)
     7 the pool's launch function  8 its state  9 the address of NumPy's array type
    10 set by a step that failed: stop
    11 how many operands are written  12 which  13 the sizes of all in bytes, 0 if it is not read

An array's header is read where CPython and NumPy keep it: the type at 8, the elements' address at
16, the flags at 64. `headers_are_known` tries that out once; where they are not, Python asks each
array for its address, and `run_prepared` does the rest.
"""

from __future__ import annotations

import ctypes
import sys
from functools import lru_cache
from pathlib import Path

import numpy as np

from kernels import pool

ENTRY = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
NAMES = ("run_program", "run_prepared", "run_loop", "run_while", "run_branch", "copy_bytes")
WORDS = 16


@lru_cache(1)
def headers_are_known() -> bool:
    """Do arrays begin as `driver.ll` reads them?"""
    array = np.arange(12.0).reshape(3, 4)[1:]
    strided = np.arange(12.0)[::2]

    def word(x, offset, kind=ctypes.c_int64):
        return kind.from_address(id(x) + offset).value

    if sys.implementation.name != "cpython":
        return False
    try:
        return all(word(x, 8) == id(np.ndarray) and word(x, 16) == x.ctypes.data
                   and bool(word(x, 64, ctypes.c_int32) & 1) == x.flags.c_contiguous
                   for x in (array, strided))
    except (AttributeError, ValueError):
        return False


class Machine:
    """Where the functions of the driver are."""

    def __init__(self):
        from kernels.native import compile_ir

        text = Path(__file__).with_name("driver.ll").read_text(encoding="utf-8")
        self.kernels = compile_ir(text, *NAMES)
        self.addresses = {name: k.address for name, k in self.kernels.items()}
        kind = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p)
        self.run = kind(self.addresses["run_program"])
        self.run_prepared = kind(self.addresses["run_prepared"])


@lru_cache(1)
def machine() -> Machine:
    return Machine()


def pool_words() -> tuple[int, int]:
    """The launch function of the pool and its state."""
    if pool._pool is None:
        pool.start()
    if isinstance(pool._pool, pool.NativePool):
        return pool.code["pool_launch"].address, pool._pool.state
    return ctypes.cast(python_launch, ctypes.c_void_p).value or 0, 0


@ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64,
                  ctypes.c_int64)
def python_launch(state, kernel, table, extent, grain):
    pool.run(kernel, table, extent, grain)
