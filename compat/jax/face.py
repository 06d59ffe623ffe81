"""How functions of minigrad become functions of the jax face.

`eager`: from the table of `minigrad.eager.op`, one look-up a call (functions of arrays).
`boxed`: called directly, its results made Arrays (functions of lists, or of no array at all).
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable

import numpy as np

from compat.jax.array import Array, as_array, canonical_dtype, check_alive
from compat.jax.devices import CHOSEN, Device, moved
from minigrad.core import Literal, Tensor, Tracer, make_box, make_spec
from minigrad.eager import Op, write_wrapper
from minigrad.numpy.operators import is_operand
from minigrad.numpy.promotion import check_array
from minigrad.numpy.staging import staged
from minigrad.ops.families import dtype_kind
from minigrad.tree import tree_flatten, tree_map

# Parameters that hold arrays, by the names they have in jax.numpy. All others are static.
ARRAYS = set(
    "x y x1 x2 x3 a b m v z q arr ary array A val condition min max initial where indices weights "
    "start_indices ar bins p xp fp c tangent key keys logits minval maxval lower upper mean lam "
    "alpha beta df loc scale operand update updates arr2 on_true on_false pred labels "
    "negative_slope threshold nan posinf neginf correction rtol atol".split())


def array_names(fn: Callable, also=()) -> tuple[str, ...]:
    return tuple(n for n in inspect.signature(fn).parameters if n in ARRAYS or n in also)


class FaceOp(Op):
    """An Op that narrows dtypes asked for, and refuses what JAX refuses."""

    def call(self, tensors, statics):
        """Defaults stay unsaid, so that a staged function sees them as constants of its own."""
        named = zip((*self.tensors, *self.statics), (*tensors, *statics))
        given = {k: v for k, v in named if v is not self.defaults.get(k, self)}
        return self.fn(*[given.pop(k) for k in self.positional if k in given], **given)

    def make_run(self, mode, operands, specs, statics):
        run = super().make_run(mode, operands, specs, statics)
        if not looks_at_results():
            return run
        return lambda *args: checked(self.name, run(*args))

    def run_once(self, mode, operands, specs, statics):
        out = super().run_once(mode, operands, specs, statics)
        return checked(self.name, out) if looks_at_results() else out

    def slow(self, tensors: tuple, statics: tuple):
        tensors = tuple(x.__jax_array__() if hasattr(x, "__jax_array__") else x for x in tensors)
        for position, x in enumerate(tensors):
            if isinstance(x, Tensor):
                check_alive(x)
            elif x is not None:
                check_array(self.name, x, position)
        return super().slow(tensors, tuple(map(narrowed, statics)))


def looks_at_results() -> bool:
    from compat.jax.config import config

    return config.jax_debug_nans or config.jax_debug_infs


def checked(name: str, out):
    """The result, or FloatingPointError where the settings forbid what is in it."""
    from compat.jax.config import config

    for x in tree_flatten(out)[0]:
        value = x.value if isinstance(x, Tensor) and x.spec.concrete else None
        if value is None or dtype_kind(x.spec.dtype) not in "fc":
            continue
        if config.jax_debug_nans and np.isnan(value).any():
            raise FloatingPointError(f"invalid value (nan) encountered in {name}")
        if config.jax_debug_infs and np.isinf(value).any():
            raise FloatingPointError(f"invalid value (inf) encountered in {name}")
    return out


def defaults_of(fn: Callable) -> dict:
    return {n: p.default for n, p in inspect.signature(fn).parameters.items()
            if p.default is not p.empty}


def positional_only(fn: Callable) -> list[str]:
    return [n for n, p in inspect.signature(fn).parameters.items()
            if p.kind is p.POSITIONAL_ONLY]


def narrowed(x):
    """A dtype among the static arguments, as JAX canonicalizes it."""
    if isinstance(x, str) and len(x) > 1 and x in np.sctypeDict:  # "float64", no mode or order
        return canonical_dtype(x)
    if isinstance(x, np.dtype) or isinstance(x, type) and (
            issubclass(x, np.generic) or hasattr(x, "dtype")):
        return canonical_dtype(x)
    if x is object:
        raise TypeError(f"JAX only supports number, bool, and string dtypes, got dtype {x}")
    return x


def eager(fn: Callable, name: str | None = None, arrays=(), view: bool = False) -> Callable:
    """`fn` in the face: results are Arrays, and calls on known specs are one look-up."""
    tensors = tuple(arrays) or array_names(fn)
    table = FaceOp(fn, Array, name or fn.__name__, tensors, view)
    table.defaults = defaults_of(fn)
    table.positional = positional_only(fn)
    required = [n for n, p in inspect.signature(fn).parameters.items() if p.default is p.empty]
    table.wrapper = functools.wraps(fn)(
        write_wrapper(table, [t for t in tensors if t in required] if len(tensors) > 1 else []))
    table.wrapper.op = table
    return table.wrapper


class OperatorOp(FaceOp):
    """Python's operators leave operands they do not know to the other side."""

    def slow(self, tensors: tuple, statics: tuple):
        if not all(map(is_operand, tensors)):
            return NotImplemented
        return super().slow(tensors, statics)


def operator_of(fn: Callable, name: str, reflected: bool = False) -> Callable:
    def method(x, y):
        return fn(y, x) if reflected else fn(x, y)

    table = OperatorOp(method, Array, name, ("x", "y"), False)
    table.defaults, table.positional = {}, ()
    table.wrapper = write_wrapper(table, ("y",))
    return table.wrapper


def to_face(x):
    """A leaf of arguments or results: arrays become Arrays, anything else stays."""
    if isinstance(x, (Tensor, np.ndarray, np.generic)) and not isinstance(x, Array):
        return as_array(x)
    return x


def with_array_leaf(x):
    return as_array(x) if is_operand(x) else x


def boxed(fn: Callable) -> Callable:
    """`fn` with array arguments made Arrays, dtypes narrowed, and results made Arrays."""

    placed = {"device", "out_sharding", "sharding"} - inspect.signature(fn).parameters.keys()

    @functools.wraps(fn)
    def call(*args, **kwargs):
        device = kwargs.get("device")
        for name in placed & kwargs.keys():
            del kwargs[name]
        if device is not None or CHOSEN:
            return on_device(call, device, args, kwargs)
        args = [narrowed(tree_map(to_face, a)) for a in args]
        kwargs = {k: narrowed(to_face(v)) for k, v in kwargs.items()}
        return tree_map(result_of_face, fn(*args, **kwargs))

    return call


class Indexed:
    """`mgrid[0:3]`: an object whose items become Arrays."""

    def __init__(self, inner):
        self.__getitem = boxed(inner.__getitem__)

    def __getitem__(self, key):
        return self.__getitem(key)


def on_device(call: Callable, device, args, kwargs):
    """A function that makes Arrays, on the device that is asked for, or on the default one."""
    if device is None:
        device = CHOSEN[-1]
        if any(isinstance(x, Array) for x in (*args, *kwargs.values())):
            device = None
    hidden, CHOSEN[:] = CHOSEN[:], []
    try:
        out = call(*args, **kwargs)
    finally:
        CHOSEN[:] = hidden
    return tree_map(lambda x: moved(x, device) if isinstance(x, Array) and
                    isinstance(device, Device) else x, out)


def composite(fn: Callable | None = None, *, static=None, name: str | None = None) -> Callable:
    """A function written in the face's own idiom: its array parameters are checked and become
    Arrays. With `static`, the parameters that are no arrays, it stands in programs as one `jit`
    equation, as those functions do that JAX jits."""
    if fn is None:
        return functools.partial(composite, static=static, name=name)
    signature = inspect.signature(fn)
    checked = array_names(fn)
    shown = name or fn.__name__
    body = fn if static is None else staged(fn, name=shown, static=static)

    @functools.wraps(fn)
    def call(*args, **kwargs):
        bound = signature.bind(*args, **kwargs)
        given = bound.arguments
        for position, n in enumerate(checked):
            if given.get(n) is not None:
                check_array(shown, given[n], position)
                given[n] = as_array(given[n])
        for n in given.keys() & {"dtype"}:
            given[n] = narrowed(given[n])
        return tree_map(result_of_face, body(*bound.args, **bound.kwargs))

    return call


def argument_of_face(x):
    """What a rule of the user is given: values of minigrad become Arrays, all else stays."""
    if isinstance(x, Literal):
        return make_box(Array, x.value, make_spec(x.aval))
    return as_array(x) if isinstance(x, (Tensor, Tracer)) else x


def rule_of_face(fn: Callable) -> Callable:
    """A rule of the user, which is given Arrays."""

    @functools.wraps(fn)
    def rule(*args, **kwargs):
        return fn(*tree_map(argument_of_face, args), **kwargs)

    return rule


def result_of_face(x):
    return as_array(x) if hasattr(x, "aval") or isinstance(x, (np.ndarray, np.generic)) else x
