"""What the jax face adds to a jitted call with ten arguments: `python -m tests.bench calls`."""

import timeit

import numpy as np

import compat.jax as jax
import minigrad as mg
from minigrad.core import box


def main() -> None:
    """The same program called through both, the best of several rounds."""
    arrays = [np.full(4, i, np.float32) for i in range(10)]
    total = lambda *xs: sum(xs[1:], xs[0])
    ours, face = [box(a) for a in arrays], [jax.numpy.asarray(a) for a in arrays]
    plain, jitted = mg.jit(total), jax.jit(total)
    times = {}
    for name, f, args in (("minigrad.jit", plain, ours), ("compat.jax.jit", jitted, face)):
        for _ in range(2000):
            f(*args)
        times[name] = min(timeit.repeat(lambda: f(*args), number=2000, repeat=7)) / 2000  # noqa: B023
        print(f"{name}: {times[name] * 1e6:.2f} us a call")
    print(f"the face adds {(times['compat.jax.jit'] - times['minigrad.jit']) * 1e6:.2f} us")
