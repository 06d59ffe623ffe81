"""Learning rates that change with the epoch.

Most schedulers say how the rate goes on from the last one (`get_lr`), which lets them be chained,
and what it is in closed form, for jumps to an epoch.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter

from compat.torch.optim.cycles import (  # noqa: F401  (names of this module, too)
    CosineAnnealingWarmRestarts, CyclicLR, OneCycleLR,
)
from compat.torch.optim.optimizer import Optimizer
from compat.torch.optim.scheduler import (  # noqa: F401
    EPOCH_DEPRECATION_WARNING, LRScheduler, each, set_in,
)


class LambdaLR(LRScheduler):
    """The initial rate times a function of the epoch."""

    def __init__(self, optimizer, lr_lambda, last_epoch: int = -1):
        many = isinstance(lr_lambda, (list, tuple))
        if many and len(lr_lambda) != len(optimizer.param_groups):
            raise ValueError(f"Expected {len(optimizer.param_groups)} lr_lambdas, but got "
                             f"{len(lr_lambda)}")
        self.lr_lambdas = list(lr_lambda) if many else [lr_lambda] * len(optimizer.param_groups)
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        return [base * f(self.last_epoch) for f, base in zip(self.lr_lambdas, self.base_lrs)]

    def state_dict(self) -> dict:
        """Functions are left out; objects with a call give their attributes."""
        state = super().state_dict()
        state["lr_lambdas"] = [None if hasattr(f, "__code__") else dict(f.__dict__)
                               for f in self.lr_lambdas]
        return state

    def load_state_dict(self, state_dict: dict) -> None:
        own = self.lr_lambdas
        super().load_state_dict({k: v for k, v in state_dict.items() if k != "lr_lambdas"})
        for f, saved in zip(own, state_dict["lr_lambdas"]):
            if saved is not None:
                f.__dict__.update(saved)


class MultiplicativeLR(LambdaLR):
    """The rate times a function of the epoch, again and again."""

    def get_lr(self):
        if self._is_initial:
            return self.current()
        return [rate * f(self.last_epoch) for f, rate in zip(self.lr_lambdas, self.current())]


class FactorLR(LRScheduler):
    """The rate times a `factor_now()`, which is what it was up to the epoch over what it was
    before; `factor_at()` is the closed form."""

    def get_lr(self):
        factor = self.factor_now()
        return [rate * factor for rate in self.current()]

    def _get_closed_form_lr(self):
        return [base * self.factor_at() for base in self.base_lrs]

    def factor_now(self) -> float:
        raise NotImplementedError

    def factor_at(self) -> float:
        raise NotImplementedError


class StepLR(FactorLR, settings="step_size, gamma=0.1"):
    """The rate times gamma every step_size epochs."""

    def factor_now(self):
        return 1.0 if self._is_initial or self.last_epoch % self.step_size else self.gamma

    def factor_at(self):
        return self.gamma ** (self.last_epoch // self.step_size)


class MultiStepLR(FactorLR, settings="milestones, gamma=0.1"):
    """The rate times gamma at each milestone."""

    def check(self):
        self.milestones = Counter(self.milestones)

    def factor_now(self):
        return self.gamma ** self.milestones[self.last_epoch]

    def factor_at(self):
        return self.gamma ** bisect_right(sorted(self.milestones.elements()), self.last_epoch)


class ConstantLR(FactorLR, settings="factor=1 / 3, total_iters=5"):
    """The rate times a factor for the first epochs."""

    def check(self):
        if not 0 <= self.factor <= 1.0:
            raise ValueError("Constant multiplicative factor expected to be between 0 and 1.")

    def factor_now(self):
        if self._is_initial:
            return self.factor
        return 1.0 if self.last_epoch != self.total_iters else 1.0 / self.factor

    def factor_at(self):
        return self.factor + (self.last_epoch >= self.total_iters) * (1 - self.factor)


class LinearLR(FactorLR, settings="start_factor=1 / 3, end_factor=1.0, total_iters=5"):
    """The factor goes linearly from start to end."""

    def check(self):
        if not 0 < self.start_factor <= 1.0:
            raise ValueError("Starting multiplicative factor expected to be greater than 0 and "
                             "less or equal to 1.")
        if not 0 <= self.end_factor <= 1.0:
            raise ValueError("Ending multiplicative factor expected to be between 0 and 1.")

    def factor_now(self):
        if self._is_initial:
            return self.start_factor
        if self.last_epoch > self.total_iters:
            return 1.0
        change = self.end_factor - self.start_factor
        return 1.0 + change / (self.total_iters * self.start_factor
                               + (self.last_epoch - 1) * change)

    def factor_at(self):
        return self.start_factor + (self.end_factor - self.start_factor) \
            * min(self.total_iters, self.last_epoch) / self.total_iters


class ExponentialLR(FactorLR, settings="gamma"):
    """The rate times gamma every epoch."""

    def factor_now(self):
        return 1.0 if self._is_initial else self.gamma

    def factor_at(self):
        return self.gamma ** self.last_epoch


class PolynomialLR(FactorLR, settings="total_iters=5, power=1.0"):
    """The rate falls to zero as a power of the epochs that are left."""

    def factor_now(self):
        if self._is_initial or self.last_epoch > self.total_iters:
            return 1.0
        left = [1.0 - epoch / self.total_iters for epoch in (self.last_epoch, self.last_epoch - 1)]
        return (left[0] / left[1]) ** self.power

    def factor_at(self):
        return (1.0 - min(self.total_iters, self.last_epoch) / self.total_iters) ** self.power


class CosineAnnealingLR(LRScheduler, settings="T_max, eta_min=0.0"):
    """Half a cosine from the initial rate to eta_min in T_max epochs, computed by recursion.
    Source: Loshchilov and Hutter (2017)."""

    def height(self, epoch: int) -> float:
        return 1 + math.cos(math.pi * epoch / self.T_max)

    def get_lr(self):
        if self._is_initial:
            return self.current()
        if self._step_count == 1 and self.last_epoch > 0:
            return self._get_closed_form_lr()
        if (self.last_epoch - 1 - self.T_max) % (2 * self.T_max) == 0:  # up again from the bottom
            return [rate + (base - self.eta_min) * (1 - math.cos(math.pi / self.T_max)) / 2
                    for base, rate in zip(self.base_lrs, self.current())]
        ratio = self.height(self.last_epoch) / self.height(self.last_epoch - 1)
        return [ratio * (rate - self.eta_min) + self.eta_min for rate in self.current()]

    def _get_closed_form_lr(self):
        return [self.eta_min + (base - self.eta_min) * self.height(self.last_epoch) / 2
                for base in self.base_lrs]


class ReduceLROnPlateau(LRScheduler):
    """The rate times a factor when a metric has not become better for a while."""

    def __init__(self, optimizer, mode="min", factor=0.1, patience=10, threshold=1e-4,
                 threshold_mode="rel", cooldown=0, min_lr=0, eps=1e-8):
        if factor >= 1.0:
            raise ValueError("Factor should be < 1.0.")
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")
        for what, value, known in (("mode", mode, ("min", "max")),
                                   ("threshold mode", threshold_mode, ("rel", "abs"))):
            if value not in known:
                raise ValueError(f"{what} {value} is unknown!")
        self.optimizer, self.factor, self.patience = optimizer, factor, patience
        self.min_lrs = each("min_lr", optimizer, min_lr)
        self.mode, self.threshold, self.threshold_mode = mode, threshold, threshold_mode
        self.cooldown, self.eps, self.last_epoch = cooldown, eps, 0
        self.best, self._last_lr = (math.inf if mode == "min" else -math.inf), self.current()
        self.cooldown_counter = self.num_bad_epochs = 0

    @property
    def in_cooldown(self) -> bool:
        return self.cooldown_counter > 0

    def is_better(self, a, best) -> bool:
        sign = 1 if self.mode == "max" else -1
        bound = best * (1.0 + sign * self.threshold) if self.threshold_mode == "rel" else \
            best + sign * self.threshold
        return a > bound if sign > 0 else a < bound

    def step(self, metrics, epoch=None) -> None:  # type: ignore[override]
        current = float(metrics)
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        better = self.is_better(current, self.best)
        self.best = current if better else self.best
        self.num_bad_epochs = 0 if better else self.num_bad_epochs + 1
        if self.in_cooldown:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            for group, least in zip(self.optimizer.param_groups, self.min_lrs):
                old = float(group["lr"])
                new = max(old * self.factor, least)
                if old - new > self.eps:
                    set_in(group, "lr", new)
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
        self._last_lr = self.current()


class Several(LRScheduler):
    """What schedulers of schedulers share."""

    def take(self, schedulers, optimizer) -> None:
        name = type(self).__name__
        if len(schedulers) < 1:
            raise ValueError(f"{name} expects at least one scheduler, but got no scheduler."
                             if isinstance(self, SequentialLR) else
                             f"{name} expects at least one scheduler to be chained, but got no "
                             "scheduler.")
        for i, scheduler in enumerate(schedulers):
            if isinstance(scheduler, ReduceLROnPlateau):
                raise ValueError(f"{name} does not support `ReduceLROnPlateau` scheduler as it "
                                 "requires additional kwargs to be specified when calling `step`, "
                                 f"but got one at index {i} in the given schedulers sequence.")
            if scheduler.optimizer is not optimizer:
                raise ValueError(
                    f"{name} expects all schedulers to belong to the same optimizer, but got "
                    f"scheduler {type(scheduler).__name__} at index {i} has {scheduler.optimizer}, "
                    f"which is different from {type(optimizer).__name__}.")
        self._schedulers, self.optimizer = schedulers, optimizer

    def state_dict(self) -> dict:
        return super().state_dict() | {"_schedulers": [s.state_dict() for s in self._schedulers]}

    def load_state_dict(self, state_dict: dict) -> None:
        self.__dict__.update({k: v for k, v in state_dict.items() if k != "_schedulers"})
        for scheduler, state in zip(self._schedulers, state_dict["_schedulers"]):
            scheduler.load_state_dict(state)


class SequentialLR(Several):
    """One scheduler after the other, changing at milestones."""

    def __init__(self, optimizer, schedulers, milestones, last_epoch=-1):
        self.take(schedulers, optimizer)
        if len(milestones) != len(schedulers) - 1:
            raise ValueError("Sequential Schedulers expects number of schedulers provided to be one"
                             " more than the number of milestone points, but got number of "
                             f"schedulers {len(schedulers)} and the number of milestones to be "
                             f"equal to {len(milestones)}")
        self._milestones, self.last_epoch = milestones, last_epoch + 1
        for group in optimizer.param_groups:
            set_in(group, "lr", group["initial_lr"])
        self.undo(self)
        first = schedulers[bisect_right(milestones, 0)]
        first._initial_step()
        self._last_lr = first.get_last_lr()

    def undo(self, scheduler) -> None:
        """Take back the step that every scheduler made when it was created."""
        for inner in getattr(scheduler, "_schedulers", ()):
            self.undo(inner)
        if not hasattr(scheduler, "_schedulers"):
            scheduler.last_epoch -= 1

    def step(self, epoch=None) -> None:
        self.last_epoch += 1
        i = bisect_right(self._milestones, self.last_epoch)
        scheduler = self._schedulers[i]
        if i > 0 and self._milestones[i - 1] == self.last_epoch:
            scheduler._update_lr(0)
        else:
            scheduler.step()
        self._last_lr = scheduler.get_last_lr()


class ChainedScheduler(Several):
    """Several schedulers at every step."""

    def __init__(self, schedulers, optimizer=None):
        self.take(schedulers, optimizer or (schedulers[0].optimizer if schedulers else None))
        self._last_lr = self.current()

    def step(self, epoch=None) -> None:
        for scheduler in self._schedulers:
            scheduler.step()
        self._last_lr = self.current()
