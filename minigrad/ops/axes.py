"""What the rows that rearrange axes share: two families, arithmetic on axes, checks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from minigrad.core import Primitive, make_aval
from minigrad.ops.families import instantiate, linear


def moves(name: str, impl, shape, transpose, batch, **attributes) -> Primitive:
    """A linear row with one operand and one result, of which only the shape is new."""

    def abstract(x, **params):
        return make_aval(tuple(shape(x, **params)), x.dtype, x.weak_type)

    return linear(name, impl, abstract, transpose, batch, **attributes)


def computed(sizes) -> tuple:
    """JAX computes these with NumPy, so that its programs print `np.int64(1)`; and so do ours."""
    return tuple(map(np.int64, sizes))


def linear_together(p: Primitive, count: int | None = None) -> None:
    """Linear in the first `count` operands at once: concatenate, pad, dynamic_update_slice.
    The tangent is the operation on their tangents, of which the missing ones are zeros."""

    def jvp(primals, tangents, **params):
        here = len(primals) if count is None else count
        out = p(*primals, **params)
        filled = [instantiate(t, x) for t, x in zip(tangents[:here], primals[:here])]
        return out, p(*filled, *primals[here:], **params)

    p.jvp = jvp


def check_sizes(name: str, argument: str, sizes: Sequence[int], least: int = 0) -> None:
    """A parameter that is a sequence of whole numbers, none below `least`."""
    if not isinstance(sizes, (tuple, list, np.ndarray)):
        raise TypeError(f"{name} {argument} must be of type tuple/list/ndarray, got "
                        f"{type(sizes)}.")
    if not all(isinstance(n, (int, np.integer)) for n in sizes):
        raise TypeError(f"{name} {argument} must have every element be an integer type, got "
                        f"{tuple(map(type, sizes))}.")
    if any(n < least for n in sizes):
        sign = "strictly positive" if least else "nonnegative"
        raise TypeError(f"{name} {argument} must have every element be {sign}, got {sizes}.")


def check_same_dtypes(name: str, avals, tip: str = "") -> None:
    if len({a.dtype for a in avals}) > 1:
        raise TypeError(f"lax.{name} requires arguments to have the same dtypes, got "
                        f"{', '.join(a.dtype.name for a in avals)}.{tip}")


def shapes_of(avals) -> str:
    return ", ".join(str(a.shape) for a in avals)


def without(sequence: Sequence, positions) -> tuple:
    return tuple(s for i, s in enumerate(sequence) if i not in positions)


def insert(sequence: Sequence, position: int, item) -> tuple:
    return (*sequence[:position], item, *sequence[position:])


def skip(axis: int, dim: int) -> int:
    """Where `axis` stands once the batch has been put in at `dim`."""
    return axis + (axis >= dim)


def shifted(axes: Sequence[int]) -> tuple[int, ...]:
    """`axes` behind a new batch axis at the front."""
    return tuple(int(a) + 1 for a in axes)


def inverse(permutation: Sequence[int]) -> tuple[int, ...]:
    return tuple(np.argsort(permutation).tolist())


def canonical(axis: int, ndim: int) -> int:
    """A non-negative axis, or JAX's error."""
    if not -ndim <= axis < ndim:
        raise ValueError(f"axis {axis} is out of bounds for array of dimension {ndim}")
    return axis % ndim
