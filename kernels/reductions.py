"""Reductions and running reductions on bare NumPy arrays: never promoted, and half floats are
summed in float32. See `kernels.reference`.
"""

import numpy as np

from kernels.ordering import maximum
from kernels.reference import highest, in_float32, lowest, quiet


@in_float32
def reduce_sum(x, *, axes, **_):
    """Sum over `axes`; integers wrap."""
    if x.dtype.kind == "f":  # keeps its dtype unasked, which saves a third of a small sum
        return np.add.reduce(x, axis=axes)
    return np.add.reduce(x, axis=axes, dtype=x.dtype)


@in_float32
def reduce_prod(x, *, axes, **_):
    """Product over `axes`; integers wrap."""
    return np.multiply.reduce(x, axis=axes, dtype=x.dtype)


@in_float32
def reduce_max(x, *, axes, **_):
    """Maximum over `axes`; nan wins; an empty axis gives -inf or the smallest integer."""
    if x.size == 0:
        return np.maximum.reduce(x, axis=axes, initial=lowest(x.dtype))
    return np.maximum.reduce(x, axis=axes)


@in_float32
def reduce_min(x, *, axes, **_):
    """Minimum over `axes`; nan wins; an empty axis gives inf or the largest integer."""
    if x.size == 0:
        return np.minimum.reduce(x, axis=axes, initial=highest(x.dtype))
    return np.minimum.reduce(x, axis=axes)


def reduce_and(x, *, axes, **_):
    """Bitwise (for bool: logical) and over `axes`."""
    return np.bitwise_and.reduce(x, axis=axes)


def reduce_or(x, *, axes, **_):
    """Bitwise (for bool: logical) or over `axes`."""
    return np.bitwise_or.reduce(x, axis=axes)


def reduce_xor(x, *, axes, **_):
    """Bitwise (for bool: logical) exclusive or over `axes`."""
    return np.bitwise_xor.reduce(x, axis=axes)


def _cumulative(name, ufunc):
    """The running `ufunc` along an axis."""

    @quiet
    @in_float32
    def kernel(x, *, axis, reverse=False):
        if reverse:
            return np.flip(ufunc.accumulate(np.flip(x, axis), axis=axis, dtype=x.dtype), axis)
        return ufunc.accumulate(x, axis=axis, dtype=x.dtype)

    kernel.__name__ = kernel.__qualname__ = name
    kernel.__doc__ = f"Running `{ufunc.__name__}` along `axis`, from the end if `reverse`."
    return kernel


cumsum = _cumulative("cumsum", np.add)
cumprod = _cumulative("cumprod", np.multiply)
cummax = _cumulative("cummax", np.maximum)
cummin = _cumulative("cummin", np.minimum)
_cumlogsumexp = _cumulative("cumlogsumexp", np.logaddexp)


def cumlogsumexp(x, *, axis, reverse=False):
    """Running log(sum(exp(x))) along `axis`, from the end if `reverse`; of complex numbers too."""
    if x.dtype.kind in "iu":  # as XLA's, which starts from minus infinity
        raise OverflowError("cannot convert float infinity to integer")
    if x.dtype.kind != "c":
        return _cumlogsumexp(x, axis=axis, reverse=reverse)
    out = np.array(np.flip(x, axis) if reverse else x)
    rows = np.moveaxis(out, axis, 0)
    total = np.full(rows.shape[1:], -np.inf, x.dtype)
    for i, row in enumerate(rows):
        rows[i] = total = _complex_logaddexp(total, row)
    return np.flip(out, axis) if reverse else out


@quiet
def _complex_logaddexp(x, y):
    larger = maximum(x, y)
    total = larger + np.log1p(np.exp(x + y - 2 * larger))
    return total.real + 1j * np.remainder(total.imag + np.pi, 2 * np.pi) - 1j * np.pi
