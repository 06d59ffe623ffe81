"""Sums of products: dot_general, which is every matmul and einsum.

It is linear in each operand, so a tangent is the product with one operand exchanged for its
tangent, and a gradient is such a product again with the axes told off differently: for
`z[i,k] = sum_j x[i,j] y[j,k]` the cotangent of `x` is `sum_k ct[i,k] y[j,k]`.

>>> numbers = (((1,), (0,)), ((), ()))  # contract axis 1 of x with axis 0 of y; no batch axes
>>> dot_general(np.ones((2, 3)), np.ones((3, 4)), dimension_numbers=numbers).aval
f64[2,4]
"""

from __future__ import annotations

import math
from functools import lru_cache, partial

import numpy as np

from kernels import blas
from kernels import windows as kernels
from minigrad.core import C64, C128, F32, F64, aval_of, make_aval
from minigrad.ops.axes import inverse
from minigrad.ops.families import bilinear, dtype_kind
from minigrad.ops.selection import convert
from minigrad.ops.shaping import transpose

# ------------------------------------------------------------------ dot_general on arrays


def contract(x, y, *, dimension_numbers, precision=None, preferred_element_type=None,
             out_sharding=None):
    """The kernel: look up how these axes are contracted, then do it."""
    return contraction(dimension_numbers, x.ndim, y.ndim, x.dtype, y.dtype,
                       preferred_element_type)(x, y)


@lru_cache(maxsize=4096)
def contraction(dimension_numbers, x_ndim, y_ndim, x_dtype, y_dtype, preferred):
    """A function of two arrays, prepared once: for a small matmul, working out which axis is
    which takes ten times as long as BLAS does."""
    if not x_dtype == y_dtype == (preferred or x_dtype) or x_dtype not in (F32, F64, C64, C128):
        return partial(kernels.dot_general, dimension_numbers=dimension_numbers,
                       preferred_element_type=preferred)
    (x_contract, y_contract), (x_batch, y_batch) = dimension_numbers
    if len(x_contract) == 1 and not x_batch and max(x_ndim, y_ndim) <= 2:
        small = matrix_product(x_contract[0] == x_ndim - 1, y_contract[0] == 0)
    else:
        small = batched_product(dimension_numbers, x_ndim, y_ndim)

    def product(x, y):
        if x.size + y.size <= SMALL:
            return small(x, y)
        return blas.dot(x, y, dimension_numbers, small)

    return product


SMALL = 2 * 64 * 64  # elements of both operands, below which NumPy's own road is the shortest


def batched_product(dimension_numbers, x_ndim, y_ndim):
    """Transposed, flattened to batches of matrices, multiplied."""
    (x_contract, y_contract), (x_batch, y_batch) = dimension_numbers
    x_free = remaining(x_ndim, x_contract, x_batch)
    y_free = remaining(y_ndim, y_contract, y_batch)
    x_order = (*x_batch, *x_free, *x_contract)
    y_order = (*y_batch, *y_contract, *y_free)
    rank, x_rows, y_terms = len(x_batch), x_ndim - len(x_contract), len(y_batch + y_contract)

    def product(x, y):
        x, y = x.transpose(x_order), y.transpose(y_order)
        shape = x.shape[:x_rows] + y.shape[y_terms:]
        batch, terms = x.shape[:rank], math.prod(x.shape[x_rows:])
        left = x.reshape(*batch, math.prod(x.shape[rank:x_rows]), terms)
        right = y.reshape(*batch, terms, math.prod(y.shape[y_terms:]))
        return np.matmul(left, right).reshape(shape)

    return product


def matrix_product(x_last: bool, y_first: bool):
    """Products of matrices and vectors; BLAS reads a transposed view as well as its base."""
    if x_last:
        return np.ndarray.dot if y_first else (lambda x, y: x.dot(y.T))
    return (lambda x, y: x.T.dot(y)) if y_first else (lambda x, y: x.T.dot(y.T))


def remaining(ndim: int, *taken) -> tuple[int, ...]:
    """The axes below `ndim` that are in none of `taken`."""
    used = {axis for axes in taken for axis in axes}
    return tuple(axis for axis in range(ndim) if axis not in used)


# ------------------------------------------------------------------ dot_general: its rules


def dot_aval(x, y, *, dimension_numbers, precision, preferred_element_type, out_sharding):
    (x_contract, y_contract), (x_batch, y_batch) = dimension_numbers
    check_operand("lhs", x.ndim, x_contract, x_batch)
    check_operand("rhs", y.ndim, y_contract, y_batch)
    if len(x_batch) != len(y_batch):
        raise TypeError("dot_general requires equal numbers of lhs_batch and rhs_batch dimensions, "
                        f"got lhs_batch {x_batch} and rhs_batch {y_batch}.")
    check_distinct("lhs", x_contract, x_batch)
    check_distinct("rhs", y_contract, y_batch)
    for what, x_axes, y_axes in (
            ("lhs batch dimensions and rhs batch dimensions", x_batch, y_batch),
            ("contracting dimensions", x_contract, y_contract)):
        sizes = tuple(x.shape[i] for i in x_axes), tuple(y.shape[i] for i in y_axes)
        if sizes[0] != sizes[1]:
            raise TypeError(f"dot_general requires {what} to have the same shape, got {sizes[0]} "
                            f"and {sizes[1]}.")
    return make_aval(dot_shape(x.shape, y.shape, dimension_numbers),
                     dot_dtype(x.dtype, y.dtype, preferred_element_type),
                     x.weak_type and y.weak_type)


def check_operand(side: str, ndim: int, contract, batch) -> None:
    if not all(0 <= axis < ndim for axis in (*contract, *batch)):
        raise TypeError(
            f"dot_general requires {side} dimension numbers to be nonnegative and less than the "
            f"number of axes of the {side} value, got {side}_batch of {batch} and "
            f"{side}_contracting of {contract} for {side} of rank {ndim}")


def check_distinct(side: str, contract, batch) -> None:
    if len(set(batch)) != len(batch):
        raise TypeError(f"dot_general requires {side} batch dimensions to be distinct, got "
                        f"{side}_batch {batch}.")
    if len(set(contract)) != len(contract):
        raise TypeError(f"dot_general requires {side} contracting dimensions to be distinct, got "
                        f"{side}_contracting {contract}.")
    if set(contract) & set(batch):
        raise TypeError(f"dot_general requires {side} batch dimensions to be disjoint from "
                        f"contracting dimensions, got {side}_batch {batch} and "
                        f"{side}_contracting {contract}.")


def dot_shape(x_shape, y_shape, dimension_numbers) -> tuple[int, ...]:
    """The batch axes, then the free axes of `x`, then those of `y`."""
    (x_contract, y_contract), (x_batch, y_batch) = dimension_numbers
    return (*(x_shape[i] for i in x_batch),
            *(x_shape[i] for i in remaining(len(x_shape), x_contract, x_batch)),
            *(y_shape[i] for i in remaining(len(y_shape), y_contract, y_batch)))


def dot_dtype(x, y, preferred):
    """The wider of the operands' dtypes, unless another is preferred."""
    dtype = kernels.product_dtype(x, y)
    if preferred is None or dtype == preferred:
        return dtype
    if dtype_kind(dtype) != "f" and np.dtype(preferred).itemsize < dtype.itemsize:
        raise TypeError("`preferred_element_type` must not be narrower than the original type, got "
                        f"preferred_element_type of {preferred} for result type of {dtype}.")
    return np.dtype(preferred)


def dot_transpose_x(ct, x, y, *, dimension_numbers, swapped=False, **params):
    """Contract the cotangent with `y` over the free axes of `y`.

    The result has the batch axes, the free axes of `x`, then its contracted axes in the order in
    which `y` has them; a transpose puts them where `x` has them. `swapped` says that `x` is the
    right operand, whose free axes stand last in `ct`.
    """
    (x_contract, y_contract), (x_batch, y_batch) = dimension_numbers
    x_kept = remaining(x.ndim, x_contract, x_batch)
    y_kept = remaining(aval_of(y).ndim, y_contract, y_batch)
    start = len(x_batch) + (0 if swapped else len(x_kept))
    ct_y = tuple(range(start, start + len(y_kept)))
    dims = ((ct_y, y_kept), (tuple(range(len(x_batch))), tuple(y_batch)))
    out = dot_general(ct, y, dimension_numbers=dims, **params)
    contract_as_y = tuple(x_contract[i] for i in inverse(y_contract))
    return convert(reordered(out, inverse((*x_batch, *x_kept, *contract_as_y))), x.dtype)


def reordered(x, order: tuple[int, ...]):
    """`x` with its axes in `order`; nothing is emitted where they are in order already."""
    return x if order == tuple(range(len(order))) else transpose(x, permutation=order)


def dot_transpose_y(ct, x, y, *, dimension_numbers, **params):
    (x_contract, y_contract), (x_batch, y_batch) = dimension_numbers
    turned = ((y_contract, x_contract), (y_batch, x_batch))
    return dot_transpose_x(ct, y, x, dimension_numbers=turned, swapped=True, **params)


def dot_batch(size, args, dims, *, dimension_numbers, **params):
    """Two batch axes are one more batch axis of the product; one alone is one more free axis."""
    (x, y), (x_dim, y_dim) = args, dims
    (x_contract, y_contract), (x_batch, y_batch) = dimension_numbers
    x_free = remaining(aval_of(x).ndim - (x_dim is not None), x_contract, x_batch)
    y_free = remaining(aval_of(y).ndim - (y_dim is not None), y_contract, y_batch)
    x_contract, x_batch = bumped(x_contract, x_dim), bumped(x_batch, x_dim)
    y_contract, y_batch = bumped(y_contract, y_dim), bumped(y_batch, y_dim)
    if x_dim is not None and y_dim is not None:
        x_batch, y_batch, out_dim = (x_dim, *x_batch), (y_dim, *y_batch), 0
    elif x_dim is not None:
        out_dim = len(x_batch) + sum(axis < x_dim for axis in x_free)
    else:
        out_dim = len(x_batch) + len(x_free) + sum(axis < y_dim for axis in y_free)
    turned = ((x_contract, y_contract), (x_batch, y_batch))
    return dot_general(x, y, dimension_numbers=turned, **params), out_dim


def bumped(axes, dim: int | None) -> tuple[int, ...]:
    """Axes of the unbatched operand, numbered in the batched one."""
    return tuple(axes) if dim is None else tuple(a + (a >= dim) for a in axes)


dot_general = bilinear(
    "dot_general", contract, dot_aval, transpose=(dot_transpose_x, dot_transpose_y),
    batch=dot_batch,
    defaults={"precision": None, "preferred_element_type": None, "out_sharding": None},
)
