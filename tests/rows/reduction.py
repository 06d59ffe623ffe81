"""Rows for `minigrad/ops/reduction.py`."""

from __future__ import annotations

import numpy as np
from jax import lax

from minigrad.core import make_aval, table
from minigrad.program import stage
from tests.rows.row import Row

NAN = float("nan")
TIES = np.array([[1.0, 1.0, 0.0], [2.0, 2.0, 2.0]], np.float32)


def over(name: str, *cases, dtype: str = "f32", **kwargs) -> list[Row]:
    """A row for every (shape, axes)."""
    return [Row(name, (f"{dtype}[{shape}]",), {"axes": axes}, **kwargs) for shape, axes in cases]


CASES = [("3", (0,)), ("3,4", (1,)), ("2,3,4", (0, 2)), ("3,4", ()), ("0,3", (0,)), ("", ())]

ROWS = [
    *[Row("reduce_sum", (f"f32[{shape}]",), {"axes": axes, "out_sharding": None})
      for shape, axes in [*CASES, ("3,0", (0,)), ("2,3,4", (0, 1, 2))]],
    *[Row("reduce_sum", (aval,), {"axes": (0,), "out_sharding": None})
      for aval in ("f64[3,2]", "f16[5]", "bf16[5]", "c64[3,2]")],
    *[Row("reduce_sum", (aval,), {"axes": (0,), "out_sharding": None}, differentiable=False,
          ints=(0, 200), note="wraps") for aval in ("i32[3,2]", "u8[9]", "i8[9]")],
    *over("reduce_max", *CASES[:4], ("", ())),
    *over("reduce_min", *CASES[:4], ("", ())),
    *[Row(name, ("f32[2,3]",), {"axes": (1,)}, values=(TIES,), second=False, note="ties")
      for name in ("reduce_max", "reduce_min")],
    *[Row(name, ("f32[3]",), {"axes": (0,)}, values=(np.array([1, NAN, 2], np.float32),),
          differentiable=False, note="nan wins") for name in ("reduce_max", "reduce_min")],
    *[Row(name, (aval,), {"axes": (0,)}, differentiable=False)
      for name in ("reduce_max", "reduce_min")
      for aval in ("f32[0,3]", "i32[0,3]", "i32[3,2]", "u8[4]", "bool[4]", "bf16[4]")],
    *over("reduce_prod", *CASES, ("5,2", (0,)), ("6", (0,)), ("2,3,4", (0, 1, 2))),
    Row("reduce_prod", ("f32[4]",), {"axes": (0,)}, note="a zero factor",
        values=(np.array([2, 0, 3, 4], np.float32),)),
    Row("reduce_prod", ("c64[3,2]",), {"axes": (0,)}, second=False),
    Row("reduce_prod", ("i32[3,2]",), {"axes": (0,)}, differentiable=False),
    *[Row(name, (aval,), {"axes": axes}, differentiable=False, ints=(-4, 9))
      for name in ("reduce_and", "reduce_or", "reduce_xor")
      for aval, axes in (("bool[3,4]", (1,)), ("i32[2,3,4]", (0, 2)), ("u8[5]", (0,)),
                         ("bool[0,2]", (0,)), ("bool[]", ()))],
    *[Row(name, (aval,), {"axes": axes, "index_dtype": np.dtype(dtype)}, differentiable=False)
      for name in ("argmax", "argmin")
      for aval, axes, dtype in (("f32[5]", (0,), "i4"), ("f32[3,4]", (1,), "i4"),
                                ("i32[4,3]", (0,), "i4"), ("bool[4]", (0,), "i4"),
                                ("bf16[4]", (0,), "u4"), ("f32[0,3]", (1,), "i4"))],
    *[Row(name, ("f32[4]",), {"axes": (0,), "index_dtype": np.dtype("i4")},
          values=(np.array([1, NAN, 3, NAN], np.float32),), differentiable=False,
          note="the first nan") for name in ("argmax", "argmin")],
]

# ------------------------------------------------------------------ any reduction


def product_and_sum(a, i, b, j, ops):
    return [ops["mul"](a, b), ops["add"](i, j)]


JAX_OPS = {"mul": lax.mul, "add": lax.add, "max": lax.max}


def folded(function, arrays, dimensions, *initials, **row) -> Row:
    """`function(*lefts, *rights, ops)` over arrays, from initial values that it leaves alone."""
    program = stage(lambda *xs: function(*xs, table),
                    [make_aval((), i.dtype) for i in initials] * 2)

    def through_jax(*xs):
        n = len(initials)
        return lax.reduce(xs[:n], xs[n:], lambda p, q: tuple(function(*p, *q, JAX_OPS)),
                          dimensions)

    return Row("reduce", (*arrays, *(repr(make_aval((), i.dtype)) for i in initials)),
               {"jaxpr": program, "dimensions": dimensions, "computation": None},
               jax=through_jax, **row)


def values(shape, *initials):
    rng = np.random.default_rng(0)
    return *(rng.uniform(0.5, 2, shape).astype(i.dtype) for i in initials), *initials


ONE, ZERO = np.float32(1), np.float32(0)
ROWS += [
    folded(product_and_sum, ("f32[3,4]",) * 2, (1,), ONE, ZERO, differentiable=False,
           values=values((3, 4), ONE, ZERO)),
    folded(product_and_sum, ("f32[5,2]",) * 2, (0, 1), ONE, ZERO, differentiable=False,
           values=values((5, 2), ONE, ZERO)),
    folded(product_and_sum, ("f32[0,2]",) * 2, (0,), ONE, ZERO, differentiable=False,
           values=values((0, 2), ONE, ZERO)),
]
