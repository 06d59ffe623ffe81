"""`torch.autograd`: gradients, grad modes, and functions with a backward of their own."""

from __future__ import annotations


from minigrad import core, tape
from minigrad.core import get_mode
from minigrad.imperative.function import Function, once_differentiable  # noqa: F401  (names of torch's)

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
