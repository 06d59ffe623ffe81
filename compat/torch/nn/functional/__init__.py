"""`torch.nn.functional`: layers as functions of their parameters."""

from compat.torch.nn.functional.activations import (
    elu, gelu, glu, hardsigmoid, hardswish, hardtanh, leaky_relu, log_softmax, logsigmoid, mish,
    relu, relu6, sigmoid, silu, softmax, softmin, softplus, softsign, tanh, tanhshrink,
)
from compat.torch.nn.functional.attention import scaled_dot_product_attention
from compat.torch.nn.functional.convolution import (
    adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_max_pool2d, avg_pool1d, avg_pool2d, conv1d,
    conv2d, conv3d, conv_transpose1d, conv_transpose2d, max_pool1d, max_pool2d,
)
from compat.torch.nn.functional.dropout import dropout, dropout1d, dropout2d
from compat.torch.nn.functional.losses import (
    binary_cross_entropy, binary_cross_entropy_with_logits, cross_entropy, huber_loss, kl_div,
    l1_loss, mse_loss, nll_loss, smooth_l1_loss,
)
from compat.torch.nn.functional.normalization import (
    batch_norm, group_norm, layer_norm, normalize, rms_norm,
)
from compat.torch.nn.functional.other import (
    bilinear, cosine_similarity, embedding, one_hot, pad, pairwise_distance,
)
from compat.torch.products import linear
from compat.torch.views import flatten
