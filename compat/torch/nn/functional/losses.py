"""Losses. `reduction` is "mean", "sum" or "none"."""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable

from compat.torch.operation import operation
from compat.torch.pointwise import like
from compat.torch.products import linear
from compat.torch.promotion import cast, expanded, inexact, together
from compat.torch.reductions import log_softmax_op
from compat.torch.reductions import mean as mean_all
from compat.torch.reductions import sum as sum_all
from compat.torch.tensor import array_of, at_hand
from compat.torch.written import written
from minigrad.core import I64, aval_of
from minigrad.numpy.windows import FEW_CLASSES, only, picked
from minigrad.ops import elementwise as e
from minigrad.ops import transcendental as t
from minigrad.ops.indexing import CLIP, GatherDimensionNumbers, gather
from minigrad.ops.reduction import reduce_sum
from minigrad.ops.selection import select_n
from minigrad.ops.shaping import reshape


REDUCTIONS = ("mean", "sum", "none")


def reduction_of(size_average, reduce, reduction: str) -> str:
    """The reduction, which two flags meant before it had its name."""
    if size_average is None and reduce is None:
        return reduction
    average, fold = (True if flag is None else flag for flag in (size_average, reduce))
    meant = "none" if not fold else "mean" if average else "sum"
    warnings.warn("size_average and reduce args will be deprecated, please use "
                  f"reduction='{meant}' instead.", stacklevel=3)
    return meant


def check_reduction(reduction: str) -> None:
    if reduction not in REDUCTIONS:
        raise ValueError(f"{reduction} is not a valid value for reduction")


def finish(loss, reduction: str):
    """All of a loss, its mean or its sum."""
    check_reduction(reduction)
    return loss if reduction == "none" else mean_all(loss) if reduction == "mean" else sum_all(loss)


def loss(fn: Callable | None = None, between: int = 0):
    """Decorates a loss, or what it is at each position (then `reduction` is added): it also takes
    the flags of old, which stand before `reduction`, with so many arguments `between` them."""
    if fn is None:
        return functools.partial(loss, between=between)
    parameters = inspect.signature(fn).parameters
    listed, given = [str(p) for p in parameters.values()], ", ".join(parameters)
    result = f"fn({given})"
    if "reduction" not in parameters:
        listed.append("reduction='mean'")
        result = f"finish({result}, reduction)"
    at = [p.split("=")[0] for p in listed].index("reduction")
    listed.insert(at, "reduce=None")
    listed.insert(at - between, "size_average=None")
    made = written(fn.__name__, ", ".join(listed), [
        "if size_average is not None or reduce is not None:",
        "    reduction = reduction_of(size_average, reduce, reduction)", f"return {result}"],
        fn=fn, finish=finish, reduction_of=reduction_of, __name__=fn.__module__)
    made.__doc__ = fn.__doc__
    return made


# ------------------------------------------------------------------ positions


def reduced(x, reduction: str):
    """All of x, its sum or its mean."""
    if reduction == "none":
        return x
    total = reduce_sum(x, axes=tuple(range(len(aval_of(x).shape))))
    return e.div(total, like(total, aval_of(x).size)) if reduction == "mean" else total


def comparison(node: str, body: Callable) -> Callable:
    """The node of a loss that compares two tensors position by position."""
    op = operation(lambda input, target, reduction, setting=None: reduced(
        body(*expanded(input, target, dtype=inexact(input, target)), setting), reduction),
        name=node, tensors=("input", "target"))

    def compare(input, target, reduction, setting=None):
        check_reduction(reduction)
        check_sizes(input, target)
        return op(input, target, reduction, setting)

    return compare


def check_sizes(input, target) -> None:
    if input.spec.shape != target.spec.shape:
        warnings.warn(f"Using a target size ({target.size()}) that is different to the input size "
                      f"({input.size()}). This will likely lead to incorrect results due to "
                      "broadcasting. Please ensure they have the same size.", stacklevel=5)


def magnitude(x):
    return e.mul(x, e.sign(x))  # the derivative at 0 is 0


def smooth_l1_body(x, y, beta):
    size = magnitude(e.sub(x, y))
    if not beta:
        return size
    near = e.div(e.mul(e.mul(size, size), like(size, 0.5)), like(size, beta))
    return select_n(e.lt(size, beta), e.sub(size, like(size, 0.5 * beta)), near)


def huber_body(x, y, delta):
    size = magnitude(e.sub(x, y))
    near = e.mul(e.mul(size, size), like(size, 0.5))
    far = e.mul(like(size, delta), e.sub(size, like(size, 0.5 * delta)))
    return select_n(e.le(size, delta), far, near)


mse_op = comparison("mse_loss", lambda x, y, _: e.square(e.sub(x, y)))
smooth_l1_op = comparison("smooth_l1_loss", smooth_l1_body)
huber_op = comparison("huber_loss", huber_body)


def l1_op(input, target, reduction, _):
    check_sizes(input, target)
    return finish((input - target).abs(), reduction)


def compared(op, input, target, reduction, weight, setting=None, by_weight=True):
    """A loss whose positions may be weighted; its mean is over the sum of weights, or all."""
    if weight is None:
        return op(input, target, reduction, setting)
    check_reduction(reduction)
    if weight.spec.shape != input.spec.shape:
        raise ValueError("Weights and input must have the same size.")
    errors = op(input, target, "none", setting) * weight
    if reduction == "mean" and by_weight:
        return sum_all(errors) / sum_all(weight)
    return finish(errors, reduction)


@loss
def mse_loss(input, target, reduction="mean", weight=None):
    """The mean of (input - target)^2."""
    return compared(mse_op, input, target, reduction, weight)


@loss
def l1_loss(input, target, reduction="mean", weight=None):
    """The mean of |input - target|."""
    return compared(l1_op, input, target, reduction, weight)


@loss
def smooth_l1_loss(input, target, reduction="mean", beta=1.0):
    """Squared near zero, absolute beyond beta."""
    return smooth_l1_op(input, target, reduction, beta)


def huber_loss(input, target, reduction="mean", delta=1.0, weight=None):
    """Squared near zero, delta times absolute beyond it."""
    if delta <= 0:
        raise RuntimeError("huber_loss does not support non-positive values for delta.")
    return compared(huber_op, input, target, reduction, weight, delta, by_weight=False)


# ------------------------------------------------------------------ classes


def nll_body(input, target, weight=None, ignore_index=-100, reduction="mean"):
    """Minus the log-probability of each target, weighted; ignored targets count nothing."""
    x = input
    axis = 1 if len(aval_of(x).shape) > 1 else 0
    target = cast(target, I64)
    kept = e.ne(target, ignore_index)
    shape = aval_of(x).shape
    if weight is None and reduction != "none" and ignore_index < 0 < shape[axis] <= FEW_CLASSES:
        # the ignored index is no class, so it picks nothing by itself
        total = e.neg(reduce_sum(only(x, target, axis), axes=tuple(range(len(shape)))))
        count = reduce_sum(cast(kept, aval_of(x).dtype), axes=tuple(range(len(shape) - 1)))
        return e.div(total, count) if reduction == "mean" else total
    index = select_n(kept, like(target, 0), target)
    loss = e.neg(picked(x, index, axis))
    dtype = aval_of(x).dtype
    if weight is None:
        scale = cast(kept, dtype)
    else:
        chosen = reshape(index, new_sizes=(*aval_of(index).shape, 1))
        scale = gather(weight, chosen, slice_sizes=(1,), mode=CLIP,
                       dimension_numbers=GatherDimensionNumbers((), (0,), (0,)))
        scale = select_n(kept, like(scale, 0), scale)
    loss = select_n(kept, like(loss, 0), loss if weight is None else e.mul(loss, scale))
    if reduction == "none":
        return loss
    axes = tuple(range(len(aval_of(loss).shape)))
    total = reduce_sum(loss, axes=axes)
    return e.div(total, reduce_sum(scale, axes=axes)) if reduction == "mean" else total


TENSORS = ("input", "target", "weight")
nll_op = operation(nll_body, name="nll_loss", tensors=TENSORS)
nll_2d_op = operation(nll_body, name="nll_loss_2d", tensors=TENSORS)


def check_targets(input, target, ignore_index: int) -> None:
    shape, own = input.spec.shape, target.spec.shape
    classes = shape[1] if len(shape) > 1 else shape[0]
    if len(shape) > 1 and shape[0] != (own[0] if own else 0):
        raise ValueError(f"Expected input batch_size ({shape[0]}) to match target batch_size "
                         f"({own[0] if own else 0}).")
    if target.spec.dtype.kind not in "iu":
        raise RuntimeError(f"expected scalar type Long but found {target.type_name()[:-6]}")
    if at_hand(target):
        array = array_of(target)
        if not array.size or array.min() >= 0 and array.max() < classes:
            return
        wrong = array[((array < 0) | (array >= classes)) & (array != ignore_index)]
        if wrong.size:
            raise IndexError(f"Target {wrong.reshape(-1)[0]} is out of bounds.")


@loss(between=1)
def nll_loss(input, target, weight=None, ignore_index=-100, reduction="mean"):
    """The mean of -input[target]: input holds log-probabilities (N, C, ...)."""
    check_reduction(reduction)
    check_targets(input, target, ignore_index)
    op = nll_op if len(input.spec.shape) <= 2 else nll_2d_op
    return op(input, target, weight, ignore_index, reduction)


@loss(between=1)
def cross_entropy(input, target, weight=None, ignore_index=-100, reduction="mean",
                  label_smoothing=0.0):
    """log_softmax, then nll_loss; targets are class indices or probabilities."""
    check_reduction(reduction)
    axis = 1 if len(input.spec.shape) > 1 else 0
    logs = log_softmax_op(input, axis)
    if target.spec.shape == input.spec.shape and target.dtype.is_floating_point:
        return soft_cross_entropy(logs, target, weight, reduction, label_smoothing, axis)
    loss = nll_loss(logs, target, weight, ignore_index=ignore_index, reduction=reduction)
    if not label_smoothing:
        return loss
    return loss * (1 - label_smoothing) + smoothing_term(
        logs, target, weight, ignore_index, reduction, axis) * label_smoothing


def smoothing_term(logs, target, weight, ignore_index, reduction, axis):
    """The loss against the uniform distribution."""
    classes = logs.spec.shape[axis]
    shape = [1] * logs.dim()
    shape[axis] = classes
    each = -(logs if weight is None else logs * weight.view(shape)).sum(axis) / classes
    kept = target != ignore_index
    each = each.masked_fill(~kept, 0.0)
    if reduction == "none":
        return each
    if reduction == "sum":
        return each.sum()
    if weight is None:
        return each.sum() / kept.sum()
    return each.sum() / weight[target.masked_fill(~kept, 0)].masked_fill(~kept, 0.0).sum()


def soft_cross_entropy(logs, target, weight, reduction, label_smoothing, axis):
    classes = logs.spec.shape[axis]
    if label_smoothing:
        target = target * (1 - label_smoothing) + label_smoothing / classes
    terms = logs * target
    if weight is not None:
        shape = [1] * logs.dim()
        shape[axis] = classes
        terms = terms * weight.view(shape)
    if reduction == "none":
        return -terms.sum(axis)
    return -terms.sum() / (logs.numel() / classes) if reduction == "mean" else -terms.sum()


# ------------------------------------------------------------------ probabilities


def weighted(loss, weight):
    return loss if weight is None else e.mul(*together(loss, weight))


@operation(name="binary_cross_entropy_with_logits", tensors=("input", "target", "weight",
                                                            "pos_weight"))
def bce_logits_op(input, target, weight=None, pos_weight=None, reduction="mean"):
    """(1 - y) x + log(1 + exp(-x)), the logarithm without overflow."""
    x, y = expanded(input, target)
    flag = e.lt(x, 0)
    low = select_n(flag, like(x, 0), x)
    size = select_n(flag, x, e.neg(x))
    log_sigmoid = e.sub(low, t.log1p(t.exp(e.neg(size))))
    factor = log_sigmoid
    if pos_weight is not None:
        p, one = together(pos_weight, 1.0, dtype=aval_of(x).dtype)
        scale = e.add(e.mul(*together(e.sub(p, one), y)), like(y, 1))
        factor = e.mul(scale, log_sigmoid)
    loss = e.sub(e.mul(e.sub(like(y, 1), y), x), factor)
    return reduced(weighted(loss, weight), reduction)


@loss
def binary_cross_entropy_with_logits(input, target, weight=None, reduction="mean",
                                     pos_weight=None):
    """Cross entropy of sigmoid(input) with target."""
    if target.spec.shape != input.spec.shape:
        raise ValueError(f"Target size ({target.size()}) must be the same as input size "
                         f"({input.size()})")
    return bce_logits_op(input, target, weight, pos_weight, reduction)


@operation(name="binary_cross_entropy", tensors=("input", "target", "weight"))
def bce_op(input, target, weight=None, reduction="mean"):
    """Logarithms are kept above -100."""
    x, y = together(input, target)

    def log(v):
        value = t.log(v)
        return select_n(e.lt(value, -100), value, like(value, -100))

    one = like(y, 1)
    loss = e.sub(e.mul(e.sub(y, one), log(e.sub(like(x, 1), x))), e.mul(y, log(x)))
    return reduced(weighted(loss, weight), reduction)


@loss
def binary_cross_entropy(input, target, weight=None, reduction="mean"):
    """-(y log x + (1 - y) log(1 - x))."""
    if target.spec.shape != input.spec.shape:
        raise ValueError(f"Using a target size ({target.size()}) that is different to the input "
                         f"size ({input.size()}) is deprecated. Please ensure they have the same "
                         "size.")
    return bce_op(input, target, weight, reduction)


@loss
def kl_div(input, target, reduction="mean", log_target=False):
    """target (log target - input), for log-probabilities `input`."""
    if log_target:
        loss = target.exp() * (target - input)
    else:
        nothing = target == 0
        logs = target.masked_fill(nothing, 1.0).log()
        loss = target * logs - target * input
    if reduction == "batchmean":
        return sum_all(loss) / input.spec.shape[0]
    return finish(loss, reduction)


def linear_cross_entropy(input, linear_weight, target, *, linear_bias=None, weight=None,
                         reduction="mean", ignore_index=None, label_smoothing=0.0, options=None):
    """cross_entropy of a linear layer's result; linear_weight is (classes, ..., features)."""
    *out, features = linear_weight.spec.shape
    bias = None if linear_bias is None else linear_bias.reshape(-1)
    logits = linear(input, linear_weight.reshape(-1, features), bias)
    logits = logits.reshape(*input.spec.shape[:-1], *out)
    return cross_entropy(logits, target, weight, reduction=reduction,
                         ignore_index=-100 if ignore_index is None else ignore_index,
                         label_smoothing=label_smoothing)
