"""`compat.torch.nn` against PyTorch's: functions, modules, their initial bits, reprs and errors."""

from __future__ import annotations

import inspect
import warnings

import numpy as np
import pytest
import torch as theirs

import compat.torch as ours
from tests import torch_nn_modules as modules
from tests import torch_nn_programs as programs
from tests.test_torch_face import check, plain
from tests.torch_nn_rows import ROWS


def outputs(torch, out):
    """The Tensors of a result, however nested; a loss over the floating ones."""
    if isinstance(out, torch.Tensor):
        return [out]
    return [t for o in out for t in outputs(torch, o)] if isinstance(out, (tuple, list)) else []


def backward(torch, tensors):
    wanted = [t for t in tensors if t.requires_grad]
    if wanted:
        rng = np.random.default_rng(1)
        weights = [torch.tensor(rng.standard_normal(tuple(t.shape))).to(t.dtype) for t in wanted]
        torch.autograd.backward(wanted, weights)


def run(torch, fn, arrays, grad):
    torch.manual_seed(5)
    tensors = [torch.tensor(a) for a in arrays]
    for t in tensors if grad else ():
        if t.is_floating_point():
            t.requires_grad_()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        out = outputs(torch, fn(torch, *tensors))
    backward(torch, out)
    return plain(out), plain([t.grad for t in tensors])


@pytest.mark.parametrize("name", ROWS)
def test_function(name):
    fn, arrays, grad = ROWS[name]
    value, gradients = run(theirs, fn, arrays, grad)
    got_value, got_gradients = run(ours, fn, arrays, grad)
    check(value, got_value, 1e-4, 1e-5)
    check(gradients, got_gradients, 1e-4, 1e-4)


def run_module(torch, name, make, inputs):
    """repr, initial state, results and gradients of a module in training and in evaluation."""
    torch.manual_seed(3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = make(torch)
        before = plain(dict(module.state_dict())) if "Lazy" not in repr(module) else None
        rng = np.random.default_rng(2)
        given = [torch.tensor(x(rng) if callable(x) else x) for x in inputs]
        for t in given[:1] if name in modules.LOSSES else given:
            if t.is_floating_point():
                t.requires_grad_()
        text, results = repr(module), []
        for mode in (True, False):
            out = outputs(torch, module.train(mode)(*given))
            results.append(plain(out))
        backward(torch, out)
    gradients = [plain(t.grad) for t in given]
    gradients += [plain(p.grad) for p in module.parameters()]
    return text, before, results, gradients, plain(dict(module.state_dict()))


@pytest.mark.parametrize("name", modules.MODULES)
def test_module(name):
    make, *inputs = modules.MODULES[name]
    text, before, results, gradients, after = run_module(theirs, name, make, inputs)
    got = run_module(ours, name, make, inputs)
    assert text == got[0]
    check(before, got[1], 0, 2e-7)  # normal numbers differ in the last bit
    check(results, got[2], 1e-4, 1e-5)
    check(gradients, got[3], 1e-3, 1e-4)
    check(after, got[4], 1e-5, 1e-6)


def test_every_module_of_torch_is_in_the_table():
    """Or is named with the reason."""
    known = {name.split()[0] for name in modules.MODULES} | set(modules.LEFT_OUT)
    classes = {n for n in dir(theirs.nn) if isinstance(getattr(theirs.nn, n), type)
               and issubclass(getattr(theirs.nn, n), theirs.nn.Module)}
    assert classes - known == set()


def signature(cls: type) -> list[tuple]:
    """Names, kinds and defaults; a function is shown by its name, whose it is aside."""
    return [(p.name, p.kind, getattr(p.default, "__name__", p.default))
            for p in inspect.signature(cls).parameters.values()]


def test_every_module_has_the_signature_of_torchs():
    """But those that PyTorch gives out as `*args, **kwargs`."""
    wrong = {}
    for name in {name.split()[0] for name in modules.MODULES}:
        expected = signature(getattr(theirs.nn, name))
        if [p[0] for p in expected] != ["args", "kwargs"]:
            got = signature(getattr(ours.nn, name))
            if expected != got:
                wrong[name] = (expected, got)
    assert not wrong


def test_missing_arguments_are_named_as_python_does():
    for call in (lambda torch: torch.nn.Linear(3), lambda torch: torch.nn.Threshold(),
                 lambda torch: torch.nn.ReLU(in_place=True)):
        with pytest.raises(TypeError) as expected:
            call(theirs)
        with pytest.raises(TypeError) as got:
            call(ours)
        assert str(expected.value) == str(got.value)


def test_losses_warn_and_complain_as_torchs():
    def told(torch):
        F, x, y = torch.nn.functional, torch.ones(2, 3), torch.ones(3)
        out = []
        for call in (lambda: F.mse_loss(x, y), lambda: F.l1_loss(x, y), lambda: F.huber_loss(x, y),
                     lambda: F.smooth_l1_loss(x, y), lambda: F.mse_loss(x, x, size_average=False),
                     lambda: torch.nn.MSELoss(reduce=False)(x, x),
                     lambda: F.softshrink(x, -0.5), lambda: F.softshrink(x.half(), -2.0),
                     lambda: F.triplet_margin_loss(x, y, x), lambda: F.prelu(x.sum(), y),
                     lambda: F.gaussian_nll_loss(x, x, x, reduction="a"),
                     lambda: F.mse_loss(x, x, weight=y), lambda: F.mse_loss(x, x, reduction="a"),
                     lambda: F.kl_div(x, x, reduction="a"), lambda: F.soft_margin_loss(x, x, 1, 1)):
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                try:
                    call()
                except (ValueError, RuntimeError) as error:
                    out.append(f"{type(error).__name__}: {error}")
            out += [(str(w.message), w.category) for w in caught]
        return out

    assert told(ours) == told(theirs)


def test_lists_of_parameters_print_as_torchs():
    def shown(torch):
        values = [torch.zeros(2, 3), torch.nn.Parameter(torch.ones(2)), torch.ones(1).double(), 5]
        return [repr(torch.nn.ParameterList(values[:n])) for n in range(5)] + [
            repr(torch.nn.ParameterDict(dict(zip("abcd", values[:n])))) for n in range(5)]

    assert shown(ours) == shown(theirs)


@pytest.mark.parametrize("name", programs.PROGRAMS)
def test_program(name):
    program = programs.PROGRAMS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected, got = list(program(theirs)), list(program(ours))
    assert len(expected) == len(got)
    for a, b in zip(expected, got):
        check(plain(a), plain(b), 1e-4, 1e-5)


def test_a_compiled_module_follows_the_mode_of_every_part():
    net = ours.nn.Sequential(ours.nn.Linear(3, 4), ours.nn.Dropout(0.5), ours.nn.BatchNorm1d(4))
    staged, x = ours.compile(net), ours.ones(2, 3)
    staged(x)
    net[1].eval()  # the drop out alone
    ours.manual_seed(0)
    assert staged(x).tolist() == net(x).tolist()
    net.eval()
    assert staged(x).tolist() == net(x).tolist()
