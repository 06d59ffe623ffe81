"""Losses composed of tensor functions: margins, similarities, distributions, CTC."""

from __future__ import annotations

import math

import numpy as np

from compat.torch import creation
from compat.torch.nn.functional.activations import logsigmoid
from compat.torch.nn.functional.losses import REDUCTIONS, finish, loss
from compat.torch.nn.functional.other import pairwise_distance
from compat.torch.operation import operation
from compat.torch.selecting import where
from compat.torch.tensor import Tensor, array_of, from_array, known
from minigrad import core
from minigrad.numpy.alignments import NOWHERE, extended_labels, paths_to_labels


@loss
def hinge_embedding_loss(input, target, margin=1.0):
    """x where the target is 1, max(0, margin - x) where it is -1."""
    zero = input * 0
    positive = where(target == 1, input, zero)
    return where(target == -1, (margin - input).clamp_min(0), zero) + positive


@loss
def margin_ranking_loss(input1, input2, target, margin=0):
    """max(0, -y (x1 - x2) + margin)."""
    return (-target * (input1 - input2) + margin).clamp_min(0)


@loss
def cosine_embedding_loss(input1, input2, target, margin=0):
    """1 - cos(x1, x2) for target 1, max(0, cos - margin) for -1."""
    product = (input1 * input2).sum(-1)
    squares = [(x * x).sum(-1) + 1e-12 for x in (input1, input2)]  # PyTorch's epsilon
    cos = product / (squares[0] * squares[1]).sqrt()
    zero = cos * 0
    return (where(target == 1, 1 - cos, zero)
            + where(target == -1, (cos - margin).clamp_min(0), zero))


@loss
def soft_margin_loss(input, target):
    """log(1 + exp(-y x))."""
    return (-target * input).exp().log1p()


def triplet_margin_with_distance_loss(anchor, positive, negative, *, distance_function=None,
                                      margin=1.0, swap=False, reduction="mean"):
    """max(0, d(a, p) - d(a, n) + margin)."""
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    ranks = [x.dim() for x in (anchor, positive, negative)]
    if len(set(ranks)) > 1:
        raise RuntimeError("The anchor, positive, and negative tensors are expected to have the "
                           "same number of dimensions, but got: anchor {}D, positive {}D, and "
                           "negative {}D inputs".format(*ranks))
    distance = distance_function or pairwise_distance
    far = distance(anchor, negative)
    if swap:
        far = far.minimum(distance(positive, negative))
    return finish((margin + distance(anchor, positive) - far).clamp_min(0), reduction)


@loss
def triplet_margin_loss(anchor, positive, negative, margin=1.0, p=2, eps=1e-6, swap=False):
    """triplet_margin_with_distance_loss with the p-norm."""
    return triplet_margin_with_distance_loss(
        anchor, positive, negative, margin=margin, swap=swap, reduction="none",
        distance_function=lambda a, b: pairwise_distance(a, b, p, eps))


@loss(between=1)
def poisson_nll_loss(input, target, log_input=True, full=False, eps=1e-8):
    """The rate minus target times its logarithm; `full` adds Stirling's term."""
    loss = input.exp() - target * input if log_input else input - target * (input + eps).log()
    if full:
        stirling = target * target.log() - target + 0.5 * (2 * math.pi * target).log()
        loss = loss + stirling.masked_fill(target <= 1, 0)
    return loss


def gaussian_nll_loss(input, target, var, full=False, eps=1e-6, reduction="mean"):
    """(log var + (x - y)^2 / var) / 2."""
    if not isinstance(var, Tensor):
        var = creation.full_like(input, float(var))
    if known(var) and bool((var < 0).any()):
        raise ValueError("var has negative entry/entries")
    if var.shape != input.shape:
        if input.shape[:-1] == var.shape:
            var = var.unsqueeze(-1)
        elif input.shape[:-1] != var.shape[:-1] or var.shape[-1] != 1:
            raise ValueError("var is of incorrect size")
    if reduction not in REDUCTIONS:
        raise ValueError(f"{reduction} is not valid")
    var = var.clone()
    var.data.clamp_(min=eps)  # the derivative goes through unclamped
    loss = 0.5 * (var.log() + (input - target) ** 2 / var)
    return finish(loss + 0.5 * math.log(2 * math.pi) if full else loss, reduction)


@loss
def multilabel_soft_margin_loss(input, target, weight=None):
    """Binary cross entropy of each class, averaged over classes."""
    loss = -(target * logsigmoid(input) + (1 - target) * logsigmoid(-input))
    return (loss if weight is None else loss * weight).mean(-1)


@loss
def multi_margin_loss(input, target, p=1, margin=1.0, weight=None):
    """The mean over classes of max(0, margin - x[y] + x[i])^p."""
    if p not in (1, 2):
        raise ValueError("only p == 1 and p == 2 supported")
    if weight is not None and weight.dim() != 1:
        raise ValueError("weight must be one-dimensional")
    rows, index = (x if input.dim() > 1 else x.reshape(1, -1) for x in (input, target))
    index = index.reshape(-1, 1)
    terms = (margin - rows.gather(1, index) + rows).clamp_min(0) ** p
    if weight is not None:
        terms = terms * weight[index]
    own = creation.arange(rows.shape[1]) == index
    loss = terms.masked_fill(own, 0).sum(1) / rows.shape[1]
    return loss if input.dim() > 1 else loss[0]


@loss
def multilabel_margin_loss(input, target):
    """Margins between all labels, listed up to the first -1, and all other classes."""
    if input.dim() > 2 or not input.numel():
        raise RuntimeError("Expected non-empty vector or matrix with optional 0-dim batch size, but"
                           f" got: {list(input.spec.shape)}")
    rows, labels = (x if x.dim() > 1 else x.reshape(1, -1) for x in (input, target))
    valid = (labels < 0).long().cumsum(1) == 0
    index = labels.masked_fill(~valid, 0)
    n = rows.shape[1]
    hits = (index.unsqueeze(2) == creation.arange(n)) & valid.unsqueeze(2)
    gaps = (1 - rows.gather(1, index).unsqueeze(2) + rows.unsqueeze(1)).clamp_min(0)
    out = hits.any(1).unsqueeze(1) | ~valid.unsqueeze(2)
    loss = gaps.masked_fill(out, 0).sum((1, 2)) / n
    return loss if input.dim() > 1 else loss[0]


# ------------------------------------------------------------------ connectionist labels

ctc_paths = operation(paths_to_labels, name="ctc_loss", tensors=("scores", "skips", "live"))


def ctc_loss(log_probs, targets, input_lengths, target_lengths, blank=0, reduction="mean",
             zero_infinity=False):
    """Minus the log-probability of all alignments of the targets with (T, N, C) log-probabilities.
    Source: Graves et al. (2006)."""
    single = log_probs.dim() == 2
    if single:
        log_probs = log_probs.unsqueeze(1)
        targets = targets.unsqueeze(0) if targets.dim() == 1 else targets
    inputs, lengths = (array_of(x).reshape(-1) if isinstance(x, core.Tensor)
                       else np.array(x).reshape(-1) for x in (input_lengths, target_lengths))
    steps, batch, _ = log_probs.spec.shape
    if (inputs > steps).any():
        raise RuntimeError(f"Expected input_lengths to have value at most {steps}, but got value "
                           f"{inputs.max()} (while checking arguments for ctc_loss_cpu)")
    labels, skips = extended_labels(array_of(targets), lengths, blank)
    live = np.arange(steps)[:, None] < inputs
    scores = log_probs.gather(2, from_array(np.broadcast_to(labels, (steps, *labels.shape))))
    paths = ctc_paths(scores, from_array(skips), from_array(live))
    ends = from_array(np.stack([2 * lengths, np.maximum(2 * lengths - 1, 0)], 1))
    last = paths.gather(1, ends).masked_fill(
        from_array(np.stack([np.zeros(batch, bool), lengths == 0], 1)), NOWHERE)
    loss = -last.logsumexp(1)
    loss = where(loss > -NOWHERE / 2, loss.detach() + math.inf, loss)
    # PyTorch's gradient takes log_probs for a result of log_softmax: it adds each probability
    mass = (log_probs.exp().sum(2) * from_array(live.astype(scores.spec.dtype))).sum(0)
    loss = loss + (mass - mass.detach())
    if zero_infinity:
        loss = where(loss.isinf(), loss.new_zeros(()), loss)
    if reduction == "mean":
        return (loss / from_array(np.maximum(lengths, 1).astype(scores.spec.dtype))).mean()
    return loss[0] if single and reduction == "none" else finish(loss, reduction)
