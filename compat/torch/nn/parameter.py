"""`torch.nn.parameter`."""

from compat.torch.tensor import Buffer, Parameter

__all__ = ["Buffer", "Parameter"]
