"""Expressions in PyTorch's idiom that `tests/test_torch_face.py` runs on both packages.

Each is a function of the package and of tensors: x (3,4), w (5,4), b (5), v (4) and c (2,3,4) are
float32 and want gradients, im (2,4,6,6) too; i (3) and big (2,6,6) are classes, m (3,4) a mask.
"""

from __future__ import annotations

import inspect

ARITHMETIC = {
    "add": lambda t, x: x + 1, "add tensor": lambda t, x, v: x + v, "radd": lambda t, x: 2 + x,
    "sub": lambda t, x, v: x - v, "rsub": lambda t, x: 1 - x, "mul": lambda t, x, v: x * v,
    "mul number": lambda t, x: x * 0.1, "div": lambda t, x: x / 2, "rdiv": lambda t, x: 3 / x,
    "div tensor": lambda t, x, v: x / v, "neg": lambda t, x: -x, "abs": lambda t, x: abs(x),
    "pow 2": lambda t, x: x ** 2, "pow 3": lambda t, x: x ** 3, "pow -1": lambda t, x: x ** -1,
    "pow 0": lambda t, x: x ** 0, "pow half": lambda t, x: x.abs() ** 0.5,
    "pow 1.7": lambda t, x: x.abs() ** 1.7, "pow tensor": lambda t, x, v: x.abs() ** v,
    "rpow": lambda t, x: 2 ** x, "square": lambda t, x: x.square(),
    "floordiv": lambda t, x: x.detach() // 0.3, "mod": lambda t, x: x % 0.7,
    "alpha": lambda t, x, v: t.add(x, v, alpha=0.3), "sub alpha": lambda t, x: x.sub(2, alpha=3),
    "maximum": lambda t, x, v: t.maximum(x, v), "minimum": lambda t, x, v: x.minimum(v),
    "atan2": lambda t, x, v: t.atan2(x, v), "where": lambda t, x: t.where(x > 0, x, 0.0),
    "where tensors": lambda t, x, v, m: t.where(m, x, v), "clamp": lambda t, x: x.clamp(0, 1),
    "clamp min": lambda t, x: x.clamp(min=0.2), "clamp tensor": lambda t, x, v: x.clamp(max=v),
    "masked_fill": lambda t, x, m: x.masked_fill(m, -1.0),
    "addcmul": lambda t, x, v: t.addcmul(x, x, v, value=0.5),
    "addcdiv": lambda t, x, v: t.addcdiv(x, x, v, value=0.5),
    "lerp": lambda t, x, v: t.lerp(x, v.expand(3, 4), 0.7),
    "to double": lambda t, x: x.double() * 0.1, "clone": lambda t, x: x.clone(),
    "chain": lambda t, x, w, b: ((x @ w.t() + b).tanh() * 0.5).exp().mean(),
}

POSITIVE = "log log2 log10 log1p sqrt rsqrt lgamma digamma".split()
CURVES = ("exp exp2 expm1 sin cos tan sinh cosh tanh asinh atan erf erfc sigmoid relu sign floor "
          "ceil trunc round frac reciprocal neg").split()


def curve(name: str, prepare=lambda x: x):
    """One function of one operand, on a range where it is defined."""
    return lambda t, x: getattr(t, name)(prepare(x))


CURVE_ROWS = {n: curve(n) for n in CURVES} \
    | {n: curve(n, lambda x: x.abs() + 0.5) for n in POSITIVE} \
    | {n: curve(n, lambda x: x.tanh() * 0.9) for n in ("asin", "acos", "atanh", "erfinv")} \
    | {"acosh": curve("acosh", lambda x: x.abs() + 1.5)}

REDUCTIONS = {
    "sum": lambda t, x: x.sum(), "sum dim": lambda t, x: x.sum(1),
    "sum dims": lambda t, c: c.sum((0, 2), keepdim=True), "mean": lambda t, x: x.mean(),
    "mean dim": lambda t, x: t.mean(x, dim=-1, keepdim=True), "prod": lambda t, x: x.prod(),
    "prod dim": lambda t, x: x.prod(0), "max": lambda t, x: x.max(), "min": lambda t, x: x.min(),
    "max dim": lambda t, x: x.max(1)[0], "max indices": lambda t, x: x.max(1, True).indices,
    "min dim": lambda t, x: x.min(0).values, "amax": lambda t, x: x.amax(),
    "amin": lambda t, x: x.amin((0, 1)), "argmax": lambda t, x: x.argmax(),
    "argmin": lambda t, x: x.argmin(1, keepdim=True), "var": lambda t, x: x.var(),
    "var 0": lambda t, x: x.var(1, unbiased=False), "std": lambda t, x: x.std(0),
    "norm": lambda t, x: x.norm(), "norm 1": lambda t, x: x.norm(1, dim=1),
    "norm inf": lambda t, x: x.norm(float("inf"), dim=0), "norm 3": lambda t, x: x.norm(3),
    "linalg.norm": lambda t, x: t.linalg.norm(x, dim=1), "all": lambda t, m: m.all(),
    "any": lambda t, m: m.any(1), "softmax": lambda t, x: x.softmax(1),
    "log_softmax": lambda t, x: t.log_softmax(x, 0), "logsumexp": lambda t, x: x.logsumexp(1),
    "cumsum": lambda t, x: x.cumsum(0), "cumprod": lambda t, x: t.cumprod(x, 1),
    "sort": lambda t, x: x.sort(1)[0], "sort down": lambda t, x: x.sort(0, descending=True)[1],
    "topk": lambda t, x: x.topk(2)[0], "argsort": lambda t, x: x.argsort(-1),
    "count_nonzero": lambda t, m: t.count_nonzero(m), "bool sum": lambda t, m: m.sum(0),
}

PRODUCTS = {
    "mm": lambda t, x, w: x @ w.t(), "mv": lambda t, x, v: x @ v, "dot": lambda t, v: v @ v,
    "vm": lambda t, v, w: v @ w.t(), "bmm": lambda t, c: t.bmm(c, c.transpose(1, 2)),
    "matmul 3 2": lambda t, c, w: c @ w.t(), "matmul 3 3": lambda t, c: c @ c.mT,
    "matmul 4": lambda t, im: im @ im,
    "linear": lambda t, x, w, b: t.nn.functional.linear(x, w, b),
    "linear no bias": lambda t, x, w: t.nn.functional.linear(x, w),
    "linear 3": lambda t, c, w, b: t.nn.functional.linear(c, w, b),
    "linear 3 no bias": lambda t, c, w: t.nn.functional.linear(c, w),
    "linear 1": lambda t, v, w, b: t.nn.functional.linear(v, w, b),
    "addmm": lambda t, x, w, b: t.addmm(b, x, w.t(), beta=0.5, alpha=2),
    "baddbmm": lambda t, c: t.baddbmm(c[:, :, :3], c, c.mT), "outer": lambda t, v, b: t.outer(v, b),
}

UNNAMED = {  # PyTorch composes these; only the numbers are compared
    "einsum": lambda t, x, w: t.einsum("ij,kj->ik", x, w),
    "einsum batch": lambda t, c: t.einsum("bij,bkj->bik", c, c),
    "einsum three": lambda t, x, w, v: t.einsum("ij,kj,j->k", x, w, v),
    "einsum dots": lambda t, c, x: t.einsum("...ij,ij->...", c, x),
    "einsum trace": lambda t, c: t.einsum("bii->b", c[:, :, :3]),
    "einsum implicit": lambda t, x, v: t.einsum("ij,j", x, v),
    "matmul broadcast": lambda t, c, x: x @ c.mT,
    "cross": lambda t, x: t.cross(x[:, :3], x[:, 1:], dim=1),
    "isclose": lambda t, x: t.isclose(x, x + 1e-7), "one_hot": lambda t, i: (
        t.nn.functional.one_hot(i, 5)),
    "var_mean": lambda t, x: t.var_mean(x, 1)[0], "pad reflect": lambda t, im: (
        t.nn.functional.pad(im, (1, 2, 0, 1), mode="reflect")),
    "conv_transpose": lambda t, im, k: t.nn.functional.conv_transpose2d(
        im, k, stride=2, padding=1, output_padding=1),
    "adaptive uneven": lambda t, im: t.nn.functional.adaptive_avg_pool2d(im, (4, 5)),
    "cosine_similarity": lambda t, x, v: t.nn.functional.cosine_similarity(x, v),
    "normalize": lambda t, x: t.nn.functional.normalize(x), "kl_div": lambda t, x: (
        t.nn.functional.kl_div(x.log_softmax(1), x.detach().softmax(1), reduction="batchmean")),
    "label smoothing": lambda t, x, i: t.nn.functional.cross_entropy(x, i, label_smoothing=0.1),
    "soft targets": lambda t, x: t.nn.functional.cross_entropy(x, x.detach().softmax(1)),
    "attention dropout": lambda t, im: t.nn.functional.scaled_dot_product_attention(
        im, im, im, dropout_p=0.2),
    "attention mask": lambda t, c, m: t.nn.functional.scaled_dot_product_attention(
        c[None], c[None], c[None], attn_mask=m[:, :3]),
}

SHAPES = {
    "view": lambda t, x: x.view(2, -1), "reshape": lambda t, x: x.reshape((4, 3)),
    "reshape copy": lambda t, x: x.t().reshape(-1), "flatten": lambda t, im: im.flatten(1),
    "unflatten": lambda t, x: x.unflatten(1, (2, 2)), "transpose": lambda t, c: c.transpose(0, 2),
    "t": lambda t, x: x.t(), "T": lambda t, x: x.T, "permute": lambda t, im: im.permute(0, 2, 3, 1),
    "movedim": lambda t, im: im.movedim(1, 3), "squeeze": lambda t, x: x[None].squeeze(),
    "squeeze dim": lambda t, x: x[None].squeeze(0), "unsqueeze": lambda t, x: x.unsqueeze(-1),
    "expand": lambda t, v: v.expand(3, -1), "narrow": lambda t, x: x.narrow(1, 1, 2),
    "chunk": lambda t, x: x.chunk(3, 1)[1], "split": lambda t, x: x.split(3, 1)[0],
    "split sizes": lambda t, x: x.split([1, 3], 1)[1], "unbind": lambda t, x: x.unbind(1)[2],
    "iterate": lambda t, x: sum(row.prod() for row in x), "select": lambda t, x: x.select(1, -1),
    "cat": lambda t, x, w: t.cat([x, w]), "stack": lambda t, x: t.stack([x, x * 2], 1),
    "repeat": lambda t, x: x.repeat(2, 1, 3), "flip": lambda t, x: x.flip(0, 1),
    "roll": lambda t, x: x.roll(2), "roll dims": lambda t, x: t.roll(x, (1, -1), (0, 1)),
    "pad": lambda t, x: t.nn.functional.pad(x, (1, 2, 0, 1), value=3.0),
    "contiguous": lambda t, x: x.t().contiguous(), "tril": lambda t, x: x.tril(-1),
    "triu": lambda t, x: t.triu(x, 1), "diagonal": lambda t, x: t.diagonal(x, 1),
}

INDEXING = {
    "int": lambda t, x: x[1], "negative": lambda t, x: x[-1, -2], "slice": lambda t, x: x[1:],
    "step": lambda t, x: x[::2, 1::2], "column": lambda t, x: x[:, 1:2],
    "none": lambda t, x: x[None],
    "dots": lambda t, im: im[..., 0], "all": lambda t, x: x[...], "colon": lambda t, x: x[:],
    "tensor": lambda t, x, i: x[i], "pair": lambda t, x, i: x[i, i],
    "list": lambda t, x: x[[0, 2]],
    "mixed": lambda t, im, i: im[:, i, 1:3], "apart": lambda t, im, i: im[i % 2, :, i],
    "int and tensor": lambda t, im, i: im[0, :, i], "mask": lambda t, x: x[x > 0],
    "row mask": lambda t, x: x[t.tensor([True, False, True])],
    "gather": lambda t, x, i: x.gather(1, i[:, None]), "index_select": lambda t, x, i: (
        x.index_select(1, i)),
    "scatter": lambda t, x, i: t.zeros(3, 5).scatter(
        1, i[:, None] * 0 + t.arange(4), x),
    "scatter_add": lambda t, x: x.scatter_add(0, t.zeros(3, 4, dtype=t.long), x),
    "masked_select": lambda t, x, m: x.masked_select(m), "take": lambda t, x: x.take(
        t.tensor([0, 5, 11])), "nonzero": lambda t, m: m.nonzero(),
}

LAYERS = {
    "gelu": lambda t, x: t.nn.functional.gelu(x),
    "gelu tanh": lambda t, x: t.nn.functional.gelu(x, approximate="tanh"),
    "silu": lambda t, x: t.nn.functional.silu(x),
    "leaky": lambda t, x: t.nn.functional.leaky_relu(x, 0.2),
    "elu": lambda t, x: t.nn.functional.elu(x), "softplus": lambda t, x: (
        t.nn.functional.softplus(x * 9)),
    "logsigmoid": lambda t, x: t.nn.functional.logsigmoid(x * 30),
    "hardtanh": lambda t, x: t.nn.functional.hardtanh(x), "relu6": lambda t, x: (
        t.nn.functional.relu6(x * 5)),
    "hardsigmoid": lambda t, x: t.nn.functional.hardsigmoid(x * 4),
    "hardswish": lambda t, x: t.nn.functional.hardswish(x * 4),
    "mish": lambda t, x: t.nn.functional.mish(x), "glu": lambda t, x: t.nn.functional.glu(x),
    "dropout": lambda t, x: t.nn.functional.dropout(x, 0.3),
    "dropout2d": lambda t, im: t.nn.functional.dropout2d(im, 0.3),
    "embedding": lambda t, w, i: t.nn.functional.embedding(i, w),
    "layer_norm": lambda t, c, v: t.nn.functional.layer_norm(c, (4,), v, v),
    "layer_norm 2": lambda t, c, x: t.nn.functional.layer_norm(c, (3, 4), x, x),
    "group_norm": lambda t, im, v: t.nn.functional.group_norm(im, 2, v, v),
    "batch_norm": lambda t, im, v: t.nn.functional.batch_norm(im, None, None, v, v, training=True),
    "batch_norm eval": lambda t, im, v: t.nn.functional.batch_norm(
        im, v.detach(), v.detach().abs() + 1, v, v),
    "conv2d": lambda t, im, k: t.nn.functional.conv2d(im, k, padding=1, stride=2),
    "conv2d same": lambda t, im, k: t.nn.functional.conv2d(im, k, padding="same"),
    "conv2d groups": lambda t, im, k: t.nn.functional.conv2d(
        im, k[:, :2], groups=2, dilation=2),
    "conv1d": lambda t, c, k: t.nn.functional.conv1d(c, k[:, :3, 0], padding=1),
    "max_pool2d": lambda t, im: t.nn.functional.max_pool2d(im, 3, 2, 1),
    "avg_pool2d": lambda t, im: t.nn.functional.avg_pool2d(im, 2),
    "avg_pool2d pad": lambda t, im: t.nn.functional.avg_pool2d(
        im, 3, 2, 1, ceil_mode=True, count_include_pad=False),
    "adaptive 1": lambda t, im: t.nn.functional.adaptive_avg_pool2d(im, 1),
    "attention": lambda t, im: t.nn.functional.scaled_dot_product_attention(im, im, im),
    "attention causal": lambda t, im: t.nn.functional.scaled_dot_product_attention(
        im, im, im, is_causal=True),
    "cross_entropy": lambda t, x, i: t.nn.functional.cross_entropy(x, i),
    "cross_entropy weight": lambda t, x, i, v: t.nn.functional.cross_entropy(
        x, i, v.detach().abs(), ignore_index=1),
    "cross_entropy 4": lambda t, im, big: t.nn.functional.cross_entropy(im, big),
    "nll none": lambda t, x, i: t.nn.functional.nll_loss(x, i, reduction="none"),
    "mse": lambda t, x, m: t.nn.functional.mse_loss(x, m.float()),
    "l1": lambda t, x, m: t.nn.functional.l1_loss(x, m.float(), reduction="sum"),
    "smooth_l1": lambda t, x, m: t.nn.functional.smooth_l1_loss(x, m.float(), beta=0.5),
    "huber": lambda t, x, m: t.nn.functional.huber_loss(x, m.float(), delta=0.7),
    "bce logits": lambda t, x, m, v: t.nn.functional.binary_cross_entropy_with_logits(
        x, m.float(), pos_weight=v.detach().abs()),
    "bce": lambda t, x, m: t.nn.functional.binary_cross_entropy(x.sigmoid(), m.float()),
}

NAMED = {"arithmetic": ARITHMETIC, "curves": CURVE_ROWS, "reductions": REDUCTIONS,
         "products": PRODUCTS, "shapes": SHAPES, "indexing": INDEXING, "layers": LAYERS}
NAMED = {f"{group}: {name}": fn for group, rows in NAMED.items() for name, fn in rows.items()}
ROWS = NAMED | {f"composed: {name}": fn for name, fn in UNNAMED.items()}


def arguments(fn) -> list[str]:
    return list(inspect.signature(fn).parameters)[1:]
