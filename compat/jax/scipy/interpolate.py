"""jax.scipy.interpolate."""

import numpy as np

from compat.jax.face import boxed
from minigrad.scipy import interpolate
from minigrad.tree import register_pytree_node


class RegularGridInterpolator(interpolate.RegularGridInterpolator):
    """A function known on a grid, called on positions."""

    def __init__(self, points, values, method="linear", bounds_error=False, fill_value=np.nan):
        boxed(super().__init__)(points, values, method, bounds_error, fill_value)

    def __call__(self, xi, method=None):
        return boxed(super().__call__)(xi, method)


register_pytree_node(
    RegularGridInterpolator,
    lambda f: ((f.grid, f.values, f.fill_value), (f.method, f.bounds_error)),
    lambda data, parts: RegularGridInterpolator(*parts[:2], *data, parts[2]))
