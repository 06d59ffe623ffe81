"""What the functions of this package begin with: arrays in one dtype."""

from __future__ import annotations

from compat.jax.array import Array, as_array
from minigrad.numpy import promotion
from minigrad.numpy.promotion import check_array as check_array


def promoted(*args) -> list[Array]:
    """The arrays in the dtype they promote to."""
    return [as_array(x) for x in promotion.promote_dtypes(*args)]


def promoted_inexact(*args) -> list[Array]:
    """The same, integers having become floats."""
    return [as_array(x) for x in promotion.promote_dtypes(*args, to=promotion.inexact)]
