"""`torch.autograd`: gradients, grad modes, and functions with a backward of their own."""

from __future__ import annotations

import functools
from typing import Any

from compat.torch.tensor import Tensor
from minigrad import core, tape
from minigrad.core import get_mode, make_box, make_spec, unbox_value

backward_of_tensor = tape.backward


def grad(outputs, inputs, grad_outputs=None, retain_graph=None, create_graph=False,
         only_inputs=True, allow_unused=None, is_grads_batched=False, materialize_grads=False):
    """Gradients of `outputs` with respect to `inputs`, returned as a tuple."""
    return tape.grad(outputs, inputs, grad_outputs, retain_graph, create_graph, allow_unused,
                     materialize_grads)


def backward(tensors, grad_tensors=None, retain_graph=None, create_graph=False, inputs=None):
    """Accumulate the gradients of several tensors into the leaves."""
    tensors = [tensors] if isinstance(tensors, core.Tensor) else list(tensors)
    if grad_tensors is None or isinstance(grad_tensors, core.Tensor):
        grad_tensors = [grad_tensors] * len(tensors)
    for i, (t, g) in enumerate(zip(tensors, grad_tensors)):
        keep = retain_graph or i + 1 < len(tensors)
        tape.backward(t, g, keep or None, create_graph, inputs)


# ------------------------------------------------------------------ grad modes


class Mode(tape.grad_mode):
    """A context manager and decorator; also of generators, between whose steps it rests."""

    def __call__(self, function):
        return super().__call__(function)


class no_grad(Mode):
    """Nothing is recorded inside."""

    def __new__(cls, function=None):
        made = super().__new__(cls)
        made.__init__()
        return made if function is None else made(function)

    def __init__(self):
        super().__init__(False)


class enable_grad(Mode):
    """Recording goes on inside, also within no_grad."""

    def __new__(cls, function=None):
        made = super().__new__(cls)
        made.__init__()
        return made if function is None else made(function)

    def __init__(self):
        super().__init__(True)


class inference_mode(Mode):
    """As no_grad, for results that never meet a gradient."""

    def __init__(self, mode: bool = True):
        super().__init__(not mode, inference=mode)


class set_grad_enabled(Mode):
    """Switch recording on or off: at once, and back again if used as a context manager."""

    def __init__(self, mode: bool):
        super().__init__(bool(mode))
        super().__enter__()

    def __enter__(self):
        pass


def is_grad_enabled() -> bool:
    return get_mode().grad


def is_inference_mode_enabled() -> bool:
    return get_mode().inference


class detect_anomaly:
    """Accepted for compatibility; gradients are not checked for nan."""

    def __init__(self, check_nan: bool = True):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass


def set_detect_anomaly(mode: bool, check_nan: bool = True) -> detect_anomaly:
    return detect_anomaly()


# ------------------------------------------------------------------ functions of the user


class Context:
    """What `forward` leaves for `backward`."""

    def __init__(self):
        self._saved: tuple = ()
        self._dirty: tuple = ()
        self._without_grad: tuple = ()
        self.needs_input_grad: tuple = ()
        self._materialize = True

    def save_for_backward(self, *tensors) -> None:
        self._saved = tensors

    @property
    def saved_tensors(self) -> tuple:
        return self._saved

    def mark_dirty(self, *tensors) -> None:
        self._dirty = tensors

    def mark_non_differentiable(self, *tensors) -> None:
        self._without_grad = tensors

    def set_materialize_grads(self, value: bool) -> None:
        self._materialize = value


class CustomEntry:
    """What the tape asks of an operation, answered by the user's `backward`."""

    saved, recompute, view, cls = (), False, None, Tensor

    def __init__(self, function, context, inputs, wanted, outs, differentiable):
        self.function, self.context = function, context
        self.node_name = f"{function.__name__}Backward"
        self.wanted = wanted
        self.in_specs = [getattr(x, "spec", None) for x in inputs]
        self.out_avals = [o.spec.aval for o in outs]
        self.out_specs = [make_spec(o.spec.aval, d, o.spec.concrete)
                          for o, d in zip(outs, differentiable)]

    def lifted(self, gradient, saved):
        given = gradient if len(self.out_specs) != 1 else (gradient,)
        found = iter(given)
        full = [next(found) if s.requires_grad else None for s in self.out_specs]
        results = self.function.backward(self.context, *full)
        results = results if isinstance(results, tuple) else (results,)
        count = len(self.in_specs)
        if len(results) < count or any(r is not None for r in results[count:]):
            raise RuntimeError(f"function {self.node_name} returned an incorrect number of "
                               f"gradients (expected {count}, got {len(results)})")
        parts = tuple(results[i] for i in self.wanted)
        return parts if len(parts) != 1 else parts[0]

    def backward(self, gradient, saved):
        """Over bare arrays: box, run, unbox."""
        box = functools.partial(core.box, cls=Tensor)
        boxed = tuple(map(box, gradient)) if len(self.out_specs) != 1 else box(gradient)
        parts = self.lifted(boxed, saved)
        return tuple(map(unbox_value, parts)) if isinstance(parts, tuple) else unbox_value(parts)


class Function:
    """A function with its own derivative: static methods `forward(ctx, ...)` and
    `backward(ctx, *grads)`. Source: torch.autograd.Function."""

    @classmethod
    def apply(cls, *args, **kwargs) -> Any:
        mode = get_mode()
        args = tuple(tape.current(a) if isinstance(a, core.Tensor) else a for a in args)
        wanted = tuple(i for i, a in enumerate(args)
                       if isinstance(a, core.Tensor) and a.spec.requires_grad)
        context = Context()
        context.needs_input_grad = tuple(i in wanted for i in range(len(args)))
        two_steps = hasattr(cls, "setup_context")
        with tape.grad_mode(False):
            out = cls.forward(*args, **kwargs) if two_steps else \
                cls.forward(context, *args, **kwargs)
            if two_steps:
                cls.setup_context(context, args, out)
        if not (mode.grad and wanted):
            return out
        return record(cls, context, args, wanted, out)


def record(function, context, args, wanted, out):
    """Leave the node behind the outputs."""
    many = isinstance(out, (tuple, list))
    outs = list(out) if many else [out]
    boxes = [o if isinstance(o, Tensor) else None for o in outs]
    tensors = [o for o in boxes if o is not None]
    without = {id(t) for t in context._without_grad}
    differentiable = [id(t) not in without and t.dtype.kind in "fc" for t in tensors]
    entry = CustomEntry(function, context, args, wanted, tensors, differentiable)
    node = tape.Node()
    edges = tuple(args[i].node for i in wanted)
    node.entry, node.seq = entry, tape.next_seq()
    node.edges, node.saved = edges if len(edges) != 1 else edges[0], ()
    made = []
    for j, (t, spec) in enumerate(zip(tensors, entry.out_specs)):
        target = t if any(t is d for d in context._dirty) else make_box(Tensor, t.value, spec)
        target.spec = spec
        if spec.requires_grad:
            target.node = node if len(tensors) == 1 else tape.pick(node, j)
        made.append(target)
    found = iter(made)
    outs = [next(found) if b is not None else o for o, b in zip(outs, boxes)]
    return tuple(outs) if many else outs[0]
