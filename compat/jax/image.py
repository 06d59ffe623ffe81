"""jax.image: images in other sizes, by separable kernels."""

from __future__ import annotations

import enum
from collections.abc import Sequence

import numpy as np

from compat.jax import numpy as jnp
from compat.jax.functions.common import promoted_inexact
from minigrad.scipy.resampling import keys_cubic, lanczos, scaled, triangle


class ResizeMethod(enum.Enum):
    NEAREST, LINEAR, LANCZOS3, LANCZOS5, CUBIC = range(5)

    @staticmethod
    def from_string(s: str) -> ResizeMethod:
        """The method of a name."""
        names = {"nearest": 0, "linear": 1, "bilinear": 1, "trilinear": 1, "triangle": 1,
                 "lanczos3": 2, "lanczos5": 3, "cubic": 4, "bicubic": 4, "tricubic": 4}
        if s not in names:
            raise ValueError(f'Unknown resize method "{s}"')
        return ResizeMethod(names[s])


KERNELS = {ResizeMethod.LINEAR: triangle, ResizeMethod.CUBIC: keys_cubic,
           ResizeMethod.LANCZOS3: lanczos(3.0), ResizeMethod.LANCZOS5: lanczos(5.0)}


def as_method(method) -> ResizeMethod:
    return method if isinstance(method, ResizeMethod) else ResizeMethod.from_string(method)


def scale_and_translate(image, shape: Sequence[int], spatial_dims: Sequence[int], scale,
                        translation, method, antialias: bool = True, precision=None):
    """An image scaled and shifted along some axes; outside it is zero."""
    shape = tuple(shape)
    if len(shape) != image.ndim:
        raise ValueError("shape must have length equal to the number of dimensions of x; "
                         f"{shape} vs {image.shape}")
    chosen = as_method(method)
    if chosen is ResizeMethod.NEAREST:
        raise ValueError("Nearest neighbor resampling is not currently supported for "
                         "scale_and_translate.")
    (x,) = promoted_inexact(image)
    scale, translation = promoted_inexact(jnp.asarray(scale), jnp.asarray(translation))
    axes = [d % x.ndim for d in spatial_dims]
    return scaled(x, shape, axes, scale, translation, KERNELS[chosen], antialias, precision)


def resize(image, shape: Sequence[int], method, antialias: bool = True, precision=None):
    """An image in another shape: "nearest", "linear", "cubic", "lanczos3" or "lanczos5"."""
    shape = tuple(shape)
    if len(shape) != image.ndim:
        raise ValueError("shape must have length equal to the number of dimensions of x; "
                         f"{shape} vs {image.shape}")
    chosen = as_method(method)
    axes = [i for i in range(image.ndim) if shape[i] != image.shape[i]]
    if chosen is ResizeMethod.NEAREST:
        for i in axes:
            n, m = image.shape[i], shape[i]
            place = jnp.floor((jnp.arange(m, dtype=np.float32) + 0.5) * n / m).astype(np.int32)
            image = jnp.take(image, place, axis=i)
        return image
    (x,) = promoted_inexact(image)
    scale = [1.0 if shape[i] == 0 else shape[i] / x.shape[i] for i in axes]
    return scaled(x, shape, axes, scale, [0.0] * len(axes), KERNELS[chosen], antialias, precision)
