"""Determinants, with derivatives that hold for singular matrices. Source: jax.numpy.linalg."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from minigrad.core import I32, aval_of, box, scalar_dtype, table
from minigrad.numpy import elementwise as ew
from minigrad.numpy import reductions
from minigrad.numpy.factors import matrices
from minigrad.numpy.floats import isfinite, real
from minigrad.numpy.promotion import convert, settled, shape_of
from minigrad.numpy.selecting import broadcast_to, where
from minigrad.numpy.staging import staged
from minigrad.ops.calls import custom_jvp
from minigrad.ops.decompositions import geqrf, lu
from minigrad.ops.families import full
from minigrad.ops.joining import concatenate
from minigrad.ops.matrices import diagonal, rows
from minigrad.ops.shaping import broadcast_in_dim, expand_dims
from minigrad.ops.solves import solve, take_rows, triangular_solve


class SlogdetResult(NamedTuple):
    """The sign (or phase) of a determinant and the logarithm of its size."""

    sign: Any
    logabsdet: Any


@staged
def det(a):
    """The determinant, (*stack, n, n) -> (*stack); its derivative is right for singular matrices
    too, being made of cofactors."""
    (a,) = matrices("det", a)
    shape = shape_of(a)
    if len(shape) < 2 or shape[-1] != shape[-2]:
        raise ValueError(f"Argument to _det() must have shape [..., n, n], got {shape}")
    if shape[-1] not in (2, 3):
        return large_det(a)

    def product(*places):
        out = a[(..., *places[0])]
        for place in places[1:]:
            out = out * a[(..., *place)]
        return out

    if shape[-1] == 2:
        return product((0, 0), (1, 1)) - product((0, 1), (1, 0))
    orders = ((0, 1, 2), (1, 2, 0), (2, 0, 1)), ((2, 1, 0), (1, 0, 2), (0, 2, 1))
    (first, *even), odd = ([product(*enumerate(order)) for order in group] for group in orders)
    for term in even:
        first = first + term
    for term in odd:
        first = first - term
    return first


@custom_jvp
def large_det(a):
    sign, size = slogdet(a)
    return sign * convert(ew.exp(size), aval_of(sign).dtype)


@large_det.defjvp
def _large_det_jvp(primals, tangents):
    (a,), (t,) = primals, tangents
    value, inner = cofactor_solve(a, t)
    return value, reductions.sum(diagonal(inner), -1)


def parity(pivots):
    """Whether the exchanges of rows change the sign, for LU's pivots."""
    here = table["iota"](dtype=I32, shape=shape_of(pivots), dimension=len(shape_of(pivots)) - 1)
    return reductions.sum(convert(ew.not_equal(pivots, here), scalar_dtype(int)), axis=-1)


def sign_of(count, dtype):
    """-1 for an odd count, 1 for an even one."""
    return convert(1 - 2 * (box(count) % 2), dtype)


def cofactor_solve(a, b):
    """(det a, det(a) a^-1 b). With a = P L U the last pivot alone may be zero: dividing by the
    product of the others in its place, and multiplying the last row by nothing, never divides by
    it. Where an earlier pivot is zero the second result is zero. Source: jax.numpy.linalg.det."""
    n, dtype = shape_of(a)[-1], aval_of(a).dtype
    if n < 2:
        value = a[..., 0, 0] if n else full(shape_of(a)[:-2], 1, dtype)
        return value, b
    factors, pivots, order = lu(a)
    partial = reductions.cumprod(diagonal(factors), axis=-1)
    partial = partial * expand_dims(sign_of(parity(pivots), dtype), (len(shape_of(partial)) - 1,))
    before, value = partial[..., -2], partial[..., -1]
    corner = np.zeros((n, n), dtype)
    corner[-1, -1] = 1
    rank = len(shape_of(a))
    wide = broadcast_in_dim(before, shape=shape_of(a), broadcast_dimensions=tuple(range(rank - 2)))
    is_corner = broadcast_to(corner != 0, shape_of(a))
    factors = table["select_n"](is_corner, factors, ew.divide(1, wide))
    ones = full((*shape_of(a)[:-1], 1), 1, dtype)
    test = triangular_solve(factors, ones, left_side=True, lower=False)
    bad = reductions.any(ew.logical_not(isfinite(test)), axis=(-2, -1))
    bad = broadcast_in_dim(bad, shape=shape_of(b), broadcast_dimensions=tuple(range(rank - 2)))
    nothing = full(shape_of(b), 0, dtype)
    x = table["select_n"](bad, b, nothing)
    x = triangular_solve(factors, take_rows(x, order), left_side=True, lower=True,
                         unit_diagonal=True)
    scale = broadcast_in_dim(value, shape=shape_of(rows(x, 0, -1)),
                             broadcast_dimensions=tuple(range(rank - 2)))
    x = concatenate(rows(x, 0, -1) * scale, rows(x, -1, None), dimension=rank - 2)
    x = triangular_solve(factors, x, left_side=True, lower=False)
    return value, table["select_n"](bad, x, nothing)


@staged(static=("method",))
def slogdet(a, *, method=None):
    """The sign (of modulus one where complex) of the determinant, and the logarithm of its size."""
    (a,) = matrices("slogdet", a)
    shape = shape_of(a)
    if len(shape) < 2 or shape[-1] != shape[-2]:
        raise ValueError(f"Argument to slogdet() must have shape [..., n, n], got {shape}")
    if method not in (None, "lu", "qr"):
        raise ValueError(f"Unknown slogdet method '{method}'. Supported methods are 'lu' (`None`), "
                         "and 'qr'.")
    return SlogdetResult(*(slogdet_qr if method == "qr" else slogdet_lu)(a))


@custom_jvp
def slogdet_lu(a):
    dtype, n = aval_of(a).dtype, shape_of(a)[-1]
    if n in (1, 2):
        value = a[..., 0, 0] if n == 1 \
            else a[..., 0, 0] * a[..., 1, 1] - a[..., 0, 1] * a[..., 1, 0]
        return ew.sign(value), real(ew.log(ew.absolute(value)))
    factors, pivots, _ = lu(a)
    pivot = diagonal(factors)
    size = ew.absolute(pivot)
    is_zero = reductions.any(ew.equal(pivot, 0), axis=-1)
    count = parity(pivots)
    if dtype.kind == "c":
        sign = reductions.prod(ew.divide(pivot, size), axis=-1)
    else:
        sign = settled(1, dtype)
        count = count + reductions.sum(convert(ew.less(pivot, 0), scalar_dtype(int)), axis=-1)
    sign = where(is_zero, settled(0, dtype), ew.multiply(sign, sign_of(count, dtype)))
    return sign, where(is_zero, settled(-math.inf, aval_of(size).dtype),
                       reductions.sum(ew.log(size), axis=-1))


@custom_jvp
def slogdet_qr(a):
    if aval_of(a).dtype.kind == "c":
        raise NotImplementedError("slogdet method='qr' not implemented for complex inputs")
    n = shape_of(a)[-1]
    packed, taus = geqrf(a)
    pivot = diagonal(packed)
    reflected = where(ew.not_equal(taus[..., :max(n - 1, 0)], 0), -1, 1)
    sign = reductions.prod(ew.sign(pivot), axis=-1) * convert(
        reductions.prod(reflected, axis=-1), aval_of(a).dtype)
    return sign, reductions.sum(ew.log(ew.absolute(pivot)), axis=-1)


def slogdet_jvp(function):
    def rule(primals, tangents):
        (a,), (t,) = primals, tangents
        sign, size = function(a)
        slope = reductions.sum(diagonal(solve(a, t)), -1)
        if aval_of(a).dtype.kind != "c":
            return (sign, size), (full(shape_of(sign), 0, aval_of(sign).dtype), slope)
        turn = slope - convert(real(slope), aval_of(slope).dtype)
        return (sign, size), (turn * sign, real(slope))

    function.defjvp(rule)


slogdet_jvp(slogdet_lu)
slogdet_jvp(slogdet_qr)
