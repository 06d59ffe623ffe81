"""Layers with parameters: linear maps, convolutions, embeddings."""

from __future__ import annotations

import math
from typing import Any

from compat.torch.nn import functional as F
from compat.torch.nn import init
from compat.torch.nn.functional.convolution import padding_of, tuple_of
from compat.torch.nn.layer import Layer, add_parameters
from compat.torch.tensor import Parameter


class Identity(Layer):
    """Returns its input."""

    def __init__(self, *args, **kwargs):
        super().__init__()

    def forward(self, input):
        return input


class Linear(Layer, shown="in_features= out_features= bias=",
             settings="in_features, out_features, bias=True, device=None, dtype=None"):
    """input @ weight.T + bias."""

    def _build(self, bias, dtype) -> None:
        add_parameters(self, dtype, weight=(self.out_features, self.in_features),
                       bias=bias and (self.out_features,))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in = init.fans(self.weight)[0]
            bound = 1 / math.sqrt(fan_in) if fan_in > 0 else 0
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input):
        return F.linear(input, self.weight, self.bias)


class Bilinear(Layer, shown="in1_features= in2_features= out_features= bias=",
               settings="in1_features, in2_features, out_features, bias=True, device=None, "
                        "dtype=None"):
    """x1^T W x2 + b."""

    def _build(self, bias, dtype) -> None:
        if self.in1_features <= 0:
            raise ValueError(f"in1_features must be > 0, but got {self.in1_features}")
        add_parameters(self, dtype,
                       weight=(self.out_features, self.in1_features, self.in2_features),
                       bias=bias and (self.out_features,))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        bound = 1 / math.sqrt(self.in1_features)
        init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input1, input2):
        return F.bilinear(input1, input2, self.weight, self.bias)


# ------------------------------------------------------------------ convolution

PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


class Convolution(Layer, shown="in_channels out_channels kernel_size= stride= padding? dilation? "
                               "output_padding? groups? bias? padding_mode?",
                  settings="in_channels, out_channels, kernel_size, stride=1, padding=0, "
                           "dilation=1, groups=1, bias=True, padding_mode='zeros', device=None, "
                           "dtype=None"):
    """What convolutions of all ranks share."""

    rank: int
    transposed = False
    padding: Any
    output_padding: Any = 0

    def _build(self, bias, dtype) -> None:
        rank, padding = self.rank, self.padding
        if self.groups <= 0:
            raise ValueError("groups must be a positive integer")
        for what in ("in_channels", "out_channels"):
            if getattr(self, what) % self.groups:
                raise ValueError(f"{what} must be divisible by groups")
        if isinstance(padding, str) and padding not in ("same", "valid"):
            raise ValueError(f"Invalid padding string {padding!r}, should be one of "
                             "{'same', 'valid'}")
        if self.padding_mode not in PADDING_MODES:
            raise ValueError("padding_mode must be one of {'zeros', 'reflect', 'replicate', "
                             f"'circular'}}, but got padding_mode='{self.padding_mode}'")
        for name in ("kernel_size", "stride", "dilation", "output_padding"):
            setattr(self, name, tuple_of(getattr(self, name), rank))
        if padding == "same" and self.stride != (1,) * rank:
            raise ValueError("padding='same' is not supported for strided convolutions")
        self.padding = padding if isinstance(padding, str) else tuple_of(padding, rank)
        sides = padding_of(self.padding, rank, self.kernel_size, self.stride, self.dilation)
        self._reversed_padding_repeated_twice = [n for pair in reversed(sides) for n in pair]
        channels = (self.in_channels, self.out_channels // self.groups) if self.transposed else \
            (self.out_channels, self.in_channels // self.groups)
        add_parameters(self, dtype, weight=(*channels, *self.kernel_size),
                       bias=bias and (self.out_channels,))
        self.reset_parameters()

    reset_parameters = Linear.reset_parameters

    def forward(self, input):
        padding = self.padding
        if self.padding_mode != "zeros":
            input = F.pad(input, self._reversed_padding_repeated_twice, mode=self.padding_mode)
            padding = 0
        return self.function(input, self.weight, self.bias, self.stride, padding, self.dilation,
                             self.groups)


class ConvTransposed(Convolution,
                     settings="in_channels, out_channels, kernel_size, stride=1, padding=0, "
                              "output_padding=0, groups=1, bias=True, dilation=1, "
                              "padding_mode='zeros', device=None, dtype=None"):
    """What transposed convolutions of all ranks share."""

    transposed = True

    def _build(self, bias, dtype) -> None:
        if self.padding_mode != "zeros":
            raise ValueError('Only "zeros" padding mode is supported for '
                             f"{type(self).__name__}")
        super()._build(bias, dtype)

    def forward(self, input, output_size=None):
        extra = self.output_padding if output_size is None else \
            self.output_padding_for(input, output_size)
        return self.function(input, self.weight, self.bias, self.stride, self.padding, extra,
                             self.groups, self.dilation)

    def output_padding_for(self, input, output_size) -> tuple[int, ...]:
        """What must be added at one side so that the result has the given size."""
        space = input.spec.shape[-self.rank:]
        least = [(n - 1) * s - 2 * p + d * (k - 1) + 1 for n, s, p, d, k in
                 zip(space, self.stride, self.padding, self.dilation, self.kernel_size)]
        most = [n + s - 1 for n, s in zip(least, self.stride)]
        sizes = list(output_size)[-self.rank:]
        if any(not low <= n <= high for low, n, high in zip(least, sizes, most)):
            raise ValueError(f"requested an output size of {sizes}, but valid sizes range from "
                             f"{least} to {most} (for an input of {list(input.size()[2:])})")
        return tuple(n - low for n, low in zip(sizes, least))


def convolutions(name: str, base: type, function: str) -> list[type]:
    return [type(name.format(r), (base,), {
        "rank": r, "function": staticmethod(getattr(F, function.format(r))),
        "__doc__": f"{function.format(r)} as a module.", "__module__": __name__})
        for r in (1, 2, 3)]


Conv1d, Conv2d, Conv3d = convolutions("Conv{}d", Convolution, "conv{}d")
ConvTranspose1d, ConvTranspose2d, ConvTranspose3d = convolutions(
    "ConvTranspose{}d", ConvTransposed, "conv_transpose{}d")


# ------------------------------------------------------------------ embedding


class Embedding(Layer, shown="num_embeddings embedding_dim padding_idx? max_norm? norm_type? "
                             "scale_grad_by_freq? sparse?",
                settings="num_embeddings, embedding_dim, padding_idx=None, max_norm=None, "
                         "norm_type=2.0, scale_grad_by_freq=False, sparse=False, _weight=None, "
                         "_freeze=False, device=None, dtype=None"):
    """A table of vectors, looked up by index."""

    def _build(self, padding_idx, _weight, dtype, _freeze=False) -> None:
        sizes = (self.num_embeddings, self.embedding_dim)
        if padding_idx is not None:
            if not -sizes[0] <= padding_idx < sizes[0]:
                raise AssertionError("Padding_idx must be within num_embeddings")
            padding_idx %= sizes[0]
        self.padding_idx = padding_idx
        if _weight is None:
            add_parameters(self, dtype, weight=sizes)
            self.reset_parameters()
        else:
            if tuple(_weight.shape) != sizes:
                raise AssertionError("Shape of weight does not match num_embeddings and "
                                     "embedding_dim")
            self.weight = Parameter(_weight, requires_grad=not _freeze)

    def reset_parameters(self) -> None:
        init.normal_(self.weight)
        if self.padding_idx is not None:
            init.zeros_(self.weight.data[self.padding_idx])

    @classmethod
    def from_pretrained(cls, embeddings, freeze=True, *args, **kwargs):
        """A layer over given vectors, which stay as they are if `freeze`."""
        if embeddings.dim() != 2:
            raise AssertionError("Embeddings parameter is expected to be 2-dimensional")
        if issubclass(cls, EmbeddingBag):
            layer = cls(*embeddings.shape, *args, _weight=embeddings, **kwargs)
            layer.weight.requires_grad = not freeze
            return layer
        return cls(*embeddings.shape, *args, _weight=embeddings, _freeze=freeze, **kwargs)

    def forward(self, input):
        return F.embedding(input, self.weight, self.padding_idx, self.max_norm, self.norm_type,
                           self.scale_grad_by_freq, self.sparse)


class EmbeddingBag(Embedding, shown="num_embeddings embedding_dim max_norm? norm_type? "
                                    "scale_grad_by_freq? mode! padding_idx?",
                   settings="num_embeddings, embedding_dim, max_norm=None, norm_type=2.0, "
                            "scale_grad_by_freq=False, mode='mean', sparse=False, _weight=None, "
                            "include_last_offset=False, padding_idx=None, device=None, "
                            "dtype=None"):
    """Sums, means or maxima of bags of vectors."""

    def forward(self, input, offsets=None, per_sample_weights=None):
        return F.embedding_bag(input, self.weight, offsets, self.max_norm, self.norm_type,
                               self.scale_grad_by_freq, self.mode, self.sparse, per_sample_weights,
                               self.include_last_offset, self.padding_idx)


# ------------------------------------------------------------------ others


class PReLU(Layer, settings="num_parameters=1, init=0.25, device=None, dtype=None",
            shown="num_parameters="):
    """Leaky relu whose slopes are learned."""

    def _build(self, dtype) -> None:
        add_parameters(self, dtype, weight=(self.num_parameters,))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        init.constant_(self.weight, self.init)

    def forward(self, input):
        return F.prelu(input, self.weight)
