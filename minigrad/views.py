"""In-place operations and views, by PyTorch's rules.

On arrays a view and its base share memory, so a write is seen by all without help. What has to be
mended is the graph: after a write through a view, the *base* is a new function of its old self and
of what was written, and every view of it a function of that. On traced levels, where values never
change, the same mending moves the values too.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable

import numpy as np

from minigrad import tape
from minigrad.core import (
    EVAL, NO_GRAD, Tensor, Tracer, aval_of, box, get_mode, make_box, make_spec, owns, table,
    using,
)
from minigrad.runner import register_runtime


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


def root_of(tensor: Tensor) -> Tensor:
    """The Tensor that owns the storage."""
    while (link := getattr(tensor, "view_of", None)) is not None:
        tensor = link[0]
    return tensor


def check_leaf(tensor: Tensor) -> None:
    """PyTorch refuses to write to a leaf that wants a gradient while recording."""
    if not get_mode().grad:
        return
    root = root_of(tensor)
    if root.spec.requires_grad and isinstance(root.node, tape.AccumulateGrad):
        what = "a leaf Variable that requires grad" if root is tensor else \
            "a view of a leaf Variable that requires grad"
        raise RuntimeError(f"{what} is being used in an in-place operation.")


def array_of(tensor: Tensor) -> np.ndarray:
    """The writable array of a Tensor; a value of rank zero, held as a NumPy scalar until now,
    becomes an array that views, `numpy()` and later writes share."""
    if type(tensor.value) is not np.ndarray:
        tensor.value = np.array(tensor.value)
    return tensor.value


def write(tensor: Tensor, new: Tensor) -> Tensor:
    """`tensor` takes the value of `new`, of equal shape and dtype, and its place in the graph."""
    target = tape.current(tensor)
    check_leaf(target)
    mode = get_mode()
    root = root_of(target)
    recorded = mode.grad and (new.spec.requires_grad or root.spec.requires_grad)
    if mode.trace is EVAL:
        overwrite(target, new, recorded)
        if recorded:
            rebase(target, root, new, move_graph)
        return tensor
    check_writable(mode.trace, root, new)
    rebase(target, root, new, move_graph if recorded else move_value)
    return tensor


def overwrite(target: Tensor, new: Tensor, recorded: bool) -> None:
    array = array_of(target)
    node = new.node if recorded else None
    if node is not None and node.saved is not None:
        # what the new node saved of the old value must survive the write
        node.saved = tuple(s.copy() if type(s) is np.ndarray and s is not new.value
                           and np.may_share_memory(s, array) else s for s in node.saved)
    array[...] = new.value
    tape.stamps.write(array)
    if node is not None and node.saved is not None and type(node) is tape.Node:
        node.saved = tuple(array if s is new.value else s for s in node.saved)
        node.seq = tape.next_seq()  # it saved what it wrote: younger than its own write


def check_writable(trace, root: Tensor, new: Tensor) -> None:
    if owns(trace, root):
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


def rebase(target: Tensor, root: Tensor, new: Tensor, move: Callable) -> None:
    """Give base and views their places in the graph after a write of `new` to `target`."""
    move(root, new if target is root else rebuilt(target, new))
    for ref in list(getattr(root, "views", None) or ()):
        view = ref()
        if view is not None and view is not root:
            base, replay = view.view_of
            move(view, replay(base))


def move_value(tensor: Tensor, new: Tensor) -> None:
    """On a traced level the value is the graph's; arrays have been written already."""
    if isinstance(new.value, Tracer):
        tensor.value = new.value


def move_graph(tensor: Tensor, new: Tensor) -> None:
    move_value(tensor, new)
    tensor.spec = make_spec(tensor.spec.aval, new.spec.requires_grad, tensor.spec.concrete)
    tensor.node = new.node


def rebuilt(view: Tensor, new: Tensor) -> Tensor:
    """The base of `view` with `new` in the place of `view`, all the way down to the storage."""
    base, replay = view.view_of
    whole = write_through(base, replay, new)
    return whole if getattr(base, "view_of", None) is None else rebuilt(base, whole)


def write_through(base: Tensor, replay: Callable, new: Tensor) -> Tensor:
    """`base` with the positions that the view shows replaced: a scatter at indices that are found
    by viewing an array of positions."""
    from kernels.indexing import ScatterDimensionNumbers
    from minigrad.ops.indexing import FILL_OR_DROP

    aval = base.spec.aval
    with using(NO_GRAD):
        numbers = box(np.arange(aval.size, dtype=np.int32).reshape(aval.shape), type(base))
        positions = np.asarray(replay(numbers).value).reshape(-1, 1)
    flat = table["reshape"](base, new_sizes=(aval.size,))
    updates = table["reshape"](new, new_sizes=(positions.shape[0],))
    numbers = ScatterDimensionNumbers((), (0,), (0,), (), ())
    out = table["scatter"](flat, positions, updates, dimension_numbers=numbers,
                           indices_are_sorted=False, unique_indices=True, mode=FILL_OR_DROP,
                           update_jaxpr=None, update_consts=())
    return table["reshape"](out, new_sizes=aval.shape)


def detach(tensor: Tensor) -> Tensor:
    """The same storage, off the graph."""
    tensor = tape.current(tensor)
    spec = tensor.spec
    if spec.concrete:
        array_of(tensor)
    return make_box(type(tensor).result_class(), tensor.value,
                    make_spec(spec.aval, False, spec.concrete))


register_runtime(register_view=register_view)
_ = aval_of
