"""`torch.nn.modules`: where PyTorch keeps its modules; here only the names."""

from compat.torch.nn import *  # noqa: F403
from compat.torch.nn import module
from compat.torch.nn.modules import batchnorm, conv, loss
from compat.torch.nn.modules import utils as utils  # type: ignore[no-redef]
