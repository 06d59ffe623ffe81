"""Functions with derivatives of their own, and functions that recompute instead of saving."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable

import numpy as np

from compat.jax.array import Array, ShapedArray, as_array
from compat.jax.face import argument_of_face, result_of_face, rule_of_face
from compat.jax.transforms import arrays, check_callable
from minigrad import forward
from minigrad.core import Tensor, aval_of
from minigrad.jit import as_tuple
from minigrad.ops import calls
from minigrad.ops.checkpoint import checkpoint as recomputed
from minigrad.ops.families import instantiate
from minigrad.program import eval_jaxpr, stage
from minigrad.tree import tree_flatten, tree_map, tree_unflatten


def closure_convert(fun: Callable, *example_args):
    """(`fun` with what it closes over as further arguments, these values): only values that are
    being differentiated or traced are taken out, others stay where they are."""
    leaves, tree = tree_flatten(arrays(example_args))
    flat, seen = forward.flatten_fun(fun, tree)
    program = stage(flat, [aval_of(x) for x in leaves], Array)
    out_tree = seen["tree"]
    taken = [isinstance(c, Tensor) and not c.spec.concrete for c in program.consts]
    hoisted = [as_array(c) for c, t in zip(program.consts, taken) if t]

    def converted(*args):
        values = tree_flatten(arrays(args[:len(args) - len(hoisted)]))[0]
        own = iter(args[len(args) - len(hoisted):])
        closed = program.replace(consts=[next(own) if t else c
                                         for c, t in zip(program.consts, taken)])
        outs = eval_jaxpr(closed, *values)
        return tree_unflatten(out_tree, [as_array(o) for o in outs])

    return converted, hoisted


class Custom:
    """What functions with derivatives of their own have in common in this face."""

    def __init__(self, fun: Callable, nondiff_argnums=(), nondiff_argnames=()):
        if nondiff_argnames:
            nondiff_argnums = sorted({*as_tuple(nondiff_argnums), *map(
                list(inspect.signature(fun).parameters).index, as_tuple(nondiff_argnames))})
        super().__init__(fun, as_tuple(nondiff_argnums))  # type: ignore[call-arg]

    def __call__(self, *args, **kwargs):
        args = positional(self.fun, args, kwargs)  # type: ignore[attr-defined]
        fixed = self.nondiff_argnums  # type: ignore[attr-defined]
        return tree_map(result_of_face, super().__call__(  # type: ignore[misc]
            *[a if i in fixed else arrays(a) for i, a in enumerate(args)]))


class custom_jvp(Custom, calls.custom_jvp):
    """A function with its own forward derivative."""

    def defjvp(self, jvp: Callable, symbolic_zeros: bool = False) -> Callable:
        super().defjvp(with_zeros(jvp) if symbolic_zeros else with_float0(jvp), symbolic_zeros)
        return jvp


def with_float0(jvp: Callable) -> Callable:
    """A forward rule of the user that is given tangents of integers as JAX has them: of no bits."""
    def tangent(primal, t):
        aval = aval_of(primal)
        return t if forward.is_differentiable(aval) else np.zeros(aval.shape, forward.FLOAT0)

    @functools.wraps(jvp)
    def with_tangents(*args):
        *nondiff, primals, tangents = args
        return jvp(*nondiff, primals, tree_map(tangent, primals, tangents))

    return rule_of_face(with_tangents)


class custom_vjp(Custom, calls.custom_vjp):
    """A function with its own reverse derivative."""

    def defvjp(self, fwd: Callable, bwd: Callable, symbolic_zeros: bool = False,
               optimize_remat: bool = False) -> None:
        wrap = with_zeros if symbolic_zeros else rule_of_face
        super().defvjp(wrap(fwd), wrap(bwd), symbolic_zeros)


class SymbolicZero:
    """A tangent or cotangent that is zero, of a type, for rules that ask for them."""

    def __init__(self, aval):
        self.aval = aval

    shape, dtype = property(lambda self: self.aval.shape), property(lambda self: self.aval.dtype)
    size, ndim = property(lambda self: self.aval.size), property(lambda self: self.aval.ndim)

    def instantiate(self):
        return as_array(instantiate(None, self.aval))

    def __repr__(self) -> str:
        return f"SymbolicZero({self.aval})"

    def __eq__(self, other) -> bool:
        return isinstance(other, SymbolicZero) and self.aval == other.aval

    __hash__ = None  # type: ignore[assignment]


class CustomVJPPrimal:
    """An argument of a forward rule: its value, and whether its derivative is asked for."""

    def __init__(self, value, perturbed: bool):
        self.value, self.perturbed = value, perturbed


def zero_from_primal(value, symbolic_zeros: bool = False):
    """The zero tangent of a value."""
    return SymbolicZero(ShapedArray(forward.tangent_aval(aval_of(value))))


def custom_vjp_primal_tree_values(tree):
    """The values alone."""
    held = lambda x: type(x) is CustomVJPPrimal
    return tree_map(lambda x: x.value if held(x) else x, tree, is_leaf=held)


def with_zeros(fn: Callable) -> Callable:
    """A rule of the user that is given SymbolicZero, or CustomVJPPrimal, for what minigrad says."""
    def shown(x):
        if isinstance(x, calls.Zero):
            return SymbolicZero(ShapedArray(x.aval))
        if isinstance(x, calls.Perturbed):
            return CustomVJPPrimal(argument_of_face(x.value), x.perturbed)
        return argument_of_face(x)

    @functools.wraps(fn)
    def rule(*args):
        return tree_map(lambda x: None if type(x) is SymbolicZero else x,
                        fn(*tree_map(shown, args)))

    return rule


def positional(fun: Callable, args, kwargs) -> tuple:
    if not kwargs:
        return args
    bound = inspect.signature(fun).bind(*args, **kwargs)
    bound.apply_defaults()
    return bound.args


def checkpoint(fun: Callable | None = None, /, *, prevent_cse=True, policy=None,
               static_argnums=(), static_argnames=(), concrete=None) -> Callable:
    """`fun`, whose derivative recomputes instead of saving."""
    if fun is None:
        return functools.partial(checkpoint, prevent_cse=prevent_cse, policy=policy,
                                 static_argnums=static_argnums)
    staged = recomputed(fun, prevent_cse=prevent_cse, policy=policy,
                        static_argnums=static_argnums)
    fixed = as_tuple(static_argnums)

    @functools.wraps(fun)
    def call(*args, **kwargs):
        args = [a if i in fixed else arrays(a) for i, a in enumerate(args)]
        return tree_map(result_of_face, staged(*args, **arrays(kwargs)))

    return call


remat = checkpoint


def custom_gradient(fun: Callable) -> Callable:
    """A function that returns (value, pullback) as a function with that derivative."""
    check_callable(fun)
    held: dict = {}

    @custom_vjp
    def wrapped(*args):
        return fun(*args)[0]

    def fwd(*args):
        """What the pullback closes over are the residuals."""
        out, pullback = fun(*args)
        leaves, tree = tree_flatten(out)
        count = len(tree_flatten(args)[0])

        def flat(*cts):
            grads = pullback(tree_unflatten(tree, cts))
            grads = grads if isinstance(grads, tuple) and len(args) != 1 else (grads,)
            found = tree_flatten(grads)[0]
            if len(found) != count:
                raise TypeError("Custom gradient function must return one cotangent for each "
                                f"argument, {count}, but got {len(found)}")
            return [as_array(g) for g in found]

        avals = [aval_of(as_array(x)) for x in leaves]
        program = stage(flat, [a.strong for a in avals], Array)
        held["program"], held["tree"] = program.replace(consts=[]), tree_flatten(args)[1]
        return out, [as_array(c) for c in program.consts]

    def bwd(residuals, cts):
        program = held["program"].replace(consts=list(residuals))
        out = eval_jaxpr(program, *tree_flatten(cts)[0])
        return tree_unflatten(held["tree"], [as_array(g) for g in out])

    wrapped.defvjp(fwd, bwd)
    functools.update_wrapper(wrapped, fun)
    return wrapped


def linear_call(fun: Callable, fun_transpose: Callable, residual_args, linear_args):
    """A linear function with a transpose of its own."""
    @custom_vjp
    def call(residuals, linear):
        return fun(residuals, linear)

    def bwd(residuals, ct):
        zeros = tree_map(lambda x: forward.instantiate_tangent(None, x), residuals)
        return zeros, fun_transpose(residuals, ct)

    call.defvjp(lambda r, x: (fun(r, x), r), bwd)
    return call(residual_args, linear_args)
