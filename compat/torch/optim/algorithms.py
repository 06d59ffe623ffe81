"""The optimizers that are rows: their settings, and the state that is not zeros at first."""

from __future__ import annotations

from compat.torch import creation
from compat.torch.optim import rules
from compat.torch.optim.optimizer import optimizer, write_all

ADAPTIVE = "betas=(0.9, 0.999), eps=1e-8, weight_decay=0"
FLAGS = "foreach=None, maximize=False, capturable=False, differentiable=False"
MOMENTS = {"max_exp_avg_sq": "amsgrad"}


def one(group, param):
    return creation.tensor(1.0)


Adam: type = optimizer(
    "Adam", rules.adam, f"lr=1e-3, {ADAPTIVE}, amsgrad=False, *, {FLAGS}, fused=None, "
    "decoupled_weight_decay=False", needs=MOMENTS)
AdamW: type = optimizer(  # its weight decay shrinks the parameter itself
    "AdamW", rules.adam, "lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2, "
    "amsgrad=False, *, maximize=False, foreach=None, capturable=False, differentiable=False, "
    "fused=None", base=Adam, needs=MOMENTS, fixed={"decoupled_weight_decay": True})
Adadelta: type = optimizer(
    "Adadelta", rules.adadelta, "lr=1.0, rho=0.9, eps=1e-6, weight_decay=0, foreach=None, *, "
    "capturable=False, maximize=False, differentiable=False")
Adamax: type = optimizer(
    "Adamax", rules.adamax, f"lr=2e-3, {ADAPTIVE}, foreach=None, *, maximize=False, "
    "differentiable=False, capturable=False")
ASGD: type = optimizer(
    "ASGD", rules.asgd, "lr=1e-2, lambd=1e-4, alpha=0.75, t0=1e6, weight_decay=0, foreach=None, "
    "maximize=False, differentiable=False, capturable=False", mu=one,
    eta=lambda group, param: creation.tensor(float(group["lr"])))
NAdam: type = optimizer(
    "NAdam", rules.nadam, f"lr=2e-3, {ADAPTIVE}, momentum_decay=4e-3, "
    f"decoupled_weight_decay=False, *, {FLAGS}", mu_product=one)
RAdam: type = optimizer(
    "RAdam", rules.radam, f"lr=1e-3, {ADAPTIVE}, decoupled_weight_decay=False, *, {FLAGS}")
RMSprop: type = optimizer(
    "RMSprop", rules.rmsprop, "lr=1e-2, alpha=0.99, eps=1e-8, weight_decay=0, momentum=0, "
    "centered=False, capturable=False, foreach=None, maximize=False, differentiable=False",
    needs={"momentum_buffer": "momentum", "grad_avg": "centered"})
Rprop: type = optimizer(
    "Rprop", rules.rprop, "lr=1e-2, etas=(0.5, 1.2), step_sizes=(1e-6, 50), *, capturable=False, "
    "foreach=None, maximize=False, differentiable=False",
    step_size=lambda group, param: creation.full_like(param, float(group["lr"])))
Adafactor: type = optimizer(
    "Adafactor", rules.adafactor, "lr=1e-2, beta2_decay=-0.8, eps=(None, 1e-3), d=1.0, "
    "weight_decay=0.0, *, foreach=None, maximize=False",
    row_var=lambda group, p: p.new_zeros((*p.shape[:-1], 1)) if p.dim() > 1 else None,
    col_var=lambda group, p: p.new_zeros((*p.shape[:-2], 1, p.shape[-1])) if p.dim() > 1 else None,
    variance=lambda group, p: creation.zeros_like(p) if p.dim() < 2 else None)
Muon: type = optimizer(
    "Muon", rules.muon, "lr=1e-3, weight_decay=0.1, momentum=0.95, nesterov=True, "
    "ns_coefficients=(3.4445, -4.775, 2.0315), eps=1e-7, ns_steps=5, adjust_lr_fn=None")


class SparseAdam(optimizer("SparseAdam", rules.adam, "lr=1e-3, betas=(0.9, 0.999), eps=1e-8, "
                           "maximize=False")):
    """Adam for sparse gradients, which no function here gives: it refuses dense ones."""

    def step(self, closure=None):
        for group in self.param_groups:
            if any(p.grad is not None for p in group["params"]):
                raise RuntimeError("SparseAdam does not support dense gradients, please consider "
                                   "Adam instead")


class SGD(optimizer(
        "SGD", rules.sgd, "lr=1e-3, momentum=0, dampening=0, weight_decay=0, nesterov=False, *, "
        "maximize=False, foreach=None, differentiable=False, fused=None")):
    """Gradient descent. With momentum: Sutskever et al. (2013)."""

    def update_all(self, group, rate, given) -> None:
        if group["momentum"] and not all("momentum_buffer" in self.state[p] for p, _ in given):
            for pair in given:
                self.update(group, rate, *pair)
        elif group["momentum"]:
            super().update_all(group, rate, given)
        else:
            rule = self.rule
            rule.updates([(param, grad, rate, None) for param, grad in given],
                         tuple([group[n] for n in rule.settings]))

    def update(self, group, rate, param, grad) -> None:
        buffer = self.state[param].get("momentum_buffer")
        new, *made = self.rule(param, grad, rate, buffer, *[group[n] for n in self.rule.settings])
        write_all([param, buffer] if buffer is not None else [param], [new, *made])
        if buffer is None:
            self.state[param]["momentum_buffer"] = made[0]


class Adagrad(optimizer(
        "Adagrad", rules.adagrad, "lr=1e-2, lr_decay=0, weight_decay=0, "
        "initial_accumulator_value=0, eps=1e-10, foreach=None, *, maximize=False, "
        "differentiable=False, fused=None", sum=lambda group, param: creation.full_like(
            param, group["initial_accumulator_value"]))):
    """Duchi, Hazan and Singer (2011)."""

    def share_memory(self) -> None:
        """The state is there before the first step."""
        for group in self.param_groups:
            for p in group["params"]:
                self.state[p].update(self.initial(group, p))

    _begin = share_memory
