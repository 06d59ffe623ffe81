"""Object files on disk, so that a kernel compiled once loads in the next process without LLVM's
optimiser having to run.

A file's name says what it was made from: the kernel's text, the compiler (the contents of our own
modules), llvmlite's version, the processor. It holds a checksum and the object; a file that was
damaged or cut short is deleted, and its kernel compiled again. Files are written beside their
place and moved there in one step, so processes that run at the same time see whole files only.
What was used longest ago goes when there is more than LIMIT.

`MINIGRAD_CACHE=off` does without; `MINIGRAD_CACHE=/some/folder` keeps the files there.
"""

from __future__ import annotations

import functools
import hashlib
import os
import sys
import tempfile
import time
from pathlib import Path

import llvmlite

from kernels.machine import cpu_features, cpu_name

LIMIT = 256 << 20  # bytes
MAGIC = b"minigrad"
LEFT_OVER = 3600  # seconds after which a half-written file belongs to nobody
COMPILER = ("grammar", "subset", "instructions", "vectorise", "llvm", "machine", "vecmath",
            "trigonometry", "special", "bodies")


def folder() -> Path | None:
    """Where the files are; None if there shall be none."""
    chosen = os.environ.get("MINIGRAD_CACHE")
    if chosen == "off":
        return None
    if chosen:
        return Path(chosen)
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or "~\\AppData\\Local"
    elif sys.platform == "darwin":
        base = "~/Library/Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "minigrad"


@functools.cache
def compiler() -> bytes:
    """What stands for everything besides the source that decides what the object is."""
    digest = hashlib.sha256()
    for part in (llvmlite.__version__, cpu_name(), cpu_features(), sys.version):
        digest.update(part.encode() + b"\0")
    for name in COMPILER:
        digest.update(Path(__file__).with_name(f"{name}.py").read_bytes())
    return digest.digest()


def place_of(digest: str) -> Path | None:
    where = folder()
    if where is None:
        return None
    return where / f"{hashlib.sha256(compiler() + digest.encode()).hexdigest()[:40]}.o"


def read(digest: str) -> bytes | None:
    """The object made from what has this digest, if it is there and whole."""
    place = place_of(digest)
    if place is None:
        return None
    try:
        data = place.read_bytes()
    except OSError:
        return None
    head = len(MAGIC) + 32
    if data[:len(MAGIC)] != MAGIC or hashlib.sha256(data[head:]).digest() != data[len(MAGIC):head]:
        remove(place)
        return None
    try:
        os.utime(place)  # it was used
    except OSError:
        pass
    return data[head:]


def write(digest: str, data: bytes) -> None:
    """Keep an object; a disk that is full or read-only is no error."""
    place = place_of(digest)
    if place is None:
        return
    try:
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(suffix=".part", dir=place.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(MAGIC + hashlib.sha256(data).digest() + data)
            os.replace(temporary, place)
        except OSError:
            remove(Path(temporary))
            return
    except OSError:
        return
    make_room(place.parent, len(data))


written = {"bytes": 0, "next": 0}  # since when the folder was last looked at


def make_room(where: Path, size: int) -> None:
    """Delete what was used longest ago; looks at the folder only now and then."""
    written["bytes"] += size
    if written["bytes"] < written["next"]:
        return
    files = []
    for entry in os.scandir(where):
        try:
            status = entry.stat()
        except OSError:
            continue  # another process was faster
        if entry.name.endswith(".o"):
            files.append((status.st_mtime, status.st_size, entry.path))
        elif entry.name.endswith(".part") and time.time() - status.st_mtime > LEFT_OVER:
            remove(Path(entry.path))
    total = sum(size for _, size, _ in files)
    if total > LIMIT:
        for _, size, path in sorted(files):
            remove(Path(path))
            total -= size
            if total <= LIMIT * 3 // 4:
                break
    written["bytes"], written["next"] = 0, max(LIMIT - total, LIMIT // 64)


def remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError:
        pass
