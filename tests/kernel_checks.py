"""How the tests of kernels compare: shape, dtype, values, untouched inputs, no warnings."""

import warnings

import jax
import ml_dtypes
import numpy as np
import pytest
from jax import lax
from jax._src.lax import windowed_reductions
from jax._src.lax.control_flow import loops

from kernels import windows


BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
INTEGERS = [np.int8, np.uint8, np.int32, np.uint32]
FLOATS = [np.dtype(t) for t in (np.float16, np.float32, np.float64)] + [BFLOAT16]
TOLERANCE = {"float16": 2e-3, "bfloat16": 2e-2, "float32": 2e-5, "complex64": 2e-5}
PRIMITIVES = {
    name[:-2]: value
    for module in (windowed_reductions, loops, lax)
    for name, value in vars(module).items()
    if name.endswith("_p")
}
VIEWS = {"reshape", "transpose", "squeeze", "rev", "slice_", "split", "broadcast_in_dim"}
MODE = lax.GatherScatterMode
NAN, INF = np.nan, np.inf


@pytest.fixture(autouse=True)
def sixty_four_bits():
    with jax.enable_x64(True):
        yield


def assert_same(actual, expected, tolerance=None):
    """Equal shape, dtype and values; `tolerance` 0 asks for equal numbers."""
    expected = np.asarray(expected)
    assert isinstance(actual, (np.ndarray, np.generic))
    assert actual.dtype == expected.dtype
    assert actual.shape == expected.shape
    if tolerance is None:
        tolerance = TOLERANCE.get(expected.dtype.name, 1e-10)
    if expected.dtype == BFLOAT16:
        actual, expected = np.asarray(actual, np.float32), np.asarray(expected, np.float32)
    if expected.dtype.kind in "biu" or tolerance == 0:
        np.testing.assert_array_equal(actual, expected)
    else:
        np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance)


def check(kernel, *args, primitive=None, jax_params=None, tolerance=None, **params):
    """`kernel(*args, **params)` equals the primitive of its name; its inputs stay as they were."""
    primitive = primitive or PRIMITIVES[kernel.__name__.rstrip("_")]
    before = [np.array(x) for x in args]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        actual = kernel(*args, **params)
    expected = primitive.bind(*map(jax.numpy.asarray, args), **params, **(jax_params or {}))
    for x, copy in zip(args, before, strict=True):
        assert np.array(x).tobytes() == copy.tobytes()
    if primitive.multiple_results:
        assert len(actual) == len(expected)
    else:
        actual, expected = [actual], [expected]
    for one, other in zip(actual, expected, strict=True):
        assert_same(one, other, tolerance)
        if kernel.__name__ not in VIEWS:
            assert not any(np.shares_memory(one, x) for x in args)


def array(shape, dtype=np.float32, seed=0):
    """Small reproducible numbers of any dtype."""
    dtype = np.dtype(dtype)
    rng = np.random.default_rng([seed, *shape])
    if dtype.kind == "b":
        return rng.random(shape) < 0.5
    if dtype.kind in "iu":
        return rng.integers(0 if dtype.kind == "u" else -100, 100, shape).astype(dtype)
    x = rng.standard_normal(shape)
    return (x + 1j * rng.standard_normal(shape) if dtype.kind == "c" else x).astype(dtype)


def reference_dot(x, y, numbers, preferred=None):
    return windows.dot_general(x, y, dimension_numbers=numbers, preferred_element_type=preferred)
