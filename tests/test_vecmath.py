"""The elementary functions: exact to the stated error, and the same from both compilers.

`tests/accuracy.py` has the table of functions; the thorough profile goes through every f32.
"""

import numpy as np
import pytest
from hypothesis import settings

from kernels import intrinsics, special, trigonometry, vecmath
from tests.accuracy import (
    FLOATS, TABLE, TWO_ARGUMENTS, compiled, every_f32, results, samples, ulps, worst,
)

THOROUGH = settings.default.max_examples > 1000
COUNTS = {"f32": 3_000_000 if THOROUGH else 400_000, "f64": 100_000 if THOROUGH else 600}


@pytest.fixture(scope="module", params=FLOATS)
def kernels(request):
    return request.param, compiled(list(TABLE), request.param)


@pytest.mark.parametrize("name", TABLE)
def test_errors_are_as_stated(name, kernels):
    dtype, compiled_kernels = kernels
    batches = [samples(name, dtype, COUNTS[dtype])]
    if THOROUGH and dtype == "f32" and name not in TWO_ARGUMENTS:
        batches = ((x,) for x in every_f32())
    error, where = worst(name, dtype, compiled_kernels[name], batches)
    assert error <= getattr(TABLE[name], dtype), f"{name}({where}) is off by {error} ulp"


def test_every_row_could_fail(kernels):
    """Results that are off by more than a row promises are seen."""
    dtype, compiled_kernels = kernels
    nine = FLOATS[dtype](9)
    for name, row in TABLE.items():
        args = samples(name, dtype, 300)
        wrong = results(compiled_kernels[name], *args)
        with np.errstate(invalid="ignore"):
            for _ in range(int(getattr(row, dtype)) + 2):
                wrong = np.nextafter(wrong, nine)
        assert ulps(name, dtype, args, wrong).max() > getattr(row, dtype), name


def test_pieces_of_any_size_give_the_same_bits(kernels):
    """Whole vectors, the masked rest and numbers one by one: a cut changes nothing."""
    dtype, compiled_kernels = kernels
    rng = np.random.default_rng(0)
    for name, kernel in compiled_kernels.items():
        args = samples(name, dtype, 700, seed=3)
        whole, pieces = results(kernel, *args), np.empty_like(args[0])
        cuts = [0, *np.cumsum(rng.integers(1, 70, 40)).clip(0, pieces.size), pieces.size]
        for start, stop in zip(cuts, cuts[1:]):
            kernel(*args, pieces, start=start, stop=stop)
        np.testing.assert_array_equal(whole, pieces, err_msg=name)


@pytest.mark.parametrize("dtype", FLOATS)
def test_numba_computes_the_same_bits(dtype, monkeypatch):
    names = list(TABLE)
    ours = compiled(names, dtype)
    monkeypatch.setenv("MINIGRAD_COMPILER", "numba")
    theirs = compiled(names, dtype)
    for name in names:
        args = samples(name, dtype, 50_000, seed=1)
        np.testing.assert_array_equal(results(ours[name], *args), results(theirs[name], *args),
                                      err_msg=name)


@pytest.mark.parametrize("dtype", FLOATS)
def test_the_text_is_a_python_function_too(dtype):
    """The same numbers from NumPy's scalars; fused operations may round otherwise there."""
    modules = (vecmath, trigonometry, special)
    kernels = compiled(list(TABLE), dtype)
    for name in TABLE:
        function = next(getattr(m, name) for m in modules if hasattr(m, name))
        args = samples(name, dtype, 24, seed=2)
        with np.errstate(all="ignore"):
            python = np.array([function(*row) for row in zip(*args)], FLOATS[dtype])
        tolerance = 64 * np.finfo(FLOATS[dtype]).eps
        np.testing.assert_allclose(python, results(kernels[name], *args), rtol=tolerance,
                                   atol=tolerance * TABLE[name].least, err_msg=name)


def test_fma_of_scalars_rounds_once():
    rng = np.random.default_rng(0)
    from fractions import Fraction

    for _ in range(300):
        x, y = rng.standard_normal(2).astype(np.float32)
        z = np.float32(-x * y * (1 + rng.integers(-3, 3) * 1e-7))
        exact = Fraction(float(x)) * Fraction(float(y)) + Fraction(float(z))
        below = np.float32(float(exact))
        assert abs(Fraction(float(intrinsics.fma(x, y, z))) - exact) <= \
            abs(Fraction(float(below)) - exact)
