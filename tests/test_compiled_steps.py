"""Compiled programs at their edges: threads, memory, low precision, loops made smaller, and what
they print about themselves."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import ml_dtypes
import numpy as np
import pytest

import compat.jax as cj
import compat.torch as ct
from kernels import driver, pool
from minigrad.compiler.executable import Executable
from minigrad.compiler.plan import make_plan
from minigrad.compiler.steps import LoopStep
from minigrad.programs.source import array_function
from tests.test_compiler import agrees, normal, normalize, reductions

jnp, lax = cj.numpy, cj.lax


@pytest.fixture
def threads():
    """Start the pool anew with so many threads; afterwards with as many as before."""
    before = pool.threads()
    yield pool.start
    pool.start(before)


def softmax_loss(x, w, y):
    log_p = jnp.log(jnp.exp(x @ w) / jnp.exp(x @ w).sum(1, keepdims=True))
    return -jnp.where(y[:, None] == jnp.arange(w.shape[1]), log_p, 0.0).mean()


BIG = [
    (normalize, normal(3000, 130), normal(130)), (reductions, normal(3000, 51)),
    (lambda x: (x.sum(), (x * x).sum(1).max(), jnp.tanh(x) * 2), normal(700, 900)),
    (cj.grad(softmax_loss), normal(900, 64), normal(64, 33), np.arange(900, dtype=np.int32) % 33),
    (lambda x, i: jnp.zeros((50, 300)).at[i].add(x), normal(2000, 300),
     np.arange(2000, dtype=np.int32) % 50),
]


@pytest.mark.parametrize("fn, args", [(p[0], p[1:]) for p in BIG])
def test_one_thread_and_two_give_the_same_bits(threads, fn, args):
    run = Executable(make_plan(cj.make_jaxpr(fn)(*args)))
    bits = []
    for count in (1, 2, 3):
        threads(count)
        bits.append([np.array(x).tobytes() for x in run([np.asarray(a) for a in args])])
    assert bits[0] == bits[1] == bits[2]


def test_threads_of_python_do_as_well(threads, monkeypatch):
    monkeypatch.setenv("MINIGRAD_POOL", "python")
    threads(2)
    agrees(cj.make_jaxpr(normalize)(normal(3000, 33), normal(33)), [normal(3000, 33), normal(33)],
           2e-5, 1e-3)


def test_headers_of_arrays_need_not_be_known(monkeypatch):
    monkeypatch.setattr(driver, "headers_are_known", lambda: False)
    run = agrees(cj.make_jaxpr(normalize)(normal(30, 33), normal(33)), [normal(30, 33), normal(33)],
                 2e-5, 1e-3)
    np.testing.assert_allclose(run([normal(33, 30).T, normal(33)])[1],
                               run([np.ascontiguousarray(normal(33, 30).T), normal(33)])[1])


def test_several_threads_call_one_program():
    f = cj.jit(lambda x: (jnp.tanh(x @ x) + 1).sum(0))
    inputs = [normal(64, 64) * k for k in range(1, 9)]
    wanted = [np.array(f(x)) for x in inputs]
    with ThreadPoolExecutor(4) as executor:
        for _ in range(20):
            found = list(executor.map(lambda x: np.array(f(x)), inputs))
            assert all(map(np.array_equal, found, wanted))


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float64, np.complex64])
def test_other_precisions(dtype):
    def fn(x, y):
        return x * y + x, jnp.exp(x) / (1 + jnp.abs(x)).astype(x.dtype), x.sum(0), x @ y.T

    with cj.enable_x64(dtype == np.float64):
        args = [normal(5, 6).astype(dtype), normal(5, 6).astype(dtype)]
        program = cj.make_jaxpr(fn)(*args)
        eps = float(ml_dtypes.finfo(dtype).eps)
        for got, want in zip(Executable(make_plan(program))(args), array_function(program)(*args)):
            assert got.dtype == want.dtype
            kind = np.complex128 if dtype == np.complex64 else np.float64
            np.testing.assert_allclose(got.astype(kind), want.astype(kind), 4 * eps, 8 * eps)


SPECIAL = np.array([0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 1e-45, -1e-45, 3e38, -3e38,
                    1e-20])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nan_and_infinities(dtype):
    def fn(x, y):
        return (x + y, x * y, x / y, jnp.maximum(x, y), jnp.minimum(x, y), jnp.exp(x), jnp.log(x),
                jnp.sqrt(x), jnp.tanh(x), jnp.sign(x), jnp.abs(x), x > y, x == y, jnp.floor(x),
                jnp.where(x > 0, x, y), jnp.isfinite(x), x.max(0), y.min(0), jnp.sin(x),
                lax.erf(x), jnp.log1p(x), jnp.expm1(x), x ** 2, cj.nn.sigmoid(x))

    with cj.enable_x64(dtype == np.float64):
        args = [a.astype(dtype) for a in np.meshgrid(SPECIAL, SPECIAL)]
        program = cj.make_jaxpr(fn)(*args)
        with np.errstate(all="ignore"):
            wanted = array_function(program)(*args)
        for got, want in zip(Executable(make_plan(program))(args), wanted):
            np.testing.assert_allclose(got, want, 10 * np.finfo(dtype).eps, np.finfo(dtype).tiny)


# ------------------------------------------------------------------ loops


def lstm_loss(w, x):
    def step(state, x):
        h, c = state
        i, f, g, o = jnp.split(x @ w["x"].T + h @ w["h"].T, 4, axis=1)
        c = cj.nn.sigmoid(f) * c + cj.nn.sigmoid(i) * jnp.tanh(g)
        return (cj.nn.sigmoid(o) * jnp.tanh(c),) * 1 + (c,), h

    start = jnp.zeros((x.shape[1], 8)), jnp.zeros((x.shape[1], 8))
    (h, _), hs = lax.scan(step, start, x)
    return (h ** 2).sum() + (hs ** 2).sum()


def test_a_recurrence_is_two_loops_and_its_weights_gradients_are_none():
    """The gradient of the weights is a product over all steps, after the backward loop."""
    w, x = {"x": normal(32, 5), "h": normal(32, 8)}, normal(6, 3, 5)
    flat = lambda wx, wh, x: cj.grad(lstm_loss)({"x": wx, "h": wh}, x)  # noqa: E731
    program = cj.make_jaxpr(flat)(w["x"], w["h"], x)
    run = agrees(program, [w["x"], w["h"], x], 1e-4, 1e-4)
    loops = [s for s in run.plan.every_step() if isinstance(s, LoopStep)]
    assert len(loops) == 2
    outputs = [v.aval.shape for loop in loops for v in loop.body.program.outvars]
    assert (32, 8) not in outputs and (32, 5) not in outputs


def test_two_loops_over_the_same_are_one():
    def fn(x):
        def step(h, a):
            return jnp.tanh(h + a), h

        one, hs = lax.scan(step, jnp.zeros(4), x)
        two, squares = lax.scan(lambda h, a: (jnp.tanh(h + a), h * h), jnp.zeros(4), x)
        other, _ = lax.scan(lambda h, a: (jnp.tanh(h - a), h * h), jnp.zeros(4), x)
        return one, hs, two, squares, other

    run = agrees(cj.make_jaxpr(fn)(normal(5, 4)), [normal(5, 4)], 1e-6, 1e-6)
    assert sum(isinstance(s, LoopStep) for s in run.plan.every_step()) == 2


# ------------------------------------------------------------------ cells in place


def test_a_view_of_a_cell_among_the_arguments_is_noticed():
    """The program would write the parameter that the argument shows a part of."""
    p = ct.nn.Parameter(ct.tensor([1.0, 2.0, 3.0]))

    def step(x):
        with ct.no_grad():
            p.mul_(2.0)
            return p + x.sum()

    staged = ct.compile(step)
    x = p.detach()[:2]
    wanted = (p.detach() * 2 + x.sum()).tolist()
    assert staged(x).tolist() == wanted
    assert p.tolist() == [2.0, 4.0, 6.0]


def test_a_step_writes_its_cells_where_they_are():
    p = ct.nn.Parameter(ct.tensor([1.0, 2.0, 3.0]))
    opt = ct.optim.SGD([p], lr=0.1)

    def step():
        opt.zero_grad()
        loss = (p ** 2).sum()
        loss.backward()
        opt.step()
        return loss

    staged, address = ct.compile(step), p.data_ptr()
    losses = [float(staged()) for _ in range(5)]
    assert p.data_ptr() == address and losses == sorted(losses, reverse=True)


def test_a_cell_that_is_not_contiguous_is_written_all_the_same():
    p = ct.nn.Parameter(ct.ones(3, 4).t())

    @ct.compile
    def step(x):
        with ct.no_grad():
            p.add_(x)
        return p.sum()

    x = ct.arange(12.0).reshape(4, 3)
    assert [float(step(x)) for _ in range(3)] == [78.0, 144.0, 210.0]
    assert p.tolist() == (1 + 3 * x).tolist()


# ------------------------------------------------------------------ what it says


def test_a_program_explains_itself():
    f = cj.jit(lambda x, w: jnp.maximum(x @ w + 1, 0).sum(0))
    x, w = normal(6, 5), normal(5, 4)
    f(x, w), f(x[:3], w)
    text = f.explain(x, w)
    assert "traced 2 times" in text and "argument 0 is f32[3,5]" in text
    assert "def add_max_reduce_sum_6x4(" in text and "dot_general(operand 0" in text
    assert "for j in range(4):" in f.kernels(x, w)
    assert "arena: " in f.memory(x, w) and "operand 1" in f.memory(x, w)


def test_what_stop_gradient_hides_leaves_no_kernel():
    """The maximum that softmax subtracts gets no gradient, not even one of zeros."""
    x = ct.ones(64, 128, requires_grad=True)
    step = ct.compile(lambda: ct.autograd.grad(ct.softmax(x, 1).square().sum(), x))
    step()
    (staged,) = step.direct.values()
    assert staged.launch.run.source.count("maximum(") == 1 and "==" not in staged.launch.run.source
