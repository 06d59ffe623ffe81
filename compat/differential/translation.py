"""From PyTorch's world to ours: Tensors, dtypes, modules, and functions of PyTorch's test suite
rebuilt so that what they call `torch` is the mirror."""

from __future__ import annotations

import functools
import types

import ml_dtypes
import numpy as np

NAMESPACES = ("", "nn.functional", "linalg", "fft", "special", "signal.windows", "masked", "nn",
              "Tensor")
FUNCTIONS = (types.FunctionType, types.BuiltinFunctionType, types.MethodDescriptorType,
             types.WrapperDescriptorType, types.ModuleType, functools.partial, type)


class Missing(Exception):
    """The mirror has no such name."""


def attribute(root, path: str):
    """The object at a dotted path; Missing if the mirror does not have it."""
    for name in path.split(".") if path else ():
        try:
            root = getattr(root, name)
        except AttributeError:
            raise Missing(f"no name torch.{path}") from None
    return root


class Translator:
    """Values, and functions of PyTorch's test suite, as `compat.torch` has them."""

    def __init__(self):
        import torch

        import compat.torch as ours

        self.theirs, self.ours = torch, ours
        self.paths: dict[int, str] = {id(torch): ""}
        for space in NAMESPACES:
            owner = attribute(torch, space)
            self.paths.setdefault(id(owner), space)
            for name in dir(owner):
                value = getattr(owner, name, None)
                if callable(value) or isinstance(value, types.ModuleType):
                    self.paths.setdefault(id(value), f"{space}.{name}".lstrip("."))
        self.memory: dict[int, np.ndarray] | None = None  # of the sample at hand, by its address
        self.built: dict[int, tuple] = {}

    def sample(self, *values):
        """What belongs to one sample: Tensors that share memory share it here too."""
        self.memory = {}
        try:
            return self.value(values)
        finally:
            self.memory = None

    def value(self, x):
        torch, ours = self.theirs, self.ours
        if isinstance(x, torch.Tensor):
            return self.tensor(x)
        if isinstance(x, (torch.dtype, torch.layout, torch.memory_format)):
            return attribute(ours, str(x).removeprefix("torch."))
        if isinstance(x, torch.device):
            return ours.device(str(x))
        if isinstance(x, torch.Size):
            return ours.Size(x)
        if isinstance(x, torch.Generator):
            return ours.Generator().manual_seed(x.initial_seed())
        if isinstance(x, (list, tuple)):
            return type(x)(map(self.value, x))
        if isinstance(x, dict):
            return {k: self.value(v) for k, v in x.items()}
        if isinstance(x, slice):
            return slice(*map(self.value, (x.start, x.stop, x.step)))
        if isinstance(x, torch.nn.Module):  # a distance, without parameters
            made = attribute(ours, f"nn.{type(x).__name__}")()
            made.__dict__.update({k: v for k, v in vars(x).items() if not k.startswith("_")})
            return made
        if isinstance(x, FUNCTIONS) or (type(x).__module__ or "").startswith("torch._ops"):
            return self.function(x)
        return x

    def tensor(self, x):
        """The same numbers at the same places of memory of our own."""
        made = self.ours.from_numpy(self.array(x))
        return made.requires_grad_() if x.requires_grad and x.is_leaf else made

    def array(self, x) -> np.ndarray:
        torch = self.theirs
        x = x.detach().resolve_conj().resolve_neg()
        whole = x.untyped_storage().nbytes() // x.element_size()
        address = x.untyped_storage().data_ptr()
        memory = None if self.memory is None else self.memory.get(address)
        if memory is None or not address or memory.itemsize != x.element_size():
            flat = torch.as_strided(x, (whole,), (1,), 0).clone()
            memory = flat.view(torch.int16).numpy().view(ml_dtypes.bfloat16) \
                if x.dtype == torch.bfloat16 else flat.numpy()
            if self.memory is not None:
                self.memory[address] = memory
        return np.lib.stride_tricks.as_strided(
            memory[x.storage_offset():], tuple(x.shape),
            tuple(s * memory.itemsize for s in x.stride()))

    def function(self, f):
        if id(f) in self.paths:
            return attribute(self.ours, self.paths[id(f)])
        if isinstance(f, functools.partial):
            return functools.partial(self.function(f.func), *map(self.value, f.args),
                                     **self.value(f.keywords))
        if type(f).__name__ in ("OpOverload", "OpOverloadPacket"):
            name = str(f).removeprefix("aten.")
            return attribute(self.ours, f"ops.aten.{name}")
        module = getattr(f, "__module__", None) or ""
        if isinstance(f, types.FunctionType) and module.startswith("torch.testing._"):
            return self.built[id(f)][1] if id(f) in self.built else self.rebuild(f)
        if module.startswith("torch") and callable(f):
            raise Missing(f"no mirror of {module}.{getattr(f, '__qualname__', f)}")
        return f

    def rebuild(self, f: types.FunctionType):
        """A function of PyTorch's suite with `torch` and all it reaches exchanged for ours."""
        if f.__name__ == "wrapper_set_seed":
            return self.seeded
        space = dict(f.__globals__)
        made = types.FunctionType(f.__code__, space, f.__name__, self.value(f.__defaults__ or ()),
                                  tuple(types.CellType(self.value(c.cell_contents))
                                        for c in f.__closure__ or ()))
        made.__kwdefaults__ = self.value(f.__kwdefaults__)
        self.built[id(f)] = f, made  # with the original, whose id is not used again
        for name in names_in(f.__code__) & set(space):
            if callable(space[name]) or isinstance(space[name], types.ModuleType):
                space[name] = self.function(space[name])
        return made

    def seeded(self, op, *args, **kwargs):
        self.ours.manual_seed(42)
        return op(*args, **kwargs)

    def back(self, x):
        """Our results as PyTorch's values, to be compared by PyTorch."""
        if isinstance(x, self.ours.Tensor):
            array = np.array(x.detach().numpy())
            if array.dtype == ml_dtypes.bfloat16:
                return self.theirs.from_numpy(array.view(np.int16)).view(self.theirs.bfloat16)
            return self.theirs.from_numpy(array)
        if isinstance(x, (list, tuple)):
            return [self.back(v) for v in x]
        return x


def names_in(code: types.CodeType) -> set[str]:
    inner = [names_in(c) for c in code.co_consts if isinstance(c, types.CodeType)]
    return set(code.co_names).union(*inner)
