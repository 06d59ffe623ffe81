"""Integer arithmetic on bare NumPy arrays that wants twice the width."""

import numpy as np

from kernels.reference import quiet


@quiet
def mulhi(x, y):
    """The upper half of the bits of the product, which has twice as many as `x` and `y`."""
    size = 8 * x.dtype.itemsize
    if size < 64:
        wide = np.dtype(f"{x.dtype.kind}8")
        return (x.astype(wide) * y.astype(wide) >> wide.type(size)).astype(x.dtype)
    a, b = x.view(np.uint64), y.view(np.uint64)
    half = np.uint64(32)
    low = np.uint64(0xFFFFFFFF)
    middle = (a & low) * (b >> half) + ((a & low) * (b & low) >> half)
    high = (a >> half) * (b >> half) + (middle >> half)
    high = high + ((a >> half) * (b & low) + (middle & low) >> half)
    if x.dtype.kind == "u":
        return high
    return high.view(x.dtype) - np.where(x < 0, y, 0) - np.where(y < 0, x, 0)
