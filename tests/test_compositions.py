"""Composition is the test: random programs under random towers of transforms, against real JAX.

Every primitive is right alone (`test_rows.py`); here they meet, and so do `jvp`, `vjp`, `grad`,
`vmap`, `jit`, `linearize` and the tape, nested up to four deep. Then seven ways to one Hessian.
"""

from __future__ import annotations

import hypothesis.strategies as st
import jax
import numpy as np
import pytest
from hypothesis import given, note, settings

import minigrad
from compat.differential import check, engine_x64
from compat.differential.agreement import difference
from minigrad import core, jacfwd, jacrev, tape
from minigrad.graph import leaf
from tests import compositions as co
from tests import drawing

THOROUGH = settings.get_current_profile_name() == "thorough"
EXAMPLES = settings(max_examples=500 if THOROUGH else 40)

# A tower of four derivatives amplifies rounding: three quarters of the digits have to agree, those
# of one where a result is smaller: the programs work on numbers of about that size.
ULPS = np.finfo(np.float64).eps ** -0.25


def agree(ours, expected, where: str) -> None:
    problem = difference(np.asarray(core.to_array(ours)), np.asarray(expected), ULPS, least=1.0)
    assert problem is None, f"{where}: {problem}"


def compare(program: co.Program, transforms, seed: int) -> None:
    """The same tower over the engine and over JAX, in 64 bits."""
    note(f"{program}\ntransforms, innermost first: {transforms}")
    inputs = co.arguments(program.shapes, transforms, seed)
    with jax.enable_x64(True):
        expected = co.compiled(co.tower(co.real_jax(), program, transforms))(*inputs)
    with engine_x64(True):
        boxes = [core.box(x if x.shape else x[()]) for x in inputs]
        results = co.tower(co.engine(), program, transforms)(*boxes)
    assert len(results) == len(expected)
    for k, (ours, theirs) in enumerate(zip(results, expected)):
        agree(ours, theirs, f"result {k}")


@st.composite
def cases(draw, kinds=tuple(co.TRANSFORMS), largest: int = 4):
    program = draw(drawing.programs())
    transforms = draw(drawing.towers(program.shapes, largest, kinds))
    return program, transforms, draw(st.integers(0, 2**16))


@EXAMPLES
@given(cases())
def test_towers_of_transforms(case):
    compare(*case)


@EXAMPLES
@given(cases(kinds=("tape",), largest=1))
def test_tape_against_grad(case):
    compare(*case)


@EXAMPLES
@given(cases(kinds=("tape", "jvp", "vmap"), largest=3))
def test_tape_on_every_level(case):
    compare(*case)


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


# The rule of the custom_jvp step is not its function's derivative: differences would find out.
TRUTHFUL = [kind for kind in co.CONTROL if kind != "custom_jvp"]

HESSIANS = {
    "jacfwd(jacrev)": lambda f, x: jacfwd(jacrev(f))(x),
    "jacrev(jacfwd)": lambda f, x: jacrev(jacfwd(f))(x),
    "jacfwd(jacfwd)": lambda f, x: jacfwd(jacfwd(f))(x),
    "jacrev(jacrev)": lambda f, x: jacrev(jacrev(f))(x),
    "vmap(jvp(grad))": rows_by_jvp_of_grad,
    "double backward": double_backward,
    "finite differences": finite_differences,
}


def check_hessians(program: co.Program, seed: int) -> None:
    note(str(program))
    (x,) = co.arguments(program.shapes, [], seed)
    with jax.enable_x64(True):
        f = scalar_of(program)(co.real_jax())
        expected = np.asarray(co.compiled(jax.hessian(f))(x))
    with engine_x64(True):
        for way, hessian in HESSIANS.items():
            ours = np.asarray(core.to_array(hessian(scalar_of(program)(co.engine()), core.box(x))))
            if way == "finite differences":
                scale = max(1.0, np.abs(expected).max())
                assert np.abs(ours - expected).max() < 1e-6 * scale, way
            else:
                agree(ours, expected, way)


@EXAMPLES
@given(drawing.programs(shapes=((3,),), control=TRUTHFUL), st.integers(0, 2**16))
def test_seven_ways_to_a_hessian(program, seed):
    check_hessians(program, seed)
