"""The jax face against JAX: values, types, gradients, reprs, errors, whole programs."""

import itertools

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest

import compat.jax
import minigrad
import compat.jax.numpy
from tests.face_programs import DATA, GRADIENTS, PROGRAMS

FACES = ((jax, jnp), (compat.jax, compat.jax.numpy))


def on_both(fn, *names):
    """Results of `fn(jax, jnp, *args)` on JAX and on ours, or the exceptions they raise."""
    results = []
    for module, numpy in FACES:
        try:
            results.append(fn(module, numpy, *[numpy.asarray(DATA[n]) for n in names]))
        except Exception as error:
            results.append(error)
    return results


def assert_same(theirs, ours, rtol=2e-5, atol=1e-5):
    theirs_leaves, ours_leaves = (jax.tree.leaves(theirs), compat.jax.tree.leaves(ours))
    assert len(theirs_leaves) == len(ours_leaves)
    for a, b in zip(theirs_leaves, ours_leaves):
        assert not isinstance(a, Exception) and not isinstance(b, Exception), (a, b)
        assert isinstance(b, compat.jax.Array) == isinstance(a, jax.Array)
        assert np.shape(a) == np.shape(b)
        assert np.asarray(a).dtype == np.asarray(b).dtype
        assert getattr(a, "weak_type", False) == getattr(b, "weak_type", False)
        np.testing.assert_allclose(np.asarray(b).astype(np.complex128),
                                   np.asarray(a).astype(np.complex128), rtol=rtol, atol=atol)


# ------------------------------------------------------------------ promotion

DTYPES = [np.bool_, np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32,
          np.uint64, ml_dtypes.bfloat16, np.float16, np.float32, np.float64, np.complex64,
          np.complex128]
SCALARS = [True, 1, 1.0, 1j]


@pytest.mark.filterwarnings("ignore:Explicitly requested dtype")
@pytest.mark.parametrize("x64", [False, True])
def test_promotion_of_all_pairs(x64):
    with jax.enable_x64(x64), compat.jax.enable_x64(x64):
        for a, b in itertools.product(DTYPES, DTYPES):
            theirs = jnp.add(jnp.ones((), a), jnp.ones((), b))
            ours = compat.jax.numpy.add(compat.jax.numpy.ones((), a),
                                        compat.jax.numpy.ones((), b))
            assert ours.dtype == theirs.dtype, (a, b)
            assert ours.weak_type == theirs.weak_type, (a, b)
        for a, scalar in itertools.product(DTYPES, SCALARS):
            theirs, ours = (numpy.add(numpy.ones(2, a), scalar) for _, numpy in FACES)
            assert (ours.dtype, ours.weak_type) == (theirs.dtype, theirs.weak_type), (a, scalar)
        for a, b in itertools.product(SCALARS, SCALARS):
            theirs, ours = (numpy.add(a, b) for _, numpy in FACES)
            assert (ours.dtype, ours.weak_type) == (theirs.dtype, theirs.weak_type), (a, b)


@pytest.mark.parametrize("args", list(itertools.combinations_with_replacement(
    [np.int8, np.uint16, np.float16, np.float32, 1, 1.0, np.bool_], 3)))
def test_result_type_of_three(args):
    theirs, ours = (numpy.result_type(*args) for _, numpy in FACES)
    assert theirs == ours


# ------------------------------------------------------------------ gradients, vmap


def total(module, out):
    return sum((leaf * leaf).sum() for leaf in module.tree_util.tree_leaves(out)
               if leaf.dtype == np.float32)


SKIPPED = {"newton"}  # a while loop has no reverse derivative


@pytest.mark.parametrize("name", [n for n in GRADIENTS if n not in SKIPPED])
def test_gradients(name):
    fn, names = PROGRAMS[name]

    def gradient(module, numpy, *args):
        return module.grad(lambda *a: total(module, fn(module, numpy, *a)) + a[0].sum())(*args)

    theirs, ours = on_both(gradient, *names.split())
    if isinstance(theirs, Exception):
        assert isinstance(ours, type(theirs)), (theirs, ours)
    else:
        assert_same(theirs, ours, rtol=2e-4, atol=2e-4)


VMAPPED = ["scalar chain", "clip", "softplus", "sum and mean", "variance", "argmax", "sort",
           "concatenate", "gather rows", "two index arrays", "computed index", "set",
           "scatter computed", "take", "einsum three", "layer norm", "cumulative", "pad",
           "where", "one hot", "rnn", "cond", "logsumexp", "dynamic slice", "mlp"]


@pytest.mark.parametrize("name", [n for n in VMAPPED if n in PROGRAMS])
def test_vmap(name):
    fn, names = PROGRAMS[name]

    def mapped(module, numpy, *args):
        stacked = [numpy.stack([a, a]) for a in args]
        return module.vmap(lambda *a: fn(module, numpy, *a))(*stacked)

    assert_same(*on_both(mapped, *names.split()))


@pytest.mark.parametrize("name", ["mlp", "layer norm", "cross entropy", "rnn", "attention"])
def test_jit_and_jacobians(name):
    fn, names = PROGRAMS[name]

    def both(module, numpy, *args):
        call = module.jit(lambda *a: fn(module, numpy, *a))
        return call(*args), call(*args), module.jacrev(lambda a: total(
            module, fn(module, numpy, a, *args[1:])))(args[0])

    assert_same(*on_both(both, *names.split()), rtol=2e-4, atol=2e-4)


# ------------------------------------------------------------------ what prints

REPRS = {
    "array": lambda jax, jnp: jnp.arange(3.0),
    "weak": lambda jax, jnp: jnp.asarray(2.0) * 3,
    "matrix": lambda jax, jnp: jnp.ones((2, 3), jnp.bfloat16),
    "empty": lambda jax, jnp: jnp.zeros((0, 3)),
    "large": lambda jax, jnp: jnp.arange(2000),
    "bool": lambda jax, jnp: jnp.array([True, False]),
    "key": lambda jax, jnp: jax.random.key(1),
    "raw key": lambda jax, jnp: jax.random.PRNGKey(7),
    "devices": lambda jax, jnp: jax.devices(),
    "shape": lambda jax, jnp: jax.eval_shape(jnp.sin, jnp.ones(3)),
    "dtype": lambda jax, jnp: (jnp.float32, jnp.ones(2).dtype),
    "tree": lambda jax, jnp: jax.tree.structure({"a": [1, (2, None)]}),
}


@pytest.mark.parametrize("name", REPRS)
def test_reprs(name):
    theirs, ours = on_both(REPRS[name])
    assert repr(ours) == repr(theirs)
    if name != "devices":
        assert str(ours) == str(theirs)


# ------------------------------------------------------------------ what is refused

ERRORS = {
    "item assignment": lambda jax, jnp: jnp.ones(3).__setitem__(0, 1.0),
    "bool of traced": lambda jax, jnp: jax.jit(lambda x: x if x > 0 else -x)(1.0),
    "float of traced": lambda jax, jnp: jax.jit(lambda x: float(x))(1.0),
    "index of traced": lambda jax, jnp: jax.jit(lambda x: list(range(x)))(1),
    "array of traced": lambda jax, jnp: jax.jit(lambda x: np.asarray(x))(1.0),
    "bool of many": lambda jax, jnp: bool(jnp.ones(3)),
    "float of many": lambda jax, jnp: float(jnp.ones(3)),
    "list operand": lambda jax, jnp: jnp.add(jnp.ones(2), [1, 2]),
    "list plus": lambda jax, jnp: jnp.ones(2) + [1, 2],
    "shapes": lambda jax, jnp: jnp.ones(3) + jnp.ones(4),
    "dot shapes": lambda jax, jnp: jnp.ones(3) @ jnp.ones(4),
    "reshape": lambda jax, jnp: jnp.ones(3).reshape(2, 2),
    "lax dtypes": lambda jax, jnp: jax.lax.add(jnp.ones(2), 1),
    "grad of vector": lambda jax, jnp: jax.grad(lambda x: x)(jnp.ones(3)),
    "grad of integer": lambda jax, jnp: jax.grad(lambda x: x * 2.0)(1),
    "string index": lambda jax, jnp: jnp.ones(3)["a"],
    "list index": lambda jax, jnp: jnp.ones(3)[[0, 1]],
    "too many indices": lambda jax, jnp: jnp.ones(3)[0, 0],
    "traced mask": lambda jax, jnp: jax.jit(lambda x: x[x > 0])(jnp.ones(3)),
    "iterate scalar": lambda jax, jnp: list(jnp.float32(1)),
    "length of scalar": lambda jax, jnp: len(jnp.float32(1)),
    "hash": lambda jax, jnp: hash(jnp.ones(3)),
    "concatenate ranks": lambda jax, jnp: jnp.concatenate([jnp.ones(2), jnp.ones((2, 2))]),
    "vmap sizes": lambda jax, jnp: jax.vmap(jnp.add)(jnp.ones(2), jnp.ones(3)),
    "scan carry": lambda jax, jnp: jax.lax.scan(lambda c, x: (c > 0, x), 1.0, jnp.ones(3)),
    "sum of list": lambda jax, jnp: jnp.sum([1, 2]),
    "unknown axis": lambda jax, jnp: jax.lax.psum(1.0, "i"),
}
SAME_TEXT = {"item assignment", "bool of many", "float of many", "list operand", "shapes",
             "dot shapes", "reshape", "lax dtypes", "grad of vector", "string index",
             "too many indices", "iterate scalar", "length of scalar", "hash",
             "concatenate ranks", "sum of list", "list index"}


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name):
    theirs, ours = on_both(ERRORS[name])
    assert isinstance(theirs, Exception) and isinstance(ours, Exception), (theirs, ours)
    assert type(ours).__name__ == type(theirs).__name__ or isinstance(ours, type(theirs)) \
        or isinstance(theirs, type(ours)), (theirs, ours)
    if name in SAME_TEXT:
        assert str(ours).split("\n")[0] == str(theirs).split("\n")[0]


# ------------------------------------------------------------------ random numbers

RANDOM = {
    "bits": lambda random, key, jnp: random.bits(key, (5, 3)),
    "bits 8": lambda random, key, jnp: random.bits(key, (5,), jnp.uint8),
    "split": lambda random, key, jnp: random.split(key, 3),
    "fold_in": lambda random, key, jnp: random.fold_in(key, 7),
    "uniform": lambda random, key, jnp: random.uniform(key, (100,)),
    "uniform half": lambda random, key, jnp: random.uniform(key, (10,), jnp.float16),
    "randint": lambda random, key, jnp: random.randint(key, (100,), -3, 50),
    "randint 8": lambda random, key, jnp: random.randint(key, (20,), 0, 256, jnp.uint8),
    "permutation": lambda random, key, jnp: random.permutation(key, 20),
    "permutation rows": lambda random, key, jnp: random.permutation(key, jnp.arange(12).reshape(
        6, 2)),
    "bernoulli": lambda random, key, jnp: random.bernoulli(key, 0.3, (50,)),
    "choice": lambda random, key, jnp: random.choice(key, 10, (8,)),
    "choice without": lambda random, key, jnp: random.choice(key, 10, (8,), replace=False),
    "rademacher": lambda random, key, jnp: random.rademacher(key, (9,)),
}
ROUNDED = {
    "scaled": lambda random, key, jnp: random.uniform(key, (100,), minval=-1.0, maxval=2.0),
    "normal": lambda random, key, jnp: random.normal(key, (1000,)),
    "truncated": lambda random, key, jnp: random.truncated_normal(key, -2.0, 2.0, (100,)),
    "exponential": lambda random, key, jnp: random.exponential(key, (100,)),
    "gumbel": lambda random, key, jnp: random.gumbel(key, (100,)),
    "laplace": lambda random, key, jnp: random.laplace(key, (100,)),
    "logistic": lambda random, key, jnp: random.logistic(key, (100,)),
    "cauchy": lambda random, key, jnp: random.cauchy(key, (100,)),
    "categorical": lambda random, key, jnp: random.categorical(
        key, jnp.log(jnp.arange(1.0, 5.0)), shape=(50,)),
    "choice p": lambda random, key, jnp: random.choice(
        key, 4, (20,), p=jnp.array([0.1, 0.2, 0.3, 0.4])),
}


@pytest.mark.parametrize("name", [*RANDOM, *ROUNDED])
def test_random_numbers(name):
    results = []
    for module, numpy in FACES:
        key = module.random.PRNGKey(42)
        results.append(np.asarray((RANDOM | ROUNDED)[name](module.random, key, numpy)))
    theirs, ours = results
    assert theirs.dtype == ours.dtype
    if name in RANDOM:
        np.testing.assert_array_equal(ours, theirs)
    else:
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


def test_typed_keys():
    def use(module, numpy):
        keys = module.random.split(module.random.key(3), 4)
        drawn = module.vmap(lambda k: module.random.uniform(k, (2,)))(keys)
        again = module.lax.scan(lambda k, _: (module.random.fold_in(k, 1),
                                              module.random.uniform(k)), keys[0], None, 3)[1]
        return drawn, again, module.random.key_data(keys)

    assert_same(*on_both(use))


@pytest.mark.parametrize("name", ["glorot_uniform", "glorot_normal", "he_uniform", "he_normal",
                                  "lecun_uniform", "lecun_normal"])
def test_initializers(name):
    assert_same(*on_both(lambda module, numpy: getattr(module.nn.initializers, name)()(
        module.random.PRNGKey(0), (30, 20))))


# ------------------------------------------------------------------ whole programs


def train_mlp(jax, jnp) -> list[float]:
    """A two-layer network on random data: tree_map SGD under jit."""
    key = jax.random.PRNGKey(0)
    k1, k2, k3, k4 = jax.random.split(key, 4)
    xs = jax.random.normal(k1, (64, 8))
    labels = jax.random.randint(k2, (64,), 0, 3)
    params = {"w1": jax.nn.initializers.he_normal()(k3, (8, 16)), "b1": jnp.zeros(16),
              "w2": jax.nn.initializers.glorot_uniform()(k4, (16, 3)), "b2": jnp.zeros(3)}

    def loss(params, xs, labels):
        hidden = jax.nn.relu(xs @ params["w1"] + params["b1"])
        logits = hidden @ params["w2"] + params["b2"]
        onehot = jax.nn.one_hot(labels, 3)
        return -jnp.mean(jnp.sum(jax.nn.log_softmax(logits) * onehot, axis=-1))

    @jax.jit
    def step(params, xs, labels):
        value, grads = jax.value_and_grad(loss)(params, xs, labels)
        return jax.tree_util.tree_map(lambda p, g: p - 0.5 * g, params, grads), value

    losses = []
    for _ in range(20):
        params, value = step(params, xs, labels)
        losses.append(float(value))
    return losses


def train_attention(jax, jnp) -> list[float]:
    """One attention layer over a scan of steps, with Adam written by hand and dropout."""
    keys = jax.random.split(jax.random.PRNGKey(1), 5)
    width = 8
    weights = [jax.random.normal(k, (width, width)) / width ** 0.5 for k in keys[:3]]
    xs = jax.random.normal(keys[3], (4, 6, width))  # (batch, time, width)

    def forward(weights, x, key):
        q, k, v = (x @ w for w in weights)
        scores = jnp.einsum("btd,bsd->bts", q, k) / jnp.sqrt(width)
        causal = jnp.tril(jnp.ones((x.shape[1], x.shape[1]), bool))
        mixed = jax.nn.softmax(jnp.where(causal, scores, -1e9)) @ v
        kept = jax.random.bernoulli(key, 0.9, mixed.shape)
        mixed = jnp.where(kept, mixed / 0.9, 0.0)
        mean, variance = mixed.mean(-1, keepdims=True), mixed.var(-1, keepdims=True)
        return (mixed - mean) * jax.lax.rsqrt(variance + 1e-5)

    def loss(weights, key):
        out = forward(weights, xs, key)
        return jnp.mean((out[:, :-1] - xs[:, 1:]) ** 2)

    def step(state, key):
        weights, first, second, count = state
        value, grads = jax.value_and_grad(loss)(weights, key)
        count = count + 1
        first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, first, grads)
        second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, second, grads)
        weights = jax.tree.map(
            lambda w, m, v: w - 0.05 * (m / (1 - 0.9 ** count)) / (
                jnp.sqrt(v / (1 - 0.999 ** count)) + 1e-8), weights, first, second)
        return (weights, first, second, count), value

    zeros = jax.tree.map(jnp.zeros_like, weights)
    state = weights, zeros, zeros, jnp.zeros(())
    _, losses = jax.jit(lambda s, ks: jax.lax.scan(step, s, ks))(
        state, jax.random.split(keys[4], 15))
    return [float(v) for v in losses]


def train_conv(jax, jnp) -> list[float]:
    """A small convolutional network: conv, pooling, dense; plain gradient descent."""
    keys = jax.random.split(jax.random.PRNGKey(2), 4)
    images = jax.random.normal(keys[0], (4, 1, 8, 8))
    targets = jax.random.normal(keys[1], (4, 2))
    params = [jax.random.normal(keys[2], (3, 1, 3, 3)) * 0.3,
              jax.random.normal(keys[3], (48, 2)) * 0.1]

    def loss(params):
        filters, dense = params
        x = jax.lax.conv_general_dilated(images, filters, (1, 1), "SAME")
        x = jax.nn.gelu(x)
        x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")
        return jnp.mean((x.reshape(4, -1) @ dense - targets) ** 2)

    losses = []
    for _ in range(8):
        value, grads = jax.value_and_grad(loss)(params)
        params = [p - 0.01 * g for p, g in zip(params, grads)]
        losses.append(float(value))
    return losses


@pytest.mark.parametrize("train", [train_mlp, train_attention, train_conv])
def test_training_loss_by_loss(train):
    theirs, ours = (train(*face) for face in FACES)
    np.testing.assert_allclose(ours, theirs, rtol=2e-4)
    assert ours[-1] < ours[0]


def test_dlpack_and_numpy_both_ways():
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    ours = compat.jax.numpy.from_dlpack(x)
    np.testing.assert_array_equal(np.from_dlpack(ours), x)
    shared = minigrad.numpy.from_dlpack(x)
    assert np.shares_memory(np.from_dlpack(shared), x)
    np.testing.assert_array_equal(np.asarray(ours), x)
    np.testing.assert_array_equal(jnp.asarray(ours), x)


WIDENED = "sin mean var divide median angle rint copysign cumsum remainder square".split()


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("dtype", ["bool", "int8", "uint8", "int32", "uint32"])
def test_integers_and_booleans_widen_as_in_jax(dtype, wide):
    """With x64 on too, only integers of 64 bits become float64."""
    found = {}
    with jax.enable_x64(wide):
        compat.jax.config.update("jax_enable_x64", wide)
        try:
            for name, module in (("jax", jax.numpy), ("ours", compat.jax.numpy)):
                x = module.ones(3, dtype)
                outs = {n: getattr(module, n)(*[x, x][:2 if n in BINARY else 1]) for n in WIDENED}
                found[name] = {n: (str(o.dtype), o.weak_type) for n, o in outs.items()}
        finally:
            compat.jax.config.update("jax_enable_x64", False)
    assert found["ours"] == found["jax"]


BINARY = {"divide", "copysign", "remainder"}


def test_scalar_types_take_tracers():
    out = compat.jax.jit(lambda x: compat.jax.numpy.int32(x) + compat.jax.numpy.float32([x, 1]))
    np.testing.assert_array_equal(out(2.75), [4.75, 3])


def test_complex_numbers_compare_by_parts():
    x, y = np.complex64([1 + 1j, 1 - 1j, 0]), np.complex64([1 - 1j, 1, 1])
    for name in ("less", "greater_equal", "fmax"):
        ours, theirs = (np.asarray(getattr(m, name)(x, y)) for m in (compat.jax.numpy, jax.numpy))
        np.testing.assert_array_equal(ours, theirs)


def test_rules_get_tangents_of_no_bits_for_integers():
    seen = []
    for module in (jax, compat.jax):
        f = module.custom_jvp(lambda n, x: n * x)
        f.defjvp(lambda primals, tangents, f=f: (
            seen.append(np.asarray(tangents[0]).dtype) or f(*primals), tangents[1]))
        module.grad(lambda x, f=f, module=module: f(module.numpy.int32(2), x))(1.0)
    assert seen == [jax.dtypes.float0] * 2
