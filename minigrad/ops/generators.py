"""Bits from counters: the generators below `random`, with their state in plain arrays.

Keys as a type of their own, and the distributions, are in `minigrad/numpy/keys.py` and `random.py`.
"""

from __future__ import annotations

import enum
import math

import numpy as np

from kernels import bitgen, threefry
from minigrad.core import Primitive, make_aval
from minigrad.ops.axes import check_sizes
from minigrad.ops.families import batch_elementwise, broadcast_shapes, move_axis
from minigrad.ops.indexing import dynamic_update_index_in_dim
from minigrad.ops.shaping import index_in_dim

UINT32 = np.dtype(np.uint32)


class RandomAlgorithm(enum.IntEnum):
    """Which generator `rng_bit_generator` is; the default is XLA's for the CPU, Philox."""

    RNG_DEFAULT = 0
    RNG_THREE_FRY = 1
    RNG_PHILOX = 2

    def __str__(self) -> str:
        return self.name


# ------------------------------------------------------------------ threefry2x32


def threefry_abstract(*avals):
    if any(a.dtype != UINT32 for a in avals):
        raise TypeError("Arguments to threefry2x32 must have uint32 type, got "
                        f"{[a.dtype.name for a in avals]}")
    return [make_aval(broadcast_shapes("threefry2x32", avals), UINT32)] * 2


threefry2x32 = Primitive(  # two words of a key, two of a counter -> two words of a hash
    "threefry2x32", threefry.threefry_2x32, threefry_abstract, multiple_results=True)


def threefry_batch(size, args, dims):
    outs, dim = batch_elementwise(threefry2x32)(size, args, dims)
    return outs, [dim, dim]


threefry2x32.batch = threefry_batch


def iota_2x32(*, shape):
    """The numbers 0, 1, 2 ... of 64 bits in two words, the high ones first."""
    counters = np.arange(math.prod(shape), dtype=np.uint64).reshape(shape)
    low, high = bitgen.halves(counters)
    return high, low


def iota_2x32_abstract(*, shape):
    check_sizes("iota_2x32_shape", "shape", shape)
    return [make_aval(tuple(shape), UINT32)] * 2


iota_2x32_shape = Primitive("iota_2x32_shape", iota_2x32, iota_2x32_abstract,
                            multiple_results=True)

# ------------------------------------------------------------------ rng_bit_generator


def rng_bit_generator_abstract(state, *, shape, dtype, algorithm, out_sharding):
    dtype = np.dtype(dtype)
    if dtype.kind != "u":
        raise TypeError(f"rng_bit_generator: unsupported dtype {dtype.name}")
    if (state.shape, state.dtype.name) not in (((4,), "uint32"), ((2,), "uint64")):
        raise TypeError(f"rng_bit_generator requires a key u32[4] or u64[2], got {state}")
    return [state, make_aval(tuple(shape), dtype)]


def rng_bit_generator_batch(size, args, dims, *, shape, **params):
    """The first state makes the bits of all, and moves on, as in JAX."""
    states = move_axis(*args, *dims, 0)
    state = index_in_dim(states, 0, 0, keepdims=False)
    state, bits = rng_bit_generator(state, shape=(int(size), *shape), **params)
    return [dynamic_update_index_in_dim(states, state, 0, 0), bits], [0, 0]


rng_bit_generator = Primitive(
    "rng_bit_generator", bitgen.rng_bit_generator, rng_bit_generator_abstract,
    batch=rng_bit_generator_batch, multiple_results=True,
    defaults={"algorithm": RandomAlgorithm.RNG_DEFAULT, "out_sharding": None})
