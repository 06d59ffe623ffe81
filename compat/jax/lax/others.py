"""jax.lax: the functions that belong to no family, and the names of settings."""

from __future__ import annotations

import enum
import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from compat.jax import face
from compat.jax.array import as_array, canonical_dtype
from compat.jax.lax import elementwise
from compat.jax.lax.indexing import gather
from compat.jax.lax.shapes import broadcast_in_dim, reshape
from compat.jax.transforms import arrays, results
from kernels.indexing import GatherDimensionNumbers
from minigrad.core import aval_of, scalar_dtype, table
from minigrad.numpy import creation, promotion
from minigrad.ops.families import dtype_kind
from minigrad.ops.fft import FftType
from minigrad.ops.generators import RandomAlgorithm

DotDimensionNumbers = tuple[tuple[Any, Any], tuple[Any, Any]]
PrecisionLike = Any  # None, a name, a Precision, a DotAlgorithmPreset, or a pair


class AccuracyMode(enum.Enum):
    HIGHEST, DEFAULT = 1, 2


@dataclass(frozen=True)
class Tolerance:
    """How far a result may be off."""

    atol: float = 0.0
    rtol: float = 0.0
    ulps: int = 0


class DotAlgorithm(NamedTuple):
    """The types a product is computed in."""

    lhs_precision_type: Any
    rhs_precision_type: Any
    accumulation_type: Any
    lhs_component_count: int = 1
    rhs_component_count: int = 1
    num_primitive_operations: int = 1
    allow_imprecise_accumulation: bool = False


DotAlgorithmPreset = enum.Enum("DotAlgorithmPreset", [  # type: ignore[misc]
    "DEFAULT", "ANY_F8_ANY_F8_F32", "ANY_F8_ANY_F8_F32_FAST_ACCUM", "ANY_F8_ANY_F8_ANY",
    "ANY_F8_ANY_F8_ANY_FAST_ACCUM", "F16_F16_F16", "F16_F16_F32", "BF16_BF16_BF16",
    "BF16_BF16_F32", "BF16_BF16_F32_X3", "BF16_BF16_F32_X6", "BF16_BF16_F32_X9",
    "TF32_TF32_F32", "TF32_TF32_F32_X3", "F32_F32_F32", "F64_F64_F64"])


# ------------------------------------------------------------------ shapes


def broadcast_shapes(*shapes):
    """The shape that shapes broadcast to, ranks being filled up in front."""
    return promotion.broadcast_shapes(*shapes)


def broadcast_like(arr, like_arr):
    """`arr` in the shape of another array."""
    arr, shape = as_array(arr), as_array(like_arr).shape
    return broadcast_in_dim(arr, shape, range(len(shape) - arr.ndim, len(shape)))


def collapse(operand, start_dimension, stop_dimension=None):
    """Neighbouring axes as one."""
    operand = as_array(operand)
    lo, hi, _ = slice(start_dimension, stop_dimension).indices(operand.ndim)
    if hi < lo:
        raise ValueError(f"Invalid dimension range passed to collapse: {operand.shape}"
                         f"[{start_dimension}:{stop_dimension}]")
    size = int(np.prod(operand.shape[lo:hi], dtype=np.int64))
    return reshape(operand, (*operand.shape[:lo], size, *operand.shape[hi:]))


def dtype(x) -> np.dtype:
    """The dtype of a value."""
    return aval_of(x).dtype


def empty(shape, dtype, *, out_sharding=None):
    """An array whose numbers nobody may rely on: zeros here."""
    return face.boxed(creation.zeros)(tuple(shape), dtype)


def shape_as_value(shape):
    """A shape as a vector of integers."""
    return as_array(np.asarray(shape, scalar_dtype(int)))


def stack(operands, axis=0):
    """Arrays of one shape along a new axis."""
    operands = [as_array(x) for x in operands]
    return as_array(table["stack"](*operands, axis=axis % (operands[0].ndim + 1)))


def unstack(x, axis=0):
    """The arrays along an axis."""
    x = as_array(x)
    return tuple(map(as_array, table["unstack"](x, axis=axis % x.ndim)))


def index_take(src, idxs, axes):
    """Slices of size one at computed positions along several axes, these axes left out."""
    src = as_array(src)
    indices = elementwise_concatenate([as_array(i) for i in idxs])
    axes = tuple(a % src.ndim for a in axes)
    sizes = tuple(1 if i in axes else n for i, n in enumerate(src.shape))
    numbers = GatherDimensionNumbers(
        offset_dims=tuple(range(1, src.ndim - len(axes) + 1)), collapsed_slice_dims=axes,
        start_index_map=axes)
    return gather(src, indices, numbers, sizes)


def elementwise_concatenate(columns):
    from compat.jax.lax.shapes import concatenate

    return concatenate([reshape(c, (*c.shape, 1)) for c in columns], columns[0].ndim)


# ------------------------------------------------------------------ order and effects


class Token:
    """What orders effects: they happen in the order of the program here."""


def create_token(_=None) -> Token:
    """A token."""
    return Token()


def after_all(*operands) -> Token:
    """A token behind others."""
    return Token()


def optimization_barrier(operand, /):
    """The operand: nothing is moved across calls here that could change a value."""
    return arrays(operand)


def dce_sink(val, *, prevent_mlir_dce=False) -> None:
    """Says that a value is used."""


def stage(x, /):
    """The value itself."""
    return as_array(x)


def with_sharding_constraint(x, shardings):
    """The value: every shard is on this machine."""
    return arrays(x)


def composite(decomposition: Callable, name: str, version: int = 0) -> Callable:
    """A function under a name; keyword arguments are its attributes."""

    @functools.wraps(decomposition)
    def call(*args, **kwargs):
        return results(decomposition(*arrays(args), **kwargs))

    return call


def platform_dependent(*args, default=None, **per_platform):
    """The function for this platform."""
    chosen = per_platform.get("cpu", default)
    if chosen is None:
        raise ValueError("platform_dependent: no function for platform 'cpu' and no default")
    return chosen(*args)


# ------------------------------------------------------------------ numbers


igamma_grad_a = elementwise.strict("igamma_grad_a", names="ax")
betainc = elementwise.strict("regularized_incomplete_beta", names="abx")


def random_gamma_grad(a, x, *, dtype=None):
    """The derivative of a gamma sample by its parameter: -dP/da / p(x) where P(a, x) is fixed."""
    from compat.jax.lax.elementwise import div, exp, lgamma, log, mul, neg, sub

    a, x = as_array(a), as_array(x)
    density = exp(sub(mul(sub(a, as_array(np.ones((), a.dtype))), log(x)),
                      elementwise.add(x, lgamma(a))))
    return neg(div(igamma_grad_a(a, x), density))


def reduce_precision(operand, exponent_bits, mantissa_bits):
    """Rounded as if a float had fewer bits."""
    return as_array(table["reduce_precision"](
        as_array(operand), exponent_bits=int(exponent_bits), mantissa_bits=int(mantissa_bits)))


def mulhi(x, y, /):
    """The upper half of the bits of a product of integers."""
    x, y = as_array(x), as_array(y)
    if dtype_kind(x.dtype) not in "iu" or x.dtype != y.dtype:
        raise TypeError(f"mulhi requires integers of one dtype, got {x.dtype} and {y.dtype}")
    from compat.jax import numpy as jnp

    half = x.dtype.itemsize * 4
    unsigned = np.dtype(f"u{x.dtype.itemsize}")
    mask = np.array(2 ** half - 1, unsigned)
    shift = np.array(half, unsigned)
    a, b = x.astype(unsigned), y.astype(unsigned)
    a0, a1, b0, b1 = a & mask, a >> shift, b & mask, b >> shift
    low = a0 * b0
    middle = a1 * b0 + (low >> shift)
    other = a0 * b1 + (middle & mask)
    high = a1 * b1 + (middle >> shift) + (other >> shift)
    if dtype_kind(x.dtype) == "i":
        zero = np.zeros((), unsigned)
        high = high - jnp.where(x < 0, b, zero) - jnp.where(y < 0, a, zero)
    return high.astype(x.dtype)


def fft(x, fft_type, fft_lengths):
    """A discrete Fourier transform over the last axes: "FFT", "IFFT", "RFFT" or "IRFFT"."""
    kind = fft_type if isinstance(fft_type, FftType) else FftType[str(fft_type).upper()]
    return as_array(table["fft"](as_array(x), fft_type=kind,
                                 fft_lengths=tuple(map(int, fft_lengths))))


def approx_max_k(operand, k, reduction_dimension=-1, recall_target=0.95,
                 reduction_input_size_override=-1, aggregate_to_topk=True):
    """The k largest along an axis, and their positions: exact here."""
    return approx_k(operand, True, k=k, reduction_dimension=reduction_dimension,
                    recall_target=recall_target, aggregate_to_topk=aggregate_to_topk,
                    reduction_input_size_override=reduction_input_size_override)


def approx_min_k(operand, k, reduction_dimension=-1, recall_target=0.95,
                 reduction_input_size_override=-1, aggregate_to_topk=True):
    """The k smallest along an axis, and their positions: exact here."""
    return approx_k(operand, False, k=k, reduction_dimension=reduction_dimension,
                    recall_target=recall_target, aggregate_to_topk=aggregate_to_topk,
                    reduction_input_size_override=reduction_input_size_override)


def approx_k(x, is_max_k: bool, **params) -> list:
    return [as_array(out) for out in table["approx_top_k"](as_array(x), is_max_k=is_max_k,
                                                           **params)]


# ------------------------------------------------------------------ random bits


def rng_bit_generator(key, shape, dtype=np.uint32, algorithm=RandomAlgorithm.RNG_DEFAULT, *,
                      out_sharding=None):
    """(new state, bits) of XLA's generators, bit for bit; the default is Philox, as on its CPU."""
    return tuple(map(as_array, table["rng_bit_generator"](
        as_array(key), shape=tuple(shape), dtype=canonical_dtype(dtype), algorithm=algorithm,
        out_sharding=None)))


def rng_uniform(a, b, shape):
    """Uniform numbers in [a, b), from NumPy's generator: stateful and not to be repeated."""
    a, b = as_array(a), as_array(b)
    u = as_array(np.random.random_sample(tuple(shape)).astype(a.dtype))
    return a + u * (b - a)


