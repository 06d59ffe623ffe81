"""Collectives along a mapped axis, and their gradients, against real JAX."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import minigrad as mg
from minigrad import core
from minigrad.ops import collectives
from minigrad.core import table
from tests.test_levels import W, close, t, wide

_ = wide  # a fixture


def scaled(lib, x):
    """Gives every position a value of its own to lose or keep."""
    return x * (lib.axis_index("i") + 1)


class Ours:
    vmap, grad, jvp, jit = mg.vmap, mg.grad, mg.jvp, mg.jit
    psum, pmean, pmax, pmin, ppermute, all_gather, all_to_all = (
        staticmethod(getattr(collectives, name)) for name in (
            "psum", "pmean", "pmax", "pmin", "ppermute", "all_gather", "all_to_all"))

    @staticmethod
    def axis_index(name):
        return table["convert_element_type"](collectives.axis_index(name), new_dtype=np.dtype("f8"),
                                             weak_type=False)

    @staticmethod
    def summed(x):
        return table["reduce_sum"](x, axes=tuple(range(len(x.shape))))


class Theirs:
    vmap, grad, jvp, jit = jax.vmap, jax.grad, jax.jvp, jax.jit
    psum, pmean, pmax, pmin, ppermute = map(
        staticmethod, (jax.lax.psum, jax.lax.pmean, jax.lax.pmax, jax.lax.pmin, jax.lax.ppermute))
    all_gather, all_to_all = staticmethod(jax.lax.all_gather), staticmethod(jax.lax.all_to_all)
    summed = staticmethod(jnp.sum)

    @staticmethod
    def axis_index(name):
        return jax.lax.axis_index(name).astype(np.float64)


SHIFT = [(0, 1), (1, 2), (2, 0)]
COLLECTIVES = {
    "psum": lambda lib, x: lib.psum(scaled(lib, x), "i") * x,
    "psum of a constant": lambda lib, x: x * lib.psum(1, "i"),
    "psum of a tree": lambda lib, x: (p := lib.psum({"a": x, "b": x * x}, "i"))["a"] * p["b"] * x,
    "pmean": lambda lib, x: lib.pmean(scaled(lib, x), "i") * x,
    "axis_index": lambda lib, x: scaled(lib, x) * x,
    "ppermute": lambda lib, x: lib.ppermute(scaled(lib, x), "i", SHIFT) * x,
    "all_gather": lambda lib, x: lib.all_gather(scaled(lib, x), "i") * x,
    "all_gather axis 1": lambda lib, x: lib.all_gather(scaled(lib, x), "i", axis=1) * x[:, None],
    "all_gather tiled": lambda lib, x: lib.all_gather(
        scaled(lib, x), "i", tiled=True) * lib.summed(x),
    "all_to_all": lambda lib, x: lib.all_to_all(scaled(lib, x), "i", 0, 0) * x,
    "all_to_all tiled": lambda lib, x: lib.all_to_all(scaled(lib, x), "i", 0, 0, tiled=True) * x,
}
WITHOUT_GRADIENT = {
    "pmax": lambda lib, x: lib.pmax(scaled(lib, x), "i") - x,
    "pmin": lambda lib, x: lib.pmin(scaled(lib, x), "i") - x,
}


def mapped(lib, name, **options):
    function = (COLLECTIVES | WITHOUT_GRADIENT)[name]
    return lib.vmap(lambda x: function(lib, x), axis_name="i", **options)


def both(run, *args):
    ours = run(Ours, *(core.box(a) for a in args))
    theirs = run(Theirs, *args)
    leaves = mg.tree.tree_flatten(ours)[0], jax.tree.leaves(theirs)
    for a, b in zip(*leaves, strict=True):
        close(a, b)


@pytest.mark.parametrize("name", COLLECTIVES | WITHOUT_GRADIENT)
def test_collectives(name):
    both(lambda lib, x: mapped(lib, name)(x), W)
    both(lambda lib, x: lib.jit(mapped(lib, name))(x), W)


@pytest.mark.parametrize("name", COLLECTIVES)
def test_gradients_of_collectives(name):
    both(lambda lib, x: lib.grad(lambda x: lib.summed(mapped(lib, name)(x) ** 2))(x), W)
    both(lambda lib, x: lib.jvp(mapped(lib, name), (x,), (x + 1,)), W)
    both(lambda lib, x: lib.grad(lambda x: lib.summed(lib.jit(mapped(lib, name))(x) ** 2))(x), W)


@pytest.mark.parametrize("name", COLLECTIVES)
def test_gradients_inside_the_mapped_function(name):
    """As in data parallel training: each position differentiates through the exchange."""
    function = COLLECTIVES[name]
    both(lambda lib, x: lib.vmap(
        lib.grad(lambda x: lib.summed(function(lib, x) ** 2)), axis_name="i")(x), W)


@pytest.mark.parametrize("name", COLLECTIVES | WITHOUT_GRADIENT)
def test_collectives_under_another_map(name):
    cube = np.stack([W, W + 1.0])
    both(lambda lib, x: lib.vmap(mapped(lib, name))(x), cube)
    both(lambda lib, x: lib.vmap(mapped(lib, name), in_axes=2)(x), np.moveaxis(cube, 0, 2))


def test_positions_that_receive_nothing_get_zeros():
    out = mg.vmap(lambda x: collectives.ppermute(x, "i", [(0, 2)]), axis_name="i")(t(W))
    close(out, [[0.0] * 3, [0.0] * 3, W[0]])


def test_collectives_over_two_axes():
    def run(lib, x):
        inner = lib.vmap(lambda x: x * lib.psum(x * x, ("i", "j")) + lib.psum(x, "j"),
                         axis_name="i")
        return lib.vmap(inner, axis_name="j")(x)

    both(run, np.stack([W, W + 1.0]))


def test_an_unbound_axis_is_named():
    for use in (lambda x: collectives.psum(x, "i"), lambda x: collectives.axis_index("i") * x,
                lambda x: mg.vmap(lambda y: collectives.pmean(y, "i"), axis_name="j")(x)):
        with pytest.raises(NameError, match="unbound axis name: i"):
            use(t(W))


def test_an_outer_tape_over_collectives():
    w = t(W, requires_grad=True)
    out = mg.vmap(lambda row: row * collectives.psum(row, "i"), axis_name="i")(w)
    (out * out).sum().backward()
    close(w.grad, jax.grad(lambda w: (jax.vmap(
        lambda row: row * jax.lax.psum(row, "i"), axis_name="i")(w) ** 2).sum())(W))
