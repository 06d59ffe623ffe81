"""Averages of weights over training. Source: Izmailov et al. (2018)."""

from __future__ import annotations

import copy
import math

from compat.torch.autograd import no_grad
from compat.torch.creation import tensor
from compat.torch.nn.module import Module
from compat.torch.nn.norms import BatchNorm
from compat.torch.optim.scheduler import LRScheduler, each


def get_ema_avg_fn(decay=0.999):
    """The exponential average of one parameter."""
    if not 0.0 <= decay <= 1.0:
        raise ValueError(f"Invalid decay value {decay} provided. Please provide a value in [0,1] "
                         "range.")
    return no_grad()(lambda averaged, current, count: decay * averaged + (1 - decay) * current)


def get_swa_avg_fn():
    """The equal average of one parameter."""
    return no_grad()(lambda averaged, current, count: averaged + (current - averaged)
                     / (count + 1))


def many(fn):
    """An average of lists of parameters, in place."""
    def update(averaged, current, count) -> None:
        for a, c in zip(averaged, current):
            a.copy_(fn(a, c, count))

    return no_grad()(update)


def get_ema_multi_avg_fn(decay=0.999):
    return many(get_ema_avg_fn(decay))


def get_swa_multi_avg_fn():
    return many(get_swa_avg_fn())


class AveragedModel(Module):
    """A copy of a model that holds the average of its weights."""

    def __init__(self, model, device=None, avg_fn=None, multi_avg_fn=None, use_buffers=False):
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError("Only one of avg_fn and multi_avg_fn should be provided")
        self.module = copy.deepcopy(model)
        self.register_buffer("n_averaged", tensor(0))
        self.avg_fn, self.multi_avg_fn, self.use_buffers = avg_fn, multi_avg_fn, use_buffers

    def forward(self, *args, **kwargs):
        return self.module(*args, **kwargs)

    def update_parameters(self, model) -> None:
        """Take the weights of `model` into the average."""
        def values(m):
            found = list(m.parameters()) + (list(m.buffers()) if self.use_buffers else [])
            return [v.detach() for v in found]

        averaged, current = values(self.module), values(model)
        with no_grad():
            if not self.n_averaged:
                for a, c in zip(averaged, current):
                    a.copy_(c)
            else:
                update = self.multi_avg_fn or many(self.avg_fn or get_swa_avg_fn())
                update(averaged, current, self.n_averaged)
            if not self.use_buffers:
                for a, c in zip(self.module.buffers(), model.buffers()):
                    a.copy_(c)
            self.n_averaged += 1


def update_bn(loader, model, device=None) -> None:
    """Give batch norms the statistics of the data, from the beginning."""
    norms = [m for m in model.modules() if isinstance(m, BatchNorm)]
    if not norms:
        return
    was_training, momenta = model.training, [m.momentum for m in norms]
    model.train()
    for m in norms:
        m.reset_running_stats()
        m.momentum = None
    with no_grad():
        for batch in loader:
            model(batch[0] if isinstance(batch, (list, tuple)) else batch)
    for m, momentum in zip(norms, momenta):
        m.momentum = momentum
    model.train(was_training)


class SWALR(LRScheduler):
    """Anneals the rate to a constant one."""

    def __init__(self, optimizer, swa_lr, anneal_epochs=10, anneal_strategy="cos", last_epoch=-1):
        for group, rate in zip(optimizer.param_groups, each("swa_lr", optimizer, swa_lr)):
            group["swa_lr"] = rate
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError("anneal_strategy must by one of 'cos' or 'linear', instead got "
                             f"{anneal_strategy}")
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError("anneal_epochs must be equal or greater than 0, got "
                             f"{anneal_epochs}")
        self._anneal_strategy, self.anneal_epochs = anneal_strategy, anneal_epochs
        super().__init__(optimizer, last_epoch)

    def share(self, epoch: int) -> float:
        t = max(0, min(1, epoch / max(1, self.anneal_epochs)))
        return t if self._anneal_strategy == "linear" else (1 - math.cos(math.pi * t)) / 2

    def get_lr(self):
        epoch = self._step_count - 1
        if self.anneal_epochs == 0:
            epoch = max(1, epoch)
        before, now = (self.share(n) for n in (max(0, epoch - 1), epoch))
        rates = []
        for group in self.optimizer.param_groups:
            start = group["swa_lr"] if before == 1 else \
                (group["lr"] - before * group["swa_lr"]) / (1 - before)
            rates.append(group["swa_lr"] * now + start * (1 - now))
        return rates
