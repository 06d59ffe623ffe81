"""The safetensors format: a header of JSON, then the numbers of every Tensor.

The functions of `safetensors.torch`, for `compat.torch`. Source: the format's specification
(huggingface.co/docs/safetensors).
"""

from __future__ import annotations

import json
import os

import numpy as np

from compat.torch.dtypes import NAMED
from compat.torch.serialization import atomically
from compat.torch.tensor import Tensor, from_array
from minigrad import core

CODES = {"uint64": "U64", "int64": "I64", "float64": "F64", "complex64": "C64", "float32": "F32",
         "uint32": "U32", "int32": "I32", "bfloat16": "BF16", "float16": "F16", "uint16": "U16",
         "int16": "I16", "int8": "I8", "uint8": "U8", "bool": "BOOL"}  # in the order of a file
DTYPES = {CODES[d.name]: numpy for numpy, d in NAMED.items() if d.name in CODES}


def save(tensors: dict[str, Tensor], metadata: dict[str, str] | None = None) -> bytes:
    """Tensors by name as bytes, the wide dtypes first."""
    arrays = {k: np.asarray(core.to_array(t), order="C") for k, t in tensors.items()}
    order = list(CODES)
    names = sorted(arrays, key=lambda k: (order.index(NAMED[arrays[k].dtype].name), k))
    header: dict = {} if metadata is None else {"__metadata__": metadata}
    start = 0
    for name in names:
        array = arrays[name]
        header[name] = {"dtype": CODES[NAMED[array.dtype].name], "shape": list(array.shape),
                        "data_offsets": [start, start + array.nbytes]}
        start += array.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return b"".join([len(text).to_bytes(8, "little"), text, *(arrays[k].tobytes() for k in names)])


def load(data: bytes) -> dict[str, Tensor]:
    """The Tensors that `save` made bytes of. Raises ValueError for what is no such file."""
    size = int.from_bytes(data[:8], "little")
    if len(data) < 8 or size > len(data) - 8:
        raise ValueError("Error while deserializing header: invalid header length")
    header = json.loads(data[8:8 + size])
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in sorted(header.items()):
        start, stop = (8 + size + n for n in entry["data_offsets"])
        dtype = DTYPES[entry["dtype"]]
        shape = tuple(entry["shape"])
        if not 8 + size <= start <= stop <= len(data) or \
                stop - start != dtype.itemsize * int(np.prod(shape, dtype=np.int64)):
            raise ValueError(f"Error while deserializing header: invalid offset of {name}")
        tensors[name] = from_array(np.frombuffer(data[start:stop], dtype).reshape(shape).copy())
    return tensors


def save_file(tensors: dict[str, Tensor], filename, metadata: dict[str, str] | None = None) -> None:
    """Write Tensors by name; the file is replaced as a whole."""
    data = save(tensors, metadata)
    atomically(os.fspath(filename), lambda file: file.write(data))


def load_file(filename, device="cpu") -> dict[str, Tensor]:
    """Read Tensors by name."""
    with open(filename, "rb") as file:
        return load(file.read())


def load_model(model, filename, strict: bool = True, device="cpu"):
    """Load a file into a module. Returns (missing, unexpected) names."""
    return model.load_state_dict(load_file(filename), strict)


def save_model(model, filename, metadata: dict[str, str] | None = None) -> None:
    """Write the state of a module."""
    save_file(model.state_dict(), filename, metadata)
