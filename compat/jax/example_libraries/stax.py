"""jax.example_libraries.stax: networks as pairs (init_fun, apply_fun).

`init_fun(rng, input_shape)` gives (output_shape, params); `apply_fun(params, inputs, rng=...)`
gives the outputs. A layer is such a pair, and so is a network.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

from compat.jax import lax, random
from compat.jax import numpy as jnp
from compat.jax.nn import (
    elu, gelu, leaky_relu, log_softmax, relu, selu, sigmoid, softmax, softplus, standardize,
)
from compat.jax.nn.initializers import glorot_normal, normal, ones, zeros

glorot, randn, logsoftmax = glorot_normal, normal, log_softmax

# ------------------------------------------------------------------ layers with parameters


def Dense(out_dim, W_init=glorot_normal(), b_init=normal()):  # noqa: N802, B008
    """Inputs times a matrix, plus a vector."""
    def init_fun(rng, input_shape):
        k1, k2 = random.split(rng)
        weights = W_init(k1, (input_shape[-1], out_dim)), b_init(k2, (out_dim,))
        return (*input_shape[:-1], out_dim), weights

    def apply_fun(params, inputs, **kwargs):
        W, b = params
        return jnp.dot(inputs, W) + b

    return init_fun, apply_fun


def kernel_shape(dimension_numbers, out_chan, filter_shape, input_shape) -> list[int]:
    lhs_spec, rhs_spec, _ = dimension_numbers
    sizes = iter(filter_shape)
    return [out_chan if c == "O" else input_shape[lhs_spec.index("C")] if c == "I" else next(sizes)
            for c in rhs_spec]


def convolution(shape_of: Callable, convolve: Callable) -> Callable:
    """A layer of `convolve`, whose results have the shape that `shape_of` says."""
    def layer(dimension_numbers, out_chan, filter_shape, strides=None, padding="VALID",
              W_init=None, b_init=normal(1e-6)):  # noqa: B008
        _, rhs_spec, out_spec = dimension_numbers
        steps = strides or (1,) * len(filter_shape)
        make_kernel = W_init or glorot_normal(rhs_spec.index("I"), rhs_spec.index("O"))

        def init_fun(rng, input_shape):
            shape = kernel_shape(dimension_numbers, out_chan, filter_shape, input_shape)
            output_shape = shape_of(input_shape, shape, steps, padding, dimension_numbers)
            bias_shape = [out_chan if c == "C" else 1 for c in out_spec]
            k1, k2 = random.split(rng)
            return output_shape, (make_kernel(k1, shape), b_init(k2, bias_shape))

        def apply_fun(params, inputs, **kwargs):
            W, b = params
            return convolve(inputs, W, steps, padding, dimension_numbers=dimension_numbers) + b

        return init_fun, apply_fun

    return layer


GeneralConv = convolution(lax.conv_general_shape_tuple, lambda x, w, strides, padding, **numbers:
                          lax.conv_general_dilated(x, w, strides, padding, (1,) * len(strides),
                                                   (1,) * len(strides), **numbers))
GeneralConvTranspose = convolution(lax.conv_transpose_shape_tuple, lax.conv_transpose)
GeneralConv.__doc__ = "A convolution in any layout, plus a vector of the channels."
GeneralConvTranspose.__doc__ = "A transposed convolution in any layout."
Conv = functools.partial(GeneralConv, ("NHWC", "HWIO", "NHWC"))
Conv1DTranspose = functools.partial(GeneralConvTranspose, ("NHC", "HIO", "NHC"))
ConvTranspose = functools.partial(GeneralConvTranspose, ("NHWC", "HWIO", "NHWC"))


def BatchNorm(axis=(0, 1, 2), epsilon=1e-5, center=True, scale=True,  # noqa: N802
              beta_init=zeros, gamma_init=ones):
    """Standardized over `axis` by the batch itself, then scaled and shifted."""
    axis = (axis,) if isinstance(axis, int) else axis

    def init_fun(rng, input_shape):
        shape = tuple(d for i, d in enumerate(input_shape) if i not in axis)
        k1, k2 = random.split(rng)
        beta = beta_init(k1, shape) if center else ()
        return input_shape, (beta, gamma_init(k2, shape) if scale else ())

    def apply_fun(params, x, **kwargs):
        index = tuple(None if i in axis else slice(None) for i in range(jnp.ndim(x)))
        beta, gamma = params
        z = standardize(x, axis, epsilon=epsilon)
        z = gamma[index] * z if scale else z
        return z + beta[index] if center else z

    return init_fun, apply_fun


# ------------------------------------------------------------------ layers without


def elementwise(fun: Callable, **fun_kwargs):
    """A layer that applies a function to every element."""
    return (lambda rng, input_shape: (input_shape, ()),
            lambda params, inputs, **kwargs: fun(inputs, **fun_kwargs))


Tanh, Relu, Exp = elementwise(jnp.tanh), elementwise(relu), elementwise(jnp.exp)
LogSoftmax, Softmax = elementwise(log_softmax, axis=-1), elementwise(softmax, axis=-1)
Softplus, Sigmoid, Elu = elementwise(softplus), elementwise(sigmoid), elementwise(elu)
LeakyRelu, Selu, Gelu = elementwise(leaky_relu), elementwise(selu), elementwise(gelu)


def pooling(reducer: Callable, init_val, rescaler: Callable | None = None) -> Callable:
    def layer(window_shape, strides=None, padding="VALID", spec=None):
        steps = strides or (1,) * len(window_shape)
        place = (0, len(window_shape) + 1) if spec is None else (spec.index("N"), spec.index("C"))
        window, moves = list(window_shape), list(steps)
        for i in sorted(place):
            window.insert(i, 1)
            moves.insert(i, 1)
        rescale = rescaler and rescaler(window_shape, steps, padding)

        def init_fun(rng, input_shape):
            shape = lax.reduce_window_shape_tuple(input_shape, window, moves, lax.padtype_to_pads(
                input_shape, window, moves, padding))
            return shape, ()

        def apply_fun(params, inputs, **kwargs):
            out = lax.reduce_window(inputs, init_val, reducer, window, moves, padding)
            return rescale(out, inputs, place) if rescale else out

        return init_fun, apply_fun

    return layer


def by_window_size(window_shape, strides, padding) -> Callable:
    """Sums divided by how many elements each window has, which is fewer at the border."""
    def rescale(outputs, inputs, place):
        spatial = [n for i, n in enumerate(inputs.shape) if i not in place]
        sizes = lax.reduce_window(jnp.ones(spatial, inputs.dtype), 0.0, lax.add, window_shape,
                                  strides, padding)
        for i in sorted(place):
            sizes = jnp.expand_dims(sizes, i)
        return outputs / sizes

    return rescale


MaxPool, SumPool = pooling(lax.max, -jnp.inf), pooling(lax.add, 0.0)
AvgPool = pooling(lax.add, 0.0, by_window_size)
Flatten = (lambda rng, shape: ((shape[0], math.prod(shape[1:])), ()),
           lambda params, inputs, **kwargs: jnp.reshape(inputs, (inputs.shape[0], -1)))
Identity = (lambda rng, shape: (shape, ()), lambda params, inputs, **kwargs: inputs)


def FanOut(num):  # noqa: N802
    """The input, `num` times."""
    return (lambda rng, input_shape: ([input_shape] * num, ()),
            lambda params, inputs, **kwargs: [inputs] * num)


FanInSum = (lambda rng, shapes: (shapes[0], ()), lambda params, inputs, **kwargs: sum(inputs))


def FanInConcat(axis=-1):  # noqa: N802
    """Several inputs, joined along an axis."""
    def init_fun(rng, input_shape):
        ax = axis % len(input_shape[0])
        joined = sum(shape[ax] for shape in input_shape)
        return (*input_shape[0][:ax], joined, *input_shape[0][ax + 1:]), ()

    return init_fun, lambda params, inputs, **kwargs: jnp.concatenate(inputs, axis)


def Dropout(rate, mode="train"):  # noqa: N802
    """Keeps each element with probability `rate`, scaled up; needs `rng` in training."""
    def apply_fun(params, inputs, **kwargs):
        rng = kwargs.get("rng")
        if rng is None:
            raise ValueError(
                "Dropout layer requires apply_fun to be called with a PRNG key argument. That is, "
                "instead of `apply_fun(params, inputs)`, call it like `apply_fun(params, inputs, "
                "rng)` where `rng` is a PRNG key (e.g. from `jax.random.PRNGKey`).")
        if mode != "train":
            return inputs
        keep = random.bernoulli(rng, rate, inputs.shape)
        return jnp.where(keep, inputs / rate, 0)

    return (lambda rng, input_shape: (input_shape, ())), apply_fun


# ------------------------------------------------------------------ combinations


def keys_for(kwargs: dict, count: int):
    rng = kwargs.pop("rng", None)
    return random.split(rng, count) if rng is not None else (None,) * count


def serial(*layers):
    """Layers one after the other."""
    inits, applies = zip(*layers)

    def init_fun(rng, input_shape):
        params = []
        for init in inits:
            rng, own = random.split(rng)
            input_shape, param = init(own, input_shape)
            params.append(param)
        return input_shape, params

    def apply_fun(params, inputs, **kwargs):
        for apply, param, rng in zip(applies, params, keys_for(kwargs, len(layers))):
            inputs = apply(param, inputs, rng=rng, **kwargs)
        return inputs

    return init_fun, apply_fun


def parallel(*layers):
    """Layers side by side, each with an input of its own."""
    inits, applies = zip(*layers)

    def init_fun(rng, input_shape):
        rngs = random.split(rng, len(layers))
        return tuple(zip(*[init(k, shape) for init, k, shape in zip(inits, rngs, input_shape)]))

    def apply_fun(params, inputs, **kwargs):
        return [apply(p, x, rng=rng, **kwargs) for apply, p, x, rng in zip(
            applies, params, inputs, keys_for(kwargs, len(layers)))]

    return init_fun, apply_fun


def shape_dependent(make_layer: Callable):
    """A layer that `make_layer(input_shape)` makes when the shape is known."""
    return (lambda rng, input_shape: make_layer(input_shape)[0](rng, input_shape),
            lambda params, inputs, **kwargs: make_layer(inputs.shape)[1](params, inputs, **kwargs))
