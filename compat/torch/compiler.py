"""`torch.compile`: staging by minigrad's jit, with parameters and state as cells."""

from __future__ import annotations

import functools

import minigrad
from compat.torch.nn.module import Module
from compat.torch.tensor import Tensor


class OptimizedModule(Module):
    """A module whose forward is staged; everything else is the module's own."""

    def __init__(self, module: Module):
        super().__init__()
        self._orig_mod = module
        object.__setattr__(self, "staged", minigrad.jit(module.__call__, cls=Tensor))

    def forward(self, *args, **kwargs):
        return self.staged(*args, **kwargs)

    def __getattr__(self, name):
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(self._modules["_orig_mod"], name)

    def train(self, mode: bool = True):
        object.__setattr__(self, "staged", minigrad.jit(self._orig_mod.__call__, cls=Tensor))
        return super().train(mode)


def compile(model=None, *, fullgraph=False, dynamic=None, backend="minigrad", mode=None,
            options=None, disable=False):
    """Stage a function or a module: the first call with given shapes traces it, later calls run
    the program. Whole training steps are welcome, with `backward()` and `optimizer.step()`."""
    if model is None:
        return functools.partial(compile, fullgraph=fullgraph, dynamic=dynamic, backend=backend,
                                 mode=mode, options=options, disable=disable)
    if disable:
        return model
    return OptimizedModule(model) if isinstance(model, Module) else \
        minigrad.jit(model, cls=Tensor)
