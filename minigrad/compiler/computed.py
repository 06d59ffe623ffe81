"""Equations that read or write where other values say: pad, gather, scatter and dynamic slices, as
expressions for one element of the result. So an embedding, a one-hot vector or the derivative of
picking a class is computed inside the loops that use it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from kernels.indexing import GatherScatterMode
from minigrad.compiler.index import ZERO, Index
from minigrad.compiler.scalar import cast, literal_value, subset_dtype
from minigrad.ops.families import dtype_kind
from minigrad.program import Eqn


class Computed(NamedTuple):
    """accepts: can it be written so? dims: for each operand, the axis of the result that an axis of
    it runs along, or None; text(writer, eqn, at, scope): the element at `at`."""

    accepts: Callable[[Eqn], bool]
    dims: Callable[[Eqn], list[list[int | None]]]
    text: Callable[[Any, Eqn, Sequence[Index], Any], str]


def known_dtypes(eqn: Eqn) -> bool:
    atoms = (*eqn.invars, *eqn.outvars)
    return all(subset_dtype(a.aval.dtype) is not None and 0 not in a.aval.shape for a in atoms)


def clamped(text: str, limit: int) -> str:
    return f"minimum(maximum({text}, 0), {limit})" if limit else "i64(0)"


# ------------------------------------------------------------------ pad


def pad_text(writer, eqn: Eqn, at: Sequence[Index], scope) -> str:
    x, filling = eqn.invars
    place, conditions = [], []
    for i, n, (low, high, interior) in zip(at, x.aval.shape, eqn.params["padding_config"]):
        if low == high == interior == 0:
            place.append(i)
            continue
        shifted = i + -low
        text = writer.index_text(shifted, pin=True)
        bottom, top = shifted.bounds(writer.fuser.sizes)
        if bottom < 0:
            conditions.append(f"({text} >= 0)")
        if top > (n - 1) * (interior + 1):
            conditions.append(f"({text} <= {(n - 1) * (interior + 1)})")
        if interior:
            conditions.append(f"(({text}) % {interior + 1} == 0)")
            text = f"({text}) // {interior + 1}"
        name = writer.number(clamped(text, n - 1), shifted.axes(), scope)
        place.append(Index({("value", name, frozenset(shifted.axes())): 1}))
    value = writer.pull(x, place, scope)
    if not conditions:
        return value
    other = writer.pull(filling, (), scope)
    dtype = subset_dtype(eqn.outvars[0].aval.dtype)
    if writer.is_literal(filling) and writer.is_literal(x):
        value = cast(value, dtype)
    return f"{value} if {' & '.join(conditions)} else {other}"


# ------------------------------------------------------------------ windows that indices choose


def index_values(writer, eqn: Eqn, at: Sequence[Index], count: int, scope) -> list:
    """Names of the components of the index vector for the batch position `at`, with the axes that
    each depends on."""
    indices, found = eqn.invars[1], []
    axes = set().union(*(i.axes() for i in at), set())
    scope = writer.scope_for(axes, scope)
    for k in range(count):
        text = writer.pull(indices, (*at, Index({}, k)), scope)
        if writer.is_literal(indices):
            text = f"i64({text})"
        elif subset_dtype(indices.aval.dtype) != "i64":
            text = f"i64({text})"
        found.append((writer.number(text, axes, scope), frozenset(axes)))
    return found


def mode_of(eqn: Eqn) -> str:
    return GatherScatterMode.from_any(eqn.params["mode"]).name


def gather_batch_dims(eqn: Eqn) -> list[int]:
    """The axes of the result that run along the batch of index vectors."""
    offsets = eqn.params["dimension_numbers"].offset_dims
    return [d for d in range(eqn.outvars[0].aval.ndim) if d not in offsets]


def gather_dims(eqn: Eqn) -> list[list[int | None]]:
    x, indices = eqn.invars
    n, batch = eqn.params["dimension_numbers"], gather_batch_dims(eqn)
    along: list[int | None] = [None] * x.aval.ndim
    for d, b in zip(n.operand_batching_dims, n.start_indices_batching_dims):
        along[d] = batch[b]
    return [along, [*batch, None]]


def gather_text(writer, eqn: Eqn, at: Sequence[Index], scope) -> str:
    x, indices = eqn.invars
    n, sizes = eqn.params["dimension_numbers"], eqn.params["slice_sizes"]
    batch = [at[d] for d in gather_batch_dims(eqn)]
    dropped = (*n.collapsed_slice_dims, *n.operand_batching_dims)
    window = iter(n.offset_dims)
    place = [ZERO if d in dropped else at[next(window)] for d in range(x.aval.ndim)]
    for d, b in zip(n.operand_batching_dims, n.start_indices_batching_dims):
        place[d] = batch[b]
    conditions = []
    mode = mode_of(eqn)
    values = index_values(writer, eqn, batch, len(n.start_index_map), scope)
    for d, (name, axes) in zip(n.start_index_map, values):
        limit = x.aval.shape[d] - sizes[d]
        if mode == "FILL_OR_DROP":
            conditions.append(f"({name} >= 0) & ({name} <= {limit})")
        name = writer.number(clamped(name, limit), axes, scope)
        place[d] = place[d] + Index({("value", name, axes): 1})
    value = writer.pull(x, place, scope)
    if not conditions:
        return value
    dtype = eqn.outvars[0].aval.dtype
    fill = eqn.params["fill_value"]
    if fill is None:
        info = np.iinfo(dtype) if dtype_kind(dtype) in "iu" else None
        fill = float("nan") if info is None else info.min if info.min else info.max
    return f"{value} if {' & '.join(conditions)} else {literal_value(fill)}"


def gathers(eqn: Eqn) -> bool:
    return known_dtypes(eqn) and mode_of(eqn) != "ONE_HOT" and eqn.outvars[0].aval.dtype != bool


# ------------------------------------------------------------------ one update for each batch


COMBINE = {"scatter": "{u}", "scatter-add": "{x} + {u}", "scatter-sub": "{x} - {u}",
           "scatter-mul": "{x} * {u}", "scatter_min": "minimum({x}, {u})",
           "scatter_max": "maximum({x}, {u})"}


def writes_once(eqn: Eqn) -> bool:
    """Does each batch position of the operand get one update at most, of one element?"""
    x, indices, updates = eqn.invars
    n = eqn.params["dimension_numbers"]
    batch = [b for b in range(indices.aval.ndim - 1) if b not in n.scatter_indices_batching_dims]
    return (known_dtypes(eqn) and not n.update_window_dims
            and all(indices.aval.shape[b] == 1 for b in batch)
            and subset_dtype(x.aval.dtype) not in ("f16", "bf16", "bool")
            and x.aval.ndim == len(n.operand_batching_dims) + len(n.scatter_dims_to_operand_dims))


def scatter_dims(eqn: Eqn) -> list[list[int | None]]:
    x, indices, updates = eqn.invars
    n = eqn.params["dimension_numbers"]
    along: list[int | None] = [None] * (indices.aval.ndim - 1)
    for d, b in zip(n.operand_batching_dims, n.scatter_indices_batching_dims):
        along[b] = d
    return [list(range(x.aval.ndim)), [*along, None], along]


def scatter_text(writer, eqn: Eqn, at: Sequence[Index], scope) -> str:
    x, indices, updates = eqn.invars
    n = eqn.params["dimension_numbers"]
    batch = [ZERO if d is None else at[d] for d in scatter_dims(eqn)[2]]
    count = len(n.scatter_dims_to_operand_dims)
    conditions = []
    values = index_values(writer, eqn, batch, count, scope)
    for d, (name, axes) in zip(n.scatter_dims_to_operand_dims, values):
        if mode_of(eqn) == "CLIP":
            name = writer.number(clamped(name, x.aval.shape[d] - 1), axes, scope)
        conditions.append(f"({writer.index_text(at[d], pin=True)} == {name})")
    value, update = writer.pull(x, at, scope), writer.pull(updates, batch, scope)
    dtype = subset_dtype(x.aval.dtype)
    if writer.is_literal(x):
        value = cast(value, dtype)
    if writer.is_literal(updates):
        update = cast(update, dtype)
    old = writer.number(value, None, scope)
    new = COMBINE[eqn.primitive.name].format(x=old, u=update)
    return f"{new} if {' & '.join(conditions)} else {old}"


# ------------------------------------------------------------------ one window


def starts(writer, eqn: Eqn, operands: Sequence, limits: Sequence[int], scope) -> list[Index]:
    found = []
    for a, limit in zip(operands, limits):
        text = writer.pull(a, (), writer.top)
        name = writer.number(clamped(f"i64({text})", limit), set(), scope)
        found.append(Index({("value", name, frozenset()): 1}) if limit else ZERO)
    return found


def dynamic_slice_text(writer, eqn: Eqn, at: Sequence[Index], scope) -> str:
    x, *given = eqn.invars
    limits = [n - m for n, m in zip(x.aval.shape, eqn.params["slice_sizes"])]
    return writer.pull(x, [i + s for i, s in zip(at, starts(writer, eqn, given, limits, scope))],
                       scope)


def update_slice_text(writer, eqn: Eqn, at: Sequence[Index], scope) -> str:
    x, update, *given = eqn.invars
    limits = [n - m for n, m in zip(x.aval.shape, update.aval.shape)]
    conditions, place = [], []
    begin = starts(writer, eqn, given, limits, scope)
    for i, s, n, limit in zip(at, begin, update.aval.shape, limits):
        if not limit:
            place.append(i)
            continue
        text = writer.index_text(i + s * -1, pin=True)
        conditions.append(f"({text} >= 0) & ({text} < {n})")
        name = writer.number(clamped(text, n - 1), i.axes(), scope)
        place.append(Index({("value", name, frozenset(i.axes())): 1}))
    new = writer.pull(update, place, scope)
    if not conditions:
        return new
    old = writer.pull(x, at, scope)
    if writer.is_literal(x) and writer.is_literal(update):
        old = cast(old, subset_dtype(x.aval.dtype))
    return f"{new} if {' & '.join(conditions)} else {old}"


def same(eqn: Eqn) -> list[int | None]:
    return list(range(eqn.outvars[0].aval.ndim))


def nowhere(atom) -> list[int | None]:
    return [None] * atom.aval.ndim


COMPUTED: dict[str, Computed] = {
    "pad": Computed(known_dtypes, lambda e: [nowhere(e.invars[0]), []], pad_text),
    "gather": Computed(gathers, gather_dims, gather_text),
    "dynamic_slice": Computed(known_dtypes, lambda e: [nowhere(a) for a in e.invars],
                              dynamic_slice_text),
    "dynamic_update_slice": Computed(
        known_dtypes, lambda e: [same(e), *(nowhere(a) for a in e.invars[1:])],
        update_slice_text),
    **{name: Computed(writes_once, scatter_dims, scatter_text) for name in COMBINE},
}


def is_computed(eqn: Eqn) -> bool:
    row = COMPUTED.get(eqn.primitive.name)
    return row is not None and row.accepts(eqn)
