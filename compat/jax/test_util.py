"""jax.test_util: derivatives against differences."""

from __future__ import annotations

import numpy as np

from compat.jax.array import as_array
from compat.jax.transforms import jvp, vjp
from minigrad.ops.families import dtype_kind
from minigrad.tree import tree_flatten, tree_map, tree_unflatten

TOLERANCE = {2: 1e-1, 4: 2e-2, 8: 1e-5, 16: 1e-5}  # by the bytes of a number
EPSILON = {2: 1e-2, 4: 1e-2, 8: 1e-6, 16: 1e-6}


def random_like(x, generator: np.random.RandomState):
    x = np.asarray(x)
    out = generator.randn(*x.shape)
    if dtype_kind(x.dtype) == "c":
        out = out + 1j * generator.randn(*x.shape)
    return np.asarray(out).astype(x.dtype)


def itemsize(tree) -> int:
    return min((np.asarray(x).dtype.itemsize for x in tree_flatten(tree)[0]), default=4)


def differences(f, primals, tangents, eps):
    """The directional derivative, by central differences."""
    def moved(sign):
        return f(*tree_map(lambda x, t: as_array(np.asarray(x + sign * eps * np.asarray(t)).astype(
            np.asarray(x).dtype)), primals, tangents))

    return tree_map(lambda a, b: (np.asarray(a) - np.asarray(b)) / (2 * eps), moved(1), moved(-1))


def close(a, b, atol, rtol, message: str) -> None:
    for x, y in zip(tree_flatten(a)[0], tree_flatten(b)[0], strict=True):
        np.testing.assert_allclose(np.asarray(x), np.asarray(y), rtol, atol, err_msg=message)


def settings(args, atol, rtol, eps) -> tuple:
    size = itemsize(args)
    return (TOLERANCE[size] if atol is None else atol, TOLERANCE[size] if rtol is None else rtol,
            EPSILON[size] if eps is None else eps)


def check_jvp(f, f_jvp, args, atol=None, rtol=None, eps=None, err_msg="") -> None:
    """Raise AssertionError unless `f_jvp` agrees with differences of `f`."""
    atol, rtol, eps = settings(args, atol, rtol, eps)
    generator = np.random.RandomState(0)
    tangents = tree_map(lambda x: random_like(x, generator), tuple(args))
    value, tangent = f_jvp(tuple(args), tangents)
    close(value, f(*args), atol, rtol, f"{err_msg} JVP primal")
    close(tangent, differences(f, tuple(args), tangents, eps), atol, rtol, f"{err_msg} JVP tangent")


def check_vjp(f, f_vjp, args, atol=None, rtol=None, eps=None, err_msg="") -> None:
    """Raise AssertionError unless the pullback of `f_vjp` agrees with differences of `f`."""
    atol, rtol, eps = settings(args, atol, rtol, eps)
    generator = np.random.RandomState(0)
    value, pullback = f_vjp(*args)
    close(value, f(*args), atol, rtol, f"{err_msg} VJP primal")
    tangents = tree_map(lambda x: random_like(x, generator), tuple(args))
    tangent = differences(f, tuple(args), tangents, eps)
    leaves, tree = tree_flatten(value)
    cts = [random_like(x, generator) for x in leaves]
    grads = pullback(tree_unflatten(tree, cts))
    dot = lambda xs, ys: sum(np.vdot(np.conj(x), y).real for x, y in zip(xs, ys, strict=True))
    close(dot(tree_flatten(tangents)[0], [np.asarray(g) for g in tree_flatten(grads)[0]]),
          dot(tree_flatten(tangent)[0], cts), atol, rtol, f"{err_msg} VJP cotangent projection")


def check_grads(f, args, order, modes=("fwd", "rev"), atol=None, rtol=None, eps=None) -> None:
    """Raise AssertionError unless the derivatives of `f` up to an order agree with differences."""
    modes = (modes,) if isinstance(modes, str) else modes

    def check(f, args, order, message):
        if "fwd" in modes:
            forward = lambda primals, tangents: jvp(f, primals, tangents)
            check_jvp(f, forward, args, atol, rtol, eps, message)
        if "rev" in modes:
            check_vjp(f, lambda *a: vjp(f, *a), args, atol, rtol, eps, message)
        if order > 1:
            _, pullback = vjp(f, *args)
            cts = tree_map(lambda x: random_like(x, np.random.RandomState(1)), f(*args))
            check(lambda *a: vjp(f, *a)[1](cts), args, order - 1, f"{message} of the gradient")

    check(f, tuple(args), order, "")
