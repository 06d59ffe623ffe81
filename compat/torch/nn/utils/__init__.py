"""`torch.nn.utils`: what is done to the parameters and gradients of modules."""

from compat.torch.nn.utils import parametrizations, parametrize, prune, rnn
from compat.torch.nn.utils.clipping import (
    clip_grad_norm, clip_grad_norm_, clip_grad_value_, clip_grads_with_norm_, get_total_norm,
    parameters_to_vector, skip_init, vector_to_parameters,
)
from compat.torch.nn.utils.fusion import (
    fuse_conv_bn_eval, fuse_conv_bn_weights, fuse_linear_bn_eval, fuse_linear_bn_weights,
)
from compat.torch.nn.utils.weights import (
    remove_spectral_norm, remove_weight_norm, spectral_norm, weight_norm,
)
