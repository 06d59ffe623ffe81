"""`torch.jit`: a script and a trace are the function or the module itself, called as it is.

Python runs here as it stands, so there is nothing to translate; `torch.compile` stages. What only
TorchScript's own files and graphs can give (`save`, `load`, `.graph`) is refused by name.
"""

from __future__ import annotations

import copy
import functools
import inspect
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final  # noqa: F401  (`torch.jit.Final` annotates)

from compat.torch.nn.module import Module

Error = type("Error", (RuntimeError,), {})
TracerWarning = type("TracerWarning", (Warning,), {})
Attribute = type("Attribute", (), {"__new__": lambda cls, value, type=None: value})


class Scripted:
    """What scripts and traces share."""

    @property
    def code(self) -> str:
        """The source that runs."""
        return inspect.getsource(getattr(self, "forward", None) or self.function)

    @property
    def graph(self):
        raise NotImplementedError("torch.jit graphs have no meaning here; minigrad.make_jaxpr "
                                  "shows the program of a function")

    def save(self, f, **_) -> None:
        save(self, f)


class ScriptFunction(Scripted):
    """A scripted or traced function."""

    def __init__(self, function):
        functools.update_wrapper(self, function)
        self.function, self.name = function, function.__name__

    def __call__(self, *args, **kwargs):
        return self.function(*args, **kwargs)


class ScriptModule(Module, Scripted):
    """The base of scripted modules, also of those that a program writes."""


@functools.cache
def scripted_class(cls: type) -> type:
    return type("RecursiveScriptModule", (cls, ScriptModule), {
        "extra_repr": lambda self: f"original_name={self.original_name}",
        "original_name": cls.__name__, "__module__": "torch.jit._script"})


def scripted(module: Module, memo: dict) -> Module:
    """The module under a class that says that it is scripted; parameters and buffers are shared."""
    if module not in memo:
        made = memo[module] = copy.copy(module)
        made.__dict__ = dict(module.__dict__)
        object.__setattr__(made, "__class__", scripted_class(type(module)))
        made._modules = {name: child and scripted(child, memo)
                         for name, child in module._modules.items()}
    return memo[module]


def script(obj, optimize=None, _frames_up=0, _rcb=None, example_inputs=None):
    """`obj` as it is: a function, a module (with its modules) or a class."""
    if isinstance(obj, (ScriptModule, ScriptFunction, type)):
        return obj
    return scripted(obj, {}) if isinstance(obj, Module) else ScriptFunction(obj)


def trace(func, example_inputs=None, *_, example_kwarg_inputs=None, **options):
    """`func`, after one call on the examples. Branches on data stay branches."""
    examples = example_inputs if isinstance(example_inputs, tuple) else (example_inputs,)
    func(*(() if example_inputs is None else examples), **(example_kwarg_inputs or {}))
    return script(func)


def trace_module(mod: Module, inputs: dict, *_, **options):
    """`mod`, after one call of each method on its examples."""
    for name, given in inputs.items():
        getattr(mod, name)(*(given if isinstance(given, tuple) else (given,)))
    return script(mod)


def same(obj=None, *_, **options) -> Any:
    """Also a decorator with arguments: `@torch.jit.ignore(drop=True)`."""
    return obj if obj is not None and not isinstance(obj, bool) else lambda obj: obj


ignore = unused = export = interface = freeze = optimize_for_inference = same
script_if_tracing = script_method = same


def annotate(the_type, the_value):
    return the_value


def is_scripting() -> bool:
    return False


is_tracing = is_scripting
isinstance = isinstance  # noqa: A001, PLW0127


def fork(func, *args, **kwargs):
    """Start a call; `wait` gives its result."""
    pool = ThreadPoolExecutor(1)
    future = pool.submit(func, *args, **kwargs)
    pool.shutdown(wait=False)
    return future


def wait(future):
    return future.result()


def save(m, f, **_) -> None:
    raise NotImplementedError("torch.jit.save: a scripted module has no file format here; save "
                              "its state_dict() with torch.save")


def load(f, *_, **options):
    raise NotImplementedError("torch.jit.load: TorchScript files cannot be read here; load a "
                              "state_dict with torch.load, or import a program with "
                              "compat.from_torch")


def set_fusion_strategy(strategy) -> None:
    """Accepted; nothing is fused between calls."""


class strict_fusion:
    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass
