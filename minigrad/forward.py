"""Forward mode: `jvp` pushes a level whose values carry a tangent; `linearize` runs the primal
now and writes the tangent down as a linear program.

>>> import minigrad as mg
>>> out, tangent = mg.jvp(mg.numpy.sin, (0.0,), (1.0,))
>>> float(out), float(tangent)
(0.0, 1.0)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from minigrad import errors
from minigrad.core import (
    Aval, Primitive, Tensor, Trace, Tracer, aval_of, box, get_mode, level, make_aval, owns,
)
from minigrad.ops.families import dtype_kind, instantiate
from minigrad.program import Eqn, Jaxpr, StageTrace, Var, eval_jaxpr, stage
from minigrad.tree import tree_flatten, tree_unflatten

FLOAT0 = np.dtype([("float0", np.void, 0)])  # the tangent type of integers and booleans


def is_differentiable(aval: Aval) -> bool:
    return dtype_kind(aval.dtype) in "fc"


# ------------------------------------------------------------------ jvp


class JVPTracer(Tracer):
    __slots__ = ("primal", "tangent")

    def __init__(self, trace: Trace, primal, tangent):
        self.trace, self.primal, self.tangent = trace, primal, tangent
        self.aval = aval_of(primal)


class JVPTrace(Trace):
    """Values are pairs (primal, tangent) of the level below; a tangent of None is zero."""

    origin = "jvp"

    def __init__(self, reverse: bool = False):
        self.reverse = reverse  # tangents are only staged, to be transposed: no_grad stops them

    def process(self, primitive, args, params):
        if self.reverse and get_mode().below:
            args = self.split(args)[0]
        return Trace.process(self, primitive, args, params)

    def interpret(self, primitive: Primitive, args: list, params: dict):
        primals, tangents = self.split(args)
        if all(t is None for t in tangents):
            outs = primitive(*primals, **params)
            tangents_out = [None] * len(outs) if primitive.multiple_results else None
        elif primitive.jvp is None:
            raise errors.no_rule(primitive, "differentiation")
        else:
            outs, tangents_out = primitive.jvp(primals, tangents, **params)
        if primitive.multiple_results:
            return [JVPTracer(self, o, t) for o, t in zip(outs, tangents_out, strict=True)]
        return JVPTracer(self, outs, tangents_out)

    def split(self, args: Sequence):
        own = [type(a) is JVPTracer and a.trace is self for a in args]
        primals = [a.primal if mine else a for a, mine in zip(args, own)]
        return primals, [a.tangent if mine else None for a, mine in zip(args, own)]


def jvp_flat(f: Callable[..., list], primals: Sequence, tangents: Sequence,
             reverse: bool = False) -> tuple[list, list]:
    """jvp of a function of flat values; a tangent of None, in or out, is zero."""
    trace = JVPTrace(reverse)
    with level(trace):
        args = [box(JVPTracer(trace, p, t), type(p) if isinstance(p, Tensor) else Tensor)
                for p, t in zip(primals, tangents, strict=True)]
        outs = f(*args)
        pairs = [(o.value.primal, o.value.tangent)
                 if isinstance(o, Tensor) and owns(trace, o) else (o, None) for o in outs]
    return [p for p, _ in pairs], [t for _, t in pairs]


def jvp(f: Callable, primals, tangents, has_aux: bool = False):
    """Push `tangents` forward through `f` at `primals`.

    Args: `primals` and `tangents` are tuples (or lists) of pytrees of equal structure, shapes
    and dtypes. Returns `(f(*primals), tangent of it)`. Raises TypeError where they do not match.

    Source: the forward mode of jax.jvp.
    """
    if not isinstance(primals, (tuple, list)) or not isinstance(tangents, (tuple, list)):
        raise TypeError(
            "primal and tangent arguments to jax.jvp must be tuples or lists; "
            f"found {type(primals).__name__} and {type(tangents).__name__}.")
    flat_primals, in_tree = tree_flatten(tuple(primals))
    flat_tangents, tangent_tree = tree_flatten(tuple(tangents))
    if in_tree != tangent_tree:
        raise TypeError("primal and tangent arguments to jax.jvp must have the same tree "
                        f"structure; primals have tree structure {in_tree} whereas tangents have "
                        f"tree structure {tangent_tree}.")
    for p, t in zip(flat_primals, flat_tangents):
        check_tangent(aval_of(p), aval_of(t))
    flat, seen = flatten_fun(f, in_tree, has_aux)
    primals_in = [box(p) for p in flat_primals]
    tangents_in = [box(t) if is_differentiable(aval_of(p)) else None
                   for p, t in zip(flat_primals, flat_tangents)]
    outs, tangents_out = jvp_flat(flat, primals_in, tangents_in)
    tangents_out = [instantiate_tangent(t, o) for t, o in zip(tangents_out, outs)]
    both = tree_unflatten(seen["tree"], outs), tree_unflatten(seen["tree"], tangents_out)
    return (*both, lower_aux(seen["aux"])) if has_aux else both


def check_tangent(primal: Aval, tangent: Aval) -> None:
    expected = tangent_aval(primal)
    if primal.shape != tangent.shape:
        raise ValueError(
            f"jvp called with different primal and tangent shapes;"
            f"Got primal shape {primal.shape} and tangent shape as {tangent.shape}")
    if expected.dtype != tangent.dtype and not tangent.weak_type:
        raise TypeError(
            "primal and tangent arguments to jax.jvp do not match; dtypes must be equal, or in "
            "case of int/bool primal dtype the tangent dtype must be float0.Got primal dtype "
            f"{primal.dtype} and so expected tangent dtype {expected.dtype}, but got tangent "
            f"dtype {tangent.dtype} instead.")


def tangent_aval(aval: Aval) -> Aval:
    return aval if is_differentiable(aval) else make_aval(aval.shape, FLOAT0)


def instantiate_tangent(t, primal):
    aval = aval_of(primal)
    if t is None and not is_differentiable(aval):
        return np.zeros(aval.shape, FLOAT0)
    return box(instantiate(t, primal), type(primal) if isinstance(primal, Tensor) else Tensor)


def lower_aux(aux):
    """Auxiliary outputs leave a jvp level as their primals."""
    leaves, tree = tree_flatten(aux)

    def lower(x):
        traced = isinstance(x, Tensor) and not x.spec.concrete and type(x.value) is JVPTracer
        return x.value.primal if traced and not x.value.trace.alive else x

    return tree_unflatten(tree, [lower(x) for x in leaves])


def jvp_jaxpr(jaxpr: Jaxpr, nonzeros: Sequence[bool], instantiate_out=None):
    """The program of a jvp: inputs are all primals, then the tangents that are not zero; outputs
    likewise. Returns it with the flags of the output tangents. Cached on the program."""
    key = "jvp", tuple(nonzeros), None if instantiate_out is None else tuple(instantiate_out)
    if key in jaxpr.cache:
        return jaxpr.cache[key]
    nonzero_out: list[bool] = []

    def fn(*args):
        primals, given = args[:len(nonzeros)], iter(args[len(nonzeros):])
        tangents = [next(given) if nz else None for nz in nonzeros]
        outs, tangents_out = jvp_flat(lambda *xs: eval_jaxpr(jaxpr, *xs), primals, tangents)
        wanted = instantiate_out or [False] * len(outs)
        nonzero_out[:] = [t is not None or w for t, w in zip(tangents_out, wanted)]
        return outs + [instantiate(t, o) for t, o, nz in zip(tangents_out, outs, nonzero_out) if nz]

    avals = jaxpr.in_avals
    tangent_avals = [a.strong for a, nz in zip(avals, nonzeros) if nz]
    result = stage(fn, [*avals, *tangent_avals], name="jvp"), nonzero_out
    jaxpr.cache[key] = result
    return result


# ------------------------------------------------------------------ linearize


class LinearTracer(Tracer):
    __slots__ = ("var",)

    def __init__(self, trace: LinearTrace, var: Var):
        self.trace, self.var, self.aval = trace, var, var.aval


class LinearTrace(StageTrace):
    """Writes down what depends on its inputs (the tangents) and runs the rest on the level below.
    A jvp pushed on top of it is a linearization: primals are computed, tangents are staged."""

    origin = "linearize"

    def new_input(self, aval: Aval):
        var = Var(aval)
        self.invars.append(var)
        return LinearTracer(self, var)

    def process(self, primitive, args, params):
        if not any(self.is_own(a) for a in args):
            return Trace.process(self, primitive, args, params)
        if rule := primitive.__dict__.get("partial_eval"):
            return rule(self, args, **params)
        return self.write(primitive, args, params)

    def interpret(self, primitive, args, params):
        return primitive(*args, **params)

    def is_own(self, a) -> bool:
        return type(a) is LinearTracer and a.trace is self

    def write(self, primitive, args, params):
        atoms = [self.atom(a) for a in args]
        avals = primitive.abstract(*[v.aval for v in atoms], **params)
        outvars = [Var(a) for a in (avals if primitive.multiple_results else [avals])]
        self.eqns.append(Eqn(primitive, atoms, outvars, params))
        outs = [LinearTracer(self, v) for v in outvars]
        return outs if primitive.multiple_results else outs[0]

    def atom(self, x):
        return x.var if self.is_own(x) else super().atom(x)


def linearize_flat(f: Callable[..., list], primals: Sequence, wanted: Sequence[bool] | None = None):
    """(outputs, linear program of the wanted inputs' tangents, nonzero flags of its outputs)."""
    wanted = wanted or [is_differentiable(aval_of(p)) for p in primals]
    linear = LinearTrace()
    with level(linear):
        tangents = [box(linear.new_input(aval_of(p).strong)) if w else None
                    for p, w in zip(primals, wanted, strict=True)]
        outs, tangents_out = jvp_flat(f, primals, tangents, reverse=True)
        nonzero = [t is not None for t in tangents_out]
        program = linear.program([t for t in tangents_out if t is not None])
    return outs, program, nonzero


def linearize(f: Callable, *primals, has_aux: bool = False):
    """`(f(*primals), f_lin)`; `f_lin(*tangents)` is the derivative at `primals`, computed once.

    >>> import minigrad as mg
    >>> y, f_lin = mg.linearize(mg.numpy.sin, 0.0)
    >>> float(f_lin(3.0))
    3.0
    """
    flat_primals, in_tree = tree_flatten(primals)
    flat_primals = [box(p) for p in flat_primals]
    flat, out = flatten_fun(f, in_tree, has_aux)
    outs, program, nonzero = linearize_flat(flat, flat_primals)
    out_tree = out["tree"]

    def f_lin(*tangents):
        flat_tangents, tree = tree_flatten(tangents)
        if tree != in_tree:
            raise TypeError(f"function returned by linearize: expected arguments of structure "
                            f"{in_tree}, got {tree}.")
        for t, p in zip(flat_tangents, flat_primals):
            if aval_of(t).shape != aval_of(p).shape:
                raise ValueError(
                    "linearized function called on tangent values inconsistent with the original "
                    f"primal values: got tangent aval {aval_of(t)} for primal aval {aval_of(p)}")
        given = [box(t) for t, p in zip(flat_tangents, flat_primals)
                 if is_differentiable(aval_of(p))]
        parts = iter(eval_jaxpr(program, *given))
        full = [next(parts) if nz else None for nz in nonzero]
        return tree_unflatten(out_tree, [instantiate_tangent(t, o) for t, o in zip(full, outs)])

    value = tree_unflatten(out_tree, outs)
    return (value, f_lin, lower_aux(out["aux"])) if has_aux else (value, f_lin)


def flatten_fun(f: Callable, in_tree, has_aux: bool = False):
    """`f` as a function of flat values; the output's structure is left in the dict."""
    seen: dict = {}

    def flat(*args):
        out = f(*tree_unflatten(in_tree, args))
        if has_aux:
            if not isinstance(out, (tuple, list)) or len(out) != 2:
                raise TypeError("with has_aux=True, the function must return a pair (out, aux), "
                                f"but got {type(out)}.")
            out, seen["aux"] = out
        leaves, seen["tree"] = tree_flatten(out)
        return [box(x) if not isinstance(x, Tensor) else x for x in leaves]

    flat.__name__ = getattr(f, "__name__", "<unnamed function>")
    return flat, seen
