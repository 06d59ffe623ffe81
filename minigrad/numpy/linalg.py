"""The functions of `jax.numpy.linalg` in one namespace, and equations between tensors."""

from __future__ import annotations

import math
import operator

from minigrad.core import aval_of
from minigrad.numpy.determinants import SlogdetResult, det, slogdet
from minigrad.numpy.factors import (
    EighResult, EigResult, QRResult, SVDResult, cholesky, eig, eigh, eigvals, eigvalsh, qr, svd,
    svdvals,
)
from minigrad.numpy.linear import einsum, matmul, outer, tensordot, vecdot
from minigrad.numpy.norms import matrix_norm, matrix_power, norm, vector_norm
from minigrad.numpy.promotion import check_array, shape_of
from minigrad.numpy.shaping import matrix_transpose, moveaxis
from minigrad.numpy.solving import cond, inv, lstsq, matrix_rank, pinv, solve
from minigrad.ops.shaping import reshape_to

__all__ = [
    "EigResult", "EighResult", "QRResult", "SVDResult", "SlogdetResult", "cholesky", "cond", "det",
    "eig", "eigh", "eigvals", "eigvalsh", "inv", "lstsq", "matmul", "matrix_norm", "matrix_power",
    "matrix_rank", "matrix_transpose", "multi_dot", "norm", "outer", "pinv", "qr", "slogdet",
    "solve", "svd", "svdvals", "tensordot", "tensorinv", "tensorsolve", "vecdot", "vector_norm",
]


def multi_dot(arrays, *, precision=None):
    """The product of several matrices, in the order that costs least; the first and the last may
    be vectors."""
    arrays = list(arrays)
    for position, x in enumerate(arrays):
        check_array("multi_dot", x, position)
    if len(arrays) < 2:
        raise ValueError(f"multi_dot requires at least two arrays; got len(arrays)={len(arrays)}")
    shapes = [shape_of(x) for x in arrays]
    if not {len(shapes[0]), len(shapes[-1])} <= {1, 2} or any(len(s) != 2 for s in shapes[1:-1]):
        raise ValueError("multi_dot: input arrays must all be two-dimensional, except for the "
                         "first and last array which may be 1 or 2 dimensional. Got array shapes "
                         f"{shapes}")
    if any(a[-1] != b[0] for a, b in zip(shapes, shapes[1:])):
        raise ValueError("multi_dot: last dimension of each array must match first dimension of "
                         f"following array. Got array shapes {shapes}")
    letters = "".join(chr(ord("a") + i) for i in range(len(arrays) + 1))
    terms = [letters[i:i + 2] for i in range(len(arrays))]
    terms[0] = terms[0][2 - len(shapes[0]):]
    terms[-1] = terms[-1][:len(shapes[-1])]
    kept = letters[2 - len(shapes[0]):1] + letters[len(arrays):][:len(shapes[-1]) - 1]
    return einsum(f"{','.join(terms)}->{kept}", *arrays, precision=precision)


def tensorinv(a, ind=2):
    """The inverse of a tensor as a map from its last axes to its first `ind` ones."""
    check_array("tensorinv", a)
    ind, shape = operator.index(ind), shape_of(a)
    if ind <= 0:
        raise ValueError(f"ind must be a positive integer; got {ind=}")
    first, rest = shape[:ind], shape[ind:]
    if math.prod(first) != math.prod(rest):
        raise ValueError("tensorinv is only possible when the product of the first `ind` "
                         f"dimensions equals that of the remaining dimensions. got arr.{shape=} "
                         f"with {ind=}.")
    return reshape_to(inv(reshape_to(a, (math.prod(first), math.prod(rest)))), rest + first)


def tensorsolve(a, b, axes=None):
    """x with tensordot(a, x, x.ndim) == b."""
    check_array("tensorsolve", a), check_array("tensorsolve", b, 1)
    if axes is not None:
        a = moveaxis(a, axes, len(axes) * (len(shape_of(a)) - 1,))
    a_shape, b_shape = shape_of(a), shape_of(b)
    rest, size = a_shape[len(b_shape):], aval_of(b).size
    if a_shape[:len(b_shape)] != b_shape:
        raise ValueError("After moving axes to end, leading shape of a must match shape of b. got "
                         f"a.shape={a_shape}, b.shape={b_shape}")
    if size != math.prod(rest):
        raise ValueError("Input arrays must have prod(a.shape[:b.ndim]) == "
                         f"prod(a.shape[b.ndim:]); got a.shape={a_shape}, b.ndim={len(b_shape)}.")
    flat = solve(reshape_to(a, (size, size)), reshape_to(b, (size,)))
    return reshape_to(flat, rest)
