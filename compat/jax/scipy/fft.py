"""jax.scipy.fft."""

from compat.jax.face import boxed
from minigrad.scipy import cosine

(dct, idct, dctn, idctn) = map(boxed, (
    cosine.dct, cosine.idct, cosine.dctn, cosine.idctn))
