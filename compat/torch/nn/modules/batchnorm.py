"""`torch.nn.modules.batchnorm`."""

from compat.torch.nn.norms import BatchNorm as _BatchNorm
from compat.torch.nn.norms import BatchNorm1d, BatchNorm2d, BatchNorm3d, SyncBatchNorm
from compat.torch.nn.norms import NormWithStatistics as _NormBase

__all__ = ["BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "SyncBatchNorm", "_BatchNorm", "_NormBase"]
