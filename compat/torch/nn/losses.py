"""Losses as modules: one row each. `reduction` is kept; weights are buffers."""

from __future__ import annotations

from compat.torch.nn import functional as F
from compat.torch.nn.functional.losses import reduction_of
from compat.torch.nn.layer import Layer, layer
from compat.torch.nn.simple import SIMPLE

OLD = "size_average=None, reduce=None"  # what `reduction` was before it had its name
MEAN = "reduction='mean'"
USUAL = f"{OLD}, {MEAN}"


class Loss(Layer, settings=USUAL):
    """A comparison of input and target. Losses of the user may take the reduction alone."""

    def _build(self, size_average=None, reduce=None) -> None:
        self.reduction = reduction_of(size_average, reduce, self.reduction)
        if getattr(self, "distance_function", self) is None:
            self.distance_function = SIMPLE["PairwiseDistance"]()


PAIR, INPUTS, TRIPLET = "input, target", "input1, input2, target", "anchor, positive, negative"
INDEXED = f"weight=None, size_average=None, ignore_index=-100, reduce=None, {MEAN}"
WEIGHTED = f"weight=None, {USUAL}"
ROWS = [  # name, function, signature, inputs
    ("MSELoss", F.mse_loss, USUAL), ("L1Loss", F.l1_loss, USUAL),
    ("SmoothL1Loss", F.smooth_l1_loss, f"{USUAL}, beta=1.0"),
    ("HuberLoss", F.huber_loss, f"{MEAN}, delta=1.0"),
    ("KLDivLoss", F.kl_div, f"{USUAL}, log_target=False"),
    ("BCELoss", F.binary_cross_entropy, WEIGHTED),
    ("BCEWithLogitsLoss", F.binary_cross_entropy_with_logits, f"{WEIGHTED}, pos_weight=None"),
    ("NLLLoss", F.nll_loss, INDEXED), ("NLLLoss2d", F.nll_loss, INDEXED),
    ("CrossEntropyLoss", F.cross_entropy, f"{INDEXED}, label_smoothing=0.0"),
    ("HingeEmbeddingLoss", F.hinge_embedding_loss, f"margin=1.0, {USUAL}"),
    ("SoftMarginLoss", F.soft_margin_loss, USUAL),
    ("MultiLabelMarginLoss", F.multilabel_margin_loss, USUAL),
    ("MultiLabelSoftMarginLoss", F.multilabel_soft_margin_loss, WEIGHTED),
    ("MultiMarginLoss", F.multi_margin_loss, f"p=1, margin=1.0, {WEIGHTED}"),
    ("MarginRankingLoss", F.margin_ranking_loss, f"margin=0.0, {USUAL}", INPUTS),
    ("CosineEmbeddingLoss", F.cosine_embedding_loss, f"margin=0.0, {USUAL}", INPUTS),
    ("TripletMarginLoss", F.triplet_margin_loss,
     f"margin=1.0, p=2.0, eps=1e-6, swap=False, {USUAL}", TRIPLET),
    ("TripletMarginWithDistanceLoss", F.triplet_margin_with_distance_loss,
     f"*, distance_function=None, margin=1.0, swap=False, {MEAN}", TRIPLET),
    ("PoissonNLLLoss", F.poisson_nll_loss, "log_input=True, full=False, size_average=None, "
     f"eps=1e-8, reduce=None, {MEAN}"),
    ("GaussianNLLLoss", F.gaussian_nll_loss, f"*, full=False, eps=1e-6, {MEAN}",
     "input, target, var"),
    ("CTCLoss", F.ctc_loss, f"blank=0, {MEAN}, zero_infinity=False",
     "log_probs, targets, input_lengths, target_lengths"),
]
LOSSES = {name: layer(name, function, settings, base=Loss, inputs=inputs[0] if inputs else PAIR,
                      buffers="weight pos_weight")
          for name, function, settings, *inputs in ROWS}
