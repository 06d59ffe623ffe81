"""jax.random against JAX: bits for bits where only integers and scalings are involved, 1e-5 for
what goes through logarithms and their like; raw and typed keys, several shapes and dtypes."""

import jax

import numpy as np
import pytest

import compat.jax
import compat.jax.numpy

EXACT = {  # equal to the bit
    "bits": "(shape)", "bits of bytes": "(shape, np.uint8)", "uniform": "(shape)",
    "uniform of halves": "(shape, np.float16)", "uniform between": "(shape, np.float32, -2.0, 3.0)",
    "randint": "(shape, -5, 17)", "randint of bytes": "(shape, 0, 200, np.uint8)",
    "permutation": "(12)", "permutation of rows": "(ROWS)",
    "permutation independently": "(ROWS, 1, True)",
    "choice": "(12, shape)", "choice without": "(12, (4,), False)",
    "choice weighted": "(4, shape, True, P)", "choice weighted without": "(4, (2,), False, P)",
    "split": "(3)", "split in rows": "((2, 2))", "fold_in": "(7)", "bernoulli": "(0.3, shape)",
    "rademacher": "(shape)", "binomial": "(40.0, 0.2, shape)", "binomial rare": "(9.0, 0.9, shape)",
    "poisson": "(3.0, shape)", "poisson large": "(30.0, shape)", "geometric": "(0.2, shape)",
    "categorical": "(LOGITS)", "categorical without": "(LOGITS[0], -1, (2,), False)",
    "multinomial": "(20.0, P)",
}
CLOSE = {
    "normal": "(shape)", "normal complex": "(shape, np.complex64)",
    "truncated_normal": "(-1.0, 2.0, shape)", "exponential": "(shape)", "gumbel": "(shape)",
    "gumbel finely": "(shape, np.float32, 'high')", "laplace": "(shape)", "logistic": "(shape)",
    "cauchy": "(shape)", "gamma": "(2.5, shape)", "gamma small": "(0.3, shape)",
    "loggamma": "(0.01, shape)", "beta": "(2.0, 0.5, shape)", "dirichlet": "(P)",
    "dirichlet in rows": "(P, (3,))", "chisquare": "(3.0, shape)", "f": "(3.0, 5.0, shape)",
    "t": "(4.0, shape)", "generalized_normal": "(1.5, shape)", "ball": "(3, 2, shape)",
    "maxwell": "(shape)", "double_sided_maxwell": "(0.5, 2.0, shape)",
    "weibull_min": "(2.0, 1.5, shape)", "pareto": "(3.0, shape)", "rayleigh": "(2.0, shape)",
    "wald": "(1.5, shape)", "triangular": "(-1.0, 0.2, 2.0, shape)",
    "lognormal": "(0.5, shape)", "orthogonal": "(3, shape)",
    "multivariate_normal": "(MEAN, COV, shape)",
    "multivariate_normal by eigh": "(MEAN, COV, (), None, 'eigh')",
}
A = np.random.RandomState(0).randn(3, 3).astype(np.float32)
SCOPE = {"np": np, "ROWS": np.arange(12, dtype=np.int32).reshape(4, 3), "MEAN": A[0],
         "P": np.array([0.1, 0.2, 0.3, 0.4], np.float32), "LOGITS": A,
         "COV": A @ A.T + np.eye(3, dtype=np.float32)}


def draw(module, name: str, arguments: str, shape, seed: int, typed: bool):
    key = (module.random.key if typed else module.random.PRNGKey)(seed)
    arrays = {k: module.numpy.asarray(v) if isinstance(v, np.ndarray) else v
              for k, v in SCOPE.items()}
    fn = getattr(module.random, name.split()[0])
    out = eval(f"fn(key, *{arguments[:-1]},))", {**arrays, "shape": shape, "fn": fn, "key": key})
    if typed and name.startswith(("split", "fold_in")):
        out = module.random.key_data(out)
    assert isinstance(out, (jax.Array, compat.jax.Array))
    return np.asarray(out)


SHAPES = [(), (2, 3)]
# Rejection loops take JAX seconds to compile: one shape each.
SLOW = ("gamma loggamma beta dirichlet chisquare f t generalized_normal ball binomial "
        "poisson".split())


@pytest.mark.parametrize("name", [*EXACT, *CLOSE])
def test_numbers(name):
    arguments = EXACT.get(name) or CLOSE[name]
    for i, shape in enumerate(
            SHAPES[1:] if name.split()[0] in SLOW else SHAPES if "shape" in arguments else [()]):
        ours, theirs = (draw(m, name, arguments, shape, 10 + i, i % 2 == 0)
                        for m in (compat.jax, jax))
        assert ours.dtype == theirs.dtype and ours.shape == theirs.shape
        if name in EXACT:
            np.testing.assert_array_equal(ours, theirs)
        else:
            np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("seed", [0, 1, 2**31, 2**32 - 1, -1, 123456789])
def test_keys(seed):
    ours, theirs = compat.jax.random.PRNGKey(seed), jax.random.PRNGKey(seed)
    np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs))
    np.testing.assert_array_equal(
        np.asarray(compat.jax.random.key_data(compat.jax.random.key(seed))),
        np.asarray(jax.random.key_data(jax.random.key(seed))))


@pytest.mark.parametrize("name", ["gamma", "loggamma", "beta", "t", "dirichlet"])
def test_gradients_by_parameters(name):
    def slope(module):
        sample = getattr(module.random, name)
        parameters = module.numpy.array([0.7, 2.0, 3.5])
        args = {"beta": lambda a: (a, a + 1)}.get(name, lambda a: (a,))
        weights = module.numpy.array([1.0, -2.0, 0.5])
        return module.grad(lambda a: (weights * sample(module.random.key(3), *args(a))).sum())(
            parameters)

    np.testing.assert_allclose(np.asarray(slope(compat.jax)), np.asarray(slope(jax)), rtol=2e-4,
                               atol=1e-5)


def test_under_transformations():
    def program(module):
        keys = module.random.split(module.random.key(1), 4)
        drawn = module.jit(module.vmap(lambda k: module.random.normal(k, (3,))))(keys)
        counts = module.vmap(lambda k: module.random.poisson(k, 4.0, (2,)))(keys)
        return np.asarray(drawn), np.asarray(counts)

    (ours, n), (theirs, m) = program(compat.jax), program(jax)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(n, m)


