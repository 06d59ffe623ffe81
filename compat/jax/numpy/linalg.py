"""jax.numpy.linalg: minigrad's linear algebra, with Arrays."""

from compat.jax import face
from minigrad.numpy import collecting, matrices
from minigrad.numpy import linalg as functions

(cholesky, cond, det, eig, eigh, eigvals, eigvalsh, inv, lstsq, matmul,
 matrix_norm, matrix_power, matrix_rank, matrix_transpose, multi_dot, norm, outer, pinv, qr,
 slogdet, solve, svd, svdvals, tensordot, tensorinv, tensorsolve, vecdot, vector_norm) = (
    face.boxed(getattr(functions, name)) for name in (
        "cholesky cond det eig eigh eigvals eigvalsh inv lstsq matmul matrix_norm "
        "matrix_power matrix_rank matrix_transpose multi_dot norm outer pinv qr slogdet solve svd "
        "svdvals tensordot tensorinv tensorsolve vecdot vector_norm").split())


def cross(x1, x2, /, *, axis=-1):
    """The vector product of vectors of three components along `axis`."""
    for x in (x1, x2):
        if x.shape[axis] != 3:
            raise ValueError("Both input arrays must be (arrays of) 3-dimensional vectors, but "
                             f"they have {x1.shape[axis]} and {x2.shape[axis]} dimensions instead.")
    return face.boxed(collecting.cross)(x1, x2, axis=axis)


def diagonal(x, /, *, offset=0):
    """The diagonals of the matrices in the last two axes."""
    return face.boxed(matrices.diagonal)(x, offset, -2, -1)


def trace(x, /, *, offset=0, dtype=None):
    """The sums of the diagonals of the matrices in the last two axes."""
    return face.boxed(matrices.trace)(x, offset, -2, -1, dtype)
