"""The fast roads of convolution against unfolding patches, which is tested against JAX."""

import numpy as np
import pytest

from kernels import convolution, copies, direct, heat, pool, vectors, windows
from kernels.windows import ConvDimensionNumbers

pytestmark = pytest.mark.skipif(not heat.available(), reason="no LLVM here: there is one road")
PLAIN = ((0, 1, 2, 3),) * 3
LAST = ((0, 3, 1, 2), (3, 2, 0, 1), (0, 3, 1, 2))
WEIGHTS = ((1, 0, 2, 3),) * 3  # how the gradient of the weights arrives


@pytest.fixture(autouse=True)
def hot(monkeypatch):
    monkeypatch.setattr(heat, "ready", lambda kind, work: True)
    monkeypatch.setattr(convolution, "SMALLEST", 0)
    convolution.plan.cache_clear()
    yield
    convolution.plan.cache_clear()


def array(shape, dtype=np.float32, seed=0):
    return np.random.default_rng(seed + sum(shape)).standard_normal(shape).astype(dtype)


def both(x, y, strides=None, padding=None, dilation=None, holes=None, spec=PLAIN, groups=1,
         batch_groups=1):
    ones = (1,) * (x.ndim - 2)
    params = dict(
        window_strides=strides or ones, padding=padding or ((0, 0),) * len(ones),
        lhs_dilation=dilation or ones, rhs_dilation=holes or ones,
        dimension_numbers=ConvDimensionNumbers(*spec), feature_group_count=groups,
        batch_group_count=batch_groups)
    road = convolution.plan(
        x.shape, x.strides, y.shape, y.strides, x.dtype, *(params[name] for name in (
            "window_strides", "padding", "lhs_dilation", "rhs_dilation", "dimension_numbers",
            "feature_group_count", "batch_group_count")))
    return (convolution.conv_general_dilated(x, y, **params),
            windows.conv_general_dilated(x, y, **params), type(road).__name__)


def check(x, y, road=None, **params):
    out, wanted, taken = both(x, y, **params)
    assert road in (None, taken)
    assert out.dtype == wanted.dtype and out.shape == wanted.shape
    terms = max(1, y.size // max(1, out.shape[0]))
    scale = np.abs(wanted).max(initial=1)
    assert np.abs(out - wanted).max(initial=0) <= 4 * np.finfo(x.dtype).eps * terms ** 0.5 * scale


SPACE = [(7, 9, 3, 1), (14, 14, 3, 1), (28, 28, 3, 1), (32, 32, 3, 1), (16, 16, 5, 2), (8, 8, 2, 0),
         (5, 40, 3, 0), (33, 17, 3, 1), (6, 6, 6, 5)]  # rows, columns, window, padding
STEPS = [((1, 1), (1, 1)), ((2, 2), (1, 1)), ((3, 2), (2, 1)), ((1, 1), (2, 1)), ((2, 1), (1, 2))]


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=lambda t: t.__name__)
@pytest.mark.parametrize("strides, holes", STEPS)
@pytest.mark.parametrize("rows, columns, window, pad", SPACE)
def test_forward(rows, columns, window, pad, strides, holes, dtype):
    for batch, features, outs in ((2, 3, 8), (3, 5, 11), (1, 4, 3)):
        x = array((batch, features, rows + 6, columns + 6), dtype)
        check(x, array((outs, features, window, window), dtype), "Correlation", strides=strides,
              holes=holes, padding=((pad, pad), (pad, pad + 1)))


@pytest.mark.parametrize("dilation", [(2, 2), (3, 1), (2, 3)])
@pytest.mark.parametrize("window", [1, 2, 3, 5])
def test_gradient_of_the_image_with_strides(dilation, window):
    x, y = array((2, 4, 7, 9)), array((9, 4, window, window))
    check(x, y, dilation=dilation, padding=((window - 1, window - 1), (window - 1, window)))
    if window < 4:  # cropped at one end, some results without any tap
        check(x, y, dilation=dilation, padding=((-1, 2), (3, -1)))


@pytest.mark.parametrize("batch, features, outs, rows, columns, window, stride", [
    (9, 5, 11, 14, 14, 3, 1), (4, 3, 8, 28, 28, 3, 1), (17, 2, 35, 7, 7, 3, 1),
    (4, 3, 8, 15, 13, 3, 2), (2, 1, 1, 20, 20, 5, 1), (3, 4, 6, 16, 16, 1, 1),
    (2, 3, 17, 12, 20, 2, 3)])
def test_gradient_of_the_weights(batch, features, outs, rows, columns, window, stride):
    low = window // 2
    places = [(n + 2 * low - window) // stride + 1 for n in (rows, columns)]
    padding = tuple((low, (p - 1) * stride + window - n - low)
                    for n, p in zip((rows, columns), places))
    x, ct = array((batch, features, rows, columns)), array((batch, outs, *places))
    params = dict(holes=(stride, stride), padding=padding)
    road = "partial" if window == 1 else "PixelSums" if outs >= 8 else "FewSums"
    check(x, ct, road, spec=WEIGHTS, **params)
    turned = [np.ascontiguousarray(a.transpose(0, 2, 3, 1)) for a in (x, ct)]
    check(*turned, road, spec=((3, 0, 1, 2), (3, 0, 1, 2), (2, 3, 0, 1)), **params)
    check(x[:, :, ::-1], ct[:, ::-1, :, ::-1], road, spec=WEIGHTS, **params)


@pytest.mark.parametrize("groups, each_in, each_out", [(2, 3, 4), (4, 1, 1), (4, 1, 2), (8, 2, 8)])
def test_groups(groups, each_in, each_out):
    x, y = array((2, groups * each_in, 9, 11)), array((groups * each_out, each_in, 3, 3))
    check(x, y, "Correlation", groups=groups, padding=((1, 1), (1, 1)))
    x, ct = array((groups * each_in, 9, 14, 15)), array((groups * each_out, 9, 12, 13))
    road = "PixelSums" if each_out >= 8 else "FewSums"
    check(x, ct, road, batch_groups=groups)
    check(x, ct[:, :, :, ::-1], road, batch_groups=groups)


@pytest.mark.parametrize("window", [1, 3])
def test_other_layouts(window):
    x, y = array((2, 9, 11, 4)), array((window, window, 4, 8))
    padding = ((window // 2,) * 2,) * 2
    for out in (LAST[2], (1, 0, 3, 2), (3, 0, 1, 2)):
        check(x, y, spec=(*LAST[:2], out), padding=padding)
        check(x[:, ::-1, ::2], y[::-1, ::-1], spec=(*LAST[:2], out), padding=padding)
    check(array((2, 4, 30)), array((8, 4, 3)), "Correlation", strides=(2,), padding=((1, 1),),
          spec=((0, 1, 2),) * 3)


def test_not_a_number_and_infinity_stay_where_they_belong():
    x, y = array((2, 3, 14, 14)), array((8, 3, 3, 3))
    x[0, 1, 0, 13], x[1, 2, 5, 5], x[1, 0, 13, 0] = np.inf, np.nan, -np.inf
    ct = array((2, 8, 14, 14))
    for left, right, spec in ((x, y, PLAIN), (x, ct, WEIGHTS)):
        out, wanted, _ = both(left, right, spec=spec, padding=((1, 1), (1, 1)))
        np.testing.assert_allclose(out, wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("size", [16, 32, 64])
def test_other_processors_vectors(size, monkeypatch):
    """Blocks and lanes as on processors with vectors of `size` bytes; LLVM makes do here."""
    made = [vectors.vector_bytes, direct.shapes, direct.sum_shapes, direct.correlate,
            direct.sum_pixels, direct.sum_few, copies.turn,
            copies.pad_vectors]
    for cached in made:
        cached.cache_clear()
    monkeypatch.setattr(vectors, "vector_bytes", lambda: size)
    try:
        ct = array((5, 9, 11, 13))
        for groups in (1, 3):
            x, y = array((5, 6, 11, 13)), array((9, 6 // groups, 3, 3))
            check(x, y, "Correlation", padding=((1, 1), (1, 1)), groups=groups)
            check(x, y, "Correlation", strides=(2, 1), padding=((1, 1), (1, 1)), groups=groups)
        check(x, ct, "PixelSums", padding=((1, 1), (1, 1)), spec=WEIGHTS)
        check(x, ct[:, :3], "FewSums", padding=((1, 1), (1, 1)), spec=WEIGHTS)
        check(x.astype(np.float64), ct.astype(np.float64), "PixelSums", padding=((1, 1), (1, 1)),
              spec=WEIGHTS)
    finally:
        for cached in made:
            cached.cache_clear()


def test_what_has_no_fast_road():
    for x, y, params in (
            (array((1, 2, 4, 5, 6)), array((3, 2, 2, 2, 2)), {"spec": ((0, 1, 2, 3, 4),) * 3}),
            (array((2, 3, 7, 7)), array((4, 3, 3, 3)), {"strides": (2, 2), "dilation": (2, 2)}),
            (array((4, 3, 9, 9)), array((6, 3, 2, 2)), {"batch_groups": 2}),
            (array((2, 3, 7, 7), np.complex64), array((4, 3, 3, 3), np.complex64), {}),
            (array((0, 3, 7, 7)), array((4, 3, 3, 3)), {})):
        check(x, y, "NoneType", **params)


def test_half_floats_are_summed_in_single():
    x, y = array((2, 16, 9, 9)).astype(np.float16), array((8, 16, 3, 3)).astype(np.float16)
    out, wanted, _ = both(x, y)
    assert out.dtype == np.float16
    np.testing.assert_allclose(out.astype(float), wanted.astype(float), rtol=2e-3, atol=1e-2)


def test_bits_do_not_depend_on_the_number_of_threads():
    x, y, ct = array((9, 8, 14, 14)), array((16, 8, 3, 3)), array((9, 16, 14, 14))
    results = []
    for threads in (1, 2, 3):
        pool.start(threads)
        results.append([both(a, b, spec=spec, padding=((1, 1), (1, 1)))[0]
                        for a, b, spec in ((x, y, PLAIN), (x, ct, WEIGHTS))])
    pool.start()
    assert all((a == b).all() for r in results[1:] for a, b in zip(r, results[0]))


def test_without_a_compiler_patches_are_unfolded(monkeypatch):
    monkeypatch.setattr(heat, "ready", lambda kind, work: False)
    x, y = array((2, 30, 9, 9)), array((8, 30, 3, 3))  # enough terms for other bits elsewhere
    params = dict(window_strides=(1, 1), padding=((0, 0),) * 2, lhs_dilation=(1, 1),
                  rhs_dilation=(1, 1), dimension_numbers=ConvDimensionNumbers(*PLAIN))
    assert (convolution.conv_general_dilated(x, y, **params)
            == windows.conv_general_dilated(x, y, **params)).all()


def test_machine_code_waits_until_it_pays(monkeypatch):
    monkeypatch.undo()
    monkeypatch.setattr(heat, "seen", {"convolution": 0})
    monkeypatch.setattr(heat, "ENOUGH", {"convolution": 100})
    assert [heat.ready("convolution", 60) for _ in range(4)] == [False, False, True, True]
    monkeypatch.setattr(heat, "_available", None)
    monkeypatch.setenv("MINIGRAD_COMPILER", "numpy")
    assert not heat.ready("convolution", 60)
