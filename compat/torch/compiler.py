"""`torch.compile`: staging by minigrad's jit, with parameters and state as cells."""

from __future__ import annotations

import collections
import functools
import warnings
from collections.abc import Callable

import minigrad
from compat.torch.nn.module import Module
from compat.torch.tensor import Tensor
from minigrad import core, errors
from minigrad.core import get_mode
from minigrad.tree import tree_flatten, tree_unflatten


class Compiled:
    """A function with its programs. Tensors are operands; numbers, strings and whatever else are
    part of the key, as PyTorch specialises on them: `k` may be a size or decide a branch."""

    def __init__(self, fn: Callable, fullgraph: bool = False):
        functools.update_wrapper(self, fn)
        self.fn, self.fullgraph = fn, fullgraph
        self.variants: dict = {}

    @property
    def traces(self) -> int:
        """How often the function was staged."""
        return sum(staged.traces for staged, _ in filter(None, self.variants.values()))

    def __get__(self, instance, owner):
        return self if instance is None else functools.partial(self, instance)

    def __call__(self, *args, **kwargs):
        leaves, tree = tree_flatten((args, kwargs))
        tensors = [x for x in leaves if isinstance(x, core.Tensor)]
        fixed = tuple(None if isinstance(x, core.Tensor) else (type(x), x) for x in leaves)
        key = tree, fixed, get_mode().grad, tuple(t.spec for t in tensors)
        if key not in self.variants:
            self.variants[key] = self.variant(tree, fixed)
        if self.variants[key] is None:
            return self.fn(*args, **kwargs)
        staged, rebuild = self.variants[key]
        try:
            results = staged(*tensors)
        except NEEDS_VALUES as error:
            if self.fullgraph or get_mode().trace is not core.EVAL:
                raise
            self.variants[key] = None
            name = getattr(self.fn, "__name__", repr(self.fn))
            line = user_frame(error.__traceback__)
            warnings.warn(
                f"torch.compile: {name} runs eagerly for these arguments, because it needs the "
                f"value of a Tensor in Python, at {line}. Compute with Tensors there "
                "(torch.where instead of `if`), or move it out of the compiled function.",
                RuntimeWarning, stacklevel=2)
            return self.fn(*args, **kwargs)
        return rebuild(results)

    def variant(self, tree, fixed):
        """(the staged function of Tensors alone, what makes the user's result of its results)."""
        out: dict = {}

        def call(*tensors):
            given = iter(tensors)
            leaves = [next(given) if f is None else f[1] for f in fixed]
            args, kwargs = tree_unflatten(tree, leaves)
            results, out["tree"] = tree_flatten(self.fn(*args, **kwargs))
            out["fixed"] = [None if isinstance(r, core.Tensor) else (r,) for r in results]
            return [r for r in results if isinstance(r, core.Tensor)]

        def rebuild(results):
            found = iter(results)
            return tree_unflatten(out["tree"], [
                next(found) if f is None else f[0] for f in out["fixed"]])

        call.__name__ = getattr(self.fn, "__name__", "compiled")
        return minigrad.jit(call, cls=Tensor), rebuild


# a traced value was wanted as a bool, a number or an array
NEEDS_VALUES = (errors.ConcretizationTypeError, errors.TracerIntegerConversionError,
                errors.TracerArrayConversionError)


def user_frame(traceback) -> str:
    """The innermost line of the user's that an error went through."""
    found = "an unknown line"
    while traceback is not None:
        code = traceback.tb_frame.f_code
        if not errors.is_own(code.co_filename):
            found = f"{code.co_filename}:{traceback.tb_lineno} ({code.co_name})"
        traceback = traceback.tb_next
    return found


class OptimizedModule(Module):
    """A module whose call is staged, once for each choice of modules in training; everything else
    is the module's own."""

    def __init__(self, module: Module, fullgraph: bool = False):
        super().__init__()
        self._orig_mod = module
        self.training = module.training
        object.__setattr__(self, "staged", collections.defaultdict(
            lambda: Compiled(module.__call__, fullgraph)))

    def forward(self, *args, **kwargs):
        return self.staged[tuple(m.training for m in self._orig_mod.modules())](*args, **kwargs)

    def __getattr__(self, name):
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(self._modules["_orig_mod"], name)


def compile(model=None, *, fullgraph=False, dynamic=None, backend="minigrad", mode=None,
            options=None, disable=False):
    """Stage a function or a module: the first call with given shapes traces it, later calls run
    the program. Whole training steps are welcome, with `backward()` and `optimizer.step()`. Where
    Python needs a Tensor's value (`if x.sum() > 0`) the call runs eagerly, with a warning that
    names the line; `fullgraph=True` makes that an error."""
    if model is None:
        return functools.partial(compile, fullgraph=fullgraph, dynamic=dynamic, backend=backend,
                                 mode=mode, options=options, disable=disable)
    if disable:
        return model
    kind = OptimizedModule if isinstance(model, Module) else Compiled
    return kind(model, fullgraph)
