"""Hooks: what the user hangs on a node of the graph, in PyTorch's order.

When a gradient arrives at a node, the *tensor hooks* see it first, then it is kept if the user
asked for that; then the node's *pre-hooks* run, its backward, and its *post-hooks*. A leaf has
hooks of its own that run *after* the gradient was accumulated.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable


class Hooks:
    """The hooks of one node, each kind in the order of registration."""

    def __init__(self):
        self.tensor: dict = {}  # (grad) -> grad or None
        self.pre: dict = {}  # (grad_outputs) -> grad_outputs or None
        self.post: dict = {}  # (grad_inputs, grad_outputs) -> grad_inputs or None
        self.retain = False  # keep the gradient that passes in `.grad`
        self.unpack: Callable | None = None  # gives what the node saved, if it was packed away

    @classmethod
    def of(cls, node) -> Hooks:
        if node.hooks is None:
            node.hooks = cls()
        return node.hooks


class RemovableHandle:
    """Takes a hook away again, also at the end of a `with` block. `id` is the hook's key, the last
    or (in an OrderedDict) the first of all."""

    numbers = itertools.count()

    def __init__(self, hooks: dict, hook: Callable, prepend: bool = False):
        self.hooks, self.id = hooks, next(self.numbers)
        hooks[self.id] = hook
        if prepend:
            hooks.move_to_end(self.id, last=False)  # type: ignore[attr-defined]

    def hooks_dict_ref(self) -> dict:
        """The dict that holds the hook."""
        return self.hooks

    def remove(self) -> None:
        self.hooks.pop(self.id, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *error) -> None:
        self.remove()


def run_tensor_hooks(hooks: Hooks, g):
    """The gradient after each hook had the chance to replace it."""
    for hook in list(hooks.tensor.values()):
        result = hook(g)
        g = g if result is None else result
    return g


def run_node_hooks(hooks: dict, changing: tuple, *seen: tuple) -> tuple:
    """Pre-hooks (or post-hooks, which also see the gradients that arrived)."""
    for hook in list(hooks.values()):
        result = hook(changing, *seen)
        if result is not None:
            changing = result if isinstance(result, tuple) else (result,)
    return changing
