"""Mutation stamps: when a buffer was last written in place.

PyTorch counts versions on every Tensor. Here a node pays nothing when it saves an array: a write
leaves a stamp, drawn from the same sequence as the nodes' numbers, and only `backward` compares,
and only if something was ever written.
"""

from __future__ import annotations

import itertools
import weakref
from collections import deque
from typing import Any

import numpy as np

next_seq = itertools.count(0, -1).__next__  # decreasing: sorting ascending puts the youngest first

TORCH_KINDS = {"float32": "Float", "float64": "Double", "int64": "Long", "int32": "Int",
               "int16": "Short", "int8": "Char", "uint8": "Byte", "float16": "Half",
               "bfloat16": "BFloat16", "bool": "Bool", "complex64": "ComplexFloat",
               "complex128": "ComplexDouble"}


class Writes:
    """The writes to one buffer: how many, and the numbers of the latest."""

    __slots__ = ("count", "latest", "alive")

    def __init__(self, alive):
        self.count, self.latest, self.alive = 0, deque(maxlen=16), alive

    def after(self, seq: int) -> int:
        """How many came after node number `seq`."""
        return sum(stamp < seq for stamp in self.latest)


class Stamps:
    """Writes by the identity of the buffer, forgotten together with it: ids are used again."""

    def __init__(self):
        self.writes: dict[int, Writes] = {}

    @staticmethod
    def owner(value):
        """The array that owns the memory of a view."""
        while (base := getattr(value, "base", None)) is not None:
            value = base
        return value

    def write(self, value) -> None:
        owner = self.owner(value)
        writes = self.writes.get(id(owner))
        if writes is None:
            key = id(owner)
            try:
                alive: Any = weakref.ref(owner, lambda _: self.writes.pop(key, None))
            except TypeError:  # a buffer of another library that knows no weak references
                alive = owner
            writes = self.writes[key] = Writes(alive)
        writes.latest.append(next_seq())
        writes.count += 1

    def version(self, value) -> int:
        writes = self.writes.get(id(self.owner(value)))
        return writes.count if writes else 0

    def check(self, node, values, places) -> None:
        """Raise if one of `values`, which `node` keeps, was written after the node was made."""
        for value, (kind, i) in zip(values, places):
            base = getattr(value, "base", None)
            writes = self.writes.get(id(value if base is None else base))
            if writes and writes.latest[-1] < node.seq:
                raise RuntimeError(message(node, value, kind, i, writes))


def message(node, value, kind: str, i: int, writes: Writes) -> str:
    """PyTorch's, which names the kind of Tensor, where it came from, and both versions."""
    maker = node.maker(kind, i)
    source = ""
    if maker:
        source = f", which is output {maker[1]} of {maker[0].name().split('Backward')[0]},"
    shape = ", ".join(map(str, np.shape(value)))
    kind_name = TORCH_KINDS.get(value.dtype.name, value.dtype.name)
    return ("one of the variables needed for gradient computation has been modified by an inplace "
            f"operation: [torch.{kind_name}Tensor [{shape}]]{source} is at version {writes.count}; "
            f"expected version {writes.count - writes.after(node.seq)} instead. Hint: enable "
            "anomaly detection to find the operation that failed to compute its gradient, with "
            "torch.autograd.set_detect_anomaly(True, check_nan=False).")


stamps = Stamps()
