"""Products and windows on bare NumPy arrays: dot_general, convolution, pooling.

Names and parameters are those of the `jax.lax` primitives, corner cases those of XLA on the CPU
(https://openxla.org/xla/operation_semantics). Sums of products go to BLAS through `matmul`;
a window that slides over an axis is a strided view, never a Python loop over positions.
"""

import functools
import itertools
import math
import operator
from typing import NamedTuple

import ml_dtypes
import numpy as np

from kernels import blas
from kernels.reference import highest, is_half, lowest, pad, quiet, rounded

CHUNK_BYTES = 2 << 20  # of unfolded patches that a convolution holds at a time: fits the cache


class ConvDimensionNumbers(NamedTuple):
    """Which axis is what: (batch, feature, *space), rhs (out feature, in feature, *space)."""

    lhs_spec: tuple
    rhs_spec: tuple
    out_spec: tuple


# ---- contraction -------------------------------------------------------------------------------


def dot_general(x, y, *, dimension_numbers, preferred_element_type=None, **_):
    """Contract and batch the axes in `((x_contract, y_contract), (x_batch, y_batch))`.

    The result has the batch axes, then the free axes of `x`, then those of `y`.
    """
    (x_contract, y_contract), (x_batch, y_batch) = dimension_numbers
    dtype = np.dtype(preferred_element_type or product_dtype(x.dtype, y.dtype))
    if x.ndim == y.ndim == 2 and len(x_contract) == 1 and not x_batch:
        return matmul(x if x_contract[0] else x.T, y.T if y_contract[0] else y, dtype)
    x_free = [axis for axis in range(x.ndim) if axis not in x_contract and axis not in x_batch]
    y_free = [axis for axis in range(y.ndim) if axis not in y_contract and axis not in y_batch]
    batch = tuple(x.shape[axis] for axis in x_batch)
    rows = tuple(x.shape[axis] for axis in x_free)
    columns = tuple(y.shape[axis] for axis in y_free)
    inner = math.prod(x.shape[axis] for axis in x_contract)
    left = x.transpose(*x_batch, *x_free, *x_contract).reshape(*batch, math.prod(rows), inner)
    right = y.transpose(*y_batch, *y_contract, *y_free).reshape(*batch, inner, math.prod(columns))
    return matmul(left, right, dtype).reshape(batch + rows + columns)


def product_dtype(x, y):
    """The dtype of a product of dtypes `x` and `y`: of two the wider, by range, then precision."""

    def width(dtype):
        info = ml_dtypes.finfo(dtype) if dtype.kind in "fcV" else None
        floating = (info.maxexp, info.nmant) if info else (-1, -1)
        return dtype.kind == "c", *floating, dtype.itemsize, dtype.kind != "u"

    return x if x == y else max(x, y, key=width)


def matmul(x, y, dtype):
    """`x @ y` in `dtype`, accumulated as `accumulator` says."""
    work = accumulator(x, y, x.shape[-1], dtype)
    return finish(blas.matmul(x.astype(work, copy=False), y.astype(work, copy=False)), dtype)


def accumulator(x, y, terms, dtype):
    """The dtype in which to sum `terms` products of elements of `x` and `y`, to become `dtype`.

    Half floats need float32. Integers small enough for float64 to be exact take BLAS, which is
    some thirty times as fast as NumPy's loop for integers.
    """
    if dtype.kind in "fcV":
        wide = product_dtype(product_dtype(x.dtype, y.dtype), dtype)
        return np.dtype(np.float32) if is_half(wide) else wide
    if dtype.kind == "b":
        return np.dtype(np.float32)  # counts the pairs: any number but 0 is True
    exact = x.size and y.size and _peak(x) * _peak(y) * terms < 2**53
    return np.dtype(np.float64) if exact else dtype


def _peak(x):
    return max(-int(x.min()), int(x.max()))


def finish(total, dtype):
    """An accumulated `total` as `dtype`; integers wrap."""
    if total.dtype == dtype:
        return total
    if dtype.kind == "b":
        return np.not_equal(total, 0)
    if dtype.kind in "iu":
        total = total.astype(np.int64)
    return rounded(total, dtype)


def _padded(x, value, config):
    """`pad`, without a copy where there is nothing to do."""
    return pad(x, value, padding_config=config) if any(map(any, config)) else x


# ---- convolution -------------------------------------------------------------------------------


def conv_general_dilated(
    lhs, rhs, *, window_strides, padding, lhs_dilation, rhs_dilation, dimension_numbers,
    feature_group_count=1, batch_group_count=1, preferred_element_type=None, **_,
):  # fmt: skip
    """Cross-correlate `lhs` with the kernels `rhs`, over any number of spatial axes.

    `lhs_dilation` puts holes between the elements of `lhs` (a transposed convolution),
    `rhs_dilation` between those of the kernel. `feature_group_count` splits input and output
    features into groups that do not mix; `batch_group_count` splits the batch and gives each part
    its own output features (the gradient of a grouped convolution).
    """
    dtype = np.dtype(preferred_element_type or lhs.dtype)
    x = lhs.transpose(dimension_numbers.lhs_spec)  # (batch, feature, *space)
    weights = rhs.transpose(dimension_numbers.rhs_spec)  # (out feature, in feature, *window)
    work = accumulator(x, weights, math.prod(weights.shape[1:]), dtype)
    x, weights = x.astype(work, copy=False), weights.astype(work, copy=False)
    dilated = [(*ends, step - 1) for ends, step in zip(padding, lhs_dilation, strict=True)]
    x = _padded(x, 0, [(0, 0, 0), (0, 0, 0), *dilated])
    if batch_group_count > 1:  # the parts of the batch, beside each other as groups of features
        batch, features, *space = x.shape
        parts = x.reshape(batch_group_count, batch // batch_group_count, features, *space)
        x = parts.swapaxes(0, 1).reshape(parts.shape[1], batch_group_count * features, *space)
    windows = _sliding(np.ascontiguousarray(x), weights.shape[2:], window_strides, rhs_dilation)
    out = _correlate(windows, weights, feature_group_count * batch_group_count)
    order = dimension_numbers.out_spec
    return finish(out, dtype).transpose(sorted(range(out.ndim), key=order.__getitem__))


def _sliding(x, window, strides, dilation):
    """View of `x` (batch, feature, *space) as (batch, feature, *positions, *window)."""
    extents = [(size - 1) * step + 1 if size else 0 for size, step in zip(window, dilation)]
    positions = tuple(
        max(0, (size - extent) // stride + 1)
        for size, extent, stride in zip(x.shape[2:], extents, strides, strict=True)
    )
    steps = x.strides[2:]
    return np.lib.stride_tricks.as_strided(
        x,
        (*x.shape[:2], *positions, *window),
        x.strides[:2]
        + tuple(step * stride for step, stride in zip(steps, strides))
        + tuple(step * hole for step, hole in zip(steps, dilation)),
        writeable=False,
    )


def _correlate(windows, weights, groups):
    """Unfold patches into a matrix and multiply, a few images at a time (im2col).

    windows (batch, feature, *positions, *window), weights (out, feature/groups, *window);
    the result is (batch, out, *positions).
    """
    out_features, rank = weights.shape[0], weights.ndim - 2
    batch, positions, window = windows.shape[0], windows.shape[2 : 2 + rank], weights.shape[2:]
    terms, places = math.prod(weights.shape[1:]), math.prod(positions)
    out = np.zeros((batch, out_features, *positions), weights.dtype)
    if out.size == 0 or terms == 0:
        return out
    kernels = weights.reshape(groups, out_features // groups, terms)
    space, taps = range(2, 2 + rank), range(2 + rank, 2 + 2 * rank)
    image_bytes = groups * terms * places * weights.itemsize
    chunk = max(1, CHUNK_BYTES // image_bytes)  # images

    def images(start, stop):
        block = windows[start:stop]
        columns = (len(block) * places,)
        # Copy in the order in which the longer of window and positions runs fastest. In the
        # gradient of the weights the "window" is a whole image and the "positions" are 3x3.
        if rank and window[-1] > positions[-1]:
            grouped = block.reshape(len(block), groups, -1, *block.shape[2:])
            order = (1, 0, *(axis + 1 for axis in space), 2, *(axis + 1 for axis in taps))
            patches = grouped.transpose(order).reshape(groups, *columns, terms).swapaxes(1, 2)
        else:
            patches = block.transpose(1, *taps, 0, *space).reshape(groups, terms, *columns)
        product = np.matmul(kernels, patches)  # (groups, out/groups, images * places)
        done = product.reshape(out_features, len(block), *positions)
        out[start:stop] = done.swapaxes(0, 1)

    blas.each(images, batch, chunk)
    return out


# ---- windows -----------------------------------------------------------------------------------


def reduce_window(
    *operands, function, window_dimensions, window_strides, padding,
    base_dilation=None, window_dilation=None, **_,
):  # fmt: skip
    """Reduce every window with an associative `function`; one or several operands.

    `operands` are n arrays, then their n initial values (identities of `function`).
    `function(*left, *right)` takes 2n arrays and returns a tuple of n; for n = 1 an array will do.
    """
    arrays, initials = operands[: len(operands) // 2], operands[len(operands) // 2 :]

    def combine(left, right):
        out = function(*left, *right)
        return tuple(out) if isinstance(out, (tuple, list)) else (out,)

    out = _reduce_windows(
        combine, arrays, initials, window_dimensions, window_strides, padding,
        base_dilation, window_dilation,
    )  # fmt: skip
    return out if len(out) > 1 else out[0]


def reduce_window_sum(x, **window):
    """Sum of every window; half floats are summed in float32."""
    if is_half(x.dtype):
        return rounded(reduce_window_sum(x.astype(np.float32), **window), x.dtype)
    return _reduce_window(np.add, x, x.dtype.type(0), **window)


def reduce_window_max(x, **window):
    """Maximum of every window; nan wins; padding counts as -inf or the smallest integer."""
    return _reduce_window(np.maximum, x, lowest(x.dtype), **window)


def reduce_window_min(x, **window):
    """Minimum of every window; nan wins; padding counts as inf or the largest integer."""
    return _reduce_window(np.minimum, x, highest(x.dtype), **window)


@quiet
def _reduce_window(
    ufunc, x, initial, *, window_dimensions, window_strides, padding,
    base_dilation=None, window_dilation=None, **_,
):  # fmt: skip
    def combine(left, right):
        (total,), (part,) = left, right
        own = total if total.base is None else None  # a slice is still the operand's memory
        return (ufunc(total, part, out=own),)

    return _reduce_windows(
        combine, (x,), (initial,), window_dimensions, window_strides, padding,
        base_dilation, window_dilation,
    )[0]  # fmt: skip


def _reduce_windows(combine, arrays, initials, window, strides, padding, base_dilation, dilation):
    """A window is a box, so it is reduced one axis at a time: k1 + k2 steps instead of k1 * k2.

    The last axis goes first: `combine` meets the elements in row-major order, on which
    "the first of equals" depends.
    """
    rank = len(window)
    base_dilation, dilation = base_dilation or (1,) * rank, dilation or (1,) * rank
    config = [(*ends, step - 1) for ends, step in zip(padding, base_dilation, strict=True)]
    arrays = tuple(_padded(x, init, config) for x, init in zip(arrays, initials, strict=True))
    for axis in reversed(range(rank)):
        extent = (window[axis] - 1) * dilation[axis] + 1
        positions = max(0, (arrays[0].shape[axis] - extent) // strides[axis] + 1)
        arrays = _reduce_axis(
            combine, arrays, axis, window[axis], positions, strides[axis], dilation[axis]
        )
    return tuple(x.copy() if x.base is not None or rank == 0 else x for x in arrays)


def _reduce_axis(combine, arrays, axis, size, positions, stride, dilation):
    """Reduce `size` elements, `dilation` apart, at each of `positions` along one axis."""

    def shifted(arrays, offset, step, count):
        stop = offset + max(0, (count - 1) * step + 1)
        index = (slice(None),) * axis + (slice(offset, stop if count else offset, step),)
        return tuple(x[index] for x in arrays)

    if size <= 8:
        total = shifted(arrays, 0, stride, positions)
        for tap in range(1, size):
            total = combine(total, shifted(arrays, tap * dilation, stride, positions))
        return total
    # Long windows double: runs of 2m elements are pairs of runs of m. The binary digits of `size`
    # say which runs make up the window, so it takes about 2 log2(size) steps.
    total, covered, run, length = None, 0, arrays, 1
    while True:
        if size & length:
            part = shifted(run, covered * dilation, stride, positions)
            total = part if total is None else combine(total, part)
            covered += length
        if covered == size:
            return total
        count = run[0].shape[axis] - length * dilation
        run = combine(
            shifted(run, 0, 1, count), shifted(run, length * dilation, 1, count)
        )
        length *= 2


# ---- the gradient of max pooling ---------------------------------------------------------------


def _selects(select_prim, dtype):
    """The comparison `select_prim` ("ge" or "le"), and the identity of its maximum or minimum."""
    name = getattr(select_prim, "name", select_prim)
    if dtype.kind == "c":
        raise TypeError(f"{name} does not accept dtype {dtype} at position 0. Accepted dtypes at "
                        "position 0 are subtypes of integer, floating, bool.")
    return {"ge": (np.greater_equal, lowest), "le": (np.less_equal, highest)}[name]


def select_and_scatter_add(
    source, operand, *, select_prim, window_dimensions, window_strides, padding, **_
):
    """Add each element of `source` where its window of `operand` has its largest element.

    The first of equals wins. The search takes one strided slice of the operand for each tap of
    the window; what it finds is the number of a tap.
    """
    prefer, worst = _selects(select_prim, operand.dtype)
    padded = _padded(operand, worst(operand.dtype), [(*ends, 0) for ends in padding])
    out = np.zeros(padded.shape, np.float32 if is_half(source.dtype) else source.dtype)
    if source.size:
        best, taps = None, list(itertools.product(*map(range, window_dimensions)))
        for number, tap in enumerate(taps):
            corner = zip(tap, source.shape, window_strides, strict=True)
            part = padded[tuple(slice(i, i + (n - 1) * step + 1, step) for i, n, step in corner)]
            if best is None:
                best, chosen = part, np.zeros(source.shape, np.intp)
                continue
            better = ~prefer(best, part)
            best = np.where(better, part, best)
            chosen += better * (number - chosen)  # five times as fast as a masked assignment
        strides = [math.prod(padded.shape[axis + 1 :]) for axis in range(padded.ndim)]
        steps = zip(source.shape, strides, window_strides, strict=True)
        origins = functools.reduce(np.add.outer, (np.arange(n) * s * w for n, s, w in steps))
        places = origins + np.array([sum(map(operator.mul, tap, strides)) for tap in taps])[chosen]
        np.add.at(out.reshape(-1), places.reshape(-1), source.reshape(-1))
    out = _padded(out, 0, [(-low, -high, 0) for low, high in padding])
    return out.astype(source.dtype, copy=False)


def select_and_gather_add(
    tangents, operand, *, select_prim, window_dimensions, window_strides, padding,
    base_dilation=None, window_dilation=None, **_,
):  # fmt: skip
    """The tangent that lies where each window of `operand` has its largest element."""
    prefer, worst = _selects(select_prim, operand.dtype)
    if operand.dtype.kind in "iu":  # as XLA's, whose windows start from an infinity
        raise OverflowError("cannot convert float infinity to integer")

    def keep_first(left, right):
        keep = prefer(left[0], right[0])
        return np.where(keep, left[0], right[0]), np.where(keep, left[1], right[1])

    return _reduce_windows(
        keep_first, (operand, tangents), (worst(operand.dtype), tangents.dtype.type(0)),
        window_dimensions, window_strides, padding, base_dilation, window_dilation,
    )[1]  # fmt: skip
