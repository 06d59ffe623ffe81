"""Short-time Fourier transforms."""

from __future__ import annotations

import numpy as np

from compat.torch import fft
from compat.torch.creation import ones, zeros
from compat.torch.tensor import from_array, known


def fitted_window(window, win_length: int, n_fft: int, like):
    """The window, in the middle of `n_fft` points."""
    window = ones(win_length, dtype=like.dtype if not like.is_complex() else None) \
        if window is None else window
    left = (n_fft - win_length) // 2
    if win_length == n_fft:
        return window
    whole = zeros(n_fft, dtype=window.dtype)
    whole[left:left + win_length] = window
    return whole


def stft(input, n_fft, hop_length=None, win_length=None, window=None, center=True,
         pad_mode="reflect", normalized=False, onesided=None, return_complex=None,
         align_to_window=None):
    """Spectra of overlapping windows of a signal: (..., frequencies, windows)."""
    from compat.torch.nn.functional import pad

    hop = n_fft // 4 if hop_length is None else hop_length
    length = n_fft if win_length is None else win_length
    if not (input.is_floating_point() or input.is_complex()):
        raise RuntimeError("stft(): expected a tensor of floating point or complex values")
    if input.dim() not in (1, 2):
        raise RuntimeError("stft(): expected a 1D or 2D tensor")
    if return_complex is None and not input.is_complex() and (
            window is None or not window.is_complex()):
        raise RuntimeError("stft requires the return_complex parameter be given for real inputs, "
                           "and will further require that return_complex=True in a future PyTorch "
                           "release.")
    batch = input if input.dim() == 2 else input.unsqueeze(0)
    if center:
        batch = pad(batch.unsqueeze(1), (n_fft // 2, n_fft // 2), pad_mode).squeeze(1)
    for wrong, text in (
            (not 0 < n_fft <= batch.size(1),
             f"expected 0 < n_fft < {batch.size(1)}, but got n_fft={n_fft}"),
            (hop <= 0, f"expected hop_length > 0, but got hop_length={hop}"),
            (not 0 < length <= n_fft,
             f"expected 0 < win_length <= n_fft, but got win_length={length}"),
            (window is not None and tuple(window.shape) != (length,),
             f"expected a 1D window tensor of size equal to win_length={length}, but got window "
             f"with size {None if window is None else list(window.shape)}")):
        if wrong:
            raise RuntimeError(f"stft(): {text}")
    frames = batch.unfold(-1, n_fft, hop) * fitted_window(window, length, n_fft, input)
    onesided = not frames.is_complex() if onesided is None else onesided
    norm = "ortho" if normalized else None
    spectra = (fft.rfft if onesided else fft.fft)(frames, norm=norm).transpose(1, 2)
    spectra = spectra if input.dim() == 2 else spectra.squeeze(0)
    return spectra if return_complex or return_complex is None else spectra.view_as_real()


def istft(input, n_fft, hop_length=None, win_length=None, window=None, center=True,
          normalized=False, onesided=None, length=None, return_complex=False):
    """The signal whose `stft` is nearest to the spectra given: windows, overlapped and added."""
    hop = n_fft // 4 if hop_length is None else hop_length
    width = n_fft if win_length is None else win_length
    if not input.is_complex():
        raise RuntimeError("istft requires a complex-valued input tensor matching the output from "
                           "stft with return_complex=True.")
    if input.dim() not in (2, 3):
        raise RuntimeError("istft(): expected a tensor with 2 or 3 dimensions")
    spectra = (input if input.dim() == 3 else input.unsqueeze(0)).transpose(1, 2)
    onesided = spectra.size(-1) != n_fft if onesided is None else onesided
    if spectra.size(-1) != (n_fft // 2 + 1 if onesided else n_fft):
        raise RuntimeError("istft(): expected the frequency dimension (3rd to the last) of the "
                           f"input tensor to match n_fft / 2 + 1 when onesided=True, but got "
                           f"{spectra.size(-1)}")
    for wrong, text in ((hop <= 0 or hop > width,
                         "expected 0 < hop_length <= win_length"),
                        (not 0 < width <= n_fft, "expected 0 < win_length <= n_fft"),
                        (window is not None and tuple(window.shape) != (width,),
                         "expected a 1D window tensor of size equal to win_length")):
        if wrong:
            raise RuntimeError(f"istft(): {text}")
    norm = "ortho" if normalized else None
    if return_complex:
        frames = fft.ifft(spectra, norm=norm)
    else:  # of two sides the first one counts
        frames = fft.irfft(spectra[..., :n_fft // 2 + 1], n_fft, norm=norm)
    shape = fitted_window(window, width, n_fft, frames)
    count, size = frames.size(1), n_fft + hop * (frames.size(1) - 1)
    places = from_array((np.arange(count)[:, None] * hop + np.arange(n_fft)).reshape(-1))

    def overlapped(x):
        flat = x.reshape(x.size(0), -1)
        return zeros(x.size(0), size, dtype=x.dtype).index_add(1, places, flat)

    signal = overlapped(frames * shape)
    weight = overlapped((shape * shape).expand(1, count, n_fft))
    start = n_fft // 2 if center else 0
    end = start + length if length is not None else size - (n_fft // 2 if center else 0)
    signal, weight = signal[:, start:end], weight[:, start:end]
    if weight.numel() and known(weight) and float(weight.abs().min()) < 1e-11:
        raise RuntimeError("istft(): window overlap add min: 1")
    out = signal / weight
    if length is not None and out.size(1) < length:
        missing = zeros(out.size(0), length - out.size(1), dtype=out.dtype)
        from compat.torch.joining import cat

        out = cat([out, missing], 1)
    return out if input.dim() == 3 else out.squeeze(0)
