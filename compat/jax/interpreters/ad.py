"""jax.interpreters.ad: derivatives of primitives, and transposes of linear ones."""

from __future__ import annotations

from collections.abc import Callable

from compat.jax.array import ShapedArray, as_array
from compat.jax.face import argument_of_face as in_face
from compat.jax.interpreters.rules import Rules
from minigrad import forward
from minigrad.core import Linear, Primitive, aval_of
from minigrad.core import is_linear as is_undefined_primal
from minigrad.forward import JVPTrace, JVPTracer
from minigrad.ops.families import instantiate
from minigrad.tree import tree_map

__all__ = ["JVPTrace", "JVPTracer", "UndefinedPrimal", "Zero", "add_tangents", "defbilinear",
           "defjvp", "deflinear2", "instantiate_zeros", "is_undefined_primal", "primitive_jvps",
           "primitive_transposes", "zeros_like_aval"]

UndefinedPrimal = Linear


class Zero:
    """A tangent or cotangent that is zero, of a type."""

    def __init__(self, aval):
        self.aval = aval

    @staticmethod
    def from_primal_value(value) -> Zero:
        return Zero(ShapedArray(forward.tangent_aval(aval_of(value))))

    def instantiate(self):
        return zeros_like_aval(self.aval)

    def __repr__(self) -> str:
        return f"Zero({self.aval})"


def zeros_like_aval(aval):
    """An array of zeros of a type."""
    return as_array(instantiate(None, aval))


def instantiate_zeros(tangent):
    """The tangent, as an array where it is a Zero."""
    return tangent.instantiate() if type(tangent) is Zero else tangent


def add_tangents(x, y):
    """The sum, where either may be a Zero."""
    return y if type(x) is Zero else x if type(y) is Zero else x + y


def none_for_zero(x):
    return None if type(x) is Zero else x


def as_jvp(rule: Callable) -> Callable:
    def jvp(primals, tangents, **params):
        tangents = [Zero.from_primal_value(p) if t is None else in_face(t)
                    for p, t in zip(primals, tangents)]
        out, tangent = rule(tuple(map(in_face, primals)), tuple(tangents), **params)
        if isinstance(tangent, (list, tuple)):
            return list(out), list(map(none_for_zero, tangent))
        return out, none_for_zero(tangent)

    return jvp


def as_transpose(rule: Callable) -> Callable:
    def transpose(ct, args, **params):
        given = tree_map(in_face, ct)
        found = rule(given, *[a if is_undefined_primal(a) else in_face(a) for a in args], **params)
        return [none_for_zero(x) for x in found]

    return transpose


primitive_jvps = Rules("jvp", as_jvp)
primitive_transposes = Rules("transpose", as_transpose)


def get_primitive_transpose(primitive: Primitive) -> Callable:
    """The transpose rule."""
    return primitive_transposes[primitive]


def defjvp(primitive: Primitive, *rules) -> None:
    """The derivative in each argument: functions of (tangent, *primals), or None for zero."""
    def jvp(primals, tangents, **params):
        out = primitive.bind(*primals, **params)  # type: ignore[attr-defined]
        parts = [r(t, *primals, **params) for r, t in zip(rules, tangents)
                 if r is not None and type(t) is not Zero]
        total = Zero.from_primal_value(out)
        for part in parts:
            total = part if type(total) is Zero else total + part
        return out, total

    primitive_jvps[primitive] = jvp


def deflinear2(primitive: Primitive, transpose_rule: Callable) -> None:
    """A linear primitive: its derivative is itself; the transpose gets (ct, *primals)."""
    def jvp(primals, tangents, **params):
        out = primitive.bind(*primals, **params)  # type: ignore[attr-defined]
        return out, primitive.bind(  # type: ignore[attr-defined]
            *map(instantiate_zeros, tangents), **params)

    primitive_jvps[primitive] = jvp
    primitive_transposes[primitive] = transpose_rule


deflinear = deflinear2


def defbilinear(primitive: Primitive, lhs_rule: Callable, rhs_rule: Callable) -> None:
    """A primitive linear in each of two arguments, with a transpose for either."""
    defjvp(primitive, lambda t, x, y, **params: primitive.bind(t, y, **params),  # type: ignore
           lambda t, x, y, **params: primitive.bind(x, t, **params))  # type: ignore

    def transpose(ct, x, y, **params):
        if is_undefined_primal(x):
            return lhs_rule(ct, x, y, **params), None
        return None, rhs_rule(ct, x, y, **params)

    primitive_transposes[primitive] = transpose
