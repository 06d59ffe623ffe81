"""Every module of `torch.nn`, with arguments and inputs: name -> (maker, inputs ...)."""

from __future__ import annotations

import numpy as np


def R(*shape):
    return lambda rng: rng.standard_normal(shape).astype(np.float32)


def P(*shape):
    """Probabilities."""
    return lambda rng: rng.random(shape, np.float32) * 0.8 + 0.1


def I(high, *shape):  # noqa: E743
    return lambda rng: rng.integers(0, high, shape)


def signs(*shape):
    return lambda rng: np.sign(rng.standard_normal(shape)).astype(np.float32)


def nn(name, *args, **kwargs):
    return lambda torch: getattr(torch.nn, name)(*args, **kwargs)


X, LINE, IMAGE, SPACE = R(3, 5), R(2, 4, 9), R(2, 4, 7, 6), R(2, 4, 5, 6, 4)
PLANES = {1: LINE, 2: IMAGE, 3: SPACE}

ACTIVATIONS = {
    name: (nn(name), X)
    for name in (
        "CELU ELU GELU Hardshrink Hardsigmoid Hardswish Hardtanh LeakyReLU LogSigmoid LogSoftmax "
        "Mish PReLU ReLU ReLU6 RReLU SELU Sigmoid SiLU Softmax Softmin Softplus Softshrink "
        "Softsign Tanh Tanhshrink Identity Dropout AlphaDropout"
    ).split()
} | {
    "Threshold": (nn("Threshold", 0.1, 20), X),
    "GLU": (nn("GLU", 0), R(4, 3)),
    "GELU tanh": (nn("GELU", "tanh"), X),
    "ReLU inplace": (nn("ReLU", True), I(5, 3)),
    "Softmax2d": (nn("Softmax2d"), IMAGE),
    "PReLU 4": (nn("PReLU", 4, 0.1), LINE),
    "Softplus 2": (nn("Softplus", 2, 1.0), X),
    "ELU 2": (nn("ELU", alpha=0.5), X),
    "Dropout1d": (nn("Dropout1d"), LINE),
    "Dropout2d": (nn("Dropout2d", 0.3), IMAGE),
    "Dropout3d": (nn("Dropout3d"), SPACE),
    "FeatureAlphaDropout": (nn("FeatureAlphaDropout"), IMAGE),
}

POOLING = {
    f"{name}{r}d": (nn(f"{name}{r}d", *args), PLANES[r])
    for r in (1, 2, 3)
    for name, *args in (
        ("MaxPool", 2),
        ("AvgPool", 2),
        ("AdaptiveAvgPool", 3),
        ("AdaptiveMaxPool", 3),
        ("LPPool", 2, 3),
    )
} | {
    "MaxPool1d indices": (nn("MaxPool1d", 3, 1, 1, 2, True), LINE),
    "MaxPool2d indices": (
        nn("MaxPool2d", 3, stride=(2, 1), padding=1, return_indices=True, ceil_mode=True),
        IMAGE,
    ),
    "AvgPool2d ceil": (nn("AvgPool2d", 3, 2, 1, True, False), IMAGE),
    "AdaptiveAvgPool2d none": (nn("AdaptiveAvgPool2d", (None, 1)), IMAGE),
    "AdaptiveMaxPool2d indices": (nn("AdaptiveMaxPool2d", (2, 5), return_indices=True), IMAGE),
    "FractionalMaxPool2d": (nn("FractionalMaxPool2d", 2, output_size=(3, 4)), IMAGE),
    "FractionalMaxPool3d": (nn("FractionalMaxPool3d", 2, output_ratio=0.6), SPACE),
    "MaxUnpool1d": (nn("MaxUnpool1d", 2), R(2, 3), np.array([[1, 2, 5], [0, 3, 4]])),
    "MaxUnpool2d": (nn("MaxUnpool2d", 2, 2, 0), R(1, 2, 2), np.array([[[0, 3], [8, 15]]])),
    "MaxUnpool3d": (nn("MaxUnpool3d", 2), R(1, 1, 1, 2), np.array([[[[1, 2]]]])),
}

CONVOLUTIONS = (
    {
        f"{name}{r}d": (nn(f"{name}{r}d", 4, 6, 3), PLANES[r])
        for r in (1, 2, 3)
        for name in ("Conv", "ConvTranspose", "LazyConv", "LazyConvTranspose")
        if "Lazy" not in name
    }
    | {
        f"Lazy{name}{r}d": (nn(f"Lazy{name}{r}d", 6, 3, bias=False), PLANES[r])
        for r in (1, 2, 3)
        for name in ("Conv", "ConvTranspose")
    }
    | {
        "Conv1d same": (nn("Conv1d", 4, 6, 4, padding="same", dilation=2), LINE),
        "Conv2d groups": (nn("Conv2d", 4, 6, (3, 2), (2, 1), (1, 2), 1, 2), IMAGE),
        "Conv2d reflect": (nn("Conv2d", 4, 2, 3, padding=(2, 1), padding_mode="reflect"), IMAGE),
        "Conv2d circular": (nn("Conv2d", 4, 2, 3, padding="same", padding_mode="circular"), IMAGE),
        "Conv3d replicate": (nn("Conv3d", 4, 2, 2, padding=1, padding_mode="replicate"), SPACE),
        "ConvTranspose2d options": (nn("ConvTranspose2d", 4, 6, 3, 2, 1, 1, 2, True, 2), IMAGE),
        "ConvTranspose1d options": (nn("ConvTranspose1d", 4, 6, 3, 3, 2, output_padding=2), LINE),
    }
)

NORMS = {
    f"{lazy}{name}{r}d": (nn(f"{lazy}{name}{r}d", *(() if lazy else (4,))), PLANES[r])
    for r in (1, 2, 3)
    for name in ("BatchNorm", "InstanceNorm")
    for lazy in ("", "Lazy")
} | {
    "BatchNorm1d matrix": (nn("BatchNorm1d", 5, momentum=None), X),
    "BatchNorm2d plain": (nn("BatchNorm2d", 4, 1e-3, 0.3, False), IMAGE),
    "BatchNorm2d untracked": (nn("BatchNorm2d", 4, track_running_stats=False), IMAGE),
    "InstanceNorm2d full": (nn("InstanceNorm2d", 4, affine=True, track_running_stats=True), IMAGE),
    "InstanceNorm1d single": (nn("InstanceNorm1d", 4), R(4, 9)),
    "LayerNorm": (nn("LayerNorm", (7, 6)), IMAGE),
    "LayerNorm plain": (nn("LayerNorm", 5, elementwise_affine=False), X),
    "LayerNorm no bias": (nn("LayerNorm", 5, bias=False), X),
    "RMSNorm": (nn("RMSNorm", 5), X),
    "GroupNorm": (nn("GroupNorm", 2, 4), IMAGE),
    "LocalResponseNorm": (nn("LocalResponseNorm", 3), IMAGE),
}

LINEAR = {
    "Linear": (nn("Linear", 5, 4), X),
    "Linear no bias": (nn("Linear", 4, 2, bias=False), R(2, 3, 4)),
    "LazyLinear": (nn("LazyLinear", 4), X),
    "Bilinear": (nn("Bilinear", 5, 4, 3), X, R(3, 4)),
    "Flatten": (nn("Flatten"), IMAGE),
    "Unflatten": (nn("Unflatten", 1, (2, 2)), LINE),
    "Embedding": (nn("Embedding", 7, 3), I(7, 2, 4)),
    "Embedding padding": (
        nn("Embedding", 7, 3, padding_idx=-2, max_norm=1.0, norm_type=1.0, scale_grad_by_freq=True),
        I(7, 2, 4),
    ),
    "EmbeddingBag": (nn("EmbeddingBag", 7, 3), I(7, 9), np.array([0, 2, 5])),
    "EmbeddingBag max": (nn("EmbeddingBag", 7, 3, mode="max", padding_idx=1), I(7, 3, 4)),
    "EmbeddingBag sum": (nn("EmbeddingBag", 7, 3, mode="sum", max_norm=1.5), I(7, 3, 4)),
    "CosineSimilarity": (nn("CosineSimilarity"), X, X),
    "PairwiseDistance": (nn("PairwiseDistance", 1.0, keepdim=True), X, X),
    "ChannelShuffle": (nn("ChannelShuffle", 2), IMAGE),
    "PixelShuffle": (nn("PixelShuffle", 2), IMAGE),
    "PixelUnshuffle": (nn("PixelUnshuffle", 2), R(1, 2, 4, 6)),
    "Fold": (nn("Fold", (4, 5), 2, padding=1), R(2, 12, 30)),
    "Unfold": (nn("Unfold", (2, 3)), IMAGE),
    "Upsample": (nn("Upsample", scale_factor=1.5, mode="bicubic"), IMAGE),
    "Upsample size": (nn("Upsample", (3, 9)), IMAGE),
    "UpsamplingNearest2d": (nn("UpsamplingNearest2d", scale_factor=2), IMAGE),
    "UpsamplingBilinear2d": (nn("UpsamplingBilinear2d", (4, 9)), IMAGE),
} | {
    f"{kind}Pad{r}d": (nn(f"{kind}Pad{r}d", 1, *((2.5,) if kind == "Constant" else ())), PLANES[r])
    for r in (1, 2, 3)
    for kind in ("Constant", "Zero", "Reflection", "Replication", "Circular")
}

LOSSES = {
    name: (nn(name), X, X)
    for name in ("L1Loss", "MSELoss", "SmoothL1Loss", "HuberLoss", "KLDivLoss", "PoissonNLLLoss")
} | {
    "MSELoss sum": (nn("MSELoss", reduction="sum"), X, X),
    "MSELoss legacy": (nn("MSELoss", size_average=False), X, X),
    "CrossEntropyLoss": (nn("CrossEntropyLoss"), X, I(5, 3)),
    "CrossEntropyLoss smooth": (
        nn("CrossEntropyLoss", ignore_index=2, label_smoothing=0.2),
        X,
        I(5, 3),
    ),
    "CrossEntropyLoss soft": (nn("CrossEntropyLoss"), X, P(3, 5)),
    "CrossEntropyLoss weight": (
        lambda torch: torch.nn.CrossEntropyLoss(torch.arange(1.0, 6.0), label_smoothing=0.1),
        X,
        I(5, 3),
    ),
    "NLLLoss": (nn("NLLLoss"), R(2, 4, 3), I(4, 2, 3)),
    "NLLLoss2d": (nn("NLLLoss2d"), X, I(5, 3)),
    "BCELoss": (nn("BCELoss"), P(3, 5), P(3, 5)),
    "BCEWithLogitsLoss": (
        lambda torch: torch.nn.BCEWithLogitsLoss(pos_weight=torch.arange(1.0, 6.0)),
        X,
        P(3, 5),
    ),
    "HingeEmbeddingLoss": (nn("HingeEmbeddingLoss"), X, signs(3, 5)),
    "SoftMarginLoss": (nn("SoftMarginLoss"), X, signs(3, 5)),
    "MultiLabelMarginLoss": (
        nn("MultiLabelMarginLoss"),
        X,
        np.array([[0, 3, -1, 1, 2], [4, -1, 0, 0, 0], [1, 2, 3, 4, 0]]),
    ),
    "MultiLabelSoftMarginLoss": (nn("MultiLabelSoftMarginLoss"), X, P(3, 5)),
    "MultiMarginLoss": (nn("MultiMarginLoss", 2, 0.5), X, I(5, 3)),
    "MarginRankingLoss": (nn("MarginRankingLoss", 0.2), R(4), R(4), signs(4)),
    "CosineEmbeddingLoss": (nn("CosineEmbeddingLoss", 0.2), X, X, signs(3)),
    "TripletMarginLoss": (nn("TripletMarginLoss", swap=True), X, X, X),
    "TripletMarginWithDistanceLoss": (nn("TripletMarginWithDistanceLoss", margin=0.5), X, X, X),
    "GaussianNLLLoss": (nn("GaussianNLLLoss", full=True), X, X, P(3, 5)),
    "LinearCrossEntropyLoss": (nn("LinearCrossEntropyLoss", 5, 4, bias=True), X, I(4, 3)),
    "AdaptiveLogSoftmaxWithLoss": (
        nn("AdaptiveLogSoftmaxWithLoss", 8, 12, [3, 7], 2.0), R(6, 8), I(12, 6)),
    "CTCLoss": (
        nn("CTCLoss"),
        R(9, 2, 6),
        lambda rng: rng.integers(1, 6, (2, 3)),
        np.array([9, 8]),
        np.array([3, 2]),
    ),
}

ATTENTION = {
    "MultiheadAttention": (nn("MultiheadAttention", 8, 2), R(4, 2, 8), R(5, 2, 8), R(5, 2, 8)),
    "MultiheadAttention options": (
        nn("MultiheadAttention", 8, 2, 0.3, True, True, True, 6, 5, True),
        R(2, 4, 8),
        R(2, 5, 6),
        R(2, 5, 5),
    ),
    "TransformerEncoderLayer": (
        nn("TransformerEncoderLayer", 8, 2, 12, batch_first=True),
        R(2, 4, 8),
    ),
    "TransformerEncoderLayer first": (
        nn("TransformerEncoderLayer", 8, 2, 12, 0.0, "gelu", norm_first=True),
        R(2, 4, 8),
    ),
    "TransformerDecoderLayer": (nn("TransformerDecoderLayer", 8, 2, 12), R(4, 2, 8), R(5, 2, 8)),
    "TransformerEncoder": (
        lambda torch: torch.nn.TransformerEncoder(
            torch.nn.TransformerEncoderLayer(8, 2, 12), 2, torch.nn.LayerNorm(8)
        ),
        R(4, 2, 8),
    ),
    "TransformerDecoder": (
        lambda torch: torch.nn.TransformerDecoder(torch.nn.TransformerDecoderLayer(8, 2, 12), 2),
        R(4, 2, 8),
        R(5, 2, 8),
    ),
    "Transformer": (nn("Transformer", 8, 2, 1, 2, 12, batch_first=True), R(2, 5, 8), R(2, 4, 8)),
}

RECURRENT = {
    f"{kind} {name}": (nn(kind, 3, 4, **options), R(5, 2, 3))
    for kind in ("RNN", "GRU", "LSTM")
    for name, options in {
        "plain": {}, "deep": {"num_layers": 2, "dropout": 0.3, "bidirectional": True},
        "first": {"batch_first": True, "bias": False},
    }.items()
} | {
    "RNN relu": (nn("RNN", 3, 4, nonlinearity="relu"), R(5, 3)),
    "GRU states": (nn("GRU", 3, 4, 2), R(5, 2, 3), R(2, 2, 4)),
    "LSTM projected": (nn("LSTM", 3, 4, 2, proj_size=2, bidirectional=True), R(5, 2, 3)),
    "RNNCell": (nn("RNNCell", 3, 4), R(2, 3)), "RNNCell relu": (
        nn("RNNCell", 3, 4, False, "relu"), R(2, 3), R(2, 4)),
    "GRUCell": (nn("GRUCell", 3, 4), R(2, 3), R(2, 4)), "LSTMCell": (nn("LSTMCell", 3, 4), R(3)),
}

MODULES = RECURRENT | ACTIVATIONS | POOLING | CONVOLUTIONS | NORMS | LINEAR | LOSSES | ATTENTION

LEFT_OUT = {
    "Module": "the base",
    "Container": "an old name of Module",
    "CrossMapLRN2d": "its running window goes wrong in PyTorch",
    "SyncBatchNorm": "needs a GPU",
    "DataParallel": "distributed",
    "Sequential": "see containers",
    "ModuleList": "see containers",
    "ModuleDict": "see containers",
    "ParameterList": "see containers",
    "ParameterDict": "see containers",
    "RNNBase": "a base",
    "RNNCellBase": "a base",
}
