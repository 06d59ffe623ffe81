"""`torch.autograd.forward_ad`: dual numbers. A dual level is a `jvp` level that stays pushed until
it is exited; a dual Tensor is a value of that level."""

from __future__ import annotations

from collections import namedtuple

from compat.torch.autograd.modes import no_grad
from compat.torch.tensor import Tensor, of_face
from minigrad.core import Mode, box, get_mode, owns, reset_mode, set_mode
from minigrad.forward import JVPTrace
from minigrad.imperative import views
from minigrad.numpy.operators import concrete

UnpackedDualTensor = namedtuple("UnpackedDualTensor", "primal tangent")
levels: list = []  # (trace, token of the mode before)


def enter_dual_level() -> int:
    """Push a level on which Tensors may carry tangents."""
    if levels:
        raise RuntimeError("Nested forward mode AD is not supported at the moment")
    trace = JVPTrace()
    trace.outer, trace.written = get_mode(), {}
    levels.append((trace, set_mode(Mode(trace, trace.outer.grad))))
    return 0


def exit_dual_level(*, level=None) -> None:
    """Leave the level; its Tensors are dead."""
    if not levels:
        raise RuntimeError("Trying to exit a forward AD level that was not entered.")
    trace, token = levels.pop()
    reset_mode(token)
    for root, value, spec in trace.written.values():  # running statistics of a batch norm
        now = box(concrete(root), Tensor)
        root.value, root.spec = value, spec
        with no_grad():
            views.write(root, now)
    trace.alive = False


class dual_level:
    """A `with` block inside which `make_dual` makes Tensors with tangents."""

    def __enter__(self):
        return enter_dual_level()

    def __exit__(self, *error):
        exit_dual_level()


def current_trace(what: str):
    if not levels:
        raise RuntimeError(f"Trying to {what} for forward AD but no level exists, make sure to "
                           "enter_dual_level() first.")
    return levels[-1][0]


def make_dual(tensor, tangent, *, level=None):
    """The Tensor with a tangent; both of one shape and dtype."""
    from minigrad.forward import JVPTracer

    trace = current_trace("create a dual Tensor")
    for x, name in ((tensor, "tensor"), (tangent, "tangent")):
        if not (x.is_floating_point() or x.is_complex()):
            raise ValueError(f"Expected {name} to be floating point or complex, but got: {x.dtype}")
    if tensor.shape != tangent.shape:
        raise RuntimeError(f"Trying to set a forward gradient that has a different size than that "
                           f"of the original Tensor, this is not supported. Tensor is of size "
                           f"{list(tensor.shape)} while the given forward gradient is of size "
                           f"{list(tangent.shape)}.")
    return box(JVPTracer(trace, *(lowered(trace, x) for x in (tensor, tangent))), Tensor)


def lowered(trace, x):
    """A Tensor made on the level itself is a constant there: what it stands for below."""
    return x.value.primal if not x.spec.concrete and owns(trace, x) else x


def unpack_dual(tensor, *, level=None):
    """(primal, tangent); the tangent is None for a Tensor without one."""
    if not levels:
        return UnpackedDualTensor(tensor, None)
    trace = levels[-1][0]
    if tensor.spec.concrete or not owns(trace, tensor):
        return UnpackedDualTensor(tensor, None)
    value = tensor.value
    return UnpackedDualTensor(*(None if x is None else of_face(x)
                                for x in (value.primal, value.tangent)))
