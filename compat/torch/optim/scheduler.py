"""The base class of learning rate schedulers."""

from __future__ import annotations

import warnings

from compat.torch.optim.optimizer import Optimizer
from compat.torch.tensor import Tensor
from compat.torch.written import parameters_of, written

EPOCH_DEPRECATION_WARNING = (
    "The epoch parameter in `scheduler.step()` was not necessary and is being deprecated where "
    "possible. Please use `scheduler.step()` to step the scheduler. During the deprecation, if "
    "epoch is different from None, the closed form is used instead of the new chainable form, "
    "where available. Please open an issue if you are unable to replicate your use case: "
    "https://github.com/pytorch/pytorch/issues/new/choose.")
TOO_EARLY = (
    "Detected call of `lr_scheduler.step()` before `optimizer.step()`. In PyTorch 1.1.0 and later, "
    "you should call them in the opposite order: `optimizer.step()` before `lr_scheduler.step()`.  "
    "Failure to do this will result in PyTorch skipping the first value of the learning rate "
    "schedule. See more details at "
    "https://pytorch.org/docs/stable/optim.html#how-to-adjust-learning-rate")


def set_in(group: dict, key: str, value) -> None:
    """A rate that is a Tensor stays the same Tensor."""
    if isinstance(group[key], Tensor):
        group[key].fill_(value)
    else:
        group[key] = value


def each(name: str, optimizer, value) -> list:
    """One value for all groups, or one each."""
    groups = optimizer.param_groups
    if not isinstance(value, (list, tuple)):
        return [value] * len(groups)
    if len(value) != len(groups):
        raise ValueError(f"{name} must have the same length as optimizer.param_groups. {name} has "
                         f"{len(value)} values, param_groups has {len(groups)}.")
    return list(value)


class LRScheduler:
    """Sets `group["lr"]` after each `step()`. Subclasses give `get_lr`, and may give the text of
    their signature between the optimizer and `last_epoch`, all of which becomes attributes."""

    _is_initial = False

    def __init_subclass__(cls, settings: str | None = None, **kwargs):
        super().__init_subclass__(**kwargs)
        if settings is not None:
            cls.__init__ = written(
                "__init__", f"self, optimizer, {settings}, last_epoch=-1",
                [*(f"self.{n} = {n}" for n in parameters_of(settings)), "check(self)",
                 "start(self, optimizer, last_epoch)"],
                check=cls.check, start=LRScheduler.__init__)
            cls.__init__.__qualname__ = f"{cls.__name__}.__init__"

    def check(self) -> None:
        """Complain about settings."""

    def __init__(self, optimizer, last_epoch: int = -1):
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")
        self.optimizer = optimizer
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                rate = group["lr"]
                group.setdefault("initial_lr", rate.clone() if isinstance(rate, Tensor) else rate)
            elif "initial_lr" not in group:
                raise KeyError(f"param 'initial_lr' is not specified in param_groups[{i}] when "
                               "resuming scheduler with last_epoch >= 0.")
        self.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._initial_step()

    def _initial_step(self) -> None:
        self._step_count, self._is_initial = 0, True
        self.step()
        del self._is_initial

    def current(self) -> list:
        return [group["lr"] for group in self.optimizer.param_groups]

    def get_lr(self) -> list:
        raise NotImplementedError

    def get_last_lr(self) -> list:
        return self._last_lr

    def step(self, epoch=None) -> None:
        """Go to the next epoch."""
        if self._step_count == 1 and not self.optimizer._opt_called:
            warnings.warn(TOO_EARLY, stacklevel=2)
        self._step_count += 1
        if epoch is not None:
            warnings.warn(EPOCH_DEPRECATION_WARNING, UserWarning, stacklevel=2)
        self._update_lr(epoch)

    def _update_lr(self, epoch=None) -> None:
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        closed = epoch is not None and getattr(self, "_get_closed_form_lr", None)
        self.set_rates((closed or self.get_lr)())

    def set_rates(self, rates) -> None:
        for group, rate in zip(self.optimizer.param_groups, rates):
            set_in(group, "lr", rate)
        self._last_lr = [r.clone() if isinstance(r, Tensor) else r for r in self.current()]

    def state_dict(self) -> dict:
        return {k: v for k, v in self.__dict__.items() if k != "optimizer"}

    def load_state_dict(self, state_dict: dict) -> None:
        self.__dict__.update(state_dict)
