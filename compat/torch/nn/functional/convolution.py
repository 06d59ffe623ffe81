"""Convolution and pooling of (N, C, *space), or (C, *space) without a batch."""

from __future__ import annotations

import math

import numpy as np

from compat.torch.operation import operation
from compat.torch.pointwise import like
from compat.torch.joining import cat
from kernels.windows import ConvDimensionNumbers
from minigrad.core import aval_of
from minigrad.ops import elementwise as e
from minigrad.ops.convolution import conv_general_dilated
from minigrad.ops.shaping import reshape, rev, transpose
from minigrad.ops.windows import reduce_window_max, reduce_window_sum


def tuple_of(value, n: int) -> tuple[int, ...]:
    """One number for all dimensions, or one each."""
    if isinstance(value, int):
        return (value,) * n
    value = tuple(int(v) for v in value)
    return value * n if len(value) == 1 else value


# ------------------------------------------------------------------ convolution


@operation(name="convolution", tensors=("input", "weight", "bias"))
def conv_op(input, weight, bias=None, stride=(), padding=(), dilation=(), groups=1):
    rank = len(stride)
    spec = tuple(range(rank + 2))
    out = conv_general_dilated(
        input, weight, window_strides=stride, padding=padding, lhs_dilation=(1,) * rank,
        rhs_dilation=dilation, dimension_numbers=ConvDimensionNumbers(spec, spec, spec),
        feature_group_count=groups)
    return with_bias(out, bias)


def with_bias(out, bias):
    if bias is None:
        return out
    rank = len(aval_of(out).shape)
    return e.add(out, reshape(bias, new_sizes=(1, aval_of(bias).shape[0],
                                               *(1,) * (rank - 2))))


def padding_of(padding, rank, kernel, stride, dilation) -> tuple:
    if padding == "valid":
        return ((0, 0),) * rank
    if padding == "same":
        if any(s != 1 for s in stride):
            raise RuntimeError("padding='same' is not supported for strided convolutions")
        totals = [d * (k - 1) for d, k in zip(dilation, kernel)]
        return tuple((n // 2, n - n // 2) for n in totals)
    return tuple((p, p) for p in tuple_of(padding, rank))


def check_channels(input, weight, groups: int, rank: int, name: str) -> None:
    shape, kernel = input.spec.shape, weight.spec.shape
    if len(shape) != rank + 2:
        raise RuntimeError(f"Expected {rank + 1}D (unbatched) or {rank + 2}D (batched) input to "
                           f"{name}, but got input of size: {list(shape)}")
    if shape[1] != kernel[1] * groups:
        raise RuntimeError(f"Given groups={groups}, weight of size {list(kernel)}, expected "
                           f"input{list(shape)} to have {kernel[1] * groups} channels, but got "
                           f"{shape[1]} channels instead")


def convolution(rank: int):
    name = f"conv{rank}d"

    def conv(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
        single = len(input.spec.shape) == rank + 1
        if single:
            input = input.unsqueeze(0)
        check_channels(input, weight, groups, rank, name)
        stride, dilation = tuple_of(stride, rank), tuple_of(dilation, rank)
        padding = padding_of(padding, rank, weight.spec.shape[2:], stride, dilation)
        for n, k, (low, high), d in zip(input.spec.shape[2:], weight.spec.shape[2:], padding,
                                        dilation):
            if n + low + high < d * (k - 1) + 1:
                raise too_small(input, weight, padding, dilation)
        out = conv_op(input, weight, bias, stride, padding, dilation, groups)
        return out.squeeze(0) if single else out

    conv.__name__ = conv.__qualname__ = name
    conv.__doc__ = f"Cross-correlation over {rank} dimensions of space."
    return conv


def too_small(input, weight, padding, dilation) -> Exception:
    def by(sizes):
        return "(" + " x ".join(map(str, sizes)) + ")"

    space = [n + low + high for n, (low, high) in zip(input.spec.shape[2:], padding)]
    kernel = [d * (k - 1) + 1 for d, k in zip(dilation, weight.spec.shape[2:])]
    return RuntimeError(f"Calculated padded input size per channel: {by(space)}. Kernel size: "
                        f"{by(kernel)}. Kernel size can't be greater than actual input size")


conv1d, conv2d, conv3d = convolution(1), convolution(2), convolution(3)


@operation(name="convolution", tensors=("input", "weight", "bias"))
def conv_transpose_op(input, weight, bias=None, stride=(), padding=(), output_padding=(),
                      dilation=(), groups=1):
    """The transpose of a convolution: a convolution of the input with holes between its elements,
    by the kernel turned round and with its channels exchanged."""
    rank = len(stride)
    c_in, c_out = aval_of(weight).shape[:2]
    kernel = aval_of(weight).shape[2:]
    w = rev(weight, dimensions=tuple(range(2, rank + 2)))
    w = reshape(w, new_sizes=(groups, c_in // groups, c_out, *kernel))
    w = transpose(w, permutation=(0, 2, 1, *range(3, rank + 3)))
    w = reshape(w, new_sizes=(groups * c_out, c_in // groups, *kernel))
    spec = tuple(range(rank + 2))
    sides = tuple((d * (k - 1) - p, d * (k - 1) - p + extra) for k, p, extra, d in
                  zip(kernel, padding, output_padding, dilation))
    out = conv_general_dilated(
        input, w, window_strides=(1,) * rank, padding=sides, lhs_dilation=stride,
        rhs_dilation=dilation, dimension_numbers=ConvDimensionNumbers(spec, spec, spec),
        feature_group_count=groups)
    return with_bias(out, bias)


def transposed(rank: int):
    def conv(input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1,
             dilation=1):
        single = len(input.spec.shape) == rank + 1
        input = input.unsqueeze(0) if single else input
        out = conv_transpose_op(input, weight, bias, *(tuple_of(v, rank) for v in (
            stride, padding, output_padding, dilation)), groups)
        return out.squeeze(0) if single else out

    conv.__name__ = conv.__qualname__ = f"conv_transpose{rank}d"
    conv.__doc__ = f"The transpose of conv{rank}d."
    return conv


conv_transpose1d, conv_transpose2d = transposed(1), transposed(2)


# ------------------------------------------------------------------ pooling


def window(rank: int, ndim: int, kernel, stride, padding, dilation=None) -> dict:
    """Parameters of a window over the last `rank` dimensions."""
    ones = (1,) * (ndim - rank)
    return {"window_dimensions": ones + kernel, "window_strides": ones + stride,
            "padding": ((0, 0),) * (ndim - rank) + padding,
            "base_dilation": (1,) * ndim,
            "window_dilation": ones + (dilation or (1,) * rank)}


def sides(sizes, kernel, stride, padding, dilation, ceil_mode: bool) -> tuple:
    """Padding (low, high); ceil_mode lets a last window stick out, if it starts inside."""
    out = []
    for n, k, s, p, d in zip(sizes, kernel, stride, padding, dilation):
        span = d * (k - 1) + 1
        extra = 0
        if ceil_mode:
            count = math.ceil((n + 2 * p - span) / s) + 1
            if (count - 1) * s >= n + p:
                count -= 1
            extra = max(0, (count - 1) * s + span - (n + 2 * p))
        out.append((p, p + extra))
    return tuple(out)


def pool_arguments(input, rank, kernel_size, stride, padding):
    kernel = tuple_of(kernel_size, rank)
    stride = kernel if stride is None or stride == [] else tuple_of(stride, rank)
    padding = tuple_of(padding, rank)
    if any(p > k // 2 for p, k in zip(padding, kernel)):
        raise RuntimeError("pad should be at most half of effective kernel size, but got pad="
                           f"{max(padding)}, kernel_size={max(kernel)} and dilation=1")
    return kernel, stride, padding


def max_pool_body(input, kernel, stride, padding, dilation):
    ndim, rank = len(aval_of(input).shape), len(kernel)
    return reduce_window_max(input, **window(rank, ndim, kernel, stride, padding, dilation))


def avg_pool_body(input, kernel, stride, padding, divisor):
    """The sum of each window over the number of its elements: `divisor` for all, or one each."""
    ndim, rank = len(aval_of(input).shape), len(kernel)
    total = reduce_window_sum(input, **window(rank, ndim, kernel, stride, padding))
    if isinstance(divisor, int):
        return e.div(total, like(total, divisor))
    counts = np.array(1)
    for row in divisor:
        counts = np.multiply.outer(counts, np.array(row))
    shape = (1,) * (ndim - rank) + counts.shape
    return e.div(total, counts.astype(aval_of(total).dtype).reshape(shape))


def window_counts(n: int, k: int, s: int, p: int, extra: int, include_pad: bool) -> tuple:
    """How many elements each window of one dimension averages."""
    count = (n + 2 * p + extra - k) // s + 1
    high = n + p if include_pad else n
    low = -p if include_pad else 0
    starts = [i * s - p for i in range(count)]
    return tuple(min(start + k, high) - max(start, low) for start in starts)


def max_pool(rank: int):
    names = {1: "max_pool1d", 2: "max_pool2d_with_indices", 3: "max_pool3d_with_indices"}
    op = operation(max_pool_body, name=names[rank], tensors=("input",))

    def pool(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False,
             return_indices=False):
        if return_indices:
            raise NotImplementedError("max pooling with return_indices=True")
        kernel, stride, padding = pool_arguments(input, rank, kernel_size, stride, padding)
        dilation = tuple_of(dilation, rank)
        around = sides(input.spec.shape[-rank:], kernel, stride, padding, dilation, ceil_mode)
        return op(input, kernel, stride, around, dilation)

    pool.__name__ = pool.__qualname__ = f"max_pool{rank}d"
    pool.__doc__ = f"The maximum of each window over {rank} dimensions."
    return pool


def avg_pool(rank: int):
    op = operation(avg_pool_body, name=f"avg_pool{rank}d", tensors=("input",))

    def pool(input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True,
             divisor_override=None):
        kernel, stride, padding = pool_arguments(input, rank, kernel_size, stride, padding)
        space = input.spec.shape[-rank:]
        around = sides(space, kernel, stride, padding, (1,) * rank, ceil_mode)
        if divisor_override is not None:
            divisor = divisor_override
        else:
            divisor = tuple(window_counts(n, k, s, p, high - p, count_include_pad)
                            for n, k, s, p, (_, high) in
                            zip(space, kernel, stride, padding, around))
            if all(set(row) == {k} for row, k in zip(divisor, kernel)):
                divisor = math.prod(kernel)
        return op(input, kernel, stride, around, divisor)

    pool.__name__ = pool.__qualname__ = f"avg_pool{rank}d"
    pool.__doc__ = f"The mean of each window over {rank} dimensions."
    return pool


max_pool1d, max_pool2d = max_pool(1), max_pool(2)
avg_pool1d, avg_pool2d = avg_pool(1), avg_pool(2)


def adaptive_windows(n: int, count: int) -> list[tuple[int, int]]:
    return [(i * n // count, -(-(i + 1) * n // count)) for i in range(count)]


def adaptive(rank: int, pool, reduce):
    def function(input, output_size):
        space = input.spec.shape[-rank:]
        sizes = (output_size,) * rank if isinstance(output_size, int) or output_size is None \
            else tuple(output_size)
        sizes = tuple(n if m is None else m for n, m in zip(space, sizes))
        if set(sizes) == {1}:
            return reduce(input, tuple(range(-rank, 0)), True)
        if all(n % m == 0 for n, m in zip(space, sizes)):
            kernel = tuple(n // m for n, m in zip(space, sizes))
            return pool(input, kernel, kernel)
        out = input
        for i, (n, m) in enumerate(zip(space, sizes)):
            dim = i - rank
            out = cat([reduce(out.narrow(dim, start, stop - start), (dim,), True)
                       for start, stop in adaptive_windows(n, m)], dim)
        return out

    return function


adaptive_avg_pool1d = adaptive(1, avg_pool1d, lambda x, dim, keep: x.mean(dim, keep))
adaptive_avg_pool2d = adaptive(2, avg_pool2d, lambda x, dim, keep: x.mean(dim, keep))
adaptive_max_pool2d = adaptive(2, max_pool2d, lambda x, dim, keep: x.amax(dim, keep))
