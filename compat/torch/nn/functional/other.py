"""Embedding, padding, distances, bilinear maps."""

from __future__ import annotations

import numpy as np

from compat.torch import creation, gathering
from compat.torch.autograd import no_grad
from compat.torch.functions import einsum
from compat.torch.indexing import index_put_op
from compat.torch.nn.functional.pooling import avg_pool2d
from compat.torch.operation import operation
from compat.torch.selecting import where
from compat.torch.pointwise import like
from compat.torch.promotion import cast, expand_to, expanded, inexact
from compat.torch.reductions import axes_of, fold, root, spread
from compat.torch.joining import constant_pad
from compat.torch.tensor import array_of, at_hand, from_array
from minigrad.core import I64, aval_of
from minigrad.ops import elementwise as e
from minigrad.ops.indexing import CLIP, GatherDimensionNumbers, gather
from minigrad.ops.reduction import reduce_sum
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


def check_indices(input, count: int) -> None:
    if input.spec.dtype.kind not in "iu":
        raise RuntimeError("Expected tensor for argument #1 'indices' to have one of the following "
                           f"scalar types: Long, Int; but got torch.{input.type_name()} instead "
                           "(while checking arguments for embedding)")
    if at_hand(input) and input.numel():
        array = array_of(input)
        if array.min() < 0 or array.max() >= count:
            raise IndexError("index out of range in self")


def renormalised(weight, input, max_norm: float, norm_type: float) -> None:
    """Rows that are looked up and longer than max_norm are scaled down, in place."""
    with no_grad():
        rows = from_array(np.unique(array_of(input)))
        table = weight.detach()
        found = table[rows]
        norms = found.norm(norm_type, 1, keepdim=True)
        table[rows] = where(norms > max_norm, found * (max_norm / (norms + 1e-7)), found)


def embedding(input, weight, padding_idx=None, max_norm=None, norm_type=2.0,
              scale_grad_by_freq=False, sparse=False):
    """Rows of `weight` at the indices `input`."""
    if weight.dim() != 2:
        raise RuntimeError("'weight' must be 2-D")
    count = weight.spec.shape[0]
    check_indices(input, count)
    if padding_idx is not None:
        if not -count <= padding_idx < count:
            raise AssertionError("Padding_idx must be within num_embeddings")
        padding_idx %= count
    if max_norm is not None:
        renormalised(weight, input, max_norm, norm_type)
    out = embedding_op(weight, input, padding_idx)
    return frequency_scaled(out, input) if scale_grad_by_freq else out


def frequency_scaled(out, input):
    """`out`, whose gradient is divided by how often each index occurs."""
    _, inverse, counts = np.unique(array_of(input), return_inverse=True, return_counts=True)
    share = 1 / counts[inverse.reshape(input.spec.shape)][..., None].astype(out.spec.dtype)
    share = from_array(share)
    return out * share + (out * (1 - share)).detach()


def embedding_bag(input, weight, offsets=None, max_norm=None, norm_type=2,
                  scale_grad_by_freq=False, mode="mean", sparse=False, per_sample_weights=None,
                  include_last_offset=False, padding_idx=None):
    """The sum, mean or maximum of the rows of each bag: rows of indices, or runs from `offsets`."""
    if per_sample_weights is not None and per_sample_weights.shape != input.shape:
        raise ValueError(f"embedding_bag: If per_sample_weights ({per_sample_weights.shape}) is "
                         f"not None, then it must have the same shape as the input ({input.shape})")
    if mode not in ("sum", "mean", "max"):
        raise ValueError("mode has to be one of sum, mean or max")
    if per_sample_weights is not None and mode != "sum":
        raise NotImplementedError(
            "embedding_bag: per_sample_weights was not None. per_sample_weights is only supported "
            f"for mode='sum' (got mode='{mode}'). Please open a feature request on GitHub.")
    if input.dim() == 2:
        if offsets is not None:
            raise ValueError("if input is 2D, then offsets has to be None, as input is treated is "
                             "a mini-batch of fixed length sequences. However, found offsets of "
                             f"type {type(offsets)}")
        starts = np.arange(input.spec.shape[0]) * input.spec.shape[1]
        input, weights = (None if x is None else x.reshape(-1) for x in (input, per_sample_weights))
    else:
        if offsets is None:
            raise ValueError("offsets has to be a 1D Tensor but got None")
        starts, weights = array_of(offsets), per_sample_weights
        starts = starts[:-1] if include_last_offset else starts
    indices = array_of(input)
    count = weight.spec.shape[0]
    rows = embedding(input, weight, None, max_norm, norm_type, scale_grad_by_freq)
    used = np.ones(len(indices), bool) if padding_idx is None else \
        indices != padding_idx % count
    bags = np.searchsorted(starts, np.arange(len(indices)), side="right") - 1
    n = len(starts)
    sizes = np.bincount(bags[used], minlength=n)[:n]
    dtype = weight.spec.dtype
    if mode == "max":
        table = np.full((n, max(1, sizes.max(initial=0))), -1)
        for bag in range(n):
            own = np.nonzero(used & (bags == bag))[0]
            table[bag, :len(own)] = own
        found = rows[from_array(np.maximum(table, 0))].masked_fill(
            from_array(table[..., None] < 0), -np.inf)
        return found.max(1)[0].masked_fill(from_array(sizes[:, None] == 0), 0)
    scale = used.astype(dtype)
    if mode == "mean":
        scale = scale / np.maximum(sizes, 1)[bags].astype(dtype)
    factors = from_array(scale) if weights is None else from_array(scale) * weights
    zeros = weight.new_zeros((n, weight.spec.shape[1]))
    return index_put_op(1)(zeros, rows * factors.unsqueeze(1), from_array(bags), dims=(0,),
                           accumulate=True)


def one_hot(tensor, num_classes=-1):
    """Ones at the classes, along a new last dimension."""
    if tensor.spec.dtype != I64:
        raise RuntimeError("one_hot is only applicable to index tensor of type LongTensor.")
    if not tensor.numel() and num_classes <= 0:
        raise RuntimeError("Can not infer total number of classes from empty tensor.")
    top = int(tensor.max()) if tensor.numel() else -1
    if tensor.numel() and int(tensor.min()) < 0:
        raise RuntimeError("Class values must be non-negative.")
    if 0 <= num_classes <= top:
        raise RuntimeError("Class values must be smaller than num_classes.")
    return (tensor.unsqueeze(-1) == creation.arange(
        top + 1 if num_classes == -1 else num_classes)).long()


PAD_MODES = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def pad(input, pad, mode="constant", value=None):
    """Elements around the last dimensions, in pairs from the last one backwards; negative ones
    take away."""
    pad = tuple(int(p) for p in pad)
    if len(pad) % 2 or len(pad) > 2 * input.dim():
        raise RuntimeError("Padding length must be divisible by 2" if len(pad) % 2 else
                           "Padding length should be less than or equal to two times the input "
                           f"dimension but got padding length {len(pad)} and input of dimension "
                           f"{input.dim()}")
    if mode == "constant":
        return constant_pad(input, pad, 0.0 if value is None else value)
    if mode not in PAD_MODES:
        raise NotImplementedError(f"Unrecognised padding mode {mode}")
    out = input
    for i in range(len(pad) // 2):
        low, high = pad[2 * i:2 * i + 2]
        dim, n = input.dim() - 1 - i, input.spec.shape[input.dim() - 1 - i]
        if mode == "reflect" and max(low, high) >= n:
            raise RuntimeError("Argument #4: Padding size should be less than the corresponding "
                               f"input dimension, but got: padding ({low}, {high}) at dimension "
                               f"{dim} of input {list(input.spec.shape)}")
        if mode == "circular" and max(low, high) > n:
            raise RuntimeError("Padding value causes wrapping around more than once.")
        cut = slice(max(-low, 0), n - max(-high, 0) + (0 if mode == "circular" else max(low, 0)
                                                       + max(high, 0)))
        places = np.arange(n)[cut] if mode == "circular" else np.arange(n)
        places = np.pad(places, (max(low, 0), max(high, 0)), PAD_MODES[mode])
        places = places if mode == "circular" else places[cut]
        out = gathering.index_select(out, dim, creation.from_numpy(places))
    return out


@operation(name="cosine_similarity", tensors=("x1", "x2"))
def cosine_op(x1, x2, dim=1, eps=1e-8):
    x1, x2 = expanded(x1, x2, dtype=inexact(x1, x2))
    axes, shape = axes_of(x1, dim), aval_of(x1).shape

    def direction(x):
        """x over its norm, which is at least eps; the derivative goes through the bound."""
        norm = root(fold(reduce_sum, e.square(x), axes))
        least = e.max_(norm, like(norm, eps))
        norm = e.add(norm, stop_gradient(e.sub(least, norm)))
        return e.div(x, spread(norm, shape))

    return fold(reduce_sum, e.mul(direction(x1), direction(x2)), axes, False)


def cosine_similarity(x1, x2, dim=1, eps=1e-8):
    """x1 . x2 / (|x1| |x2|) along `dim`."""
    return cosine_op(x1, x2, dim, eps)


def pairwise_distance(x1, x2, p=2.0, eps=1e-6, keepdim=False):
    """The p-norm of x1 - x2 + eps."""
    return (x1 - x2 + eps).norm(p, -1, keepdim)


def bilinear(input1, input2, weight, bias=None):
    """x1^T W x2 + b for each output."""
    out = einsum("...i,oij,...j->...o", input1, weight, input2)
    return out if bias is None else out + bias


def pdist(input, p=2.0):
    """Distances between all pairs of rows."""
    i, j = np.triu_indices(input.spec.shape[0], 1)
    gaps = input[from_array(i)] - input[from_array(j)]
    return gaps.norm(p, -1)


def local_response_norm(input, size, alpha=1e-4, beta=0.75, k=1.0):
    """x / (k + alpha mean of squares in neighbouring channels)^beta. Source: AlexNet (2012)."""
    if input.dim() < 3:
        raise ValueError("Expected 3D or higher dimensionality input (got "
                         f"{input.dim()} dimensions)")
    squares = (input * input).unsqueeze(1).flatten(3) if input.dim() > 3 else \
        (input * input).unsqueeze(1).unsqueeze(3).flatten(3)
    squares = constant_pad(squares, (0, 0, size // 2, (size - 1) // 2), 0.0)
    mean = avg_pool2d(squares, (size, 1), 1).reshape(input.shape)
    return input / (mean * alpha + k) ** beta if input.numel() else input  # an integer's too
