"""Convolutions in any number of dimensions, spectra."""

from __future__ import annotations

import numpy as np

import minigrad.numpy as mnp
from kernels.windows import ConvDimensionNumbers
from minigrad.core import table
from minigrad.numpy import fft
from minigrad.numpy.updating import At
from minigrad.numpy.promotion import promote_inexact

# ------------------------------------------------------------------ convolution


def sliding(in1, in2, mode: str, precision=None):
    """The convolution of two arrays of one rank."""
    if mode not in ("full", "same", "valid"):
        raise ValueError("mode must be one of ['full', 'same', 'valid']")
    in1, in2 = promote_inexact(mnp.asarray(in1), mnp.asarray(in2))
    if in1.ndim != in2.ndim:
        raise ValueError("in1 and in2 must have the same number of dimensions")
    if in1.size == 0 or in2.size == 0:
        raise ValueError(f"zero-size arrays not supported in convolutions, got shapes {in1.shape} "
                         f"and {in2.shape}.")
    shape = in1.shape
    if mode == "valid" and all(a <= b for a, b in zip(in1.shape, in2.shape)):
        in1, in2 = in2, in1
    kernel = mnp.flip(in2)
    pads = {"valid": [(0, 0)] * in1.ndim}.get(mode) or [(n - 1, n - 1) for n in kernel.shape]
    out = convolution(in1[None, None], kernel[None, None], pads, precision)[0, 0]
    return centered(out, shape) if mode == "same" else out


def convolution(x, kernel, pads, precision):
    rank = x.ndim - 2
    axes = tuple(range(x.ndim))
    return table["conv_general_dilated"](
        x, kernel, window_strides=(1,) * rank, padding=tuple(pads), lhs_dilation=(1,) * rank,
        rhs_dilation=(1,) * rank, dimension_numbers=ConvDimensionNumbers(axes, axes, axes),
        feature_group_count=1, batch_group_count=1, precision=precision,
        preferred_element_type=None)


def centered(x, shape):
    starts = [(n - m) // 2 for n, m in zip(x.shape, shape)]
    return x[tuple(slice(s, s + m) for s, m in zip(starts, shape))]


def convolve(in1, in2, mode="full", method="auto", precision=None):
    """The convolution of two arrays of one rank; `method="fft"` goes through Fourier space."""
    return fftconvolve(in1, in2, mode) if method == "fft" else sliding(in1, in2, mode, precision)


def correlate(in1, in2, mode="full", method="auto", precision=None):
    """The correlation of two arrays of one rank."""
    return convolve(in1, mnp.flip(mnp.conj(mnp.asarray(in2))), mode, method, precision)


def convolve2d(in1, in2, mode="full", boundary="fill", fillvalue=0, precision=None):
    """The convolution of two matrices."""
    check_plane(in1, in2, boundary, fillvalue, "convolve2d")
    return sliding(in1, in2, mode, precision)


def correlate2d(in1, in2, mode="full", boundary="fill", fillvalue=0, precision=None):
    """The correlation of two matrices."""
    check_plane(in1, in2, boundary, fillvalue, "correlate2d")
    in1, in2 = promote_inexact(mnp.asarray(in1), mnp.asarray(in2))
    if mode == "same":  # the middle of the correlation, by SciPy's rule for even sizes
        whole = sliding(in1, mnp.flip(mnp.conj(in2)), "full", precision)
        starts = [n // 2 for n in in2.shape]
        return whole[tuple(slice(s, s + m) for s, m in zip(starts, in1.shape))]
    if mode == "valid" and all(a <= b for a, b in zip(in1.shape, in2.shape)):
        return mnp.flip(sliding(mnp.flip(in1), mnp.conj(in2), mode, precision))
    return sliding(in1, mnp.flip(mnp.conj(in2)), mode, precision)


def check_plane(in1, in2, boundary, fillvalue, name: str) -> None:
    if boundary != "fill" or fillvalue != 0:
        raise NotImplementedError(f"{name}() only supports boundary='fill', fillvalue=0")
    if np.ndim(in1) != 2 or np.ndim(in2) != 2:
        raise ValueError(f"{name}() only supports 2-dimensional inputs.")


def fftconvolve(in1, in2, mode="full", axes=None):
    """The convolution by a product in Fourier space."""
    in1, in2 = promote_inexact(mnp.asarray(in1), mnp.asarray(in2))
    if in1.ndim != in2.ndim:
        raise ValueError("in1 and in2 should have the same dimensionality")
    if mode not in ("full", "same", "valid"):
        raise ValueError("mode must be one of ['full', 'same', 'valid']")
    axes = tuple(range(in1.ndim)) if axes is None else tuple(a % in1.ndim for a in (
        (axes,) if isinstance(axes, int) else axes))
    if mode == "valid" and all(in1.shape[a] <= in2.shape[a] for a in axes):
        in1, in2 = in2, in1
    full = [in1.shape[a] + in2.shape[a] - 1 for a in axes]
    is_complex = in1.dtype.kind == "c"
    there, back = (fft.fftn, fft.ifftn) if is_complex else (fft.rfftn, fft.irfftn)
    out = back(there(in1, full, axes=axes) * there(in2, full, axes=axes), full, axes=axes)
    shape = list(out.shape)
    for a in axes:
        shape[a] = {"full": out.shape[a], "same": in1.shape[a],
                    "valid": in1.shape[a] - in2.shape[a] + 1}[mode]
    return centered(out, shape)


# ------------------------------------------------------------------ spectra


def detrend(data, axis=-1, type="linear", bp=0, overwrite_data=None):
    """Without the mean ("constant"), or without the line of least squares between breaks."""
    (data,) = promote_inexact(mnp.asarray(data))
    if type not in ("constant", "linear"):
        raise ValueError("Trend type must be 'linear' or 'constant'")
    if type == "constant":
        return data - mnp.mean(data, axis, keepdims=True)
    n = data.shape[axis]
    x = mnp.reshape(mnp.moveaxis(data, axis, 0), (n, -1))
    breaks = sorted({0, n, *np.atleast_1d(bp).tolist()})
    parts = []
    for a, b in zip(breaks, breaks[1:]):
        line = mnp.stack([mnp.ones(b - a, x.dtype), mnp.arange(1, b - a + 1, dtype=x.dtype) / (
            b - a)], 1)
        coefficients, *_ = mnp.lstsq(line, x[a:b])
        parts.append(x[a:b] - line @ coefficients)
    out = mnp.reshape(mnp.concatenate(parts, 0), mnp.moveaxis(data, axis, 0).shape)
    return mnp.moveaxis(out, 0, axis)


def window_of(window, n: int, dtype):
    """The numbers of a window: an array, or a name that SciPy knows."""
    if isinstance(window, (str, tuple)):
        import scipy.signal

        return mnp.asarray(scipy.signal.get_window(window, n), dtype)
    return mnp.asarray(window, dtype)


def framed(x, nperseg: int, step: int):
    """The overlapping pieces of the last axis."""
    count = (x.shape[-1] - nperseg) // step + 1
    index = np.arange(count)[:, None] * step + np.arange(nperseg)[None]
    return x[..., index]


def spectra(x, y, fs, window, nperseg, noverlap, nfft, detrend_by, onesided, scaling, padding,
            boundary, mode: str):
    """(frequencies, times, Fourier transforms of pieces, or their products)."""
    nperseg = min(nperseg, x.shape[-1])
    win = window_of(window, nperseg, mnp.result_type(x.dtype, np.float32))
    nperseg = win.shape[0]
    noverlap = nperseg // 2 if noverlap is None else noverlap
    nfft = nperseg if nfft is None else nfft
    step = nperseg - noverlap
    half = nperseg // 2

    def transformed(v):
        if boundary is not None:
            widths = [(0, 0)] * (v.ndim - 1) + [(half, half)]
            how = {"zeros": "constant", "even": "reflect", "constant": "edge"}[boundary]
            v = mnp.pad(v, widths, mode=how)
        if padding:
            extra = (-(v.shape[-1] - nperseg) % step) % nperseg
            v = mnp.pad(v, [(0, 0)] * (v.ndim - 1) + [(0, extra)])
        pieces = framed(v, nperseg, step)
        pieces = detrend_by(pieces) if callable(detrend_by) else pieces if detrend_by is False \
            else detrend(pieces, -1, detrend_by)
        pieces = pieces * win
        two_sided = v.dtype.kind == "c" or not onesided
        return (fft.fft if two_sided else fft.rfft)(pieces, nfft), v.shape[-1], two_sided

    scale = {"density": 1.0 / (fs * mnp.sum(win * win)), "spectrum": 1.0 / mnp.sum(win) ** 2}
    if scaling not in scale:
        raise ValueError(f"Unknown scaling: {scaling!r}")
    factor = scale[scaling]
    fx, length, two_sided = transformed(x)
    freqs = (fft.fftfreq if two_sided else fft.rfftfreq)(nfft, 1 / fs)
    stop = length - half + (nperseg % 2 == 0 or boundary is not None)
    times = mnp.arange(half, stop, step, dtype=freqs.dtype) - (half if boundary is not None else 0)
    times = times / fs
    if mode == "stft":
        return freqs, times, mnp.swapaxes(fx * mnp.sqrt(factor), -1, -2)
    power = mnp.conj(fx) * (fx if y is None else transformed(y)[0]) * factor
    if not two_sided:
        last = power.shape[-1] - (nfft % 2 == 0)
        power = At(power)[..., 1:last].multiply(2)
    return freqs, times, mnp.swapaxes(power, -1, -2)


def stft(x, fs=1.0, window="hann", nperseg=256, noverlap=None, nfft=None, detrend=False,
         return_onesided=True, boundary="zeros", padded=True, axis=-1):
    """(frequencies, times, Fourier transforms of overlapping pieces)."""
    (x,) = promote_inexact(mnp.moveaxis(mnp.asarray(x), axis, -1))
    return spectra(x, None, fs, window, nperseg, noverlap, nfft, detrend, return_onesided,
                   "spectrum", padded, boundary, "stft")


def csd(x, y, fs=1.0, window="hann", nperseg=None, noverlap=None, nfft=None, detrend="constant",
        return_onesided=True, scaling="density", axis=-1, average="mean"):
    """(frequencies, cross power spectrum), by Welch's method."""
    x = mnp.moveaxis(mnp.asarray(x), axis, -1)
    y = None if y is None else mnp.moveaxis(mnp.asarray(y), axis, -1)
    x, *rest = promote_inexact(*([x] if y is None else [x, y]))
    freqs, _, power = spectra(x, rest[0] if rest else None, fs, window, nperseg or 256, noverlap,
                              nfft, detrend, return_onesided, scaling, False, None, "psd")
    if average == "median":
        n = power.shape[-1]
        bias = 1 + sum(1.0 / (k + 1) - 1.0 / k for k in range(2, n if n % 2 else n - 1, 2))
        return freqs, mnp.median(power, -1) / bias
    return freqs, mnp.mean(power, -1)


def welch(x, fs=1.0, window="hann", nperseg=256, noverlap=None, nfft=None, detrend="constant",
          return_onesided=True, scaling="density", axis=-1, average="mean"):
    """(frequencies, power spectrum): the mean over overlapping pieces."""
    freqs, power = csd(x, None, fs, window, nperseg, noverlap, nfft, detrend, return_onesided,
                       scaling, axis, average)
    return freqs, mnp.real(power)


def istft(Zxx, fs=1.0, window="hann", nperseg=None, noverlap=None, nfft=None, input_onesided=True,
          boundary=True, time_axis=-1, freq_axis=-2):
    """(times, the signal whose pieces have these Fourier transforms)."""
    z = mnp.moveaxis(mnp.asarray(Zxx), (freq_axis, time_axis), (-2, -1))
    count = z.shape[-1]
    size = 2 * (z.shape[-2] - 1) if input_onesided else z.shape[-2]
    nperseg = size if nperseg is None else nperseg
    nfft = size if nfft is None else nfft
    noverlap = nperseg // 2 if noverlap is None else noverlap
    step = nperseg - noverlap
    pieces = (fft.irfft if input_onesided else fft.ifft)(z, nfft, axis=-2)[..., :nperseg, :]
    win = window_of(window, nperseg, pieces.dtype)
    pieces = mnp.swapaxes(pieces, -1, -2) * win * mnp.sum(win)
    length = nperseg + (count - 1) * step
    index = np.arange(count)[:, None] * step + np.arange(nperseg)[None]
    x = At(mnp.zeros((*pieces.shape[:-2], length), pieces.dtype))[..., index].add(pieces)
    norm = At(mnp.zeros(length, win.dtype))[index].add(mnp.broadcast_to(win ** 2, index.shape))
    if boundary:
        half = nperseg // 2
        x, norm = x[..., half:length - half], norm[half:length - half]
    x = x / mnp.where(norm > 1e-10, norm, 1.0)
    return mnp.arange(x.shape[-1], dtype=win.dtype) / fs, x

