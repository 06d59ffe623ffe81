"""Hundreds of calls of jax.numpy, jax.lax, jax.nn, jax.scipy on both faces: values, dtypes, weak
types, containers, exception classes."""

import warnings

import jax
import jax.numpy as jnp
import jax.scipy.linalg
import jax.scipy.signal
import jax.scipy.special
import jax.scipy.stats
import numpy as np
import pytest

import compat.jax
import compat.jax.numpy
from tests import jax_expressions as rows
from tests import jax_more_expressions as more

def evaluate(expression: str, module, numpy):
    scope = {"jax": module, "jnp": numpy, "np": np, "lax": module.lax,
             **{k: numpy.asarray(v) for k, v in rows.DATA.items()}}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return eval(expression, scope)
    except Exception as error:
        return error


def compare(ours, theirs, rtol, atol=1e-5):
    """Values are near, types are equal. Raises AssertionError otherwise."""
    if isinstance(theirs, Exception) or isinstance(ours, Exception):
        if isinstance(ours, Exception) and not isinstance(theirs, Exception):
            raise ours
        assert isinstance(theirs, Exception), f"JAX gives {theirs}, we raise {ours!r}"
        assert isinstance(ours, builtin_of(theirs)), (ours, theirs)
        return
    if isinstance(theirs, (tuple, list)):
        assert isinstance(ours, (tuple, list)) and len(ours) == len(theirs), (ours, theirs)
        assert type(ours).__name__ == type(theirs).__name__
        for a, b in zip(ours, theirs):
            compare(a, b, rtol, atol)
        return
    if isinstance(theirs, jax.Array):
        assert isinstance(ours, compat.jax.Array), type(ours)
        assert ours.shape == theirs.shape, (ours.shape, theirs.shape)
        if jnp.issubdtype(theirs.dtype, jax.dtypes.prng_key):
            return
        assert ours.dtype == theirs.dtype, (ours.dtype, theirs.dtype)
        assert ours.weak_type == theirs.weak_type, (ours.weak_type, theirs.weak_type)
        wide = np.complex128 if theirs.dtype.kind == "c" else np.float64
        np.testing.assert_allclose(np.asarray(ours).astype(wide), np.asarray(theirs).astype(wide),
                                   rtol=rtol, atol=atol)
    else:
        assert ours == theirs, (ours, theirs)


def builtin_of(error: Exception) -> type:
    """The first of Python's own classes among an exception's: what users catch."""
    return next(c for c in type(error).__mro__ if c.__module__ == "builtins")


def check(expression: str, rtol=2e-5):
    compare(evaluate(expression, compat.jax, compat.jax.numpy), evaluate(expression, jax, jnp),
            rtol)


@pytest.mark.parametrize("call", rows.NUMPY)
def test_numpy(call):
    check(f"jnp.{call}", 2e-4 if "poly" in call else 2e-5)


@pytest.mark.parametrize("call", more.LINALG)
def test_linalg(call):
    check(f"jnp.{call}", 2e-4)


@pytest.mark.parametrize("call", more.LAX)
def test_lax(call):
    check(f"jax.{call}", 1e-4)


@pytest.mark.parametrize("call", more.SMALL)
def test_small_namespaces(call):
    check(f"jax.{call}", 5e-5)


@pytest.mark.parametrize("call", more.SCIPY)
def test_scipy(call):
    check(f"jax.scipy.{call}", 2e-4)
