"""jax.ad_checkpoint: recomputation, and what it may save.

A policy is a parameter of the program. Here checkpointed functions always recompute: policies say
what JAX would save, and change no numbers.
"""

from __future__ import annotations

from collections.abc import Callable

from compat.jax.custom import checkpoint
from compat.jax.transforms import arrays

remat = checkpoint


def checkpoint_name(x, name: str):
    """The value, under a name that policies may speak of."""
    return arrays(x)


def of_primitives(name: str, saves: Callable) -> Callable:
    def policy(prim, *avals, **params) -> bool:
        return saves(prim, params)

    policy.__name__ = name
    return policy


def has_no_batch(prim, params) -> bool:
    return prim.name == "dot_general" and not any(params["dimension_numbers"][1])


class checkpoint_policies:  # noqa: N801
    """Policies by their names."""

    everything_saveable = staticmethod(of_primitives("everything_saveable", lambda p, q: True))
    nothing_saveable = staticmethod(of_primitives("nothing_saveable", lambda p, q: False))
    dots_saveable = staticmethod(of_primitives(
        "dots_saveable", lambda p, q: p.name in ("dot_general", "conv_general_dilated")))
    checkpoint_dots = dots_saveable
    dots_with_no_batch_dims_saveable = staticmethod(of_primitives(
        "dots_with_no_batch_dims_saveable", has_no_batch))
    checkpoint_dots_with_no_batch_dims = dots_with_no_batch_dims_saveable

    @staticmethod
    def save_any_names_but_these(*names: str) -> Callable:
        return of_primitives("save_any_names_but_these",
                             lambda p, q: p.name == "name" and q["name"] not in names)

    @staticmethod
    def save_only_these_names(*names: str) -> Callable:
        return of_primitives("save_only_these_names",
                             lambda p, q: p.name == "name" and q["name"] in names)

    @staticmethod
    def save_anything_except_these_names(*names: str) -> Callable:
        return of_primitives("save_anything_except_these_names",
                             lambda p, q: not (p.name == "name" and q["name"] in names))

    @staticmethod
    def save_from_both_policies(first: Callable, second: Callable) -> Callable:
        return of_primitives("save_from_both_policies",
                             lambda p, q: first(p, **q) or second(p, **q))
