"""`torch.nn.utils.prune`: weights that a mask sets to zero.

The parameter becomes `<name>_orig`, the mask the buffer `<name>_mask`, and before each call the
masked weight is computed by a hook. A method says which elements go.
"""

from __future__ import annotations

from collections.abc import Callable

from compat.torch import creation
from compat.torch.joining import cat
from compat.torch.random import rand, rand_like
from compat.torch.tensor import Parameter
from compat.torch.written import parameters_of, written


def count_of(amount, size: int) -> int:
    """A number of elements, or a share of them."""
    if not isinstance(amount, (int, float)):
        raise TypeError(f"Invalid type for amount: {amount}. Must be int or float.")
    if isinstance(amount, int):
        if amount < 0:
            raise ValueError(f"amount={amount} should either be a float in the range [0, 1] or a "
                             "non-negative integer")
        if amount > size:
            raise ValueError(f"amount={amount} should be smaller than the number of parameters to "
                             f"prune={size}")
        return int(amount)
    if not 0.0 <= amount <= 1.0:
        raise ValueError(f"amount={amount} should either be a float in the range [0, 1] or a "
                         "non-negative integer")
    return round(amount * size)


class BasePruningMethod:
    """A method of pruning: `compute_mask(t, default_mask)` says what stays."""

    PRUNING_TYPE = "unstructured"
    _tensor_name: str

    def __call__(self, module, inputs) -> None:
        object.__setattr__(module, self._tensor_name, self.apply_mask(module))

    def compute_mask(self, t, default_mask):
        raise NotImplementedError

    def apply_mask(self, module):
        name = self._tensor_name
        original = getattr(module, f"{name}_orig")
        return getattr(module, f"{name}_mask").to(original.dtype) * original

    def prune(self, t, default_mask=None, importance_scores=None):
        """`t` without what the method would take away."""
        scores = t if importance_scores is None else importance_scores
        mask = creation.ones_like(t) if default_mask is None else default_mask
        return t * self.compute_mask(scores, mask)

    @classmethod
    def apply(cls, module, name, *args, importance_scores=None, **kwargs):
        """Prune a parameter of the module, perhaps once more."""
        method = cls(*args, **kwargs)
        method._tensor_name = name
        container = method
        for key, hook in list(module._forward_pre_hooks.items()):
            if isinstance(hook, BasePruningMethod) and hook._tensor_name == name:
                container = PruningContainer(hook)
                container.add_pruning_method(method)
                del module._forward_pre_hooks[key]
        original = getattr(module, f"{name}_orig") if container is not method else \
            getattr(module, name)
        if container is method:
            if not isinstance(original, Parameter):
                raise AttributeError(f"'{type(module).__name__}' has no parameter '{name}'")
            delattr(module, name)
            module.register_parameter(f"{name}_orig", original)
            default = creation.ones_like(original)
        else:
            default = getattr(module, f"{name}_mask")
        scores = original if importance_scores is None else importance_scores
        mask = container.compute_mask(scores.detach(), default)
        module.register_buffer(f"{name}_mask", mask)
        object.__setattr__(module, name, container.apply_mask(module))
        module.register_forward_pre_hook(container)
        return container

    def remove(self, module) -> None:
        """Make the pruning permanent."""
        name = self._tensor_name
        value = self.apply_mask(module).detach()
        original = module._parameters.pop(f"{name}_orig")
        original.data = value
        del module._buffers[f"{name}_mask"]
        module.__dict__.pop(name, None)
        module.register_parameter(name, original)


class PruningContainer(BasePruningMethod):
    """Several methods, one after the other, each on what the others left."""

    def __init__(self, *args):
        self._pruning_methods: tuple = ()
        self._tensor_name = args[0]._tensor_name
        for method in args:
            self.add_pruning_method(method)

    def add_pruning_method(self, method) -> None:
        self._pruning_methods += method._pruning_methods \
            if isinstance(method, PruningContainer) else (method,)

    def __len__(self) -> int:
        return len(self._pruning_methods)

    def __iter__(self):
        return iter(self._pruning_methods)

    def __getitem__(self, index):
        return self._pruning_methods[index]

    def compute_mask(self, t, default_mask):
        method, mask = self._pruning_methods[-1], default_mask.clone()
        if method.PRUNING_TYPE == "unstructured":
            kept = mask == 1
            mask[kept] = method.compute_mask(t[kept], mask[kept])
            return mask
        if method.PRUNING_TYPE == "global":
            return method.compute_mask(t, mask)
        dim = method.dim % t.dim()
        others = tuple(d for d in range(t.dim()) if d != dim)
        kept = mask.sum(others) != 0
        index = (*(slice(None),) * dim, kept)
        mask[index] = method.compute_mask(t[index], mask[index])
        return mask


class Identity(BasePruningMethod):
    """Takes nothing away."""

    def compute_mask(self, t, default_mask):
        return default_mask


class CustomFromMask(BasePruningMethod):
    """Takes away what a mask says."""

    PRUNING_TYPE = "global"

    def __init__(self, mask):
        self.mask = mask

    def compute_mask(self, t, default_mask):
        return default_mask * self.mask.to(dtype=default_mask.dtype)


class ByScores(BasePruningMethod):
    """Takes away what has the lowest scores."""

    scores: Callable  # of the method and the values
    largest = False

    def __init__(self, amount):
        count_of(amount, 2**62)
        self.amount = amount

    def compute_mask(self, t, default_mask):
        count, mask = count_of(self.amount, t.numel()), default_mask.clone()
        if count:
            gone = self.scores(t).reshape(-1).topk(count, largest=self.largest).indices
            mask.view(-1)[gone] = 0
        return mask


class RandomUnstructured(ByScores):
    """Takes away elements at random."""

    largest = True

    def scores(self, t):
        return rand_like(t)


class L1Unstructured(ByScores):
    """Takes away the smallest elements."""

    def scores(self, t):
        return t.abs()


class Structured(ByScores):
    """Takes away whole channels with the lowest scores."""

    PRUNING_TYPE = "structured"

    def __init__(self, amount, dim=-1):
        super().__init__(amount)
        self.dim = dim

    def compute_mask(self, t, default_mask):
        if t.dim() < 2:
            raise ValueError("Structured pruning can only be applied to multidimensional tensors. "
                             f"Found tensor of shape {t.shape} with {t.dim()} dims")
        size = t.shape[self.dim]
        count = count_of(self.amount, size)
        if not count:
            return default_mask
        kept = creation.zeros(size)
        kept[self.scores(t).topk(size - count).indices] = 1
        shape = [1] * t.dim()
        shape[self.dim] = size
        return default_mask * kept.reshape(shape).to(default_mask.dtype)


class RandomStructured(Structured):
    """Takes away channels at random."""

    def scores(self, t):
        return rand(t.shape[self.dim])


class LnStructured(Structured):
    """Takes away the channels with the smallest norm."""

    def __init__(self, amount, n, dim=-1):
        super().__init__(amount, dim)
        self.n = n

    def scores(self, t):
        dim = self.dim % t.dim()
        return t.norm(self.n, tuple(d for d in range(t.dim()) if d != dim))


def by(method: type, name: str, signature: str = "") -> Callable:
    """The function that prunes `module.<name>` by a method and returns the module."""
    given = "".join(f", {n}={n}" for n in parameters_of(signature))
    made = written(name, "module, name, " + signature, [f"method.apply(module, name{given})",
                                                        "return module"],
                   method=method, __name__=__name__)
    made.__doc__ = f"Prune a parameter by {method.__name__}."
    return made


identity = by(Identity, "identity")
custom_from_mask = by(CustomFromMask, "custom_from_mask", "mask")
random_unstructured = by(RandomUnstructured, "random_unstructured", "amount")
l1_unstructured = by(L1Unstructured, "l1_unstructured", "amount, importance_scores=None")
random_structured = by(RandomStructured, "random_structured", "amount, dim")
ln_structured = by(LnStructured, "ln_structured", "amount, n, dim, importance_scores=None")


def global_unstructured(parameters, pruning_method, importance_scores=None, **kwargs) -> None:
    """Prune the elements of several parameters as if they were one."""
    parameters, given = list(parameters), importance_scores or {}
    scores = cat([given.get((m, n), getattr(m, n)).detach().reshape(-1) for m, n in parameters])
    masks = [getattr(m, f"{n}_mask", creation.ones_like(getattr(m, n))) for m, n in parameters]
    method = pruning_method(**kwargs)
    method._tensor_name = "temporary"
    container = PruningContainer(method)
    final = container.compute_mask(scores, cat([m.reshape(-1) for m in masks]))
    start = 0
    for (module, name), mask in zip(parameters, masks):
        part = final[start:start + mask.numel()].reshape(mask.shape)
        custom_from_mask(module, name, part)
        start += mask.numel()


def is_pruned(module) -> bool:
    """Is any parameter below pruned?"""
    return any(isinstance(hook, BasePruningMethod) for m in module.modules()
               for hook in m._forward_pre_hooks.values())


def remove(module, name):
    """Make the pruning of a parameter permanent."""
    for key, hook in list(module._forward_pre_hooks.items()):
        if isinstance(hook, BasePruningMethod) and hook._tensor_name == name:
            hook.remove(module)
            del module._forward_pre_hooks[key]
            return module
    raise ValueError(f"Parameter '{name}' of module {module} has to be pruned before pruning can be"
                     " removed")
