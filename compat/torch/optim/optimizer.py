"""What optimizers share: groups, state and hooks. An algorithm is a rule (`rules.py`), one minigrad
operation; the class looks up the state and writes the results in place."""

from __future__ import annotations

import copy
import functools
import inspect
import warnings
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Mapping
from itertools import chain
from types import MappingProxyType
from typing import Any

import numpy as np

from compat.torch.autograd import enable_grad, no_grad
from compat.torch.creation import tensor, zeros_like
from compat.torch.devices import beside
from compat.torch.operation import operation
from compat.torch.tensor import Tensor
from compat.torch.written import parameters_of, written
from minigrad.eager.update import Updates
from minigrad.core import EVAL, get_mode, make_box
from minigrad.imperative import views
from minigrad.imperative.hooks import RemovableHandle
from minigrad.jit import read_state

REQUIRED = object()
HOOKS = ("step_pre", "step_post", "state_dict_pre", "state_dict_post", "load_state_dict_pre",
         "load_state_dict_post")


def with_hooks(step: Callable) -> Callable:
    """A step method that calls the optimizer's hooks, and leaves word that it ran."""
    @functools.wraps(step)
    def call(self, *args, **kwargs):
        hooks = self._hooks
        for hook in list(hooks["step_pre"].values()):
            changed = hook(self, args, kwargs)
            if changed is not None:
                args, kwargs = changed
        out = step(self, *args, **kwargs)
        self._opt_called = True
        for hook in list(hooks["step_post"].values()):
            hook(self, args, kwargs)
        return out

    return call


class Optimizer:
    """Base class of all optimizers. A subclass gives `step`, or `update(group, rate, param,
    grad)`."""

    _opt_called = False

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if "step" in vars(cls):
            cls.step = with_hooks(cls.step)

    def __init__(self, params, defaults: dict):
        self.defaults = defaults
        self.state: Any = defaultdict(dict)
        self.param_groups: list[dict] = []
        self._hooks: dict[str, OrderedDict] = {name: OrderedDict() for name in HOOKS}
        if isinstance(params, Tensor):
            raise TypeError("params argument given to the optimizer should be an iterable of "
                            "Tensors or dicts, but got torch." + params.type_name())
        groups = list(params)
        if not groups:
            raise ValueError("optimizer got an empty parameter list")
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(dict(group))

    def add_param_group(self, param_group: dict) -> None:
        """Add parameters with settings of their own."""
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        params = param_group["params"]
        if isinstance(params, set):
            raise TypeError("optimizer parameters need to be organized in ordered collections, but "
                            "the ordering of tensors in sets will change between runs. Please use "
                            "a list instead.")
        params = [params] if isinstance(params, Tensor) else list(params)
        if params and isinstance(params[0], tuple):  # named parameters
            param_group["param_names"], params = map(list, zip(*params))
        for p in params:
            if not isinstance(p, Tensor):
                raise TypeError("optimizer can only optimize Tensors, but one of the params is "
                                + type(p).__name__)
            if not p.is_leaf and not self.defaults.get("differentiable"):
                raise ValueError("can't optimize a non-leaf Tensor")
        for name, default in self.defaults.items():
            if default is REQUIRED and name not in param_group:
                raise ValueError("parameter group didn't specify a value of required optimization "
                                 f"parameter {name}")
        if len(params) != len({id(p) for p in params}):
            warnings.warn("optimizer contains a parameter group with duplicate parameters; in "
                          "future, this will cause an error; see "
                          "github.com/pytorch/pytorch/issues/40967 for more information",
                          stacklevel=3)
        named = "param_names" in param_group
        if self.param_groups and named != ("param_names" in self.param_groups[-1]):
            raise ValueError("all optimizer param groups should be with/without names. cannot add "
                             f"param group {'with' if named else 'without'} names to the optimizer")
        known = {id(p) for g in self.param_groups for p in g["params"]}
        if any(id(p) in known for p in params):
            raise ValueError("some parameters appear in more than one parameter group")
        self.param_groups.append({**self.defaults, **param_group, "params": params})

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients."""
        for p in chain.from_iterable(g["params"] for g in self.param_groups):
            if p.grad is not None:
                if set_to_none:
                    p.grad = None
                else:
                    p.grad.detach_().zero_()

    @with_hooks
    def step(self, closure=None):
        """Update every parameter that has a gradient."""
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        with no_grad():
            for group in self.param_groups:
                given = [(p, p.grad) for p in group["params"] if p.grad is not None]
                if given:
                    self.update_all(group, current_rate(group), given)
        return loss

    def update_all(self, group: dict, rate, given: list) -> None:
        """Update the (parameter, gradient) pairs of one group."""
        for param, grad in given:
            self.update(group, rate, param, grad)

    def update(self, group: dict, rate, param, grad) -> None:
        raise NotImplementedError

    # ---------------------------------------------------------------- state

    def state_dict(self) -> dict:
        """State and settings, with parameters numbered in order."""
        for hook in self._hooks["state_dict_pre"].values():
            hook(self)
        numbers: dict[int, int] = {}
        for p in chain.from_iterable(g["params"] for g in self.param_groups):
            numbers.setdefault(id(p), len(numbers))
        state = {
            "state": {numbers.get(id(p), p): dict(s) for p, s in self.state.items()},
            "param_groups": [{k: v for k, v in g.items() if k != "params"}
                             | {"params": [numbers[id(p)] for p in g["params"]]}
                             for g in self.param_groups]}
        for hook in self._hooks["state_dict_post"].values():
            changed = hook(self, state)
            state = state if changed is None else changed
        return state

    def load_state_dict(self, state_dict: dict) -> None:
        """Restore what `state_dict` gave."""
        state_dict = dict(state_dict)
        for hook in self._hooks["load_state_dict_pre"].values():
            changed = hook(self, state_dict)
            state_dict = state_dict if changed is None else changed
        groups = copy.deepcopy(state_dict["param_groups"])
        if len(groups) != len(self.param_groups):
            raise ValueError("loaded state dict has a different number of parameter groups")
        if any(len(g["params"]) != len(own["params"])
               for g, own in zip(groups, self.param_groups)):
            raise ValueError("loaded state dict contains a parameter group that doesn't match the "
                             "size of optimizer's group")
        by_number = {n: p for g, own in zip(groups, self.param_groups)
                     for n, p in zip(g["params"], own["params"])}
        self.state = defaultdict(dict)
        for number, values in state_dict["state"].items():
            param = by_number.get(number, number)
            self.state[param] = {k: restored(param, k, v) for k, v in values.items()}
        for g, own in zip(groups, self.param_groups):
            own.update({k: v for k, v in g.items() if k != "params"})
        for hook in self._hooks["load_state_dict_post"].values():
            hook(self)

    def __getstate__(self):
        return {"defaults": self.defaults, "state": self.state, "param_groups": self.param_groups}

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state)
        self.__dict__.setdefault("_hooks", {name: OrderedDict() for name in HOOKS})

    def __repr__(self) -> str:
        groups = ["\n".join([f"\nParameter Group {i}", *(
            f"    {k}: {group[k]}" for k in sorted(group) if k != "params")]) + "\n"
            for i, group in enumerate(self.param_groups)]
        return f"{type(self).__name__} ({''.join(groups)})"


def registering(name: str):
    def register(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        return RemovableHandle(self._hooks[name], hook, prepend)

    register.__doc__ = f"Call `hook` at `{name}`; the optimizer is its first argument."
    return register


for _name in HOOKS:
    setattr(Optimizer, f"register_{_name}_hook", registering(_name))


def restored(param, key: str, value):
    """A value of a loaded state, in the dtype of its parameter (step counters keep theirs)."""
    if isinstance(value, Tensor):
        return beside(param, value.clone() if key == "step" or not param.is_floating_point() else
                      value.to(param.dtype, copy=True))
    if isinstance(value, dict):
        return {k: restored(param, key, v) for k, v in value.items()}
    return [restored(param, key, v) for v in value] if type(value) is list else value


def current_rate(group: dict):
    """The learning rate: a number, or a cell while a step is staged, so that a scheduler's change
    needs no new program."""
    rate = group["lr"]
    if isinstance(rate, Tensor) or get_mode().trace is EVAL:
        return rate
    state = read_state((id(group), "lr"), lambda: np.float64(group["lr"]))
    return make_box(Tensor, state.value, state.spec, state.node)


def write_all(targets, values) -> None:
    """New values, made for this, into parameters and state."""
    for target, value in zip(targets, values):
        views.replace(target, value)


# ------------------------------------------------------------------ optimizers as rows

TEXTS = {"lr": "Invalid learning rate: {}", "eps": "Invalid epsilon value: {}",
         "lr_decay": "Invalid lr_decay value: {}", "rho": "Invalid rho value: {}"}
NOT_NEGATIVE = ("lr", "eps", "lr_decay", "weight_decay", "momentum", "alpha", "momentum_decay",
                "initial_accumulator_value")


def check_settings(settings: dict) -> None:
    """PyTorch's complaints about numbers out of range."""
    rate = settings.get("lr")
    if isinstance(rate, Tensor) and rate.numel() != 1:
        raise ValueError("Tensor lr must be 1-element")
    for name in NOT_NEGATIVE:
        value = settings.get(name, 0)
        if isinstance(value, (int, float)) and not 0.0 <= value:
            raise ValueError(TEXTS.get(name, f"Invalid {name} value: {{}}").format(value))
    if not 0.0 <= settings.get("rho", 0) <= 1.0:
        raise ValueError(TEXTS["rho"].format(settings["rho"]))
    for i, beta in enumerate(settings.get("betas", ())):
        if not 0.0 <= beta < 1.0:
            raise ValueError(f"Invalid beta parameter at index {i}: {beta}")
    if settings.get("d", 1.0) < 1.0:
        raise ValueError(f"Clipping threshold d should be >= 1 but is: {settings['d']}")
    if settings.get("beta2_decay", 0.0) > 0.0:
        raise ValueError(f"beta2_decay should be <= 0 but is: {settings['beta2_decay']}")
    if settings.get("nesterov") and settings.get("dampening") is not None and (
            settings["momentum"] <= 0 or settings["dampening"] != 0):
        raise ValueError("Nesterov momentum requires a momentum and zero dampening")
    low, high = settings.get("etas", (0.5, 1.5))
    if not 0.0 < low < 1.0 < high:
        raise ValueError(f"Invalid eta values: {low}, {high}")


class RuleOptimizer(Optimizer):
    """An optimizer made of a row: its settings (the text of a signature), its state, its rule."""

    rule: Any

    def __init_subclass__(cls, settings: str | None = None, fixed: Mapping = MappingProxyType({}),
                          **kwargs):
        super().__init_subclass__(**kwargs)
        if settings is not None:
            given = ", ".join(f"{n}={n}" for n in parameters_of(settings))
            cls.__init__ = written("__init__", f"self, params, {settings}", [
                f"settings = dict({given}, **fixed)", "check(settings)",
                "start(self, params, settings)", "self._begin()"],
                check=check_settings, start=Optimizer.__init__, fixed=fixed)
            cls.__init__.__qualname__ = f"{cls.__name__}.__init__"

    def _begin(self) -> None:
        """What is to be done once the groups are there."""

    def initial(self, group: dict, param) -> dict:
        """The state before the first step."""
        raise NotImplementedError

    def update_all(self, group, rate, given) -> None:
        rows, rule = [], self.rule
        for param, grad in given:
            state = self.state[param]
            if not state:
                state.update(self.initial(group, param))
            rows.append((param, grad, rate, *[state.get(name) for name in rule.states]))
        rule.updates(rows, tuple([group[n] for n in rule.settings]))


def optimizer(name: str, rule: Callable, settings: str, base: type = RuleOptimizer,
              needs: Mapping = MappingProxyType({}), fixed: Mapping = MappingProxyType({}),
              **initial: Callable) -> type:
    """A class for one row. What the rule takes after `param, grad, rate` and is no setting, is
    state: `initial[name](group, param)` at first (None: not needed), or zeros like the parameter.
    `needs` names the setting without which a state is not needed."""
    names, known = list(inspect.signature(rule).parameters), {**parameters_of(settings), **fixed}
    states = [n for n in names[3:] if n not in known]
    op = operation(rule, name=rule.__name__, tensors=(*names[:3], *states), scalars=("rate",))
    op.states, op.settings = states, [n for n in names[3:] if n in known]
    op.updates = Updates(op.op, (0, *range(3, 3 + len(states))))
    initial = {"step": lambda group, param: tensor(0.0)} | initial

    def fill(self, group, param):
        made = {n: initial[n](group, param) if n in initial else zeros_like(param)
                for n in states if n not in needs or group[needs[n]]}
        return {n: beside(param, value) for n, value in made.items() if value is not None}

    return type(name, (base,), {
        "rule": staticmethod(op), "initial": fill, "__doc__": rule.__doc__,
        "__module__": "compat.torch.optim"}, settings=settings, fixed=fixed)
