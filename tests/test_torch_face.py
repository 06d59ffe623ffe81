"""`compat.torch` against PyTorch itself: numbers, dtypes, gradients, node names, reprs, messages,
random bits, and whole training programs, eager and compiled."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch as theirs
from hypothesis import given, strategies as st

import compat.torch as ours
from tests import torch_module_programs, torch_programs, torch_staged_programs
from tests.torch_rows import NAMED, ROWS, arguments
from tests.torch_training import MODELS, OPTIMIZERS, train

# ------------------------------------------------------------------ comparing


def plain(value):
    """Anything a program yields, without the package it came from."""
    if hasattr(value, "detach"):
        value = value.detach()
        array = value.numpy() if "bfloat16" not in str(value.dtype) else value.float().numpy()
        return {"dtype": str(value.dtype), "array": np.asarray(array)}
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)) and type(value).__name__ != "Size":
        return [plain(v) for v in value]
    known = (int, float, str, bool, type(None), np.ndarray)
    return value if isinstance(value, known) else repr(value)


def check(expected, got, rtol=1e-5, atol=1e-6):
    """Equal, floats up to rounding."""
    assert type(expected) is type(got), (expected, got)
    if isinstance(expected, dict):
        assert list(expected) == list(got)
        for key in expected:
            check(expected[key], got[key], rtol, atol)
    elif isinstance(expected, list):
        assert len(expected) == len(got), (expected, got)
        for a, b in zip(expected, got):
            check(a, b, rtol, atol)
    elif isinstance(expected, np.ndarray):
        assert expected.shape == got.shape
        np.testing.assert_allclose(got, expected, rtol, atol)
    elif isinstance(expected, float):
        assert got == pytest.approx(expected, rel=rtol, abs=atol, nan_ok=True)
    else:
        assert expected == got


# ------------------------------------------------------------------ functions


def make_data():
    random = np.random.default_rng(0)
    shapes = {"x": (3, 4), "w": (5, 4), "b": (5,), "v": (4,), "c": (2, 3, 4), "im": (2, 4, 6, 6),
              "k": (4, 4, 3, 3)}
    data = {k: random.standard_normal(s).astype(np.float32) for k, s in shapes.items()}
    return data | {"i": np.array([0, 2, 1]), "big": random.integers(0, 4, (2, 6, 6)),
                   "m": random.standard_normal((3, 4)) > 0}


DATA = make_data()


def run_row(torch, fn, compiled=False):
    """The value, the name of its node, and the gradients of the arguments."""
    torch.manual_seed(3)
    tensors = {n: torch.from_numpy(DATA[n].copy()) for n in arguments(fn)}
    leaves = [t for t in tensors.values() if t.is_floating_point()]
    for leaf in leaves:
        leaf.requires_grad_()

    def forward_and_backward():
        out = fn(torch, **tensors)
        if out.requires_grad:
            g = np.random.default_rng(1).standard_normal(tuple(out.shape))
            out.backward(torch.from_numpy(np.array(g)).to(out.dtype))
        return out

    out = (torch.compile(forward_and_backward) if compiled else forward_and_backward)()
    node = None if compiled or out.grad_fn is None else out.grad_fn.name()
    return plain(out), node, [plain(leaf.grad) for leaf in leaves]


@pytest.mark.parametrize("name", ROWS)
def test_function(name):
    fn = ROWS[name]
    value, node, gradients = run_row(theirs, fn)
    got_value, got_node, got_gradients = run_row(ours, fn)
    check(value, got_value)
    check(gradients, got_gradients, 1e-4, 1e-5)
    if name in NAMED:
        assert got_node == node


NEEDS_VALUES = {"indexing: mask", "indexing: masked_select", "indexing: nonzero",
                "composed: one_hot", "indexing: row mask"}


@pytest.mark.parametrize("name", [n for n in ROWS if n not in NEEDS_VALUES][::5])
def test_function_compiled(name):
    value, _, gradients = run_row(ours, ROWS[name])
    got_value, _, got_gradients = run_row(ours, ROWS[name], compiled=True)
    check(value, got_value, 1e-6, 1e-6)
    check(gradients, got_gradients, 1e-5, 1e-6)


# ------------------------------------------------------------------ promotion

DTYPES = ("bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32",
          "float64", "complex64", "complex128")
SCALARS = st.sampled_from([True, 2, 2.5, 1 + 2j])
KINDS = st.tuples(st.sampled_from(DTYPES), st.sampled_from([(), (3,), (2, 3)]))
OPERANDS = st.one_of(SCALARS, KINDS)


def operand(torch, kind):
    if not isinstance(kind, tuple):
        return kind
    name, shape = kind
    return torch.ones(shape, dtype=getattr(torch, name))


@given(KINDS, OPERANDS, st.booleans())
def test_result_type(a, b, swap):
    pair = (b, a) if swap else (a, b)
    expected, got = (t.result_type(*(operand(t, k) for k in pair)) for t in (theirs, ours))
    assert str(expected) == str(got)


@given(KINDS, OPERANDS, st.booleans(), st.sampled_from(
    ["add", "mul", "sub", "truediv", "floordiv", "mod", "pow", "lt", "eq", "and_"]))
def test_arithmetic_of_all_dtypes(a, b, swap, name):
    import operator

    results = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for torch in (theirs, ours):
            pair = [operand(torch, k) for k in ((b, a) if swap else (a, b))]
            try:
                results.append(plain(getattr(operator, name)(*pair)))
            except (RuntimeError, TypeError, NotImplementedError) as error:
                results.append(type(error).__name__)
    if "error" in str(results[0]).lower() and isinstance(results[0], str):
        return  # what PyTorch refuses, the face may compute
    check(*results, rtol=1e-2)


@given(st.sampled_from(DTYPES), st.sampled_from(DTYPES))
def test_promote_types(a, b):
    expected, got = (t.promote_types(getattr(t, a), getattr(t, b)) for t in (theirs, ours))
    assert str(expected) == str(got)


def test_default_dtype():
    for torch in (theirs, ours):
        try:
            torch.set_default_dtype(torch.float64)
            x = torch.tensor([1.5]) * torch.ones(1, dtype=torch.int32) * 2.5
            assert x.dtype == torch.float64
            assert repr(x) == "tensor([3.7500])"
        finally:
            torch.set_default_dtype(torch.float32)


# ------------------------------------------------------------------ corners of derivatives

CORNERS = {
    "abs": lambda t, x: x.abs(), "relu": lambda t, x: x.relu(), "clamp": lambda t, x: x.clamp(0, 1),
    "sqrt": lambda t, x: x.sqrt(), "norm": lambda t, x: (x * 0).norm(), "max": lambda t, x: x.max(),
    "max dim": lambda t, x: x.max(0)[0], "amax": lambda t, x: x.amax(), "pow0": lambda t, x: x ** 0,
    "pow": lambda t, x: x ** 2.5, "pow tensor": lambda t, x: x.abs() ** (x * 0),
    "std": lambda t, x: (x * 0).std(), "maximum": lambda t, x: t.maximum(x, x * 1),
    "hardtanh": lambda t, x: t.nn.functional.hardtanh(x), "sign": lambda t, x: x.sign() * x,
    "relu6": lambda t, x: t.nn.functional.relu6(x * 6), "prod": lambda t, x: x.prod(),
    "leaky": lambda t, x: t.nn.functional.leaky_relu(x), "elu": lambda t, x: (
        t.nn.functional.elu(x)), "l1": lambda t, x: t.nn.functional.l1_loss(x, x.detach()),
    "median pool": lambda t, x: t.nn.functional.max_pool1d(x[None, :], 2), "logsigmoid":
        lambda t, x: t.nn.functional.logsigmoid(x * 0), "cumprod": lambda t, x: t.cumprod(x, 0),
    "log": lambda t, x: x.log(), "where": lambda t, x: t.where(x > 0, x.log(), 0.0),
    "softplus": lambda t, x: t.nn.functional.softplus(x * 100), "silu": lambda t, x: (
        t.nn.functional.silu(x)), "sort": lambda t, x: x.sort()[0] * t.arange(6.0),
}


@pytest.mark.parametrize("name", CORNERS)
def test_corner(name):
    found = []
    for torch in (theirs, ours):
        x = torch.tensor([0.0, 1.0, 1.0, -1.0, 0.0, 1.0], requires_grad=True)
        out = CORNERS[name](torch, x)
        out.sum().backward()
        found.append([plain(out), plain(x.grad)])
    check(*found)


# ------------------------------------------------------------------ programs


PROGRAMS = torch_programs.PROGRAMS + torch_module_programs.PROGRAMS


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
def test_program(program):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pairs = zip(program(theirs), program(ours), strict=True)
        for expected, got in pairs:
            check(plain(expected), plain(got))


@pytest.mark.parametrize("stage", [lambda f: f, ours.compile], ids=["eager", "compiled"])
@pytest.mark.parametrize("program", torch_staged_programs.PROGRAMS, ids=lambda p: p.__name__)
def test_staged_program(program, stage):
    check(plain(program(theirs, lambda f: f)), plain(program(ours, stage)))


# ------------------------------------------------------------------ training


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("model", MODELS)
def test_training(model, optimizer):
    """Loss by loss the same curve, and the same weights in the end, from the same seed."""
    losses, state, _ = train(theirs, MODELS[model], optimizer)
    got_losses, got_state, _ = train(ours, MODELS[model], optimizer)
    check(losses, got_losses, 1e-5)
    check(state, got_state, 1e-3, 1e-4)


@pytest.mark.parametrize("optimizer", ["nesterov", "adam"])
@pytest.mark.parametrize("model", MODELS)
def test_compiled_training(model, optimizer):
    """The step as one program, traced twice: before the optimizer has state, and after."""
    losses, state, _ = train(ours, MODELS[model], optimizer)
    got_losses, got_state, step = train(ours, MODELS[model], optimizer, compiled=True)
    check(losses, got_losses, 1e-5)
    check(state, got_state, 1e-3, 1e-4)
    assert step.traces == 2


def test_compiled_module():
    ours.manual_seed(0)
    net = ours.nn.Sequential(ours.nn.Linear(3, 3), ours.nn.Dropout(0.5))
    compiled = ours.compile(net)
    x = ours.randn(2, 3)
    ours.manual_seed(1)
    expected = net(x)
    ours.manual_seed(1)
    check(plain(expected), plain(compiled(x)))
    compiled.eval()
    check(plain(net(x)), plain(compiled(x)))
    assert [n for n, _ in compiled.named_parameters()][0] == "_orig_mod.0.weight"


def complex_gradients(torch):
    """Gradients of complex values, of leaves, hooks, autograd.grad and Functions."""
    z = torch.tensor([1 + 2j, 3 - 1j], requires_grad=True)
    w = torch.tensor([0.5 - 1j, 2 + 0.3j], requires_grad=True)
    seen = []
    product = z * w
    product.register_hook(lambda g: seen.append(g))
    (product.abs() ** 2).sum().backward()
    first = z.grad.clone()
    (z * z * w).backward(torch.tensor([1j, 2 + 0j]))
    (g,) = torch.autograd.grad(z * torch.exp(w), z, torch.tensor([1j, 2 + 0j]))

    class Square(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g * 2 * x

    u = torch.tensor([1 + 2j, 3 - 1j], requires_grad=True)
    Square.apply(u).abs().sum().backward()
    return [first, z.grad, w.grad, g, *seen, u.grad]


def test_complex_gradients_are_conjugates_of_cotangents():
    for expected, actual in zip(complex_gradients(theirs), complex_gradients(ours), strict=True):
        np.testing.assert_allclose(actual.detach().numpy(), expected.detach().numpy(), rtol=1e-5)
