"""`import compat.torch as torch`: PyTorch's names, conventions and numbers over minigrad.

A program in PyTorch's idiom runs with this one import changed: tensors with a tape, modules,
optimizers, loaders, and the same random bits for equal seeds.

>>> import compat.torch as torch
>>> x = torch.tensor([1.0, 2.0], requires_grad=True)
>>> (x * x).sum().backward()
>>> x.grad
tensor([2., 4.])
"""

import math
import sys

from compat import substitution
from compat.torch import (
    autograd, fft, func, linalg, masked, methods, nn, optim, random, serialization, signal,
    special, testing, utils,
)
from compat.torch.aten import INTERNALS, ops
from compat.torch.autograd import (
    enable_grad, inference_mode, is_grad_enabled, is_inference_mode_enabled, no_grad,
    set_grad_enabled,
)
from compat.torch.compiler import compile
from compat.torch.creation import tensor  # the function, not the module of this name
from compat.torch.dtypes import (
    Size, bfloat16, bool, cdouble, cfloat, channels_last, channels_last_3d, complex64, complex128,
    contiguous_format, device, double, dtype, finfo, float, float16, float32, float64,
    get_default_dtype, half, iinfo, int, int8, int16, int32, int64, layout, long, memory_format,
    preserve_format, set_default_dtype, short, sparse_coo, sparse_csr, strided, uint8, uint16,
    uint32, uint64,
)
from compat.torch.foreach import FOREACH
from compat.torch.nn import functional
from compat.torch.nn.functional import cosine_similarity, dropout, embedding, layer_norm
from compat.torch.nn.parameter import Parameter
from compat.torch.printing import get_printoptions, printoptions, set_printoptions
from compat.torch.serialization import load, save
from compat.torch.random import (
    Generator, default_generator, fork_rng, get_rng_state, initial_seed, manual_seed, seed,
    set_rng_state,
)
from compat.torch.runtime import *  # noqa: F403  (settings and questions about the machine)
from compat.torch.tensor import Tensor

globals().update(methods.FUNCTIONS | INTERNALS | FOREACH)
for _name in (  # layers that PyTorch offers here too
        "adaptive_avg_pool1d adaptive_max_pool1d alpha_dropout alpha_dropout_ avg_pool1d "
        "batch_norm bilinear binary_cross_entropy_with_logits celu celu_ channel_shuffle conv1d "
        "conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d cosine_embedding_loss "
        "ctc_loss dropout_ embedding_bag feature_alpha_dropout feature_alpha_dropout_ "
        "feature_dropout feature_dropout_ group_norm hardshrink hinge_embedding_loss "
        "instance_norm kl_div margin_ranking_loss max_pool1d max_pool1d_with_indices max_pool2d "
        "max_pool3d pairwise_distance pdist pixel_shuffle pixel_unshuffle poisson_nll_loss prelu "
        "rms_norm rrelu rrelu_ selu selu_ threshold threshold_ triplet_margin_loss").split():
    if hasattr(functional, _name):
        globals()[_name] = getattr(functional, _name)

Tensor.prelu, Tensor.hardshrink = functional.prelu, functional.hardshrink
pi, e, inf, nan, newaxis = math.pi, math.e, math.inf, math.nan, None
vmap = func.vmap
substitution.install()


LATER = {"__future__", "amp", "distributed", "distributions", "jit", "multiprocessing", "profiler"}


def __getattr__(name: str):
    if name in LATER:  # loaded when it is used
        import importlib

        return importlib.import_module(f"compat.torch.{name}")
    if name in ("autocast", "is_autocast_enabled", "get_autocast_dtype", "is_autocast_available"):
        return getattr(__getattr__("amp"), name)
    raise AttributeError(f"module 'torch' has no attribute '{name}'")
