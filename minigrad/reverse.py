"""Reverse mode the way JAX does it: linearize, then transpose the linear program.

The tape (`tape.py`) is the other road to the same gradient; tests hold the two against each other.

>>> import minigrad as mg
>>> float(mg.grad(lambda x: x * x * x)(2.0))
12.0
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import numpy as np

from minigrad import errors
from minigrad.batch import sum_of_shared, vmap
from minigrad.core import (
    Linear, Tensor, aval_of, box, class_of, make_box, make_spec, table,
)
from minigrad.forward import (
    flatten_fun, instantiate_tangent, is_differentiable, jvp, linearize_flat, lower_aux,
)
from minigrad.ops.families import add_any, dtype_kind, zeros_like
from minigrad.program import Jaxpr, Literal, Var
from minigrad.tree import tree_flatten, tree_leaves, tree_map, tree_unflatten


def backward_pass(program: Jaxpr, linear: Sequence[bool], args: Sequence, cts: Sequence) -> list:
    """Cotangents of the linear inputs, given cotangents of the outputs (None is zero).

    `linear` flags the inputs the program is linear in; `args` holds the values of the others.
    Equations run first where they do not touch a linear input, then backwards where they do.
    """
    env: dict[Var, object] = dict(zip(program.constvars, program.consts))
    unknown: set[Var] = set()
    for var, flag, arg in zip(program.invars, linear, args, strict=True):
        if flag:
            unknown.add(var)
        else:
            env[var] = arg

    def read(atom):
        if type(atom) is Literal:
            return atom
        return Linear(atom.aval) if atom in unknown else env[atom]

    to_transpose = []
    for eqn in program.eqns:
        if any(type(a) is Var and a in unknown for a in eqn.invars):
            unknown.update(eqn.outvars)
            to_transpose.append(eqn)
        else:
            outs = eqn.primitive(*map(read, eqn.invars), **eqn.params)
            env.update(zip(eqn.outvars, outs if eqn.primitive.multiple_results else [outs]))

    ct_env: dict[Var, object] = {}

    def add_ct(atom, ct):
        if ct is not None and type(atom) is Var and atom in unknown:
            ct_env[atom] = ct if atom not in ct_env else add_any(ct_env[atom], ct)

    for atom, ct in zip(program.outvars, cts, strict=True):
        add_ct(atom, ct)
    for eqn in reversed(to_transpose):
        cts_in = [ct_env.pop(v, None) for v in eqn.outvars]
        if all(ct is None for ct in cts_in):
            continue
        if eqn.primitive.transpose is None:
            raise errors.no_rule(eqn.primitive, "transposition")
        ct = cts_in if eqn.primitive.multiple_results else cts_in[0]
        for atom, part in zip(eqn.invars, eqn.primitive.transpose(
                ct, [read(a) for a in eqn.invars], **eqn.params), strict=True):
            add_ct(atom, part)
    return [ct_env.get(v) for v, flag in zip(program.invars, linear) if flag]


def vjp_flat(f: Callable[..., list], primals: Sequence, wanted: Sequence[bool] | None = None):
    """(outputs, pullback) of a function of flat values. The pullback takes a cotangent for every
    output (None is zero) and returns one for every wanted input (None is zero)."""
    outs, program, nonzero = linearize_flat(f, primals, wanted)

    def pullback(cts: Sequence) -> list:
        given = [ct for ct, nz in zip(cts, nonzero, strict=True) if nz]
        flags = [True] * len(program.invars)
        return backward_pass(program, flags, program.invars, given)

    return outs, pullback


def vjp(f: Callable, *primals, has_aux: bool = False):
    """`(f(*primals), pullback)`; the pullback maps a cotangent of the output to a tuple of
    cotangents of the primals. Source: jax.vjp."""
    flat_primals, in_tree = tree_flatten(primals)
    flat_primals = [box(p) for p in flat_primals]
    flat, out = flatten_fun(f, in_tree, has_aux)
    wanted = [is_differentiable(aval_of(p)) for p in flat_primals]
    outs, pull = vjp_flat(flat, flat_primals, wanted)
    out_tree = out["tree"]

    def pullback(cotangent):
        cts, tree = tree_flatten(cotangent)
        if tree != out_tree:
            raise ValueError(
                "unexpected tree structure of argument to vjp function: got "
                f"{tree}, but expected to match {out_tree}")
        cts = [check_cotangent(ct, o) for ct, o in zip(cts, outs)]
        parts = iter(pull(cts))
        grads = [next(parts) if w else None for w in wanted]
        return tree_unflatten(in_tree, [
            instantiate_tangent(g if g is None else sum_of_shared(g, p), p)
            for g, p in zip(grads, flat_primals)])

    value = tree_unflatten(out_tree, outs)
    return (value, pullback, lower_aux(out["aux"])) if has_aux else (value, pullback)


def check_cotangent(ct, out):
    aval, expected = aval_of(ct), aval_of(out)
    if not is_differentiable(expected):
        return None
    if aval.shape != expected.shape or aval.dtype != expected.dtype and not aval.weak_type:
        raise ValueError(
            f"unexpected JAX type (e.g. shape/dtype) for argument to vjp function: got "
            f"{aval.dtype.name}[{','.join(map(str, aval.shape))}], but expected "
            f"{expected.dtype.name}[{','.join(map(str, expected.shape))}]")
    if type(ct) is float or type(ct) is int:
        return box(np.asarray(ct, expected.dtype)[()])
    return box(ct)


# ------------------------------------------------------------------ grad and its kin


def on_arguments(f: Callable, argnums: int | Sequence[int], args: Sequence, kwargs: dict):
    """`f` as a function of the chosen positional arguments, and those arguments."""
    positions = (argnums,) if isinstance(argnums, int) else tuple(argnums)
    highest = max((i if i >= 0 else -i - 1 for i in positions), default=-1)
    if highest >= len(args):
        raise TypeError(
            f"differentiating with respect to argnums={argnums} requires at least "
            f"{highest + 1} positional arguments to be passed by the caller, but got only "
            f"{len(args)} positional arguments.")

    def partial_f(*chosen):
        full = list(args)
        for i, a in zip(positions, chosen):
            full[i] = a
        return f(*full, **kwargs)

    return partial_f, tuple(args[i] for i in positions)


def value_and_grad(f: Callable, argnums: int | Sequence[int] = 0, has_aux: bool = False,
                   holomorphic: bool = False, allow_int: bool = False) -> Callable:
    """A function returning `(f(*args), gradient)` for a scalar-valued `f`.

    argnums: which positional arguments to differentiate, an int or a sequence of ints.
    Raises TypeError for a non-scalar output or an integer input (unless `allow_int`).
    Source: jax.value_and_grad.
    """

    @functools.wraps(f)
    def value_and_grad_f(*args, **kwargs):
        partial_f, chosen = on_arguments(f, argnums, args, kwargs)
        check_inputs("grad", chosen, holomorphic, allow_int)
        value, pullback, *aux = vjp(partial_f, *chosen, has_aux=has_aux)
        check_scalar(value)
        check_outputs("grad", value, holomorphic)
        aval = aval_of(value)
        one = np.ones((), aval.dtype)[()]
        grads = pullback(make_box(class_of([value]), one, make_spec(aval)))
        grads = grads[0] if isinstance(argnums, int) else grads
        return ((value, aux[0]), grads) if has_aux else (value, grads)

    return value_and_grad_f


def grad(f: Callable, argnums: int | Sequence[int] = 0, has_aux: bool = False,
         holomorphic: bool = False, allow_int: bool = False) -> Callable:
    """The gradient of a scalar-valued `f` with respect to `argnums`. See `value_and_grad`."""
    both = value_and_grad(f, argnums, has_aux, holomorphic, allow_int)

    @functools.wraps(f)
    def grad_f(*args, **kwargs):
        value, g = both(*args, **kwargs)
        return (g, value[1]) if has_aux else g

    return grad_f


def check_inputs(name: str, args, holomorphic: bool, allow_int: bool) -> None:
    """Forward mode wants real inputs; reverse mode takes complex ones too: the cotangent of a
    complex input is complex, whatever the output."""
    for leaf in tree_leaves(args):
        dtype = aval_of(leaf).dtype
        kind = dtype_kind(dtype)
        if holomorphic and kind != "c":
            raise TypeError(f"{name} with holomorphic=True requires inputs with complex dtype, "
                            f"but got {dtype.name}.")
        if name == "jacfwd" and not holomorphic and kind != "f":
            raise TypeError(
                f"{name} requires real-valued inputs (input dtype that is a sub-dtype of "
                f"np.floating), but got {dtype.name}. For holomorphic differentiation, pass "
                "holomorphic=True. For differentiation of non-holomorphic functions involving "
                "complex inputs or integer inputs, use jax.jvp directly.")
        if kind not in "fc" and not allow_int:
            raise TypeError(
                f"{name} requires real- or complex-valued inputs (input dtype that is a sub-dtype "
                f"of np.inexact), but got {dtype.name}. If you want to use Boolean- or "
                "integer-valued inputs, use vjp or set allow_int to True.")


def check_scalar(value) -> None:
    if not isinstance(value, Tensor) and not np.isscalar(value) and not hasattr(value, "shape"):
        raise TypeError("Gradient only defined for scalar-output functions. "
                        f"Output was {value}.")
    if shape := aval_of(value).shape:
        raise TypeError("Gradient only defined for scalar-output functions. "
                        f"Output had shape: {shape}.")


def check_outputs(name: str, values, holomorphic: bool) -> None:
    for leaf in tree_leaves(values):
        dtype = aval_of(leaf).dtype
        kind = dtype_kind(dtype)
        if holomorphic and kind != "c":
            raise TypeError(f"{name} with holomorphic=True requires outputs with complex dtype, "
                            f"but got {dtype.name}.")
        if name == "jacfwd" or holomorphic or kind == "f":
            continue
        remedy = ("For holomorphic differentiation, pass holomorphic=True. For differentiation of "
                  "non-holomorphic functions involving complex outputs," if kind == "c" else
                  "For differentiation of functions with integer outputs,")
        raise TypeError(f"{name} requires real-valued outputs (output dtype that is a sub-dtype "
                        f"of np.floating), but got {dtype.name}. {remedy} use jax.vjp directly.")


def jacfwd(f: Callable, argnums: int | Sequence[int] = 0, has_aux: bool = False,
           holomorphic: bool = False) -> Callable:
    """Jacobian by one batched jvp over the standard basis: a column at a time."""

    @functools.wraps(f)
    def jacobian(*args, **kwargs):
        partial_f, chosen = on_arguments(f, argnums, args, kwargs)
        check_inputs("jacfwd", chosen, holomorphic, False)
        leaves, tree = tree_flatten(chosen)

        def push(*tangents):
            out, tangent, *aux = jvp(partial_f, chosen, tree_unflatten(tree, tangents), has_aux)
            return (tree_map(lambda t, y: t if is_differentiable(aval_of(y)) else zeros_like(y),
                             tangent, out), *aux)

        columns, *aux = vmap(push, out_axes=(-1, None)[:1 + has_aux])(*standard_basis(leaves))
        check_outputs("jacfwd", columns, holomorphic)
        one = isinstance(argnums, int)

        def split(column):
            parts = tree_unflatten(tree, cut_axis(column, -1, leaves))
            return parts[0] if one else parts

        jac = tree_map(split, columns)
        return (jac, aux[0]) if has_aux else jac

    return jacobian


def jacrev(f: Callable, argnums: int | Sequence[int] = 0, has_aux: bool = False,
           holomorphic: bool = False, allow_int: bool = False) -> Callable:
    """Jacobian by one batched vjp over the standard basis: a row at a time."""

    @functools.wraps(f)
    def jacobian(*args, **kwargs):
        partial_f, chosen = on_arguments(f, argnums, args, kwargs)
        check_inputs("jacrev", chosen, holomorphic, allow_int)
        value, pullback, *aux = vjp(partial_f, *chosen, has_aux=has_aux)
        check_outputs("jacrev", value, holomorphic)
        leaves, tree = tree_flatten(value)
        rows = vmap(lambda *cts: pullback(tree_unflatten(tree, cts)))(*standard_basis(leaves))
        row_leaves, row_tree = tree_flatten(rows[0] if isinstance(argnums, int) else rows)
        split = [cut_axis(r, 0, leaves) for r in row_leaves]  # [input leaf][output leaf]
        jac = tree_unflatten(tree, [
            tree_unflatten(row_tree, [s[k] for s in split]) for k in range(len(leaves))])
        return (jac, aux[0]) if has_aux else jac

    return jacobian


def hessian(f: Callable, argnums: int | Sequence[int] = 0, has_aux: bool = False,
            holomorphic: bool = False) -> Callable:
    """Second derivatives: forward over reverse."""
    return jacfwd(jacrev(f, argnums, has_aux, holomorphic), argnums, has_aux, holomorphic)


def standard_basis(leaves) -> list:
    """For each leaf, the block of the identity that perturbs it: (total size, *leaf shape)."""
    avals = [aval_of(x) for x in leaves]
    rows = np.cumsum([0, *(a.size for a in avals)])
    blocks = []
    for x, a, start in zip(leaves, avals, rows):
        block = np.eye(rows[-1], a.size, -start, a.dtype).reshape(rows[-1], *a.shape)
        blocks.append(box(block, class_of([x])))
    return blocks


def cut_axis(x, axis: int, leaves) -> list:
    """Cut `axis` of `x` into the leaves' sizes and give each piece the leaf's shape there."""
    shape = aval_of(x).shape
    axis %= len(shape)
    pieces, start = [], 0
    for leaf in leaves:
        a = aval_of(leaf)
        starts = tuple(start if i == axis else 0 for i in range(len(shape)))
        limits = tuple(start + a.size if i == axis else n for i, n in enumerate(shape))
        piece = table["slice"](x, start_indices=starts, limit_indices=limits, strides=None)
        pieces.append(table["reshape"](piece, new_sizes=shape[:axis] + a.shape + shape[axis + 1:]))
        start += a.size
    return pieces
