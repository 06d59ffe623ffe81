"""JAX's random bits: Threefry-2x32, a counter-based generator (Salmon et al., SC 2011).

A key is uint32[..., 2]; leading dimensions are a batch of keys, as `vmap` makes them. There is no
state: bits are the hash of a key and a counter, so `split` and `fold_in` are hashes as well.
These are the bits of JAX's default, partitionable variant: element i of a result is made from the
64-bit counter i alone, wherever it is computed.
"""

import math

import numpy as np

ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
PARITY = np.uint32(0x1BD11BDA)
CHUNK = 2**14  # counters hashed at a time: the working arrays stay in the cache


def threefry_2x32(key1, key2, x1, x2):
    """Hash the counters (x1, x2) under the keys (key1, key2), all uint32 and broadcast together.

    Returns the two words of the hash. Five groups of four rounds; keys are mixed in between.
    """
    shape = np.broadcast_shapes(*map(np.shape, (key1, key2, x1, x2)))
    keys = [np.asarray(key1), np.asarray(key2), np.asarray(key1 ^ key2 ^ PARITY)]
    y1, y2, spill = (np.empty(shape, np.uint32) for _ in range(3))
    np.add(x1, keys[0], out=y1)
    np.add(x2, keys[1], out=y2)
    for group in range(5):
        for distance in ROTATIONS[group % 2]:
            y1 += y2
            np.right_shift(y2, 32 - distance, out=spill)
            np.left_shift(y2, distance, out=y2)
            y2 |= spill  # rotated
            y2 ^= y1
        y1 += keys[(group + 1) % 3]
        y2 += keys[(group + 2) % 3]
        y2 += np.uint32(group + 1)
    return y1, y2


def seed(number, x64=False):
    """`jax.random.PRNGKey(number)`: the high and low words of a 64-bit integer.

    Without x64, JAX has made the integer an int32 before it comes here: the high word is 0.
    `number` is an integer or an integer array; its shape leads that of the key.
    """
    number = np.asarray(number)
    high_bits_lost = not x64 or number.dtype.itemsize < 8
    words = number.astype(np.uint64)
    high = np.zeros_like(words) if high_bits_lost else words >> np.uint64(32)
    return np.stack([high.astype(np.uint32), words.astype(np.uint32)], axis=-1)


def split(key, shape=(2,)):
    """`jax.random.split`: new keys uint32[..., *shape, 2] from keys uint32[..., 2]."""
    return np.stack(_hash_counters(key, shape), axis=-1)


def fold_in(key, data):
    """`jax.random.fold_in`: a new key from `key` and a 32-bit integer (or an array of them)."""
    words = seed(np.asarray(data).astype(np.uint32))
    return np.stack(threefry_2x32(*_halves(key), *_halves(words)), axis=-1)


def random_bits(key, bit_width, shape):
    """`jax.random.bits`: uniform unsigned integers of 8, 16, 32 or 64 bits, [..., *shape]."""
    if bit_width not in (8, 16, 32, 64):
        raise TypeError(f"random bits come in widths of 8, 16, 32 or 64; got {bit_width}")
    high, low = _hash_counters(key, shape)
    if bit_width == 64:
        return high.astype(np.uint64) << np.uint64(32) | low
    high ^= low
    return high.astype(f"u{bit_width // 8}", copy=False)


def _halves(words):
    return words[..., 0], words[..., 1]


def _hash_counters(key, shape):
    """The hashes of counters 0 ... size-1 under every key: two arrays uint32[..., *shape]."""
    size, batch = math.prod(shape), key.shape[:-1]
    key1, key2 = (half[..., np.newaxis] for half in _halves(key))
    high, low = np.empty((2, *batch, size), np.uint32)
    for start in range(0, size, CHUNK):
        stop = min(start + CHUNK, size)
        words = threefry_2x32(key1, key2, *_counters(start, stop))
        high[..., start:stop], low[..., start:stop] = words
    return high.reshape((*batch, *shape)), low.reshape((*batch, *shape))


def _counters(start, stop):
    counters = np.arange(start, stop, dtype=np.uint64)
    return (counters >> np.uint64(32)).astype(np.uint32), counters.astype(np.uint32)
