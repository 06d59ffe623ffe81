"""Pooling in machine code against NumPy's, which is tested against JAX."""

import ml_dtypes
import numpy as np
import pytest

from kernels import heat, pool, pooling, windows

pytestmark = pytest.mark.skipif(not heat.available(), reason="no LLVM here: there is one road")

WINDOWS = {  # shape, window, strides, padding
    "pairs": ((2, 3, 8, 10), (1, 1, 2, 2), (1, 1, 2, 2), ((0, 0),) * 4),
    "pairs, odd sizes": ((2, 3, 9, 11), (1, 1, 2, 2), (1, 1, 2, 2), ((0, 0),) * 4),
    "overlapping": ((2, 3, 9, 11), (1, 1, 3, 3), (1, 1, 2, 2), ((0, 0),) * 2 + ((1, 1),) * 2),
    "every place": ((2, 3, 9, 11), (1, 1, 3, 3), (1,) * 4, ((0, 0),) * 2 + ((0, 2), (2, 0))),
    "padded pairs": ((2, 3, 40, 40), (1, 1, 2, 2), (1, 1, 2, 2), ((0, 0),) * 2 + ((1, 1),) * 2),
    "channels last": ((2, 8, 10, 5), (1, 2, 2, 1), (1, 2, 2, 1), ((0, 0),) * 4),
    "last, padded": ((2, 9, 11, 5), (1, 2, 3, 1), (1, 2, 3, 1), ((0, 0), (1, 0), (0, 1), (0, 0))),
    "one axis": ((3, 20), (1, 3), (1, 2), ((0, 0), (1, 1))),
    "a vector": ((20,), (4,), (4,), ((0, 0),)),
    "a matrix": ((4, 6), (2, 2), (2, 2), ((0, 0),) * 2),
    "only strides": ((2, 3, 7, 7), (1,) * 4, (1, 1, 2, 2), ((0, 0),) * 4),
}
OTHERS = {
    "three axes": ((2, 4, 4, 4), (1, 2, 2, 2), (1, 2, 2, 2), ((0, 0),) * 4),
    "cropped": ((2, 8, 8), (1, 2, 2), (1, 2, 2), ((0, 0), (-1, 0), (0, 0))),
    "apart": ((4, 6, 4), (2, 1, 2), (2, 1, 2), ((0, 0),) * 3),
    "no places": ((2, 1, 3), (1, 2, 2), (1, 2, 2), ((0, 0),) * 3),
}


@pytest.fixture(autouse=True)
def hot(monkeypatch):
    monkeypatch.setattr(heat, "ready", lambda kind, work: True)


def array(shape, dtype):
    x = np.random.default_rng(len(shape)).integers(-3, 4, shape).astype(dtype)
    if x.size > 7:
        x.flat[3], x.flat[7] = np.nan, np.inf
    return x


def named(window, strides, padding):
    return dict(window_dimensions=window, window_strides=strides, padding=padding)


CASES = [(name, np.float32) for name in (*WINDOWS, *OTHERS)]
CASES += [(name, np.float64) for name in ("pairs", "overlapping", "channels last")]


@pytest.mark.parametrize("name, dtype", CASES)
def test_windows(name, dtype):
    shape, *window = (WINDOWS | OTHERS)[name]
    x, params = array(shape, dtype), named(*window)
    fast = pooling.geometry(shape, x.dtype, *window, None, None)
    assert (fast is not None) == (name in WINDOWS)
    for op in ("reduce_window_max", "reduce_window_min", "reduce_window_sum"):
        out, wanted = getattr(pooling, op)(x, **params), getattr(windows, op)(x, **params)
        assert out.dtype == wanted.dtype
        np.testing.assert_array_equal(out, wanted)
    ct = np.random.default_rng(1).integers(-5, 6, wanted.shape).astype(dtype)
    for prefer in ("ge", "le"):
        out, wanted = (where.select_and_scatter_add(ct, x, select_prim=prefer, **params)
                       for where in (pooling, windows))
        np.testing.assert_array_equal(out, wanted)


def test_views_and_half_floats():
    shape, *window = WINDOWS["pairs"]
    x = array(shape[::-1], np.float32).T
    params = named(*window)
    np.testing.assert_array_equal(pooling.reduce_window_max(x, **params),
                                  windows.reduce_window_max(x, **params))
    for half in (np.float16, ml_dtypes.bfloat16):
        for op in ("reduce_window_sum", "reduce_window_max"):
            out, wanted = (getattr(where, op)(x.astype(half), **params)
                           for where in (pooling, windows))
            assert out.dtype == half
            np.testing.assert_array_equal(out.astype(float), wanted.astype(float))


def test_bits_do_not_depend_on_the_number_of_threads():
    shape, *window = WINDOWS["overlapping"]
    x = np.random.default_rng(0).standard_normal((8, 9, 30, 30)).astype(np.float32)
    results = []
    for threads in (1, 2, 3):
        pool.start(threads)
        out = pooling.reduce_window_sum(x, **named(*window))
        results.append((out, pooling.select_and_scatter_add(
            out, x, select_prim="ge", **named(*window))))
    pool.start()
    assert all((a == b).all() for r in results[1:] for a, b in zip(r, results[0]))


def test_the_gradient_of_max_pooling_on_the_tape():
    import compat.torch as torch

    x = torch.tensor([[[[1.0, 5.0, 4.0, 3.0], [2.0, 0.0, 1.0, 4.0]]]], requires_grad=True)
    torch.nn.functional.max_pool2d(x, 2).sum().backward()
    assert x.grad.tolist() == [[[[0.0, 1.0, 1.0, 0.0], [0.0, 0.0, 0.0, 0.0]]]]
