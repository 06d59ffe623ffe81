"""LLVM text of loops over vectors, for kernels that are written at this level."""

from __future__ import annotations

import platform
from functools import lru_cache

import numpy as np

from kernels.machine import wide_vectors

TYPES = {"f": ("float", "f32"), "d": ("double", "f64")}


@lru_cache(1)
def vector_bytes() -> int:
    if wide_vectors():
        return 64
    return 32 if platform.machine().lower() in ("x86_64", "amd64") else 16


def lanes(dtype: np.dtype) -> int:
    return vector_bytes() // dtype.itemsize


# ------------------------------------------------------------------ text


class Text:
    """LLVM text in the making: numbered values, nested loops."""

    def __init__(self):
        self.lines: list[str] = []
        self.count = 0

    def add(self, line: str) -> None:
        self.lines.append("  " + line)

    def let(self, value: str) -> str:
        self.count += 1
        self.add(f"%v{self.count} = {value}")
        return f"%v{self.count}"

    def label(self, name: str) -> None:
        self.lines.append(f"{name}:")

    def word(self, table: str, index: str | int) -> str:
        """The integer at `table[index]`."""
        place = self.let(f"getelementptr i64, ptr {table}, i64 {index}")
        return self.let(f"load i64, ptr {place}, !invariant.load !0")

    def pointer(self, table: str, index: str | int) -> str:
        return self.let(f"inttoptr i64 {self.word(table, index)} to ptr")

    def madd(self, a: str, b: str | int, c: str | int = 0) -> str:
        return self.let(f"add i64 {self.let(f'mul i64 {a}, {b}')}, {c}")

    def loop(self, name: str, first: str, end: str, carried=()):
        return Loop(self, name, first, end, carried)


class Loop:
    """`with text.loop("i", "0", "%n", carried) as loop:` counts `loop.index`, at least once.

    `carried` are (type, first value); inside, `loop.values` are their values, and the body sets
    `loop.next` to the new ones. Afterwards `loop.next` holds the last.
    """

    def __init__(self, text: Text, name: str, first: str, end: str, carried):
        self.text, self.name, self.first, self.end = text, name, first, end
        self.carried = list(carried)
        self.index = f"%{name}"
        self.values = [f"%{name}.c{i}" for i in range(len(self.carried))]
        self.next: list[str] = []

    def __enter__(self):
        text, name = self.text, self.name
        text.add(f"br label %{name}.before")
        text.label(f"{name}.before")
        text.add(f"br label %{name}.body")
        text.label(f"{name}.body")
        text.add(f"{self.index} = phi i64 [ {self.first}, %{name}.before ], "
                 f"[ %{name}.next, %{name}.latch ]")
        self.phis = len(text.lines)
        return self

    def __exit__(self, *_):
        text, name = self.text, self.name
        phis = [f"  {value} = phi {kind} [ {first}, %{name}.before ], [ {new}, %{name}.latch ]"
                for value, (kind, first), new in zip(self.values, self.carried, self.next)]
        text.lines[self.phis:self.phis] = phis
        text.add(f"br label %{name}.latch")
        text.label(f"{name}.latch")
        text.add(f"%{name}.next = add i64 {self.index}, 1")
        text.add(f"%{name}.more = icmp slt i64 %{name}.next, {self.end}")
        text.add(f"br i1 %{name}.more, label %{name}.body, label %{name}.after")
        text.label(f"{name}.after")


class Vectors:
    """Spelling of vectors of `n` elements."""

    def __init__(self, text: Text, scalar: str, n: int):
        self.text, self.scalar, self.n = text, scalar, n
        self.type = f"<{n} x {scalar}>"
        self.suffix = f"v{n}{'f32' if scalar == 'float' else 'f64'}"
        self.align = 4 if scalar == "float" else 8

    def at(self, base: str, index: str) -> str:
        return self.text.let(f"getelementptr {self.scalar}, ptr {base}, i64 {index}")

    def load(self, place: str) -> str:
        return self.text.let(f"load {self.type}, ptr {place}, align {self.align}")

    def splat(self, place: str) -> str:
        one = self.text.let(f"load {self.scalar}, ptr {place}, align {self.align}")
        first = self.text.let(f"insertelement {self.type} poison, {self.scalar} {one}, i32 0")
        return self.text.let(f"shufflevector {self.type} {first}, {self.type} poison, "
                             f"<{self.n} x i32> zeroinitializer")

    def fma(self, a: str, b: str, c: str) -> str:
        t = self.type
        return self.text.let(f"call {t} @llvm.fma.{self.suffix}({t} {a}, {t} {b}, {t} {c})")

    def mask(self, bits: str) -> str:
        narrow = self.text.let(f"trunc i64 {bits} to i{self.n}")
        return self.text.let(f"bitcast i{self.n} {narrow} to <{self.n} x i1>")

    def masked_load(self, place: str, mask: str) -> str:
        t = self.type
        return self.text.let(
            f"call {t} @llvm.masked.load.{self.suffix}.p0(ptr {place}, i32 {self.align}, "
            f"<{self.n} x i1> {mask}, {t} zeroinitializer)")

    def declarations(self) -> str:
        t, m, s = self.type, f"<{self.n} x i1>", self.suffix
        return (f"declare {t} @llvm.fma.{s}({t}, {t}, {t})\n"
                f"declare {t} @llvm.masked.load.{s}.p0(ptr, i32, {m}, {t})\n"
                f"declare void @llvm.masked.store.{s}.p0({t}, ptr, i32, {m})\n"
                f"declare void @llvm.masked.scatter.{s}.v{self.n}p0({t}, <{self.n} x ptr>, i32, "
                f"{m})\n"
                f"declare {self.scalar} @llvm.vector.reduce.fadd.{s}({self.scalar}, {t})\n")


def module(name: str, text: Text, vectors: Vectors) -> str:
    return (f"{vectors.declarations()}declare void @llvm.assume(i1)\n"
            f"define void @{name}(ptr noalias %table, i64 %start, i64 %stop) {{\n"
            "entry:\n" + "\n".join(text.lines) + "\n  ret void\n}\n!0 = !{}\n")
