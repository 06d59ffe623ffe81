"""Which elements a thread can move together, found in a kernel's text.

A thread loop that takes V elements at a time starts each turn at a position divisible by V. An
access moves as one pack if its index is then divisible by V too and grows by one from element to
element. Positions that are divided from the loop's own (`i0 = p // 512`) are seen through.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from kernels.cuda.expressions import INDEX_NAME

WIDEST = 16  # bytes that one instruction moves
SIZES = {"bool": 1, "f16": 2, "bf16": 2}


def itemsize(dtype: str) -> int:
    return SIZES.get(dtype) or int(dtype.lstrip("biuf")) // 8


@dataclass
class ThreadLoop:
    """A loop that threads share: its variable, bounds, the positions that follow from it, and the
    statements that use them."""

    name: str
    start: ast.expr
    stop: ast.expr
    positions: dict[str, ast.expr]
    body: list[ast.stmt]
    outer: set[str] = field(default_factory=set)  # names that have values before the loop

    def divisor(self, node: ast.expr, lanes: int) -> int:
        """A number that divides an index when the loop's position is a multiple of `lanes`; 0 for
        the index 0."""
        match node:
            case ast.Constant():
                return int(node.value)
            case ast.Name():
                if node.id == self.name:
                    return lanes
                known = self.positions.get(node.id)
                return 1 if known is None else self.divisor(known, lanes)
            case ast.BinOp():
                a, b = self.divisor(node.left, lanes), self.divisor(node.right, lanes)
                match node.op:
                    case ast.Mult():
                        return a * b
                    case ast.Add() | ast.Sub() | ast.Mod():
                        return math.gcd(a, b)
                    case ast.FloorDiv() if isinstance(node.right, ast.Constant) and a % b == 0:
                        return a // b
            case ast.Call() if ast.unparse(node.func) in ("minimum", "maximum"):
                return math.gcd(*(self.divisor(a, lanes) for a in node.args))
        return 1

    def stride(self, node: ast.expr, lanes: int) -> int | None:
        """How far apart the indices of neighbouring elements of a pack are, if equally far."""
        match node:
            case ast.Constant():
                return 0
            case ast.Name():
                if node.id == self.name:
                    return 1
                if node.id in self.positions:
                    return self.stride(self.positions[node.id], lanes)
                return 0 if node.id in self.outer else None
            case ast.BinOp():
                a, b = self.stride(node.left, lanes), self.stride(node.right, lanes)
                if a is None or b is None:
                    return None
                if a == b == 0:
                    return 0
                match node.op:
                    case ast.Add():
                        return a + b
                    case ast.Sub():
                        return a - b
                    case ast.Mult() if isinstance(node.right, ast.Constant):
                        return a * int(node.right.value)
                    case ast.FloorDiv() | ast.Mod() if isinstance(node.right, ast.Constant):
                        whole = a == 1 and self.divisor(node.left, lanes) % lanes == 0 \
                            and int(node.right.value) % lanes == 0
                        return (isinstance(node.op, ast.Mod) if whole else None)
            case ast.Call():
                return 0 if all(self.stride(a, lanes) == 0 for a in node.args) else None
        return None

    def is_packed(self, index: ast.expr, lanes: int) -> bool:
        return self.stride(index, lanes) == 1 and self.divisor(index, lanes) % lanes == 0

    def accesses(self) -> Iterator[tuple[int, ast.Subscript]]:
        for order, statement in enumerate(self.body):
            for node in ast.walk(statement):
                if isinstance(node, ast.Subscript):
                    yield order, node

    def is_simple(self) -> bool:
        """No loops and branches inside: the elements of a pack can go through it together."""
        return all(isinstance(s, ast.Assign | ast.AugAssign) for s in self.body)

    def divides(self, lanes: int) -> bool:
        return self.divisor(self.start, lanes) % lanes == 0 \
            and self.divisor(self.stop, lanes) % lanes == 0


def thread_loop(node: ast.For, threads: frozenset[str], extent: int | None,
                outer: set[str]) -> ThreadLoop:
    """The loop of a nest that threads share; nested ones become one, divided again inside.
    `extent`: how far the kernel's own range goes."""
    assert isinstance(node.iter, ast.Call) and isinstance(node.target, ast.Name)
    names, sizes, inner = [node.target.id], [node.iter.args[-1]], node
    while len(inner.body) == 1 and isinstance(inner.body[0], ast.For) \
            and inner.body[0].target.id in threads:  # type: ignore[union-attr]
        inner = inner.body[0]
        names.append(inner.target.id)  # type: ignore[union-attr]
        sizes.append(inner.iter.args[-1])  # type: ignore[attr-defined]
    start = node.iter.args[0] if len(node.iter.args) > 1 else ast.Constant(0)
    body, positions = list(inner.body), {}
    name, stop = names[0], sizes[0]
    if len(names) > 1:
        counts = [n.value for n in sizes]  # type: ignore[attr-defined]
        name, stop = "j", ast.Constant(math.prod(counts))
        for k, word in enumerate(names):
            after = math.prod(counts[k + 1:])
            text = "j" if after == 1 else f"j // {after}"
            text = text if k == 0 else f"({text}) % {counts[k]}"
            positions[word] = ast.parse(text, mode="eval").body
    if extent is not None:
        start, stop = ast.Constant(0), ast.Constant(extent)
    while body and isinstance(body[0], ast.Assign) and isinstance(body[0].targets[0], ast.Name) \
            and INDEX_NAME.match(body[0].targets[0].id):
        first = body.pop(0)
        positions[first.targets[0].id] = first.value  # type: ignore[attr-defined]
    return ThreadLoop(name, start, stop, positions, body, outer)


def lanes_of(loops: Sequence[ThreadLoop], dtypes: dict[str, str]) -> int:
    """How many elements the threads of a kernel take at a time."""
    if not all(loop.is_simple() for loop in loops):
        return 1
    for lanes in (8, 4, 2):
        if not all(loop.divides(lanes) for loop in loops):
            continue
        sizes = [itemsize(dtypes[node.value.id]) for loop in loops  # type: ignore[attr-defined]
                 for _, node in loop.accesses() if loop.is_packed(node.slice, lanes)]
        if sizes and max(sizes) * lanes <= WIDEST:
            return lanes
    return 1


def packs_of(loop: ThreadLoop, lanes: int, rows: set[str]) -> tuple[dict, dict]:
    """The accesses that move packs: {(array, index text): index} of loads, and of stores. What is
    stored may be read in the same turn only before, and only there."""
    loads: dict[tuple[str, str], ast.expr] = {}
    stores: dict[tuple[str, str], ast.expr] = {}
    first_store: dict[str, int] = {}
    wrong: set[str] = set()
    found = [(order, node) for order, node in loop.accesses()
             if node.value.id not in rows]  # type: ignore[attr-defined]
    for order, node in found:
        if isinstance(node.ctx, ast.Store):
            first_store.setdefault(node.value.id, order)  # type: ignore[attr-defined]
    for order, node in found:
        array, key = node.value.id, ast.unparse(node.slice)  # type: ignore[attr-defined]
        if isinstance(node.ctx, ast.Store):
            if isinstance(loop.body[order], ast.AugAssign) or (array, key) in stores:
                wrong.add(array)
            stores[array, key] = node.slice
        elif order > first_store.get(array, order):
            wrong.add(array)
        else:
            loads[array, key] = node.slice
    for table in (loads, stores):
        for array, key in list(table):
            other = any(a == array and text != key for a, text in stores)
            if array in wrong or other or not loop.is_packed(table[array, key], lanes):
                del table[array, key]
    return loads, stores

