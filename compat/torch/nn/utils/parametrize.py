"""`torch.nn.utils.parametrize`: a parameter as a function of others.

The class of the module is replaced by one with a property of the parameter's name, which computes
it from `module.parametrizations.<name>`.
"""

from __future__ import annotations

import contextlib
import copy

from compat.torch.autograd import no_grad
from compat.torch.nn.containers import ModuleDict, ModuleList
from compat.torch.nn.module import Module
from compat.torch.tensor import Parameter, Tensor

_cache: dict = {}
_caching = 0


@contextlib.contextmanager
def cached():
    """Within the block each parametrized value is computed once."""
    global _caching
    _caching += 1
    try:
        yield
    finally:
        _caching -= 1
        if not _caching:
            _cache.clear()


def register(module: Module, name: str, value: Tensor, like: Tensor) -> None:
    """A parameter where `like` is one, otherwise a buffer."""
    if isinstance(like, Parameter):
        module.register_parameter(name, value if isinstance(value, Parameter) else
                                  Parameter(value, like.requires_grad))
    else:
        module.register_buffer(name, value)


class ParametrizationList(ModuleList):
    """The functions of one parameter, and what they start from: `original`, or several."""

    def __init__(self, modules, original, unsafe=False):
        if not modules:
            raise ValueError("ParametrizationList requires one or more modules.")
        super().__init__(modules)
        self.unsafe = unsafe
        with no_grad():
            new = self.inverse(original)
        self.is_tensor = isinstance(new, Tensor)
        if self.is_tensor:
            with no_grad():
                original.data = new.detach()
            register(self, "original", original, original)
        else:
            self.ntensors = len(new)
            for i, value in enumerate(new):
                register(self, f"original{i}", value, original)

    def inverse(self, value):
        """The values to start from that give `value`, as far as the functions can tell."""
        for module in reversed(list(self)):
            if hasattr(module, "right_inverse"):
                with contextlib.suppress(NotImplementedError):
                    value = module.right_inverse(value)
        return value

    def right_inverse(self, value) -> None:
        for module in self:
            if not hasattr(module, "right_inverse"):
                raise RuntimeError(f"parametrization {type(module).__name__} does not implement "
                                   "right_inverse.")
        with no_grad():
            value = self.inverse(value)
            for old, new in zip(self.originals(), [value] if self.is_tensor else value):
                old.copy_(new)

    def originals(self) -> list:
        return [self.original] if self.is_tensor else [
            getattr(self, f"original{i}") for i in range(self.ntensors)]

    def forward(self):
        first, *others = self
        x = first(*self.originals())
        for module in others:
            x = module(x)
        return x


def computed(name: str) -> property:
    def get(self):
        if not _caching:
            return self.parametrizations[name]()
        key = id(self), name
        if key not in _cache:
            _cache[key] = self.parametrizations[name]()
        return _cache[key]

    return property(get, lambda self, value: self.parametrizations[name].right_inverse(value))


def parametrized_class(cls: type) -> type:
    def deep(self, memo):
        made = memo[id(self)] = self.__new__(type(self))
        made.__dict__.update(copy.deepcopy(self.__dict__, memo))
        made.__class__ = type(type(self).__name__, type(self).__bases__, dict(vars(type(self))))
        return made

    return type(f"Parametrized{cls.__name__}", (cls,), {"__deepcopy__": deep})


def register_parametrization(module, tensor_name, parametrization, *, unsafe=False):
    """Compute `module.<tensor_name>` by a module from now on. Returns the module."""
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        known = module.parametrizations[tensor_name]
        if not unsafe:
            checked(parametrization(getattr(module, tensor_name)), getattr(module, tensor_name))
        known.append(parametrization)
        return module
    if tensor_name not in module._parameters and tensor_name not in module._buffers:
        raise ValueError(f"Module '{module}' does not have a parameter, a buffer, or a "
                         f"parametrized element with name '{tensor_name}'")
    original = getattr(module, tensor_name)
    before = original.detach().clone()
    functions = ParametrizationList([parametrization], original, unsafe)
    if not unsafe:
        checked(functions(), before)
    if not is_parametrized(module):
        module.__class__ = parametrized_class(type(module))
        module.parametrizations = ModuleDict()
    delattr(module, tensor_name)
    module.parametrizations[tensor_name] = functions
    setattr(type(module), tensor_name, computed(tensor_name))
    return module


def checked(new, old) -> None:
    """A parametrization must keep dtype and shape."""
    if not isinstance(new, Tensor):
        raise ValueError("A parametrization must return a tensor. Got "
                         f"{type(new).__name__}.")
    for what, got, wanted in (("dtype", new.dtype, old.dtype), ("shape", new.shape, old.shape)):
        if got != wanted:
            raise ValueError(f"Registering a parametrization may not change the {what} of the "
                             f"tensor, unless `unsafe` flag is enabled.\nunparametrized {what}: "
                             f"{wanted}\nparametrized {what}: {got}")


def is_parametrized(module, tensor_name=None) -> bool:
    """Has the module (or this parameter) a parametrization?"""
    known = module._modules.get("parametrizations")
    if not isinstance(known, ModuleDict):
        return False
    return bool(len(known)) if tensor_name is None else tensor_name in known


def remove_parametrizations(module, tensor_name, leave_parametrized=True):
    """Make an ordinary parameter of it again: of its value, or of the original."""
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"Module {module} does not have a parametrization on {tensor_name}")
    functions = module.parametrizations[tensor_name]
    if not leave_parametrized and not functions.is_tensor:
        raise ValueError("Cannot leave unparametrized (`leave_parametrized=False`) a tensor that is"
                         " parametrized in terms of a sequence of tensors.")
    first = functions.originals()[0]
    with no_grad():
        value = functions() if leave_parametrized else first
    if functions.is_tensor and isinstance(first, Parameter):
        first.data = value.detach()
        value = first
    delattr(type(module), tensor_name)
    del module.parametrizations[tensor_name]
    register(module, tensor_name, value, first)
    if not is_parametrized(module):
        delattr(module, "parametrizations")
        module.__class__ = type(module).__bases__[0]
    return module


def type_before_parametrizations(module) -> type:
    return type(module).__bases__[0] if is_parametrized(module) else type(module)


def transfer_parametrizations_and_params(from_module, to_module, tensor_name=None):
    """The parametrizations of one module, copied to another."""
    names = [tensor_name] if tensor_name else list(from_module.parametrizations)
    for name in names:
        for function in from_module.parametrizations[name]:
            register_parametrization(to_module, name, copy.deepcopy(function))
        for new, old in zip(to_module.parametrizations[name].originals(),
                            from_module.parametrizations[name].originals()):
            with no_grad():
                new.copy_(old)
    return to_module
