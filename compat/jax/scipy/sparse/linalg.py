"""jax.scipy.sparse.linalg."""

from compat.jax.face import boxed
from minigrad.scipy import iterative

(cg, bicgstab, gmres) = map(boxed, (
    iterative.cg, iterative.bicgstab, iterative.gmres))
