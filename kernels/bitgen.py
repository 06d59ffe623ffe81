"""XLA's RngBitGenerator on bare NumPy arrays: Philox and Threefry with an explicit state.

The state is two words of 64 bits, a key and a counter (or four of 32, the low ones first). Bits
are those of XLA on the CPU, whose default is Philox.
Source: J. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (SC 2011).
"""

import math

import numpy as np

from kernels.threefry import threefry_2x32

MULTIPLIERS = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
STEPS = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)  # what is added to the key in every round
LOW, HALF = np.uint64(0xFFFFFFFF), np.uint64(32)
PHILOX_ROUNDS = 10


def rng_bit_generator(state, *, shape, dtype, algorithm="RNG_DEFAULT", **_):
    """(new state, bits of `shape` and unsigned `dtype`)."""
    name, dtype = getattr(algorithm, "name", str(algorithm)), np.dtype(dtype)
    words = state if state.dtype.itemsize == 8 else joined(state[::2], state[1::2])
    key, counter = words
    draw = threefry if name == "RNG_THREE_FRY" else philox
    bits, used = draw(key, counter, tuple(shape), dtype)
    with np.errstate(over="ignore"):
        words = np.array([key, counter + np.uint64(used)], np.uint64)
    if state.dtype.itemsize == 8:
        return words, bits
    return np.stack(halves(words), axis=-1).reshape(4), bits


def halves(words):
    """The low and the high half of 64-bit words."""
    return (words & LOW).astype(np.uint32), (words >> HALF).astype(np.uint32)


def joined(low, high):
    return low.astype(np.uint64) | high.astype(np.uint64) << HALF


def counters(start, count: int):
    with np.errstate(over="ignore"):
        return start + np.arange(count, dtype=np.uint64)


def philox(key, counter, shape, dtype):
    """Four words a counter; the other half of the 128-bit counter is the key again."""
    size, per_counter = math.prod(shape), 2 if dtype.itemsize == 8 else 4
    count = -(-size // per_counter)
    low = counters(counter, count)
    with np.errstate(over="ignore"):
        high = key + (low < counter).astype(np.uint64)  # carried
    block = [half.astype(np.uint64) for half in (*halves(low), *halves(high))]
    own = [half.astype(np.uint64) for half in halves(key)]
    for _ in range(PHILOX_ROUNDS):
        first, second = block[0] * MULTIPLIERS[0], block[2] * MULTIPLIERS[1]
        block = [second >> HALF ^ block[1] ^ own[0], second & LOW,
                 first >> HALF ^ block[3] ^ own[1], first & LOW]
        own = [(word + step) & LOW for word, step in zip(own, STEPS)]
    words = [word.astype(np.uint32) for word in block]
    if dtype.itemsize == 8:
        words = [joined(words[0], words[1]), joined(words[2], words[3])]
    return np.stack(words, axis=-1).reshape(-1)[:size].reshape(shape).astype(dtype), count


def threefry(key, counter, shape, dtype):
    """Two words a counter, which stand beside each other along the first axis of even length."""
    key_halves = halves(key)
    if dtype.itemsize == 8:
        size = math.prod(shape)
        low, high = threefry_2x32(*key_halves, *halves(counters(counter, size)))
        return joined(low, high).reshape(shape), size
    sizes = shape or (1,)
    even = [axis for axis, n in enumerate(sizes) if n % 2 == 0]
    axis = even[0] if even else max(range(len(sizes)), key=lambda i: sizes[i])
    half = (*sizes[:axis], -(-sizes[axis] // 2), *sizes[axis + 1:])
    count = math.prod(half)
    words = threefry_2x32(*key_halves, *halves(counters(counter, count)))
    pairs = np.stack([word.reshape(half) for word in words], axis=axis + 1)
    bits = pairs.reshape(*half[:axis], 2 * half[axis], *half[axis + 1:])
    bits = bits[(slice(None),) * axis + (slice(sizes[axis]),)]
    return bits.reshape(shape).astype(dtype), count
