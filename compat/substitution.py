"""A program's `import jax` finds compat.jax while a `with` block runs, submodules included.

>>> with substituted("jax"):
...     import jax.numpy as jnp
...     print(type(jnp.ones(2)).__module__)
compat.jax.array
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager


def modules_of(framework: str) -> dict:
    """The face's modules by the names that the framework gives them."""
    package = importlib.import_module(f"compat.{framework}")
    found = {framework: package}
    for info in pkgutil.walk_packages(package.__path__, f"compat.{framework}."):
        found[info.name.removeprefix("compat.")] = importlib.import_module(info.name)
    prefix = f"compat.{framework}."
    found.update((name.removeprefix("compat."), module) for name, module in list(
        sys.modules.items()) if name.startswith(prefix))
    return found


@contextmanager
def substituted(*frameworks: str) -> Iterator[None]:
    """Put the faces of "torch" or "jax" in the place of the frameworks, for imports inside."""
    def belongs(name: str) -> bool:
        return name.split(".")[0] in frameworks

    faces: dict = {}
    for framework in frameworks:
        faces.update(modules_of(framework))
    saved = {name: module for name, module in sys.modules.items() if belongs(name)}
    for name in saved:
        del sys.modules[name]
    sys.modules.update(faces)
    try:
        yield
    finally:
        for name in [n for n in sys.modules if belongs(n)]:
            del sys.modules[name]
        sys.modules.update(saved)
