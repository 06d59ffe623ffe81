"""jax.nn.initializers: functions of (key, shape, dtype)."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

from compat.jax import numpy as jnp
from compat.jax import random


def zeros(key, shape, dtype=None, out_sharding=None):
    """Zeros."""
    return jnp.zeros(shape, dtype)


def ones(key, shape, dtype=None, out_sharding=None):
    """Ones."""
    return jnp.ones(shape, dtype)


def constant(value, dtype=None):
    """An initializer of one value."""
    default = dtype

    def init(key, shape, dtype=default, out_sharding=None):
        return jnp.full(shape, value, jnp.float32 if dtype is None else dtype)

    return init


def drawn(draw: Callable, scale, default):
    """An initializer of random numbers, times `scale`."""
    def init(key, shape, dtype=default, out_sharding=None):
        numbers = draw(key, shape=shape, dtype=dtype)
        return numbers * jnp.array(scale, numbers.dtype)

    return init


def uniform(scale=1e-2, dtype=None):
    """Uniform numbers in [0, scale)."""
    return drawn(random.uniform, scale, dtype)


def normal(stddev=1e-2, dtype=None):
    """Normal numbers with a standard deviation."""
    return drawn(random.normal, stddev, dtype)


def truncated_normal(stddev=1e-2, dtype=None, lower=-2.0, upper=2.0):
    """Normal numbers between bounds."""
    draw = functools.partial(random.truncated_normal, lower=lower, upper=upper)
    return drawn(draw, stddev, dtype)


def fans(shape, in_axis, out_axis, batch_axis) -> tuple[float, float]:
    """(how many inputs, how many outputs) a weight of this shape has."""
    def size(axes):
        axes = (axes,) if isinstance(axes, int) else axes
        return math.prod(shape[a] for a in axes)

    if len(shape) <= 1:
        raise ValueError("Can't compute input and output sizes of a "
                         f"{len(shape)}-dimensional weights tensor. Must be at least 2D.")
    receptive = math.prod(shape) / size(in_axis) / size(out_axis) / size(batch_axis)
    return size(in_axis) * receptive, size(out_axis) * receptive


def variance_scaling(scale, mode, distribution, in_axis=-2, out_axis=-1, batch_axis=(),
                     dtype=None):
    """Numbers whose variance is `scale` divided by the fan that `mode` names."""
    default = dtype

    def init(key, shape, dtype=default, out_sharding=None):
        dtype = jnp.float32 if dtype is None else dtype
        fan_in, fan_out = fans(tuple(shape), in_axis, out_axis, batch_axis)
        denominators = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2,
                        "fan_geo_avg": (fan_in * fan_out) ** 0.5}
        if mode not in denominators:
            raise ValueError(f"invalid mode for variance scaling initializer: {mode}")
        variance = jnp.array(scale / denominators[mode], dtype)
        if distribution == "normal":
            return random.normal(key, shape, dtype) * jnp.sqrt(variance)
        if distribution == "uniform":
            return random.uniform(key, shape, dtype, -1) * jnp.sqrt(3 * variance)
        if distribution == "truncated_normal":
            # The standard deviation of a normal number cut off at two.
            stddev = jnp.sqrt(variance) / jnp.array(0.87962566103423978, dtype)
            return random.truncated_normal(key, -2, 2, shape, dtype) * stddev
        raise ValueError("invalid distribution for variance scaling initializer: "
                         f"{distribution}")

    return init


def scaled(name: str, scale: float, mode: str, distribution: str):
    def make(in_axis=-2, out_axis=-1, batch_axis=(), dtype=None):
        return variance_scaling(scale, mode, distribution, in_axis, out_axis, batch_axis, dtype)

    make.__name__ = name
    make.__doc__ = f"Variance {scale:g} / {mode}, {distribution}."
    return make


glorot_uniform = xavier_uniform = scaled("glorot_uniform", 1.0, "fan_avg", "uniform")
glorot_normal = xavier_normal = scaled("glorot_normal", 1.0, "fan_avg", "truncated_normal")
lecun_uniform = scaled("lecun_uniform", 1.0, "fan_in", "uniform")
lecun_normal = scaled("lecun_normal", 1.0, "fan_in", "truncated_normal")
he_uniform = kaiming_uniform = scaled("he_uniform", 2.0, "fan_in", "uniform")
he_normal = kaiming_normal = scaled("he_normal", 2.0, "fan_in", "truncated_normal")


def orthogonal(scale=1.0, column_axis=-1, dtype=None):
    """Orthonormal columns (or rows), times `scale`."""
    default = dtype

    def init(key, shape, dtype=default, out_sharding=None):
        dtype = jnp.float32 if dtype is None else dtype
        if len(shape) < 2:
            raise ValueError("orthogonal initializer requires at least a 2D shape")
        columns = shape[column_axis]
        rows = math.prod(shape) // columns
        q = random.orthogonal(key, rows, (), dtype, columns)
        kept = [n for i, n in enumerate(shape) if i != column_axis % len(shape)]
        q = jnp.moveaxis(q.reshape(*kept, columns), -1, column_axis)
        return jnp.array(scale, dtype) * q

    return init


def delta_orthogonal(scale=1.0, column_axis=-1, dtype=None):
    """Convolution kernels that are zero but for an orthogonal matrix in the middle."""
    default = dtype

    def init(key, shape, dtype=default, out_sharding=None):
        dtype = jnp.float32 if dtype is None else dtype
        if len(shape) not in (3, 4, 5):
            raise ValueError("Delta orthogonal initializer requires a 3D, 4D, or 5D shape.")
        if shape[-1] < shape[-2]:
            raise ValueError("`fan_in` must be less or equal than `fan_out`. ")
        matrix = orthogonal(scale, column_axis, dtype)(key, shape[-2:])
        middle = tuple((n - 1) // 2 for n in shape[:-2])
        return jnp.zeros(shape, dtype).at[middle].set(matrix)

    return init


class Initializer:
    """What `init(key, shape, dtype)` is: a type for annotations."""

    def __call__(self, key, shape, dtype=None, out_sharding=None):
        raise NotImplementedError
