"""How close is close: two arrays, and what is wrong with the first, in words.

An error counts in ulps of the largest number in the result: the sums that a derivative consists
of lose no more than that. Where it exceeds the limit, `truth` (the same from 64-bit operands) may
excuse it: the engine may be as far from the truth as JAX's own narrow answer is, times a small
factor, because both round differently.
"""

from __future__ import annotations

from collections.abc import Callable

import ml_dtypes
import numpy as np

NOISE = 4  # how much farther than JAX from the 64-bit truth
WIDE = {"f": np.dtype(np.float64), "c": np.dtype(np.complex128)}


def kind_of(dtype) -> str:
    """f, c, i, u or b; the small floats of ml_dtypes call themselves void."""
    return "f" if dtype.kind == "V" and dtype.fields is None else dtype.kind


def is_inexact(dtype) -> bool:
    return kind_of(dtype) in "fc"


def unit_roundoff(dtype) -> float:
    real = {"complex64": np.float32, "complex128": np.float64}.get(dtype.name, dtype)
    return float(ml_dtypes.finfo(real).eps)


def smallest_normal(dtype) -> float:
    real = {"complex64": np.float32, "complex128": np.float64}.get(dtype.name, dtype)
    return float(ml_dtypes.finfo(real).smallest_normal)


def widened(array: np.ndarray) -> np.ndarray:
    kind = kind_of(array.dtype)
    return array.astype(WIDE[kind]) if kind in WIDE else array


def distance(ours: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """|ours - expected|; equal infinities and NaN beside NaN are no distance at all."""
    a, b = widened(ours), widened(expected)
    with np.errstate(all="ignore"):
        apart = np.abs(a - b)
        same = (a == b) | (np.isnan(a) & np.isnan(b))
    return np.where(same, 0.0, np.where(np.isnan(apart), np.inf, apart))


def magnitude(array: np.ndarray) -> float:
    sizes = np.abs(widened(array))
    return float(np.max(sizes, initial=0.0, where=np.isfinite(sizes)))


def difference(ours: np.ndarray, expected: np.ndarray, ulps: float, least: float = 0.0,
               truth: Callable[[], np.ndarray | None] = lambda: None,
               condition: Callable[[], np.ndarray | None] = lambda: None) -> str | None:
    """What is wrong with `ours`, in words, or None.

    condition: how far the rounding of the operands alone moves the result.

    least: the magnitude below which a result counts as zero's neighbour: where numbers of that
    size cancel, what is left of them is rounding.
    """
    if ours.shape != expected.shape:
        return f"shape {ours.shape}, expected {expected.shape}"
    if ours.dtype != expected.dtype:
        return f"dtype {ours.dtype}, expected {expected.dtype}"
    if ours.size == 0 or ours.dtype.itemsize == 0:
        return None
    if not is_inexact(ours.dtype):
        wrong = ours != expected
        return show(ours, expected, wrong, f"{wrong.sum()} of {wrong.size} elements differ") \
            if wrong.any() else None
    unit, floor = unit_roundoff(ours.dtype), smallest_normal(ours.dtype)
    error = distance(ours, expected)
    scale = max(magnitude(expected), least, floor)
    if not (error > ulps * unit * scale + floor).any():
        return None
    exact = truth()
    if exact is not None:
        moved = condition()
        noise = NOISE * distance(expected, exact).max()
        allowed = noise + ulps * unit * max(magnitude(exact), least, floor)
        if moved is not None and np.isfinite(moved).all():
            allowed += NOISE * moved.max()
        if np.isfinite(noise) and not (distance(ours, exact) > allowed).any():
            return None
    return show(ours, expected, error == error.max(),
                f"error {error.max():.3g}, {error.max() / (unit * scale):.3g} ulps of {scale:.3g} "
                f"(limit {ulps:.3g})")


def show(ours, expected, where, summary: str) -> str:
    index = tuple(int(i) for i in np.argwhere(where)[0])
    lines = [f"{summary}, at {index}", f"minigrad: {ours[index]}", f"jax:      {expected[index]}"]
    if 1 < ours.size <= 24:
        lines += [f"minigrad: {ours.tolist()}", f"jax:      {expected.tolist()}"]
    return "\n".join(lines)
