"""Arrays on their way between the real frameworks and this engine, without a copy where the memory
of one can be read by the other."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

from minigrad.core import Tensor, to_array


def from_real_torch(tensor) -> np.ndarray:
    """The memory of a real torch tensor as an array. bfloat16 travels by its bits."""
    import torch

    tensor = tensor.detach().cpu()
    if tensor.dtype == torch.bfloat16:
        return tensor.view(torch.int16).numpy().view(ml_dtypes.bfloat16)
    return tensor.resolve_conj().resolve_neg().numpy()


def to_real_torch(x) -> Any:
    """A real torch tensor on the memory of an array or Tensor."""
    import torch

    array = np.asarray(to_array(x)) if isinstance(x, Tensor) else np.asarray(x)
    if not array.flags.writeable or any(s < 0 for s in array.strides):
        array = array.copy()
    if array.dtype == ml_dtypes.bfloat16:
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(array)


def is_real_torch(x) -> bool:
    return type(x).__module__.partition(".")[0] == "torch" and hasattr(x, "detach")
