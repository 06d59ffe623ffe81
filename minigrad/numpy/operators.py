"""Python's operators on Tensors: `x + y`, `x[i]`, `float(x)`.

Operands of one dtype and of shapes that a primitive takes go to it at once, because derived
backward functions are made of such operators. Anything else takes the road of `minigrad.numpy`,
with type promotion and broadcasting. The faces put their own functions over these.
"""

from __future__ import annotations

import operator
from collections.abc import Callable

import numpy as np

from minigrad import errors
from minigrad.show import origins
from minigrad.batch import BatchTracer
from minigrad.core import Tensor, Tracer, fetch, table, worlds
from minigrad.forward import JVPTracer
from minigrad.numpy import elementwise, indexing, linear

# ------------------------------------------------------------------ arithmetic and comparison

# operator -> (the primitive, the function that promotes, can the operator be reflected?)
BINARY = {
    "add": ("add", elementwise.add), "sub": ("sub", elementwise.subtract),
    "mul": ("mul", elementwise.multiply), "truediv": ("div", elementwise.true_divide),
    "floordiv": (None, elementwise.floor_divide), "mod": (None, elementwise.remainder),
    "divmod": (None, elementwise.divmod), "pow": (None, elementwise.power),
    "matmul": (None, linear.matmul), "and": ("and", elementwise.bitwise_and),
    "or": ("or", elementwise.bitwise_or), "xor": ("xor", elementwise.bitwise_xor),
    "lshift": (None, elementwise.left_shift), "rshift": (None, elementwise.right_shift),
}
COMPARISONS = {
    "lt": ("lt", elementwise.less), "le": ("le", elementwise.less_equal),
    "gt": ("gt", elementwise.greater), "ge": ("ge", elementwise.greater_equal),
    "eq": ("eq", elementwise.equal), "ne": ("ne", elementwise.not_equal),
}
UNARY = {"neg": elementwise.negative, "pos": elementwise.positive, "abs": elementwise.absolute,
         "invert": elementwise.bitwise_not}
KINDS = {float: "fc", int: "iufc", complex: "c", bool: "b"}  # dtypes that take a Python scalar


def is_direct(name: str, x: Tensor, y) -> bool:
    """Will the primitive take these operands as they are?"""
    spec = x.spec
    if name == "div" and getattr(spec.dtype, "kind", "") in "iub":
        return False
    if type(y) in KINDS:
        return getattr(spec.dtype, "kind", "") in KINDS[type(y)]
    if not isinstance(y, Tensor) or y.spec.aval.strong.dtype != spec.dtype:
        return False
    return spec.aval.weak_type == y.spec.aval.weak_type and (
        spec.shape == y.spec.shape or not spec.shape or not y.spec.shape)


def is_operand(y) -> bool:
    """Lists and other containers are left to raise TypeError, or to their own operators."""
    return isinstance(y, (Tensor, np.ndarray, np.generic, bool, int, float, complex))


def binary(primitive_name: str | None, function: Callable) -> Callable:
    primitive = table.get(primitive_name) if primitive_name else None

    def method(self, other):
        if primitive is not None and is_direct(primitive_name, self, other):
            return primitive(self, other)
        return function(self, other) if is_operand(other) else NotImplemented

    return method


def reflected(primitive_name: str | None, function: Callable) -> Callable:
    primitive = table.get(primitive_name) if primitive_name else None

    def method(self, other):
        if primitive is not None and is_direct(primitive_name, self, other):
            return primitive(other, self)
        return function(other, self) if is_operand(other) else NotImplemented

    return method


# ------------------------------------------------------------------ to Python's own numbers


def concrete(x):
    """The array behind a value, or None where only its type is known. Under `grad` the numbers
    are there, so `if x > 0` may look at them; under `jit` and along a mapped axis they are not."""
    while isinstance(x, (Tensor, Tracer)):
        if isinstance(x, Tensor):
            x = x.value
        elif type(x) is JVPTracer and x.trace.alive:
            x = x.primal
        elif type(x) is BatchTracer and x.trace.alive and x.dim is None:
            x = x.value
        else:
            return None
    return x


def number(kind: Callable, error: Callable):
    """A conversion of a Tensor of one element; `error` makes the exception for a traced one."""

    def method(self):
        value = concrete(self)
        if value is None:
            raise error(self)
        value = np.asarray(fetch(value))
        return kind(value.item() if self.size == 1 else value)

    return method


def bool_error(x: Tensor) -> Exception:
    return traced_error(errors.TracerBoolConversionError, "Attempted boolean conversion of", x,
                        end=".")


def index_error(x: Tensor) -> Exception:
    return traced_error(errors.TracerIntegerConversionError,
                        "The __index__() method was called on", x)


def number_error(kind: type) -> Callable:
    name = kind.__name__

    def error(x: Tensor) -> Exception:
        return traced_error(
            errors.ConcretizationTypeError,
            "Abstract tracer value encountered where concrete value is expected:", x,
            f"The problem arose with the `{name}` function. If trying to convert the data type of "
            f"a value, try using `x.astype({name})` or `jnp.array(x, {name})` instead.\n")

    return error


def traced_error(kind: type, text: str, x: Tensor, remedy: str = "", end="") -> Exception:
    tracer = x.value
    if not tracer.trace.alive:
        return errors.leaked_tracer_error(tracer)
    gap = "\n" * (kind is errors.ConcretizationTypeError)
    return kind(f"{text} traced array with shape {origins.shown(x.spec.aval)}{end}\n{remedy}"
                f"{origins.sentence(tracer)}\n{gap}See {origins.DOCS}{kind.__name__}")


def to_index(self) -> int:
    value = concrete(self)
    if value is None:
        raise index_error(self)
    return operator.index(np.asarray(fetch(value))[()])


def to_bool(self) -> bool:
    value = concrete(self)
    if value is None:
        raise bool_error(self)
    return bool(np.asarray(fetch(value)))


def iterate(self):
    if not self.shape:
        raise TypeError("iteration over a 0-d array")
    return (self[i] for i in range(self.shape[0]))


# ------------------------------------------------------------------ exchange with other libraries


def dlpack(self, **options):
    """The array as a DLPack capsule, which other libraries read without copying."""
    return exported(self).__dlpack__(**options)


def dlpack_device(self) -> tuple[int, int]:
    return exported(self).__dlpack_device__()


def exported(x: Tensor):
    """The array, where it lies."""
    value = to_value(x)
    return value if type(value) in worlds else np.asarray(value)


def to_value(x: Tensor):
    if not x.spec.concrete:
        raise traced_error(errors.TracerArrayConversionError,
                           "The numpy.ndarray conversion method __array__() was called on", x)
    return x.value


def to_numpy(self, dtype=None, copy=None):
    return np.array(fetch(to_value(self)), dtype, copy=copy)


METHODS = {f"__{name}__": binary(*row) for name, row in (BINARY | COMPARISONS).items()}
METHODS |= {f"__r{name}__": reflected(*row) for name, row in BINARY.items()}
METHODS |= {f"__{name}__": function for name, function in UNARY.items()}
METHODS |= {
    "__getitem__": indexing.getitem, "__iter__": iterate, "__index__": to_index,
    "__bool__": to_bool, "__float__": number(float, number_error(float)),
    "__int__": number(int, number_error(int)),
    "__complex__": number(complex, number_error(complex)),
    "__array__": to_numpy, "__dlpack__": dlpack, "__dlpack_device__": dlpack_device,
}


def attach(cls: type = Tensor) -> None:
    """Give the class the operators."""
    for name, method in METHODS.items():
        setattr(cls, name, method)
