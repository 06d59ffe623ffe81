"""`staged`: functions that stand in programs as one `jit` equation, where JAX has one too.

`where` prints as `jit[name=_where ...]` in JAX, `softmax` prints its equations. Marking a function
here keeps the text of programs equal, and makes each trace of it once for all its uses. At level
zero, and while an operation of a face is derived, the function is simply called.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence

import numpy as np

from minigrad.core import (
    EVAL, PYTHON_SCALARS, Tensor, aval_of, caches_to_clear, config, get_mode, inlining,
    make_aval, scalar_dtype,
)
from minigrad.ops.bodies import close_over
from minigrad.ops.calls import jit_p
from minigrad.program import Literal, stage
from minigrad.tree import tree_flatten, tree_unflatten


def staged(fn: Callable | None = None, *, name: str | None = None,
           static: Sequence[str] = ()) -> Callable:
    """Make `fn` one equation of programs. `static` names the parameters that are no arrays."""
    if fn is None:
        return functools.partial(staged, name=name, static=static)
    signature = inspect.signature(fn)
    programs: dict = {}
    shown = name or fn.__name__

    @functools.wraps(fn)
    def call(*args, **kwargs):
        if get_mode().trace is EVAL or inlining.get():
            return fn(*args, **kwargs)
        bound = signature.bind(*args, **kwargs)
        # Defaults that nobody overrode are constants of the body, not arguments, as in JAX.
        fixed = {k: hashable(v) for k, v in bound.arguments.items() if k in static}
        names = [k for k in bound.arguments if k not in static]
        leaves, tree = tree_flatten([bound.arguments[k] for k in names])
        leaves = [literal(x) if type(x) in PYTHON_SCALARS else x for x in leaves]
        classes = [type(x).result_class() for x in leaves if isinstance(x, Tensor)]
        face = next((c for c in classes if c is not Tensor), Tensor)
        key = (tree, tuple(map(aval_of, leaves)), face, tuple(fixed.items()), config.x64)
        if key not in programs:
            programs[key] = trace(fn, [aval_of(x) for x in leaves], face, tree, names, fixed, shown,
                                  signature)
        program, captured, out_tree = programs[key]
        return tree_unflatten(out_tree, jit_p(*captured, *leaves, jaxpr=program, name=shown))

    caches_to_clear.append(programs.clear)
    return call


def trace(fn, avals, face, tree, names, fixed, shown, signature):
    """(program, the arrays it captured, structure of its result)."""
    out_tree = None

    def flat(*xs):
        nonlocal out_tree
        given = dict(zip(names, tree_unflatten(tree, xs))) | fixed
        ordered = {n: given[n] for n in signature.parameters if n in given}
        bound = inspect.BoundArguments(signature, ordered)  # type: ignore[arg-type]
        leaves, out_tree = tree_flatten(fn(*bound.args, **bound.kwargs))
        return leaves

    return *close_over(stage(flat, avals, face, shown)), out_tree


def literal(x) -> Literal:
    """A Python number as an argument: weakly typed, and printed as it was written."""
    dtype = scalar_dtype(type(x))
    return Literal(np.asarray(x, dtype)[()], make_aval((), dtype, type(x) is not bool), x)


def hashable(x):
    return tuple(map(hashable, x)) if isinstance(x, list) else x
