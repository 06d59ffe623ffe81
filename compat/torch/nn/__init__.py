"""`torch.nn`: modules, and functions of their parameters."""

from compat.torch.nn import functional, init, utils
from compat.torch.nn.attention import (
    MultiheadAttention, TransformerEncoder, TransformerEncoderLayer,
)
from compat.torch.nn.containers import (
    ModuleDict, ModuleList, ParameterDict, ParameterList, Sequential,
)
from compat.torch.nn.layers import (
    BatchNorm1d, BatchNorm2d, Bilinear, Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d,
    Embedding, GroupNorm, Identity, LayerNorm, Linear, RMSNorm,
)
from compat.torch.nn.module import Module
from compat.torch.nn.simple import (
    ELU, GELU, GLU, AdaptiveAvgPool1d, AdaptiveAvgPool2d, AdaptiveMaxPool2d, AvgPool1d, AvgPool2d,
    BCELoss, BCEWithLogitsLoss, CosineSimilarity, CrossEntropyLoss, Dropout, Dropout1d, Dropout2d,
    Flatten, Hardsigmoid, Hardswish, Hardtanh, HuberLoss, KLDivLoss, L1Loss, LeakyReLU, LogSigmoid,
    LogSoftmax, MaxPool1d, MaxPool2d, Mish, MSELoss, NLLLoss, ReLU, ReLU6, Sigmoid, SiLU,
    SmoothL1Loss, Softmax, Softmin, Softplus, Softsign, Tanh, Tanhshrink, Unflatten,
)
from compat.torch.tensor import Buffer, Parameter
