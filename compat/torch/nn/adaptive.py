"""Losses that own a layer: the adaptive softmax, and cross entropy of a linear layer."""

from __future__ import annotations

import itertools
import math
from collections import namedtuple

from compat.torch.joining import cat
from compat.torch.nn import functional as F
from compat.torch.nn.containers import ModuleList, Sequential
from compat.torch.nn.layer import Layer
from compat.torch.nn.layers import Linear

_ASMoutput = namedtuple("_ASMoutput", "output loss")


class AdaptiveLogSoftmaxWithLoss(Layer, settings=(
        "in_features, n_classes, cutoffs, div_value=4.0, head_bias=False, device=None, "
        "dtype=None")):
    """Rare classes in clusters with small projections. Source: Grave et al. (2017)."""

    def _build(self, cutoffs, dtype) -> None:
        cutoffs, n_classes, in_features = list(cutoffs), self.n_classes, self.in_features
        if not cutoffs:
            raise ValueError("cutoffs should be a sequence of length larger than 0")
        if cutoffs != sorted({int(c) for c in cutoffs}) or cutoffs[0] <= 0 \
                or cutoffs[-1] > n_classes - 1:
            raise ValueError("cutoffs should be a sequence of unique, positive integers sorted in "
                             "an increasing order, where each value is between 1 and n_classes-1")
        self.cutoffs = [*cutoffs, n_classes]
        self.shortlist_size, self.n_clusters = cutoffs[0], len(cutoffs)
        self.head_size = self.shortlist_size + self.n_clusters
        self.head = Linear(in_features, self.head_size, self.head_bias, dtype=dtype)
        self.tail = ModuleList()
        for i, (start, stop) in enumerate(itertools.pairwise(self.cutoffs)):
            width = int(in_features // self.div_value ** (i + 1))
            self.tail.append(Sequential(Linear(in_features, width, False, dtype=dtype),
                                        Linear(width, stop - start, False, dtype=dtype)))

    def reset_parameters(self) -> None:
        for module in self.modules():
            if isinstance(module, Linear):
                module.reset_parameters()

    def log_prob(self, input):
        """Log-probabilities of all classes: (N, n_classes)."""
        head = F.log_softmax(self.head(input), 1)
        clusters = [F.log_softmax(tail(input), 1) + head[:, self.shortlist_size + i].unsqueeze(1)
                    for i, tail in enumerate(self.tail)]
        return cat([head[:, :self.shortlist_size], *clusters], 1)

    def predict(self, input):
        """The most likely class of each row."""
        return self.log_prob(input).argmax(1)

    def forward(self, input_, target_):
        if target_.dim() > 1:
            raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
        if target_.dim() == 1 and input_.size(0) != target_.size(0):
            raise RuntimeError("Input and target should have the same size in the batch dimension.")
        if input_.dim() != target_.dim() + 1:
            raise RuntimeError(f"{target_.dim()}D target tensor expects {target_.dim() + 1}D input "
                               f"tensors, but found inputs with size {input_.size()}")
        single = not target_.dim()
        input, target = (x.unsqueeze(0) if single else x for x in (input_, target_))
        if bool(((target < 0) | (target >= self.n_classes)).any()):
            raise RuntimeError(f"Target values should be in [0, {self.n_classes - 1}], but values "
                               f"in range [{target.min().item()}, {target.max().item()}] were "
                               "found. ")
        output = self.log_prob(input).gather(1, target.unsqueeze(1)).squeeze(1)
        loss = (-output).mean()
        return _ASMoutput(output.squeeze(0) if single else output, loss)


class LinearCrossEntropyLoss(Layer, buffers="weight", settings=(
        "in_features, num_classes, *, out_features=(), bias=False, device=None, dtype=None, "
        "reduction='mean', weight=None, ignore_index=None, label_smoothing=0.0, options=None")):
    """cross_entropy of a linear layer's result."""

    def _build(self, in_features, bias, dtype) -> None:
        if self.weight is not None and self.weight.shape != (self.num_classes,):
            raise RuntimeError(f"expected weight shape to be {(self.num_classes,)}, got "
                               f"{tuple(self.weight.shape)}")
        if not 0 <= self.label_smoothing <= 1.0:
            raise RuntimeError("expected label_smoothing to be in range [0, 1], got "
                               f"{self.label_smoothing}")
        self.linear = Linear(in_features, math.prod(self.out_features, start=self.num_classes),
                             bias, dtype=dtype)

    def forward(self, input, target):
        shape = (self.num_classes, *self.out_features)
        bias = self.linear.bias
        return F.linear_cross_entropy(
            input, self.linear.weight.reshape(*shape, self.linear.in_features), target,
            linear_bias=None if bias is None else bias.reshape(shape), weight=self.weight,
            reduction=self.reduction, ignore_index=self.ignore_index,
            label_smoothing=self.label_smoothing)

    def extra_repr(self) -> str:
        return (f"in_features={self.linear.in_features}, num_classes={self.num_classes}, "
                f"out_features={self.out_features}, bias={self.linear.bias is not None}, "
                f"reduction={self.reduction}, ignore_index={self.ignore_index}, "
                f"label_smoothing={self.label_smoothing}, options={self.options}")
