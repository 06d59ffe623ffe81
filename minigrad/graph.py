"""The graph behind a Tensor: a node an operation, an edge a wanted input, a leaf at every end."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.core import (
    EVAL, Tensor, Tracer, aval_of, concrete_of, get_mode, make_box, make_spec, table, worlds,
)
from minigrad.imperative.hooks import Hooks, RemovableHandle
from minigrad.imperative.stamps import next_seq, stamps

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
        if kind != "in" or i not in self.entry.wanted:
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

    @classmethod
    def of(cls, entry) -> FreedEntry:
        """One for all nodes of an entry."""
        if getattr(entry, "freed", None) is None:
            entry.freed = cls(entry)
        return entry.freed


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
    p.entry, p.saved = PickEntry(index, node.entry.node_name), None
    p.edges, p.seq = node, next_seq()
    return p


def producer(node: Node) -> tuple:
    """(node, output number) as PyTorch counts them."""
    return (node.edges, node.entry.index) if type(node) is Pick else (node, 0)


def node_class(node: Node) -> type:
    """The face whose Tensors flow through a node."""
    return node.cls if type(node) is AccumulateGrad else producer(node)[0].entry.cls


def conjugated(g, cls: type, dtype, raw: bool):
    """From the cotangents that transposes carry (JAX's convention) to the gradients that PyTorch
    shows, and back: of |z|^2 at 1+2j JAX gives 2-4j, PyTorch 2+4j."""
    if dtype.kind != "c" or not cls.conjugates or g is None:
        return g
    return g.conj() if raw else table["conj"](g, input_dtype=g.spec.dtype)


# ------------------------------------------------------------------ what a node saved


SELF = -1  # in a plan: the value is the node's own output


def unpack(node: Node) -> tuple:
    """What a node saved, as Tensors on their places in the graph."""
    entry = node.entry
    places, values = entry.saved, node.saved or ()
    if entry.recompute:
        places, values = entry.input_places, node.inputs
        if stamps.writes:
            stamps.check(node, values, places)
    if entry.plan is None:
        entry.plan = tuple(planned(entry, *place) for place in places)
    constant = get_mode().trace is not EVAL
    parents, made, cls = node.parents, [], entry.cls
    for (spec, edge), value in zip(entry.plan, values, strict=True):
        if type(value) is np.ndarray and spec is not None:  # the usual case, written out
            tensor = object.__new__(cls)
            tensor.value, tensor.spec, tensor.node = value, spec, None
        elif isinstance(value, (np.ndarray, np.generic)) or type(value) in worlds:
            tensor = make_box(cls, value, spec or make_spec(aval_of(value), False,
                                                            concrete_of(value)))
        elif isinstance(value, Tracer):
            spec = make_spec(value.aval, spec is not None and spec.requires_grad, False)
            tensor = make_box(entry.cls, value, spec)
        elif isinstance(value, Tensor) or value is None:
            made.append(value)
            continue
        else:  # a literal
            tensor = make_box(entry.cls, np.asarray(value.value)[()], make_spec(value.aval))
        if edge is not None:
            tensor.node = parents[edge] if edge >= 0 else \
                node if len(entry.out_specs) == 1 else pick(node, SELF - edge)
        if constant and tensor.spec.concrete:
            tensor.mutable = False  # a constant of what is traced, no state from outside
        made.append(tensor)
    return tuple(made)


def planned(entry, kind: str, i: int) -> tuple:
    """(spec, which edge made it) of a saved value: an input, an output (SELF - i), or neither."""
    if kind == "in":
        wants = i in entry.wanted
        spec = make_spec(entry.in_specs[i].aval, wants, entry.place)
        return spec, entry.wanted.index(i) if wants else None
    if kind == "out":
        wants = entry.out_specs[i].requires_grad
        return make_spec(entry.out_avals[i], wants, entry.place), SELF - i if wants else None
    return None, None
