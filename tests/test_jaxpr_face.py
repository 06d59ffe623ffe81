"""The text of a hundred and fifty programs: `make_jaxpr` of the jax face prints what JAX prints."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax._src.interpreters import partial_eval

import compat.jax
import compat.jax.numpy
from minigrad.program import Jaxpr
from tests.face_programs import DATA, GRADIENTS, PROGRAMS

FACES = {"jax": (jax, jnp), "ours": (compat.jax, compat.jax.numpy)}


def arguments(face: str, names: str) -> list:
    return [FACES[face][1].asarray(DATA[n]) for n in names.split()]


def text(face: str, name: str) -> str:
    module, numpy = FACES[face]
    fn, names = PROGRAMS[name]
    return str(module.make_jaxpr(lambda *args: fn(module, numpy, *args))(*arguments(face, names)))


def gradient_program(face: str, name: str):
    module, numpy = FACES[face]
    fn, names = PROGRAMS[name]

    def total(*args):
        leaves = module.tree_util.tree_leaves(fn(module, numpy, *args))
        return sum(leaf.sum() for leaf in leaves if leaf.dtype == numpy.float32)

    return module.make_jaxpr(module.grad(total))(*arguments(face, names))


def gradient_text(face: str, name: str) -> str:
    return str(gradient_program(face, name))


@functools.cache
def live(program: Jaxpr, used=None) -> tuple[Jaxpr, list[bool]]:
    """The program of the used outputs alone, and which inputs are left; also inside of jit."""
    outvars = [v for v, u in zip(program.outvars, used or [True] * len(program.outvars)) if u]
    needed, kept = set(outvars), []
    for eqn in reversed(program.eqns):
        wanted = tuple(v in needed for v in eqn.outvars)
        if not any(wanted):
            continue
        if eqn.primitive.name == "jit":
            body, inputs = live(eqn.params["jaxpr"], wanted)
            eqn = eqn.replace(invars=[a for a, i in zip(eqn.invars, inputs) if i],
                              outvars=[v for v, w in zip(eqn.outvars, wanted) if w],
                              params=eqn.params | {"jaxpr": body})
        needed.update(eqn.invars)
        kept.append(eqn)
    inputs = [v in needed or used is None for v in program.invars]
    return program.replace(invars=[v for v, i in zip(program.invars, inputs) if i],
                           outvars=outvars, eqns=kept[::-1]), inputs


def live_text(face: str, name: str) -> str:
    """The gradient program without the equations that nothing uses; its letters close up."""
    program = gradient_program(face, name)
    if face == "ours":
        return str(live(program)[0])
    jaxpr, _ = partial_eval.dce_jaxpr(program.jaxpr, [True] * len(program.jaxpr.outvars),
                                      instantiate=True)
    return str(jaxpr)


def same(texts, name: str) -> bool | None:
    """None where JAX itself refuses (a gradient of integers)."""
    try:
        theirs = texts("jax", name)
    except (TypeError, ValueError):
        return None
    try:
        return texts("ours", name) == theirs
    except Exception:
        return False


def report(texts, names, what: str) -> tuple[int, int]:
    verdicts = {name: same(texts, name) for name in names}
    different = [name for name, verdict in verdicts.items() if verdict is False]
    equal = sum(verdict is True for verdict in verdicts.values())
    print(f"{equal} of {equal + len(different)} {what} print the same; different: {different}")
    return equal, equal + len(different)


def test_programs_print_as_in_jax():
    equal, count = report(text, PROGRAMS, "programs")
    assert count >= 150
    assert equal >= 0.97 * count


def test_gradients_print_as_in_jax():
    """Gradient programs follow the order of JAX's linearize and transpose."""
    equal, count = report(gradient_text, GRADIENTS, "gradients")
    assert equal >= 0.65 * count


def test_gradients_do_what_jax_does():
    """Equation by equation, once those that nothing uses are dropped."""
    equal, count = report(live_text, GRADIENTS, "gradients without unused equations")
    assert equal >= 0.9 * count


@pytest.mark.parametrize("name", PROGRAMS)
def test_values(name):
    results = []
    for face, (module, numpy) in FACES.items():
        fn, names = PROGRAMS[name]
        out = fn(module, numpy, *arguments(face, names))
        results.append(module.tree_util.tree_leaves(out))
    for theirs, ours in zip(*results, strict=True):
        assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
        assert ours.weak_type == theirs.weak_type
        np.testing.assert_allclose(np.asarray(ours), np.asarray(theirs), rtol=2e-5, atol=1e-5)
