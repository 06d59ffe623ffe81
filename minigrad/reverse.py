"""Reverse mode the way JAX does it: linearize, then transpose the linear program.

The tape (`tape.py`) is the other road to the same gradient; tests hold the two against each other.

>>> import minigrad as mg
>>> float(mg.grad(lambda x: x * x * x)(2.0))
12.0
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from minigrad import errors
from minigrad.core import Linear, Tensor, aval_of, box
from minigrad.forward import (
    FLOAT0,
    flatten_fun,
    instantiate_tangent,
    is_differentiable,
    jvp,
    linearize_flat,
    lower_aux,
)
from minigrad.ops.families import add_any, dtype_kind, instantiate
from minigrad.program import Jaxpr, Literal, Var, literal_operand
from minigrad.tree import tree_flatten, tree_map, tree_unflatten


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
            return literal_operand(atom)
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
        return tree_unflatten(
            in_tree, [instantiate_tangent(g, p) for g, p in zip(grads, flat_primals)])

    value = tree_unflatten(out_tree, outs)
    return (value, pullback, lower_aux(out["aux"])) if has_aux else (value, pullback)


def check_cotangent(ct, out):
    aval, expected = aval_of(ct), aval_of(out)
    if not is_differentiable(expected):
        return None
    if aval.shape != expected.shape:
        raise ValueError(
            f"unexpected JAX type (e.g. shape/dtype) for argument to vjp function: got "
            f"{aval.dtype.name}[{','.join(map(str, aval.shape))}], but expected "
            f"{expected.dtype.name}[{','.join(map(str, expected.shape))}]")
    if aval.dtype != expected.dtype and not aval.weak_type:
        raise ValueError(
            f"unexpected JAX type (e.g. shape/dtype) for argument to vjp function: got "
            f"{aval.dtype.name}[{','.join(map(str, aval.shape))}], but expected "
            f"{expected.dtype.name}[{','.join(map(str, expected.shape))}]")
    if type(ct) is float or type(ct) is int:
        return box(np.asarray(ct, expected.dtype)[()])
    return box(ct)


# ------------------------------------------------------------------ grad and its kin


def value_and_grad(f: Callable, argnums: int | Sequence[int] = 0, has_aux: bool = False,
                   holomorphic: bool = False, allow_int: bool = False) -> Callable:
    """A function returning `(f(*args), gradient)` for a scalar-valued `f`.

    argnums: which positional arguments to differentiate, an int or a sequence of ints.
    Raises TypeError for a non-scalar output or an integer input (unless `allow_int`).
    Source: jax.value_and_grad.
    """

    def value_and_grad_f(*args, **kwargs):
        positions = (argnums,) if isinstance(argnums, int) else tuple(argnums)
        check_argnums(positions, len(args))
        chosen = [args[i] for i in positions]
        check_inputs(chosen, holomorphic, allow_int)

        def partial_f(*diff_args):
            full = list(args)
            for i, a in zip(positions, diff_args):
                full[i] = a
            return f(*full, **kwargs)

        value, pullback, *aux = vjp(partial_f, *chosen, has_aux=has_aux)
        check_output(value, holomorphic)
        one = np.ones((), aval_of(value).dtype)[()]
        grads = pullback(box(one, type(value) if isinstance(value, Tensor) else Tensor))
        grads = grads[0] if isinstance(argnums, int) else grads
        return ((value, aux[0]), grads) if has_aux else (value, grads)

    value_and_grad_f.__name__ = f"value_and_grad_{getattr(f, '__name__', 'f')}"
    return value_and_grad_f


def grad(f: Callable, argnums: int | Sequence[int] = 0, has_aux: bool = False,
         holomorphic: bool = False, allow_int: bool = False) -> Callable:
    """The gradient of a scalar-valued `f` with respect to `argnums`. See `value_and_grad`."""
    both = value_and_grad(f, argnums, has_aux, holomorphic, allow_int)

    def grad_f(*args, **kwargs):
        value, g = both(*args, **kwargs)
        return (g, value[1]) if has_aux else g

    grad_f.__name__ = f"grad_{getattr(f, '__name__', 'f')}"
    return grad_f


def check_argnums(positions: Sequence[int], given: int) -> None:
    highest = max((i if i >= 0 else -i - 1 for i in positions), default=-1)
    if highest >= given:
        raise ValueError(
            f"differentiating with respect to argnums={tuple(positions)} requires at least "
            f"{highest + 1} positional arguments to be passed by the caller, but got only "
            f"{given} positional arguments.")


def check_inputs(args, holomorphic: bool, allow_int: bool) -> None:
    for leaf in tree_flatten(args)[0]:
        dtype = aval_of(leaf).dtype
        kind = dtype_kind(dtype)
        if holomorphic and kind != "c":
            raise TypeError("grad with holomorphic=True requires inputs with complex dtype, "
                            f"but got {dtype.name}.")
        if kind == "c" and not holomorphic:
            raise TypeError(
                "grad requires real-valued inputs (input dtype that is a sub-dtype of "
                f"np.floating), but got {dtype.name}. For holomorphic differentiation, pass "
                "holomorphic=True. For differentiation of non-holomorphic functions involving "
                "complex inputs, use jax.vjp directly.")
        if kind in "iub" and not allow_int:
            raise TypeError(
                "grad requires real- or complex-valued inputs (input dtype that is a sub-dtype "
                f"of np.inexact), but got {dtype.name}. If you want to use Boolean- or "
                "integer-valued inputs, use vjp or set allow_int to True.")


def check_output(value, holomorphic: bool) -> None:
    if not isinstance(value, Tensor) and not np.isscalar(value) and not hasattr(value, "shape"):
        raise TypeError("Gradient only defined for scalar-output functions. "
                        f"Output was {value}.")
    aval = aval_of(value)
    if aval.shape:
        raise TypeError("Gradient only defined for scalar-output functions. "
                        f"Output had shape: {aval.shape}.")
    kind = dtype_kind(aval.dtype)
    if holomorphic and kind != "c":
        raise TypeError("grad with holomorphic=True requires outputs with complex dtype, "
                        f"but got {aval.dtype.name}.")
    if not holomorphic and kind != "f":
        raise TypeError(
            "grad requires real-valued outputs (output dtype that is a sub-dtype of "
            f"np.floating), but got {aval.dtype.name}. For holomorphic differentiation, pass "
            "holomorphic=True. For differentiation of non-holomorphic functions involving complex "
            "outputs, use jax.vjp directly.")


def jacfwd(f: Callable, argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Callable:
    """Jacobian by one batched jvp over the standard basis: a column at a time."""
    from minigrad.batch import vmap

    def jacobian(*args, **kwargs):
        positions = (argnums,) if isinstance(argnums, int) else tuple(argnums)
        chosen = tuple(args[i] for i in positions)
        check_inputs(chosen, any(dtype_kind(aval_of(x).dtype) == "c"
                                 for x in tree_flatten(chosen)[0]), False)

        def partial_f(*diff_args):
            full = list(args)
            for i, a in zip(positions, diff_args):
                full[i] = a
            return f(*full, **kwargs)

        leaves, tree = tree_flatten(chosen)
        leaves = [box(x) for x in leaves]

        def push(*tangents):
            return jvp(partial_f, chosen, tree_unflatten(tree, tangents), has_aux=has_aux)

        out_axes = (None, -1, None) if has_aux else (None, -1)
        value, columns, *aux = vmap(push, out_axes=out_axes)(*standard_basis(leaves))
        del value

        def split(column):
            return tree_unflatten(tree, unravel_axis(column, -1, leaves))

        jac = tree_map(split, columns)
        jac = tree_map(lambda row: row[0], jac, is_leaf=lambda x: isinstance(x, tuple)) \
            if isinstance(argnums, int) else jac
        return (jac, aux[0]) if has_aux else jac

    return jacobian


def jacrev(f: Callable, argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Callable:
    """Jacobian by one batched vjp over the standard basis: a row at a time."""
    from minigrad.batch import vmap

    def jacobian(*args, **kwargs):
        positions = (argnums,) if isinstance(argnums, int) else tuple(argnums)
        chosen = tuple(args[i] for i in positions)

        def partial_f(*diff_args):
            full = list(args)
            for i, a in zip(positions, diff_args):
                full[i] = a
            return f(*full, **kwargs)

        value, pullback, *aux = vjp(partial_f, *chosen, has_aux=has_aux)
        leaves, tree = tree_flatten(value)

        def pull(*cts):
            return pullback(tree_unflatten(tree, cts))

        rows = vmap(pull)(*standard_basis(leaves))
        rows = rows[0] if isinstance(argnums, int) else rows
        row_leaves, row_tree = tree_flatten(rows)
        split = [unravel_axis(r, 0, leaves) for r in row_leaves]  # [input leaf][output leaf]
        jac = tree_unflatten(tree, [
            tree_unflatten(row_tree, [s[k] for s in split]) for k in range(len(leaves))])
        return (jac, aux[0]) if has_aux else jac

    return jacobian


def hessian(f: Callable, argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Callable:
    """Second derivatives: forward over reverse."""
    return jacfwd(jacrev(f, argnums, has_aux), argnums, has_aux)


def standard_basis(leaves) -> list:
    """For each leaf, the block of the identity that perturbs it: (total size, *leaf shape)."""
    avals = [aval_of(x) for x in leaves]
    total = sum(a.size for a in avals)
    blocks, start = [], 0
    for x, a in zip(leaves, avals):
        block = np.zeros((total, a.size), a.dtype)
        block[np.arange(start, start + a.size), np.arange(a.size)] = 1
        blocks.append(box(block.reshape(total, *a.shape),
                          type(x) if isinstance(x, Tensor) else Tensor))
        start += a.size
    return blocks


def unravel_axis(x, axis: int, leaves) -> list:
    """Cut `axis` of `x` into the leaves' sizes and give each piece the leaf's shape there."""
    from minigrad.core import table

    shape = aval_of(x).shape
    axis %= len(shape)
    pieces, start = [], 0
    for leaf in leaves:
        a = aval_of(leaf)
        starts = tuple(start if i == axis else 0 for i in range(len(shape)))
        limits = tuple(start + a.size if i == axis else n for i, n in enumerate(shape))
        piece = table["slice"](x, start_indices=starts, limit_indices=limits, strides=None)
        new_shape = shape[:axis] + a.shape + shape[axis + 1:]
        pieces.append(table["reshape"](piece, new_sizes=new_shape, dimensions=None, sharding=None))
        start += a.size
    return pieces


_ = FLOAT0, instantiate
