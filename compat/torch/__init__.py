"""`import compat.torch as torch`: PyTorch's names over minigrad."""
from compat.torch import methods
from compat.torch.creation import *
