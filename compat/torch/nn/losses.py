"""Losses as modules: one row each. `reduction` is kept; weights are buffers."""

from __future__ import annotations

import warnings

from compat.torch.nn import functional as F
from compat.torch.nn.simple import PairwiseDistance, Simple, simple

OLD = {"size_average": None, "reduce": None}  # what `reduction` was before it had its name
MEAN = {"reduction": "mean"}


def legacy_reduction(size_average, reduce) -> str:
    """The reduction that the two old flags mean."""
    average, fold = (True if flag is None else flag for flag in (size_average, reduce))
    reduction = "none" if not fold else "mean" if average else "sum"
    warnings.warn("size_average and reduce args will be deprecated, please use "
                  f"reduction='{reduction}' instead.", stacklevel=4)
    return reduction


class Loss(Simple):
    """A comparison of input and target. Losses of the user may take the reduction alone."""

    settings = OLD | MEAN

    inputs = ("input", "target")
    legacy = tuple(OLD)

    def prepare(self, given) -> None:
        old = [given.get(name) for name in OLD]
        if any(flag is not None for flag in old):
            self.reduction = legacy_reduction(*old)
        for name in ("weight", "pos_weight"):
            if name in self.settings:
                self.register_buffer(name, self.__dict__.pop(name))
        if given.get("distance_function", self) is None:
            self.distance_function = PairwiseDistance()


WEIGHT = {"weight": None}
INDEXED = WEIGHT | {"size_average": None, "ignore_index": -100, "reduce": None} | MEAN
TRIPLET = ("anchor", "positive", "negative")
ROWS = {  # name: (function, settings, inputs)
    "MSELoss": (F.mse_loss, OLD | MEAN), "L1Loss": (F.l1_loss, OLD | MEAN),
    "SmoothL1Loss": (F.smooth_l1_loss, OLD | MEAN | {"beta": 1.0}),
    "HuberLoss": (F.huber_loss, MEAN | {"delta": 1.0}),
    "KLDivLoss": (F.kl_div, OLD | MEAN | {"log_target": False}),
    "BCELoss": (F.binary_cross_entropy, WEIGHT | OLD | MEAN),
    "BCEWithLogitsLoss": (F.binary_cross_entropy_with_logits,
                          WEIGHT | OLD | MEAN | {"pos_weight": None}),
    "NLLLoss": (F.nll_loss, INDEXED), "NLLLoss2d": (F.nll_loss, INDEXED),
    "CrossEntropyLoss": (F.cross_entropy, INDEXED | {"label_smoothing": 0.0}),
    "HingeEmbeddingLoss": (F.hinge_embedding_loss, {"margin": 1.0} | OLD | MEAN),
    "SoftMarginLoss": (F.soft_margin_loss, OLD | MEAN),
    "MultiLabelMarginLoss": (F.multilabel_margin_loss, OLD | MEAN),
    "MultiLabelSoftMarginLoss": (F.multilabel_soft_margin_loss, WEIGHT | OLD | MEAN),
    "MultiMarginLoss": (F.multi_margin_loss, {"p": 1, "margin": 1.0} | WEIGHT | OLD | MEAN),
    "MarginRankingLoss": (F.margin_ranking_loss, {"margin": 0.0} | OLD | MEAN,
                          ("input1", "input2", "target")),
    "CosineEmbeddingLoss": (F.cosine_embedding_loss, {"margin": 0.0} | OLD | MEAN,
                            ("input1", "input2", "target")),
    "TripletMarginLoss": (F.triplet_margin_loss, {
        "margin": 1.0, "p": 2.0, "eps": 1e-6, "swap": False} | OLD | MEAN, TRIPLET),
    "TripletMarginWithDistanceLoss": (F.triplet_margin_with_distance_loss, {
        "distance_function": None, "margin": 1.0, "swap": False} | MEAN, TRIPLET),
    "PoissonNLLLoss": (F.poisson_nll_loss, {
        "log_input": True, "full": False, "size_average": None, "eps": 1e-8, "reduce": None}
        | MEAN, ("input", "target")),
    "GaussianNLLLoss": (F.gaussian_nll_loss, {"full": False, "eps": 1e-6} | MEAN,
                        ("input", "target", "var")),
    "CTCLoss": (F.ctc_loss, {"blank": 0} | MEAN | {"zero_infinity": False},
                ("log_probs", "targets", "input_lengths", "target_lengths")),
}
KEYWORD_ONLY = {"TripletMarginWithDistanceLoss", "GaussianNLLLoss"}
LOSSES = {name: simple(
    name, function, settings, base=Loss, inputs=inputs[0] if inputs else Loss.inputs,
    keyword_only=name in KEYWORD_ONLY, __module__="compat.torch.nn")
    for name, (function, settings, *inputs) in ROWS.items()}
