"""Convolution: which road a shape takes, and the tables that lead the kernels along it.

Four roads give equal results:

* a window of one pixel is a product of matrices (`kernels/blas.py`);
* `Correlation`: sums of taps for each pixel, on vectors of pixels (`kernels/direct.py`). Strides,
  holes and padding are settled while the image is copied with zeros around it: with stride 2 it is
  taken apart into even and odd pixels, and an image dilated by 2 has four kinds of results, each
  with its own taps. Then every tap is one offset. Forward, and gradients of the image;
* `PixelSums`: few results, each a sum over a whole image: gradients of the weights, which arrive
  as convolutions whose window is the cotangent;
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

from kernels import blas, heat, pool, windows
from kernels.memory import address_of, placed
from kernels.reference import is_half

WORTH = 40_000  # multiplications of a chunk: some microseconds
SMALLEST = 20_000  # multiplications for which tables are worth looking up
IMAGES_EACH = 8  # images in a partial sum of PixelSums: fixed, so the bits are
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


class View:
    """Shape and strides, in elements, of one operand with axes (batch, feature, row, column)."""

    def __init__(self, shape, strides, spec, itemsize):
        order = [*spec[:2], *([None] if len(spec) == 3 else []), *spec[2:]]
        self.shape = tuple(1 if i is None else shape[i] for i in order)
        self.strides = tuple(0 if i is None else strides[i] // itemsize for i in order)

    def of(self, array):
        """The array with these axes."""
        return np.lib.stride_tricks.as_strided(
            array, self.shape, tuple(s * array.itemsize for s in self.strides))


class Conv:
    """One convolution with two axes of space (the first of size one where there is one)."""

    def __init__(self, x: View, y: View, dtype, strides, padding, dilation, holes, out_spec,
                 groups, batch_groups):
        self.x, self.y, self.dtype = x, y, dtype
        self.groups, self.batch_groups = groups, batch_groups
        lone = len(strides) == 1
        self.strides = (1, *strides) if lone else strides
        self.padding = ((0, 0), *padding) if lone else padding
        self.dilation = (1, *dilation) if lone else dilation
        self.holes = (1, *holes) if lone else holes
        sizes = [max(0, (1 + d * (n - 1) if n else 0) + low + high - (1 + h * (k - 1))) // s + 1
                 for n, k, s, (low, high), d, h in zip(
                     x.shape[2:], y.shape[2:], self.strides, self.padding, self.dilation,
                     self.holes)]
        self.logical = (x.shape[0] // batch_groups, y.shape[0], *sizes)  # batch, feature, space
        own = (*self.logical[:2], sizes[1]) if lone else self.logical
        self.out_shape = tuple(own[i] for i in np.argsort(out_spec))
        steps = np.cumprod((1, *self.out_shape[:0:-1]))[::-1]
        self.out = View(self.out_shape, steps * dtype.itemsize, out_spec, dtype.itemsize)
        self.multiplications = math.prod(self.logical) * math.prod(y.shape[1:])


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
        return PixelSums(conv) if few else None
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


# ------------------------------------------------------------------ taps and places


class Axis:
    """How pixels and taps meet along one axis.

    Pixel `o` under tap `k` is at o * stride + k * hole - low of the dilated image. With a stride
    it is pixel `o + shift` of those that are `part` modulo the stride. With a dilation, results
    of `kind` (modulo the dilation) meet only every so many taps. `kinds[r]` lists (k, part, shift).
    """

    def __init__(self, size, pixels, taps, stride, hole, dilation, low):
        self.size, self.stride, self.dilation = size, stride, dilation
        self.kinds: list[list[tuple[int, int, int]]] = []
        for r in range(dilation):
            met = []
            for k in range(taps):
                place = r + k * hole - low
                if dilation > 1:
                    if place % dilation == 0:
                        met.append((k, 0, place // dilation))
                else:
                    met.append((k, place % stride, place // stride))
            self.kinds.append(met)
        shifts = [shift for met in self.kinds for _, _, shift in met] or [0]
        self.low = -min(shifts)
        self.counts = [max(0, -(-(pixels - r) // dilation)) for r in range(dilation)]
        self.padded = max(self.counts) + max(shifts) - min(shifts)


class Padded:
    """The copy of an image with zeros around, taken apart by strides; how it is made."""

    def __init__(self, rows: Axis, columns: Axis, view: View, images: int, features: int,
                 image_axis: int, feature_axis: int):
        self.rows, self.columns = rows, columns
        self.part = rows.padded * columns.padded
        self.plane = self.part * rows.stride * columns.stride
        self.images, self.features = images, features
        strides = view.strides
        self.words = (features, strides[image_axis], strides[feature_axis], *strides[2:],
                      rows.size, columns.size, rows.stride, columns.stride, rows.low, columns.low,
                      rows.padded, columns.padded, self.plane)

    def offset(self, row_part, row_shift, column_part, column_shift) -> int:
        return ((row_part * self.columns.stride + column_part) * self.part
                + (row_shift + self.rows.low) * self.columns.padded
                + column_shift + self.columns.low)

    def taps(self, row_kind: int = 0, column_kind: int = 0):
        """(row of the tap, its column, what it adds to the place of a pixel)"""
        return [(i, j, self.offset(a, row, b, column))
                for i, a, row in self.rows.kinds[row_kind]
                for j, b, column in self.columns.kinds[column_kind]]

    def make(self, kernel: int, source: int, dtype, slack: int):
        out = np.empty(self.images * self.features * self.plane + slack, dtype)
        out[-slack:] = 0
        units = self.images * self.features
        pool.run(kernel, table(source, address_of(out), *self.words), units,
                 max(1, WORTH // (2 * self.plane)))
        return out


def runs(rows: int, columns: int, padded: int, n: int):
    """Vectors of `n` lanes over rows x columns pixels of a plane whose rows have `padded`.

    Either each row by itself, or straight on over the ends of rows; whichever takes fewer. Yields
    (first place in the plane, [(row, column of lane 0, first lane, last lane + 1), ...]).
    """
    straight = (rows - 1) * padded + columns
    if -(-straight // n) < rows * -(-columns // n):
        for place in range(0, straight, n):
            pieces = []
            for row in range(place // padded, min((place + n - 1) // padded, rows - 1) + 1):
                column = place - row * padded  # of lane 0, if its row went on to the left
                first, last = max(0, -column), min(n, columns - column)
                if first < last:
                    pieces.append((row, column, first, last))
            yield place, pieces
        return
    for row in range(rows):
        for column in range(0, columns, n):
            yield row * padded + column, [(row, column, 0, min(n, columns - column))]


def bits(first: int, last: int) -> int:
    return (1 << last) - (1 << first)


# ------------------------------------------------------------------ pixels by taps


class Correlation:
    """Results at every pixel."""

    def __init__(self, conv: Conv):
        from kernels import direct

        self.conv, letter = conv, conv.dtype.char
        _, out_features, rows, columns = conv.logical
        images, features = conv.x.shape[:2]
        each_in, each_out = features // conv.groups, out_features // conv.groups
        axes = [Axis(*pair) for pair in zip(
            conv.x.shape[2:], (rows, columns), conv.y.shape[2:], conv.strides, conv.holes,
            conv.dilation, (low for low, _ in conv.padding))]
        self.padded = Padded(*axes, conv.x, images, features, 0, 1)
        block, vectors = min((s for s in direct.shapes() if 2 * s[0] <= each_out + s[0]),
                             key=lambda s: -(-each_out // s[0]))
        n = direct.lanes(conv.dtype)
        copies = direct.copies(letter)
        self.pad, self.pack = copies["pad_planes"].address, copies["pack_weights"].address
        self.correlate = direct.correlate(letter, block, vectors).address
        self.slack = n * (vectors + 1)
        starts = [(g * each_out + o, g, min(block, each_out - o))
                  for g in range(conv.groups) for o in range(0, each_out, block)]
        self.blocks = held([(g * each_in * self.padded.plane, o * conv.out.strides[1], count)
                            for o, g, count in starts])
        self.places = held([o * conv.y.strides[0] for o, _, _ in starts])
        self.counts = held([count for _, _, count in starts])
        self.each_in, self.block, self.count = each_in, block, len(starts)
        self.kinds = [self.kind(i, j, n, vectors) for i in range(conv.dilation[0])
                      for j in range(conv.dilation[1])
                      if axes[0].counts[i] and axes[1].counts[j]]

    def kind(self, i: int, j: int, n: int, per_block: int):
        """Taps and vectors of the results that are (i, j) modulo the dilation of the image."""
        conv, padded = self.conv, self.padded
        taps = padded.taps(i, j)
        step_row, step_column = (d * s for d, s in zip(conv.dilation, conv.out.strides[2:]))
        first = i * conv.out.strides[2] + j * conv.out.strides[3]
        places, segments, starts = [], [], [0]
        for place, pieces in runs(padded.rows.counts[i], padded.columns.counts[j],
                                  padded.columns.padded, n):
            which = len(places) % per_block
            places.append(place)
            segments += [(which, first + row * step_row + column * step_column,
                          bits(first_lane, last_lane))
                         for row, column, first_lane, last_lane in pieces]
            if which == per_block - 1:
                starts.append(len(segments))
        if len(places) % per_block:
            places += [places[-1]] * (-len(places) % per_block)
            starts.append(len(segments))
        y = conv.y.strides
        return (len(taps), held([row * y[2] + column * y[3] for row, column, _ in taps]),
                held([offset for _, _, offset in taps]), held(places), held(starts),
                held(segments), step_column)

    def __call__(self, x, y, out=None):
        conv, padded = self.conv, self.padded
        missing = any(taps == 0 for taps, *_ in self.kinds)
        out = np.empty(conv.out_shape, conv.dtype) if out is None else out
        if missing:
            out[...] = 0
        image = padded.make(self.pad, address_of(x), conv.dtype, self.slack)
        for taps, weight_taps, offsets, places, starts, segments, step in self.kinds:
            if not taps:
                continue
            packed = np.empty(self.count * self.each_in * taps * self.block, conv.dtype)
            pool.run(self.pack, table(
                address_of(y), address_of(packed), address_of(self.places),
                address_of(self.counts), address_of(weight_taps), taps, self.each_in,
                conv.y.strides[0], conv.y.strides[1], self.block),
                self.count, max(1, WORTH // (8 * taps * self.each_in * self.block)))
            work = len(places) * taps * self.each_in * self.block * 16
            pool.run(self.correlate, table(
                address_of(image), address_of(packed), address_of(out), address_of(places),
                address_of(offsets), address_of(starts), address_of(segments),
                address_of(self.blocks), self.count, len(starts) - 1, self.each_in, taps,
                padded.plane, padded.plane * padded.features, conv.out.strides[0],
                conv.out.strides[1], step), padded.images * self.count,
                max(1, 16 * WORTH // work))
        return out


# ------------------------------------------------------------------ sums over pixels


class PixelSums:
    """Few results, each a sum over images and pixels. The batch of the operand stands for features,
    and its features for images: that is how the gradient of the weights arrives."""

    def __init__(self, conv: Conv):
        from kernels import direct

        self.conv, letter = conv, conv.dtype.char
        features, images = conv.x.shape[:2]
        out_features, _, rows, columns = conv.y.shape
        each_in, each_out = features // conv.batch_groups, out_features // conv.batch_groups
        axes = [Axis(*pair) for pair in zip(
            conv.x.shape[2:], (rows, columns), conv.logical[2:], conv.holes, conv.strides,
            (1, 1), (low for low, _ in conv.padding))]
        self.padded = Padded(*axes, conv.x, images, features, 1, 0)
        taps = [offset for _, _, offset in self.padded.taps()]
        self.n = direct.lanes(conv.dtype)
        self.taps_each, vectors = min(direct.sum_shapes(), key=lambda s: (
            -(-len(taps) // s[0]) * s[0] * -(-each_out // (s[1] * self.n)) * s[1], -s[0] * s[1]))
        self.taps = held(taps + [taps[-1]] * (-len(taps) % self.taps_each))
        self.width = vectors * self.n
        self.pad = direct.copies(letter)["pad_planes"].address
        self.turn = direct.turn(letter).address
        self.sums = direct.sum_pixels(letter, self.taps_each, vectors).address
        # One group's features stand at the start of a vector each.
        self.each_width = -(-each_out // self.width) * self.width
        self.blocks = held([(g * each_in * self.padded.plane, g * self.each_width + o)
                            for g in range(conv.batch_groups)
                            for o in range(0, self.each_width, self.width)])
        self.each_in, self.each_out, self.tap_count = each_in, each_out, len(taps)
        self.parts = -(-images // IMAGES_EACH)

    def __call__(self, x, y, out=None):
        conv, padded = self.conv, self.padded
        image = padded.make(self.pad, address_of(x), conv.dtype, self.n)
        images, pixels = padded.images, math.prod(conv.y.shape[2:])
        ct_pixel = conv.batch_groups * self.each_width
        ct = np.empty((images, pixels, ct_pixel), conv.dtype)
        steps = conv.y.strides
        if steps[3] != 1 or steps[2] != conv.y.shape[3]:  # pixels must follow each other
            y = np.ascontiguousarray(conv.y.of(y))
            steps = (math.prod(y.shape[1:]), pixels, 0, 0)
        for g in range(conv.batch_groups):
            first = address_of(y) + g * self.each_out * steps[0] * y.itemsize
            blocks = self.each_width // self.n
            pool.run(self.turn, table(
                first, address_of(ct) + g * self.each_width * y.itemsize, self.each_out, pixels,
                blocks, steps[1], steps[0], pixels * ct_pixel, ct_pixel),
                images * blocks, max(1, WORTH // (4 * self.n * pixels)))
        count = len(self.blocks) // 2
        parts = np.empty((self.parts, count, self.each_in, len(self.taps), self.width), conv.dtype)
        work = min(IMAGES_EACH, images) * pixels * len(self.taps) * self.width
        pool.run(self.sums, table(
            address_of(image), address_of(ct), address_of(parts), address_of(self.taps),
            address_of(self.blocks), count, self.each_in, len(self.taps) // self.taps_each,
            padded.plane, padded.plane * padded.features, *conv.y.shape[2:],
            padded.columns.padded, pixels * ct_pixel, ct_pixel, images, IMAGES_EACH),
            self.parts * count * self.each_in, max(1, 16 * WORTH // work))
        return self.arranged(np.add.reduce(parts) if self.parts > 1 else parts[0], out)

    def arranged(self, sums, out):
        """(group and block, feature of x, tap, feature of y) as the result has its axes."""
        conv = self.conv
        out = np.empty(conv.out_shape, conv.dtype) if out is None else out
        features, _, rows, columns = conv.logical
        steps = conv.out.strides
        target = np.lib.stride_tricks.as_strided(
            out, (conv.batch_groups, features, rows, columns, self.each_out),
            tuple(s * out.itemsize for s in (self.each_out * steps[1], steps[0], *steps[2:],
                                             steps[1])))
        sums = sums[:, :, :self.tap_count].reshape(
            conv.batch_groups, -1, features, rows, columns, self.width)
        for first in range(0, self.each_out, self.width):
            part = target[..., first:first + self.width]
            part[...] = sums[:, first // self.width, ..., :part.shape[-1]]
        return out


def table(*words: int) -> bytes:
    return np.array(words, np.int64).tobytes()


def held(values) -> np.ndarray:
    return np.ascontiguousarray(values, np.int64).reshape(-1)
