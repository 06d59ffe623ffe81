"""Images: resizing, sampling at a grid, shuffling pixels into channels."""

from __future__ import annotations

import itertools
import math

import numpy as np

from compat.torch.creation import linspace, zeros
from compat.torch.nn.functional.pooling import adaptive_avg_pool1d, adaptive_avg_pool2d
from compat.torch.nn.functional.pooling import adaptive_avg_pool3d
from compat.torch.operation import operation
from compat.torch.selecting import where
from compat.torch.tensor import from_array
from minigrad.numpy.resizing import resized

# ------------------------------------------------------------------ resizing


resize_op = operation(resized, name="upsample", tensors=("input",))
RANKS = {"linear": (1,), "bilinear": (2,), "trilinear": (3,), "bicubic": (2,)}
AREA = {1: adaptive_avg_pool1d, 2: adaptive_avg_pool2d, 3: adaptive_avg_pool3d}


def interpolate(input, size=None, scale_factor=None, mode="nearest", align_corners=None,
                recompute_scale_factor=None, antialias=False):
    """(N, C, *space) in another size of space."""
    rank, space = input.dim() - 2, input.spec.shape[2:]
    if mode in ("nearest", "area", "nearest-exact"):
        if align_corners is not None:
            raise ValueError("align_corners option can only be set with the interpolating modes: "
                             "linear | bilinear | bicubic | trilinear")
    if mode not in (*RANKS, "nearest", "area", "nearest-exact") or rank not in (1, 2, 3):
        raise NotImplementedError("Input Error: Only 3D, 4D and 5D input Tensors supported (got "
                                  f"{input.dim()}D) for the modes: nearest | linear | bilinear | "
                                  f"bicubic | trilinear | area | nearest-exact (got {mode})")
    if (size is None) == (scale_factor is None):
        raise ValueError("only one of size or scale_factor should be defined" if size is not None
                         else "either size or scale_factor should be defined")
    if antialias and not (mode in ("bilinear", "bicubic") and rank == 2):
        raise ValueError("Anti-alias option is restricted to bilinear and bicubic modes and "
                         "requires a 4-D tensor as input")
    factors = [None] * rank
    if size is not None:
        sizes = [int(n) for n in size] if isinstance(size, (tuple, list)) else [int(size)] * rank
    else:
        factors = list(scale_factor) if isinstance(scale_factor, (tuple, list)) else \
            [scale_factor] * rank
        sizes = [math.floor(n * float(f)) for n, f in zip(space, factors)]
        factors = [None] * rank if recompute_scale_factor else list(map(float, factors))
    if len(sizes) != rank:
        raise ValueError("Input and output must have the same number of spatial dimensions, but "
                         f"got input with spatial dimensions of {list(space)} and output size of "
                         f"{size}. Please provide input tensor in (N, C, d1, d2, ...,dK) format "
                         "and output size in (o1, o2, ...,oK) format.")
    if mode == "area":
        return AREA[rank](input, sizes)
    if mode in RANKS and rank not in RANKS[mode]:
        raise NotImplementedError(f"Got {input.dim()}D input, but {mode} mode needs "
                                  f"{RANKS[mode][0] + 2}D input")
    return resize_op(input, tuple(sizes), mode, bool(align_corners), tuple(factors), antialias)


def upsample(input, size=None, scale_factor=None, mode="nearest", align_corners=None):
    """An old name of `interpolate`."""
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(input, size=None, scale_factor=None):
    return interpolate(input, size, scale_factor, "nearest")


def upsample_bilinear(input, size=None, scale_factor=None):
    return interpolate(input, size, scale_factor, "bilinear", True)


# ------------------------------------------------------------------ sampling


def affine_grid(theta, size, align_corners=None):
    """Positions in [-1, 1] for `grid_sample`: theta (N, rank, rank + 1) times each place."""
    space = tuple(size)[2:]
    rank = len(space)
    if theta.dim() != 3 or theta.spec.shape[1:] != (rank, rank + 1):
        raise ValueError(f"Expected a batch of {rank}D affine matrices of shape "
                         f"Nx{rank}x{rank + 1} for size {list(size)}. Got {theta.shape}.")
    lines = []
    for n in space:  # rounded as PyTorch does: a pixel's own place must be met exactly
        line = linspace(-1, 1, n, dtype=theta.dtype) if n > 1 else zeros(1, dtype=theta.dtype)
        lines.append((line if align_corners else line * (n - 1) / n).numpy())
    grid = np.stack([*np.meshgrid(*lines, indexing="ij")[::-1],
                     np.ones(space, theta.spec.dtype)], -1)
    base = from_array(grid.reshape(1, -1, rank + 1))
    base = base.expand(theta.spec.shape[0], -1, -1)
    return (base @ theta.transpose(1, 2)).reshape(theta.spec.shape[0], *space, rank)


def reflected(x, low: float, high: float):
    """x folded back into [low, high]."""
    if low == high:
        return x * 0
    span = high - low
    distance = (x - low).abs()
    flips = (distance / span).floor()
    extra = distance - flips * span
    return where(flips % 2 == 0, extra + low, span - extra + low)


def into_image(x, n: int, padding_mode: str, align_corners: bool):
    """Positions outside moved inside, as the padding mode has it."""
    if padding_mode == "reflection":
        x = reflected(x, 0, n - 1) if align_corners else reflected(x, -0.5, n - 0.5)
    return x if padding_mode == "zeros" else x.clamp(0, n - 1)


def grid_sample(input, grid, mode="bilinear", padding_mode="zeros", align_corners=None):
    """(N, C, *space) at positions (N, *out, rank) in [-1, 1], the last dimension first."""
    if mode not in ("bilinear", "nearest", "bicubic"):
        raise ValueError("nn.functional.grid_sample(): expected mode to be 'bilinear', 'nearest' or"
                         f" 'bicubic', but got: '{mode}'")
    if padding_mode not in ("zeros", "border", "reflection"):
        raise ValueError("nn.functional.grid_sample(): expected padding_mode to be 'zeros', "
                         f"'border', or 'reflection', but got: '{padding_mode}'")
    batch, channels, *space = input.spec.shape
    rank, out, align = len(space), grid.spec.shape[1:-1], bool(align_corners)
    places = []
    for i, n in enumerate(space):
        x = grid[..., rank - 1 - i]
        x = (x + 1) * ((n - 1) / 2) if align else (x + 1) * (n / 2) - 0.5
        places.append(x if mode == "bicubic" else into_image(x, n, padding_mode, align))
    flat = input.flatten(2)

    def at(corner):
        """The image at whole positions; zero outside."""
        index, inside = 0, None
        for i, n in zip(corner, space):
            if mode == "bicubic":
                i = into_image(i, n, padding_mode, align)
            here = (i >= 0) & (i <= n - 1)
            inside = here if inside is None else inside & here
            index = index * n + i.clamp(0, n - 1)
        index = index.masked_fill(~inside, 0).long().flatten(1)
        index = index.unsqueeze(1).expand(-1, channels, -1)
        values = flat.gather(2, index).reshape(batch, channels, *out)
        return values * inside.unsqueeze(1).to(values.dtype)

    if mode == "nearest":
        return at([x.detach().round() for x in places]) + grid.sum(-1).unsqueeze(1) * 0
    reach = range(2) if mode == "bilinear" else range(-1, 3)
    lows = [x.detach().floor() for x in places]
    total = 0
    for steps in itertools.product(reach, repeat=rank):
        weight = 1
        for step, low, x in zip(steps, lows, places):
            distance = x - low - step
            weight = weight * (cubic_weight(distance, step) if mode == "bicubic" else
                               1 - distance if step == 0 else 1 + distance)
        total = total + at([low + step for low, step in zip(lows, steps)]) * weight.unsqueeze(1)
    return total


def cubic_weight(distance, step: int, a: float = -0.75):
    x = distance if step <= 0 else -distance
    if step in (0, 1):
        return ((a + 2) * x - (a + 3)) * x * x + 1
    return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a


# ------------------------------------------------------------------ pixels and channels


def pixel_shuffle(input, upscale_factor):
    """(..., C r^2, H, W) -> (..., C, H r, W r). Source: Shi et al. (2016)."""
    *batch, c, h, w = input.spec.shape
    r = upscale_factor
    if c % (r * r):
        raise RuntimeError("pixel_shuffle expects its input's 'channel' dimension to be divisible "
                           f"by the square of upscale_factor, but input.size(-3)={c} is not "
                           f"divisible by {r * r}")
    x, n = input.reshape(*batch, c // r ** 2, r, r, h, w), len(batch)
    return x.permute(*range(n), n, n + 3, n + 1, n + 4, n + 2).reshape(
        *batch, c // r ** 2, h * r, w * r)


def pixel_unshuffle(input, downscale_factor):
    """The inverse of pixel_shuffle."""
    *batch, c, h, w = input.spec.shape
    r = downscale_factor
    for name, size in (("height", h), ("width", w)):
        if size % r:
            raise RuntimeError(f"pixel_unshuffle expects {name} to be divisible by "
                               f"downscale_factor, but input.size({-2 if name == 'height' else -1}"
                               f")={size} is not divisible by {r}")
    x, n = input.reshape(*batch, c, h // r, r, w // r, r), len(batch)
    return x.permute(*range(n), n, n + 2, n + 4, n + 1, n + 3).reshape(
        *batch, c * r ** 2, h // r, w // r)


def channel_shuffle(input, groups):
    """Channels of all groups in turn."""
    n, c, *space = input.spec.shape
    if c % groups:
        raise RuntimeError(f"Number of channels must be divisible by groups. Got {c} channels and "
                           f"{groups} groups.")
    return input.reshape(n, groups, c // groups, *space).transpose(1, 2).reshape(n, c, *space)


native_channel_shuffle = channel_shuffle
