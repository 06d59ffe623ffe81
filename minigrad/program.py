"""Programs: staged equations over typed variables, printed as JAX prints them.

`StageTrace` is the level that writes them down: every primitive applied while it is current becomes
an equation, also on constants, so a program shows all that the function does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigrad import errors
from minigrad.show.origins import Traced
from minigrad.core import (
    Aval, Literal, Primitive, Tensor, Trace, Tracer, aval_of, get_mode, level, make_box,
    make_spec, owns, to_array, world_of,
)


class Var:
    """A typed variable; it gets its letter when the program is printed."""

    __slots__ = ("aval", "__weakref__")

    def __init__(self, aval: Aval):
        self.aval = aval


Atom = Var | Literal


class Eqn:
    """`outvars = primitive[params] invars`, and the user's line that asked for it."""

    __slots__ = ("primitive", "invars", "outvars", "params", "source")

    def __init__(self, primitive: Primitive, invars: Sequence[Atom], outvars: Sequence[Var],
                 params: dict, source: tuple | None = None):
        self.primitive, self.invars, self.outvars = primitive, list(invars), list(outvars)
        self.params, self.source = params, source

    def replace(self, invars=None, outvars=None, params=None) -> Eqn:
        return Eqn(self.primitive, self.invars if invars is None else invars,
                   self.outvars if outvars is None else outvars,
                   self.params if params is None else params, self.source)

    def __str__(self) -> str:
        from minigrad.show.printer import pretty_equation

        return pretty_equation(self)


class Jaxpr:
    """A program. `consts` are the values of `constvars`, captured while it was staged."""

    __slots__ = ("constvars", "invars", "outvars", "eqns", "consts", "cache", "__weakref__")

    def __init__(self, constvars, invars, outvars, eqns, consts=()):
        self.constvars, self.invars, self.outvars = list(constvars), list(invars), list(outvars)
        self.eqns, self.consts = list(eqns), list(consts)
        self.cache: dict = {}  # what has been made of this program: its jvp, its source ...

    in_avals = property(lambda self: [v.aval for v in self.invars])
    out_avals = property(lambda self: [v.aval for v in self.outvars])
    # JAX tells closed programs, which have literals, from open ones; here all are closed.
    jaxpr, literals = property(lambda self: self), property(lambda self: self.consts)

    def replace(self, **changes) -> Jaxpr:
        parts = dict(constvars=self.constvars, invars=self.invars, outvars=self.outvars,
                     eqns=self.eqns, consts=self.consts)
        return Jaxpr(**(parts | changes))

    def __str__(self) -> str:
        from minigrad.show.printer import pretty

        return pretty(self)

    __repr__ = __str__


# ------------------------------------------------------------------ staging


class StageTracer(Tracer):
    __slots__ = ("var",)

    def __init__(self, trace: StageTrace, var: Var):
        self.trace, self.var, self.aval = trace, var, var.aval


# JAX writes no equation for these where they change nothing
FORWARDED = {"broadcast_in_dim", "convert_element_type"}


class StageTrace(Trace):
    """Writes equations down instead of running them."""

    origin = "jit"
    described: Traced | None = None  # for error messages: the function, its arguments' names

    def __init__(self, name: str = "<unnamed function>"):
        self.name = name
        self.eqns: list[Eqn] = []
        self.invars: list[Var] = []
        self.captured: dict[Any, tuple[Var, Any]] = {}  # id of a constant -> variable, constant

    def new_input(self, aval: Aval) -> StageTracer:
        var = Var(aval)
        self.invars.append(var)
        return StageTracer(self, var)

    def process(self, primitive, args, params):
        invars = [self.atom(a) for a in args]
        try:
            avals = primitive.abstract(*[v.aval for v in invars], **params)
        except (TypeError, ValueError) as error:
            raise errors.at_user_line(error) from None
        if primitive.name in FORWARDED and type(args[0]) is StageTracer \
                and args[0].trace is self and avals is args[0].aval:
            return args[0]
        outvars = [Var(a) for a in (avals if primitive.multiple_results else [avals])]
        self.eqns.append(Eqn(primitive, invars, outvars, params, errors.user_place()))
        outs = [StageTracer(self, v) for v in outvars]
        return outs if primitive.multiple_results else outs[0]

    def atom(self, x) -> Atom:
        if type(x) is StageTracer and x.trace is self:
            return x.var
        aval = aval_of(x)
        seen_below = isinstance(x, Tensor) and (not x.spec.concrete or x.spec.requires_grad)
        if not aval.shape and not seen_below and getattr(aval.dtype, "fields", None) is None \
                and world_of((value := to_array(x),)) is None:
            return Literal(np.asarray(value, aval.dtype)[()], aval, getattr(x, "shown", None))
        return self.capture(x, aval)

    def capture(self, x, aval: Aval) -> Var:
        key = id(x)
        if isinstance(x, Tensor):  # a Tensor and what was detached from it differ by their graphs
            key = id(x.value), id(x.node) if x.spec.requires_grad else None
        if key not in self.captured:
            self.captured[key] = Var(aval), x
        return self.captured[key][0]

    def program(self, outs: Sequence) -> Jaxpr:
        """Close the program over `outs`, Tensors of this level or constants."""
        outvars = [self.atom(out.value if isinstance(out, Tensor) and owns(self, out) else out)
                   for out in outs]
        pairs = list(self.captured.values())
        return Jaxpr([v for v, _ in pairs], self.invars, outvars, self.eqns, [c for _, c in pairs])


def stage(fn: Callable, avals: Sequence[Aval], classes: Sequence[type] | type = Tensor,
          name: str | None = None, trace: StageTrace | None = None) -> Jaxpr:
    """The program of `fn`, a function of flat Tensors that returns a flat list."""
    trace = trace or StageTrace(name or getattr(fn, "__name__", "<unnamed function>"))
    if isinstance(classes, type):
        classes = [classes] * len(avals)
    with level(trace, grad=get_mode().grad):
        args = [make_box(cls, trace.new_input(a), make_spec(a, False, False))
                for a, cls in zip(avals, classes, strict=True)]
        return trace.program(fn(*args))


# ------------------------------------------------------------------ running a program


def eval_jaxpr(jaxpr: Jaxpr, *args) -> list:
    """Apply each equation at the current level, as if the function were called again."""
    env: dict[Var, Any] = dict(zip(jaxpr.constvars, jaxpr.consts))
    env.update(zip(jaxpr.invars, args, strict=True))

    def read(atom: Atom):
        return env[atom] if type(atom) is Var else atom

    for eqn in jaxpr.eqns:
        outs = eqn.primitive(*map(read, eqn.invars), **eqn.params)
        env.update(zip(eqn.outvars, outs if eqn.primitive.multiple_results else [outs]))
    return [read(v) for v in jaxpr.outvars]


def subprograms(params: dict) -> list[tuple[str, Any]]:
    """The programs among an equation's parameters (the bodies of scan, cond, jit ...)."""
    found = []
    for key, value in params.items():
        for item in value if isinstance(value, tuple) else (value,):
            if isinstance(item, Jaxpr):
                found.append((key, item))
    return found


def has_effect(eqn: Eqn) -> bool:
    """Does an equation do more than give values, itself or in a program inside?"""
    if eqn.primitive.__dict__.get("effect"):
        return True
    return any(effects_of(inner) for _, inner in subprograms(eqn.params))


def effects_of(jaxpr: Jaxpr) -> bool:
    """Is there an equation that is wanted for what it does?"""
    if "effect" not in jaxpr.cache:
        jaxpr.cache["effect"] = any(map(has_effect, jaxpr.eqns))
    return jaxpr.cache["effect"]


# ------------------------------------------------------------------ checking


def check_jaxpr(jaxpr: Jaxpr) -> None:
    """Raise a TypeError unless every variable is bound before use, once, with the right type."""
    bound = set(jaxpr.constvars) | set(jaxpr.invars)
    for eqn in jaxpr.eqns:
        for atom in eqn.invars:
            if type(atom) is Var and atom not in bound:
                raise TypeError(f"variable of type {atom.aval} used before it is bound, "
                                f"in an equation of {eqn.primitive}")
        avals = eqn.primitive.abstract(*[a.aval for a in eqn.invars], **eqn.params)
        expected = avals if eqn.primitive.multiple_results else [avals]
        for var, aval in zip(eqn.outvars, expected, strict=True):
            if var.aval.strong is not aval.strong:
                raise TypeError(f"{eqn.primitive} gives {aval}, but its variable is {var.aval}")
            if var in bound:
                raise TypeError(f"variable of type {var.aval} is bound twice")
            bound.add(var)
        for _, inner in subprograms(eqn.params):
            check_jaxpr(inner)
    for atom in jaxpr.outvars:
        if type(atom) is Var and atom not in bound:
            raise TypeError(f"output of type {atom.aval} is never bound")
