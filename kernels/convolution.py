"""Convolution: which road a shape takes.

Four roads give equal results:

* a window of one pixel is a product of matrices (`kernels/blas.py`);
* `Correlation`: sums of taps for each pixel, on vectors of pixels: forward, and gradients of the
  image (`kernels/correlation.py`);
* `PixelSums`: few results, each a sum over whole images: gradients of the weights
  (`kernels/sums.py`);
* anything else (three axes, stride and dilation together) unfolds patches and multiplies
  (`kernels/windows.py`).

Where there is no LLVM the last road serves all. Machine code is
made only when enough work has been done without it (`kernels/heat.py`), so that the first calls
are not slower than NumPy's.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache, partial

import numpy as np

from kernels import blas, heat, windows
from kernels.correlation import Conv, Correlation, View
from kernels.memory import placed
from kernels.reference import is_half
from kernels.sums import FEW, FewSums, PixelSums

SMALLEST = 20_000  # multiplications for which tables are worth looking up
F32, F64 = np.dtype("f"), np.dtype("d")


def conv_general_dilated(
    lhs, rhs, *, window_strides, padding, lhs_dilation, rhs_dilation, dimension_numbers,
    feature_group_count=1, batch_group_count=1, preferred_element_type=None, out=None, **_,
):  # fmt: skip
    """As `windows.conv_general_dilated`, the fastest way there is for these shapes; written to
    `out`, contiguous, where that is given."""
    dtype = lhs.dtype
    unfold = dict(
        window_strides=window_strides, padding=padding, lhs_dilation=lhs_dilation,
        rhs_dilation=rhs_dilation, dimension_numbers=dimension_numbers,
        feature_group_count=feature_group_count, batch_group_count=batch_group_count,
        preferred_element_type=preferred_element_type)
    if preferred_element_type not in (None, dtype) or not heat.ready("convolution", lhs.size):
        return placed(windows.conv_general_dilated(lhs, rhs, **unfold), out)
    if is_half(dtype):
        lhs, rhs = lhs.astype(np.float32), rhs.astype(np.float32)
    road = plan(lhs.shape, lhs.strides, rhs.shape, rhs.strides, lhs.dtype, tuple(window_strides),
                tuple(map(tuple, padding)), tuple(lhs_dilation), tuple(rhs_dilation),
                dimension_numbers, feature_group_count, batch_group_count)
    if road is not None and lhs.dtype == dtype:
        return road(lhs, rhs, out)
    result = windows.conv_general_dilated(lhs, rhs, **unfold) if road is None else road(lhs, rhs)
    return placed(result.astype(dtype, copy=False), out)


conv_general_dilated.into = True  # type: ignore[attr-defined]


# ------------------------------------------------------------------ which road


@lru_cache(1024)
def plan(x_shape, x_strides, y_shape, y_strides, dtype, strides, padding, dilation, holes,
         dimension_numbers, groups, batch_groups) -> Callable | None:
    """The road for these shapes: a function of the operands; None where patches are unfolded."""
    x_spec, y_spec, out_spec = dimension_numbers
    itemsize = dtype.itemsize
    if (dtype not in (F32, F64) or len(strides) not in (1, 2) or 0 in x_shape + y_shape
            or any(s % itemsize for s in x_strides + y_strides)):
        return None
    room = [(n - 1) * d + 1 + low + high - (k - 1) * h - 1 for n, d, (low, high), k, h in zip(
        (x_shape[i] for i in x_spec[2:]), dilation, padding, (y_shape[i] for i in y_spec[2:]),
        holes)]
    if min(room) < 0:
        return None
    conv = Conv(View(x_shape, x_strides, x_spec, itemsize),
                View(y_shape, y_strides, y_spec, itemsize), dtype, strides, padding, dilation,
                holes, out_spec, groups, batch_groups)
    if conv.multiplications < SMALLEST:
        return None
    window, positions = math.prod(conv.y.shape[2:]), math.prod(conv.logical[2:])
    if any(s > 1 and d > 1 for s, d in zip(conv.strides, conv.dilation)):
        return None
    if window == 1 or positions == 1:
        road = pointwise(conv)
        if road is not None:
            return road
    if window > positions:
        few = groups == 1 and max(conv.dilation) == 1 and window >= 16
        if not few:
            return None
        many = conv.y.shape[0] // batch_groups >= FEW
        return PixelSums(conv) if many else FewSums(conv)
    return Correlation(conv) if batch_groups == 1 else None


# ------------------------------------------------------------------ windows of one pixel


def pointwise(conv: Conv) -> Callable | None:
    """Windows of one pixel, or one window of the image's size: products of matrices."""
    plain = (max(*conv.strides, *conv.dilation, conv.groups, conv.batch_groups) == 1
             and not any(map(any, conv.padding)))
    if not plain:
        return None
    batch, _, rows, columns = conv.logical
    if (rows, columns) == (1, 1):  # every image by itself, as one product would not be
        def sums(x, y):
            return np.add.reduce(blas.dot(
                conv.x.of(x), conv.y.of(y), (((2, 3), (2, 3)), ((1,), (1,)))))[:, :, None, None]

        return partial(arranged, conv, sums)
    if conv.out.strides[1] == 1:
        def features_last(x, y):
            return blas.dot(conv.x.of(x), conv.y.of(y)[:, :, 0, 0],
                            (((1,), (1,)), ((), ()))).transpose(0, 3, 1, 2)

        return partial(arranged, conv, features_last)

    def each_image(x, y):
        weights = np.broadcast_to(conv.y.of(y)[:, :, 0, 0], (batch, *conv.y.shape[:2]))
        return blas.dot(weights, conv.x.of(x), (((2,), (1,)), ((0,), (0,))))

    return partial(arranged, conv, each_image)


def arranged(conv: Conv, product: Callable, x, y, out=None):
    """A product (batch, feature, row, column) as the result has its axes; copied only where they
    differ."""
    order = np.argsort([-s for s in conv.out.strides], kind="stable")
    result = product(x, y).transpose(order).reshape(conv.out_shape)
    return np.ascontiguousarray(result) if out is None else placed(result, out)
