"""Keys of random numbers, and the primitives over them. There is no state: a key is split, or a
number is folded into it, and each use of a key gives the same bits again.

A key is an element of the dtype `KEY` (`key<fry>` in programs), two words of 32 bits. A raw key,
what `PRNGKey` gives, is an array uint32[..., 2]; `random_wrap` and `random_unwrap` go between.
Source: jax.random, on Threefry (see `kernels/threefry.py`).
"""

from __future__ import annotations

import operator

import ml_dtypes
import numpy as np

from kernels import gamma as gamma_kernels
from kernels import threefry
from minigrad.core import SHORT_NAMES, Primitive, aval_of, make_aval, scalar_dtype, table
from minigrad.numpy.promotion import convert, operand, settled, shape_of
from minigrad.ops.families import broadcast_batch, dtype_kind, full, move_axis
from minigrad.ops.selection import filled
from minigrad.ops.transcendental import igamma_density

KEY = np.dtype([("words", np.uint32, (2,))])
SHORT_NAMES[KEY.name] = "key<fry>"
UINT32 = np.dtype(np.uint32)

# ------------------------------------------------------------------ primitives


def batch_keys(p: Primitive):
    """Keys of a batch: the kernels take leading axes as they come."""

    def batch(size, args, dims, **params):
        args = [a if d is None else move_axis(a, d, 0) for a, d in zip(args, dims)]
        if len(args) == 2:
            args = [broadcast_batch(a, None if d is None else 0, size)
                    for a, d in zip(args, dims)]
        return p(*args, **params), 0

    return batch


def key_primitive(name: str, impl, abstract) -> Primitive:
    p = Primitive(name, impl, abstract)
    p.batch = batch_keys(p)
    return p


def as_keys(words) -> np.ndarray:
    return np.ascontiguousarray(words).view(KEY)[..., 0]


def check_keys(name: str, aval) -> None:
    if aval.dtype != KEY:
        raise TypeError(f"{name} accepts PRNG key arrays, got an array of dtype "
                        f"{aval.dtype.name}.")


def bits_abstract(keys, *, bit_width, shape):
    check_keys("random_bits", keys)
    return make_aval((*keys.shape, *shape), np.dtype(f"uint{bit_width}"))


def split_abstract(keys, *, shape):
    check_keys("random_split", keys)
    return make_aval((*keys.shape, *shape), KEY)


def fold_in_abstract(keys, data):
    check_keys("random_fold_in", keys)
    if keys.shape != data.shape:
        raise ValueError(f"random_fold_in: keys {keys} and data {data} differ in shape")
    return make_aval(keys.shape, KEY)


def wrap_abstract(words, *, impl):
    if words.dtype != UINT32:
        raise TypeError(f"random_wrap accepts uint32 words, got {words}")
    if words.shape[-1:] != (2,):
        raise ValueError(f"a raw key has two words along its last axis, got {words}")
    return make_aval(words.shape[:-1], KEY)


class Impl:
    """The name of the generator, a parameter of equations."""

    def __repr__(self) -> str:
        return "fry"


FRY = Impl()
random_seed = key_primitive(
    "random_seed", lambda seeds, *, impl: as_keys(threefry.seed(seeds, seeds.itemsize == 8)),
    lambda seeds, *, impl: make_aval(seeds.shape, KEY))
random_wrap = key_primitive("random_wrap", lambda words, *, impl: as_keys(words), wrap_abstract)
random_unwrap = key_primitive(
    "random_unwrap", lambda keys: keys["words"],
    lambda keys: make_aval((*keys.shape, 2), UINT32))
random_bits = key_primitive(
    "random_bits", lambda keys, *, bit_width, shape: threefry.random_bits(
        keys["words"], bit_width, shape), bits_abstract)
random_split = key_primitive(
    "random_split", lambda keys, *, shape: as_keys(threefry.split(keys["words"], shape)),
    split_abstract)
random_fold_in = key_primitive(
    "random_fold_in", lambda keys, data: as_keys(threefry.fold_in(keys["words"], data)),
    fold_in_abstract)

random_clone = key_primitive("random_clone", lambda keys: keys, lambda keys: keys)


def gamma_abstract(keys, alpha, *, log_space):
    check_keys("random_gamma", keys)
    return alpha


def random_gamma_grad(a, x):
    """How a sample `x` of the gamma distribution moves with its shape `a`, the number that was
    drawn uniformly staying as it is: from igamma(a, x) constant, -igamma_grad_a / density."""
    density = igamma_density(full((), 1, aval_of(x).dtype), a, x)
    return table["neg"](table["div"](table["igamma_grad_a"](a, x), density))


def gamma_jvp(primals, tangents, *, log_space):
    (key, alpha), (_, t) = primals, tangents
    out = random_gamma(key, alpha, log_space=log_space)
    if t is None:
        return out, None
    x = out
    if log_space:  # the logarithm's derivative; a sample that underflowed counts as the least
        x, tiny = table["exp"](out), float(ml_dtypes.finfo(aval_of(out).dtype).tiny)
        x = table["select_n"](table["eq"](x, 0.0), x, filled(x, tiny))
    slope = random_gamma_grad(alpha, x)
    return out, table["mul"](t, table["div"](slope, x) if log_space else slope)


random_gamma = key_primitive(
    "random_gamma", lambda keys, alpha, *, log_space=False: gamma_kernels.random_gamma(
        keys["words"], alpha, log_space=log_space), gamma_abstract)
random_gamma.jvp = gamma_jvp

# ------------------------------------------------------------------ keys


def typed(key, name: str):
    """(the key as a typed one, was it raw?)"""
    aval = aval_of(key)
    if aval.dtype == KEY:
        if aval.shape:
            raise ValueError(f"{name} accepts a single key, but was given a key array of shape "
                             f"{aval.shape} != (). Use jax.vmap for batching.")
        return key, False
    if aval.dtype != UINT32 or len(aval.shape) == 0:
        raise TypeError(f"unexpected PRNG key type {type(key)}")
    if len(aval.shape) > 1:
        raise ValueError(f"{name} accepts a single key, but was given a key array of shape "
                         f"{aval.shape} != (2,). Use jax.vmap for batching.")
    return random_wrap(operand(key), impl=FRY), True


def like_given(key, raw: bool):
    return random_unwrap(key) if raw else key


def seeded(seed):
    if isinstance(seed, int) and not isinstance(seed, bool):
        bits = scalar_dtype(int).itemsize * 8
        seed = np.asarray((seed + 2 ** (bits - 1)) % 2 ** bits - 2 ** (bits - 1),
                          scalar_dtype(int))[()]
    if shape_of(seed):
        raise TypeError("key accepts a scalar seed, but was given an array of shape "
                        f"{shape_of(seed)} != (). Use jax.vmap for batching")
    if dtype_kind(aval_of(seed).dtype) not in "iu":
        raise TypeError(f"PRNG key seed must be an integer; got {seed!r}")
    return random_seed(operand(seed), impl=FRY)


def key(seed):
    """A typed key from an integer."""
    return seeded(seed)


def PRNGKey(seed):  # noqa: N802
    """A raw key, uint32[2], from an integer."""
    return random_unwrap(seeded(seed))


def split(key, num=2):
    """New keys from one: an array of `num` (or of a shape)."""
    key, raw = typed(key, "split")
    shape = tuple(num) if isinstance(num, (tuple, list)) else (operator.index(num),)
    return like_given(random_split(key, shape=shape), raw)


def fold_in(key, data):
    """A new key from a key and an integer."""
    key, raw = typed(key, "fold_in")
    if shape_of(data):
        raise TypeError("fold_in accepts a scalar, but was given an array of shape "
                        f"{shape_of(data)} != (). Use jax.vmap for batching.")
    data = settled(data, UINT32) if isinstance(data, (int, np.integer)) else convert(data, UINT32)
    return like_given(random_fold_in(key, data), raw)


def key_data(keys):
    """The words of typed keys."""
    return random_unwrap(keys) if aval_of(keys).dtype == KEY else keys


def wrap_key_data(words):
    """Typed keys from their words."""
    return random_wrap(words, impl=FRY)


def clone(key):
    """The same key."""
    return key
