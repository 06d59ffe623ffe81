"""Samples of the gamma distribution from keys, as `jax.random.gamma` draws them.

Source: G. Marsaglia and W. Tsang, "A simple method for generating gamma variables" (2000). A
normal number is cubed and squeezed; a rejected one draws again, from keys of its own, so that
every sample depends on its own key alone.
"""

import ml_dtypes
import numpy as np

from kernels import threefry
from kernels.functions import erf_inv
from kernels.reference import quiet


def uniform(key, dtype, low, high):
    """One number in [low, high) from each key: random bits as the mantissa of one in [1, 2)."""
    info = ml_dtypes.finfo(dtype)
    width = dtype.itemsize * 8
    drawn = 8 if info.nmant < 8 else width
    unsigned = np.dtype(f"u{dtype.itemsize}").type
    bits = threefry.random_bits(key, drawn, ()).astype(unsigned) >> unsigned(drawn - info.nmant)
    one = np.ones((), dtype)
    unit = (bits | one.view(unsigned)).view(dtype) - one
    return np.maximum(low, unit * (high - low) + low)


def normal(key, dtype):
    """One number of mean 0 and variance 1 from each key."""
    one = np.ones((), dtype)
    low = np.nextafter(-one, np.zeros((), dtype))
    return np.array(np.sqrt(2), dtype) * erf_inv(uniform(key, dtype, low, one))


@quiet
def random_gamma(keys, alpha, *, log_space=False):
    """Samples for the shapes `alpha`; keys, uint32[..., 2], lead its axes. Logarithms of samples
    where `log_space`, which keeps what would underflow."""
    lead, shape, dtype = keys.ndim - 1, alpha.shape, alpha.dtype
    own = threefry.split(keys, (int(np.prod(shape[lead:], dtype=np.int64)),))
    return sample(own.reshape(-1, 2), alpha.reshape(-1), dtype, log_space).reshape(shape)


def sample(keys, alpha, dtype, log_space):
    one, zero = np.ones((), dtype), np.zeros((), dtype)
    is_large = alpha >= one  # a smaller shape is raised by one, and a power of a uniform mends it
    raised = np.where(is_large, alpha, alpha + one)
    d = raised - np.array(1 / 3, dtype)
    c = np.array(1 / 3, dtype) / np.sqrt(d)
    pairs = threefry.split(keys)
    key, boost_key = pairs[:, 0], pairs[:, 1]
    cubes = np.ones(len(alpha), dtype)
    left = np.arange(len(alpha))
    while left.size:
        triple = threefry.split(key[left], (3,))
        key[left] = triple[:, 0]
        x, v = positive_normal(triple[:, 1], c[left], dtype)
        square, cube = x * x, v * v * v
        u = uniform(triple[:, 2], dtype, zero, one)
        cubes[left] = cube
        half = np.array(0.5, dtype)
        again = (u >= one - np.array(0.0331, dtype) * (square * square)) & (
            np.log(u) >= square * half + d[left] * (one - cube + np.log(cube)))
        left = left[again]
    unit = uniform(boost_key, dtype, zero, one)
    if log_space:
        logs = np.log1p(-unit)
        boost = np.where(is_large | (logs == 0), zero, logs * (one / alpha))
        return (np.log(d) + np.log(cubes) + boost).astype(dtype)
    boost = np.where(is_large, one, np.power(one - unit, one / alpha))
    return (d * cubes * boost).astype(dtype)


def positive_normal(keys, c, dtype):
    """Normal numbers x, drawn until 1 + c x is positive, and that."""
    keys = keys.copy()
    x, v = np.zeros(len(keys), dtype), np.full(len(keys), -1, dtype)
    left = np.arange(len(keys))
    while left.size:
        pairs = threefry.split(keys[left])
        keys[left] = pairs[:, 0]
        x[left] = normal(pairs[:, 1], dtype)
        v[left] = np.ones((), dtype) + x[left] * c[left]
        left = left[v[left] <= 0]
    return x, v
