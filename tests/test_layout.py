"""The shape of the repository: which way imports run, how long files are, what shadows us."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import imports
from tests.lines import ROOT, code_lines, python_files

FRAMEWORKS = {"torch", "jax"}  # the real ones; ours are compat.torch and compat.jax
FORBIDDEN = {
    "kernels": {"minigrad", "compat"} | FRAMEWORKS,
    "minigrad": {"compat"} | FRAMEWORKS,
}
# These speak to the real frameworks, and import them only inside the functions that need them.
BRIDGES = {"bridges", "importers", "differential", "conventions", "coverage"}
MADE_FOR_JAX = {  # nothing imports these by itself
    "compat/importers.py", "compat/harness.py", "compat/face_cases.py"}


def name(path):
    return path.relative_to(ROOT).as_posix()


def roots(path, inside_functions=True):
    return {module.split(".")[0] for module in imports(path, inside_functions)}


@pytest.mark.parametrize("package", FORBIDDEN)
def test_imports_run_downward(package):
    wrong = {name(path): roots(path) & FORBIDDEN[package] for path in python_files(package)}
    assert {path: found for path, found in wrong.items() if found} == {}


def test_faces_do_not_import_the_frameworks_they_mirror():
    wrong = {}
    for path in python_files("compat"):
        bridge = not BRIDGES.isdisjoint(path.relative_to(ROOT).with_suffix("").parts)
        allowed = {"jax"} if name(path) in MADE_FOR_JAX else set()
        wrong[name(path)] = roots(path, inside_functions=not bridge) & FRAMEWORKS - allowed
    assert {path: found for path, found in wrong.items() if found} == {}


def test_files_are_short_enough_to_read():
    files = python_files("minigrad", "kernels", "compat", "tests", "examples")
    lengths = {name(path): len(path.read_text(encoding="utf-8").splitlines()) for path in files}
    assert {path: length for path, length in lengths.items() if length > 500} == {}


def test_imports_are_found_where_they_hide(tmp_path):
    path = tmp_path / "module.py"
    path.write_text(
        "import torch.nn as nn\n"
        "from compat import jax\n"
        "from . import torch\n"
        "try:\n    from jax import lax\nexcept ImportError:\n    pass\n"
        "class Class:\n    import cupy\n    def method(self):\n        import numpy\n"
    )
    outside = {"torch.nn", "compat.jax", "jax.lax", "cupy"}
    assert set(imports(path, inside_functions=False)) == outside
    assert set(imports(path)) == outside | {"numpy"}


def test_code_lines():
    source = (
        '"""Module\n\ndocstring."""\n\n'
        "# a comment\n"
        "def f(x):  # code with a comment\n"
        '    """Docstring."""\n'
        '    text = """no\n    docstring"""\n'
        "    return (x,\n\n        text)\n"
    )
    assert code_lines(source) == 5
    assert code_lines("") == 0


def run(*arguments, cwd, **environment):
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )


CHECK = f"""
import importlib.util, sys
sys.path.append({str(ROOT)!r})  # last, as an editable install puts it
spec = importlib.util.spec_from_file_location("errors", {str(ROOT / "minigrad" / "errors.py")!r})
errors = importlib.util.module_from_spec(spec)
spec.loader.exec_module(errors)
errors.check_not_shadowed()
"""


@pytest.mark.parametrize("foreign", ["kernels/__init__.py", "compat.py"])
def test_a_foreign_package_that_shadows_ours_is_named(tmp_path, foreign):
    path = tmp_path / foreign
    path.parent.mkdir(exist_ok=True)
    path.write_text("raise RuntimeError('the check imports nothing')\n")
    # -S: what is installed in this environment, a clone of ours perhaps, is not asked about
    result = run("-S", "-c", CHECK, cwd=tmp_path, PYTHONPATH=str(tmp_path))
    package = Path(foreign).parts[0].removesuffix(".py")
    last = result.stderr[result.stderr.index("ImportError:") :]
    assert f"own package '{package}'" in last
    assert str(tmp_path / Path(foreign).parts[0]) in last
    assert "Uninstall" in last and f"PYTHONPATH={ROOT}" in last


def test_our_own_packages_are_not_foreign(tmp_path):
    link = tmp_path / "checkout"  # the same folder by another name
    link.symlink_to(ROOT, target_is_directory=True)
    for folder in (ROOT, link):
        result = run("-c", CHECK, cwd=tmp_path, PYTHONPATH=str(folder))
        assert result.returncode == 0, result.stderr


def test_suite_without_an_oracle(tmp_path):
    """Modules that need a missing framework are left out, and the summary says so."""
    tests = tmp_path / "tests"
    tests.mkdir()
    shutil.copy(ROOT / "tests" / "conftest.py", tests)
    (tests / "__init__.py").touch()
    (tests / "oracle.py").write_text("import jax\n")
    (tests / "test_direct.py").write_text("import jax.numpy\ndef test(): pass\n")
    (tests / "test_indirect.py").write_text("from tests import oracle\ndef test(): pass\n")
    (tests / "test_alone.py").write_text(
        "import pytest\n"
        "def test_without(): pass\n"
        "def test_with(): jax = pytest.importorskip('jax')\n"
        "@pytest.mark.gpu\n"
        "def test_gpu(): pass\n"
    )
    hide = "import sys, pytest; sys.modules.update(jax=None, cupy=None)"
    main = f"{hide}; sys.exit(pytest.main(['-q', '-rs', '-p', 'no:cacheprovider', 'tests']))"
    result = run("-c", main, cwd=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "1 passed, 2 skipped" in result.stdout
    assert "CuPy is not installed" in result.stdout
    assert "missing: jax" in result.stdout
    assert "left out: tests/test_direct.py (needs jax)" in result.stdout
    assert "left out: tests/test_indirect.py (needs jax)" in result.stdout
