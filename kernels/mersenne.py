"""PyTorch's CPU random numbers, bit for bit: a Mersenne twister and what is made of its words.

A `Generator` yields 32-bit words (and 64-bit ones: two words, the first is the high half). Every
distribution below is a function `f(generator, ..., shape, dtype)` that draws its words in one go
and transforms them as arrays. Words are consumed exactly as PyTorch consumes them, so equal seeds
give equal numbers also over mixed sequences of calls.

The engine is that of M. Matsumoto and T. Nishimura (1998); its words come from NumPy's `MT19937`.
"""

import functools
import math
import operator
import secrets

import ml_dtypes
import numpy as np

DEFAULT_SEED = 67280421310721  # a prime with many set bits; torch.initial_seed() of a new process

# torch.get_rng_state() is this record as bytes. `left` counts the words until the next twist and
# `next` points at the next word; `normal_y` is the second value of the last Box-Muller pair.
STATE = np.dtype(
    [
        ("seed", "<u8"),
        ("left", "<i4"),
        ("seeded", "<i4"),
        ("next", "<u8"),
        ("key", "<u8", 624),
        ("normal_x", "<f8"),
        ("normal_y", "<f8"),
        ("normal_rho", "<f8"),
        ("has_normal", "<i8"),
        ("float_normal", "<f4"),
        ("has_float_normal", "<i4"),
    ]
)


class Generator:
    """The state of `torch.Generator("cpu")`: a seed, the twister's words, a spare normal value.

    >>> uniform(Generator(0), (2,), np.float32)
    array([0.4962566, 0.7682218], dtype=float32)
    """

    def __init__(self, seed=DEFAULT_SEED):
        self._engine = np.random.MT19937(0)
        self.manual_seed(seed)

    def manual_seed(self, seed):
        """Start anew from `seed`, modulo 2**64; the twister itself sees the low 32 bits."""
        self._seed = operator.index(seed) % 2**64
        self._engine._legacy_seeding(self._seed % 2**32)
        self._fresh = True  # nothing drawn yet, which PyTorch writes down as next = 0, not 624
        self.spare_normal = None
        return self

    def seed(self):
        """Start anew from a seed of the operating system, and return it."""
        self.manual_seed(secrets.randbits(64))
        return self._seed

    def initial_seed(self):
        """The seed last set, as a number in [0, 2**64)."""
        return self._seed

    def words32(self, count):
        """The next `count` words of 32 bits, held in uint64."""
        self._fresh = self._fresh and count == 0
        return self._engine.random_raw(count)

    def words64(self, count):
        """The next `count` words of 64 bits."""
        pairs = self.words32(2 * count)
        return pairs[0::2] << np.uint64(32) | pairs[1::2]

    def get_state(self):
        """The state as one flat array uint8[5056], byte for byte that of torch's `get_state`."""
        inner = self._engine.state["state"]
        record = np.zeros(1, STATE)
        record["seed"], record["seeded"], record["key"] = self._seed, True, inner["key"]
        record["next"] = 0 if self._fresh else inner["pos"]
        record["left"] = 1 if self._fresh else 625 - inner["pos"]
        if self.spare_normal is not None:
            record["normal_y"], record["has_normal"] = self.spare_normal, True
        return record.view(np.uint8)

    def set_state(self, state):
        """Continue from what `get_state` returned, here or in PyTorch. Returns the generator."""
        state = np.asarray(state)
        if state.dtype != np.uint8 or state.shape != (STATE.itemsize,):
            raise ValueError(
                f"a generator's state is uint8[{STATE.itemsize}], as get_state() returns it; "
                f"got {state.dtype}{list(state.shape)}"
            )
        record = np.ascontiguousarray(state).view(STATE)[0]
        twist_is_due = record["left"] == 1
        self._engine.state = {
            "bit_generator": "MT19937",
            "state": {
                "key": record["key"].astype(np.uint32),
                "pos": 624 if twist_is_due else int(record["next"]),
            },
        }
        self._seed = int(record["seed"])
        self._fresh = bool(record["next"] == 0)
        self.spare_normal = float(record["normal_y"]) if record["has_normal"] else None
        return self


# Arithmetic as PyTorch's binaries do it.


def _compute_dtype(dtype):
    """float64 for float64; half, bfloat16 and float32 are computed in float32."""
    return np.dtype(np.float64 if dtype == np.float64 else np.float32)


def _significant_bits(dtype):
    return ml_dtypes.finfo(dtype).nmant + 1


def _standard_uniform(generator, count, dtype):
    """Numbers k / 2**bits in [0, 1), with the 24 or 53 bits that float32 or float64 holds."""
    bits = _significant_bits(dtype)
    words = generator.words64(count) if dtype == np.float64 else generator.words32(count)
    words &= np.uint64(2**bits - 1)
    numbers = words.astype(dtype)
    numbers *= dtype.type(2.0**-bits)
    return numbers


def _fused(x, scale, shift):
    """x * scale + shift rounded once, as the processor's fused multiply-add does.

    Rounding twice gives another last bit for every fourth number of uniform_(1.3, 17.9).
    """
    if x.dtype == np.float32:  # a product of two float32 is exact in float64
        return (x.astype(np.float64) * scale + shift).astype(np.float32)
    product, product_error = _exact_product(x, np.float64(scale))
    total = product + shift
    moved = total - product
    total_error = (product - (total - moved)) + (shift - moved)  # Knuth's two-sum
    return total + (total_error + product_error)


def _exact_product(x, y):
    """Dekker's product: x * y == p + e exactly, from halves of 26 bits each (Veltkamp's split)."""

    def split(value):
        scaled = value * 134217729.0  # 2**27 + 1
        high = scaled - (scaled - value)
        return high, value - high

    product = x * y
    (x_high, x_low), (y_high, y_low) = split(x), split(y)
    error = ((x_high * y_high - product) + x_high * y_low + x_low * y_high) + x_low * y_low
    return product, error


def _cast(values, dtype):
    """float64 to `dtype`; to a half type by way of float32, so rounded twice."""
    if _significant_bits(dtype) < 24:
        values = values.astype(np.float32)
    return values.astype(dtype)


def _libm(function, x):
    """The C library's `function`: NumPy's own vector versions can differ in the last bit."""
    return np.fromiter(map(function, x.tolist()), np.float64, x.size)


# Continuous distributions.


def uniform(generator, shape, dtype, low=0.0, high=1.0):
    """`Tensor.uniform_(low, high)`: uniform numbers in [low, high); complex: both parts so."""
    dtype = np.dtype(dtype)
    if dtype.kind == "c":
        return _complex(uniform(generator, (*shape, 2), _real_dtype(dtype), low, high), dtype)
    compute = _compute_dtype(dtype)
    numbers = _standard_uniform(generator, math.prod(shape), compute)
    if (low, high) != (0.0, 1.0):
        first, last = compute.type(low), compute.type(high)
        numbers = _fused(numbers, last - first, first)
    numbers = numbers.astype(dtype, copy=False)
    numbers[numbers == dtype.type(high)] = low  # float16 can round up to the excluded bound
    return numbers.reshape(shape)


def normal(generator, shape, dtype, mean=0.0, std=1.0):
    """`Tensor.normal_(mean, std)` of a contiguous tensor; a complex one has variance std**2."""
    dtype = np.dtype(dtype)
    if dtype.kind == "c":
        parts = normal(generator, (*shape, 2), _real_dtype(dtype), 0.0, std / math.sqrt(2.0))
        return _complex(parts, dtype) + dtype.type(mean)
    size = math.prod(shape)
    if size < 16:
        return normal_serial(generator, shape, dtype, mean, std)
    compute = _compute_dtype(dtype)
    # A last block that is not full is thrown away: 16 fresh numbers overwrite the last 16 places.
    # float32 and float64 have drawn numbers for the partial block before; half types have not.
    whole = size - size % 16
    numbers = _standard_uniform(generator, size if dtype == compute else whole, compute)[:whole]
    if size % 16:
        numbers = np.append(numbers, _standard_uniform(generator, 16, compute))
    values = _box_muller(numbers.reshape(-1, 2, 8))  # (blocks, radius or angle, 8)
    values = _fused(values, compute.type(std), compute.type(mean)).reshape(-1)
    if size % 16:
        last, values = values[-16:].copy(), values[:size]
        values[-16:] = last
    return values.astype(dtype, copy=False).reshape(shape)


def normal_serial(generator, shape, dtype, mean=0.0, std=1.0):
    """`Tensor.normal_` of fewer than 16 elements, or of a tensor that is not contiguous.

    Pairs are made one by one in float64; an odd one is kept as the generator's `spare_normal`.
    """
    size = math.prod(shape)
    kept = [] if generator.spare_normal is None or not size else [generator.spare_normal]
    fresh = size - len(kept)
    numbers = _standard_uniform(generator, fresh + fresh % 2, np.dtype(np.float64))
    angle, tail = 2.0 * math.pi * numbers[0::2], numbers[1::2]
    radius = np.sqrt(-2.0 * _libm(math.log1p, -tail))
    pairs = np.stack([radius * _libm(math.cos, angle), radius * _libm(math.sin, angle)], axis=-1)
    values = np.append(kept, pairs)
    if size:
        generator.spare_normal = float(values[size]) if fresh % 2 else None
    return _cast(_fused(values[:size], std, mean), dtype).reshape(shape)


def log_normal(generator, shape, dtype, mean=1.0, std=2.0):
    """`Tensor.log_normal_(mean, std)`: exp of a normal value."""
    logarithms = normal_serial(generator, shape, np.float64, mean, std).ravel()
    return _cast(_libm(math.exp, logarithms), dtype).reshape(shape)


def exponential(generator, shape, dtype, rate=1.0):
    """`Tensor.exponential_(rate)`: -log(1 - u) / rate."""
    numbers = _standard_uniform(generator, math.prod(shape), np.dtype(np.float64))
    # A last bit of float64 is lost in rounding to a narrower type: there NumPy's log1p will do.
    log = _libm(math.log1p, -numbers) if dtype == np.float64 else np.log1p(-numbers)
    return _cast(-1.0 / rate * log, dtype).reshape(shape)


def cauchy(generator, shape, dtype, median=0.0, sigma=1.0):
    """`Tensor.cauchy_(median, sigma)`: the inverse of the distribution function."""
    numbers = _standard_uniform(generator, math.prod(shape), np.dtype(np.float64))
    tangents = _libm(math.tan, math.pi * (numbers - 0.5))
    return _cast(_fused(tangents, sigma, median), dtype).reshape(shape)


def _real_dtype(dtype):
    return np.dtype(f"f{dtype.itemsize // 2}")


def _complex(parts, dtype):
    return parts.view(dtype)[..., 0]


# Discrete distributions.


def randint(generator, low, high, shape, dtype=np.int64):
    """`torch.randint(low, high)`: integers in [low, high). Wide ranges take 64-bit words."""
    span, count = high - low, math.prod(shape)
    words = generator.words64(count) if span >= 2**28 else generator.words32(count)
    if span < 2**64:  # all of int64: the words as they are, without even `low`
        words %= np.uint64(span)
        words += np.uint64(low % 2**64)  # wraps around, as two's complement does
    return words.view(np.int64).astype(dtype).reshape(shape)


def random(generator, shape, dtype):
    """`Tensor.random_()`: all integers from 0 that the dtype holds (a float: exactly)."""
    dtype, count = np.dtype(dtype), math.prod(shape)
    if dtype == np.bool_:
        limit = 2
    elif dtype.kind in "iu":
        limit = np.iinfo(dtype).max + 1
    else:
        limit = 2 ** _significant_bits(dtype) + 1
    wide = dtype in (np.int64, np.float64)
    words = generator.words64(count) if wide else generator.words32(count)
    return (words % np.uint64(limit)).astype(dtype).reshape(shape)


def bernoulli(generator, probability, shape, dtype):
    """`Tensor.bernoulli_(p)`: 1 where a uniform number lies below `probability`.

    A number or a float64 array is compared with 53 bits, an array of another float type with 24.
    """
    if not isinstance(probability, np.ndarray):
        probability = np.float64(probability)
    numbers = _standard_uniform(generator, math.prod(shape), _compute_dtype(probability.dtype))
    return (numbers.reshape(shape) < probability).astype(dtype)


def geometric(generator, probability, shape, dtype):
    """`Tensor.geometric_(p)`: the number of trials up to the first success."""
    numbers = _standard_uniform(generator, math.prod(shape), np.dtype(np.float64))
    with np.errstate(divide="ignore"):
        trials = np.ceil(np.log(numbers) / math.log1p(-probability))
    return trials.astype(dtype).reshape(shape)


def randperm(generator, n, dtype=np.int64):
    """`torch.randperm(n)`: the Fisher-Yates shuffle in one of two directions, depending on n."""
    if n >= (2**32 - 1) // 20:  # 32-bit words modulo n would be visibly uneven
        return _inside_out_shuffle(generator, np.empty(n, dtype))
    remaining = np.arange(n, 1, -1, dtype=np.uint64)
    targets = generator.words32(len(remaining)) % remaining
    targets += np.arange(len(remaining), dtype=np.uint64)
    if n < COMPILE_FROM:
        return np.array(_swap_each(list(range(n)), targets.tolist()), dtype)
    return _compiled(_swap_each)(np.arange(n, dtype=np.int64), targets).astype(dtype, copy=False)


def multinomial(generator, weights, num_samples, replacement=False):
    """`torch.multinomial`: indices int64[..., num_samples], drawn by weights[..., categories]."""
    if replacement and num_samples > 1:
        rows = weights.reshape(-1, weights.shape[-1])
        samples = [_by_inversion(generator, row, num_samples) for row in rows]
        return np.array(samples, np.int64).reshape(*weights.shape[:-1], num_samples)
    # The first of independent exponential clocks with rates `weights` is category i with
    # probability weights[i] / sum; the order in which they ring samples without replacement.
    with np.errstate(divide="ignore", over="ignore"):
        urgency = weights / exponential(generator, weights.shape, weights.dtype)
    return np.argsort(-urgency, axis=-1, kind="stable")[..., :num_samples]


def _by_inversion(generator, weights, num_samples):
    cumulative = np.cumsum(weights, dtype=_compute_dtype(weights.dtype))
    cumulative = (cumulative / cumulative[-1]).astype(np.float64)
    cumulative[-1] = 1.0
    numbers = _standard_uniform(generator, num_samples, np.dtype(np.float64))
    return np.searchsorted(cumulative, numbers, side="left")


COMPILE_FROM = 2**15  # loading Numba costs as much as shuffling some hundred thousand items


@functools.cache
def _compiled(loop):
    import numba  # loaded late: it takes a third of a second, and most programs never need it

    return numba.njit(cache=True)(loop)


def _swap_each(items, targets):
    for i in range(len(targets)):
        j = targets[i]
        items[i], items[j] = items[j], items[i]
    return items


def _inside_out_shuffle(generator, items, chunk=2**22):
    loop = _compiled(_insert_each)
    for start in range(0, len(items), chunk):
        stop = min(start + chunk, len(items))
        choices = np.arange(start + 1, stop + 1, dtype=np.uint64)
        loop(items, start, generator.words64(stop - start) % choices)
    return items


def _insert_each(items, start, targets):
    for k in range(len(targets)):
        i, j = start + k, targets[k]
        items[i] = items[j] if j != i else i
        items[j] = i


# Box-Muller on blocks of 16: eight radii, eight angles, giving eight cosines and eight sines.


def _box_muller(blocks):
    """Standard normal values of the shape of `blocks`, (n, 2, 8), uniform in [0, 1)."""
    values = np.empty_like(blocks)
    polar = _polar_float32 if blocks.dtype == np.float32 else _polar_float64
    for start in range(0, len(blocks), 1024):  # pieces that stay in the cache
        piece = slice(start, start + 1024)
        radius, cosine, sine = polar(1 - blocks[piece, 0], blocks[piece, 1])
        np.multiply(radius, cosine, out=values[piece, 0])
        np.multiply(radius, sine, out=values[piece, 1])
    return values


def _polar_float64(tail, turn):
    angle = (2.0 * math.pi * turn).ravel()
    radius = np.sqrt(-2.0 * _libm(math.log, tail.ravel()))
    cosine, sine = _libm(math.cos, angle), _libm(math.sin, angle)
    return tuple(part.reshape(tail.shape) for part in (radius, cosine, sine))


# In float32 PyTorch (on x86) takes log, sin and cos from the Cephes library (S. Moshier, 1984),
# with every multiply-add fused. Here the steps run in float64, where they are exact, and each is
# rounded to float32 once: that is what a float32 instruction does.

LOG_TERMS = (
    (7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1)
    + (-1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1)
)  # fmt: skip
SIN_TERMS = (-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1)
COS_TERMS = (2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2)
LOG_2 = (0.693359375, -2.12194440e-4)  # high and low part
PI_OVER_4 = (0.78515625, 2.4187564849853515625e-4, 3.77489497744594108e-8)


def _round(x):
    return x.astype(np.float32).astype(np.float64)


def _single(constant):
    return float(np.float32(constant))


def _polynomial(terms, x):
    """Horner's scheme, highest power first."""
    value = _single(terms[0])
    for term in terms[1:]:
        value = _round(value * x + _single(term))
    return value


def _polar_float32(tail, turn):
    radius = np.sqrt(np.float32(-2.0) * _log_float32(tail))
    return radius, *_cos_sin_float32(np.float32(2.0 * math.pi) * turn)


def _log_float32(x):
    """log of x in (0, 1]: log(m * 2**e) with m in [sqrt(1/2), sqrt(2))."""
    mantissa, exponent = np.frexp(x.astype(np.float64))
    low = mantissa < _single(math.sqrt(0.5))
    exponent = exponent - low
    m = np.where(low, 2.0 * mantissa, mantissa) - 1.0
    square = _round(m * m)
    log = _round(_polynomial(LOG_TERMS, m) * m)
    log = _round(log * square + _round(exponent * _single(LOG_2[1])))
    log = _round(log - 0.5 * square)
    return (_round(m + log) + exponent * LOG_2[0]).astype(np.float32)


def _cos_sin_float32(angle):
    """cos and sin of angles >= 0: reduced to [-pi/4, pi/4] by an even number of eighths."""
    eighths = (angle * np.float32(4.0 / math.pi)).astype(np.int32) + 1 & ~1
    x = angle.astype(np.float64)
    for part in PI_OVER_4:
        x = _round(x - eighths * _single(part))
    square = _round(x * x)
    cosine = _round(_polynomial(COS_TERMS, square) * square)
    cosine = _round(cosine * square - 0.5 * square)
    cosine = _round(cosine + 1.0)
    sine = _round(_polynomial(SIN_TERMS, square) * square)
    sine = _round(sine * x + x)
    swapped = eighths & 2 != 0
    cosine, sine = np.where(swapped, sine, cosine), np.where(swapped, cosine, sine)
    cosine = np.where(eighths + 2 & 4, -cosine, cosine)
    sine = np.where(eighths & 4, -sine, sine)
    return cosine.astype(np.float32), sine.astype(np.float32)
