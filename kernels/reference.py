"""The structured `jax.lax` primitives on bare NumPy arrays: the oracle of every faster kernel.

Arrays are positional, parameters are keywords with the primitive's own names; parameters that do
not change the numbers (sharding, accuracy, precision) are accepted and ignored. Inputs are arrays
or NumPy scalars, and the result has exactly lax's dtype. Corner cases follow XLA on the CPU
(https://openxla.org/xla/operation_semantics). `reshape`, `transpose`, `squeeze`, `slice_`,
`split`, `broadcast_in_dim` and `rev` return views; everything else memory of its own.

Kernels that meet nan or overflow by design are `quiet`. The others (a sum that overflows) leave
NumPy's warnings to the caller, who sets `errstate` once and not for every call.

Reductions are in `kernels.reductions`, sorting in `kernels.ordering`, products, convolution and
windows in `kernels.windows`, gather and scatter in `kernels.indexing`.
"""

import functools
import math

import ml_dtypes
import numpy as np

quiet = np.errstate(all="ignore")  # a decorator for kernels that meet infinities by design


def is_half(dtype):
    """True for floats of 16 bits or fewer: too short to accumulate in."""
    return dtype.itemsize < 4 and dtype.kind in "fV"


@quiet
def rounded(x, dtype):
    """`x` in a narrower `dtype`; what does not fit becomes inf."""
    return x.astype(dtype)


def in_float32(kernel):
    """Let half floats go through `kernel` as float32 and be rounded once, at the end."""

    @functools.wraps(kernel)
    def wrapped(x, **params):
        if not is_half(x.dtype):
            return kernel(x, **params)
        return rounded(kernel(x.astype(np.float32), **params), x.dtype)

    return wrapped


def lowest(dtype):
    """The identity of max in `dtype`: -inf, the smallest integer, or False."""
    if dtype.kind in "iu":
        return dtype.type(np.iinfo(dtype).min)
    return dtype.type(False) if dtype.kind == "b" else dtype.type(-np.inf)


def highest(dtype):
    """The identity of min in `dtype`: inf, the largest integer, or True."""
    if dtype.kind in "iu":
        return dtype.type(np.iinfo(dtype).max)
    return dtype.type(True) if dtype.kind == "b" else dtype.type(np.inf)


# ---- shape -------------------------------------------------------------------------------------


def reshape(x, *, new_sizes, dimensions=None, **_):
    """`x` with the shape `new_sizes`, read in the axis order `dimensions` where that is given."""
    return (x if dimensions is None else x.transpose(dimensions)).reshape(new_sizes)


def transpose(x, *, permutation):
    """Axis `i` of the result is axis `permutation[i]` of `x`."""
    return x.transpose(permutation)


def squeeze(x, *, dimensions):
    """`x` without the axes `dimensions`, all of size 1."""
    return np.squeeze(x, axis=dimensions)


def rev(x, *, dimensions):
    """`x` read backwards along each of `dimensions`."""
    return np.flip(x, axis=dimensions)


def slice_(x, *, start_indices, limit_indices, strides=None):
    """`x[start:limit:stride]` along every axis."""
    strides = strides or (1,) * x.ndim
    return x[tuple(map(slice, start_indices, limit_indices, strides))]


def split(x, *, sizes, axis):
    """`x` cut along `axis` into pieces of the given sizes."""
    return tuple(np.split(x, np.cumsum(sizes[:-1], dtype=np.intp), axis=axis))


def broadcast_in_dim(x, *, shape, broadcast_dimensions, **_):
    """`x` seen with `shape`: axis `i` of `x` becomes axis `broadcast_dimensions[i]`."""
    if not x.flags.c_contiguous:
        aligned = [1] * len(shape)
        for axis, size in zip(broadcast_dimensions, x.shape, strict=True):
            aligned[axis] = size
        return np.broadcast_to(x.reshape(aligned), shape)
    steps = [0] * len(shape)  # a step of zero repeats; five times faster than np.broadcast_to
    for axis, size, step in zip(broadcast_dimensions, x.shape, x.strides):
        steps[axis] = step if size == shape[axis] else 0
    out = np.ndarray(shape, x.dtype, x, 0, steps)
    if out.size != x.size and out.flags.writeable:
        out.flags.writeable = False
    return out


def tile(x, *, reps):
    """`x` repeated `reps[i]` times along axis `i`."""
    return np.tile(x, reps)


def concatenate(*operands, dimension):
    """The operands side by side along the axis `dimension`."""
    return np.concatenate(operands, axis=dimension)


def pad(x, padding_value, *, padding_config):
    """`padding_config` has (low, high, interior) per axis; low and high may be negative."""
    source, target, shape = [], [], []
    for size, (low, high, interior) in zip(x.shape, padding_config, strict=True):
        step = interior + 1
        total = low + max(0, (size - 1) * step + 1) + high
        first = max(0, -(low // step))  # the first element that a negative low does not crop
        last = min(size - 1, (total - 1 - low) // step)
        shape.append(total)
        source.append(slice(first, max(first, last + 1)))
        target.append(slice(low + first * step, max(0, low + last * step + 1), step))
    out = np.full(shape, padding_value, x.dtype)
    if all(piece.start < piece.stop for piece in source):
        out[tuple(target)] = x[tuple(source)]
    return out


def iota(*, dtype, shape, dimension, **_):
    """Each element holds its index along `dimension`."""
    dtype = np.dtype(dtype)
    aligned = [1] * len(shape)
    aligned[dimension] = shape[dimension]
    out = np.empty(shape, dtype)
    counted = np.arange(shape[dimension], dtype=dtype if dtype.kind in "iuf" else None)
    out[...] = counted.astype(dtype, copy=False).reshape(aligned)
    return out


# ---- selection and conversion ------------------------------------------------------------------


def select_n(which, *cases):
    """`cases[which]`, element by element; `which` is bool or int32, of the cases' shape or scalar.

    An integer out of range takes the nearest case.
    """
    if which.dtype == np.bool_:
        return np.where(which, cases[-1], cases[0])
    out = np.broadcast_to(cases[0], np.broadcast_shapes(which.shape, cases[0].shape)).copy()
    for position, case in enumerate(cases[1:], 1):
        np.copyto(out, case, where=which >= position)
    return out


def clamp(low, x, high):
    """`min(max(x, low), high)`: the upper bound wins where the bounds cross; nan stays nan."""
    return np.minimum(np.maximum(x, low), high)


def convert_element_type(x, *, new_dtype, **_):
    """`x` as `new_dtype`. Float to integer truncates and saturates, and nan becomes 0."""
    new_dtype = np.dtype(new_dtype)
    if x.dtype.kind == "c" and new_dtype.kind != "c":
        x = x.real  # for bool too, where torch and NumPy look at the imaginary part
    if new_dtype.kind == "b":
        return np.not_equal(x, 0)
    if is_half(x.dtype) and new_dtype.kind in "iuc":
        x = x.astype(np.float32)
    if x.dtype.kind == "f" and new_dtype.kind in "iu":
        return _saturate(x, new_dtype)
    if new_dtype.itemsize <= x.dtype.itemsize and new_dtype.kind in "fcV":
        return rounded(x, new_dtype)
    return x.astype(new_dtype)


@quiet
def _saturate(x, dtype):
    """Floats `x` truncated to integers, the nearest one where they do not fit."""
    limits = np.iinfo(dtype)
    above, below = x >= float(limits.max + 1), x < float(limits.min)  # both are powers of two
    outside = above | below | np.isnan(x)
    if not outside.any():
        return x.astype(dtype)
    inside = np.where(outside, 0, x).astype(dtype)
    return np.where(above, highest(dtype), np.where(below, lowest(dtype), inside))


@quiet
def reduce_precision(x, *, exponent_bits, mantissa_bits):
    """Round `x` to a float of the given widths: to even, overflow to inf, subnormals to zero."""
    info = ml_dtypes.finfo(x.dtype)
    word = np.dtype(f"u{x.dtype.itemsize}").type
    bits = np.asarray(x).view(word)
    if (dropped := info.nmant - mantissa_bits) > 0:
        odd = (bits >> word(dropped)) & word(1)
        bits = bits + (odd + word((1 << (dropped - 1)) - 1))  # round half to even
        bits &= ~word((1 << dropped) - 1)
    out = bits.view(x.dtype)
    if exponent_bits < info.iexp:
        bias = (1 << (exponent_bits - 1)) - 1
        largest = math.ldexp(2.0 - 2.0 ** -min(mantissa_bits, info.nmant), bias)
        smallest = math.ldexp(1.0, 1 - bias)
        out = np.where(np.abs(out) > largest, np.copysign(x.dtype.type(np.inf), x), out)
        out = np.where(np.abs(out) < smallest, np.copysign(x.dtype.type(0), x), out)
    return np.where(np.isnan(x), x, out)


# ---- arithmetic --------------------------------------------------------------------------------


@quiet
def div(x, y):
    """Quotient; of integers truncated toward zero, and all bits set where `y` is 0."""
    if x.dtype.kind not in "iu":
        return np.divide(x, y)
    quotient = (x - np.fmod(x, y)) // y
    return np.where(np.equal(y, 0), ~np.zeros((), x.dtype), quotient)


@quiet
def rem(x, y):
    """Remainder with the sign of `x`; of integers `x` itself where `y` is 0."""
    if x.dtype.kind not in "iu":
        return np.fmod(x, y)
    return np.where(np.equal(y, 0), x, np.fmod(x, y))


@quiet
def integer_pow(x, *, y):
    """`x ** y` for a Python integer `y`, by repeated squaring."""
    if y < 0:
        return 1 / integer_pow(x, y=-y)
    if y == 0:
        return np.ones_like(x)
    half = integer_pow(x * x, y=y // 2) if y > 1 else None
    if y % 2 == 0:
        return half
    return x * half if y > 1 else x.copy()


def sign(x):
    """-1, 0 or 1; a zero keeps its sign; `z / |z|` for complex numbers."""
    return np.copysign(np.sign(x), x) if x.dtype.kind in "fV" else np.sign(x)


@quiet
def round_(x, *, rounding_method):
    """Nearest integer; halves go AWAY_FROM_ZERO (0) or TO_NEAREST_EVEN (1)."""
    if int(rounding_method) == 1:
        return np.rint(x)
    whole = np.trunc(x)
    return whole + np.copysign((np.abs(x - whole) >= 0.5).astype(x.dtype), x)


def nextafter(x, y):
    """The next float after `x` in the direction of `y`."""
    return np.nextafter(x, y)


def is_finite(x):
    """False at nan and the infinities."""
    return np.isfinite(x)


# ---- bits: NumPy's own shifts already give 0 (or the sign) for amounts out of range ------------


def viewed(x, kind):
    """The same bits as a signed (`kind="i"`) or unsigned (`kind="u"`) integer."""
    return x.view(f"{kind}{x.dtype.itemsize}")


def shift_left(x, y):
    """`x << y`; 0 for `y` negative or beyond the width, as in all three shifts."""
    return np.left_shift(x, y)


def shift_right_logical(x, y):
    """`x >> y`, zeros coming in from the left."""
    return np.right_shift(viewed(x, "u"), viewed(y, "u")).view(x.dtype)


def shift_right_arithmetic(x, y):
    """`x >> y`, copies of the highest bit coming in from the left."""
    return np.right_shift(viewed(x, "i"), viewed(y, "i")).view(x.dtype)


def population_count(x):
    """The number of set bits."""
    return np.bitwise_count(viewed(x, "u")).astype(x.dtype)  # NumPy counts |x| if x is signed


def clz(x):
    """The number of zeros above the highest set bit."""
    width, bits = 8 * x.dtype.itemsize, viewed(x, "u")
    shift = 1
    while shift < width:  # set every bit below the highest, then count
        bits = bits | (bits >> bits.dtype.type(shift))
        shift *= 2
    return (width - np.bitwise_count(bits)).astype(x.dtype)
