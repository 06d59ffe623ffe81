"""Composition is the test: random programs under random towers of transforms, against real JAX.

Every primitive is right alone (`test_rows.py`); here they meet, and so do `jvp`, `vjp`, `grad`,
`vmap`, `jit`, `linearize` and the tape, nested up to four deep. Then seven ways to one Hessian.
"""

from __future__ import annotations

from random import Random

import jax
import numpy as np
import pytest
from hypothesis import settings

import minigrad
from compat.differential import check, engine_x64
from compat.differential.agreement import difference
from minigrad import core, jacfwd, jacrev, tape
from minigrad.graph import leaf
from tests import compositions as co
from tests import random_programs

THOROUGH = settings.get_current_profile_name() == "thorough"
SEEDS = range(500 if THOROUGH else 20)
TOWERS = range(2000 if THOROUGH else 200)

# A tower of four derivatives amplifies rounding: three quarters of the digits have to agree, those
# of one where a result is smaller: the programs work on numbers of about that size.
ULPS = np.finfo(np.float64).eps ** -0.25


def disagreement(ours, expected) -> str | None:
    return difference(np.asarray(core.to_array(ours)), np.asarray(expected), ULPS, least=1.0)


def from_jax(program: co.Program, transforms, inputs) -> tuple:
    with jax.enable_x64(True):
        return co.compiled(co.tower(co.real_jax(), program, transforms))(*inputs)


def compare(program: co.Program, transforms, seed: int) -> str | None:
    """The same tower over the engine and over JAX, in 64 bits: what differs, in words."""
    inputs = co.arguments(program.shapes, transforms, seed)
    expected = from_jax(program, transforms, inputs)
    with engine_x64(True):
        boxes = [core.box(x if x.shape else x[()]) for x in inputs]
        results = co.tower(co.engine(), program, transforms)(*boxes)
    problems = [f"result {k}: {p}" for k, (a, b) in enumerate(zip(results, expected, strict=True))
                if (p := disagreement(a, b))]
    return "\n".join(problems) or None


def differs(program: co.Program, transforms, seed: int) -> bool:
    """Does this simpler case fail as well? One that JAX itself refuses does not count."""
    try:
        from_jax(program, transforms, co.arguments(program.shapes, transforms, seed))
    except Exception:
        return False
    try:
        return compare(program, transforms, seed) is not None
    except Exception:
        return True


def run(seed: int, kinds=tuple(co.TRANSFORMS), largest: int = 4) -> None:
    random = Random(seed)
    shapes = random_programs.random_shapes(random)
    transforms = random_programs.random_tower(random, shapes, largest, kinds)
    program = random_programs.random_program(random, shapes, co.allowed(transforms))
    try:
        problem = compare(program, transforms, seed)
    except Exception as error:
        problem = repr(error)
    if problem:
        program, transforms = random_programs.simplest(program, transforms,
                                               lambda *case: differs(*case, seed))
        print(f"{program}\ntransforms, innermost first: {transforms}, arguments of seed {seed}")
        pytest.fail(compare(program, transforms, seed) or "")


@pytest.mark.parametrize("seed", TOWERS)
def test_towers_of_transforms(seed: int):
    run(seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_tape_against_vjp(seed: int):
    run(seed, ("tape",), 1)


@pytest.mark.parametrize("seed", SEEDS)
def test_tape_on_every_level(seed: int):
    run(seed, ("tape", "jvp", "vmap"), 3)


# ------------------------------------------------------------------ functions that hold functions

STEPS = {
    "scan": lambda lib, x, y: co.scan_step(lib, y, y, x, reverse=False, stacked=True),
    "scan backwards": lambda lib, x, y: co.scan_step(lib, y, y, x, reverse=True, stacked=False),
    "cond, true": lambda lib, x, y: co.cond_step(lib, x, x, threshold=-9.0),
    "cond, by the data": lambda lib, x, y: co.cond_step(lib, x, x, threshold=0.2),
    "jit": lambda lib, x, y: co.jit_step(lib, y, y),
    "checkpoint": lambda lib, x, y: co.checkpoint_step(lib, y, y),
    "custom_jvp": lambda lib, x, y: co.custom_jvp_step(lib, y, y),
    "custom_vjp": lambda lib, x, y: co.custom_vjp_step(lib, y, y),
    "while": lambda lib, x, y: co.while_step(lib, x, x),
}


@pytest.mark.parametrize("name", STEPS)
def test_control_flow_and_custom_rules(name: str):
    """Every road of the differential checks; where JAX has no derivative, we must have none."""
    x, y = np.linspace(-0.7, 0.9, 12).reshape(4, 3), np.float64([0.3, -0.4, 0.5])
    check(lambda x, y: STEPS[name](co.engine(), x, y),
          lambda x, y: STEPS[name](co.real_jax(), x, y), x, y, name=name).raise_on_mismatch()


# ------------------------------------------------------------------ seven ways to a Hessian


def scalar_of(program: co.Program):
    """A scalar function of one vector, on either library."""
    def on(lib):
        def f(x):
            out = program(lib, x)[0]
            return lib.apply("reduce_sum", [lib.apply("sin", [out], {})],
                             {"axes": tuple(range(len(out.shape)))})

        return f

    return on


def rows_by_jvp_of_grad(f, x):
    def row(direction):
        return minigrad.jvp(minigrad.grad(f), (x,), (direction,))[1]

    return minigrad.vmap(row)(np.eye(x.size))


def double_backward(f, x):
    leaf(x)
    y = f(x)
    if not y.requires_grad:
        return np.zeros((x.size, x.size))
    (g,) = tape.grad(y, x, create_graph=True)
    if not g.requires_grad:
        return np.zeros((x.size, x.size))
    rows = [tape.grad(g, x, core.box(e), retain_graph=True, allow_unused=True)[0]
            for e in np.eye(x.size)]
    return np.stack([np.zeros(x.size) if r is None else np.asarray(r) for r in rows])


def finite_differences(f, x, step: float = 1e-5):
    """Central differences of the gradient; the error is of the order of step squared."""
    gradient, at = minigrad.grad(f), np.asarray(x)
    return np.stack([(np.asarray(gradient(at + step * e)) - np.asarray(gradient(at - step * e)))
                     / (2 * step) for e in np.eye(at.size)])


# The rules of the custom steps are not their functions' derivatives: differences would find out.
TRUTHFUL = [kind for kind in co.CONTROL if kind not in ("custom_jvp", "custom_vjp", "while")]

HESSIANS = {
    "jacfwd(jacrev)": lambda f, x: jacfwd(jacrev(f))(x),
    "jacrev(jacfwd)": lambda f, x: jacrev(jacfwd(f))(x),
    "jacfwd(jacfwd)": lambda f, x: jacfwd(jacfwd(f))(x),
    "jacrev(jacrev)": lambda f, x: jacrev(jacrev(f))(x),
    "vmap(jvp(grad))": rows_by_jvp_of_grad,
    "double backward": double_backward,
    "finite differences": finite_differences,
}


@pytest.mark.parametrize("seed", SEEDS)
def test_seven_ways_to_a_hessian(seed: int):
    program = random_programs.random_program(Random(seed), shapes=((3,),), control=TRUTHFUL)
    print(program)
    (x,) = co.arguments(program.shapes, [], seed)
    with jax.enable_x64(True):
        f = scalar_of(program)(co.real_jax())
        expected = np.asarray(co.compiled(jax.hessian(f))(x))
    with engine_x64(True):
        f = scalar_of(program)(co.engine())
        for way, hessian in HESSIANS.items():
            ours = np.asarray(core.to_array(hessian(f, core.box(x))))
            if way == "finite differences":
                scale = max(1.0, np.abs(expected).max())
                assert np.abs(ours - expected).max() < 1e-6 * scale, way
            else:
                problem = disagreement(ours, expected)
                assert problem is None, f"{way}: {problem}"
