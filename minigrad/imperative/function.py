"""Functions with a backward of the user's own, by PyTorch's rules.

At level zero `apply` runs `forward` without recording and leaves one node whose backward is the
user's. On traced levels it becomes a `custom_vjp`, so that `jit`, `vmap` and `grad` keep the rule.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad import core
from minigrad.imperative import views
from minigrad.core import EVAL, Tensor, box, get_mode, make_box, make_spec, table
from minigrad.devices import place_of, put
from minigrad.forward import is_differentiable
from minigrad.graph import Node, conjugated, current, pick, unpack
from minigrad.imperative.modes import grad_mode
from minigrad.ops.calls import custom_vjp
from minigrad.imperative.stamps import next_seq
from minigrad.tape import SECOND_TIME


class Context:
    """What `forward` leaves for `backward`: saved Tensors, flags, and attributes of the user's."""

    def __init__(self, needs_input_grad: tuple = ()):
        self.needs_input_grad = needs_input_grad
        self._to_save: tuple = ()
        self._saved: Any = None  # where the saved Tensors are to be had, once forward is over
        self._dirty: tuple = ()
        self._without_grad: tuple = ()
        self._materialize = True

    def save_for_backward(self, *tensors) -> None:
        """Keep inputs, outputs or intermediate Tensors (or None) until the backward pass."""
        self._to_save = tensors

    save_for_forward = save_for_backward

    @property
    def saved_tensors(self) -> tuple:
        return self._to_save if self._saved is None else self._saved()

    def mark_dirty(self, *tensors) -> None:
        """These inputs were written in place, and are outputs."""
        self._dirty = tensors

    def mark_non_differentiable(self, *tensors) -> None:
        """These outputs have no gradient."""
        self._without_grad = tensors

    def set_materialize_grads(self, value: bool) -> None:
        """False: gradients that are zero reach `backward` as None."""
        self._materialize = value


class Function:
    """A function with its own derivative.

    Subclasses define `forward(ctx, *args)`, or `forward(*args)` and `setup_context(ctx, inputs,
    output)`, and `backward(ctx, *grads)`, which returns a gradient (or None) for each argument;
    all of them static. Call `apply`. Source: torch.autograd.Function.
    """

    @staticmethod
    def forward(*args):
        raise NotImplementedError("You must implement the forward function for custom "
                                  "autograd.Function.")

    @staticmethod
    def backward(ctx, *grads):
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom "
            "autograd.Function to use it with backward mode AD.")

    setup_context: Callable | None = None

    @classmethod
    def apply(cls, *args):
        """Run `forward`; where a gradient may be wanted, keep what `backward` needs."""
        args = tuple(current(a) if isinstance(a, Tensor) else a for a in args)
        if get_mode().trace is not EVAL:
            return apply_traced(cls, args)
        context = Context(tuple(isinstance(a, Tensor) and a.spec.requires_grad for a in args))
        out = run_forward(cls, context, args)
        if get_mode().grad and any(context.needs_input_grad):
            return record(cls, context, args, out)
        return out


def run_forward(function: type, context: Context, args: tuple):
    with grad_mode(False):
        if function.setup_context is None:
            return function.forward(context, *args)
        out = function.forward(*args)
        function.setup_context(context, args, out)
        return out


def run_backward(function: type, context: Context, grads: tuple, count: int) -> list:
    """The user's gradients, one for each of `count` arguments."""
    results = function.backward(context, *grads)
    results = list(results) if isinstance(results, (tuple, list)) else [results]
    if len(results) < count or any(r is not None for r in results[count:]):
        raise RuntimeError(f"function {function.__name__}Backward returned an incorrect number of "
                           f"gradients (expected {count}, got {len(results)})")
    return results[:count]


def as_outputs(out) -> tuple[list, Callable]:
    """(the outputs, how to give them back): one, or a tuple of which some may be no Tensors."""
    if isinstance(out, (tuple, list)):
        return list(out), type(out)
    return [out], lambda outs: outs[0]


# ------------------------------------------------------------------ at level zero


class FunctionEntry:
    """What the tape asks of an operation, answered by the user's `backward`. One a call."""

    recompute, plan = False, None

    def __init__(self, function: type, context: Context, args: tuple, outs: list):
        self.function, self.context = function, context
        self.cls = core.class_of([*outs, *args])
        self.materialize = context._materialize
        self.node_name = f"{function.__name__}Backward"
        self.wanted = tuple(i for i, wants in enumerate(context.needs_input_grad) if wants)
        self.in_specs = [a.spec if isinstance(a, Tensor) else None for a in args]
        without = {id(t) for t in context._without_grad}
        self.out_avals = [o.spec.aval for o in outs]
        self.out_specs = [make_spec(a, is_differentiable(a) and id(o) not in without,
                                    core.concrete_of(o.value))
                          for o, a in zip(outs, self.out_avals)]
        self.saved = [self.place(t, args, outs) for t in context._to_save]

    @staticmethod
    def place(tensor, args: tuple, outs: list) -> tuple[str, int]:
        for kind, candidates in (("out", outs), ("in", args)):
            for i, candidate in enumerate(candidates):
                if tensor is candidate and tensor is not None:
                    return kind, i
        return "mid", 0

    def lifted(self, gradient, saved) -> Any:
        """Gradients of the wanted inputs, as Tensors."""
        given = iter(gradient if len(self.out_specs) != 1 else (gradient,))
        full = tuple(self.conjugated(next(given), s) if s.requires_grad else self.zeros(s)
                     for s in self.out_specs)
        results = run_backward(self.function, self.context, full, len(self.in_specs))
        parts = tuple(self.conjugated(self.fitted(i, results[i]), self.in_specs[i])
                      for i in self.wanted)
        return parts if len(parts) != 1 else parts[0]

    def backward(self, gradient, saved) -> Any:
        """The same over bare arrays."""
        many = len(self.out_specs) != 1
        boxed = tuple(g if g is None else box(g, self.cls) for g in gradient) if many \
            else box(gradient, self.cls)
        parts = self.lifted(boxed, saved)
        return tuple(map(core.unbox_value, parts)) if isinstance(parts, tuple) \
            else core.unbox_value(parts)

    def conjugated(self, grad, spec):
        """The user's backward speaks of gradients, the tape of cotangents."""
        return conjugated(grad, self.cls, spec.dtype, False)

    def zeros(self, spec):
        zeros = put(np.zeros(spec.shape, spec.dtype), place_of(spec))
        return box(zeros, self.cls) if self.materialize else None

    def fitted(self, i: int, grad):
        """A gradient in the shape and dtype of its input, as far as broadcasting allows."""
        if grad is None:
            return None
        shape, dtype = self.in_specs[i].shape, self.in_specs[i].dtype
        got = grad.spec.shape
        extra = len(got) - len(shape)
        fits = extra >= 0 and all(n in (1, m) for n, m in zip(shape, got[extra:]))
        if not fits:
            raise RuntimeError(
                f"Function {self.node_name} returned an invalid gradient at index {i} - got "
                f"{list(got)} but expected shape compatible with {list(shape)}")
        if got != shape:
            axes = (*range(extra), *(extra + k for k, n in enumerate(shape)
                                     if n == 1 != got[extra + k]))
            grad = table["reshape"](table["reduce_sum"](grad, axes=axes), new_sizes=shape)
        if grad.spec.dtype != dtype:
            grad = table["convert_element_type"](grad, new_dtype=dtype, weak_type=False)
        return grad


def record(function: type, context: Context, args: tuple, out):
    """Leave the node behind the outputs. An input that was written in place becomes an output."""
    everything, give_back = as_outputs(out)
    outs = [o for o in everything if isinstance(o, Tensor)]
    node = Node()
    node.entry = entry = FunctionEntry(function, context, args, outs)
    edges = tuple(args[i].node for i in entry.wanted)
    node.edges = edges if len(edges) != 1 else edges[0]
    node.saved = tuple(core.unbox_value(t) for t in context._to_save) or None
    node.seq = next_seq()
    made = []
    for j, (o, spec) in enumerate(zip(outs, entry.out_specs)):
        new = make_box(entry.cls, o.value, spec)
        if spec.requires_grad:
            new.node = node if len(outs) == 1 else pick(node, j)
        if any(o is d for d in context._dirty):
            views.check_leaf(o, views.root_of(o))
            views.rebase(o, views.root_of(o), new, views.move_graph)
            new = o
        made.append(new)
    context._saved = saved_by(weakref.ref(node), bool(context._to_save))
    context._to_save = context._dirty = context._without_grad = ()
    found = iter(made)
    return give_back([next(found) if isinstance(o, Tensor) else o for o in everything])


def saved_by(node: weakref.ref, anything: bool) -> Callable[[], tuple]:
    def saved_tensors() -> tuple:
        found = node()
        if anything and (found is None or found.saved is None):
            raise RuntimeError(SECOND_TIME)
        return unpack(found) if anything else ()

    return saved_tensors


def once_differentiable(backward: Callable) -> Callable:
    """Decorates a `backward` that may leave the graph: differentiating its results is an error."""

    @functools.wraps(backward)
    def wrapped(context, *grads):
        with grad_mode(False):
            results = backward(context, *grads)
        wants = any(isinstance(g, Tensor) and g.spec.requires_grad for g in grads)
        if not (get_mode().grad and wants):
            return results
        many = results if isinstance(results, tuple) else (results,)
        marked = tuple(r if r is None else forbidden(r) for r in many)
        return marked if isinstance(results, tuple) else marked[0]

    return wrapped


class ErrorEntry:
    """Stands where the graph was left."""

    node_name, wanted, in_specs, out_specs, saved = "DelayedErrorBackward", (), (), (None,), ()
    recompute, plan = False, None

    def __init__(self, cls: type):
        self.cls = cls

    def backward(self, gradient, saved):
        raise RuntimeError("trying to differentiate twice a function that was marked with "
                           "@once_differentiable")

    lifted = backward


def forbidden(tensor: Tensor) -> Tensor:
    """A Tensor that must not be differentiated."""
    node = Node()
    node.entry = ErrorEntry(type(tensor).result_class())
    node.saved, node.edges, node.seq = None, (), next_seq()
    return make_box(node.entry.cls, tensor.value,
                    make_spec(tensor.spec.aval, True, tensor.spec.concrete), node)


# ------------------------------------------------------------------ on traced levels


def apply_traced(function: type, args: tuple):
    """The same rule as a `custom_vjp`: what `forward` saved, and Tensors among the attributes of
    the context, are its residuals."""
    positions = [i for i, a in enumerate(args) if isinstance(a, Tensor)]
    others = [None if isinstance(a, Tensor) else a for a in args]
    needs = tuple(isinstance(a, Tensor) and is_differentiable(a.spec.aval) for a in args)
    last: dict[str, Any] = {}

    def run(tensors: tuple) -> tuple[list, Context]:
        full = list(others)
        for i, t in zip(positions, tensors):
            full[i] = t
        context = Context(needs)
        outs, last["give_back"] = as_outputs(run_forward(function, context, tuple(full)))
        last["plain"] = [None if isinstance(o, Tensor) else o for o in outs]
        found = [o for o in outs if isinstance(o, Tensor)]
        last["dirty"] = [(k, j) for k, o in enumerate(found) for j, t in enumerate(tensors)
                         if o is t and any(t is d for d in context._dirty)]
        return found, context

    def forward(*tensors):
        return run(tensors)[0]

    def fwd(*tensors):
        outs, context = run(tensors)
        kept = {k: v for k, v in vars(context).items() if isinstance(v, Tensor)}
        residuals = context._to_save, kept
        context._to_save = context._dirty = context._without_grad = ()
        vars(context).update(dict.fromkeys(kept))  # the values of a level must not outlive it
        last["context"] = context
        return outs, residuals

    def bwd(residuals, cotangents):
        context = last["context"]
        context._to_save, kept = residuals
        vars(context).update(kept)
        grads = run_backward(function, context, tuple(cotangents), len(needs))
        context._to_save = ()
        vars(context).update(dict.fromkeys(kept))
        return tuple(grads[i] for i in positions)

    forward.__name__ = fwd.__name__ = function.__name__
    bwd.__name__ = f"{function.__name__}Backward"
    rule = custom_vjp(forward)
    rule.defvjp(fwd, bwd)
    outs = rule(*[args[i] for i in positions])
    for k, j in last["dirty"]:
        outs[k] = views.write(args[positions[j]], outs[k])
    found = iter(outs)
    return last["give_back"]([next(found) if p is None else p for p in last["plain"]])
