"""Random numbers of many distributions. Their bits are those of JAX, and so are the numbers made of
them but for the last places of floats. Source: jax.random.
"""

from __future__ import annotations

import math
import operator

import numpy as np

from minigrad.core import aval_of, scalar_dtype, table
from minigrad.numpy.keys import random_bits, random_split, typed
from minigrad.numpy import elementwise, floats, reductions
from minigrad.numpy.indexing import getitem
from minigrad.numpy.promotion import convert, operand, promote_dtypes, settled, shape_of
from minigrad.numpy.shaping import moveaxis, reshape
from minigrad.numpy.staging import staged
from minigrad.numpy.taking import take
from minigrad.ops.axes import canonical
from minigrad.ops.families import dtype_kind, full
from minigrad.ops.shaping import broadcast_to_rank, expand_dims


def as_shape(shape) -> tuple[int, ...]:
    return tuple(map(operator.index, shape)) if isinstance(shape, (tuple, list)) \
        else (operator.index(shape),)


def float_dtype(name: str, dtype, kinds: str = "f") -> np.dtype:
    dtype = scalar_dtype(float) if dtype is None or dtype is float else np.dtype(dtype)
    if dtype_kind(dtype) not in kinds:
        raise ValueError(f"dtype argument to `{name}` must be a float dtype, got {dtype.name}")
    return dtype


def finfo(dtype):
    return floats.finfo(dtype)


def bits(key, shape=(), dtype=None):
    """Uniform unsigned integers."""
    key, _ = typed(key, "bits")
    dtype = np.dtype(np.uint32 if dtype is None else dtype)
    if dtype_kind(dtype) != "u":
        raise ValueError("dtype argument to `bits` must be an unsigned int dtype, got "
                         f"{dtype.name}")
    return random_bits(key, bit_width=dtype.itemsize * 8, shape=as_shape(shape))


@staged(name="_uniform", static=("shape", "dtype"))
def uniform_(key, minval, maxval, shape, dtype):
    """Random bits become the mantissa of a number in [1, 2); then shift and scale."""
    minval, maxval = convert(minval, dtype), convert(maxval, dtype)
    minval, maxval = (broadcast_to_rank(v, len(shape)) for v in (minval, maxval))
    info = finfo(dtype)
    width, unsigned = info.bits, np.dtype(f"uint{info.bits}")
    drawn_width = 8 if info.nmant < 8 else width
    drawn = random_bits(key, bit_width=drawn_width, shape=shape)
    drawn = convert(drawn, unsigned)
    one = np.array(1.0, dtype)
    mantissa = table["shift_right_logical"](drawn, settled(drawn_width - info.nmant, unsigned))
    in_one_to_two = table["bitcast_convert_type"](
        table["or"](mantissa, one.view(unsigned)[()]), new_dtype=dtype)
    unit = table["sub"](in_one_to_two, one[()])
    scaled = table["add"](table["mul"](unit, table["sub"](maxval, minval)), minval)
    return table["max"](minval, scaled)


def uniform(key, shape=(), dtype=None, minval=0.0, maxval=1.0):
    """Uniform floats in [minval, maxval)."""
    key, _ = typed(key, "uniform")
    return uniform_(key, minval, maxval, as_shape(shape), float_dtype("uniform", dtype))


@staged(name="_normal_real", static=("shape", "dtype"))
def normal_real(key, shape, dtype):
    low = np.nextafter(np.array(-1.0, dtype), np.array(0.0, dtype), dtype=dtype)
    u = uniform(key, shape, dtype, low[()], np.array(1.0, dtype)[()])
    return table["mul"](np.array(np.sqrt(2), dtype)[()], table["erf_inv"](u))


@staged(name="_normal", static=("shape", "dtype"))
def normal_(key, shape, dtype):
    if dtype_kind(dtype) != "c":
        return normal_real(key, shape, dtype)
    keys = random_split(key, shape=(2,))
    part = np.array(0, dtype).real.dtype
    real, imaginary = (convert(normal_real(getitem(keys, i), shape, part), dtype) for i in (0, 1))
    total = table["add"](real, table["mul"](settled(1j, dtype), imaginary))
    return table["div"](total, np.array(np.sqrt(2), dtype)[()])


def normal(key, shape=(), dtype=None):
    """Numbers from the normal distribution of mean 0 and variance 1."""
    key, _ = typed(key, "normal")
    return normal_(key, as_shape(shape), float_dtype("normal", dtype, "fc"))


@staged(name="_truncated_normal", static=("shape", "dtype"))
def truncated_normal_(key, lower, upper, shape, dtype):
    shape = np.broadcast_shapes(shape_of(lower), shape_of(upper)) if shape is None else shape
    root = np.array(np.sqrt(2), dtype)[()]
    lower, upper = convert(lower, dtype), convert(upper, dtype)
    a, b = (table["erf"](table["div"](v, root)) for v in (lower, upper))
    u = uniform(key, shape, dtype, a, b)
    out = table["mul"](root, table["erf_inv"](u))
    stop = table["stop_gradient"]
    return floats.clip(out, table["nextafter"](stop(lower), settled(math.inf, dtype)),
                       table["nextafter"](stop(upper), settled(-math.inf, dtype)))


def truncated_normal(key, lower, upper, shape=None, dtype=None):
    """Normal numbers, given that they lie between `lower` and `upper`."""
    key, _ = typed(key, "truncated_normal")
    return truncated_normal_(key, lower, upper, None if shape is None else as_shape(shape),
                             float_dtype("truncated_normal", dtype))


@staged(name="_bernoulli", static=("shape", "mode"))
def bernoulli_(key, p, shape, mode):
    dtype = aval_of(p).dtype
    shape = shape_of(p) if shape is None else shape
    if mode == "high":
        pair = uniform(key, (2, *shape), dtype)
        coarse, fine = getitem(pair, 0), getitem(pair, 1)
        fine = table["mul"](fine, 2.0 ** -finfo(dtype).nmant)
        return elementwise.less(fine, elementwise.subtract(p, coarse))
    return elementwise.less(uniform(key, shape, dtype), p)


def bernoulli(key, p=0.5, shape=None, mode="low"):
    """True with probability `p`."""
    key, _ = typed(key, "bernoulli")
    dtype = aval_of(operand(p)).dtype
    if dtype_kind(dtype) != "f":
        raise TypeError("bernoulli probability `p` must have a floating dtype, got "
                        f"{dtype.name}.")
    return bernoulli_(key, convert(p, dtype), None if shape is None else as_shape(shape), mode)


def clipped_integer(value, dtype):
    """An integer in another dtype, its extremes where it does not fit."""
    own = aval_of(value).dtype
    target, source = np.iinfo(dtype), np.iinfo(own)
    low, high = max(target.min, source.min), min(target.max, source.max)
    return convert(floats.clip(value, settled(low, own), settled(high, own)), dtype)


@staged(name="_randint", static=("shape", "dtype"))
def randint_(key, minval, maxval, shape, dtype):
    """A remainder of twice as many bits as the dtype has, which keeps the bias small."""
    minval, maxval = (v if dtype_kind(aval_of(v).dtype) in "iu" else
                      convert(v, scalar_dtype(int)) for v in (operand(minval), operand(maxval)))
    beyond = table["gt"](maxval, clipped_integer(settled(np.iinfo(dtype).max, dtype),
                                                 aval_of(maxval).dtype))
    minval, maxval = clipped_integer(minval, dtype), clipped_integer(maxval, dtype)
    minval, maxval = (broadcast_to_rank(v, len(shape)) for v in (minval, maxval))
    width = dtype.itemsize * 8
    unsigned = np.dtype(f"uint{width}")
    keys = random_split(key, shape=(2,))
    high, low = (random_bits(getitem(keys, i), bit_width=width, shape=shape) for i in (0, 1))
    span = convert(table["sub"](maxval, minval), unsigned)
    ones = full(shape_of(span), 1, unsigned)
    span = table["select_n"](table["le"](maxval, minval), span, ones)
    whole = elementwise.logical_and(beyond, table["gt"](maxval, minval))
    span = table["select_n"](whole, span, table["add"](span, settled(1, unsigned)))
    factor = table["rem"](settled(2 ** (width // 2), unsigned), span)
    factor = table["rem"](table["mul"](factor, factor), span)
    offset = table["rem"](table["add"](table["mul"](table["rem"](high, span), factor),
                                       table["rem"](low, span)), span)
    return table["add"](minval, convert(offset, dtype))


def randint(key, shape, minval, maxval, dtype=None):
    """Uniform integers in [minval, maxval)."""
    key, _ = typed(key, "randint")
    dtype = scalar_dtype(int) if dtype is None or dtype is int else np.dtype(dtype)
    if dtype_kind(dtype) not in "iu":
        raise TypeError(f"randint only accepts integer dtypes, got {dtype.name}")
    used = dtype
    if dtype.itemsize < 4:
        used, info = np.dtype(np.int32), np.iinfo(dtype)
        minval = floats.clip(convert(minval, used), int(info.min), int(info.max))
        maxval = floats.clip(convert(maxval, used), int(info.min), int(info.max) + 1)
    return convert(randint_(key, minval, maxval, as_shape(shape), used), dtype)


@staged(name="_shuffle", static=("axis",))
def shuffle(key, x, axis):
    """Sorted by random numbers, often enough that equal ones do not matter."""
    size = math.prod(shape_of(x))
    rounds = int(np.ceil(3 * np.log(max(1, size)) / np.log(np.iinfo(np.uint32).max)))
    for _ in range(rounds):
        pair = random_split(key, shape=(2,))
        key, own = getitem(pair, 0), getitem(pair, 1)
        order = random_bits(own, bit_width=32, shape=shape_of(x))
        _, x = table["sort"](order, x, dimension=axis, is_stable=True, num_keys=1)
    return x


def permutation(key, x, axis=0, independent=False):
    """The elements of `x` (or the numbers below an integer) in random order."""
    key, _ = typed(key, "permutation")
    shape = shape_of(x)
    axis = canonical(axis, len(shape) or 1)
    if not shape:
        positions = table["iota"](dtype=scalar_dtype(int), shape=(operator.index(x),),
                                  dimension=0)
        return shuffle(key, positions, axis)
    if independent or len(shape) == 1:
        return shuffle(key, x, axis)
    positions = table["iota"](dtype=scalar_dtype(int), shape=(shape[axis],), dimension=0)
    return take(x, shuffle(key, positions, 0), axis, unique_indices=True)


def choice(key, a, shape=(), replace=True, p=None, axis=0, mode=None):
    """Elements of `a` (or numbers below an integer), drawn with or without replacement, `p`
    being the probabilities."""
    from minigrad.numpy.sorting import searchsorted

    key, _ = typed(key, "choice")
    own, shape = shape_of(a), as_shape(shape)
    axis = canonical(axis, len(own)) if own else 0
    n = own[axis] if own else operator.index(a)
    draws = math.prod(shape)
    if draws == 0:
        return full(shape, 0, aval_of(operand(a)).dtype)
    if n <= 0:
        raise ValueError("a must be greater than 0 unless no samples are taken")
    if not replace and draws > n:
        raise ValueError(f"Cannot take a larger sample (size {draws}) than population (size {n}) "
                         "when 'replace=False'")
    if p is None and not replace:
        shuffled = permutation(key, a if own else n, axis)
        picked = getitem(shuffled, (slice(None),) * axis + (slice(draws),))
        return reshape(picked, own[:axis] + shape + own[axis + 1:])
    if p is None:
        index = randint(key, shape, 0, n)
    else:
        (p,) = promote_dtypes(p) if dtype_kind(aval_of(p).dtype) == "f" else (
            convert(p, scalar_dtype(float)),)
        if shape_of(p) != (n,):
            raise ValueError("p must be None or a 1D vector with the same size as a.shape[axis]. "
                             f"p has shape {shape_of(p)} and a.shape[axis] is {n}.")
        dtype = aval_of(p).dtype
        if replace:
            total = reductions.cumsum(p)
            u = uniform(key, shape, dtype)
            r = elementwise.multiply(getitem(total, -1), elementwise.subtract(1, u))
            index = convert(searchsorted(total, r), scalar_dtype(int))
        else:
            noisy = elementwise.add(gumbel(key, (n,), dtype, mode), elementwise.log(p))
            _, places = table["top_k"](noisy, k=draws, axis=0)
            index = convert(places, scalar_dtype(int))
    picked = take(a, index, axis) if own else index
    return reshape(picked, own[:axis] + shape + own[axis + 1:])


@staged(name="_gumbel", static=("shape", "dtype", "mode"))
def gumbel_(key, shape, dtype, mode):
    log, neg = elementwise.log, elementwise.negative
    info = finfo(dtype)
    if mode in ("high", "highest"):
        pair = uniform_(key, 0.0, 1.0, (2, *shape), dtype)
        high, low = getitem(pair, 0), getitem(pair, 1)
        fine = elementwise.add(elementwise.multiply(2.0 ** -info.nmant, low), info.tiny)
        x = elementwise.where(elementwise.greater_equal(high, 0.5), high,
                              elementwise.add(high, fine))
        return neg(log(neg(elementwise.log1p(neg(x)))))
    u = uniform_(key, info.tiny, 1.0, shape, dtype)
    return neg(log(neg(log(u))))


def gumbel(key, shape=(), dtype=None, mode=None):
    """Numbers from the Gumbel distribution."""
    key, _ = typed(key, "gumbel")
    return gumbel_(key, as_shape(shape), float_dtype("gumbel", dtype), mode or "low")


def categorical(key, logits, axis=-1, shape=None, replace=True, mode=None):
    """Positions along `axis`, drawn with probabilities softmax(logits): the Gumbel-max trick."""
    key, _ = typed(key, "categorical")
    own = shape_of(logits)
    axis = canonical(axis, len(own))
    batch = own[:axis] + own[axis + 1:]
    shape = batch if shape is None else as_shape(shape)
    prefix = shape[:len(shape) - len(batch)]
    dtype = aval_of(logits).dtype
    if replace:
        tail = list(shape[len(shape) - len(batch):])
        tail.insert(axis, own[axis])
        noise = gumbel(key, (*prefix, *tail), dtype, mode)
        lifted = expand_dims(logits, tuple(range(len(prefix)))) if prefix else logits
        return reductions.argmax(elementwise.add(noise, lifted), axis=axis - len(own))
    noisy = elementwise.add(logits, gumbel(key, own, dtype, mode))
    k = math.prod(prefix)
    if k > own[axis]:
        raise ValueError(f"Number of samples without replacement ({k}) cannot exceed number of "
                         f"categories ({own[axis]}).")
    _, places = table["top_k"](moveaxis(noisy, axis, -1), k=k, axis=len(own) - 1)
    return reshape(moveaxis(places, -1, 0), shape)


def sampler(name: str, transform, low=0.0, kinds="f"):
    """A distribution that is a function of uniform numbers."""

    @staged(name=f"_{name}", static=("shape", "dtype"))
    def sample(key, shape, dtype):
        start = low(finfo(dtype)) if callable(low) else low
        return transform(uniform(key, shape, dtype, start, 1.0))

    def function(key, shape=(), dtype=None):
        key, _ = typed(key, name)
        return sample(key, as_shape(shape), float_dtype(name, dtype))

    function.__name__ = name
    function.__doc__ = f"Numbers from the standard {name} distribution."
    return function


def laplace_of(u):
    return table["mul"](table["sign"](u), table["log1p"](table["neg"](table["abs"](u))))


def logistic_of(u):
    return table["sub"](table["log"](u), table["log1p"](table["neg"](u)))


def cauchy_of(u):
    dtype = aval_of(u).dtype
    half = table["sub"](u, settled(0.5, dtype))
    return table["tan"](table["mul"](settled(math.pi, dtype), half))


exponential = sampler("exponential", lambda u: table["neg"](table["log1p"](table["neg"](u))))
laplace = sampler("laplace", laplace_of, low=lambda info: float(info.epsneg) - 1.0)
logistic = sampler("logistic", logistic_of, low=lambda info: info.tiny)
cauchy = sampler("cauchy", cauchy_of, low=lambda info: info.eps)


def rademacher(key, shape=(), dtype=None):
    """-1 or 1."""
    dtype = scalar_dtype(int) if dtype is None else np.dtype(dtype)
    heads = convert(bernoulli(key, 0.5, as_shape(shape)), dtype)
    return convert(elementwise.subtract(elementwise.multiply(2, heads), 1), dtype)
