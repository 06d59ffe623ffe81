"""jax.lax: control flow, and collectives along mapped axes."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

from compat.jax.array import as_array
from compat.jax.transforms import arrays, results
from minigrad.ops import collectives, flow


def scan(f, init, xs=None, length=None, reverse=False, unroll=1, _split_transpose=False):
    """Carry a value through `f` over the leading axis of `xs`."""
    return results(flow.scan(f, arrays(init), arrays(xs), length, reverse, unroll))


def map(f, xs, *, batch_size=None):  # noqa: A001
    """`f` applied to the rows of `xs`, one after the other."""
    _, ys = scan(lambda _, x: ((), f(x)), (), xs)
    return ys


def while_loop(cond_fun, body_fun, init_val):
    """Repeat while a condition holds."""
    return results(flow.while_loop(cond_fun, body_fun, arrays(init_val)))


def fori_loop(lower, upper, body_fun, init_val, *, unroll=None):
    """A loop over integers."""
    lower, upper = (v if type(v) is int else as_array(v) for v in (lower, upper))
    return results(flow.fori_loop(lower, upper, body_fun, arrays(init_val), unroll=unroll))


def cond(pred, true_fun, false_fun, *operands, operand=None):
    """One of two functions, as a computed condition says."""
    if operand is not None:
        operands = (operand,)
    return results(flow.cond(as_array(pred), true_fun, false_fun, *arrays(operands)))


def switch(index, branches: Sequence[Callable], *operands):
    """One of several functions, as a computed number says."""
    return results(flow.switch(as_array(index), branches, *arrays(operands)))


def collective(fn: Callable) -> Callable:
    @functools.wraps(fn)
    def call(x, *args, **kwargs):
        return results(fn(arrays(x), *args, **kwargs))

    return call


psum, pmean, pmax, pmin = (collective(getattr(collectives, n)) for n in ("psum", "pmean", "pmax",
                                                                   "pmin"))
all_gather, ppermute, all_to_all = (collective(getattr(collectives, n)) for n in (
    "all_gather", "ppermute", "all_to_all"))
axis_size = collectives.axis_size


def axis_index(axis_name):
    """This position's index along a mapped axis."""
    return as_array(collectives.axis_index(axis_name))

