"""Reductions: sums, extrema, means, and running versions of them. Source: jax.numpy."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from minigrad.core import BOOL, F32, PYTHON_SCALARS, aval_of, scalar_dtype, table
from minigrad.numpy import elementwise
from minigrad.numpy.promotion import (
    check_array, convert, inexact, known_index, numeric, operand, promote_dtypes, result_type,
    settled, shape_of,
)
from minigrad.numpy.selecting import broadcast_to, where as select_where
from minigrad.numpy.staging import staged
from minigrad.ops.axes import canonical
from minigrad.ops.families import dtype_kind
from minigrad.ops.shaping import expand_dims, reshape_to

# ------------------------------------------------------------------ the one road


def axes_of(x, axis, name: str = "") -> tuple[int, ...]:
    """The axes to reduce, as positive numbers; None means all."""
    rank = len(shape_of(x))
    if axis is None:
        return tuple(range(rank))
    axes = axis if isinstance(axis, (tuple, list, np.ndarray)) else (axis,)
    found = tuple(canonical(known_index(a, "The axis argument must be known statically."), rank)
                  for a in axes)
    if len(set(found)) != len(found):
        raise ValueError(f"duplicate value in 'axis': {axis}")
    return found


def wide(dtype) -> np.dtype:
    """Half floats are summed in float32."""
    return F32 if dtype_kind(dtype) == "f" and dtype.itemsize == 2 else dtype


def wide_integer(dtype) -> np.dtype:
    """Small integers and booleans are summed in the default integer."""
    default = scalar_dtype(int)
    if dtype == BOOL:
        return default
    if dtype_kind(dtype) in "iu" and dtype.itemsize < default.itemsize:
        return default if dtype_kind(dtype) == "i" else np.dtype(f"u{default.itemsize}")
    return dtype


def identity_in(value: float, dtype):
    """The identity of a reduction in a dtype: infinity is the extreme of integers."""
    kind = dtype_kind(dtype)
    if kind == "b":
        return np.bool_(value > 0)
    if kind in "iu" and math.isinf(value):
        info = np.iinfo(dtype)
        return dtype.type(info.max if value > 0 else info.min)
    return np.asarray(value, dtype)[()]


def reduce(a, name: str, primitive: str, identity: float, *, axis, dtype=None, keepdims=False,
           initial=None, where=None, combine: str | None = None, has_identity=True,
           upcast=False, promote_integers=False):
    if where is not None:
        if aval_of(where).dtype != BOOL:
            raise ValueError(f"jnp.{name}: where must be None or a boolean array; got "
                             f"where.dtype={aval_of(where).dtype!r}.")
        if initial is None and not has_identity:
            raise ValueError(f"reduction operation {name} does not have an identity, so to use a "
                             "where mask one has to specify 'initial'")
    axes = axes_of(a, axis, name)
    if initial is None and not has_identity and 0 in [shape_of(a)[i] for i in axes]:
        raise ValueError(f"zero-size array to reduction operation {name} which has no identity")
    own = aval_of(a).dtype
    result = np.dtype(dtype) if dtype is not None else wide_integer(own) if promote_integers \
        else own
    a = convert(a, wide(result) if upcast and dtype is None else result,
                aval_of(a).weak_type and dtype is None and result == own)
    used = aval_of(a).dtype
    start = identity_in(identity, used)
    if where is not None:
        a = select_where(where, a, start)
    out = table[primitive](a, axes=axes) if axes or name else a
    if initial is not None:
        out = table[combine](convert(initial, used), out)
    if keepdims:
        out = expand_dims(out, axes) if axes else out
    return convert(out, result)


def out_is_none(name: str, out) -> None:
    if out is not None:
        raise NotImplementedError(f"The 'out' argument to jnp.{name} is not supported.")


def sum(a, axis=None, dtype=None, out=None, keepdims=False, initial=None, where=None,
        promote_integers=True):
    """The sum of elements over `axis` (all axes if None)."""
    check_array("sum", a), out_is_none("sum", out)
    (a,) = promote_dtypes(a, to=numeric)
    return reduce(a, "sum", "reduce_sum", 0, axis=axis, dtype=dtype, keepdims=keepdims,
                  initial=initial, where=where, combine="add", upcast=True,
                  promote_integers=promote_integers)


def prod(a, axis=None, dtype=None, out=None, keepdims=False, initial=None, where=None,
         promote_integers=True):
    """The product of elements over `axis`."""
    check_array("prod", a), out_is_none("prod", out)
    (a,) = promote_dtypes(a, to=numeric)
    return reduce(a, "prod", "reduce_prod", 1, axis=axis, dtype=dtype, keepdims=keepdims,
                  initial=initial, where=where, combine="mul", upcast=True,
                  promote_integers=promote_integers)


def max(a, axis=None, out=None, keepdims=False, initial=None, where=None):
    """The largest element over `axis`."""
    check_array("max", a), out_is_none("max", out)
    name = "reduce_or" if aval_of(a).dtype == BOOL else "reduce_max"
    return reduce(a, "max", name, -math.inf, axis=axis, keepdims=keepdims, initial=initial,
                  where=where, combine="max", has_identity=False)


def min(a, axis=None, out=None, keepdims=False, initial=None, where=None):
    """The smallest element over `axis`."""
    check_array("min", a), out_is_none("min", out)
    name = "reduce_and" if aval_of(a).dtype == BOOL else "reduce_min"
    return reduce(a, "min", name, math.inf, axis=axis, keepdims=keepdims, initial=initial,
                  where=where, combine="min", has_identity=False)


amax, amin = max, min


def all(a, axis=None, out=None, keepdims=False, *, where=None):
    """Whether all elements over `axis` are true."""
    check_array("all", a), out_is_none("all", out)
    return reduce(convert(a, BOOL), "all", "reduce_and", 1, axis=axis, keepdims=keepdims,
                  where=where)


def any(a, axis=None, out=None, keepdims=False, *, where=None):
    """Whether any element over `axis` is true."""
    check_array("any", a), out_is_none("any", out)
    return reduce(convert(a, BOOL), "any", "reduce_or", 0, axis=axis, keepdims=keepdims,
                  where=where)


# ------------------------------------------------------------------ moments


def count(a, axis, keepdims, where, dtype):
    """How many elements a mean divides by."""
    if where is None:
        return settled(math.prod(shape_of(a)[i] for i in axes_of(a, axis)), dtype)
    ones = convert(broadcast_to(where, shape_of(a)), scalar_dtype(int))
    return sum(convert(ones, dtype), axis, dtype=dtype, keepdims=keepdims)


def mean(a, axis=None, dtype=None, out=None, keepdims=False, *, where=None):
    """The mean over `axis`; integers are averaged as floats."""
    check_array("mean", a), out_is_none("mean", out)
    result = inexact(aval_of(operand(a)).dtype) if dtype is None else np.dtype(dtype)
    used = wide(result)
    n = count(a, axis, keepdims, where, used)
    total = sum(a, axis, dtype=used, keepdims=keepdims, where=where)
    return convert(table["div"](total, n), result)


def average(a, axis=None, weights=None, returned=False, keepdims=False):
    """The mean, or the mean with weights. `returned`: also the sum of the weights."""
    check_array("average", a)
    if weights is None:
        value = mean(a, axis, keepdims=keepdims)
        n = count(a, axis, keepdims, None, aval_of(value).dtype)
        return (value, broadcast_to(n, shape_of(value))) if returned else value
    a, weights = promote_dtypes(a, weights, to=inexact)
    if shape_of(a) != shape_of(weights):
        if axis is None:
            raise ValueError("Axis must be specified when shapes of a and weights differ.")
        axis = canonical(axis, len(shape_of(a)))
        others = tuple(i for i in range(len(shape_of(a))) if i != axis)
        weights = expand_dims(weights, others)
    total = sum(weights, axis, keepdims=keepdims)
    value = table["div"](sum(elementwise.multiply(a, weights), axis, keepdims=keepdims),
                         broadcast_to(total, shape_of(sum(a, axis, keepdims=keepdims)))
                         if shape_of(weights) != shape_of(a) else total)
    return (value, total) if returned else value


@staged(name="_var", static=("axis", "dtype", "keepdims"))
def variance(a, correction, where, axis, dtype, keepdims, centre=None):
    own = aval_of(a).dtype
    if dtype is None:
        dtype = inexact(own)
        used = wide(dtype)
        if dtype_kind(own) == "c":
            dtype = np.finfo(own).dtype
    else:
        used = wide(np.dtype(dtype))
    a = convert(a, used)
    if centre is None:
        centre = mean(a, axis, dtype=used, keepdims=True, where=where)
    centred = table["sub"](a, centre)
    if dtype_kind(used) == "c":
        centred = table["real"](table["mul"](centred, table["conj"](centred, input_dtype=used)))
        used = aval_of(centred).dtype
    else:
        centred = table["square"](centred)
    n = table["sub"](count(a, axis, keepdims, where, used), convert(correction, used))
    total = sum(centred, axis, dtype=used, keepdims=keepdims, where=where)
    out = convert(table["div"](total, n), dtype)
    return select_where(table["gt"](n, 0), out, math.nan)


def var(a, axis=None, dtype=None, out=None, ddof=0, keepdims=False, *, where=None,
        mean=None, correction=None):
    """The variance over `axis`, divided by n - ddof."""
    check_array("var", a), out_is_none("var", out)
    return variance(a, ddof if correction is None else correction, where, axis, dtype, keepdims,
                      *(() if mean is None else (mean,)))


@staged(name="_std", static=("axis", "dtype", "keepdims"))
def deviation(a, correction, where, axis, dtype, keepdims, centre=None):
    if dtype is not None and dtype_kind(np.dtype(dtype)) not in "fc":
        raise ValueError("dtype argument to jnp.std must be inexact; got {dtype}")
    extra = () if centre is None else (centre,)
    return table["sqrt"](variance(a, correction, where, axis, dtype, keepdims, *extra))


def std(a, axis=None, dtype=None, out=None, ddof=0, keepdims=False, *, where=None,
        mean=None, correction=None):
    """The standard deviation over `axis`."""
    check_array("std", a), out_is_none("std", out)
    return deviation(a, ddof if correction is None else correction, where, axis, dtype, keepdims,
                    *(() if mean is None else (mean,)))


@staged(name="_ptp", static=("axis", "keepdims"))
def spread(a, axis, keepdims):
    return table["sub"](max(a, axis, keepdims=keepdims), min(a, axis, keepdims=keepdims))


def ptp(a, axis=None, out=None, keepdims=False):
    """Largest minus smallest element."""
    return spread(a, axis, keepdims)


@staged(static=("axis", "keepdims"))
def count_nonzero(a, axis=None, keepdims=False):
    """How many elements are not zero."""
    return sum(table["ne"](a, 0), axis, dtype=scalar_dtype(int), keepdims=keepdims)


# ------------------------------------------------------------------ without NaN


def ignoring_nan(name: str, reduction, identity: float, nan_if_all: bool):
    def function(a, axis=None, out=None, keepdims=False, initial=None, where=None):
        if dtype_kind(aval_of(a).dtype) not in "fc":
            return reduction(a, axis, keepdims=keepdims, initial=initial, where=where)
        given = {"where": where, "initial": -math.inf if name == "nanmax" else math.inf} \
            if where is not None and initial is None and nan_if_all else \
            {"where": where, "initial": initial}
        filled = select_where(table["ne"](a, a), identity_in(identity, aval_of(a).dtype), a)
        value = reduction(filled, axis, keepdims=keepdims, **given)
        if not nan_if_all or initial is not None:
            return value
        empty = all(table["ne"](a, a), axis, keepdims=keepdims)
        return select_where(empty, identity_in(math.nan, aval_of(a).dtype), value)

    function.__name__ = name
    function.__doc__ = f"`{name[3:]}` of the elements that are not NaN."
    return staged(function, static=("axis", "out", "keepdims"))


nanmax = ignoring_nan("nanmax", max, -math.inf, True)
nanmin = ignoring_nan("nanmin", min, math.inf, True)
nansum = ignoring_nan("nansum", sum, 0, False)
nanprod = ignoring_nan("nanprod", prod, 1, False)


@staged(static=("axis", "dtype", "keepdims"))
def nanmean(a, axis=None, dtype=None, keepdims=False, where=None):
    """The mean of the elements that are not NaN."""
    if dtype_kind(aval_of(a).dtype) not in "fc":
        return mean(a, axis, dtype, keepdims=keepdims, where=where)
    dtype = np.dtype(dtype) if dtype else aval_of(a).dtype
    there = table["not"](table["ne"](a, a))
    n = sum(convert(convert(there, scalar_dtype(int)), dtype), axis, dtype=dtype,
            keepdims=keepdims, where=where)
    return table["div"](nansum(a, axis, keepdims=keepdims, where=where), n)


# ------------------------------------------------------------------ running, positions


def running(name: str, primitive: str, promote_bool: bool = True):
    @staged(name=name, static=("axis", "dtype"))
    def along(a, axis, dtype):
        shape = shape_of(a)
        if axis is None:
            a, axis = reshape_to(a, (math.prod(shape),)), 0
        if dtype is not None:
            a = convert(a, np.dtype(dtype))
        elif promote_bool and aval_of(a).dtype == BOOL:
            a = convert(a, scalar_dtype(int))
        return table[primitive](a, axis=canonical(axis, len(shape_of(a))), reverse=False)

    def function(a, axis=None, dtype=None, out=None):
        check_array(name, a), out_is_none(name, out)
        return along(a, axis, dtype)

    function.__name__ = name
    function.__doc__ = f"The running {name[3:]} along `axis` (of the flat array if None)."
    return function


cumsum, cumprod = running("cumsum", "cumsum"), running("cumprod", "cumprod")


def position_of(name: str, primitive: str):
    def function(a, axis=None, out=None, keepdims=False):
        check_array(name, a), out_is_none(name, out)
        a = operand(a)
        shape = shape_of(a)
        flat = axis is None or not shape
        if flat:
            a, axis = reshape_to(a, (math.prod(shape),)), 0
        axis = canonical(axis, len(shape_of(a)))
        if not shape_of(a)[axis]:
            raise ValueError(f"attempt to get {name} of an empty sequence")
        out = table[primitive](a, axes=(axis,), index_dtype=scalar_dtype(int))
        if not keepdims:
            return out
        return expand_dims(out, range(len(shape)) if flat else (axis,))

    function.__name__ = name
    function.__doc__ = f"The position of the {name[3:]}imum, the first one on ties."
    return function


argmax, argmin = position_of("argmax", "argmax"), position_of("argmin", "argmin")

# ------------------------------------------------------------------ order statistics


@staged(static=("axis", "out", "overwrite_input", "method", "keepdims"))
def quantile(a, q, axis=None, out=None, overwrite_input=False, method="linear", keepdims=False):
    """The q-quantile over `axis`: NaN where there is a NaN. Source: jax.numpy.quantile."""
    from minigrad.numpy.sorting import sort_values

    (a,) = promote_dtypes(a, to=inexact)
    a, q = promote_dtypes(a, q)
    if method not in ("linear", "lower", "higher", "midpoint", "nearest"):
        raise ValueError("method can only be 'linear', 'lower', 'higher', 'midpoint', or "
                         "'nearest'")
    axes = axes_of(a, axis)
    kept = tuple(1 if i in axes else n for i, n in enumerate(shape_of(a)))
    rest = [i for i in range(len(shape_of(a))) if i not in axes]
    n = math.prod(shape_of(a)[i] for i in axes)
    order = (*rest, *axes)
    if order != tuple(range(len(order))):
        a = table["transpose"](a, permutation=order)
    a = reshape_to(a, (*(shape_of(a)[:len(rest)]), n))
    missing = any(table["ne"](a, a), -1, keepdims=True)
    ordered = sort_values(select_where(missing, math.nan, a), len(rest))
    place = table["mul"](q, settled(n - 1, aval_of(q).dtype))
    below = table["floor"](place)
    high_weight = table["sub"](place, below)
    low, high = (at_position(ordered, p, n) for p in (below, table["ceil"](place)))
    if shape_of(q):
        extra = len(rest)
        high_weight = expand_dims(high_weight, range(1, extra + 1)) if extra else high_weight
    if method == "lower":
        out = low
    elif method == "higher":
        out = high
    elif method == "nearest":
        out = select_where(table["le"](high_weight, 0.5), low, high)
    elif method == "midpoint":
        out = elementwise.multiply(elementwise.add(low, high), 0.5)
    else:
        low_weight = table["sub"](1, high_weight)
        out = elementwise.add(elementwise.multiply(low, low_weight),
                              elementwise.multiply(high, high_weight))
    if keepdims:
        out = reshape_to(out, shape_of(q) + kept)
    return convert(out, aval_of(out).dtype)  # of no weak type


def at_position(ordered, position, n: int):
    from minigrad.numpy.taking import take

    index = convert(table["clamp"](0, position, n - 1), np.int32)
    picked = take(ordered, index, axis=-1, mode="clip")
    rank = len(shape_of(ordered)) - 1
    if not shape_of(index) or not rank:
        return picked
    return table["transpose"](picked, permutation=(rank, *range(rank)))


def percentile(a, q, axis=None, out=None, overwrite_input=False, method="linear", keepdims=False):
    """The quantile at q percent."""
    q = q / 100 if type(q) in PYTHON_SCALARS else elementwise.true_divide(q, 100)
    return quantile(a, q, axis, method=method, keepdims=keepdims)


@staged(static=("axis", "out", "overwrite_input", "keepdims"))
def median(a, axis=None, out=None, overwrite_input=False, keepdims=False):
    """The middle value over `axis`."""
    return quantile(a, 0.5, axis, method="midpoint", keepdims=keepdims)


_ = Sequence, result_type
