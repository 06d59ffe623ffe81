"""Kernels that look at windows of an array (products, convolution, pooling, gather, scatter)
against the jax.lax primitives. Shapes come from a small fixed pool: JAX compiles each new one."""


import numpy as np
import pytest
from jax import lax

from kernels import indexing, windows
from tests.kernel_checks import (  # noqa: F401  (one is a fixture)
    BFLOAT16, FLOATS, INF, MODE, NAN, array, assert_same, check, reference_dot, sixty_four_bits,
)


# ---- products ----------------------------------------------------------------------------------


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
