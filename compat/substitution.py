"""`import torch` that finds `compat.torch`, and `import jax` that finds `compat.jax`, submodules
included.

Wherever `sys.modules["torch"]` is `compat.torch`, an import of `torch.x.y` gives the very module
`compat.torch.x.y`, not a second copy of its file. So either line is enough for a whole program:

>>> with substituted("jax"):
...     import jax.numpy as jnp
...     print(type(jnp.ones(2)).__module__)
compat.jax.array
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

FRAMEWORKS = ("torch", "jax")
BESIDE = {"functorch": "torch.functorch"}  # a package of its own that goes with a framework


class Alias(MetaPathFinder, Loader):
    """Finds `torch.x` as `compat.torch.x` while `torch` is `compat.torch`; else it is silent."""

    def find_spec(self, name: str, path=None, target=None) -> ModuleSpec | None:
        root, _, rest = BESIDE.get(name, name).partition(".")
        if root not in FRAMEWORKS or not rest \
                or getattr(sys.modules.get(root), "__name__", None) != f"compat.{root}":
            return None
        found = face_module(BESIDE.get(name, name))
        return ModuleSpec(name, Alias(), is_package=True) if found else None

    def create_module(self, spec):
        module = face_module(BESIDE.get(spec.name, spec.name))
        self.spec = module.__spec__  # importing under the other name would replace it
        return module

    def exec_module(self, module) -> None:
        module.__spec__ = self.spec


def face_module(name: str) -> Any:
    """The face's module for `jax.x.y`: a file, or a module that another one holds. None if there
    is neither."""
    try:
        return importlib.import_module(f"compat.{name}")
    except ModuleNotFoundError:
        parent, _, last = name.rpartition(".")
        held = getattr(sys.modules.get(f"compat.{parent}"), last, None)
        return held if isinstance(held, ModuleType) else None


def install() -> None:
    """Let imports of submodules follow. Every face calls this when it is imported."""
    if not any(isinstance(finder, Alias) for finder in sys.meta_path):
        sys.meta_path.insert(0, Alias())


@contextmanager
def substituted(*frameworks: str) -> Iterator[None]:
    """Put the faces of "torch" or "jax" in the place of the frameworks, for imports inside."""

    def taken() -> list[str]:
        roots = ((name, BESIDE.get(name.split(".")[0], name)) for name in sys.modules)
        return [name for name, root in roots if root.split(".")[0] in frameworks]

    faces = {name: importlib.import_module(f"compat.{name}") for name in frameworks}
    saved = {name: sys.modules.pop(name) for name in taken()}
    sys.modules.update(faces)
    try:
        yield
    finally:
        for name in taken():
            del sys.modules[name]
        sys.modules.update(saved)
