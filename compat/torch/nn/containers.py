"""Modules that hold other modules or parameters: Sequential, ModuleList, ModuleDict ..."""

from __future__ import annotations

import operator
from collections import OrderedDict
from collections.abc import Callable

from compat.torch.nn.module import Module, indented
from compat.torch.tensor import Parameter, Tensor


def at(index, length: int) -> int:
    i = operator.index(index)
    if not -length <= i < length:
        raise IndexError(f"index {i} is out of range")
    return i % length


class Sequence(Module):
    """What Sequential and ModuleList share: children named "0", "1", ..."""

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self):
        return iter(self._modules.values())

    def __getitem__(self, index):
        items = list(self._modules.values())
        if isinstance(index, slice):
            return self.from_slice(list(self._modules.items())[index])
        return items[at(index, len(items))]

    def __setitem__(self, index, module: Module) -> None:
        key = list(self._modules)[at(index, len(self))]
        setattr(self, key, module)

    def __delitem__(self, index) -> None:
        keys = list(self._modules)
        for key in keys[index] if isinstance(index, slice) else [keys[at(index, len(keys))]]:
            del self._modules[key]
        self.renumber(list(self._modules.values()))

    def renumber(self, modules) -> None:
        self._modules.clear()
        self._modules.update({str(i): m for i, m in enumerate(modules)})

    def append(self, module: Module):
        self.add_module(str(len(self)), module)
        return self

    def extend(self, modules):
        for module in modules:
            self.append(module)
        return self

    def insert(self, index: int, module: Module):
        items = list(self._modules.values())
        items.insert(index, module)
        self.renumber(items)
        return self if isinstance(self, Sequential) else None

    def pop(self, index=-1) -> Module:
        module = self[index]
        del self[index]
        return module

    def __iadd__(self, modules):
        return self.extend(modules)


class Sequential(Sequence):
    """Modules one after the other; from arguments or an OrderedDict."""

    def __init__(self, *args):
        super().__init__()
        named = args[0].items() if len(args) == 1 and isinstance(args[0], OrderedDict) else \
            ((str(i), m) for i, m in enumerate(args))
        for name, module in named:
            self.add_module(name, module)

    def from_slice(self, items):
        return type(self)(OrderedDict(items))

    def __add__(self, other):
        return Sequential(*self, *other)

    def __mul__(self, times: int):
        if not isinstance(times, int):
            raise TypeError("unsupported operand type(s) for *: "
                            f"{type(self)} and {type(times)}")
        if times <= 0:
            raise ValueError(f"Non-positive multiplication factor {times} for {type(self)}")
        return Sequential(*[m for _ in range(times) for m in self])

    __rmul__ = __mul__

    def __imul__(self, times: int):
        return self.extend(list(self * times)[len(self):])

    def forward(self, input):
        for module in self:
            input = module(input)
        return input


class ModuleList(Sequence):
    """A list of modules."""

    def __init__(self, modules=None):
        super().__init__()
        self.extend(modules or ())

    def from_slice(self, items):
        return type(self)([m for _, m in items])

    def __add__(self, other):
        return ModuleList([*self, *other])

    def __repr__(self) -> str:
        """Runs of equal children are shown once."""
        runs: list[list] = []
        for i, text in enumerate(map(repr, self)):
            if runs and runs[-1][2] == text:
                runs[-1][1] = i
            else:
                runs.append([i, i, text])
        if not runs:
            return f"{self._get_name()}()"
        lines = []
        for first, last, text in runs:
            label = f"({first}): " if first == last else f"({first}-{last}): {last - first + 1} x "
            lines.append(label + indented(text))
        return f"{self._get_name()}(\n  " + "\n  ".join(lines) + "\n)"


class Named(Module):
    """What ModuleDict and ParameterDict share: the methods of a dict, over `_named`."""

    _named: dict

    def update(self, values) -> None:
        for name, value in values.items() if hasattr(values, "items") else values:
            self[name] = value

    def __len__(self) -> int:
        return len(self._named)

    def __iter__(self):
        return iter(self._named)

    def __contains__(self, key: str) -> bool:
        return key in self._named

    def keys(self):
        return self._named.keys()

    def pop(self, key: str):
        value = self[key]
        del self[key]
        return value

    def clear(self) -> None:
        for key in list(self._named):
            del self[key]


class ModuleDict(Named):
    """Modules by name."""

    _named = property(lambda self: self._modules)  # type: ignore[assignment]

    def __init__(self, modules=None):
        super().__init__()
        self.update(modules or {})

    def __getitem__(self, key: str) -> Module:
        return self._modules[key]

    def __setitem__(self, key: str, module: Module) -> None:
        self.add_module(key, module)

    def __delitem__(self, key: str) -> None:
        del self._modules[key]

    def values(self):
        return self._modules.values()

    def items(self):
        return self._modules.items()


class ParameterList(Module):
    """A list of parameters; Tensors become parameters."""

    def __init__(self, values=None):
        super().__init__()
        self._size = 0
        self.extend(values or ())

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, index):
        if isinstance(index, slice):
            return ParameterList([self[i] for i in range(*index.indices(len(self)))])
        return getattr(self, str(at(index, self._size)))

    def __setitem__(self, index, value) -> None:
        setattr(self, str(at(index, self._size)), as_parameter(value))

    def __iter__(self):
        return (self[i] for i in range(self._size))

    def append(self, value):
        self._size += 1
        self[self._size - 1] = value
        return self

    def extend(self, values):
        for value in values:
            self.append(value)
        return self

    def __iadd__(self, values):
        return self.extend(values)

    def extra_repr(self) -> str:
        return listing(enumerate(self), lambda p: f"torch.{p.dtype.name}")


class ParameterDict(Named):
    """Parameters by name; Tensors become parameters."""

    _named = property(lambda self: self._keys)  # type: ignore[assignment]

    def __init__(self, parameters=None):
        super().__init__()
        self._keys: dict = {}
        self.update(parameters or {})

    def __getitem__(self, key: str):
        return getattr(self, key)

    def __setitem__(self, key: str, value) -> None:
        self._keys[key] = None
        setattr(self, key, as_parameter(value))

    def __delitem__(self, key: str) -> None:
        del self._keys[key]
        delattr(self, key)

    def __reversed__(self):
        return reversed(list(self._keys))

    def __or__(self, other):
        made = self.copy()
        made.update(other)
        return made

    def __ior__(self, other):
        self.update(other)
        return self

    def get(self, key: str, default=None):
        return self[key] if key in self else default

    def setdefault(self, key: str, default=None):
        if key not in self:
            self[key] = default
        return self[key]

    def popitem(self):
        key = next(reversed(self))
        return key, self.pop(key)

    def copy(self):
        return ParameterDict(dict(self.items()))

    def fromkeys(self, keys, default=None):
        return ParameterDict(dict.fromkeys(keys, default))

    def values(self):
        return (self[k] for k in self._keys)

    def items(self):
        return ((k, self[k]) for k in self._keys)

    def extra_repr(self) -> str:
        return listing(self.items(), lambda p: "torch." + p.type_name())


def as_parameter(value):
    return Parameter(value) if isinstance(value, Tensor) and not isinstance(value, Parameter) \
        else value


def listing(items, kind: Callable) -> str:
    """A line for each parameter."""
    return "\n".join(
        f"  ({name}): {'Parameter' if isinstance(p, Parameter) else 'Tensor'} containing: ["
        f"{kind(p)} of size {'x'.join(map(str, p.shape))}]" if isinstance(p, Tensor) else
        f"  ({name}): Object of type: {type(p).__name__}" for name, p in items)


class DataParallel(Module):
    """A module on all devices, of which there is one: it is called as it is."""

    def __init__(self, module: Module, device_ids=None, output_device=None, dim=0):
        super().__init__()
        self.module, self.device_ids = module, device_ids or []

    def forward(self, *inputs, **kwargs):
        return self.module(*inputs, **kwargs)
