"""Polynomials as arrays of coefficients, the highest power first. Source: jax.numpy."""

from __future__ import annotations

import numpy as np

import minigrad.numpy as mnp
from minigrad.numpy.updating import At
from minigrad.numpy.staging import staged
from minigrad.numpy.promotion import promote_dtypes, promote_inexact


def aligned(a1, a2):
    """Two polynomials in one dtype and length, zeros in front of the shorter."""
    a1, a2 = promote_dtypes(a1, a2)
    n = max(a1.size, a2.size)
    return tuple(mnp.pad(p, (n - p.size, 0)) for p in (a1, a2))


@staged
def polyadd(a1, a2):
    """The sum of two polynomials."""
    a1, a2 = aligned(mnp.asarray(a1), mnp.asarray(a2))
    return a1 + a2


@staged
def polysub(a1, a2):
    """The difference of two polynomials."""
    a1, a2 = aligned(mnp.asarray(a1), mnp.asarray(a2))
    return a1 - a2


def polymul(a1, a2, *, trim_leading_zeros=False):
    """The product of two polynomials."""
    a1, a2 = promote_inexact(mnp.asarray(a1), mnp.asarray(a2))
    if trim_leading_zeros:
        a1, a2 = trimmed(a1), trimmed(a2)
    return mnp.convolve(a1, a2, "full")


def trimmed(p):
    """`p` without zeros in front, a single one being kept. Needs concrete numbers."""
    nonzero = np.flatnonzero(np.asarray(p))
    return p[int(nonzero[0]):] if len(nonzero) else p[-1:]


@staged(static=("m",))
def polyder(p, m=1):
    """The m-th derivative."""
    (p,) = promote_inexact(p)
    if m < 0:
        raise ValueError("Order of derivative must be positive")
    for _ in range(m):
        n = p.size
        p = p[:-1] * mnp.arange(n - 1, 0, -1, dtype=p.dtype)
    return p


@staged(static=("m",))
def polyint(p, m=1, k=None):
    """The m-th antiderivative; `k` are the constants of integration, the first one first."""
    if m < 0:
        raise ValueError("Order of integral must be positive")
    k = mnp.zeros(m) if k is None else mnp.atleast_1d(mnp.asarray(k))
    p, k = promote_inexact(p, k)
    k = mnp.broadcast_to(k, (m,)) if k.shape == (1,) else k
    if k.shape != (m,):
        raise ValueError("k must be a scalar or a rank-1 array of length 1 or m.")
    for i in range(m):
        p = mnp.concatenate([p / mnp.arange(p.size, 0, -1, dtype=p.dtype), k[i:i + 1]])
    return p


def polydiv(u, v, *, trim_leading_zeros=False):
    """(quotient, remainder) of a division."""
    u, v = promote_inexact(mnp.asarray(u), mnp.asarray(v))
    m, n = u.size - 1, v.size - 1
    quotient = mnp.zeros(max(m - n + 1, 1), u.dtype)
    for k in range(m - n + 1):
        d = u[k] / v[0]
        quotient = At(quotient)[k].set(d)
        u = At(u)[k:k + n + 1].add(-d * v)
    return quotient, trimmed(u) if trim_leading_zeros else u


@staged
def poly(seq_of_zeros):
    """The polynomial with these roots, or the characteristic polynomial of a matrix."""
    roots = promote_inexact(mnp.atleast_1d(mnp.asarray(seq_of_zeros)))[0]
    if roots.ndim == 2 and roots.shape[0] == roots.shape[1]:
        roots = mnp.eigvals(roots)
    if roots.ndim != 1:
        raise ValueError("input must be 1d or non-empty square 2d array.")
    out = mnp.ones(1, roots.dtype)
    for i in range(roots.size):
        out = mnp.convolve(out, mnp.stack([mnp.ones((), roots.dtype), -roots[i]]), "full")
    return out


def roots(p, *, strip_zeros=True):
    """The roots, as eigenvalues of the companion matrix."""
    (p,) = promote_inexact(mnp.atleast_1d(mnp.asarray(p)))
    zeros = 0
    if strip_zeros:
        nonzero = np.flatnonzero(np.asarray(p))
        if not len(nonzero):
            return mnp.zeros(0, mnp.result_type(p.dtype, np.complex64))
        zeros = p.size - 1 - int(nonzero[-1])
        p = p[int(nonzero[0]):int(nonzero[-1]) + 1]
    n = p.size - 1
    kind = mnp.result_type(p.dtype, np.complex64)
    if n < 1:
        return mnp.zeros(zeros, kind)
    companion = At(mnp.diag(mnp.ones(n - 1, p.dtype), -1))[0].set(-p[1:] / p[0])
    found = mnp.eigvals(companion)
    return mnp.concatenate([found, mnp.zeros(zeros, found.dtype)])


@staged(static=("deg", "rcond", "full", "cov"))
def polyfit(x, y, deg, rcond=None, full=False, w=None, cov=False):
    """The polynomial of least squares through points."""
    if deg < 0:
        raise ValueError("expected deg >= 0")
    if x.ndim != 1 or not x.size or not 1 <= y.ndim <= 2 or x.shape[0] != y.shape[0]:
        raise TypeError("expected x and y to be vectors of one length")
    order = deg + 1
    x, y = promote_inexact(x, y)
    rcond = len(x) * float(mnp.finfo(x.dtype).eps) if rcond is None else rcond
    left, right = vander(x, order), y
    if w is not None:
        (w,) = promote_inexact(mnp.asarray(w))
        left, right = left * w[:, None], right * (w[:, None] if y.ndim == 2 else w)
    scale = mnp.sqrt(mnp.sum(left * left, axis=0))
    left = left / scale
    c, resids, rank, s = mnp.lstsq(left, right, rcond)
    c = mnp.transpose(mnp.transpose(c) / scale)
    if full:
        return c, resids, rank, s, mnp.asarray(rcond)
    if not cov:
        return c
    base = mnp.inv(mnp.transpose(left) @ left) / mnp.outer(scale, scale)
    factor = 1.0 if cov == "unscaled" else resids / (len(x) - order)
    return c, base * factor if y.ndim == 1 else base[:, :, None] * factor


@staged(static=("N", "increasing"))
def vander(x, N=None, increasing=False):
    """The powers of each element, in rows."""
    if x.ndim != 1:
        raise ValueError("x must be a one-dimensional array")
    n = x.shape[0] if N is None else N
    if n < 0:
        raise ValueError("N must be nonnegative")
    powers = mnp.arange(n, dtype=x.dtype)
    return x[:, None] ** (powers if increasing else n - 1 - powers)
