"""`torch.nn.modules.conv`."""

from compat.torch.nn.layers import Convolution as _ConvNd
from compat.torch.nn.layers import ConvTransposed as _ConvTransposeNd
from compat.torch.nn.layers import (
    Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d,
)

__all__ = ["Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d",
           "_ConvNd", "_ConvTransposeNd"]
