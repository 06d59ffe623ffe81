"""Batch norm folded into the layer before it, for evaluation."""

from __future__ import annotations

import copy

from compat.torch.creation import ones_like, zeros_like
from compat.torch.tensor import Parameter


def fuse_weights(weight, bias, mean, var, eps, scale, shift, dim: int):
    """(weight, bias) of the layer with the norm in it."""
    bias = zeros_like(mean) if bias is None else bias
    scale = ones_like(mean) if scale is None else scale
    shift = zeros_like(mean) if shift is None else shift
    factor = scale * (var + eps).rsqrt()
    shape = [1] * weight.dim()
    shape[dim] = -1
    return (Parameter((weight * factor.reshape(shape)).detach(), weight.requires_grad),
            Parameter(((bias - mean) * factor + shift).detach(), bias.requires_grad))


def fuse_conv_bn_weights(conv_w, conv_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, transpose=False):
    """Weight and bias of a convolution with the norm in it."""
    return fuse_weights(conv_w, conv_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, int(transpose))


def fuse_linear_bn_weights(linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b):
    """Weight and bias of a linear layer with the norm in it."""
    return fuse_weights(linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, 0)


def fuse_conv_bn_eval(conv, bn, transpose=False):
    """One convolution for a convolution and its norm, both in evaluation."""
    if conv.training or bn.training:
        raise AssertionError("Fusion only for eval!")
    made = copy.deepcopy(conv)
    made.weight, made.bias = fuse_conv_bn_weights(
        made.weight, made.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias,
        transpose)
    return made


def fuse_linear_bn_eval(linear, bn):
    """One linear layer for a linear layer and its norm, both in evaluation."""
    return fuse_conv_bn_eval(linear, bn)
