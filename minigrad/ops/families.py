"""Families of primitives: the rules that many rows share, so that a row stays short.

`elementwise`: one result a position; strict broadcasting, generic batching.
`linear`: the jvp is the operation itself, the transpose is given.
`bilinear`: linear in each operand apart; one transpose an operand.
`reduction`: removes axes.

Rules are written an argument each: `jvp=(lambda t, out, x, y: mul(t, y), ...)` is the tangent of
the output for a tangent `t` of that argument, and is linear in `t`. `transpose` likewise gives
the cotangent of one argument that the output is linear in; the argument itself is then `Linear`.
"""

from __future__ import annotations

import functools

import numpy as np

from minigrad.core import PYTHON_SCALARS, Aval, Literal, Primitive, aval_of, is_linear, make_aval

Rules = tuple


def first(primitive, out):
    return out[0] if primitive.multiple_results else out


# ------------------------------------------------------------------ jvp and transpose from rules


def jvp_from_rules(primitive: Primitive, rules: Rules):
    """jvp(primals, tangents) as the sum of what each argument's rule contributes."""

    def jvp(primals, tangents, **params):
        out = primitive(*primals, **params)
        parts = [match_shape(rule(tangent, out, *primals, **params), aval_of(out))
                 for rule, tangent in zip(rules, tangents, strict=True)
                 if tangent is not None and rule is not None]
        return out, functools.reduce(add_any, parts) if parts else None

    return jvp


def jvp_of_linear(primitive: Primitive, rules: Rules):
    """Linear in all arguments together: where every tangent is there, apply it to them."""
    by_argument = jvp_from_rules(primitive, rules)

    def jvp(primals, tangents, **params):
        if any(t is None for t in tangents):
            return by_argument(primals, tangents, **params)
        return primitive(*primals, **params), primitive(*tangents, **params)

    return jvp


def transpose_from_rules(rules: Rules):
    def transpose(ct, args, **params):
        return [
            unbroadcast(arg.aval, rule(ct, *args, **params)) if is_linear(arg) else None
            for rule, arg in zip(rules, args, strict=True)
        ]

    return transpose


def match_shape(t, aval: Aval):
    """A tangent of a broadcast argument takes the shape of the result."""
    shape = aval_of(t).shape
    if shape == aval.shape:
        return t
    kept = tuple(i for i, (n, m) in enumerate(zip(shape, aval.shape)) if n == m)
    if len(kept) != len(shape):
        t = table_op("reshape")(t, new_sizes=tuple(shape[i] for i in kept))
    return table_op("broadcast_in_dim")(t, shape=aval.shape, broadcast_dimensions=kept)


def unbroadcast(aval: Aval, ct):
    """The transpose of broadcasting: sum over the axes that were stretched."""
    shape = aval_of(ct).shape
    if shape == aval.shape:
        return ct
    if not aval.shape:
        return table_op("reduce_sum")(ct, axes=tuple(range(len(shape))))
    axes = tuple(i for i, (n, m) in enumerate(zip(shape, aval.shape, strict=True)) if n != m)
    summed = table_op("reduce_sum")(ct, axes=axes)
    return table_op("reshape")(summed, new_sizes=aval.shape)


def table_op(name: str) -> Primitive:
    from minigrad.core import table

    return table[name]


# ------------------------------------------------------------------ elementwise


def elementwise(name: str, numpy, *, scalar: str | None = None, jvp: Rules | None = None,
                transpose: Rules | None = None, arity: int | None = None, accepts="fc",
                result=None, infix=None, together: bool = False, **attributes) -> Primitive:
    """A primitive that works on one position at a time.

    numpy:     the kernel, a ufunc or a function of arrays (and of the parameters)
    scalar:    the body for one element over x, y, z; every compiled kernel is written from it
    accepts:   kinds of dtype: f(loat) c(omplex) i(nt) u(nsigned) b(ool)
    result:    None (the dtype of the operands), a dtype, or a function of dtype and parameters
    together:  linear in all arguments at once (add, sub, neg)
    """
    arity = arity or len(jvp or transpose or (None,))
    p = Primitive(name, numpy, infix=infix, scalar=scalar, arity=arity, family="elementwise",
                  **attributes)

    def abstract(*avals, **params):
        check_dtypes(name, avals, accepts)
        dtype = avals[0].dtype
        if result is not None:
            dtype = result(dtype, **params) if callable(result) else result
        weak = all(a.weak_type for a in avals)
        return make_aval(broadcast_shapes(name, avals), dtype, weak)

    p.abstract = abstract
    p.prepare = adopt_dtype
    if jvp:
        p.jvp = (jvp_of_linear if together else jvp_from_rules)(p, jvp)
    if transpose:
        p.transpose = transpose_from_rules(transpose)
    p.batch = batch_elementwise(p)
    return p


def check_dtypes(name: str, avals, accepts: str) -> None:
    dtypes = [a.dtype for a in avals]
    if any(d != dtypes[0] for d in dtypes):
        got = ", ".join(d.name for d in dtypes)
        raise TypeError(
            f"lax.{name} requires arguments to have the same dtypes, got {got}. "
            "(Tip: jnp.{0} is a similar function that does automatic type promotion on inputs)."
            .replace("{0}", name)
        )
    if dtype_kind(dtypes[0]) not in accepts:
        raise TypeError(f"{name} does not accept dtype {dtypes[0].name}. Accepted kinds of dtype: "
                        f"{', '.join(KIND_NAMES[k] for k in accepts)}.")


KIND_NAMES = {"f": "floating", "c": "complexfloating", "i": "signedinteger",
              "u": "unsignedinteger", "b": "bool", "k": "key"}


def dtype_kind(dtype) -> str:
    """One letter for the category; bfloat16, which NumPy calls void, is a float, and a random
    key, a structure for NumPy, is a kind of its own."""
    kind = getattr(dtype, "kind", "k")
    return kind if kind != "V" else "f" if dtype.fields is None else "k"


def broadcast_shapes(name: str, avals) -> tuple[int, ...]:
    """lax's strict rule: equal ranks with dimensions equal or 1, or rank 0."""
    shapes = [a.shape for a in avals if a.shape]
    if not shapes:
        return ()
    if all(s == shapes[0] for s in shapes):
        return shapes[0]
    if len({len(s) for s in shapes}) != 1:
        raise TypeError(f"{name}: arrays must have the same number of dimensions, got "
                        f"{', '.join(str(len(s)) for s in shapes)}: shapes "
                        f"{', '.join(map(str, shapes))}.")
    out = []
    for sizes in zip(*shapes):
        wide = {n for n in sizes if n != 1}
        if len(wide) > 1:
            raise TypeError(f"{name} got incompatible shapes for broadcasting: "
                            f"{', '.join(map(str, shapes))}.")
        out.append(wide.pop() if wide else 1)
    return tuple(out)


def weak_scalar(value, dtype) -> Literal:
    """A Python scalar on its way into a program: weakly typed, with its dtype settled."""
    return Literal(np.asarray(value, dtype)[()], make_aval((), dtype, True))


def adopt_dtype(args, params) -> list:
    """A Python scalar takes the dtype of the operand beside it: `mul(x, 2.0)`."""
    args = list(args)
    if not any(type(a) in PYTHON_SCALARS for a in args):
        return args
    beside = next((aval_of(a) for a in args if type(a) not in PYTHON_SCALARS), None)
    if beside is None:
        beside = max((aval_of(a) for a in args), key=lambda a: "biufc".index(a.dtype.kind))
    return [weak_scalar(a, beside.dtype) if type(a) in PYTHON_SCALARS else a for a in args]


def batch_elementwise(primitive: Primitive):
    def batch(size, args, dims, **params):
        shapes = {(aval_of(a).shape, d) for a, d in zip(args, dims) if aval_of(a).shape}
        if len(shapes) == 1:  # agreeing batch axes beside scalars: nothing moves
            return primitive(*args, **params), next(iter(shapes))[1]
        moved = [move_batch_to_front(a, d) if aval_of(a).shape else a for a, d in zip(args, dims)]
        ndim = max(len(aval_of(a).shape) for a in moved)
        moved = [pad_rank(a, d, ndim) for a, d in zip(moved, dims)]
        return primitive(*moved, **params), 0

    return batch


def move_batch_to_front(x, dim):
    """Batch axis first; an unbatched operand gets an axis of size one there."""
    shape = aval_of(x).shape
    if dim is None:
        return table_op("broadcast_in_dim")(
            x, shape=(1, *shape), broadcast_dimensions=tuple(range(1, len(shape) + 1)))
    return move_axis(x, dim, 0)


def move_axis(x, source: int, target: int):
    if source == target:
        return x
    order = [i for i in range(len(aval_of(x).shape)) if i != source]
    order.insert(target, source)
    return table_op("transpose")(x, permutation=tuple(order))


def pad_rank(x, dim, ndim: int):
    """A batched scalar, now of rank one, is stood beside operands of higher rank."""
    shape = aval_of(x).shape
    if dim is None or len(shape) == ndim:
        return x
    return table_op("broadcast_in_dim")(
        x, shape=shape + (1,) * (ndim - len(shape)),
        broadcast_dimensions=tuple(range(len(shape))))


def broadcast_batch(x, dim, size: int):
    """Give `x` a real batch axis at the front, copying an unbatched operand along it."""
    if dim is not None:
        return move_axis(x, dim, 0)
    shape = aval_of(x).shape
    return table_op("broadcast_in_dim")(
        x, shape=(size, *shape), broadcast_dimensions=tuple(range(1, len(shape) + 1)))


# ------------------------------------------------------------------ linear, bilinear, reductions


def linear(name: str, impl, abstract, transpose, batch, **attributes) -> Primitive:
    """Linear in its first operand: `transpose(ct, x, *rest, **params)` gives its cotangent.
    Further operands (indices) are not differentiated."""
    p = Primitive(name, impl, abstract, batch=batch, family="linear", **attributes)

    def jvp(primals, tangents, **params):
        x, *rest = primals
        out = p(x, *rest, **params)
        return out, None if tangents[0] is None else p(tangents[0], *rest, **params)

    def transposed(ct, args, **params):
        return [transpose(ct, *args, **params)] + [None] * (len(args) - 1)

    p.jvp, p.transpose = jvp, transposed
    return p


def bilinear(name: str, impl, abstract, transpose: Rules, batch, **attributes) -> Primitive:
    p = Primitive(name, impl, abstract, batch=batch, family="bilinear", **attributes)
    p.jvp = jvp_from_rules(p, (
        lambda t, out, x, y, **params: p(t, y, **params),
        lambda t, out, x, y, **params: p(x, t, **params),
    ))

    def transposed(ct, args, **params):
        return [rule(ct, *args, **params) if is_linear(arg) else None
                for rule, arg in zip(transpose, args, strict=True)]

    p.transpose = transposed
    return p


def reduction(name: str, impl, *, jvp: Rules | None = None, transpose=None, accepts="fciub",
              result=None, **attributes) -> Primitive:
    """Removes `axes`. A reduction that is linear gives `transpose(ct, x, axes)`."""
    p = Primitive(name, impl, family="reduction", **attributes)

    def abstract(x, *, axes, **params):
        if dtype_kind(x.dtype) not in accepts:
            raise TypeError(f"{name} does not accept dtype {x.dtype.name}.")
        for axis in axes:
            if not 0 <= axis < len(x.shape):
                raise ValueError(f"{name}: axis {axis} is out of bounds for an operand of "
                                 f"shape {x.shape}.")
        shape = tuple(n for i, n in enumerate(x.shape) if i not in axes)
        dtype = result(x.dtype, **params) if result else x.dtype
        return make_aval(shape, dtype, x.weak_type and dtype == x.dtype)

    def batch(size, args, dims, *, axes, **params):
        (x,), (dim,) = args, dims
        axes = tuple(a + (a >= dim) for a in axes)
        return p(x, axes=axes, **params), dim - sum(a < dim for a in axes)

    p.abstract, p.batch = abstract, batch
    if transpose:
        p.transpose = lambda ct, args, **params: [transpose(ct, *args, **params)]
        p.jvp = jvp_from_rules(p, (lambda t, out, x, **params: p(t, **params),))
    if jvp:
        p.jvp = jvp_from_rules(p, jvp)
    return p


def zeros_like(x):
    """Zeros of the shape and type of a value, as a broadcast scalar: what a program shows."""
    aval = aval_of(x)
    return full(aval.shape, 0, aval.dtype, aval.weak_type)


def full(shape, value, dtype, weak: bool = False):
    filling = weak_scalar(value, dtype) if weak else np.asarray(value, dtype)[()]
    if not shape:
        return filling
    return table_op("broadcast_in_dim")(filling, shape=tuple(shape), broadcast_dimensions=())


def instantiate(t, like):
    """A symbolic zero made real."""
    return zeros_like(like) if t is None else t


add_any = elementwise("add_any", np.add, scalar="x + y", infix="{} + {}", accepts="fciub",
                      together=True, jvp=(lambda t, out, x, y: t,) * 2,
                      transpose=(lambda ct, x, y: ct,) * 2)
