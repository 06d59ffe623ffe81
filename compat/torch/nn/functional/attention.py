"""Scaled dot product attention. Source: Vaswani et al. (2017)."""

from __future__ import annotations

import math

import numpy as np

from compat.torch.creation import zeros_like
from compat.torch.joining import cat, constant_pad
from compat.torch.nn.functional.dropout import dropout
from compat.torch.operation import operation
from compat.torch.pointwise import like
from compat.torch.products import linear, product
from compat.torch.promotion import cast, expand_to
from compat.torch.reductions import softmax_of
from compat.torch.tensor import Tensor
from minigrad.core import aval_of
from minigrad.ops import elementwise as e
from minigrad.ops.selection import select_n
from minigrad.ops.shaping import transpose


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


# ------------------------------------------------------------------ many heads


def projected(query, key, value, weights, bias):
    """Queries, keys and values: by one matrix of three, or by three."""
    if isinstance(weights, Tensor):
        if query is key is value:
            return linear(query, weights, bias).chunk(3, -1)
        weights = weights.chunk(3)
    biases = (None,) * 3 if bias is None else bias.chunk(3)
    return [linear(x, w, b) for x, w, b in zip((query, key, value), weights, biases)]


def additive(mask, dtype):
    """A boolean mask (True: ignore) as 0 and -inf."""
    if mask.dtype.kind != "b":
        return mask
    return zeros_like(mask, dtype=dtype).masked_fill(mask, -math.inf)


def joint_mask(attn_mask, key_padding_mask, heads: int, extra: int, dtype):
    """One additive mask that broadcasts to (batch, heads, targets, sources), or None. Sources that
    were added (`extra`) are seen by all."""
    masks = [None if m is None else additive(m, dtype) for m in (attn_mask, key_padding_mask)]
    if extra:
        masks = [None if m is None else constant_pad(m, (0, extra)) for m in masks]
    mask, padding = masks
    if mask is not None and mask.dim() == 3:
        mask = mask.reshape(-1, heads, *mask.shape[1:])
    if padding is None:
        return mask
    padding = padding[:, None, None, :]
    return padding if mask is None else mask + padding


def multi_head_attention_forward(
        query, key, value, embed_dim_to_check, num_heads, in_proj_weight, in_proj_bias, bias_k,
        bias_v, add_zero_attn, dropout_p, out_proj_weight, out_proj_bias, training=True,
        key_padding_mask=None, need_weights=True, attn_mask=None, use_separate_proj_weight=False,
        q_proj_weight=None, k_proj_weight=None, v_proj_weight=None, static_k=None, static_v=None,
        average_attn_weights=True, is_causal=False):
    """(result, weights or None) of attention over (length, batch, features)."""
    single = query.dim() == 2
    if single:
        query, key, value = (x.unsqueeze(1) for x in (query, key, value))
        key_padding_mask = None if key_padding_mask is None else key_padding_mask.unsqueeze(0)
    length, batch, features = query.shape
    if features != embed_dim_to_check:
        raise AssertionError(f"was expecting embedding dimension of {embed_dim_to_check}, but got "
                             f"{features}")
    if is_causal and attn_mask is None:
        raise RuntimeError("Need attn_mask if specifying the is_causal hint.")
    weights = (q_proj_weight, k_proj_weight, v_proj_weight) if use_separate_proj_weight \
        else in_proj_weight
    q, k, v = projected(query, key, value, weights, in_proj_bias)
    if bias_k is not None:
        k, v = (cat([x, b.expand(1, batch, -1)]) for x, b in ((k, bias_k), (v, bias_v)))

    def heads(x):  # (length, batch, features) -> (batch, heads, length, head_dim)
        return x.reshape(x.shape[0], batch, num_heads, -1).permute(1, 2, 0, 3)

    q, k, v = heads(q), *(heads(x) if given is None else given.reshape(
        batch, num_heads, *given.shape[1:]) for x, given in ((k, static_k), (v, static_v)))
    if add_zero_attn:
        k, v = (cat([x, x.new_zeros((batch, num_heads, 1, x.shape[-1]))], 2) for x in (k, v))
    extra = (bias_k is not None) + bool(add_zero_attn)
    mask = joint_mask(attn_mask, key_padding_mask, num_heads, extra, q.dtype)
    dropout_p = dropout_p if training else 0.0
    seen = None
    if need_weights:
        seen = weights_op(q, k, mask, False, 1 / math.sqrt(q.shape[-1]))
        seen = dropout(seen, dropout_p) if dropout_p else seen
        out = seen.matmul(v)
        seen = seen.mean(1) if average_attn_weights else seen
    else:
        out = scaled_dot_product_attention(q, k, v, mask, dropout_p)
    # (batch, heads, length, head_dim) -> (length, batch, features), which PyTorch has in memory
    out = out.permute(2, 0, 1, 3).reshape(length, batch, -1)
    out = linear(out, out_proj_weight, out_proj_bias)
    if single:
        return out.squeeze(1), None if seen is None else seen.squeeze(0)
    return out, seen
