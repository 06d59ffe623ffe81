"""Matrices with a pattern. Source: scipy.linalg."""

from __future__ import annotations

import numpy as np

import minigrad.numpy as mnp
from minigrad.numpy.updating import At
from minigrad.numpy.promotion import promote_dtypes, promote_inexact


def block_diag(*arrs):
    """Matrices along the diagonal."""
    blocks = [mnp.atleast_2d(a) for a in promote_dtypes(*map(mnp.array, arrs or ([],)))]
    if any(b.ndim > 2 for b in blocks):
        raise ValueError("Arguments to jax.scipy.linalg.block_diag must have at most 2 dimensions")
    columns, left, out = sum(b.shape[1] for b in blocks), 0, []
    for b in blocks:
        out.append(mnp.pad(b, ((0, 0), (left, columns - left - b.shape[1]))))
        left += b.shape[1]
    return mnp.concatenate(out, 0)


def toeplitz(c, r=None):
    """Constant diagonals: first column c, first row r."""
    c = mnp.atleast_1d(mnp.asarray(c))
    r = mnp.conj(c) if r is None else mnp.atleast_1d(mnp.asarray(r))
    m, n = c.shape[-1], r.shape[-1]
    both = mnp.concatenate([mnp.flip(c, -1), r[..., 1:]], -1)
    place = np.arange(m)[::-1][:, None] + np.arange(n)[None]
    return both[..., place]


def hankel(c, r=None):
    """Constant anti-diagonals: first column c, last row r."""
    c = mnp.ravel(mnp.asarray(c))
    r = mnp.zeros_like(c) if r is None else mnp.ravel(mnp.asarray(r))
    both = mnp.concatenate([c, r[1:]])
    return both[np.arange(c.size)[:, None] + np.arange(r.size)[None]]


def circulant(c):
    """Each column the one before, rolled down."""
    c = mnp.asarray(c)
    n = c.shape[-1]
    return c[..., (np.arange(n)[:, None] - np.arange(n)[None]) % n]


def companion(a):
    """The matrix whose characteristic polynomial has these coefficients."""
    (a,) = promote_inexact(mnp.asarray(a))
    n = a.shape[-1] - 1
    top = -a[..., 1:] / a[..., :1]
    below = mnp.broadcast_to(mnp.eye(n - 1, n, dtype=a.dtype), (*a.shape[:-1], n - 1, n))
    return mnp.concatenate([top[..., None, :], below], -2)


def fiedler(a):
    """The differences of all pairs, without sign."""
    a = mnp.atleast_1d(mnp.asarray(a))
    return mnp.abs(a[..., :, None] - a[..., None, :])


def fiedler_companion(a):
    """A pentadiagonal companion matrix of a polynomial."""
    (a,) = promote_inexact(mnp.atleast_1d(mnp.asarray(a)))
    n = a.size - 1
    a = a / a[0]
    if n <= 1:
        return -a[1:, None] if n == 1 else mnp.zeros((0, 0), a.dtype)
    even, odd = np.arange(0, n, 2), np.arange(1, n, 2)
    out = At(mnp.zeros((n, n), a.dtype))[0, 0].set(-a[1])
    up, down = even[even + 2 < n], odd[odd >= 1] - 1
    out = At(out)[even[even + 1 < n], even[even + 1 < n] + 1].set(-a[2::2][:len(odd)])
    out = At(At(out)[up, up + 2].set(1.0))[odd, down - (odd > 1)].set(1.0)
    later = even[even >= 2]
    return At(out)[later, later - 1].set(-a[later + 1])


def leslie(f, s):
    """Fecundities in the first row, survivals below the diagonal."""
    f, s = promote_inexact(mnp.atleast_1d(mnp.asarray(f)), mnp.atleast_1d(mnp.asarray(s)))
    if f.shape[-1] != s.shape[-1] + 1:
        raise ValueError("The length of s must be one less than the length of f.")
    return mnp.concatenate([f[None], mnp.diag(s, 0) @ mnp.eye(s.size, f.size, dtype=f.dtype)], 0)


def convolution_matrix(a, n, mode="full"):
    """The matrix that convolves a vector of n with `a`."""
    a = mnp.asarray(a)
    if n <= 0:
        raise ValueError("n must be a positive integer.")
    whole = mnp.stack([mnp.pad(a, (i, n - 1 - i)) for i in range(n)], 1)
    size = {"full": a.size + n - 1, "same": max(a.size, n),
            "valid": max(a.size, n) - min(a.size, n) + 1}
    if mode not in size:
        raise ValueError("'mode' argument must be one of ('full', 'valid', 'same')")
    start = (whole.shape[0] - size[mode]) // 2
    return whole[start:start + size[mode]]
