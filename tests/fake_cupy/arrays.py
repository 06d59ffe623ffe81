"""`ndarray` of the stand-in for CuPy."""

from __future__ import annotations

import ctypes
import functools
import gc
import weakref

import numpy as np

from tests.fake_cupy.names import kept

NAMES = kept()


class Counts:
    """Ways to the host, since the last `clear`."""

    def clear(self) -> None:
        self.get = self.put = self.scalar = self.synchronize = 0

    def __init__(self):
        self.clear()

    @property
    def to_host(self) -> int:
        return self.get + self.scalar


counts = Counts()


class Flags:
    """CuPy knows three flags; there is no `writeable`."""

    def __init__(self, array):
        self.c_contiguous, self.f_contiguous = array.flags.c_contiguous, array.flags.f_contiguous
        self.owndata = array.base is None


def unwrap(x):
    """The arrays below; NumPy's own are refused, as they would be on a device."""
    if isinstance(x, ndarray):
        return x._array
    if isinstance(x, np.ndarray):
        raise TypeError(f"Unsupported type {type(x)}")
    if isinstance(x, (list, tuple)):
        return type(x)(map(unwrap, x))
    if isinstance(x, dict):
        return {k: unwrap(v) for k, v in x.items()}
    return x


def wrap(result, sources=()):
    """Results as arrays of the stand-in, never scalars; views know whose memory they show."""
    if isinstance(result, tuple) and hasattr(result, "_fields") or isinstance(result, tuple):
        return tuple(wrap(r, sources) for r in result)
    if isinstance(result, list):
        return [wrap(r, sources) for r in result]
    if not isinstance(result, (np.ndarray, np.generic)):
        return result
    array = np.asarray(result)
    made = object.__new__(ndarray)
    made._array, made.base = array, None
    if array.base is not None:
        owner = next((s for s in flat(sources) if np.may_share_memory(s._array, array)), None)
        if owner is not None:
            made.base = owner.base if owner.base is not None else owner
    made.index = next((s.index for s in flat(sources)), ndarray.current())
    if made.base is None:
        ndarray.alive[id(made)] = made
    return made


def flat(sources):
    for s in sources:
        if isinstance(s, ndarray):
            yield s
        elif isinstance(s, (list, tuple)):
            yield from flat(s)


class ndarray:
    """An array that pretends to lie on a device."""

    __array_ufunc__ = None  # NumPy's operators leave it alone
    __array_priority__ = 100
    alive: weakref.WeakValueDictionary = weakref.WeakValueDictionary()  # by id

    def __init__(self, shape, dtype=float, memptr=None, strides=None, order="C"):
        self._array, self.base = np.zeros(shape, dtype), None
        if memptr is not None and self._array.size:
            memory = (ctypes.c_char * self._array.nbytes).from_address(memptr.ptr)
            self._array, self.base = np.ndarray(shape, dtype, memory), memptr.mem
        self.index = self.current()
        self.alive[id(self)] = self

    @staticmethod
    def current() -> int:
        from tests.fake_cupy import Device

        return Device.current[-1]

    @classmethod
    def used_bytes(cls) -> int:
        gc.collect()
        return sum(x._array.nbytes for x in cls.alive.values())

    shape = property(lambda self: self._array.shape)
    dtype = property(lambda self: self._array.dtype)
    ndim = property(lambda self: self._array.ndim)
    size = property(lambda self: self._array.size)
    itemsize = property(lambda self: self._array.itemsize)
    nbytes = property(lambda self: self._array.nbytes)
    strides = property(lambda self: self._array.strides)
    flags = property(lambda self: Flags(self._array))
    T = property(lambda self: wrap(self._array.T, [self]))

    @property
    def device(self):
        from tests.fake_cupy import Device

        return Device(self.index)

    @property
    def data(self):
        class Memory:
            ptr = self._array.__array_interface__["data"][0]

        return Memory()

    @property
    def __cuda_array_interface__(self) -> dict:
        return dict(self._array.__array_interface__, version=3, stream=1)

    # ---- to the host

    def __array__(self, dtype=None, copy=None):
        raise TypeError("Implicit conversion to a NumPy array is not allowed. Please use `.get()` "
                        "to construct a NumPy array explicitly.")

    def get(self, stream=None, order="C", out=None, blocking=True):
        counts.get += 1
        return self._array.copy()

    def item(self, *args):
        counts.scalar += 1
        return self._array.item(*args)

    def tolist(self):
        counts.get += 1
        return self._array.tolist()

    def __bool__(self):
        counts.scalar += 1
        return bool(self._array)

    def __int__(self):
        return int(self.item())

    def __float__(self):
        return float(self.item())

    def __complex__(self):
        return complex(self.item())

    def __index__(self):
        counts.scalar += 1
        return self._array.__index__()

    def __len__(self):
        return len(self._array)

    def set(self, arr, stream=None):
        counts.put += 1
        self._array[...] = arr

    def __dlpack__(self, *, stream=None, max_version=None, dl_device=None, copy=None):
        return self._array.__dlpack__()

    def __dlpack_device__(self):
        return (2, self.index)

    # ---- elements

    def __getitem__(self, index):
        return wrap(self._array[unwrap(index)], [self])

    def __setitem__(self, index, value):
        self._array[unwrap(index)] = unwrap(value)

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    @property
    def real(self):
        return wrap(self._array.real, [self])

    @real.setter
    def real(self, value):
        self._array.real = unwrap(value)

    @property
    def imag(self):
        return wrap(self._array.imag, [self])

    @imag.setter
    def imag(self, value):
        self._array.imag = unwrap(value)

    def __repr__(self):
        counts.get += 1
        return repr(self._array)

    def __hash__(self):
        raise TypeError("unhashable type: 'ndarray'")


def method(name: str):
    plain = getattr(np.ndarray, name)

    @functools.wraps(plain)
    def run(self, *args, **options):
        if name == "astype":
            options.pop("copy", None) if options.get("copy") is None else None
        return wrap(plain(self._array, *unwrap(args), **unwrap(options)), [self])

    return run


for name in ("reshape", "transpose", "astype", "copy", "view", "swapaxes", "ravel", "squeeze",
             "flatten", "conj", "conjugate", "sum", "max", "min", "prod", "all", "any", "argmax",
             "argmin", "fill", "take", "repeat", "nonzero", "argsort", "cumsum", "cumprod",
             "diagonal", "clip", "mean", "dot"):
    assert name in NAMES["ndarray"], name
    setattr(ndarray, name, method(name))


def operator(symbol: str, ufunc: str):
    """`x + y` is the ufunc, with what that accepts."""
    def forward(self, other):
        from tests.fake_cupy.functions import UFUNCS

        if not isinstance(other, (ndarray, np.generic, bool, int, float, complex)):
            return NotImplemented
        return UFUNCS[ufunc](self, other)

    def backward(self, other):
        from tests.fake_cupy.functions import UFUNCS

        return UFUNCS[ufunc](other, self)

    def inplace(self, other):
        from tests.fake_cupy.functions import UFUNCS

        return UFUNCS[ufunc](self, other, out=self)

    setattr(ndarray, f"__{symbol}__", forward)
    setattr(ndarray, f"__r{symbol}__", backward)
    setattr(ndarray, f"__i{symbol}__", inplace)


for symbol, ufunc in {"add": "add", "sub": "subtract", "mul": "multiply", "truediv": "divide",
                      "floordiv": "floor_divide", "mod": "remainder", "pow": "power",
                      "and": "bitwise_and", "or": "bitwise_or", "xor": "bitwise_xor",
                      "lshift": "left_shift", "rshift": "right_shift"}.items():
    operator(symbol, ufunc)


def single(symbol: str, ufunc: str) -> None:
    def run(self, *other):
        from tests.fake_cupy.functions import UFUNCS

        return UFUNCS[ufunc](self, *other)

    setattr(ndarray, f"__{symbol}__", run)


for symbol, ufunc in {"neg": "negative", "invert": "invert", "abs": "absolute", "eq": "equal",
                      "ne": "not_equal", "lt": "less", "le": "less_equal", "gt": "greater",
                      "ge": "greater_equal"}.items():
    single(symbol, ufunc)


def product(self, other):
    from tests.fake_cupy.functions import CUPY

    return CUPY["matmul"](self, other)


ndarray.__matmul__ = product  # type: ignore[attr-defined]
