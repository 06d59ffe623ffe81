"""Differences, running and order statistics, parts of numbers. Source: jax.numpy."""

from __future__ import annotations

import math

import numpy as np

import minigrad.numpy as mnp
from minigrad.numpy.staging import staged
from minigrad.numpy.promotion import (
    check_array, complexified, convert, promote_dtypes, promote_inexact,
)
from minigrad.core import scalar_dtype, table
from minigrad.ops.axes import canonical
from minigrad.ops.families import dtype_kind

# ------------------------------------------------------------------ differences


@staged
def ediff1d(ary, to_end=None, to_begin=None):
    """The differences of neighbours in the flat array, with others before and behind."""
    flat = mnp.ravel(ary)
    parts = [flat[1:] - flat[:-1]]
    for extra, at in ((to_begin, 0), (to_end, len(parts))):
        if extra is not None:
            parts.insert(at and len(parts), mnp.astype(mnp.ravel(mnp.asarray(extra)), flat.dtype))
    return mnp.concatenate(parts)


def gradient(f, *varargs, axis=None, edge_order=None):
    """Central differences, one-sided at the ends."""
    f = promote_inexact(mnp.asarray(f))[0]
    if edge_order is not None:
        raise NotImplementedError("The 'edge_order' argument to mnp.gradient is not supported.")
    axes = tuple(range(f.ndim)) if axis is None else (axis,) if isinstance(axis, int) else axis
    axes = [canonical(a, f.ndim) for a in axes]
    if len(varargs) not in (0, 1, len(axes)):
        raise TypeError("Invalid number of spacing arguments "
                        f"{len(varargs)} for axis={axis}")
    steps = varargs if len(varargs) == len(axes) else (varargs or (1.0,)) * len(axes)
    out = [gradient_along(f, a, mnp.asarray(h)) for a, h in zip(axes, steps)]
    return out[0] if len(out) == 1 else out


def gradient_along(f, axis: int, h):
    n = f.shape[axis]
    if n < 2:
        raise ValueError("Shape of array too small to calculate a numerical gradient, at least 2 "
                         "elements are required.")
    cut = lambda lo, hi: mnp.cut(f, axis, lo, hi)  # noqa: E731
    if not h.ndim:
        middle = (cut(2, n) - cut(0, n - 2)) * 0.5
        return mnp.concatenate([cut(1, 2) - cut(0, 1), middle, cut(n - 1, n) - cut(n - 2, n - 1)],
                               axis) / h
    if h.shape != (n,):
        raise ValueError("Spacing arrays must have the same length as the dimension along which "
                         "the gradient is calculated.")
    d = mnp.diff(h)
    shape = [-1 if i == axis else 1 for i in range(f.ndim)]
    d0, d1 = mnp.reshape(d[:-1], shape), mnp.reshape(d[1:], shape)
    a, b, c = -d1 / (d0 * (d0 + d1)), (d1 - d0) / (d0 * d1), d0 / (d1 * (d0 + d1))
    middle = a * cut(0, n - 2) + b * cut(1, n - 1) + c * cut(2, n)
    return mnp.concatenate([(cut(1, 2) - cut(0, 1)) / d[0], middle,
                            (cut(n - 1, n) - cut(n - 2, n - 1)) / d[-1]], axis)


@staged(static=("axis", "period"))
def unwrap(p, discont=None, axis=-1, period=2 * math.pi):
    """Angles without jumps of more than half a period."""
    (p,) = promote_dtypes(p)
    if dtype_kind(p.dtype) in "iu" and isinstance(period, float):
        (p,) = promote_inexact(p)
    axis = canonical(axis, p.ndim)
    step = mnp.diff(p, axis=axis)
    if dtype_kind(p.dtype) in "iu":
        low = period // 2 if period % 2 == 0 else (period - 1) // 2 + 1
        limit = period // 2
        turned = (step + low) % period - low
        turned = mnp.where((turned == -limit) & (step > 0) if period % 2 == 0 else False,
                           limit, turned)
    else:
        limit = period / 2
        turned = (step + limit) % period - limit
        turned = mnp.where((turned == -limit) & (step > 0), limit, turned)
    correction = mnp.where(mnp.abs(step) < (limit if discont is None else discont), 0,
                           turned - step)
    first = mnp.cut(p, axis, 0, 1)
    out = mnp.concatenate([first, mnp.cut(p, axis, 1, p.shape[axis])
                           + mnp.cumsum(correction, axis=axis)], axis)
    return convert(out, out.dtype)  # of no weak type


# ------------------------------------------------------------------ running


def cumulative(name: str, start: int):
    def function(x, /, *, axis=None, dtype=None, include_initial=False):
        check_array(name, x)
        x = mnp.asarray(x)
        if not x.ndim:
            raise ValueError("The input must be non-scalar to take a cumulative sum, however a "
                             "scalar value or scalar array was given.")
        if axis is None:
            if x.ndim > 1:
                raise ValueError(f"The input array has rank {x.ndim}, however axis was not set to "
                                 "an explicit value. The axis argument is only optional for "
                                 "one-dimensional arrays.")
            axis = 0
        axis = canonical(axis, x.ndim)
        out = (mnp.cumprod if start else mnp.cumsum)(x, axis=axis, dtype=dtype)
        if include_initial:
            first = mnp.full([1 if i == axis else n for i, n in enumerate(x.shape)], start,
                             out.dtype)
            out = mnp.concatenate([first, out], axis)
        return out

    function.__name__ = name
    function.__doc__ = f"The running {'product' if start else 'sum'} along an axis."
    return function


cumulative_sum, cumulative_prod = cumulative("cumulative_sum", 0), cumulative("cumulative_prod", 1)


def without_nan(a, value):
    return mnp.where(mnp.isnan(a), value, a) if dtype_kind(a.dtype) in "fc" else a


@staged(static=("axis", "dtype"))
def nancumsum(a, axis=None, dtype=None, out=None):
    """The running sum, NaN counting as zero."""
    return mnp.cumsum(without_nan(a, 0), axis, dtype)


@staged(static=("axis", "dtype"))
def nancumprod(a, axis=None, dtype=None, out=None):
    """The running product, NaN counting as one."""
    return mnp.cumprod(without_nan(a, 1), axis, dtype)


@staged(static=("axis", "dtype", "ddof", "keepdims"))
def nanvar(a, axis=None, dtype=None, out=None, ddof=0, keepdims=False, where=None, mean=None):
    """The variance of the elements that are not NaN."""
    (a,) = promote_inexact(a if dtype is None else mnp.astype(a, dtype))
    there = ~mnp.isnan(a) if where is None else ~mnp.isnan(a) & where
    centre = mnp.nanmean(a, axis, keepdims=True, where=where) if mean is None else mean
    centred = mnp.where(there, a - centre, 0)
    squares = mnp.real(centred * mnp.conj(centred)) if dtype_kind(a.dtype) == "c" else \
        mnp.square(centred)
    n = mnp.sum(there, axis, keepdims=keepdims)
    total = mnp.sum(squares, axis, keepdims=keepdims)
    divisor = mnp.astype(mnp.where(n > ddof, n - ddof, 1), total.dtype)
    return mnp.where(n > ddof, total / divisor, np.nan)


@staged(static=("axis", "dtype", "ddof", "keepdims"))
def nanstd(a, axis=None, dtype=None, out=None, ddof=0, keepdims=False, where=None, mean=None):
    """The standard deviation of the elements that are not NaN."""
    return mnp.sqrt(nanvar(a, axis, dtype, None, ddof, keepdims, where, mean))


def position_without_nan(name: str, fill: float):
    find = getattr(mnp, name[3:])

    def function(a, axis=None, out=None, keepdims=False):
        if dtype_kind(a.dtype) not in "fc":
            return find(a, axis=axis, keepdims=keepdims)
        missing = mnp.all(mnp.isnan(a), axis, keepdims=bool(keepdims))
        place = find(mnp.where(mnp.isnan(a), fill, a), axis=axis, keepdims=keepdims)
        return mnp.where(missing, -1, place)

    function.__name__ = name
    function.__doc__ = f"`{name[3:]}` of the elements that are not NaN; -1 where all are."
    return function


nanargmax = position_without_nan("nanargmax", -math.inf)
nanargmin = position_without_nan("nanargmin", math.inf)

# ------------------------------------------------------------------ order statistics


@staged(static=("axis", "overwrite_input", "method", "keepdims"))
def nanquantile(a, q, axis=None, out=None, overwrite_input=False, method="linear", keepdims=False,
                *, weights=None):
    """The q-quantile of the elements that are not NaN: by linear interpolation between two."""
    (a,) = promote_inexact(a)
    a, q = promote_dtypes(a, mnp.asarray(q))
    axes = tuple(range(a.ndim)) if axis is None else (axis,) if isinstance(axis, int) else axis
    axes = tuple(canonical(i, a.ndim) for i in axes)
    rest = [i for i in range(a.ndim) if i not in axes]
    kept = [1 if i in axes else n for i, n in enumerate(a.shape)]
    flat = mnp.reshape(mnp.transpose(a, (*rest, *axes)), (*[a.shape[i] for i in rest], -1))
    ordered = mnp.sort(flat, axis=-1)  # NaN stands last
    n = mnp.astype(mnp.sum(~mnp.isnan(flat), -1), q.dtype)
    place = mnp.reshape(q, q.shape + (1,) * n.ndim) * (n - 1)
    low, high = mnp.floor(place), mnp.ceil(place)

    def at(position):
        index = mnp.astype(mnp.clip(position, 0, mnp.maximum(n - 1, 0)), scalar_dtype(int))
        wide = mnp.broadcast_to(ordered, (*q.shape, *ordered.shape))
        return mnp.take_along_axis(wide, index[..., None], axis=-1)[..., 0]

    weight = place - low
    picked = {"lower": lambda: at(low), "higher": lambda: at(high),
              "midpoint": lambda: (at(low) + at(high)) * 0.5,
              "nearest": lambda: mnp.where(weight <= 0.5, at(low), at(high)),
              "linear": lambda: at(low) * (1 - weight) + at(high) * weight}
    if method not in picked:
        raise ValueError("method can only be 'linear', 'lower', 'higher', 'midpoint', or "
                         "'nearest'")
    result = picked[method]()
    result = convert(result, result.dtype)  # of no weak type
    return mnp.reshape(result, (*q.shape, *kept)) if keepdims else result


def nanpercentile(a, q, axis=None, out=None, overwrite_input=False, method="linear",
                  keepdims=False, *, weights=None):
    """The quantile, at q percent, of the elements that are not NaN."""
    q = mnp.true_divide(mnp.asarray(q), 100)
    return nanquantile(a, q, axis, out, overwrite_input, method, keepdims)


def nanmedian(a, axis=None, out=None, overwrite_input=False, keepdims=False):
    """The middle of the elements that are not NaN."""
    return nanquantile(a, 0.5, axis, out, overwrite_input, "midpoint", keepdims)


def topmost(x, k: int):
    """(the k largest of the last axis, where they stand)."""
    return table["top_k"](x, k=k, axis=x.ndim - 1)


@staged(static=("kth", "axis"))
def partition(a, kth, axis=-1):
    """The `kth` smallest at its sorted place, smaller elements before it, larger ones behind."""
    axis = canonical(axis, a.ndim)
    kth = canonical(kth, a.shape[axis])
    a = mnp.swapaxes(a, axis, -1)
    bottom = -topmost(-a, kth + 1)[0]
    top = topmost(a, a.shape[-1] - kth - 1)[0]
    return mnp.swapaxes(mnp.concatenate([bottom, top], -1), -1, axis)


@staged(static=("kth", "axis"))
def argpartition(a, kth, axis=-1):
    """Positions that partition `a`."""
    axis = canonical(axis, a.ndim)
    kth = canonical(kth, a.shape[axis])
    a = mnp.swapaxes(a, axis, -1)
    bottom = topmost(-a, kth + 1)[1]
    taken = mnp.put_along_axis(mnp.zeros(a.shape), bottom, 1, -1, inplace=False)
    top = topmost(1 - taken, a.shape[-1] - kth - 1)[1]
    return mnp.swapaxes(mnp.concatenate([bottom, top], -1), -1, axis)


@staged
def sort_complex(a):
    """Sorted along the last axis, and complex."""
    return mnp.astype(mnp.sort(a), complexified(a.dtype))


@staged(static=("rowvar", "dtype"))
def corrcoef(x, y=None, rowvar=True, dtype=None):
    """The correlations of the rows (or columns)."""
    if y is not None:
        x = mnp.concatenate([mnp.atleast_2d(x), mnp.atleast_2d(y)], 0 if rowvar else 1)
    c = mnp.cov(x, rowvar=rowvar)
    if not c.ndim:
        return c / c
    deviation = mnp.astype(mnp.sqrt(mnp.real(mnp.diag(c))), c.dtype)
    c = c / deviation[:, None] / deviation[None, :]
    if dtype_kind(c.dtype) == "c":
        return table["complex"](mnp.clip(mnp.real(c), -1, 1), mnp.clip(mnp.imag(c), -1, 1))
    return mnp.clip(c, -1, 1)


# ------------------------------------------------------------------ products


@staged
def matvec(x1, x2, /):
    """Matrices times vectors."""
    return mnp.matmul(x1, x2[..., None])[..., 0] if x2.ndim > 1 else mnp.matmul(x1, x2)


@staged
def vecmat(x1, x2, /):
    """Vectors, conjugated, times matrices."""
    return mnp.matmul(mnp.conj(x1)[..., None, :], x2)[..., 0, :]


# ------------------------------------------------------------------ parts of numbers


@staged
def iscomplex(x):
    """Where the imaginary part is not zero."""
    return mnp.imag(x) != 0 if dtype_kind(x.dtype) == "c" else mnp.zeros(x.shape, bool)


@staged
def isreal(x):
    """Where the imaginary part is zero."""
    return mnp.imag(x) == 0 if dtype_kind(x.dtype) == "c" else mnp.ones(x.shape, bool)


UNSIGNED = {2: np.uint16, 4: np.uint32, 8: np.uint64}


def exponent_and_mantissa(x):
    """(the biased exponent as an integer, the bits without it, the layout) of floats."""
    info = mnp.finfo(x.dtype)
    kind = np.dtype(UNSIGNED[x.dtype.itemsize])
    bits = table["bitcast_convert_type"](x, new_dtype=kind)
    mask = (1 << info.nexp) - 1
    exponent = (bits >> np.array(info.nmant, kind)) & np.array(mask, kind)
    return mnp.astype(exponent, np.int32), bits & ~np.array(mask << info.nmant, kind), info


@staged
def frexp(x, /):
    """(mantissa in [0.5, 1), exponent): x = mantissa * 2 ** exponent."""
    (x,) = promote_inexact(x)
    if dtype_kind(x.dtype) == "c":
        raise TypeError("frexp does not support complex-valued inputs")
    exponent, _, info = exponent_and_mantissa(x)
    tiny = exponent == 0  # zero and subnormal numbers: scaled up, looked at again
    scaled = mnp.where(tiny, x * mnp.asarray(2.0 ** info.nmant, x.dtype), x)
    exponent, rest, _ = exponent_and_mantissa(scaled)
    bias = 2 ** (info.nexp - 1) - 2
    kind = rest.dtype
    bits = rest | np.array(bias << info.nmant, kind)
    mantissa = table["bitcast_convert_type"](bits, new_dtype=x.dtype)
    special = ~mnp.isfinite(x) | (x == 0)
    out = mnp.where(special, x, mantissa)
    power = mnp.where(special, 0, exponent - bias - mnp.where(tiny, info.nmant, 0))
    return out, mnp.astype(power, np.int32)


@staged
def ldexp(x1, x2, /):
    """x1 * 2 ** x2."""
    if dtype_kind(x1.dtype) == "c" or dtype_kind(x2.dtype) == "c":
        raise ValueError(f"ldexp not supported for input types {(x1.dtype, x2.dtype)}")
    if dtype_kind(x2.dtype) not in "iub":
        raise ValueError(f"ldexp not supported for input types {(x1.dtype, x2.dtype)}")
    (x1,) = promote_inexact(x1)
    x1, x2 = mnp.broadcast_arrays(x1, x2)
    half = x2 // 2  # in two steps, so that neither power overflows
    return x1 * power_of_two(half, x1.dtype) * power_of_two(x2 - half, x1.dtype)


def power_of_two(exponent, dtype):
    return mnp.exp2(mnp.astype(exponent, dtype))


@staged
def spacing(x, /):
    """The distance to the next number away from zero."""
    (x,) = promote_inexact(x)
    away = mnp.astype(mnp.where(x < 0, -np.inf, np.inf), x.dtype)
    return mnp.where(mnp.isinf(x), np.nan, mnp.nextafter(x, away) - x)
