"""Recording: how a primitive runs under the tape, at level zero and on traced levels."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np

from minigrad import core, debug, errors
from minigrad.core import (
    Mode, Primitive, Tensor, Tracer, aval_of, box, class_of, make_box, make_spec, owns,
    reset_mode, set_mode,
)
from minigrad.derive import derive
from minigrad.program import eval_jaxpr
from minigrad.runner import register_runtime, runner
from minigrad.tape import Node, next_seq, pick

CACHE_LIMIT = 8192


def remember(cache: dict, key, value) -> None:
    """Caches are bounded: the oldest quarter goes when one is full."""
    if len(cache) >= CACHE_LIMIT:
        for old in list(itertools.islice(cache, CACHE_LIMIT // 4)):
            del cache[old]
    cache[key] = value


def as_box(a, cls: type = Tensor) -> Tensor:
    """An operand that is no Tensor (array, settled scalar) as a box of level zero."""
    if isinstance(a, Tensor):
        return a
    if isinstance(a, Tracer):
        raise errors.leaked_tracer_error(a)
    value = getattr(a, "value", a)
    aval = aval_of(a)
    if not isinstance(value, (np.ndarray, np.generic)):
        value = np.asarray(value, aval.dtype)[()]
    return make_box(cls, value, make_spec(aval))


def apply_eager(mode: Mode, primitive: Primitive, operands: list, params: dict):
    """A primitive at level zero: run what was derived for these specs."""
    boxes = [a if isinstance(a, Tensor) else as_box(a) for a in operands]
    cls = class_of(operands)
    try:
        key = mode, cls, *[b.spec for b in boxes], *params.items()
        run = primitive.runs.get(key)
    except TypeError:  # a parameter that cannot be hashed
        key = run = None
    if run is None:
        run = make_run(mode, primitive_function(primitive, params), primitive.name,
                       [b.spec for b in boxes], cls, boxes)
        if key is not None:
            remember(primitive.runs, key, run)
    return run(*boxes)


def primitive_function(primitive: Primitive, params: dict) -> Callable:
    def fn(*args):
        return primitive(*args, **params)

    return fn


def make_run(mode: Mode, fn: Callable, name: str, specs: Sequence,
             cls: type, boxes=(),
             view: Callable | None = None) -> Callable:
    """The function to run at level zero for these specs: forward, boxes, and the node."""
    for b in boxes:
        if not b.spec.concrete:
            raise errors.leaked_tracer_error(b.value)
    entry = derive(fn, name, specs, cls, record=mode.grad)
    entry.view = view
    debug.show(1, name, *specs, "->", *entry.out_specs)
    return runner(entry)


def apply_recorded(mode: Mode, primitive: Primitive, operands: list, params: dict):
    """A primitive on a traced level whose tape records: the same entry, run equation by equation."""
    trace = mode.trace
    mine = [isinstance(a, Tensor) and owns(trace, a) and a.spec.requires_grad for a in operands]
    specs = [make_spec(aval_of(a), wants, False) for a, wants in zip(operands, mine)]
    cls = class_of(operands)
    entry = traced_entry(primitive, params, specs, cls)
    if entry.backward is None:
        return core.apply_plain(trace, primitive, operands, params)
    token = set_mode(Mode(trace, grad=False))
    try:
        outs = eval_jaxpr(entry.forward, *operands)
    finally:
        reset_mode(token)
    count = len(entry.out_avals)
    boxes = [make_box(cls, b.value, make_spec(b.aval, s.requires_grad, False))
             for b, s in zip((box(o, cls) for o in outs[:count]), entry.out_specs)]
    record_node(entry, operands, boxes, outs[count:])
    return boxes if primitive.multiple_results else boxes[0]


def traced_entry(primitive, params, specs, cls):
    try:
        key = "traced", cls, *specs, *params.items()
        entry = primitive.runs.get(key)
    except TypeError:
        key = entry = None
    if entry is None:
        entry = derive(primitive_function(primitive, params), primitive.name, specs, cls,
                              record=True)
        if key is not None:
            remember(primitive.runs, key, entry)
    return entry


def record_node(entry, inputs: Sequence, outs: Sequence[Tensor], mids: Sequence) -> Node:
    """Leave a node behind `outs`."""
    node = Node()
    node.entry, node.seq = entry, next_seq()
    edges = tuple(inputs[i].node for i in entry.wanted)
    node.edges = edges if len(edges) != 1 else edges[0]
    kept = {"in": inputs, "out": outs, "mid": mids}
    node.saved = tuple(core.unbox_value(kept[k][i]) for k, i in entry.saved) or None
    if entry.recompute:
        node.inputs = tuple(core.unbox_value(x) for x in inputs)
    if len(outs) == 1:
        outs[0].node = node
    else:
        for j, out in enumerate(outs):
            if out.spec.requires_grad:
                out.node = pick(node, j)
    return node


register_runtime(Node=Node, next_seq=next_seq, pick=pick)
