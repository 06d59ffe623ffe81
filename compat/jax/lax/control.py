"""jax.lax: control flow."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from compat.jax.array import as_array
from compat.jax.transforms import arrays, results, vmap
from minigrad.core import table
from minigrad.ops import flow
from minigrad.tree import tree_flatten, tree_map


def scan(f, init, xs=None, length=None, reverse=False, unroll=1, _split_transpose=False):
    """Carry a value through `f` over the leading axis of `xs`."""
    return results(flow.scan(f, arrays(init), arrays(xs), length, reverse, unroll))


def map(f, xs, *, batch_size=None):  # noqa: A001
    """`f` applied to the rows of `xs`, one after the other, or a batch of them at a time."""
    if batch_size is None:
        _, ys = scan(lambda _, x: ((), f(x)), (), xs)
        return ys
    xs = arrays(xs)
    n = tree_flatten(xs)[0][0].shape[0]
    whole = n - n % batch_size
    mapped, parts = vmap(f), []
    if whole:
        batches = tree_map(lambda x: x[:whole].reshape(-1, batch_size, *x.shape[1:]), xs)
        ys = map(mapped, batches)
        parts.append(tree_map(lambda y: y.reshape(whole, *y.shape[2:]), ys))
    if whole < n:
        parts.append(mapped(tree_map(lambda x: x[whole:], xs)))
    return parts[0] if len(parts) == 1 else tree_map(
        lambda a, b: as_array(table["concatenate"](a, b, dimension=0)), *parts)


def while_loop(cond_fun, body_fun, init_val):
    """Repeat while a condition holds."""
    return results(flow.while_loop(cond_fun, body_fun, arrays(init_val)))


def fori_loop(lower, upper, body_fun, init_val, *, unroll=None):
    """A loop over integers."""
    lower, upper = (int(v) if isinstance(v, np.integer) else v if type(v) is int else as_array(v)
                    for v in (lower, upper))
    return results(flow.fori_loop(lower, upper, body_fun, arrays(init_val), unroll=unroll))


MISSING = object()


def cond(pred, true_fun, false_fun, *operands, operand=MISSING):
    """One of two functions, as a computed condition says."""
    if operand is not MISSING:
        operands = (operand,)
    if not callable(true_fun) or not callable(false_fun):
        raise TypeError("lax.cond: true_fun and false_fun arguments should be callable.")
    return results(flow.cond(as_array(pred), true_fun, false_fun, *arrays(operands)))


def switch(index, branches: Sequence[Callable], *operands, operand=MISSING):
    """One of several functions, as a computed number says."""
    if operand is not MISSING:
        operands = (operand,)
    return results(flow.switch(as_array(index), branches, *arrays(operands)))
