"""What a value is, what a primitive is, and which interpreter is listening.

Four ideas carry everything else:

* an `Aval` says what is known about a value before it is computed: shape, dtype, weak type;
* a `Primitive` is one row of the table (`minigrad/ops`): how to compute, to type, to
  differentiate, to transpose and to batch one operation;
* a `Trace` is an interpreter of primitives standing on a level below it. Level zero runs kernels
  on arrays; `jvp`, `vmap`, `linearize` and `jit` each push one more level;
* a `Tensor` is what the user holds. It is the box of the *tape*, and there is a tape on top of
  every level, so `backward()` works in plain code, inside `jit`, and inside another gradient.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import Any

import numpy as np

from kernels.worlds import concrete_of, fetch, implementation, world_of, worlds  # noqa: F401
from minigrad import errors

# ------------------------------------------------------------------ what is known about a value

SHORT_NAMES = {"bool": "bool", "bfloat16": "bf16"}  # where kind and bits do not say it


def short_dtype(dtype) -> str:
    """`f32` for float32: the spelling of programs and debug output."""
    if getattr(dtype, "kind", "?") in "fiuc":
        return f"{dtype.kind}{dtype.itemsize * 8}"
    return SHORT_NAMES.get(dtype.name, dtype.name)


class Aval:
    """The abstract value: shape, dtype, weak_type. Interned, so `is` compares it.

    >>> make_aval((3, 4), np.float32)
    f32[3,4]
    """

    __slots__ = ("shape", "dtype", "weak_type", "__weakref__")
    shape: tuple[int, ...]
    dtype: np.dtype
    weak_type: bool

    ndim = property(lambda self: len(self.shape))
    size = property(lambda self: int(np.prod(self.shape, dtype=np.int64)))

    def update(self, shape=None, dtype=None, weak_type=None) -> Aval:
        return make_aval(
            self.shape if shape is None else shape,
            self.dtype if dtype is None else dtype,
            self.weak_type if weak_type is None else weak_type,
        )

    @property
    def strong(self) -> Aval:
        return self.update(weak_type=False)

    def __repr__(self) -> str:
        return f"{short_dtype(self.dtype)}[{','.join(map(str, self.shape))}]"


class Spec:
    """What dispatch needs to know of a Tensor, in one interned object compared by identity:
    its aval, whether a gradient is wanted, and whether the value is concrete or traced."""

    __slots__ = ("aval", "requires_grad", "concrete", "shape", "dtype", "__weakref__")
    aval: Aval
    requires_grad: bool
    concrete: Any  # False: traced. True, "python", "inference", a Device: kinds of concrete

    def __repr__(self) -> str:
        marks = ("*" if self.requires_grad else "") + ("" if self.concrete else "?")
        return f"{self.aval}{marks}"


_avals: weakref.WeakValueDictionary = weakref.WeakValueDictionary()
_specs: weakref.WeakValueDictionary = weakref.WeakValueDictionary()
INTERNED = 1 << 15  # how many of each are found without a step of Python


@lru_cache(INTERNED)
def make_aval(shape: tuple[int, ...], dtype, weak_type: bool = False) -> Aval:
    if not isinstance(dtype, np.dtype) and not hasattr(dtype, "is_extended"):
        dtype = np.dtype(dtype)
    key = tuple(map(int, shape)), dtype, weak_type  # np.int64(3) equals 3 but prints otherwise
    aval = _avals.get(key)
    if aval is None:
        aval = Aval()
        aval.shape, aval.dtype, aval.weak_type = key
        _avals[key] = aval
    return aval


@lru_cache(INTERNED)
def make_spec(aval: Aval, requires_grad: bool = False, concrete: Any = True) -> Spec:
    key = aval, requires_grad, concrete
    spec = _specs.get(key)
    if spec is None:
        spec = Spec()
        spec.aval, spec.requires_grad, spec.concrete = key
        spec.shape, spec.dtype = aval.shape, aval.dtype
        _specs[key] = spec
    return spec


@lru_cache
def python_spec(dtype: np.dtype) -> Spec:
    """The spec of a Python scalar among the operands: weak, and told apart from any Tensor's."""
    spec = Spec()
    spec.aval, spec.requires_grad, spec.concrete = make_aval((), dtype, True), False, "python"
    spec.shape, spec.dtype = (), dtype
    return spec


class Literal:
    """A scalar constant with its type, weak or not, as an operand and as a program writes it.
    `shown` is the Python number it was given as, which prints `0.3` where the float32 of it would
    print 0.30000001192092896."""

    __slots__ = ("value", "aval", "shown")

    def __init__(self, value, aval: Aval, shown=None):
        self.value, self.aval, self.shown = value, aval, shown

    shape = ()
    dtype, val = property(lambda self: self.aval.dtype), property(lambda self: self.value)

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.value, dtype)


class Config:
    """Process-wide settings. Changing one empties the caches that were filled under the old."""

    x64 = False  # the jax face: 64-bit types are available
    default_dtype = np.dtype(np.float32)  # the torch face: what a Python float becomes

    def set(self, name: str, value) -> None:
        if getattr(self, name) != value:
            setattr(self, name, value)
            for clear in caches_to_clear:
                clear()


config = Config()
caches_to_clear: list[Callable[[], Any]] = []

F32, F64, I32, I64 = (np.dtype(t) for t in (np.float32, np.float64, np.int32, np.int64))
BOOL, C64, C128 = (np.dtype(t) for t in (np.bool_, np.complex64, np.complex128))


def scalar_dtype(kind: type) -> np.dtype:
    """The dtype a lone Python scalar gets: JAX's choice, 32 bits unless x64 is on."""
    wide = config.x64
    return {
        bool: BOOL,
        int: I64 if wide else I32,
        float: F64 if wide else F32,
        complex: C128 if wide else C64,
    }[kind]


PYTHON_SCALARS = (bool, int, float, complex)


def aval_of(x) -> Aval:
    """The aval of a Tensor, a tracer, an array or a Python scalar."""
    if isinstance(x, Tensor):
        return x.spec.aval
    if type(x) in PYTHON_SCALARS:
        return make_aval((), scalar_dtype(type(x)), type(x) is not bool)
    if hasattr(x, "aval"):
        return x.aval
    if isinstance(x, (np.ndarray, np.generic)) or type(x) in worlds:
        return make_aval(x.shape, x.dtype)
    if isinstance(x, PYTHON_SCALARS):  # a subclass, such as an IntEnum
        return aval_of(next(t for t in PYTHON_SCALARS if isinstance(x, t))(x))
    if hasattr(x, "__array__"):
        return aval_of(np.asarray(x))
    raise TypeError(f"Value {x!r} of type {type(x)} is not a valid array type")


# ------------------------------------------------------------------ who is listening


class Mode:
    """The current level and its grad mode. Eager modes are singletons, so that one look-up on
    `(mode, specs)` tells an op at once that nothing is traced and what to run."""

    __slots__ = ("trace", "grad", "inference", "watched", "__weakref__")
    below: Any = None  # a function from the mode of the level below to what rules run under

    def __init__(self, trace: Trace, grad: bool = True, inference: bool = False,
                 watched: bool = False):
        self.trace, self.grad, self.inference, self.watched = trace, grad, inference, watched

    def __repr__(self) -> str:
        return f"Mode({self.trace}, grad={self.grad})"


class Trace:
    """An interpreter of primitives. `outer` is the mode it was pushed on: its rules run there,
    so that a rule of one level is itself seen by every level below, and perturbations of nested
    derivatives never mix: in `grad(lambda x: x * grad(lambda y: x * y)(1.0))` the inner level
    must treat `x` as a constant although the outer one is differentiating it.
    """

    outer: Mode | None = None
    origin = "eval"  # what the user called, for error messages
    alive = True

    def process(self, primitive: Primitive, args: list, params: dict):
        token = set_mode(below(self.outer) if (below := get_mode().below) else self.outer)
        try:
            return self.interpret(primitive, args, params)
        finally:
            reset_mode(token)

    def interpret(self, primitive: Primitive, args: list, params: dict):
        raise NotImplementedError

    def lift(self, x):
        """The value that means `x` at this level; staging turns captured Tensors into cells."""
        return x

    def witness(self, tensor: Tensor) -> None:
        """A box was made on this level; staging remembers what was born."""

    def stands_on(self, other: Trace) -> bool:
        trace: Trace | None = self
        while trace is not None:
            if trace is other:
                return True
            trace = trace.outer.trace if trace.outer else None
        return False

    def __repr__(self) -> str:
        return type(self).__name__


class Eval(Trace):
    """Level zero: run the kernel on bare arrays."""

    def process(self, primitive, args, params):
        values = [to_array(a) for a in args]
        return implementation(primitive, values)(*values, **params)


class Tracer:
    """A level's stand-in for a value."""

    __slots__ = ("trace", "aval", "__weakref__")
    trace: Trace
    aval: Aval


EVAL = Eval()
EAGER = Mode(EVAL)
NO_GRAD = Mode(EVAL, grad=False)
INFERENCE = Mode(EVAL, grad=False, inference=True)
ONCE = Mode(EVAL, grad=False)  # primitives run at once, without a look for what was derived
_mode: ContextVar[Mode] = ContextVar("minigrad_mode", default=EAGER)
get_mode, set_mode, reset_mode = _mode.get, _mode.set, _mode.reset
inlining: ContextVar[bool] = ContextVar("minigrad_inlining", default=False)  # calls in derivations


@contextmanager
def using(mode: Mode):
    """Make `mode` current; the previous one comes back, also after an exception."""
    token = set_mode(mode)
    try:
        yield mode
    finally:
        reset_mode(token)


@contextmanager
def level(trace: Trace, grad: bool = True):
    """Push `trace` on the current level. Its tracers must not outlive the `with` block."""
    trace.outer = get_mode()
    with using(Mode(trace, grad)):
        try:
            yield trace
        finally:
            trace.alive = False


# ------------------------------------------------------------------ the table


class Primitive:
    """One row of the table: every rule of one operation.

    impl(*arrays, **params)                  -> array(s)       kernel on bare arrays
    abstract(*avals, **params)               -> aval(s)        shape and dtype rule; checks
    jvp(primals, tangents, **params)         -> out(s), tangent(s)    None is a zero tangent
    transpose(cts, args, **params)           -> cotangents     `args` holds a `Linear` where wanted
    batch(size, args, dims, **params)        -> out(s), dim(s)        None is "not batched"
    """

    infix: str | None = None  # how generated source spells it: "{} * {}"
    family = "plain"
    view = False  # the result may share memory with the first operand
    recorded = True  # traced tapes leave a node behind it
    defaults: dict[str, Any] = {}  # parameters that may be left out
    mapped: Callable | None = None  # of collectives: the rule of the level that owns the axis

    def __init__(self, name: str, impl=None, abstract=None, jvp=None, transpose=None, batch=None,
                 multiple_results: bool = False, **attributes):
        self.name, self.impl, self.abstract = name, impl, abstract
        self.jvp, self.transpose, self.batch = jvp, transpose, batch
        self.multiple_results = multiple_results
        self.__dict__.update(attributes)
        self.runs: dict = {}  # (mode, specs, params) -> what to run; filled by the tape
        table[name] = self

    def prepare(self, args: Iterable, params: dict) -> list:
        """Turn Python scalars into operands; families that mix dtypes override this."""
        return list(args)

    def __call__(self, *args, **params):
        return bind(self, args, params)

    bind = __call__  # as JAX spells it

    def __repr__(self) -> str:
        return self.name


table: dict[str, Primitive] = {}


class Linear:
    """Stands, in a transpose rule, for the operand that the cotangent is wanted for."""

    __slots__ = ("aval",)

    def __init__(self, aval: Aval):
        self.aval = aval

    shape = property(lambda self: self.aval.shape)
    dtype = property(lambda self: self.aval.dtype)
    ndim = property(lambda self: len(self.aval.shape))


def is_linear(x) -> bool:
    return type(x) is Linear


# ------------------------------------------------------------------ what the user holds


class Tensor:
    """The tape's box. `value` is an array, or a tracer of the level it lives on; `node` is where
    a gradient enters the tape. Faces subclass it for conventions, not for machinery."""

    __slots__ = ("value", "spec", "node", "view_of", "views", "__weakref__", "__dict__")
    __array_priority__ = 1000
    conjugates = False  # shows gradients of complex values conjugated, as PyTorch does
    mutable = True  # may be written in place, so results must own their memory
    value: Any
    spec: Spec
    node: Any

    shape = property(lambda self: self.spec.shape)
    dtype = property(lambda self: self.spec.dtype)
    ndim = property(lambda self: len(self.spec.shape))
    size = property(lambda self: self.spec.aval.size)
    aval = property(lambda self: self.spec.aval)
    requires_grad = property(lambda self: self.spec.requires_grad)

    @classmethod
    def result_class(cls) -> type:
        """Results take the face's class, never a subclass such as `Parameter`."""
        return cls

    @staticmethod
    def canonical(value):
        """A bare array as this class holds it; a face may narrow its dtype."""
        return value

    @staticmethod
    def scalar_dtype(kind: type) -> np.dtype:
        """The dtype of a Python scalar beside Tensors of this class."""
        return scalar_dtype(kind)

    def __array__(self, dtype=None, copy=None):
        return np.array(fetch(to_array(self)), dtype, copy=copy)

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of unsized object")
        return self.shape[0]

    def item(self):
        return to_array(self).item()

    def __repr__(self) -> str:
        shown = to_array(self) if self.spec.concrete else f"Traced<{self.aval}>"
        return f"Tensor({shown})"


def make_box(cls: type, value, spec: Spec, node=None) -> Any:
    box = object.__new__(cls)
    box.value, box.spec, box.node = value, spec, node
    if not spec.concrete:
        value.trace.witness(box)
    return box


def box(value, cls: type = Tensor) -> Any:
    """Wrap an array, a scalar or a tracer; a Tensor passes through."""
    if isinstance(value, Tensor):
        return value
    if isinstance(value, Tracer):
        return make_box(cls, value, make_spec(value.aval, False, False))
    aval = aval_of(value)
    if type(value) in worlds:
        return make_box(cls, value, make_spec(aval, False, concrete_of(value)))
    if not isinstance(value, (np.ndarray, np.generic)):
        value = np.asarray(value, aval.dtype)[()]
    held = cls.canonical(value)
    return make_box(cls, held, make_spec(aval if held is value else aval_of(held)))


def to_array(x):
    """The bare array behind a value of level zero, or JAX's error for a traced one."""
    if isinstance(x, Tensor):
        x = x.value
    if isinstance(x, Tracer):
        raise errors.concretization_error(x)
    return x


def class_of(args: Iterable) -> type:
    """The class of a result: that of the first operand that belongs to a face."""
    for a in args:
        if isinstance(a, Tensor) and type(a) is not Tensor:
            return a.result_class()
    return Tensor


# ------------------------------------------------------------------ apply a primitive


def bind(primitive: Primitive, args: tuple, params: dict):
    """Apply a primitive at the current level, with that level's tape on top."""
    mode = get_mode()
    if primitive.defaults:
        params = primitive.defaults | params
    operands = primitive.prepare(args, params)
    if mode.trace is EVAL:
        return record.apply_eager(mode, primitive, operands, params)
    trace = mode.trace
    operands = [trace.lift(a) if isinstance(a, Tensor) else a for a in operands]
    if mode.grad and primitive.recorded and any(
            isinstance(a, Tensor) and a.spec.requires_grad and owns(trace, a) for a in operands):
        return record.apply_recorded(mode, primitive, operands, params)
    return apply_plain(trace, primitive, operands, params)


def apply_plain(trace: Trace, primitive: Primitive, operands: list, params: dict):
    """One step of the current level without recording."""
    values = [unbox(trace, a) for a in operands]
    cls = class_of(operands)
    outs = trace.process(primitive, values, params)
    if primitive.multiple_results:
        return [box(out, cls) for out in outs]
    return box(outs, cls)


def unbox_value(x):
    """What a Tensor holds; anything else is itself."""
    return x.value if isinstance(x, Tensor) else x


def owns(trace: Trace, tensor: Tensor) -> bool:
    return not tensor.spec.concrete and tensor.value.trace is trace


def unbox(trace: Trace, a):
    """A Tensor of this level gives its tracer; one of a level below passes as a constant."""
    if not isinstance(a, Tensor) or a.spec.concrete:
        return a
    if a.value.trace is trace:
        return a.value
    if not trace.stands_on(a.value.trace):
        raise errors.leaked_tracer_error(a.value)
    return a


from minigrad.eager import record  # noqa: E402  (recording stands on these definitions)
