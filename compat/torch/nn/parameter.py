"""`torch.nn.parameter`."""

from compat.torch.nn.lazy import UninitializedBuffer, UninitializedParameter
from compat.torch.tensor import Buffer, Parameter

__all__ = ["Buffer", "Parameter", "UninitializedBuffer", "UninitializedParameter"]
