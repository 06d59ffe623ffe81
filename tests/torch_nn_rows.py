"""Rows of `torch.nn.functional` that `tests/test_torch_nn.py` runs on both packages: a function of
the package and of arrays, whose gradients are compared too."""

from __future__ import annotations

import numpy as np

rng = np.random.default_rng(0)
ROWS: dict = {}


def F(t):
    return t.nn.functional


def R(*shape):
    return rng.standard_normal(shape).astype(np.float32)


def I(high, *shape):  # noqa: E743
    return rng.integers(0, high, shape)


def row(name, fn, *arrays, grad=True):
    ROWS[name] = fn, arrays, grad


img, vol, seq = R(2, 4, 7, 6), R(2, 3, 5, 6, 4), R(2, 3, 9)
for n in "celu selu hardshrink softshrink mish logsigmoid softsign".split():
    row(n, lambda t, x, n=n: getattr(t.nn.functional, n)(x), R(3, 5))
row("threshold", lambda t, x: t.nn.functional.threshold(x, 0.1, 20.0), R(3, 5))
row("prelu", lambda t, x, w: t.nn.functional.prelu(x, w), R(2, 4, 3), R(4))
row("prelu1", lambda t, x, w: t.nn.functional.prelu(x, w), R(2, 4, 3), R(1))
row("rrelu", lambda t, x: t.nn.functional.rrelu(x, training=True), R(3, 5))
row("rrelu eval", lambda t, x: t.nn.functional.rrelu(x), R(3, 5))
row("gumbel", lambda t, x: t.nn.functional.gumbel_softmax(x), R(3, 5))
row("gumbel h", lambda t, x: t.nn.functional.gumbel_softmax(x, hard=True), R(3, 5))
for n in "dropout alpha_dropout feature_alpha_dropout dropout2d dropout1d".split():
    row(n, lambda t, x, n=n: getattr(t.nn.functional, n)(x, 0.3, True), R(4, 5, 6))
row("dropout3d", lambda t, x: t.nn.functional.dropout3d(x, 0.3, True), R(2, 3, 2, 2, 2))
row("mp1", lambda t, x: F(t).max_pool1d(x, 3, 2, 1, ceil_mode=True), seq)
row("mp1i", lambda t, x: F(t).max_pool1d(x, 3, 2, 1, return_indices=True), seq)
row("mp2i", lambda t, x: F(t).max_pool2d(x, 3, 2, 1, return_indices=True, ceil_mode=True), img)
row("mp2d", lambda t, x: F(t).max_pool2d(x, 2, 2, 0, dilation=2), img)
row("mp3", lambda t, x: F(t).max_pool3d(x, 2), vol)
row("mp3i", lambda t, x: F(t).max_pool3d(x, 2, 1, 1, return_indices=True), vol)
row("mp2 3d", lambda t, x: F(t).max_pool2d(x, 2), img[0])
row("ap1", lambda t, x: F(t).avg_pool1d(x, 3, 2, 1, True, False), seq)
row("ap2", lambda t, x: F(t).avg_pool2d(x, (3, 2), 2, 1, True, True), img)
row("ap2d", lambda t, x: F(t).avg_pool2d(x, 2, divisor_override=3), img)
row("ap3", lambda t, x: F(t).avg_pool3d(x, 3, 2, 1, False, False), vol)
for r, x in ((1, seq), (2, img), (3, vol)):
    row(f"aap{r}", lambda t, x, r=r: getattr(F(t), f"adaptive_avg_pool{r}d")(x, 3), x)
    row(
        f"amp{r}",
        lambda t, x, r=r: getattr(F(t), f"adaptive_max_pool{r}d")(x, 3, return_indices=True),
        x,
    )
    row(f"lp{r}", lambda t, x, r=r: getattr(F(t), f"lp_pool{r}d")(x, 2, 2), x)
row(
    "fmp2",
    lambda t, x: F(t).fractional_max_pool2d(x, 2, output_size=(3, 4), return_indices=True),
    img,
)
row("fmp2r", lambda t, x: F(t).fractional_max_pool2d(x, 2, output_ratio=(0.5, 0.7)), img)
row(
    "fmp3",
    lambda t, x: F(t).fractional_max_pool3d(x, 2, output_size=(2, 4, 2), return_indices=True),
    vol,
)


def unp(t, x):
    y, i = F(t).max_pool2d(x, 2, return_indices=True)
    return F(t).max_unpool2d(y, i, 2, output_size=x.shape)


row("unpool", unp, img)
row("unfold", lambda t, x: F(t).unfold(x, (2, 3), 2, 1, (1, 2)), img)
row("fold", lambda t, x: F(t).fold(x, (4, 5), (2, 2), padding=1), R(2, 12, 30))
for mode in ("nearest", "nearest-exact", "bilinear", "bicubic", "area"):
    for s in ((3, 4), (10, 13)):
        row(f"int {mode} {s}", lambda t, x, mode=mode, s=s: F(t).interpolate(x, s, mode=mode), img)
    row(
        f"int {mode} f",
        lambda t, x, mode=mode: F(t).interpolate(x, scale_factor=1.7, mode=mode),
        img,
    )
    row(
        f"int {mode} fr",
        lambda t, x, mode=mode: F(t).interpolate(
            x, scale_factor=(0.6, 1.3), mode=mode, recompute_scale_factor=True
        ),
        img,
    )
for mode in ("bilinear", "bicubic"):
    row(
        f"int {mode} a",
        lambda t, x, mode=mode: F(t).interpolate(x, (5, 11), mode=mode, align_corners=True),
        img,
    )
    row(
        f"int {mode} aa",
        lambda t, x, mode=mode: F(t).interpolate(x, (3, 11), mode=mode, antialias=True),
        img,
    )
row(
    "int lin",
    lambda t, x: F(t).interpolate(x, scale_factor=2, mode="linear", align_corners=True),
    seq,
)
row("int tri", lambda t, x: F(t).interpolate(x, (3, 8, 7), mode="trilinear"), vol)
row("int up", lambda t, x: F(t).upsample_bilinear(x, scale_factor=2), img)
for mode in ("bilinear", "nearest", "bicubic"):
    for pm in ("zeros", "border", "reflection"):
        for al in (True, False):
            row(
                f"gs {mode} {pm} {al}",
                lambda t, x, g, mode=mode, pm=pm, al=al: F(t).grid_sample(x, g, mode, pm, al),
                img,
                R(2, 3, 5, 2),
            )
row("gs3", lambda t, x, g: F(t).grid_sample(x, g, align_corners=False), vol, R(2, 3, 2, 2, 3))
row("ag", lambda t, x: F(t).affine_grid(x, (2, 3, 4, 5), False), R(2, 2, 3))
row("ag3", lambda t, x: F(t).affine_grid(x, (2, 3, 4, 5, 2), True), R(2, 3, 4))
row("ps", lambda t, x: F(t).pixel_shuffle(x, 2), R(2, 8, 3, 2))
row("pus", lambda t, x: F(t).pixel_unshuffle(x, 2), R(2, 2, 4, 6))
row("cs", lambda t, x: F(t).channel_shuffle(x, 2), img)
row("emb", lambda t, w, i: F(t).embedding(i, w, -2, scale_grad_by_freq=True), R(7, 3), I(7, 4, 3))
for m in ("sum", "mean", "max"):
    row(
        f"eb {m}",
        lambda t, w, i, o, m=m: F(t).embedding_bag(i, w, o, mode=m),
        R(7, 3),
        I(7, 9),
        np.array([0, 2, 2, 5]),
    )
    row(
        f"eb2 {m}",
        lambda t, w, i, m=m: F(t).embedding_bag(i, w, mode=m, padding_idx=2),
        R(7, 3),
        I(7, 3, 4),
    )
row(
    "eb w",
    lambda t, w, i, p: F(t).embedding_bag(i, w, mode="sum", per_sample_weights=p),
    R(7, 3),
    I(7, 3, 4),
    R(3, 4),
)
row("lrn", lambda t, x: F(t).local_response_norm(x, 3), img)
row("lrn1", lambda t, x: F(t).local_response_norm(x, 2), seq)
row("in", lambda t, x, w, b: F(t).instance_norm(x, weight=w, bias=b), img, R(4), R(4))
row("pdist", lambda t, x: F(t).pdist(x), R(5, 3))
row("cos", lambda t, x, y: F(t).cosine_similarity(x, y), R(5, 3), R(5, 3))
row("pd", lambda t, x, y: F(t).pairwise_distance(x, y), R(5, 3), R(5, 3))
for m in ("reflect", "replicate", "circular"):
    row("pad " + m, lambda t, x, m=m: F(t).pad(x, (1, 2, 2, 1), m), img)
row("padneg", lambda t, x: F(t).pad(x, (-1, 2, 2, -1), "replicate"), img)
row("convtbc", lambda t, x, w, b: F(t).conv_tbc(x, w, b, 1), R(6, 2, 3), R(3, 3, 4), R(4))
row("ct3", lambda t, x, w, b: F(t).conv_transpose3d(x, w, b, 2, 1, 1), vol, R(3, 2, 3, 3, 3), R(2))
sg = np.array([1.0, -1, 1, -1, 1], np.float32)
row("hinge", lambda t, x: F(t).hinge_embedding_loss(x, t.tensor(sg)), R(5))
row("mr", lambda t, x, y: F(t).margin_ranking_loss(x, y, t.tensor(sg), 0.3), R(5), R(5))
row("cosemb", lambda t, x, y: F(t).cosine_embedding_loss(x, y, t.tensor(sg), 0.1), R(5, 3), R(5, 3))
row("softm", lambda t, x: F(t).soft_margin_loss(x, t.tensor(sg)), R(5))
row(
    "trip",
    lambda t, x, y, z: F(t).triplet_margin_loss(x, y, z, swap=True),
    R(5, 3),
    R(5, 3),
    R(5, 3),
)
row(
    "tripd",
    lambda t, x, y, z: F(t).triplet_margin_with_distance_loss(
        x, y, z, distance_function=lambda a, b: 1 - F(t).cosine_similarity(a, b)
    ),
    R(5, 3),
    R(5, 3),
    R(5, 3),
)
for old in ({"size_average": False}, {"reduce": False}, {"size_average": True, "reduce": True}):
    row(f"flags of old {old}", lambda t, x, y, old=old: [
        F(t).mse_loss(x, y, **old), F(t).l1_loss(x, y, **old), F(t).smooth_l1_loss(x, y, **old),
        F(t).binary_cross_entropy(x.sigmoid(), y.sigmoid(), **old),
        F(t).poisson_nll_loss(x, y, **old), F(t).kl_div(x, y.sigmoid(), **old),
        F(t).soft_margin_loss(x, y.detach(), **old), F(t).nll_loss(x, t.tensor([1, 2, 0]), **old),
    ], R(3, 4), R(3, 4))
for red in ("none", "sum", "mean"):
    row(f"weights of positions {red}", lambda t, x, y, w, red=red: [
        F(t).mse_loss(x, y, reduction=red, weight=w), F(t).l1_loss(x, y, reduction=red, weight=w),
        F(t).huber_loss(x, y, red, 0.5, w)], R(3, 4), R(3, 4), R(3, 4))
row("poi", lambda t, x: F(t).poisson_nll_loss(x, t.tensor(sg).abs() * 3, full=True), R(5))
row(
    "poi2",
    lambda t, x: F(t).poisson_nll_loss(
        x.abs(), t.tensor(sg).abs() * 3, log_input=False, reduction="none"
    ),
    R(5),
)
row("gau", lambda t, x, v: F(t).gaussian_nll_loss(x, t.tensor(sg), v.abs(), full=True), R(5), R(5))
row("gau2", lambda t, x: F(t).gaussian_nll_loss(x, t.tensor(sg), 1e-9), R(5))
row(
    "mlsm",
    lambda t, x: F(t).multilabel_soft_margin_loss(x, t.tensor((sg > 0).astype("f4")).expand(3, 5)),
    R(3, 5),
)
row(
    "mm",
    lambda t, x, i: F(t).multi_margin_loss(x, i, 2, 0.7, weight=t.arange(5.0)),
    R(3, 5),
    I(5, 3),
)
row("mm1", lambda t, x: F(t).multi_margin_loss(x, t.tensor(2)), R(5))
row(
    "mlm",
    lambda t, x: F(t).multilabel_margin_loss(
        x, t.tensor([[0, 3, -1, 1, 2], [4, -1, 0, 0, 0], [1, 2, 3, 4, 0]])
    ),
    R(3, 5),
)
row("mlm1", lambda t, x: F(t).multilabel_margin_loss(x, t.tensor([0, 3, -1, 1, 2])), R(5))
for red in ("none", "mean", "sum"):
    row(
        "ctc " + red,
        lambda t, x, i, red=red: F(t).ctc_loss(
            x.log_softmax(2), i, (9, 7, 9), (4, 3, 0), reduction=red
        ),
        R(9, 3, 6),
        rng.integers(1, 6, (3, 4)),
    )
row(
    "ctc cat",
    lambda t, x, i: F(t).ctc_loss(x.log_softmax(2), i, t.tensor([9, 7, 9]), t.tensor([4, 3, 3])),
    R(9, 3, 6),
    rng.integers(1, 6, (10,)),
)
row(
    "ctc raw",
    lambda t, x, i: F(t).ctc_loss(x, i, t.tensor([9, 7, 9]), t.tensor([4, 3, 3])),
    -abs(R(9, 3, 6)),
    rng.integers(1, 6, (3, 4)),
)
row(
    "ctc inf",
    lambda t, x, i: F(t).ctc_loss(
        x.log_softmax(2), i, (9, 2, 9), (4, 4, 3), zero_infinity=True, reduction="none"
    ),
    R(9, 3, 6),
    rng.integers(1, 6, (3, 4)),
)
row(
    "ctc inf2",
    lambda t, x, i: F(t).ctc_loss(x.log_softmax(2), i, (9, 2, 9), (4, 4, 3), reduction="none"),
    R(9, 3, 6),
    rng.integers(1, 6, (3, 4)),
    grad=False,
)


def mha(t, x, k, w, b, ow, kb, **kw):
    return F(t).multi_head_attention_forward(x, k, k, 8, 2, w, b, kb, kb, True, 0.0, ow, None, **kw)


row("mha", lambda t, *a: mha(t, *a), R(4, 2, 8), R(5, 2, 8), R(24, 8), R(24), R(8, 8), R(1, 1, 8))
row(
    "mha m",
    lambda t, *a: mha(
        t,
        *a,
        attn_mask=t.ones(4, 5).tril().log(),
        key_padding_mask=t.tensor([[0, 0, 0, 0, 1], [0, 0, 0, 0, 0]]).bool(),
        need_weights=False,
    ),
    R(4, 2, 8),
    R(5, 2, 8),
    R(24, 8),
    R(24),
    R(8, 8),
    R(1, 1, 8),
)
