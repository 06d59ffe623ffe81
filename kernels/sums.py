"""Convolutions with few results, each a sum over whole images: the gradients of weights.

They arrive as convolutions whose window is the cotangent: the batch of the operand stands for
features there, and its features for images.
"""

from __future__ import annotations

import math

import numpy as np

from kernels import pool
from kernels.correlation import WORTH, Axis, Conv, Padded, bits, held, table
from kernels.memory import address_of

IMAGES_EACH = 8  # images in a partial sum: fixed, so that the bits are
CACHED = 1 << 13  # vectors that go by once for each feature of the image
FEW = 8  # features of the cotangent for each group of the image's


def padded_image(conv: Conv) -> Padded:
    rows, columns = conv.y.shape[2:]
    axes = [Axis(*pair) for pair in zip(
        conv.x.shape[2:], (rows, columns), conv.logical[2:], conv.holes, conv.strides,
        (1, 1), (low for low, _ in conv.padding))]
    return Padded(*axes, conv.x, 1, 0, conv.dtype)


class PixelSums:
    """Many features of the cotangent for each of the image: vectors are features."""

    def __init__(self, conv: Conv):
        from kernels import copies, direct

        self.conv, letter = conv, conv.dtype.char
        features, images = conv.x.shape[:2]
        each_in = features // conv.batch_groups
        each_out = conv.y.shape[0] // conv.batch_groups
        self.padded = padded_image(conv)
        taps = [offset for _, _, offset in self.padded.taps()]
        self.n = direct.lanes(conv.dtype)
        self.taps_each, vectors = min(direct.sum_shapes(), key=lambda s: (
            -(-len(taps) // s[0]) * s[0] * -(-each_out // (s[1] * self.n)) * s[1], -s[0] * s[1]))
        self.taps = held(taps + [taps[-1]] * (-len(taps) % self.taps_each))
        self.width = vectors * self.n
        self.turn = copies.turn(letter).address
        self.sums = direct.sum_pixels(letter, self.taps_each, vectors).address
        # One group's features stand at the start of a vector each.
        self.each_width = -(-each_out // self.width) * self.width
        pixels = math.prod(conv.y.shape[2:])
        self.blocks = held([(g * each_in * self.padded.plane, (g * self.each_width + o) * pixels)
                            for g in range(conv.batch_groups)
                            for o in range(0, self.each_width, self.width)])
        self.each_in, self.each_out, self.tap_count = each_in, each_out, len(taps)
        room = CACHED * self.n // (pixels * self.width)  # images of a block's cotangent
        self.images_each = max(1, min(IMAGES_EACH, room))
        self.parts = -(-images // self.images_each)

    def __call__(self, x, y, out=None):
        conv, padded = self.conv, self.padded
        image = padded.make(address_of(x), self.n)
        images, pixels = padded.images, math.prod(conv.y.shape[2:])
        ct_image = conv.batch_groups * self.each_width * pixels
        ct = np.empty(images * ct_image, conv.dtype)
        steps = conv.y.strides
        if steps[3] != 1 or steps[2] != conv.y.shape[3]:  # pixels must follow each other
            y = np.ascontiguousarray(conv.y.of(y))
            steps = (math.prod(y.shape[1:]), pixels, 0, 0)
        for g in range(conv.batch_groups):
            first = address_of(y) + g * self.each_out * steps[0] * y.itemsize
            blocks = self.each_width // self.n
            pool.run(self.turn, table(
                first, address_of(ct) + g * self.each_width * pixels * y.itemsize, self.each_out,
                pixels, blocks, steps[1], steps[0], ct_image, self.width),
                images * blocks, max(1, WORTH // (4 * self.n * pixels)))
        count = len(self.blocks) // 2
        parts = np.empty((self.parts, count, self.each_in, len(self.taps), self.width), conv.dtype)
        work = min(self.images_each, images) * pixels * len(self.taps) * self.width
        pool.run(self.sums, table(
            address_of(image), address_of(ct), address_of(parts), address_of(self.taps),
            address_of(self.blocks), count, self.each_in, len(self.taps) // self.taps_each,
            padded.plane, padded.plane * padded.features, *conv.y.shape[2:],
            padded.columns.padded, ct_image, self.width, images, self.images_each),
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


class FewSums:
    """Few features of the cotangent for each of the image, one with single channels: vectors are
    pixels of a row."""

    def __init__(self, conv: Conv):
        from kernels import direct

        self.conv, letter = conv, conv.dtype.char
        self.padded = padded_image(conv)
        rows, columns = conv.y.shape[2:]
        n = direct.lanes(conv.dtype)
        taps = [offset for _, _, offset in self.padded.taps()]
        self.taps_each = 9 if len(taps) > 3 else 3
        self.tap_count = len(taps)
        self.taps = held(taps + [taps[-1]] * (-len(taps) % self.taps_each))
        self.vectors = held([
            (row * self.padded.columns.padded + column, row * columns + column,
             bits(0, min(n, columns - column)))
            for row in range(rows) for column in range(0, columns, n)])
        self.sums = direct.sum_few(letter, self.taps_each).address
        self.each_in = conv.x.shape[0] // conv.batch_groups
        self.parts = -(-conv.x.shape[1] // IMAGES_EACH)

    def __call__(self, x, y, out=None):
        conv, padded = self.conv, self.padded
        image = padded.make(address_of(x), 16)
        outs, images, *space = conv.y.shape
        ct = np.ascontiguousarray(conv.y.of(y).swapaxes(0, 1))  # image, feature, pixels
        pixels = math.prod(space)
        parts = np.empty((self.parts, outs, self.each_in, len(self.taps)), conv.dtype)
        work = min(IMAGES_EACH, images) * pixels * len(self.taps) * self.each_in
        pool.run(self.sums, table(
            address_of(image), address_of(ct), address_of(parts), address_of(self.vectors),
            address_of(self.taps), len(self.vectors) // 3, self.each_in,
            outs // conv.batch_groups, len(self.taps) // self.taps_each, padded.plane,
            padded.plane * padded.features, outs * pixels, pixels, images, IMAGES_EACH),
            self.parts * outs, max(1, 8 * WORTH // work))
        total = np.add.reduce(parts)[..., :self.tap_count]
        out = np.empty(conv.out_shape, conv.dtype) if out is None else out
        conv.out.of(out)[...] = total.reshape(
            outs, self.each_in, *conv.logical[2:]).swapaxes(0, 1)
        return out
