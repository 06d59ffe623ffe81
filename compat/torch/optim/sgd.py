"""Stochastic gradient descent with momentum. Source: Sutskever et al. (2013), as in PyTorch."""

from __future__ import annotations

from compat.torch.operation import operation
from compat.torch.optim.optimizer import Optimizer, write_all
from compat.torch.pointwise import like
from compat.torch.promotion import together
from minigrad.core import aval_of
from minigrad.ops import elementwise as e
from minigrad.ops.selection import copy


def scaled(x, factor):
    x, factor = together(x, factor, dtype=aval_of(x).dtype)
    return e.mul(x, factor)


def direction(param, grad, weight_decay, maximize):
    grad = e.neg(grad) if maximize else grad
    return e.add(grad, e.mul(param, like(param, weight_decay))) if weight_decay else grad


def descend(param, step, rate):
    return e.sub(param, scaled(step, rate))


@operation(name="sgd", tensors=("param", "grad", "rate"), scalars=("rate",))
def plain_step(param, grad, rate, weight_decay, maximize):
    return descend(param, direction(param, grad, weight_decay, maximize), rate)


@operation(name="sgd", tensors=("param", "grad", "buffer", "rate"), scalars=("rate",))
def momentum_step(param, grad, buffer, rate, weight_decay, maximize, momentum, dampening,
                  nesterov):
    """(param, buffer) after one step."""
    grad = direction(param, grad, weight_decay, maximize)
    buffer = e.add(e.mul(buffer, like(buffer, momentum)), e.mul(grad, like(grad, 1 - dampening)))
    step = e.add(grad, e.mul(buffer, like(buffer, momentum))) if nesterov else buffer
    return descend(param, step, rate), buffer


@operation(name="sgd", tensors=("param", "grad", "rate"), scalars=("rate",))
def first_momentum_step(param, grad, rate, weight_decay, maximize, momentum, nesterov):
    """(param, buffer): the first gradient is the first momentum."""
    grad = direction(param, grad, weight_decay, maximize)
    step = e.add(grad, e.mul(grad, like(grad, momentum))) if nesterov else grad
    return descend(param, step, rate), copy(grad)


class SGD(Optimizer):
    """param -= lr * momentum-averaged gradient."""

    def __init__(self, params, lr=1e-3, momentum=0, dampening=0, weight_decay=0, nesterov=False, *,
                 maximize=False, foreach=None, differentiable=False, fused=None):
        for name, value in (("learning rate", lr), ("momentum value", momentum),
                            ("weight_decay value", weight_decay)):
            if value < 0.0:
                raise ValueError(f"Invalid {name}: {value}")
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        super().__init__(params, dict(
            lr=lr, momentum=momentum, dampening=dampening, weight_decay=weight_decay,
            nesterov=nesterov, maximize=maximize, foreach=foreach, differentiable=differentiable,
            fused=fused))

    def update(self, group, rate, param, grad) -> None:
        settings = group["weight_decay"], group["maximize"]
        momentum = group["momentum"]
        if not momentum:
            write_all([param], [plain_step(param, grad, rate, *settings)])
            return
        state = self.state[param]
        buffer = state.get("momentum_buffer")
        if buffer is None:
            new, buffer = first_momentum_step(param, grad, rate, *settings, momentum,
                                              group["nesterov"])
            state["momentum_buffer"] = buffer
            write_all([param], [new])
            return
        write_all([param, buffer], momentum_step(param, grad, buffer, rate, *settings, momentum,
                                                 group["dampening"], group["nesterov"]))

