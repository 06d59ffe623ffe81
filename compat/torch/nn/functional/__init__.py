"""`torch.nn.functional`: layers as functions of their parameters."""

from compat.torch.nn.functional.activations import (
    celu, elu, gelu, glu, hardshrink, hardsigmoid, hardswish, hardtanh, leaky_relu, log_softmax,
    logsigmoid, mish, relu, relu6, selu, sigmoid, silu, softmax, softmin, softplus, softshrink,
    softsign, tanh, tanhshrink, threshold,
)
from compat.torch.nn.functional.attention import (
    multi_head_attention_forward, scaled_dot_product_attention,
)
from compat.torch.nn.functional.comparing import (
    cosine_embedding_loss, ctc_loss, gaussian_nll_loss, hinge_embedding_loss, margin_ranking_loss,
    multi_margin_loss, multilabel_margin_loss, multilabel_soft_margin_loss, poisson_nll_loss,
    soft_margin_loss, triplet_margin_loss, triplet_margin_with_distance_loss,
)
from compat.torch.nn.functional.convolution import (
    conv1d, conv2d, conv3d, conv_tbc, conv_transpose1d, conv_transpose2d, conv_transpose3d,
)
from compat.torch.nn.functional.dropout import (
    alpha_dropout, dropout, dropout1d, dropout2d, dropout3d, feature_alpha_dropout,
)
from compat.torch.nn.functional.losses import (
    binary_cross_entropy, binary_cross_entropy_with_logits, cross_entropy, huber_loss, kl_div,
    l1_loss, linear_cross_entropy, mse_loss, nll_loss, smooth_l1_loss,
)
from compat.torch.nn.functional.normalization import (
    batch_norm, group_norm, instance_norm, layer_norm, normalize, rms_norm,
)
from compat.torch.nn.functional.other import (
    bilinear, cosine_similarity, embedding, embedding_bag, local_response_norm, one_hot, pad,
    pairwise_distance, pdist,
)
from compat.torch.nn.functional.pooling import (
    adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d, adaptive_max_pool1d,
    adaptive_max_pool1d_with_indices, adaptive_max_pool2d, adaptive_max_pool2d_with_indices,
    adaptive_max_pool3d, adaptive_max_pool3d_with_indices, avg_pool1d, avg_pool2d, avg_pool3d,
    fold, fractional_max_pool2d, fractional_max_pool2d_with_indices, fractional_max_pool3d,
    fractional_max_pool3d_with_indices, lp_pool1d, lp_pool2d, lp_pool3d, max_pool1d,
    max_pool1d_with_indices, max_pool2d, max_pool2d_with_indices, max_pool3d,
    max_pool3d_with_indices, max_unpool1d, max_unpool2d, max_unpool3d, unfold,
)
from compat.torch.nn.functional.shrinking import (
    celu_, elu_, gumbel_softmax, hardtanh_, leaky_relu_, prelu, relu_, rrelu, rrelu_, selu_,
    threshold_,
)
from compat.torch.nn.functional.activations import threshold as _threshold
from compat.torch.nn.functional.vision import (
    affine_grid, channel_shuffle, grid_sample, interpolate, native_channel_shuffle, pixel_shuffle,
    pixel_unshuffle, upsample, upsample_bilinear, upsample_nearest,
)
from compat.torch.products import linear
from compat.torch.signatures import public
from compat.torch.views import flatten

avg_pool2d, avg_pool3d, gelu, hardshrink, logsigmoid, softplus, softshrink = map(public, (
    avg_pool2d, avg_pool3d, gelu, hardshrink, logsigmoid, softplus, softshrink))  # with `out`
