"""Reading arrays between their elements."""

from __future__ import annotations

import functools
import itertools
import operator

import minigrad.numpy as mnp
from minigrad.ops.families import dtype_kind


def mirrored(index, n: int):
    """A triangular wave."""
    return mnp.abs((index + n - 1) % (2 * n - 2) - (n - 1)) if n > 1 else index * 0


def reflected(index, n: int):
    return mnp.floor_divide(mirrored(2 * index + 1, 2 * n + 1) - 1, 2)


# mode -> where an index outside is read
PLACES = {"constant": lambda i, n: i, "nearest": lambda i, n: mnp.clip(i, 0, n - 1),
          "wrap": lambda i, n: i % n, "mirror": mirrored, "reflect": reflected}


def nearest(coordinate):
    return [(mnp.astype(mnp.round(coordinate), int), mnp.ones((), coordinate.dtype))]


def linear(coordinate):
    low = mnp.floor(coordinate)
    weight = coordinate - low
    index = mnp.astype(low, int)
    return [(index, 1 - weight), (index + 1, weight)]


def map_coordinates(input, coordinates, order, mode="constant", cval=0.0):
    """`input` at real coordinates, an array of them for each axis. order: 0 takes the nearest
    element, 1 interpolates linearly. Source: scipy.ndimage."""
    input = mnp.asarray(input)
    coordinates = [mnp.asarray(c) for c in coordinates]
    if len(coordinates) != input.ndim:
        raise ValueError("coordinates must be a sequence of length input.ndim, but "
                         f"{len(coordinates)} != {input.ndim}")
    if mode not in PLACES:
        raise NotImplementedError("jax.scipy.ndimage.map_coordinates does not yet support mode "
                                  f"{mode}. Currently supported modes are {set(PLACES)}.")
    if order not in (0, 1):
        raise NotImplementedError("jax.scipy.ndimage.map_coordinates currently requires order<=1")
    cval = mnp.asarray(cval, input.dtype)
    parts = []
    for coordinate, n in zip(coordinates, input.shape):
        if dtype_kind(coordinate.dtype) in "iu":
            coordinate = mnp.astype(coordinate, float)
        found = (linear if order else nearest)(coordinate)
        parts.append([(PLACES[mode](i, n), (i >= 0) & (i < n) if mode == "constant" else True, w)
                      for i, w in found])
    total = []
    for corner in itertools.product(*parts):
        places, inside, weights = zip(*corner)
        value = mnp.where(functools.reduce(operator.and_, inside), input[places], cval)
        total.append(functools.reduce(operator.mul, weights) * value)
    result = functools.reduce(operator.add, total)
    if dtype_kind(input.dtype) in "iu":
        result = mnp.round(result)
    return mnp.astype(result, input.dtype)
