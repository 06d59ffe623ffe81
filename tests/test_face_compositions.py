"""Random programs of the jax face's functions under random transforms, against real JAX.

Dtypes, shapes and weak types have to agree, and refusals by class. Numbers have to agree as far as
their dtype allows after a few steps: this looks for wrong rules, not for lost digits
(`test_compositions.py` and `test_rows.py` count those).
"""

from __future__ import annotations

from random import Random

import jax
import numpy as np
import pytest
from hypothesis import settings

import compat.jax
from compat.differential.agreement import distance, is_inexact, widened
from compat.differential.oracle import FAST_COMPILE
from tests import face_compositions as fc

THOROUGH = settings.get_current_profile_name() == "thorough"
COUNT = 1000 if THOROUGH else 25
TOLERANCE = {"float16": 0.3, "bfloat16": 0.3, "float32": 3e-3, "complex64": 3e-3,
             "float64": 1e-6, "complex128": 1e-6}

# Where JAX's own code is at fault: it stumbles over a program that has an answer.
JAX_STUMBLES = ("Linearization failed to produce known values", "got axis spec None but output was",
                "complex numbers have no order", "Unsupported dtype", "'custom_lin'")


def outcome(function, arrays):
    """The leaves of a result, or what was raised."""
    try:
        return jax.tree.leaves(function(*arrays))
    except Exception as error:
        return error


def disagreement(ours, theirs, least: float) -> str | None:
    """In words; `least` is the tolerance of the narrowest dtype on the way."""
    if isinstance(theirs, AssertionError):
        return None
    stumbled = [e for e in (ours, theirs) if isinstance(e, Exception)]
    if any(text in str(e) for e in stumbled for text in JAX_STUMBLES):
        return None
    if stumbled:
        same = type(ours).__name__ == type(theirs).__name__
        return None if same else f"ours {ours!r}\njax {theirs!r}"
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs):
        # weak booleans are promoted as strong ones are
        kinds = [(x.shape, np.dtype(x.dtype), x.weak_type and x.dtype != bool) for x in (a, b)]
        if kinds[0] != kinds[1]:
            return f"ours {kinds[0]}\njax {kinds[1]}"
        a, b = np.asarray(a), np.asarray(b)
        if not is_inexact(b.dtype):
            wrong = a != b
        else:
            finite = np.abs(widened(b)[np.isfinite(widened(b))])
            allowed = max(TOLERANCE[b.dtype.name], least) * max(1.0, finite.max(initial=0.0))
            wrong = distance(a, b) > allowed
        if np.any(wrong):
            return f"ours {a.tolist()}\njax {b.tolist()}"
    return None


def narrowest(program: fc.Program) -> float:
    """The tolerance of the narrowest float that a program meets."""
    met = [np.dtype(fc.DTYPES[dtype]).name for _, dtype in program.inputs]
    met += [name for name in TOLERANCE if name in str(program)]
    return max(TOLERANCE.get(name, TOLERANCE["float32"]) for name in met)


def run(seed: int, wide: bool) -> None:
    random = Random(seed)
    with jax.enable_x64(wide):
        program = fc.random_program(random, wide)
        if program is None:
            return
        tower, shapes = fc.random_tower(random, [shape for shape, _ in program.inputs])
        dtypes = [dtype for _, dtype in program.inputs]
        arrays = fc.numbers(seed, shapes, dtypes)
        theirs = outcome(jax.jit(fc.under(tower, jax, program.on("jax")),
                                 compiler_options=FAST_COMPILE), arrays)
    compat.jax.config.update("jax_enable_x64", wide)
    try:
        boxes = list(map(compat.jax.numpy.asarray, arrays))
        ours = outcome(fc.under(tower, compat.jax, program.on("ours")), boxes)
        problem = disagreement(ours, theirs, narrowest(program))
    finally:
        compat.jax.config.update("jax_enable_x64", False)
    if problem:
        pytest.fail(f"{program}\narguments {list(zip(shapes, dtypes))} of seed {seed}, transforms, "
                    f"innermost first: {[name for name, _ in tower]}\n{problem}")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", range(COUNT))
def test_faces_agree(seed: int):
    run(seed, wide=False)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", range(COUNT))
def test_faces_agree_with_x64(seed: int):
    run(seed, wide=True)
