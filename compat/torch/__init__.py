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

from compat.torch import autograd, func, linalg, methods, nn, optim, random, special, utils
from compat.torch.autograd import (
    enable_grad, inference_mode, is_grad_enabled, is_inference_mode_enabled, no_grad,
    set_grad_enabled,
)
from compat.torch.compiler import compile
from compat.torch.creation import (
    arange, as_tensor, empty, empty_like, eye, from_numpy, full, full_like, linspace, logspace,
    meshgrid, ones, ones_like, tensor, tril_indices, triu_indices, zeros, zeros_like,
)
from compat.torch.dtypes import (
    Size, bfloat16, bool, cdouble, cfloat, complex64, complex128, device, double, dtype, finfo,
    float, float16, float32, float64, get_default_dtype, half, iinfo, int, int8, int16, int32,
    int64, long, set_default_dtype, short, uint8, uint16, uint32, uint64,
)
from compat.torch.extremes import argsort, max, min, sort, topk
from compat.torch.functions import (
    allclose, bincount, can_cast, cross, cumprod, cumsum, einsum, equal, is_floating_point,
    is_tensor, isclose, numel, promote_types, result_type, unique,
)
from compat.torch.gathering import gather_ as gather
from compat.torch.gathering import index_select, masked_select, nonzero, take
from compat.torch.gathering import scatter_ as scatter
from compat.torch.gathering import scatter_add_ as scatter_add
from compat.torch.nn.functional import cosine_similarity, dropout, embedding, layer_norm
from compat.torch.nn.parameter import Parameter
from compat.torch.pointwise import (
    PAIRS, UNARY, add, clamp, div, lerp, masked_fill, pow, square, sub, where,
)
from compat.torch.printing import get_printoptions, printoptions, set_printoptions
from compat.torch.products import (
    addmm, baddbmm, bmm, dot, matmul, mm, mv, outer,
)
from compat.torch.random import (
    Generator, bernoulli, default_generator, fork_rng, get_rng_state, initial_seed, manual_seed,
    multinomial, normal, rand, rand_like, randint, randint_like, randn, randn_like, randperm, seed,
    set_rng_state,
)
from compat.torch.reductions import (
    all, amax, amin, any, argmax, argmin, count_nonzero, log_softmax, logsumexp, mean, norm, prod,
    softmax, std, sum, var, var_mean,
)
from compat.torch.joining import cat, flip, roll, stack, tril, triu
from compat.torch.views import (
    broadcast_tensors,
    chunk,
    diagonal,
    flatten,
    movedim,
    narrow,
    permute,
    select,
    split,
    squeeze,
    t,
    unbind,
    unflatten,
    unsqueeze,
)
from compat.torch.views import reshape_ as reshape
from compat.torch.views import transpose_ as transpose
from compat.torch.tensor import Tensor

for _name, _function in (UNARY | PAIRS).items():  # exp, sin, mul, maximum ... one table
    globals().setdefault(_name, _function)

ALIASES = {"concat": cat, "concatenate": cat, "clip": clamp, "absolute": UNARY["abs"],
           "negative": UNARY["neg"], "multiply": PAIRS["mul"], "subtract": sub, "divide": div,
           "true_divide": div, "swapaxes": transpose, "arcsin": UNARY["asin"],
           "arccos": UNARY["acos"], "arctan": UNARY["atan"], "greater": PAIRS["gt"],
           "less": PAIRS["lt"], "manual_seed": manual_seed}
globals().update(ALIASES)


def addcmul(input, tensor1, tensor2, *, value=1):
    """input + value * tensor1 * tensor2."""
    return input.addcmul(tensor1, tensor2, value=value)


def addcdiv(input, tensor1, tensor2, *, value=1):
    """input + value * tensor1 / tensor2."""
    return input.addcdiv(tensor1, tensor2, value=value)


def set_num_threads(n) -> None:
    """Accepted for compatibility."""


strided, contiguous_format, preserve_format = "torch.strided", None, None
pi, e, inf, nan = math.pi, math.e, math.inf, math.nan
vmap = func.vmap
