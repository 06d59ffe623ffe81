"""Functions written from the text of their signature, as one would write them by hand."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping


def parameters_of(signature: str, **space) -> Mapping[str, inspect.Parameter]:
    """The parameters that "x, *, scale=1.0" names; defaults are looked up in `space`."""
    return inspect.signature(eval(f"lambda {signature}: 0", space)).parameters


def written(name: str, signature: str, lines: Iterable[str], **space) -> Callable:
    """The function of this name, signature and body, over the names in `space` (`__name__` is its
    module, where pickle looks for it)."""
    text = "\n    ".join([f"def {name}({signature}):", *lines])
    exec(compile(text, f"<torch {name}>", "exec"), space)
    return space[name]
