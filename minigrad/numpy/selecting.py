"""`where` and broadcasting, which the other functions stand on."""

from __future__ import annotations

from minigrad.core import BOOL, aval_of, table
from minigrad.numpy.promotion import (
    broadcast_shapes, check_array, operand, promote_dtypes, shape_of,
)
from minigrad.numpy.staging import staged


def broadcast_to(x, shape):
    """`x` stretched to `shape`, by NumPy's rules. Raises ValueError where that cannot be."""
    check_array("broadcast_to", x)
    shape = (shape,) if isinstance(shape, int) else tuple(map(int, shape))
    own = shape_of(x)
    if own == shape:
        return operand(x)
    rank = len(shape) - len(own)
    if rank < 0 or any(n not in (1, m) for n, m in zip(own, shape[rank:])):
        raise ValueError(f"Incompatible shapes for broadcasting: {own} and requested shape "
                         f"{shape}")
    return table["broadcast_in_dim"](operand(x), shape=shape,
                                     broadcast_dimensions=tuple(range(rank, len(shape))))


def broadcast_arrays(*arrays):
    """The arrays stretched to the shape they broadcast to."""
    shape = broadcast_shapes(*map(shape_of, arrays))
    return [broadcast_to(x, shape) for x in arrays]


@staged(name="_where")
def where_(condition, x, y):
    if aval_of(condition).dtype != BOOL:
        condition = table["ne"](condition, 0)
    x, y = promote_dtypes(x, y)
    if shape_of(condition):
        condition, x, y = broadcast_arrays(condition, x, y)
    else:
        x, y = broadcast_arrays(x, y)
    return table["select_n"](condition, y, x)


def where(condition, x=None, y=None, size=None, fill_value=None):
    """`x` where the condition holds, `y` elsewhere. With the condition alone: `nonzero` of it."""
    if x is None and y is None:
        from minigrad.numpy.sorting import nonzero

        return nonzero(condition, size=size, fill_value=fill_value)
    if size is not None or fill_value is not None:
        raise ValueError("size and fill_value arguments cannot be used in three-term where "
                         "function.")
    for position, a in enumerate((condition, x, y)):
        check_array("where", a, position)
    return where_(condition, x, y)
