"""The minimax fits of `kernels/vecmath.py`: Remez's exchange, in 40 digits.

    python -m tests.minimax            every fit, with its relative error
    python -m tests.minimax exp_f32    one of them

A row is: the function (divided by what the kernel multiplies it with), the interval, the powers of
its polynomial, the weight of the error, and the precision of the coefficients. These are rounded
one by one, from the lowest power on, and the others fitted anew to make up for it.
"""

from __future__ import annotations

import sys

import numpy as np
from mpmath import mp, mpf
from scipy.optimize import linprog

mp.dps = 40
GRID = 1200  # points at which errors are looked at


def rounded(value, dtype):
    return mpf(float(np.float32(float(value)))) if dtype == "f32" else mpf(float(value))


def chebyshev_points(low, high, n):
    return [(low + high) / 2 - (high - low) / 2 * mp.cos(mp.pi * k / (n - 1)) for k in range(n)]


def total(coefficients, x):
    return mp.fsum(c * x ** p for p, c in coefficients.items())


def remez(grid, values, weights, powers):
    """The coefficients whose largest weighted error on the grid is smallest."""
    n = len(powers)
    chosen = [round(k * (len(grid) - 1) / n) for k in range(n + 1)]
    for _ in range(40):
        rows = [[grid[i] ** p * weights[i] for p in powers] + [(-1) ** k]
                for k, i in enumerate(chosen)]
        solution = mp.lu_solve(mp.matrix(rows), mp.matrix([values[i] * weights[i] for i in chosen]))
        coefficients = dict(zip(powers, solution[:n]))
        errors = [(total(coefficients, x) - v) * w for x, v, w in zip(grid, values, weights)]
        extrema, start = [], 0
        for k in range(1, len(grid) + 1):  # the largest error of each stretch of one sign
            if k == len(grid) or errors[k] * errors[start] < 0:
                extrema.append(max(range(start, k), key=lambda i: abs(errors[i])))
                start = k
        while len(extrema) > n + 1:  # drop the smaller end
            extrema.pop(0 if abs(errors[extrema[0]]) < abs(errors[extrema[-1]]) else -1)
        worst = max(map(abs, errors))
        if len(extrema) < n + 1 or extrema == chosen or worst < abs(solution[n]) * mpf("1.0001"):
            break
        chosen = extrema
    return coefficients


def linear_program(grid, values, weights, powers):
    """The same in double precision, for any powers: least E with |error| <= E everywhere."""
    matrix = np.array([[float(x ** p * w) for p in powers] for x, w in zip(grid, weights)])
    target = np.array([float(v * w) for v, w in zip(values, weights)])
    scale = np.abs(matrix).max(0)
    unit = np.abs(target).max()
    ones = np.ones((len(grid), 1))
    bounds = np.block([[matrix / scale, -ones], [-matrix / scale, -ones]])
    found = linprog(np.eye(len(powers) + 1)[-1], bounds, np.concatenate([target, -target]) / unit,
                    bounds=(None, None), method="highs-ds")
    return dict(zip(powers, found.x[:-1] / scale * unit))


def fit(f, low, high, powers, dtype, weight=None, fixed=()):
    """Rounded coefficients {power: value} and the largest weighted error."""
    low, high = mpf(low), mpf(high)
    grid = [x for x in chebyshev_points(low, high, GRID) if x]
    values = [f(x) for x in grid]
    weights = [weight(x) if weight else 1 / abs(v) for x, v in zip(grid, values)]
    done = {p: mpf(v) for p, v in fixed}
    rest = [p for p in powers if p not in done]
    left = [v - total(done, x) for x, v in zip(grid, values)]
    done |= remez(grid, left, weights, rest)
    if dtype == "f64":
        done = {p: rounded(c, dtype) for p, c in done.items()}
    else:  # what rounds most first; the others make up for it
        size = max(abs(low), abs(high))
        order = sorted(rest, key=lambda p: -abs(done[p]) * size ** p)
        for k, p in enumerate(order):
            done[p] = rounded(done[p], dtype)
            fixed = {q: c for q, c in done.items() if q not in order[k + 1:]}
            left = [v - total(fixed, x) for x, v in zip(grid, values)]
            if order[k + 1:]:
                done.update(linear_program(grid, left, weights, order[k + 1:]))
    worst = max(abs((total(done, x) - v) * w) for x, v, w in zip(grid, values, weights))
    return done, worst
