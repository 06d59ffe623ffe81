"""A row: one way of calling one primitive, from which every differential check is generated.

    Row("mul", ("f32[3,4]", "f32[1,4]"))
    Row("reduce_sum", ("f32[3,4]",), {"axes": (0,)}, jax=lambda x: jnp.sum(x, 0))
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Row:
    """What to call, on what, and what real JAX calls in its place.

    name:            the primitive in `minigrad.core.table`
    avals:           the operands, spelled "f32[3,4]", "i32[]", "bool[2]", "bf16[0,3]"
    params:          its parameters, as minigrad spells them
    jax:             the same through real jax.lax, a function of jax arrays; left out where
                     `getattr(jax.lax, name + "_p").bind(*args, **params)` is that function
    low, high:       the range random floats are drawn from
    ints:            the range random integers are drawn from, upper end excluded
    differentiable:  derivatives are compared too
    second:          and second derivatives
    values:          explicit arrays instead of random ones
    without:         checks (of compat.differential.CHECKS) that do not apply
    note:            why the row stands here
    """

    name: str
    avals: tuple[str, ...]
    params: dict[str, Any] = field(default_factory=dict)
    jax: Callable | None = None
    low: float = -2.0
    high: float = 2.0
    ints: tuple[int, int] = (0, 4)
    differentiable: bool = True
    second: bool = True
    values: tuple | None = None
    without: tuple[str, ...] = ()
    note: str = ""

    def __str__(self) -> str:
        """`mul-f32[3,4]-f32[1,4]`: the name of its test."""
        params = ",".join(f"{k}={v}" for k, v in self.params.items() if _is_short(v))
        return "-".join([self.name, *self.avals, *([params] if params else [])])[:120]


def _is_short(value) -> bool:
    return value is not None and not callable(value) and len(str(value)) <= 40
