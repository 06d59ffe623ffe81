"""NVRTC, CUDA's compiler at run time, through ctypes: text in, a cubin out, no device needed.

It comes with `pip install nvidia-cuda-nvrtc` (the extras `gpu` and `test` bring it). On a machine
with a GPU CuPy compiles; this door is for checking kernels where there is none.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from kernels import cache as disk
from kernels.native import digest_of

OPTIONS = ("--std=c++17", "--fmad=false")


class CompileError(RuntimeError):
    """NVRTC refuses a kernel's text: its log says why."""


@cache
def library() -> ctypes.CDLL | None:
    """NVRTC, from NVIDIA's wheel or from an installed toolkit; None if there is neither."""
    places = [str(found) for root in sys.path if root.endswith("-packages")
              for pattern in ("nvidia/cu*/lib/libnvrtc.so.*", "nvidia/cuda_nvrtc/lib/libnvrtc.so.*",
                              "nvidia/cu*/bin/**/nvrtc64*.dll")
              for found in Path(root).glob(pattern) if "builtins" not in found.name]
    for place in [*places, "libnvrtc.so", "libnvrtc.so.13", "libnvrtc.so.12"]:
        try:
            return ctypes.CDLL(place)
        except OSError:
            continue
    return None


def needed() -> ctypes.CDLL:
    found = library()
    if found is None:
        raise ImportError("compiling CUDA kernels needs NVRTC: pip install nvidia-cuda-nvrtc")
    return found


@cache
def version() -> tuple[int, int]:
    major, minor = ctypes.c_int(), ctypes.c_int()
    needed().nvrtcVersion(ctypes.byref(major), ctypes.byref(minor))
    return major.value, minor.value


def compile_cubin(source: str, arch: str, options: Sequence[str] = OPTIONS) -> bytes:
    """Machine code for `arch` (`sm_90`), kept on disk by text, architecture and NVRTC's version."""
    digest = digest_of(source, arch, tuple(options), version())
    made = disk.read(digest)
    if made is None:
        made = compiled(source, arch, options)
        disk.write(digest, made)
    return made


def compiled(source: str, arch: str, options: Sequence[str]) -> bytes:
    nvrtc, program = needed(), ctypes.c_void_p()
    nvrtc.nvrtcCreateProgram(ctypes.byref(program), source.encode(), b"kernels.cu", 0, None, None)
    try:
        words = [text.encode() for text in (*options, f"--gpu-architecture={arch}")]
        failed = nvrtc.nvrtcCompileProgram(program, len(words),
                                           (ctypes.c_char_p * len(words))(*words))
        if failed:
            raise CompileError(output(nvrtc, program, "ProgramLog").decode().rstrip("\0"))
        return output(nvrtc, program, "CUBIN")
    finally:
        nvrtc.nvrtcDestroyProgram(ctypes.byref(program))


def output(nvrtc: ctypes.CDLL, program: ctypes.c_void_p, name: str) -> bytes:
    size = ctypes.c_size_t()
    getattr(nvrtc, f"nvrtcGet{name}Size")(program, ctypes.byref(size))
    text = ctypes.create_string_buffer(size.value)
    getattr(nvrtc, f"nvrtcGet{name}")(program, text)
    return text.raw
