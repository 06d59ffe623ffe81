"""In-place operations and views, by PyTorch's rules.

On arrays a view and its base share memory, so a write is seen by all without help. What has to be
mended is the graph: after a write through a view, the *base* is a new function of its old self and
of what was written, and every view of it a function of that. On traced levels, where values never
change, the same mending moves the values too.
"""

from __future__ import annotations

import copy
import sys
import weakref
from collections.abc import Callable

import numpy as np

from minigrad import tape
from minigrad.core import (
    EVAL, NO_GRAD, Tensor, Trace, box, get_mode, make_box, make_spec, owns, table, using,
    worlds,
)
from minigrad.devices import alike, is_marked, share_memory
from minigrad.imperative.modes import with_grad
from minigrad.eager.runner import register_runtime

# ------------------------------------------------------------------ who shares storage with whom


def register_view(view: Tensor, base: Tensor, replay: Callable) -> None:
    """`view` shares storage with `base`; `replay(base)` makes it again."""
    view.view_of = base, replay
    root = root_of(base)
    siblings = getattr(root, "views", None)
    if siblings is None:
        siblings = root.views = []
    elif len(siblings) >= 32 and len(siblings) & (len(siblings) - 1) == 0:
        siblings[:] = [r for r in siblings if r() is not None]
    siblings.append(weakref.ref(view))


def base_of(tensor: Tensor) -> Tensor | None:
    """What `tensor` is a view of, under the same place in the graph."""
    link = getattr(tensor, "view_of", None)
    return link[0] if link is not None and link[1] is not detach else None


def root_of(tensor: Tensor) -> Tensor:
    """The Tensor that owns the storage, as far as the graph knows of it."""
    while (base := base_of(tensor)) is not None:
        tensor = base
    return tensor


def live_views(root: Tensor) -> list[Tensor]:
    """The views of a root, bases before their views."""
    found = [ref() for ref in getattr(root, "views", None) or ()]
    return [view for view in found if view is not None]


def array_of(tensor: Tensor) -> np.ndarray:
    """The writable array of a Tensor; a value of rank zero, held as a NumPy scalar until now,
    becomes an array that views, `numpy()` and later writes share."""
    if type(tensor.value) is not np.ndarray and type(tensor.value) not in worlds:
        tensor.value = np.array(tensor.value)
    return tensor.value


# ------------------------------------------------------------------ writing


def write(tensor: Tensor, new: Tensor) -> Tensor:
    """`tensor` takes the value of `new`, of equal shape and dtype, and its place in the graph.

    Returns `tensor`. Raises RuntimeError for a leaf that wants a gradient while recording is on,
    and for a Tensor from outside a functional transform.
    """
    mode = get_mode()
    target = tape.current(tensor)
    root = root_of(target)
    if mode.grad and root.spec.requires_grad:
        check_leaf(target, root)
    recorded = mode.grad and (new.spec.requires_grad or root.spec.requires_grad)
    if mode.trace is not EVAL:
        check_writable(mode.trace, root)
        if not owns(mode.trace, new):
            new = table["copy"](new)
    elif is_marked(root.spec) and not mode.inference:
        raise RuntimeError(INFERENCE_WRITE)
    fresh = recorded and is_fresh(new)
    if recorded and not fresh and target is root:
        new, fresh = copy_over(target, new), True
    if mode.trace is EVAL:
        overwrite(target, new, fresh)
        if recorded:
            rebase(target, root, new, move_graph)
    else:
        rebase(target, root, new, move_graph if recorded else move_value)
        share_value(root)
    return tensor


def replace(tensor: Tensor, new: Tensor) -> Tensor:
    """`write` of a value that the caller gives up, while nothing is recorded. If nobody else can
    see the old array (no view, no node, no NumPy array of the user's), the new one takes its place
    and no number is copied."""
    if get_mode() is NO_GRAD and tensor.spec.concrete is True:
        old, value = tensor.value, new.value
        alone = type(old) is np.ndarray and old.base is None \
            and sys.getrefcount(old) <= tape.HELD_ONCE
        if alone and type(value) is np.ndarray and value.base is None \
                and getattr(tensor, "view_of", None) is None and not live_views(tensor):
            tensor.value = value
            return tensor
    return write(tensor, new)


def copy_(tensor: Tensor, source: Tensor) -> Tensor:
    """`tensor` takes the value of `source`, a Tensor that goes on living by itself."""
    return write(tensor, copy_over(tape.current(tensor), source))


INFERENCE_WRITE = (
    "Inplace update to inference tensor outside InferenceMode is not allowed.You can make a clone "
    "to get a normal tensor before doing inplace update.See "
    "https://github.com/pytorch/rfcs/pull/17 for more details.")


def check_leaf(target: Tensor, root: Tensor) -> None:
    """PyTorch refuses to write to a leaf that wants a gradient while recording."""
    if type(root.node) is tape.AccumulateGrad:
        what = "a leaf Variable that requires grad" if root is target else \
            "a view of a leaf Variable that requires grad"
        raise RuntimeError(f"{what} is being used in an in-place operation.")


def check_writable(trace: Trace, root: Tensor) -> None:
    if owns(trace, root):
        return
    written = getattr(trace, "written", None)
    if written is not None:  # a level of dual numbers, which writes back what it leaves behind
        written[id(root)] = root, root.value, root.spec
        root.spec = make_spec(root.spec.aval, root.spec.requires_grad, False)
        return
    if trace.origin == "vmap":
        raise RuntimeError(
            "vmap: inplace arithmetic(self, *extra_args) is not possible because there exists a "
            "Tensor `other` in extra_args that has more elements than `self`. This happened due "
            "to `other` being vmapped over but `self` not being vmapped over in a vmap. Please "
            "try to use out-of-place operators instead of inplace arithmetic.")
    raise RuntimeError(
        f"During a {trace.origin} transform (vmap, vjp, jvp, grad, ...) a Tensor from outside was "
        "written in place. Captured Tensors are constants of a functional transform: return the "
        "new value instead, or write to a Tensor made inside.")


def is_fresh(new: Tensor) -> bool:
    """Was the node of `new` the last one made? Then nobody else stands on it."""
    return type(new.node) is tape.Node and new.node.seq == tape.next_seq() + 1


def copy_over(old: Tensor, new: Tensor) -> Tensor:
    """A node for the write itself, where `new` has none or has one that others may share. It gives
    `old` a gradient of zero, so that what requires a gradient goes on requiring it."""
    return table["select_n"](np.False_, new, old)


def overwrite(target: Tensor, new: Tensor, fresh: bool) -> None:
    """Put the numbers into the memory of `target`, and mend what a fresh node has saved."""
    array, node = array_of(target), new.node
    if not fresh or node.saved is None:
        array[...] = alike(new.value, array)
        tape.stamps.write(array)
        return
    # what the node saved of the old value must survive the write ...
    saved = [s.copy() if type(s) is type(array) and s is not new.value
             and share_memory(s, array) else s for s in node.saved]
    array[...] = alike(new.value, array)
    tape.stamps.write(array)
    # ... and where it saved its result, that is what lies in `array` until the next write
    node.saved = tuple(array if s is new.value else s for s in saved)
    node.seq = tape.next_seq()


def rebase(target: Tensor, root: Tensor, new: Tensor, move: Callable) -> None:
    """Give base and views their places in the graph after a write of `new` to `target`."""
    move(root, new if target is root else named_copy_slices(rebuilt(target, new)))
    for view in live_views(root):
        if base_of(view) is not None:
            base, replay = view.view_of
            move(view, replay(base))


def named_copy_slices(new: Tensor) -> Tensor:
    """The node of a base that was written through a view has PyTorch's name."""
    node = new.node
    if type(node) is tape.Node and node.entry.backward is not None:
        node.entry = copy.copy(node.entry)
        node.entry.node_name = "torch::autograd::CopySlices"
    return new


def move_value(tensor: Tensor, new: Tensor) -> None:
    """On a traced level the value is the graph's; arrays have been written already."""
    if not new.spec.concrete:
        tensor.value = new.value


def move_graph(tensor: Tensor, new: Tensor) -> None:
    move_value(tensor, new)
    hooks = tensor.node.hooks if tensor.node is not None else None
    if hooks is not None and hooks.retain and new.node is not None:
        hooks.retain, tape.Hooks.of(new.node).retain = False, True
    tensor.spec = make_spec(tensor.spec.aval, new.spec.requires_grad, tensor.spec.concrete)
    tensor.node = new.node


def rebuilt(view: Tensor, new: Tensor) -> Tensor:
    """The base of `view` with `new` in the place of `view`, all the way down to the storage."""
    base, replay = view.view_of
    whole = write_through(base, replay, new)
    return whole if base_of(base) is None else rebuilt(base, whole)


def write_through(base: Tensor, replay: Callable, new: Tensor) -> Tensor:
    """`base` with the positions that the view shows replaced: a scatter at indices that are found
    by viewing an array of positions."""
    from kernels.indexing import ScatterDimensionNumbers
    from minigrad.ops.indexing import DROP

    aval = base.spec.aval
    with using(NO_GRAD):
        numbers = box(np.arange(aval.size, dtype=np.int32).reshape(aval.shape), type(base))
        positions = np.asarray(replay(numbers).value).reshape(-1, 1)
    flat = table["reshape"](base, new_sizes=(aval.size,))
    updates = table["reshape"](new, new_sizes=(positions.shape[0],))
    numbers = ScatterDimensionNumbers((), (0,), (0,), (), ())
    out = table["scatter"](flat, positions, updates, dimension_numbers=numbers,
                           indices_are_sorted=False, unique_indices=True, mode=DROP,
                           update_jaxpr=None, update_consts=())
    return table["reshape"](out, new_sizes=aval.shape)


# ------------------------------------------------------------------ detach


def detach(tensor: Tensor) -> Tensor:
    """The same storage, off the graph."""
    tensor = tape.current(tensor)
    spec = tensor.spec
    value = array_of(tensor) if spec.concrete else table["stop_gradient"](tensor).value
    made = make_box(type(tensor).result_class(), value, make_spec(spec.aval, False, spec.concrete))
    if not spec.concrete:
        register_view(made, tensor, detach)
    return made


def share_value(root: Tensor) -> None:
    """On a traced level: what was written to a Tensor is seen by those detached from it, and by
    the one that it was detached from. Values only; each keeps its own graph."""
    if not hasattr(root, "view_of") and all(v.view_of[1] is not detach for v in live_views(root)):
        return
    with using(with_grad(get_mode(), False)):
        while (link := getattr(root, "view_of", None)) is not None:
            rebase(link[0], root_of(link[0]), root, move_value)
            root = root_of(link[0])
        refresh(root)


def refresh(root: Tensor) -> None:
    for view in live_views(root):
        base, replay = view.view_of
        move_value(view, base if replay is detach else replay(base))
        if replay is detach:
            refresh(view)


register_runtime(register_view=register_view)
