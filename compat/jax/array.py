"""`Array`: what a JAX program holds. It is minigrad's Tensor with JAX's conventions: it cannot be
written in place, its dtypes are narrowed unless x64 is on, and Python scalars are weakly typed.

Operators and methods are those of `compat.jax.numpy`, hung on the class by the tables below.
"""

from __future__ import annotations

import math

import numpy as np

from compat.jax import printing
from compat.jax.devices import all_devices, gpu
from compat.jax.errors import JaxRuntimeError
from compat.jax.sharding import Shard, SingleDeviceSharding
from minigrad import devices as places
from minigrad import errors
from minigrad.core import Tensor, config, fetch, make_box, make_spec, short_dtype, to_array
from minigrad.numpy import operators, updating
from minigrad.ops.families import dtype_kind

NARROW = {"float64": "f4", "int64": "i4", "uint64": "u4", "complex128": "c8"}


def canonical_dtype(dtype) -> np.dtype:
    """The dtype JAX uses for a requested one: 64 bits only if x64 is on."""
    dtype = np.dtype(dtype)
    return dtype if config.x64 else np.dtype(NARROW.get(dtype.name, dtype))


def as_dtype(dtype):
    """A NumPy dtype, of `jnp.float32` too; that of typed keys is left as it is."""
    own = getattr(dtype, "dtype", dtype)  # np.float32 has a descriptor there
    return np.dtype(own if isinstance(own, np.dtype) else dtype)


class ShapedArray:
    """The type of an array as JAX shows it: `ShapedArray(float32[3])`. From a shape and a dtype,
    or from a type of minigrad."""

    def __init__(self, shape, dtype=None, weak_type: bool = False, **_):
        if dtype is None:
            shape, dtype, weak_type = shape.shape, shape.dtype, shape.weak_type
        self.shape, self.dtype, self.weak_type = tuple(shape), as_dtype(dtype), weak_type

    ndim = property(lambda self: len(self.shape))
    size = property(lambda self: math.prod(self.shape))

    def str_short(self, short_dtypes: bool = False) -> str:
        name = short_dtype(self.dtype) if short_dtypes else self.dtype.name
        return f"{name}[{','.join(map(str, self.shape))}]"

    __str__ = str_short

    def update(self, **changes) -> ShapedArray:
        return ShapedArray(**(vars(self) | changes))

    def __repr__(self) -> str:
        weak = ", weak_type=True" if self.weak_type else ""
        return f"ShapedArray({self.str_short()}{weak})"

    def __eq__(self, other) -> bool:
        return isinstance(other, ShapedArray) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash((self.shape, self.dtype, self.weak_type))


class Deleted:
    """What an Array holds whose memory was given away, to a donating function."""

    def __init__(self, aval):
        self.message = f"Array has been deleted with shape={ShapedArray(aval).str_short()}."

    def __array__(self, dtype=None, copy=None):
        raise RuntimeError(self.message)

    def __getattr__(self, name: str):
        raise RuntimeError(self.__dict__.get("message", name))


def check_alive(x) -> None:
    """Raise RuntimeError if the memory of an Array was given away."""
    if isinstance(x, Tensor) and type(x.value) is Deleted:
        raise RuntimeError(x.value.message)


class Array(Tensor):
    """An immutable array."""

    mutable = False

    @staticmethod
    def canonical(value):
        dtype = canonical_dtype(value.dtype)
        return value if value.dtype == dtype else value.astype(dtype)

    aval = property(lambda self: ShapedArray(self.spec.aval))
    weak_type = property(lambda self: self.spec.aval.weak_type)
    at = property(updating.At)
    nbytes = property(lambda self: self.size * self.spec.dtype.itemsize)
    itemsize = property(lambda self: self.spec.dtype.itemsize)
    is_fully_addressable = True
    committed = False

    @property
    def sharding(self):
        """How the array is placed: on the first device, if nobody said otherwise."""
        place = places.place_of(self.spec)
        if place is not None:
            return SingleDeviceSharding(gpu(place.index))
        return self.__dict__.get("placed") or SingleDeviceSharding(all_devices()[0])

    @property
    def device(self):
        """The device, or the sharding where there are several."""
        own = self.sharding
        return next(iter(own.device_set)) if own.num_devices == 1 else own

    is_fully_replicated = property(lambda self: self.sharding.is_fully_replicated)
    global_shards = property(lambda self: self.addressable_shards)

    def devices(self) -> set:
        return self.sharding.device_set

    @property
    def addressable_shards(self) -> list:
        """The parts that the devices hold."""
        own = self.sharding
        return [Shard(d, own, self.shape, self[index])
                for d, index in own.devices_indices_map(self.shape).items()]

    def addressable_data(self, index: int) -> Array:
        """The part on one device."""
        return self.addressable_shards[index].data

    def delete(self) -> None:
        """Give the memory back: any further use raises RuntimeError."""
        self.value = Deleted(self.spec.aval)
        self.spec = make_spec(self.spec.aval, False, "deleted")  # finds no operation

    def on_device_size_in_bytes(self) -> int:
        return self.nbytes

    def block_until_ready(self) -> Array:
        if self.is_deleted():
            raise JaxRuntimeError("INVALID_ARGUMENT: BlockHostUntilReady() called on deleted or "
                                  "donated buffer")
        return self

    def copy_to_host_async(self) -> None:
        """Nothing to do: values are on the host."""

    def is_deleted(self) -> bool:
        return type(self.value) is Deleted

    def __setitem__(self, index, value):
        raise TypeError(
            "JAX arrays are immutable and do not support in-place item assignment. Instead of "
            "x[idx] = y, use x = x.at[idx].set(y) or another .at[] method: "
            "https://docs.jax.dev/en/latest/_autosummary/jax.numpy.ndarray.at.html")

    def __array__(self, dtype=None, copy=None):
        if dtype_kind(self.spec.dtype) == "k":
            raise TypeError("JAX array with PRNGKey dtype cannot be converted to a NumPy array. "
                            "Use jax.random.key_data(arr) if you wish to extract the underlying "
                            "integer array.")
        return super().__array__(dtype, copy)

    def __hash__(self):
        raise TypeError("unhashable type: 'jaxlib._jax.ArrayImpl'")

    def item(self, *index):
        known(self, "This occurred in the item() method of jax.Array")
        if index:
            return self[index if len(index) > 1 else index[0]].item()
        if self.size != 1:
            raise ValueError("can only convert an array of size 1 to a Python scalar")
        return np.asarray(operators.concrete(self)).item()

    def tolist(self):
        known(self, "The tolist() method was called on traced array with shape "
                    f"{ShapedArray(self.spec.aval)}.")
        return np.asarray(self).tolist()

    def __reduce__(self):
        return from_numpy, (np.asarray(self), self.weak_type)

    def __copy__(self) -> Array:
        return self

    def __deepcopy__(self, memo) -> Array:
        return self

    def __repr__(self) -> str:
        if not self.spec.concrete:
            return traced_repr(self)
        value = np.asarray(fetch(to_array(self)))
        if dtype_kind(value.dtype) == "k":
            return printing.key_array_repr(value["words"])
        return printing.array_repr(value, self.weak_type)

    def __str__(self) -> str:
        if not self.spec.concrete or dtype_kind(self.spec.dtype) == "k":
            return repr(self)
        return printing.array_str(fetch(to_array(self)))

    def __format__(self, spec: str) -> str:
        return printing.array_format(fetch(to_array(self)), spec) if self.spec.concrete else \
            format(traced_repr(self), spec)


def from_numpy(value: np.ndarray, weak_type: bool = False) -> Array:
    from minigrad.core import aval_of

    value = Array.canonical(value)
    return make_box(Array, value, make_spec(aval_of(value).update(weak_type=weak_type)))


def known(x: Array, context: str) -> None:
    if operators.concrete(x) is None:
        raise errors.concretization_error(x.value, context)


TRACER_NAMES = {"jit": "JitTracer", "jvp": "JVPTracer", "vmap": "VmapTracer",
                "linearize": "LinearizeTracer"}


def traced_repr(x: Array) -> str:
    tracer = x.value
    name = TRACER_NAMES.get(tracer.trace.origin, "Tracer")
    return f"{name}({'~' * tracer.aval.weak_type}{ShapedArray(tracer.aval).str_short()})"


def as_array(x) -> Array:
    """Any array-like value, or a Tensor of another face, as an Array."""
    if isinstance(x, Array):
        return x
    if isinstance(x, Tensor):
        return make_box(Array, x.value, x.spec, x.node)
    from minigrad.core import box

    return box(x, Array)


# ------------------------------------------------------------------ conversions with JAX's errors


def scalar_value(x: Array, kind: type):
    value = operators.concrete(x)
    if value is None:
        raise operators.number_error(kind)(x)
    if x.ndim:
        raise TypeError("Only scalar arrays can be converted to Python scalars; got "
                        f"arr.ndim={x.ndim}")
    return kind(np.asarray(fetch(value)).item())


def to_bool(x: Array) -> bool:
    value = operators.concrete(x)
    if value is None:
        raise operators.bool_error(x)
    if x.size != 1:
        raise ValueError("The truth value of an empty array is ambiguous. Use `array.size > 0` "
                         "to check that an array is not empty." if not x.size else
                         "The truth value of an array with more than one element is ambiguous. "
                         "Use a.any() or a.all()")
    return bool(np.asarray(fetch(value)).item())


def to_index(x: Array) -> int:
    if x.ndim or dtype_kind(x.spec.dtype) not in "iub":
        raise TypeError("Only integer scalar arrays can be converted to a scalar index.")
    return operators.to_index(x)


Array.__float__ = lambda self: scalar_value(self, float)
Array.__int__ = lambda self: scalar_value(self, int)
Array.__complex__ = lambda self: scalar_value(self, complex)
Array.__bool__, Array.__index__ = to_bool, to_index
_ = errors
