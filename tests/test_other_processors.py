"""Kernels compiled as for lesser processors: no wide vectors, no masks, no fused multiply-add."""

import platform

import ml_dtypes
import numpy as np
import pytest

from kernels import machine, native
from tests.accuracy import FLOATS, TABLE, compiled, results, samples, worst

X86 = platform.machine() in ("x86_64", "AMD64")
PROCESSORS = {"plain": ("x86-64", ""), "avx2": ("haswell", "+avx2,+fma,+f16c,+bmi2")}
DERIVED = ("target_machine", "wide_vectors", "has_masks", "vector_bits", "scales_by_exponents",
           "converts_halves")
ROWS = """
def rows(x, b, out, start, stop):
    for r in range(start, stop):
        largest, total = f32(-inf), f32(0)
        for j in range(37):
            largest = maximum(largest, x[r * 37 + j])
        for j in range(37):
            total += exp(x[r * 37 + j] - largest) * b[j]
        out[r] = log(total) + largest
"""


@pytest.fixture(params=PROCESSORS if X86 else [])
def lesser(request, monkeypatch):
    name, features = PROCESSORS[request.param]
    monkeypatch.setenv("MINIGRAD_CACHE", "off")
    monkeypatch.setattr(machine, "cpu_name", lambda: name)
    monkeypatch.setattr(machine, "cpu_features", lambda: features)
    forget()
    yield request.param
    monkeypatch.undo()
    forget()


def forget():
    native.loaded.clear()
    for name in DERIVED:
        getattr(machine, name).cache_clear()


def test_functions_are_as_exact(lesser):
    for dtype in FLOATS:
        kernels = compiled(list(TABLE), dtype)
        for name, row in TABLE.items():
            error, where = worst(name, dtype, kernels[name], [samples(name, dtype, 400)])
            allowed = getattr(row, dtype) * (1 if lesser == "avx2" else 2)  # sums round twice
            assert error <= allowed, (name, dtype, where, error)


def test_pieces_of_any_size_give_the_same_bits(lesser):
    for dtype in FLOATS:
        for name, kernel in compiled(list(TABLE), dtype).items():
            args = samples(name, dtype, 300)
            whole, pieces = results(kernel, *args), np.empty_like(args[0])
            for start in range(0, pieces.size, 19):
                kernel(*args, pieces, start=start, stop=min(start + 19, pieces.size))
            np.testing.assert_array_equal(whole, pieces, err_msg=name)


def test_rows_and_halves(lesser):
    kernel = native.compile_kernels(
        ROWS, {"rows": {"x": "f32*", "b": "f16*", "out": "bf16*"}})["rows"]
    rng = np.random.default_rng(0)
    x = rng.standard_normal((50, 37)).astype(np.float32)
    b = rng.uniform(1, 2, 37).astype(np.float16)
    out = np.zeros(50, ml_dtypes.bfloat16)
    kernel(x, b, out, stop=50)
    exact = np.log((np.exp(x.astype(float)) * b).sum(1))
    np.testing.assert_allclose(out.astype(np.float32), exact, rtol=2**-8)


def test_every_f16(lesser):
    every = np.arange(65536, dtype=np.uint16).view(np.float16)
    source = "def k(x, y, start, stop):\n    for i in range(start, stop):\n        y[i] = x[i]\n"
    widen, narrow = (native.compile_kernels(source, {"k": {"x": f"{a}*", "y": f"{b}*"}})["k"]
                     for a, b in (("f16", "f32"), ("f32", "f16")))
    wide, back = np.zeros(65536, np.float32), np.zeros(65536, np.float16)
    widen(every, wide, stop=65536)
    np.testing.assert_array_equal(wide, every.astype(np.float32))
    with np.errstate(all="ignore"):
        for factor in (1, 1 + 2**-11, 1 + 2**-12, 1 - 2**-12):
            x = wide * np.float32(factor)
            narrow(x, back, stop=65536)
            np.testing.assert_array_equal(back, x.astype(np.float16))


def test_the_switch_is_felt(lesser):
    assert machine.vector_bits() == (256 if lesser == "avx2" else 128)
    assert not machine.has_masks() and not machine.scales_by_exponents()
    x = np.linspace(-80, 80, 100, dtype=np.float32)
    assert np.isfinite(results(compiled(["exp"], "f32")["exp"], x)).all()
