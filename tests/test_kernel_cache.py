"""Object files on disk: found again, never trusted when damaged, bounded, safe side by side."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from kernels import cache, machine, native
from tests.lines import ROOT

SOURCE = "def add(x, start, stop):\n    for i in range(start, stop):\n        x[i] = x[i] + 3.5\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("MINIGRAD_CACHE", str(tmp_path))
    native.loaded.clear()
    yield tmp_path
    native.loaded.clear()


@pytest.fixture
def compilations(monkeypatch):
    """How often LLVM compiled."""
    made, compile_one = [], machine.object_file
    monkeypatch.setattr(machine, "object_file",
                        lambda *args: made.append(1) or compile_one(*args))
    return made


def add(source=SOURCE):
    """Compile, as a new process would, and run."""
    native.loaded.clear()
    kernel = native.compile_kernels(source, {"add": {"x": "f64*"}})["add"]
    x = np.ones(5)
    kernel(x, stop=5)
    return x.tolist()


def test_the_second_process_does_not_compile(folder, compilations):
    assert add() == add() == [4.5] * 5
    assert len(compilations) == 1
    assert len(list(folder.glob("*.o"))) == 1
    assert add(SOURCE.replace("3.5", "1.5")) == [2.5] * 5
    assert len(compilations) == 2


@pytest.mark.parametrize("damage", [
    lambda data: b"", lambda data: data[:30], lambda data: data[:-1], lambda data: data + b"x",
    lambda data: data[:200] + bytes([data[200] ^ 1]) + data[201:], lambda data: b"\0" * len(data),
])
def test_a_damaged_file_is_compiled_again(folder, compilations, damage):
    add()
    file, = folder.glob("*.o")
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    assert add() == [4.5] * 5
    assert len(compilations) == 2
    assert file.read_bytes() == whole


def test_another_processor_or_compiler_has_other_files(folder, compilations, monkeypatch):
    add()
    monkeypatch.setattr(cache, "compiler", lambda: b"another")
    add()
    assert len(compilations) == 2
    assert len(list(folder.glob("*.o"))) == 2


def test_off(folder, compilations, monkeypatch):
    monkeypatch.setenv("MINIGRAD_CACHE", "off")
    assert add() == add() == [4.5] * 5
    assert len(compilations) == 2
    assert list(folder.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path, compilations, monkeypatch):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("MINIGRAD_CACHE", str(tmp_path / "file" / "below"))
    assert add() == [4.5] * 5


def test_what_was_used_longest_ago_goes(folder, monkeypatch):
    monkeypatch.setattr(cache, "LIMIT", 10_000)
    monkeypatch.setattr(cache, "written", {"bytes": 0, "next": 0})
    now = time.time()
    for k in range(12):
        cache.write(f"old {k}", bytes(900))
        place = cache.place_of(f"old {k}")
        if place.exists():
            os.utime(place, (now - 1000 + k,) * 2)
        if k == 5:
            assert cache.read("old 0") is not None  # used just now
    left_over = folder / "crashed.part"
    left_over.write_bytes(b"half")
    os.utime(left_over, (now - 2 * cache.LEFT_OVER,) * 2)
    monkeypatch.setattr(cache, "written", {"bytes": 0, "next": 0})
    cache.write("new", bytes(900))
    sizes = [file.stat().st_size for file in folder.glob("*.o")]
    assert sum(sizes) <= 10_000
    assert cache.read("old 0") and cache.read("new") and cache.read("old 1") is None
    assert not left_over.exists()


PROCESS = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
import numpy as np
from kernels.native import compile_kernels
for k in range(8):
    source = {SOURCE!r}.replace("3.5", f"{{k}}.5")
    x = np.ones(3)
    compile_kernels(source, {{"add": {{"x": "f64*"}}}})["add"](x, stop=3)
    assert x.tolist() == [k + 1.5] * 3, x
"""


def test_processes_side_by_side(tmp_path):
    environment = {**os.environ, "MINIGRAD_CACHE": str(tmp_path)}
    running = [subprocess.Popen([sys.executable, "-c", PROCESS], env=environment)
               for _ in range(4)]
    assert [process.wait() for process in running] == [0] * 4
    assert len(list(tmp_path.glob("*.o"))) == 8
    assert list(tmp_path.glob("*.part")) == []


def test_where_files_are(monkeypatch):
    monkeypatch.delenv("MINIGRAD_CACHE", raising=False)
    for platform, variable in (("linux", "XDG_CACHE_HOME"), ("win32", "LOCALAPPDATA")):
        monkeypatch.setattr(sys, "platform", platform)
        monkeypatch.setenv(variable, "/somewhere")
        assert cache.folder() == Path("/somewhere/minigrad")
    monkeypatch.setattr(sys, "platform", "darwin")
    assert cache.folder() == Path("~/Library/Caches/minigrad").expanduser()
