"""The text of a hundred programs: `make_jaxpr` of the jax face prints what JAX prints."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import compat.jax
import compat.jax.numpy
from tests.face_programs import DATA, GRADIENTS, PROGRAMS

FACES = {"jax": (jax, jnp), "ours": (compat.jax, compat.jax.numpy)}


def arguments(face: str, names: str) -> list:
    return [FACES[face][1].asarray(DATA[n]) for n in names.split()]


def text(face: str, name: str) -> str:
    module, numpy = FACES[face]
    fn, names = PROGRAMS[name]
    return str(module.make_jaxpr(lambda *args: fn(module, numpy, *args))(*arguments(face, names)))


def gradient_text(face: str, name: str) -> str:
    module, numpy = FACES[face]
    fn, names = PROGRAMS[name]

    def total(*args):
        leaves = module.tree_util.tree_leaves(fn(module, numpy, *args))
        return sum(leaf.sum() for leaf in leaves if leaf.dtype == numpy.float32)

    return str(module.make_jaxpr(module.grad(total))(*arguments(face, names)))


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


def test_a_hundred_programs_print_as_in_jax():
    equal, count = report(text, PROGRAMS, "programs")
    assert count >= 100
    assert equal >= 95


def test_gradients_print_as_in_jax():
    """Gradient programs follow JAX's order too; how many match is information."""
    equal, count = report(gradient_text, GRADIENTS, "gradients")
    assert equal >= count // 2


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
