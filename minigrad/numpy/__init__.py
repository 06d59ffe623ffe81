"""Array functions over the primitives, with array-API and jax.numpy names.

They are plain functions of Tensors of any face, arrays and Python scalars: they promote types,
broadcast ranks, and bind primitives. The faces wrap them for speed and for their conventions.
"""

from minigrad.numpy import (
    collecting, creation, elementwise, floats, indexing, joining, linear, matrices, operators,
    promotion, reductions, selecting, shaping, sorting, taking, updating,
)

operators.attach()

MODULES = (promotion, elementwise, floats, selecting, reductions, shaping, joining, matrices,
           linear, creation, indexing, taking, updating, sorting, collecting)


def __getattr__(name: str):
    """`minigrad.numpy.sum` is `sum` of the module that defines it."""
    for module in MODULES:
        function = module.__dict__.get(name)
        if getattr(function, "__module__", "").startswith("minigrad.numpy"):
            return function
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
