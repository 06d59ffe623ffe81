"""`torch.optim`: optimizers and learning rate schedulers."""

from compat.torch.optim import lr_scheduler, swa_utils
from compat.torch.optim.algorithms import (
    ASGD, SGD, Adadelta, Adafactor, Adagrad, Adam, Adamax, AdamW, Muon, NAdam, RAdam, RMSprop,
    Rprop, SparseAdam,
)
from compat.torch.optim.lbfgs import LBFGS
from compat.torch.optim.optimizer import Optimizer
