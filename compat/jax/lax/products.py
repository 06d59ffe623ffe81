"""jax.lax: dot products and convolutions."""

from __future__ import annotations

from enum import Enum

from compat.jax.array import as_array, canonical_dtype
from kernels.windows import ConvDimensionNumbers
from minigrad.core import table
from compat.jax.lax.shapes import rev

class Precision(Enum):
    """How exactly accelerators multiply; the processor always does so in full."""

    DEFAULT, HIGH, HIGHEST = 0, 1, 2

    @classmethod
    def _missing_(cls, value):
        return PRECISIONS.get(value)

    def __repr__(self) -> str:
        return f"Precision.{self.name}"

    def __str__(self) -> str:
        return self.name


PRECISIONS = {
    **dict.fromkeys(["highest", "float32"], Precision.HIGHEST),
    **dict.fromkeys(["high", "bfloat16_3x", "tensorfloat32"], Precision.HIGH),
    **dict.fromkeys(["default", "bfloat16", "fastest", None], Precision.DEFAULT)}


def numbers(pairs) -> tuple:
    return tuple(tuple(map(tuple, pair)) for pair in pairs)


def dot_general(lhs, rhs, dimension_numbers, precision=None, preferred_element_type=None, *,
                out_sharding=None):
    """Products summed over contracting axes, batch axes in step."""
    preferred = None if preferred_element_type is None else canonical_dtype(
        preferred_element_type)
    return as_array(table["dot_general"](
        as_array(lhs), as_array(rhs), dimension_numbers=numbers(dimension_numbers),
        precision=precision, preferred_element_type=preferred))


def dot(lhs, rhs, *, dimension_numbers=None, precision=None, preferred_element_type=None):
    """Vector and matrix products."""
    lhs, rhs = as_array(lhs), as_array(rhs)
    if dimension_numbers is None:
        if not (1 <= lhs.ndim <= 2 and 1 <= rhs.ndim <= 2):
            raise TypeError(f"Incompatible shapes for dot: got {lhs.shape} and {rhs.shape}.")
        if lhs.shape[-1] != rhs.shape[0]:
            raise ValueError(
                "jax.lax.dot: dimension_numbers must be specified when not performing simple "
                "un-batched matrix-matrix, matrix-vector, or vector-vector products; got "
                f"lhs_shape={lhs.shape} rhs_shape={rhs.shape}.")
        dimension_numbers = (((lhs.ndim - 1,), (0,)), ((), ()))
    return dot_general(lhs, rhs, dimension_numbers, precision, preferred_element_type)


def batch_matmul(lhs, rhs, precision=None):
    """Products of stacks of matrices."""
    n = as_array(lhs).ndim
    batch_axes = tuple(range(n - 2))
    return dot_general(lhs, rhs, (((n - 1,), (n - 2,)), (batch_axes, batch_axes)), precision)


def conv_dimension_numbers(lhs_shape, rhs_shape, dimension_numbers) -> ConvDimensionNumbers:
    """Layouts such as ("NCHW", "OIHW", "NCHW") as positions of axes."""
    n = len(lhs_shape)
    if isinstance(dimension_numbers, ConvDimensionNumbers):
        return dimension_numbers
    if dimension_numbers is None:
        spec = tuple(range(n))
        return ConvDimensionNumbers(spec, spec, spec)
    lhs, rhs, out = dimension_numbers
    spatial = sorted((c for c in lhs if c not in "NC"), key=rhs.index)
    order = [(lhs, "NC"), (rhs, "OI"), (out, "NC")]
    return ConvDimensionNumbers(*(
        tuple(text.index(c) for c in [*heads, *spatial]) for text, heads in order))


def padding_pairs(padding, sizes, window, strides) -> tuple:
    """"SAME" and "VALID" as (low, high) for each axis."""
    if not isinstance(padding, str):
        return tuple((int(low), int(high)) for low, high in padding)
    if padding.upper() == "VALID":
        return ((0, 0),) * len(sizes)
    pairs = []
    for n, w, s in zip(sizes, window, strides):
        total = max(0, (-(-n // s) - 1) * s + w - n)
        low = total // 2 if padding.upper() == "SAME" else total - total // 2
        pairs.append((low, total - low))
    return tuple(pairs)


def conv_general_dilated(lhs, rhs, window_strides, padding, lhs_dilation=None, rhs_dilation=None,
                         dimension_numbers=None, feature_group_count=1, batch_group_count=1,
                         precision=None, preferred_element_type=None, out_sharding=None):
    """Convolution in any layout, with strides, padding and dilation."""
    lhs, rhs = as_array(lhs), as_array(rhs)
    n = conv_dimension_numbers(lhs.shape, rhs.shape, dimension_numbers)
    rank = lhs.ndim - 2
    lhs_dilation = (1,) * rank if lhs_dilation is None else tuple(lhs_dilation)
    rhs_dilation = (1,) * rank if rhs_dilation is None else tuple(rhs_dilation)
    sizes = [(lhs.shape[i] - 1) * d + 1 for i, d in zip(n.lhs_spec[2:], lhs_dilation)]
    window = [(rhs.shape[i] - 1) * d + 1 for i, d in zip(n.rhs_spec[2:], rhs_dilation)]
    return as_array(table["conv_general_dilated"](
        lhs, rhs, window_strides=tuple(window_strides),
        padding=padding_pairs(padding, sizes, window, window_strides),
        lhs_dilation=lhs_dilation, rhs_dilation=rhs_dilation, dimension_numbers=n,
        feature_group_count=feature_group_count, batch_group_count=batch_group_count,
        precision=precision, preferred_element_type=preferred_element_type))


def conv(lhs, rhs, window_strides, padding, precision=None, preferred_element_type=None):
    """Convolution, images NCHW and filters OIHW."""
    return conv_general_dilated(lhs, rhs, window_strides, padding, precision=precision,
                                preferred_element_type=preferred_element_type)


def conv_transpose(lhs, rhs, strides, padding, rhs_dilation=None, dimension_numbers=None,
                   transpose_kernel=False, precision=None, preferred_element_type=None):
    """The transpose of a convolution in shape: strides make the result larger."""
    rank = as_array(lhs).ndim - 2
    if dimension_numbers is None:
        spatial = "DHW"[3 - rank:]
        dimension_numbers = (f"N{spatial}C", f"{spatial}IO", f"N{spatial}C")
    n = conv_dimension_numbers(as_array(lhs).shape, as_array(rhs).shape, dimension_numbers)
    dilation = (1,) * rank if rhs_dilation is None else rhs_dilation
    window = [(as_array(rhs).shape[i] - 1) * d + 1 for i, d in zip(n.rhs_spec[2:], dilation)]
    if isinstance(padding, str):
        pairs = []
        for k, s in zip(window, strides):
            if padding == "SAME":
                total = k + s - 2
                low = k - 1 if s > k - 1 else -(-total // 2)
            else:
                total, low = k + s - 2 + max(k - s, 0), k - 1
            pairs.append((low, total - low))
        padding = pairs
    if transpose_kernel:
        rhs = rev(rhs, n.rhs_spec[2:])
        n = n._replace(rhs_spec=(n.rhs_spec[1], n.rhs_spec[0], *n.rhs_spec[2:]))
    return conv_general_dilated(lhs, rhs, (1,) * rank, padding, strides, rhs_dilation, n,
                                precision=precision,
                                preferred_element_type=preferred_element_type)


