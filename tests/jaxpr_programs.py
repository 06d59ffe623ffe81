"""Programs for `test_jaxpr_text`: name -> (function, *arguments). They are traced by real JAX."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.ad_checkpoint import checkpoint_name

X = jnp.arange(3, dtype=jnp.float32) + 1
M = jnp.ones((3, 4), jnp.float32)
SQUARE = jnp.eye(3, dtype=jnp.float32) * 2
IDS = jnp.array([0, 2, 1])
IMAGE = jnp.ones((2, 3, 8, 8), jnp.float32)
FILTERS = jnp.ones((4, 3, 3, 3), jnp.float32)
KEY = jax.random.key(0)
COMPLEX = jnp.ones(4, jnp.complex64)


@jax.custom_jvp
def log1pexp(x):
    return jnp.log1p(jnp.exp(x))


@log1pexp.defjvp
def log1pexp_jvp(primals, tangents):
    (x,), (t,) = primals, tangents
    return log1pexp(x), t * jax.nn.sigmoid(x)


@jax.custom_vjp
def clipped(x, y):
    return jnp.sin(x) * y


def clipped_fwd(x, y):
    return clipped(x, y), (x, y)


def clipped_bwd(saved, g):
    x, y = saved
    return jnp.clip(g * jnp.cos(x) * y, -1, 1), g * jnp.sin(x)


clipped.defvjp(clipped_fwd, clipped_bwd)


@jax.jit
def double(x):
    return x * 2


@jax.jit
def long_chain(x):
    for _ in range(6):
        x = jnp.sin(x) + 1
    return x


@jax.jit
def quadruple(x):
    return double(double(x))


@jax.jit
def unused_inside(x):
    jnp.exp(x)
    return jnp.cos(x)


def nested_shared(x):
    return quadruple(x) + quadruple(x) + double(x)


def two_of_one_name(x):
    def named(scale):
        @jax.jit
        def inner(y):
            return y * scale
        return inner

    first, second = named(2), named(3)
    return first(first(x)) + second(second(x))


def named_like_variables(x):
    @jax.jit
    def b(y):
        return jnp.sin(y)

    return b(b(x)) * x


def swap_arguments(x, y):
    @jax.jit
    def swap(p, q):
        return q, p

    return swap(x, y), swap(x, x)


def called_twice(fn, _):
    return jax.jit(lambda x: fn(fn(x)))


def renamed(fn, name):
    def call(x):
        return fn(x)

    call.__name__ = name
    return jax.jit(call)


def running_sum(x):
    return lax.scan(lambda c, a: (c + a, c * a), 0.0, x)


def rnn(w, xs):
    def step(h, x):
        h = jnp.tanh(w @ h + x)
        return h, jnp.sum(h)

    return lax.scan(step, jnp.zeros(3), xs, reverse=True, unroll=2)


def newton(x):
    return lax.while_loop(lambda c: jnp.abs(c[0] ** 2 - x) > 1e-6,
                          lambda c: (c[0] - (c[0] ** 2 - x) / (2 * c[0]), c[1] + 1), (x, 0))


def branch(x):
    return lax.cond(x.sum() > 0, jnp.sin, jnp.cos, x)


def branches(i, x):
    return lax.switch(i, [jnp.sin, lambda y: y * 2, lambda y: -y + X], x)


def loop(x):
    return lax.fori_loop(0, 5, lambda i, a: a * i, x)


def open_loop(n, x):
    return lax.fori_loop(0, n, lambda i, a: a + jnp.sin(a), x)


def mlp(params, x):
    for w, b in params[:-1]:
        x = jax.nn.relu(x @ w + b)
    w, b = params[-1]
    return jax.nn.log_softmax(x @ w + b)


LAYERS = [(jnp.ones((4, 5)), jnp.ones(5)), (jnp.ones((5, 6)), jnp.ones(6)),
          (jnp.ones((6, 2)), jnp.ones(2))]


def loss(params, x):
    return -jnp.mean(mlp(params, x)[:, 0])


def attention(q, k, v):
    weights = jax.nn.softmax(q @ k.T / jnp.sqrt(q.shape[-1]), axis=-1)
    return weights @ v


def layer_norm(x, g, b):
    mean, var = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    return (x - mean) * lax.rsqrt(var + 1e-5) * g + b


def conv(x, w, **kwargs):
    numbers = ("NCHW", "OIHW", "NCHW")
    return lax.conv_general_dilated(x, w, (1, 1), "SAME", dimension_numbers=numbers, **kwargs)


def max_pool(x):
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")


def total(fn):
    return lambda *args: jnp.sum(fn(*args))


checkpointed = jax.checkpoint(lambda x: jnp.sin(jnp.cos(x)))
with_policy = jax.checkpoint(lambda x: jnp.sin(x @ x),
                             policy=jax.checkpoint_policies.dots_with_no_batch_dims_saveable)
keep_all = jax.checkpoint(jnp.sin, policy=jax.checkpoint_policies.everything_saveable)

CASES: dict[str, tuple] = {
    # elementwise
    "identity": (lambda x: x, X),
    "nothing": (lambda: (), ),
    "constant": (lambda: 1.0, ),
    "literal output": (lambda x: (1.0, True, 2), X),
    "same twice": (lambda x: (x, x), X),
    "sin": (jnp.sin, X),
    "arithmetic": (lambda x: x * 2 + x / 3 - x**2, X),
    "power": (lambda x, y: (x**y, x**3, x**-1, x**0.5), X, X),
    "literals": (lambda x: x * 2.1 + 1e-20 + 1e30, X),
    "infinities": (lambda x: (x + jnp.inf, x - jnp.inf, x * jnp.nan), X),
    "integers": (lambda i: i * 3 // 2 % 5, IDS),
    "bits": (lambda i: (i & 3) | (i << 1) ^ ~i, IDS),
    "booleans": (lambda x: (x > 0) & (x < 2) | ~(x == 1), X),
    "weak": (lambda x: x + 1, 2.0),
    "complex": (lambda z: (z * 2j, z.real, z.imag, jnp.conj(z), jnp.abs(z)), COMPLEX),
    "casts": (lambda x: (x.astype(jnp.bfloat16), x.astype(int), x.astype(bool)), X),
    "bfloat16": (lambda x: x * 2 + 0.1, jnp.ones(3, jnp.bfloat16)),
    "float16": (lambda x: jnp.exp(x), jnp.ones(3, jnp.float16)),
    "small integers": (lambda x: x + 1, jnp.ones(3, jnp.uint8)),
    "accuracy": (lambda x: (jnp.exp(x), jnp.log(x), jnp.tan(x), jnp.cbrt(x), lax.rsqrt(x)), X),
    "hyperbolic": (lambda x: (jnp.sinh(x), jnp.arccosh(x), jnp.arctan2(x, x)), X),
    "special": (lambda x: (jax.scipy.special.gammaln(x), lax.erf(x), lax.digamma(x)), X),
    "round": (lambda x: (jnp.round(x), jnp.floor(x), jnp.sign(x), jnp.trunc(x)), X),
    "clip": (lambda x: jnp.clip(x, 0, 1), X),
    "where": (lambda x: jnp.where(x > 0, x, 0.0), X),
    "maximum": (lambda x, y: jnp.maximum(x, y), M, 1.0),
    "broadcast": (lambda x, y: x[:, None] * y[None], X, X),
    "unused": (lambda x: (jnp.sin(x), jnp.cos(x))[0], X),
    "unused argument": (lambda x, y: x, X, M),
    "stop gradient": (lambda x: lax.stop_gradient(x) * x, X),
    "nan_to_num": (jnp.nan_to_num, X),
    "no accuracy": (lambda x: lax.exp(x, accuracy=lax.AccuracyMode.HIGHEST), X),
    # shapes
    "reshape": (lambda x: x.reshape(2, 6).T.ravel(), M),
    "concatenate": (lambda x, y: jnp.concatenate([x, y, x]), X, X),
    "stack": (lambda x: jnp.stack([x, x], 1), X),
    "pad": (lambda x: jnp.pad(x, ((1, 2), (0, 0)), constant_values=3), M),
    "tile": (lambda x: jnp.tile(x, (2, 1)), M),
    "roll": (lambda x: jnp.roll(x, 1, axis=0), M),
    "flip": (lambda x: x[::-1], X),
    "squeeze": (lambda x: jnp.expand_dims(x, (0, 2)).squeeze(), X),
    "split": (lambda x: jnp.split(x, 2, axis=1), M),
    "arange": (lambda x: x + jnp.arange(3), X),
    "eye": (lambda x: x @ jnp.eye(3), SQUARE),
    "tri": (lambda x: (jnp.tril(x), jnp.triu(x, 1)), SQUARE),
    "diag": (jnp.diag, X),
    "meshgrid": (lambda x: jnp.meshgrid(x, x), X),
    "empty": (lambda x: x.sum(), jnp.ones((0, 3))),
    "linspace": (lambda x: jnp.linspace(0, x, 5), 2.0),
    # reductions and contractions
    "sum": (lambda x: (x.sum(), x.sum(0), x.prod(), x.max(1)), M),
    "mean": (lambda x: (x.mean(0, keepdims=True), jnp.var(x), jnp.std(x, 1)), M),
    "any": (lambda x: (jnp.any(x > 0), jnp.all(x > 0)), M),
    "argmax": (lambda x: (jnp.argmax(x, 0), x.argmin()), M),
    "cumulative": (lambda x: (jnp.cumsum(x), jnp.cumprod(x, 0), lax.cummax(x)), M),
    "logsumexp": (jax.nn.logsumexp, M),
    "softmax": (lambda x: jax.nn.softmax(x, -1), M),
    "norm": (lambda x: jnp.linalg.norm(x), M),
    "matmul": (lambda x, y: x @ y, M, M.T),
    "dot precision": (lambda x: jnp.dot(x, x, precision="highest"), SQUARE),
    "dot preferred": (lambda x: lax.dot(x, x, preferred_element_type=jnp.float32), X),
    "einsum": (lambda x, y: jnp.einsum("ij,kj->ik", x, y), M, M),
    "batched": (lambda x, y: jnp.einsum("bij,bjk->bik", x, y), jnp.ones((2, 3, 4)),
                jnp.ones((2, 4, 5))),
    "tensordot": (lambda x: jnp.tensordot(x, x, 2), M),
    "outer": (jnp.outer, X, X),
    "cov": (jnp.cov, M),
    # windows
    "conv": (conv, IMAGE, FILTERS),
    "conv groups": (functools.partial(conv, feature_group_count=2), jnp.ones((2, 6, 8, 8)),
                    jnp.ones((4, 3, 3, 3))),
    "conv gradient": (jax.grad(total(conv), (0, 1)), IMAGE, FILTERS),
    "max_pool": (max_pool, IMAGE),
    "max_pool gradient": (jax.grad(total(max_pool)), IMAGE),
    "convolve": (lambda x: jnp.convolve(x, x), X),
    # indexing and order
    "index": (lambda x: (x[0], x[-1], x[1:3]), X),
    "traced index": (lambda x, i: x[i], X, 1),
    "gather": (lambda x, i: x[i], M, IDS),
    "gather both": (lambda x, i: x[i, i], M, IDS),
    "take": (lambda x, i: jnp.take(x, i, axis=1), M, IDS),
    "take_along_axis": (lambda x, i: jnp.take_along_axis(x, i, 0), X, IDS),
    "gather clip": (lambda x, i: x.at[i].get(mode="clip"), X, IDS),
    "gather fill": (lambda x, i: x.at[i].get(mode="fill", fill_value=7), X, IDS),
    "set": (lambda x, i: x.at[i].set(2.0), X, IDS),
    "add at": (lambda x, i: x.at[i].add(x), X, IDS),
    "scatters": (lambda x, i: (x.at[i].mul(2), x.at[i].max(1), x.at[i].min(0)), X, IDS),
    "drop": (lambda x, i: x.at[i, 0].set(0, mode="drop"), M, IDS),
    "gather gradient": (jax.grad(lambda x, i: x[i].sum()), M, IDS),
    "dynamic_slice": (lambda x, i: lax.dynamic_slice(x, (i, 0), (2, 2)), M, 1),
    "dynamic_update": (lambda x, i: lax.dynamic_update_slice(x, x[:1], (i, 0)), M, 1),
    "one_hot": (lambda i: jax.nn.one_hot(i, 4), IDS),
    "sort": (jnp.sort, M),
    "argsort": (jnp.argsort, M),
    "top_k": (lambda x: lax.top_k(x, 2), M),
    "top_k values": (lambda x: lax.top_k(x, 2)[0], M),
    "searchsorted": (jnp.searchsorted, X, 2.0),
    "median": (jnp.median, X),
    "segment_sum": (lambda x, i: jax.ops.segment_sum(x, i, 3), X, IDS),
    "sort gradient": (jax.grad(lambda x: jnp.sort(x)[0]), X),
    # calls
    "jit": (double, X),
    "jit lambda": (jax.jit(lambda x: x + 1), X),
    "jit twice": (lambda x: double(x) + double(x), X),
    "jit of jit": (quadruple, X),
    "shared in shared": (nested_shared, X),
    "long": (long_chain, X),
    "long twice": (lambda x: long_chain(x) * long_chain(x), X),
    "jit of two shapes": (lambda x, y: (double(x), double(y)), X, M),
    "two of one name": (two_of_one_name, X),
    "named like variables": (named_like_variables, X),
    "swap": (swap_arguments, X, X),
    "unused in jit": (lambda x: unused_inside(x), X),
    "unused result of jit": (lambda x: (double(x), x)[1], X),
    "Greek": (lambda x: [renamed(jnp.sin, "σ" * n)(x) for n in range(15, 30)], X),
    "tower": (functools.reduce(called_twice, range(8), jnp.sin), X),
    "donated": (jax.jit(lambda x: x + 1, donate_argnums=0), X),
    "keep_unused": (jax.jit(lambda x, y: x + 1, keep_unused=True), X, X),
    "inlined": (jax.jit(lambda x: x + 1, inline=True), X),
    "literal argument": (lambda x: double(1.0) + x, X),
    "relu": (jax.nn.relu, X),
    "activations": (lambda x: (jax.nn.silu(x), jax.nn.softplus(x), jax.nn.elu(x)), X),
    "gelu": (jax.nn.gelu, X),
    "gelu exact": (lambda x: jax.nn.gelu(x, approximate=False), X),
    "relu6": (lambda x: jax.nn.relu6(jax.nn.leaky_relu(x)), X),
    "log_softmax": (jax.nn.log_softmax, M),
    "custom_jvp": (log1pexp, X),
    "custom_jvp twice": (lambda x: log1pexp(x) + log1pexp(x), X),
    "custom_jvp gradient": (jax.grad(log1pexp), 1.0),
    "custom_jvp batched": (jax.vmap(log1pexp), X),
    "custom_vjp": (clipped, X, X),
    "custom_vjp gradient": (jax.grad(clipped, (0, 1)), 1.0, 2.0),
    "custom_vjp batched": (jax.vmap(clipped, (0, None)), X, 2.0),
    "custom_vjp in scan": (lambda x: lax.scan(lambda c, a: (clipped(c, a), a), 0.0, x), X),
    "linearized": (lambda x: jax.linearize(clipped, x, x)[1](x, x), 1.0),
    "checkpoint": (checkpointed, X),
    "checkpoint gradient": (jax.grad(total(checkpointed)), X),
    "policy": (with_policy, SQUARE),
    "policy gradient": (jax.grad(total(with_policy)), SQUARE),
    "policy function": (keep_all, X),
    "linear solve": (jnp.linalg.solve, SQUARE, X),
    "cholesky": (jnp.linalg.cholesky, SQUARE),
    "inverse": (jnp.linalg.inv, SQUARE),
    "eigh": (jnp.linalg.eigh, SQUARE),
    "svd": (lambda x: jnp.linalg.svd(x, full_matrices=False), M),
    "det": (jnp.linalg.det, SQUARE),
    "qr": (jnp.linalg.qr, M),
    "fft": (jnp.fft.fft, COMPLEX),
    "checkpoint name": (lambda x: checkpoint_name(jnp.sin(x), "kept"), X),
    # control flow
    "scan": (running_sum, X),
    "rnn": (rnn, SQUARE, SQUARE),
    "scan gradient": (jax.grad(lambda x: running_sum(x)[0]), X),
    "rnn gradient": (jax.grad(lambda w, x: rnn(w, x)[1].sum(), (0, 1)), SQUARE, SQUARE),
    "scan batched": (jax.vmap(running_sum), M),
    "map": (lambda x: lax.map(jnp.sin, x), X),
    "while": (newton, 2.0),
    "while batched": (jax.vmap(newton), X),
    "while jvp": (lambda x: jax.jvp(lambda x: newton(x)[0], (x,), (1.0,)), 2.0),
    "cond": (branch, X),
    "cond gradient": (jax.grad(total(branch)), X),
    "cond batched": (jax.vmap(branch), M),
    "switch": (branches, 1, X),
    "switch gradient": (jax.grad(total(branches), 1), 1, X),
    "fori": (loop, X),
    "fori open": (open_loop, 4, X),
    "fori gradient": (jax.grad(total(loop)), X),
    "associative_scan": (lambda x: lax.associative_scan(jnp.add, x), X),
    "cond in scan": (lambda x: lax.scan(lambda c, a: (c + branch(a), a), X, x), SQUARE),
    # transforms
    "vmap": (jax.vmap(lambda x: x @ x), M),
    "vmap of vmap": (jax.vmap(jax.vmap(jnp.sin)), M),
    "grad": (jax.grad(lambda x: (jnp.sin(x) * x).sum()), X),
    "value_and_grad": (jax.value_and_grad(lambda x: jnp.log(x).mean()), X),
    "grad of grad": (jax.grad(jax.grad(jnp.tanh)), 1.0),
    "hessian": (jax.hessian(lambda x: (x**3).sum()), X),
    "jacobian": (jax.jacrev(jnp.cumsum), X),
    "jvp": (lambda x: jax.jvp(jnp.tanh, (x,), (x,)), X),
    "grad of jit": (jax.grad(total(long_chain)), X),
    "jit of grad": (jax.jit(jax.grad(lambda x: double(x).sum())), X),
    "grad of where": (jax.grad(lambda x: jnp.where(x > 0, x, 0).sum()), X),
    "grad of var": (jax.grad(jnp.var), X),
    "grad of relu": (jax.grad(total(jax.nn.relu)), X),
    "grad of gelu": (jax.grad(total(jax.nn.gelu)), X),
    "grad of softmax": (jax.grad(lambda x: jax.nn.softmax(x)[0]), X),
    "vmap of grad": (jax.vmap(jax.grad(jax.nn.silu)), X),
    "mlp": (mlp, LAYERS, M),
    "mlp gradient": (jax.jit(jax.value_and_grad(loss)), LAYERS, M),
    "attention": (attention, M, M, M),
    "attention gradient": (jax.grad(total(attention), (0, 1, 2)), M, M, M),
    "layer_norm": (layer_norm, M, jnp.ones(4), jnp.zeros(4)),
    "layer_norm gradient": (jax.grad(total(layer_norm)), M, jnp.ones(4), jnp.zeros(4)),
    # keys, constants and names
    "key": (lambda: jax.random.key(0), ),
    "split keys": (lambda k: jax.random.split(k), KEY),
    "normal": (lambda k: jax.random.normal(k, (3,)), KEY),
    "uniform": (lambda k: jax.random.uniform(jax.random.fold_in(k, 1), (2, 2)), KEY),
    "bernoulli": (lambda k: jax.random.bernoulli(k, 0.5, (4,)), KEY),
    "permutation": (lambda k: jax.random.permutation(k, 5), KEY),
    "categorical": (lambda k: jax.random.categorical(k, X), KEY),
    "raw key": (lambda k: jax.random.normal(k), jax.random.PRNGKey(0)),
    "consts": (lambda x: x + X * np.arange(3, dtype=np.float32), X),
    "scalar const": (lambda x: x + jnp.float32(3) + np.float32(2), X),
    "const in jit": (jax.jit(lambda x: x + M[0, :3]), X),
    "const in scan": (lambda x: lax.scan(lambda c, a: (c + X, a), x, M), X),
    "many arguments": (lambda *args: sum(args), *[X] * 30),
    "many variables": (lambda x: functools.reduce(lambda y, i: jnp.sin(y) * i, range(400), x), X),
    "many results": (lambda x: [x + i for i in range(30)], X),
    "collective": (lambda x: jax.vmap(lambda y: lax.psum(y, "i"), axis_name="i")(x), X),
    "rbg keys": (lambda k: jax.random.bits(k), jax.random.key(0, impl="rbg")),
}
