"""JAX's transformations: minigrad's, with arguments and results that are `Array`s."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np

import minigrad
from compat.jax.array import Array, ShapedArray, as_array, canonical_dtype
from compat.jax.face import result_of_face, with_array_leaf
from minigrad import forward, reverse
from minigrad.batch import vmap as batch_vmap
from minigrad.core import Tensor, aval_of, make_box, make_spec
from minigrad.jit import Jitted, as_tuple
from minigrad.jit import make_jaxpr as program_of
from minigrad.ops import calls
from minigrad.tree import tree_flatten, tree_map, tree_unflatten


def arrays(tree):
    """Every array or number in a tree as an Array."""
    return tree_map(with_array_leaf, tree)


def results(out):
    """Results in the face; a function among them (a pullback) is wrapped likewise."""
    return tree_map(lambda x: wrap(x) if callable(x) and not isinstance(x, Tensor)
                    else result_of_face(x), out)


def wrap(fn: Callable) -> Callable:
    """`fn` with all arguments made Arrays, and its results too."""

    @functools.wraps(fn)
    def call(*args, **kwargs):
        return results(fn(*arrays(args), **arrays(kwargs)))

    return call


# ------------------------------------------------------------------ differentiation


def differentiating(transform: Callable) -> Callable:
    """For grad and its kin: the arguments in `argnums` become Arrays, others stay as they are."""

    @functools.wraps(transform)
    def transformed(fun, argnums=0, has_aux=False, **options):
        check_callable(fun)
        derivative = transform(fun, argnums, has_aux, **options)

        @functools.wraps(fun)
        def call(*args, **kwargs):
            chosen = (argnums,) if isinstance(argnums, int) else tuple(argnums)
            chosen = {i % len(args) if args and -len(args) <= i < 0 else i for i in chosen}
            args = [arrays(a) if i in chosen else a for i, a in enumerate(args)]
            return tree_map(result_of_face, derivative(*args, **kwargs))

        return call

    return transformed


def check_callable(fun) -> None:
    if not callable(fun):
        raise TypeError(f"Expected a callable value, got {fun}")


grad = differentiating(reverse.grad)
value_and_grad = differentiating(reverse.value_and_grad)
jacfwd, jacrev = differentiating(reverse.jacfwd), differentiating(reverse.jacrev)
hessian = differentiating(reverse.hessian)
jacobian = jacrev


def jvp(fun: Callable, primals, tangents, has_aux: bool = False):
    """`(fun(*primals), tangent)`: forward mode."""
    check_callable(fun)
    if not isinstance(primals, (tuple, list)) or not isinstance(tangents, (tuple, list)):
        return forward.jvp(fun, primals, tangents)  # raises
    return results(forward.jvp(fun, arrays(tuple(primals)), arrays(tuple(tangents)), has_aux))


def vjp(fun: Callable, *primals, has_aux: bool = False):
    """`(fun(*primals), pullback)`: reverse mode."""
    check_callable(fun)
    value, pullback, *aux = reverse.vjp(fun, *arrays(primals), has_aux=has_aux)
    return tuple(tree_map(result_of_face, x) if i != 1 else wrap(pullback)
                 for i, x in enumerate((value, pullback, *aux)))


def linearize(fun: Callable, *primals, has_aux: bool = False):
    """`(fun(*primals), f_lin)`: the derivative at a point, computed once."""
    value, f_lin, *aux = forward.linearize(fun, *arrays(primals), has_aux=has_aux)
    return (tree_map(result_of_face, value), wrap(f_lin),
            *(tree_map(result_of_face, a) for a in aux))


def closure_convert(fun: Callable, *example_args):
    """(`fun` with what it closes over as further arguments, these values): only values that are
    being differentiated or traced are taken out, others stay where they are."""
    leaves, tree = tree_flatten(arrays(example_args))
    flat, seen = forward.flatten_fun(fun, tree)
    program = minigrad.program.stage(flat, [aval_of(x) for x in leaves], Array)
    out_tree = seen["tree"]
    taken = [isinstance(c, Tensor) and not c.spec.concrete for c in program.consts]
    hoisted = [as_array(c) for c, t in zip(program.consts, taken) if t]

    def converted(*args):
        values, given = tree_flatten(arrays(args[:len(args) - len(hoisted)]))
        del given
        own = iter(args[len(args) - len(hoisted):])
        closed = program.replace(consts=[next(own) if t else c
                                         for c, t in zip(program.consts, taken)])
        outs = minigrad.program.eval_jaxpr(closed, *values)
        return tree_unflatten(out_tree, [as_array(o) for o in outs])

    return converted, hoisted


def linear_transpose(fun: Callable, *primals):
    """The transpose of a linear function, for arguments of the given types."""
    leaves, tree = tree_flatten(primals)
    flat, seen = forward.flatten_fun(fun, tree)
    program = minigrad.program.stage(flat, [aval_of(x) for x in leaves], Array)

    def transpose(cotangent):
        cts = arrays(tree_flatten(cotangent)[0])
        grads = reverse.backward_pass(program, [True] * len(leaves), program.invars, cts)
        return tree_unflatten(tree, [as_array(forward.instantiate_tangent(g, x))
                                     for g, x in zip(grads, leaves)])

    return transpose


# ------------------------------------------------------------------ vmap, jit, programs


def vmap(fun: Callable, in_axes=0, out_axes=0, axis_name=None, axis_size=None,
         spmd_axis_name=None) -> Callable:
    """Map `fun` over an axis of its arguments."""
    check_callable(fun)
    mapped = batch_vmap(fun, in_axes, out_axes, axis_name, axis_size, spmd_axis_name)
    return wrap(mapped)


class JittedFunction(Jitted):
    """What `jit` returns: also `lower`, `eval_shape` and `clear_cache`, as in JAX."""

    enabled = True  # `disable_jit` turns it off for all

    def box_leaf(self, value) -> Tensor:
        return super().box_leaf(value if not isinstance(value, Tensor) else as_array(value))

    def eval_shape(self, *args, **kwargs):
        return eval_shape(self.fn, *args, **kwargs)

    def trace(self, *args, **kwargs):
        return make_jaxpr(self.fn)(*args, **kwargs)

    def clear_cache(self) -> None:
        self.programs.clear()
        self.launches.clear()

    def __repr__(self) -> str:
        return f"<PjitFunction of {self.fn!r}>"


def jit(fun: Callable | None = None, /, *, static_argnums=None, static_argnames=None,
        donate_argnums=None, donate_argnames=None, keep_unused=False, device=None, backend=None,
        inline=False, in_shardings=None, out_shardings=None, compiler_options=None):
    """Stage `fun` once for each types of arguments, then run the program."""
    if fun is None:
        return functools.partial(jit, static_argnums=static_argnums,
                                 static_argnames=static_argnames, donate_argnums=donate_argnums,
                                 inline=inline)
    check_callable(fun)
    names, numbers = static_parameters(fun, static_argnums, static_argnames)
    return JittedFunction(fun, numbers, names, donate_argnums or (), Array, True, inline)


def static_parameters(fun, numbers, names) -> tuple[tuple, tuple]:
    """(names, numbers) of static parameters: what is given one way is found the other way."""
    import inspect

    numbers = as_tuple(numbers) if numbers is not None else ()
    names = as_tuple(names) if names is not None else ()
    try:
        parameters = [p for p in inspect.signature(fun).parameters.values()
                      if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    except (TypeError, ValueError):
        return names, numbers
    listed = [p.name for p in parameters]
    found = tuple(listed.index(n) for n in names if n in listed)
    named = tuple(listed[i] for i in numbers if -len(listed) <= i < len(listed))
    return tuple(dict.fromkeys(names + named)), tuple(dict.fromkeys(numbers + found))


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
        self.shape, self.dtype = tuple(shape), np.dtype(dtype)
        self.weak_type, self.sharding = weak_type, sharding

    ndim = property(lambda self: len(self.shape))
    size = property(lambda self: int(np.prod(self.shape, dtype=np.int64)))

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


# ------------------------------------------------------------------ the rest


class custom_jvp(calls.custom_jvp):
    """A function with its own forward derivative."""

    def __call__(self, *args, **kwargs):
        args = positional(self.fun, args, kwargs)
        return tree_map(result_of_face, super().__call__(
            *[a if i in self.nondiff_argnums else arrays(a) for i, a in enumerate(args)]))


class custom_vjp(calls.custom_vjp):
    """A function with its own reverse derivative."""

    def __call__(self, *args, **kwargs):
        args = positional(self.fun, args, kwargs)
        return tree_map(result_of_face, super().__call__(
            *[a if i in self.nondiff_argnums else arrays(a) for i, a in enumerate(args)]))


def positional(fun: Callable, args, kwargs) -> tuple:
    if not kwargs:
        return args
    import inspect

    bound = inspect.signature(fun).bind(*args, **kwargs)
    bound.apply_defaults()
    return bound.args


def checkpoint(fun: Callable | None = None, /, *, prevent_cse=True, policy=None,
               static_argnums=()) -> Callable:
    """`fun`, whose derivative recomputes instead of saving."""
    if fun is None:
        return functools.partial(checkpoint, prevent_cse=prevent_cse, policy=policy,
                                 static_argnums=static_argnums)
    staged = calls.checkpoint(fun, prevent_cse=prevent_cse, policy=policy,
                              static_argnums=static_argnums)
    fixed = as_tuple(static_argnums)

    @functools.wraps(fun)
    def call(*args, **kwargs):
        args = [a if i in fixed else arrays(a) for i, a in enumerate(args)]
        return tree_map(result_of_face, staged(*args, **arrays(kwargs)))

    return call


remat = checkpoint


def device_put(x, device=None, **_):
    """Every leaf as an Array."""
    return arrays(x)


def device_get(x):
    """Every Array as a NumPy array."""
    return tree_map(lambda v: np.asarray(v) if isinstance(v, Tensor) else v, x)


def block_until_ready(x):
    """Nothing here is asynchronous."""
    return x


def named_call(fun: Callable, *, name: str | None = None) -> Callable:
    return fun


