"""`torch.utils.checkpoint`: what a block saves for backward is thrown away and computed again.

The block runs under hooks on saved Tensors that keep only their number; when a backward pass asks
for the first of them, the block runs once more and all are there.
"""

from __future__ import annotations

import contextlib
import warnings

from compat.torch import random
from compat.torch.autograd.graph import saved_tensors_hooks
from compat.torch.autograd.modes import enable_grad
from compat.torch.tensor import Tensor
from minigrad.core import EVAL, get_mode

DEBUG = {"enabled": False}


class CheckpointError(RuntimeError):
    """The second run of a block saved other Tensors than the first."""


def noop_context_fn():
    """Two contexts that do nothing: of the first run, and of the second."""
    return contextlib.nullcontext(), contextlib.nullcontext()


class Frame:
    """One run of a block, and how to run it again."""

    def __init__(self, run, again, preserve_rng_state: bool):
        self.run, self.again = run, again
        self.state = random.get_rng_state() if preserve_rng_state else None
        self.saved: list = []  # (shape, dtype) of what the first run would have saved
        self.values: list = []

    def pack(self, tensor):
        self.saved.append((tensor.shape, tensor.dtype))
        return len(self.saved) - 1

    def unpack(self, number: int):
        if not self.values:
            self.recompute()
        return self.values[number]

    def recompute(self) -> None:
        found: list = []

        def keep(tensor):
            found.append(tensor.detach())
            return tensor

        with random.fork_rng(enabled=self.state is not None):
            if self.state is not None:
                random.set_rng_state(self.state)
            with enable_grad(), saved_tensors_hooks(keep, lambda x: x), self.again:
                self.run()
        if len(found) != len(self.saved):
            raise CheckpointError(
                "torch.utils.checkpoint: A different number of tensors was saved during the "
                f"original forward and recomputation.\nNumber of tensors saved during forward: "
                f"{len(self.saved)}\nNumber of tensors saved during recomputation: {len(found)}.")
        for i, (x, (shape, dtype)) in enumerate(zip(found, self.saved)):
            if (x.shape, x.dtype) != (shape, dtype):
                raise CheckpointError(
                    "torch.utils.checkpoint: Recomputed values for the following tensors have "
                    "different metadata than during the forward pass.\ntensor at position "
                    f"{i}:\nsaved metadata: {shape}, {dtype}\nrecomputed metadata: {x.shape}, "
                    f"{x.dtype}")
        self.values = found


def checkpoint(function, *args, use_reentrant=None, context_fn=noop_context_fn,
               determinism_check="default", debug=False, early_stop=True,
               preserve_rng_state=True, **kwargs):
    """function(*args, **kwargs), computed again when its gradient is wanted."""
    mode = get_mode()
    if not mode.grad or mode.trace is not EVAL:
        return function(*args, **kwargs)
    first, again = context_fn()
    if use_reentrant:
        check_backward_validity(args)
    frame = Frame(lambda: function(*args, **kwargs), again, preserve_rng_state)
    with saved_tensors_hooks(frame.pack, frame.unpack), first:
        return frame.run()


def checkpoint_sequential(functions, segments, input, use_reentrant=None, preserve_rng_state=True,
                          **kwargs):
    """A sequence of functions, checkpointed in segments; the last one runs as it is."""
    layers = list(functions.children()) if hasattr(functions, "children") else list(functions)

    def chain(part):
        def run(x):
            for layer in part:
                x = layer(x)
            return x

        return run

    size = len(layers) // segments
    for i in range(segments - 1):
        input = checkpoint(chain(layers[i * size:(i + 1) * size]), input,
                           use_reentrant=use_reentrant, preserve_rng_state=preserve_rng_state)
    return chain(layers[(segments - 1) * size:])(input)


def check_backward_validity(inputs) -> None:
    """Warn where no input wants a gradient."""
    if not any(x.requires_grad for x in inputs if isinstance(x, Tensor)):
        warnings.warn("None of the inputs have requires_grad=True. Gradients will be None",
                      stacklevel=3)


def detach_variable(inputs):
    """Copies of the inputs that are leaves with the same wishes."""
    if not isinstance(inputs, tuple):
        raise RuntimeError("Only tuple of tensors is supported. Got Unsupported input type: "
                           f"{type(inputs).__name__}")
    return tuple(x.detach().requires_grad_(x.requires_grad) if isinstance(x, Tensor) else x
                 for x in inputs)


def set_checkpoint_debug_enabled(enabled) -> contextlib.AbstractContextManager:
    """Accepted for compatibility."""
    DEBUG["enabled"] = enabled
    return contextlib.nullcontext()


class CheckpointFunction:
    """The older form: `apply(run_function, preserve_rng_state, *args)`."""

    @staticmethod
    def apply(run_function, preserve_rng_state, *args):
        return checkpoint(run_function, *args, preserve_rng_state=preserve_rng_state)
