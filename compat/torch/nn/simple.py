"""Modules without parameters: activations, dropout, padding, pooling, resizing. One row each."""

from __future__ import annotations

import inspect
from collections.abc import Sequence

from compat.torch.nn import functional as F
from compat.torch.nn.functional.convolution import tuple_of
from compat.torch.nn.functional.dropout import check_probability
from compat.torch.nn.module import Module

REQUIRED = inspect.Parameter.empty


class Simple(Module):
    """A function with settings that are kept as attributes of the module."""

    function: staticmethod
    inputs: Sequence[str] = ("input",)
    settings: dict = {}  # name -> default, in order; REQUIRED has no default
    shown: Sequence[str] = ()  # pieces of the repr, format strings over the settings
    legacy: Sequence[str] = ()  # arguments that are taken and not kept
    keyword_only = False

    def __init_subclass__(cls, **kwargs):
        """Writes `forward` as a call with every setting, and the signature."""
        super().__init_subclass__(**kwargs)
        kind = inspect.Parameter.KEYWORD_ONLY if cls.keyword_only else \
            inspect.Parameter.POSITIONAL_OR_KEYWORD
        cls.__signature__ = inspect.Signature([
            inspect.Parameter(n, kind, default=d) for n, d in cls.settings.items()])
        if "function" in vars(cls) and "forward" not in vars(cls):
            given = "".join(f", {n}=self.{n}" for n in cls.settings if n not in cls.legacy)
            inputs = ", ".join(cls.inputs)
            cls.forward = eval(f"lambda self, {inputs}: function({inputs}{given})",
                               {"function": cls.function})

    def __init__(self, *args, **kwargs):
        super().__init__()
        try:
            bound = self.__signature__.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{type(self).__name__}.__init__() {error}") from None
        bound.apply_defaults()
        for name, value in bound.arguments.items():
            if name not in self.legacy:
                setattr(self, name, value)
        self.prepare(bound.arguments)

    def prepare(self, given: dict) -> None:
        """Adjust settings after they were taken."""

    def extra_repr(self) -> str:
        pieces = [p.format_map(self.__dict__) for p in self.shown]
        if getattr(self, "inplace", False):
            pieces.append("inplace=True")
        return ", ".join(pieces)


def simple(name: str, function, settings=None, shown=(), base: type = Simple, **attributes):
    """A class for one row. `shown` in words: the settings that the repr names."""
    if isinstance(shown, str):
        shown = [f"{n}={{{n}}}" for n in shown.split()]
    return type(name, (base,), {
        "function": staticmethod(function), "settings": settings or {}, "shown": tuple(shown),
        "__doc__": f"{function.__name__} as a module.", "__module__": __name__, **attributes})


def rows(table, **common) -> list[type]:
    return [simple(*row, **common) for row in table]


# ------------------------------------------------------------------ activations

INPLACE = {"inplace": False}
ReLU, ReLU6, SiLU, Mish, Hardswish, Hardsigmoid, SELU = rows(
    (name, getattr(F, name.lower()), INPLACE)
    for name in ("ReLU", "ReLU6", "SiLU", "Mish", "Hardswish", "Hardsigmoid", "SELU"))
Tanh, Sigmoid, LogSigmoid, Softsign, Tanhshrink = rows(
    (name, getattr(F, name.lower()))
    for name in ("Tanh", "Sigmoid", "LogSigmoid", "Softsign", "Tanhshrink"))
(ELU, CELU, LeakyReLU, Hardtanh, Threshold, GELU, GLU, Softplus, Hardshrink, Softshrink) = rows((
    ("ELU", F.elu, {"alpha": 1.0} | INPLACE, "alpha"),
    ("CELU", F.celu, {"alpha": 1.0} | INPLACE, "alpha"),
    ("LeakyReLU", F.leaky_relu, {"negative_slope": 0.01} | INPLACE, "negative_slope"),
    ("Hardtanh", F.hardtanh, {"min_val": -1.0, "max_val": 1.0} | INPLACE, "min_val max_val"),
    ("Threshold", F.threshold, {"threshold": REQUIRED, "value": REQUIRED} | INPLACE,
     "threshold value"),
    ("GELU", F.gelu, {"approximate": "none"}, ["approximate={approximate!r}"]),
    ("GLU", F.glu, {"dim": -1}, "dim"),
    ("Softplus", F.softplus, {"beta": 1.0, "threshold": 20.0}, "beta threshold"),
    ("Hardshrink", F.hardshrink, {"lambd": 0.5}, ["{lambd}"]),
    ("Softshrink", F.softshrink, {"lambd": 0.5}, ["{lambd}"]),
))
Softmax, LogSoftmax, Softmin = rows(
    (name, function, {"dim": None}, "dim") for name, function in
    (("Softmax", F.softmax), ("LogSoftmax", F.log_softmax), ("Softmin", F.softmin)))


class Softmax2d(Module):
    """Softmax over the channels of (N, C, H, W)."""

    def forward(self, input):
        if input.dim() not in (3, 4):
            raise ValueError("Softmax2d: expected input to be 3D or 4D, got "
                             f"{input.dim()}D instead")
        return F.softmax(input, -3)


class RReLU(Simple):
    """rrelu as a module."""

    settings = {"lower": 1.0 / 8, "upper": 1.0 / 3} | INPLACE
    shown = ("lower={lower}", "upper={upper}")

    def forward(self, input):
        return F.rrelu(input, self.lower, self.upper, self.training, self.inplace)


CosineSimilarity, PairwiseDistance = rows((
    ("CosineSimilarity", F.cosine_similarity, {"dim": 1, "eps": 1e-8}),
    ("PairwiseDistance", F.pairwise_distance, {"p": 2.0, "eps": 1e-6, "keepdim": False}),
), inputs=("x1", "x2"))


class Dropping(Simple):
    """Drops in training only."""

    settings = {"p": 0.5, "inplace": False}

    def prepare(self, given) -> None:
        check_probability(self.p)

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"


def dropping(name: str, function):
    return simple(name, function, Dropping.settings, base=Dropping, forward=lambda self, input:
                  function(input, self.p, self.training, self.inplace))


Dropout, Dropout1d, Dropout2d, Dropout3d, AlphaDropout, FeatureAlphaDropout = map(dropping, (
    "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout", "FeatureAlphaDropout"), (
    F.dropout, F.dropout1d, F.dropout2d, F.dropout3d, F.alpha_dropout, F.feature_alpha_dropout))

# ------------------------------------------------------------------ shapes

(Flatten, ChannelShuffle, PixelShuffle, PixelUnshuffle, Fold, Unfold) = rows((
    ("Flatten", F.flatten, {"start_dim": 1, "end_dim": -1}, "start_dim end_dim"),
    ("ChannelShuffle", F.channel_shuffle, {"groups": REQUIRED}, "groups"),
    ("PixelShuffle", F.pixel_shuffle, {"upscale_factor": REQUIRED}, "upscale_factor"),
    ("PixelUnshuffle", F.pixel_unshuffle, {"downscale_factor": REQUIRED}, "downscale_factor"),
    ("Fold", F.fold, {"output_size": REQUIRED, "kernel_size": REQUIRED, "dilation": 1, "padding": 0,
                      "stride": 1}, "output_size kernel_size dilation padding stride"),
    ("Unfold", F.unfold, {"kernel_size": REQUIRED, "dilation": 1, "padding": 0, "stride": 1},
     "kernel_size dilation padding stride"),
))


class Unflatten(Simple):
    """One dimension as several."""

    settings = {"dim": REQUIRED, "unflattened_size": REQUIRED}
    shown = ("dim={dim}", "unflattened_size={unflattened_size}")

    def forward(self, input):
        return input.unflatten(self.dim, self.unflattened_size)


class Padding(Simple):
    """Elements around the last dimensions."""

    rank: int

    def prepare(self, given) -> None:
        self.padding = tuple_of(self.padding, 2 * self.rank)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}" if "Constant" in \
            type(self).__name__ else f"{self.padding}"


def paddings(kind: str, mode: str, **settings) -> list[type]:
    def forward(self, input):
        return F.pad(input, self.padding, mode, getattr(self, "value", None))

    return [simple(f"{kind}{rank}d", F.pad, {"padding": REQUIRED} | settings, base=Padding,
                   rank=rank, forward=forward) for rank in (1, 2, 3)]


ConstantPad1d, ConstantPad2d, ConstantPad3d = paddings("ConstantPad", "constant", value=REQUIRED)
ZeroPad1d, ZeroPad2d, ZeroPad3d = paddings("ZeroPad", "constant")
ReflectionPad1d, ReflectionPad2d, ReflectionPad3d = paddings("ReflectionPad", "reflect")
ReplicationPad1d, ReplicationPad2d, ReplicationPad3d = paddings("ReplicationPad", "replicate")
CircularPad1d, CircularPad2d, CircularPad3d = paddings("CircularPad", "circular")


class Upsample(Simple):
    """interpolate as a module."""

    settings = {"size": None, "scale_factor": None, "mode": "nearest", "align_corners": None,
                "recompute_scale_factor": None}
    function = staticmethod(F.interpolate)

    def prepare(self, given) -> None:
        if self.scale_factor is not None:
            self.scale_factor = tuple(map(float, self.scale_factor)) if isinstance(
                self.scale_factor, tuple) else float(self.scale_factor)

    def extra_repr(self) -> str:
        what = f"scale_factor={self.scale_factor!r}" if self.scale_factor is not None else \
            f"size={self.size!r}"
        return f"{what}, mode={self.mode!r}"


class UpsamplingNearest2d(Upsample):
    """interpolate by the nearest pixel."""

    def __init__(self, size=None, scale_factor=None):
        super().__init__(size, scale_factor, "nearest")


class UpsamplingBilinear2d(Upsample):
    """interpolate linearly, corner on corner."""

    def __init__(self, size=None, scale_factor=None):
        super().__init__(size, scale_factor, "bilinear", True)


LocalResponseNorm = simple(
    "LocalResponseNorm", F.local_response_norm,
    {"size": REQUIRED, "alpha": 1e-4, "beta": 0.75, "k": 1.0},
    ["{size}", "alpha={alpha}", "beta={beta}", "k={k}"])

# ------------------------------------------------------------------ pooling


class Pooling(Simple):
    """The stride defaults to the size of the window."""

    rank: int
    as_tuples: Sequence[str] = ()

    def prepare(self, given) -> None:
        self.stride = self.kernel_size if self.stride is None else self.stride
        for name in self.as_tuples:
            setattr(self, name, tuple_of(getattr(self, name), self.rank))


WINDOW = {"kernel_size": REQUIRED, "stride": None, "padding": 0}
MAX_POOL = WINDOW | {"dilation": 1, "return_indices": False, "ceil_mode": False}
AVG_POOL = WINDOW | {"ceil_mode": False, "count_include_pad": True}
ADAPTIVE = {"output_size": REQUIRED}


def of_ranks(name: str, function: str, *row, **attributes) -> list[type]:
    """The classes of a row for one, two and three dimensions of space."""
    return [simple(name.format(r), getattr(F, function.format(r)), *row, rank=r, **attributes)
            for r in (1, 2, 3)]


MaxPool1d, MaxPool2d, MaxPool3d = of_ranks(
    "MaxPool{}d", "max_pool{}d", MAX_POOL, "kernel_size stride padding dilation ceil_mode",
    base=Pooling)
AvgPool2d, AvgPool3d = of_ranks(
    "AvgPool{}d", "avg_pool{}d", AVG_POOL | {"divisor_override": None},
    "kernel_size stride padding", base=Pooling)[1:]
AvgPool1d = simple("AvgPool1d", F.avg_pool1d, AVG_POOL, "kernel_size stride padding", base=Pooling,
                   rank=1, as_tuples=tuple(WINDOW))
MaxUnpool1d, MaxUnpool2d, MaxUnpool3d = of_ranks(
    "MaxUnpool{}d", "max_unpool{}d", WINDOW, "kernel_size stride padding", base=Pooling,
    as_tuples=tuple(WINDOW))
for _class in (MaxUnpool1d, MaxUnpool2d, MaxUnpool3d):
    _class.forward = lambda self, input, indices, output_size=None: self.function(
        input, indices, self.kernel_size, self.stride, self.padding, output_size)
LPPool1d, LPPool2d, LPPool3d = of_ranks(
    "LPPool{}d", "lp_pool{}d", {"norm_type": REQUIRED, "kernel_size": REQUIRED, "stride": None,
                                "ceil_mode": False}, "norm_type kernel_size stride ceil_mode")
AdaptiveAvgPool1d, AdaptiveAvgPool2d, AdaptiveAvgPool3d = of_ranks(
    "AdaptiveAvgPool{}d", "adaptive_avg_pool{}d", ADAPTIVE, "output_size")
AdaptiveMaxPool1d, AdaptiveMaxPool2d, AdaptiveMaxPool3d = of_ranks(
    "AdaptiveMaxPool{}d", "adaptive_max_pool{}d", ADAPTIVE | {"return_indices": False},
    "output_size")


class FractionalPooling(Simple):
    """Windows spread at random; their number is given, or a ratio."""

    def prepare(self, given) -> None:
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
        samples = self.__dict__.pop("_random_samples")
        self.register_buffer("_random_samples", samples)


FractionalMaxPool2d, FractionalMaxPool3d = (
    simple(f"FractionalMaxPool{r}d", function,
           {"kernel_size": REQUIRED, "output_size": None, "output_ratio": None,
            "return_indices": False, "_random_samples": None}, base=FractionalPooling, rank=r)
    for r, function in ((2, F.fractional_max_pool2d), (3, F.fractional_max_pool3d)))
