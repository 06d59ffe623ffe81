"""`from_jax`: programs of the real JAX, run and transformed here, against the real JAX."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np
import pytest
from jax import lax
from jax import numpy as jnp
from jax.experimental.ode import odeint

import compat
import compat.jax
from minigrad.core import table

X = np.float32([0.5, 0.2, 0.3])


@jax.custom_jvp
def own_slope(x, y):
    return jnp.sin(x) * y


@own_slope.defjvp
def _own_slope_jvp(primals, tangents):
    return own_slope(*primals), tangents[0] * 2.0 + tangents[1]


@jax.custom_vjp
def own_pullback(x, n):
    return jnp.cos(x) * n


own_pullback.defvjp(lambda x, n: (own_pullback(x, n), (x, n)), lambda res, ct: (ct * res[0], None))


@jax.custom_jvp
def of_integers(x, n):
    return x * n


of_integers.defjvp(lambda primals, tangents: (of_integers(*primals), 3 * tangents[0]))


@jax.jit
def inner(x):
    return jnp.where(x > 0.25, x * x, jnp.sin(x))


def scanned(x):
    def step(carry, row):
        new = jnp.tanh(carry * row) + carry.sum()
        return new, (new.max(), lax.cond(new[0] > 0, jnp.sin, jnp.cos, new))

    return lax.scan(step, x, jnp.linspace(0, 1, 6).reshape(2, 3))


def dropout(x):
    keys = jax.random.split(jax.random.key(1), 2)
    mask = jax.random.bernoulli(keys[0], 0.7, x.shape)
    return jnp.where(mask, x, 0) + jax.random.normal(jax.random.fold_in(keys[1], 3), x.shape) * x


PROGRAMS = {
    "custom_jvp": lambda x: own_slope(x, 3.0),
    "custom_vjp": lambda x: own_pullback(x, 2),
    "custom_jvp of integers": lambda x: of_integers(x, jnp.arange(3)),
    "jit": lambda x: inner(x) + inner(2 * x),
    "scan and cond": scanned,
    "remat": lambda x: jax.checkpoint(lambda x: jnp.sin(jnp.sin(x)))(x),
    "remat of scan": lambda x: jax.checkpoint(scanned)(x),
    "fori_loop": lambda x: lax.fori_loop(0, 3, lambda i, c: c * x + i, x),
    "switch": lambda x: lax.switch(jnp.int32(x[0] * 4), [jnp.sin, jnp.cos, jnp.exp], x),
    "keys": dropout,
    "raw keys": lambda x: x * jax.random.uniform(jax.random.PRNGKey(0), (3,)),
    "softmax": lambda x: jax.nn.softmax(x) * jax.nn.gelu(x) + jax.nn.relu(x),
    "solve": lambda x: jnp.linalg.solve(jnp.outer(x, x) + jnp.eye(3), x),
    "cholesky": lambda x: jnp.linalg.cholesky(jnp.outer(x, x) + jnp.eye(3)),
    "det": lambda x: jnp.linalg.det(jnp.outer(x, x) + jnp.eye(3)),
    "expm": lambda x: jax.scipy.linalg.expm(jnp.outer(x, x)),
    "fft": lambda x: jnp.fft.rfft(x).real + jnp.abs(jnp.fft.fft(x))[:2],
    "scatter": lambda x: x.at[jnp.array([0, 2, 0])].add(x).at[-1].mul(2.0),
    "gather": lambda x: x[jnp.array([[2, 0], [1, 1]])] + jnp.take(x, 5, mode="clip"),
    "convolution": lambda x: jnp.convolve(x, x),
    "order": lambda x: (jnp.sort(x)[::-1], jnp.argsort(x), jnp.quantile(x, 0.3), lax.top_k(x, 2)),
    "associative_scan": lambda x: lax.associative_scan(jnp.multiply, x),
    "einsum": lambda x: jnp.einsum("i,j,k->ik", x, x, x),
    "bfloat16": lambda x: (x.astype(jnp.bfloat16) * 2).astype(jnp.float32),
    "an empty array": lambda x: jnp.concatenate([x[:0], x]) + jnp.sum(x[:0]),
    "trees": lambda x: {"a": (x * 2, None), "b": [jnp.arange(3) + x]},
    "linear_call": lambda x: jax.custom_derivatives.linear_call(
        lambda r, x: x * r, lambda r, ct: ct * r * 3, jnp.float32(2), x),
    "custom_linear_solve": lambda x: lax.custom_linear_solve(
        lambda v: v * (x + 1), x, lambda _, b: b / (x + 1), lambda _, b: b / (x + 1)),
    "a mapped sum": lambda x: jax.vmap(lambda y: lax.psum(y, "i") * y, axis_name="i")(x),
    "a choice of platform": lambda x: lax.platform_dependent(x, cpu=jnp.sin, default=jnp.cos),
    "slogdet": lambda x: jnp.linalg.slogdet(jnp.outer(x, x) + jnp.eye(3)),
    "odeint": lambda x: odeint(lambda y, t: -y * t, x, jnp.linspace(0, 1, 3)),
    "a barrier": lambda x: lax.optimization_barrier(jnp.sin(x)) + jax.device_put(x),
    "ragged products": lambda x: lax.ragged_dot(
        jnp.outer(x, x), jnp.ones((2, 3, 4)), jnp.array([1, 2], jnp.int32)),
    "erf and its kin": lambda x: jax.scipy.special.erf(x) + jax.scipy.special.gammaln(x + 1),
}


def total(f):
    """The sum of all floating results."""
    return lambda *args: sum(jnp.sum(y * jnp.cos(y)) for y in jax.tree.leaves(f(*args))
                             if jnp.issubdtype(y.dtype, jnp.floating))


def same(ours, theirs, tolerance=2e-5):
    ours, theirs = jax.tree.leaves(ours), jax.tree.leaves(theirs)
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(np.asarray(a).astype(b.dtype), np.asarray(b), tolerance,
                                   tolerance)


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs(name):
    f = PROGRAMS[name]
    loss, x = total(f), jnp.asarray(X)
    value, slope = jax.jit(lambda x: (f(x), jax.grad(loss)(x)))(x)
    ours = compat.jax.grad(compat.from_jax(loss))
    same(compat.from_jax(f)(X), value)
    same(ours(X), slope)
    same(compat.jax.jit(ours)(X), slope)
    batch = np.stack([X, X])
    same(compat.jax.vmap(ours)(batch), np.stack([slope, slope]))


def test_second_derivatives():
    loss = total(PROGRAMS["scan and cond"])
    same(compat.jax.hessian(compat.from_jax(loss))(X), jax.hessian(loss)(X), 1e-4)


def test_while_has_forward_derivatives():
    def f(x):
        return lax.while_loop(lambda c: c[0] < 3, lambda c: c * 1.5, x)

    x, t = jnp.asarray(X), jnp.ones(3)
    same(compat.jax.jvp(compat.from_jax(f), (X,), (np.ones(3, np.float32),)),
         jax.jvp(f, (x,), (t,)))
    with pytest.raises(ValueError, match="Reverse-mode differentiation does not work"):
        compat.jax.grad(lambda x: compat.from_jax(f)(x).sum())(X)


def test_debugging_prints_happen(capsys):
    def f(x):
        jax.debug.print("x is {} and {y}", x[0], y=x[1])
        jax.debug.callback(lambda v: print("called with", v), x[2])
        return x

    for run in (compat.from_jax(f), compat.jax.jit(compat.from_jax(f))):
        same(run(X), X)
        assert capsys.readouterr().out == "x is 0.5 and 0.20000000298023224\ncalled with 0.3\n"


def test_arguments_are_pytrees_with_static_leaves():
    def f(tree, *, kind):
        return tree["f"](tree["x"]) * tree["n"] if kind == "times" else tree["x"]

    imported = compat.from_jax(f)
    same(imported({"x": X, "n": 3, "f": jnp.sin}, kind="times"), jnp.sin(X) * 3)
    same(imported({"x": X, "n": 3, "f": jnp.cos}, kind="times"), jnp.cos(X) * 3)
    same(imported({"x": X, "n": 3, "f": None}, kind="plain"), X)


@jax.tree_util.register_dataclass
@dataclasses.dataclass
class Layer:
    """A container that only the real JAX knows of."""

    weight: object
    bias: object


def test_gradients_of_containers_that_the_real_jax_knows():
    def loss(layer):
        return jnp.sum(jnp.tanh(layer.weight) * layer.bias)

    layer = Layer(X, X + 1)
    ours = compat.jax.grad(compat.from_jax(loss))(layer)
    theirs = jax.grad(loss)(layer)
    assert type(ours) is Layer
    same([ours.weight, ours.bias], [theirs.weight, theirs.bias])


def test_arrays_and_keys_of_the_real_jax_come_in_and_ours_go_out():
    def f(key, x):
        return jax.random.normal(key, x.shape) + x, jax.random.split(key)

    key = jax.random.key(7)
    noise, keys = compat.from_jax(f)(key, jnp.asarray(X))
    assert type(noise) is compat.jax.Array
    expected, expected_keys = f(key, jnp.asarray(X))
    same(noise, expected)
    again, _ = compat.from_jax(f)(keys[1], X)
    same(again, f(expected_keys[1], jnp.asarray(X))[0])


def test_a_program_is_traced_once_for_each_type():
    traced = []

    @compat.from_jax
    def f(x):
        traced.append(x.shape)
        return x + 1

    for x in (X, X, X[:2], 1.0, 2.0):
        f(x)
    assert traced == [(3,), (2,), ()]


def test_python_scalars_stay_weakly_typed():
    f = compat.from_jax(lambda x, y: x * y)
    assert f(np.float16(2), 3.0).dtype == np.float16
    assert f(2, 3.0).weak_type


def test_a_missing_primitive_is_named_with_the_users_line(monkeypatch):
    monkeypatch.delitem(table, "erf_inv")

    def f(x):
        return lax.erf_inv(x)  # the line that is named

    with pytest.raises(NotImplementedError, match=r"no primitive 'erf_inv'.*test_importers\.py:"):
        compat.from_jax(f)(X)


def test_sixty_four_bits_where_x64_is_on():
    compat.jax.config.update("jax_enable_x64", True)
    try:
        out = compat.from_jax(lambda x: jnp.sum(x) / 3)(X.astype(np.float64))
    finally:
        compat.jax.config.update("jax_enable_x64", False)
    assert out.dtype == np.float64
    assert compat.from_jax(jnp.sin)(X.astype(np.float64)).dtype == np.float32


@pytest.mark.parametrize("wide, direct", [(True, False), (False, False), (True, True)])
def test_some_of_jaxs_own_cases(wide, direct):
    """All of them: `python -m compat.harness`, and with `--direct` over the face itself. Complex
    maxima of nan keep to NumPy's order, and the places of equal half floats in approx_top_k are
    any."""
    from compat.harness import harnesses, report, run

    try:
        found = run(harnesses(every=120), wide=wide, direct=direct)
    finally:
        compat.jax.config.update("jax_enable_x64", False)
    assert [o for o in found if o.problem] == [], report(found)
