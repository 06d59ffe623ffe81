"""`import torch` that finds `compat.torch`, submodules included."""

from __future__ import annotations

import contextlib
import importlib
import importlib.abc
import importlib.machinery
import sys

OURS = "compat.torch"


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds `torch.x.y` as `compat.torch.x.y`, the very module."""

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] != "torch":
            return None
        ours = OURS + name.removeprefix("torch")
        try:
            found = importlib.util.find_spec(ours)
        except ModuleNotFoundError:
            found = None
        return found and importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec):
        return importlib.import_module(OURS + spec.name.removeprefix("torch"))

    def exec_module(self, module) -> None:
        """Nothing is left to do: it has its own name and spec, and keeps them."""


def torch_modules() -> dict:
    return {k: v for k, v in sys.modules.items() if k.split(".")[0] == "torch"}


@contextlib.contextmanager
def substituted():
    """Within the block `torch` is `compat.torch`, whether or not PyTorch is there."""
    before, finder = torch_modules(), Finder()
    for name in before:
        del sys.modules[name]
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for name in torch_modules():
            del sys.modules[name]
        sys.modules.update(before)
