"""Modules without parameters: activations, dropout, padding, pooling, resizing. One row each."""

from __future__ import annotations

import warnings

from compat.torch.nn import functional as F
from compat.torch.nn.functional.convolution import tuple_of
from compat.torch.nn.functional.dropout import check_probability
from compat.torch.nn.layer import Layer, layer, of_ranks

INPLACE = "inplace=False"
ROWS = [  # name, function, signature, what the repr tells
    ("ReLU", F.relu, INPLACE, "inplace?"), ("ReLU6", F.relu6, INPLACE, "inplace?"),
    ("SiLU", F.silu, INPLACE, "inplace?"), ("Mish", F.mish, INPLACE, "inplace?"),
    ("SELU", F.selu, INPLACE, "inplace?"), ("Hardswish", F.hardswish, INPLACE),
    ("Hardsigmoid", F.hardsigmoid, INPLACE),
    ("Tanh", F.tanh), ("Sigmoid", F.sigmoid), ("LogSigmoid", F.logsigmoid),
    ("Softsign", F.softsign), ("Tanhshrink", F.tanhshrink),
    ("ELU", F.elu, "alpha=1.0, inplace=False", "alpha= inplace?"),
    ("CELU", F.celu, "alpha=1.0, inplace=False", "alpha= inplace?"),
    ("LeakyReLU", F.leaky_relu, "negative_slope=0.01, inplace=False", "negative_slope= inplace?"),
    ("RReLU", F.rrelu, "lower=1 / 8, upper=1 / 3, inplace=False", "lower= upper= inplace?"),
    ("Threshold", F.threshold, "threshold, value, inplace=False", "threshold= value= inplace?"),
    ("GELU", F.gelu, "approximate='none'", "approximate!"),
    ("GLU", F.glu, "dim=-1", "dim="),
    ("Softplus", F.softplus, "beta=1.0, threshold=20.0", "beta= threshold="),
    ("Hardshrink", F.hardshrink, "lambd=0.5", "lambd"),
    ("Softshrink", F.softshrink, "lambd=0.5", "lambd"),
    ("Softmax", F.softmax, "dim=None", "dim="), ("Softmin", F.softmin, "dim=None", "dim="),
    ("LogSoftmax", F.log_softmax, "dim=None", "dim="),
    ("Flatten", F.flatten, "start_dim=1, end_dim=-1", "start_dim= end_dim="),
    ("ChannelShuffle", F.channel_shuffle, "groups", "groups="),
    ("PixelShuffle", F.pixel_shuffle, "upscale_factor", "upscale_factor="),
    ("PixelUnshuffle", F.pixel_unshuffle, "downscale_factor", "downscale_factor="),
    ("Fold", F.fold, "output_size, kernel_size, dilation=1, padding=0, stride=1",
     "output_size= kernel_size= dilation= padding= stride="),
    ("Unfold", F.unfold, "kernel_size, dilation=1, padding=0, stride=1",
     "kernel_size= dilation= padding= stride="),
    ("Unflatten", lambda input, dim, unflattened_size: input.unflatten(dim, unflattened_size),
     "dim, unflattened_size", "dim= unflattened_size="),
    ("LocalResponseNorm", F.local_response_norm, "size, alpha=1e-4, beta=0.75, k=1.0",
     "size alpha= beta= k="),
]
SIMPLE = {row[0]: layer(*row) for row in ROWS}
SIMPLE |= {name: layer(name, function, settings, inputs="x1, x2") for name, function, settings in (
    ("CosineSimilarity", F.cosine_similarity, "dim=1, eps=1e-8"),
    ("PairwiseDistance", F.pairwise_distance, "p=2.0, eps=1e-6, keepdim=False"))}


class Hardtanh(Layer, function=F.hardtanh, shown="min_val= max_val= inplace?",
               settings="min_val=-1.0, max_val=1.0, inplace=False, min_value=None, max_value=None"):
    """hardtanh as a module."""

    def _build(self, min_value, max_value) -> None:
        """The bounds under the names of old."""
        for name, value in (("min", min_value), ("max", max_value)):
            if value is not None:
                warnings.warn(f"keyword argument `{name}_value` is deprecated and renamed to "
                              f"`{name}_val`", FutureWarning, stacklevel=3)
                setattr(self, f"{name}_val", value)
        if self.max_val <= self.min_val:
            raise AssertionError(f"max_val ({self.max_val}) must be greater than min_val "
                                 f"({self.min_val})")


class Softmax2d(Layer, settings=""):
    """Softmax over the channels of (N, C, H, W)."""

    def forward(self, input):
        if input.dim() not in (3, 4):
            raise ValueError("Softmax2d: expected input to be 3D or 4D, got "
                             f"{input.dim()}D instead")
        return F.softmax(input, -3)


class Dropping(Layer):
    """Drops in training only."""

    def _build(self) -> None:
        check_probability(self.p)


SIMPLE |= {name: layer(name, function, "p=0.5, inplace=False", "p= inplace=", Dropping)
           for name, function in (
               ("Dropout", F.dropout), ("Dropout1d", F.dropout1d), ("Dropout2d", F.dropout2d),
               ("Dropout3d", F.dropout3d), ("AlphaDropout", F.alpha_dropout),
               ("FeatureAlphaDropout", F.feature_alpha_dropout))}


class Padding(Layer):
    """Elements around the last dimensions."""

    rank: int
    mode: str
    value = None

    def _build(self) -> None:
        self.padding = tuple_of(self.padding, 2 * self.rank)

    def forward(self, input):
        return F.pad(input, self.padding, self.mode, self.value)


for _kind, _mode, *_row in (
        ("ConstantPad", "constant", "padding, value", "padding= value="),
        ("ZeroPad", "constant"), ("ReflectionPad", "reflect"), ("ReplicationPad", "replicate"),
        ("CircularPad", "circular")):
    SIMPLE |= {f"{_kind}{r}d": layer(f"{_kind}{r}d", F.pad, *(_row or ("padding", "padding")),
                                     Padding, rank=r, mode=_mode) for r in (1, 2, 3)}


class Upsample(Layer, function=F.interpolate,
               settings="size=None, scale_factor=None, mode='nearest', align_corners=None, "
                        "recompute_scale_factor=None"):
    """interpolate as a module."""

    def _build(self) -> None:
        if self.scale_factor is not None:
            self.scale_factor = tuple(map(float, self.scale_factor)) if isinstance(
                self.scale_factor, tuple) else float(self.scale_factor)

    def extra_repr(self) -> str:
        what = "size" if self.scale_factor is None else "scale_factor"
        return f"{self._told(what + '!')}, mode={self.mode!r}"


class UpsamplingNearest2d(Upsample):
    """interpolate by the nearest pixel."""

    def __init__(self, size=None, scale_factor=None):
        super().__init__(size, scale_factor, "nearest")


class UpsamplingBilinear2d(Upsample):
    """interpolate linearly, corner on corner."""

    def __init__(self, size=None, scale_factor=None):
        super().__init__(size, scale_factor, "bilinear", True)


# ------------------------------------------------------------------ pooling


class Pooling(Layer):
    """The stride defaults to the size of the window."""

    rank: int

    def _build(self) -> None:
        self.stride = self.kernel_size if self.stride is None else self.stride


class PoolingOfTuples(Pooling):
    """A window of one number a dimension."""

    def _build(self) -> None:
        super()._build()
        for name in ("kernel_size", "stride", "padding"):
            setattr(self, name, tuple_of(getattr(self, name), self.rank))


class Unpooling(PoolingOfTuples):
    """Takes the places as well."""

    def forward(self, input, indices, output_size=None):
        return getattr(F, f"max_unpool{self.rank}d")(
            input, indices, self.kernel_size, self.stride, self.padding, output_size)


WINDOW, SHOWN = "kernel_size, stride=None, padding=0", "kernel_size= stride= padding="
COUNTING = f"{WINDOW}, ceil_mode=False, count_include_pad=True"
SIMPLE |= of_ranks("MaxPool{}d", "max_pool{}d",
                   f"{WINDOW}, dilation=1, return_indices=False, ceil_mode=False",
                   f"{SHOWN} dilation= ceil_mode=", Pooling)
SIMPLE |= of_ranks("AvgPool{}d", "avg_pool{}d", f"{COUNTING}, divisor_override=None", SHOWN,
                   Pooling)
SIMPLE["AvgPool1d"] = layer("AvgPool1d", F.avg_pool1d, COUNTING, SHOWN, PoolingOfTuples, rank=1)
SIMPLE |= of_ranks("MaxUnpool{}d", "max_unpool{}d", WINDOW, SHOWN, Unpooling)
SIMPLE |= of_ranks("LPPool{}d", "lp_pool{}d",
                   "norm_type, kernel_size, stride=None, ceil_mode=False",
                   "norm_type= kernel_size= stride= ceil_mode=")
SIMPLE |= of_ranks("AdaptiveAvgPool{}d", "adaptive_avg_pool{}d", "output_size", "output_size=")
SIMPLE |= of_ranks("AdaptiveMaxPool{}d", "adaptive_max_pool{}d",
                   "output_size, return_indices=False", "output_size=")


class FractionalPooling(Layer):
    """Windows spread at random; their number is given, or a ratio."""

    rank: int

    def _build(self) -> None:
        name = type(self).__name__
        self.kernel_size = tuple_of(self.kernel_size, self.rank)
        if (self.output_size is None) == (self.output_ratio is None):
            raise ValueError(f"{name} requires specifying either an output size, or a pooling ratio"
                             if self.output_size is None else
                             "only one of output_size and output_ratio may be specified")
        if self.output_size is not None:
            self.output_size = tuple_of(self.output_size, self.rank)
        elif isinstance(self.output_ratio, float):
            self.output_ratio = (self.output_ratio,) * self.rank


SIMPLE |= {f"FractionalMaxPool{r}d": layer(
    f"FractionalMaxPool{r}d", function, "kernel_size, output_size=None, output_ratio=None, "
    "return_indices=False, _random_samples=None", base=FractionalPooling, rank=r,
    buffers="_random_samples")
    for r, function in ((2, F.fractional_max_pool2d), (3, F.fractional_max_pool3d))}
