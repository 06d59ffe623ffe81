"""Differential equations: one step of Dormand and Prince's pair of orders 5 and 4, how long the
next one may be, and what lies between two.

y is a vector, f(y, t) its derivative; dt and t are scalars. Sources: Dormand and Prince 1980,
Shampine 1986 (the interpolant), Hairer, Norsett and Wanner 1993 (the first step).
"""

from __future__ import annotations

import numpy as np

import minigrad.numpy as mnp
from minigrad.numpy.norms import norm
from minigrad.numpy.updating import At
from minigrad.ops.flow import fori_loop

NODES = np.array([1 / 5, 3 / 10, 4 / 5, 8 / 9, 1.0, 1.0, 0])
TABLEAU = np.array([
    [1 / 5, 0, 0, 0, 0, 0, 0],
    [3 / 40, 9 / 40, 0, 0, 0, 0, 0],
    [44 / 45, -56 / 15, 32 / 9, 0, 0, 0, 0],
    [19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729, 0, 0, 0],
    [9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656, 0, 0],
    [35 / 384, 0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84, 0]])
SOLUTION = np.array([35 / 384, 0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84, 0])
ERROR = np.array([35 / 384 - 1951 / 21600, 0, 500 / 1113 - 22642 / 50085, 125 / 192 - 451 / 720,
                  -2187 / 6784 + 12231 / 42400, 11 / 84 - 649 / 6300, -1 / 60])
MIDDLE = np.array([6025192743 / 30085553152 / 2, 0, 51252292925 / 65400821598 / 2,
                   -2691868925 / 45128329728 / 2, 187940372067 / 1594534317056 / 2,
                   -1776094331 / 19743644256 / 2, 11237099 / 235043384 / 2])


def step(f, y, f0, t, dt):
    """(y, its derivative, the error of y, the slopes) one step later."""
    k = At(mnp.zeros((7, f0.shape[0]), f0.dtype))[0].set(f0)

    def stage(i, k):
        ti = t + dt * mnp.asarray(NODES, dt.dtype)[i - 1]
        yi = mnp.astype(y, f0.dtype) + mnp.astype(dt, f0.dtype) * mnp.dot(
            mnp.asarray(TABLEAU, f0.dtype)[i - 1, :], k)
        return At(k)[i].set(f(yi, ti))

    k = fori_loop(1, 7, stage, k)
    dt = mnp.astype(dt, f0.dtype)
    return (dt * mnp.dot(mnp.asarray(SOLUTION, f0.dtype), k) + y, k[-1],
            dt * mnp.dot(mnp.asarray(ERROR, f0.dtype), k), k)


def interpolant(y0, y1, k, dt):
    """The polynomial of degree four through both ends and the middle, from the highest power."""
    dt = mnp.astype(dt, y0.dtype)
    middle = y0 + dt * mnp.dot(mnp.asarray(MIDDLE, y0.dtype), k)
    d0, d1 = k[0], k[-1]
    a = -2 * dt * d0 + 2 * dt * d1 - 8 * y0 - 8 * y1 + 16 * middle
    b = 5 * dt * d0 - 3 * dt * d1 + 18 * y0 + 14 * y1 - 32 * middle
    c = -4 * dt * d0 + dt * d1 - 11 * y0 - 5 * y1 + 16 * middle
    return mnp.stack([a, b, c, dt * d0, y0])


def error_ratio(error, rtol, atol, y0, y1):
    scale = atol + rtol * mnp.maximum(mnp.abs(y0), mnp.abs(y1))
    ratio = error / mnp.astype(scale, error.dtype)
    return mnp.sqrt(mnp.mean(mnp.real(ratio * mnp.conj(ratio))))


def next_step(dt, ratio):
    shrink = mnp.astype(mnp.where(ratio < 1, 1.0, 0.2), dt.dtype)
    factor = mnp.clip(ratio ** (-1.0 / 5.0) * 0.9, shrink, 10.0)
    return mnp.where(ratio == 0, dt * 10, dt * mnp.astype(factor, dt.dtype))


def first_step(f, t0, y0, rtol, atol, f0):
    """Hairer, Norsett and Wanner, II.4."""
    dtype = y0.dtype
    scale = atol + mnp.abs(y0) * rtol
    d0 = norm(y0 / mnp.astype(scale, dtype))
    d1 = norm(f0 / mnp.astype(scale, dtype))
    h0 = mnp.where((d0 < 1e-5) | (d1 < 1e-5), 1e-6, 0.01 * d0 / d1)
    f1 = f(y0 + mnp.astype(h0, dtype) * f0, t0 + h0)
    d2 = norm((f1 - f0) / mnp.astype(scale, dtype)) / h0
    h1 = mnp.where((d1 <= 1e-15) & (d2 <= 1e-15), mnp.maximum(1e-6, h0 * 1e-3),
                   (0.01 / mnp.maximum(d1, d2)) ** (1.0 / 5.0))
    return mnp.minimum(100.0 * h0, h1)
