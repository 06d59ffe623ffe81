"""Convolution of any rank, with strides, holes, groups, and padding that may be negative.

Without its spatial axes a convolution contracts (batch, in) with (in, out). So the cotangent of
the left operand is (batch, out) times (out, in), a convolution with the kernel flipped in space,
and that of the right one is (in, batch) times (batch, out), a convolution of the image with the
cotangent. Strides of one become holes of the other. Groups of features go back as groups of
features on the left, and as groups of the batch on the right.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from kernels import convolution as kernels
from kernels.windows import ConvDimensionNumbers
from minigrad.core import aval_of, make_aval
from minigrad.ops.axes import check_same_dtypes, inverse, without
from minigrad.ops.families import bilinear, dtype_kind, full
from minigrad.ops.selection import convert
from minigrad.ops.shaping import reshape, reshape_to, rev

# ------------------------------------------------------------------ its shape


def conv_aval(x, y, *, window_strides, padding, lhs_dilation, rhs_dilation, dimension_numbers,
              feature_group_count, batch_group_count, precision, preferred_element_type,
              out_sharding):
    check_same_dtypes("conv_general_dilated", (x, y))
    shape = conv_shape(x.shape, y.shape, window_strides, padding, lhs_dilation, rhs_dilation,
                       dimension_numbers, feature_group_count, batch_group_count)
    dtype = x.dtype
    if preferred_element_type is not None:
        dtype = np.dtype(preferred_element_type)
        check_preferred(x.dtype, dtype)
    return make_aval(shape, dtype, x.weak_type and y.weak_type)


def conv_shape(x_shape, y_shape, strides, padding, x_dilation, y_dilation, dimension_numbers,
               feature_groups, batch_groups) -> tuple[int, ...]:
    check_groups(x_shape, y_shape, dimension_numbers, feature_groups, batch_groups)
    x_spec, y_spec, out_spec = dimension_numbers
    if len(y_spec) - 2 != len(strides):
        raise ValueError("conv_general_dilated window and window_strides must have the same number "
                         f"of dimensions, but got {len(y_spec) - 2} and {len(strides)}")
    if len(padding) != len(strides):
        raise TypeError("Wrong number of explicit pads for convolution: expected "
                        f"{len(strides)}, got {len(padding)}.")
    space = dilated([x_shape[i] for i in x_spec[2:]], x_dilation)
    window = dilated([y_shape[i] for i in y_spec[2:]], y_dilation)
    padded = [n + low + high for n, (low, high) in zip(space, padding)]
    if any(n < 0 for n in padded):
        raise ValueError("Negative padding is larger than the size of the corresponding dimension: "
                         f"got padding={padding} for lhs_shape[2:]={space}")
    out = (x_shape[x_spec[0]] // batch_groups, y_shape[y_spec[0]],
           *(max(0, (n - w) // s + 1) for n, w, s in zip(padded, window, strides)))
    return tuple(out[i] for i in inverse(out_spec))


def check_groups(x_shape, y_shape, dimension_numbers, feature_groups, batch_groups) -> None:
    def refuse(message):
        raise ValueError(f"conv_general_dilated {message}")

    if len(x_shape) != len(y_shape):
        refuse(f"lhs and rhs must have the same number of dimensions, but got {x_shape} and "
               f"{y_shape}.")
    x_batch, x_features = (x_shape[i] for i in dimension_numbers.lhs_spec[:2])
    out_features, in_features = (y_shape[i] for i in dimension_numbers.rhs_spec[:2])
    for name, groups in (("feature_group_count", feature_groups),
                         ("batch_group_count", batch_groups)):
        if groups <= 0:
            refuse(f"{name} must be a positive integer, got {groups}.")
    if x_features % feature_groups:
        refuse("feature_group_count must divide lhs feature dimension size, but "
               f"{feature_groups} does not divide {x_features}.")
    if x_features // feature_groups != in_features:
        refuse("lhs feature dimension size divided by feature_group_count must equal the rhs input "
               f"feature dimension size, but {x_features} // {feature_groups} != {in_features}.")
    if out_features % feature_groups:
        refuse("rhs output feature dimension size must be a multiple of feature_group_count, but "
               f"{out_features} is not a multiple of {feature_groups}.")
    if x_batch % batch_groups:
        refuse("batch_group_count must divide lhs batch dimension size, but "
               f"{batch_groups} does not divide {x_batch}.")
    if out_features % batch_groups:
        refuse("rhs output feature dimension size must be a multiple of batch_group_count, but "
               f"{out_features} is not a multiple of {batch_groups}.")
    if batch_groups > 1 and feature_groups > 1:
        raise ValueError("At most one of batch_group_count and feature_group_count may be > 1, got "
                         f"batch_group_count={batch_groups} and "
                         f"feature_group_count={feature_groups}")


def check_preferred(dtype, preferred) -> None:
    """Integers may become wider integers of the same sign, or floats; no kind may lose width."""
    kind, wanted = dtype_kind(dtype), dtype_kind(preferred)
    if kind in "iu" and wanted == "f":
        pass
    elif wanted not in {"i": "iu", "u": "iu"}.get(kind, kind):
        raise TypeError("Input type is incompatible with `preferred_element_type`. The compatible "
                        "combinations of (input_type, preferred_element_type) are (integral, "
                        "integral), (integral, floating), (floating, floating), (complex, complex.")
    elif kind == "i" and wanted != "i":
        raise TypeError("`preferred_element_type` must have the same signedness as the original "
                        "type.")
    if preferred.itemsize < dtype.itemsize:
        raise TypeError("`preferred_element_type` must not be narrower than the original type.")


def dilated(sizes, dilation) -> tuple[int, ...]:
    """Sizes after `dilation - 1` holes are put between neighbours."""
    return tuple(n if d == 1 else max(0, 1 + d * (n - 1)) for n, d in zip(sizes, dilation))


# ------------------------------------------------------------------ its gradients


def conv_transpose_x(ct, x, y, *, window_strides, padding, lhs_dilation, rhs_dilation,
                     dimension_numbers, feature_group_count, batch_group_count, **params):
    x_spec, y_spec, out_spec = dimension_numbers
    padding = padding_for_x(
        sizes_at(x, x_spec[2:]), sizes_at(y, y_spec[2:]), window_strides,
        sizes_at(ct, out_spec[2:]), padding, lhs_dilation, rhs_dilation)
    groups = max(feature_group_count, batch_group_count)
    if groups > 1:  # the group moves from the output features of the kernel to its input features
        y = axis_out_of(y_spec[0], groups, y)
        y = axis_into(y_spec[0], y_spec[1], y)
    flipped = convert(rev(y, dimensions=y_spec[2:]), aval_of(ct).dtype)
    out = conv_general_dilated(
        ct, flipped, window_strides=lhs_dilation, padding=padding, lhs_dilation=window_strides,
        rhs_dilation=rhs_dilation,
        dimension_numbers=ConvDimensionNumbers(out_spec, swap_first(y_spec), x_spec),
        feature_group_count=groups, batch_group_count=1, **params)
    out = convert(out, x.dtype)
    if batch_group_count > 1:
        out = axis_out_of(x_spec[1], batch_group_count, out)
        out = axis_into(x_spec[1], x_spec[0], out)
    return out


def conv_transpose_y(ct, x, y, *, window_strides, padding, lhs_dilation, rhs_dilation,
                     dimension_numbers, feature_group_count, batch_group_count, **params):
    if aval_of(ct).size == 0:
        return None  # a sum over nothing; the convolution would have a window of size 0
    x_spec, y_spec, out_spec = dimension_numbers
    padding = padding_for_y(
        sizes_at(x, x_spec[2:]), sizes_at(y, y_spec[2:]), window_strides,
        sizes_at(ct, out_spec[2:]), padding, lhs_dilation, rhs_dilation)
    if batch_group_count > 1:
        feature_group_count, batch_group_count = batch_group_count, 1
    elif feature_group_count > 1:
        feature_group_count, batch_group_count = 1, feature_group_count
    out = conv_general_dilated(
        convert(x, aval_of(ct).dtype), ct, window_strides=rhs_dilation, padding=padding,
        lhs_dilation=lhs_dilation, rhs_dilation=window_strides,
        dimension_numbers=ConvDimensionNumbers(*map(swap_first, (x_spec, out_spec, y_spec))),
        feature_group_count=feature_group_count, batch_group_count=batch_group_count, **params)
    return convert(out, y.dtype)


def sizes_at(x, axes) -> tuple[int, ...]:
    shape = x.shape if hasattr(x, "shape") else aval_of(x).shape
    return tuple(shape[i] for i in axes)


def swap_first(spec) -> tuple[int, ...]:
    return (spec[1], spec[0], *spec[2:])


def padding_for_x(x_sizes, window, strides, out_sizes, padding, x_dilation, y_dilation):
    """How far the cotangent reaches over the image, so that every place that the window touched is
    touched by the flipped window; negative where the padding was wider than the window."""
    x_sizes, window = dilated(x_sizes, x_dilation), dilated(window, y_dilation)
    before = [w - low - 1 for w, (low, _) in zip(window, padding)]
    return tuple((b, n + w - 1 - out - b) for n, w, out, b in
                 zip(x_sizes, window, dilated(out_sizes, strides), before))


def padding_for_y(x_sizes, window, strides, out_sizes, padding, x_dilation, y_dilation):
    """The image keeps its low padding; the high one is what makes the result window-sized."""
    x_sizes, window = dilated(x_sizes, x_dilation), dilated(window, y_dilation)
    return tuple((low, out - n + w - low - 1) for n, w, out, (low, _) in
                 zip(x_sizes, window, dilated(out_sizes, strides), padding))


# ------------------------------------------------------------------ batched


def axis_into(source: int, target: int, x):
    """Merge axis `source` into the axis that is `target` once `source` is taken out."""
    shape = list(aval_of(x).shape)
    order = [i for i in range(len(shape)) if i != source]
    order.insert(target, source)
    size = shape.pop(source)
    shape[target] *= size
    order = None if order == sorted(order) else tuple(order)
    return reshape(x, new_sizes=tuple(shape), dimensions=order)


def axis_out_of(source: int, size: int, x):
    """Split axis `source` in two, the first of `size`."""
    shape = list(aval_of(x).shape)
    shape[source:source + 1] = [size, shape[source] // size]
    return reshape_to(x, tuple(shape))


def conv_batch(size, args, dims, *, dimension_numbers, feature_group_count, batch_group_count,
               **params):
    """A convolution has no batch axes to spare, so one is merged into the batch or the features,
    as groups where both operands have one."""
    (x, y), (x_dim, y_dim) = args, dims
    x_spec, y_spec, out_spec = dimension_numbers
    conv = partial(conv_general_dilated, dimension_numbers=dimension_numbers, **params)
    groups = dict(feature_group_count=feature_group_count, batch_group_count=batch_group_count)
    if size == 0:
        avals = [aval_of(a) for a in args]
        single = [a.update(without(a.shape, (d,))) for a, d in zip(avals, dims)]
        out = conv_aval(*single, dimension_numbers=dimension_numbers, **groups, **params)
        return full((0, *out.shape), 0, out.dtype), 0
    if x_dim is not None and y_dim is not None:
        grouped = batch_group_count > 1
        groups["batch_group_count" if grouped else "feature_group_count"] *= size
        x = axis_into(x_dim, x_spec[0 if grouped else 1], x)
        out = conv(x, axis_into(y_dim, y_spec[0], y), **groups)
        return axis_out_of(out_spec[1], size, out), out_spec[1]
    if x_dim is not None:
        x = into_grouped(x_dim, x_spec[0], batch_group_count, x)
        return axis_out_of(out_spec[0], size, conv(x, y, **groups)), out_spec[0]
    count = max(feature_group_count, batch_group_count)
    out = conv(x, into_grouped(y_dim, y_spec[0], count, y), **groups)
    if count == 1:
        return axis_out_of(out_spec[1], size, out), out_spec[1]
    out = axis_out_of(out_spec[1], count, out)
    out = axis_out_of(out_spec[1] + 1, size, out)
    return axis_into(out_spec[1], out_spec[1] + 1, out), out_spec[1]


def into_grouped(source: int, target: int, groups: int, x):
    """Merge axis `source` into `target` inside each of its groups, which must stay outermost."""
    if groups == 1:
        return axis_into(source, target, x)
    x = axis_out_of(target + (source <= target), groups, x)
    x = axis_into(source + (target < source), target + 1, x)
    return axis_into(target, target, x)


conv_general_dilated = bilinear(
    "conv_general_dilated", kernels.conv_general_dilated, conv_aval,
    transpose=(conv_transpose_x, conv_transpose_y), batch=conv_batch,
    defaults={"precision": None, "preferred_element_type": None, "out_sharding": None,
              "feature_group_count": 1, "batch_group_count": 1},
)
