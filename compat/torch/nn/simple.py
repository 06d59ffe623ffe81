"""Modules without parameters: activations, dropout, pooling, losses. One table row each."""

from __future__ import annotations

from collections.abc import Sequence

from compat.torch.nn import functional as F
from compat.torch.nn.functional.dropout import check_probability
from compat.torch.nn.module import Module


class Simple(Module):
    """A function with settings that are kept as attributes of the module."""

    function: staticmethod
    settings: dict = {}  # name -> default, in order; REQUIRED has no default
    shown: Sequence[str] = ()  # pieces of the repr, format strings over the settings
    fixed: dict = {}

    def __init__(self, *args, **kwargs):
        super().__init__()
        if len(args) > len(self.settings):
            raise TypeError(f"{type(self).__name__}.__init__() takes from 1 to "
                            f"{len(self.settings) + 1} positional arguments but {len(args) + 1} "
                            "were given")
        given = dict(zip(self.settings, args)) | kwargs
        unknown = set(given) - set(self.settings)
        if unknown:
            raise TypeError(f"{type(self).__name__}.__init__() got an unexpected keyword argument "
                            f"'{sorted(unknown)[0]}'")
        for name, default in self.settings.items():
            value = given.get(name, default)
            if value is REQUIRED:
                raise TypeError(f"{type(self).__name__}.__init__() missing 1 required positional "
                                f"argument: '{name}'")
            setattr(self, name, value)
        self.prepare()

    def prepare(self) -> None:
        """Adjust settings after they were taken."""

    def forward(self, input):
        return type(self).function(input, **{n: getattr(self, n) for n in self.settings})

    def extra_repr(self) -> str:
        pieces = [p.format(**{n: getattr(self, n) for n in self.settings}) for p in self.shown]
        if getattr(self, "inplace", False):
            pieces.append("inplace=True")
        return ", ".join(pieces)


REQUIRED = object()


def simple(name: str, function, settings=None, shown=(), doc: str = "", base=Simple):
    """A class for one row."""
    return type(name, (base,), {
        "function": staticmethod(function), "settings": settings or {}, "shown": tuple(shown),
        "__doc__": doc or f"{function.__name__} as a module.", "__module__": __name__})


INPLACE = {"inplace": False}
ReLU = simple("ReLU", F.relu, INPLACE)
ReLU6 = simple("ReLU6", F.relu6, INPLACE)
SiLU = simple("SiLU", F.silu, INPLACE)
Mish = simple("Mish", F.mish, INPLACE)
Hardswish = simple("Hardswish", F.hardswish, INPLACE)
Hardsigmoid = simple("Hardsigmoid", F.hardsigmoid, INPLACE)
ELU = simple("ELU", F.elu, {"alpha": 1.0} | INPLACE, ["alpha={alpha}"])
LeakyReLU = simple("LeakyReLU", F.leaky_relu, {"negative_slope": 0.01} | INPLACE,
                   ["negative_slope={negative_slope}"])
Hardtanh = simple("Hardtanh", F.hardtanh, {"min_val": -1.0, "max_val": 1.0} | INPLACE,
                  ["min_val={min_val}", "max_val={max_val}"])
GELU = simple("GELU", F.gelu, {"approximate": "none"}, ["approximate={approximate!r}"])
GLU = simple("GLU", F.glu, {"dim": -1}, ["dim={dim}"])
Tanh, Sigmoid = simple("Tanh", F.tanh), simple("Sigmoid", F.sigmoid)
LogSigmoid, Softsign = simple("LogSigmoid", F.logsigmoid), simple("Softsign", F.softsign)
Tanhshrink = simple("Tanhshrink", F.tanhshrink)
Softplus = simple("Softplus", F.softplus, {"beta": 1.0, "threshold": 20.0},
                  ["beta={beta}", "threshold={threshold}"])
Softmax = simple("Softmax", F.softmax, {"dim": None}, ["dim={dim}"])
LogSoftmax = simple("LogSoftmax", F.log_softmax, {"dim": None}, ["dim={dim}"])
Softmin = simple("Softmin", F.softmin, {"dim": None}, ["dim={dim}"])
CosineSimilarity = simple("CosineSimilarity", F.cosine_similarity, {"dim": 1, "eps": 1e-8})
CosineSimilarity.forward = lambda self, x1, x2: F.cosine_similarity(x1, x2, self.dim, self.eps)


class Dropping(Simple):
    """Drops in training only."""

    def prepare(self) -> None:
        check_probability(self.p)

    def forward(self, input):
        return type(self).function(input, self.p, self.training, self.inplace)

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"


DROP = {"p": 0.5, "inplace": False}
Dropout = simple("Dropout", F.dropout, DROP, base=Dropping)
Dropout1d = simple("Dropout1d", F.dropout1d, DROP, base=Dropping)
Dropout2d = simple("Dropout2d", F.dropout2d, DROP, base=Dropping)


class Flatten(Simple):
    """Dimensions start_dim ... end_dim as one."""

    function, settings = staticmethod(F.flatten), {"start_dim": 1, "end_dim": -1}
    shown = ("start_dim={start_dim}", "end_dim={end_dim}")


class Unflatten(Simple):
    """One dimension as several."""

    settings = {"dim": REQUIRED, "unflattened_size": REQUIRED}
    shown = ("dim={dim}", "unflattened_size={unflattened_size}")

    def forward(self, input):
        return input.unflatten(self.dim, self.unflattened_size)


# ------------------------------------------------------------------ pooling


class Pooling(Simple):
    """The stride defaults to the size of the window."""

    def prepare(self) -> None:
        self.stride = self.kernel_size if self.stride is None else self.stride


MAX_POOL = {"kernel_size": REQUIRED, "stride": None, "padding": 0, "dilation": 1,
            "return_indices": False, "ceil_mode": False}
MAX_SHOWN = ["kernel_size={kernel_size}", "stride={stride}", "padding={padding}",
             "dilation={dilation}", "ceil_mode={ceil_mode}"]
MaxPool1d = simple("MaxPool1d", F.max_pool1d, MAX_POOL, MAX_SHOWN, base=Pooling)
MaxPool2d = simple("MaxPool2d", F.max_pool2d, MAX_POOL, MAX_SHOWN, base=Pooling)
AVG_POOL = {"kernel_size": REQUIRED, "stride": None, "padding": 0, "ceil_mode": False,
            "count_include_pad": True}
AVG_SHOWN = ["kernel_size={kernel_size}", "stride={stride}", "padding={padding}"]
AvgPool2d = simple("AvgPool2d", F.avg_pool2d, AVG_POOL | {"divisor_override": None}, AVG_SHOWN,
                   base=Pooling)


class AvgPool1d(Pooling):
    """The mean of each window."""

    function, settings, shown = staticmethod(F.avg_pool1d), AVG_POOL, AVG_SHOWN

    def prepare(self) -> None:
        super().prepare()
        for name in ("kernel_size", "stride", "padding"):
            value = getattr(self, name)
            setattr(self, name, (value,) if isinstance(value, int) else tuple(value))


ADAPTIVE = {"output_size": REQUIRED}, ["output_size={output_size}"]
AdaptiveAvgPool1d = simple("AdaptiveAvgPool1d", F.adaptive_avg_pool1d, *ADAPTIVE)
AdaptiveAvgPool2d = simple("AdaptiveAvgPool2d", F.adaptive_avg_pool2d, *ADAPTIVE)
AdaptiveMaxPool2d = simple("AdaptiveMaxPool2d", F.adaptive_max_pool2d, *ADAPTIVE)


# ------------------------------------------------------------------ losses


class Loss(Simple):
    """A comparison of input and target. A weight is kept as a buffer."""

    def __init__(self, *args, **kwargs):
        buffers = [n for n in ("weight", "pos_weight") if n in self.settings]
        super().__init__(*args, **kwargs)
        for name in buffers:
            value = self.__dict__.pop(name)
            self.register_buffer(name, value)

    def forward(self, input, target):
        return type(self).function(input, target, **{n: getattr(self, n) for n in self.settings})

    def extra_repr(self) -> str:
        return ""


OLD = {"size_average": None, "reduce": None}  # arguments of old that mean nothing any more


def loss(name: str, function, settings):
    return simple(name, function, settings, base=Loss)


MSELoss = loss("MSELoss", F.mse_loss, OLD | {"reduction": "mean"})
L1Loss = loss("L1Loss", F.l1_loss, OLD | {"reduction": "mean"})
SmoothL1Loss = loss("SmoothL1Loss", F.smooth_l1_loss, OLD | {"reduction": "mean", "beta": 1.0})
HuberLoss = loss("HuberLoss", F.huber_loss, {"reduction": "mean", "delta": 1.0})
KLDivLoss = loss("KLDivLoss", F.kl_div, OLD | {"reduction": "mean", "log_target": False})
BCELoss = loss("BCELoss", F.binary_cross_entropy, {"weight": None} | OLD | {"reduction": "mean"})
BCEWithLogitsLoss = loss("BCEWithLogitsLoss", F.binary_cross_entropy_with_logits,
                         {"weight": None} | OLD | {"reduction": "mean", "pos_weight": None})
INDEXED = {"weight": None, "size_average": None, "ignore_index": -100, "reduce": None,
           "reduction": "mean"}
NLLLoss = loss("NLLLoss", F.nll_loss, INDEXED)
CrossEntropyLoss = loss("CrossEntropyLoss", F.cross_entropy, INDEXED | {"label_smoothing": 0.0})
