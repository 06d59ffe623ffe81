"""Products of arrays: all of them are `dot_general` between reshapes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from minigrad.core import BOOL, aval_of, table
from minigrad.numpy.elementwise import multiply
from minigrad.numpy.promotion import (
    check_array, convert, operand, promote_dtypes, result_type, shape_of,
)
from minigrad.numpy.staging import staged
from minigrad.ops.axes import canonical
from minigrad.ops.families import full
from minigrad.ops.shaping import expand_dims, reorder, reshape_to


def contract(a, b, contracting, batch=((), ()), precision=None, preferred_element_type=None):
    """dot_general in the dtype that the operands promote to."""
    if preferred_element_type is None:
        dtype, weak = result_type(a, b, return_weak_type_flag=True)
    else:
        dtype, weak = np.dtype(preferred_element_type), False
    numbers = (tuple(map(tuple, contracting)), tuple(map(tuple, batch)))
    out = table["dot_general"](operand(a), operand(b), dimension_numbers=numbers,
                               precision=precision, preferred_element_type=dtype)
    return convert(out, dtype, weak)


def dot(a, b, *, precision=None, preferred_element_type=None):
    """The sum over the last axis of `a` and the last but one of `b`. Source: jax.numpy.dot."""
    check_array("dot", a), check_array("dot", b, 1)
    a_ndim, b_ndim = len(shape_of(a)), len(shape_of(b))
    if a_ndim == 0 or b_ndim == 0:
        contracting: tuple = ((), ())
    else:
        contracting = ((a_ndim - 1,), (0 if b_ndim == 1 else b_ndim - 2,))
    return contract(a, b, contracting, ((), ()), precision, preferred_element_type)


def matmul(a, b, *, precision=None, preferred_element_type=None):
    """The matrix product, leading axes being a batch and broadcast. Raises ValueError for scalars
    and for batches that do not fit. Source: jax.numpy.matmul."""
    check_array("matmul", a), check_array("matmul", b, 1)
    for i, x in enumerate((a, b)):
        if not shape_of(x):
            raise ValueError(f"matmul input operand {i} must have ndim at least 1, but it has "
                             "ndim 0")
    a_shape, b_shape = shape_of(a), shape_of(b)
    a_matrix, b_matrix = len(a_shape) > 1, len(b_shape) > 1
    rank = max(len(a_shape) - 2, len(b_shape) - 2, 0)
    batch_a, batch_b = (
        (None,) * (rank - max(len(s) - 2, 0)) + s[:-2] for s in (a_shape, b_shape))
    # Where a batch axis of one operand is missing or 1, it is an ordinary axis of the other.
    both, own_a, own_b, dropped = [], [], [], []
    squeeze_a, squeeze_b, at_a, at_b = [], [], [], []
    axis_a = axis_b = 0  # positions in the squeezed operands
    for i, (m, n) in enumerate(zip(batch_a, batch_b)):
        use_a = m is not None and not (m == 1 and n is not None)
        use_b = n is not None and not (n == 1 and m is not None)
        if m is not None and not use_a:
            squeeze_a.append(i - (rank - len(a_shape) + 2))
        if n is not None and not use_b:
            squeeze_b.append(i - (rank - len(b_shape) + 2))
        if use_a and use_b:
            if m != n:
                raise ValueError("Incompatible types for matmul arguments: "
                                 f"{named_type(a)} and {named_type(b)}")
            both.append(i), at_a.append(axis_a), at_b.append(axis_b)
        elif use_a:
            own_a.append(i)
        elif use_b:
            own_b.append(i)
        else:
            dropped.append(i)
        axis_a, axis_b = axis_a + use_a, axis_b + use_b
    if a_matrix:
        own_a.append(rank)
    if b_matrix:
        own_b.append(rank + a_matrix)
    a, b = squeezed(operand(a), squeeze_a), squeezed(operand(b), squeeze_b)
    order = tuple(map(int, np.argsort([*both, *own_a, *own_b])))
    contracting = ((len(shape_of(a)) - 1,), (len(shape_of(b)) - 1 - b_matrix,))
    if preferred_element_type is None:
        dtype, weak = result_type(a, b, return_weak_type_flag=True)
    else:
        dtype, weak = np.dtype(preferred_element_type), False
    out = table["dot_general"](
        a, b, dimension_numbers=(contracting, (tuple(at_a), tuple(at_b))), precision=precision,
        preferred_element_type=dtype)
    out = reorder(out, order)
    return convert(expand_dims(out, dropped) if dropped else out, dtype, weak)


def named_type(x) -> str:
    aval = aval_of(x)
    return f"{aval.dtype.name}[{','.join(map(str, aval.shape))}]"


def squeezed(x, axes: Sequence[int]):
    return table["squeeze"](x, dimensions=tuple(axes)) if axes else x


def vdot(a, b, *, precision=None, preferred_element_type=None):
    """The product of the flat arrays, the first conjugated."""
    check_array("vdot", a), check_array("vdot", b, 1)
    if aval_of(a).dtype.kind == "c":
        a = table["conj"](operand(a), input_dtype=aval_of(a).dtype)
    a, b = (reshape_to(operand(x), (aval_of(x).size,)) for x in (a, b))
    return dot(a, b, precision=precision, preferred_element_type=preferred_element_type)


def inner(a, b, *, precision=None, preferred_element_type=None):
    """The sum over the last axes of both."""
    check_array("inner", a), check_array("inner", b, 1)
    if not shape_of(a) or not shape_of(b):
        a, b = promote_dtypes(a, b)
        return table["mul"](a, b)
    axes = ((len(shape_of(a)) - 1,), (len(shape_of(b)) - 1,))
    return contract(a, b, axes, ((), ()), precision, preferred_element_type)


def outer(a, b):
    """The products of all pairs of elements."""
    a, b = promote_dtypes(a, b)
    a, b = (reshape_to(x, (aval_of(x).size,)) for x in (a, b))
    return multiply(expand_dims(a, (1,)), expand_dims(b, (0,)))


def tensordot(a, b, axes=2, *, precision=None, preferred_element_type=None):
    """The sum over `axes`: the last n of `a` with the first n of `b`, or a pair of lists.
    Source: jax.numpy.tensordot."""
    check_array("tensordot", a), check_array("tensordot", b, 1)
    a_ndim, b_ndim = len(shape_of(a)), len(shape_of(b))
    if isinstance(axes, int):
        if axes > min(a_ndim, b_ndim):
            raise TypeError(f"Number of tensordot axes (axes {axes}) exceeds input ranks "
                            f"({shape_of(a)} and {shape_of(b)})")
        pairs = (tuple(range(a_ndim - axes, a_ndim)), tuple(range(axes)))
    else:
        if not isinstance(axes, (tuple, list)) or len(axes) != 2:
            raise TypeError("tensordot axes argument must be an int, a pair of ints, or a pair "
                            "of lists/tuples of ints.")
        left, right = ((x,) if isinstance(x, int) else tuple(x) for x in axes)
        if len(left) != len(right):
            raise TypeError("tensordot requires axes lists to have equal length, got "
                            f"{axes[0]} and {axes[1]}.")
        pairs = (tuple(canonical(i, a_ndim) for i in left),
                 tuple(canonical(i, b_ndim) for i in right))
    return contract(a, b, pairs, ((), ()), precision, preferred_element_type)


@staged
def kron(a, b):
    """The Kronecker product."""
    a, b = promote_dtypes(a, b)
    rank = max(len(shape_of(a)), len(shape_of(b)))
    a, b = (x if len(shape_of(x)) == rank else
            reshape_to(x, (1,) * (rank - len(shape_of(x))) + shape_of(x)) for x in (a, b))
    shape = tuple(m * n for m, n in zip(shape_of(a), shape_of(b)))
    product = table["mul"](expand_dims(a, tuple(range(1, 2 * rank, 2))),
                           expand_dims(b, tuple(range(0, 2 * rank, 2))))
    return reshape_to(product, shape)


def vecdot(x1, x2, /, *, axis=-1, precision=None, preferred_element_type=None):
    """The products of vectors along `axis`, other axes being broadcast."""
    from minigrad.numpy.shaping import moveaxis

    x1, x2 = promote_dtypes(x1, x2)
    if aval_of(x1).dtype.kind == "c":
        x1 = table["conj"](x1, input_dtype=aval_of(x1).dtype)
    x1, x2 = expand_dims(moveaxis(x1, axis, -1), (-2,)), expand_dims(moveaxis(x2, axis, -1), (-1,))
    out = matmul(x1, x2, precision=precision, preferred_element_type=preferred_element_type)
    return table["squeeze"](out, dimensions=tuple(len(shape_of(out)) - i for i in (2, 1)))


# ------------------------------------------------------------------ einsum


def einsum(subscripts, *operands, optimize="auto", precision=None, preferred_element_type=None):
    """Einstein's summation; of several operands, opt_einsum finds the order.

    subscripts: "ij,jk->ik", or operands and lists of axes by turns. Source: jax.numpy.einsum.
    """
    import opt_einsum

    optimize = "optimal" if optimize is True else optimize
    operands = (subscripts, *operands)
    values, path = opt_einsum.contract_path(
        *with_shapes(operands), einsum_call=True, use_blas=True, optimize=optimize)
    values = [v.value for v in values]
    if len(values) < 1:
        raise ValueError("No input operands")
    dtype, weak = result_type(*values, return_weak_type_flag=True)
    if preferred_element_type is not None:
        dtype, weak = np.dtype(preferred_element_type), False
    values = [operand(v) for v in values]
    for positions, contracted, text, *_ in path:
        inputs, result = text.split("->")
        chosen = [(values.pop(p), names) for p, names in zip(positions, inputs.split(","))]
        step = sum_one if len(chosen) == 1 else multiply_two
        out, names = step(*chosen, sorted(contracted), result, dtype, precision)
        values.append(reorder(out, tuple(map(names.index, result))))
    return convert(values[0], dtype, weak)


class Shaped:
    """An operand as opt_einsum sees it: only its shape matters there."""

    def __init__(self, value):
        self.value, self.shape = value, shape_of(value)
        self.ndim = len(self.shape)


def with_shapes(operands) -> list:
    if isinstance(operands[0], str):
        return [operands[0], *map(Shaped, operands[1:])]
    *pairs, = operands
    return [Shaped(x) if i % 2 == 0 and i < 2 * (len(pairs) // 2) else x
            for i, x in enumerate(pairs)]


def sum_axes(x, axes, dtype):
    own = aval_of(x).dtype
    if result_type(x, dtype) != own:
        x = convert(x, dtype)
    name = "reduce_or" if aval_of(x).dtype == BOOL else "reduce_sum"
    return table[name](x, axes=tuple(axes))


def sum_unshared(x, names: str, gone, dtype):
    """Sum over axes that occur once here and nowhere else."""
    if not gone:
        return x, names
    x = sum_axes(x, [names.index(n) for n in gone], dtype)
    return x, "".join(n for n in names if n not in gone)


def sum_diagonals(x, names: str, kept: str, dtype):
    """A repeated name means the diagonal: others are set to zero, then summed away."""
    for name, count in Counter(names).items():
        if count == 1:
            continue
        axes = [i for i, n in enumerate(names) if n == name]
        x = table["select_n"](diagonal_mask(shape_of(x), axes),
                              full(shape_of(x), 0, aval_of(x).dtype), x)
        gone = axes if name not in kept else axes[:-1]
        x = sum_axes(x, gone, dtype)
        names = "".join(n for i, n in enumerate(names) if i not in gone)
    return x, names


def diagonal_mask(shape, axes):
    """True where the indices along all `axes` agree."""
    sizes = tuple(shape[a] for a in axes)
    positions = [table["iota"](dtype=np.dtype(np.uint32), shape=sizes, dimension=i)
                 for i in range(len(axes))]
    same = [table["eq"](a, b) for a, b in zip(positions, positions[1:])]
    mask = same[0]
    for other in same[1:]:
        mask = table["and"](mask, other)
    if sizes == tuple(shape):
        return mask
    return table["broadcast_in_dim"](mask, shape=tuple(shape), broadcast_dimensions=tuple(axes))


def sum_one(chosen, contracted, result, dtype, precision):
    x, names = chosen
    counts = Counter(names)
    x, names = sum_unshared(x, names, [n for n in contracted if counts[n] == 1], dtype)
    return sum_diagonals(x, names, result, dtype)


def multiply_two(left, right, contracted, result, dtype, precision):
    (a, a_names), (b, b_names) = left, right
    a, a_names = drop_ones(a, a_names, b, b_names)
    b, b_names = drop_ones(b, b_names, a, a_names)
    a_counts, b_counts = Counter(a_names), Counter(b_names)
    a_only = [n for n in contracted if a_counts[n] == 1 and not b_counts[n]]
    b_only = [n for n in contracted if b_counts[n] == 1 and not a_counts[n]]
    a, a_names = sum_unshared(a, a_names, a_only, dtype)
    b, b_names = sum_unshared(b, b_names, b_only, dtype)
    a, a_names = sum_diagonals(a, a_names, result + b_names, dtype)
    b, b_names = sum_diagonals(b, b_names, result + a_names, dtype)
    shared = set(a_names) & set(b_names)
    summed = [n for n in contracted if n in shared]
    batch = [n for n in result if n in shared]
    rest_a, rest_b = ("".join(n for n in names if n not in batch and n not in summed)
                      for names in (a_names, b_names))
    # Of the two orders, the one that needs no transpose.
    if "".join(batch) + rest_b + rest_a == result:
        a, b, a_names, b_names, rest_a, rest_b = b, a, b_names, a_names, rest_b, rest_a
    names = "".join(batch) + rest_a + rest_b
    out = table["dot_general"](
        a, b, precision=precision, preferred_element_type=dtype,
        dimension_numbers=(
            (tuple(map(a_names.index, summed)), tuple(map(b_names.index, summed))),
            (tuple(map(a_names.index, batch)), tuple(map(b_names.index, batch)))))
    return out, names


def drop_ones(x, names: str, other, other_names: str):
    """An axis of size one is dropped where the other operand's is longer."""
    shape, other_shape = shape_of(x), shape_of(other)
    gone = [i for i, n in enumerate(names)
            if shape[i] == 1 and n in other_names and other_shape[other_names.index(n)] != 1]
    return squeezed(x, gone), "".join(n for i, n in enumerate(names) if i not in gone)
