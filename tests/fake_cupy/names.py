"""What the real CuPy offers, read from an installed one and kept in `names.json`, so that the
stand-in refuses what CuPy lacks also where CuPy is not installed.

    python tests/fake_cupy/names.py        writes the file anew
"""

from __future__ import annotations

import ast
import importlib.util
import json
from pathlib import Path

FILE = Path(__file__).with_name("names.json")


def installed() -> dict:
    """The names in the modules, the methods of arrays, and the type tables of ufuncs."""
    import cupy
    import cupyx.scipy.special

    spec = importlib.util.find_spec("cupyx.scipy")
    assert spec is not None and spec.submodule_search_locations
    linalg = Path(next(iter(spec.submodule_search_locations))) / "linalg" / "__init__.py"
    imported = [alias.asname or alias.name  # to import it takes cuBLAS, which is not always there
                for node in ast.walk(ast.parse(linalg.read_text()))
                if isinstance(node, ast.ImportFrom) for alias in node.names]
    ufuncs = {name: found.types for name in dir(cupy)
              if isinstance(found := getattr(cupy, name, None), cupy.ufunc)}

    def public(module) -> list[str]:
        return sorted(name for name in dir(module) if not name.startswith("_"))

    return {"version": cupy.__version__, "cupy": public(cupy), "ndarray": public(cupy.ndarray),
            "linalg": public(cupy.linalg), "fft": public(cupy.fft), "ufuncs": ufuncs,
            "special": public(cupyx.scipy.special),
            "scipy_linalg": sorted(n for n in imported if not n.startswith("_")),
            "flags": ["c_contiguous", "f_contiguous", "owndata", "fnc", "forc"]}


def kept() -> dict:
    return json.loads(FILE.read_text())


if __name__ == "__main__":
    FILE.write_text(json.dumps(installed(), indent=None, separators=(",", ":")) + "\n")
