"""Scaled dot product attention. Source: Vaswani et al. (2017)."""

from __future__ import annotations

import math

import numpy as np

from compat.torch.nn.functional.dropout import dropout
from compat.torch.operation import operation
from compat.torch.pointwise import like
from compat.torch.products import product
from compat.torch.promotion import cast, expand_to
from compat.torch.reductions import softmax_of
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
