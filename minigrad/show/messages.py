"""Longer texts of errors, in JAX's words."""

from __future__ import annotations

from minigrad.show import origins
from minigrad.tree import keystr, tree_flatten_with_path


def bad_shape(sizes: tuple) -> Exception:
    text = f"Shapes must be 1D sequences of concrete values of integer type, got {sizes}."
    tracers = [x.value for x in sizes if getattr(getattr(x, "value", None), "trace", None)]
    if tracers:
        text += ("\nIf using `jit`, try using `static_argnums` or applying `jit` to smaller "
                 f"subfunctions.\n{origins.sentence(tracers[0])}")
    return TypeError(text)


def no_array(function, value, path: str) -> str:
    return (f"Error interpreting argument to {function} as an abstract array. The problematic "
            f"value is of type {type(value)} and was passed to the function at path {path}.\nThis "
            "typically means that a jit-wrapped function was called with a non-array argument, and "
            "this argument was not marked as static using the static_argnums or static_argnames "
            "parameters of jax.jit.")


def no_array_result(name: str, value, out) -> str:
    path = next(path for path, x in tree_flatten_with_path(out)[0] if x is value)
    where = f" at output component {keystr(path)}" if path else ""
    return (f"function {name} traced for jit returned a value of type {type(value)}{where}, which "
            "is not a valid JAX type")


def check_hashable(static) -> None:
    try:
        hash(static)
    except TypeError as error:
        raise ValueError(
            "Non-hashable static arguments are not supported. An error occurred while trying to "
            f"hash an object of type {type(static)}, {static}. The error was:\nTypeError: {error}\n"
        ) from None
