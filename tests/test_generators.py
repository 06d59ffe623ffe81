"""Gamma samples, linear calls: what has no row in the table of rows."""

from __future__ import annotations

import jax
import numpy as np
import pytest

import compat.jax
import minigrad
from compat import from_jax
from compat.differential import check
from minigrad.ops.linear_calls import linear_call

KEY = jax.random.PRNGKey(3)
ALPHA = np.float32([[0.2, 0.9, 1.0], [1.5, 20, 300]])


@pytest.mark.parametrize("log_space", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_gamma_samples_are_those_of_jax(log_space, dtype):
    draw = jax.random.loggamma if log_space else jax.random.gamma
    alpha = ALPHA.astype(dtype)

    def f(key, alpha):
        return draw(key, alpha, dtype=dtype)

    tolerance = {"float32": 1e-5, "float16": 2e-2}[dtype]
    expected, found = f(KEY, alpha), from_jax(f)(KEY, alpha)
    np.testing.assert_allclose(np.asarray(found), np.asarray(expected), tolerance, tolerance)


def test_gamma_samples_move_with_the_shape():
    def total(alpha):
        return jax.random.gamma(KEY, alpha).sum()

    expected = jax.grad(total)(ALPHA)
    np.testing.assert_allclose(np.asarray(compat.jax.grad(from_jax(total))(ALPHA)), expected, 2e-4)


def test_gamma_keys_of_a_batch():
    keys = jax.random.split(KEY, 4)

    def f(key, alpha):
        return jax.random.gamma(key, alpha)

    found = compat.jax.vmap(from_jax(f))(np.asarray(keys), np.stack([ALPHA] * 4))
    np.testing.assert_allclose(
        np.asarray(found), jax.vmap(f)(keys, np.stack([ALPHA] * 4)), 1e-5)


def linear_program(call, mul):
    """x -> r x with a transpose that is a lie, so that one sees which of the two ran."""
    def program(r, x):
        return call(lambda r, x: mul(r, x), lambda r, ct: mul(mul(ct, 3.0), r), r, x)

    return program


def test_linear_call():
    r, x = np.float32([1, 2, 3]), np.float32([4, 5, 6])
    ours = linear_program(linear_call, minigrad.core.table["mul"])
    theirs = linear_program(jax.custom_derivatives.linear_call, jax.lax.mul)
    check(lambda x: ours(r, x), lambda x: theirs(r, x), x, order=1,
          checks=["value", "jvp", "vjp", "jit"]).raise_on_mismatch()
    batch = np.stack([x, x + 1])
    pull = minigrad.vmap(lambda x: minigrad.vjp(lambda x: ours(r, x), x)[1](x)[0])
    np.testing.assert_allclose(np.asarray(pull(batch)), 3 * r * batch)
