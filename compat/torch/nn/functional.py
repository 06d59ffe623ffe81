"""`torch.nn.functional`: layers as functions of their parameters."""

from __future__ import annotations

import math

import numpy as np

from compat.torch import creation, indexing
from compat.torch.nn.activations import (
    elu, gelu, glu, hardsigmoid, hardswish, hardtanh, leaky_relu, log_softmax, logsigmoid, mish,
    relu, relu6, sigmoid, silu, softmax, softmin, softplus, softsign, tanh, tanhshrink,
)
from compat.torch.nn.convolution import (
    adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_max_pool2d, avg_pool1d, avg_pool2d, conv1d,
    conv2d, conv3d, conv_transpose1d, conv_transpose2d, max_pool1d, max_pool2d,
)
from compat.torch.nn.losses import (
    binary_cross_entropy, binary_cross_entropy_with_logits, cross_entropy, huber_loss, kl_div,
    l1_loss, mse_loss, nll_loss, smooth_l1_loss,
)
from compat.torch.nn.normalization import (
    batch_norm, group_norm, layer_norm, normalize, rms_norm,
)
from compat.torch.operation import operation
from compat.torch.pointwise import PAIRS, like
from compat.torch.products import linear, product
from compat.torch.promotion import cast, expand_to
from compat.torch.random import draw
from compat.torch.reductions import softmax_of
from compat.torch.shaping import broadcast_tensors, constant_pad, flatten
from compat.torch.tensor import Tensor, from_array
from minigrad import core, views
from minigrad.core import I64, aval_of
from minigrad.ops import elementwise as e
from minigrad.ops.indexing import CLIP, GatherDimensionNumbers, gather
from minigrad.ops.selection import select_n
from minigrad.ops.shaping import reshape, transpose

# ------------------------------------------------------------------ dropout


def check_probability(p: float) -> None:
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")


def memory_order(input) -> list[int]:
    """Dimensions from the slowest to the fastest in memory. PyTorch makes the mask in this order.
    A traced value has no memory; if it is a view, the same view of an array tells."""
    if input.spec.concrete:
        array = input.value
    elif (link := getattr(input, "view_of", None)) is not None:
        base, replay = link
        with core.using(core.NO_GRAD):
            array = replay(from_array(np.empty(base.spec.shape, np.uint8))).value
    else:
        return list(range(len(input.spec.shape)))
    return sorted(range(len(array.shape)), key=lambda d: -array.strides[d])


def dropout_with(shape, input, p: float, training: bool, inplace: bool):
    check_probability(p)
    if not training or p == 0 or not input.numel():
        return input
    if p == 1:
        out = PAIRS["mul"](input, 0.0)
    else:
        order = memory_order(input)
        mask = draw("bernoulli", [shape[d] for d in order], input.spec.dtype, probability=1 - p)
        if order != sorted(order):
            mask = mask.permute([order.index(d) for d in range(len(order))])
        out = PAIRS["mul"](input, PAIRS["div"](mask, 1 - p))
    return views.write(input, out) if inplace else out


def dropout(input, p=0.5, training=True, inplace=False):
    """Zero elements with probability p, and scale the others by 1 / (1 - p)."""
    return dropout_with(input.spec.shape, input, p, training, inplace)


def dropout1d(input, p=0.5, training=True, inplace=False):
    """Zero whole channels of (N, C, L)."""
    shape = input.spec.shape
    return dropout_with(shape[:-1] + (1,), input, p, training, inplace)


def dropout2d(input, p=0.5, training=True, inplace=False):
    """Zero whole channels of (N, C, H, W)."""
    shape = input.spec.shape
    return dropout_with(shape[:-2] + (1, 1), input, p, training, inplace)


# ------------------------------------------------------------------ embedding


@operation(name="embedding", tensors=("weight", "input"))
def embedding_op(weight, input, padding_idx=None):
    """Rows of `weight` (number, features) at the indices `input`."""
    shape = aval_of(input).shape
    vectors = reshape(cast(input, I64), new_sizes=(*shape, 1))
    if padding_idx is not None:  # the padding row gets no gradient
        from minigrad.ops.selection import stop_gradient

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


# ------------------------------------------------------------------ attention


def attention_weights(query, key, mask, is_causal: bool, scale: float | None):
    """softmax(query key^T scale + mask). Shapes: (..., L, E), (..., S, E) -> (..., L, S)."""
    q, k = aval_of(query).shape, aval_of(key).shape
    factor = 1 / math.sqrt(q[-1]) if scale is None else scale
    rank = len(k)
    order = (*range(rank - 2), rank - 1, rank - 2)
    scores = e.mul(product(query, transpose(key, permutation=order)), like_scalar(query, factor))
    shape = aval_of(scores).shape
    if is_causal:
        keep = expand_to(np.tril(np.ones(shape[-2:], bool)), shape)
        scores = select_n(keep, like(scores, -np.inf), scores)
    if mask is not None:
        if aval_of(mask).dtype == np.bool_:
            scores = select_n(expand_to(mask, shape), like(scores, -np.inf), scores)
        else:
            scores = e.add(scores, expand_to(cast(mask, aval_of(scores).dtype), shape))
    return softmax_of(scores, (len(shape) - 1,))


def like_scalar(x, value):
    return np.asarray(value).astype(aval_of(x).dtype)[()]


def same_batch(*tensors):
    """Leading dimensions broadcast."""
    batch = np.broadcast_shapes(*(aval_of(x).shape[:-2] for x in tensors))
    return [expand_to(x, (*batch, *aval_of(x).shape[-2:])) for x in tensors]


@operation(name="scaled_dot_product_flash_attention_for_cpu",
           tensors=("query", "key", "value", "attn_mask"))
def attention_op(query, key, value, attn_mask=None, is_causal=False, scale=None):
    query, key, value = same_batch(query, key, value)
    return product(attention_weights(query, key, attn_mask, is_causal, scale), value)


@operation(name="softmax", tensors=("query", "key", "attn_mask"))
def weights_op(query, key, attn_mask=None, is_causal=False, scale=None):
    query, key = same_batch(query, key)
    return attention_weights(query, key, attn_mask, is_causal, scale)


def scaled_dot_product_attention(query, key, value, attn_mask=None, dropout_p=0.0,
                                 is_causal=False, scale=None, enable_gqa=False):
    """softmax(query key^T / sqrt(E)) value, for (..., L, E), (..., S, E), (..., S, V)."""
    if is_causal and attn_mask is not None:
        raise RuntimeError("Explicit attn_mask should not be set when is_causal=True")
    if enable_gqa:
        groups = query.spec.shape[-3] // key.spec.shape[-3]
        key, value = (x.unsqueeze(-3).expand(*x.shape[:-2], groups, *x.shape[-2:]).flatten(-4, -3)
                      for x in (key, value))
    if not dropout_p:
        return attention_op(query, key, value, attn_mask, is_causal, scale)
    weights = weights_op(query, key, attn_mask, is_causal, scale)
    return dropout(weights, dropout_p).matmul(value)


# ------------------------------------------------------------------ the rest


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
        out = indexing.index_select(out, dim, creation.from_numpy(places))
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
    from compat.torch.products import einsum_body  # noqa: F401
    from compat.torch.functions import einsum

    out = einsum("...i,oij,...j->...o", input1, weight, input2)
    return out if bias is None else out + bias


_ = Tensor, core, flatten, linear
__all__ = [name for name in dir() if not name.startswith("_") and name not in (
    "annotations", "math", "np", "core", "views", "e", "creation", "indexing", "operation")]
