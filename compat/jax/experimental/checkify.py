"""jax.experimental.checkify: checks of values inside functions, which then return an error.

`checkify(f)` runs f with its checks, and gives (error, result). A check is an effect of the
program: when it runs and fails first, it leaves its message; the function that was checked reads it
at the end. So checks work under jit and in loops.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np

from compat.jax import errors
from compat.jax.array import Array, as_array
from compat.jax.jitting import make_jaxpr
from compat.jax.transforms import arrays
from minigrad import errors as messages
from minigrad.core import aval_of, make_aval, table
from minigrad.ops import callbacks
from minigrad.ops.families import dtype_kind
from minigrad.program import Eqn, Jaxpr, Var, stage
from minigrad.tree import register_pytree_node, tree_flatten, tree_unflatten

JaxRuntimeError = errors.JaxRuntimeError


class ErrorCategory:
    """A kind of error that is looked for."""


class FailedCheckError(ErrorCategory):
    """A check of the user's."""


class NaNError(ErrorCategory):
    """A NaN that was computed."""


class DivisionByZeroError(ErrorCategory):
    """A division by zero."""


class OOBError(ErrorCategory):
    """An index that is out of bounds."""


user_checks = frozenset({FailedCheckError})
nan_checks = frozenset({NaNError})
div_checks = frozenset({DivisionByZeroError})
index_checks = frozenset({OOBError})
float_checks = nan_checks | div_checks
automatic_checks = float_checks | index_checks
all_checks = automatic_checks | user_checks

# ------------------------------------------------------------------ the error


class Error:
    """Whether a check failed, and the message of the first that did."""

    def __init__(self, code):
        self.code = code

    def get(self) -> str | None:
        """The message, or None."""
        code = int(np.asarray(self.code))
        return None if code == 0 else MESSAGES[code]

    def throw(self) -> None:
        """Raise JaxRuntimeError if a check failed."""
        message = self.get()
        if message is not None:
            raise JaxRuntimeError(message)

    def __repr__(self) -> str:
        return f"Error({self.get()})" if isinstance(self.code, Array) and self.code.spec.concrete \
            else f"Error({self.code!r})"

    __str__ = __repr__


register_pytree_node(Error, lambda e: ((e.code,), None), lambda _, parts: Error(*parts))
MESSAGES: dict[int, str] = {}
first_failure: list[int] = [0]  # of the function that is being run
active: list[frozenset] = []  # what the functions that are being traced look for
init_error = Error(np.int32(0))


def note(message: str) -> None:
    if first_failure[0] == 0:
        code = len(MESSAGES) + 1
        MESSAGES[code] = message
        first_failure[0] = code


# ------------------------------------------------------------------ checks


def check(pred, msg: str, *fmt_args, debug: bool = False, **fmt_kwargs) -> None:
    """Fail with `msg.format(*fmt_args, **fmt_kwargs)` unless `pred` holds.

    Under a transformation the function must be made functional by `checkify`: ValueError else.
    """
    pred = as_array(pred)
    if dtype_kind(pred.dtype) != "b":
        raise TypeError("check takes a scalar predicate, got dtype " + pred.dtype.name)
    if not active:
        if debug:
            return
        if not pred.spec.concrete:
            raise ValueError(
                "Cannot abstractly evaluate a checkify.check which was not functionalized. This "
                "probably means you tried to stage (jit/scan/pmap/...) a `check` without "
                "functionalizing it through `checkify.checkify`.")
        if not bool(np.all(np.asarray(pred))):
            raise JaxRuntimeError(msg.format(*fmt_args, **fmt_kwargs)
                                  + " (`check` failed)")
        return
    if FailedCheckError in active[-1]:
        leaves, tree = tree_flatten((arrays(fmt_args), arrays(fmt_kwargs)))
        where = messages.user_line()

        def failed(*values):
            args, kwargs = tree_unflatten(tree, [np.asarray(v)[()] for v in values])
            note(f"{msg.format(*args, **kwargs)} (`check` failed)\n--------------------\n"
                 f"at {where}")

        bind_check(failed, pred, leaves)


def debug_check(pred, msg: str, *fmt_args, **fmt_kwargs) -> None:
    """The same, left out where nothing makes it functional."""
    check(pred, msg, *fmt_args, debug=True, **fmt_kwargs)


def check_error(error: Error) -> None:
    """Fail with an error that another function returned."""
    if not active:
        error.throw()
        return

    def failed(code):
        note(MESSAGES[int(np.asarray(code))])

    bind_check(failed, as_array(error.code) == 0, [as_array(error.code)])


def bind_check(failed: Callable, pred, operands) -> None:
    def call(pred, *values):
        if not np.all(pred):
            failed(*values)
        return []

    callbacks.debug_callback(pred, *operands, callback=call, result_avals=(), effect="Check",
                             partitioned=False)


# ------------------------------------------------------------------ checkify


def checkify(f: Callable, errors: frozenset = user_checks) -> Callable:
    """`f` with its checks: it gives (error, result). `errors` says what is looked for."""

    @functools.wraps(f)
    def checked(*args, **kwargs):
        leaves, tree = tree_flatten((arrays(args), arrays(kwargs)))
        out_tree: list = []

        def flat(*xs):
            given, named = tree_unflatten(tree, xs)
            found, structure = tree_flatten(f(*given, **named))
            out_tree[:] = [structure]
            return found

        active.append(frozenset(errors))
        try:
            program = make_jaxpr(flat)(*leaves)
            bind_reset(0)
            outs = [as_array(o) for o in run(program, leaves, frozenset(errors))]
        finally:
            active.pop()
        code = read_failure(outs)
        return Error(code), tree_unflatten(out_tree[0], outs)

    return checked


def bind_reset(code: int) -> None:
    def call():
        first_failure[0] = code
        return []

    callbacks.debug_callback(callback=call, result_avals=(), effect="Check", partitioned=False)


def read_failure(outs):
    """The first failure so far, once all results are there."""
    def call(*_):
        code, first_failure[0] = first_failure[0], 0
        return [np.int32(code)]

    (code,) = callbacks.io_callback(*outs, callback=call, ordered=True,
                                    result_avals=(make_aval((), np.int32),))
    return as_array(code)


def run(program: Jaxpr, args, wanted: frozenset) -> list:
    """The program's equations one after the other, each with the checks that it asks for."""
    env = dict(zip(program.constvars, program.consts))
    env.update(zip(program.invars, args))

    def read(atom):
        return env[atom] if type(atom) is Var else atom

    for eqn in program.eqns:
        values = list(map(read, eqn.invars))
        params = {k: instrumented(v, wanted) for k, v in eqn.params.items()}
        before(eqn, values, wanted)
        outs = eqn.primitive(*values, **params)
        outs = outs if eqn.primitive.multiple_results else [outs]
        env.update(zip(eqn.outvars, outs))
        if NaNError in wanted and not any(isinstance(v, Jaxpr) for v in eqn.params.values()):
            after(eqn, outs)
    return list(map(read, program.outvars))


def instrumented(param, wanted: frozenset):
    """Programs among the parameters, with checks inside."""
    if isinstance(param, tuple) and any(isinstance(p, Jaxpr) for p in param):
        return tuple(instrumented(p, wanted) for p in param)
    if not isinstance(param, Jaxpr):
        return param
    return stage(lambda *xs: run(param, xs, wanted), param.in_avals, Array)


def before(eqn: Eqn, values, wanted: frozenset) -> None:
    name = eqn.primitive.name
    where = messages.user_line() if eqn.source is None else eqn.source
    if DivisionByZeroError in wanted and name in ("div", "rem"):
        zero = table["eq"](values[1], np.zeros((), aval_of(values[1]).dtype)[()])
        axes = tuple(range(len(aval_of(values[1]).shape)))
        bad = table["reduce_or"](zero, axes=axes) if axes else zero
        bind_check(lambda: note(f"division by zero.\n--------------------\nat {where}"),
                   table["not"](bad), [])
    if OOBError in wanted and name in ("gather", "scatter", "scatter-add", "scatter-mul",
                                       "scatter-min", "scatter-max", "dynamic_slice"):
        check_bounds(eqn, values, where)


def check_bounds(eqn: Eqn, values, where: str) -> None:
    """The indices of a gather or scatter, and the starts of a slice, against the shape."""
    shape = aval_of(values[0]).shape
    if eqn.primitive.name == "dynamic_slice":
        sizes, axes, index = eqn.params["slice_sizes"], range(len(shape)), values[1:]
    else:
        numbers = eqn.params["dimension_numbers"]
        axes = getattr(numbers, "start_index_map", None) or numbers.scatter_dims_to_operand_dims
        sizes = eqn.params.get("slice_sizes") or [
            1 if d in numbers.inserted_window_dims else shape[d] for d in range(len(shape))]
        index = [values[1]]

    def call(*found):
        columns = [np.asarray(v) for v in found] if len(found) > 1 or not np.ndim(found[0]) else \
            list(np.moveaxis(np.asarray(found[0]), -1, 0))
        for axis, column in zip(axes, columns):
            limit = shape[axis] - sizes[axis]
            wrong = (column < 0) | (column > limit)
            if np.any(wrong):
                bad = np.asarray(column)[wrong].ravel()[0]
                note(f"out-of-bounds indexing for array of shape {shape}: index {bad} is out of "
                     f"bounds for axis {axis} with size {shape[axis]}. \n--------------------\n"
                     f"at {where}")
                break
        return []

    callbacks.debug_callback(*index, callback=call, result_avals=(), effect="Check",
                             partitioned=False)


def after(eqn: Eqn, outs) -> None:
    name = eqn.primitive.name
    where = messages.user_line() if eqn.source is None else eqn.source
    for out in outs:
        if dtype_kind(aval_of(out).dtype) in "fc":
            axes = tuple(range(len(aval_of(out).shape)))
            wrong = table["ne"](out, out)
            bad = table["reduce_or"](wrong, axes=axes) if axes else wrong
            bind_check(lambda: note(f"nan generated by primitive: {name}.\n--------------------\n"
                                    f"at {where}"), table["not"](bad), [])
