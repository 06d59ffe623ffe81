"""jax.debug: prints of concrete values; inside a staged program, of types."""

from compat.jax.array import Array
from minigrad.tree import tree_map


def print(fmt: str, *args, ordered: bool = False, **kwargs) -> None:  # noqa: A001
    """Print `fmt.format(*args, **kwargs)` now."""
    import builtins

    builtins.print(fmt.format(*args, **kwargs))


def callback(fn, *args, ordered: bool = False, **kwargs) -> None:
    """Call `fn` with the values, now."""
    fn(*args, **kwargs)


_ = Array, tree_map
