"""`torch.utils`."""

from compat.torch.utils import data
