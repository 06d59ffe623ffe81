"""`compat.torch.optim` against PyTorch's: trajectories, learning rates, state, reprs, errors."""

from __future__ import annotations

import copy
import inspect
import warnings

import numpy as np
import pytest
import torch as theirs

import compat.torch as ours
from tests.test_torch_face import check, plain
from tests.torch_programs import error

OPTIMIZERS = {  # options swept for each algorithm
    "SGD": [{}, {"momentum": 0.9}, {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1},
            {"momentum": 0.5, "dampening": 0.3, "maximize": True}],
    "Adam": [{}, {"amsgrad": True, "weight_decay": 0.1}, {"betas": (0.5, 0.6), "maximize": True},
             {"decoupled_weight_decay": True, "weight_decay": 0.1}],
    "AdamW": [{}, {"amsgrad": True, "weight_decay": 0.3}], "Adamax": [{}, {"weight_decay": 0.1}],
    "NAdam": [{}, {"weight_decay": 0.1, "decoupled_weight_decay": True, "momentum_decay": 0.1}],
    "RAdam": [{}, {"weight_decay": 0.1}, {"betas": (0.8, 0.9), "decoupled_weight_decay": True,
                                          "weight_decay": 0.1}],
    "Adadelta": [{}, {"rho": 0.5, "weight_decay": 0.1, "maximize": True}],
    "Adagrad": [{}, {"lr_decay": 0.1, "initial_accumulator_value": 0.3, "weight_decay": 0.1}],
    "RMSprop": [{}, {"momentum": 0.9, "centered": True}, {"alpha": 0.5, "weight_decay": 0.1}],
    "Rprop": [{}, {"etas": (0.3, 1.5), "step_sizes": (1e-3, 0.02)}],
    "ASGD": [{}, {"t0": 3.0, "lambd": 0.1, "weight_decay": 0.1}],
    "Adafactor": [{}, {"eps": (1e-3, 1e-2), "d": 1.5, "weight_decay": 0.1, "maximize": True}],
    "LBFGS": [{"max_iter": 4}, {"line_search_fn": "strong_wolfe", "max_iter": 5,
                                "history_size": 3}],
    "Muon": [{}, {"nesterov": False, "adjust_lr_fn": "match_rms_adamw"}],
}
CASES = [(name, i) for name, cases in OPTIMIZERS.items() for i in range(len(cases))]


def problem(torch, matrices_only=False, dtype=np.float32):
    """Two parameters, in two groups, and a function whose loss they minimise."""
    rng = np.random.default_rng(0)
    w, b = (torch.nn.Parameter(torch.tensor(rng.standard_normal(s).astype(dtype)))
            for s in ((4, 3), (3, 3) if matrices_only else (3,)))
    x, y = (torch.tensor(rng.standard_normal(s).astype(dtype)) for s in ((8, 4), (8, 3)))

    def loss():
        out = (x @ w).tanh() @ b if matrices_only else (x @ w).tanh() + b
        return ((out - y) ** 2).mean()

    return w, b, loss


def trajectory(torch, name, options, steps=10):
    w, b, loss_of = problem(torch, name == "Muon",
                            np.float64 if name == "LBFGS" else np.float32)
    groups = [w, b] if name == "LBFGS" else [{"params": [w], "lr": 0.02}, {"params": [b]}]
    optimizer = getattr(torch.optim, name)(groups, **options)
    seen = [repr(optimizer) if name != "ASGD" else None]

    def closure():
        optimizer.zero_grad()
        loss = loss_of()
        loss.backward()
        return loss

    for step in range(steps):
        if step == steps // 2:  # a round trip of the state
            saved = copy.deepcopy(optimizer.state_dict())
            optimizer = getattr(torch.optim, name)([w, b] if name == "LBFGS" else [
                {"params": [w]}, {"params": [b]}], **options)
            optimizer.load_state_dict(saved)
        seen.append(optimizer.step(closure).item())
    state = optimizer.state_dict()
    kept = {k: {n: v for n, v in s.items() if n not in LBFGS_STATE}
            for k, s in state["state"].items()}
    return plain([seen, w, b, sorted(state["param_groups"][0]), kept])


LBFGS_STATE = ("d", "t", "al", "old_dirs", "old_stps", "ro", "H_diag", "prev_flat_grad",
               "prev_loss")


@pytest.mark.parametrize("name, case", CASES)
def test_trajectory(name, case):
    options = OPTIMIZERS[name][case]
    tolerance = (5e-2, 1e-2) if name == "Muon" else (1e-4, 1e-5)  # Muon works in bfloat16
    check(sorted_keys(trajectory(theirs, name, options)),
          sorted_keys(trajectory(ours, name, options)), *tolerance)


def sorted_keys(value):
    if isinstance(value, dict):
        return {k: sorted_keys(value[k]) for k in sorted(value, key=str)}
    return [sorted_keys(v) for v in value] if isinstance(value, list) else value


def test_every_optimizer_of_torch_is_in_the_table():
    classes = {n for n in theirs.optim.__all__ if isinstance(getattr(theirs.optim, n, None), type)}
    assert classes - set(OPTIMIZERS) == {"Optimizer", "SparseAdam"}  # there are no sparse tensors


def test_signatures():
    for ours_room, room in ((ours.optim, theirs.optim),
                            (ours.optim.lr_scheduler, theirs.optim.lr_scheduler)):
        for name in {n.split()[0] for n in (*OPTIMIZERS, *SCHEDULERS)} & set(dir(room)):
            expected, got = ([(p.name, p.kind, p.default) for p in inspect.signature(
                getattr(r, name)).parameters.values()] for r in (room, ours_room))
            assert expected == got, name


# ------------------------------------------------------------------ schedulers

SCHEDULERS = {
    "LambdaLR": lambda t, o: t.LambdaLR(o, [lambda n: 0.9 ** n, lambda n: 1 / (n + 1)]),
    "MultiplicativeLR": lambda t, o: t.MultiplicativeLR(o, lambda n: 0.9),
    "StepLR": lambda t, o: t.StepLR(o, 3, 0.5), "MultiStepLR": lambda t, o: t.MultiStepLR(
        o, [2, 5, 5], 0.5),
    "ConstantLR": lambda t, o: t.ConstantLR(o, 0.4, 4),
    "LinearLR": lambda t, o: t.LinearLR(o, 0.2, 0.9, 6),
    "ExponentialLR": lambda t, o: t.ExponentialLR(o, 0.8),
    "PolynomialLR": lambda t, o: t.PolynomialLR(o, 7, 2.0),
    "CosineAnnealingLR": lambda t, o: t.CosineAnnealingLR(o, 4, 0.01),
    "CosineAnnealingWarmRestarts": lambda t, o: t.CosineAnnealingWarmRestarts(o, 2, 2, 0.001),
    "CyclicLR": lambda t, o: t.CyclicLR(o, 0.01, 0.1, 3, 2),
    "CyclicLR triangular2": lambda t, o: t.CyclicLR(o, [0.01, 0.02], 0.1, 2, mode="triangular2"),
    "CyclicLR exp": lambda t, o: t.CyclicLR(o, 0.01, 0.1, 3, mode="exp_range", gamma=0.9,
                                            cycle_momentum=False),
    "OneCycleLR": lambda t, o: t.OneCycleLR(o, 0.1, total_steps=14),
    "OneCycleLR three": lambda t, o: t.OneCycleLR(o, [0.1, 0.2], epochs=2, steps_per_epoch=8,
                                                  three_phase=True, anneal_strategy="linear"),
    "SequentialLR": lambda t, o: t.SequentialLR(
        o, [t.LinearLR(o, 0.1, 1.0, 3), t.CosineAnnealingLR(o, 5), t.StepLR(o, 2)], [3, 7]),
    "ChainedScheduler": lambda t, o: t.ChainedScheduler(
        [t.ConstantLR(o, 0.1, 3), t.ExponentialLR(o, 0.9)]),
    "ReduceLROnPlateau": lambda t, o: t.ReduceLROnPlateau(o, factor=0.5, patience=1, cooldown=1),
    "ReduceLROnPlateau max": lambda t, o: t.ReduceLROnPlateau(
        o, "max", 0.1, 0, 0.5, "abs", min_lr=[1e-3, 1e-2]),
}
METRICS = [3.0, 2.0, 2.0, 2.1, 1.9, 1.9, 1.9, 1.9, 1.0, 1.1, 1.1, 1.1]


def rates(torch, name, optimizer_name):
    w, b, _ = problem(torch)
    optimizer = getattr(torch.optim, optimizer_name)(
        [{"params": [w]}, {"params": [b], "lr": 0.05}], lr=0.1,
        **({"momentum": 0.9} if optimizer_name == "SGD" else {}))
    scheduler = SCHEDULERS[name](torch.optim.lr_scheduler, optimizer)
    for metric in METRICS:
        optimizer.step()
        scheduler.step(*([metric] if "Plateau" in name else []))
        yield [(g["lr"], g.get("momentum"), g.get("betas")) for g in optimizer.param_groups]
        yield scheduler.get_last_lr(), scheduler.last_epoch if "Chained" not in name else None
    if "Lambda" not in name and "Multiplicative" not in name:
        state = copy.deepcopy(scheduler.state_dict())
        twin = SCHEDULERS[name](torch.optim.lr_scheduler, optimizer)
        twin.load_state_dict(state)
        twin.step(*([1.0] if "Plateau" in name else []))
        yield twin.get_last_lr()


@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
@pytest.mark.parametrize("name", SCHEDULERS)
@pytest.mark.filterwarnings("ignore")
def test_scheduler(name, optimizer):
    check(plain(list(rates(theirs, name, optimizer))), plain(list(rates(ours, name, optimizer))),
          1e-7, 1e-9)


def test_every_scheduler_of_torch_is_in_the_table():
    known = {name.split()[0] for name in SCHEDULERS}
    assert set(theirs.optim.lr_scheduler.__all__) - known == {"LRScheduler"}


# ------------------------------------------------------------------ programs


def groups_and_errors(torch):
    w, b, _ = problem(torch)
    optim = torch.optim
    yield error(optim.SGD, w), error(optim.SGD, []), error(optim.SGD, [w], lr=-1.0)
    yield error(optim.Adam, [w], betas=(1.0, 0.9)), error(optim.Adam, [w], eps=-1)
    yield error(optim.SGD, [w], nesterov=True), error(optim.SGD, [1]), error(optim.SGD, [w * 2])
    yield error(optim.RMSprop, [w], alpha=-1.0), error(optim.Rprop, [w], etas=(2.0, 3.0))
    yield error(optim.Adadelta, [w], rho=2.0), error(optim.SGD, {w, b})
    optimizer = optim.Adam([("w", w)], lr=0.1)
    yield error(optimizer.add_param_group, {"params": b}), error(
        optim.Adafactor, [w], beta2_decay=0.5)
    optimizer.add_param_group({"params": [("b", b)], "lr": 0.2})
    yield error(optimizer.add_param_group, {"params": [w]}), len(optimizer.param_groups)
    yield optimizer.param_groups[0]["param_names"], repr(optimizer), optimizer.state_dict()["state"]
    other = optim.Adam([("w", w)])
    yield error(other.load_state_dict, optimizer.state_dict())


def hooks(torch):
    w, b, loss_of = problem(torch)
    optimizer, seen = torch.optim.SGD([w, b], lr=0.1), []
    optimizer.register_step_pre_hook(lambda o, args, kwargs: seen.append("pre"))
    handle = optimizer.register_step_post_hook(lambda o, args, kwargs: seen.append("post"))
    optimizer.register_state_dict_post_hook(lambda o, state: state | {"extra": 1})
    optimizer.register_load_state_dict_pre_hook(lambda o, state: seen.append("loading"))
    optimizer.register_load_state_dict_post_hook(lambda o: seen.append("loaded"))
    loss_of().backward()
    optimizer.step()
    handle.remove()
    optimizer.step()
    yield seen, sorted(optimizer.state_dict()), w
    optimizer.load_state_dict(optimizer.state_dict())
    yield seen
    optimizer.zero_grad(set_to_none=False)
    yield w.grad
    optimizer.zero_grad()
    yield w.grad


def own_optimizer(torch):
    class Sign(torch.optim.Optimizer):
        def __init__(self, params, lr=0.1):
            super().__init__(params, {"lr": lr})

        @torch.no_grad()
        def step(self, closure=None):
            for group in self.param_groups:
                for p in group["params"]:
                    if p.grad is not None:
                        self.state[p]["count"] = self.state[p].get("count", 0) + 1
                        p.add_(p.grad.sign(), alpha=-group["lr"])

    w, b, loss_of = problem(torch)
    optimizer = Sign([w, b])
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)
    for _ in range(3):
        optimizer.zero_grad()
        loss_of().backward()
        optimizer.step()
        scheduler.step()
    yield w, b, optimizer.state_dict(), repr(optimizer)


def tensor_rate(torch):
    w, b, loss_of = problem(torch)
    optimizer = torch.optim.AdamW([w, b], lr=torch.tensor(0.1))
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
    for _ in range(3):
        optimizer.zero_grad()
        loss_of().backward()
        optimizer.step()
        scheduler.step()
    yield w, optimizer.param_groups[0]["lr"], scheduler.get_last_lr()


def averages(torch):
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    swa = torch.optim.swa_utils.AveragedModel(net)
    ema = torch.optim.swa_utils.AveragedModel(
        net, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.9), use_buffers=True)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    scheduler = torch.optim.swa_utils.SWALR(optimizer, 0.05, 3)
    x = torch.randn(6, 3)
    for _ in range(5):
        optimizer.zero_grad()
        net(x).pow(2).mean().backward()
        optimizer.step()
        scheduler.step()
        swa.update_parameters(net)
        ema.update_parameters(net)
        yield optimizer.param_groups[0]["lr"]
    yield dict(swa.state_dict()), dict(ema.state_dict())
    torch.optim.swa_utils.update_bn([x, x * 2], swa)
    yield dict(swa.state_dict())


@pytest.mark.parametrize(
    "program", [groups_and_errors, hooks, own_optimizer, tensor_rate, averages])
def test_program(program):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected, got = list(program(theirs)), list(program(ours))
    assert len(expected) == len(got)
    for a, b in zip(expected, got):
        check(plain(a), plain(b), 1e-4, 1e-5)


def test_a_scheduler_before_the_optimizer_warns():
    for torch in (theirs, ours):
        optimizer = torch.optim.SGD([problem(torch)[0]], lr=0.1)
        scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1)
        with pytest.warns(UserWarning, match="before `optimizer.step"):
            scheduler.step()
