"""Pooling and running reductions: strides, holes, paddings, ties, nans."""

from __future__ import annotations

import jax
import numpy as np
from jax import lax

from minigrad.core import aval_of, make_aval, table
from minigrad.ops.elementwise import ge, le
from minigrad.program import stage
from tests.rows.row import Row


def window(sizes, strides=None, padding=None, base=None, dilation=None) -> dict:
    ones = (1,) * len(sizes)
    return {"window_dimensions": sizes, "window_strides": strides or ones,
            "padding": padding or ((0, 0),) * len(sizes), "base_dilation": base or ones,
            "window_dilation": dilation or ones}


def pool(name: str, x: str, *args, note: str = "", differentiable: bool = True, **row) -> Row:
    """JAX gives the second derivative of max pooling with holes in the window up."""
    params = window(*args)
    return Row(name, (x,), params, note=note, differentiable=differentiable,
               jax=lambda a: getattr(lax, name + "_p").bind(a, **params), **row)


ROWS = []
for name in ("reduce_window_sum", "reduce_window_max", "reduce_window_min"):
    linear = name == "reduce_window_sum"
    ROWS += [
        pool(name, "f32[7]", (2,)),
        pool(name, "f64[6,5]", (3, 2), (2, 1)),
        pool(name, "bf16[6,5]", (3, 2), (2, 1)),
        pool(name, "i32[6,5]", (2, 2), (2, 2), differentiable=False),
        pool(name, "f32[2,3,8,7]", (1, 1, 3, 2), (1, 1, 2, 2), ((0, 0), (0, 0), (1, 1), (0, 1)),
             note="pooling of images"),
        pool(name, "f32[7,5]", (12, 1), (1, 1), ((6, 5), (0, 0)), note="a long window"),
        pool(name, "f32[4,3]", (2, 2), (1, 1), ((1, 0), (0, 1)), (2, 1), note="holes in the base"),
        pool(name, "f32[8,7]", (2, 3), (2, 1), None, None, (3, 2), differentiable=linear,
             note="holes in the window"),
        pool(name, "f32[3]", (4,), note="no window fits"),
        pool(name, "f32[]", (), differentiable=linear, note="rank 0: JAX cannot scatter there"),
    ]
ROWS += [
    pool("reduce_window_sum", "c64[6]", (3,), (2,), ((1, 2),)),
    pool("reduce_window_sum", "u8[6]", (3,), differentiable=False),
    pool("reduce_window_max", "bool[6]", (3,), differentiable=False),
]

# ------------------------------------------------------------------ select_and_scatter, gather

SELECT = {"ge": (ge, lax.ge_p), "le": (le, lax.le_p)}
TIES = np.array([[1, 1, 0, 2], [1, 3, 3, 2], [0, 3, 1, 2]], np.float32)


def scatter(source: str, x: str, sizes, strides=None, padding=None, select="ge", **row) -> Row:
    params = window(sizes, strides, padding)
    params = {k: v for k, v in params.items() if not k.endswith("dilation")}
    ours, theirs = SELECT[select]
    return Row("select_and_scatter_add", (source, x), {"select_prim": ours, **params}, **row,
               jax=lambda s, a: lax.select_and_scatter_add_p.bind(s, a, select_prim=theirs,
                                                                  **params))


def gathered(x: str, *args, select="ge", **row) -> Row:
    params = window(*args)
    ours, theirs = SELECT[select]
    return Row("select_and_gather_add", (x, x), {"select_prim": ours, **params}, **row,
               jax=lambda t, a: lax.select_and_gather_add_p.bind(t, a, select_prim=theirs,
                                                                 **params))


ROWS += [
    scatter("f32[3]", "f32[7]", (3,), (2,)),
    scatter("f32[3,2]", "f32[7,6]", (2, 3), (3, 3), ((1, 1), (0, 1)), select="le"),
    scatter("f64[2,1,3,3]", "f64[2,1,4,4]", (1, 1, 2, 2), note="windows overlap"),
    scatter("f32[2,3]", "f32[3,4]", (2, 2), values=(np.arange(6, dtype=np.float32).reshape(2, 3),
                                                    TIES), note="ties: the first wins"),
    gathered("f32[7]", (3,), (2,)),
    gathered("f32[6,5]", (2, 2), (2, 1), ((1, 0), (1, 1)), select="le"),
    gathered("f64[6,5]", (3, 2)),
    gathered("f32[4,3]", (2, 2), (1, 1), None, (2, 1), note="holes in the base"),
    gathered("f32[3,4]", (2, 2), values=(np.arange(12, dtype=np.float32).reshape(3, 4), TIES),
             note="ties: the first wins"),
]

# ------------------------------------------------------------------ any reduction


def largest_with_index(a, i, b, j):
    """The reducing function of argmax, of minigrad's or of JAX's arrays."""
    ops = lax if isinstance(a, jax.Array) else None
    if ops is not None:
        first = lax.ge(a, b)
        return lax.select(first, a, b), lax.select(first, i, j)
    first = table["ge"](a, b)
    return [table["select_n"](first, b, a), table["select_n"](first, j, i)]


def generic(function, jax_function, arrays, initials, *args, **row) -> Row:
    avals = [aval_of(i) for i in initials] * 2
    program = stage(lambda *xs: function(*xs), [make_aval((), a.dtype) for a in avals])
    params = window(*args)
    n = len(arrays)

    def through_jax(*xs):
        return lax.reduce_window(xs[:n], xs[n:], lambda p, q: jax_function(*p, *q), **params)

    spelled = [repr(make_aval((), a.dtype)) for a in avals[:n]]
    values = (*arrays, *initials)
    return Row("reduce_window", (*[s.replace("[]", f"[{','.join(map(str, a.shape))}]")
                                   for s, a in zip(spelled, arrays)], *spelled),
               {"jaxpr": program, "consts": (), **params}, values=values, jax=through_jax,
               differentiable=False, **row)


X = np.array([[3, 1, 4, 1, 5], [9, 2, 6, 5, 3], [5, 8, 9, 7, 9]], np.float32)
PLACES = np.arange(15, dtype=np.int32).reshape(3, 5)

ROWS += [
    generic(lambda a, b: [table["mul"](a, b)], lambda a, b: (lax.mul(a, b),),
            (X,), (np.float32(1),), (2, 2), (1, 2), note="products"),
    generic(largest_with_index, largest_with_index, (X, PLACES),
            (np.float32(-np.inf), np.int32(-1)), (2, 3), note="argmax of every window"),
]

# ------------------------------------------------------------------ running reductions


def run(name: str, x: str, axis: int, reverse: bool = False, **row) -> Row:
    return Row(name, (x,), {"axis": axis, "reverse": reverse}, **row)


for name in ("cumsum", "cumprod", "cummax", "cummin", "cumlogsumexp"):
    ROWS += [
        run(name, "f32[1]", 0),
        run(name, "f32[6]", 0),
        run(name, "f32[7]", 0, True, note="from the end"),
        run(name, "f64[3,5,2]", 1),
        run(name, "f64[4,5]", 1, True),
        run(name, "bf16[8]", 0),
        run(name, "f32[0,3]", 0),
    ]
ROWS += [
    *[run(name, "i32[3,5]", 1, differentiable=False) for name in ("cumsum", "cumprod", "cummax")],
    *[run(name, "c64[2,5]", 1) for name in ("cumsum", "cumprod", "cumlogsumexp")],
    run("cumlogsumexp", "c64[5]", 0, True),
    run("cumprod", "f32[5]", 0, values=(np.array([2, 0, 3, 0, 4], np.float32),),
        note="zeros: the derivative divides by nothing"),
    run("cummax", "f32[6]", 0, values=(np.array([1, 3, 3, 2, 3, 5], np.float32),),
        note="ties share the gradient"),
    run("cumlogsumexp", "f32[5]", 0, differentiable=False,
        values=(np.array([-np.inf, 0, np.inf, 1, -2], np.float32),)),
]
