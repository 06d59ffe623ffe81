"""Set-up of the suite: how many examples hypothesis tries, and which oracles are installed."""

import ast
import importlib.util
import os
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

os.environ["JAX_PLATFORMS"] = "cpu"  # read when jax is first imported

TESTS = Path(__file__).parent
FRAMEWORKS = ("torch", "jax")

# `ci` is the default; `python -m pytest --hypothesis-profile=thorough` takes much longer.
COMMON = dict(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", max_examples=25, derandomize=True, **COMMON)
settings.register_profile("thorough", max_examples=2000, **COMMON)
settings.load_profile("ci")


def imports(path: Path, inside_functions: bool = True) -> list[str]:
    """The dotted names of the modules that a file imports."""
    names = []
    pending = list(ast.iter_child_nodes(ast.parse(path.read_text(encoding="utf-8"))))
    while pending:
        node = pending.pop()
        match node:
            case ast.Import():
                names += [alias.name for alias in node.names]
            case ast.ImportFrom(module=str(module), level=0):
                names += [f"{module}.{alias.name}" for alias in node.names]
            case ast.FunctionDef() | ast.AsyncFunctionDef() if not inside_functions:
                continue
        pending += ast.iter_child_nodes(node)
    return names


OWN = ("tests", "compat")  # packages whose modules may import a framework


def modules_of(name: str) -> list[Path]:
    """The files that importing a dotted name of ours reads."""
    parts = name.split(".")
    places = [TESTS.parent.joinpath(*parts[:k]) for k in range(1, len(parts) + 1)]
    return [file for place in places for file in (place.with_suffix(".py"), place / "__init__.py")
            if file.is_file()]


@cache
def frameworks_of(path: Path) -> frozenset[str]:
    """The frameworks that importing a test module imports, also through modules of ours."""
    needed, seen, pending = set(), {path}, [path]
    while pending:
        for name in imports(pending.pop(), inside_functions=False):
            root = name.split(".")[0]
            if root in FRAMEWORKS:
                needed.add(root)
            elif root in OWN:
                fresh = set(modules_of(name)) - seen
                seen |= fresh
                pending += fresh
    return frozenset(needed)


missing = [name for name in FRAMEWORKS if importlib.util.find_spec(name) is None]
left_out = {
    path: sorted(frameworks_of(path).intersection(missing))
    for path in (sorted(TESTS.rglob("test_*.py")) if missing else [])
    if frameworks_of(path).intersection(missing)
}
collect_ignore = [str(path) for path in left_out]


def pytest_terminal_summary(terminalreporter):
    if missing:
        terminalreporter.section("oracles that are not installed")
        terminalreporter.line(f"missing: {', '.join(missing)}")
    for path, needed in left_out.items():
        name = path.relative_to(TESTS.parent).as_posix()
        terminalreporter.line(f"left out: {name} (needs {', '.join(needed)})")


def why_no_gpu() -> str | None:
    """Why CuPy cannot run here; None if it can."""
    try:
        import cupy

        devices = cupy.cuda.runtime.getDeviceCount()
    except ImportError:
        return "CuPy is not installed"
    except Exception as error:  # a missing or old driver raises CuPy's own error
        return f"CuPy finds no device: {error}"
    return None if devices else "CuPy finds no device"


def pytest_collection_modifyitems(items):
    marked = [item for item in items if item.get_closest_marker("gpu")]
    reason = why_no_gpu() if marked else None
    for item in marked if reason else []:
        item.add_marker(pytest.mark.skip(reason=reason))
