"""Images in other sizes: each output is a mean of inputs, along one dimension after the other."""

from __future__ import annotations

import numpy as np

from minigrad.core import aval_of
from minigrad.ops.contraction import dot_general
from minigrad.ops.families import move_axis
from minigrad.ops.indexing import index_take


def cubic(x: np.ndarray, a: float) -> np.ndarray:
    """The weight of a sample at distance x. Source: Keys (1981)."""
    x = np.abs(x)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return np.where(x <= 1, near, np.where(x < 2, far, 0.0))


def triangle(x: np.ndarray) -> np.ndarray:
    return np.maximum(0.0, 1 - np.abs(x))


def scale_of(n: int, m: int, align_corners: bool, factor: float | None) -> float:
    """Steps of the input for a step of the output."""
    if align_corners:
        return (n - 1) / (m - 1) if m > 1 else 0.0
    return 1 / factor if factor is not None else n / m


def resize_weights(n: int, m: int, mode: str, align_corners: bool, factor,
                   antialias: bool) -> np.ndarray:
    """(m, n): each output as a mean of inputs; those beyond the edge count for the edge."""
    scale, support = scale_of(n, m, align_corners, factor), 2 if mode == "bicubic" else 1
    kernel = triangle if support == 1 else lambda x: cubic(x, -0.5 if antialias else -0.75)
    i = np.arange(m)
    at = i * scale if align_corners and not antialias else (i + 0.5) * scale - 0.5
    if antialias:
        width = max(scale, 1.0)
        low = np.maximum((at + 0.5 - support * width + 0.5).astype(int), 0)
        high = np.minimum((at + 0.5 + support * width + 0.5).astype(int), n)
        places = np.arange(n)
        weights = kernel((places - at[:, None]) / width)
        weights = weights * ((places >= low[:, None]) & (places < high[:, None]))
        return weights / weights.sum(1, keepdims=True)
    if support == 1:
        at = np.maximum(at, 0)
    first = np.floor(at).astype(int) - (support - 1)
    out = np.zeros((m, n))
    for k in range(2 * support):
        np.add.at(out, (i, np.clip(first + k, 0, n - 1)), kernel(at - (first + k)))
    return out


def resized(input, sizes, mode, align_corners, factors, antialias):
    """(N, C, *space) in other sizes of space, one dimension after the other."""
    x = input
    for i, (m, factor) in enumerate(zip(sizes, factors)):
        axis = i + 2
        n = aval_of(x).shape[axis]
        if mode in ("nearest", "nearest-exact"):
            at = (np.arange(m) + (0.5 if mode == "nearest-exact" else 0)).astype(np.float32) \
                * np.float32(scale_of(n, m, False, factor))
            x = index_take(x, [np.minimum(np.floor(at).astype(np.int64), n - 1)], (axis,))
            x = move_axis(x, 0, axis)
        elif n != m or factor not in (None, 1.0):
            weights = resize_weights(n, m, mode, align_corners, factor, antialias)
            x = dot_general(x, weights.astype(aval_of(x).dtype),
                            dimension_numbers=(((axis,), (1,)), ((), ())))
            x = move_axis(x, len(aval_of(x).shape) - 1, axis)
    return x
