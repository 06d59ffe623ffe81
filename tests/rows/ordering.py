"""sort and top_k: several operands, ties, zeros of both signs, nans."""

from __future__ import annotations

import numpy as np
from jax import lax

from tests.rows.row import Row


def ordered(*avals: str, dimension: int = 0, num_keys: int = 1, is_stable: bool = True,
            **row) -> Row:
    params = {"dimension": dimension, "is_stable": is_stable, "num_keys": num_keys}
    return Row("sort", avals, params, jax=lambda *a: lax.sort_p.bind(*a, **params), **row)


def largest(x: str, k: int, axis: int = 0, **row) -> Row:
    params = {"k": k, "axis": axis}
    return Row("top_k", (x,), params, jax=lambda a: lax.top_k_p.bind(a, **params), **row)


NAN, INF = np.nan, np.inf
ODD = np.array([0.0, NAN, -INF, -0.0, 3, INF, -0.0, 0.0, -NAN, -3], np.float32)
LETTERS = np.arange(10, dtype=np.float32)

ROWS = [
    ordered("f32[7]"),
    ordered("f64[3,5]", dimension=1),
    ordered("f32[3,4,2]", dimension=1, is_stable=False),
    ordered("bf16[6]"),
    ordered("i32[4,5]", dimension=1, differentiable=False),
    ordered("u8[9]", differentiable=False),
    ordered("bool[6]", differentiable=False),
    ordered("c64[6]"),
    ordered("f32[0,3]"),
    ordered("f32[1]"),
    ordered("i32[8]", "f32[8]", note="values carried along, ties in order"),
    ordered("i32[2,6]", "i32[2,6]", "f32[2,6]", dimension=1, num_keys=2, note="two keys"),
    ordered("f32[5]", "f64[5]", "i32[5]"),
    ordered("f32[10]", "f32[10]", values=(ODD, LETTERS), differentiable=False,
            note="-0 equals 0; nan is last"),
    largest("f32[7]", 3),
    largest("f64[3,5]", 2, 1),
    largest("f32[4,3,2]", 2, 0),
    largest("bf16[6]", 2),
    largest("i32[8]", 5, differentiable=False, note="ties in order"),
    largest("u8[8]", 3, differentiable=False),
    largest("f32[5]", 5, note="all of them"),
    largest("f32[5]", 0, note="none of them"),
    largest("f32[10]", 10, values=(ODD,), differentiable=False, note="nan counts as largest"),
    *[Row("approx_top_k", (x,), dict(
        k=k, reduction_dimension=axis, recall_target=0.95, is_max_k=is_max,
        reduction_input_size_override=-1, aggregate_to_topk=True))
      for x, k, axis, is_max in (("f32[7]", 3, 0, True), ("f32[3,5]", 2, -1, False),
                                 ("f64[4,3]", 4, 0, True))],
    *[Row("approx_top_k", (x,), dict(
        k=k, reduction_dimension=-1, recall_target=recall, is_max_k=True,
        reduction_input_size_override=-1, aggregate_to_topk=False), second=False)
      for x, k, recall in (("f32[9]", 2, 0.9), ("f32[2,300]", 1, 0.9), ("f32[2,300]", 5, 0.9))],
]
