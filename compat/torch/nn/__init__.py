"""`torch.nn`: modules, and functions of their parameters."""

from compat.torch.nn import functional, init, parallel, utils
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
from compat.torch.nn.losses import LOSSES as _LOSSES
from compat.torch.nn.module import Module
from compat.torch.nn.norms import (
    BatchNorm1d, BatchNorm2d, BatchNorm3d, GroupNorm, InstanceNorm1d, InstanceNorm2d,
    InstanceNorm3d, LayerNorm, RMSNorm, SyncBatchNorm,
)
from compat.torch.nn.recurrent import (
    GRU, LSTM, RNN, GRUCell, LSTMCell, RNNBase, RNNCell, RNNCellBase,
)
from compat.torch.nn.simple import Hardtanh, Softmax2d, Upsample, UpsamplingBilinear2d
from compat.torch.nn.simple import SIMPLE as _SIMPLE
from compat.torch.nn.simple import UpsamplingNearest2d
from compat.torch.tensor import Buffer, Parameter

globals().update(_SIMPLE | _LOSSES)  # ReLU, MaxPool2d, MSELoss ...: two tables

from compat.torch.nn import modules  # noqa: E402  (all names are there)
