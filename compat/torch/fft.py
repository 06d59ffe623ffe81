"""`torch.fft`: Fourier transforms, one body for all: fit the sizes, transform, scale."""

from __future__ import annotations

import math

import numpy as np

from compat.torch import joining as j
from compat.torch.creation import finish
from compat.torch.dtypes import SCALAR_NAMES, to_numpy_or_none
from compat.torch.operation import operation
from compat.torch.pointwise import floating, is_complex
from compat.torch.promotion import COMPLEX, cast
from compat.torch.signatures import public
from compat.torch.tensor import of_face, wrap_dim
from minigrad.core import aval_of, config, table
from minigrad.ops.families import dtype_kind
from minigrad.ops.fft import FftType

SCALES = {  # the power of the number of points that a forward transform is divided by
    None: 0.0, "backward": 0.0, "ortho": 0.5, "forward": 1.0,
}


def fitted(x, sizes, dims):
    """Cut or padded with zeros at the end of each dimension."""
    for n, d in zip(sizes, dims):
        have = aval_of(x).shape[d]
        if n < have:
            x = x.narrow(d, 0, n)
        elif n > have:
            pad = tuple((0, n - have if i == d else 0, 0) for i in range(len(aval_of(x).shape)))
            x = of_face(table["pad"](x, np.zeros((), aval_of(x).dtype)[()], padding_config=pad))
    return x


def transformed(input, kind, sizes, dims, power):
    """The transform of `kind` over `dims`, times (number of points) ** power."""
    x = floating(input)
    if dtype_kind(aval_of(x).dtype) == "f" and aval_of(x).dtype.itemsize < 4:
        raise RuntimeError(f"Unsupported dtype {SCALAR_NAMES[aval_of(x).dtype.name]}")
    if kind != FftType.RFFT and not is_complex(x):
        x = cast(x, COMPLEX[2 * aval_of(x).dtype.itemsize])
    x, places = of_face(x), tuple(range(-len(dims), 0))
    half = sizes[:-1] + (sizes[-1] // 2 + 1,) if kind == FftType.IRFFT else sizes
    x = fitted(x, half, dims).movedim(dims, places)
    # np.fft transforms at most three axes of one primitive: the others go first, one by one
    out = of_face(table["fft"](x, fft_type=kind, fft_lengths=sizes[-3:]))
    for d in range(len(dims) - 3):
        rest = FftType.FFT if kind == FftType.RFFT else FftType.IFFT if kind == FftType.IRFFT \
            else kind
        moved = out.movedim(places[d], -1)
        out = of_face(table["fft"](moved, fft_type=rest, fft_lengths=(sizes[d],))).movedim(
            -1, places[d])
    out = out.movedim(places, dims)
    count = math.prod(sizes)
    return out if not power else out * count ** power


OPS = {kind: operation(transformed, name=name, tensors=("input",)) for kind, name in (
    (FftType.FFT, "fft_c2c"), (FftType.IFFT, "fft_c2c"), (FftType.RFFT, "fft_r2c"),
    (FftType.IRFFT, "fft_c2r"))}


def sizes_and_dims(name: str, input, s, dim, default, last_grows: bool):
    """(size, dimension) of every axis to transform."""
    ndim, shape = len(input.spec.shape), input.spec.shape
    s = (s,) if isinstance(s, int) else None if s is None else tuple(s)
    dim = (dim,) if isinstance(dim, int) else dim
    if dim is None:
        dim = default if default is not None else range(ndim) if s is None else \
            range(ndim - len(s), ndim)
        if s is not None and len(s) > ndim:
            raise RuntimeError(f"Got shape with {len(s)} values but input tensor only has "
                               f"{ndim} dimensions.")
    dims = tuple(wrap_dim(d, ndim) for d in dim)
    if len(set(dims)) != len(dims):
        raise RuntimeError("FFT dims must be unique")
    if s is not None and len(s) != len(dims):
        raise RuntimeError("When given, dim and shape arguments must have the same length")
    sizes = [shape[d] for d in dims] if s is None else \
        [shape[d] if n == -1 else n for n, d in zip(s, dims)]
    if last_grows and dims and (s is None or s[-1] == -1):
        sizes[-1] = 2 * (shape[dims[-1]] - 1)
    if not dims:
        raise RuntimeError(f"{name} must transform at least one axis")
    for n in sizes:
        if n < 1:
            raise RuntimeError(f"Invalid number of data points ({n}) specified")
    return tuple(sizes), dims


def fourier(name: str, kind, swapped: bool = False):
    """fft, fft2 and fftn of one kind. `swapped`: of a Hermitian signal, whose transform is the
    inverse one of its conjugate."""
    inverse = kind in (FftType.IFFT, FftType.IRFFT)

    def run(input, s, dim, norm, default):
        if norm not in SCALES:
            raise RuntimeError(f'Invalid normalization mode: "{norm}"')
        if kind == FftType.RFFT and is_complex(input):
            raise RuntimeError(f"{name} expects a real input tensor, but got "
                               f"{SCALAR_NAMES[input.spec.dtype.name]}")
        sizes, dims = sizes_and_dims(name, input, s, dim, default, kind == FftType.IRFFT)
        power = SCALES[norm]
        if swapped:
            power = 1 - power if inverse else power - 1
            x = input.conj() if inverse else input
            out = OPS[kind](x, kind, sizes, dims, power)
            return out if inverse else out.conj()
        return OPS[kind](input, kind, sizes, dims, power if inverse else -power)

    def one(input, n=None, dim=-1, norm=None):
        return run(input, None if n is None else (n,), (dim,), norm, None)

    def two(input, s=None, dim=(-2, -1), norm=None):
        return run(input, s, dim, norm, None)

    def many(input, s=None, dim=None, norm=None):
        return run(input, s, dim, norm, None)

    made = {name: one, f"{name}2": two, f"{name}n": many}
    for key, fn in made.items():
        fn.__name__ = fn.__qualname__ = key
        fn.__doc__ = f"torch.fft.{key}: the discrete transform, over the given sizes and dims."
    return {key: public(fn) for key, fn in made.items()}


globals().update(
    fourier("fft", FftType.FFT) | fourier("ifft", FftType.IFFT) | fourier("rfft", FftType.RFFT)
    | fourier("irfft", FftType.IRFFT) | fourier("hfft", FftType.IRFFT, True)
    | fourier("ihfft", FftType.RFFT, True))


def frequencies(function):
    def fn(n, d=1.0, *, dtype=None, layout=None, device=None, requires_grad=False):
        kind = to_numpy_or_none(dtype) or config.default_dtype
        return finish((np.round(function(n, 1 / n)) / (n * d)).astype(kind), requires_grad)

    return fn


fftfreq, rfftfreq = frequencies(np.fft.fftfreq), frequencies(np.fft.rfftfreq)


def shifting(sign: int):
    def fn(input, dim=None):
        dims = tuple(range(input.dim())) if dim is None else (dim,) if isinstance(dim, int) \
            else tuple(dim)
        shifts = tuple((input.size(d) + (sign < 0)) // 2 for d in dims)
        return j.roll(input, shifts, dims) if dims else input.clone()

    return fn


fftshift, ifftshift = shifting(1), shifting(-1)
