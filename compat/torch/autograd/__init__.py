"""`torch.autograd`: gradients, grad modes, and functions with a backward of their own."""

from __future__ import annotations

from compat.torch.autograd import modes
from compat.torch.autograd.modes import (
    enable_grad, inference_mode, is_grad_enabled, is_inference_mode_enabled, no_grad,
    set_grad_enabled,
)
from compat.torch.joining import stack
from compat.torch.tensor import Tensor
from minigrad import core, tape
from minigrad.imperative.function import Function, once_differentiable
from minigrad.imperative.views import detach


class Variables(type):
    def __call__(cls, data=None, requires_grad=False, volatile=None):
        if not isinstance(data, core.Tensor):
            raise TypeError(f"Variable data has to be a tensor, but got {type(data).__name__}")
        return detach(data).requires_grad_(requires_grad)

    def __instancecheck__(cls, x) -> bool:
        return isinstance(x, Tensor)


class Variable(metaclass=Variables):
    """The older name of a Tensor: `Variable(x)` is `x` outside the graph, a leaf."""


def grad(outputs, inputs, grad_outputs=None, retain_graph=None, create_graph=False,
         only_inputs=True, allow_unused=None, is_grads_batched=False, materialize_grads=False):
    """Gradients of `outputs` with respect to `inputs`, returned as a tuple. is_grads_batched: the
    vectors of `grad_outputs` have a batch dimension in front, and so have the gradients."""
    if is_grads_batched:
        outs = [outputs] if isinstance(outputs, core.Tensor) else list(outputs)
        given = [grad_outputs] if isinstance(grad_outputs, core.Tensor) else list(grad_outputs)
        rows = [tape.grad(outs, inputs, [g[i] for g in given], True, create_graph, allow_unused,
                          materialize_grads) for i in range(len(given[0]))]
        return tuple(None if parts[0] is None else stack(list(parts)) for parts in zip(*rows))
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


class set_multithreading_enabled:
    """Accepted for compatibility: a backward pass runs on the thread that called it."""

    def __init__(self, mode: bool):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass


from compat.torch.autograd import forward_ad, function, functional, graph, profiler  # noqa: E402
from compat.torch.autograd.anomaly import detect_anomaly, set_detect_anomaly  # noqa: E402
from compat.torch.autograd.gradcheck import gradcheck, gradgradcheck  # noqa: E402

__all__ = [
    "Function", "Variable", "backward", "detect_anomaly", "enable_grad", "forward_ad", "function",
    "functional", "grad", "gradcheck", "gradgradcheck", "graph", "inference_mode",
    "is_grad_enabled", "is_inference_mode_enabled", "modes", "no_grad", "once_differentiable",
    "profiler", "set_detect_anomaly", "set_grad_enabled", "set_multithreading_enabled"]
