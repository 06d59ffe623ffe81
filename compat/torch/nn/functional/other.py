"""Embedding, padding, distances, bilinear maps."""

from __future__ import annotations

import numpy as np

from compat.torch import creation, gathering
from compat.torch.functions import einsum
from compat.torch.operation import operation
from compat.torch.promotion import cast, expand_to
from compat.torch.joining import constant_pad
from compat.torch.views import broadcast_tensors
from minigrad.core import I64, aval_of
from minigrad.ops.indexing import CLIP, GatherDimensionNumbers, gather
from minigrad.ops.selection import select_n, stop_gradient
from minigrad.ops.shaping import reshape


@operation(name="embedding", tensors=("weight", "input"))
def embedding_op(weight, input, padding_idx=None):
    """Rows of `weight` (number, features) at the indices `input`."""
    shape = aval_of(input).shape
    vectors = reshape(cast(input, I64), new_sizes=(*shape, 1))
    if padding_idx is not None:  # the padding row gets no gradient
        row = np.arange(aval_of(weight).shape[0]) == padding_idx
        mask = expand_to(row[:, None], aval_of(weight).shape)
        weight = select_n(mask, weight, stop_gradient(weight))
    rank = len(shape)
    return gather(weight, vectors, slice_sizes=(1, aval_of(weight).shape[1]), mode=CLIP,
                  dimension_numbers=GatherDimensionNumbers((rank,), (0,), (0,)))


def embedding(input, weight, padding_idx=None, max_norm=None, norm_type=2.0,
              scale_grad_by_freq=False, sparse=False):
    """Rows of `weight` at the indices `input`."""
    if input.spec.dtype.kind not in "iu":
        raise RuntimeError("Expected tensor for argument #1 'indices' to have one of the following "
                           f"scalar types: Long, Int; but got torch.{input.type_name()} instead "
                           "(while checking arguments for embedding)")
    count = weight.spec.shape[0]
    if input.spec.concrete and input.numel():
        array = np.asarray(input.value)
        if array.min() < 0 or array.max() >= count:
            raise IndexError("index out of range in self")
    if padding_idx is not None and padding_idx < 0:
        padding_idx += count
    return embedding_op(weight, input, padding_idx)


def one_hot(tensor, num_classes=-1):
    """Ones at the classes, along a new last dimension."""
    if num_classes == -1:
        num_classes = int(tensor.max()) + 1
    return (tensor.unsqueeze(-1) == creation.arange(num_classes)).long()


def pad(input, pad, mode="constant", value=None):
    """Elements around the last dimensions, in pairs from the last one backwards."""
    pad = tuple(int(p) for p in pad)
    if mode == "constant":
        return constant_pad(input, pad, 0.0 if value is None else value)
    out = input
    for i in range(len(pad) // 2):
        dim = input.dim() - 1 - i
        places = np.pad(np.arange(input.spec.shape[dim]), pad[2 * i:2 * i + 2],
                        {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}[mode])
        out = gathering.index_select(out, dim, creation.from_numpy(places))
    return out


def cosine_similarity(x1, x2, dim=1, eps=1e-8):
    """x1 . x2 / (|x1| |x2|) along `dim`."""
    x1, x2 = broadcast_tensors(x1, x2)
    norms = [x.norm(dim=dim, keepdim=True).clamp(eps) for x in (x1, x2)]
    return ((x1 / norms[0]) * (x2 / norms[1])).sum(dim)


def pairwise_distance(x1, x2, p=2.0, eps=1e-6, keepdim=False):
    """The p-norm of x1 - x2 + eps."""
    return (x1 - x2 + eps).norm(p, -1, keepdim)


def bilinear(input1, input2, weight, bias=None):
    """x1^T W x2 + b for each output."""
    out = einsum("...i,oij,...j->...o", input1, weight, input2)
    return out if bias is None else out + bias
