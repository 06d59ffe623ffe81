"""jax.scipy.signal."""

from compat.jax.face import boxed
from minigrad.scipy import signal

(convolve, correlate, convolve2d, correlate2d, fftconvolve, detrend, stft, csd, welch,
 istft) = map(boxed, (
    signal.convolve, signal.correlate, signal.convolve2d, signal.correlate2d, signal.fftconvolve,
    signal.detrend, signal.stft, signal.csd, signal.welch, signal.istft))
