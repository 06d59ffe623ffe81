"""Rows for `minigrad/ops/indexing.py` and `minigrad/ops/scattering.py`."""

from __future__ import annotations

import numpy as np
from jax import lax

from kernels.indexing import GatherDimensionNumbers as Gather
from kernels.indexing import GatherScatterMode as Mode
from kernels.indexing import ScatterDimensionNumbers as Scatter
from minigrad.core import make_aval
from tests.rows.row import Row

# ------------------------------------------------------------------ dynamic slices

ROWS = [
    Row("dynamic_slice", ("f32[5]", "i32[]"), {"slice_sizes": (2,)}),
    Row("dynamic_slice", ("f64[4,3]", "i64[]", "i64[]"), {"slice_sizes": (2, 1)}, ints=(-3, 6),
        note="windows that stick out are moved inside"),
    Row("dynamic_slice", ("bf16[3,2]", "u8[]", "u8[]"), {"slice_sizes": (3, 0)}),
    Row("dynamic_slice", ("c64[4]", "i32[]"), {"slice_sizes": (4,)}),
    Row("dynamic_slice", ("f32[]",), {"slice_sizes": ()}),
    Row("dynamic_slice", ("i32[5]", "i32[]"), {"slice_sizes": (1,)}),
    Row("dynamic_slice", ("f32[5]", "i32[]"), {"slice_sizes": (6,)}, note="refused"),
    Row("dynamic_slice", ("f32[5]", "f32[]"), {"slice_sizes": (2,)}, note="refused"),
    Row("dynamic_slice", ("f32[5]", "i32[1]"), {"slice_sizes": (2,)}, note="refused"),
    Row("dynamic_update_slice", ("f32[5]", "f32[2]", "i32[]")),
    Row("dynamic_update_slice", ("f64[4,3]", "f64[2,1]", "i64[]", "i64[]"), ints=(-3, 6)),
    Row("dynamic_update_slice", ("bf16[3,2]", "bf16[3,0]", "u8[]", "u8[]")),
    Row("dynamic_update_slice", ("c64[4]", "c64[4]", "i32[]")),
    Row("dynamic_update_slice", ("f32[]", "f32[]")),
    Row("dynamic_update_slice", ("i32[5]", "i32[2]", "i32[]")),
    Row("dynamic_update_slice", ("f32[5]", "f32[6]", "i32[]"), note="refused"),
    Row("dynamic_update_slice", ("f32[5]", "i32[2]", "i32[]"), note="refused"),
    Row("dynamic_update_slice", ("f32[5]", "f32[1,2]", "i32[]"), note="refused"),
]

# ------------------------------------------------------------------ gather


def gather(operand: str, indices: str, numbers: Gather, slice_sizes, fill_value=None, **options):
    """Rows in the modes that matter; the last is left with its indices in bounds."""
    ints = options.pop("ints", (0, 2))
    params = {"dimension_numbers": numbers, "slice_sizes": slice_sizes}
    yield Row("gather", (operand, indices), params | options, ints=ints)
    for mode in (Mode.CLIP, Mode.FILL_OR_DROP):
        fill = fill_value if mode is Mode.FILL_OR_DROP else None
        yield Row("gather", (operand, indices), params | {"mode": mode, "fill_value": fill},
                  ints=(-2, 7), note="out of bounds as well")


LAST = Gather((), (0,), (0,))  # x[i]
ROW = Gather((1,), (0,), (0,))  # x[i] of a matrix

ROWS += [
    *gather("f32[5]", "i32[4,1]", LAST, (1,), np.nan),
    *gather("f64[5,3]", "i64[2,4,1]", Gather((2,), (0,), (0,)), (1, 3), 7.0),
    *gather("f32[4,3]", "i32[6,2]", Gather((), (0, 1), (0, 1)), (1, 1), 0.0),
    *gather("f32[4,3]", "i32[6,2]", Gather((), (0, 1), (1, 0)), (1, 1), 0.0),
    *gather("f32[4,5,3]", "i32[2,2]", Gather((0, 2), (1,), (0, 1)), (2, 1, 3), -1.0),
    *gather("f32[2,5,3]", "i32[4,2,1]", Gather((2,), (1,), (1,), (0,), (1,)), (1, 1, 3), 0.0),
    *gather("i32[5]", "u8[4,1]", LAST, (1,), -9),
    *gather("c64[4]", "i32[1]", Gather((0,), (), (0,)), (2,), np.nan),
    Row("gather", ("bf16[4,3]", "i32[0,1]"), {"dimension_numbers": ROW, "slice_sizes": (1, 3)}),
    Row("gather", ("f32[]", "i32[0]"),
        {"dimension_numbers": Gather((), (), ()), "slice_sizes": ()}),
    Row("gather", ("f32[6]", "i32[4,1]"),
        {"dimension_numbers": LAST, "slice_sizes": (1,), "unique_indices": True,
         "indices_are_sorted": True},
        values=(np.arange(6, dtype="f4"), np.array([[0], [2], [3], [5]], "i4"))),
    # what JAX refuses
    Row("gather", ("f32[5]", "f32[4,1]"), {"dimension_numbers": LAST, "slice_sizes": (1,)}),
    Row("gather", ("f32[5]", "i32[4,2]"), {"dimension_numbers": LAST, "slice_sizes": (1,)}),
    Row("gather", ("f32[5]", "i32[4,1]"), {"dimension_numbers": LAST, "slice_sizes": (2,)}),
    Row("gather", ("f32[5]", "i32[4,1]"), {"dimension_numbers": ROW, "slice_sizes": (6,)}),
    Row("gather", ("f32[5,3]", "i32[4,1]"),
        {"dimension_numbers": Gather((2,), (0,), (0,)), "slice_sizes": (1, 3)}),
]

# ------------------------------------------------------------------ scatter


def scatter(name: str, operand: str, indices: str, updates: str, numbers: Scatter, modes=True,
            **options):
    """Rows in two modes, with indices that repeat."""
    wanted = (Mode.FILL_OR_DROP, Mode.CLIP) if modes else (Mode.FILL_OR_DROP,)
    # Products of repeated indices have no derivative in JAX.
    differentiable = name != "scatter-mul" and operand[0] not in "iu"
    for mode in wanted:
        params = {"dimension_numbers": numbers, "mode": mode} | options
        yield Row(name, (operand, indices, updates), params, ints=(-2, 7),
                  jax=through_jax(name, **params), differentiable=differentiable)


def through_jax(name: str, *, dimension_numbers, mode=Mode.FILL_OR_DROP, **options):
    """`lax.scatter_add` and its kin, which fill in the update program."""
    function = getattr(lax, name.replace("-", "_"))
    numbers = lax.ScatterDimensionNumbers(*dimension_numbers)
    mode = lax.GatherScatterMode[mode.name]
    return lambda x, indices, updates: function(x, indices, updates, numbers, mode=mode, **options)


def unique(name: str, operand, indices, updates, numbers: Scatter, **options) -> Row:
    """A row whose indices keep the promise that they do not repeat."""
    params = {"dimension_numbers": numbers, "unique_indices": True} | options
    values = np.asarray(operand), np.array(indices, "i4"), np.asarray(updates)
    avals = tuple(repr(make_aval(v.shape, v.dtype)) for v in values)
    return Row(name, avals, params, jax=through_jax(name, **params), values=values)


ELEMENT = Scatter((), (0,), (0,))  # x[i] = u
ROW_WRITE = Scatter((1,), (0,), (0,))  # x[i] = u for the rows of a matrix
RNG = np.random.default_rng(0)
FIVE, THREE = RNG.normal(size=5).astype("f4"), RNG.normal(size=3).astype("f4")
MATRIX, ROWS_OF_IT = RNG.normal(size=(4, 3)), RNG.normal(size=(2, 3))

for operation in ("scatter", "scatter-add", "scatter-sub", "scatter-mul", "scatter-min",
                  "scatter-max"):
    ROWS += [
        *scatter(operation, "f32[5]", "i32[4,1]", "f32[4]", ELEMENT),
        *scatter(operation, "f64[5,3]", "i64[2,2,1]", "f64[2,2,3]", Scatter((2,), (0,), (0,)),
                 modes=False),
        *scatter(operation, "f32[4,5,3]", "i32[2,2]", "f32[2,2,3]", Scatter((0, 2), (1,), (0, 1)),
                 modes=False),
        *scatter(operation, "f32[2,5,3]", "i32[4,2,1]", "f32[4,2,3]",
                 Scatter((2,), (1,), (1,), (0,), (1,)), modes=False),
        *scatter(operation, "i32[5]", "u8[4,1]", "i32[4]", ELEMENT, modes=False),
        unique(operation, FIVE, [[3], [0], [9]], THREE, ELEMENT),
        unique(operation, MATRIX, [[2], [0]], ROWS_OF_IT, ROW_WRITE, indices_are_sorted=False),
    ]

ROWS += [
    *scatter("scatter-add", "c64[3]", "i32[4,1]", "c64[4]", ELEMENT, modes=False),
    *scatter("scatter-add", "bf16[3]", "i32[1]", "bf16[2]", Scatter((0,), (), (0,)), modes=False),
    *scatter("scatter-add", "f32[]", "i32[0]", "f32[]", Scatter((), (), ()), modes=False),
    *scatter("scatter", "f32[0,2]", "i32[0,1]", "f32[0,2]", ROW_WRITE, modes=False),
    # ties share the tangent
    *(Row(name, ("f32[3]", "i32[4,1]", "f32[4]"), {"dimension_numbers": ELEMENT},
          jax=through_jax(name, dimension_numbers=ELEMENT),
          values=(np.zeros(3, "f4"), np.array([[0], [0], [1], [2]], "i4"),
                  np.array([0, 0, -1, 1], "f4"))) for name in ("scatter-min", "scatter-max")),
    # what JAX refuses
    *scatter("scatter-add", "f32[5]", "i32[4,1]", "f32[3]", ELEMENT, modes=False),
    *scatter("scatter-add", "f32[5]", "i32[4,1]", "f64[4]", ELEMENT, modes=False),
    *scatter("scatter", "f32[5]", "f32[4,1]", "f32[4]", ELEMENT, modes=False),
    *scatter("scatter", "f32[5,2]", "i32[4,1]", "f32[4,3]", ROW_WRITE, modes=False),
]
