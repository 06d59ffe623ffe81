"""Matrices in the last two axes, a stack of them before: what the rules of linear algebra share.

`factorization` is the family of rows that take a whole matrix: LAPACK's routines go over stacks
by themselves, so that a batch is one more axis in front.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from minigrad.core import I32, Primitive, aval_of, make_aval
from minigrad.ops.contraction import dot_general
from minigrad.ops.elementwise import add, complex_dtype, conj, div, eq, ge, real, real_dtype, sub
from minigrad.ops.families import KIND_NAMES, broadcast_batch, dtype_kind, full
from minigrad.ops.reduction import reduce_sum
from minigrad.ops.selection import convert, select
from minigrad.ops.shaping import broadcast_to, expand_dims, iota, slice_in_dim, transpose
from minigrad.program import Literal

# ------------------------------------------------------------------ the family


def factorization(name: str, impl, ranks: Sequence[int], shapes: Callable, *,
                  dtypes: Callable | None = None, jvp=None, accepts: Sequence[str] = "fc",
                  single: bool = False, **attributes) -> Primitive:
    """A row that works on the last axes of its operands, `ranks` of them.

    shapes(*shapes, **params)  the shapes of the results, without the stack
    dtypes(dtype, **params)    their dtypes, from that of the operands
    accepts                    kinds of dtypes (letters), or dtypes by name
    single                     one result instead of a tuple
    """
    p = Primitive(name, impl, jvp=jvp, multiple_results=not single, **attributes)

    def abstract(*avals, **params):
        check_operands(name, avals, ranks, accepts)
        cores = [a.shape[len(a.shape) - rank:] for a, rank in zip(avals, ranks)]
        stack = avals[0].shape[:len(avals[0].shape) - ranks[0]]
        found = shapes(*cores, **params)
        kinds = dtypes(avals[0].dtype, **params) if dtypes else (avals[0].dtype,) * len(found)
        weak = all(a.weak_type for a in avals)
        outs = [make_aval((*stack, *core), dtype, weak)
                for core, dtype in zip(found, kinds, strict=True)]
        return outs[0] if single else outs

    def batch(size, args, dims, **params):
        outs = p(*(broadcast_batch(a, d, size) for a, d in zip(args, dims)), **params)
        return (outs, 0) if single else (outs, [0] * len(outs))

    p.abstract, p.batch = abstract, batch
    return p


def check_operands(name: str, avals, ranks, accepts: Sequence[str]) -> None:
    for i, (aval, rank) in enumerate(zip(avals, ranks)):
        if dtype_kind(aval.dtype) not in accepts and aval.dtype.name not in accepts:
            kinds = ", ".join(KIND_NAMES.get(k, k) for k in accepts)
            raise TypeError(f"{name} does not accept dtype {aval.dtype.name} at position {i}. "
                            f"Accepted dtypes at position {i} are subtypes of {kinds}.")
        if len(aval.shape) < rank:
            raise TypeError(f"Input {i} to {name} must have rank at least {rank}, but got "
                            f"shape={aval.shape}")
    stacks = [len(a.shape) - rank for a, rank in zip(avals, ranks)]
    if len(set(stacks)) > 1:
        raise TypeError(f"All inputs to {name} must have the same number of batch dimensions, but "
                        f"got {stacks} batch dimensions for the inputs.")
    if len({a.dtype for a in avals}) > 1:
        raise TypeError(f"lax.{name} requires arguments to have the same dtypes, got "
                        f"{', '.join(a.dtype.name for a in avals)}.")


def check_square(name: str, shape) -> None:
    if shape[0] != shape[1]:
        raise ValueError(f"The input to {name} must be a square matrix. Got shape {shape}.")


def complexified(dtype):
    return dtype if dtype.kind == "c" else complex_dtype(np.result_type(dtype, np.float32))


# ------------------------------------------------------------------ products and triangles


def matmul(x, y):
    """x y, for matrices in the last two axes of arrays of equal rank."""
    n = len(aval_of(x).shape)
    stack = tuple(range(n - 2))
    return dot_general(x, y, dimension_numbers=(((n - 1,), (n - 2,)), (stack, stack)))


def transposed(x):
    n = len(aval_of(x).shape)
    return transpose(x, permutation=(*range(n - 2), n - 1, n - 2))


def conjugate(x):
    dtype = aval_of(x).dtype
    return conj(x, input_dtype=dtype) if dtype.kind == "c" else x


def adjoint(x):
    return conjugate(transposed(x))


def real_part(x):
    return real(x) if aval_of(x).dtype.kind == "c" else x


def symmetrized(x):
    """The Hermitian part, (x + x^H) / 2."""
    return div(add(x, adjoint(x)), 2.0)


def places(shape: Sequence[int], axis: int):
    """The number of the row (axis 0) or column (axis 1) at every place of a matrix."""
    return iota(dtype=I32, shape=tuple(shape), dimension=axis)


def masked(x, condition: Callable):
    """`x` where `condition(row, column)` holds, zeros elsewhere."""
    shape = aval_of(x).shape
    where = condition(places(shape[-2:], 0), places(shape[-2:], 1))
    if len(shape) > 2:
        where = broadcast_to(where, shape, (len(shape) - 2, len(shape) - 1))
    return select(where, x, zero_matrix(aval_of(x)))


def zero_matrix(aval):
    """Zeros of this type, a weak one included."""
    zero = Literal(np.zeros((), aval.dtype)[()], make_aval((), aval.dtype, aval.weak_type))
    return broadcast_to(zero, aval.shape, ())


def tril(x, k: int = 0):
    """The triangle below diagonal `k`, that diagonal included."""
    return masked(x, lambda row, column: ge(add(row, k) if k else row, column))


def triu(x, k: int = 0):
    """The triangle above diagonal `k`, that diagonal included."""
    return masked(x, lambda row, column: ge(column, add(row, k) if k else row))


def eye(n: int, dtype, m: int | None = None, rank: int = 2):
    """The identity, of size one along the axes of a stack."""
    shape = n, n if m is None else m
    identity = convert(eq(places(shape, 0), places(shape, 1)), dtype)
    return expand_dims(identity, range(rank - 2))


def diagonal(x):
    """The diagonal of square matrices."""
    return reduce_sum(masked(x, eq), axes=(len(aval_of(x).shape) - 1,))


def diagonal_matrix(x):
    """Matrices with these diagonals, zeros elsewhere."""
    shape = aval_of(x).shape
    wide = broadcast_to(x, (*shape, shape[-1]), tuple(range(len(shape))))
    return masked(wide, eq)


def column(x):
    """A vector as a matrix of one column."""
    return expand_dims(x, (len(aval_of(x).shape),))


def row(x):
    """A vector as a matrix of one row."""
    return expand_dims(x, (len(aval_of(x).shape) - 1,))


def differences(x):
    """x_j - x_i at row i and column j."""
    return sub(row(x), column(x))


def rows(x, start: int | None, stop: int | None):
    return slice_in_dim(x, start, stop, axis=len(aval_of(x).shape) - 2)


def columns(x, start: int | None, stop: int | None):
    return slice_in_dim(x, start, stop, axis=len(aval_of(x).shape) - 1)


def zeros(x, shape: Sequence[int]):
    """Zero matrices of this shape, in the dtype and stack of `x`."""
    aval = aval_of(x)
    return full((*aval.shape[:-2], *shape), 0, aval.dtype)


def real_of(dtype):
    return np.dtype(real_dtype(dtype))
