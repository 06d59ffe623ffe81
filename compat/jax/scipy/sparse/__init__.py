"""jax.scipy.sparse: solvers that need products alone."""

from compat.jax.scipy.sparse import linalg

__all__ = ["linalg"]
