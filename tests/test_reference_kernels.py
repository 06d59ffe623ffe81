"""Every kernel of `kernels.reference`, `windows` and `indexing` against the jax.lax primitive.

JAX compiles each new shape, so the pool of shapes is small and fixed. Data movement and integers
must agree exactly, floats within a few units of their precision.
"""

import itertools
import warnings

import jax
import ml_dtypes
import numpy as np
import pytest
from jax import lax
from jax._src.lax import windowed_reductions
from jax._src.lax.control_flow import loops

from kernels import indexing, reference, windows

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
    for kernel in (reference.logistic, reference.rsqrt, reference.cbrt):
        check(kernel, x, jax_params={"accuracy": None})
    for name in ("erf", "erfc", "erf_inv", "digamma", "lgamma"):
        special = np.concatenate([x[:-3], np.array([1, -1, 4, 0.1], dtype)])
        check(getattr(reference, name), special)


def test_complex_arithmetic():
    x, y = array((5,), np.complex64), array((5,), np.complex64, 1)
    check(reference.div, x, y)
    check(reference.sign, x)
    check(reference.integer_pow, x, y=-3)
    check(reference.logistic, x, jax_params={"accuracy": None})
    check(reference.rsqrt, x, jax_params={"accuracy": None})


# ---- reductions, running reductions, order -----------------------------------------------------


@pytest.mark.parametrize(
    "dtype", [np.int8, np.uint32, np.complex64, *FLOATS], ids=lambda d: np.dtype(d).name
)
def test_reductions(dtype):
    x = array((3, 4, 5), dtype)
    no_sharding = {"out_sharding": None}
    for axes in ((0,), (0, 2), ()):
        check(reference.reduce_sum, x, axes=axes, jax_params=no_sharding)
        check(reference.reduce_prod, x[:2], axes=axes)
    if x.dtype.kind != "c":
        for kernel in (reference.reduce_max, reference.reduce_min):
            check(kernel, x, axes=(1,), jax_params=no_sharding)
            check(kernel, x[:0], axes=(0,), jax_params=no_sharding)
            if x.dtype.kind not in "iu":
                y = x.copy()
                y[0, 0, 0] = NAN
                check(kernel, y, axes=(0, 1, 2), jax_params=no_sharding)
    for name in ("cumsum", "cumprod", "cummax", "cummin"):
        for axis, reverse in ((1, False), (2, True)):
            check(getattr(reference, name), x[:2], axis=axis, reverse=reverse)
        check(getattr(reference, name), x[:0], axis=0, reverse=True)


def test_long_half_sums():
    """5000 ones: a float16 accumulator would stop at 2048, a bfloat16 one at 256."""
    for dtype in (np.float16, BFLOAT16):
        assert reference.reduce_sum(np.ones(5000, dtype), axes=(0,)) == np.array(5000).astype(dtype)
        ones = np.ones((2, 5000), dtype)
        product = reference_dot(ones, ones.T, (((1,), (0,)), ((), ())))
        assert (product == np.array(5000).astype(dtype)).all()


def test_logical_reductions():
    for dtype in (np.bool_, np.int32, np.uint8):
        x = array((3, 4), dtype)
        for kernel in (reference.reduce_and, reference.reduce_or, reference.reduce_xor):
            check(kernel, x, axes=(0,))
            check(kernel, x[:0], axes=(0,))
            check(kernel, x, axes=(0, 1))


def test_cumulative_corners():
    x = np.array([-INF, -INF, 0, 1, NAN, INF, 1], np.float32)
    for name in ("cumsum", "cummax", "cummin", "cumlogsumexp"):
        for part in (x, x[:4], x[5:]):
            check(getattr(reference, name), part, axis=0, reverse=False)
    check(reference.cumlogsumexp, array((3, 4), BFLOAT16), axis=1, reverse=True)


ORDERED = np.array([3, NAN, -0.0, 0.0, -INF, -NAN, INF, 0.0, -0.0, 1, 3], np.float32)


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_order_of_floats(dtype):
    x = ORDERED.astype(dtype)
    check(reference.sort, x, dimension=0, is_stable=True, num_keys=1)
    check(reference.sort, x, np.arange(11), dimension=0, is_stable=True, num_keys=1)
    for part in (x, x[2:5], x[2:4], x[3:1:-1]):
        for kernel in (reference.argmax, reference.argmin):
            check(kernel, part, axes=(0,), index_dtype=np.dtype(np.int32))
    for k in (0, 1, 4, 11):
        # JAX leaves the order of bfloat16 infinities and nan to a float32 sort: same answer.
        check(reference.top_k, x, k=k, jax_params={"axis": 0})
    values = reference.sort(x, dimension=0)[0]
    assert np.signbit(values[1:5]).tolist() == [True, False, False, True]  # stable among zeros


def test_order_of_others():
    for dtype in (np.int32, np.uint8, np.bool_, np.complex64):
        x, y = array((4, 5), dtype), array((4, 5), np.int32, 1)
        for dimension in (0, 1):
            check(reference.sort, x, dimension=dimension, is_stable=True, num_keys=1)
            check(reference.sort, x, y, dimension=dimension, is_stable=False, num_keys=1)
        check(reference.sort, x // 50 if x.dtype == np.int32 else x, y, x,
              dimension=1, is_stable=True, num_keys=2)  # fmt: skip
        if x.dtype.kind in "iu":
            check(reference.top_k, x, k=3, jax_params={"axis": 1})
            check(reference.top_k, x, k=2, axis=0)
            check(reference.argmin, x, axes=(1,), index_dtype=np.dtype(np.uint8))
    z = [1 + 1j, 1 - 1j, NAN, complex(0, NAN), complex(1, NAN), 0, complex(-0.0, -0.0)]
    check(reference.sort, np.array(z, np.complex64), dimension=0, is_stable=True, num_keys=1)
    check(reference.sort, array((0, 3)), dimension=0, is_stable=True, num_keys=1)


# ---- products ----------------------------------------------------------------------------------


def reference_dot(x, y, numbers, preferred=None):
    return windows.dot_general(x, y, dimension_numbers=numbers, preferred_element_type=preferred)


def check_dot(x, y, numbers, preferred=None):
    check(
        windows.dot_general, x, y, dimension_numbers=numbers, preferred_element_type=preferred,
        jax_params={"precision": None, "out_sharding": None},
    )  # fmt: skip


DTYPES = [np.int8, np.uint8, np.int32, np.int64, np.bool_, np.complex64, *FLOATS]


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: np.dtype(d).name)
def test_dot_general_dtypes(dtype):
    x, y = array((3, 4), dtype), array((4, 5), dtype)
    check_dot(x, y, (((1,), (0,)), ((), ())))
    check_dot(x[:, :0], y[:0], (((1,), (0,)), ((), ())))
    wide = {"i": np.int64, "f": np.float64, "V": np.float32}.get(np.dtype(dtype).kind)
    if wide:
        check_dot(x, y, (((1,), (0,)), ((), ())), np.dtype(wide))


@pytest.mark.parametrize(
    ("left", "right", "numbers"),
    [
        ((4, 3), (5, 4), (((0,), (1,)), ((), ()))),
        ((3, 4), (5, 4), (((1,), (1,)), ((), ()))),
        ((4,), (4,), (((0,), (0,)), ((), ()))),
        ((3,), (4,), (((), ()), ((), ()))),
        ((3, 4), (4,), (((1,), (0,)), ((), ()))),
        ((2, 3, 4), (2, 4, 5), (((2,), (1,)), ((0,), (0,)))),
        ((2, 5, 3, 4), (2, 6, 3, 4), (((3,), (3,)), ((0, 2), (0, 2)))),
        ((3, 2, 4, 5), (4, 3, 6, 2), (((2, 0), (0, 1)), ((1,), (3,)))),
        ((2, 3), (2, 3), (((0, 1), (0, 1)), ((), ()))),
        ((2, 3), (2, 3), (((), ()), ((0, 1), (0, 1)))),
        ((2, 0), (5, 2), (((0,), (1,)), ((), ()))),
    ],
)
def test_dot_general_shapes(left, right, numbers):
    check_dot(array(left), array(right), numbers)


def test_dot_general_exact_and_mixed():
    numbers = (((1,), (0,)), ((), ()))
    check_dot(array((2, 2), np.int8), array((2, 2), np.float32), numbers)
    check_dot(array((2, 2), np.float16), array((2, 2), BFLOAT16), numbers)
    large = np.full((2, 2), 2**62 + 1)
    check_dot(large, large, numbers)  # wraps, and is too large for the road through float64


CONVOLUTIONS = {
    "plain": ((2, 3, 7, 8), (4, 3, 3, 2), {}),
    "same, strided": ((2, 3, 7, 8), (4, 3, 3, 3), {"strides": (2, 1), "pads": ((1, 1), (2, 0))}),
    "dilated kernel": ((1, 2, 9, 9), (2, 2, 3, 2), {"rhs_dilation": (2, 3)}),
    "transposed": ((1, 2, 4, 4), (3, 2, 3, 3), {"lhs_dilation": (2, 3), "pads": ((2, 3), (-1, 2))}),
    "grouped": ((2, 4, 5, 5), (6, 2, 3, 3), {"feature_groups": 2}),
    "depthwise": ((2, 4, 5, 5), (8, 1, 2, 2), {"feature_groups": 4}),
    "batch groups": ((4, 3, 5, 5), (6, 3, 2, 2), {"batch_groups": 2}),
    "window longer than positions": ((3, 4, 8, 9), (2, 2, 7, 7), {"feature_groups": 2}),
    "channels last": (
        (2, 7, 8, 3), (3, 3, 3, 4), {"spec": ((0, 3, 1, 2), (3, 2, 0, 1), (0, 3, 1, 2))}
    ),
    "one axis": ((2, 3, 7), (4, 3, 3), {"strides": (2,)}),
    "three axes": ((1, 2, 4, 5, 6), (3, 2, 2, 2, 2), {}),
    "no axes": ((2, 3), (4, 3), {}),
    "no batch": ((0, 3, 7), (4, 3, 3), {}),
    "no room": ((2, 3, 2), (4, 3, 3), {}),
}  # fmt: skip


def check_convolution(
    lhs, rhs, strides=None, pads=None, lhs_dilation=None, rhs_dilation=None,
    feature_groups=1, batch_groups=1, spec=None, preferred=None,
):  # fmt: skip
    rank = lhs.ndim - 2
    axes = tuple(range(lhs.ndim))
    ones = (1,) * rank
    check(
        windows.conv_general_dilated, lhs, rhs,
        window_strides=strides or ones, padding=pads or ((0, 0),) * rank,
        lhs_dilation=lhs_dilation or ones, rhs_dilation=rhs_dilation or ones,
        dimension_numbers=lax.ConvDimensionNumbers(*(spec or (axes, axes, axes))),
        feature_group_count=feature_groups, batch_group_count=batch_groups,
        preferred_element_type=preferred,
        jax_params={"precision": None, "out_sharding": None},
    )  # fmt: skip


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_convolution(name):
    left, right, options = CONVOLUTIONS[name]
    check_convolution(array(left), array(right), **options)


@pytest.mark.parametrize("dtype", [np.int8, np.complex64, *FLOATS], ids=lambda d: np.dtype(d).name)
def test_convolution_dtypes(dtype):
    check_convolution(array((2, 3, 7), dtype), array((4, 3, 3), dtype))


def test_convolution_in_chunks(monkeypatch):
    monkeypatch.setattr(windows, "CHUNK_BYTES", 1)
    check_convolution(array((5, 3, 7)), array((4, 3, 3)))


# ---- windows -----------------------------------------------------------------------------------


def window(dimensions, strides=None, padding=None, base=None, dilation=None):
    ones = (1,) * len(dimensions)
    return {
        "window_dimensions": dimensions, "window_strides": strides or ones,
        "padding": padding or ((0, 0),) * len(dimensions),
        "base_dilation": base or ones, "window_dilation": dilation or ones,
    }  # fmt: skip


WINDOWS = {
    "pooling": ((1, 2, 6, 6), window((1, 1, 2, 2), (1, 1, 2, 2))),
    "padded": ((5, 6), window((3, 2), (2, 1), ((1, 1), (0, 1)))),
    "dilated": ((5, 6), window((2, 3), (1, 1), ((1, 0), (2, 2)), (2, 1), (2, 2))),
    "running": ((2, 13), window((1, 13), None, ((0, 0), (12, 0)))),
    "long, strided": ((40,), window((11,), (3,), ((2, 4),), (1,), (2,))),
    "cropped": ((8,), window((2,), (1,), ((-1, -2),))),
    "no room": ((2, 3), window((3, 1))),
    "scalar": ((), window(())),
}


@pytest.mark.parametrize("name", WINDOWS)
def test_reduce_window(name):
    shape, params = WINDOWS[name]
    for dtype in (np.float32, np.int8):
        x = array(shape, dtype)
        for kernel in ("reduce_window_sum", "reduce_window_max", "reduce_window_min"):
            check(getattr(windows, kernel), x, **params)
    x = array(shape)
    product = windows.reduce_window(x, np.float32(1), function=np.multiply, **params)
    assert_same(product, lax.reduce_window(x, np.float32(1), lax.mul, *params.values()))


def test_reduce_window_corners():
    x = np.array([1, NAN, 2, 3], np.float32)
    check(windows.reduce_window_max, x, **window((2,)))
    for dtype in FLOATS:
        check(windows.reduce_window_sum, array((3, 9), dtype), **window((2, 9)))


def test_reduce_window_of_pairs():
    """The maximum of each window and its position: two operands, one function."""
    x, place = array((13,)), np.arange(13)

    def larger(a, i, b, j):
        return np.where(a >= b, a, b), np.where(a >= b, i, j)

    best, at = windows.reduce_window(
        x, place, np.float32(-INF), np.int64(0), function=larger, **window((10,))
    )
    view = np.lib.stride_tricks.sliding_window_view(x, 10)
    assert_same(best, view.max(-1))
    assert_same(at, view.argmax(-1) + np.arange(4))


POOLS = {
    "disjoint": ((1, 2, 6, 6), window((1, 1, 2, 2), (1, 1, 2, 2))),
    "overlapping": ((5, 6), window((3, 2), (1, 1))),
    "padded": ((5, 6), window((3, 2), (2, 1), ((1, 1), (0, 1)))),
    "no room": ((1, 3), window((2, 1))),
}


@pytest.mark.parametrize("name", POOLS)
@pytest.mark.parametrize("select", ["ge", "le"])
def test_select_and_scatter_and_gather(name, select):
    shape, params = POOLS[name]
    primitive = getattr(lax, select + "_p")
    scatter_params = {key: params[key] for key in list(params)[:3]}
    tied = np.round(array(shape, seed=1))
    holed = np.where(tied == 1, np.float32(NAN), tied)
    for operand in (array(shape), tied, holed):
        out = windows.reduce_window_max(operand, **params).shape
        check(windows.select_and_scatter_add, array(out), operand,
              select_prim=primitive, **scatter_params)  # fmt: skip
        # XLA takes the first of equals, but for this window it scans columns before rows.
        if operand is not holed and (operand is not tied or name != "padded"):
            check(windows.select_and_gather_add, array(shape, seed=2), operand,
                  select_prim=primitive, **params)  # fmt: skip
    assert windows.select_and_scatter_add(
        array(out), operand, select_prim=select, **scatter_params
    ).shape == shape  # fmt: skip


# ---- indexing ----------------------------------------------------------------------------------


def test_names_print_as_in_jax():
    for name in ("GatherDimensionNumbers", "ScatterDimensionNumbers"):
        ours, theirs = getattr(indexing, name), getattr(lax, name)
        dimensions = (1,), (0,), (0,), (2,), (1,)
        assert repr(ours(*dimensions)) == repr(theirs(*dimensions))
    theirs = lax.ConvDimensionNumbers((0, 1), (0, 1), (1, 0))
    assert repr(windows.ConvDimensionNumbers((0, 1), (0, 1), (1, 0))) == repr(theirs)
    for mode in MODE:
        assert repr(indexing.GatherScatterMode.from_any(mode)) == repr(mode)
    for mode in ("clip", "fill", "drop", "promise_in_bounds", None, "one_hot"):
        assert repr(indexing.GatherScatterMode.from_any(mode)) == repr(MODE.from_any(mode))
    with pytest.raises(ValueError, match='Unknown gather mode "wrap"'):
        indexing.GatherScatterMode.from_any("wrap")


@pytest.mark.parametrize("starts", [(1, 2), (-3, 9), (2, -1)])
def test_dynamic_slices(starts):
    x, starts = array((3, 5)), [np.int32(start) for start in starts]
    check(indexing.dynamic_slice, x, *starts, slice_sizes=(2, 3))
    check(indexing.dynamic_slice, x, *starts, slice_sizes=(0, 3))
    check(indexing.dynamic_update_slice, x, array((2, 3), seed=1), *starts)
    check(indexing.dynamic_slice, np.float32(2), slice_sizes=())


# name: operand shape, indices, slice sizes, GatherDimensionNumbers
GATHERS = {
    "rows": ((5, 3), [[0], [4], [-1], [7], [4]], (1, 3), ((1,), (0,), (0,))),
    "columns": ((3, 5), [[[0], [4]], [[-1], [7]]], (3, 1), ((0,), (1,), (1,))),
    "elements": ((3, 4), [[0, 1], [2, 3], [3, 0], [-1, 2]], (1, 1), ((), (0, 1), (0, 1))),
    "swapped elements": ((3, 4), [[1, 0], [3, 2]], (1, 1), ((), (0, 1), (1, 0))),
    "windows": ((5, 6, 2), [[0, 1], [3, 3], [4, 0]], (2, 3, 2), ((1, 2, 3), (), (0, 1))),
    "one window": ((5, 6), [2, 4], (2, 3), ((0, 1), (), (0, 1))),
    "one row": ((5, 6), [-1], (1, 6), ((0,), (0,), (0,))),
    "one part of a column": ((5, 6), [9], (3, 1), ((0,), (1,), (1,))),
    "one element": ((6,), [9], (1,), ((), (0,), (0,))),
    "no index, batched": ((4, 3), np.zeros((2, 4, 0)), (1, 2), ((0,), (), (), (0,), (1,))),
    "part of a whole dimension": ((5, 6), [[1], [2]], (1, 4), ((1,), (0,), (0,))),
    "batch in the middle": ((5, 2, 6), [[1], [2], [9]], (2, 2, 6), ((0, 1, 3), (), (0,))),
    "batched": ((3, 5), [[[0], [4]], [[2], [2]], [[5], [1]]], (1, 1), ((), (1,), (1,), (0,), (0,))),
    "batched windows": (
        (5, 2, 3), [[[0], [1]], [[2], [4]], [[5], [3]]], (2, 1, 1), ((0,), (), (0,), (1, 2), (1, 0))
    ),
    "no index": ((2, 3), np.zeros((4, 0), np.int32), (2, 3), ((0, 1), (), ())),
    "none at all": ((5, 3), np.zeros((0, 1), np.int32), (1, 3), ((1,), (0,), (0,))),
    "collapsed, not indexed": ((1, 5), [[1], [2]], (1, 1), ((), (0, 1), (1,))),
}  # fmt: skip


@pytest.mark.parametrize("name", GATHERS)
def test_gather(name):
    shape, indices, sizes, numbers = GATHERS[name]
    for mode in (MODE.CLIP, MODE.FILL_OR_DROP, MODE.PROMISE_IN_BOUNDS):
        check_gather(array(shape), indices, sizes, numbers, mode)


def check_gather(x, indices, sizes, numbers, mode, fill_value=None):
    args = x, np.asarray(indices, np.int32)
    params = {"slice_sizes": sizes, "mode": mode, "fill_value": fill_value}
    params["dimension_numbers"] = lax.GatherDimensionNumbers(*numbers)
    before, ours = x.copy(), indexing.gather(*args, **params)
    assert_same(ours, lax.gather(*args, **params), tolerance=0)
    assert not np.shares_memory(ours, x)
    ours[...] = 0
    assert x.tobytes() == before.tobytes()


def test_gather_fills():
    _, indices, sizes, numbers = GATHERS["rows"]
    for dtype in (np.bool_, np.int8, np.uint16, np.complex64, BFLOAT16):
        check_gather(array((5, 3), dtype), indices, sizes, numbers, MODE.FILL_OR_DROP)
    check_gather(array((5, 3)), indices, sizes, numbers, MODE.FILL_OR_DROP, fill_value=7)
    ours = indexing.gather(
        array((5, 3)), np.array([[250]], np.uint8), slice_sizes=sizes, mode="fill",
        dimension_numbers=indexing.GatherDimensionNumbers(*numbers),
    )  # fmt: skip
    assert np.isnan(ours).all()
    assert ours.shape == (1, 3)


# name: operand shape, indices, updates shape, ScatterDimensionNumbers
SCATTERS = {
    "rows": ((5, 3), [[0], [4], [-1], [7], [2]], (5, 3), ((1,), (0,), (0,))),
    "rows, repeated": ((5, 3), [[0], [4], [0], [0], [4]], (5, 3), ((1,), (0,), (0,))),
    "columns": ((3, 5), [[0], [4], [1], [6]], (3, 4), ((0,), (1,), (1,))),
    "elements": ((3, 4), [[0, 1], [2, 3], [3, 0], [0, 1]], (4,), ((), (0, 1), (0, 1))),
    "windows": ((5, 6), [[0, 1], [3, 3], [4, 0]], (3, 2, 3), ((1, 2), (), (0, 1))),
    "one window": ((5, 6), [2, 3], (2, 3), ((0, 1), (), (0, 1))),
    "one window outside": ((5, 6), [2, 4], (2, 3), ((0, 1), (), (0, 1))),
    "part of a whole dimension": ((5, 6), [[1], [2]], (2, 4), ((1,), (0,), (0,))),
    "batched": ((3, 5), [[[0], [4]], [[2], [2]], [[5], [1]]], (3, 2), ((), (1,), (1,), (0,), (0,))),
    "none at all": ((5, 3), np.zeros((0, 1), np.int32), (0, 3), ((1,), (0,), (0,))),
}


@pytest.mark.parametrize("name", SCATTERS)
@pytest.mark.parametrize("kernel", ["scatter", "scatter_add", "scatter_max"])
def test_scatter(name, kernel):
    for mode in (MODE.CLIP, MODE.FILL_OR_DROP):
        check_scatter(kernel, np.float32, name, mode)


@pytest.mark.parametrize("dtype", [np.int8, BFLOAT16, np.float64], ids=lambda d: np.dtype(d).name)
def test_scatter_kinds(dtype):
    for kernel in ("scatter_add", "scatter_sub", "scatter_mul", "scatter_min", "scatter_max"):
        check_scatter(kernel, dtype, "rows, repeated", MODE.PROMISE_IN_BOUNDS)
    check_scatter("scatter_add", dtype, "rows", MODE.PROMISE_IN_BOUNDS)
    check_scatter("scatter_mul", dtype, "rows", MODE.FILL_OR_DROP, unique=True)


def check_scatter(kernel, dtype, name, mode, unique=False):
    shape, indices, update_shape, numbers = SCATTERS[name]
    x, indices = array(shape, dtype), np.asarray(indices, np.int32)
    updates = array(update_shape, dtype, seed=1)
    numbers = lax.ScatterDimensionNumbers(*numbers)
    before = x.copy()
    ours = getattr(indexing, kernel)(
        x, indices, updates, dimension_numbers=numbers, mode=mode, unique_indices=unique
    )
    theirs = getattr(lax, kernel)(x, indices, updates, numbers, mode=mode, unique_indices=unique)
    assert_same(ours, theirs)
    np.testing.assert_array_equal(x, before)
