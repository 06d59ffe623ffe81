"""`torch.nn.utils.parametrizations`."""

from compat.torch.nn.utils.weights import parametrized_spectral_norm as spectral_norm
from compat.torch.nn.utils.weights import parametrized_weight_norm as weight_norm

__all__ = ["spectral_norm", "weight_norm"]
