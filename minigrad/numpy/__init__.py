"""Array functions over the primitives, with array-API and jax.numpy names.

They are plain functions of Tensors of any face, arrays and Python scalars: they promote types,
broadcast ranks, and bind primitives. The faces wrap them for speed and for their conventions.
"""

import importlib

from minigrad.numpy import operators

operators.attach()

# Where functions are looked for. A module is imported when something of it is first asked for.
MODULES = ("promotion", "elementwise", "selecting", "indexing", "linear", "reductions", "shaping",
           "joining", "creation", "floats", "matrices", "taking", "updating", "sorting",
           "collecting", "norms", "factors", "solving", "determinants", "numbers", "editing",
           "sets", "histograms", "polynomials", "grids", "tapers")


def __getattr__(name: str):
    """`minigrad.numpy.sum` is `sum` of the module that defines it."""
    if name.startswith("__"):
        raise AttributeError(name)
    for module_name in MODULES:
        module = importlib.import_module(f"minigrad.numpy.{module_name}")
        function = module.__dict__.get(name)
        if getattr(function, "__module__", "").startswith("minigrad.numpy"):
            return function
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
