"""`torch.autograd.function`: where `Function` and its context live in PyTorch."""

from minigrad.imperative.function import Context as FunctionCtx
from minigrad.imperative.function import Function, once_differentiable

__all__ = ["Function", "FunctionCtx", "once_differentiable"]
