"""Hooks of modules: around forward, around backward, around state dicts."""

from __future__ import annotations

import functools
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from compat.torch.autograd import Function, is_grad_enabled
from compat.torch.tensor import Tensor
from minigrad.imperative.hooks import RemovableHandle

HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks",
         "_state_dict_hooks", "_state_dict_pre_hooks", "_load_state_dict_pre_hooks",
         "_load_state_dict_post_hooks")


# Hooks of all modules, run before a module's own; PyTorch has them in `nn.modules.module`.
EVERYWHERE: OrderedDict = OrderedDict()  # (kind, hook)


def register_module_forward_hook(hook: Callable, *, with_kwargs=False,
                                 always_call=False) -> RemovableHandle:
    """Call `hook(module, args, output)` after every module's forward."""
    return RemovableHandle(EVERYWHERE, ("forward", flagged(hook, with_kwargs, always_call)))


def register_module_forward_pre_hook(hook: Callable) -> RemovableHandle:
    """Call `hook(module, args)` before every module's forward."""
    return RemovableHandle(EVERYWHERE, ("forward_pre", hook))


def register_module_full_backward_hook(hook: Callable) -> RemovableHandle:
    """Call `hook(module, grad_input, grad_output)` after every module's backward."""
    return RemovableHandle(EVERYWHERE, ("backward", hook))


register_module_backward_hook = register_module_full_backward_hook


def register_module_full_backward_pre_hook(hook: Callable) -> RemovableHandle:
    """Call `hook(module, grad_output)` before every module's backward."""
    return RemovableHandle(EVERYWHERE, ("backward_pre", hook))


def hooks_of(module, kind: str) -> list:
    """The hooks of all modules and then this one's."""
    everywhere = [hook for known, hook in EVERYWHERE.values() if known == kind]
    return everywhere + list(getattr(module, f"_{kind}_hooks").values())


class Flagged:
    """A forward hook that wants more than others; those stand in their dicts as they are."""

    def __init__(self, hook: Callable, with_kwargs: bool, always_call: bool = False):
        self.hook, self.with_kwargs, self.always_call = hook, with_kwargs, always_call

    def __call__(self, module, args, kwargs, *out):
        return self.hook(module, args, kwargs, *out) if self.with_kwargs else \
            self.hook(module, args, *out)


def flagged(hook: Callable, with_kwargs: bool, always_call: bool = False) -> Callable:
    return Flagged(hook, with_kwargs, always_call) if with_kwargs or always_call else hook


def call_hook(hook: Callable, module, args, kwargs, *out):
    """What a forward hook or a forward pre-hook returns."""
    return hook(module, args, kwargs, *out) if isinstance(hook, Flagged) else \
        hook(module, args, *out)


class Hooked:
    """The part of a module that takes hooks. Each kind has an ordered dict of its own."""

    _forward_hooks: OrderedDict
    _forward_pre_hooks: OrderedDict
    _backward_hooks: OrderedDict
    _backward_pre_hooks: OrderedDict
    _state_dict_hooks: OrderedDict
    _state_dict_pre_hooks: OrderedDict
    _load_state_dict_pre_hooks: OrderedDict
    _load_state_dict_post_hooks: OrderedDict

    def register_forward_hook(self, hook: Callable, *, prepend=False, with_kwargs=False,
                              always_call=False) -> RemovableHandle:
        """Call `hook(module, args, output)` after forward; what it returns replaces the output."""
        return RemovableHandle(self._forward_hooks, flagged(hook, with_kwargs, always_call),
                               prepend)

    def register_forward_pre_hook(self, hook: Callable, *, prepend=False,
                                  with_kwargs=False) -> RemovableHandle:
        """Call `hook(module, args)` before forward; what it returns replaces the arguments."""
        return RemovableHandle(self._forward_pre_hooks, flagged(hook, with_kwargs), prepend)

    def register_full_backward_hook(self, hook: Callable, prepend=False) -> RemovableHandle:
        """Call `hook(module, grad_input, grad_output)` when the gradients of the inputs are there;
        what it returns replaces them."""
        return RemovableHandle(self._backward_hooks, hook, prepend)

    register_backward_hook = register_full_backward_hook

    def register_full_backward_pre_hook(self, hook: Callable, prepend=False) -> RemovableHandle:
        """Call `hook(module, grad_output)` when the gradients of the outputs arrive."""
        return RemovableHandle(self._backward_pre_hooks, hook, prepend)

    def register_state_dict_pre_hook(self, hook: Callable) -> RemovableHandle:
        """Call `hook(module, prefix, keep_vars)` before this module's state is listed."""
        return RemovableHandle(self._state_dict_pre_hooks, hook)

    def register_state_dict_post_hook(self, hook: Callable) -> RemovableHandle:
        """Call `hook(module, state_dict, prefix, local_metadata)` afterwards."""
        return RemovableHandle(self._state_dict_hooks, hook)

    _register_state_dict_hook = register_state_dict_post_hook

    def register_load_state_dict_pre_hook(self, hook: Callable) -> RemovableHandle:
        """Call `hook(module, state_dict, prefix, local_metadata, strict, missing_keys,
        unexpected_keys, error_msgs)` before values are loaded."""
        return RemovableHandle(self._load_state_dict_pre_hooks, functools.partial(hook, self))

    def _register_load_state_dict_pre_hook(self, hook, with_module=False) -> RemovableHandle:
        return self.register_load_state_dict_pre_hook(hook) if with_module else \
            RemovableHandle(self._load_state_dict_pre_hooks, hook)

    def register_load_state_dict_post_hook(self, hook: Callable) -> RemovableHandle:
        """Call `hook(module, incompatible_keys)` after values were loaded."""
        return RemovableHandle(self._load_state_dict_post_hooks, hook)


# ------------------------------------------------------------------ backward hooks


class BackwardHookFunction(Function):
    """Passes Tensors on; its backward shows their gradients to the module's hooks."""

    @staticmethod
    def forward(ctx, seen, *tensors):
        ctx.seen = seen
        return tuple(x.view_as(x) for x in tensors)

    @staticmethod
    def backward(ctx, *grads):
        return None, *ctx.seen(grads)


class Boundaries:
    """Where a module begins and ends in the graph."""

    def __init__(self, module):
        self.module, self.count, self.by_output = module, 0, False
        self.grad_output: Any = None

    def passed(self, values: tuple, seen: Callable) -> tuple:
        """`values`, the Tensors that want a gradient through a function that shows it."""
        places = [i for i, v in enumerate(values) if isinstance(v, Tensor) and v.requires_grad]
        if not places or not is_grad_enabled():
            return values
        out = list(values)

        def spread(grads):
            full = [None] * len(values)
            for i, g in zip(places, grads):
                full[i] = g
            full = seen(tuple(full))
            return [full[i] for i in places]

        new = BackwardHookFunction.apply(spread, *[values[i] for i in places])
        for i, v in zip(places, new):
            out[i] = v
        return tuple(out)

    def enter(self, args: tuple) -> tuple:
        self.count = len(args)
        given = self.passed(args, self.on_inputs)
        self.by_output = given is args
        return given

    def leave(self, out):
        many = isinstance(out, (tuple, list))
        given = self.passed(tuple(out) if many else (out,), self.on_outputs)
        return type(out)(given) if many and not hasattr(out, "_fields") else \
            type(out)(*given) if many else given[0]

    def on_outputs(self, grads: tuple) -> tuple:
        for hook in hooks_of(self.module, "backward_pre"):
            grads = replaced(grads, hook(self.module, grads), "pre hook", "grad_output")
        self.grad_output = grads
        if self.by_output:  # no input wants a gradient
            self.on_inputs((None,) * self.count)
        return grads

    def on_inputs(self, grads: tuple) -> tuple:
        for hook in hooks_of(self.module, "backward"):
            grads = replaced(grads, hook(self.module, grads, self.grad_output), "hook",
                             "grad_input")
        return grads


def replaced(grads: tuple, result, kind: str, what: str) -> tuple:
    """The gradients after a hook returned `result` for them, or None."""
    if result is None:
        return grads
    result = result if isinstance(result, tuple) else (result,)
    if len(result) != len(grads):
        raise RuntimeError(f"Backward {kind} returned an invalid number of {what}, got "
                           f"{len(result)}, but expected {len(grads)}")
    return result
