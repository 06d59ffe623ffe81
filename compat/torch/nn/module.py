"""`torch.nn.Module`: a tree of layers that owns parameters and buffers."""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from compat.torch.autograd import no_grad
from compat.torch.dtypes import dtype as Dtype
from compat.torch.nn.hooks import (  # noqa: F401  (PyTorch has the hooks of all modules here)
    EVERYWHERE, HOOKS, Boundaries, Flagged, call_hook, hooks_of, register_module_backward_hook,
    register_module_forward_hook, register_module_forward_pre_hook,
    register_module_full_backward_hook, register_module_full_backward_pre_hook,
)
from compat.torch.nn.state import Stateful
from compat.torch.tensor import Buffer, Parameter, Tensor

STORES = {  # what is held: one, before `__init__`, in the place of one, what may take the place
    "_parameters": ("parameter", "parameters", "parameter", "torch.nn.Parameter or None"),
    "_buffers": ("buffer", "buffer", "buffer", "torch.Tensor, torch.nn.Buffer, or None"),
    "_modules": ("module", "module", "child module", "torch.nn.Module or None"),
}


class Module(Stateful):
    """Base class of all layers. Attributes that are Parameters, buffers or Modules are registered
    under their names; everything else is an ordinary attribute."""

    training: bool
    dump_patches = False
    call_super_init = False
    _version: int = 1

    def __init__(self, *args, **kwargs):
        set_plain = super().__setattr__
        for store in STORES:
            set_plain(store, {})
        set_plain("training", True)
        set_plain("_non_persistent_buffers_set", set())
        for hooks in HOOKS:
            set_plain(hooks, OrderedDict())

    # ---------------------------------------------------------------- attributes

    def __getattr__(self, name: str) -> Any:
        for store in STORES:
            found = self.__dict__.get(store)
            if found is not None and name in found:
                return found[name]
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def __setattr__(self, name: str, value) -> None:
        stores = self.__dict__
        kind = "_parameters" if isinstance(value, Parameter) else \
            "_modules" if isinstance(value, Module) else \
            "_buffers" if isinstance(value, Buffer) else None
        if kind is not None:
            if kind not in stores:
                raise AttributeError(f"cannot assign {STORES[kind][1]} before Module.__init__() "
                                     "call")
            self.forget(name, but=kind)
            if kind == "_buffers":
                self.register_buffer(name, value, value.persistent)
            else:
                stores[kind][name] = value
            return
        for store in STORES:
            if name in stores.get(store, ()):
                self.replace(store, name, value)
                return
        super().__setattr__(name, value)

    def replace(self, store: str, name: str, value) -> None:
        """Assign something else to a registered name: None, or a Tensor to a buffer."""
        if value is not None and not (store == "_buffers" and isinstance(value, Tensor)):
            *_, kind, expected = STORES[store]
            raise TypeError(f"cannot assign '{kind_of(value)}' as {kind} '{name}' ({expected} "
                            "expected)")
        self.__dict__[store][name] = value

    def forget(self, name: str, but: str) -> None:
        """Drop what has this name, except from the store where it keeps its place."""
        for store in STORES:
            if store != but:
                self.__dict__[store].pop(name, None)
        self.__dict__.pop(name, None)

    def __delattr__(self, name: str) -> None:
        for store in STORES:
            if name in self.__dict__[store]:
                del self.__dict__[store][name]
                return
        super().__delattr__(name)

    def __dir__(self):
        return sorted({*super().__dir__(), *(n for s in STORES for n in self.__dict__[s])})

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter (None keeps the name for one)."""
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(f"cannot assign '{kind_of(param)}' object to parameter '{name}' "
                            "(torch.nn.Parameter or None required)")
        self.check_name(name, "_parameters")
        self._parameters[name] = param

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Add a Tensor that belongs to the state but is not trained."""
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(f"cannot assign '{type(tensor).__name__}' object to buffer '{name}' "
                            "(torch Tensor or None required)")
        self.check_name(name, "_buffers")
        self._buffers[name] = tensor
        (self._non_persistent_buffers_set.discard if persistent
         else self._non_persistent_buffers_set.add)(name)

    def add_module(self, name: str, module: Module | None) -> None:
        """Add a child."""
        if module is not None and not isinstance(module, Module):
            raise TypeError(f"{type(module).__name__} is not a Module subclass")
        self.check_name(name, "_modules")
        self._modules[name] = module

    register_module = add_module

    def check_name(self, name: str, store: str) -> None:
        what = STORES[store][0]
        if store not in self.__dict__:
            raise AttributeError(f"cannot assign {what} before Module.__init__() call")
        if "." in name:
            raise KeyError(f'{what} name can\'t contain "."' + (
                f", got: {name}" if store == "_modules" else ""))
        if name == "":
            raise KeyError(f'{what} name can\'t be empty string ""')
        if hasattr(self, name) and name not in self.__dict__[store]:
            raise KeyError(f"attribute '{name}' already exists")

    # ---------------------------------------------------------------- calling

    def forward(self, *args, **kwargs) -> Any:
        raise NotImplementedError(
            f'Module [{type(self).__name__}] is missing the required "forward" function')

    def __call__(self, *args, **kwargs) -> Any:
        if not (self._forward_hooks or self._forward_pre_hooks or self._backward_hooks
                or self._backward_pre_hooks or EVERYWHERE):
            return self.forward(*args, **kwargs)
        try:
            return self.call_with_hooks(args, kwargs)
        except Exception:
            for hook in hooks_of(self, "forward"):
                if isinstance(hook, Flagged) and hook.always_call:
                    hook(self, args, kwargs, None)
            raise

    def call_with_hooks(self, args, kwargs):
        for hook in hooks_of(self, "forward_pre"):
            result = call_hook(hook, self, args, kwargs)
            with_kwargs = isinstance(hook, Flagged)
            if result is not None and with_kwargs and not (
                    isinstance(result, tuple) and len(result) == 2):
                raise RuntimeError("forward pre-hook must return None or a tuple of (new_args, "
                                   f"new_kwargs), but got {result}.")
            if result is not None:
                args, kwargs = result if with_kwargs else (
                    result if isinstance(result, tuple) else (result,), kwargs)
        watch = Boundaries(self) if hooks_of(self, "backward") or hooks_of(
            self, "backward_pre") else None
        args = args if watch is None else watch.enter(args)
        out = self.forward(*args, **kwargs)
        for hook in hooks_of(self, "forward"):
            result = call_hook(hook, self, args, kwargs, out)
            out = out if result is None else result
        return out if watch is None else watch.leave(out)

    # ---------------------------------------------------------------- walking the tree

    def named_modules(self, memo=None, prefix: str = "", remove_duplicate: bool = True):
        """(dotted name, module) of this module and all below it."""
        memo = set() if memo is None else memo
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        for name, child in self._modules.items():
            if child is not None:
                inner = f"{prefix}.{name}" if prefix else name
                yield from child.named_modules(memo, inner, remove_duplicate)

    def modules(self):
        return (m for _, m in self.named_modules())

    def named_children(self):
        seen = set()
        for name, child in self._modules.items():
            if child is not None and child not in seen:
                seen.add(child)
                yield name, child

    def children(self):
        return (c for _, c in self.named_children())

    def _named_members(self, store: str, prefix: str, recurse: bool, remove_duplicate: bool):
        seen = set()
        modules = self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate) \
            if recurse else [(prefix, self)]
        for path, module in modules:
            for name, value in getattr(module, store).items():
                if value is None or id(value) in seen:
                    continue
                if remove_duplicate:
                    seen.add(id(value))
                yield (f"{path}.{name}" if path else name), value

    def named_parameters(self, prefix: str = "", recurse: bool = True,
                         remove_duplicate: bool = True):
        return self._named_members("_parameters", prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True):
        return (p for _, p in self.named_parameters(recurse=recurse))

    def named_buffers(self, prefix: str = "", recurse: bool = True,
                      remove_duplicate: bool = True):
        return self._named_members("_buffers", prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True):
        return (b for _, b in self.named_buffers(recurse=recurse))

    def get_submodule(self, target: str) -> Module:
        """The module at a dotted name."""
        module = self
        for name in target.split(".") if target else ():
            if not hasattr(module, name):
                raise AttributeError(f"{module._get_name()} has no attribute `{name}`")
            module = getattr(module, name)
            if not isinstance(module, Module):
                raise AttributeError(f"`{name}` is not an nn.Module")
        return module

    def set_submodule(self, target: str, module: Module, strict: bool = False) -> None:
        """Put a module at a dotted name."""
        path, _, name = target.rpartition(".")
        parent = self.get_submodule(path)
        if strict and not hasattr(parent, name):
            raise AttributeError(f"{parent._get_name()} has no attribute `{name}`")
        setattr(parent, name, module)

    def get_parameter(self, target: str) -> Parameter:
        """The parameter at a dotted name."""
        return self.member(target, "_parameters", "an nn.Parameter")

    def get_buffer(self, target: str) -> Tensor:
        """The buffer at a dotted name."""
        return self.member(target, "_buffers", "a buffer")

    def member(self, target: str, store: str, what: str):
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        if not hasattr(module, name):
            raise AttributeError(f"{module._get_name()} has no attribute `{name}`")
        if name not in module.__dict__[store]:
            raise AttributeError(f"`{name}` is not {what}")
        return getattr(module, name)

    # ---------------------------------------------------------------- modes and conversions

    def train(self, mode: bool = True):
        """Training mode: dropout drops, batch norm uses the batch."""
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        self.training = mode
        for child in self.children():
            child.train(mode)
        return self

    def eval(self):
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True):
        for p in self.parameters():
            p.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters."""
        for p in self.parameters():
            if p.grad is not None:
                if set_to_none:
                    p.grad = None
                else:
                    p.grad.detach_().zero_()

    def apply(self, fn: Callable):
        """Call `fn` on every module, children first."""
        for child in self.children():
            child.apply(fn)
        fn(self)
        return self

    def _apply(self, fn: Callable, recurse: bool = True):
        """Replace the value of every parameter and buffer."""
        for child in self.children() if recurse else ():
            child._apply(fn)
        with no_grad():
            for p in [p for p in self._parameters.values() if p is not None]:
                p.data = fn(p.detach())
                if p.grad is not None:
                    grad, p.grad = p.grad, None
                    p.grad = fn(grad)
            for name, b in self._buffers.items():
                if b is not None:
                    self._buffers[name] = fn(b)
        return self

    def to(self, *args, dtype=None, device=None, non_blocking=False, memory_format=None):
        """Move all parameters and buffers; convert the floating ones to a dtype."""
        for a in args:
            if isinstance(a, (Dtype, Tensor)):
                dtype = a if isinstance(a, Dtype) else a.dtype
            elif not isinstance(a, bool):
                device = a
        if dtype is not None and not (dtype.is_floating_point or dtype.is_complex):
            raise TypeError("nn.Module.to only accepts floating point or complex dtypes, but got "
                            f"desired dtype={dtype}")
        return self._apply(lambda t: t.to(
            device=device, dtype=dtype if t.dtype.kind in "fc" else None))

    def type(self, dst_type):
        """Convert all parameters and buffers."""
        return self._apply(lambda t: t.type(dst_type))

    def cpu(self):
        return self._apply(lambda t: t.cpu())

    def cuda(self, device=None):
        return self._apply(lambda t: t.cuda(device))

    def to_empty(self, *, device=None, recurse: bool = True):
        """Parameters and buffers with values that mean nothing."""
        return self._apply(lambda t: t.new_empty(t.shape, device=device), recurse)

    def share_memory(self):
        return self._apply(lambda t: t)

    def compile(self, *args, **kwargs) -> None:
        """Stage `forward` from now on."""
        from compat.torch.compiler import compile

        object.__setattr__(self, "forward", compile(self.forward))

    def __getstate__(self):
        return self.__dict__.copy()

    def __setstate__(self, state) -> None:
        self.__dict__.update({h: OrderedDict() for h in HOOKS} | state)

    # ---------------------------------------------------------------- text

    def extra_repr(self) -> str:
        return ""

    def _get_name(self) -> str:
        return type(self).__name__

    def __repr__(self) -> str:
        extra = self.extra_repr()
        lines = extra.split("\n") if extra else []
        children = [f"({name}): {indented(repr(child))}" for name, child in self._modules.items()]
        if len(lines) == 1 and not children:
            return f"{self._get_name()}({lines[0]})"
        body = lines + children
        if not body:
            return f"{self._get_name()}()"
        return f"{self._get_name()}(\n  " + "\n  ".join(body) + "\n)"


def floating(kind: str) -> Callable:
    def convert(self):
        return self._apply(lambda t: getattr(t, kind)() if t.is_floating_point() else t)

    convert.__name__, convert.__doc__ = kind, f"Convert what is floating by Tensor.{kind}."
    return convert


for _kind in ("float", "double", "half", "bfloat16"):
    setattr(Module, _kind, floating(_kind))


def kind_of(value) -> str:
    return f"torch.{value.type_name()}" if isinstance(value, Tensor) else type(value).__name__


def indented(text: str) -> str:
    first, *rest = text.split("\n")
    return "\n".join([first, *("  " + line for line in rest)])


def clones(module: Module, count: int) -> list[Module]:
    return [copy.deepcopy(module) for _ in range(count)]
