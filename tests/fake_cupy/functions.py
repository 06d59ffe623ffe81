"""The functions of the stand-in for CuPy: NumPy's, behind CuPy's names and limits."""

from __future__ import annotations

import types
from collections.abc import Callable, Sequence

import ml_dtypes
import numpy as np
import scipy.linalg
import scipy.special

from tests import simulator
from tests.fake_cupy.arrays import counts, ndarray, unwrap, wrap

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)


def module(name: str, known: Sequence[str], contents: dict) -> types.ModuleType:
    """A module that has what the real one has. What the stand-in has not been taught is an error of
    its own; what the real one lacks is an AttributeError."""
    made = types.ModuleType(name)
    for key in contents:
        assert key in known or key in ("ndarray",), f"{name} has no {key}"
    vars(made).update(contents)

    def missing(key: str):
        if key in known:
            raise NotImplementedError(f"the stand-in for CuPy has no {name}.{key}: add it")
        raise AttributeError(f"module {name!r} has no attribute {key!r}")

    made.__getattr__ = missing  # type: ignore[method-assign]
    return made


# ------------------------------------------------------------------ ufuncs


def dtype_of(char: str) -> np.dtype:
    return BFLOAT16 if char == "E" else np.dtype(char)


KINDS = {bool: "b", int: "iu", float: "f", complex: "c"}


def fits(x, dtype: np.dtype, weak_only: bool) -> bool:
    """Does an operand go into a loop of this type?"""
    if type(x) in KINDS and not weak_only:
        order = "biufc"
        kind = "f" if dtype.kind == "V" else dtype.kind
        return order.index(kind) >= order.index(KINDS[type(x)][0])
    return np.can_cast(np.dtype(type(x)) if type(x) in KINDS else x.dtype, dtype)


class Ufunc:
    """A ufunc with the loops of the real one."""

    def __init__(self, name: str, loops: Sequence[str]):
        self.name, self.run = f"cupy_{name}", getattr(np, name)
        self.loops = [tuple([dtype_of(c) for c in part] for part in loop.split("->"))
                      for loop in loops]
        self.nin, self.types = self.run.nin, loops

    def __call__(self, *args, out=None, dtype=None, casting="same_kind"):
        if len(args) > self.nin:
            args, out = args[:self.nin], args[self.nin]
        for x in args:
            if not isinstance(x, (ndarray, np.generic, bool, int, float, complex)):
                raise TypeError(f"Unsupported type {type(x)}")
        scalars = all(type(x) in KINDS for x in args)
        loop = next((loop for loop in self.loops
                     if all(fits(x, t, scalars) for x, t in zip(args, loop[0]))
                     and (dtype is None or loop[1][0] == np.dtype(dtype))), None)
        if loop is None:
            raise TypeError(f"Wrong type ({[getattr(x, 'dtype', type(x)) for x in args]}) of "
                            f"arguments for {self.name}")
        given = [np.asarray(unwrap(x), t) if isinstance(x, ndarray) else np.asarray(x).astype(t)
                 for x, t in zip(args, loop[0])]
        with np.errstate(all="ignore"):
            found = self.run(*given)
        found = tuple(f.astype(t) for f, t in zip(found, loop[1])) if isinstance(found, tuple) \
            else np.asarray(found).astype(loop[1][0], copy=False)
        if out is None:
            return wrap(found)
        out._array[...] = found
        return out

    def outer(self, x, y):
        return self(x.reshape(x.shape + (1,) * y.ndim), y)

    def reduce(self, *args, **options):
        raise NotImplementedError(f"`{self.name}.reduce` is not supported yet")

    accumulate = at = reduce


UFUNCS: dict[str, Ufunc] = {}


def ufuncs(names: dict) -> dict[str, Ufunc]:
    if not UFUNCS:
        UFUNCS.update((n, Ufunc(n, loops)) for n, loops in names["ufuncs"].items()
                      if isinstance(getattr(np, n, None), np.ufunc))
    return UFUNCS


# ------------------------------------------------------------------ functions


def plain(run: Callable) -> Callable:
    """NumPy's function over the arrays below. Its results are arrays, of rank zero if need be."""

    def call(*args, **options):
        with np.errstate(all="ignore"):
            return wrap(run(*unwrap(args), **unwrap(options)), [*args, *options.values()])

    return call


def only_rank_one_and_more(run: Callable) -> Callable:
    def call(x, *args, **options):
        if not x.ndim:
            raise np.exceptions.AxisError("Sorting arrays with the rank of zero is not supported")
        if x.dtype == BFLOAT16:
            raise TypeError("no kernel for bfloat16")
        return plain(run)(x, *args, **options)

    return call


def from_host(x, dtype=None, copy=None):
    """`asarray` and `array`: the ways in."""
    if isinstance(x, ndarray):
        array = x._array if dtype is None else x._array.astype(dtype, copy=False)
        return x if array is x._array and not copy else wrap(np.array(array))
    if isinstance(x, list) and any(isinstance(part, ndarray) for part in x):
        return wrap(np.array([unwrap(part) for part in x], dtype))
    counts.put += 1
    return wrap(np.array(unwrap_some(x), dtype))


def unwrap_some(x):
    return x if isinstance(x, (np.ndarray, np.generic)) else unwrap(x)


def take(a, indices, axis=None, out=None):
    return plain(np.take)(a, indices, axis, mode="wrap")


def maximum_of(run):
    """Reductions to a maximum: an empty one is an error, and there is no `initial`."""
    return lambda a, axis=None, out=None, keepdims=False: plain(run)(a, axis, keepdims=keepdims)


def argsort(a, axis=-1, kind=None):
    if kind not in (None, "stable"):
        raise ValueError("kind can only be None or 'stable'")
    return only_rank_one_and_more(np.argsort)(a, axis, kind="stable")


def where(condition, x=None, y=None):
    if not isinstance(condition, ndarray):
        raise TypeError("condition must be an array on the device")
    return plain(np.where)(condition, x, y)


def as_strided(x, shape=None, strides=None):
    return plain(np.lib.stride_tricks.as_strided)(x, shape, strides)


def matmul(x, y, out=None):
    """Sums of half floats are single."""
    if x.dtype.itemsize == 2 and x.dtype.kind in "fV":
        made = wrap((x._array.astype(np.float32) @ y._array.astype(np.float32)).astype(x.dtype))
    else:
        made = plain(np.matmul)(x, y)
    if out is None:
        return made
    assert out.dtype == made.dtype
    out._array[...] = made._array
    return out


def total(a, axis=None, dtype=None, out=None, keepdims=False):
    return plain(np.sum)(a, axis, dtype, keepdims=keepdims)


SAME = """all any arange broadcast_to broadcast_arrays clip concatenate copyto cumprod diagonal
empty expand_dims eye flip full full_like moveaxis ones ones_like prod repeat reshape roll shape
squeeze stack swapaxes take_along_axis tile transpose tri tril triu zeros zeros_like iscomplexobj
argmax argmin cumsum ascontiguousarray may_share_memory unravel_index""".split()
CUPY: dict = {name: plain(getattr(np, name)) for name in SAME} | {
    "asarray": from_host, "asnumpy": lambda x: x.get(), "sum": total, "take": take,
    "array": lambda x, dtype=None, copy=True: from_host(x, dtype, copy), "where": where,
    "max": maximum_of(np.max), "min": maximum_of(np.min), "argsort": argsort, "matmul": matmul,
    "sort": lambda a, axis=-1, kind=None: only_rank_one_and_more(np.sort)(a, axis),
    "may_share_memory": lambda a, b: np.may_share_memory(a._array, b._array),
    "iscomplexobj": lambda x: x.dtype.kind == "c", "shape": lambda x: x.shape,
    "from_dlpack": lambda x: wrap(np.from_dlpack(x)),
    "lib": types.SimpleNamespace(stride_tricks=types.SimpleNamespace(as_strided=as_strided)),
} | {name: getattr(np, name) for name in (
    "float16 float32 float64 int8 int16 int32 int64 uint8 uint16 uint32 uint64 bool_ complex64 "
    "complex128 intp inf nan pi").split()}
CUPY.pop("tri")
FFT = {name: plain(getattr(np.fft, name)) for name in ("fftn", "ifftn", "rfftn", "irfftn")}

# ------------------------------------------------------------------ linear algebra


def cholesky(x):
    """Without a check of the device's answer: a failed matrix leaves its last pivot."""
    try:
        return plain(np.linalg.cholesky)(x)
    except np.linalg.LinAlgError:
        return wrap(np.stack([failed_cholesky(m) for m in
                              x._array.reshape(-1, *x.shape[-2:])]).reshape(x.shape))


def failed_cholesky(m):
    factor, info = scipy.linalg.get_lapack_funcs(("potrf",), (m,))[0](m, lower=True, clean=True)
    return factor


def raw_qr(a, mode="reduced"):
    if a.ndim > 2 and mode == "raw":
        raise NotImplementedError("raw mode of stacks")
    return plain(lambda x: tuple(np.linalg.qr(x, mode)))(a)


def solve_triangular(a, b, trans=0, lower=False, unit_diagonal=False, overwrite_b=False,
                     check_finite=False):
    def solve(x, y):
        flat = [scipy.linalg.solve_triangular(m, n, trans, lower, unit_diagonal,
                                              check_finite=check_finite)
                for m, n in zip(x.reshape(-1, *x.shape[-2:]), y.reshape(-1, *y.shape[-2:]))]
        return np.stack(flat).reshape(y.shape) if flat else y.copy()

    with np.errstate(all="ignore"):
        return wrap(solve(a._array, b._array))


def lu_factor(a, overwrite_a=False, check_finite=True):
    if a.ndim != 2:
        raise NotImplementedError("lu_factor of stacks")
    getrf, = scipy.linalg.get_lapack_funcs(("getrf",), (a._array,))
    factors, pivots, _ = getrf(a._array)
    return wrap(np.ascontiguousarray(factors)), wrap(pivots)


LINALG = {"cholesky": cholesky, "qr": raw_qr,
          "eigh": plain(lambda a, UPLO="L": tuple(np.linalg.eigh(a, UPLO))),
          "svd": plain(lambda a, full_matrices=True, compute_uv=True:
                       tuple(np.linalg.svd(a, full_matrices)) if compute_uv
                       else np.linalg.svd(a, compute_uv=False))}
SCIPY_LINALG = {"solve_triangular": solve_triangular, "lu_factor": lu_factor}
SPECIAL = {name: plain(getattr(scipy.special, name)) for name in (
    "erf erfc erfinv gammaln psi gamma zeta gammainc gammaincc betainc i0e i1e").split()}

# ------------------------------------------------------------------ kernels in CUDA C++


class RawKernel:
    """A kernel that the grid simulator runs."""

    def __init__(self, code: str, name: str, options=(), backend="nvrtc"):
        self.code, self.name = code, name

    def __call__(self, grid, block, args, *, shared_mem=0, stream=None):
        simulator.simulate(self.code, self.name, grid, block,
                           [x._array if isinstance(x, ndarray) else x for x in args])


class RawModule:
    def __init__(self, *, code: str, options=(), backend="nvrtc", name_expressions=None):
        self.code = code

    def get_function(self, name: str) -> RawKernel:
        return RawKernel(self.code, name)
