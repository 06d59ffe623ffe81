"""`torch.optim`: optimizers and learning rate schedulers."""

from compat.torch.optim import lr_scheduler
from compat.torch.optim.adam import Adam, AdamW
from compat.torch.optim.optimizer import Optimizer
from compat.torch.optim.sgd import SGD
