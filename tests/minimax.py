"""The minimax fits that `kernels/vecmath.py` and its kin hold.

    python -m tests.minimax            every fit, with its error (ten minutes)
    python -m tests.minimax exp_f32    some of them

Remez's exchange in 40 digits finds the polynomial. Coefficients of f32 are then rounded one by
one, those first whose rounding changes most, and the others fitted anew to make up for it.
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


def fit(f, low, high, powers, dtype, weight=None):
    """Rounded coefficients {power: value} and the largest weighted error."""
    low, high = mpf(low), mpf(high)
    grid = [x for x in chebyshev_points(low, high, GRID) if x]
    values = [f(x) for x in grid]
    weights = [weight(x) if weight else 1 / abs(v) for x, v in zip(grid, values)]
    done = remez(grid, values, weights, list(powers))
    if dtype == "f64":
        done = {p: rounded(c, dtype) for p, c in done.items()}
    else:  # what rounds most first; the others make up for it
        size = max(abs(low), abs(high))
        order = sorted(powers, key=lambda p: -abs(done[p]) * size ** p)
        for k, p in enumerate(order):
            done[p] = rounded(done[p], dtype)
            fixed = {q: c for q, c in done.items() if q not in order[k + 1:]}
            left = [v - total(fixed, x) for x, v in zip(grid, values)]
            if order[k + 1:]:
                done.update(linear_program(grid, left, weights, order[k + 1:]))
    worst = max(abs((total(done, x) - v) * w) for x, v, w in zip(grid, values, weights))
    return done, worst


# ---- the fits ----------------------------------------------------------------------------------

LOG2 = mp.log(2)
REDUCED = LOG2 / 2 * mpf("1.003")
SQRT_HALF, SQRT_TWO = mp.sqrt(mpf("0.5")), mp.sqrt(mpf(2))
ATANH = ((SQRT_TWO - 1) / (SQRT_TWO + 1)) ** 2 * mpf("1.001")  # of log's series, squared
QUADRANT = (mp.pi / 4 * mpf("1.02")) ** 2
EIGHTH = mp.tan(mp.pi / 8) ** 2 * mpf("1.001")


def of_root(f):
    """f as a function of the square of its argument."""
    return lambda z: f(mp.sqrt(z))


def erf_inv_ratio(w):
    """erf_inv(x) / x with w = -log(1 - x^2)."""
    if w < mpf("1e-25"):
        return mp.sqrt(mp.pi) / 2
    x = mp.sqrt(-mp.expm1(-w))
    if w < 20:
        return mp.erfinv(x) / x
    log_rest = -w - mp.log(1 + x)  # of 1 - x
    return mp.findroot(lambda y: mp.log(mp.erfc(y)) - log_rest, mp.sqrt(w * mpf("0.9"))) / x


def scaled_erfc(center):
    def f(t):
        a = center * (1 + t) / (1 - t)
        return mp.exp(a * a) * mp.erfc(a) * (1 + 2 * a)
    return f


def erfc_row(center, end, terms):
    return scaled_erfc(center), -1, (end - center) / (end + center), terms, None


def exp2_row(terms):
    return (lambda r: mp.expm1(r * LOG2) / r, mpf("-0.5015"), mpf("0.5015"), terms,
            lambda r: abs(r) / mpf(2) ** r)


def odd_row(f, end, terms, relative=False):
    """(f(s) - s) / s^3 in z = s^2; the error counts beside s, or beside f."""
    weight = (lambda z: z * mp.sqrt(z) / f(mp.sqrt(z))) if relative else lambda z: z
    return of_root(lambda s: (f(s) / s - 1) / s**2), mpf("1e-5"), end, terms, weight


FITS = {  # name: function, interval, number of coefficients, weight of the error (None: relative)
    "exp_f32": (lambda r: (mp.expm1(r) - r) / r**2, -REDUCED, REDUCED, 5,
                lambda r: r**2 / mp.exp(r)),
    "exp_f64": (lambda r: (mp.expm1(r) - r) / r**2, -REDUCED, REDUCED, 11,
                lambda r: r**2 / mp.exp(r)),
    "exp2_f32": exp2_row(7),
    "exp2_f64": exp2_row(12),
    "log_f32": (lambda f: (mp.log1p(f) - f + f * f / 2) / f**3, SQRT_HALF - 1, SQRT_TWO - 1, 9,
                lambda f: abs(f**3 / mp.log1p(f))),
    "log_f64": (of_root(lambda s: (2 * mp.atanh(s) / s - 2) / s**2), mpf("1e-6"), ATANH, 7,
                lambda z: z),
    "log2_f64": (lambda f: mp.log1p(f) / LOG2 / f, SQRT_HALF - 1, SQRT_TWO - 1, 14,
                 lambda f: abs(f / mp.log1p(f))),
    "pow_f64": (of_root(lambda s: ((2 * mp.atanh(s) / s - 2) / s**2 - mpf(2) / 3) / s**2),
                mpf("1e-6"), ATANH, 7, lambda z: z * z),
    "sin_f32": odd_row(mp.sin, QUADRANT, 3),
    "sin_f64": odd_row(mp.sin, QUADRANT, 6),
    "cos_f32": (of_root(lambda s: (mp.cos(s) - 1 + s * s / 2) / s**4), mpf("1e-4"), QUADRANT, 3,
                lambda z: z * z * mpf("1.3")),
    "cos_f64": (of_root(lambda s: (mp.cos(s) - 1 + s * s / 2) / s**4), mpf("1e-4"), QUADRANT, 6,
                lambda z: z * z * mpf("1.3")),
    "asin_f32": odd_row(mp.asin, mpf("0.2505"), 5),
    "asin_f64": odd_row(mp.asin, mpf("0.2505"), 12),
    "atan_f32": odd_row(mp.atan, EIGHTH, 5),
    "atan_f64": odd_row(mp.atan, EIGHTH, 12),
    "erf_f32": (of_root(lambda s: mp.erf(s) / s - 1), mpf("1e-9"), mpf("1.01"), 7,
                of_root(lambda s: s / mp.erf(s))),
    "erf_f64": (of_root(lambda s: mp.erf(s) / s - 1), mpf("1e-9"), mpf("1.01"), 12,
                of_root(lambda s: s / mp.erf(s))),
    "log_erfc_f32": (lambda a: mp.log(mp.erfc(a)), mpf("0.99"), mpf("3.94"), 8, mp.erfc),
    "erfc_f32": erfc_row(mpf(2), mpf("10.1"), 11),
    "erfc_f64": erfc_row(mpf(4), mpf(28), 23),
    "erf_inv_f32": (lambda u: erf_inv_ratio(u + mpf("2.5")), mpf("-2.5"), mpf("2.52"), 10, None),
    "erf_inv_far_f32": (lambda u: erf_inv_ratio((u + 3) ** 2), mp.sqrt(mpf("4.98")) - 3,
                        mp.sqrt(mpf("16.7")) - 3, 9, None),
    "erf_inv_f64": (lambda u: erf_inv_ratio(u + mpf("3.125")), mpf("-3.125"), mpf("3.13"), 23,
                    None),
    "erf_inv_far_f64": (lambda u: erf_inv_ratio((u + mpf("3.25")) ** 2),
                        mp.sqrt(mpf("6.24")) - mpf("3.25"), mpf("0.755"), 19, None),
    "erf_inv_farther_f64": (lambda u: erf_inv_ratio((u + 5) ** 2), mpf("-1.005"), mpf("1.1"), 17,
                            None),
}


def main(names: list[str]) -> None:
    for name in names or FITS:
        f, low, high, terms, weight = FITS[name]
        dtype = name[-3:]
        coefficients, worst = fit(f, low, high, range(terms), dtype, weight)
        print(f"{name}: error 2^{float(mp.log(worst, 2)):.1f}")
        for power, c in sorted(coefficients.items()):
            print(f"    {mp.nstr(c, 9 if dtype == 'f32' else 19)} x^{power}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
