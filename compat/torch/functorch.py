"""The package `functorch`, from before its functions became `torch.func`. While `torch` means
`compat.torch`, `import functorch` finds this."""

from __future__ import annotations

import copy

from compat.torch.func import (
    functional_call, functionalize, grad, grad_and_value, hessian, jacfwd, jacrev, jvp,
    stack_module_state, vjp, vmap,
)
from compat.torch.nn.module import Module

__all__ = ["combine_state_for_ensemble", "functionalize", "grad", "grad_and_value", "hessian",
           "jacfwd", "jacrev", "jvp", "make_functional", "make_functional_with_buffers", "vjp",
           "vmap"]


class FunctionalModuleWithBuffers:
    """A module as a function of its parameters and buffers, given as tuples."""

    def __init__(self, model: Module):
        self.stateless_model = copy.deepcopy(model)
        self.param_names = [name for name, _ in model.named_parameters()]
        self.buffer_names = [name for name, _ in model.named_buffers()]

    def __call__(self, params, buffers, *args, **kwargs):
        state = dict(zip((*self.param_names, *self.buffer_names), (*params, *buffers),
                         strict=True))
        return functional_call(self.stateless_model, state, args, kwargs)


class FunctionalModule(FunctionalModuleWithBuffers):
    def __call__(self, params, *args, **kwargs):
        return super().__call__(params, (), *args, **kwargs)


def parts(model: Module, disable_autograd_tracking: bool):
    params = [p.detach().clone().requires_grad_(p.requires_grad and not disable_autograd_tracking)
              for p in model.parameters()]
    return tuple(params), tuple(b.detach().clone() for b in model.buffers())


def make_functional(model: Module, disable_autograd_tracking: bool = False):
    """(function of (params, *args), params) of a module without buffers."""
    params, buffers = parts(model, disable_autograd_tracking)
    if buffers:
        raise RuntimeError("make_functional(model): `model` has buffers. Please use "
                           "make_functional_with_buffers(model) instead.")
    return FunctionalModule(model), params


def make_functional_with_buffers(model: Module, disable_autograd_tracking: bool = False):
    """(function of (params, buffers, *args), params, buffers)."""
    return FunctionalModuleWithBuffers(model), *parts(model, disable_autograd_tracking)


def combine_state_for_ensemble(models):
    """(function, params, buffers) of modules of one class, their states stacked for `vmap`."""
    if not models:
        raise RuntimeError("combine_state_for_ensemble: Expected at least one model, got 0.")
    params, buffers = (tuple(x.detach() for x in state.values())
                       for state in stack_module_state(list(models)))
    return FunctionalModuleWithBuffers(models[0]), params, buffers
