"""Choosing between values, and values of another type: select_n, conversions, identities.

The rules of the other elementwise rows are written with these.
"""

from __future__ import annotations

import numpy as np

from kernels import reference
from minigrad.core import BOOL, Primitive, aval_of, is_linear, make_aval
from minigrad.ops.families import (
    adopt_dtype, broadcast_batch, check_dtypes, dtype_kind, elementwise, full, linear,
    move_axis, table_op, zeros_like,
)

# ------------------------------------------------------------------ selection


def select_n_abstract(which, *cases):
    if not cases:
        raise TypeError("select must have at least one case")
    check_dtypes("select", cases, "fciubk")
    if any(c.shape != cases[0].shape for c in cases):
        raise TypeError("select cases must have the same shapes, got "
                        f"[{', '.join(str(c.shape) for c in cases)}].")
    if which.shape not in ((), cases[0].shape):
        raise TypeError("select `which` must be scalar or have the same shape as cases, got "
                        f"`which` shape {which.shape} but case shape {cases[0].shape}.")
    if dtype_kind(which.dtype) not in "iub":
        raise TypeError("select `which` must be boolean or integer type, got "
                        f"{which.dtype.name}.")
    if which.dtype == BOOL and len(cases) > 2:
        raise TypeError("select with boolean `which` cannot have > 2 cases.")
    return make_aval(cases[0].shape, cases[0].dtype, all(c.weak_type for c in cases))


def select_n_jvp(primals, tangents):
    which, *cases = primals
    out, ts = select_n(which, *cases), tangents[1:]
    if all(t is None for t in ts):
        return out, None
    zeros = zeros_like(next(t for t in ts if t is not None))
    return out, select_n(which, *[zeros if t is None else t for t in ts])


def select_n_transpose(ct, args):
    """The case that was chosen gets the cotangent, the others zero."""
    which, *cases = args
    zeros = zeros_like(ct)

    def to_case(i: int):
        if aval_of(which).dtype == BOOL:
            return select(which, ct, zeros) if i else select(which, zeros, ct)
        return select(table_op("eq")(which, i), ct, zeros)

    return [None, *(to_case(i) if is_linear(case) else None for i, case in enumerate(cases))]


def select_n_batch(size, args, dims):
    which, *cases = args
    which_dim, *case_dims = dims
    ndim = max(len(aval_of(c).shape) - (d is not None) for c, d in zip(cases, case_dims))
    if len(set(case_dims)) == 1 and case_dims[0] is not None:
        (dim,) = set(case_dims)
        if which_dim == dim:
            return select_n(along_axis(which, dim, cases[0], ndim), *cases), dim
        if not aval_of(which).shape:
            return select_n(which, *cases), dim
    if aval_of(which).shape:
        which = broadcast_batch(which, which_dim, size)
    cases = [broadcast_batch(c, d, size) for c, d in zip(cases, case_dims)]
    if aval_of(which).shape:
        which = along_axis(which, 0, cases[0], ndim)
    return select_n(which, *cases), 0


def along_axis(x, dim: int, like, ndim: int):
    """A batched scalar, now of rank one, is stretched over examples of rank `ndim`."""
    if not ndim or len(aval_of(x).shape) > 1:
        return x
    return table_op("broadcast_in_dim")(x, shape=aval_of(like).shape, broadcast_dimensions=(dim,))


select_n = Primitive(  # compiled kernels take two cases and a boolean; others go by `impl`
    "select_n", reference.select_n, select_n_abstract, select_n_jvp, select_n_transpose,
    select_n_batch, family="elementwise", scalar="z if x else y", arity=3,
    prepare=lambda args, params: [args[0], *adopt_dtype(args[1:], params)],
)


def select(condition, on_true, on_false):
    """`on_true` where the condition holds. `select_n` itself counts its cases: False is case 0."""
    return select_n(condition, on_false, on_true)


def filled(x, value):
    """`value` in the shape and dtype of `x`."""
    aval = aval_of(x)
    return full(aval.shape, value, aval.dtype)


# ------------------------------------------------------------------ conversion


def convert(x, dtype):
    """`x` as `dtype`; no equation if it is that already."""
    return x if aval_of(x).dtype == dtype else convert_element_type(x, new_dtype=np.dtype(dtype))


def convert_jvp(primals, tangents, *, new_dtype, **params):
    out = convert_element_type(*primals, new_dtype=new_dtype, **params)
    if tangents[0] is None or dtype_kind(np.dtype(new_dtype)) not in "fc":
        return out, None
    return out, convert_element_type(*tangents, new_dtype=new_dtype, **params)


convert_element_type = Primitive(
    "convert_element_type", reference.convert_element_type,
    lambda x, *, new_dtype, weak_type, sharding: make_aval(x.shape, new_dtype, weak_type),
    jvp=convert_jvp,
    transpose=lambda ct, args, **_: [convert_element_type(
        ct, new_dtype=args[0].dtype, weak_type=args[0].aval.weak_type)],
    batch=lambda size, args, dims, **params: (convert_element_type(*args, **params), *dims),
    family="elementwise", scalar="convert_element_type(x)", arity=1,
    defaults={"weak_type": False, "sharding": None},
)


def bitcast(x, *, new_dtype):
    """The same bits as another dtype; a last axis holds the pieces of a wider number."""
    new_dtype, x = np.dtype(new_dtype), np.ascontiguousarray(x).reshape(np.shape(x))
    if x.dtype.itemsize == new_dtype.itemsize:
        return x.view(new_dtype)
    if x.dtype.itemsize > new_dtype.itemsize:
        return x[..., None].view(new_dtype)
    return x.view(new_dtype)[..., 0]


def bitcast_abstract(x, *, new_dtype):
    new_dtype = np.dtype(new_dtype)
    if x.dtype != new_dtype and {dtype_kind(x.dtype), dtype_kind(new_dtype)} & {"b", "c"}:
        raise TypeError(
            "lax.bitcast_convert_type does not support bool or complex values unless the operand "
            f"and destination types match. Got operand dtype={x.dtype.name}, {new_dtype=}. "
            "Consider using the arr.view() method instead.")
    old, new, shape = x.dtype.itemsize, new_dtype.itemsize, x.shape
    if old > new:
        return make_aval((*shape, old // new), new_dtype)
    if old < new:
        last = shape[-1] if shape else 1
        if last * old != new:
            raise ValueError(
                f"Attempting to convert array of shape {shape} from {x.dtype.name} of size "
                f"{8 * old} bits to {new_dtype.name} of size {8 * new}, bits but {last} * "
                f"{8 * old} != {8 * new}")
        shape = shape[:-1]
    return make_aval(shape, new_dtype)


bitcast_convert_type = Primitive(
    "bitcast_convert_type", bitcast, bitcast_abstract,
    jvp=lambda primals, tangents, **params: (bitcast_convert_type(*primals, **params), None),
    batch=lambda size, args, dims, **params: (
        bitcast_convert_type(move_axis(*args, *dims, 0), **params), 0),
    view=True,
)


def reduce_precision_dtype(dtype, *, exponent_bits, mantissa_bits):
    if exponent_bits < 1:
        raise ValueError("reduce_precision: exponent_bits must be positive; got "
                         f"{exponent_bits}")
    if mantissa_bits < 0:
        raise ValueError("reduce_precision: mantissa_bits must be non-negative; got "
                         f"{mantissa_bits}")
    return dtype


reduce_precision = elementwise(  # linear by decree: a rounding error is no reason for zeros
    "reduce_precision", reference.reduce_precision, scalar="reduce_precision(x)", accepts="f",
    result=reduce_precision_dtype, together=True,
    jvp=(lambda t, out, x, **params: reduce_precision(t, **params),),
    transpose=(lambda ct, x, **params: reduce_precision(ct, **params),),
)

# ------------------------------------------------------------------ identities

copy = linear("copy", np.copy, lambda x: x, lambda ct, x: copy(ct),
              lambda size, args, dims: (copy(*args), *dims))

stop_gradient = Primitive(  # its jvp applies it again, so that every level above stops too
    "stop_gradient", lambda x: x, lambda x: x,
    jvp=lambda primals, tangents: (stop_gradient(*primals), None),
    batch=lambda size, args, dims: (stop_gradient(*args), *dims),
    view=True, recorded=False,  # or zeros would go back through what it hides, as kernels
)
