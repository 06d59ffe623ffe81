"""jax.nn: activations, softmax and their kin."""

from __future__ import annotations

from compat.jax import face
from compat.jax.nn import initializers
from minigrad.numpy import nn as functions

(celu, elu, gelu, glu, hard_sigmoid, hard_silu, hard_tanh, leaky_relu, log_sigmoid, log_softmax,
 mish, relu6, selu, sigmoid, silu, soft_sign, softmax, softplus, sparse_plus, sparse_sigmoid,
 squareplus, standardize, relu, one_hot) = (face.eager(getattr(functions, name), arrays=names)
    for name, names in functions.ARRAYS.items())
swish, hard_swish = silu, hard_silu
logsumexp = face.boxed(functions.logsumexp)
identity = face.eager(lambda x: x, "identity", ("x",))
LAZY = {"dot_product_attention": "attention", "log1mexp": "attention", "logmeanexp": "attention"}


def __getattr__(name: str):
    """Functions in JAX's idiom, which stand on jax.numpy."""
    import importlib

    if name == "tanh":
        return importlib.import_module("compat.jax.numpy").tanh
    if name in LAZY:
        return getattr(importlib.import_module(f"compat.jax.nn.{LAZY[name]}"), name)
    raise AttributeError(f"module 'jax.nn' has no attribute {name!r}")
