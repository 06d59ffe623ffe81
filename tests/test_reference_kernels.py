"""Every kernel of `kernels.reference`, `windows` and `indexing` against the jax.lax primitive.

JAX compiles each new shape, so the pool of shapes is small and fixed. Data movement and integers
must agree exactly, floats within a few units of their precision.
"""

import itertools

import numpy as np
import pytest
from jax import lax

from kernels import functions, ordering, reductions, reference
from tests.kernel_checks import (  # noqa: F401  (one is a fixture)
    BFLOAT16, FLOATS, INF, INTEGERS, NAN, array, check, reference_dot, sixty_four_bits,
)


# ---- shape -------------------------------------------------------------------------------------


def test_views():
    x = array((2, 3, 4))
    check(reference.reshape, x, new_sizes=(4, 6), dimensions=None, jax_params={"sharding": None})
    check(reference.transpose, x, permutation=(2, 0, 1))
    check(reference.squeeze, x[:, None], dimensions=(1,))
    check(reference.rev, x, dimensions=(0, 2))
    check(reference.rev, x, dimensions=())
    bounds = {"start_indices": (0, 1, 0), "limit_indices": (2, 3, 4)}
    check(reference.slice_, x, **bounds, strides=None)
    check(reference.slice_, x, **bounds, strides=(1, 1, 3))
    check(reference.split, x, sizes=(1, 3, 0), axis=2)
    for y, dimensions in ((x, (1, 2, 3)), (x[:, :1], (1, 2, 3)), (np.float32(2), ())):
        check(
            reference.broadcast_in_dim, y, shape=(5, 2, 3, 4), broadcast_dimensions=dimensions,
            jax_params={"sharding": None},
        )  # fmt: skip
    for view in (
        reference.reshape(x, new_sizes=(24,)),
        reference.transpose(x, permutation=(2, 1, 0)),
        reference.squeeze(x[:1], dimensions=(0,)),
        reference.rev(x, dimensions=(1,)),
        reference.slice_(x, **bounds),
        reference.broadcast_in_dim(x, shape=(5, 2, 3, 4), broadcast_dimensions=(1, 2, 3)),
    ):
        assert np.shares_memory(view, x)


def test_tile_concatenate_iota():
    x = array((2, 3))
    check(reference.tile, x, reps=(2, 3))
    check(reference.concatenate, x, x[:, :0], x[:, :2], dimension=1)
    for dtype in (np.int8, np.float32, BFLOAT16, np.complex64):
        iota = {"dtype": np.dtype(dtype), "shape": (3, 200), "dimension": 1}
        check(reference.iota, **iota, jax_params={"sharding": None})


@pytest.mark.parametrize(
    "config",
    [
        ((1, 2, 0), (0, 0, 0)), ((0, 0, 2), (1, 1, 1)), ((-1, 1, 0), (0, -2, 0)),
        ((-1, -2, 1), (-3, 2, 2)), ((-4, 6, 0), (-3, 0, 1)), ((-6, -2, 2), (3, -7, 0)),
    ],
)  # fmt: skip
def test_pad(config):
    check(reference.pad, array((4, 5)), np.float32(7), padding_config=config)
    check(reference.pad, array((0, 5), np.int8), np.int8(7), padding_config=((5, 1, 1), config[0]))


# ---- selection and conversion ------------------------------------------------------------------


def test_select_and_clamp():
    a, b, c = array((3, 4)), array((3, 4), seed=1), array((3, 4), seed=2)
    check(reference.select_n, a > 0, a, b)
    check(reference.select_n, np.True_, a, b)
    check(reference.select_n, array((3, 4), np.int32) % 5 - 1, a, b, c)
    check(reference.select_n, np.int32(2), a, b, c)
    x = np.array([NAN, -1, 2, 0.5], np.float32)
    for low, high in ((0, 1), (NAN, 1), (2, 1), (0, NAN)):
        check(reference.clamp, np.float32(low), x, np.float32(high))


NUMBERS = [NAN, INF, -INF, -1.5, -1, -0.5, -0.0, 0.3, 1.5, 127.7, 128, 255.9, 256, -129]
NUMBERS += [3e9, -3e9, 5e9, 1e20, -1e20, 2147483647.0, -2147483648.0, 65519, 65520, 3.4e38]
TARGETS = [np.bool_, np.int8, np.uint8, np.int16, np.int32, np.uint32, np.int64, np.uint64]


@pytest.mark.parametrize("source", FLOATS, ids=str)
def test_convert_from_floats(source):
    with np.errstate(all="ignore"):
        x = np.array(NUMBERS).astype(source)
    for target in TARGETS + [d for d in FLOATS if source.itemsize < 8 or d != BFLOAT16]:
        check_convert(x, target)
    check_convert(x, np.complex64)


def check_convert(x, target):
    check(
        reference.convert_element_type, x, new_dtype=np.dtype(target), tolerance=0,
        jax_params={"weak_type": False, "sharding": None},
    )  # fmt: skip


def test_convert_from_others():
    for target in (np.int8, np.uint32, np.float16, BFLOAT16, np.bool_, np.complex64):
        check_convert(np.array([-(2**40), -1, 0, 1, 300, 2**31, 70000]), target)
        check_convert(np.array([True, False]), target)
    for target in (np.float32, np.float16, np.int32, np.bool_, np.complex128):
        check_convert(np.array([1 + 2j, -1.5 - 1j, NAN + 1j, 1j, 1e30], np.complex64), target)
    check_convert(array((0, 3)), np.int32)


def test_reduce_precision():
    for dtype in (np.float32, np.float64, np.float16, BFLOAT16):
        with np.errstate(all="ignore"):
            x = np.array(NUMBERS + [1.1, 1e-6, 1e-30, -1e-41, 1.0625, 1.1875]).astype(dtype)
        for exponent, mantissa in ((5, 10), (8, 7), (4, 3), (8, 23)):
            widths = {"exponent_bits": exponent, "mantissa_bits": mantissa}
            check(reference.reduce_precision, x, **widths, tolerance=0)


# ---- arithmetic --------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", INTEGERS, ids=lambda d: d.__name__)
def test_integer_arithmetic(dtype):
    info = np.iinfo(dtype)
    edges = [info.min, info.max, 0, 1, 2, 7, 9, 100] + ([-1, -7] if info.min else [])
    x, y = (np.array(a, dtype) for a in zip(*itertools.product(edges, edges)))
    for kernel in (reference.div, reference.rem):
        check(kernel, x, y)
    for kernel in ("shift_left", "shift_right_logical", "shift_right_arithmetic"):
        check(getattr(reference, kernel), x, y)
        check(getattr(reference, kernel), x, np.array(edges, dtype)[-1])
    for kernel in (reference.population_count, reference.clz, reference.sign):
        check(kernel, x)
    for power in (0, 1, 3, 6):
        check(reference.integer_pow, x, y=power)


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_float_arithmetic(dtype):
    x = np.array([0.5, -0.5, 1.5, 2.5, -2.5, 3.7, -0.2, 0.0, -0.0, NAN, INF, -INF, 0.49], dtype)
    y = np.roll(x, 3)
    check(reference.div, x, y)
    check(reference.rem, x, y)
    check(reference.nextafter, x, y, tolerance=0)
    check(reference.is_finite, x)
    check(reference.sign, x)
    assert np.signbit(reference.sign(dtype.type(-0.0)))
    for method in lax.RoundingMethod:
        check(reference.round_, x, rounding_method=method, tolerance=0)
    for power in (-3, -1, 0, 2, 5):
        check(reference.integer_pow, x, y=power)
    for kernel in (functions.logistic, functions.rsqrt, functions.cbrt):
        check(kernel, x, jax_params={"accuracy": None})
    for name in ("erf", "erfc", "erf_inv", "digamma", "lgamma"):
        special = np.concatenate([x[:-3], np.array([1, -1, 4, 0.1], dtype)])
        check(getattr(functions, name), special)


def test_complex_arithmetic():
    x, y = array((5,), np.complex64), array((5,), np.complex64, 1)
    check(reference.div, x, y)
    check(reference.sign, x)
    check(reference.integer_pow, x, y=-3)
    check(functions.logistic, x, jax_params={"accuracy": None})
    check(functions.rsqrt, x, jax_params={"accuracy": None})


# ---- reductions, running reductions, order -----------------------------------------------------


@pytest.mark.parametrize(
    "dtype", [np.int8, np.uint32, np.complex64, *FLOATS], ids=lambda d: np.dtype(d).name
)
def test_reductions(dtype):
    x = array((3, 4, 5), dtype)
    no_sharding = {"out_sharding": None}
    for axes in ((0,), (0, 2), ()):
        check(reductions.reduce_sum, x, axes=axes, jax_params=no_sharding)
        check(reductions.reduce_prod, x[:2], axes=axes)
    if x.dtype.kind != "c":
        for kernel in (reductions.reduce_max, reductions.reduce_min):
            check(kernel, x, axes=(1,), jax_params=no_sharding)
            check(kernel, x[:0], axes=(0,), jax_params=no_sharding)
            if x.dtype.kind not in "iu":
                y = x.copy()
                y[0, 0, 0] = NAN
                check(kernel, y, axes=(0, 1, 2), jax_params=no_sharding)
    for name in ("cumsum", "cumprod", "cummax", "cummin"):
        for axis, reverse in ((1, False), (2, True)):
            check(getattr(reductions, name), x[:2], axis=axis, reverse=reverse)
        check(getattr(reductions, name), x[:0], axis=0, reverse=True)


def test_long_half_sums():
    """5000 ones: a float16 accumulator would stop at 2048, a bfloat16 one at 256."""
    for dtype in (np.float16, BFLOAT16):
        ones = np.ones((2, 5000), dtype)
        assert reductions.reduce_sum(ones[0], axes=(0,)) == np.array(5000).astype(dtype)
        product = reference_dot(ones, ones.T, (((1,), (0,)), ((), ())))
        assert (product == np.array(5000).astype(dtype)).all()


def test_logical_reductions():
    for dtype in (np.bool_, np.int32, np.uint8):
        x = array((3, 4), dtype)
        for kernel in (reductions.reduce_and, reductions.reduce_or, reductions.reduce_xor):
            check(kernel, x, axes=(0,))
            check(kernel, x[:0], axes=(0,))
            check(kernel, x, axes=(0, 1))


def test_cumulative_corners():
    x = np.array([-INF, -INF, 0, 1, NAN, INF, 1], np.float32)
    for name in ("cumsum", "cummax", "cummin", "cumlogsumexp"):
        for part in (x, x[:4], x[5:]):
            check(getattr(reductions, name), part, axis=0, reverse=False)
    check(reductions.cumlogsumexp, array((3, 4), BFLOAT16), axis=1, reverse=True)


ORDERED = np.array([3, NAN, -0.0, 0.0, -INF, -NAN, INF, 0.0, -0.0, 1, 3], np.float32)


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_order_of_floats(dtype):
    x = ORDERED.astype(dtype)
    check(ordering.sort, x, dimension=0, is_stable=True, num_keys=1)
    check(ordering.sort, x, np.arange(11), dimension=0, is_stable=True, num_keys=1)
    for part in (x, x[2:5], x[2:4], x[3:1:-1]):
        for kernel in (ordering.argmax, ordering.argmin):
            check(kernel, part, axes=(0,), index_dtype=np.dtype(np.int32))
    for k in (0, 1, 4, 11):
        # JAX leaves the order of bfloat16 infinities and nan to a float32 sort: same answer.
        check(ordering.top_k, x, k=k, jax_params={"axis": 0})
    values = ordering.sort(x, dimension=0)[0]
    assert np.signbit(values[1:5]).tolist() == [True, False, False, True]  # stable among zeros


def test_order_of_others():
    for dtype in (np.int32, np.uint8, np.bool_, np.complex64):
        x, y = array((4, 5), dtype), array((4, 5), np.int32, 1)
        for dimension in (0, 1):
            check(ordering.sort, x, dimension=dimension, is_stable=True, num_keys=1)
            check(ordering.sort, x, y, dimension=dimension, is_stable=False, num_keys=1)
        check(ordering.sort, x // 50 if x.dtype == np.int32 else x, y, x,
              dimension=1, is_stable=True, num_keys=2)  # fmt: skip
        if x.dtype.kind in "iu":
            check(ordering.top_k, x, k=3, jax_params={"axis": 1})
            check(ordering.top_k, x, k=2, axis=0)
            check(ordering.argmin, x, axes=(1,), index_dtype=np.dtype(np.uint8))
    z = [1 + 1j, 1 - 1j, NAN, complex(0, NAN), complex(1, NAN), 0, complex(-0.0, -0.0)]
    check(ordering.sort, np.array(z, np.complex64), dimension=0, is_stable=True, num_keys=1)
    check(ordering.sort, array((0, 3)), dimension=0, is_stable=True, num_keys=1)
