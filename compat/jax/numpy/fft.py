"""jax.numpy.fft: minigrad's Fourier transforms, with Arrays."""

from compat.jax import face
from minigrad.numpy import fft as functions

(fft, fft2, fftfreq, fftn, fftshift, hfft, ifft, ifft2, ifftn, ifftshift, ihfft, irfft, irfft2,
 irfftn, rfft, rfft2, rfftfreq, rfftn) = (face.boxed(getattr(functions, name)) for name in (
    "fft fft2 fftfreq fftn fftshift hfft ifft ifft2 ifftn ifftshift ihfft irfft irfft2 irfftn "
    "rfft rfft2 rfftfreq rfftn").split())
