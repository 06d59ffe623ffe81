"""`torch.nn.modules`: where PyTorch keeps its modules; here only the names."""

import importlib
import sys
import types

from compat.torch import nn
from compat.torch.nn import *  # noqa: F403
from compat.torch.nn import attention, layers, losses, module, norms

# `nn.utils` came with the star; the file of that name here is another
utils = importlib.import_module(f"{__name__}.utils")  # type: ignore[assignment]
PLACES = {  # a file of PyTorch's: the modules in it
    "activation":
        "Threshold ReLU RReLU Hardtanh ReLU6 Sigmoid Hardsigmoid Tanh SiLU Mish Hardswish ELU "
        "CELU SELU GLU GELU Hardshrink LeakyReLU LogSigmoid Softplus Softshrink "
        "MultiheadAttention PReLU Softsign Tanhshrink Softmin Softmax Softmax2d LogSoftmax",
    "adaptive": "AdaptiveLogSoftmaxWithLoss",
    "batchnorm":
        "BatchNorm1d BatchNorm2d BatchNorm3d LazyBatchNorm1d LazyBatchNorm2d LazyBatchNorm3d "
        "SyncBatchNorm",
    "channelshuffle": "ChannelShuffle",
    "container": "Sequential ModuleList ModuleDict ParameterList ParameterDict",
    "conv":
        "Conv1d Conv2d Conv3d ConvTranspose1d ConvTranspose2d ConvTranspose3d LazyConv1d "
        "LazyConv2d LazyConv3d LazyConvTranspose1d LazyConvTranspose2d LazyConvTranspose3d",
    "distance": "PairwiseDistance CosineSimilarity",
    "dropout": "Dropout Dropout1d Dropout2d Dropout3d AlphaDropout FeatureAlphaDropout",
    "flatten": "Flatten Unflatten",
    "fold": "Fold Unfold",
    "instancenorm":
        "InstanceNorm1d InstanceNorm2d InstanceNorm3d LazyInstanceNorm1d LazyInstanceNorm2d "
        "LazyInstanceNorm3d",
    "linear": "Identity Linear Bilinear LazyLinear",
    "loss": " ".join(losses.LOSSES),
    "normalization": "LocalResponseNorm LayerNorm GroupNorm RMSNorm",
    "padding":
        "CircularPad1d CircularPad2d CircularPad3d ConstantPad1d ConstantPad2d ConstantPad3d "
        "ReflectionPad1d ReflectionPad2d ReflectionPad3d ReplicationPad1d ReplicationPad2d "
        "ReplicationPad3d ZeroPad1d ZeroPad2d ZeroPad3d",
    "pixelshuffle": "PixelShuffle PixelUnshuffle",
    "pooling":
        "MaxPool1d MaxPool2d MaxPool3d MaxUnpool1d MaxUnpool2d MaxUnpool3d AvgPool1d "
        "AvgPool2d AvgPool3d FractionalMaxPool2d FractionalMaxPool3d LPPool1d LPPool2d "
        "LPPool3d AdaptiveMaxPool1d AdaptiveMaxPool2d AdaptiveMaxPool3d AdaptiveAvgPool1d "
        "AdaptiveAvgPool2d AdaptiveAvgPool3d",
    "rnn": "RNNBase RNN LSTM GRU RNNCellBase RNNCell LSTMCell GRUCell",
    "sparse": "Embedding EmbeddingBag",
    "transformer":
        "Transformer TransformerEncoder TransformerDecoder TransformerEncoderLayer "
        "TransformerDecoderLayer",
    "upsampling": "Upsample UpsamplingNearest2d UpsamplingBilinear2d",
}
BASES = {
    "batchnorm": {"_BatchNorm": norms.BatchNorm, "_NormBase": norms.NormWithStatistics},
    "conv": {"_ConvNd": layers.Convolution, "_ConvTransposeNd": layers.ConvTransposed},
    "instancenorm": {"_InstanceNorm": norms.InstanceNorm},
    "linear": {"NonDynamicallyQuantizableLinear": attention.NonDynamicallyQuantizableLinear},
    "loss": {"_Loss": losses.Loss, "_WeightedLoss": losses.Loss},
}
for _name, _held in PLACES.items():
    _made = types.ModuleType(f"{__name__}.{_name}")
    _made.__dict__.update({n: getattr(nn, n) for n in _held.split() if hasattr(nn, n)},
                          **BASES.get(_name, {}))
    _made.__dict__["__all__"] = _held.split()
    sys.modules[_made.__name__] = globals()[_name] = _made
sys.modules[f"{__name__}.module"] = module
