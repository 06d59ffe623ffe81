"""What the functions of `torch.linalg` ask of their arguments, and how they complain."""

from __future__ import annotations



import numpy as np

from compat.torch.return_types import return_type
from compat.torch import views as s
from compat.torch.dtypes import SCALAR_NAMES
from compat.torch.operation import operation
from compat.torch.promotion import broadcast_shapes, is_floating
from compat.torch.tensor import array_of, known
from minigrad import core


class _LinAlgError(RuntimeError):
    """A matrix that cannot be factorized or inverted."""


LinAlgError = _LinAlgError

def check(name: str, A, square: bool = True, what: str = "A", prefix: str = "linalg.") -> None:
    """A batch of (square) matrices of floats."""
    if not isinstance(A, core.Tensor):
        raise TypeError(f"linalg_{name}(): argument '{what}' (position 1) must be Tensor, not "
                        f"{type(A).__name__}")
    shape = A.spec.shape
    if len(shape) < 2:
        raise RuntimeError(f"{prefix}{name}: The input tensor {what} must have at least 2 "
                           "dimensions.")
    if square and shape[-1] != shape[-2]:
        raise RuntimeError(f"{prefix}{name}: {what} must be batches of square matrices, but they "
                           f"are {shape[-2]} by {shape[-1]} matrices")
    if not is_floating(A.spec.dtype):
        raise RuntimeError(f"{prefix}{name}: Expected a floating point or complex tensor as input. "
                           f"Got {SCALAR_NAMES[A.spec.dtype.name]}")


def failed(out, A) -> bool:
    """Did the routine give up (nan) on finite numbers? Not known while tracing."""
    if not (known(out) and known(A)):
        return False
    return not np.isfinite(array_of(out)).all() and bool(np.isfinite(array_of(A)).all())


def first_bad(out) -> str:
    """Which of a batch could not be done, as the messages say it."""
    flat = array_of(out).reshape(-1, *out.spec.shape[-2:])
    place = next((i for i, x in enumerate(flat) if not np.isfinite(x).all()), 0)
    return f"(Batch element {place}): " if len(out.spec.shape) > 2 else ""


def named(kind: str, names: str, *values):
    return return_type(kind, names)(*values)


def op(name: str, tensors=("A",)):
    return operation(name=name, tensors=tensors)

def is_vector(A, B) -> bool:
    return len(B.spec.shape) == 1 or (len(A.spec.shape) - 1 == len(B.spec.shape)
                                      and B.spec.shape == A.spec.shape[:-1])

def check_pair(name: str, A, B, left: bool = True, vector: bool = False) -> None:
    if A.spec.dtype != B.spec.dtype:
        raise RuntimeError(f"linalg.{name}: Expected A and B to have the same dtype, but found A "
                           f"of type {SCALAR_NAMES[A.spec.dtype.name]} and B of type "
                           f"{SCALAR_NAMES[B.spec.dtype.name]} instead")
    if vector:
        return
    if len(B.spec.shape) < 2:
        raise RuntimeError(f"linalg.{name}: The input tensor B must have at least 2 dimensions.")
    axis = -2 if left else -1
    if A.spec.shape[-2 if left else -1] != B.spec.shape[axis]:
        raise RuntimeError(f"linalg.{name}: Incompatible shapes of A and B for the equation "
                           f"{'AX = B' if left else 'XA = B'} ({A.spec.shape[-2]}x"
                           f"{A.spec.shape[-1]} and {B.spec.shape[-2]}x{B.spec.shape[-1]})")

def batched(A, B):
    batch = broadcast_shapes(A.spec.shape[:-2], B.spec.shape[:-2])
    return (s.expand(x, batch + x.spec.shape[-2:]) for x in (A, B))
