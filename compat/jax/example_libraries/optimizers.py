"""jax.example_libraries.optimizers: optimizers as triples (init, update, get_params).

`update(i, grads, opt_state)` makes step number i. An optimizer is written for one array; the
decorator `optimizer` spreads it over trees.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple

from compat.jax import numpy as jnp
from minigrad.tree import register_pytree_node, tree_flatten, tree_map, tree_unflatten


class Optimizer(NamedTuple):
    init_fn: Callable
    update_fn: Callable
    params_fn: Callable


class OptimizerState(NamedTuple):
    """The state of each array, taken apart, and how to put it together."""

    packed_state: list
    tree_def: object
    subtree_defs: list


register_pytree_node(
    OptimizerState, lambda s: ((s.packed_state,), (s.tree_def, tuple(s.subtree_defs))),
    lambda data, parts: OptimizerState(parts[0], data[0], list(data[1])))


def optimizer(opt_maker: Callable) -> Callable:
    """Make an optimizer of single arrays one of trees."""

    @functools.wraps(opt_maker)
    def tree_opt_maker(*args, **kwargs):
        init, update, get_params = opt_maker(*args, **kwargs)

        def packed(states, tree) -> OptimizerState:
            pairs = [tree_flatten(s) for s in states]
            return OptimizerState([tuple(leaves) for leaves, _ in pairs], tree,
                                  [t for _, t in pairs])

        def unpacked(state: OptimizerState) -> list:
            return [tree_unflatten(t, leaves) for t, leaves in zip(state.subtree_defs,
                                                                   state.packed_state)]

        def tree_init(x0_tree):
            leaves, tree = tree_flatten(x0_tree)
            return packed([init(x) for x in leaves], tree)

        def tree_update(i, grad_tree, opt_state):
            grads, tree = tree_flatten(grad_tree)
            if tree != opt_state.tree_def:
                raise TypeError(
                    "optimizer update function was passed a gradient tree that did not match the "
                    "parameter tree structure with which it was initialized: parameter tree "
                    f"{opt_state.tree_def} and grad tree {tree}.")
            new = packed([update(i, g, s) for g, s in zip(grads, unpacked(opt_state))], tree)
            for before, after in zip(opt_state.subtree_defs, new.subtree_defs):
                if before != after:
                    raise TypeError("optimizer update function produced an output structure that "
                                    f"did not match its input structure: input {before} and "
                                    f"output {after}.")
            return new

        def tree_get_params(opt_state):
            return tree_unflatten(opt_state.tree_def, map(get_params, unpacked(opt_state)))

        return Optimizer(tree_init, tree_update, tree_get_params)

    return tree_opt_maker


# ------------------------------------------------------------------ optimizers


@optimizer
def sgd(step_size):
    """Gradient descent."""
    step = make_schedule(step_size)
    return lambda x0: x0, lambda i, g, x: x - step(i) * g, lambda x: x


def first(state):
    return state[0]


@optimizer
def momentum(step_size, mass: float):
    """Gradient descent with momentum."""
    step = make_schedule(step_size)

    def update(i, g, state):
        x, velocity = state
        velocity = mass * velocity + g
        return x - step(i) * velocity, velocity

    return lambda x0: (x0, jnp.zeros_like(x0)), update, first


@optimizer
def nesterov(step_size, mass: float):
    """Momentum that looks ahead."""
    step = make_schedule(step_size)

    def update(i, g, state):
        x, velocity = state
        velocity = mass * velocity + g
        return x - step(i) * (mass * velocity + g), velocity

    return lambda x0: (x0, jnp.zeros_like(x0)), update, first


@optimizer
def adagrad(step_size, momentum=0.9):
    """Steps divided by the root of all squared gradients. Source: Duchi et al. 2011."""
    step = make_schedule(step_size)

    def update(i, g, state):
        x, g_sq, m = state
        g_sq += jnp.square(g)
        m = (1.0 - momentum) * (g * inverse_root(g_sq)) + momentum * m
        return x - step(i) * m, g_sq, m

    return lambda x0: (x0, jnp.zeros_like(x0), jnp.zeros_like(x0)), update, first


def inverse_root(x):
    return jnp.where(x > 0, 1.0 / jnp.sqrt(x), 0.0)


@optimizer
def rmsprop(step_size, gamma=0.9, eps=1e-8):
    """Steps divided by a running root mean square of the gradients."""
    step = make_schedule(step_size)

    def update(i, g, state):
        x, avg_sq = state
        avg_sq = avg_sq * gamma + jnp.square(g) * (1.0 - gamma)
        return x - step(i) * g / jnp.sqrt(avg_sq + eps), avg_sq

    return lambda x0: (x0, jnp.zeros_like(x0)), update, first


@optimizer
def rmsprop_momentum(step_size, gamma=0.9, eps=1e-8, momentum=0.9):
    """`rmsprop` with momentum."""
    step = make_schedule(step_size)

    def update(i, g, state):
        x, avg_sq, mom = state
        avg_sq = avg_sq * gamma + jnp.square(g) * (1.0 - gamma)
        mom = momentum * mom + step(i) * g / jnp.sqrt(avg_sq + eps)
        return x - mom, avg_sq, mom

    return lambda x0: (x0, jnp.zeros_like(x0), jnp.zeros_like(x0)), update, first


@optimizer
def adam(step_size, b1=0.9, b2=0.999, eps=1e-8):
    """Running means of gradients and their squares, freed of their bias. By Kingma and Ba."""
    step = make_schedule(step_size)

    def update(i, g, state):
        x, m, v = state
        m = (1 - b1) * g + b1 * m
        v = (1 - b2) * jnp.square(g) + b2 * v
        mhat = m / (1 - jnp.asarray(b1, m.dtype) ** (i + 1))
        vhat = v / (1 - jnp.asarray(b2, m.dtype) ** (i + 1))
        return x - step(i) * mhat / (jnp.sqrt(vhat) + eps), m, v

    return lambda x0: (x0, jnp.zeros_like(x0), jnp.zeros_like(x0)), update, first


@optimizer
def adamax(step_size, b1=0.9, b2=0.999, eps=1e-8):
    """Adam with a running maximum in place of the mean of squares."""
    step = make_schedule(step_size)

    def update(i, g, state):
        x, m, u = state
        m = (1 - b1) * g + b1 * m
        u = jnp.maximum(b2 * u, jnp.abs(g))
        return x - (step(i) / (1 - jnp.asarray(b1, m.dtype) ** (i + 1))) * m / (u + eps), m, u

    return lambda x0: (x0, jnp.zeros_like(x0), jnp.zeros_like(x0)), update, first


@optimizer
def sm3(step_size, momentum=0.9):
    """AdaGrad with a vector for each axis in place of a number for each element."""
    step = make_schedule(step_size)

    def along(v, axis: int, ndim: int):
        return v[tuple(slice(None) if i == axis else None for i in range(ndim))]

    def init(x0):
        shape = jnp.shape(x0)
        vs = [jnp.zeros(n, x0.dtype) for n in shape]
        return x0, jnp.zeros_like(x0), vs

    def update(i, g, state):
        x, m, vs = state
        ndim = len(vs)
        total = functools.reduce(jnp.minimum, [along(v, k, ndim) for k, v in enumerate(vs)])
        total = total + jnp.square(g)
        m = (1.0 - momentum) * (g * inverse_root(total)) + momentum * m
        vs = [total.max(tuple(j for j in range(ndim) if j != k)) for k in range(ndim)]
        return x - step(i) * m, m, vs

    return init, update, first


# ------------------------------------------------------------------ schedules


def constant(step_size):
    """The same step always."""
    return lambda i: step_size


def exponential_decay(step_size, decay_steps, decay_rate):
    """Multiplied by `decay_rate` every `decay_steps`, smoothly."""
    return lambda i: step_size * decay_rate ** (i / decay_steps)


def inverse_time_decay(step_size, decay_steps, decay_rate, staircase=False):
    """Divided by a line; in steps, if `staircase`."""
    if staircase:
        return lambda i: step_size / (1 + decay_rate * jnp.floor(i / decay_steps))
    return lambda i: step_size / (1 + decay_rate * i / decay_steps)


def polynomial_decay(step_size, decay_steps, final_step_size, power=1.0):
    """From one step to another along a power."""
    def schedule(i):
        i = jnp.minimum(i, decay_steps)
        return (1 - i / decay_steps) ** power * (step_size - final_step_size) + final_step_size

    return schedule


def piecewise_constant(boundaries, values):
    """One step between each two boundaries."""
    boundaries, values = jnp.array(boundaries), jnp.array(values)
    if not boundaries.ndim == values.ndim == 1:
        raise ValueError("boundaries and values must be sequences")
    if boundaries.shape[0] != values.shape[0] - 1:
        raise ValueError("boundaries length must be one shorter than values length")
    return lambda i: values[jnp.sum(i > boundaries)]


def make_schedule(scalar_or_schedule) -> Callable:
    """A schedule as it is, a number as a constant one. Raises TypeError for anything else."""
    if callable(scalar_or_schedule):
        return scalar_or_schedule
    if jnp.ndim(scalar_or_schedule) == 0:
        return constant(scalar_or_schedule)
    raise TypeError(type(scalar_or_schedule))


# ------------------------------------------------------------------ utilities


def l2_norm(tree):
    """The length of all leaves as one vector."""
    return jnp.sqrt(sum(jnp.vdot(x, x) for x in tree_flatten(tree)[0]))


def clip_grads(grad_tree, max_norm):
    """Gradients, shortened to `max_norm` if they are longer together."""
    norm = l2_norm(grad_tree)
    return tree_map(lambda g: jnp.where(norm < max_norm, g, g * (max_norm / norm)), grad_tree)


class JoinPoint:
    """Marks where the tree of parameters ends and the state of one of them begins."""

    def __init__(self, subtree):
        self.subtree = subtree

    def __iter__(self):
        yield self.subtree


def unpack_optimizer_state(opt_state: OptimizerState):
    """The state as a tree with a `JoinPoint` for each parameter, for saving."""
    parts = [JoinPoint(tree_unflatten(t, leaves)) for t, leaves in zip(
        opt_state.subtree_defs, opt_state.packed_state)]
    return tree_unflatten(opt_state.tree_def, parts)


def pack_optimizer_state(marked_pytree) -> OptimizerState:
    """The inverse of `unpack_optimizer_state`."""
    points, tree = tree_flatten(marked_pytree)
    if not all(isinstance(p, JoinPoint) for p in points):
        raise TypeError("pack_optimizer_state takes a tree whose leaves are JoinPoints")
    pairs = [tree_flatten(p.subtree) for p in points]
    return OptimizerState([tuple(leaves) for leaves, _ in pairs], tree, [t for _, t in pairs])
