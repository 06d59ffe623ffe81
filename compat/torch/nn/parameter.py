"""`torch.nn.parameter`."""

from compat.torch.tensor import Buffer, Parameter
