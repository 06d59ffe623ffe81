"""jax.debug: prints of concrete values."""


def print(fmt: str, *args, ordered: bool = False, **kwargs) -> None:
    """Print `fmt.format(*args, **kwargs)` now; a traced value shows its type."""
    import builtins

    builtins.print(fmt.format(*args, **kwargs))


def callback(fn, *args, ordered: bool = False, **kwargs) -> None:
    """Call `fn` with the values, now."""
    fn(*args, **kwargs)
