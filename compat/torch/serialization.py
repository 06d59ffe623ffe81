"""`torch.save` and `torch.load` in PyTorch's zip format.

The archive holds `data.pkl`, a pickle in which every storage is a persistent id, and the bytes of
each storage in a record of its own. Both directions work: PyTorch's names stand in the pickle.

`load` runs no code from a file unless it is asked to: its unpickler knows a list of names and
refuses all others.
"""

from __future__ import annotations

import collections
import contextlib
import importlib
import io
import os
import pickle
import tempfile
import zipfile
from typing import Any

import numpy as np

from compat.torch import dtypes
from compat.torch.devices import resolve, settle
from compat.torch.dtypes import NAMED, SCALAR_NAMES, Size
from compat.torch.tensor import Buffer, Parameter, Tensor, array_of, from_array
from minigrad import devices

STORAGES = {f"{SCALAR_NAMES[d.name]}Storage": d for d in NAMED.values()
            if d.kind != "u" or d.itemsize == 1}  # the others came after storages lost their types
UNTYPED = "UntypedStorage"
ALIGNMENT = 64


class Storage:
    """Memory that Tensors share: a flat array, and the name of the device it belongs to."""

    def __init__(self, kind: str, array: np.ndarray, location: str = "cpu"):
        self.kind, self.array, self.location = kind, array, location

    def cuda(self, index: int = 0) -> Storage:
        """The same on a CUDA device, as a `map_location` function may say."""
        return Storage(self.kind, self.array, f"cuda:{index}")

    def cpu(self) -> Storage:
        return Storage(self.kind, self.array)


class Name(str):
    """A global of PyTorch's, module and name separated by a space."""


# ------------------------------------------------------------------ what stands for a Tensor


def storage_of(array: np.ndarray, kinds: dict) -> tuple[Storage, int, tuple, tuple]:
    """(storage, offset, size, stride) of an array: the memory of the array that owns it."""
    root = array
    while isinstance(root.base, np.ndarray) and root.base.dtype == array.dtype:
        root = root.base
    if any(s < 0 for s in array.strides) or not (root.flags.c_contiguous or
                                                 root.flags.f_contiguous):
        root = array = np.array(array, order="C")
    place = root.__array_interface__["data"][0]
    offset = (array.__array_interface__["data"][0] - place) // array.itemsize
    key = place, root.nbytes
    if key not in kinds:
        kind = f"{SCALAR_NAMES[NAMED[array.dtype].name]}Storage"
        kinds[key] = Storage(kind if kind in STORAGES else UNTYPED, root.ravel("K"))
    stride = tuple(s // array.itemsize for s in array.strides)
    return kinds[key], int(offset), array.shape, stride


def rebuild_tensor(storage, offset, size, stride, requires_grad, hooks, dtype=None, metadata=None):
    """A Tensor over a storage."""
    array = storage.array if dtype is None else storage.array.view(dtype.dtype)
    strides = tuple(s * array.itemsize for s in stride)
    last = offset + sum((n - 1) * s for n, s in zip(size, stride)) if all(size) else 0
    if offset < 0 or last >= max(array.size, 1) or any(s < 0 for s in stride):
        raise RuntimeError(f"setStorage: sizes {list(size)}, strides {list(stride)}, storage offset"
                           f" {offset} are out of bounds for storage of size {array.size}")
    view = np.lib.stride_tricks.as_strided(array[offset:], size, strides) if array.size else \
        np.zeros(size, array.dtype)
    made = settle(from_array(view if size or not array.size else view.reshape(())),
                  resolve(storage.location))
    return made.requires_grad_() if requires_grad else made


def rebuild_parameter(data, requires_grad, hooks, state=None):
    return Parameter(data, requires_grad)


def encode(text: str, encoding: str) -> bytes:
    """How old protocols write bytes."""
    return text.encode(encoding)


REBUILD = {"torch._utils _rebuild_tensor_v2": rebuild_tensor,
           "torch._utils _rebuild_tensor_v3": rebuild_tensor,
           "torch._utils _rebuild_parameter": rebuild_parameter,
           "torch._utils _rebuild_parameter_with_state": rebuild_parameter}
SAFE: dict[str, Any] = REBUILD | {
    "collections OrderedDict": collections.OrderedDict, "collections Counter": collections.Counter,
    "builtins set": set, "__builtin__ set": set, "_codecs encode": encode,
    "torch Size": Size, "torch device": dtypes.device,
    "builtins complex": complex, "__builtin__ complex": complex,
    "torch.nn.parameter Parameter": Parameter, "builtins bytearray": bytearray,
} | {f"torch {d.name}": d for d in NAMED.values()} \
    | {f"torch {name}": Name(name) for name in STORAGES} \
    | {"torch.storage UntypedStorage": Name(UNTYPED)}
BUILT = {collections.OrderedDict, collections.Counter}
_allowed: dict[str, Any] = {}


def full_name(obj) -> str:
    return f"{obj.__module__} {obj.__qualname__}"


def add_safe_globals(safe_globals) -> None:
    """Let `load` make objects of these classes, or call these functions."""
    for item in safe_globals:
        obj, name = item if isinstance(item, tuple) else (item, full_name(item))
        _allowed[" ".join(name.rsplit(".", 1)) if " " not in name else name] = obj


def get_safe_globals() -> list:
    return list(_allowed.values())


def clear_safe_globals() -> None:
    _allowed.clear()


@contextlib.contextmanager
def safe_globals(safe_globals):
    """`add_safe_globals` for the length of a block."""
    before = dict(_allowed)
    add_safe_globals(safe_globals)
    try:
        yield
    finally:
        _allowed.clear()
        _allowed.update(before)


# ------------------------------------------------------------------ writing


class Writer(pickle._Pickler):  # the one in Python: PyTorch's names are written by hand
    """Pickles Tensors as PyTorch does; storages are collected."""

    def __init__(self, file, protocol: int):
        super().__init__(file, protocol)
        self.memory: dict = {}
        self.keys: dict[int, str] = {}
        self.storages: list[Storage] = []

    def persistent_id(self, obj):
        if not isinstance(obj, Storage):
            return None
        if id(obj) not in self.keys:
            self.keys[id(obj)] = str(len(self.storages))
            self.storages.append(obj)
        untyped = obj.kind == UNTYPED
        kind = Name(f"torch.storage {UNTYPED}" if untyped else f"torch {obj.kind}")
        size = obj.array.nbytes if untyped else obj.array.size
        return "storage", kind, self.keys[id(obj)], obj.location, size

    def reducer_override(self, obj):
        if type(obj) is Name:
            return str(obj)
        if isinstance(obj, Tensor):
            return self.reduce_tensor(obj)
        if isinstance(obj, dtypes.dtype):
            return f"torch {obj.name}"
        if isinstance(obj, Size):
            return Name("torch Size"), (tuple(obj),)
        if isinstance(obj, dtypes.device):
            return Name("torch device"), (str(obj),)
        return NotImplemented

    def reduce_tensor(self, x: Tensor):
        if isinstance(x, Parameter):
            return Name("torch._utils _rebuild_parameter"), (
                x.detach(), x.requires_grad, collections.OrderedDict())
        if type(x) not in (Tensor, Buffer):
            return NotImplemented
        memory = self.memory if x.is_cpu else {}  # what is fetched lies where others did before
        parts = storage_of(array_of(x), memory)
        parts[0].location = str(x.device)
        untyped = parts[0].kind == UNTYPED
        version = Name(f"torch._utils _rebuild_tensor_v{3 if untyped else 2}")
        return version, (*parts, x.requires_grad and x.is_leaf, collections.OrderedDict(),
                         *((x.dtype,) if untyped else ()))

    def save_reduce(self, func, args, *rest, **named):
        """A callable is a name here: it is written before `pickle` asks whether it can be called.
        """
        if type(func) is not Name:
            return super().save_reduce(func, args, *rest, **named)
        obj = named.get("obj")
        self.save(func)
        self.save(args)
        self.write(pickle.REDUCE)
        self.memoize(obj)

    def save_global(self, obj, name=None):
        if name is None or " " not in name:
            return super().save_global(obj, name)
        module, name = name.split(" ")
        self.write(pickle.GLOBAL + f"{module}\n{name}\n".encode())
        self.memoize(obj)


def write_record(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    """A record whose bytes begin at a multiple of 64, so that it can be mapped into memory."""
    info = zipfile.ZipInfo(name)
    start = archive.fp.tell() + 30 + len(name.encode()) + 4
    info.extra = b"FB" + (-start % ALIGNMENT).to_bytes(2, "little") + b"Z" * (-start % ALIGNMENT)
    archive.writestr(info, data)


def write_archive(obj, file, root: str, protocol: int) -> None:
    pickled = io.BytesIO()
    writer = Writer(pickled, protocol)
    writer.dump(obj)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        write_record(archive, f"{root}/data.pkl", pickled.getvalue())
        write_record(archive, f"{root}/byteorder", b"little")
        for key, storage in zip(writer.keys.values(), writer.storages):
            array = storage.array
            little = array.astype(array.dtype.newbyteorder("<"), copy=False)
            write_record(archive, f"{root}/data/{key}", little.tobytes())
        write_record(archive, f"{root}/version", b"3\n")


def save(obj, f, pickle_module=pickle, pickle_protocol=2, _use_new_zipfile_serialization=True,
         _disable_byteorder_record=False) -> None:
    """Write an object with its Tensors to a path or a file. A path is written under another name
    and renamed at the end, so that whoever reads it finds the old file or the new one, whole."""
    if hasattr(f, "write"):
        return write_archive(obj, f, "archive", pickle_protocol)
    path = os.path.abspath(os.fspath(f))
    if not os.path.isdir(os.path.dirname(path)):
        raise RuntimeError(f"Parent directory {os.path.dirname(path)} does not exist.")
    root = os.path.splitext(os.path.basename(path))[0] or "archive"
    atomically(path, lambda file: write_archive(obj, file, root, pickle_protocol))


def atomically(path: str, write) -> None:
    """A file that `write(file)` fills under another name, and that then takes the name."""
    folder, name = os.path.split(os.path.abspath(path))
    handle, temporary = tempfile.mkstemp(prefix=f".{name}.", dir=folder)
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, os.stat(path).st_mode if os.path.exists(path) else
                 0o666 & ~current_umask())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


def current_umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


# ------------------------------------------------------------------ reading

REFUSED = (
    "Weights only load failed. This file can still be loaded, to do so you have two options, "
    "\033[1mdo those steps only if you trust the source of the checkpoint\033[0m. \n\t(1) In "
    "PyTorch 2.6, we changed the default value of the `weights_only` argument in `torch.load` "
    "from `False` to `True`. Re-running `torch.load` with `weights_only` set to `False` will "
    "likely succeed, but it can result in arbitrary code execution. Do it only if you got the "
    "file from a trusted source.\n\t(2) Alternatively, to load with `weights_only=True` please "
    "check the recommended steps in the following error message.\n\tWeightsUnpickler error: "
    "Unsupported global: GLOBAL {0} was not an allowed global by default. Please use "
    "`torch.serialization.add_safe_globals([{1}])` or the "
    "`torch.serialization.safe_globals([{1}])` context manager to allowlist this global if you "
    "trust this class/function.\n\nCheck the documentation of torch.load to learn more about "
    "types accepted by default with weights_only "
    "https://pytorch.org/docs/stable/generated/torch.load.html.")


class Reader(pickle._Unpickler):
    """Reads a pickle whose storages are in an archive."""

    def __init__(self, file, load_storage, **options):
        super().__init__(file, **options)
        self.persistent_load = load_storage

    def find_class(self, module: str, name: str):
        """Anything; PyTorch's classes by name among ours."""
        known = f"{module} {name}"
        if known in SAFE:
            return SAFE[known]
        if module.split(".")[0] == "torch":
            for place in (f"compat.{module}", "compat.torch.nn", "compat.torch"):
                with contextlib.suppress(ImportError, AttributeError):
                    return getattr(importlib.import_module(place), name)
        return super().find_class(module, name)


class WeightsReader(Reader):
    """Reads Tensors, containers and numbers, and nothing else."""

    dispatch = dict(pickle._Unpickler.dispatch)

    def find_class(self, module: str, name: str):
        known = f"{module} {name}"
        found = SAFE.get(known, _allowed.get(known))
        if found is None:
            shown = f"{module}.{name}"
            raise pickle.UnpicklingError(REFUSED.format(
                shown, shown if module == "__main__" else name))
        return found

    def get_extension(self, code):
        raise pickle.UnpicklingError("Weights only load failed: extension codes are not allowed")

    def load_build(self):
        """State is set on plain containers, and on objects of classes that the user allowed."""
        kind = type(self.stack[-2])
        if kind not in BUILT and kind not in _allowed.values():
            raise pickle.UnpicklingError("Weights only load failed: can only build Tensor, "
                                         "Parameter, OrderedDict or types allowlisted via "
                                         f"`add_safe_globals`, but got {kind}")
        super().load_build()

    dispatch[pickle.BUILD[0]] = load_build  # type: ignore[assignment]


NO_DEVICE = (
    "Attempting to deserialize object on a CUDA device but torch.cuda.is_available() is False. If "
    "you are running on a CPU-only machine, please use torch.load with "
    "map_location=torch.device('cpu') to map your storages to the CPU.")


def relocated(storage: Storage, map_location) -> Storage:
    """A storage where it was saved, or where `map_location` wants it: a device, a dictionary of
    names, or a function of storage and name that returns a storage, or None for no change."""
    if callable(map_location) and not isinstance(map_location, dtypes.device):
        return map_location(storage.cpu(), storage.location) or storage
    if isinstance(map_location, dict):
        storage.location = str(map_location.get(storage.location, storage.location))
    elif map_location is not None:
        storage.location = str(map_location)
    if storage.location.startswith("cuda") and devices.availability():
        raise RuntimeError(NO_DEVICE)
    return storage


def load(f, map_location=None, pickle_module=None, *, weights_only=None, mmap=None,
         **pickle_load_args):
    """Read what `save` wrote, here or in PyTorch. With weights_only=False the file may run code.

    Raises RuntimeError for what is no such archive, UnpicklingError for names that are not allowed.
    """
    try:
        archive = zipfile.ZipFile(f)
    except zipfile.BadZipFile:
        raise RuntimeError("PytorchStreamReader failed reading zip archive: failed finding central "
                           "directory") from None
    with archive:
        names = archive.namelist()
        root = next((n.rsplit("/", 1)[0] for n in names if n.endswith("/data.pkl")), None)
        if root is None:
            raise RuntimeError("PytorchStreamReader failed locating file data.pkl: file not found")
        order = archive.read(f"{root}/byteorder").decode() if f"{root}/byteorder" in names \
            else "little"
        storages: dict[str, Storage] = {}

        def load_storage(saved):
            _, kind, key, location, size = saved
            if key not in storages:
                dtype = np.dtype(np.uint8) if kind == UNTYPED else STORAGES[kind].dtype
                data = bytearray(archive.read(f"{root}/data/{key}"))
                array = np.frombuffer(data, dtype.newbyteorder(order[0].replace(
                    "l", "<").replace("b", ">"))).astype(dtype, copy=False)
                if array.size < size:
                    raise RuntimeError(f"storage {key} has {array.size} elements, not {size}")
                storages[key] = relocated(Storage(str(kind), array, location), map_location)
            return storages[key]

        reader = Reader if weights_only is False else WeightsReader
        with archive.open(f"{root}/data.pkl") as file:
            return reader(io.BytesIO(file.read()), load_storage, **pickle_load_args).load()
