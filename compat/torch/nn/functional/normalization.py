"""Normalisation over a batch, a layer or groups of channels."""

from __future__ import annotations

import math

from compat.torch.operation import operation
from compat.torch.pointwise import like
from compat.torch.promotion import cast, together
from compat.torch.reductions import vector_norm
from compat.torch.autograd import no_grad
from compat.torch.signatures import write
from minigrad.core import aval_of
from minigrad.ops import elementwise as e
from minigrad.ops import transcendental as t
from minigrad.ops.reduction import reduce_sum
from minigrad.ops.selection import stop_gradient
from minigrad.ops.shaping import reshape


def average(x, axes):
    """The mean over `axes`, which are kept with size one."""
    shape = aval_of(x).shape
    total = reshape(reduce_sum(x, axes=axes), new_sizes=tuple(
        1 if i in axes else n for i, n in enumerate(shape)))
    return e.div(total, like(total, math.prod(shape[a] for a in axes)))


def moments(x, axes):
    """Mean, variance, and x less its mean."""
    mean = average(x, axes)
    centered = e.sub(x, mean)
    return mean, average(e.square(centered), axes), centered


def over_root(x, square, eps):
    """x / sqrt(square + eps)"""
    return e.mul(x, t.rsqrt(e.add(square, like(square, eps))))


def scaled(x, weight, bias, axes):
    """x * weight + bias, where weight and bias run along `axes`."""
    shape = aval_of(x).shape

    def along(v):
        return reshape(cast(v, aval_of(x).dtype),
                       new_sizes=tuple(n if i in axes else 1 for i, n in enumerate(shape)))

    x = x if weight is None else e.mul(x, along(weight))
    return x if bias is None else e.add(x, along(bias))


@operation(name="native_layer_norm", tensors=("input", "weight", "bias"))
def layer_norm_op(input, weight=None, bias=None, normalized_shape=(), eps=1e-5):
    rank = len(aval_of(input).shape)
    axes = tuple(range(rank - len(normalized_shape), rank))
    _, variance, centered = moments(input, axes)
    return scaled(over_root(centered, variance, eps), weight, bias, axes)


def layer_norm(input, normalized_shape, weight=None, bias=None, eps=1e-5):
    """(x - mean) / sqrt(var + eps) over the last dimensions."""
    return layer_norm_op(input, weight, bias, last_sizes(input, normalized_shape), eps)


def last_sizes(input, normalized_shape) -> tuple[int, ...]:
    """The sizes to normalise over, if they are the input's last ones."""
    sizes, own = tuple(normalized_shape), input.spec.shape
    if not sizes:
        raise RuntimeError("Expected normalized_shape to be at least 1-dimensional, i.e., "
                           "containing at least one element, but got normalized_shape = []")
    if own[len(own) - len(sizes):] != sizes:
        shown = f"[*, {', '.join(map(str, sizes))}]"
        raise RuntimeError(
            f"Given normalized_shape={list(sizes)}, expected input with shape {shown}, but got "
            f"input of size{list(own)}")
    return sizes


@operation(name="native_batch_norm", tensors=("input", "weight", "bias"))
def batch_norm_training(input, weight=None, bias=None, eps=1e-5):
    """(result, mean, variance) of a batch (N, C, ...)."""
    axes = tuple(i for i in range(len(aval_of(input).shape)) if i != 1)
    mean, variance, centered = moments(input, axes)
    normal = over_root(centered, variance, eps)
    count = math.prod(aval_of(input).shape[a] for a in axes)
    unbiased = e.mul(variance, like(variance, count / max(1, count - 1)))
    channels = (aval_of(input).shape[1],)
    return (scaled(normal, weight, bias, (1,)),
            *(stop_gradient(reshape(v, new_sizes=channels)) for v in (mean, unbiased)))


@operation(name="native_batch_norm", tensors=("input", "running_mean", "running_var", "weight",
                                             "bias"))
def batch_norm_fixed(input, running_mean, running_var, weight=None, bias=None, eps=1e-5):
    """With statistics of the past."""
    sizes = tuple(n if i == 1 else 1 for i, n in enumerate(aval_of(input).shape))
    mean, variance = (reshape(v, new_sizes=sizes) for v in (running_mean, running_var))
    return scaled(over_root(e.sub(input, mean), variance, eps), weight, bias, (1,))


@operation(name="lerp", tensors=("old", "new", "momentum"), scalars=("momentum",))
def moving_average(old, new, momentum):
    """momentum * new + (1 - momentum) * old."""
    old, new, m = together(old, new, momentum, dtype=aval_of(old).dtype)
    return e.add(e.mul(m, new), e.mul(e.sub(like(m, 1), m), old))


def batch_norm(input, running_mean, running_var, weight=None, bias=None, training=False,
               momentum=0.1, eps=1e-5):
    """Each channel of (N, C, ...) with mean 0 and variance 1; in training the running statistics
    move towards those of the batch, in place."""
    if input.spec.shape == (0,):
        return input.clone()
    if not training:
        return batch_norm_fixed(input, running_mean, running_var, weight, bias, eps)
    shape = input.spec.shape
    if math.prod(shape[:1] + shape[2:]) == 1:
        raise ValueError("Expected more than 1 value per channel when training, got input size "
                         f"{input.size()}")
    out, mean, variance = batch_norm_training(input, weight, bias, eps)
    if running_mean is not None:
        with no_grad():
            running_mean.copy_(moving_average(running_mean, mean, momentum))
            running_var.copy_(moving_average(running_var, variance, momentum))
    return out


@operation(name="native_group_norm", tensors=("input", "weight", "bias"))
def group_norm_op(input, weight=None, bias=None, num_groups=1, eps=1e-5):
    shape = aval_of(input).shape
    grouped = reshape(input, new_sizes=(shape[0], num_groups, math.prod(shape[1:]) // num_groups))
    mean, variance, centered = moments(grouped, (2,))
    normal = over_root(centered, variance, eps)
    return scaled(reshape(normal, new_sizes=shape), weight, bias, (1,))


def group_norm(input, num_groups, weight=None, bias=None, eps=1e-5):
    """Groups of channels normalised within each example."""
    if input.dim() < 2:
        raise RuntimeError("Expected at least 2 dimensions for input tensor but received "
                           f"{input.dim()}")
    if input.spec.shape[1] % num_groups:
        raise RuntimeError("Expected number of channels in input to be divisible by num_groups, "
                           f"but got input of shape {list(input.spec.shape)} and num_groups="
                           f"{num_groups}")
    return group_norm_op(input, weight, bias, num_groups, eps)


def instance_norm(input, running_mean=None, running_var=None, weight=None, bias=None,
                  use_input_stats=True, momentum=0.1, eps=1e-5):
    """Each channel of each example with mean 0 and variance 1: batch norm of a batch of one."""
    n, c, *space = input.spec.shape
    if use_input_stats and math.prod(space) == 1:
        raise ValueError("Expected more than 1 spatial element when training, got input size "
                         f"{input.size()}")
    means = [None if x is None else x.repeat(n) for x in (running_mean, running_var)]
    affine = [None if x is None else x.repeat(n) for x in (weight, bias)]
    out = batch_norm(input.reshape(1, n * c, *space), *means, *affine, use_input_stats, momentum,
                     eps)
    if use_input_stats:
        with no_grad():
            for kept, new in zip((running_mean, running_var), means):
                if kept is not None:
                    kept.copy_(new.reshape(n, c).mean(0))
    return out.reshape(input.shape)


@operation(name="rms_norm", tensors=("input", "weight"))
def rms_norm_op(input, weight=None, normalized_shape=(), eps=None):
    import ml_dtypes

    rank = len(aval_of(input).shape)
    axes = tuple(range(rank - len(normalized_shape), rank))
    eps = float(ml_dtypes.finfo(aval_of(input).dtype).eps) if eps is None else eps
    normal = over_root(input, average(e.square(input), axes), eps)
    return scaled(normal, weight, None, axes)


def rms_norm(input, normalized_shape, weight=None, eps=None):
    """x / sqrt(mean(x^2) + eps) over the last dimensions."""
    return rms_norm_op(input, weight, last_sizes(input, normalized_shape), eps)


def normalize(input, p=2.0, dim=1, eps=1e-12, out=None):
    """x over its p-norm along `dim`."""
    size = vector_norm(input, p, dim, True).clamp(eps).expand_as(input)
    return input / size if out is None else write("normalize", out, input / size, (input,))
