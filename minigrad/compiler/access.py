"""Views: equations that move values and compute nothing. In a kernel they are only arithmetic on
indices, in two directions: where a view reads its operand, and where an element of the operand
goes."""

from __future__ import annotations

from collections.abc import Sequence

from minigrad.compiler.index import ZERO, Index, Sizes, flatten, unflatten
from minigrad.compiler.scalar import subset_dtype
from minigrad.program import Eqn

# equations whose result is its operand's elements, in the same flat order
SAME_MEMORY = {"reshape", "squeeze", "stop_gradient", "copy", "expand_dims"}
VIEWS = SAME_MEMORY | {"broadcast_in_dim", "transpose", "slice", "rev", "iota"}


def is_view(eqn: Eqn) -> bool:
    if subset_dtype(eqn.outvars[0].aval.dtype) is None:  # complex numbers and keys
        return False
    return eqn.primitive.name in VIEWS and eqn.params.get("dimensions") is None \
        or eqn.primitive.name in ("squeeze", "rev") or is_relabelling(eqn)


def is_relabelling(eqn: Eqn) -> bool:
    """A conversion that only drops a weak type."""
    return eqn.primitive.name == "convert_element_type" \
        and eqn.invars[0].aval.dtype == eqn.outvars[0].aval.dtype


def keeps_memory(eqn: Eqn) -> bool:
    """Has the result the elements of the operand in the same order, so that it may share them?"""
    if not is_view(eqn) or not eqn.invars:
        return False
    return eqn.primitive.name in SAME_MEMORY or is_relabelling(eqn) or (
        eqn.primitive.name == "broadcast_in_dim"
        and eqn.invars[0].aval.size == eqn.outvars[0].aval.size)


def reads(eqn: Eqn, at: Sequence[Index], sizes: Sizes) -> tuple[Index, ...]:
    """Which element of its operand stands at `at` in the result of a view."""
    x, p, name = eqn.invars[0].aval.shape, eqn.params, eqn.primitive.name
    if name == "broadcast_in_dim":
        return tuple(ZERO if n == 1 else at[d] for n, d in zip(x, p["broadcast_dimensions"]))
    if name == "transpose":
        order = p["permutation"]
        return tuple(at[order.index(d)] for d in range(len(x)))
    if name == "slice":
        steps = p["strides"] or (1,) * len(x)
        return tuple(i * s + b for i, s, b in zip(at, steps, p["start_indices"]))
    if name == "rev":
        return tuple(i if i is None or d not in p["dimensions"] else i * -1 + (n - 1)
                     for d, (i, n) in enumerate(zip(at, x)))
    out = eqn.outvars[0].aval.shape
    return same_order(at, out, x) or unflatten(flatten(at, out), x, sizes)


def goes(eqn: Eqn, at: Sequence[Index], sizes: Sizes) -> tuple[Index | None, ...] | None:
    """Where the element `at` of its operand goes; None in place of an axis along which it is
    repeated, None for all if the view leaves elements out or cannot be turned around."""
    x, out, p = eqn.invars[0].aval.shape, eqn.outvars[0].aval.shape, eqn.params
    name = eqn.primitive.name
    if name == "broadcast_in_dim":
        found: list[Index | None] = [ZERO if n == 1 else None for n in out]
        for i, n, d in zip(at, x, p["broadcast_dimensions"]):
            if n == out[d] and n != 1:
                found[d] = i
        return tuple(found)
    if name == "transpose":
        return tuple(at[d] for d in p["permutation"])
    if name == "rev":
        return reads(eqn, at, sizes)
    if name == "slice":
        return tuple(at) if x == out else None
    direct = same_order(at, x, out)
    if direct or any(i is None for i in at):
        return direct
    places = unflatten(flatten(at, x), out, sizes)
    return places if all(i.is_plain() for i in places) else None


def same_order(at: Sequence, before: Sequence[int], after: Sequence[int]) -> tuple | None:
    """The index after a reshape that only adds or drops axes of size one."""
    if before == after:
        return tuple(at)
    wide = [(i, n) for i, n in zip(at, before) if n != 1]
    if [n for _, n in wide] != [n for n in after if n != 1]:
        return None
    found = iter(wide)
    return tuple(ZERO if n == 1 else next(found)[0] for n in after)
