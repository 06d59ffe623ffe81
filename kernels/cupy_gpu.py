"""The primitives on CuPy's arrays: `implementations`, by name.

Four kinds, each in the place it belongs to:

* what CuPy has under its own name: the first table below;
* the NumPy kernels' text, run again with CuPy's functions (`twin`): most of the structured ones;
* kernels of our own, where both fail or would wait for the device: `segments.cu` (scatter), and
  what stands in this file;
* LAPACK's factorizations: `cupy_linalg`. A few have no device routine; they go through the host,
  say so once, and are listed in `cupy_linalg.ON_HOST`.

Names and parameters are those of `jax.lax`; the oracle is `kernels/reference.py`.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable
from typing import Any

import cupy
import numpy as np

from kernels import cupy_arrays, cupy_linalg, segments
from kernels.cuda import precision
from kernels.reference import highest, lowest
from kernels.twin import twin

# ------------------------------------------------------------------ arrays

array_type = cupy.ndarray
empty, from_dlpack, ascontiguousarray = cupy.empty, cupy.from_dlpack, cupy.ascontiguousarray


def index_of(array) -> int:
    return array.device.id


def asarray(x):
    """An array or number of the host on the current device."""
    return cupy.asarray(x)


def put(array, index: int):
    """A copy on the device of this number."""
    with cupy.cuda.Device(index):
        return cupy.asarray(array).copy() if type(array) is array_type else cupy.asarray(array)


def fetch(array) -> np.ndarray:
    """The numbers, in the host's memory. Waits for the device."""
    return array.get()


def address(array) -> int:
    return array.data.ptr


def copy(array):
    return array.copy()


def share_memory(x, y) -> bool:
    return type(x) is type(y) is array_type and bool(cupy.may_share_memory(x, y))


through_host, on = cupy_linalg.through_host, cupy.cuda.Device


def own(result, source):
    """A result that shares no memory with `source`."""
    return result.copy() if share_memory(result, source) else result


# ------------------------------------------------------------------ the NumPy kernels again

IMPORTED: dict[str, Any] = {"numpy": cupy_arrays.numpy, "scipy": cupy_arrays.Scipy()}


def again(name: str, **replaced) -> types.ModuleType:
    """A module of kernels on CuPy's arrays; later ones that import it get this one. `replaced`:
    functions of it that are another thing here."""
    module = IMPORTED[f"kernels.{name}"] = twin(f"kernels.{name}", IMPORTED)
    vars(module).update(replaced)
    return module


def saturate(x, dtype):
    """Floats truncated to integers, the nearest one where they do not fit; without a look."""
    limits = np.iinfo(dtype)
    above, below = x >= float(limits.max + 1), x < float(limits.min)
    inside = cupy.where(above | below | cupy.isnan(x), x.dtype.type(0), x).astype(dtype)
    return cupy.where(above, highest(dtype), cupy.where(below, lowest(dtype), inside))


def accumulator(x, y, terms, dtype):
    """cuBLAS sums products of half floats in float32; integers wrap as they are."""
    return np.dtype(np.float32) if dtype.kind == "b" else dtype


def combine_windows(ufunc, out, block, windows, inside, unique):
    """Scatter: the positions of all elements, those of dropped windows outside of the array."""
    places = cupy.broadcast_to(windows.flat_positions(windows.index), block.shape)
    if inside is not None:
        kept = inside.reshape(inside.shape + (1,) * (block.ndim - inside.ndim))
        places = cupy.where(kept, places, np.int64(-1))
    name = "assign" if ufunc is None else ufunc.__name__
    segments.combine(name, out.reshape(-1), places, block, unique)


def one_after_the_other(work: Callable, count: int, chunk: int) -> None:
    """What the pool of the CPU does in parallel."""
    for start in range(0, count, chunk):
        work(start, min(start + chunk, count))


IMPORTED["kernels.blas"] = types.SimpleNamespace(matmul=cupy.matmul, each=one_after_the_other)
reference = again("reference", _saturate=saturate)
ordering = again("ordering", _has_negative_zero=lambda x: x.dtype.kind in "fV")
reductions = again("reductions")
functions, integers, threefry = again("functions"), again("integers"), again("threefry")
bitgen = again("bitgen")
windows = again("windows", accumulator=accumulator, CHUNK_BYTES=1 << 28)
indexing = again("indexing", _combine=combine_windows, _may_leave=lambda start, limit: True)

# ------------------------------------------------------------------ shapes and bits


def broadcast_in_dim(x, *, shape, broadcast_dimensions, **_):
    """A view, with steps of zero along the axes that repeat."""
    aligned = [1] * len(shape)
    for axis, size in zip(broadcast_dimensions, x.shape, strict=True):
        aligned[axis] = size
    return cupy.broadcast_to(x.reshape(aligned), shape)


def bitcast(x, *, new_dtype):
    """The same bits as another dtype; a last axis holds the pieces of a wider number."""
    new_dtype, x = np.dtype(new_dtype), cupy.ascontiguousarray(x).reshape(x.shape)
    if x.dtype.itemsize > new_dtype.itemsize:
        return x[..., None].view(new_dtype)
    return x.view(new_dtype) if x.dtype.itemsize == new_dtype.itemsize \
        else x.view(new_dtype)[..., 0]


def join_parts(x, y):
    """x + iy."""
    out = cupy.empty(np.broadcast_shapes(x.shape, y.shape), f"c{2 * x.dtype.itemsize}")
    out.real, out.imag = x, y
    return out


def conj(x, **_):
    return cupy.conjugate(x).astype(np.promote_types(x.dtype, np.complex64), copy=False)


def in_total_order(comparison: Callable) -> Callable:
    def compare(x, y):
        return comparison(*(ordering.total_order(a).reshape(a.shape) for a in (x, y)))

    return compare


def iota_2x32(*, shape):
    """64-bit counters in two words, the high ones first."""
    low, high = bitgen.halves(cupy.arange(np.prod(shape, dtype=np.int64), dtype=np.uint64)
                              .reshape(shape))
    return high, low


def wide_halves(kernel: Callable) -> Callable:
    """Half floats as float32, where CuPy has no loop for them and the numbers are only compared."""
    def run(x, **params):
        return kernel(x.astype(np.float32) if x.dtype.kind == "V" else x, **params)

    return run


# ------------------------------------------------------------------ one window


def starts_of(shape, starts, sizes) -> list:
    """The positions along each axis, moved inside; computed where the starts are."""
    return [cupy.clip(start, 0, bound - size).astype(np.int64) + cupy.arange(size)
            for bound, start, size in zip(shape, starts, sizes, strict=True)]


def dynamic_slice(x, *start_indices, slice_sizes, **_):
    for axis, places in enumerate(starts_of(x.shape, start_indices, slice_sizes)):
        if len(places) != x.shape[axis]:
            x = cupy.take(x, places, axis)
    return x.copy()


def dynamic_update_slice(x, update, *start_indices, **_):
    out = x.copy()
    places = starts_of(x.shape, start_indices, update.shape)
    if not places:
        out[...] = update
        return out
    out[tuple(p.reshape((-1,) + (1,) * (len(places) - axis - 1))
              for axis, p in enumerate(places))] = update
    return out


# ------------------------------------------------------------------ Fourier transforms

TRANSFORMS = ("fftn", "ifftn", "rfftn", "irfftn")  # by number of jax's FftType


def fft(x, *, fft_type, fft_lengths):
    kind, axes = int(fft_type), tuple(range(-len(fft_lengths), 0))
    if not axes:
        return x.copy()
    if 0 in x.shape or 0 in fft_lengths:
        last = {2: fft_lengths[-1] // 2 + 1, 3: fft_lengths[-1]}.get(kind, x.shape[-1])
        dtype = np.result_type(x.dtype, np.complex64) if kind == 2 else \
            x.real.dtype if kind == 3 else x.dtype
        return cupy.zeros((*x.shape[:-1], last), dtype)
    lengths = {"s": fft_lengths} if kind == 3 else {}
    return getattr(cupy.fft, TRANSFORMS[kind])(x, axes=axes, **lengths)


# ------------------------------------------------------------------ by name

BY_NAME = {  # primitive -> CuPy's ufunc
    "add": "add", "add_any": "add", "sub": "subtract", "mul": "multiply", "neg": "negative",
    "square": "square", "abs": "absolute", "max": "maximum", "min": "minimum", "floor": "floor",
    "ceil": "ceil", "is_finite": "isfinite", "nextafter": "nextafter",
    "eq": "equal", "ne": "not_equal", "ge": "greater_equal", "gt": "greater", "le": "less_equal",
    "lt": "less", "not": "invert", "and": "bitwise_and", "or": "bitwise_or", "xor": "bitwise_xor",
    "exp": "exp", "exp2": "exp2", "log": "log", "expm1": "expm1", "log1p": "log1p", "tanh": "tanh",
    "sqrt": "sqrt", "sin": "sin", "cos": "cos", "tan": "tan", "asin": "arcsin", "acos": "arccos",
    "atan": "arctan", "sinh": "sinh", "cosh": "cosh", "asinh": "arcsinh", "acosh": "arccosh",
    "atanh": "arctanh"}
AGAIN = {  # module of the twins -> the names in it, as name or primitive=name
    "reference": "select_n clamp convert_element_type reduce_precision div rem integer_pow sign "
                 "round=round_ shift_left shift_right_logical shift_right_arithmetic "
                 "population_count clz reshape transpose squeeze rev slice=slice_ split pad tile "
                 "concatenate iota",
    "ordering": "sort top_k",
    "reductions": "reduce_sum reduce_prod reduce_max reduce_min reduce_and reduce_or reduce_xor "
                  "cumsum cumprod cummax cummin cumlogsumexp",
    "functions": "pow=power atan2 logistic rsqrt cbrt erf erfc erf_inv lgamma digamma polygamma "
                 "zeta igamma igammac igamma_grad_a regularized_incomplete_beta bessel_i0e "
                 "bessel_i1e",
    "integers": "mulhi",
    "windows": "dot_general conv_general_dilated reduce_window_sum reduce_window_max "
               "reduce_window_min select_and_scatter_add select_and_gather_add",
    "indexing": "gather scatter scatter-add=scatter_add scatter-sub=scatter_sub "
                "scatter-mul=scatter_mul scatter-min=scatter_min scatter-max=scatter_max",
    "threefry": "threefry2x32=threefry_2x32",
    "bitgen": "rng_bit_generator"}
OWN: dict[str, Callable] = {
    "broadcast_in_dim": broadcast_in_dim, "bitcast_convert_type": bitcast, "conj": conj,
    "complex": join_parts, "real": lambda x: x.real, "imag": lambda x: x.imag,
    "copy": lambda x: x.copy(), "name": lambda x, name: x.copy(),
    "empty": lambda *, shape, dtype, **_: cupy.zeros(shape, dtype),
    "stack": lambda *operands, axis: cupy.stack(operands, axis),
    "unstack": lambda x, *, axis: tuple(cupy.moveaxis(x, axis, 0)),
    "eq_to": in_total_order(cupy.equal), "le_to": in_total_order(cupy.less_equal),
    "lt_to": in_total_order(cupy.less), "iota_2x32_shape": iota_2x32,
    "argmax": wide_halves(ordering.argmax), "argmin": wide_halves(ordering.argmin),
    "dynamic_slice": dynamic_slice,
    "dynamic_update_slice": dynamic_update_slice, "fft": fft}


def on_device(kernel: Callable) -> Callable:
    """Operands from the host, such as the literals of a program, are taken along."""
    @functools.wraps(kernel)
    def run(*operands, **params):
        return kernel(*(x if type(x) is array_type else cupy.asarray(x) for x in operands),
                      **params)

    return run


def by_name() -> dict[str, Callable]:
    found = {name: getattr(cupy, theirs) for name, theirs in BY_NAME.items()}
    for module, names in AGAIN.items():
        for name in names.split():
            primitive, _, theirs = name.partition("=")
            found[primitive] = on_device(getattr(globals()[module], theirs or primitive))
    return found | {name: on_device(kernel) for name, kernel in OWN.items()}


implementations: dict[str, Callable] = by_name()


implementations |= {name: on_device(kernel) for name, kernel in cupy_linalg.kernels.items()}
precision.apply()
