"""jax.numpy: minigrad's array functions with JAX's conventions.

Functions are wrapped when they are first asked for; the tables below say which need another
wrapping than the usual one.
"""

from __future__ import annotations

import importlib
import math

import numpy as np

import minigrad.numpy as functions
from compat.jax import face
from compat.jax.array import Array, canonical_dtype
from compat.jax.devices import CHOSEN, Device, moved
from compat.jax.numpy import dtypes
from minigrad import devices as places
from minigrad.core import Tensor
from minigrad.ops.families import dtype_kind
from minigrad.numpy import creation, indexing, operators, selecting

ndarray = Array
pi, e, euler_gamma, inf, nan, newaxis = math.pi, math.e, np.euler_gamma, math.inf, math.nan, None
bool_, int8, int16, int32, int64 = (getattr(dtypes, n) for n in
                                    ("bool_", "int8", "int16", "int32", "int64"))
uint8, uint16, uint32, uint64 = dtypes.uint8, dtypes.uint16, dtypes.uint32, dtypes.uint64
float16, bfloat16, float32, float64 = (dtypes.float16, dtypes.bfloat16, dtypes.float32,
                                       dtypes.float64)
complex64, complex128 = dtypes.complex64, dtypes.complex128
for _name in dtypes.SMALL:
    globals()[_name] = getattr(dtypes, _name)
int_, uint, float_, complex_ = dtypes.int64, dtypes.uint64, dtypes.float64, dtypes.complex128
single, double = float32, float64
bool = bool_
dtype, issubdtype, finfo, iinfo = np.dtype, dtypes.issubdtype, dtypes.finfo, dtypes.iinfo
floating, integer, inexact = np.floating, np.integer, np.inexact
number, signedinteger, unsignedinteger = np.number, np.signedinteger, np.unsignedinteger
complexfloating, generic = np.complexfloating, np.generic
set_printoptions, printoptions = np.set_printoptions, np.printoptions
get_printoptions, iterable, save, savez = np.get_printoptions, np.iterable, np.save, np.savez
character, flexible, object_ = np.character, np.flexible, np.object_
ComplexWarning = np.exceptions.ComplexWarning
csingle, cdouble = complex64, complex128

# Functions of lists, of shapes, or of numbers that must be known: no table look-up.
BOXED = set((
    "concatenate concat stack hstack vstack dstack column_stack split array_split hsplit vsplit "
    "zeros ones empty full zeros_like ones_like empty_like full_like arange linspace logspace "
    "geomspace eye identity tri meshgrid einsum broadcast_arrays nonzero flatnonzero argwhere "
    "unique unstack repeat lexsort roll select bincount isin pad ").split())
# Functions of dtypes and shapes that give no array.
PLAIN = set("result_type promote_types broadcast_shapes iscomplexobj isrealobj".split())


# The functions of minigrad.numpy that jax.numpy has by the same name.
NAMES = set((
    "abs absolute acos acosh add all allclose amax amin angle any append arange arccos arccosh "
    "arcsin arcsinh arctan arctan2 arctanh argmax argmin argsort argwhere around array_equal "
    "array_split asin asinh atan atan2 atanh atleast_1d atleast_2d atleast_3d average bincount "
    "bitwise_and bitwise_count bitwise_invert bitwise_left_shift bitwise_not bitwise_or "
    "bitwise_right_shift bitwise_xor broadcast_arrays broadcast_shapes broadcast_to cbrt ceil "
    "clip column_stack concat concatenate conj conjugate convolve copysign correlate cos cosh "
    "count_nonzero cov cross cumprod cumsum deg2rad degrees diag diagonal diff digitize divide "
    "divmod dot dstack einsum empty empty_like equal exp exp2 expand_dims expm1 eye fabs finfo "
    "flatnonzero flip fliplr flipud float_power floor floor_divide fmax fmin fmod full "
    "full_like gcd geomspace greater greater_equal heaviside hsplit hstack hypot identity imag "
    "inexact inner interp invert isclose iscomplexobj isfinite isin isinf isnan isneginf "
    "isposinf isrealobj kron lcm left_shift less less_equal lexsort linspace log log10 log1p "
    "log2 logaddexp logaddexp2 logical_and logical_not logical_or logical_xor logspace matmul "
    "matrix_transpose max maximum mean median meshgrid min minimum mod modf moveaxis multiply "
    "nan_to_num nanmax nanmean nanmin nanprod nansum negative nextafter nonzero not_equal ones "
    "ones_like outer pad percentile permute_dims polyval positive prod promote_types ptp "
    "quantile rad2deg radians ravel real reciprocal remainder repeat reshape result_type "
    "right_shift rint roll rot90 round searchsorted select sign signbit sin sinc sinh sort "
    "split sqrt square squeeze stack std subtract sum swapaxes take take_along_axis tan tanh "
    "tensordot tile trace transpose trapezoid tri tril triu true_divide trunc unique unstack "
    "var vdot vecdot vsplit vstack zeros zeros_like "
).split())
# Modules of minigrad.numpy, and of `compat.jax.functions`, with what they hold; each is imported
# when one of its names is asked for. Functions in brackets look at their arguments themselves.
FURTHER = {
    "polynomials": "poly polyadd polyder polyfit polyint polysub vander (polydiv polymul roots)",
    "sets": "(intersect1d setdiff1d setxor1d union1d unique_all unique_counts unique_inverse "
            "unique_values)",
    "histograms": "(histogram histogram2d histogram_bin_edges histogramdd)",
    "grids": "c_ mgrid ogrid r_ index_exp s_ (diag_indices diag_indices_from fromfunction indices "
             "ix_ mask_indices ravel_multi_index tril_indices tril_indices_from triu_indices "
             "triu_indices_from unravel_index)",
    "editing": "apply_along_axis apply_over_axes compress delete diagflat extract fill_diagonal "
               "insert packbits piecewise place put put_along_axis resize rollaxis unpackbits "
               "(array_equiv block choose dsplit trim_zeros)",
    "tapers": "i0 (bartlett blackman hamming hanning kaiser)",
    "numbers": "argpartition corrcoef ediff1d frexp iscomplex isreal ldexp matvec nanargmax "
               "nanargmin nancumprod nancumsum nanquantile nanstd nanvar partition sort_complex "
               "spacing unwrap vecmat (cumulative_prod cumulative_sum gradient nanmedian "
               "nanpercentile)",
}
WRITTEN = {
    "vectorizing": "frompyfunc ufunc vectorize", "joining": "atleast_1d atleast_2d atleast_3d",
    "files": "array_repr array_str can_cast einsum_path frombuffer fromfile fromiter fromstring "
             "isdtype load",
}


def places_of(names: dict[str, str], package: str) -> dict[str, str]:
    return {name: f"{package}.{module}" for module, listed in names.items()
            for name in listed.replace("(", "").replace(")", "").split()}


BOXED |= {name for names in FURTHER.values() if "(" in names
          for name in names[names.index("(") + 1:-1].split()}
PLACES = places_of(FURTHER, "minigrad.numpy") | places_of(WRITTEN, "compat.jax.functions")
# Those that have a ufunc's methods, with their number of operands.
UFUNCS = dict.fromkeys(
    "add arctan2 atan2 bitwise_and bitwise_or bitwise_xor copysign divide divmod equal float_power "
    "floor_divide fmax fmin fmod gcd greater greater_equal heaviside hypot lcm ldexp left_shift "
    "less less_equal logaddexp logaddexp2 logical_and logical_or logical_xor maximum minimum mod "
    "multiply nextafter not_equal power pow remainder right_shift subtract true_divide "
    "bitwise_left_shift bitwise_right_shift".split(), 2)


def __getattr__(name: str):
    """Wrap a function of minigrad.numpy at its first use, and keep it."""
    if name in ("fft", "linalg"):
        return importlib.import_module(f"compat.jax.numpy.{name}")
    if name not in NAMES and name not in PLACES:
        raise AttributeError(f"module 'jax.numpy' has no attribute {name!r}")
    module = importlib.import_module(PLACES[name]) if name in PLACES else functions
    fn = getattr(module, name)
    if PLACES.get(name, "").startswith("compat") or name in PLAIN:
        wrapped = fn
    elif not callable(fn):
        wrapped = face.Indexed(fn)
    elif name in BOXED:
        wrapped = face.boxed(fn)
    else:
        wrapped = face.composite(fn) if name in PLACES else face.eager(fn)
    globals()[name] = with_ufunc_methods(name, wrapped) if name in UFUNCS else wrapped
    return wrapped


def with_ufunc_methods(name: str, function):
    """`add.reduce` and its like, made when first asked for."""
    from compat.jax.functions.vectorizing import with_methods

    return with_methods(function, name, UFUNCS[name])


OWN = (
    "ComplexWarning array asarray astype bfloat16 bool bool_ cdouble character complex128 "
    "complex64 complex_ complexfloating copy csingle double dtype e euler_gamma fft finfo flexible "
    "float16 float32 float64 float_ floating from_dlpack generic get_printoptions iinfo inexact "
    "inf int16 int32 int64 int8 int_ integer isscalar issubdtype iterable linalg nan ndarray "
    "ndim newaxis number object_ pi pow power printoptions save savez set_printoptions shape "
    "signedinteger single size uint uint16 uint32 uint64 uint8 unsignedinteger where ").split()
__all__ = sorted({*NAMES, *PLACES, *OWN, *dtypes.SMALL})


def __dir__() -> list[str]:
    return sorted({*__all__, *globals()})


choose_elements = face.eager(selecting.where, "where", ("condition", "x", "y"))
power_of_arrays = face.eager(functions.power, "power", ("x1", "x2"))
integer_power = face.eager(functions.power, "power", ("x1",))


def where(condition, x=None, y=None, /, *, size=None, fill_value=None):
    """`x` where the condition holds, `y` elsewhere; with the condition alone, `nonzero` of it."""
    if x is not None and y is not None and size is None and fill_value is None:
        return choose_elements(condition, x, y)
    return face.boxed(selecting.where)(condition, x, y, size=size, fill_value=fill_value)


def power(x1, x2, /):
    """`x1 ** x2`. A Python integer is a parameter of the primitive, not an operand."""
    return integer_power(x1, x2) if type(x2) is int else power_of_arrays(x1, x2)


pow = power


def array(object, dtype=None, copy=True, order="K", ndmin=0, *, device=None):
    """An Array of a number, a nested list, or of arrays."""
    dtype = None if dtype is None else canonical_dtype(creation.canonical_dtype(dtype))
    made = face.as_array(creation.array(object, dtype, copy, ndmin, cls=Array))
    if device is None and CHOSEN and not isinstance(object, Array):
        device = CHOSEN[-1]
    return moved(made, device) if isinstance(device, Device) else made


def asarray(a, dtype=None, order=None, *, copy=None, device=None):
    """`a` as an Array, itself if it is one."""
    return array(a, dtype, copy=copy is True, device=device)


def astype(x, dtype, /, *, copy=False, device=None):
    """`x` in another dtype."""
    return cast(x, canonical_dtype(creation.canonical_dtype(
        canonical_float() if dtype is None else dtype)))


def canonical_float():
    from minigrad.core import scalar_dtype

    return scalar_dtype(float)


cast = face.eager(creation.astype, "astype")


def from_dlpack(x, /, *, device=None, copy=None):
    """An Array of what another library exports by DLPack."""
    return face.as_array(places.from_dlpack(x))


def copy(a, order=None):
    """A copy of `a`."""
    return array(a, copy=True)


def shape(a):
    return np.shape(a) if not isinstance(a, Tensor) else a.shape


def ndim(a):
    return len(shape(a))


def size(a, axis=None):
    return math.prod(shape(a)) if axis is None else shape(a)[axis]


def isscalar(element):
    return np.isscalar(element) or isinstance(element, Tensor) and not element.shape


# ------------------------------------------------------------------ methods and operators of Array

METHODS = (
    "all any argmax argmin argsort clip conj conjugate cumprod cumsum diagonal dot max mean "
    "min nonzero prod ptp ravel repeat round sort squeeze std sum swapaxes take trace var".split())


def with_keys(compare, equal):
    """A comparison that knows typed keys: they are equal where all their words are."""
    def method(x, y):
        if dtype_kind(x.spec.dtype) != "k":
            return compare(x, y)
        words = importlib.import_module("compat.jax.random").key_data
        same = __getattr__("all")(compare(words(x), words(y)) if equal else
                                  ~compare(words(x), words(y)), -1)
        return same if equal else ~same

    return method


def attach_methods() -> None:
    """Hang functions of this module on Array, as methods and as operators."""
    from compat.jax import numpy as jnp

    for name in METHODS:
        setattr(Array, name, getattr(jnp, name))
    for name, (_, fn) in (operators.BINARY | operators.COMPARISONS).items():
        setattr(Array, f"__{name}__", face.operator_of(fn, fn.__name__))
    for name, (_, fn) in operators.BINARY.items():
        setattr(Array, f"__r{name}__", face.operator_of(fn, fn.__name__, True))
    for name in ("eq", "ne"):
        setattr(Array, f"__{name}__", with_keys(getattr(Array, f"__{name}__"), name == "eq"))
    array_power = Array.__pow__  # type: ignore[operator]
    for name, fn in {"neg": jnp.negative, "pos": jnp.positive, "abs": jnp.absolute,
                     "invert": jnp.bitwise_not}.items():
        setattr(Array, f"__{name}__", fn)
    power = lambda self, other: integer_power(self, other) if type(other) is int \
        else array_power(self, other)
    setattr(Array, "__pow__", power)  # noqa: B010  (the type checker knows no `**` of classes)
    Array.__round__ = lambda self, ndigits=0: jnp.round(self, ndigits or 0)
    Array.__getitem__ = getitem
    Array.flatten = lambda self, order="C": jnp.ravel(self, order)
    Array.reshape = lambda self, *shape, order="C": jnp.reshape(
        self, shape[0] if len(shape) == 1 else shape, order)
    Array.transpose = lambda self, *axes: jnp.transpose(
        self, None if not axes or axes == (None,) else
        axes[0] if len(axes) == 1 and isinstance(axes[0], (tuple, list)) else axes)
    Array.astype = lambda self, dtype, copy=False, device=None: astype(self, dtype)
    Array.copy = lambda self: copy(self)
    Array.view = lambda self, dtype=None, type=None: view(self, dtype)
    Array.T = property(lambda self: jnp.transpose(self))
    Array.mT = property(lambda self: jnp.matrix_transpose(self))
    Array.real = property(lambda self: jnp.real(self))
    Array.imag = property(lambda self: jnp.imag(self))
    Array.flat = property(lambda self: jnp.ravel(self))


def getitem(self, index):
    return indexing.getitem(self, index)


def view(x, dtype):
    """The same bits as another dtype."""
    from minigrad.core import table

    return x if dtype is None else face.as_array(
        table["bitcast_convert_type"](x, new_dtype=canonical_dtype(dtype)))


attach_methods()
