"""jax.lax: convolutions built from others, and the shapes that convolutions have."""

from __future__ import annotations

from typing import Any

import numpy as np

from compat.jax.array import as_array
from compat.jax.lax.products import (
    ConvDimensionNumbers, conv_dimension_numbers, conv_general_dilated, dot_general, padding_pairs,
)
from compat.jax.lax.shapes import transpose


ConvGeneralDilatedDimensionNumbers = Any  # None, names of the layouts, or ConvDimensionNumbers


def padtype_to_pads(in_shape, window_shape, window_strides, padding) -> list[tuple[int, int]]:
    """"SAME", "SAME_LOWER" or "VALID" as (low, high) for each axis."""
    name = getattr(padding, "name", padding)
    if name not in ("SAME", "SAME_LOWER", "VALID"):
        raise RuntimeError(f"Unrecognized padding type: expected 'VALID', 'SAME' or 'SAME_LOWER', "
                           f"got {padding}.")
    return list(padding_pairs(name, in_shape, window_shape, window_strides))


def conv_with_general_padding(lhs, rhs, window_strides, padding, lhs_dilation, rhs_dilation,
                              precision=None, preferred_element_type=None):
    """Convolution of NCHW images with OIHW filters, dilated."""
    return conv_general_dilated(lhs, rhs, window_strides, padding, lhs_dilation, rhs_dilation,
                                precision=precision, preferred_element_type=preferred_element_type)


def conv_general_dilated_patches(lhs, filter_shape, window_strides, padding, lhs_dilation=None,
                                 rhs_dilation=None, dimension_numbers=None, precision=None,
                                 preferred_element_type=None):
    """The windows that a convolution would see, flat in the feature axis."""
    lhs = as_array(lhs)
    filter_shape = tuple(filter_shape)
    rank, count = len(filter_shape), int(np.prod(filter_shape))
    numbers = conv_dimension_numbers(lhs.shape, (1, 1, *filter_shape), dimension_numbers) \
        if not isinstance(dimension_numbers, tuple) or isinstance(
            dimension_numbers, ConvDimensionNumbers) else conv_dimension_numbers(
                lhs.shape, (1,) * lhs.ndim, dimension_numbers)
    channels = lhs.shape[numbers.lhs_spec[1]]
    eye = np.eye(count, dtype=lhs.dtype).reshape(count, 1, *filter_shape)
    rhs = np.tile(eye, (channels,) + (1,) * (rank + 1))
    spec = list(np.argsort(numbers.rhs_spec))
    return conv_general_dilated(
        lhs, transpose(rhs, tuple(map(int, spec))), window_strides, padding, lhs_dilation,
        rhs_dilation, numbers, feature_group_count=channels, precision=precision,
        preferred_element_type=preferred_element_type)


def conv_general_dilated_local(lhs, rhs, window_strides, padding, filter_shape, lhs_dilation=None,
                               rhs_dilation=None, dimension_numbers=None, precision=None):
    """Convolution with filters of their own at every position (not shared)."""
    lhs, rhs = as_array(lhs), as_array(rhs)
    numbers = conv_dimension_numbers(lhs.shape, rhs.shape, dimension_numbers)
    patches = conv_general_dilated_patches(lhs, filter_shape, window_strides, padding,
                                           lhs_dilation, rhs_dilation, numbers, precision)
    lhs_b, lhs_c, *lhs_s = numbers.out_spec
    rhs_o, rhs_c, *rhs_s = numbers.rhs_spec
    out = dot_general(patches, rhs, (((lhs_c,), (rhs_c,)), (tuple(lhs_s), tuple(rhs_s))),
                      precision)  # (*spatial, batch, features)
    rank = len(lhs_s)
    order = [0] * out.ndim
    order[numbers.out_spec[0]], order[numbers.out_spec[1]] = rank, rank + 1
    for i, axis in enumerate(numbers.out_spec[2:]):
        order[axis] = i
    return transpose(out, tuple(order))


def conv_shape_tuple(lhs_shape, rhs_shape, strides, pads, batch_group_count=1) -> tuple:
    """The shape of a convolution in the standard layout."""
    pads = padding_pairs(pads, lhs_shape[2:], rhs_shape[2:], strides)
    spatial = [max(0, (n + lo + hi - k) // s + 1)
               for n, k, s, (lo, hi) in zip(lhs_shape[2:], rhs_shape[2:], strides, pads)]
    return (lhs_shape[0] // batch_group_count, rhs_shape[0], *spatial)


def conv_general_permutations(dimension_numbers) -> tuple:
    """The permutations of both operands and the result from the standard layout."""
    ones = (1,) * len(dimension_numbers[0])
    n = conv_dimension_numbers(ones, ones, dimension_numbers)
    return n.lhs_spec, n.rhs_spec, n.out_spec


def conv_general_shape_tuple(lhs_shape, rhs_shape, window_strides, padding,
                             dimension_numbers) -> tuple:
    """The shape of a convolution in any layout."""
    lhs_perm, rhs_perm, out_perm = conv_general_permutations(dimension_numbers)
    shape = conv_shape_tuple([lhs_shape[i] for i in lhs_perm], [rhs_shape[i] for i in rhs_perm],
                             window_strides, padding)
    return tuple(shape[i] for i in np.argsort(out_perm))


def conv_transpose_shape_tuple(lhs_shape, rhs_shape, window_strides, padding,
                               dimension_numbers) -> tuple:
    """The shape of a transposed convolution in any layout."""
    lhs_perm, rhs_perm, out_perm = conv_general_permutations(dimension_numbers)
    lhs, rhs = [lhs_shape[i] for i in lhs_perm], [rhs_shape[i] for i in rhs_perm]
    if isinstance(padding, str):
        pads = [(k - 1, k - 1) if padding == "VALID" else None for k in rhs[2:]]
    else:
        pads = list(padding)
    spatial = []
    for n, k, s, p in zip(lhs[2:], rhs[2:], window_strides, pads):
        wide = (n - 1) * s + 1
        spatial.append(n * s if p is None else wide + sum(p) - k + 1)
    shape = (lhs[0], rhs[0], *spatial)
    return tuple(shape[i] for i in np.argsort(out_perm))


def reduce_window_shape_tuple(operand_shape, window_dimensions, window_strides, padding,
                              base_dilation=None, window_dilation=None) -> tuple:
    """The shape of a reduction over windows."""
    rank = len(operand_shape)
    base = base_dilation or (1,) * rank
    dilation = window_dilation or (1,) * rank
    sizes = [(n - 1) * d + 1 if n else 0 for n, d in zip(operand_shape, base)]
    extents = [(w - 1) * d + 1 for w, d in zip(window_dimensions, dilation)]
    pads = padding_pairs(padding, sizes, extents, window_strides)
    return tuple((n + lo + hi - w) // s + 1
                 for n, w, s, (lo, hi) in zip(sizes, extents, window_strides, pads))


