"""jax.interpreters.partial_eval: programs without what nobody asks for."""

from __future__ import annotations

from collections.abc import Sequence

from minigrad.program import Jaxpr, Var, has_effect


def dce_jaxpr(jaxpr: Jaxpr, used_outputs: Sequence[bool], instantiate: bool | Sequence[bool] = False
              ) -> tuple[Jaxpr, list[bool]]:
    """(the program of some outputs, which inputs it reads)."""
    outvars = [v for v, used in zip(jaxpr.outvars, used_outputs) if used]
    needed, eqns = {v for v in outvars if type(v) is Var}, []
    for eqn in reversed(jaxpr.eqns):
        if has_effect(eqn) or needed.intersection(eqn.outvars):
            eqns.append(eqn)
            needed |= {v for v in eqn.invars if type(v) is Var}
    keep = [instantiate] * len(jaxpr.invars) if isinstance(instantiate, bool) else instantiate
    used = [v in needed or bool(k) for v, k in zip(jaxpr.invars, keep)]
    return jaxpr.replace(invars=[v for v, u in zip(jaxpr.invars, used) if u], outvars=outvars,
                         eqns=eqns[::-1]), used
