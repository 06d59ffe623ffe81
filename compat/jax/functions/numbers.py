"""Differences, running and order statistics, parts of numbers. Source: jax.numpy."""

from __future__ import annotations

import math

import numpy as np

from compat.jax import lax
from compat.jax import numpy as jnp
from compat.jax.face import composite
from compat.jax.functions.common import check_array, promoted, promoted_inexact
from minigrad.core import scalar_dtype
from minigrad.ops.axes import canonical
from minigrad.ops.families import dtype_kind

# ------------------------------------------------------------------ differences


@composite(static=())
def ediff1d(ary, to_end=None, to_begin=None):
    """The differences of neighbours in the flat array, with others before and behind."""
    flat = jnp.ravel(ary)
    parts = [flat[1:] - flat[:-1]]
    for extra, at in ((to_begin, 0), (to_end, len(parts))):
        if extra is not None:
            parts.insert(at and len(parts), jnp.ravel(jnp.asarray(extra)).astype(flat.dtype))
    return jnp.concatenate(parts)


def gradient(f, *varargs, axis=None, edge_order=None):
    """Central differences, one-sided at the ends."""
    f = promoted_inexact(jnp.asarray(f))[0]
    if edge_order is not None:
        raise NotImplementedError("The 'edge_order' argument to jnp.gradient is not supported.")
    axes = tuple(range(f.ndim)) if axis is None else (axis,) if isinstance(axis, int) else axis
    axes = [canonical(a, f.ndim) for a in axes]
    if len(varargs) not in (0, 1, len(axes)):
        raise TypeError("Invalid number of spacing arguments "
                        f"{len(varargs)} for axis={axis}")
    steps = varargs if len(varargs) == len(axes) else (varargs or (1.0,)) * len(axes)
    out = [gradient_along(f, a, jnp.asarray(h)) for a, h in zip(axes, steps)]
    return out[0] if len(out) == 1 else out


def gradient_along(f, axis: int, h):
    n = f.shape[axis]
    if n < 2:
        raise ValueError("Shape of array too small to calculate a numerical gradient, at least 2 "
                         "elements are required.")
    cut = lambda lo, hi: lax.slice_in_dim(f, lo, hi, axis=axis)  # noqa: E731
    if not h.ndim:
        middle = (cut(2, n) - cut(0, n - 2)) * 0.5
        return jnp.concatenate([cut(1, 2) - cut(0, 1), middle, cut(n - 1, n) - cut(n - 2, n - 1)],
                               axis) / h
    if h.shape != (n,):
        raise ValueError("Spacing arrays must have the same length as the dimension along which "
                         "the gradient is calculated.")
    d = jnp.diff(h)
    shape = [-1 if i == axis else 1 for i in range(f.ndim)]
    d0, d1 = d[:-1].reshape(shape), d[1:].reshape(shape)
    a, b, c = -d1 / (d0 * (d0 + d1)), (d1 - d0) / (d0 * d1), d0 / (d1 * (d0 + d1))
    middle = a * cut(0, n - 2) + b * cut(1, n - 1) + c * cut(2, n)
    return jnp.concatenate([(cut(1, 2) - cut(0, 1)) / d[0], middle,
                            (cut(n - 1, n) - cut(n - 2, n - 1)) / d[-1]], axis)


@composite(static=("axis", "period"))
def unwrap(p, discont=None, axis=-1, period=2 * math.pi):
    """Angles without jumps of more than half a period."""
    (p,) = promoted(p)
    if dtype_kind(p.dtype) in "iu" and isinstance(period, float):
        (p,) = promoted_inexact(p)
    axis = canonical(axis, p.ndim)
    step = jnp.diff(p, axis=axis)
    if dtype_kind(p.dtype) in "iu":
        low = period // 2 if period % 2 == 0 else (period - 1) // 2 + 1
        limit = period // 2
        turned = (step + low) % period - low
        turned = jnp.where((turned == -limit) & (step > 0) if period % 2 == 0 else False,
                           limit, turned)
    else:
        limit = period / 2
        turned = (step + limit) % period - limit
        turned = jnp.where((turned == -limit) & (step > 0), limit, turned)
    correction = jnp.where(jnp.abs(step) < (limit if discont is None else discont), 0,
                           turned - step)
    first = lax.slice_in_dim(p, 0, 1, axis=axis)
    return jnp.concatenate([first, lax.slice_in_dim(p, 1, None, axis=axis)
                            + jnp.cumsum(correction, axis=axis)], axis)


# ------------------------------------------------------------------ running


def cumulative(name: str, start: int):
    def function(x, /, *, axis=None, dtype=None, include_initial=False):
        check_array(name, x)
        x = jnp.asarray(x)
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
        out = (jnp.cumprod if start else jnp.cumsum)(x, axis=axis, dtype=dtype)
        if include_initial:
            first = jnp.full([1 if i == axis else n for i, n in enumerate(x.shape)], start,
                             out.dtype)
            out = jnp.concatenate([first, out], axis)
        return out

    function.__name__ = name
    function.__doc__ = f"The running {'product' if start else 'sum'} along an axis."
    return function


cumulative_sum, cumulative_prod = cumulative("cumulative_sum", 0), cumulative("cumulative_prod", 1)


def without_nan(a, value):
    return jnp.where(jnp.isnan(a), value, a) if dtype_kind(a.dtype) in "fc" else a


@composite(static=("axis", "dtype"))
def nancumsum(a, axis=None, dtype=None, out=None):
    """The running sum, NaN counting as zero."""
    return jnp.cumsum(without_nan(a, 0), axis, dtype)


@composite(static=("axis", "dtype"))
def nancumprod(a, axis=None, dtype=None, out=None):
    """The running product, NaN counting as one."""
    return jnp.cumprod(without_nan(a, 1), axis, dtype)


@composite(static=("axis", "dtype", "ddof", "keepdims"))
def nanvar(a, axis=None, dtype=None, out=None, ddof=0, keepdims=False, where=None, mean=None):
    """The variance of the elements that are not NaN."""
    (a,) = promoted_inexact(a if dtype is None else a.astype(dtype))
    there = ~jnp.isnan(a) if where is None else ~jnp.isnan(a) & where
    centre = jnp.nanmean(a, axis, keepdims=True, where=where) if mean is None else mean
    centred = jnp.where(there, a - centre, 0)
    squares = jnp.real(centred * jnp.conj(centred)) if dtype_kind(a.dtype) == "c" else \
        jnp.square(centred)
    n = there.sum(axis, keepdims=keepdims)
    total = squares.sum(axis, keepdims=keepdims)
    divisor = jnp.where(n > ddof, n - ddof, 1).astype(total.dtype)
    return jnp.where(n > ddof, total / divisor, jnp.nan)


@composite(static=("axis", "dtype", "ddof", "keepdims"))
def nanstd(a, axis=None, dtype=None, out=None, ddof=0, keepdims=False, where=None, mean=None):
    """The standard deviation of the elements that are not NaN."""
    return jnp.sqrt(nanvar(a, axis, dtype, None, ddof, keepdims, where, mean))


def position_without_nan(name: str, fill: float):
    find = getattr(jnp, name[3:])

    @composite(name=name)
    def function(a, axis=None, out=None, keepdims=False):
        if dtype_kind(a.dtype) not in "fc":
            return find(a, axis=axis, keepdims=keepdims)
        missing = jnp.isnan(a).all(axis, keepdims=bool(keepdims))
        place = find(jnp.where(jnp.isnan(a), fill, a), axis=axis, keepdims=keepdims)
        return jnp.where(missing, -1, place)

    function.__name__ = name
    function.__doc__ = f"`{name[3:]}` of the elements that are not NaN; -1 where all are."
    return function


nanargmax = position_without_nan("nanargmax", -math.inf)
nanargmin = position_without_nan("nanargmin", math.inf)

# ------------------------------------------------------------------ order statistics


@composite(static=("axis", "overwrite_input", "method", "keepdims"))
def nanquantile(a, q, axis=None, out=None, overwrite_input=False, method="linear", keepdims=False,
                *, weights=None):
    """The q-quantile of the elements that are not NaN: by linear interpolation between two."""
    a, q = promoted_inexact(a, q)
    axes = tuple(range(a.ndim)) if axis is None else (axis,) if isinstance(axis, int) else axis
    axes = tuple(canonical(i, a.ndim) for i in axes)
    rest = [i for i in range(a.ndim) if i not in axes]
    kept = [1 if i in axes else n for i, n in enumerate(a.shape)]
    flat = a.transpose(*rest, *axes).reshape(*[a.shape[i] for i in rest], -1)
    ordered = jnp.sort(flat, axis=-1)  # NaN stands last
    n = (~jnp.isnan(flat)).sum(-1).astype(q.dtype)
    place = q.reshape(q.shape + (1,) * n.ndim) * (n - 1)
    low, high = jnp.floor(place), jnp.ceil(place)

    def at(position):
        index = jnp.clip(position, 0, jnp.maximum(n - 1, 0)).astype(scalar_dtype(int))
        wide = jnp.broadcast_to(ordered, (*q.shape, *ordered.shape))
        return jnp.take_along_axis(wide, index[..., None], axis=-1)[..., 0]

    weight = place - low
    picked = {"lower": lambda: at(low), "higher": lambda: at(high),
              "midpoint": lambda: (at(low) + at(high)) * 0.5,
              "nearest": lambda: jnp.where(weight <= 0.5, at(low), at(high)),
              "linear": lambda: at(low) * (1 - weight) + at(high) * weight}
    if method not in picked:
        raise ValueError("method can only be 'linear', 'lower', 'higher', 'midpoint', or "
                         "'nearest'")
    result = picked[method]()
    return result.reshape(*q.shape, *kept) if keepdims else result


def nanpercentile(a, q, axis=None, out=None, overwrite_input=False, method="linear",
                  keepdims=False, *, weights=None):
    """The quantile, at q percent, of the elements that are not NaN."""
    return nanquantile(a, jnp.true_divide(q, 100), axis, out, overwrite_input, method, keepdims)


def nanmedian(a, axis=None, out=None, overwrite_input=False, keepdims=False):
    """The middle of the elements that are not NaN."""
    return nanquantile(a, 0.5, axis, out, overwrite_input, "midpoint", keepdims)


@composite(static=("kth", "axis"))
def partition(a, kth, axis=-1):
    """The `kth` smallest at its sorted place, smaller elements before it, larger ones behind."""
    axis = canonical(axis, a.ndim)
    kth = canonical(kth, a.shape[axis])
    a = jnp.swapaxes(a, axis, -1)
    bottom = -lax.top_k(-a, kth + 1)[0]
    top = lax.top_k(a, a.shape[-1] - kth - 1)[0]
    return jnp.swapaxes(jnp.concatenate([bottom, top], -1), -1, axis)


@composite(static=("kth", "axis"))
def argpartition(a, kth, axis=-1):
    """Positions that partition `a`."""
    axis = canonical(axis, a.ndim)
    kth = canonical(kth, a.shape[axis])
    a = jnp.swapaxes(a, axis, -1)
    bottom = lax.top_k(-a, kth + 1)[1]
    taken = jnp.put_along_axis(jnp.zeros(a.shape), bottom, 1, -1, inplace=False)
    top = lax.top_k(1 - taken, a.shape[-1] - kth - 1)[1]
    return jnp.swapaxes(jnp.concatenate([bottom, top], -1), -1, axis)


@composite(static=())
def sort_complex(a):
    """Sorted, and complex."""
    return jnp.sort(a, axis=0).astype(jnp.result_type(a, jnp.complex64))


@composite(static=("rowvar", "dtype"))
def corrcoef(x, y=None, rowvar=True, dtype=None):
    """The correlations of the rows (or columns)."""
    if y is not None:
        x = jnp.concatenate([jnp.atleast_2d(x), jnp.atleast_2d(y)], 0 if rowvar else 1)
    c = jnp.cov(x, rowvar=rowvar)
    if not c.ndim:
        return c / c
    deviation = jnp.sqrt(jnp.real(jnp.diag(c))).astype(c.dtype)
    c = c / deviation[:, None] / deviation[None, :]
    if dtype_kind(c.dtype) == "c":
        return lax.complex(jnp.clip(jnp.real(c), -1, 1), jnp.clip(jnp.imag(c), -1, 1))
    return jnp.clip(c, -1, 1)


# ------------------------------------------------------------------ products


@composite(static=())
def matvec(x1, x2, /):
    """Matrices times vectors."""
    return jnp.matmul(x1, x2[..., None])[..., 0] if x2.ndim > 1 else jnp.matmul(x1, x2)


@composite(static=())
def vecmat(x1, x2, /):
    """Vectors, conjugated, times matrices."""
    return jnp.matmul(jnp.conj(x1)[..., None, :], x2)[..., 0, :]


# ------------------------------------------------------------------ parts of numbers


@composite(static=())
def iscomplex(x):
    """Where the imaginary part is not zero."""
    return jnp.imag(x) != 0 if dtype_kind(x.dtype) == "c" else jnp.zeros(x.shape, bool)


@composite(static=())
def isreal(x):
    """Where the imaginary part is zero."""
    return jnp.imag(x) == 0 if dtype_kind(x.dtype) == "c" else jnp.ones(x.shape, bool)


UNSIGNED = {2: np.uint16, 4: np.uint32, 8: np.uint64}


def exponent_and_mantissa(x):
    """(the biased exponent as an integer, the bits without it, the layout) of floats."""
    info = jnp.finfo(x.dtype)
    kind = np.dtype(UNSIGNED[x.dtype.itemsize])
    bits = lax.bitcast_convert_type(x, kind)
    mask = (1 << info.nexp) - 1
    exponent = (bits >> np.array(info.nmant, kind)) & np.array(mask, kind)
    return exponent.astype(np.int32), bits & ~np.array(mask << info.nmant, kind), info


@composite(static=())
def frexp(x, /):
    """(mantissa in [0.5, 1), exponent): x = mantissa * 2 ** exponent."""
    (x,) = promoted_inexact(x)
    if dtype_kind(x.dtype) == "c":
        raise TypeError("frexp does not support complex-valued inputs")
    exponent, _, info = exponent_and_mantissa(x)
    tiny = exponent == 0  # zero and subnormal numbers: scaled up, looked at again
    scaled = jnp.where(tiny, x * jnp.asarray(2.0 ** info.nmant, x.dtype), x)
    exponent, rest, _ = exponent_and_mantissa(scaled)
    bias = 2 ** (info.nexp - 1) - 2
    kind = rest.dtype
    mantissa = lax.bitcast_convert_type(rest | np.array(bias << info.nmant, kind), x.dtype)
    special = ~jnp.isfinite(x) | (x == 0)
    out = jnp.where(special, x, mantissa)
    power = jnp.where(special, 0, exponent - bias - jnp.where(tiny, info.nmant, 0))
    return out, power.astype(np.int32)


@composite(static=())
def ldexp(x1, x2, /):
    """x1 * 2 ** x2."""
    if dtype_kind(x1.dtype) == "c" or dtype_kind(x2.dtype) == "c":
        raise ValueError(f"ldexp not supported for input types {(x1.dtype, x2.dtype)}")
    if dtype_kind(x2.dtype) not in "iub":
        raise ValueError(f"ldexp not supported for input types {(x1.dtype, x2.dtype)}")
    (x1,) = promoted_inexact(x1)
    x1, x2 = jnp.broadcast_arrays(x1, x2)
    half = x2 // 2  # in two steps, so that neither power overflows
    return x1 * power_of_two(half, x1.dtype) * power_of_two(x2 - half, x1.dtype)


def power_of_two(exponent, dtype):
    return jnp.exp2(exponent.astype(dtype))


@composite(static=())
def spacing(x, /):
    """The distance to the next number away from zero."""
    (x,) = promoted_inexact(x)
    away = jnp.where(x < 0, -jnp.inf, jnp.inf).astype(x.dtype)
    return jnp.where(jnp.isinf(x), jnp.nan, jnp.nextafter(x, away) - x)
