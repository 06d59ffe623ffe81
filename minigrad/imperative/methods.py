"""What every Tensor can do about its place in the graph, by PyTorch's names and rules.

The functions take a Tensor first; the table at the end attaches them to `minigrad.core.Tensor`.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable

import numpy as np

from minigrad import tape
from minigrad.imperative import views
from minigrad.core import Tensor, box, get_mode, make_spec, table
from minigrad.devices import is_marked
from minigrad.graph import AccumulateGrad, current, leaf, producer
from minigrad.imperative.hooks import Hooks, RemovableHandle
from minigrad.imperative.stamps import TORCH_KINDS, stamps

# ------------------------------------------------------------------ leaves and flags


def is_leaf(tensor: Tensor) -> bool:
    """Made by the user, or of no interest to the tape."""
    tensor = current(tensor)
    return not tensor.spec.requires_grad or type(tensor.node) is AccumulateGrad


def grad_fn(tensor: Tensor):
    """The node that made the value; None for a leaf."""
    return None if is_leaf(tensor) else producer(current(tensor).node)[0]


def output_nr(tensor: Tensor) -> int:
    """Which output of `grad_fn` this is."""
    return 0 if is_leaf(tensor) else producer(current(tensor).node)[1]


def requires_grad(tensor: Tensor) -> bool:
    """Does the tape record what is computed from this Tensor?"""
    return current(tensor).spec.requires_grad


def requires_grad_(tensor: Tensor, requires_grad: bool = True) -> Tensor:
    """Ask for (or renounce) the gradient of a leaf."""
    target = current(tensor)
    spec = target.spec
    if requires_grad and getattr(spec.dtype, "kind", "V") not in "fcV":
        raise RuntimeError("only Tensors of floating point dtype can require gradients")
    if requires_grad and is_marked(spec) and not get_mode().inference:
        raise RuntimeError("Setting requires_grad=True on inference tensor outside InferenceMode "
                           "is not allowed.")
    if is_leaf(target):
        if requires_grad:
            leaf(target)
        else:
            target.spec = make_spec(spec.aval, False, spec.concrete)
    elif not requires_grad:
        raise RuntimeError(NOT_A_LEAF)
    return tensor


NOT_A_LEAF = (
    "you can only change requires_grad flags of leaf variables. If you want to use a computed "
    "variable in a subgraph that doesn't require differentiation use "
    "var_no_grad = var.detach().")


def set_requires_grad(tensor: Tensor, wanted: bool) -> None:
    requires_grad_(tensor, wanted)


def is_inference(tensor: Tensor) -> bool:
    """Was this made in inference mode?"""
    return is_marked(tensor.spec)


# ------------------------------------------------------------------ gradients


def get_grad(tensor: Tensor) -> Tensor | None:
    """The gradient that `backward` accumulated, or None."""
    node = current(tensor).node
    return None if node is None else node.grad


def set_grad(tensor: Tensor, new: Tensor | None) -> None:
    target = current(tensor)
    if new is not None and new is target:
        raise RuntimeError("can't assign Variable as its own grad")
    if new is not None and new.spec.shape != target.spec.shape:
        raise RuntimeError(
            f"attempting to assign a gradient of size '{list(new.spec.shape)}' to a tensor of size "
            f"'{list(target.spec.shape)}'. Please ensure that the gradient and the tensor are the "
            "same size")
    if new is not None and new.spec.dtype != target.spec.dtype:
        names = [TORCH_KINDS.get(t.spec.dtype.name, t.spec.dtype.name) for t in (new, target)]
        raise RuntimeError(f"attempting to assign a gradient with dtype '{names[0]}' to a tensor "
                           f"with grad_dtype '{names[1]}'. Convert the gradient first.")
    if target.node is None and new is not None:
        target.node = AccumulateGrad(target.spec, type(target).result_class())
    if target.node is not None:
        target.node.grad = new


def retain_grad(tensor: Tensor) -> None:
    """Keep the gradient that passes through here in `.grad`."""
    node = current(tensor).node
    if not requires_grad(tensor):
        raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
    if not is_leaf(tensor):
        Hooks.of(node).retain = True


def retains_grad(tensor: Tensor) -> bool:
    node = current(tensor).node
    return not is_leaf(tensor) and node.hooks is not None and node.hooks.retain


def register_hook(tensor: Tensor, hook: Callable) -> RemovableHandle:
    """Call `hook(grad)` when the gradient arrives here; what it returns replaces the gradient."""
    target = current(tensor)
    if not target.spec.requires_grad:
        raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
    return RemovableHandle(Hooks.of(target.node).tensor, hook)


def register_post_accumulate_grad_hook(tensor: Tensor, hook: Callable) -> RemovableHandle:
    """Call `hook(tensor)` whenever a gradient was added to the `.grad` of this leaf."""
    target = current(tensor)
    if not target.spec.requires_grad:
        raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
    if not is_leaf(target):
        raise RuntimeError("post accumulate grad hooks cannot be registered on non-leaf tensors")
    node, alive = target.node, weakref.ref(target)  # the node must not hold its Tensor
    if "after" not in node.__dict__:
        node.after = {}
    return RemovableHandle(node.after, lambda node: hook(alive()))


# ------------------------------------------------------------------ the same memory, or a copy


def detach_(tensor: Tensor) -> Tensor:
    """Take this Tensor itself off the graph."""
    target = current(tensor)
    if views.base_of(target) is not None:
        raise RuntimeError("Can't detach views in-place. Use detach() instead.")
    target.spec, target.node = make_spec(target.spec.aval, False, target.spec.concrete), None
    return tensor


def set_data(tensor: Tensor, new: Tensor) -> None:
    """Another value in the same place of the graph."""
    target = current(tensor)
    target.value = views.array_of(new) if new.spec.concrete else new.value
    target.spec = make_spec(new.spec.aval, target.spec.requires_grad, new.spec.concrete)


def clone(tensor: Tensor) -> Tensor:
    """A copy, on the graph."""
    return table["copy"](tensor)


def zero_(tensor: Tensor) -> Tensor:
    """Write zeros."""
    aval = current(tensor).spec.aval
    return views.write(tensor, box(np.zeros(aval.shape, aval.dtype), type(tensor).result_class()))


def version(tensor: Tensor) -> int:
    """How often the storage was written in place."""
    return stamps.version(tensor.value)


def base(tensor: Tensor) -> Tensor | None:
    """The Tensor whose storage this is a view of."""
    root = views.root_of(tensor)
    return None if root is tensor else root


METHODS = dict(
    requires_grad_=requires_grad_, retain_grad=retain_grad, register_hook=register_hook,
    register_post_accumulate_grad_hook=register_post_accumulate_grad_hook, backward=tape.backward,
    detach=views.detach, detach_=detach_, clone=clone, copy_=views.copy_, zero_=zero_,
    is_inference=is_inference, requires_grad=property(requires_grad, set_requires_grad),
    is_leaf=property(is_leaf), grad_fn=property(grad_fn), output_nr=property(output_nr),
    grad=property(get_grad, set_grad), retains_grad=property(retains_grad),
    data=property(views.detach, set_data), _version=property(version), _base=property(base))
for name, method in METHODS.items():
    setattr(Tensor, name, method)
