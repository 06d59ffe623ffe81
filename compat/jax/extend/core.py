"""jax.extend.core: programs, and primitives of one's own.

>>> import compat.jax as jax
>>> twice_p = Primitive("twice")
>>> _ = twice_p.def_impl(lambda x: x + x), twice_p.def_abstract_eval(lambda x: x)
>>> print(twice_p.bind(jax.numpy.ones(2)), jax.make_jaxpr(twice_p.bind)(1.0))
[2. 2.] { lambda ; a:f32[]. let b:f32[] = twice a in (b,) }
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from compat.jax.array import ShapedArray as ShapedArray, as_array
from compat.jax.core import eval_jaxpr
from compat.jax.errors import (
    InconclusiveDimensionOperation as InconclusiveDimensionOperation,
    JaxprTypeError as JaxprTypeError,
)
from compat.jax.face import result_of_face
from compat.jax.transforms import arrays
from minigrad import core, program
from minigrad.program import Eqn, Jaxpr, Literal as Literal, Var as Var
from minigrad.program import check_jaxpr as check_jaxpr
from minigrad.program import subprograms
from minigrad.tree import tree_map

ClosedJaxpr, JaxprEqn, Token = Jaxpr, Eqn, type(None)
primitives = sys.modules["compat.jax.lax"]  # `add_p` and all others


class DropVar(Var):
    """A variable that nobody reads; the printer writes it `_`."""


def bind(self, *args, **params):
    """Apply a primitive to arrays."""
    return tree_map(result_of_face, self(*arrays(args), **params))


core.Primitive.bind = bind  # type: ignore[attr-defined]
core.Primitive.get_bind_params = (  # type: ignore[attr-defined]
    lambda self, params: ([], params))


class Primitive(core.Primitive):
    """An operation of one's own. Its rules come by `def_impl`, `def_abstract_eval` and the tables
    of `jax.interpreters`."""

    def __init__(self, name: str):
        known = core.table.get(name)
        super().__init__(name)
        core.table.pop(name)  # it is found by its object, not by its name
        if known is not None:
            core.table[name] = known

    def bind(self, *args, **params):
        """Apply it: outside all transformations, that is to call what `def_impl` gave."""
        if core.get_mode().trace is core.EVAL:
            return self.own_impl(*args, **params)
        return bind(self, *args, **params)

    def own_impl(self, *args, **params):
        raise NotImplementedError(f"Evaluation rule for '{self.name}' not implemented")

    def def_impl(self, impl: Callable) -> Callable:
        """How to compute it: a function of Arrays."""
        self.own_impl = impl  # type: ignore[method-assign]
        self.impl = lambda *args, **params: tree_map(
            core.unbox_value, impl(*map(as_array, args), **params))
        return impl

    def def_abstract_eval(self, rule: Callable) -> Callable:
        """The types of the results, from the types of the arguments."""
        def abstract(*avals, **params):
            found = rule(*map(ShapedArray, avals), **params)
            return [own_aval(a) for a in found] if self.multiple_results else own_aval(found)

        self.abstract = abstract
        return rule

    def def_effectful_abstract_eval(self, rule: Callable) -> Callable:
        """The same for a rule that also says what effects there are."""
        return self.def_abstract_eval(lambda *avals, **params: rule(*avals, **params)[0])


def own_aval(a) -> core.Aval:
    return core.make_aval(tuple(a.shape), a.dtype, a.weak_type)


def jaxpr_as_fun(closed: Jaxpr) -> Callable:
    """The function that runs a program."""
    return lambda *args: eval_jaxpr(closed, closed.consts, *args)


def jaxprs_in_params(params: dict):
    """The programs among the parameters of an equation."""
    return [inner for _, inner in subprograms(params)]


def subjaxprs(jaxpr: Jaxpr):
    """The programs inside a program."""
    return [inner for eqn in jaxpr.eqns for inner in jaxprs_in_params(eqn.params)]


def concrete_or_error(kind, value, context: str = ""):
    """The value, or its ConcretizationTypeError."""
    value = core.to_array(as_array(value))
    return value if kind is None else kind(value)


def find_top_trace(values):
    """The level that is listening."""
    return core.get_mode().trace


get_opaque_trace_state = lambda convention=None: core.get_mode()  # noqa: E731
eval_program = program.eval_jaxpr
