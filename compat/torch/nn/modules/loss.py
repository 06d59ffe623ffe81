"""`torch.nn.modules.loss`."""

from compat.torch.nn.losses import LOSSES
from compat.torch.nn.losses import Loss as _Loss

_WeightedLoss = _Loss
globals().update(LOSSES)
