"""Convolution of (N, C, *space), or (C, *space) without a batch."""

from __future__ import annotations

from compat.torch.operation import operation
from kernels.windows import ConvDimensionNumbers
from minigrad.core import aval_of
from minigrad.ops import elementwise as e
from minigrad.ops.convolution import conv_general_dilated
from minigrad.ops.shaping import reshape, rev, transpose


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


def check_numbers(stride, padding, dilation) -> None:
    for what, values, least in (("non-positive stride is not supported", stride, 1),
                                ("negative padding is not supported", padding, 0),
                                ("dilation should be greater than zero", dilation, 1)):
        if min(values) < least:
            raise RuntimeError(what)


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
        check_numbers(stride, [low for low, _ in padding], dilation)
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


conv_transpose1d, conv_transpose2d, conv_transpose3d = map(transposed, (1, 2, 3))


def conv_tbc(input, weight, bias, pad=0):
    """conv1d of (time, batch, channels)."""
    out = conv1d(input.permute(1, 2, 0), weight.permute(2, 1, 0), bias, padding=pad)
    return out.permute(2, 0, 1)
