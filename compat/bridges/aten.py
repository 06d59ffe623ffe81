"""What the operators of an exported PyTorch program are in `compat.torch`.

Most bear the name that the function has in torch, in `nn.functional` or on a Tensor, and are found
by it; `ATEN` holds the rest. An operator that no row and no name explains is named in the error.
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable
from typing import Any

import compat.torch as torch
from compat.torch.nn import functional as F


def indices_of(parts) -> tuple:
    return tuple(slice(None) if p is None else p for p in parts)


def index_put(x, indices, values, accumulate=False):
    return x.index_put(indices, values, accumulate) if all(i is not None for i in indices) \
        else written(x, indices_of(indices), values, accumulate)


def written(x, index, values, accumulate=False):
    """A copy of `x` with `values` at `index`."""
    out = x.clone()
    out[index] = out[index] + values if accumulate else values
    return out


def along(dim: int, ndim: int, index) -> tuple:
    return (slice(None),) * (dim % ndim) + (index,)


def slice_of(x, dim=0, start=None, end=None, step=1):
    return x[along(dim, x.ndim, slice(start, end, step))]


def slice_scatter(x, source, dim=0, start=None, end=None, step=1):
    return written(x, along(dim, x.ndim, slice(start, end, step)), source)


def select_scatter(x, source, dim, index):
    return written(x, along(dim, x.ndim, index), source)


def convolution(x, weight, bias, stride, padding, dilation, transposed, output_padding, groups):
    rank = x.ndim - 2
    if transposed:
        conv = getattr(F, f"conv_transpose{rank}d")
        return conv(x, weight, bias, stride, padding, output_padding, groups, dilation)
    return getattr(F, f"conv{rank}d")(x, weight, bias, stride, padding, dilation, groups)


def batch_statistics(x) -> tuple:
    axes = [i for i in range(x.ndim) if i != 1]
    return x.mean(axes), x.var(axes, correction=0)


def batch_norm(x, weight, bias, running_mean, running_var, training, momentum, eps):
    """(output, mean, 1 / deviation of the batch, new running mean, new running variance)."""
    if not training:
        out = F.batch_norm(x, running_mean, running_var, weight, bias, False, momentum, eps)
        return out, x.new_zeros(0), x.new_zeros(0), running_mean, running_var
    out = F.batch_norm(x, None, None, weight, bias, True, momentum, eps)
    mean, var = batch_statistics(x.detach())
    n = x.numel() // x.shape[1]
    new_mean = running_mean * (1 - momentum) + mean * momentum
    new_var = running_var * (1 - momentum) + var * (momentum * n / (n - 1))
    return out, mean, torch.rsqrt(var + eps), new_mean, new_var


def batch_norm_no_training(x, weight, bias, running_mean, running_var, momentum, eps):
    return batch_norm(x, weight, bias, running_mean, running_var, False, momentum, eps)[:3]


def batch_norm_no_stats(x, weight, bias, training, momentum, eps):
    mean, var = batch_statistics(x.detach())
    out = F.batch_norm(x, None, None, weight, bias, True, momentum, eps)
    return out, mean, torch.rsqrt(var + eps)


def native_layer_norm(x, normalized_shape, weight, bias, eps):
    axes = list(range(x.ndim - len(normalized_shape), x.ndim))
    mean = x.detach().mean(axes, keepdim=True)
    inverse = torch.rsqrt(x.detach().var(axes, correction=0, keepdim=True) + eps)
    return F.layer_norm(x, list(normalized_shape), weight, bias, eps), mean, inverse


def native_group_norm(x, weight, bias, n, c, spatial, groups, eps):
    grouped = x.detach().reshape(n, groups, -1)
    inverse = torch.rsqrt(grouped.var(-1, correction=0) + eps)
    return F.group_norm(x, groups, weight, bias, eps), grouped.mean(-1), inverse


def native_dropout(x, p, train=True):
    out = F.dropout(x, p, True) if train else x
    return out, (out != 0) if train else torch.ones_like(x, dtype=torch.bool)


def to_copy(x, *, dtype=None, memory_format=None, non_blocking=False):
    return x.clone() if dtype is None else x.to(dtype)


def upsample(mode: str) -> Callable:
    def fn(x, output_size, *rest):
        *corners, factors = rest
        given = {"align_corners": corners[0]} if corners else {}
        return F.interpolate(x, output_size, factors if output_size is None else None,
                             mode=mode, **given)

    return fn


def padding(mode: str) -> Callable:
    return lambda x, pad: F.pad(x, list(pad), mode)


def pooled_with_indices(rank: int) -> Callable:
    return lambda x, *args: getattr(F, f"max_pool{rank}d")(
        x, *args, return_indices=True)


def in_half(fn: Callable) -> Callable:
    """`_softmax(x, dim, half_to_float)`."""
    return lambda x, dim, half_to_float=False: fn(
        x, dim, dtype=torch.float32 if half_to_float else None)


def division(x, y, *, rounding_mode=None):
    return torch.div(x, y, rounding_mode=rounding_mode)


def nothing(*args, **kwargs) -> None:
    """An assertion about what the tracer knew."""


ATEN: dict[str, Callable] = {
    "_adaptive_avg_pool2d": F.adaptive_avg_pool2d,
    "_adaptive_avg_pool3d": lambda x, size: F.adaptive_avg_pool3d(x, size),
    "_assert_scalar": nothing, "_assert_tensor_metadata": nothing,
    "_cdist_forward": lambda x, y, p, mode=None: torch.cdist(x, y, p),
    "_local_scalar_dense": lambda x: x.item(),
    "_log_softmax": in_half(F.log_softmax),
    "_native_batch_norm_legit": batch_norm,
    "_native_batch_norm_legit.no_stats": batch_norm_no_stats,
    "_native_batch_norm_legit_functional": batch_norm,
    "_native_batch_norm_legit_no_training": batch_norm_no_training,
    "_softmax": in_half(F.softmax),
    "_to_copy": to_copy,
    "_unsafe_view": lambda x, size: x.reshape(size),
    "alias": lambda x: x,
    "avg_pool1d": F.avg_pool1d, "avg_pool2d": F.avg_pool2d,
    "avg_pool3d": lambda *args: F.avg_pool3d(*args),
    "col2im": lambda x, size, kernel, dilation, pad, stride: F.fold(
        x, size, kernel, dilation, pad, stride),
    "im2col": lambda x, kernel, dilation, pad, stride: F.unfold(x, kernel, dilation, pad, stride),
    "constant_pad_nd": lambda x, pad, value=0: F.pad(x, list(pad), value=value),
    "convolution": convolution,
    "copy": lambda x, source, non_blocking=False: source.to(x.dtype).expand(x.shape).clone(),
    "div": division,
    "embedding": lambda weight, ids, padding_idx=-1, scale_grad=False, sparse=False: F.embedding(
        ids, weight, padding_idx if padding_idx >= 0 else None),
    "expand": lambda x, size, implicit=False: x.expand(size),
    "fill": lambda x, value: torch.full_like(x, value),
    "grid_sampler_2d": lambda x, grid, mode, pad, corners: F.grid_sample(
        x, grid, ("bilinear", "nearest", "bicubic")[mode],
        ("zeros", "border", "reflection")[pad], corners),
    "index": lambda x, indices: x[indices_of(indices)],
    "index_put": index_put,
    "lift_fresh_copy": lambda x: x.clone(),
    "max_pool2d_with_indices": pooled_with_indices(2),
    "max_pool3d_with_indices": pooled_with_indices(3),
    "native_dropout": native_dropout,
    "native_group_norm": native_group_norm,
    "native_layer_norm": native_layer_norm,
    "reflection_pad1d": padding("reflect"), "reflection_pad2d": padding("reflect"),
    "reflection_pad3d": padding("reflect"),
    "replication_pad1d": padding("replicate"), "replication_pad2d": padding("replicate"),
    "replication_pad3d": padding("replicate"),
    "scalar_tensor": lambda value, **options: torch.tensor(value, **options),
    "scatter_reduce": lambda x, *args, **options: x.scatter_reduce(*args, **options),
    "select_scatter": select_scatter,
    "slice": slice_of,
    "slice_scatter": slice_scatter,
    "split_with_sizes": lambda x, sizes, dim=0: torch.split(x, list(sizes), dim),
    "squeeze.dims": lambda x, dims: x.squeeze(tuple(dims)),
    "sym_numel": lambda x: x.numel(),
    "sym_size": lambda x, dim: x.shape[dim],
    "sym_storage_offset": lambda x: x.storage_offset(),
    "sym_stride": lambda x, dim: x.stride(dim),
    "upsample_bicubic2d": upsample("bicubic"), "upsample_bilinear2d": upsample("bilinear"),
    "upsample_linear1d": upsample("linear"), "upsample_trilinear3d": upsample("trilinear"),
    "upsample_nearest1d": upsample("nearest"), "upsample_nearest2d": upsample("nearest"),
    "upsample_nearest3d": upsample("nearest"),
    "view": lambda x, size: x.view(size),
}

# symbolic sizes are Python numbers when the program runs
NUMBERS: dict[str, Callable] = {
    "sym_sum": lambda parts: sum(parts), "sym_max": max, "sym_min": min, "sym_float": float,
    "sym_int": int, "sym_not": operator.not_, "sym_sqrt": math.sqrt,
    "sym_ite": lambda condition, yes, no: yes if condition else no,
    "sym_constrain_range": nothing, "sym_constrain_range_for_size": nothing,
}

LEFT_OUT = {"device", "layout", "pin_memory", "memory_format", "non_blocking"}


@functools.lru_cache
def function_for(name: str, overload: str) -> Callable:
    """What `aten.name.overload` is here. Raises NotImplementedError, naming the operator."""
    for key in (f"{name}.{overload}", name):
        if key in ATEN:
            return ATEN[key]
    family, _, short = name.partition("_")
    if family in ("linalg", "special", "fft"):
        places = [(getattr(torch, family), short)]
    else:
        places = [(place, name) for place in (torch, F, torch.Tensor)]
    for place, spelled in places:
        if callable(found := getattr(place, spelled, None)):
            return found
    raise NotImplementedError(
        f"the operator aten::{name} (overload {overload}) of the exported program has no row in "
        "compat/bridges/aten.py and no function of that name in compat.torch")


# The first result is often all that is wanted, and costs less by itself.
FIRST_ONLY: dict[str, Callable] = {
    "max_pool2d_with_indices": lambda *args: (F.max_pool2d(*args),),
    "max_pool3d_with_indices": lambda *args: (F.max_pool3d(*args),),
    "native_dropout": lambda x, p, train=True: (F.dropout(x, p, bool(train)),),
    "native_group_norm": lambda x, weight, bias, n, c, spatial, groups, eps: (
        F.group_norm(x, groups, weight, bias, eps),),
    "native_layer_norm": lambda x, shape, weight, bias, eps: (
        F.layer_norm(x, list(shape), weight, bias, eps),),
}


def resolve(target, only_first: bool = False) -> Callable:
    """The function of an fx node's target: an ATen operator, or Python's own.

    only_first: of several results the program asks for the first alone.
    """
    if hasattr(target, "_schema"):
        schema = target._schema
        name = schema.name.partition("::")[2]
        overload = schema.overload_name or "default"
        namespace = schema.name.partition("::")[0]
        if namespace != "aten":
            raise NotImplementedError(f"the operator {schema.name} is none of PyTorch's own: only "
                                      "aten operators can be run here")
        if only_first and name in FIRST_ONLY:
            return FIRST_ONLY[name]
        return function_for(name, overload)
    module, name = getattr(target, "__module__", ""), getattr(target, "__name__", "")
    if module in ("_operator", "math", "builtins"):
        return target
    if name in NUMBERS:
        return NUMBERS[name]
    raise NotImplementedError(f"the exported program calls {module}.{name}, which has no "
                              "counterpart here")


def argument(value: Any) -> Any:
    """A constant of the graph as this engine spells it: dtypes by their names."""
    kind = type(value).__name__
    if kind == "dtype":
        return getattr(torch, str(value).removeprefix("torch."))
    return value
