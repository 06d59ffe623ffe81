"""What optimizers share. An algorithm is a function of values: (param, grad, state...) to new
values, one minigrad op, so that eager code runs it as one generated function and a compiled step
stages it. The class keeps groups and state, and writes the results in place."""

from __future__ import annotations

import copy
from collections import defaultdict
from itertools import chain
from typing import Any

import numpy as np

from compat.torch.autograd import enable_grad, no_grad
from compat.torch.tensor import Tensor
from minigrad.imperative import views
from minigrad.core import EVAL, get_mode, make_box
from minigrad.jit import read_state


class Optimizer:
    """Base class of all optimizers. `update(group, param)` is what a subclass gives."""

    def __init__(self, params, defaults: dict):
        self.defaults = defaults
        self.state: Any = defaultdict(dict)
        self.param_groups: list[dict] = []
        self._pre_hooks: dict = {}
        self._post_hooks: dict = {}
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

    def add_param_group(self, group: dict) -> None:
        """Add parameters with settings of their own."""
        params = group["params"]
        params = [params] if isinstance(params, Tensor) else list(params)
        params = [p[1] if isinstance(p, tuple) else p for p in params]
        for p in params:
            if not isinstance(p, Tensor):
                raise TypeError("optimizer can only optimize Tensors, but one of the params is "
                                + type(p).__name__)
            if not p.is_leaf:
                raise ValueError("can't optimize a non-leaf Tensor")
        known = {id(p) for g in self.param_groups for p in g["params"]}
        if any(id(p) in known for p in params):
            raise ValueError("some parameters appear in more than one parameter group")
        self.param_groups.append({"params": params} | self.defaults | {
            k: v for k, v in group.items() if k != "params"})

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients."""
        for p in chain.from_iterable(g["params"] for g in self.param_groups):
            if p.grad is not None:
                if set_to_none:
                    p.grad = None
                else:
                    p.grad.detach_().zero_()

    def step(self, closure=None):
        """Update every parameter that has a gradient."""
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        with no_grad():
            for group in self.param_groups:
                rate = current_rate(group)
                for p in group["params"]:
                    grad = p.grad
                    if grad is not None:
                        self.update(group, rate, p, grad)
        return loss

    def update(self, group: dict, rate, param, grad) -> None:
        raise NotImplementedError

    # ---------------------------------------------------------------- state

    def state_dict(self) -> dict:
        """State and settings, with parameters numbered in order."""
        numbers: dict[int, int] = {}
        for p in chain.from_iterable(g["params"] for g in self.param_groups):
            numbers.setdefault(id(p), len(numbers))
        return {
            "state": {numbers[id(p)]: dict(s) for p, s in self.state.items()},
            "param_groups": [{k: v for k, v in g.items() if k != "params"}
                             | {"params": [numbers[id(p)] for p in g["params"]]}
                             for g in self.param_groups]}

    def load_state_dict(self, state_dict: dict) -> None:
        """Restore what `state_dict` gave."""
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
            self.state[by_number[number]] = {
                k: v.clone() if isinstance(v, Tensor) else v for k, v in values.items()}
        for g, own in zip(groups, self.param_groups):
            own.update({k: v for k, v in g.items() if k != "params"})

    def __repr__(self) -> str:
        lines = [type(self).__name__ + " ("]
        for i, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {i}")
            lines += [f"    {k}: {group[k]}" for k in sorted(group) if k != "params"]
        return "\n".join(lines) + "\n)"


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
