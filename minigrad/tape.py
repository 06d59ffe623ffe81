"""The tape: what PyTorch's autograd does.

An operation on Tensors of which one wants a gradient leaves a node in the graph (`graph.py`): the
derived backward (shared by all operations on the same specs), the arrays it needs, and edges to
the nodes of its inputs. `backward` visits the nodes youngest first. Creation order *is* a
topological order, so no search is needed to get `b = a + a; c = b + b` right: `b`'s node runs
after both contributions arrived.
"""

from __future__ import annotations

import operator
import sys
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from minigrad import core, debug
from minigrad.core import EVAL, Tensor, box, get_mode, make_box, make_spec, table
from minigrad.devices import place_of, put
from minigrad.graph import (
    AccumulateGrad, FreedEntry, Node, Pick, conjugated, current, leaf, node_class, pick, unpack,
)
from minigrad.imperative.hooked import change_gradients, change_results, hidden, shown
from minigrad.imperative.hooks import Hooks, RemovableHandle, run_tensor_hooks
from minigrad.imperative.modes import backward_mode, grad_mode
from minigrad.imperative.stamps import next_seq, stamps

__all__ = ["AccumulateGrad", "Hooks", "Node", "Pick", "RemovableHandle", "backward", "current",
           "grad", "grad_mode", "leaf", "next_seq", "pick", "stamps"]

sequence = operator.attrgetter("seq")

# ------------------------------------------------------------------ backward


def collect(roots: Sequence[Node]) -> list[Node]:
    """Every node reachable from `roots`, youngest first. A loop, not recursion: chains are long."""
    order = list(dict.fromkeys(roots))
    seen = set(order)
    for node in order:
        edges = node.edges
        for parent in edges if type(edges) is tuple else (edges,):
            if parent not in seen:
                seen.add(parent)
                order.append(parent)
    order.sort(key=sequence)
    return order


def leads_to(order: list[Node], targets) -> set[Node]:
    """The nodes that must run for a gradient to reach a target: not the targets themselves."""
    reached, needed = set(targets), set()
    for node in reversed(order):
        edges = node.edges
        if edges in reached if type(edges) is not tuple else not reached.isdisjoint(edges):
            reached.add(node)
            needed.add(node)
    return needed


@debug.timed("backward pass")
def run_backward(roots: Sequence[tuple[Node, Any]], retain_graph: bool, create_graph: bool,
                 targets: Sequence[Node] | None = None) -> dict[Node, Any]:
    """Send gradients from the roots down the graph; leaves add to their `.grad`.

    targets: if given, only nodes that lead to these are run, and instead of being accumulated
             the gradients that arrive at them are returned.
    """
    order = collect([node for node, _ in roots])
    wanted = None if targets is None else set(targets)
    needed = None if wanted is None else leads_to(order, wanted)
    raw = get_mode().trace is EVAL and not create_graph
    grads: dict[Node, Any] = {}
    arrived: dict[Node, Any] = {}
    for node, g in roots:
        grads[node] = grads[node] + g if node in grads else g
    for node in order:
        g = grads.pop(node, None)
        if g is None:
            continue
        if node.hooks is not None:
            g = arrive(node, g, raw)
        if wanted is not None:
            if node in wanted:
                arrived[node] = g
            if node not in needed:
                continue
        entry = node.entry
        if entry.backward is None:
            if type(node) is Pick:
                add_part(grads, node, g)
            elif type(node) is AccumulateGrad:
                accumulate_leaf(node, g, raw)
            else:
                raise RuntimeError(SECOND_TIME)
            continue
        if len(entry.out_specs) != 1:
            g = complete(g, entry, raw)
        if node.hooks is not None and node.hooks.pre:
            g = change_gradients(node, g, raw)
        saved = node.saved
        if stamps.writes and saved is not None:
            stamps.check(node, saved, entry.saved)
        parts = entry.backward(g, saved) if raw else entry.lifted(g, unpack(node))
        edges = node.edges
        if type(edges) is not tuple:
            edges, parts = (edges,), (parts,)
        if node.hooks is not None and node.hooks.post:
            parts = change_results(node, parts, g, raw)
        if not retain_graph and saved is not None:
            node.entry, node.saved = FreedEntry.of(entry), None
            if entry.recompute:
                node.inputs = ()
        for parent, part in zip(edges, parts):
            if part is not None:
                grads[parent] = grads[parent] + part if parent in grads else part
        parts = part = None  # so that a leaf can tell a gradient nobody else holds
    return arrived


SECOND_TIME = (
    "Trying to backward through the graph a second time (or directly access saved tensors after "
    "they have already been freed). Saved intermediate values of the graph are freed when you call "
    ".backward() or autograd.grad(). Specify retain_graph=True if you need to backward through the "
    "graph a second time or if you need to access saved tensors after calling backward.")


def add_part(grads: dict, picked: Pick, g) -> None:
    """A gradient for one of several outputs waits at the node with its siblings."""
    parent, i = picked.edges, picked.entry.index
    parts = grads.setdefault(parent, {})
    parts[i] = parts[i] + g if i in parts else g


def complete(parts: dict, entry, raw: bool) -> tuple:
    """Gradients of all differentiable outputs, zeros where none arrived."""
    return tuple(parts[j] if j in parts else zero_gradient(entry, spec, raw)
                 for j, spec in enumerate(entry.out_specs) if spec.requires_grad)


def zero_gradient(entry, spec, raw: bool):
    """Zeros that take no memory, or None if the user's function wants to be told."""
    if not getattr(entry, "materialize", True):
        return None
    zero = put(np.broadcast_to(np.zeros((), spec.dtype), spec.shape), place_of(spec))
    return zero if raw else constant(zero, entry.cls)


# ------------------------------------------------------------------ leaves


def accumulate_leaf(node: AccumulateGrad, g, raw: bool) -> None:
    """A gradient has arrived at a leaf: the first is kept, later ones are added in place."""
    hooks = node.hooks
    if hooks is not None and hooks.pre:
        g = change_gradients(node, g, raw)
    arrived, g = g, conjugated(g, node.cls, node.leaf.dtype, raw)
    if not raw:
        accumulate_tensor(node, g)
    elif node.grad is None:
        if type(g) is np.ndarray and (sys.getrefcount(g) > ALONE or g.base is not None
                                      or not g.flags.writeable) or type(g) in core.worlds:
            g = g.copy()
        node.grad = make_box(node.cls, g, make_spec(node.leaf.aval.strong, False,
                                                    core.concrete_of(g)))
    else:
        add_in_place(node, g)
    if hooks is not None and hooks.post:
        change_results(node, (), arrived, raw)
    for hook in list(node.after.values()):
        hook(node)


def arrive(node: Node, g, raw: bool):
    """Tensor hooks, and `.grad` of a Tensor that retains it."""
    hooks = node.hooks
    if hooks.unpack is not None and type(node.entry) is not FreedEntry:
        node.saved = hooks.unpack()
    if not hooks.tensor and not hooks.retain:
        return g
    tensor = run_tensor_hooks(hooks, shown(g, node, raw))
    if hooks.retain:
        accumulate_tensor(node, tensor)
    return hidden(tensor, node, raw)


def accumulate_tensor(node: Node, g: Tensor) -> None:
    """Keep a gradient that may have a graph of its own, or that is traced."""
    if node.grad is not None:
        g = node.grad + g
    elif g.spec.concrete:
        g = table["copy"](g)  # a sum gives one and the same gradient to both its parents
    recorded = get_mode().grad and g.spec.requires_grad
    node.grad = make_box(node_class(node), g.value, make_spec(g.aval, recorded, g.spec.concrete),
                         g.node if recorded else None)


def add_in_place(node: Node, g) -> None:
    """Whoever holds the Tensor `.grad` sees what is added."""
    old = node.grad
    if old.spec.requires_grad:
        node.grad = make_box(node_class(node), old.value + g,
                             make_spec(old.aval.strong, False, core.concrete_of(g)))
    elif type(array := old.value) is np.ndarray or type(array) in core.worlds:
        array += g
        if sys.getrefcount(array) > HELD_ONCE or array.base is not None:
            stamps.write(array)  # a node may have saved it
    else:
        old.value = old.value + g


def fewest_references() -> int:
    """How many references a gradient has, when it reaches its leaf and nobody else holds it: then
    the leaf takes the array, else it takes a copy. Interpreters count differently, so this is
    measured: the smallest number at which a fresh array is taken."""
    global ALONE
    made = []

    def fresh(g, saved):
        array = np.zeros(1)
        made.append(id(array))
        return array

    node, end = Node(), AccumulateGrad(make_spec(core.make_aval((1,), np.float64)), Tensor)
    node.entry = SimpleNamespace(backward=fresh, out_specs=(end.leaf,))
    node.saved, node.edges, node.seq = None, end, next_seq()
    for ALONE in range(10):
        end.grad = None
        run_backward([(node, np.ones(1))], False, False)
        if id(end.grad.value) == made[-1]:
            return ALONE
    return 0  # no counts to go by: always copy


# ------------------------------------------------------------------ what the user calls


def seed(tensor: Tensor, gradient, create_graph: bool, position: int = 0):
    """The gradient to start from: ones for a scalar, or what the user gave, checked."""
    if not tensor.spec.requires_grad:
        raise RuntimeError(f"element {position} of tensors does not require grad and does not have "
                           "a grad_fn")
    raw = get_mode().trace is EVAL and not create_graph
    aval = tensor.spec.aval
    if gradient is None:
        if aval.size != 1:
            raise RuntimeError("grad can be implicitly created only for scalar outputs")
        if aval.dtype.kind == "c":
            raise RuntimeError("grad can be implicitly created only for real scalar outputs but "
                               f"got torch.{aval.dtype.name}")
        one = np.ones(aval.shape, aval.dtype)
        one = put(one, place_of(tensor.spec)) if core.worlds else one
        one = one if aval.shape or core.worlds else one[()]
        return one if raw else constant(one, type(tensor).result_class())
    given = current(box(gradient, type(tensor).result_class()))
    if given.spec.shape != aval.shape:
        raise RuntimeError(
            f"Mismatch in shape: grad_output[{position}] has a shape of "
            f"torch.Size({list(given.spec.shape)}) and output[{position}] has a shape of "
            f"torch.Size({list(aval.shape)}).")
    if given.spec.dtype != aval.dtype:
        given = table["convert_element_type"](given, new_dtype=aval.dtype, weak_type=False)
    given = given.value if raw else given
    return conjugated(given, type(tensor), aval.dtype, raw)


def constant(array, cls: type) -> Tensor:
    """A Tensor that is a literal of whatever is traced, not state from outside."""
    made = box(array, cls)
    made.mutable = False
    return made


def listed(tensors) -> list:
    return [tensors] if isinstance(tensors, Tensor) else list(tensors)


def roots_of(outputs: Sequence[Tensor], gradients, create_graph: bool) -> list:
    """(node, starting gradient) of each output."""
    if gradients is None or isinstance(gradients, Tensor):
        gradients = [gradients] * (len(outputs) if gradients is None else 1)
    if len(gradients) != len(outputs):
        raise RuntimeError(f"got {len(outputs)} tensors and {len(gradients)} gradients")
    return [(t.node, seed(t, g, create_graph, i))
            for i, (t, g) in enumerate(zip(outputs, gradients))]


def check_level() -> None:
    """A functional transform has no `.grad` to leave a gradient in."""
    if get_mode().trace.origin in ("jvp", "vmap", "linearize"):
        raise RuntimeError(
            "backward() called inside a functorch transform. This is not supported, please use "
            "functorch.grad or functorch.vjp instead or call backward() outside of functorch "
            "transforms.")


def backward(tensors, gradient=None, retain_graph: bool | None = None,
             create_graph: bool = False, inputs=None) -> None:
    """Accumulate the gradient of a Tensor (or the sum over several) into the `.grad` of the leaves
    it came from.

    gradient: cotangent of the same shape; may be left out for one element. inputs: only these,
    which need not be leaves. retain_graph: keep what was saved (default: only if create_graph).
    Raises RuntimeError where the tensor wants no gradient, for a second pass over freed values,
    and for saved values that were since modified in place. Source: torch.Tensor.backward.
    """
    check_level()
    targets = None
    if inputs is not None:
        targets = [wanted_node(t) for t in listed(inputs)]
        if not targets:
            raise RuntimeError("`inputs` argument to `backward()` cannot be empty.")
        for node in targets:
            if type(node) is not AccumulateGrad:
                Hooks.of(node).retain = True
    with backward_mode(create_graph):
        roots = roots_of([current(t) for t in listed(tensors)], gradient, create_graph)
        arrived = run_backward(roots, create_graph if retain_graph is None else retain_graph,
                               create_graph, targets)
        for node, g in arrived.items():
            if type(node) is AccumulateGrad:
                g = g.copy() if type(g) is np.ndarray or type(g) in core.worlds else g
                accumulate_leaf(node, g, get_mode().trace is EVAL and not create_graph)


def grad(outputs, inputs, grad_outputs=None, retain_graph: bool | None = None,
         create_graph: bool = False, allow_unused: bool | None = None,
         materialize_grads: bool = False) -> tuple:
    """Gradients of `outputs` with respect to `inputs`, returned rather than accumulated.

    allow_unused: None instead of an error for an input that the outputs do not depend on;
    materialize_grads: zeros instead. Source: torch.autograd.grad.
    """
    if materialize_grads and allow_unused is False:
        raise ValueError("Expected allow_unused to be True or not passed when "
                         "materialize_grads=True, but got: allow_unused=False.")
    given = listed(inputs)
    nodes = [wanted_node(t) for t in given]
    with backward_mode(create_graph):
        roots = roots_of([current(t) for t in listed(outputs)], grad_outputs, create_graph)
        arrived = run_backward(roots, create_graph if retain_graph is None else retain_graph,
                               create_graph, nodes)
    results = []
    for i, (t, node) in enumerate(zip(given, nodes)):
        cls = type(t).result_class()
        if node in arrived:
            raw = not isinstance(arrived[node], Tensor)
            results.append(box(conjugated(arrived[node], cls, t.spec.dtype, raw), cls))
        elif materialize_grads:
            results.append(box(np.zeros(t.spec.shape, t.spec.dtype), cls))
        elif allow_unused:
            results.append(None)
        else:
            raise RuntimeError(
                f"The differentiated Tensor at index {i} appears to not have been used in the "
                "graph. Set allow_unused=True if this is the desired behavior.")
    return tuple(results)


def wanted_node(tensor: Tensor) -> Node:
    tensor = current(tensor)
    if not tensor.spec.requires_grad:
        raise RuntimeError("One of the differentiated Tensors does not require grad")
    return tensor.node


def held_once() -> int:
    """The reference count of an array that one box holds, as `add_in_place` sees it."""
    box = make_box(Tensor, np.zeros(1), make_spec(core.make_aval((1,), np.float64)))
    array = box.value
    return sys.getrefcount(array)


HELD_ONCE = held_once()
ALONE = 0
ALONE = fewest_references()
