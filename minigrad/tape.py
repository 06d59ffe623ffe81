"""The tape: what PyTorch's autograd does.

An operation on Tensors of which one wants a gradient leaves a `Node`: the derived backward (shared
by all operations on the same specs), the arrays it needs, and edges to the nodes of its inputs.
`backward` visits the nodes youngest first. Creation order *is* a topological order, so no search
is needed to get `b = a + a; c = b + b` right: `b`'s node runs after both contributions arrived.
"""

from __future__ import annotations

import functools
import itertools
import operator
import sys
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigrad import core
from minigrad.core import (
    EAGER, EVAL, INFERENCE, NO_GRAD, Mode, Tensor, Tracer, box, get_mode, make_box, make_spec,
    reset_mode, set_mode,
)

# ------------------------------------------------------------------ nodes

next_seq = itertools.count(0, -1).__next__  # decreasing: sorting ascending puts the youngest first
sequence = operator.attrgetter("seq")


class Node:
    """One recorded operation. `edges` is a node, or a tuple of nodes, one a wanted input."""

    __slots__ = ("entry", "saved", "edges", "seq", "__weakref__", "__dict__")

    def name(self) -> str:
        return self.entry.node_name

    @property
    def next_functions(self) -> tuple:
        """(node, output number) of each input, as PyTorch shows it."""
        edges = iter(self.edges if type(self.edges) is tuple else (self.edges,))
        by_input = [next(edges) if i in self.entry.wanted else None
                    for i in range(len(self.entry.in_specs))]
        return tuple((n.edges, n.entry.index) if type(n) is Pick else (n, 0) for n in by_input)

    def __repr__(self) -> str:
        return f"<{self.name()} object at {id(self):#x}>"


class AccumulateGrad(Node):
    """Where the gradient of a leaf arrives. It holds the gradient, so that nothing points back
    at the Tensor and no cycle keeps a graph alive."""

    __slots__ = ("grad", "leaf", "cls", "post_hooks")
    edges = ()

    def __init__(self, spec, cls: type):
        self.grad, self.leaf, self.cls = None, spec, cls
        self.entry, self.saved, self.seq = LEAF, None, next_seq()

    def name(self) -> str:
        return "AccumulateGrad"

    next_functions = ()


class Pick(Node):
    """Output `index` of a node with several results."""

    __slots__ = ()


class LeafEntry:
    node_name, backward, wanted, in_specs = "AccumulateGrad", None, (), ()


class FreedEntry:
    """Replaces the entry of a node whose saved arrays are gone."""

    backward = None

    def __init__(self, node_name: str):
        self.node_name, self.wanted, self.in_specs = node_name, (), ()


class PickEntry:
    backward, wanted, in_specs = None, (0,), (None,)

    def __init__(self, index: int, node_name: str):
        self.index, self.node_name = index, node_name


LEAF = LeafEntry()


def leaf(tensor: Tensor) -> None:
    """Make `tensor` a leaf that wants a gradient."""
    spec = tensor.spec
    tensor.spec = make_spec(spec.aval, True, spec.concrete)
    if tensor.node is None:
        tensor.node = AccumulateGrad(spec, type(tensor).result_class())


# ------------------------------------------------------------------ mutation stamps


class Stamps:
    """When a buffer was last written in place. Nodes pay nothing for it when they save an array;
    only `backward` looks, and only if something was ever written."""

    def __init__(self):
        self.writes: dict[int, tuple[deque, list, Any]] = {}

    @staticmethod
    def owner(value):
        base = getattr(value, "base", None)
        return value if base is None else base

    def write(self, value) -> None:
        owner = self.owner(value)
        entry = self.writes.get(id(owner))
        if entry is None:
            try:  # forget the buffer with the array: ids are used again
                key = id(owner)
                alive = weakref.ref(owner, lambda _: self.writes.pop(key, None))
            except TypeError:
                alive = owner
            entry = self.writes[id(owner)] = deque(maxlen=16), [0], alive
        entry[0].append(next_seq())
        entry[1][0] += 1

    def version(self, value) -> int:
        entry = self.writes.get(id(self.owner(value)))
        return entry[1][0] if entry else 0

    def check(self, node: Node) -> None:
        for value, (kind, i) in zip(node.saved, node.entry.saved):
            entry = self.writes.get(id(self.owner(value)))
            if entry and entry[0][-1] < node.seq:
                later = sum(seq < node.seq for seq in entry[0])
                raise RuntimeError(self.message(node, value, kind, i, entry[1][0], later))

    @staticmethod
    def message(node, value, kind, i, version: int, later: int) -> str:
        edges = node.edges if type(node.edges) is tuple else (node.edges,)
        source = ""
        if kind == "out":
            source = f", which is output {i} of {node.name()},"
        elif i in node.entry.wanted:
            maker = edges[node.entry.wanted.index(i)]
            number = maker.entry.index if type(maker) is Pick else 0
            if type(maker) is not AccumulateGrad:
                source = f", which is output {number} of {maker.name()},"
        shape = ", ".join(map(str, np.shape(value)))
        kinds = {"float32": "Float", "float64": "Double", "int64": "Long", "int32": "Int",
                 "float16": "Half", "bfloat16": "BFloat16", "bool": "Bool"}
        kind_name = kinds.get(value.dtype.name, value.dtype.name)
        return ("one of the variables needed for gradient computation has been modified by an "
                f"inplace operation: [torch.{kind_name}Tensor [{shape}]]{source} is at version "
                f"{version}; expected version {version - later} instead. Hint: enable anomaly "
                "detection to find the operation that failed to compute its gradient, with "
                "torch.autograd.set_detect_anomaly(True).")


stamps = Stamps()

def pick(node: Node, index: int) -> Pick:
    p = Pick()
    p.entry, p.saved, p.edges, p.seq = PickEntry(index, node.entry.node_name), None, node, next_seq()
    return p


def unpack(node: Node) -> tuple | None:
    """What a node saved, as Tensors on their places in the graph."""
    entry = node.entry
    edges = node.edges if type(node.edges) is tuple else (node.edges,)
    if entry.recompute:
        places, values = [("in", i) for i in range(len(entry.in_specs))], node.inputs
    else:
        places, values = entry.saved, node.saved or ()
    return tuple(rebuild(entry, node, edges, kind, i, v)
                 for (kind, i), v in zip(places, values, strict=True))


def rebuild(entry, node, edges, kind: str, i: int, value) -> Tensor:
    if isinstance(value, Tensor):
        return value
    maker = None
    if kind == "in" and i in entry.wanted:
        maker = edges[entry.wanted.index(i)]
    elif kind == "out" and entry.out_specs[i].requires_grad:
        maker = node if len(entry.out_specs) == 1 else pick(node, i)
    aval = entry.in_specs[i].aval if kind == "in" else entry.out_avals[i]
    return make_box(entry.cls, value,
                    make_spec(aval, maker is not None, not isinstance(value, Tracer)), maker)


# ------------------------------------------------------------------ backward

hooks: weakref.WeakKeyDictionary[Node, Hooks] = weakref.WeakKeyDictionary()


class Hooks:
    """What the user hung on a node: on the gradient that arrives, and on what leaves."""

    def __init__(self):
        self.tensor: dict[int, Callable] = {}  # (grad) -> grad or None
        self.post: dict[int, Callable] = {}  # (grad_inputs, grad_outputs) -> grad_inputs or None

    @classmethod
    def of(cls, node: Node) -> Hooks:
        if node not in hooks:
            hooks[node] = cls()
        return hooks[node]


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


def leads_to(order: list[Node], targets: set[Node]) -> set[Node]:
    """The nodes from which a target can be reached."""
    needed = set(targets)
    for node in reversed(order):
        edges = node.edges
        if any(p in needed for p in (edges if type(edges) is tuple else (edges,))):
            needed.add(node)
    return needed


def run_backward(roots: Sequence[tuple[Node, Any]], retain_graph: bool, create_graph: bool,
                 targets: dict[Node, list] | None = None, accumulate: bool = True) -> None:
    """Send gradients from the roots down the graph.

    targets: nodes whose arriving gradient is appended to the given list; only nodes that lead
             there are visited. accumulate: leaves add to their `.grad`.
    """
    order = collect([node for node, _ in roots])
    needed = None if targets is None else leads_to(order, set(targets))
    raw = get_mode().trace is EVAL and not create_graph
    grads: dict[Node, Any] = {}
    for node, g in roots:
        grads[node] = grads[node] + g if node in grads else g
    for node in order:
        g = grads.pop(node, None)
        if g is None or needed is not None and node not in needed:
            continue
        if hooks and node in hooks:
            g = run_tensor_hooks(node, g, raw)
        if targets is not None and node in targets:
            targets[node].append(g)
        entry = node.entry
        if entry.backward is None:
            if type(node) is Pick:
                add_part(grads, node, g)
            elif type(node) is AccumulateGrad:
                if accumulate:
                    accumulate_grad(node, g, raw)
            else:
                raise RuntimeError(SECOND_TIME)
            continue
        if len(entry.out_specs) != 1:
            g = complete(g, entry, raw)
        saved = node.saved
        if stamps.writes and saved is not None:
            stamps.check(node)
        parts = entry.backward(g, saved) if raw else entry.lifted(g, unpack(node))
        edges = node.edges
        if type(edges) is not tuple:
            edges, parts = (edges,), (parts,)
        if hooks and node in hooks:
            parts = run_post_hooks(node, parts, g, raw)
        if not retain_graph and saved is not None:
            node.entry, node.saved = FreedEntry(entry.node_name), None
        for parent, part in zip(edges, parts):
            if part is not None:
                grads[parent] = grads[parent] + part if parent in grads else part
        parts = part = None  # so that a leaf can tell a gradient nobody else holds


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
    full = []
    for j, spec in enumerate(entry.out_specs):
        if spec.requires_grad:
            if j not in parts:
                zero = np.broadcast_to(np.zeros((), spec.dtype), spec.shape)
                parts[j] = zero if raw else box(zero, entry.cls)
            full.append(parts[j])
    return tuple(full)


def accumulate_grad(node: AccumulateGrad, g, raw: bool) -> None:
    old = node.grad
    if not raw:
        detached = g if get_mode().grad else make_box(
            node.cls, g.value, make_spec(g.aval, False, g.spec.concrete))
        node.grad = detached if old is None else old + detached
    elif old is None:
        if type(g) is np.ndarray and (g.base is not None or sys.getrefcount(g) > 4
                                      or not g.flags.writeable):
            g = g.copy()
        node.grad = make_box(node.cls, g, make_spec(node.leaf.aval.strong))
    elif old.spec.requires_grad or type(old.value) is not np.ndarray:
        node.grad = make_box(node.cls, old.value + g, make_spec(node.leaf.aval.strong))
    else:
        np.add(old.value, g, out=old.value)
        stamps.write(old.value)
    for hook in list(node.__dict__.get("after", {}).values()):
        hook(node)


def run_tensor_hooks(node: Node, g, raw: bool):
    for hook in list(hooks[node].tensor.values()):
        shown = box(g, node_class(node)) if raw else g
        result = hook(shown)
        if result is not None:
            g = result.value if raw else result
    return g


def run_post_hooks(node: Node, parts: tuple, g, raw: bool) -> tuple:
    cls = node_class(node)
    for hook in list(hooks[node].post.values()):
        given = g if isinstance(g, tuple) else (g,)
        result = hook(tuple(box(p, cls) if p is not None else None for p in parts),
                      tuple(box(x, cls) for x in given))
        if result is not None:
            result = result if isinstance(result, tuple) else (result,)
            parts = tuple(core.unbox_value(r) if raw and r is not None else r for r in result)
    return parts


def node_class(node: Node) -> type:
    return getattr(node, "cls", None) or getattr(node.entry, "cls", Tensor)


def seed(tensor: Tensor, gradient, create_graph: bool):
    """The gradient to start from: ones for a scalar, or what the user gave, checked."""
    if not tensor.spec.requires_grad:
        raise RuntimeError("element 0 of tensors does not require grad and does not have a grad_fn")
    raw = get_mode().trace is EVAL and not create_graph
    if gradient is None:
        if tensor.spec.aval.size != 1:
            raise RuntimeError("grad can be implicitly created only for scalar outputs")
        one = np.ones(tensor.shape, tensor.dtype)
        one = one[()] if not tensor.shape else one
        return one if raw else box(one, type(tensor).result_class())
    given = gradient if isinstance(gradient, Tensor) else box(gradient)
    if given.shape != tensor.shape:
        raise RuntimeError(
            f"Mismatch in shape: grad_output[0] has a shape of torch.Size({list(given.shape)}) and "
            f"output[0] has a shape of torch.Size({list(tensor.shape)}).")
    return given.value if raw else given


def backward(tensor: Tensor, gradient=None, retain_graph: bool | None = None,
             create_graph: bool = False, inputs=None) -> None:
    """Accumulate the gradient of `tensor` into the `.grad` of the leaves it came from.

    gradient: cotangent of the same shape; may be left out for one element. inputs: only these.
    Raises RuntimeError where the tensor wants no gradient, for a second pass over freed values,
    and for saved values that were since modified in place. Source: torch.Tensor.backward.
    """
    tensor = current(tensor)
    roots = [(tensor.node, seed(tensor, gradient, create_graph))]
    targets = None
    if inputs is not None:
        given = [inputs] if isinstance(inputs, Tensor) else list(inputs)
        targets = {current(t).node: [] for t in given}
    with backward_mode(create_graph):
        run_backward(roots, create_graph if retain_graph is None else retain_graph, create_graph,
                     targets)


def grad(outputs, inputs, grad_outputs=None, retain_graph: bool | None = None,
         create_graph: bool = False, allow_unused: bool | None = None,
         materialize_grads: bool = False) -> tuple:
    """Gradients of `outputs` with respect to `inputs`, returned rather than accumulated.
    Source: torch.autograd.grad."""
    outputs = [current(t) for t in ([outputs] if isinstance(outputs, Tensor) else outputs)]
    inputs = [current(t) for t in ([inputs] if isinstance(inputs, Tensor) else inputs)]
    if grad_outputs is None or isinstance(grad_outputs, Tensor):
        grad_outputs = [grad_outputs] * (len(outputs) if grad_outputs is None else 1)
    for t in inputs:
        if not t.spec.requires_grad:
            raise RuntimeError("One of the differentiated Tensors does not require grad")
    roots = [(t.node, seed(t, g, create_graph)) for t, g in zip(outputs, grad_outputs)]
    targets: dict[Node, list] = {t.node: [] for t in inputs}
    raw = get_mode().trace is EVAL and not create_graph
    with backward_mode(create_graph):
        run_backward(roots, create_graph if retain_graph is None else retain_graph, create_graph,
                     targets, accumulate=False)
    results = []
    for t in inputs:
        found = targets[t.node]
        if found:
            cls = type(t).result_class()
            results.append(box(found[0], cls) if raw else found[0])
        elif materialize_grads:
            results.append(box(np.zeros(t.shape, t.dtype), type(t).result_class()))
        elif not allow_unused:
            raise RuntimeError(
                "One of the differentiated Tensors appears to not have been used in the graph. "
                "Set allow_unused=True if this is the desired behavior.")
        else:
            results.append(None)
    return tuple(results)


def backward_mode(create_graph: bool):
    """Recording goes on below only if the backward pass is to be differentiated itself."""
    mode = get_mode()
    if mode.trace is EVAL:
        return quiet_mode(EAGER if create_graph else NO_GRAD)
    return core.using(Mode(mode.trace, grad=create_graph))


class quiet_mode:
    """A mode at level zero with NumPy's floating-point warnings off: IEEE results are wanted."""

    def __init__(self, mode: Mode):
        self.mode, self.errors = mode, np.errstate(all="ignore")

    def __enter__(self):
        self.errors.__enter__()
        self.token = set_mode(self.mode)

    def __exit__(self, *error):
        reset_mode(self.token)
        self.errors.__exit__(*error)


def current(tensor: Tensor) -> Tensor:
    """The box that means `tensor` at the current level: a cell's inner leaf while staging."""
    return get_mode().trace.lift(tensor)


# ------------------------------------------------------------------ grad mode


class grad_mode:
    """`no_grad`, `enable_grad` and `inference_mode`: context managers and decorators."""

    def __init__(self, grad: bool, inference: bool = False):
        self.grad, self.inference = grad, inference
        self.tokens: list = []

    def __enter__(self):
        mode = get_mode()
        if mode.trace is EVAL:
            new = INFERENCE if self.inference else EAGER if self.grad else NO_GRAD
        else:
            new = Mode(mode.trace, self.grad, self.inference)
        self.tokens.append(set_mode(new))

    def __exit__(self, *error):
        reset_mode(self.tokens.pop())

    def __call__(self, function: Callable) -> Callable:
        @functools.wraps(function)
        def wrapped(*args, **kwargs):
            with grad_mode(self.grad, self.inference):
                return function(*args, **kwargs)

        return wrapped


Tensor.backward = backward
Tensor.grad = property(lambda self: getattr(current(self).node, "grad", None))
