"""Multi-head attention and the transformer's encoder layer. Source: Vaswani et al. (2017)."""

from __future__ import annotations

import contextlib
import enum
import math
from collections.abc import Callable

from compat.torch import creation
from compat.torch.dtypes import get_default_dtype
from compat.torch.nn import functional as F
from compat.torch.nn import init
from compat.torch.nn.containers import ModuleList
from compat.torch.nn.layer import Layer, add_parameters
from compat.torch.nn.layers import Linear
from compat.torch.nn.module import clones
from compat.torch.nn.norms import LayerNorm
from compat.torch.nn.simple import SIMPLE


SDPBackend = enum.IntEnum("SDPBackend", "ERROR MATH FLASH_ATTENTION EFFICIENT_ATTENTION "
                          "CUDNN_ATTENTION OVERRIDEABLE", start=-1)


def sdpa_kernel(backends, set_priority=False):
    """Which kernels attention may take; there is one here, so this only checks the argument."""
    for backend in backends if isinstance(backends, (list, tuple)) else [backends]:
        SDPBackend(backend)
    return contextlib.nullcontext()


class NonDynamicallyQuantizableLinear(Linear):
    """Linear, under the name that PyTorch shows for attention's output projection."""


class MultiheadAttention(Layer, settings=(
        "embed_dim, num_heads, dropout=0.0, bias=True, add_bias_kv=False, add_zero_attn=False, "
        "kdim=None, vdim=None, batch_first=False, device=None, dtype=None")):
    """Attention of `num_heads` heads over (length, batch, features), or batch first."""

    def _build(self, bias, add_bias_kv, kdim, vdim, dtype) -> None:
        n, heads = self.embed_dim, self.num_heads
        if n <= 0 or heads <= 0:
            raise ValueError("embed_dim and num_heads must be greater than 0, got embed_dim="
                             f"{n} and num_heads={heads} instead")
        if n % heads:
            raise AssertionError("embed_dim must be divisible by num_heads")
        self.head_dim, self.kdim, self.vdim = n // heads, kdim or n, vdim or n
        self._qkv_same_embed_dim = same = self.kdim == self.vdim == n
        row = add_bias_kv and (1, 1, n)
        add_parameters(
            self, dtype, q_proj_weight=not same and (n, n),
            k_proj_weight=not same and (n, self.kdim), v_proj_weight=not same and (n, self.vdim),
            in_proj_weight=same and (3 * n, n), in_proj_bias=bias and (3 * n,), bias_k=row,
            bias_v=row)
        self.out_proj = NonDynamicallyQuantizableLinear(n, n, bias, dtype=dtype)
        self._reset_parameters()

    def _reset_parameters(self) -> None:
        for weight in (self.in_proj_weight, self.q_proj_weight, self.k_proj_weight,
                       self.v_proj_weight):
            if weight is not None:
                init.xavier_uniform_(weight)
        if self.in_proj_bias is not None:
            init.constant_(self.in_proj_bias, 0.0)
            init.constant_(self.out_proj.bias, 0.0)
        for bias in (self.bias_k, self.bias_v):
            if bias is not None:
                init.xavier_normal_(bias)

    def forward(self, query, key, value, key_padding_mask=None, need_weights=True, attn_mask=None,
                average_attn_weights=True, is_causal=False):
        swap = self.batch_first and query.dim() == 3
        if swap:
            same = query is key is value
            query = query.transpose(0, 1)
            key, value = (query, query) if same else (x.transpose(0, 1) for x in (key, value))
        out, weights = F.multi_head_attention_forward(
            query, key, value, self.embed_dim, self.num_heads, self.in_proj_weight,
            self.in_proj_bias, self.bias_k, self.bias_v, self.add_zero_attn, self.dropout,
            self.out_proj.weight, self.out_proj.bias, self.training, key_padding_mask,
            need_weights, attn_mask, not self._qkv_same_embed_dim, self.q_proj_weight,
            self.k_proj_weight, self.v_proj_weight, average_attn_weights=average_attn_weights,
            is_causal=is_causal)
        return (out.transpose(0, 1) if swap else out), weights


ACTIVATIONS: dict[str, Callable] = {"relu": F.relu, "gelu": F.gelu}


def activation_of(activation):
    if isinstance(activation, str) and activation not in ACTIVATIONS:
        raise RuntimeError(f"activation should be relu/gelu, not {activation}")
    return ACTIVATIONS[activation] if isinstance(activation, str) else activation


LAYER = ("dim_feedforward=2048, dropout=0.1, activation=F.relu, {}layer_norm_eps=1e-5, "
         "batch_first=False, norm_first=False, bias=True, device=None, dtype=None")


class TransformerLayer(Layer):
    """Sublayers, each with dropout, a residual and a layer norm before or after it."""

    norms: int

    def _build(self, d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps,
               batch_first, bias, dtype) -> None:
        for name in ("self_attn", "multihead_attn")[:self.norms - 1]:
            self.add_module(name, MultiheadAttention(d_model, nhead, dropout, bias=bias,
                                                     batch_first=batch_first, dtype=dtype))
        self.linear1 = Linear(d_model, dim_feedforward, bias, dtype=dtype)
        self.dropout = SIMPLE["Dropout"](dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias, dtype=dtype)
        for i in range(1, self.norms + 1):
            self.add_module(f"norm{i}", LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype))
        for i in range(1, self.norms + 1):
            self.add_module(f"dropout{i}", SIMPLE["Dropout"](dropout))
        self.activation = activation_of(activation)

    def residual(self, x, norm, sublayer):
        return x + sublayer(norm(x)) if self.norm_first else norm(x + sublayer(x))

    def _sa_block(self, x, attn_mask, key_padding_mask, is_causal=False):
        out = self.self_attn(x, x, x, attn_mask=attn_mask, key_padding_mask=key_padding_mask,
                             is_causal=is_causal, need_weights=False)[0]
        return self.dropout1(out)

    def _ff_block(self, x):
        out = self.linear2(self.dropout(self.activation(self.linear1(x))))
        return (self.dropout2 if self.norms == 2 else self.dropout3)(out)


class TransformerEncoderLayer(TransformerLayer, settings="d_model, nhead, " + LAYER.format("")):
    """Self-attention and two linear layers. Source: Vaswani et al. (2017)."""

    norms = 2

    def forward(self, src, src_mask=None, src_key_padding_mask=None, is_causal=False):
        x = self.residual(src, self.norm1, lambda x: self._sa_block(
            x, src_mask, src_key_padding_mask, is_causal))
        return self.residual(x, self.norm2, self._ff_block)


class TransformerDecoderLayer(TransformerLayer, settings="d_model, nhead, " + LAYER.format("")):
    """Self-attention, attention to the encoder's result, and two linear layers."""

    norms = 3

    def _mha_block(self, x, mem, attn_mask, key_padding_mask, is_causal=False):
        out = self.multihead_attn(x, mem, mem, attn_mask=attn_mask, is_causal=is_causal,
                                  key_padding_mask=key_padding_mask, need_weights=False)[0]
        return self.dropout2(out)

    def forward(self, tgt, memory, tgt_mask=None, memory_mask=None, tgt_key_padding_mask=None,
                memory_key_padding_mask=None, tgt_is_causal=False, memory_is_causal=False):
        x = self.residual(tgt, self.norm1, lambda x: self._sa_block(
            x, tgt_mask, tgt_key_padding_mask, tgt_is_causal))
        x = self.residual(x, self.norm2, lambda x: self._mha_block(
            x, memory, memory_mask, memory_key_padding_mask, memory_is_causal))
        return self.residual(x, self.norm3, self._ff_block)


class Stack(Layer):
    """Copies of one layer, one after the other."""

    def take(self, layer, norm) -> None:
        self.layers = ModuleList(clones(layer, self.num_layers))
        self.norm = norm

    def through(self, x, *args, **kwargs):
        for layer in self.layers:
            x = layer(x, *args, **kwargs)
        return x if self.norm is None else self.norm(x)


class TransformerEncoder(Stack, settings="encoder_layer, num_layers, norm=None, "
                                         "enable_nested_tensor=True, mask_check=True"):
    """Encoder layers."""

    def _build(self, encoder_layer, norm) -> None:
        self.take(encoder_layer, norm)

    def forward(self, src, mask=None, src_key_padding_mask=None, is_causal=None):
        return self.through(src, src_mask=mask, src_key_padding_mask=src_key_padding_mask,
                            is_causal=bool(is_causal))


class TransformerDecoder(Stack, settings="decoder_layer, num_layers, norm=None"):
    """Decoder layers."""

    def _build(self, decoder_layer, norm) -> None:
        self.take(decoder_layer, norm)

    def forward(self, tgt, memory, tgt_mask=None, memory_mask=None, tgt_key_padding_mask=None,
                memory_key_padding_mask=None, tgt_is_causal=None, memory_is_causal=False):
        return self.through(
            tgt, memory, tgt_mask=tgt_mask, memory_mask=memory_mask,
            tgt_key_padding_mask=tgt_key_padding_mask, tgt_is_causal=bool(tgt_is_causal),
            memory_key_padding_mask=memory_key_padding_mask, memory_is_causal=memory_is_causal)


class Transformer(Layer, settings=(
        "d_model=512, nhead=8, num_encoder_layers=6, num_decoder_layers=6, "
        + LAYER.format("custom_encoder=None, custom_decoder=None, "))):
    """An encoder and a decoder."""

    def _build(self, num_encoder_layers, num_decoder_layers, dim_feedforward, dropout, activation,
               custom_encoder, custom_decoder, layer_norm_eps, norm_first, bias, dtype) -> None:
        def stack(custom, kind, layer_kind, count):
            if custom is not None:
                return custom
            made = layer_kind(self.d_model, self.nhead, dim_feedforward, dropout, activation,
                              layer_norm_eps, self.batch_first, norm_first, bias, dtype=dtype)
            return kind(made, count, LayerNorm(self.d_model, layer_norm_eps, bias=bias,
                                               dtype=dtype))

        self.encoder = stack(custom_encoder, TransformerEncoder, TransformerEncoderLayer,
                             num_encoder_layers)
        self.decoder = stack(custom_decoder, TransformerDecoder, TransformerDecoderLayer,
                             num_decoder_layers)
        for p in self.parameters():
            if p.dim() > 1:
                init.xavier_uniform_(p)

    def forward(self, src, tgt, src_mask=None, tgt_mask=None, memory_mask=None,
                src_key_padding_mask=None, tgt_key_padding_mask=None,
                memory_key_padding_mask=None, src_is_causal=None, tgt_is_causal=None,
                memory_is_causal=False):
        batch = 0 if self.batch_first else 1
        if src.dim() == 3 and src.size(batch) != tgt.size(batch):
            raise RuntimeError("the batch number of src and tgt must be equal")
        if src.size(-1) != self.d_model or tgt.size(-1) != self.d_model:
            raise RuntimeError("the feature number of src and tgt must be equal to d_model")
        memory = self.encoder(src, src_mask, src_key_padding_mask, src_is_causal)
        return self.decoder(tgt, memory, tgt_mask, memory_mask, tgt_key_padding_mask,
                            memory_key_padding_mask, tgt_is_causal, memory_is_causal)

    @staticmethod
    def generate_square_subsequent_mask(sz, device=None, dtype=None):
        """-inf above the diagonal, 0 elsewhere."""
        mask = creation.full((sz, sz), -math.inf, dtype=dtype or get_default_dtype()).triu(1)
        return mask if device is None else mask.to(device)
