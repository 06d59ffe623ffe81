"""torch.return_types: results with names, `torch.max(x, 0).values`."""

from __future__ import annotations

from collections import namedtuple
from functools import lru_cache


def shown(self) -> str:
    parts = ",\n".join(f"{name}={value!r}" for name, value in zip(self._fields, self))
    return f"torch.return_types.{type(self).__name__}(\n{parts})"


@lru_cache(None)
def return_type(name: str, fields: str = "values indices") -> type:
    """The named tuple of a function's results, which prints as PyTorch's does.

    >>> return_type("max")(3, 0)
    torch.return_types.max(
    values=3,
    indices=0)
    """
    made = type(name, (namedtuple(name, fields),), {
        "__slots__": (), "__repr__": shown, "__module__": "torch.return_types"})
    globals()[name] = made
    return made
