"""A hundred and fifty functions of JAX, written once: `f(jax, jnp, *args)` runs on both faces.

`PROGRAMS` maps a name to (function, the names of its arguments in `DATA`).
"""

from __future__ import annotations

import jax.ad_checkpoint  # noqa: F401  (`jax.ad_checkpoint` is a submodule)
import numpy as np

generator = np.random.RandomState(0)


def normal(*shape):
    return generator.randn(*shape).astype(np.float32)


DATA = {
    "x": normal(3, 4), "y": normal(3, 4), "v": normal(4), "w": normal(4, 5), "s": np.float32(0.5),
    "i": np.arange(4, dtype=np.int32), "b": np.array([True, False, True, True]),
    "m": normal(4, 4), "x3": normal(2, 3, 4), "image": normal(2, 3, 8, 8),
    "filters": normal(4, 3, 3, 3), "labels": np.array([0, 2, 1], np.int32),
    "z": (normal(4) + 1j * normal(4)).astype(np.complex64), "h": np.ones(4, np.float16),
    "key": np.array([0, 42], np.uint32), "positive": np.abs(normal(3, 4)) + 0.5,
}


def layer_norm(jnp, x, gain, shift):
    mean = x.mean(-1, keepdims=True)
    variance = ((x - mean) ** 2).mean(-1, keepdims=True)
    return (x - mean) / jnp.sqrt(variance + 1e-5) * gain + shift


def attention(jax, jnp, q, k, v):
    scores = q @ k.swapaxes(-1, -2) / q.shape[-1] ** 0.5  # (batch, time, time)
    mask = jnp.tril(jnp.ones(scores.shape[-2:], bool))
    scores = jnp.where(mask, scores, -1e9)
    return jax.nn.softmax(scores, axis=-1) @ v


def mlp(jax, jnp, x, w, m):
    hidden = jax.nn.relu(x @ m)
    return jnp.tanh(hidden @ w)


def cross_entropy(jax, jnp, logits, labels):
    logp = jax.nn.log_softmax(logits)
    return -jnp.mean(jnp.take_along_axis(logp, labels[:, None], axis=1))


def rnn(jax, jnp, xs, m):
    def step(h, x):
        h = jnp.tanh(h @ m + x)
        return h, h.sum()

    return jax.lax.scan(step, jnp.zeros(4), xs)


def newton(jax, jnp, s):
    def better(guess):
        return 0.5 * (guess + s / guess)

    return jax.lax.while_loop(lambda g: jnp.abs(g * g - s) > 1e-4, better, s)


def convolution(jax, jnp, image, filters):
    return jax.lax.conv_general_dilated(image, filters, (1, 1), "SAME")


def pooled(jax, jnp, image):
    return jax.lax.reduce_window(image, -jnp.inf, jax.lax.max, (1, 1, 2, 2), (1, 1, 2, 2),
                                 "VALID")


def adam(jax, jnp, x, y, s):
    first = 0.9 * x + 0.1 * y
    second = 0.999 * x ** 2 + 0.001 * y ** 2
    return x - s * (first / 0.1) / (jnp.sqrt(second / 0.001) + 1e-8)


def custom_rule(jax, jnp, x):
    @jax.custom_jvp
    def log1pexp(x):
        return jnp.log1p(jnp.exp(x))

    @log1pexp.defjvp
    def log1pexp_jvp(primals, tangents):
        (x,), (t,) = primals, tangents
        return log1pexp(x), t * jax.nn.sigmoid(x)

    return log1pexp(x)


def clipped_gradient(jax, jnp, x):
    @jax.custom_vjp
    def clipped(x):
        return x * 2

    clipped.defvjp(lambda x: (clipped(x), None), lambda _, g: (jnp.clip(g, -1, 1),))
    return clipped(x)


def reuse(jax, jnp, x):
    @jax.jit
    def double(x):
        return x * 2

    return double(double(x)) + double(x)


def fibonacci(jax, jnp, i):
    return jax.lax.fori_loop(0, 5, lambda k, ab: (ab[1], ab[0] + ab[1]), (i, i + 1))


def gumbel_softmax(jax, jnp, key, x):
    noise = -jnp.log(-jnp.log(jax.random.uniform(key, x.shape)))
    return jax.nn.softmax(x + noise)


def dropout(jax, jnp, key, x):
    kept = jax.random.bernoulli(key, 0.9, x.shape)
    return jnp.where(kept, x / 0.9, 0)


PROGRAMS = {
    # arithmetic, promotion, weak types
    "add broadcast": (lambda jax, jnp, x, v: x + v, "x v"),
    "scalar chain": (lambda jax, jnp, x: (2 * x + 1) / 3 - 0.5, "x"),
    "integers": (lambda jax, jnp, i: i * 2 + i // 3 - i % 2, "i"),
    "int and float": (lambda jax, jnp, i, v: i * v, "i v"),
    "int times float scalar": (lambda jax, jnp, i: i * 2.5, "i"),
    "true division": (lambda jax, jnp, i: i / 2, "i"),
    "half": (lambda jax, jnp, h: h * 3.0 + 1, "h"),
    "half and float": (lambda jax, jnp, h, v: h * v, "h v"),
    "bool arithmetic": (lambda jax, jnp, b, v: b * v + b, "b v"),
    "powers": (lambda jax, jnp, x: x ** 2 + x ** 3 + 2.0 ** x, "x"),
    "float power": (lambda jax, jnp, positive: positive ** 1.5, "positive"),
    "square root": (lambda jax, jnp, positive: jnp.sqrt(positive) * positive ** 0.5, "positive"),
    "comparison": (lambda jax, jnp, x, y: (x > y) & ~(x == 1) | (y <= 0), "x y"),
    "exponentials": (lambda jax, jnp, x: jnp.exp(x) + jnp.expm1(x) + jnp.exp2(x), "x"),
    "logarithms": (lambda jax, jnp, positive: jnp.log(positive) * jnp.log1p(positive)
                   + jnp.log2(positive) + jnp.log10(positive), "positive"),
    "trigonometry": (lambda jax, jnp, x: jnp.sin(x) * jnp.cos(x) + jnp.arctan2(x, 2.0), "x"),
    "hyperbolic": (lambda jax, jnp, x: jnp.sinh(x) - jnp.arcsinh(jnp.cosh(x)), "x"),
    "floor divide": (lambda jax, jnp, x, y: x // y, "x y"),
    "remainder": (lambda jax, jnp, x, y: x % y, "x y"),
    "divmod": (lambda jax, jnp, i: divmod(i, 3), "i"),
    "maximum": (lambda jax, jnp, x, y: jnp.maximum(x, y) - jnp.minimum(x, 0), "x y"),
    "clip": (lambda jax, jnp, x: jnp.clip(x, -1, 1), "x"),
    "rounding": (lambda jax, jnp, x: jnp.round(x, 2) + jnp.floor(x) + jnp.trunc(x), "x"),
    "logaddexp": (lambda jax, jnp, x, y: jnp.logaddexp(x, y), "x y"),
    "hypot": (lambda jax, jnp, x, y: jnp.hypot(x, y), "x y"),
    "not finite": (lambda jax, jnp, x: jnp.isnan(x) | jnp.isinf(x) | ~jnp.isfinite(x), "x"),
    "nan_to_num": (lambda jax, jnp, x: jnp.nan_to_num(x), "x"),
    "sinc": (lambda jax, jnp, x: jnp.sinc(x), "x"),
    "complex": (lambda jax, jnp, z: jnp.real(z) * jnp.abs(z) + jnp.imag(jnp.conj(z)), "z"),
    "angle": (lambda jax, jnp, z: jnp.angle(z), "z"),
    "bits": (lambda jax, jnp, i: (i << 1) ^ (i & 3) | (i >> 1), "i"),
    "gcd": (lambda jax, jnp, i: jnp.gcd(i, 6), "i"),
    "astype": (lambda jax, jnp, x: x.astype(jnp.int32).astype(bool), "x"),
    "isclose": (lambda jax, jnp, x, y: jnp.isclose(x, y), "x y"),
    # reductions
    "sum and mean": (lambda jax, jnp, x: x.sum() + x.mean(0).max(), "x"),
    "variance": (lambda jax, jnp, x: jnp.var(x, axis=1), "x"),
    "standard deviation": (lambda jax, jnp, x: jnp.std(x, 0, ddof=1), "x"),
    "masked sum": (lambda jax, jnp, x: jnp.sum(x, where=x > 0), "x"),
    "all and any": (lambda jax, jnp, x: jnp.all(x > 0) | jnp.any(x < 0, axis=0), "x"),
    "argmax": (lambda jax, jnp, x: (jnp.argmax(x), jnp.argmin(x, axis=1)), "x"),
    "running": (lambda jax, jnp, x: jnp.cumsum(x, axis=1) * jnp.cumprod(x, axis=0), "x"),
    "product": (lambda jax, jnp, x: jnp.prod(x, axis=1, keepdims=True), "x"),
    "nanmean": (lambda jax, jnp, x: jnp.nanmean(x), "x"),
    "count": (lambda jax, jnp, x: jnp.count_nonzero(x > 0), "x"),
    "average": (lambda jax, jnp, v: jnp.average(v, weights=v * v), "v"),
    "logsumexp": (lambda jax, jnp, x: jax.nn.logsumexp(x, axis=1), "x"),
    # shapes
    "reshape": (lambda jax, jnp, x: x.reshape(2, -1).ravel().reshape((4, 3)), "x"),
    "transpose": (lambda jax, jnp, x3: x3.transpose(2, 0, 1).swapaxes(0, 1), "x3"),
    "moveaxis": (lambda jax, jnp, x3: jnp.moveaxis(x3, 0, -1)[..., None].squeeze(-1), "x3"),
    "concatenate": (lambda jax, jnp, x, y: jnp.concatenate([x, y], axis=1), "x y"),
    "stack": (lambda jax, jnp, x, y: jnp.stack([x, y], axis=-1), "x y"),
    "vstack": (lambda jax, jnp, v: jnp.vstack([v, v * 2]), "v"),
    "split": (lambda jax, jnp, x: jnp.split(x, 2, axis=1), "x"),
    "tile": (lambda jax, jnp, x: jnp.tile(x, (2, 3)), "x"),
    "repeat": (lambda jax, jnp, x: jnp.repeat(x, 3, axis=1), "x"),
    "flip and roll": (lambda jax, jnp, x: jnp.flip(x, 0) + jnp.roll(x, 1, axis=1), "x"),
    "pad": (lambda jax, jnp, x: jnp.pad(x, ((1, 2), (0, 1))), "x"),
    "triangles": (lambda jax, jnp, m: jnp.tril(m) + jnp.triu(m, 1), "m"),
    "diagonal": (lambda jax, jnp, m: jnp.diag(jnp.diagonal(m)) * jnp.trace(m), "m"),
    "eye": (lambda jax, jnp, m: m + jnp.eye(4) + jnp.ones((4, 4)) * jnp.arange(4.0), "m"),
    "linspace": (lambda jax, jnp, s: jnp.linspace(0.0, s, 5), "s"),
    "meshgrid": (lambda jax, jnp, v: jnp.meshgrid(v, v), "v"),
    "difference": (lambda jax, jnp, v: jnp.diff(v), "v"),
    # indexing
    "basic index": (lambda jax, jnp, x: x[0] + x[-1, ::2].sum() + x[1:, 1][0], "x"),
    "reversed": (lambda jax, jnp, x: x[::-1, None], "x"),
    "gather rows": (lambda jax, jnp, x, i: x[:, i], "x i"),
    "two index arrays": (lambda jax, jnp, m, i: m[i, i[::-1]], "m i"),
    "computed index": (lambda jax, jnp, m, i: m[i[1]] + m[i[0], 1], "m i"),
    "take": (lambda jax, jnp, m, i: jnp.take(m, i, axis=0), "m i"),
    "set": (lambda jax, jnp, x: x.at[0].set(1.0).at[:, 1].add(2.0), "x"),
    "scatter add": (lambda jax, jnp, m, i: m.at[i].add(1.0), "m i"),
    "scatter computed": (lambda jax, jnp, m, i, v: m.at[i[2]].set(v), "m i v"),
    "where": (lambda jax, jnp, x, y: jnp.where(x > 0, x, y), "x y"),
    "sort": (lambda jax, jnp, x: (jnp.sort(x), jnp.argsort(x, axis=0)), "x"),
    "top_k": (lambda jax, jnp, x: jax.lax.top_k(x, 2), "x"),
    "dynamic slice": (lambda jax, jnp, x: jax.lax.dynamic_slice(x, (1, 0), (2, 2)), "x"),
    # products
    "matmul": (lambda jax, jnp, x, w: x @ w, "x w"),
    "batched matmul": (lambda jax, jnp, x3, w: x3 @ w, "x3 w"),
    "einsum": (lambda jax, jnp, x3, w: jnp.einsum("bij,jk->bik", x3, w), "x3 w"),
    "einsum three": (lambda jax, jnp, x, v, w: jnp.einsum("ij,j,jk->ik", x, v, w), "x v w"),
    "outer": (lambda jax, jnp, v: jnp.outer(v, v) + jnp.vdot(v, v), "v"),
    "tensordot": (lambda jax, jnp, x, y: jnp.tensordot(x, y, 2), "x y"),
    "convolution": (convolution, "image filters"),
    "pooling": (pooled, "image"),
    # nn
    "mlp": (mlp, "x w m"),
    "layer norm": (lambda jax, jnp, x, v: layer_norm(jnp, x, v, v), "x v"),
    "attention": (lambda jax, jnp, x3: attention(jax, jnp, x3, x3, x3), "x3"),
    "cross entropy": (cross_entropy, "x labels"),
    "gelu": (lambda jax, jnp, x: jax.nn.gelu(x) + jax.nn.silu(x), "x"),
    "softplus": (lambda jax, jnp, x: jax.nn.softplus(x) + jax.nn.elu(x), "x"),
    "one hot": (lambda jax, jnp, labels: jax.nn.one_hot(labels, 4), "labels"),
    "adam": (adam, "x y s"),
    # control flow, calls, transforms
    "rnn": (rnn, "x m"),
    "newton": (newton, "s"),
    "cond": (lambda jax, jnp, s, x: jax.lax.cond(s > 0, jnp.sin, jnp.cos, x), "s x"),
    "fori": (fibonacci, "i"),
    "jit": (reuse, "x"),
    **{f"checkpoint that saves {name}": (lambda jax, jnp, x, policy=policy: jax.checkpoint(
        lambda y: jnp.cos(jax.ad_checkpoint.checkpoint_name(jnp.sin(y @ y.T), "a") @ y),
        policy=policy(jax.checkpoint_policies))(x), "m") for name, policy in {
            "everything": lambda p: p.everything_saveable,
            "nothing": lambda p: p.nothing_saveable,
            "products": lambda p: p.dots_saveable,
            "products without batches": lambda p: p.dots_with_no_batch_dims_saveable,
            "a name": lambda p: p.save_only_these_names("a"),
            "other names": lambda p: p.save_any_names_but_these("a"),
            "all but a name": lambda p: p.save_anything_except_these_names("a"),
        }.items()},
    "checkpoint": (lambda jax, jnp, x: jax.checkpoint(lambda y: jnp.sin(jnp.sin(y)))(x), "x"),
    "custom_jvp": (custom_rule, "x"),
    "custom_vjp": (clipped_gradient, "x"),
    "vmap": (lambda jax, jnp, x3, w: jax.vmap(lambda a: a @ w)(x3), "x3 w"),
    "jvp": (lambda jax, jnp, x: jax.jvp(lambda a: jnp.sin(a) * a, (x,), (x,)), "x"),
    "dropout": (dropout, "key x"),
    # fifty more: what programs of strangers are made of
    "polynomial": (lambda jax, jnp, x: 3 * x ** 3 - 2 * x ** 2 + x - 7, "x"),
    "reciprocal": (lambda jax, jnp, positive: 1 / positive + jnp.reciprocal(positive), "positive"),
    "sigmoid by hand": (lambda jax, jnp, x: 1 / (1 + jnp.exp(-x)), "x"),
    "tangent": (lambda jax, jnp, x: jnp.tan(x) + jnp.arctan(x), "x"),
    "inverse sines": (lambda jax, jnp, x: jnp.arcsin(jnp.tanh(x)) + jnp.arccos(jnp.tanh(x)), "x"),
    "error function": (lambda jax, jnp, x: jax.scipy.special.erf(x) * jax.lax.erfc(x), "x"),
    "absolute and sign": (lambda jax, jnp, x: jnp.abs(x) * jnp.sign(x), "x"),
    "square and cube": (lambda jax, jnp, x: jnp.square(x) + jnp.cbrt(x), "x"),
    "power of arrays": (lambda jax, jnp, positive, y: positive ** y, "positive y"),
    "negative power": (lambda jax, jnp, positive: positive ** -2 + positive ** -0.5, "positive"),
    "stop gradient": (lambda jax, jnp, x: x * jax.lax.stop_gradient(jnp.sin(x)), "x"),
    "min and max": (lambda jax, jnp, x: x.max(axis=1) - x.min(axis=1), "x"),
    "norm": (lambda jax, jnp, x: jnp.sqrt(jnp.sum(x * x, axis=-1, keepdims=True)), "x"),
    "normalise": (lambda jax, jnp, x: x / jnp.sum(x, axis=0, keepdims=True), "x"),
    "mean squared error": (lambda jax, jnp, x, y: jnp.mean((x - y) ** 2), "x y"),
    "huber": (lambda jax, jnp, x: jnp.where(jnp.abs(x) < 1, 0.5 * x ** 2, jnp.abs(x) - 0.5), "x"),
    "binary cross entropy": (lambda jax, jnp, x, y: jnp.mean(
        jax.nn.softplus(x) - x * (y > 0)), "x y"),
    "softmax by hand": (lambda jax, jnp, x: jnp.exp(x - x.max(1, keepdims=True)) / jnp.exp(
        x - x.max(1, keepdims=True)).sum(1, keepdims=True), "x"),
    "log softmax": (lambda jax, jnp, x: jax.nn.log_softmax(x, axis=0), "x"),
    "relu": (lambda jax, jnp, x: jax.nn.relu(x) + jax.nn.leaky_relu(x), "x"),
    "swish": (lambda jax, jnp, x: x * jax.nn.sigmoid(x), "x"),
    "bias": (lambda jax, jnp, x, w, v: x @ w + jnp.sum(v), "x w v"),
    "quadratic form": (lambda jax, jnp, v, m: v @ m @ v, "v m"),
    "gram": (lambda jax, jnp, x: x.T @ x, "x"),
    "linear layers": (lambda jax, jnp, x, m, w: jnp.tanh(jnp.tanh(x @ m) @ m) @ w, "x m w"),
    "bilinear": (lambda jax, jnp, x, m, y: jnp.einsum("bi,ij,bj->b", x, m, y), "x m y"),
    "einsum trace": (lambda jax, jnp, m: jnp.einsum("ii->", m), "m"),
    "einsum transpose": (lambda jax, jnp, x3: jnp.einsum("bij->jbi", x3), "x3"),
    "heads": (lambda jax, jnp, x3: x3.reshape(2, 3, 2, 2).transpose(0, 2, 1, 3), "x3"),
    "expand and squeeze": (lambda jax, jnp, v: jnp.expand_dims(v, (0, 2)).squeeze(), "v"),
    "broadcast": (lambda jax, jnp, v: jnp.broadcast_to(v, (3, 4)) * 2, "v"),
    "slices": (lambda jax, jnp, x: x[:, 1:] - x[:, :-1], "x"),
    "strided": (lambda jax, jnp, x: x[::2, ::-1], "x"),
    "last row": (lambda jax, jnp, x: x[-1], "x"),
    "boolean choice": (lambda jax, jnp, x, b: jnp.where(b, x, 0.0), "x b"),
    "embedding": (lambda jax, jnp, w, labels: w[labels] * 2, "w labels"),
    "segment": (lambda jax, jnp, x, labels: jnp.zeros((3, 4)).at[labels].add(x), "x labels"),
    "dynamic update": (lambda jax, jnp, x, y: jax.lax.dynamic_update_slice(
        x, y[:2, :2], (1, 1)), "x y"),
    "index in dim": (lambda jax, jnp, x: jax.lax.dynamic_index_in_dim(x, 1, 0), "x"),
    "select": (lambda jax, jnp, x, y: jax.lax.select(x > y, x, y), "x y"),
    "clamp": (lambda jax, jnp, x: jax.lax.clamp(-1.0, x, 1.0), "x"),
    "cumulative sum": (lambda jax, jnp, x: jnp.cumsum(x, axis=0), "x"),
    "moving average": (lambda jax, jnp, v: jnp.convolve(v, jnp.ones(2) / 2, mode="same"), "v"),
    "batch norm": (lambda jax, jnp, x, v: (x - x.mean(0)) / jnp.sqrt(x.var(0) + 1e-5) * v, "x v"),
    "rms norm": (lambda jax, jnp, x, v: x * jax.lax.rsqrt(
        jnp.mean(x ** 2, -1, keepdims=True) + 1e-6) * v, "x v"),
    "scan sum": (lambda jax, jnp, x: jax.lax.scan(
        lambda c, r: (c + jnp.sin(r), c), jnp.zeros(4), x), "x"),
    "scan of two": (lambda jax, jnp, x, v: jax.lax.scan(
        lambda c, r: ((c[0] * r, c[1] + v), r * 2), (jnp.ones(4), jnp.zeros(4)), x), "x v"),
    "cond of arrays": (lambda jax, jnp, x: jax.lax.cond(
        x.sum() > 0, lambda a: a * 2, lambda a: jnp.sin(a), x), "x"),
    "inner grad": (lambda jax, jnp, v: jax.grad(lambda a: jnp.sum(jnp.sin(a) * a))(v) * v, "v"),
    "vmap of grad": (lambda jax, jnp, v: jax.vmap(jax.grad(lambda a: jnp.sin(a) * a))(v), "v"),
}

# Functions of one array whose gradient is traced too.
GRADIENTS = [name for name, (_, args) in PROGRAMS.items()
             if args.split()[0] in ("x", "v", "x3", "m", "positive", "image", "s", "w")]
