"""jax.numpy.linalg: norms and products (factorizations come with their primitives)."""

from compat.jax import face
from minigrad.numpy import collecting, linear, norms, shaping

norm = face.eager(norms.norm, arrays=("x",))
vector_norm = face.eager(norms.vector_norm, arrays=("x",))
matrix_power = face.eager(norms.matrix_power, arrays=("a",))
cross = face.eager(collecting.cross, arrays=("a", "b"))
matmul, outer, vecdot = map(face.eager, (linear.matmul, linear.outer, linear.vecdot))
tensordot = face.eager(linear.tensordot, arrays=("a", "b"))
matrix_transpose = face.eager(shaping.matrix_transpose, arrays=("x",))


def multi_dot(arrays, *, precision=None):
    """The product of several matrices, in the order that costs least."""
    from compat.jax import numpy as jnp

    letters = "".join(chr(ord("a") + i) for i in range(len(arrays) + 1))
    first, last = arrays[0].ndim == 1, arrays[-1].ndim == 1
    terms = [letters[i:i + 2] for i in range(len(arrays))]
    terms[0] = terms[0][1:] if first else terms[0]
    terms[-1] = terms[-1][:-1] if last else terms[-1]
    out = ("" if first else letters[0]) + ("" if last else letters[-1])
    return jnp.einsum(f"{','.join(terms)}->{out}", *arrays, precision=precision)
