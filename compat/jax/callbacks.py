"""Calls of Python from programs: debug.print, debug.callback, pure_callback, io_callback."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable

import numpy as np

from compat.jax.array import Array, as_array, canonical_dtype
from compat.jax.transforms import arrays
from minigrad.core import PYTHON_SCALARS, Tensor, make_aval
from minigrad.ops import callbacks
from minigrad.tree import tree_flatten, tree_unflatten


def of_arrays(fn: Callable, tree) -> Callable:
    """`fn` of a tree of arguments as a function of bare arrays, which it sees as Arrays."""

    @functools.wraps(fn)
    def call(*values):
        args, kwargs = tree_unflatten(tree, [as_array(v) for v in values])
        return fn(*args, **kwargs)

    return call


def bind(p, fn: Callable, result_shape_dtypes, args, kwargs, **params):
    shapes, out_tree = tree_flatten(result_shape_dtypes)
    leaves, in_tree = tree_flatten((arrays(args), arrays(kwargs)))
    flat = of_arrays(fn, in_tree)

    def callback(*values):
        out = flat(*values)
        found, tree = tree_flatten(out)
        if len(found) != len(shapes):
            raise RuntimeError(f"a callback gave a result of structure {tree}, where {out_tree} "
                               "was announced")
        return [np.asarray(x) for x in found]

    avals = tuple(make_aval(tuple(s.shape), canonical_dtype(s.dtype)) for s in shapes)
    outs = p(*leaves, callback=callback, result_avals=avals, **params)
    return tree_unflatten(out_tree, [as_array(o) for o in outs])


def pure_callback(callback: Callable, result_shape_dtypes, *args, sharding=None, vmap_method=None,
                  **kwargs):
    """What a function of arrays without effects gives, called when the program runs."""
    return bind(callbacks.pure_callback, callback, result_shape_dtypes, args, kwargs,
                vmap_method=vmap_method)


def io_callback(callback: Callable, result_shape_dtypes, *args, sharding=None, ordered=False,
                **kwargs):
    """The same of a function with effects: it is called as often as the program runs."""
    return bind(callbacks.io_callback, callback, result_shape_dtypes, args, kwargs,
                ordered=ordered)


def debug_callback(callback: Callable | None = None, *args, ordered=False, partitioned=False,
                   **kwargs):
    """Call a function when the program runs; it gives nothing back."""
    if callback is None:
        return functools.partial(debug_callback, ordered=ordered, partitioned=partitioned)
    leaves, tree = tree_flatten((args, kwargs))
    dynamic = [isinstance(x, (Tensor, np.ndarray, np.generic, *PYTHON_SCALARS)) for x in leaves]

    def call(*values):
        found = iter(values)
        full = [as_array(next(found)) if d else x for x, d in zip(leaves_static, dynamic)]
        own_args, own_kwargs = tree_unflatten(tree, full)
        callback(*own_args, **own_kwargs)
        return []

    leaves_static = [None if d else x for x, d in zip(leaves, dynamic)]
    callbacks.debug_callback(*[as_array(x) for x, d in zip(leaves, dynamic) if d], callback=call,
                             result_avals=(), effect="Debug", partitioned=partitioned)


def debug_print(fmt: str, *args, ordered=False, partitioned=False, skip_format_check=False,
                **kwargs) -> None:
    """Print `fmt.format(*args, **kwargs)` when the program runs."""
    if not skip_format_check:
        check_format(fmt, args, kwargs)
    debug_callback(lambda *a, **k: print(fmt.format(*shown(a), **dict(zip(k, shown(k.values()))))),
                   *args, ordered=ordered, **kwargs)


def debug_log(fmt: str, *args, ordered=False, partitioned=False, skip_format_check=False,
              **kwargs) -> None:
    """The same into Python's log."""
    logger = logging.getLogger("jax")
    debug_callback(lambda *a, **k: logger.info(fmt.format(*shown(a), **dict(zip(
        k, shown(k.values()))))), *args, ordered=ordered, **kwargs)


def shown(values) -> list:
    """Arrays as NumPy's, which formats of numbers understand."""
    return [np.asarray(v)[()] if isinstance(v, Array) else v for v in values]


def check_format(fmt: str, args, kwargs) -> None:
    """Every argument must be asked for by the format. Raises as `str.format` does."""
    import string

    names, position = set(), 0
    for _, field, _, _ in string.Formatter().parse(fmt):
        if field is not None:
            key = field.split(".")[0].split("[")[0]
            names.add(position if key == "" else int(key) if key.isdigit() else key)
            position += key == ""
    unused = set(range(len(args))) - names
    if unused or kwargs.keys() - names:
        raise ValueError(
            f"Unused {'arguments' if unused else 'keyword arguments'} in a call of "
            f"jax.debug.print: {sorted(unused) or sorted(kwargs.keys() - names)}")
    if missing := {n for n in names if isinstance(n, str)} - kwargs.keys():
        raise KeyError(missing.pop())
