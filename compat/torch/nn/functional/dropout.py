"""Dropout, with PyTorch's masks for equal seeds."""

from __future__ import annotations

import math

import numpy as np

from compat.torch.pointwise import PAIRS
from compat.torch.devices import beside
from compat.torch.random import draw
from compat.torch.tensor import from_array
from minigrad import core
from minigrad.imperative import views


def check_probability(p: float) -> None:
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")


def memory_order(input) -> list[int]:
    """Dimensions from the slowest to the fastest in memory. PyTorch makes the mask in this order.
    A traced value has no memory; if it is a view, the same view of an array tells."""
    if input.spec.concrete:
        array = input.value
    elif (link := getattr(input, "view_of", None)) is not None:
        base, replay = link
        with core.using(core.NO_GRAD):
            array = replay(from_array(np.empty(base.spec.shape, np.uint8))).value
    else:
        return list(range(len(input.spec.shape)))
    return sorted(range(len(array.shape)), key=lambda d: -array.strides[d])


def kept(input, shape, p: float):
    """A mask of ones and zeros, each zero with probability p."""
    if shape is None:
        raise RuntimeError("Feature dropout requires at least 2 dimensions in the input")
    order = memory_order(input) if shape == input.spec.shape else list(range(len(shape)))
    mask = beside(input, draw("bernoulli", [shape[d] for d in order], input.spec.dtype,
                              probability=1 - p))
    if order != sorted(order):
        mask = mask.permute([order.index(d) for d in range(len(order))])
    return mask


ALPHA = 1.7580993408473766  # minus the value that selu approaches far below zero


def dropout_with(shape, input, p: float, training: bool, inplace: bool, alpha: bool = False):
    check_probability(p)
    if not training or p == 0 or not input.numel():
        return input
    if p == 1:
        out = PAIRS["mul"](input, 0.0)
    elif alpha:  # mean and variance stay what they are after selu
        scale = 1 / math.sqrt((ALPHA ** 2 * p + 1) * (1 - p))
        mask = kept(input, shape, p)
        out = input * (mask * scale) + ((mask - 1) * (ALPHA * scale) + ALPHA * scale * p)
    else:
        out = PAIRS["mul"](input, PAIRS["div"](kept(input, shape, p), 1 - p))
    return views.write(input, out) if inplace else out


def channels(shape, batched: int = 0):
    """One mask element a channel: of (N, C, ...), where that has `batched` dimensions or any
    number, else of (C, ...). None if there are too few dimensions."""
    front = 2 if len(shape) == batched or not batched else 1
    return None if len(shape) < front else shape[:front] + (1,) * (len(shape) - front)


def dropout(input, p=0.5, training=True, inplace=False):
    """Zero elements with probability p, and scale the others by 1 / (1 - p)."""
    return dropout_with(input.spec.shape, input, p, training, inplace)


def alpha_dropout(input, p=0.5, training=False, inplace=False):
    """Dropout after selu: to its lowest value, keeping mean and variance."""
    return dropout_with(input.spec.shape, input, p, training, inplace, True)


def feature_alpha_dropout(input, p=0.5, training=False, inplace=False):
    """alpha_dropout of whole channels."""
    return dropout_with(channels(input.spec.shape), input, p, training, inplace, True)


def channel_dropout(rank: int, batched: int):
    def fn(input, p=0.5, training=True, inplace=False):
        shape = input.spec.shape
        if rank == 1 and len(shape) not in (2, 3):
            raise RuntimeError(
                f"dropout1d: Expected 2D or 3D input, but received a {len(shape)}D input. Note "
                "that dropout1d exists to provide channel-wise dropout on inputs with 1 spatial "
                "dimension, a channel dimension, and an optional batch dimension (i.e. 2D or 3D "
                "inputs).")
        return dropout_with(channels(shape, batched), input, p, training, inplace)

    fn.__name__ = fn.__qualname__ = f"dropout{rank}d"
    fn.__doc__ = f"Zero whole channels of {rank} dimensions."
    return fn


# as PyTorch, dropout2d takes three dimensions for a batch of one-dimensional channels
dropout1d, dropout2d, dropout3d = (channel_dropout(*a) for a in ((1, 3), (2, 0), (3, 5)))
