"""Two worlds that tests of the tape run in side by side: minigrad's little face, and real torch."""

import numpy as np
import torch

from minigrad import tape
from minigrad.imperative.modes import grad_mode
from tests.tensors import Tensor, softplus, split, tensor

VALUES = np.array([[0.5, -1.25, 2.0], [1.5, 0.25, -0.75]])


class Ours:
    name = "minigrad"
    grad, backward = staticmethod(tape.grad), staticmethod(tape.backward)
    no_grad, enable_grad = grad_mode(False), grad_mode(True)

    @staticmethod
    def leaf(values=VALUES, dtype=np.float64):
        return tensor(values, requires_grad=True, dtype=dtype)

    @staticmethod
    def constant(values, dtype=np.float64):
        return tensor(values, dtype=dtype)

    softplus = staticmethod(softplus)
    split = staticmethod(lambda x, size: split(x, size=size))

    @staticmethod
    def inference():
        return grad_mode(False, inference=True)


class Theirs:
    name = "torch"
    grad, backward = staticmethod(torch.autograd.grad), staticmethod(torch.autograd.backward)
    no_grad, enable_grad = torch.no_grad(), torch.enable_grad()
    inference = torch.inference_mode

    @staticmethod
    def leaf(values=VALUES, dtype=np.float64):
        return torch.tensor(np.array(values, dtype), requires_grad=True)

    @staticmethod
    def constant(values, dtype=np.float64):
        return torch.tensor(np.array(values, dtype))

    softplus = staticmethod(lambda x: x.exp().log1p())
    split = staticmethod(lambda x, size: torch.split(x, [size, x.shape[0] - size]))


def plain(x):
    """What two worlds can be compared by: arrays for Tensors, and the rest as it is."""
    if isinstance(x, (list, tuple)):
        return [plain(v) for v in x]
    if isinstance(x, torch.Tensor):
        return x.detach().numpy().copy()
    return np.array(x.value) if isinstance(x, Tensor) else x


def agree(ours, theirs) -> bool:
    if isinstance(theirs, list):
        return len(ours) == len(theirs) and all(map(agree, ours, theirs))
    if not isinstance(theirs, np.ndarray):
        return ours == theirs
    np.testing.assert_array_max_ulp(ours, theirs, 64)
    return ours.dtype == theirs.dtype and ours.shape == theirs.shape


def outcome(function, world):
    """The result, or the error's class and first sentence."""
    try:
        return plain(function(world))
    except (RuntimeError, ValueError) as error:
        return type(error).__name__, str(error).strip().split("\n")[0].replace("Float64", "Double")


def same(function, error=None):
    """Both worlds agree on the result, or on the error (which starts with `error`)."""
    ours, theirs = outcome(function, Ours), outcome(function, Theirs)
    if error is None:
        assert not (isinstance(theirs, tuple) and str(theirs[0]).endswith("Error")), theirs
        assert agree(ours, theirs), (ours, theirs)
    else:
        assert isinstance(theirs, tuple), f"torch raises nothing, but returns {theirs}"
        assert ours[0] == theirs[0] and theirs[1].startswith(ours[1])  # torch may say more
        assert error in ours[1]
