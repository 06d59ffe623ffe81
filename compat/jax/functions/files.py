"""Arrays from files, buffers and text, and questions about dtypes. Source: jax.numpy."""

from __future__ import annotations

import numpy as np

from compat.jax import numpy as jnp
from compat.jax.array import canonical_dtype
from minigrad.numpy import creation
from minigrad.ops.families import dtype_kind


def load(file, *args, **kwargs):
    """What `save` or `savez` wrote."""
    out = np.load(file, *args, **kwargs)
    return jnp.asarray(out) if isinstance(out, np.ndarray) else out


def frombuffer(buffer, dtype=float, count=-1, offset=0):
    """A vector of the bytes of a buffer."""
    return jnp.asarray(np.frombuffer(buffer, canonical_dtype(creation.canonical_dtype(dtype)),
                                     count, offset))


def fromstring(string, dtype=float, count=-1, *, sep):
    """A vector of the numbers in a text."""
    return jnp.asarray(np.fromstring(
        string, canonical_dtype(creation.canonical_dtype(dtype)), count, sep=sep))


def unsupported(name: str):
    def function(*args, **kwargs):
        raise NotImplementedError(
            f"jnp.{name}() is not implemented because it may be non-pure and thus unsafe for use "
            f"with JIT and other JAX transformations. Consider using jnp.asarray(np.{name}(...)) "
            "instead.")

    function.__name__ = name
    function.__doc__ = f"Raises: `numpy.{name}` is not pure."
    return function


fromfile, fromiter = unsupported("fromfile"), unsupported("fromiter")


def array_repr(arr, max_line_width=None, precision=None, suppress_small=None):
    """The text of an array as NumPy writes it."""
    return np.array_repr(np.asarray(arr), max_line_width, precision, suppress_small)


def array_str(a, max_line_width=None, precision=None, suppress_small=None):
    """The text of the numbers of an array."""
    return np.array_str(np.asarray(a), max_line_width, precision, suppress_small)


def can_cast(from_, to, casting="safe"):
    """Can one dtype become another by the rule?"""
    return np.can_cast(from_, to, casting=casting)


KINDS = {"bool": "b", "signed integer": "i", "unsigned integer": "u", "integral": "iu",
         "real floating": "f", "complex floating": "c", "numeric": "iufc"}


def isdtype(dtype, kind) -> bool:
    """Is a dtype of a kind ("integral" ...), one of several, or equal to another dtype?"""
    own = canonical_dtype(creation.canonical_dtype(dtype))
    for k in kind if isinstance(kind, tuple) else (kind,):
        if isinstance(k, str) and k in KINDS:
            if dtype_kind(own) in KINDS[k]:
                return True
        elif isinstance(k, str) and not hasattr(np, k):
            raise ValueError(f"Unrecognized {kind=} expected one of {list(KINDS)}, or a "
                             "compatible input for jnp.dtype()")
        elif own == canonical_dtype(creation.canonical_dtype(k)):
            return True
    return False


def einsum_path(subscripts, /, *operands, optimize="auto"):
    """The order of pairwise products, and a text about it."""
    import opt_einsum

    shown = [np.broadcast_to(np.float32(0), np.shape(o)) if hasattr(o, "shape") else o
             for o in operands]
    return opt_einsum.contract_path(subscripts, *shown, optimize=optimize)
