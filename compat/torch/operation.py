"""`operation`: PyTorch's functions as minigrad ops, and PyTorch's complaints about arguments."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence

import numpy as np

from compat.torch.devices import WORLDS, together
from compat.torch.promotion import scalar_type
from compat.torch.tensor import Tensor
from minigrad import core
from minigrad.core import EVAL, PYTHON_SCALARS, box, get_mode, inlining
from minigrad.eager import Op, write_wrapper


OF_NUMBERS = {"add", "sub", "mul", "div", "floor_divide"}  # take two Python numbers too


class Operation(Op):
    """The table of one function. The first call on new specs, and calls with anything but Tensors
    and Python scalars, come through `slow`."""

    def __init__(self, fn, name, tensors, scalars, view, operator):
        super().__init__(fn, Tensor, name, tensors, view)
        self.operator, self.scalars = operator, scalars
        parameters = inspect.signature(fn).parameters
        self.optional = {n for n in self.tensors if parameters[n].default is None}

    def slow(self, tensors, statics):
        operands = [self.accepted(i, a) for i, a in enumerate(tensors)]
        if any(a is NotImplemented for a in operands):
            return NotImplemented
        if len(operands) > 1 and not inlining.get() and not any(
                isinstance(a, core.Tensor) for a in operands):
            if self.shown in OF_NUMBERS:
                return super().slow((box(np.asarray(operands[0], scalar_type(type(operands[0]))),
                                         Tensor), *operands[1:]), statics)
            raise TypeError(f"{self.shown}() received an invalid combination of arguments - got ("
                            f"{', '.join(type(a).__name__ for a in tensors)})")
        if WORLDS:
            operands = together(operands)
        try:
            return super().slow(tuple(operands), statics)
        except (TypeError, ValueError) as error:
            if type(error) not in (TypeError, ValueError) or not raised_by_engine(error):
                raise
            raise RuntimeError(f"{self.shown}(): {error}") from None

    @property
    def shown(self) -> str:
        return self.fn.__name__.strip("_")

    def accepted(self, position: int, a):
        name = self.tensors[position]
        if isinstance(a, core.Tensor):
            return a
        if self.operator and position or name in self.scalars:
            if type(a) in PYTHON_SCALARS:
                return a
            if isinstance(a, PYTHON_SCALARS):  # IntEnum, True as an int of another class ...
                return next(t for t in PYTHON_SCALARS if isinstance(a, t))(a)
            if isinstance(a, np.generic) and a.dtype.kind in "biufc":
                return a.item()
        if a is None and self.operator and position:
            return NotImplemented
        if a is None and name in self.optional or inlining.get() \
                or get_mode().trace is not EVAL:
            return a  # inside another operation, constants are operands too
        if self.operator and position:
            return box(a, Tensor) if isinstance(a, np.ndarray) else NotImplemented
        raise TypeError(f"{self.shown}(): argument '{name}' (position {position + 1}) "
                        f"must be Tensor, not {type(a).__name__}")


def raised_by_engine(error: Exception) -> bool:
    """Did minigrad refuse the operands? PyTorch has RuntimeError for that."""
    trace = error.__traceback__
    while trace.tb_next is not None:
        trace = trace.tb_next
    path = trace.tb_frame.f_code.co_filename.replace("\\", "/")
    return "/compat/torch/" not in path


def operation(fn: Callable | None = None, *, name: str | None = None, tensors: Sequence[str] = (),
              scalars: Sequence[str] = (), view: bool = False, operator: bool = False) -> Callable:
    """`minigrad.op` for this face. `name` gives the node's: "sum.1" is SumBackward1.

    operator: the function is a Python operator, which declines operands it does not know.
    """
    if fn is None:
        return functools.partial(operation, name=name, tensors=tensors, scalars=scalars, view=view,
                                 operator=operator)
    table = Operation(fn, name or fn.__name__, tensors, scalars, view, operator)
    table.wrapper = functools.wraps(fn)(write_wrapper(table, scalars))
    table.wrapper.op = table
    return table.wrapper


def variadic(fn: Callable, name: str, **options) -> Callable:
    """An operation on a sequence of Tensors: `fn(tensors, **statics)`. One op for each length."""
    statics = list(inspect.signature(fn).parameters.values())[1:]

    @functools.lru_cache(maxsize=64)
    def of_length(count: int) -> Callable:
        names = [f"x{i}" for i in range(count)]

        def spread(**given):
            values = [given.pop(n) for n in names]
            return fn(values, **given)

        parameters = [inspect.Parameter(n, inspect.Parameter.POSITIONAL_OR_KEYWORD) for n in names]
        spread.__signature__ = inspect.Signature(
            parameters + [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in statics])
        spread.__name__ = fn.__name__
        return operation(spread, name=name, tensors=names, **options)

    def call(tensors, **given):
        return of_length(len(tensors))(*tensors, **given)

    return functools.wraps(fn)(call)
