"""jax.scipy.special: special functions."""

from compat.jax import face
from compat.jax.nn import log_softmax, logsumexp, softmax  # noqa: F401
from compat.jax.nn import sigmoid as expit  # noqa: F401
from minigrad.numpy.elementwise import unary
from minigrad.numpy.promotion import inexact

erf, erfc, erfinv = (face.eager(unary(name, primitive, inexact)) for name, primitive in (
    ("erf", "erf"), ("erfc", "erfc"), ("erfinv", "erf_inv")))
gammaln, digamma = (face.eager(unary(name, primitive, inexact)) for name, primitive in (
    ("gammaln", "lgamma"), ("digamma", "digamma")))
i0e, i1e = (face.eager(unary(name, primitive, inexact)) for name, primitive in (
    ("i0e", "bessel_i0e"), ("i1e", "bessel_i1e")))
