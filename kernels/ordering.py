"""What depends on the order of numbers, on bare NumPy arrays: the larger of two, where the largest
is, sorting. See `kernels.reference`.
"""

import numpy as np

from kernels.reference import is_half, viewed


def argmax(x, *, axes, index_dtype):
    """Where the maximum is along the one axis in `axes`: the first nan, else the first maximum."""
    return np.argmax(x, axis=axes[0]).astype(index_dtype)


def argmin(x, *, axes, index_dtype):
    """Where the minimum is along the one axis in `axes`: the first nan, else the first minimum."""
    return np.argmin(x, axis=axes[0]).astype(index_dtype)


def sort(*operands, dimension, is_stable=True, num_keys=1):
    """Sort all operands by the first `num_keys` of them, in lexicographic order.

    nan comes last and -0.0 equals 0.0, so equal keys can differ in their bits; ties keep their
    order, whatever `is_stable` says.
    """
    keys = [part for key in operands[:num_keys] for part in _sort_keys(key)]
    first = operands[0]
    if len(operands) == len(keys) == 1 and not _has_negative_zero(first):
        return (np.sort(keys[0], axis=dimension).astype(first.dtype, copy=False),)
    if len(keys) == 1:
        order = np.argsort(keys[0], axis=dimension, kind="stable")
    else:
        order = np.lexsort(keys[::-1], axis=dimension)
    return tuple(np.take_along_axis(x, order, axis=dimension) for x in operands)


def _sort_keys(x):
    """Arrays that NumPy sorts as XLA sorts `x`; complex numbers by real, then imaginary part."""
    if x.dtype.kind == "c":
        return [x.real, x.imag]
    return [x.astype(np.float32) if is_half(x.dtype) else x]


def _has_negative_zero(x):
    return x.dtype.kind in "fV" and bool((np.signbit(x) & np.equal(x, 0)).any())


def top_k(x, *, k, axis=-1):
    """The `k` largest along `axis`, largest first, and their int32 positions; ties in order.

    XLA compares by IEEE's total order here: -nan < -inf < ... < -0.0 < 0.0 < ... < inf < nan.
    """
    rows = np.moveaxis(x, axis, -1)
    keys = ~total_order(rows)  # ascending keys are descending values
    if x.dtype.itemsize <= 4:  # key and position in one word: distinct, so any selection is stable
        words = (keys.astype(np.int64) << 32) | np.arange(rows.shape[-1])
        if k < rows.shape[-1]:
            words = np.partition(words, k, axis=-1)[..., :k]
        places = np.sort(words, axis=-1) & 0xFFFFFFFF
    else:
        places = np.argsort(keys, axis=-1, kind="stable")[..., :k]
    values = np.take_along_axis(rows, places, axis=-1)
    return np.moveaxis(values, -1, axis), np.moveaxis(places.astype(np.int32), -1, axis)


def total_order(x):
    """Integers in the order of `x`, which distinguish every bit pattern of a float."""
    if x.dtype.kind not in "fV":
        return x.astype(np.int64) if x.dtype.itemsize < 8 else x
    bits = viewed(np.ascontiguousarray(x), "i")
    return bits ^ ((bits >> (8 * x.dtype.itemsize - 1)) & np.iinfo(bits.dtype).max)


def maximum(x, y):
    """The larger of two; of complex numbers by real, then imaginary part, and where a nan has no
    order the second, as XLA's comparison of the parts has it."""
    if x.dtype.kind != "c":
        return np.maximum(x, y)
    larger = np.where(x.real == y.real, x.imag > y.imag, x.real > y.real)
    return np.where(larger, x, y)[()]


def minimum(x, y):
    """The smaller of two; see `maximum`."""
    if x.dtype.kind != "c":
        return np.minimum(x, y)
    smaller = np.where(x.real == y.real, x.imag < y.imag, x.real < y.real)
    return np.where(smaller, x, y)[()]
