"""`torch.signal`: windows for spectra."""

from compat.torch.signal import windows

__all__ = ["windows"]
