"""`torch.nn.utils`: what is done to the parameters and gradients of modules."""

from compat.torch.nn.utils import rnn
from compat.torch.nn.utils.clipping import (
    clip_grad_norm_, clip_grad_value_, get_total_norm, parameters_to_vector, vector_to_parameters,
)
