"""Adam (Kingma and Ba, 2015) and AdamW (Loshchilov and Hutter, 2019)."""

from __future__ import annotations

from compat.torch.creation import tensor, zeros_like
from compat.torch.operation import operation
from compat.torch.optim.optimizer import Optimizer, write_all
from compat.torch.pointwise import like
from compat.torch.promotion import cast
from minigrad.core import F64, aval_of
from minigrad.ops import elementwise as e
from minigrad.ops import transcendental as t


def power_of(beta: float, step):
    """beta ** step in double precision, as Python computes it."""
    return t.pow_(like(step, beta), step)


@operation(name="adam", tensors=("param", "grad", "step", "exp_avg", "exp_avg_sq",
                                 "max_exp_avg_sq", "rate"), scalars=("rate",))
def adam_step(param, grad, step, exp_avg, exp_avg_sq, max_exp_avg_sq=None, rate=None, beta1=0.9,
              beta2=0.999, eps=1e-8, weight_decay=0.0, decoupled=False, maximize=False):
    """(param, step, exp_avg, exp_avg_sq[, max_exp_avg_sq]) after one step."""
    dtype = aval_of(param).dtype
    rate = cast(rate, F64)
    grad = e.neg(grad) if maximize else grad
    step = e.add(step, like(step, 1))
    if weight_decay and decoupled:
        shrink = e.sub(like(rate, 1), e.mul(rate, like(rate, weight_decay)))
        param = e.mul(param, cast(shrink, dtype))
    elif weight_decay:
        grad = e.add(grad, e.mul(param, like(param, weight_decay)))
    exp_avg = e.add(exp_avg, e.mul(e.sub(grad, exp_avg), like(grad, 1 - beta1)))
    exp_avg_sq = e.add(e.mul(exp_avg_sq, like(grad, beta2)),
                       e.mul(e.mul(grad, grad), like(grad, 1 - beta2)))
    count = cast(step, F64)
    correction1 = e.sub(like(count, 1), power_of(beta1, count))
    correction2 = e.sub(like(count, 1), power_of(beta2, count))
    second = exp_avg_sq if max_exp_avg_sq is None else e.max_(max_exp_avg_sq, exp_avg_sq)
    root = e.div(t.sqrt(second), cast(t.sqrt(correction2), dtype))
    denominator = e.add(root, like(root, eps))
    size = cast(e.neg(e.div(rate, correction1)), dtype)
    param = e.add(param, e.mul(size, e.div(exp_avg, denominator)))
    results = param, step, exp_avg, exp_avg_sq
    return results if max_exp_avg_sq is None else (*results, second)


class Adam(Optimizer):
    """Steps scaled by running means of the gradient and of its square."""

    decoupled = False

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0,
                 amsgrad=False, *, foreach=None, maximize=False, capturable=False,
                 differentiable=False, fused=None, decoupled_weight_decay=False):
        for name, value in (("learning rate", lr), ("epsilon value", eps),
                            ("weight_decay value", weight_decay)):
            if value < 0.0:
                raise ValueError(f"Invalid {name}: {value}")
        for i, beta in enumerate(betas):
            if not 0.0 <= beta < 1.0:
                raise ValueError(f"Invalid beta parameter at index {i}: {beta}")
        super().__init__(params, dict(
            lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, amsgrad=amsgrad,
            maximize=maximize, foreach=foreach, capturable=capturable,
            differentiable=differentiable, fused=fused,
            decoupled_weight_decay=decoupled_weight_decay or self.decoupled))

    def update(self, group, rate, param, grad) -> None:
        state = self.state[param]
        if not state:
            state["step"] = tensor(0.0)
            state["exp_avg"], state["exp_avg_sq"] = zeros_like(param), zeros_like(param)
            if group["amsgrad"]:
                state["max_exp_avg_sq"] = zeros_like(param)
        held = [state[k] for k in ("step", "exp_avg", "exp_avg_sq", "max_exp_avg_sq")
                if k in state]
        full = held if len(held) == 4 else [*held, None]
        beta1, beta2 = group["betas"]
        write_all([param, *held], adam_step(
            param, grad, *full, rate, beta1, beta2, group["eps"], group["weight_decay"],
            group["decoupled_weight_decay"], group["maximize"]))


class AdamW(Adam):
    """Adam whose weight decay shrinks the parameter itself."""

    decoupled = True

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2,
                 amsgrad=False, *, maximize=False, foreach=None, capturable=False,
                 differentiable=False, fused=None):
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize,
                         foreach=foreach, capturable=capturable, differentiable=differentiable,
                         fused=fused)
