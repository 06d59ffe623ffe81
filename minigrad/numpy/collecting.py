"""Functions put together from others: choices, counts, curves, norms. Source: jax.numpy."""

from __future__ import annotations

import functools

import numpy as np

from minigrad.core import aval_of, scalar_dtype, table
from minigrad.numpy import elementwise as ew
from minigrad.numpy import reductions
from minigrad.numpy.floats import clip, conjugate
from minigrad.numpy.indexing import getitem
from minigrad.numpy.joining import concatenate
from minigrad.numpy.linear import dot
from minigrad.numpy.promotion import convert, inexact, operand, promote_dtypes, settled, shape_of
from minigrad.numpy.selecting import broadcast_arrays, where
from minigrad.numpy.shaping import flip, moveaxis, ravel, transpose
from minigrad.numpy.sorting import argsort, searchsorted
from minigrad.numpy.staging import staged
from minigrad.numpy.taking import take
from minigrad.numpy.updating import scatter
from minigrad.ops.families import full
from minigrad.ops.shaping import expand_dims

# ------------------------------------------------------------------ choosing


def select(condlist, choicelist, default=0):
    """The choice of the first condition that holds, or the default."""
    if len(condlist) != len(choicelist) or not condlist:
        raise ValueError("condlist must have length equal to choicelist "
                         f"({len(condlist)} vs {len(choicelist)})")
    *choices, out = promote_dtypes(*choicelist, default)
    for condition, choice in zip(reversed(condlist), reversed(choices)):
        out = where(condition, choice, out)
    return out


@staged(static=("axis",))
def append(arr, values, axis=None):
    """`values` behind `arr`; both flat if `axis` is None."""
    if axis is None:
        return concatenate([ravel(arr), ravel(values)], 0)
    return concatenate([arr, values], axis)


def bincount(x, weights=None, minlength=0, *, length=None):
    """How often each integer occurs, or the sum of the weights where it does."""
    if length is None:
        from minigrad.numpy.operators import concrete

        value = concrete(operand(x))
        if value is None:
            raise ValueError("the error occurred because argument 'x' of jnp.bincount is traced; "
                             "give `length`.")
        length = max(minlength, int(np.max(value, initial=-1)) + 1)
    length = max(length, minlength, 1)
    dtype = scalar_dtype(int) if weights is None else aval_of(weights).dtype
    return scatter(full((length,), 0, dtype), clip(x, 0), 1 if weights is None else weights,
                   "add", mode="drop")


def isin(element, test_elements, assume_unique=False, invert=False, *, method="auto"):
    """Whether each element is one of the test elements (none of them, if `invert`)."""
    element, test_elements = promote_dtypes(element, test_elements)
    same = ew.equal(expand_dims(element, (len(shape_of(element)),)), ravel(test_elements))
    found = reductions.any(same, axis=-1)
    return ew.logical_not(found) if invert else found


# ------------------------------------------------------------------ curves


@staged(name="polyval", static=("unroll",))
def polyval(p, x, *, unroll=16):
    """The polynomial with coefficients `p`, highest first, at `x`: Horner's scheme."""
    from minigrad.ops.flow import scan

    p, x = promote_dtypes(p, x)
    shape = np.broadcast_shapes(shape_of(x), shape_of(p)[1:])
    start = full(shape, 0, aval_of(x).dtype)
    return scan(lambda y, c: (ew.add(ew.multiply(y, x), c), None), start, p, unroll=unroll)[0]


@staged(static=("axis",))
def trapezoid(y, x=None, dx=1.0, axis=-1):
    """The integral of `y` over `x` by the trapezoidal rule."""
    if x is None:
        (y,) = promote_dtypes(y, to=inexact)
        steps = convert(dx, aval_of(y).dtype)
    else:
        y, x = promote_dtypes(y, x, to=inexact)
        x = moveaxis(x, axis, -1) if len(shape_of(x)) > 1 else x
        steps = ew.subtract(getitem(x, (..., slice(1, None))), getitem(x, (..., slice(None, -1))))
    y = moveaxis(y, axis, -1)
    pairs = ew.add(getitem(y, (..., slice(1, None))), getitem(y, (..., slice(None, -1))))
    return ew.multiply(0.5, reductions.sum(ew.multiply(steps, pairs), -1))


@staged(name="interp", static=("period",))
def interp(x, xp, fp, left=None, right=None, period=None):
    """The polygon through (xp, fp) at `x`; constant outside."""
    if period is not None:
        period_value = convert(abs(period), inexact(aval_of(x).dtype))
        x, xp = ew.mod(x, period_value), ew.mod(xp, period_value)
        order = argsort(xp)
        xp, fp = getitem(xp, order), getitem(fp, order)
        xp = concatenate([ew.subtract(getitem(xp, slice(-1, None)), period_value), xp,
                          ew.add(getitem(xp, slice(0, 1)), period_value)])
        fp = concatenate([getitem(fp, slice(-1, None)), fp, getitem(fp, slice(0, 1))])
    x, xp, fp = promote_dtypes(x, xp, fp, to=inexact)
    n = shape_of(xp)[0]
    i = clip(searchsorted(xp, x, "right"), 1, n - 1)
    low_x, low_f = take(xp, table["sub"](i, 1)), take(fp, table["sub"](i, 1))
    rise, run = ew.subtract(take(fp, i), low_f), ew.subtract(take(xp, i), low_x)
    tiny = settled(np.spacing(np.finfo(np.float64).eps), aval_of(run).dtype)
    flat = table["le"](table["abs"](run), tiny)
    slope = ew.divide(rise, where(flat, settled(1, aval_of(run).dtype), run))
    out = where(flat, low_f, ew.add(low_f, ew.multiply(ew.subtract(x, low_x), slope)))
    if period is None:
        out = where(ew.less(x, getitem(xp, 0)), getitem(fp, 0) if left is None else left, out)
        out = where(ew.greater(x, getitem(xp, -1)), getitem(fp, -1) if right is None else right,
                    out)
    return out


def sliding(name: str, turned: bool):
    """Convolution turns the second vector round; correlation conjugates it."""

    def function(a, v, mode="full" if turned else "valid", *, precision=None,
                 preferred_element_type=None):
        a, v = promote_dtypes(a, v, to=inexact)
        if len(shape_of(a)) != 1 or len(shape_of(v)) != 1:
            raise ValueError(f"{name}() only support 1-dimensional inputs.")
        swapped = shape_of(a)[0] < shape_of(v)[0]
        if swapped:
            a, v = v, a
        n = shape_of(v)[0]
        window = flip(v) if turned else v
        pads = {"full": (n - 1, n - 1), "valid": (0, 0), "same": (n // 2, n - n // 2 - 1)}
        if mode not in pads:
            raise ValueError(f"mode must be one of ['full', 'same', 'valid'], got {mode!r}")
        from kernels.windows import ConvDimensionNumbers

        spec = (0, 1, 2)
        out = table["conv_general_dilated"](
            expand_dims(a, (0, 1)), expand_dims(window, (0, 1)), window_strides=(1,),
            padding=(pads[mode],), lhs_dilation=(1,), rhs_dilation=(1,),
            dimension_numbers=ConvDimensionNumbers(spec, spec, spec), precision=precision,
            preferred_element_type=preferred_element_type)
        out = getitem(out, (0, 0))
        return flip(out) if swapped and not turned else out

    function.__name__ = name
    function.__doc__ = f"The {name[:-1] if name.endswith('e') else name}ion of two vectors."
    return staged(function, static=("mode", "precision", "preferred_element_type"))


convolve, correlate = sliding("convolve", True), sliding("correlate", False)

# ------------------------------------------------------------------ vectors and matrices


@staged(static=("axisa", "axisb", "axisc", "axis"))
def cross(a, b, axisa=-1, axisb=-1, axisc=-1, axis=None):
    """The vector product of vectors of three (or two) components."""
    axisa, axisb, axisc = (axis, axis, axis) if axis is not None else (axisa, axisb, axisc)
    a, b = promote_dtypes(a, b)
    a, b = moveaxis(a, axisa, -1), moveaxis(b, axisb, -1)
    sizes = shape_of(a)[-1], shape_of(b)[-1]
    if not {*sizes} <= {2, 3}:
        raise ValueError("Dimension must be either 2 or 3 for cross product")
    us, vs = ([getitem(x, (..., i)) for i in range(n)] for x, n in ((a, sizes[0]), (b, sizes[1])))
    if sizes == (2, 2):
        return ew.subtract(ew.multiply(us[0], vs[1]), ew.multiply(us[1], vs[0]))
    zero = full((), 0, aval_of(a).dtype)
    us, vs = us + [zero] * (3 - len(us)), vs + [zero] * (3 - len(vs))
    out = [ew.subtract(ew.multiply(us[i], vs[j]), ew.multiply(us[j], vs[i]))
           for i, j in ((1, 2), (2, 0), (0, 1))]
    parts = [expand_dims(x, (len(shape_of(x)),)) for x in broadcast_arrays(*out)]
    return moveaxis(concatenate(parts, -1), -1, axisc)


@staged(static=("rowvar", "bias", "ddof", "dtype"))
def cov(m, y=None, rowvar=True, bias=False, ddof=None, fweights=None, aweights=None, *,
        dtype=None):
    """The covariances of the rows (or columns) of a matrix, observations perhaps weighted."""
    both = promote_dtypes(*[x for x in (m, y) if x is not None], to=inexact)
    if any(len(shape_of(x)) > 2 for x in both):
        raise ValueError("m has more than 2 dimensions")
    parts = []
    for x in both:
        x = expand_dims(x, (0,)) if len(shape_of(x)) < 2 else x
        parts.append(x if rowvar or shape_of(x)[0] == 1 else transpose(x))
    m = concatenate(parts, 0) if len(parts) > 1 else parts[0]
    m = m if dtype is None else convert(m, np.dtype(dtype))
    ddof = (0 if bias else 1) if ddof is None else ddof
    if fweights is None and aweights is None:
        centred = ew.subtract(m, reductions.mean(m, 1, keepdims=True))
        n, weighted = max(shape_of(m)[1] - ddof, 0), centred
    else:
        given = [w for w in (fweights, aweights) if w is not None]
        weights = functools.reduce(ew.multiply, given)
        total = reductions.sum(weights)
        mean = ew.divide(reductions.sum(ew.multiply(m, weights), 1, keepdims=True), total)
        centred = ew.subtract(m, mean)
        weighted = ew.multiply(centred, weights)
        n = ew.subtract(total, ew.multiply(ddof, total if aweights is None else ew.divide(
            reductions.sum(ew.multiply(weights, aweights)), total)))
    out = ew.divide(dot(weighted, conjugate(transpose(centred))), n)
    return table["squeeze"](out, dimensions=(0, 1)) if shape_of(out) == (1, 1) else out

