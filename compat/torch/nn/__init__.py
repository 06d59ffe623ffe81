"""`torch.nn`: modules, and functions of their parameters."""

from compat.torch.nn import functional, init, utils
from compat.torch.nn import losses as _losses
from compat.torch.nn.adaptive import AdaptiveLogSoftmaxWithLoss, LinearCrossEntropyLoss
from compat.torch.nn.attention import (
    MultiheadAttention, Transformer, TransformerDecoder, TransformerDecoderLayer,
    TransformerEncoder, TransformerEncoderLayer,
)
from compat.torch.nn.containers import (
    DataParallel, ModuleDict, ModuleList, ParameterDict, ParameterList, Sequential,
)
from compat.torch.nn.layers import (
    Bilinear, Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d, Embedding,
    EmbeddingBag, Identity, Linear, PReLU,
)
from compat.torch.nn.lazy import (
    LazyBatchNorm1d, LazyBatchNorm2d, LazyBatchNorm3d, LazyConv1d, LazyConv2d, LazyConv3d,
    LazyConvTranspose1d, LazyConvTranspose2d, LazyConvTranspose3d, LazyInstanceNorm1d,
    LazyInstanceNorm2d, LazyInstanceNorm3d, LazyLinear, UninitializedBuffer, UninitializedParameter,
)
from compat.torch.nn.module import Module
from compat.torch.nn.norms import (
    BatchNorm1d, BatchNorm2d, BatchNorm3d, GroupNorm, InstanceNorm1d, InstanceNorm2d,
    InstanceNorm3d, LayerNorm, RMSNorm, SyncBatchNorm,
)
from compat.torch.nn.recurrent import (
    GRU, LSTM, RNN, GRUCell, LSTMCell, RNNBase, RNNCell, RNNCellBase,
)
from compat.torch.nn.simple import (
    CELU, ELU, GELU, GLU, SELU, AdaptiveAvgPool1d, AdaptiveAvgPool2d, AdaptiveAvgPool3d,
    AdaptiveMaxPool1d, AdaptiveMaxPool2d, AdaptiveMaxPool3d, AlphaDropout, AvgPool1d, AvgPool2d,
    AvgPool3d, ChannelShuffle, CircularPad1d, CircularPad2d, CircularPad3d, ConstantPad1d,
    ConstantPad2d, ConstantPad3d, CosineSimilarity, Dropout, Dropout1d, Dropout2d,
    Dropout3d, FeatureAlphaDropout, Flatten, Fold, FractionalMaxPool2d, FractionalMaxPool3d,
    Hardshrink, Hardsigmoid, Hardswish, Hardtanh, LeakyReLU, LocalResponseNorm, LogSigmoid,
    LogSoftmax, LPPool1d, LPPool2d, LPPool3d, MaxPool1d, MaxPool2d, MaxPool3d, MaxUnpool1d,
    MaxUnpool2d, MaxUnpool3d, Mish, PairwiseDistance, PixelShuffle, PixelUnshuffle, ReflectionPad1d,
    ReflectionPad2d, ReflectionPad3d, ReLU, ReLU6, ReplicationPad1d, ReplicationPad2d,
    ReplicationPad3d, RReLU, Sigmoid, SiLU, Softmax, Softmax2d, Softmin, Softplus, Softshrink,
    Softsign, Tanh, Tanhshrink, Threshold, Unflatten, Unfold, Upsample, UpsamplingBilinear2d,
    UpsamplingNearest2d, ZeroPad1d, ZeroPad2d, ZeroPad3d,
)
from compat.torch.tensor import Buffer, Parameter

globals().update(_losses.LOSSES)  # MSELoss, CrossEntropyLoss ... one table

from compat.torch.nn import modules  # noqa: E402  (all names are there)
