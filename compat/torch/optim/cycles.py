"""Learning rates that go up and down: restarts, cycles, and the one cycle."""

from __future__ import annotations

import math

from compat.torch.optim.scheduler import LRScheduler, each, set_in


class CosineAnnealingWarmRestarts(LRScheduler):
    """Cosines one after the other, each T_mult times as long as the last."""

    def __init__(self, optimizer, T_0: int, T_mult: int = 1, eta_min: float = 0.0,
                 last_epoch: int = -1):
        if T_0 <= 0 or not isinstance(T_0, int):
            raise ValueError(f"Expected positive integer T_0, but got {T_0}")
        if T_mult < 1 or not isinstance(T_mult, int):
            raise ValueError(f"Expected integer T_mult >= 1, but got {T_mult}")
        self.T_0 = self.T_i = T_0
        self.T_mult, self.eta_min, self.T_cur = T_mult, eta_min, last_epoch
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        height = (1 + math.cos(math.pi * self.T_cur / self.T_i)) / 2
        return [self.eta_min + (base - self.eta_min) * height for base in self.base_lrs]

    def step(self, epoch=None) -> None:
        if epoch is None and self.last_epoch >= 0:
            epoch = self.last_epoch + 1
            self.T_cur += 1
            if self.T_cur >= self.T_i:
                self.T_cur, self.T_i = self.T_cur % self.T_i, self.T_i * self.T_mult
        else:
            epoch = epoch or 0
            if epoch < 0:
                raise ValueError(f"Expected non-negative epoch, but got {epoch}")
            n = 0
            if epoch >= self.T_0:
                n = epoch // self.T_0 if self.T_mult == 1 else int(
                    math.log(epoch / self.T_0 * (self.T_mult - 1) + 1, self.T_mult))
            before = self.T_0 * (n if self.T_mult == 1 else
                                 (self.T_mult ** n - 1) / (self.T_mult - 1))
            self.T_cur, self.T_i = (epoch - before if n else epoch), self.T_0 * self.T_mult ** n
        self.last_epoch = math.floor(epoch)
        self.set_rates(self.get_lr())


class MomentumScheduler(LRScheduler):
    """What schedulers share that also move the momentum, or Adam's first beta."""

    def choose_momentum(self, optimizer, base_momentum, max_momentum, first: bool) -> None:
        if "momentum" not in optimizer.defaults and "betas" not in optimizer.defaults:
            raise ValueError("optimizer must support momentum or beta1 with `cycle_momentum` option"
                             " enabled")
        self.use_beta1 = "betas" in optimizer.defaults
        bases = each("base_momentum", optimizer, base_momentum)
        tops = each("max_momentum", optimizer, max_momentum)
        for group, low, high in zip(optimizer.param_groups, bases, tops) if first else ():
            self.set_momentum(group, high)
            group["max_momentum"], group["base_momentum"] = high, low

    def set_momentum(self, group: dict, value) -> None:
        if self.use_beta1:
            group["betas"] = (value, *group["betas"][1:])
        else:
            group["momentum"] = value


class CyclicLR(MomentumScheduler):
    """Up and down between two rates. Source: Smith (2017)."""

    def __init__(self, optimizer, base_lr, max_lr, step_size_up=2000, step_size_down=None,
                 mode="triangular", gamma=1.0, scale_fn=None, scale_mode="cycle",
                 cycle_momentum=True, base_momentum=0.8, max_momentum=0.9, last_epoch=-1):
        bases = each("base_lr", optimizer, base_lr)
        for group, rate in zip(optimizer.param_groups, bases) if last_epoch == -1 else ():
            set_in(group, "lr", rate)
        self.max_lrs = each("max_lr", optimizer, max_lr)
        down = step_size_up if step_size_down is None else step_size_down
        self.total_size = float(step_size_up + down)
        self.step_ratio = step_size_up / self.total_size
        scales = {"triangular": lambda x: 1.0, "triangular2": lambda x: 1 / 2.0 ** (x - 1),
                  "exp_range": lambda x: gamma ** x}
        if mode not in scales and scale_fn is None:
            raise ValueError("mode is invalid and scale_fn is None")
        self.mode, self.gamma, self.cycle_momentum = mode, gamma, cycle_momentum
        self.scale_fn = scale_fn or scales[mode]
        self.scale_mode = scale_mode if scale_fn else \
            "iterations" if mode == "exp_range" else "cycle"
        if cycle_momentum:
            self.choose_momentum(optimizer, base_momentum, max_momentum, last_epoch == -1)
        super().__init__(optimizer, last_epoch)
        self.base_lrs = bases

    def get_lr(self):
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        x = 1.0 + self.last_epoch / self.total_size - cycle
        height = x / self.step_ratio if x <= self.step_ratio else (x - 1) / (self.step_ratio - 1)
        scale = self.scale_fn(cycle if self.scale_mode == "cycle" else self.last_epoch)
        for group in self.optimizer.param_groups if self.cycle_momentum else ():
            low, high = group["base_momentum"], group["max_momentum"]
            self.set_momentum(group, high - (high - low) * height * scale)
        return [base + (top - base) * height * scale
                for base, top in zip(self.base_lrs, self.max_lrs)]

    def state_dict(self) -> dict:
        return {k: v for k, v in super().state_dict().items() if k != "scale_fn"}


class OneCycleLR(MomentumScheduler):
    """One rise and one long fall. Source: Smith and Topin (2018)."""

    def __init__(self, optimizer, max_lr, total_steps=None, epochs=None, steps_per_epoch=None,
                 pct_start=0.3, anneal_strategy="cos", cycle_momentum=True, base_momentum=0.85,
                 max_momentum=0.95, div_factor=25.0, final_div_factor=1e4, three_phase=False,
                 last_epoch=-1):
        if total_steps is None and (epochs is None or steps_per_epoch is None):
            raise ValueError("You must define either total_steps OR (epochs AND steps_per_epoch)")
        self.total_steps = total_steps if total_steps is not None else epochs * steps_per_epoch
        if self.total_steps <= 0 or not isinstance(self.total_steps, int):
            raise ValueError(f"Expected positive integer total_steps, but got {self.total_steps}")
        if not 0 <= pct_start <= 1 or not isinstance(pct_start, float):
            raise ValueError(f"Expected float between 0 and 1 pct_start, but got {pct_start}")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError("anneal_strategy must be one of 'cos' or 'linear', instead got "
                             f"{anneal_strategy}")
        self._anneal_func_type, self.cycle_momentum = anneal_strategy, cycle_momentum
        up, last = float(pct_start * self.total_steps) - 1, self.total_steps - 1
        rise = (up, "initial_lr", "max_lr", "max_momentum", "base_momentum")
        self._schedule_phases = [
            rise, (2 * pct_start * self.total_steps - 2, "max_lr", "initial_lr", "base_momentum",
                   "max_momentum"),
            (last, "initial_lr", "min_lr", "max_momentum", "max_momentum")] if three_phase else [
            rise, (last, "max_lr", "min_lr", "base_momentum", "max_momentum")]
        if last_epoch == -1:
            for group, top in zip(optimizer.param_groups, each("max_lr", optimizer, max_lr)):
                group["initial_lr"], group["max_lr"] = top / div_factor, top
                group["min_lr"] = group["initial_lr"] / final_div_factor
        if cycle_momentum:
            self.choose_momentum(optimizer, base_momentum, max_momentum, last_epoch == -1)
        super().__init__(optimizer, last_epoch)

    def anneal(self, start, end, share):
        if self._anneal_func_type == "linear":
            return (end - start) * share + start
        return end + (start - end) / 2.0 * (math.cos(math.pi * share) + 1)

    def get_lr(self):
        if self.last_epoch > self.total_steps:
            raise ValueError(f"Tried to step {self.last_epoch} times. The specified number of total"
                             f" steps is {self.total_steps}")
        begin, phases = 0.0, self._schedule_phases
        for phase in phases:
            if self.last_epoch <= phase[0] or phase is phases[-1]:
                break
            begin = phase[0]
        end, low, high, from_momentum, to_momentum = phase
        share = (self.last_epoch - begin) / (end - begin)
        for group in self.optimizer.param_groups if self.cycle_momentum else ():
            self.set_momentum(group, self.anneal(group[from_momentum], group[to_momentum], share))
        return [self.anneal(group[low], group[high], share)
                for group in self.optimizer.param_groups]
