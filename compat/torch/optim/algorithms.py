"""The optimizers that are rows: settings, their defaults, and the state before the first step."""

from __future__ import annotations

from compat.torch import creation
from compat.torch.dtypes import Size
from compat.torch.optim import rules
from compat.torch.optim.optimizer import counter, optimizer, write_all

FLAGS = {"capturable": False, "maximize": False, "differentiable": False}
BETAS = {"betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0}

ADAM = {"foreach": None, "maximize": False, "capturable": False, "differentiable": False,
        "fused": None}


def moments(group, p) -> dict:
    return {"step": counter(), "exp_avg": None, "exp_avg_sq": None} \
        | ({"max_exp_avg_sq": None} if group["amsgrad"] else {})


Adam: type = optimizer(
    "Adam", rules.adam,
    {"lr": 1e-3} | BETAS | {"amsgrad": False} | ADAM | {"decoupled_weight_decay": False},
    "foreach maximize capturable differentiable fused decoupled_weight_decay", moments)


class AdamW(Adam):
    """Adam whose weight decay shrinks the parameter itself."""

    settings = {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 1e-2,
                "amsgrad": False, "maximize": False} | ADAM
    keyword_only = tuple(ADAM)

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.defaults["decoupled_weight_decay"] = True
        for group in self.param_groups:
            group["decoupled_weight_decay"] = True

    def add_param_group(self, param_group) -> None:
        super().add_param_group({"decoupled_weight_decay": True, **param_group})


class SGD(optimizer(
        "SGD", rules.sgd,
        {"lr": 1e-3, "momentum": 0, "dampening": 0, "weight_decay": 0, "nesterov": False,
         "maximize": False, "foreach": None, "differentiable": False, "fused": None},
        "maximize foreach differentiable fused", lambda group, p: {})):
    """Gradient descent. With momentum: Sutskever et al. (2013)."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        for group in self.param_groups:
            if group["nesterov"] and (group["momentum"] <= 0 or group["dampening"] != 0):
                raise ValueError("Nesterov momentum requires a momentum and zero dampening")

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


Adadelta = optimizer(
    "Adadelta", rules.adadelta,
    {"lr": 1.0, "rho": 0.9, "eps": 1e-6, "weight_decay": 0, "foreach": None} | FLAGS,
    "capturable maximize differentiable",
    lambda group, p: {"step": counter(), "square_avg": None, "acc_delta": None})

Adamax = optimizer(
    "Adamax", rules.adamax,
    {"lr": 2e-3} | BETAS | {"foreach": None, "maximize": False, "differentiable": False,
                            "capturable": False},
    "maximize differentiable capturable",
    lambda group, p: {"step": counter(), "exp_avg": None, "exp_inf": None})

ASGD = optimizer(
    "ASGD", rules.asgd,
    {"lr": 1e-2, "lambd": 1e-4, "alpha": 0.75, "t0": 1e6, "weight_decay": 0, "foreach": None,
     "maximize": False, "differentiable": False, "capturable": False}, "",
    lambda group, p: {"step": counter(), "eta": creation.tensor(float(group["lr"])),
                      "mu": creation.tensor(1.0), "ax": None})

NAdam = optimizer(
    "NAdam", rules.nadam,
    {"lr": 2e-3} | BETAS | {"momentum_decay": 4e-3, "decoupled_weight_decay": False,
                            "foreach": None, "maximize": False, "capturable": False,
                            "differentiable": False},
    "foreach maximize capturable differentiable",
    lambda group, p: {"step": counter(), "mu_product": creation.tensor(1.0), "exp_avg": None,
                      "exp_avg_sq": None})

RAdam = optimizer(
    "RAdam", rules.radam,
    {"lr": 1e-3} | BETAS | {"decoupled_weight_decay": False, "foreach": None, "maximize": False,
                            "capturable": False, "differentiable": False},
    "foreach maximize capturable differentiable",
    lambda group, p: {"step": counter(), "exp_avg": None, "exp_avg_sq": None})

RMSprop = optimizer(
    "RMSprop", rules.rmsprop,
    {"lr": 1e-2, "alpha": 0.99, "eps": 1e-8, "weight_decay": 0, "momentum": 0, "centered": False,
     "capturable": False, "foreach": None, "maximize": False, "differentiable": False}, "",
    lambda group, p: {"step": counter(), "square_avg": None}
    | ({"momentum_buffer": None} if group["momentum"] > 0 else {})
    | ({"grad_avg": None} if group["centered"] else {}))

Rprop = optimizer(
    "Rprop", rules.rprop,
    {"lr": 1e-2, "etas": (0.5, 1.2), "step_sizes": (1e-6, 50), "capturable": False,
     "foreach": None, "maximize": False, "differentiable": False},
    "capturable foreach maximize differentiable",
    lambda group, p: {"step": counter(), "prev": None,
                      "step_size": creation.full_like(p, float(group["lr"]))})


def factored(group, p) -> dict:
    if p.dim() < 2:
        return {"step": counter(), "variance": None}
    shape = p.shape
    return {"step": counter(), "row_var": p.new_zeros(Size((*shape[:-1], 1))),
            "col_var": p.new_zeros(Size((*shape[:-2], 1, shape[-1])))}


Adafactor = optimizer(
    "Adafactor", rules.adafactor,
    {"lr": 1e-2, "beta2_decay": -0.8, "eps": (None, 1e-3), "d": 1.0, "weight_decay": 0.0,
     "foreach": None, "maximize": False}, "foreach maximize", factored)

Muon = optimizer(
    "Muon", rules.muon,
    {"lr": 1e-3, "weight_decay": 0.1, "momentum": 0.95, "nesterov": True,
     "ns_coefficients": (3.4445, -4.775, 2.0315), "eps": 1e-7, "ns_steps": 5,
     "adjust_lr_fn": None}, "", lambda group, p: {"momentum_buffer": None})


class Adagrad(optimizer(
        "Adagrad", rules.adagrad,
        {"lr": 1e-2, "lr_decay": 0, "weight_decay": 0, "initial_accumulator_value": 0,
         "eps": 1e-10, "foreach": None, "maximize": False, "differentiable": False, "fused": None},
        "maximize differentiable fused",
        lambda group, p: {"step": counter(), "sum": creation.full_like(
            p, group["initial_accumulator_value"])})):
    """Duchi, Hazan and Singer (2011)."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.share_memory()

    def share_memory(self) -> None:
        """The state is there before the first step."""
        for group in self.param_groups:
            for p in group["params"]:
                self.state[p].update(self.initial(group, p))
