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


class Variant:
    """A function staged for one structure of arguments and one choice of what is no Tensor in
    them: `fixed` has None where `jitted` takes a Tensor, and elsewhere (type, value)."""

    def __init__(self, fn: Callable, tree, fixed: tuple):
        self.fn, self.tree, self.fixed = fn, tree, fixed
        self.out_tree, self.out_fixed = None, None  # None: results are Tensors alone
        self.jitted = minigrad.jit(self.call, cls=Tensor)
        self.jitted.name = getattr(fn, "__name__", "compiled")

    def call(self, *tensors):
        given = iter(tensors)
        args, kwargs = tree_unflatten(
            self.tree, [next(given) if f is None else f[1] for f in self.fixed])
        result = self.fn(*args, **kwargs)
        leaves, self.out_tree = tree_flatten(result)
        fixed = [None if isinstance(r, core.Tensor) else (r,) for r in leaves]
        self.out_fixed = fixed if any(fixed) else None
        return [r for r in leaves if isinstance(r, core.Tensor)] if any(fixed) else result

    def __call__(self, tensors):
        result = self.jitted(*tensors)
        if self.out_fixed is None:
            return result
        found = iter(result)
        return tree_unflatten(self.out_tree,
                              [next(found) if f is None else f[0] for f in self.out_fixed])

    def direct(self, tensors):
        """The program that alone does a call with these Tensors; None: there is more to do."""
        if self.out_fixed is None:
            for staged in next(iter(self.jitted.programs.values()), ()):
                if staged.launch is not None and staged.fits(tensors):
                    return staged
        return None


class Compiled:
    """A function with its programs. Tensors are operands; numbers, strings and whatever else are
    part of the key, as PyTorch specialises on them: `k` may be a size or decide a branch."""

    def __init__(self, fn: Callable, fullgraph: bool = False):
        functools.update_wrapper(self, fn)
        self.fn, self.fullgraph = fn, fullgraph
        self.variants: dict = {}
        self.direct: dict = {}  # programs for calls with Tensors alone

    @property
    def traces(self) -> int:
        """How often the function was staged."""
        return sum(v.jitted.traces for v in self.variants.values() if v is not None)

    def __get__(self, instance, owner):
        return self if instance is None else functools.partial(self, instance)

    def __call__(self, *args, **kwargs):
        key = None
        if not kwargs:
            try:
                key = (get_mode(), *[x.spec for x in args], *map(type, args))
            except AttributeError:  # not Tensors alone
                return self.slow_call(args, kwargs, None)
            staged = self.direct.get(key)
            if staged is not None and staged.fits(args):
                return staged.launch(args)
        return self.slow_call(args, kwargs, key)

    def slow_call(self, args, kwargs, direct):
        leaves, tree = tree_flatten((args, kwargs))
        tensors = [x for x in leaves if isinstance(x, core.Tensor)]
        fixed = tuple(None if isinstance(x, core.Tensor) else (type(x), x) for x in leaves)
        key = tree, fixed, get_mode().grad, tuple(t.spec for t in tensors)
        if key not in self.variants:
            self.variants[key] = Variant(self.fn, tree, fixed)
        variant = self.variants[key]
        if variant is None:
            return self.fn(*args, **kwargs)
        try:
            results = variant(tensors)
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
                RuntimeWarning, stacklevel=3)
            return self.fn(*args, **kwargs)
        if direct is not None and get_mode().trace is core.EVAL:
            self.direct[direct] = variant.direct(tensors)
        return results


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
