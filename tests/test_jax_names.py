"""Which names the jax face has: as many as the issue asks for, and none that JAX has not."""

import importlib

import jax as theirs  # noqa: F401  (what is compared with)
import pytest

from compat import coverage
from compat.substitution import substituted

LEAST = {"jax": 95, "jax.numpy": 95, "jax.lax": 95, "jax.nn": 95, "jax.random": 95,
         "jax.tree_util": 95, "jax.numpy.linalg": 95, "jax.numpy.fft": 95,
         "jax.scipy.special": 85}


@pytest.mark.parametrize("namespace", LEAST)
def test_coverage(namespace):
    found = coverage.cover(coverage.JAX, namespace)
    assert 100 * len(found.implemented) >= LEAST[namespace] * found.counted, found.missing


# Names that tutorials invent, or that JAX has no more.
INVENTED = ["nn.softmax_cross_entropy", "numpy.nn", "numpy.sigmoid", "nn.Sequential", "optimizers",
            "numpy.random", "numpy.cache", "lax.pmap", "ops.index_update", "data_iterators",
            "datasets", "data", "nn.Module", "nn.Linear", "numpy.shape_of", "numpy.promote"]


@pytest.mark.parametrize("name", INVENTED)
def test_names_that_jax_has_not(name):
    *path, last = name.split(".")
    module = importlib.import_module(".".join(["compat.jax", *path]))
    with pytest.raises(AttributeError, match=last):
        getattr(module, last)


def test_imports_by_substitution():
    with substituted("jax"):
        import jax
        import jax.numpy as jnp
        from jax import lax, random  # noqa: F401
        from jax.example_libraries import stax  # noqa: F401
        from jax.scipy.stats import norm  # noqa: F401

        assert jnp.ones(2).__class__ is jax.Array
        assert jax.__name__ == "compat.jax"
        for wrong in ("jax.value_and_grad", "jax_datasets", "jax.optimizers"):
            with pytest.raises(ImportError):
                importlib.import_module(wrong)
    import jax

    assert jax.__name__ == "jax"


def test_arguments_that_jax_has_not():
    import compat.jax as jax

    with pytest.raises(TypeError):
        jax.pmap(lambda x: x, axis=0)
    with pytest.raises(TypeError):
        jax.numpy.ones(3)[0] = 1
