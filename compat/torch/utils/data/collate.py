"""A list of examples as one batch."""

from __future__ import annotations

import copy
from collections.abc import Mapping, MutableMapping, MutableSequence, Sequence

import numpy as np

from compat.torch import creation
from compat.torch.dtypes import float64
from compat.torch.joining import stack
from compat.torch.tensor import Tensor

STRANGE = ("default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; "
           "found {}")


def rebuilt(first, values):
    """`values` (a dict or a list) in the class of an example, if it can be made of them."""
    if isinstance(first, tuple) and hasattr(first, "_fields"):
        return type(first)(*values)
    if isinstance(first, (MutableMapping, MutableSequence)) and type(first) not in (dict, list):
        clone = copy.copy(first)
        if isinstance(clone, MutableMapping):
            clone.update(values)
        else:
            clone[:] = values
        return clone
    return values


def default_collate(batch):
    """A list of examples as one example of stacked tensors."""
    first = batch[0]
    if isinstance(first, Tensor):
        return stack(batch)
    if isinstance(first, np.ndarray):
        if first.dtype.kind in "SUOa":
            raise TypeError(STRANGE.format(first.dtype))
        return stack([creation.as_tensor(b) for b in batch])
    if isinstance(first, np.generic):
        return creation.tensor(np.array(batch))
    if isinstance(first, (bool, int)):
        return creation.tensor(batch)
    if isinstance(first, float):
        return creation.tensor(batch, dtype=float64)
    if isinstance(first, (str, bytes)):
        return batch
    if isinstance(first, Mapping):
        return rebuilt(first, {k: default_collate([b[k] for b in batch]) for k in first})
    if isinstance(first, Sequence):
        if any(len(b) != len(first) for b in batch):
            raise RuntimeError("each element in list of batch should be of equal size")
        return rebuilt(first, [default_collate(list(column)) for column in zip(*batch)])
    raise TypeError(STRANGE.format(type(first)))


def default_convert(data):
    """NumPy's arrays in an example as Tensors."""
    if isinstance(data, (np.ndarray, np.generic)) and data.dtype.kind not in "SUOa":
        return creation.as_tensor(data)
    if isinstance(data, Mapping):
        return rebuilt(data, {k: default_convert(v) for k, v in data.items()})
    if isinstance(data, tuple) and not hasattr(data, "_fields"):
        return [default_convert(v) for v in data]
    if isinstance(data, Sequence) and not isinstance(data, (str, bytes)):
        return rebuilt(data, [default_convert(v) for v in data])
    return data
