"""`torch.nn.init`: initial values, with PyTorch's bits for equal seeds."""

from __future__ import annotations

import math
import warnings

from compat.torch import creation
from compat.torch.autograd import no_grad
from compat.torch.linalg import qr
from compat.torch.random import randperm
from compat.torch.selecting import where

# gain of the standard deviation through a nonlinearity
GAINS = {"linear": 1, "conv1d": 1, "conv2d": 1, "conv3d": 1, "conv_transpose1d": 1,
         "conv_transpose2d": 1, "conv_transpose3d": 1, "sigmoid": 1, "tanh": 5.0 / 3,
         "relu": math.sqrt(2.0), "selu": 3.0 / 4}


def calculate_gain(nonlinearity: str, param=None) -> float:
    """The recommended gain of a nonlinearity."""
    if nonlinearity == "leaky_relu":
        if param is not None and (isinstance(param, bool) or not isinstance(param, (int, float))):
            raise ValueError(f"negative_slope {param} not a valid number")
        return math.sqrt(2.0 / (1 + (0.01 if param is None else param) ** 2))
    if nonlinearity not in GAINS:
        raise ValueError(f"Unsupported nonlinearity {nonlinearity}")
    return GAINS[nonlinearity]


def uniform_(tensor, a=0.0, b=1.0, generator=None):
    """Uniform numbers in [a, b)."""
    with no_grad():
        return tensor.uniform_(a, b, generator=generator)


def normal_(tensor, mean=0.0, std=1.0, generator=None):
    """Normal numbers."""
    with no_grad():
        return tensor.normal_(mean, std, generator=generator)


def constant_(tensor, val):
    with no_grad():
        return tensor.fill_(val)


def zeros_(tensor):
    return constant_(tensor, 0.0)


def ones_(tensor):
    return constant_(tensor, 1.0)


def eye_(tensor):
    """The identity."""
    if tensor.ndim != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    with no_grad():
        return tensor.copy_(creation.eye(*tensor.shape))


def fans(tensor) -> tuple[int, int]:
    """(inputs of an output, outputs of an input)."""
    if tensor.ndim < 2:
        raise ValueError("Fan in and fan out can not be computed for tensor with fewer than 2 "
                         "dimensions")
    field = math.prod(tensor.shape[2:])
    return tensor.shape[1] * field, tensor.shape[0] * field


_calculate_fan_in_and_fan_out = fans


def correct_fan(tensor, mode: str) -> int:
    if mode.lower() not in ("fan_in", "fan_out"):
        raise ValueError(f"Mode {mode.lower()} not supported, please use one of ['fan_in', "
                         "'fan_out']")
    return fans(tensor)[mode.lower() == "fan_out"]


def xavier_uniform_(tensor, gain=1.0, generator=None):
    """Glorot and Bengio (2010)."""
    std = gain * math.sqrt(2.0 / float(sum(fans(tensor))))
    bound = math.sqrt(3.0) * std
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor, gain=1.0, generator=None):
    return normal_(tensor, 0.0, gain * math.sqrt(2.0 / float(sum(fans(tensor)))), generator)


def has_elements(tensor) -> bool:
    if not tensor.numel():
        warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=3)
    return bool(tensor.numel())


def kaiming_uniform_(tensor, a=0, mode="fan_in", nonlinearity="leaky_relu", generator=None):
    """He et al. (2015)."""
    if not has_elements(tensor):
        return tensor
    std = calculate_gain(nonlinearity, a) / math.sqrt(correct_fan(tensor, mode))
    bound = math.sqrt(3.0) * std
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(tensor, a=0, mode="fan_in", nonlinearity="leaky_relu", generator=None):
    """The same variance, from normal numbers."""
    if not has_elements(tensor):
        return tensor
    std = calculate_gain(nonlinearity, a) / math.sqrt(correct_fan(tensor, mode))
    return normal_(tensor, 0.0, std, generator)


def trunc_normal_(tensor, mean=0.0, std=1.0, a=-2.0, b=2.0, generator=None):
    """Normal numbers between a and b, by rejection: from normal numbers if many of them lie there,
    otherwise from uniform ones, which are accepted as often as the density is high."""
    def below(x):
        return (1.0 + math.erf((x - mean) / std / math.sqrt(2.0))) / 2.0

    def uniform():
        return creation.empty_like(tensor).uniform_(a, b, generator=generator)

    def is_rejected(candidates):
        peak = -0.5 * ((max(a, min(mean, b)) - mean) / std) ** 2
        height = candidates.sub(mean).div_(std).pow_(2).mul_(-0.5).sub_(peak)
        return creation.empty_like(tensor).uniform_(generator=generator).log_() > height

    def normal():
        return creation.empty_like(tensor).normal_(mean, std, generator=generator)

    def is_outside(candidates):
        low, high = (tensor.new_tensor(bound).item() for bound in (a, b))
        return (candidates < low) | (candidates > high)

    draw, fails = (normal, is_outside) if below(b) - below(a) > 0.3 else (uniform, is_rejected)
    with no_grad():
        result = draw()
        failed = fails(result)
        while failed.any():
            again = draw()
            result = where(failed, again, result)
            failed = failed & fails(again)
        return tensor.copy_(result)


def dirac_(tensor, groups=1):
    """A convolution that passes as many channels on as it can."""
    if not 3 <= tensor.ndim <= 5:
        raise ValueError("Only tensors with 3, 4, or 5 dimensions are supported")
    if tensor.shape[0] % groups:
        raise ValueError("dim 0 must be divisible by groups")
    rows = tensor.shape[0] // groups
    middle = tuple(n // 2 for n in tensor.shape[2:])
    with no_grad():
        tensor.zero_()
        for g in range(groups):
            for d in range(min(rows, tensor.shape[1])):
                tensor[(g * rows + d, d, *middle)] = 1
        return tensor


def orthogonal_(tensor, gain=1, generator=None):
    """A (semi-)orthogonal matrix. Source: Saxe et al. (2014)."""
    if tensor.ndim < 2:
        raise ValueError("Only tensors with 2 or more dimensions are supported")
    if not tensor.numel():
        return tensor
    rows, columns = tensor.shape[0], math.prod(tensor.shape[1:])
    with no_grad():
        flat = tensor.new_empty((rows, columns)).normal_(generator=generator)
        q, r = qr(flat.t() if rows < columns else flat)
        q = q * r.diagonal().sign()
        return tensor.copy_((q.t() if rows < columns else q).reshape(tensor.shape)).mul_(gain)


def sparse_(tensor, sparsity, std=0.01, generator=None):
    """Normal numbers, of which a share of each column is zero. Source: Martens (2010)."""
    if tensor.ndim != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    rows, columns = tensor.shape
    zeros = math.ceil(sparsity * rows)
    with no_grad():
        tensor.normal_(0, std, generator=generator)
        for column in range(columns):
            tensor[randperm(rows)[:zeros], column] = 0
        return tensor


def old_name(function):
    """The function under the name it had before it told that it works in place."""
    name = function.__name__[:-1]

    def call(*args, **kwargs):
        warnings.warn(f"`nn.init.{name}` is now deprecated in favor of `nn.init.{name}_`.",
                      FutureWarning, stacklevel=2)
        return function(*args, **kwargs)

    call.__name__ = call.__qualname__ = name
    call.__doc__ = f"{name}_ under its old name."
    return call


(uniform, normal, constant, eye, dirac, xavier_uniform, xavier_normal, kaiming_uniform,
 kaiming_normal, orthogonal, sparse) = map(old_name, (
     uniform_, normal_, constant_, eye_, dirac_, xavier_uniform_, xavier_normal_,
     kaiming_uniform_, kaiming_normal_, orthogonal_, sparse_))
