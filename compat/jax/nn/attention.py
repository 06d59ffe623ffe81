"""jax.nn: attention, and means of exponentials."""

from __future__ import annotations

import math

import numpy as np

from compat.jax import nn
from compat.jax import numpy as jnp
from compat.jax.array import as_array
from compat.jax.face import composite


def dot_product_attention(query, key, value, bias=None, mask=None, *, scale=None, is_causal=False,
                          query_seq_lengths=None, key_value_seq_lengths=None,
                          local_window_size=None, implementation=None, return_residual=False):
    """softmax(q k^T * scale + bias) v, over (batch, time, heads, features).

    Fewer heads in `key` and `value` are shared by groups of the query's. A mask says what is
    seen. Raises ValueError where shapes do not fit.
    """
    q, k, v = map(as_array, (query, key, value))
    batched = q.ndim == 4
    if not batched:
        q, k, v = q[None], k[None], v[None]
        bias, mask = (x if x is None or jnp.ndim(x) == 4 else as_array(x)[None]
                      for x in (bias, mask))
    if q.ndim != 4 or k.ndim != 4 or k.shape != v.shape:
        raise ValueError(f"attention takes arrays of rank 3 or 4, got {jnp.shape(query)}, "
                         f"{jnp.shape(key)}, {jnp.shape(value)}")
    b, t, n, h = q.shape
    s, groups = k.shape[1], k.shape[2]
    if n % groups or k.shape[3] != h or k.shape[0] != b:
        raise ValueError(f"The number of query heads must be a multiple of key/value heads, but "
                         f"got {n} vs {groups}, for shapes {q.shape} and {k.shape}")
    scale = 1 / math.sqrt(h) if scale is None else scale
    q = q.reshape(b, t, groups, n // groups, h)
    logits = jnp.einsum("btkgh,bskh->bkgts", q, k, preferred_element_type=np.float32)
    logits = logits.reshape(b, n, t, s).astype(q.dtype) * np.asarray(scale, q.dtype)
    if bias is not None:
        logits = logits + bias
    seen = mask_of(b, t, s, mask, is_causal, query_seq_lengths, key_value_seq_lengths,
                   local_window_size)
    if seen is not None:
        logits = jnp.where(seen, logits, np.asarray(-0.7 * np.finfo(np.float32).max, q.dtype)
                           if q.dtype == np.float32 else -0.7 * float(jnp.finfo(q.dtype).max))
    logits = logits.astype(np.float32)
    weights = nn.softmax(logits, axis=-1).astype(k.dtype)
    out = jnp.einsum("bkgts,bskh->btkgh", weights.reshape(b, groups, n // groups, t, s), v)
    out = out.reshape(b, t, n, h)
    if query_seq_lengths is not None:
        there = jnp.arange(t)[None] < as_array(query_seq_lengths)[:, None]
        out = out * there[:, :, None, None].astype(out.dtype)
    out = out if batched else out[0]
    if not return_residual:
        return out
    total = jnp.moveaxis(nn.logsumexp(logits, axis=-1), 1, 2)
    return out, total if batched else total[0]


def mask_of(b, t, s, mask, is_causal, query_lengths, key_lengths, window):
    """What each query sees, or None: all."""
    parts = [] if mask is None else [as_array(mask)]
    rows, columns = jnp.arange(t)[:, None], jnp.arange(s)[None, :]
    if is_causal:
        parts.append((rows >= columns)[None, None])
    if window is not None:
        left, right = (window, window) if isinstance(window, int) else window
        parts.append(((columns <= rows + right) & (columns >= rows - left))[None, None])
    if query_lengths is not None:
        parts.append((rows[None] < as_array(query_lengths)[:, None, None])[:, None])
    if key_lengths is not None:
        parts.append((columns[None] < as_array(key_lengths)[:, None, None])[:, None])
    out = None
    for part in parts:
        out = part if out is None else jnp.logical_and(out, part)
    return out


@composite
def log1mexp(x):
    """log(1 - exp(-x)), exact near both ends."""
    (x,) = jnp.broadcast_arrays(x)
    near = x < math.log(2)
    safe = jnp.where(near, x, 1.0)
    return jnp.where(near, jnp.log(-jnp.expm1(-safe)), jnp.log1p(-jnp.exp(-x)))


@composite(static=("axis", "keepdims"))
def logmeanexp(x, axis=None, where=None, keepdims=False):
    """The logarithm of the mean of exponentials."""
    total = nn.logsumexp(x, axis=axis, where=where, keepdims=keepdims)
    if where is None:
        axes = range(x.ndim) if axis is None else (axis,) if isinstance(axis, int) else axis
        count = math.prod(x.shape[a] for a in axes)
    else:
        count = jnp.sum(jnp.broadcast_to(where, x.shape), axis=axis, keepdims=keepdims)
    return total - jnp.log(jnp.asarray(count, total.dtype))
