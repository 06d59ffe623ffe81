"""jax.ad_checkpoint: recomputation, and what it saves."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from compat.jax.array import as_array
from compat.jax.custom import checkpoint
from compat.jax.transforms import arrays
from minigrad.ops.checkpoint import name_p
from minigrad.tree import tree_map

remat = checkpoint


def checkpoint_name(x, name: str):
    """The value, under a name that policies may speak of."""
    return tree_map(lambda v: as_array(name_p(v, name=name)), arrays(x))


def everything_saveable(*_, **__) -> bool:
    return True


def nothing_saveable(*_, **__) -> bool:
    return False


class DotsSaveable(NamedTuple):
    """Products are saved, or those alone that have no batch axes."""

    only_if_no_batch_dims: bool

    def __call__(self, prim, *_, **params) -> bool:
        if self.only_if_no_batch_dims:
            return prim.name == "dot_general" and not any(params["dimension_numbers"][1])
        return prim.name in ("dot_general", "conv_general_dilated")


class SaveOnlyTheseNames(NamedTuple):
    """What `checkpoint_name` gave one of these names."""

    saveable_names: frozenset

    def __call__(self, prim, *_, **params) -> bool:
        return prim is name_p and params["name"] in self.saveable_names


class SaveAnyNamesButThese(NamedTuple):
    """What has another name."""

    names: frozenset

    def __call__(self, prim, *_, **params) -> bool:
        return prim is name_p and params["name"] not in self.names


class SaveAnythingExceptTheseNames(NamedTuple):
    """What has another name, or none."""

    names: frozenset

    def __call__(self, prim, *_, **params) -> bool:
        return prim is not name_p or params["name"] not in self.names


def save_from_both_policies(first: Callable, second: Callable) -> Callable:
    """What either saves."""
    def policy(prim, *args, **params) -> bool:
        return first(prim, *args, **params) or second(prim, *args, **params)

    return policy


def of_names(kind: type) -> staticmethod:
    return staticmethod(lambda *names: kind(frozenset(names)))


class checkpoint_policies:  # noqa: N801
    """Policies by their names. There is one memory: what could be moved elsewhere is saved."""

    everything_saveable = staticmethod(everything_saveable)
    nothing_saveable = staticmethod(nothing_saveable)
    dots_saveable = checkpoint_dots = DotsSaveable(False)
    dots_with_no_batch_dims_saveable = checkpoint_dots_with_no_batch_dims = DotsSaveable(True)
    save_only_these_names = of_names(SaveOnlyTheseNames)
    save_any_names_but_these = of_names(SaveAnyNamesButThese)
    save_anything_except_these_names = of_names(SaveAnythingExceptTheseNames)
    save_from_both_policies = staticmethod(save_from_both_policies)

    @staticmethod
    def offload_dot_with_no_batch_dims(offload_src: str, offload_dst: str) -> DotsSaveable:
        return DotsSaveable(True)

    @staticmethod
    def save_and_offload_only_these_names(*, names_which_can_be_saved, names_which_can_be_offloaded,
                                          offload_src, offload_dst) -> SaveOnlyTheseNames:
        return SaveOnlyTheseNames(frozenset([*names_which_can_be_saved,
                                             *names_which_can_be_offloaded]))
