"""Weight norm (Salimans and Kingma, 2016) and spectral norm (Miyato et al., 2018), as
parametrizations and, as they were first, as hooks that compute the weight before each call."""

from __future__ import annotations

from compat.torch.autograd import no_grad
from compat.torch.nn.functional.normalization import normalize
from compat.torch.nn.module import Module
from compat.torch.nn.utils.parametrize import (
    is_parametrized, register_parametrization, remove_parametrizations,
)
from compat.torch.tensor import Parameter

TRANSPOSED = ("ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d")


def norm_except(v, dim):
    """The norm over all dimensions but one; of everything for None."""
    if dim in (None, -1):
        return v.norm()
    return v.norm(dim=tuple(d for d in range(v.dim()) if d != dim % v.dim()), keepdim=True)


class _WeightNorm(Module):
    def __init__(self, dim=0):
        super().__init__()
        self.dim = -1 if dim is None else dim

    def forward(self, weight_g, weight_v):
        return weight_v * (weight_g / norm_except(weight_v, self.dim))

    def right_inverse(self, weight):
        return norm_except(weight, self.dim), weight


class _SpectralNorm(Module):
    """The weight over its largest singular value, found by power iteration."""

    v_first = False

    def __init__(self, weight, n_power_iterations=1, dim=0, eps=1e-12, warm_up=15):
        super().__init__()
        if n_power_iterations <= 0:
            raise ValueError("Expected n_power_iterations to be positive, but got "
                             f"n_power_iterations={n_power_iterations}")
        self.dim = dim if dim >= 0 else dim + weight.dim()
        self.eps, self.n_power_iterations = eps, n_power_iterations
        if weight.dim() > 1:
            matrix = self.matrix(weight.detach())
            u, v = (matrix.new_empty(n).normal_(0, 1) for n in matrix.shape)
            self.register_buffer("_u", normalize(u, dim=0, eps=eps))
            self.register_buffer("_v", normalize(v, dim=0, eps=eps))
            self.iterate(matrix, warm_up)

    def matrix(self, weight):
        if self.dim:
            order = [self.dim, *(d for d in range(weight.dim()) if d != self.dim)]
            weight = weight.permute(*order)
        return weight.flatten(1)

    def iterate(self, matrix, count: int) -> None:
        with no_grad():
            for step in range(2 * count):
                if step % 2 == self.v_first:
                    self._u.copy_(normalize(matrix @ self._v, dim=0, eps=self.eps))
                else:
                    self._v.copy_(normalize(matrix.t() @ self._u, dim=0, eps=self.eps))

    def forward(self, weight):
        if weight.dim() == 1:
            return normalize(weight, dim=0, eps=self.eps)
        matrix = self.matrix(weight)
        if self.training:
            self.iterate(matrix.detach(), self.n_power_iterations)
        return weight / (self._u.clone() @ (matrix @ self._v.clone()))

    def right_inverse(self, value):
        return value


def spectral_dim(module) -> int:
    return 1 if type(module).__name__ in TRANSPOSED else 0


def parametrized_weight_norm(module, name="weight", dim=0):
    """weight = g v / |v|, with the length g and the direction v as parameters."""
    return register_parametrization(module, name, _WeightNorm(dim), unsafe=True)


def parametrized_spectral_norm(module, name="weight", n_power_iterations=1, eps=1e-12, dim=None):
    """weight / its largest singular value."""
    dim = spectral_dim(module) if dim is None else dim
    return register_parametrization(module, name, _SpectralNorm(
        getattr(module, name), n_power_iterations, dim, eps))


# ------------------------------------------------------------------ as hooks


class WeightHook:
    """Sets a module's weight before each call."""

    def __init__(self, name: str):
        self.name = name

    def compute(self, module):
        raise NotImplementedError

    def __call__(self, module, args) -> None:
        object.__setattr__(module, self.name, self.compute(module))

    @classmethod
    def find(cls, module, name: str):
        for key, hook in module._forward_pre_hooks.items():
            if isinstance(hook, cls) and hook.name == name:
                return key, hook
        raise ValueError(f"{cls.word} of '{name}' not found in {module}")


class WeightNorm(WeightHook):
    word = "weight_norm"

    def __init__(self, name, dim):
        super().__init__(name)
        self.rule = _WeightNorm(dim)

    def compute(self, module):
        return self.rule(*(getattr(module, f"{self.name}_{k}") for k in "gv"))


class SpectralNorm(WeightHook):
    word = "spectral_norm"

    def __init__(self, name, rule: _SpectralNorm):
        super().__init__(name)
        self.rule = rule

    def compute(self, module):
        self.rule.training = module.training
        self.rule._u, self.rule._v = (getattr(module, f"{self.name}_{k}") for k in "uv")
        return self.rule(getattr(module, f"{self.name}_orig"))


def weight_norm(module, name="weight", dim=0):
    """weight = g v / |v|, computed before each call."""
    weight, hook = getattr(module, name), WeightNorm(name, dim)
    delattr(module, name)
    g, v = hook.rule.right_inverse(weight.detach())
    module.register_parameter(f"{name}_g", Parameter(g))
    module.register_parameter(f"{name}_v", Parameter(v))
    hook(module, ())
    module.register_forward_pre_hook(hook)
    return module


def spectral_norm(module, name="weight", n_power_iterations=1, eps=1e-12, dim=None):
    """weight / its largest singular value, computed before each call."""
    weight = getattr(module, name)
    dim = spectral_dim(module) if dim is None else dim
    rule = _SpectralNorm(weight, n_power_iterations, dim, eps, warm_up=0)
    rule.v_first = True
    delattr(module, name)
    module.register_parameter(f"{name}_orig", weight)
    object.__setattr__(module, name, weight.detach())
    for k in "uv":
        module.register_buffer(f"{name}_{k}", getattr(rule, f"_{k}"))
    module.register_forward_pre_hook(SpectralNorm(name, rule))
    return module


def removal(cls: type, names: str):
    def remove(module, name="weight"):
        if is_parametrized(module, name):
            return remove_parametrizations(module, name)
        key, hook = cls.find(module, name)
        training, module.training = module.training, False
        with no_grad():
            weight = hook.compute(module)
        module.training = training
        for part in names.split():
            delattr(module, f"{name}_{part}")
        del module.__dict__[name]
        module.register_parameter(name, Parameter(weight.detach()))
        del module._forward_pre_hooks[key]
        return module

    remove.__name__ = remove.__qualname__ = f"remove_{cls.word}"
    remove.__doc__ = f"Make an ordinary parameter of the weight again, with its {cls.word}."
    return remove


remove_weight_norm = removal(WeightNorm, "g v")
remove_spectral_norm = removal(SpectralNorm, "orig u v")
