"""The text of NumPy kernels, run once more where `numpy` is another library of arrays.

The kernels of `reference`, `windows` and their kin are plain functions of arrays. On CuPy's arrays
they are the same functions, so there is no second copy to keep in step:

>>> import types
>>> ours = types.SimpleNamespace(pi=3)
>>> twin("kernels.integers", {"numpy": ours}).np.pi
3
"""

import builtins
import importlib.util
import types
from collections.abc import Mapping
from typing import Any

import numpy as np  # noqa: F401  (for the example)


def twin(name: str, imported: Mapping[str, Any]) -> types.ModuleType:
    """A new module of the source of module `name`, in which an import of one of the names in
    `imported` gives what stands there."""
    spec = importlib.util.find_spec(name)
    assert spec is not None and spec.loader is not None
    code = spec.loader.get_code(name)  # type: ignore[attr-defined]

    def importer(wanted, namespace=None, local=None, fromlist=(), level=0):
        if wanted in imported:
            return imported[wanted]
        if wanted == "kernels" and any(f"kernels.{part}" in imported for part in fromlist):
            return types.SimpleNamespace(**{
                part: imported.get(f"kernels.{part}") or importlib.import_module(f"kernels.{part}")
                for part in fromlist})
        return builtins.__import__(wanted, namespace, local, fromlist, level)

    module = types.ModuleType(f"{name} on other arrays")
    module.__dict__["__builtins__"] = vars(builtins) | {"__import__": importer}
    exec(code, module.__dict__)
    return module
