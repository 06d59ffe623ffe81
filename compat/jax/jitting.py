"""`jit`, and functions as programs: make_jaxpr, eval_shape."""

from __future__ import annotations

import functools
import inspect
import operator
import warnings
import weakref
from collections import Counter
from collections.abc import Callable

import numpy as np

from compat.jax.array import (
    Array, ShapedArray, as_array, as_dtype, canonical_dtype, check_alive,
)
from compat.jax.face import checked, looks_at_results
from compat.jax.stages import ArgInfo, Traced
from compat.jax.transforms import arrays, check_callable, device_put, results
from minigrad.core import EVAL, Tensor, aval_of, get_mode, make_box, make_spec
from minigrad.jit import Jitted, as_tuple
from minigrad.jit import make_jaxpr as program_of
from minigrad.tree import tree_flatten, tree_map, tree_unflatten


class JittedFunction(Jitted):
    """What `jit` returns: also `lower`, `eval_shape` and `clear_cache`, as in JAX."""

    alive: weakref.WeakSet = weakref.WeakSet()

    inline = False  # are its equations written where it is called?
    donate_argnames: tuple = ()

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.alive.add(self)

    def slow_call(self, args, kwargs):
        if not self.enabled or self.inline and get_mode().trace is not EVAL:
            return results(self.fn(*arrays(args), **arrays(kwargs)))
        out = super().slow_call(args, kwargs)
        return checked(f"jit({self.name})", out) if looks_at_results() else out

    def remember(self, staged, args, kwargs) -> None:
        if not looks_at_results():  # the shorter way does not look
            super().remember(staged, args, kwargs)

    def donated(self, args, kwargs) -> list:
        """The leaves of the arguments whose memory is given away."""
        given = [args[i] for i in self.donate_argnums if -len(args) <= i < len(args)]
        return tree_flatten((given, [kwargs[n] for n in self.donate_argnames if n in kwargs]))[0]

    def give_away(self, args, kwargs, out) -> None:
        """Delete the arguments whose memory a result could take."""
        room = Counter((x.shape, x.dtype) for x in tree_flatten(out)[0])
        unused = []
        for x in self.donated(args, kwargs):
            if not isinstance(x, Array) or not x.spec.concrete:
                continue
            room[x.shape, x.dtype] -= 1
            if room[x.shape, x.dtype] >= 0:
                x.delete()
            else:
                unused.append(ShapedArray(x.aval).str_short())
        if unused:
            warnings.warn(f"Some donated buffers were not usable: {', '.join(unused)}.\nSee an "
                          "explanation at https://docs.jax.dev/en/latest/faq.html#buffer-donation.",
                          stacklevel=3)

    def box_leaf(self, value, i, names) -> Tensor:
        check_alive(value)
        return super().box_leaf(as_array(value) if isinstance(value, Tensor) else value, i, names)

    def eval_shape(self, *args, **kwargs):
        return eval_shape(self.fn, *args, **kwargs)

    def trace(self, *args, **kwargs) -> Traced:
        """The program for these arguments, with what is known about it."""
        leaves, _, rebuild = self.flatten(abstract_leaves(args), abstract_leaves(kwargs))
        staged = self.stage(leaves, rebuild)
        fixed = {i % len(args) for i in self.static_argnums if args}
        dynamic = tuple(a for i, a in enumerate(args) if i not in fixed)
        named = {k: v for k, v in kwargs.items() if k not in self.static_argnames}
        in_tree = tree_flatten((dynamic, named))[1]
        donated = [i in self.donate_argnums for i, a in enumerate(args) if i not in fixed
                   for _ in tree_flatten(a)[0]] + [
            k in self.donate_argnames for k in sorted(named) for _ in tree_flatten(named[k])[0]]
        infos = [ArgInfo(x.aval, d) for x, d in zip(leaves, donated, strict=True)]
        shapes = tree_unflatten(staged.results.tree, [
            ShapeDtypeStruct(a.shape, a.dtype, weak_type=a.weak_type)
            for a in staged.jaxpr.out_avals])
        return Traced(self, staged.jaxpr, in_tree, staged.results.tree,
                      tree_unflatten(in_tree, infos), shapes)

    def lower(self, *args, **kwargs):
        """The program for these arguments, ready to be compiled."""
        return self.trace(*args, **kwargs).lower()

    def clear_cache(self) -> None:
        self.programs.clear()
        self.launches.clear()

    def __repr__(self) -> str:
        return f"<PjitFunction of {self.fn!r}>"


class DonatingFunction(JittedFunction):
    """A jitted function that takes the memory of some arguments."""

    def __call__(self, *args, **kwargs):
        out = super().__call__(*args, **kwargs)
        self.give_away(args, kwargs, out)
        return out


def jit(fun: Callable | None = None, /, *, static_argnums=None, static_argnames=None,
        donate_argnums=None, donate_argnames=None, keep_unused=False, device=None, backend=None,
        inline=False, in_shardings=None, out_shardings=None, compiler_options=None):
    """Stage `fun` once for each types of arguments, then run the program."""
    if fun is None:
        return functools.partial(
            jit, static_argnums=static_argnums, static_argnames=static_argnames,
            donate_argnums=donate_argnums, donate_argnames=donate_argnames, inline=inline,
            in_shardings=in_shardings, out_shardings=out_shardings)
    check_callable(fun)
    if inspect.isgeneratorfunction(fun):
        raise TypeError(f"Expected a function, got a generator function: {fun}")
    names, numbers = static_parameters(fun, static_argnums, static_argnames, "static")
    donated_names, donated = static_parameters(fun, donate_argnums, donate_argnames, "donate")
    if both := {*names} & {*donated_names}:
        raise ValueError("static_argnames and donate_argnames cannot intersect. Argument names "
                         f"{both} appear in both static_argnames and donate_argnames")
    kind = DonatingFunction if donated or donated_names else JittedFunction
    jitted = kind(fun, numbers, names, donated, Array, True)
    jitted.inline, jitted.donate_argnames = inline, donated_names
    if out_shardings is None:
        return jitted
    return functools.wraps(fun)(lambda *args, **kwargs: device_put(jitted(*args, **kwargs),
                                                                   out_shardings))


def static_parameters(fun, numbers, names, kind: str) -> tuple[tuple, tuple]:
    """(names, numbers) of static parameters: what is given one way is found the other way. Raises
    ValueError for parameters that the function does not have."""
    numbers = () if numbers is None else tuple(map(operator.index, as_tuple(numbers)))
    names = () if names is None else (names,) if isinstance(names, str) else tuple(names)
    try:
        parameters = list(inspect.signature(fun).parameters.values())
    except (TypeError, ValueError):
        return names, numbers
    found = {p.kind: p.name for p in parameters}
    listed = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    kinds = inspect.Parameter
    if numbers and kinds.VAR_POSITIONAL not in found and (
            -min(numbers) > len(listed) or max(numbers) >= len(listed)):
        raise ValueError(f"Jitted function has {kind}_argnums={numbers}, but only accepts "
                         f"{len(listed)} positional arguments.")
    if fixed := {p.name for p in parameters
                 if p.kind in (p.POSITIONAL_ONLY, p.VAR_POSITIONAL)} & {*names}:
        raise ValueError(f"Jitted function has invalid argnames {fixed} in {kind}_argnames. These "
                         "are positional-only")
    if kinds.VAR_KEYWORD not in found and (wrong := {*names} - {p.name for p in parameters}):
        raise ValueError(f"Jitted function has invalid argnames {wrong} in {kind}_argnames. "
                         "Function does not take these args.")
    by_name = tuple(listed.index(n) for n in names if n in listed)
    by_number = tuple(listed[i] for i in numbers if -len(listed) <= i < len(listed))
    return tuple(dict.fromkeys(names + by_number)), tuple(dict.fromkeys(numbers + by_name))


def make_jaxpr(fun: Callable, static_argnums=(), axis_env=None, return_shape=False) -> Callable:
    """A function that returns the program of `fun`."""
    check_callable(fun)

    @functools.wraps(fun)
    def traced(*args, **kwargs):
        args = [a if i in as_tuple(static_argnums) else abstract_leaves(a)
                for i, a in enumerate(args)]
        if isinstance(fun, JittedFunction):
            target = functools.wraps(fun.fn)(lambda *a, **k: fun(*a, **k))
        else:
            target = fun
        program = program_of(target, static_argnums, Array)(
            *args, **abstract_leaves(kwargs))
        if not return_shape:
            return program
        return program, eval_shape(fun, *args, **kwargs)

    return traced


class ShapeDtypeStruct:
    """A shape and a dtype that stand for an array."""

    def __init__(self, shape, dtype, *, weak_type: bool = False, sharding=None):
        if dtype is None:
            raise ValueError("ShapeDtypeStruct: dtype must be specified.")
        self.shape, self.dtype = tuple(shape), as_dtype(dtype)
        self.weak_type, self.sharding = weak_type, sharding

    ndim = property(lambda self: len(self.shape))
    size = property(lambda self: int(np.prod(self.shape, dtype=np.int64)))

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of unsized object")
        return self.shape[0]

    def update(self, **changes) -> ShapeDtypeStruct:
        return ShapeDtypeStruct(**(vars(self) | changes))

    def __repr__(self) -> str:
        weak = ", weak_type=True" if self.weak_type else ""
        return f"ShapeDtypeStruct(shape={self.shape}, dtype={self.dtype.name}{weak})"

    def __eq__(self, other) -> bool:
        return isinstance(other, ShapeDtypeStruct) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash((self.shape, self.dtype, self.weak_type))


def abstract_leaves(tree):
    """Shapes that stand for arrays, as boxes that have a type but no numbers."""
    return tree_map(
        lambda x: stand_in(x) if isinstance(x, (ShapeDtypeStruct, ShapedArray)) else x, tree)


def stand_in(x) -> Array:
    value = np.broadcast_to(np.zeros((), canonical_dtype(x.dtype)), x.shape)
    return make_box(Array, value, make_spec(aval_of(value).update(weak_type=x.weak_type)))


def eval_shape(fun: Callable, *args, **kwargs):
    """The shapes and dtypes of `fun(*args)`, found without computing."""
    trees: list = []

    @functools.wraps(fun)
    def flat(*a, **k):
        leaves, tree = tree_flatten(fun(*a, **k))
        trees[:] = [tree]
        return leaves

    program = make_jaxpr(flat)(*args, **kwargs)
    return tree_unflatten(trees[0], [
        ShapeDtypeStruct(a.shape, a.dtype, weak_type=a.weak_type) for a in program.out_avals])
