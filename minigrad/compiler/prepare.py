"""What is done to a program before it is divided into kernels: calls written out, the algebra of
`simplify`, and some that only pays where kernels are compiled."""

from __future__ import annotations

from minigrad.program import Jaxpr
from minigrad.simplify import inline_calls, simplify


def prepare(program: Jaxpr) -> Jaxpr:
    return simplify(inline_calls(program))
