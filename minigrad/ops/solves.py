"""Solving linear equations: triangular and tridiagonal ones, and any by a user's solver.

All are divisions, so their derivatives are too: from A x = b, A dx = db - dA x.

>>> import numpy as np
>>> a, b = np.float32([[2, 0], [1, 4]]), np.float32([[2], [9]])
>>> triangular_solve(a, b, left_side=True, lower=True)
Tensor([[1.]
 [2.]])
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from kernels import lapack
from kernels.indexing import GatherDimensionNumbers, GatherScatterMode
from minigrad.batch import batch_jaxpr
from minigrad.core import Primitive, aval_of, box, table
from minigrad.forward import jvp_flat
from minigrad.ops.bodies import as_dims, close_over, fixpoint, split_list, transpose_jaxpr
from minigrad.ops.elementwise import add, mul, neg, sub
from minigrad.ops.families import (
    add_any, broadcast_batch, instantiate, jvp_from_rules, move_axis, zeros_like,
)
from minigrad.ops.indexing import gather
from minigrad.ops.joining import concatenate
from minigrad.ops.matrices import (
    column, conjugate, factorization, matmul, rows, transposed, tril, triu,
)
from minigrad.ops.ordering import sort
from minigrad.ops.selection import stop_gradient
from minigrad.ops.shaping import iota, reshape_to, slice_in_dim
from minigrad.program import Jaxpr, eval_jaxpr, stage
from minigrad.programs.source import run_program
from minigrad.tree import tree_flatten, tree_unflatten

# ------------------------------------------------------------------ triangular_solve


def triangular_solve_shapes(a, b, *, left_side, **_):
    if a[0] != a[1]:
        raise ValueError("The first input to triangular_solve must be a square matrix. Got shape "
                         f"{a}.")
    if a[1] != b[0 if left_side else 1]:
        raise ValueError(f"Incompatible shapes for arguments to triangular_solve: {a} and {b}.")
    return (b,)


def triangular_solve_by_matrix(t, out, a, b, *, left_side, lower, transpose_a, conjugate_a,
                               unit_diagonal):
    """-A^-1 dA x, the cheaper product first; what lies outside the triangle does not matter."""
    params = dict(left_side=left_side, lower=lower, transpose_a=transpose_a,
                  conjugate_a=conjugate_a, unit_diagonal=unit_diagonal)
    t = neg(tril(t, -unit_diagonal) if lower else triu(t, int(unit_diagonal)))
    t = transposed(t) if transpose_a else t
    t = conjugate(t) if conjugate_a else t
    m, n = aval_of(b).shape[-2:]
    if left_side:
        return triangular_solve(a, matmul(t, out), **params) if m > n \
            else matmul(triangular_solve(a, t, **params), out)
    return triangular_solve(a, matmul(out, t), **params) if m < n \
        else matmul(out, triangular_solve(a, t, **params))


def triangular_solve_transpose(ct, args, *, transpose_a, **params):
    a, b = args
    return [None, triangular_solve(a, ct, transpose_a=not transpose_a, **params)]


def triangular_solve_batch(size, args, dims, *, left_side, **params):
    """One matrix for all examples: their right sides stand beside each other."""
    (a, b), (a_dim, b_dim) = args, dims
    if a_dim is not None:
        a, b = broadcast_batch(a, a_dim, size), broadcast_batch(b, b_dim, size)
        return triangular_solve(a, b, left_side=left_side, **params), 0
    ndim = len(aval_of(b).shape)
    target = ndim - 1 if left_side else ndim - 2
    b = move_axis(b, b_dim, target)
    shape = aval_of(b).shape
    wide = (*shape[:-2], shape[-2] * shape[-1]) if left_side \
        else (*shape[:-3], shape[-3] * shape[-2], shape[-1])
    out = triangular_solve(a, reshape_to(b, wide), left_side=left_side, **params)
    return reshape_to(out, shape), target


triangular_solve = factorization(
    "triangular_solve", lapack.triangular_solve, (2, 2), triangular_solve_shapes, single=True,
    transpose=triangular_solve_transpose,
    defaults={"left_side": False, "lower": False, "transpose_a": False, "conjugate_a": False,
              "unit_diagonal": False},
)
triangular_solve.jvp = jvp_from_rules(triangular_solve, (
    triangular_solve_by_matrix,
    lambda t, out, a, b, **params: triangular_solve(a, t, **params),
))
triangular_solve.batch = triangular_solve_batch

# ------------------------------------------------------------------ tridiagonal_solve


def tridiagonal_solve_shapes(dl, d, du, b, *, perturb_singular):
    if not dl == d == du:
        raise TypeError("tridiagonal_solve requires that all diagonal arguments have the same "
                        "shape.")
    if d != b[:-1]:
        raise TypeError("tridiagonal_solve requires that the leading ndim-1 dimensions of b equal "
                        "the dimensions of the diagonal arguments.")
    return (b,)


def vector_slice(x, start: int | None, stop: int | None):
    return slice_in_dim(x, start, stop, axis=len(aval_of(x).shape) - 1)


def shifted_down(x):
    """Row i holds row i - 1; zeros come in at the top."""
    top = zeros_like(rows(x, 0, 1))
    return concatenate(top, rows(x, 0, -1), dimension=len(aval_of(x).shape) - 2)


def shifted_up(x):
    bottom = zeros_like(rows(x, 0, 1))
    return concatenate(rows(x, 1, None), bottom, dimension=len(aval_of(x).shape) - 2)


def tridiagonal_product(dl, d, du, x):
    below, above = mul(column(dl), shifted_down(x)), mul(column(du), shifted_up(x))
    return add(add(mul(column(d), x), below), above)


def tridiagonal_solve_jvp(primals, tangents, **params):
    *diagonals, b = primals
    *t_diagonals, t_b = tangents
    out = tridiagonal_solve(*primals, **params)
    rhs = instantiate(t_b, b)
    if any(t is not None for t in t_diagonals):
        filled = map(instantiate, t_diagonals, diagonals)
        rhs = sub(rhs, tridiagonal_product(*filled, out))
    return out, tridiagonal_solve(*diagonals, rhs, **params)


def tridiagonal_solve_transpose(ct, args, **params):
    """The diagonals change sides, and move by one row."""
    dl, d, du, b = args
    last = len(aval_of(d).shape) - 1
    zero = zeros_like(vector_slice(d, 0, 1))
    dl_t = concatenate(zero, vector_slice(du, 0, -1), dimension=last)
    du_t = concatenate(vector_slice(dl, 1, None), zero, dimension=last)
    return [None, None, None, tridiagonal_solve(dl_t, d, du_t, ct, **params)]


tridiagonal_solve = factorization(
    "tridiagonal_solve", lapack.tridiagonal_solve, (1, 1, 1, 2), tridiagonal_solve_shapes,
    single=True, jvp=tridiagonal_solve_jvp, transpose=tridiagonal_solve_transpose,
    defaults={"perturb_singular": False},
)

# ------------------------------------------------------------------ custom_linear_solve


class LinearSolve(NamedTuple):
    """What is kept of each of the four functions: a program, or how many constants it takes."""

    matvec: Any
    vecmat: Any
    solve: Any
    transpose_solve: Any

    def transposed(self) -> LinearSolve:
        return LinearSolve(self.vecmat, self.matvec, self.transpose_solve, self.solve)


def split_operands(args, const_lengths) -> tuple[LinearSolve, list]:
    *consts, b = split_list(args, *const_lengths)
    return LinearSolve(*consts), b


def flat(groups) -> list:
    return [x for group in groups for x in group]


def custom_linear_solve_impl(*args, const_lengths, jaxprs):
    consts, b = split_operands(args, const_lengths)
    return run_program(jaxprs.solve, [*consts.solve, *b])


def custom_linear_solve_abstract(*avals, const_lengths, jaxprs):
    """The solution is like the right side; what solve returns beside it comes after."""
    b = list(avals[sum(const_lengths):])
    return b + jaxprs.solve.out_avals[len(b):]


def custom_linear_solve_jvp(primals, tangents, *, const_lengths, jaxprs):
    """A dx = db - dA x; what solve returns beside the solution has no derivative."""
    params = {"const_lengths": const_lengths, "jaxprs": jaxprs}
    consts, b = split_operands(primals, const_lengths)
    t_consts, t_b = split_operands(tangents, const_lengths)
    outs = custom_linear_solve_p(*primals, **params)
    rhs = [instantiate(t, x) for t, x in zip(t_b, b)]
    if any(t is not None for t in t_consts.matvec):
        _, changes = jvp_flat(
            lambda *xs: eval_jaxpr(jaxprs.matvec, *xs),
            [*consts.matvec, *outs[:len(b)]], [*t_consts.matvec, *[None] * len(b)])
        rhs = [r if c is None else add_any(r, neg(c)) for r, c in zip(rhs, changes)]
    t_outs = custom_linear_solve_p(*flat(consts), *rhs, **params)
    return outs, t_outs[:len(b)] + [None] * (len(outs) - len(b))


def custom_linear_solve_transpose(cts, args, *, const_lengths, jaxprs):
    if jaxprs.transpose_solve is None:
        raise TypeError("transpose_solve required for backwards mode automatic differentiation of "
                        "custom_linear_solve")
    consts, b = split_operands(args, const_lengths)
    cts = [instantiate(ct, x) for ct, x in zip(cts, b)]
    found = custom_linear_solve_p(
        *flat(consts.transposed()), *cts,
        const_lengths=LinearSolve(*const_lengths).transposed(),
        jaxprs=LinearSolve(*jaxprs).transposed())
    return [None] * sum(const_lengths) + found[:len(b)]


def custom_linear_solve_batch(size, args, dims, *, const_lengths, jaxprs):
    """Solutions are batched where the right sides are, and the other way round: A maps one to
    the other, so the flags rise until all four programs agree."""
    consts, b_dims = split_operands([d is not None for d in dims], const_lengths)
    n = len(b_dims)

    def batched(name: str, flags, wanted):
        program = getattr(jaxprs, name)
        if program is None:
            return None, list(flags)
        extra = [True] * (len(program.outvars) - n)
        return batch_jaxpr(program, size, as_dims(getattr(consts, name) + flags), wanted + extra)

    def raised(flags):
        found = [batched(name, flags, flags)[1][:n] for name in LinearSolve._fields]
        return [any(column) for column in zip(*found)]

    flags = fixpoint(raised, b_dims)
    programs, captured, lengths = [], [], []
    operands, _ = split_operands(
        [a if d is None else move_axis(a, d, 0) for a, d in zip(args, dims)], const_lengths)
    out_flags: list[bool] = []
    for name in LinearSolve._fields:
        program, found = batched(name, flags, flags)
        program, own = close_over(program) if program is not None else (None, [])
        if name == "solve":
            out_flags = found
        programs.append(program)
        captured += [*own, *getattr(operands, name)]
        lengths.append(len(own) + len(getattr(operands, name)))
    right = [broadcast_batch(a, d, size) if flag else a
             for a, d, flag in zip(args[-n:], dims[-n:], flags)]
    outs = custom_linear_solve_p(*captured, *right, const_lengths=LinearSolve(*lengths),
                                 jaxprs=LinearSolve(*programs))
    return outs, as_dims(out_flags)


custom_linear_solve_p = Primitive(
    "custom_linear_solve", custom_linear_solve_impl, custom_linear_solve_abstract,
    custom_linear_solve_jvp, custom_linear_solve_transpose, custom_linear_solve_batch,
    multiple_results=True)


def custom_linear_solve(matvec: Callable, b, solve: Callable, transpose_solve=None,
                        symmetric: bool = False, has_aux: bool = False):
    """x with `matvec(x) == b`, found by `solve(matvec, b)` and differentiated as a division.

    matvec: linear, from trees like `b` to trees like `b`. transpose_solve: the same for the
    transposed map, for reverse derivatives; with `symmetric`, `solve` itself. has_aux: solve
    returns (x, aux). Source: jax.lax.custom_linear_solve.
    """
    leaves, tree = tree_flatten(b)
    leaves = [box(x) for x in leaves]
    avals, classes = [aval_of(x) for x in leaves], [type(x) for x in leaves]
    trees: dict = {}

    def staged(name: str, f: Callable, aux: bool) -> tuple[Jaxpr, list]:
        def body(*xs):
            out = f(tree_unflatten(tree, xs))
            parts, trees[name] = tree_flatten(out)
            check_like_b(name, tree_flatten(out[0] if aux else out)[0], avals)
            return [box(x) for x in parts]

        return close_over(stage(body, avals, classes, name))

    programs = {"matvec": staged("matvec", matvec, False),
                "solve": staged("solve", lambda x: solve(matvec, x), has_aux),
                "vecmat": (None, []), "transpose_solve": (None, [])}
    if transpose_solve is None and symmetric:
        transpose_solve = solve
    if transpose_solve is not None:
        forward, consts = programs["matvec"]
        linear = [False] * len(consts) + [True] * len(leaves)
        turned = transpose_jaxpr(forward, linear, [True] * len(leaves))
        vecmat_program, extra = close_over(turned)
        programs["vecmat"] = programs["matvec"] if symmetric else (
            vecmat_program, [*extra, *consts])

        def vecmat(x):
            program, operands = programs["vecmat"]
            return tree_unflatten(tree, eval_jaxpr(program, *operands, *tree_flatten(x)[0]))

        programs["transpose_solve"] = staged(
            "transpose_solve", lambda x: transpose_solve(vecmat, x), has_aux)
    ordered = [programs[name] for name in LinearSolve._fields]
    outs = custom_linear_solve_p(
        *flat(consts for _, consts in ordered), *leaves,
        const_lengths=LinearSolve(*(len(consts) for _, consts in ordered)),
        jaxprs=LinearSolve(*(program for program, _ in ordered)))
    return tree_unflatten(trees["solve"], outs)


def check_like_b(name: str, leaves, avals) -> None:
    shapes = [aval_of(x).shape for x in leaves]
    expected = [a.shape for a in avals]
    if shapes != expected:
        raise ValueError(f"{name}() output shapes must match b, got {shapes} and {expected}")


# ------------------------------------------------------------------ systems of equations


def take_rows(x, order):
    """The rows of `x`, (*stack, m, n), in the given order, (*stack, m)."""
    shape = aval_of(x).shape
    if 0 in shape:  # a gather takes single rows, and there is none
        return x
    stack = tuple(range(len(shape) - 2))
    axis = len(stack)
    numbers = GatherDimensionNumbers(
        offset_dims=(axis + 1,), collapsed_slice_dims=(axis,), start_index_map=(axis,),
        operand_batching_dims=stack, start_indices_batching_dims=stack)
    sizes = (*(1 for _ in stack), 1, shape[-1])
    return gather(x, column(order), dimension_numbers=numbers, slice_sizes=sizes,
                  mode=GatherScatterMode.PROMISE_IN_BOUNDS)


def inverse_order(order):
    """The permutation that undoes this one."""
    shape = aval_of(order).shape
    here = iota(dtype=aval_of(order).dtype, shape=shape, dimension=len(shape) - 1)
    return sort(order, here, dimension=len(shape) - 1)[1]


def lu_solve(factors, order, b, trans: int = 0):
    """Solve A x = b from `lu(A)`; A^T x = b with trans=1, A^H x = b with 2. `b` is a matrix."""
    if not aval_of(b).size:
        return b
    unit_lower = dict(left_side=True, lower=True, unit_diagonal=True)
    upper = dict(left_side=True, lower=False)
    if trans == 0:
        x = triangular_solve(factors, take_rows(b, order), **unit_lower)
        return triangular_solve(factors, x, **upper)
    turned = dict(transpose_a=True, conjugate_a=trans == 2)
    x = triangular_solve(factors, b, **upper, **turned)
    x = triangular_solve(factors, x, **unit_lower, **turned)
    return take_rows(x, inverse_order(order))


def solve(a, b):
    """x with a x = b, for matrices `a` (*stack, m, m) and `b` (*stack, m, n). One factorization
    serves the value and all derivatives."""
    factors, _, order = table["lu"](stop_gradient(a))
    return custom_linear_solve(
        lambda x: matmul(a, x), b,
        solve=lambda _, x: lu_solve(factors, order, x),
        transpose_solve=lambda _, x: lu_solve(factors, order, x, trans=1))
