"""Dropout, with PyTorch's masks for equal seeds."""

from __future__ import annotations

import numpy as np

from compat.torch.pointwise import PAIRS
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


def dropout_with(shape, input, p: float, training: bool, inplace: bool):
    check_probability(p)
    if not training or p == 0 or not input.numel():
        return input
    if p == 1:
        out = PAIRS["mul"](input, 0.0)
    else:
        order = memory_order(input)
        mask = draw("bernoulli", [shape[d] for d in order], input.spec.dtype, probability=1 - p)
        if order != sorted(order):
            mask = mask.permute([order.index(d) for d in range(len(order))])
        out = PAIRS["mul"](input, PAIRS["div"](mask, 1 - p))
    return views.write(input, out) if inplace else out


def dropout(input, p=0.5, training=True, inplace=False):
    """Zero elements with probability p, and scale the others by 1 / (1 - p)."""
    return dropout_with(input.spec.shape, input, p, training, inplace)


def dropout1d(input, p=0.5, training=True, inplace=False):
    """Zero whole channels of (N, C, L)."""
    shape = input.spec.shape
    return dropout_with(shape[:-1] + (1,), input, p, training, inplace)


def dropout2d(input, p=0.5, training=True, inplace=False):
    """Zero whole channels of (N, C, H, W)."""
    shape = input.spec.shape
    return dropout_with(shape[:-2] + (1, 1), input, p, training, inplace)
