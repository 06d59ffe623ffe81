"""`torch.autograd.graph`: hooks on saved Tensors, and looking at nodes."""

from __future__ import annotations

import contextlib
from collections import namedtuple

import numpy as np

from compat.torch.tensor import Tensor, from_array
from minigrad import tape
from minigrad.core import unbox_value
from minigrad.graph import Node, producer
from minigrad.imperative.hooks import Hooks, RemovableHandle
from minigrad.imperative.watching import Watcher, watchers, watching

GradientEdge = namedtuple("GradientEdge", "node output_nr")


class SavedTensorHooks(Watcher):
    """Packs what each node saves as it is made, and unpacks it when a gradient arrives there."""

    def __init__(self, pack, unpack, disabled: str = ""):
        self.pack, self.unpack, self.disabled = pack, unpack, disabled

    def ran(self, entry, node, started) -> None:
        if node is None or not node.saved or watchers.get()[-1] is not self:
            return  # the innermost pair of hooks is the one that counts
        packed = [self.pack(from_array(x)) if type(x) is np.ndarray else x for x in node.saved]
        kept = [type(x) is np.ndarray for x in node.saved]

        def unpacked():
            return tuple(unbox_value(self.unpack(x)) if mine else x
                         for x, mine in zip(packed, kept))

        node.saved, Hooks.of(node).unpack = (), unpacked


@contextlib.contextmanager
def saved_tensors_hooks(pack_hook, unpack_hook):
    """Inside, `pack_hook` takes each Tensor that is saved for backward, and `unpack_hook` gives it
    back from what that returned."""
    reason = next((w.disabled for w in watchers.get() if getattr(w, "disabled", "")), "")
    if reason:
        raise RuntimeError(reason)
    with watching(SavedTensorHooks(pack_hook, unpack_hook)):
        yield


@contextlib.contextmanager
def save_on_cpu(pin_memory=False, device_type="cuda"):
    """Saved Tensors are on the CPU already."""
    yield


@contextlib.contextmanager
def disable_saved_tensors_hooks(error_message):
    """Inside, entering `saved_tensors_hooks` is an error."""
    watcher = Watcher()
    watcher.disabled = error_message
    token = watchers.set((*watchers.get(), watcher))
    try:
        yield
    finally:
        watchers.reset(token)


@contextlib.contextmanager
def allow_mutation_on_saved_tensors():
    """Inside, what is saved for backward is copied, so that it may be written to."""
    with saved_tensors_hooks(lambda x: x.clone(), lambda x: x):
        yield


def get_gradient_edge(tensor) -> GradientEdge:
    """(node, output number) where a gradient of the Tensor enters the graph."""
    if not tensor.requires_grad:
        raise RuntimeError("It is not possible to get the gradient edge for a Tensor that does not "
                           "require gradients")
    return GradientEdge(*producer(tape.current(tensor).node))


def increment_version(tensor) -> None:
    """Count a write that autograd did not see."""
    for x in [tensor] if isinstance(tensor, Tensor) else tensor:
        tape.stamps.write(x.value)


def register_multi_grad_hook(tensors, fn, *, mode="all"):
    """Call `fn` once the gradients of all the tensors (or of any one) have arrived."""
    if mode not in ("all", "any"):
        raise ValueError(f"Expects mode to be one of ('all', 'any') but got {mode}")
    arrived: dict = {}
    handles = []

    def hook(i):
        def seen(g):
            arrived[i] = g
            if mode == "any" and len(arrived) == 1:
                fn(g)
            elif mode == "all" and len(arrived) == len(tensors):
                fn([arrived[k] for k in range(len(tensors))])
                arrived.clear()

        return seen

    handles += [x.register_hook(hook(i)) for i, x in enumerate(tensors)]
    group = RemovableHandle({}, hook)
    group.remove = lambda: [h.remove() for h in handles]
    return group


__all__ = [
    "GradientEdge", "Node", "allow_mutation_on_saved_tensors", "disable_saved_tensors_hooks",
    "get_gradient_edge", "increment_version", "register_multi_grad_hook", "save_on_cpu",
    "saved_tensors_hooks"]
