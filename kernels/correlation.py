"""Convolution as taps at places: the tables of `kernels/direct.py`.

Strides, holes and padding are settled while the image is copied with zeros around it: with stride
2 it is taken apart into even and odd pixels, and an image dilated by 2 has four kinds of results,
each with its own taps. Then a tap finds its pixel at one offset from the pixel's place.
"""

from __future__ import annotations

import math

import numpy as np

from kernels import pool
from kernels.memory import address_of
from kernels.vectors import vector_bytes

WORTH = 40_000  # multiplications of a chunk: some microseconds

# ------------------------------------------------------------------ what is convolved


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

    def __init__(self, rows: Axis, columns: Axis, view: View, image_axis: int, feature_axis: int,
                 dtype: np.dtype):
        from kernels import copies

        self.rows, self.columns, self.dtype = rows, columns, dtype
        images, features = view.shape[image_axis], view.shape[feature_axis]
        self.part = rows.padded * columns.padded
        self.parts = sorted({(a, b) for met in rows.kinds for _, a, _ in met
                             for others in columns.kinds for _, b, _ in others}) or [(0, 0)]
        self.plane = self.part * len(self.parts)
        self.images, self.features = images, features
        strides = view.strides
        self.held = [held([part[axis] for part in self.parts]) for axis in (0, 1)]
        self.words = (features, strides[image_axis], strides[feature_axis], *strides[2:],
                      rows.size, columns.size, rows.stride, columns.stride, rows.low, columns.low,
                      rows.padded, columns.padded, len(self.parts), *map(address_of, self.held))
        if strides[3] == rows.stride == columns.stride == 1:
            self.by_vectors(strides[image_axis], strides[feature_axis], strides[2])
        else:
            self.kernel = copies.copying("pad_planes", dtype.char).address

    def by_vectors(self, x_image: int, x_feature: int, x_row: int) -> None:
        """Pixels that follow each other are copied a vector at a time."""
        from kernels import copies, direct

        rows, columns, n = self.rows, self.columns, direct.lanes(self.dtype)
        vectors, full = [], columns.padded >= n
        for j in range(0, columns.padded, n):
            j = min(j, columns.padded - n) if full else j  # the last writes some pixels again
            first = min(max(columns.low - j, 0), n)
            last = min(max(columns.low + columns.size - j, first), n)
            vectors.append((j - columns.low, bits(first, last),
                            bits(0, min(n, columns.padded - j))))
        self.held.append(held(vectors))
        self.kernel = copies.pad_vectors(self.dtype.char).address
        self.words = (address_of(self.held[-1]), len(vectors), self.features, x_image, x_feature,
                      x_row, rows.size, rows.low, columns.low, rows.padded, columns.padded, full)

    def offset(self, row_part, row_shift, column_part, column_shift) -> int:
        return (self.parts.index((row_part, column_part)) * self.part
                + (row_shift + self.rows.low) * self.columns.padded
                + column_shift + self.columns.low)

    def taps(self, row_kind: int = 0, column_kind: int = 0):
        """(row of the tap, its column, what it adds to the place of a pixel)"""
        return [(i, j, self.offset(a, row, b, column))
                for i, a, row in self.rows.kinds[row_kind]
                for j, b, column in self.columns.kinds[column_kind]]

    def make(self, source: int, slack: int):
        out = np.empty(self.images * self.features * self.plane + slack, self.dtype)
        out[-slack:] = 0
        units = self.images * self.features
        pool.run(self.kernel, table(source, address_of(out), *self.words), units,
                 max(1, WORTH // (2 * self.plane)))
        return out


def runs(rows: int, columns: int, padded: int, n: int):
    """Vectors of `n` lanes over rows x columns pixels of a plane whose rows have `padded`.

    Either each row by itself, the last vector ending where the row does, or straight on over the
    ends of rows; whichever takes less. Storing some lanes of a vector takes AVX2 about a quarter
    of the time of the vector's sums, and AVX-512 nothing.
    Yields (first place in the plane, [(row, column of lane 0, first lane, last lane + 1), ...]).
    """
    straight = (rows - 1) * padded + columns
    some_lanes = 0.25 if vector_bytes() == 32 else 0.0
    by_rows = rows * -(-columns // n) + rows * some_lanes * (columns < n)
    if -(-straight // n) + 2 * rows * some_lanes < by_rows:
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
            column = max(0, min(column, columns - n))  # some pixels are computed again
            yield row * padded + column, [(row, column, 0, min(n, columns - column))]


def bits(first: int, last: int) -> int:
    return (1 << last) - (1 << first)


# ------------------------------------------------------------------ pixels by taps


class Correlation:
    """Results at every pixel."""

    def __init__(self, conv: Conv):
        from kernels import copies, direct

        self.conv, letter = conv, conv.dtype.char
        _, out_features, rows, columns = conv.logical
        images, features = conv.x.shape[:2]
        each_in, each_out = features // conv.groups, out_features // conv.groups
        axes = [Axis(*pair) for pair in zip(
            conv.x.shape[2:], (rows, columns), conv.y.shape[2:], conv.strides, conv.holes,
            conv.dilation, (low for low, _ in conv.padding))]
        self.padded = Padded(*axes, conv.x, 0, 1, conv.dtype)
        n = direct.lanes(conv.dtype)
        block, vectors = direct.block_for(each_out, sum(1 for _ in runs(
            axes[0].counts[0], axes[1].counts[0], axes[1].padded, n)))
        self.pack = copies.copying("pack_weights", letter).address
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
        image = padded.make(address_of(x), self.slack)
        for taps, weight_taps, offsets, places, starts, segments, step in self.kinds:
            if not taps:
                continue
            packed = np.empty(self.count * self.each_in * taps * self.block, conv.dtype)
            pool.run(self.pack, table(
                address_of(y), address_of(packed), address_of(self.places),
                address_of(self.counts), address_of(weight_taps), taps, self.each_in,
                conv.y.strides[0], conv.y.strides[1], self.block),
                self.count, max(1, WORTH // (8 * taps * self.each_in * self.block)))
            work = len(places) // (len(starts) - 1) * taps * self.each_in * self.block \
                * self.count * 16
            units = len(starts) - 1
            pool.run(self.correlate, table(
                address_of(image), address_of(packed), address_of(out), address_of(places),
                address_of(offsets), address_of(starts), address_of(segments),
                address_of(self.blocks), self.count, units, self.each_in, taps,
                padded.plane, padded.plane * padded.features, conv.out.strides[0],
                conv.out.strides[1], step), padded.images * units,
                max(1, 16 * WORTH // work))
        return out


def table(*words: int) -> bytes:
    return np.array(words, np.int64).tobytes()


def held(values) -> np.ndarray:
    return np.ascontiguousarray(values, np.int64).reshape(-1)
