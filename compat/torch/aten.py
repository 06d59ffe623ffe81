"""`torch.ops.aten`, and the operators that PyTorch keeps below its functions.

An overload such as `torch.ops.aten.slice.Tensor` is the function of that name with the arguments
that ATen's schema has.
"""

from __future__ import annotations

import types

import numpy as np

from compat.torch import arranging, joining, reductions as r
from compat.torch.methods import FUNCTIONS, METHODS
from compat.torch.nn import functional as F
from compat.torch.nn.functional.vision import resize_op
from compat.torch.scattering import scatter_reduce
from compat.torch.selecting import where
from compat.torch.signatures import into, public
from compat.torch.tensor import Tensor, array_of, from_array, wrap_dim
from minigrad import tape


def statistics(x, dims, eps):
    """Mean and 1 / sqrt(variance + eps) over dimensions, which stay."""
    mean = x.mean(dims, True)
    return mean, 1 / ((x - mean).square().mean(dims, True) + eps).sqrt()


def native_layer_norm(input, normalized_shape, weight, bias, eps):
    """(layer norm, mean, 1 / standard deviation)."""
    dims = tuple(range(input.dim() - len(normalized_shape), input.dim()))
    if not dims:
        raise RuntimeError("Expected normalized_shape to be at least 1-dimensional, i.e., "
                           "containing at least one element, but got normalized_shape = []")
    return F.layer_norm(input, tuple(normalized_shape), weight, bias, eps), \
        *statistics(input, dims, eps)


def native_group_norm(input, weight, bias, N, C, HxW, group, eps):
    """(group norm, mean, 1 / standard deviation), the statistics a row a group."""
    mean, scale = statistics(input.reshape(N, group, C // group * HxW), (2,), eps)
    return F.group_norm(input, group, weight, bias, eps), mean.squeeze(2), scale.squeeze(2)


def native_batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps):
    """(batch norm, mean, 1 / standard deviation); the statistics only where they were made."""
    out = F.batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)
    if not training:
        return out, input.new_empty(0), input.new_empty(0)
    dims = tuple(d for d in range(input.dim()) if d != 1)
    return out, *(v.reshape(-1) for v in statistics(input.detach(), dims, eps))


def native_batch_norm_legit(input, weight, bias, mean, var, training, momentum=None, eps=None):
    """As `native_batch_norm`, or without running statistics: then the last two are left out."""
    running = (None, None) if eps is None else (mean, var)
    training, momentum, eps = (mean, var, training) if eps is None else (training, momentum, eps)
    return native_batch_norm(input, weight, bias, *running, training, momentum, eps)


def unsafe_masked_index(input, mask, indices, fill):
    """Elements at the indices, and `fill` where the mask is False."""
    safe = [i if i is None else where(mask, i, 0) for i in indices]
    whole = tuple(slice(None) if i is None else i for i in safe)
    return input[whole].masked_fill(~mask, fill)


def unsafe_masked_index_put_accumulate(input, mask, indices, values):
    """`values` added at the indices where the mask is True."""
    safe = [i if i is None else where(mask, i, 0) for i in indices]
    whole = tuple(slice(None) if i is None else i for i in safe)
    return input.index_put(whole, values.masked_fill(~mask, 0), True) if None not in safe else \
        input.clone().index_put_(whole, values.masked_fill(~mask, 0), True)


def chunk_cat(tensors, dim, num_chunks, out=None):
    """Each tensor in chunks (padded to equal size), and all the chunks side by side."""
    for wrong, text in (
            (not tensors, "expects a non-empty input tensor list"),
            (num_chunks < 1, "expects positive num_chunks"),
            (any(not x.numel() for x in tensors), "expects non-empty tensor"),
            (any(dim >= x.dim() for x in tensors), "expects dim < ndim for all input tensors"),
            (dim < 0 and len({x.dim() for x in tensors}) > 1,
             "expects non-negative dim when input tensors have different ndims")):
        if wrong:
            raise RuntimeError(f"_chunk_cat {text}")
    rows, dim = [], wrap_dim(dim, tensors[0].dim())
    for x in tensors:
        size = -(-x.size(dim) // num_chunks) * num_chunks
        pad = [0, 0] * (x.dim() - 1 - dim) + [0, size - x.size(dim)]
        whole = joining.constant_pad(x, tuple(pad)) if size > x.size(dim) else x
        rows.append(whole.reshape(*whole.shape[:dim], num_chunks, -1))
    made = joining.cat(rows, dim + 1)
    return made if out is None else into(chunk_cat, out, made, ())


def segment_reduce(data, reduce, *, lengths=None, indices=None, offsets=None, axis=0,
                   unsafe=False, initial=None):
    """Runs of neighbours along `axis`, reduced to one each."""
    counts = array_of(lengths) if lengths is not None else np.diff(array_of(offsets), axis=-1)
    size = counts.shape[-1]
    rows = np.broadcast_to(counts, (*counts.shape[:-1], size)).reshape(-1, size)
    places = np.stack([np.repeat(np.arange(size), row) for row in rows])
    index = from_array(places.reshape(*counts.shape[:-1], -1))
    data = data.narrow(axis, 0, index.size(-1))  # what comes after belongs to no run
    for _ in range(data.dim() - index.dim()):
        index = index.unsqueeze(-1)
    index = index.expand(data.shape)
    start = {"prod": 1.0, "max": -np.inf, "min": np.inf}.get(reduce, 0.0)
    start = start if initial is None else float(initial)
    base = data.new_full((*data.shape[:axis], size, *data.shape[axis + 1:]), start)
    kind = {"max": "amax", "min": "amin", "mean": "sum"}.get(reduce, reduce)
    out = scatter_reduce(base, axis, index, data, kind)
    if reduce != "mean":
        return out
    number = from_array(counts.astype(data.spec.dtype))
    for _ in range(out.dim() - number.dim()):
        number = number.unsqueeze(-1)
    return where((number == 0).expand(out.shape), float("nan") if initial is None else out,
                 out / number.clamp(min=1))


def grid_sampler(input, grid, interpolation_mode, padding_mode, align_corners):
    """`grid_sample` with its modes by number."""
    return F.grid_sample(input, grid, ("bilinear", "nearest", "bicubic")[interpolation_mode],
                         ("zeros", "border", "reflection")[padding_mode], align_corners)


def safe_softmax(input, dim, dtype=None):
    """softmax that is 0 where everything is -inf."""
    x = input if dtype is None else input.to(dtype)
    x = x if x.is_floating_point() else x * 1.0
    nothing = (x == -float("inf")).all(dim, True)
    return where(nothing, 0.0, r.softmax(where(nothing, 0.0, x), dim))


def softmax_backward(grad_output, output, dim, input_dtype):
    return ((grad_output - (grad_output * output).sum(dim, True)) * output).to(input_dtype)


def max_pool2d_with_indices_backward(grad, input, kernel_size, stride, padding, dilation,
                                     ceil_mode, indices):
    """The gradient of max_pool2d, by the tape."""
    x = input.detach().requires_grad_()
    with tape.grad_mode(True):
        out = F.max_pool2d(x, kernel_size, stride or kernel_size, padding, dilation, ceil_mode)
    return tape.grad(out, x, grad)[0]


def upsample_antialiased(input, output_size, align_corners, scale_factors=None, *, scales_h=None,
                         scales_w=None):
    """`interpolate` to a size, with factors that need not fit it."""
    if output_size is None:
        return F.interpolate(input, scale_factor=scale_factors, mode="bilinear",
                             align_corners=align_corners, antialias=True)
    return resize_op(input, tuple(output_size), "bilinear", align_corners, (scales_h, scales_w),
                     True)


INTERNALS = {
    "native_layer_norm": native_layer_norm, "native_group_norm": native_group_norm,
    "native_batch_norm": public(native_batch_norm),
    "_native_batch_norm_legit": public(native_batch_norm_legit),
    "_unsafe_masked_index": unsafe_masked_index, "_chunk_cat": chunk_cat,
    "_unsafe_masked_index_put_accumulate": unsafe_masked_index_put_accumulate,
    "_segment_reduce": segment_reduce, "grid_sampler_2d": grid_sampler,
    "grid_sampler_3d": grid_sampler, "grid_sampler": grid_sampler,
}  # as names of torch
ATEN = INTERNALS | {
    "slice": arranging.slice_of, "_safe_softmax": safe_softmax,
    "_softmax_backward_data": softmax_backward,
    "native_dropout_backward": lambda grad, mask, scale: grad * mask * scale,
    "max_pool2d_with_indices_backward": max_pool2d_with_indices_backward,
    "_upsample_bilinear2d_aa": upsample_antialiased,
    "_batch_norm_with_update": lambda *a: (*native_batch_norm(*a[:5], True, *a[5:]),
                                           a[0].new_empty(0).byte()),
}


class Packet:
    """One operator, callable itself and by the names of its overloads."""

    def __init__(self, name: str, function):
        self.name, self.function = name, function

    def __call__(self, *args, **kwargs):
        return self.function(*args, **kwargs)

    def __getattr__(self, overload: str):
        if overload.startswith("__"):
            raise AttributeError(overload)
        return self.function

    def __repr__(self) -> str:
        return f"<OpOverloadPacket(op='aten.{self.name}')>"


class Namespace(types.ModuleType):
    """`torch.ops.aten`: every function of the face by its name."""

    def __getattr__(self, name: str):
        found = next((t[name] for t in (ATEN, FUNCTIONS, METHODS) if name in t), None)
        found = getattr(F, name, getattr(Tensor, name, None)) if found is None else found
        if found is None:
            raise AttributeError(f"'_OpNamespace' 'aten' object has no attribute '{name}'")
        packet = Packet(name, found)
        setattr(self, name, packet)
        return packet


ops = types.ModuleType("compat.torch.ops")
ops.aten = Namespace("compat.torch.ops.aten")
