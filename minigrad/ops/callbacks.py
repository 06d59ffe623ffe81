"""Callbacks: primitives that call Python when the program runs, not while it is traced.

`pure_callback` computes values, and may be left out where nobody needs them; `io_callback` and
`debug_callback` are effects: they happen, and in the order of the program.

>>> import minigrad as mg, numpy as np
>>> f = mg.jit(lambda x: pure_callback(x, callback=lambda v: [np.sin(v)], result_avals=(x.aval,)))
>>> print(np.asarray(f(np.float32(0.0))[0]))
0.0
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from minigrad.core import Primitive, aval_of, table
from minigrad.ops.families import broadcast_batch, move_axis


def run_callback(*args, callback: Callable, result_avals, **_):
    outs = callback(*args)
    made = [np.asarray(o, a.dtype) for o, a in zip(outs, result_avals, strict=True)]
    for out, aval in zip(made, result_avals):
        if out.shape != aval.shape:
            raise ValueError(f"a callback gave a value of shape {out.shape} where {aval} was "
                             "announced")
    return [out[()] for out in made]


def no_derivative(kind: str):
    def jvp(primals, tangents, **params):
        raise ValueError(
            f"{kind} callbacks do not support JVP. Please use `jax.custom_jvp` to use callbacks "
            "while taking gradients.")

    return jvp


def callback_batch(p: Primitive):
    """By the method asked for: one call with a batch axis, or a call for each position."""

    def batch(size, args, dims, *, callback, result_avals, vmap_method=None, **params):
        n = int(size)
        params = params | ({"vmap_method": vmap_method} if p is pure_callback else {})
        args = [a if d is None else move_axis(a, d, 0) for a, d in zip(args, dims)]
        if vmap_method in ("expand_dims", "broadcast_all", "legacy_vectorized"):
            wide = tuple(a.update(shape=(n, *a.shape)) for a in result_avals)
            given = [broadcast_batch(a, None if d is None else 0, size) if
                     vmap_method == "broadcast_all" or d is not None else
                     table["broadcast_in_dim"](a, shape=(1, *aval_of(a).shape), broadcast_dimensions
                                               =tuple(range(1, len(aval_of(a).shape) + 1)))
                     for a, d in zip(args, dims)]
            return p(*given, callback=callback, result_avals=wide, **params), [0] * len(wide)
        if p is pure_callback and vmap_method is None:
            raise NotImplementedError(
                "vmap is only supported for pure_callback with a specified vmap_method; got "
                "vmap_method=None. Choose one of 'sequential', 'sequential_unrolled', "
                "'expand_dims', 'broadcast_all'.")
        rows = []
        for i in range(n):
            own = [a if d is None else row_of(a, i) for a, d in zip(args, dims)]
            rows.append(p(*own, callback=callback, result_avals=result_avals, **params))
        outs = [table["stack"](*column, axis=0) for column in zip(*rows)]
        return outs, [0] * len(outs)

    return batch


def row_of(x, i: int):
    shape = aval_of(x).shape
    row = table["slice"](x, start_indices=(i,) + (0,) * (len(shape) - 1),
                         limit_indices=(i + 1, *shape[1:]), strides=None)
    return table["squeeze"](row, dimensions=(0,))


def callback_primitive(name: str, kind: str, **attributes) -> Primitive:
    p = Primitive(name, run_callback, lambda *avals, result_avals, **_: list(result_avals),
                  no_derivative(kind), multiple_results=True, **attributes)
    p.batch = callback_batch(p)
    return p


pure_callback = callback_primitive("pure_callback", "Pure")
io_callback = callback_primitive("io_callback", "IO", effect=True)
debug_callback = callback_primitive("debug_callback", "Debug", effect=True)
debug_callback.jvp = lambda primals, tangents, **params: (debug_callback(*primals, **params), [])
