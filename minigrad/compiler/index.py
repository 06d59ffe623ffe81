"""Indices into arrays as sums: `3*i + j + 2` over the axes of a loop nest.

An axis is a name, and its size stands in a table beside it. Views (transpose, slice, reshape ...)
are functions of indices, so inside a fused kernel they cost nothing: a transposed operand is one
whose two indices are exchanged.

>>> i, j = axis("i"), axis("j")
>>> flatten((i, j), (3, 4))
4*i + j
>>> unflatten(flatten((i, j), (3, 4)), (3, 4), {"i": 3, "j": 4})
(i, j)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

Sizes = dict[str, int]


class Index:
    """`const + sum(coefficient * atom)`. An atom is the name of an axis, or a quotient or a
    remainder that is no such sum: ("//", index, n) or ("%", index, n); or a number that the kernel
    computes: ("value", its name, the axes that it depends on)."""

    __slots__ = ("terms", "const", "key")

    def __init__(self, terms: dict[Any, int], const: int = 0):
        self.terms = {a: c for a, c in terms.items() if c}
        self.const = const
        self.key = frozenset(self.terms.items()), const

    def __eq__(self, other) -> bool:
        return isinstance(other, Index) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def __add__(self, other: Index | int) -> Index:
        if not isinstance(other, Index):
            return Index(self.terms, self.const + int(other)) if other else self
        terms = dict(self.terms)
        for a, c in other.terms.items():
            terms[a] = terms.get(a, 0) + c
        return Index(terms, self.const + other.const)

    def __mul__(self, n: int) -> Index:
        n = int(n)  # parameters may hold NumPy's integers
        return self if n == 1 else Index({a: c * n for a, c in self.terms.items()}, self.const * n)

    def axes(self) -> set[str]:
        """The names of the axes it depends on."""
        found = set()
        for atom in self.terms:
            found |= {atom} if type(atom) is str else atom[2] if atom[0] == "value" \
                else atom[1].axes()
        return found

    def bounds(self, sizes: Sizes) -> tuple[int, int]:
        """The least and the greatest value."""
        low = high = self.const
        for atom, c in self.terms.items():
            if type(atom) is str:
                top = sizes[atom] - 1
            elif atom[0] == "%":
                top = atom[2] - 1
            elif atom[0] == "value":
                top = 1 << 60
            else:
                top = max(atom[1].bounds(sizes)[1], 0) // atom[2]
            low, high = low + min(c * top, 0), high + max(c * top, 0)
        return low, high

    def divmod(self, n: int, sizes: Sizes) -> tuple[Index, Index]:
        """Quotient and remainder, as sums where the bounds of the axes allow it."""
        if n == 1:
            return self, ZERO
        quotient = Index({a: c // n for a, c in self.terms.items() if c % n == 0}, self.const // n)
        rest = Index({a: c for a, c in self.terms.items() if c % n}, self.const % n)
        low, high = rest.bounds(sizes)
        if low >= 0 and high < n:
            return quotient, rest
        return Index({("//", self, n): 1}), Index({("%", self, n): 1})

    def is_plain(self) -> bool:
        """Is it a sum of axes, without quotients?"""
        return all(type(a) is str for a in self.terms)

    def substitute(self, change: dict[str, Index]) -> Index:
        out = Index({}, self.const)
        for atom, c in self.terms.items():
            if type(atom) is str:
                out += change.get(atom, Index({atom: 1})) * c
            elif atom[0] == "value":
                out += Index({atom: c})
            else:
                out += Index({(atom[0], atom[1].substitute(change), atom[2]): c})
        return out

    def text(self, name: Callable[[str], str] = str) -> str:
        """As source: `i * 4 + j`."""
        parts = []
        for atom, c in sorted(self.terms.items(), key=lambda t: (-t[1], str(t[0]))):
            word = name(atom) if type(atom) is str else atom[1] if atom[0] == "value" \
                else f"({atom[1].text(name)}) {atom[0]} {atom[2]}"
            if type(atom) is not str and atom[0] != "value" and (c != 1 or len(self.terms) > 1):
                word = f"({word})"
            parts.append(word if c == 1 else f"{word} * {c}")
        if self.const or not parts:
            parts.append(str(self.const))
        return " + ".join(parts)

    def __repr__(self) -> str:
        words = {a: a if type(a) is str else f"({a[1]!r}{a[0]}{a[2]})" for a in self.terms}
        parts = [words[a] if c == 1 else f"{c}*{words[a]}" for a, c in self.terms.items()]
        return " + ".join(parts + [str(self.const)] * (bool(self.const) or not parts))


ZERO = Index({})


def axis(name: str) -> Index:
    return Index({name: 1})


def strides(shape: Sequence[int]) -> list[int]:
    """How far apart neighbours along each axis of a contiguous array are."""
    return [math.prod(shape[k + 1:]) for k in range(len(shape))]


def flatten(index: Sequence[Index], shape: Sequence[int]) -> Index:
    """The position in the flat array."""
    out = ZERO
    for i, n in zip(index, strides(shape), strict=True):
        out += i * n
    return out if out.is_plain() else joined(out)


def joined(index: Index) -> Index:
    """n * (x // n) + x % n is x."""
    for atom, c in index.terms.items():
        if type(atom) is not tuple or atom[0] != "%":
            continue
        quotient = "//", *atom[1:]
        if index.terms.get(quotient) == c * atom[2]:
            rest = {a: k for a, k in index.terms.items() if a not in (atom, quotient)}
            return joined(Index(rest, index.const) + atom[1] * c)
    return index


def unflatten(flat: Index, shape: Sequence[int], sizes: Sizes) -> tuple[Index, ...]:
    """The index whose position in the flat array is given."""
    out: list[Index] = []
    for k in range(len(shape) - 1, 0, -1):
        if shape[k] == 1:
            out.append(ZERO)
        else:
            flat, rest = flat.divmod(shape[k], sizes)
            out.append(rest)
    if shape:
        out.append(ZERO if shape[0] == 1 else flat)
    return tuple(out[::-1])
