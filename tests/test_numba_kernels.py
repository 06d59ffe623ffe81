"""Kernels under Numba (`MINIGRAD_COMPILER=numba`) do what ours do."""

import ml_dtypes
import numpy as np
import pytest

from kernels.native import compile_kernels

FLOW = """
def both(x):
    return x * 2.0, x + 1.0


def flow(x, scale, out, counts, start, stop):
    for r in range(start, stop):
        largest, total = f32(-inf), f32(0)
        for j in range(37):
            largest = maximum(largest, x[r * 37 + j])
            if x[r * 37 + j] > 0.5:
                total = total + exp(x[r * 37 + j])
            else:
                total = total - scale
        count = 0
        while count < r:
            count += 3
        double, more = both(total)
        double, more = more, double
        out[r] = double + more if largest > total else double
        counts[r] = i32(count)
"""
NUMBERS = """
def numbers(i, j, u, b, out, wide, test, start, stop):
    for k in range(start, stop):
        x, y = i[k], j[k]
        out[k] = (quotient(x, y) ^ rem(x, y)) + (x >> 3) - popcount(y) + clz(x) * sign(y)
        wide[k] = shift_left(u[k], u[k] & 63) + lshr(u[k], 7) + u64(b[k])
        test[k] = (x < y) & b[k] | (not b[k])
"""
HALVES = """
def halves(x, y, z, out, start, stop):
    for k in range(start, stop):
        y[k] = x[k] * 1.5
        z[k] = x[k] + 0.25
        out[k] = f16(x[k] / 3.0) + bf16(x[k])
"""
FLOATS = """
def floats(x, y, out, start, stop):
    for k in range(start, stop, 2):
        a, b = x[k], y[k]
        out[k] = copysign(rint(a) + floor(b) + trunc(a), b) + nextafter(a, b) + round_away(b)
        out[k + 1] = rem(a, b) if isfinite(a) else minimum(a, b) if isnan(b) else f64(i64(k))
"""


def flow_arguments(rng):
    return (rng.standard_normal((50, 37)).astype(np.float32), 0.75, np.zeros(50, np.float32),
            np.zeros(50, np.int32)), "f32* f32 f32* i32*", 50


def numbers_arguments(rng):
    i, j = rng.integers(-2**31, 2**31, (2, 300), np.int32)
    i[:40], j[:40] = rng.integers(-3, 3, (2, 40))
    u = rng.integers(0, 2**64, 300, np.uint64)
    return (i, j, u, u % 2 == 0, np.zeros(300, np.int32), np.zeros(300, np.uint64),
            np.zeros(300, bool)), "i32* i32* u64* bool* i32* u64* bool*", 300


def halves_arguments(rng):
    x = np.concatenate([rng.standard_normal(300) * 10.0**rng.integers(-9, 6, 300),
                        [0, -0.0, np.inf, -np.inf, np.nan, 65504, 65520, 6e-8]])
    return (x.astype(np.float32), np.zeros(308, np.float16), np.zeros(308, ml_dtypes.bfloat16),
            np.zeros(308, np.float32)), "f32* f16* bf16* f32*", 308


def floats_arguments(rng):
    x, y = rng.standard_normal((2, 200)) * 10
    x[:20:3], y[:20:4] = np.nan, np.inf
    x[4:20:4], y[5:20:5] = -0.0, np.nan
    return (x, y, np.zeros(200)), "f64* f64* f64*", 200


@pytest.mark.parametrize("source, arguments", [
    (FLOW, flow_arguments), (NUMBERS, numbers_arguments), (HALVES, halves_arguments),
    (FLOATS, floats_arguments)])
def test_same_bits(source, arguments, monkeypatch):
    name = source.split("def ")[-1].split("(")[0]
    names = source.split("def ")[-1].split("(")[1].split(")")[0].split(", ")
    args, types, stop = arguments(np.random.default_rng(0))
    signature = dict(zip(names, types.split()))
    outcomes = []
    for compiler in ("llvm", "numba"):
        monkeypatch.setenv("MINIGRAD_COMPILER", compiler)
        kernel = compile_kernels(source, {name: signature})[name]
        copies = [a.copy() if isinstance(a, np.ndarray) else a for a in args]
        kernel(*copies, start=1, stop=stop)
        outcomes.append(copies)
    arrays = [i for i, a in enumerate(args) if isinstance(a, np.ndarray)]
    before, ours, theirs = ([values[i].astype(np.float64) if values[i].dtype.kind in "fV"
                             else values[i] for i in arrays] for values in (args, *outcomes))
    for one, other in zip(ours, theirs):
        np.testing.assert_array_equal(one, other)
    assert any((a != b).any() for a, b in zip(before, ours))
