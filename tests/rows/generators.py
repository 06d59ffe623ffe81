"""Generators of random bits whose state is a plain array."""

from __future__ import annotations

import numpy as np
from jax import lax
from jax._src.random import prng
from jax._src.random.threefry2x32 import threefry2x32_p

from minigrad.ops.generators import RandomAlgorithm
from tests.rows.row import Row


def generate(state, dtype: str, *shape: int, algorithm=RandomAlgorithm.RNG_DEFAULT) -> Row:
    params = {"shape": shape, "dtype": np.dtype(dtype), "out_sharding": None}
    theirs = lax.RandomAlgorithm[algorithm.name]
    return Row("rng_bit_generator", ("given",), params | {"algorithm": algorithm}, values=(state,),
               differentiable=False, without=("vmap",), note="vmap takes the first state's bits",
               jax=lambda s: lax.rng_bit_generator_p.bind(s, algorithm=theirs, **params))


NARROW = np.array([1, 2, 2**32 - 1, 2**32 - 1], np.uint32)  # the counter overflows
WIDE = np.array([2**63 + 5, 2**40 + 9], np.uint64)
THREEFRY = RandomAlgorithm.RNG_THREE_FRY

ROWS = [
    *[generate(NARROW, f"u{n}", 3, 5, algorithm=a) for n in (1, 2, 4, 8) for a in RandomAlgorithm],
    *[generate(WIDE, "u4", *shape, algorithm=THREEFRY) for shape in ((), (4,), (3, 4), (0,))],
    generate(WIDE, "u8", 2, 3),
    Row("threefry2x32", ("u32[]", "u32[]", "u32[5]", "u32[5]"), differentiable=False,
        ints=(0, 2**32), jax=threefry2x32_p.bind),
    Row("threefry2x32", ("u32[2,3]",) * 4, differentiable=False, ints=(0, 2**32),
        jax=threefry2x32_p.bind),
    *[Row("iota_2x32_shape", (), {"shape": shape}, differentiable=False,
          jax=lambda shape=shape: prng.iota_2x32_shape_p.bind(shape=shape))
      for shape in ((3,), (2, 3))],
]
