"""`torch.nn.utils`: gradient clipping, parameters as one vector."""

from __future__ import annotations

import functools
import math
import warnings

from compat.torch.autograd import no_grad
from compat.torch.random import fork_rng
from compat.torch.reductions import vector_norm
from compat.torch.joining import cat, stack
from compat.torch.tensor import Tensor
from compat.torch.creation import tensor


def gradients(parameters) -> list:
    parameters = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    return [p.grad for p in parameters if p.grad is not None]


def get_total_norm(tensors, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """The norm of all elements of all tensors."""
    norms = [vector_norm(g, norm_type) for g in tensors]
    if not norms:
        return tensor(0.0)
    total = stack(norms).amax() if norm_type == math.inf else vector_norm(stack(norms), norm_type)
    if error_if_nonfinite and not bool(total.isfinite()):
        raise RuntimeError(
            f"The total norm of order {norm_type} for gradients from `parameters` is non-finite, "
            "so it cannot be clipped. To disable this error and scale the gradients by the "
            "non-finite norm anyway, set `error_if_nonfinite=False`")
    return total


def clip_grads_with_norm_(parameters, max_norm, total_norm, foreach=None) -> None:
    """Scale all gradients as their norm, which is known, asks for."""
    with no_grad():
        factor = (max_norm / (total_norm + 1e-6)).clamp(max=1.0)
        for g in gradients(parameters):
            g.mul_(factor)


def clip_grad_norm_(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """Scale all gradients so that their norm together is at most `max_norm`. Returns the norm."""
    parameters = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    with no_grad():
        total = get_total_norm(gradients(parameters), float(norm_type), error_if_nonfinite)
    clip_grads_with_norm_(parameters, max_norm, total)
    return total


@functools.wraps(clip_grad_norm_)
def clip_grad_norm(*args, **kwargs):
    """clip_grad_norm_ under its old name."""
    warnings.warn("torch.nn.utils.clip_grad_norm is now deprecated in favor of "
                  "torch.nn.utils.clip_grad_norm_.", FutureWarning, stacklevel=2)
    return clip_grad_norm_(*args, **kwargs)


def skip_init(module_cls, *args, **kwargs):
    """A module whose initial values mean nothing."""
    kwargs.pop("device", None)
    with fork_rng():
        return module_cls(*args, **kwargs)


def clip_grad_value_(parameters, clip_value, foreach=None) -> None:
    """Clamp every gradient to [-clip_value, clip_value]."""
    with no_grad():
        for g in gradients(parameters):
            g.clamp_(-clip_value, clip_value)


def parameters_to_vector(parameters):
    """All parameters in one row."""
    return cat([p.reshape(-1) for p in parameters])


def vector_to_parameters(vec, parameters) -> None:
    """The inverse of `parameters_to_vector`, into the parameters."""
    start = 0
    for p in parameters:
        p.data = vec[start:start + p.numel()].view(p.shape).data
        start += p.numel()
