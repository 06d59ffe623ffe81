"""Layers with parameters: linear maps, convolutions, embeddings."""

from __future__ import annotations

import math
from typing import Any

from compat.torch import creation
from compat.torch.nn import functional as F
from compat.torch.nn import init
from compat.torch.nn.functional.convolution import padding_of, tuple_of
from compat.torch.nn.module import Module
from compat.torch.tensor import Parameter


def parameter(*sizes, dtype=None) -> Parameter:
    return Parameter(creation.empty(*sizes, dtype=dtype))


class Identity(Module):
    """Returns its input."""

    def __init__(self, *args, **kwargs):
        super().__init__()

    def forward(self, input):
        return input


class Linear(Module):
    """input @ weight.T + bias."""

    def __init__(self, in_features, out_features, bias=True, device=None, dtype=None):
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        self.weight = parameter(out_features, in_features, dtype=dtype)
        self.register_parameter("bias", parameter(out_features, dtype=dtype) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(self.in_features) if self.in_features > 0 else 0
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input):
        return F.linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        return (f"in_features={self.in_features}, out_features={self.out_features}, "
                f"bias={self.bias is not None}")


class Bilinear(Module):
    """x1^T W x2 + b."""

    def __init__(self, in1_features, in2_features, out_features, bias=True, device=None,
                 dtype=None):
        super().__init__()
        self.in1_features, self.in2_features = in1_features, in2_features
        self.out_features = out_features
        if in1_features <= 0:
            raise ValueError(f"in1_features must be > 0, but got {in1_features}")
        self.weight = parameter(out_features, in1_features, in2_features, dtype=dtype)
        self.register_parameter("bias", parameter(out_features, dtype=dtype) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        bound = 1 / math.sqrt(self.in1_features)
        init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input1, input2):
        return F.bilinear(input1, input2, self.weight, self.bias)

    def extra_repr(self) -> str:
        return (f"in1_features={self.in1_features}, in2_features={self.in2_features}, "
                f"out_features={self.out_features}, bias={self.bias is not None}")


# ------------------------------------------------------------------ convolution

PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


class Convolution(Module):
    """What convolutions of all ranks share."""

    rank: int
    function: staticmethod
    transposed = False
    output_padding: Any = 0

    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0, dilation=1,
                 groups=1, bias=True, padding_mode="zeros", device=None, dtype=None):
        super().__init__()
        if groups <= 0:
            raise ValueError("groups must be a positive integer")
        for what, count in (("in_channels", in_channels), ("out_channels", out_channels)):
            if count % groups:
                raise ValueError(f"{what} must be divisible by groups")
        if isinstance(padding, str) and padding not in ("same", "valid"):
            raise ValueError(f"Invalid padding string {padding!r}, should be one of "
                             "{'same', 'valid'}")
        if padding_mode not in PADDING_MODES:
            raise ValueError("padding_mode must be one of {'zeros', 'reflect', 'replicate', "
                             f"'circular'}}, but got padding_mode='{padding_mode}'")
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size = tuple_of(kernel_size, self.rank)
        self.stride, self.dilation = tuple_of(stride, self.rank), tuple_of(dilation, self.rank)
        if padding == "same" and self.stride != (1,) * self.rank:
            raise ValueError("padding='same' is not supported for strided convolutions")
        self.padding = padding if isinstance(padding, str) else tuple_of(padding, self.rank)
        self.padding_mode = padding_mode
        self.output_padding = tuple_of(self.output_padding, self.rank)
        sides = padding_of(self.padding, self.rank, self.kernel_size, self.stride, self.dilation)
        self._reversed_padding_repeated_twice = [n for pair in reversed(sides) for n in pair]
        channels = (in_channels, out_channels // groups) if self.transposed else \
            (out_channels, in_channels // groups)
        self.weight = parameter(*channels, *self.kernel_size, dtype=dtype)
        self.register_parameter("bias", parameter(out_channels, dtype=dtype) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in = init.fans(self.weight)[0]
            if fan_in:
                init.uniform_(self.bias, -1 / math.sqrt(fan_in), 1 / math.sqrt(fan_in))

    def forward(self, input):
        padding = self.padding
        if self.padding_mode != "zeros":
            input = F.pad(input, self._reversed_padding_repeated_twice, mode=self.padding_mode)
            padding = 0
        return self.function(input, self.weight, self.bias, self.stride, padding, self.dilation,
                             self.groups)

    def extra_repr(self) -> str:
        parts = [f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, "
                 f"stride={self.stride}"]
        zeros, ones = (0,) * self.rank, (1,) * self.rank
        shown = {"padding": zeros, "dilation": ones, "output_padding": zeros, "groups": 1}
        parts += [f"{k}={getattr(self, k)}" for k, usual in shown.items()
                  if getattr(self, k) != usual]
        if self.bias is None:
            parts.append("bias=False")
        if self.padding_mode != "zeros":
            parts.append(f"padding_mode={self.padding_mode}")
        return ", ".join(parts)


class ConvTransposed(Convolution):
    """What transposed convolutions of all ranks share."""

    transposed = True

    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0,
                 output_padding=0, groups=1, bias=True, dilation=1, padding_mode="zeros",
                 device=None, dtype=None):
        if padding_mode != "zeros":
            raise ValueError('Only "zeros" padding mode is supported for '
                             f"{type(self).__name__}")
        self.__dict__["output_padding"] = output_padding
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups,
                         bias, padding_mode, device, dtype)

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


class Embedding(Module):
    """A table of vectors, looked up by index."""

    def __init__(self, num_embeddings, embedding_dim, padding_idx=None, max_norm=None,
                 norm_type=2.0, scale_grad_by_freq=False, sparse=False, _weight=None,
                 _freeze=False, device=None, dtype=None):
        super().__init__()
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        if padding_idx is not None:
            if not -num_embeddings <= padding_idx < num_embeddings:
                raise AssertionError("Padding_idx must be within num_embeddings")
            padding_idx %= num_embeddings
        self.padding_idx, self.max_norm, self.norm_type = padding_idx, max_norm, norm_type
        self.scale_grad_by_freq, self.sparse = scale_grad_by_freq, sparse
        if _weight is None:
            self.weight = parameter(num_embeddings, embedding_dim, dtype=dtype)
            self.reset_parameters()
        else:
            if list(_weight.shape) != [num_embeddings, embedding_dim]:
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
        layer = cls(*embeddings.shape, *args, _weight=embeddings, **kwargs)
        layer.weight.requires_grad = not freeze
        return layer

    def forward(self, input):
        return F.embedding(input, self.weight, self.padding_idx, self.max_norm, self.norm_type,
                           self.scale_grad_by_freq, self.sparse)

    USUAL = {"padding_idx": None, "max_norm": None, "norm_type": 2, "scale_grad_by_freq": False,
             "sparse": False}

    def extra_repr(self) -> str:
        shown = [f"{k}={getattr(self, k)}" for k, usual in self.USUAL.items()
                 if getattr(self, k) != usual]
        return ", ".join([f"{self.num_embeddings}, {self.embedding_dim}", *shown])


class EmbeddingBag(Embedding):
    """Sums, means or maxima of bags of vectors."""

    def __init__(self, num_embeddings, embedding_dim, max_norm=None, norm_type=2.0,
                 scale_grad_by_freq=False, mode="mean", sparse=False, _weight=None,
                 include_last_offset=False, padding_idx=None, device=None, dtype=None):
        super().__init__(num_embeddings, embedding_dim, padding_idx, max_norm, norm_type,
                         scale_grad_by_freq, sparse, _weight, device=device, dtype=dtype)
        self.mode, self.include_last_offset = mode, include_last_offset

    def forward(self, input, offsets=None, per_sample_weights=None):
        return F.embedding_bag(input, self.weight, offsets, self.max_norm, self.norm_type,
                               self.scale_grad_by_freq, self.mode, self.sparse, per_sample_weights,
                               self.include_last_offset, self.padding_idx)

    def extra_repr(self) -> str:
        shown = [f"{k}={getattr(self, k)}" for k, usual in list(self.USUAL.items())[1:4]
                 if getattr(self, k) != usual]
        last = [] if self.padding_idx is None else [f"padding_idx={self.padding_idx}"]
        return ", ".join([f"{self.num_embeddings}, {self.embedding_dim}", *shown,
                          f"mode={self.mode!r}", *last])


# ------------------------------------------------------------------ others


class PReLU(Module):
    """Leaky relu whose slopes are learned."""

    def __init__(self, num_parameters=1, init=0.25, device=None, dtype=None):
        super().__init__()
        self.num_parameters, self.init = num_parameters, init
        self.weight = parameter(num_parameters, dtype=dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        init.constant_(self.weight, self.init)

    def forward(self, input):
        return F.prelu(input, self.weight)

    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}"
