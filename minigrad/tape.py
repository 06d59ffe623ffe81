"""The tape: what PyTorch's autograd does.

An operation on Tensors of which one wants a gradient leaves a `Node`: the derived backward (shared
by all operations on the same specs), the arrays it needs, and edges to the nodes of its inputs.
`backward` visits the nodes youngest first. Creation order *is* a topological order, so no search
is needed to get `b = a + a; c = b + b` right: `b`'s node runs after both contributions arrived.
"""

from __future__ import annotations

import operator
import sys
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from minigrad import core
from minigrad.core import (
    EVAL,
    Tensor,
    Tracer,
    aval_of,
    box,
    get_mode,
    make_box,
    make_spec,
    table,
)
from minigrad.hooks import Hooks, RemovableHandle, run_node_hooks, run_tensor_hooks
from minigrad.modes import backward_mode, grad_mode
from minigrad.stamps import next_seq, stamps

__all__ = ["Hooks", "RemovableHandle", "backward", "grad", "grad_mode", "next_seq", "stamps"]

sequence = operator.attrgetter("seq")

# ------------------------------------------------------------------ nodes


class Node:
    """One recorded operation. `edges` is a node, or a tuple of nodes, one a wanted input."""

    __slots__ = ("entry", "saved", "edges", "seq", "__weakref__", "__dict__")
    entry: Any
    saved: tuple | None
    edges: Any
    seq: int
    hooks = None  # a node that has some holds them in its __dict__
    grad = None  # so does one that retains its gradient
    inputs: tuple = ()  # what double backward recomputes from, where intermediates were saved

    def name(self) -> str:
        return self.entry.node_name

    @property
    def parents(self) -> tuple:
        return self.edges if type(self.edges) is tuple else (self.edges,)

    @property
    def next_functions(self) -> tuple:
        """(node, output number) of each input, as PyTorch shows it."""
        edges = iter(self.parents)
        return tuple(producer(next(edges)) if i in self.entry.wanted else (None, 0)
                     for i in range(len(self.entry.in_specs)))

    def maker(self, kind: str, i: int) -> tuple | None:
        """(node, output number) that made a saved value; None for a leaf or a constant."""
        if kind == "out":
            return self, i
        if i not in self.entry.wanted:
            return None
        found = producer(self.parents[self.entry.wanted.index(i)])
        return None if type(found[0]) is AccumulateGrad else found

    def register_hook(self, hook) -> RemovableHandle:
        """Call `hook(grad_inputs, grad_outputs)` after the backward of this node."""
        return RemovableHandle(Hooks.of(self).post, hook)

    def register_prehook(self, hook) -> RemovableHandle:
        """Call `hook(grad_outputs)` before the backward of this node."""
        return RemovableHandle(Hooks.of(self).pre, hook)

    def __repr__(self) -> str:
        return f"<{self.name()} object at {id(self):#x}>"


class AccumulateGrad(Node):
    """Where the gradient of a leaf arrives. It holds the gradient, so that nothing points back
    at the Tensor and no cycle keeps a graph alive."""

    __slots__ = ("grad", "leaf", "cls")
    edges = next_functions = ()
    after: dict = {}  # hooks that run when the gradient was accumulated; they take the node

    def __init__(self, spec, cls: type):
        self.grad, self.leaf, self.cls = None, spec, cls
        self.entry, self.saved, self.seq = LEAF, None, next_seq()


class Pick(Node):
    """Output `index` of a node with several results."""

    __slots__ = ()


class LeafEntry:
    node_name, backward, wanted, in_specs = "AccumulateGrad", None, (), ()


class PickEntry:
    backward, wanted, in_specs = None, (0,), (None,)

    def __init__(self, index: int, node_name: str):
        self.index, self.node_name = index, node_name


class FreedEntry:
    """Replaces the entry of a node whose saved arrays are gone."""

    backward = None

    def __init__(self, entry):
        self.node_name, self.wanted, self.in_specs = entry.node_name, entry.wanted, entry.in_specs
        self.cls = entry.cls


LEAF = LeafEntry()


def leaf(tensor: Tensor) -> None:
    """Make `tensor` a leaf that wants a gradient."""
    spec = tensor.spec
    tensor.spec = make_spec(spec.aval, True, spec.concrete)
    if tensor.node is None:
        tensor.node = AccumulateGrad(spec, type(tensor).result_class())


def current(tensor: Tensor) -> Tensor:
    """The box that means `tensor` at the current level: a cell's inner leaf while staging."""
    return get_mode().trace.lift(tensor)


def pick(node: Node, index: int) -> Pick:
    p = Pick()
    p.entry, p.saved, p.edges, p.seq = PickEntry(index, node.entry.node_name), None, node, next_seq()
    return p


def producer(node: Node) -> tuple:
    """(node, output number) as PyTorch counts them."""
    return (node.edges, node.entry.index) if type(node) is Pick else (node, 0)


def node_class(node: Node) -> type:
    """The face whose Tensors flow through a node."""
    return node.cls if type(node) is AccumulateGrad else producer(node)[0].entry.cls


# ------------------------------------------------------------------ what a node saved


def unpack(node: Node) -> tuple:
    """What a node saved, as Tensors on their places in the graph."""
    entry = node.entry
    places, values = entry.saved, node.saved or ()
    if entry.recompute:
        places, values = [("in", i) for i in range(len(entry.in_specs))], node.inputs
        if stamps.writes:
            stamps.check(node, values, places)
    return tuple(rebuild(node, kind, i, v) for (kind, i), v in zip(places, values, strict=True))


def rebuild(node: Node, kind: str, i: int, value) -> Tensor | None:
    """One saved value: an input, an output or neither."""
    if isinstance(value, Tensor) or value is None:
        return value
    entry, maker = node.entry, None
    if kind == "in" and i in entry.wanted:
        maker = node.parents[entry.wanted.index(i)]
    elif kind == "out" and entry.out_specs[i].requires_grad:
        maker = node if len(entry.out_specs) == 1 else pick(node, i)
    aval = entry.in_specs[i].aval if kind == "in" else \
        entry.out_avals[i] if kind == "out" else aval_of(value)
    return make_box(entry.cls, value,
                    make_spec(aval, maker is not None, not isinstance(value, Tracer)), maker)


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
    needed: set[Node] = set()
    for node in reversed(order):
        if any(p in needed or p in targets for p in node.parents):
            needed.add(node)
    return needed


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
        if type(node) is not Pick:
            grads[node] = grads[node] + g if node in grads else g
        else:
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
            node.entry, node.saved = FreedEntry(entry), None
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
    return tuple(parts[j] if j in parts else entry.zero(j, raw)
                 for j, spec in enumerate(entry.out_specs) if spec.requires_grad)


def zero_gradient(entry, j: int, raw: bool):
    """Zeros for output `j`, that take no memory."""
    spec = entry.out_specs[j]
    zero = np.broadcast_to(np.zeros((), spec.dtype), spec.shape)
    return zero if raw else box(zero, entry.cls)


# ------------------------------------------------------------------ leaves


def accumulate_leaf(node: AccumulateGrad, g, raw: bool) -> None:
    """A gradient has arrived at a leaf: the first is kept, later ones are added in place."""
    hooks = node.hooks
    if hooks is not None and hooks.pre:
        g = change_gradients(node, g, raw)
    if not raw:
        accumulate_tensor(node, g)
    elif node.grad is None:
        if type(g) is np.ndarray and (sys.getrefcount(g) > ALONE or g.base is not None
                                      or not g.flags.writeable):
            g = g.copy()
        node.grad = make_box(node.cls, g, make_spec(node.leaf.aval.strong))
    else:
        add_in_place(node, g)
    if hooks is not None and hooks.post:
        change_results(node, (), g, raw)
    for hook in list(node.after.values()):
        hook(node)


def accumulate_tensor(node: Node, g: Tensor) -> None:
    """Keep a gradient that may have a graph of its own, or that is traced."""
    if node.grad is not None:
        node.grad = node.grad + g
    elif g.spec.concrete and get_mode().grad:
        node.grad = table["copy"](g)  # a sum gives one and the same gradient to both its parents
    else:
        node.grad = make_box(node_class(node), g.value, g.spec, g.node)
    if not get_mode().grad:
        node.grad = make_box(node_class(node), node.grad.value,
                             make_spec(node.grad.aval, False, g.spec.concrete))


def add_in_place(node: Node, g) -> None:
    """Whoever holds the Tensor `.grad` sees what is added."""
    old = node.grad
    if old.spec.requires_grad:
        node.grad = make_box(node_class(node), old.value + g, make_spec(old.aval.strong))
    elif type(old.value) is np.ndarray:
        np.add(old.value, g, out=old.value)
        stamps.write(old.value)
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


# ------------------------------------------------------------------ hooks in the middle of a pass


def shown(g, node: Node, raw: bool) -> Any:
    return box(g, node_class(node)) if raw and g is not None else g


def hidden(g, raw: bool) -> Any:
    return core.unbox_value(g) if raw else g


def arrive(node: Node, g, raw: bool):
    """Tensor hooks, and `.grad` of a Tensor that retains it."""
    hooks = node.hooks
    if not hooks.tensor and not hooks.retain:
        return g
    tensor = run_tensor_hooks(hooks, shown(g, node, raw))
    if hooks.retain:
        accumulate_tensor(node, tensor)
    return hidden(tensor, raw)


def change_gradients(node: Node, g, raw: bool):
    """The node's pre-hooks, on the gradients of all its outputs."""
    given = tuple(shown(x, node, raw) for x in (g if type(g) is tuple else (g,)))
    given = tuple(hidden(x, raw) for x in run_node_hooks(node.hooks.pre, given))
    return given if type(g) is tuple else given[0]


def change_results(node: Node, parts: tuple, g, raw: bool) -> tuple:
    """The node's post-hooks, on the gradients of all its inputs (None where none is wanted)."""
    entry = node.entry
    given = tuple(shown(x, node, raw) for x in (g if type(g) is tuple else (g,)))
    full: list = [None] * len(entry.in_specs)
    for i, part in zip(entry.wanted, parts):
        full[i] = shown(part, node, raw)
    changed = run_node_hooks(node.hooks.post, tuple(full), given)
    return tuple(hidden(changed[i], raw) for i in entry.wanted)


ALONE = 0
ALONE = fewest_references()
