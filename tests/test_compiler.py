"""The compiler against the NumPy kernels: every region of random programs, and programs written to
reach each kind of loop nest, step and fallback."""

from __future__ import annotations

import os
from random import Random

import numpy as np
import pytest
from hypothesis import settings

import compat.jax as cj
import compat.torch as ct
import minigrad
from compat.differential import engine_x64
from minigrad import core
from minigrad.compiler.executable import Executable
from minigrad.compiler.plan import make_plan
from minigrad.compiler.steps import KernelStep, NumpyStep
from minigrad.programs.source import array_function
from tests import compositions as co
from tests import random_programs as rp

THOROUGH = settings.get_current_profile_name() == "thorough"
SEEDS = range(2000 if THOROUGH else 120)
jnp, lax = cj.numpy, cj.lax


def agrees(program, inputs, rtol=1e-9, atol=1e-9) -> Executable:
    """Two runs of the compiled program equal its NumPy kernels, and each other to the bit."""
    wanted = array_function(program)(*inputs)
    compiled = Executable(make_plan(program))
    first = [np.array(x) for x in compiled(inputs)]
    for got, want in zip(first, wanted, strict=True):
        want = np.asarray(want)
        assert got.shape == want.shape and got.dtype == want.dtype
        np.testing.assert_allclose(got.astype(want.dtype), want, rtol, atol)
    for got, again in zip(first, compiled(inputs), strict=True):
        assert got.tobytes() == again.tobytes()
    return compiled


@pytest.mark.parametrize("seed", SEEDS)
def test_random_programs(seed):
    random = Random(seed)
    shapes = rp.random_shapes(random)
    transforms = rp.random_tower(random, shapes, 2)
    program = rp.random_program(random, shapes, co.allowed(transforms))
    inputs = co.arguments(program.shapes, transforms, seed)
    with engine_x64(True):
        boxes = [core.box(x if x.shape else x[()]) for x in inputs]
        staged = minigrad.make_jaxpr(co.tower(co.engine(), program, transforms))(*boxes)
        agrees(staged, inputs)


# ------------------------------------------------------------------ each kind of nest and step


def normal(*shape, dtype=np.float32):
    return np.random.default_rng(0).standard_normal(shape).astype(dtype)


def normalize(x, b):
    y = x * 2 + b
    mean = y.mean(1, keepdims=True)
    centered = y - mean
    out = centered / jnp.sqrt((centered ** 2).mean(1, keepdims=True) + 1e-5)
    return out, out.sum(0), jnp.abs(out).sum()


def by_channel(x):
    """The statistics of axis 1, which may be as long as axis 0: the two must not be confused."""
    mean = x.mean((0, 2), keepdims=True)
    centered = x - mean
    variance = (centered ** 2).mean((0, 2), keepdims=True)
    return centered / jnp.sqrt(variance + 1e-5), mean, variance, centered


def views(x):
    return (x * 2 + 1).sum(), x.T + 1, x[::2, 3:7] * 2, x.reshape(-1, 8), x, x, x[:, ::-1] - 1


def reductions(x):
    return x.sum(), jnp.abs(x).sum(0), x.max(1), x.max(), x.min(0), (x > 0).all(1), x.prod(1)


def middle(x):
    return x.sum(1), x.max(1) + 1, x.sum((0, 2)), x.sum((0, 1)), x.transpose(2, 0, 1) * 2


def products(x, w, b):
    return jnp.maximum(x @ w + b, 0), (x @ w).T * 2, x @ w


def recurrence(x, w):
    def step(h, a):
        h = jnp.maximum(h @ w + a, -1) * 0.5
        return h, h * 2

    return lax.scan(step, jnp.zeros(x.shape[1:]), x, reverse=True)


def nested(x, w):
    def step(h, row):
        h, sums = lax.scan(lambda h, a: (h + a * w, h.sum()), h, row)
        return h * 0.5, (sums, h)

    return lax.scan(step, jnp.zeros(x.shape[2:]), x)


def loop(x):
    return lax.while_loop(lambda c: c[0] < 10, lambda c: (c[0] + 1, c[1] * 1.5 + x), (0, x))


def swap(x, y):
    return lax.fori_loop(0, 3, lambda i, c: (c[1], c[0] + i), (x, y))


def branch(x, i):
    return lax.cond(i > 0, lambda x: (x * 2, x.sum()), lambda x: (x - 1, x.max()), x)


def fallback(x):
    return jnp.sort(x * 2, 1) + 1, jnp.concatenate([x, x + 1]), jnp.linalg.norm(x)


def scalars(x):
    return x + 1, x * x - x, jnp.maximum(x, 2), 3.0


def integers(x):
    return x // 3, x % 3, x << 2, x >> 1, x & 5, ~x, abs(x), jnp.sign(x), x.astype(np.float32)


def picking(x, rows, columns):
    """Rows by indices, some from the end; one element a row; both derivatives."""
    def loss(x):
        log_p = x - jnp.log(jnp.exp(x).sum(1, keepdims=True))
        return jnp.take_along_axis(log_p, columns[:, None], 1).mean() + (x[rows] ** 2).sum()

    value, gradient = cj.value_and_grad(loss)(x)
    return (value, gradient, x[rows], x[:, rows], x[rows, rows], x.at[rows].set(1.0),
            x.at[rows].add(2.0), x.at[rows, columns[:4]].max(0.0))


def outside(x, i):
    """Indices outside of the operand: filled, clipped, dropped."""
    return (jnp.take(x, i, axis=0, mode="fill"), jnp.take(x, i, axis=0, mode="clip"),
            x.at[i].add(1.0, mode="drop"), x.at[i].set(1.0, mode="clip"))


def windows(x, i):
    return (lax.dynamic_slice(x, (i, i), (2, 3)), jnp.pad(x, ((1, 2), (0, 3)), constant_values=2.0),
            lax.dynamic_update_slice(x, x[:2, :2] * 2, (i, 1)), lax.pad(x, 0.5, ((-1, 2, 1),
                                                                               (1, -2, 0))))


def joined(x, y):
    a, b, c = jnp.split(jnp.concatenate([x, y * 2, x + 1], axis=1), 3, axis=1)
    return jnp.stack([a, b], 1), jnp.concatenate([c, c]), jnp.tile(x, (2, 3)), \
        jnp.concatenate([x.T, y.T, x.sum(0)[:, None]], 1)


def running(x):
    return jnp.cumsum(x), jnp.cumsum(x, 0), jnp.cumprod(x, 1), lax.cummax(x, 1, reverse=True)


PROGRAMS = [
    (picking, normal(6, 5), np.array([0, 3, -1, 3]), np.array([0, 1, 4, 1, 0, 2])),
    (outside, normal(4, 5), np.array([[0, 7], [-9, 3], [4, -1]])),
    (windows, normal(5, 6), np.int32(3)), (windows, normal(5, 6), np.int32(-7)),
    (joined, normal(4, 4), normal(4, 4)), (joined, normal(40, 30), normal(40, 30)),
    (running, normal(7, 5)), (running, normal(1, 1)),
    (normalize, normal(64, 100), normal(100)), (normalize, normal(3000, 33), normal(33)),
    (by_channel, normal(6, 6, 5)), (by_channel, normal(16, 16, 36)), (by_channel, normal(4, 8, 8)),
    (views, normal(64, 96)), (reductions, normal(30, 51)), (reductions, normal(3000, 51)),
    (middle, normal(4, 5, 6)), (middle, normal(40, 50, 60)),
    (products, normal(64, 96), normal(96, 32), normal(32)),
    (recurrence, normal(7, 3, 8), normal(8, 8)), (recurrence, normal(6, 3, 8), normal(8, 8)),
    (nested, normal(4, 3, 8), normal(8)), (loop, normal(5, 6)), (swap, normal(5), normal(5)),
    (branch, normal(5, 6), np.int32(1)), (branch, normal(5, 6), np.int32(-1)),
    (fallback, normal(5, 6)), (scalars, np.float32(1.5)), (views, normal(0, 8)),
    (reductions, normal(1, 1)), (integers, np.arange(-8, 8, dtype=np.int32)),
    (integers, np.arange(-8, 8, dtype=np.int8)),
]


@pytest.mark.parametrize("fn, args", [(p[0], p[1:]) for p in PROGRAMS],
                         ids=lambda p: getattr(p, "__name__", None))
def test_programs(fn, args):
    """1e-3 is the rounding of sums of 150,000 numbers; Numba adds those one by one."""
    program = cj.make_jaxpr(fn)(*args)
    agrees(program, [np.asarray(a, v.aval.dtype) for a, v in zip(args, program.invars)], 2e-5,
           4e-3 if os.environ.get("MINIGRAD_COMPILER") == "numba" else 1e-3)


def test_a_normalization_is_one_kernel():
    plan = make_plan(cj.make_jaxpr(normalize)(normal(64, 100), normal(100)))
    assert [type(s) for s in plan.steps] == [KernelStep]


def test_what_has_no_kernel_runs_its_numpy_kernel():
    plan = make_plan(cj.make_jaxpr(fallback)(normal(5, 6)))
    assert any(isinstance(s, NumpyStep) and s.name == "sort" for s in plan.steps)


def test_results_are_fresh_as_long_as_somebody_holds_them():
    program = cj.make_jaxpr(lambda x: x + 1)(normal(8))
    run = Executable(make_plan(program))
    first = run([normal(8)])[0]
    view = first[2:]
    address, copy = first.ctypes.data, first.copy()
    del first
    second = run([normal(8) * 2])[0]
    assert second.ctypes.data != address  # `view` holds it
    np.testing.assert_array_equal(view, copy[2:])


def test_operands_need_not_be_contiguous_arrays():
    program = cj.make_jaxpr(lambda x: x + 1)(normal(4, 4))
    run = Executable(make_plan(program))
    np.testing.assert_array_equal(run([normal(4, 4).T])[0], normal(4, 4).T + 1)


def test_an_error_in_a_numpy_kernel_reaches_the_caller():
    def fails(x):
        raise ValueError("no")

    program = cj.make_jaxpr(lambda x: jnp.sort(x) + 1)(normal(4))
    run = Executable(make_plan(program))
    before = core.table["sort"].impl
    try:
        core.table["sort"].impl = lambda x, **_: fails(x)
        with pytest.raises(ValueError, match="no"):
            Executable(make_plan(program))([normal(4)])
    finally:
        core.table["sort"].impl = before
    np.testing.assert_array_equal(run([normal(4)])[0], np.sort(normal(4)) + 1)


def test_torch_compile_falls_back_loudly():
    def step(x):
        return x * 2 if x.sum() > 0 else -x

    compiled = ct.compile(step)
    x = ct.tensor([1.0, -3.0], requires_grad=True)
    with pytest.warns(RuntimeWarning, match=r"step runs eagerly.*test_compiler.py:\d+ \(step\)"):
        y = compiled(x)
    y.sum().backward()
    assert y.tolist() == [-1.0, 3.0] and x.grad.tolist() == [-1.0, -1.0]
    assert compiled(x + 5).tolist() == [12.0, 4.0]
    with pytest.raises(Exception, match="traced"):
        ct.compile(step, fullgraph=True)(x)


def test_a_jitted_function_is_differentiated_in_compiled_halves():
    f = cj.jit(lambda x: (jnp.tanh(x) ** 2).sum())
    x = normal(40, 30)
    for _ in range(5):
        gradient = cj.grad(f)(x)
    t = np.tanh(x.astype(np.float64))
    np.testing.assert_allclose(gradient, 2 * t * (1 - t * t), 1e-4, 1e-6)
