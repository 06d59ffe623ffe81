"""Recording: how a primitive runs under the tape, at level zero and on traced levels."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigrad import core, debug, errors
from minigrad.imperative import methods, views
from minigrad.core import (
    ONCE, Mode, Primitive, Tensor, Tracer, aval_of, class_of, make_box, make_spec, owns,
)
from minigrad.derive import derive
from minigrad.devices import common_place, current, is_marked, on_place
from minigrad.graph import Node, pick
from minigrad.program import Jaxpr
from minigrad.programs.source import kernel_params, own
from minigrad.eager import hot, sizes
from minigrad.eager.runner import IGNORE, LOUD, QUIET, register_runtime, runner
from minigrad.imperative.stamps import next_seq
from minigrad.imperative.watching import watched

CACHE_LIMIT = 8192


def remember(cache: dict, key, value) -> None:
    """Caches are bounded: the oldest quarter goes when one is full."""
    if len(cache) >= CACHE_LIMIT:
        for old in list(itertools.islice(cache, CACHE_LIMIT // 4)):
            del cache[old]
    cache[key] = value
    if type(value) is hot.Warming:
        value.install = functools.partial(cache.__setitem__, key)


def runs_of(primitive: Primitive, params: dict) -> dict:
    """What was made for a primitive, by specs. Where a program is among the parameters it is kept
    with the program, and goes with it."""
    if primitive.multiple_results:
        for value in params.values():
            if type(value) is tuple and value and type(value[0]) is Jaxpr:
                value = value[0]
            if type(value) is Jaxpr:
                return value.cache
    return primitive.runs


def as_box(a, cls: type = Tensor) -> Tensor:
    """An operand that is no Tensor (array, settled scalar) as a box of level zero."""
    if isinstance(a, Tensor):
        return a
    if isinstance(a, Tracer):
        raise errors.leaked_tracer_error(a)
    value = getattr(a, "value", a)
    aval = aval_of(a)
    if not isinstance(value, (np.ndarray, np.generic)) and type(value) not in core.worlds:
        value = np.asarray(value, aval.dtype)[()]
    return make_box(cls, value, make_spec(aval, False, core.concrete_of(value)))


def apply_eager(mode: Mode, primitive: Primitive, operands: list, params: dict):
    """A primitive at level zero: run what was derived for these specs."""
    boxes = [a if isinstance(a, Tensor) else as_box(a) for a in operands]
    cls = class_of(operands)
    if mode is ONCE:
        return run_once(mode, primitive, boxes, params, cls)
    runs = runs_of(primitive, params)
    try:
        key = primitive, mode, cls, *[b.spec for b in boxes], *params.items()
        run = runs.get(key)
    except TypeError:  # a parameter that cannot be hashed
        key = run = None
    if run is None:
        if key is not None and runs is primitive.runs and is_rare(key, mode, boxes):
            return run_once(mode, primitive, boxes, params, cls)
        run = make_run(mode, primitive_function(primitive, params), primitive.name,
                       [b.spec for b in boxes], cls, boxes, sized=None
                       if key is None or runs is not primitive.runs else
                       (primitive, tuple(params.items()),
                        lambda items: primitive_function(primitive, dict(items))))
        if key is not None:
            remember(runs, key, run)
    return run(*boxes)


# ------------------------------------------------------------------ specs met a few times

met: dict[Any, int] = {}  # how often something ran without anything derived
HOT = 4  # deriving costs as much as some ten calls without


@core.caches_to_clear.append
def forget_met() -> None:
    met.clear()


def check_concrete(boxes: Sequence[Tensor]) -> None:
    for b in boxes:
        if not b.spec.concrete:
            raise errors.leaked_tracer_error(b.value)


def is_rare(key, mode: Mode, boxes: Sequence[Tensor]) -> bool:
    """Is this one of the first calls on these specs, and none that records? A text that grows by
    a token meets new specs at every step, each of them as often as there are layers."""
    if mode is ONCE:
        return True
    count = met.get(key, 0)
    if count >= HOT or mode.watched or mode.grad and any(b.spec.requires_grad for b in boxes):
        return False
    check_concrete(boxes)
    remember(met, key, count + 1)
    return True


def run_once(mode: Mode, primitive: Primitive, boxes: Sequence[Tensor], params: dict, cls: type):
    """The primitive's own rules, by hand: what a derived function does, at more cost a call."""
    values = [core.to_array(b) for b in boxes]
    place = common_place([b.spec for b in boxes])
    if place is not True:
        values = [place.world.constant(v) for v in values]
    try:
        avals = primitive.abstract(*[b.spec.aval for b in boxes], **params)
    except (TypeError, ValueError) as error:
        raise errors.at_user_line(error) from None
    token = QUIET(IGNORE)
    try:
        with current(place):
            outs = core.implementation(primitive, values)(
                *values, **kernel_params(primitive, params))
    finally:
        LOUD(token)
    concrete = in_mode(mode, place)
    if not primitive.multiple_results:
        return make_box(cls, owned(outs, values, cls), make_spec(avals, False, concrete))
    return [make_box(cls, owned(o, values, cls), make_spec(a, False, concrete))
            for o, a in zip(outs, avals)]


def owned(out, values: Sequence, cls: type):
    """A result that the user may write shares no memory with operands."""
    world = core.world_of((out,))
    separate = own if world is None else world.kernels.own
    return functools.reduce(separate, values, out) if cls.mutable else out


def in_mode(mode: Mode, place):
    """How the specs of results made there say that they are concrete."""
    if place is True:
        return "inference" if mode.inference else True
    return place.marked if mode.inference else place


# ------------------------------------------------------------------ what is derived


def primitive_function(primitive: Primitive, params: dict) -> Callable:
    def fn(*args):
        return primitive(*args, **params)

    return fn


def make_run(mode: Mode, fn: Callable, name: str, specs: Sequence,
             cls: type, boxes=(), view: Callable | None = None,
             sized: tuple | None = None) -> Callable:
    """The function to run at level zero for these specs: forward, boxes, and the node. `sized`:
    (owner, statics, the function `fn` for other statics), where other sizes may follow."""
    check_concrete(boxes)
    if sized and not mode.watched:
        owner, statics, function = sized
        entry = sizes.entry_for(sizes.Call(owner, name, cls, mode.grad, tuple(specs), statics,
                                           function, view))
    else:
        entry = derive(fn, name, specs, cls, record=mode.grad)
    entry.view = view
    check_inference(mode, entry)
    debug.show(1, name, *specs, "->", *entry.out_specs)
    of_template = type(entry) is sizes.SizedEntry
    if entry.backward is not None and entry.place is True and (
            of_template or hot.is_worthwhile(entry.backward_program)):
        entry.backward = hot.warmed_backward(entry)
    run = entry.template.runner(entry) if of_template else runner(entry)
    if mode.watched:
        return watched(run, entry)
    if entry.place is not True:
        if entry.backward is not None:
            entry.backward = on_place(entry.place, entry.backward)
        return on_place(entry.place, run)
    if not view and (of_template or hot.is_worthwhile(entry.forward)):
        return hot.warmed_forward(entry, run)
    return over_array(run) if view and not specs[0].shape else run


def over_array(run: Callable) -> Callable:
    """Views of a value of rank zero, which may be held as a NumPy scalar, need memory to share."""
    def with_memory(base: Tensor, *rest):
        views.array_of(base)
        return run(base, *rest)

    return with_memory


def check_inference(mode: Mode, entry) -> None:
    """Results made in inference mode carry it in their specs, and a node may not save them."""
    if mode.inference and not (entry.view and not is_marked(entry.in_specs[0])):
        entry.out_specs = [make_spec(s.aval, False, in_mode(mode, entry.place))
                           for s in entry.out_specs]
    if entry.backward is not None and any(
            kind == "in" and is_marked(entry.in_specs[i]) for kind, i in entry.saved):
        raise RuntimeError(
            "Inference tensors cannot be saved for backward. Please do not use Tensors created in "
            "inference mode in computation tracked by autograd. To work around this, you can make "
            "a clone to get a normal tensor and use it in autograd, or use `torch.no_grad()` "
            "instead of `torch.inference_mode()`.")


def apply_recorded(mode: Mode, primitive: Primitive, operands: list, params: dict):
    """A primitive on a traced level whose tape records. The level sees the primitive itself, so
    that a custom rule, or a call, is still one when a level below takes its turn."""
    trace = mode.trace
    mine = [isinstance(a, Tensor) and owns(trace, a) and a.spec.requires_grad for a in operands]
    specs = [make_spec(aval_of(a), wants, False) for a, wants in zip(operands, mine)]
    cls = class_of(operands)
    entry = traced_entry(primitive, params, specs, cls)
    outs = core.apply_plain(trace, primitive, operands, params)
    if entry.backward is not None:
        boxes = outs if primitive.multiple_results else [outs]
        for b, spec in zip(boxes, entry.out_specs):
            b.spec = make_spec(b.spec.aval, spec.requires_grad, False)
        record_node(entry, operands, boxes)
    return outs


def traced_entry(primitive, params, specs, cls):
    runs = runs_of(primitive, params)
    try:
        key = primitive, cls, *specs, *params.items()
        entry = runs.get(key)
    except TypeError:
        key = entry = None
    if entry is None:
        entry = derive(primitive_function(primitive, params), primitive.name, specs, cls,
                       record=True)
        if key is not None:
            remember(runs, key, entry)
    return entry


def record_node(entry, inputs: Sequence, outs: Sequence[Tensor]) -> Node:
    """Leave a node behind `outs`. Where the derived backward saves intermediates, the traced one
    starts again from the inputs."""
    node = Node()
    node.entry, node.seq = entry, next_seq()
    edges = tuple(inputs[i].node for i in entry.wanted)
    node.edges = edges if len(edges) != 1 else edges[0]
    kept = {"in": inputs, "out": outs}
    node.saved = tuple(own_value(kept[k][i]) for k, i in entry.saved if k != "mid") or None
    if entry.recompute:
        node.inputs = node.saved = tuple(own_value(x) for x in inputs)
    if len(outs) == 1:
        outs[0].node = node
    else:
        for j, out in enumerate(outs):
            if out.spec.requires_grad:
                out.node = pick(node, j)
    return node


def own_value(x):
    """The tracer of a value of this level. One of a level below is kept with its box, and so with
    its place on the tape there; an array or a literal is kept as it is."""
    return x.value if isinstance(x, Tensor) and not x.spec.concrete \
        and owns(core.get_mode().trace, x) else x


register_runtime(Node=Node, next_seq=next_seq, pick=pick)
_ = methods  # imported for what it attaches to Tensor
