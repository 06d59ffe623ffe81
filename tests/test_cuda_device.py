"""Our CUDA kernels through CuPy: on a device with `pytest -m gpu`; a few on the stand-in, so that
this file itself is known to run."""

from __future__ import annotations

import numpy as np
import pytest

import compat.jax as jax
import compat.jax.numpy as jnp
from kernels.cuda.machine import Machine
from minigrad import devices
from minigrad.compiler.device import DeviceExecutable, Module, device_plan
from tests import fake_cupy
from tests.cuda import corpus
from tests.cuda.check import distance
from tests.simulator import compiler


def apart(programs: list[corpus.Program]) -> dict[str, float]:
    """The programs whose results on the device are not the reference evaluator's."""
    world = devices.cuda(0).world
    plans = [device_plan(p.program) for p in programs]
    module, found = Module(*plans), {}
    for program, plan in zip(programs, plans):
        run = DeviceExecutable(plan, Machine(0), world.implementation, module)
        outs = run([world.asarray(x) for x in program.operands])
        far = distance(program, [devices.fetch(out) for out in outs])
        if not far <= 1:
            found[program.name] = far
    return found


@pytest.mark.skipif(compiler() is None, reason="no C++ compiler to play the grid with")
def test_on_the_stand_in():
    with fake_cupy.installed():
        assert apart([*list(corpus.reductions())[:4], *list(corpus.formulas())[:5]]) == {}


@pytest.mark.gpu
@pytest.mark.parametrize("part", ["elementwise", "conversions", "reductions", "formulas", "steps"])
def test_the_corpus(part):
    assert apart(list(getattr(corpus, part)())) == {}


@pytest.mark.gpu
def test_a_graph_is_captured_and_replayed():
    """A program of launches and copies on the same arrays: the third call captures it."""
    x = np.random.default_rng(0).standard_normal((40, 30)).astype(np.float32)
    program = corpus.of_jax(
        lambda x: jax.lax.scan(lambda c, r: (jnp.tanh(c + r), jnp.sum(c)), x[0], x), x,
        name="scan", tolerance=2e-5)
    world = devices.cuda(0).world
    run = DeviceExecutable(device_plan(program.program), Machine(0), world.implementation)
    given = world.asarray(x)
    for _ in range(8):  # results go back to the pool, so addresses come again
        outs = run([given])
    assert [bound.graph for bound in run.bound.values() if bound.graph is not None]
    assert distance(program, [devices.fetch(out) for out in outs]) <= 1


@pytest.mark.gpu
def test_results_are_the_same_bits_every_time():
    x = np.random.default_rng(0).standard_normal((1000, 1000)).astype(np.float32)
    f = jax.jit(jax.grad(lambda x: jnp.sum(jax.nn.softmax(x) ** 2) + jnp.sum(x ** 3)))
    given = jax.device_put(x, jax.devices("gpu")[0])
    bits = {devices.fetch(f(given).value).tobytes() for _ in range(20)}
    assert len(bits) == 1


@pytest.mark.gpu
def test_a_step_does_not_wait_for_the_device():
    """Ten large steps are queued in less time than one of them takes."""
    import time

    x = jax.device_put(np.ones((1 << 14, 1 << 13), np.float32), jax.devices("gpu")[0])
    f = jax.jit(lambda x: jax.nn.softmax(jnp.tanh(x)))
    machine = Machine(0)
    for _ in range(3):
        f(x)
    machine.wait()
    start = time.perf_counter()
    for _ in range(10):
        f(x)
    queued = time.perf_counter() - start
    machine.wait()
    assert queued < (time.perf_counter() - start) / 2
