"""How exact the functions of `kernels/vecmath.py` and its kin are.

    python -m tests.accuracy           a table of the largest errors, in units in the last place
    python -m tests.accuracy --all     every f32 there is, 100,000 f64 a function (an hour)

f32 is held against NumPy's and SciPy's f64, f64 against mpmath.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import NamedTuple

import mpmath
import numpy as np
from scipy import special

from kernels.native import Kernel, compile_kernels

FLOATS = {"f32": np.float32, "f64": np.float64}
INTEGERS = {"f32": np.uint32, "f64": np.uint64}


class Function(NamedTuple):
    double: Callable  # on NumPy's f64
    exact: Callable  # on mpmath's numbers
    f32: float  # the largest error that is accepted, in units in the last place
    f64: float
    least: float = 0.0  # results nearer to 0 count as this large: where cancellation is inherent


def logistic(x):
    return np.where(x < 0, np.exp(-abs(x)), 1) / (1 + np.exp(-abs(x)))


TABLE = {
    "exp": Function(np.exp, mpmath.exp, 1.0, 1.0),
    "exp2": Function(np.exp2, lambda x: mpmath.power(2, x), 1.1, 1.1),
    "expm1": Function(np.expm1, mpmath.expm1, 1.5, 1.9),
    "log": Function(np.log, mpmath.log, 1.0, 1.0),
    "log2": Function(np.log2, lambda x: mpmath.log(x) / mpmath.log(2), 1.6, 1.6),
    "log1p": Function(np.log1p, mpmath.log1p, 1.5, 1.5),
    "logistic": Function(logistic, lambda x: 1 / (1 + mpmath.exp(-x)), 2.5, 2.5),
    "tanh": Function(np.tanh, mpmath.tanh, 2.6, 2.6),
    "sinh": Function(np.sinh, mpmath.sinh, 2.4, 2.4),
    "cosh": Function(np.cosh, mpmath.cosh, 1.5, 1.5),
    "sin": Function(np.sin, mpmath.sin, 1.6, 1.6),
    "cos": Function(np.cos, mpmath.cos, 1.6, 1.6),
    "tan": Function(np.tan, mpmath.tan, 3.5, 3.0),
    "asin": Function(np.arcsin, mpmath.asin, 2.4, 2.4),
    "acos": Function(np.arccos, mpmath.acos, 1.3, 1.3),
    "atan": Function(np.arctan, mpmath.atan, 2.3, 2.3),
    "atan2": Function(np.arctan2, mpmath.atan2, 2.5, 2.5),
    "asinh": Function(np.arcsinh, mpmath.asinh, 2.0, 2.0),
    "acosh": Function(np.arccosh, mpmath.acosh, 2.4, 2.4),
    "atanh": Function(np.arctanh, mpmath.atanh, 2.2, 2.2),
    "pow": Function(np.power, mpmath.power, 1.3, 1.5),
    "rsqrt": Function(lambda x: 1 / np.sqrt(x), lambda x: 1 / mpmath.sqrt(x), 1.5, 1.5),
    "cbrt": Function(np.cbrt, lambda x: mpmath.sign(x) * mpmath.cbrt(abs(x)), 1.0, 1.0),
    "erf": Function(special.erf, mpmath.erf, 1.2, 1.5),
    "erfc": Function(special.erfc, lambda x: mpmath.erfc(min(x, 99)), 4.0, 4.0),
    "erf_inv": Function(lambda x: np.where(x == 0, x, special.erfinv(x)), mpmath.erfinv, 3.5, 6.0),
    "lgamma": Function(special.gammaln, mpmath.loggamma, 1.0, 40.0, 1.0),
    "digamma": Function(special.digamma, mpmath.digamma, 1.0, 12.0, 1.0),
}
TWO_ARGUMENTS = ("pow", "atan2")
# Where SciPy's conventions are not XLA's: the poles of these two functions.
KNOWN = {("lgamma", -np.inf): np.inf, ("digamma", 0.0): np.nan}


def compiled(names: list[str], dtype: str) -> dict[str, Kernel]:
    """One kernel a function: out[i] = name(x[i]) or name(x[i], y[i])."""
    source, signatures = "", {}
    for name in names:
        arrays = ["x", "y"] if name in TWO_ARGUMENTS else ["x"]
        source += (f"def {name}_of_each({', '.join(arrays)}, out, start, stop):\n"
                   "    for i in range(start, stop):\n"
                   f"        out[i] = {name}({', '.join(a + '[i]' for a in arrays)})\n\n\n")
        signatures[f"{name}_of_each"] = dict.fromkeys([*arrays, "out"], f"{dtype}*")
    kernels = compile_kernels(source, signatures)
    return {name: kernels[f"{name}_of_each"] for name in names}


def results(kernel: Kernel, *args: np.ndarray) -> np.ndarray:
    out = np.empty_like(args[0])
    kernel(*args, out, stop=out.size)
    return out


SPECIAL = [0.0, -0.0, np.inf, -np.inf, np.nan, 1, -1, 0.5, -0.5, 2, 1e-45, -1e-45, 1e-40, 5e-324,
           88.72, 88.73, 89.41, 89.42, -87.4, -103.9, -104.1, 709.7, 709.8, 710.4, 710.5, -745.1,
           -745.2, 1 - 1e-7, -1 + 1e-7, 1e20, -1e20, 1e5, 99999.9, 1e8, 1e9, 3e38, 1e300]


def samples(name: str, dtype: str, count: int, seed: int = 0) -> tuple[np.ndarray, ...]:
    """All kinds of arguments: any bits; numbers of many sizes; corner cases."""
    rng = np.random.default_rng(seed)
    kind, bits = FLOATS[dtype], INTEGERS[dtype]
    with np.errstate(over="ignore"):
        parts = [rng.integers(0, np.iinfo(bits).max, count // 2, bits, endpoint=True).view(kind),
                 np.array(SPECIAL).astype(kind)]
        parts += [(rng.standard_normal(count // 12) * size).astype(kind)
                  for size in (1e-3, 0.3, 1, 5, 40, 300)]
    x = np.concatenate(parts)
    if name not in TWO_ARGUMENTS:
        return (x,)
    y = rng.permutation(x)
    y[:len(y) // 2] = rng.standard_normal(len(y) // 2) * 5
    y[:len(y) // 8] = np.rint(y[:len(y) // 8])
    return x, y


def spacing(exact: np.ndarray, kind) -> np.ndarray:
    last = np.nextafter(np.finfo(kind).max, kind(0))  # above the largest there is nothing
    return np.spacing(np.minimum(np.abs(exact), last).astype(kind))


def ulps(name: str, dtype: str, args: tuple[np.ndarray, ...], got: np.ndarray) -> np.ndarray:
    """The error of each result in units in the last place; inf for a wrong nan or sign of a zero.
    Infinity counts as the power of two that follows the largest number."""
    function, kind = TABLE[name], FLOATS[dtype]
    beyond = 2.0**128 if dtype == "f32" else np.inf
    with np.errstate(all="ignore"):
        double = function.double(*(a.astype(np.float64) for a in args))
        for (known, x), value in KNOWN.items():
            if known == name:
                double[args[0] == x] = value
        size = spacing(np.maximum(np.abs(double), function.least), kind).astype(np.float64)
        wide, exact = (np.clip(v.astype(np.float64), -beyond, beyond) for v in (got, double))
        error = np.where(wide == exact, 0.0, np.abs(wide - exact) / size)
        error[np.isnan(got) != np.isnan(double)] = np.inf
        error[np.isnan(got) & np.isnan(double)] = 0.0
        zero = (got == 0) & (double == 0)
        error[zero & (np.signbit(got) != np.signbit(double)) & (function.least == 0)] = np.inf
    if dtype == "f64":
        known = np.isfinite(got) & ~np.isnan(double) & ~zero
        known &= np.logical_and.reduce(args) != 0  # mpmath's zero has no sign
        with mpmath.workprec(200):
            for i in np.nonzero(known)[0]:
                try:
                    value = function.exact(*(mpmath.mpf(float(a[i])) for a in args)).real
                except (ValueError, ZeroDivisionError):  # a pole, for which there is no number
                    error[i] = np.inf
                    continue
                unit = spacing(np.array(max(abs(float(value)), function.least)), kind)
                error[i] = abs(mpmath.mpf(float(got[i])) - value) / mpmath.mpf(float(unit))
    return np.where(np.isnan(error), np.inf, error)


def every_f32(step: int = 1 << 24) -> Iterator[np.ndarray]:
    for start in range(0, 1 << 32, step):
        yield np.arange(start, start + step, dtype=np.uint32).view(np.float32)


def worst(name: str, dtype: str, kernel: Kernel, batches) -> tuple[float, tuple]:
    """The largest error, and where it is."""
    largest, where = -1.0, ()
    for args in batches:
        errors = ulps(name, dtype, args, results(kernel, *args))
        i = int(np.argmax(errors))
        if errors[i] > largest:
            largest, where = float(errors[i]), tuple(a[i].item() for a in args)
    return largest, where


def main() -> None:
    everything = "--all" in sys.argv
    kernels = {dtype: compiled(list(TABLE), dtype) for dtype in FLOATS}
    print(f"{'':10}{'f32':>6}  {'at':<26}{'f64':>6}  at")
    for name in TABLE:
        row = f"{name:10}"
        for dtype, count in (("f32", 3_000_000), ("f64", 100_000 if everything else 5_000)):
            batches = [samples(name, dtype, count)]
            if everything and dtype == "f32" and name not in TWO_ARGUMENTS:
                batches = ((x,) for x in every_f32())
            error, where = worst(name, dtype, kernels[dtype][name], batches)
            row += f"{error:6.2f}  {', '.join(f'{x:.8g}' for x in where):<26}"
        print(row.rstrip(), flush=True)


if __name__ == "__main__":
    main()
