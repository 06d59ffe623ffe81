"""Windows that slide over an array (pooling), and running sums, products and maxima.

Max pooling shows how two primitives are each other's transpose: the tangent of a maximum is
*gathered* from where the window has its largest element, so a cotangent is *scattered* there:

>>> import minigrad
>>> pairs = dict(window_dimensions=(2,), window_strides=(2,), padding=((0, 0),),
...              base_dilation=(1,), window_dilation=(1,))
>>> x = np.array([1, 5, 4, 3], np.float32)
>>> largest, pull_back = minigrad.vjp(lambda x: reduce_window_max(x, **pairs), x)
>>> largest, pull_back(np.array([10, 20], np.float32))
(Tensor([5. 4.]), (Tensor([ 0. 10. 20.  0.]),))
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from kernels import pooling, reductions
from kernels import windows as kernels
from kernels.reference import highest, lowest
from minigrad.core import BOOL, Primitive, aval_of, make_aval, world_of
from minigrad.forward import jvp_flat, jvp_jaxpr
from minigrad.ops.axes import check_sizes, insert, moves, skip
from minigrad.ops.calls import custom_jvp
from minigrad.ops.convolution import dilated, padding_for_x
from minigrad.ops.elementwise import (
    abs_, add, complex_, eq, ge, imag, le, lt, max_, min_, mul, ne, neg, or_, real, rem, sub,
)
from minigrad.ops.families import broadcast_batch, dtype_kind, instantiate, jvp_from_rules, linear
from minigrad.ops.selection import filled, select
from minigrad.ops.shaping import (
    concatenate, example_by_example, pad, rev, slice_, slice_in_dim,
)
from minigrad.ops.transcendental import exp, log1p
from minigrad.programs.source import run_program

# ------------------------------------------------------------------ shapes and batching


def window_shape(x, *, window_dimensions, window_strides, padding, base_dilation,
                 window_dilation) -> tuple[int, ...]:
    """How many windows there are along each axis."""
    check_sizes("reduce_window", "window_dimensions", window_dimensions, least=1)
    check_sizes("reduce_window", "window_strides", window_strides, least=1)
    check_sizes("reduce_window", "base_dilation", base_dilation)
    check_sizes("reduce_window", "window_dilation", window_dilation)
    if len(x.shape) != len(window_dimensions):
        raise TypeError("reduce_window got the wrong number of window_dimensions for operand: got "
                        f"operand shape {x.shape} with window_dimensions {window_dimensions}.")
    for name, value in (("window_strides", window_strides), ("base_dilation", base_dilation),
                        ("window_dilation", window_dilation)):
        if len(value) != len(window_dimensions):
            raise TypeError(f"reduce_window got inconsistent {name} and window_dimensions: got "
                            f"{name} {value} and window_dimensions {window_dimensions}.")
    sizes = dilated(x.shape, base_dilation)
    extents = dilated(window_dimensions, window_dilation)
    return tuple(max(0, (n + low + high - extent) // stride + 1)
                 for n, (low, high), extent, stride in
                 zip(sizes, padding, extents, window_strides))


def batched_window(dim: int, *, padding, **sizes) -> dict:
    """The window's parameters with an axis at `dim` along which it does nothing."""
    return {"padding": insert(padding, dim, (0, 0)),
            **{name: insert(value, dim, 1) for name, value in sizes.items()}}


def window_batch(primitive: Callable[[], Primitive]):
    def batch(size, args, dims, **window):
        return primitive()(*args, **batched_window(*dims, **window)), *dims

    return batch


# ------------------------------------------------------------------ sum, maximum, minimum


def window_sum_shape(x, **window):
    if x.dtype == BOOL:
        raise TypeError("operand to reduce_window_sum must have a number dtype, got bool")
    return window_shape(x, **window)


def window_sum_transpose(ct, x, *, window_dimensions, window_strides, padding, base_dilation,
                         window_dilation):
    """Every place gets the cotangents of the windows it is in: a sum over windows again, of the
    cotangent with the strides as holes and padded as for a full convolution."""
    pads = padding_for_x(x.shape, window_dimensions, window_strides, aval_of(ct).shape, padding,
                         base_dilation, window_dilation)
    config = tuple((low, high, stride - 1) for (low, high), stride in zip(pads, window_strides))
    return reduce_window_sum(
        pad(ct, 0.0, padding_config=config), window_dimensions=window_dimensions,
        window_strides=base_dilation, padding=((0, 0),) * len(x.shape),
        base_dilation=(1,) * len(x.shape), window_dilation=window_dilation)


reduce_window_sum = moves(
    "reduce_window_sum", pooling.reduce_window_sum, window_sum_shape, window_sum_transpose,
    window_batch(lambda: reduce_window_sum),
)


def window_of_winner(name: str, impl, select_prim: Primitive) -> Primitive:
    """The largest or smallest of every window; its tangent is that of the first of equals."""
    p = Primitive(
        name, impl,
        lambda x, **window: make_aval(window_shape(x, **window), x.dtype, x.weak_type),
        batch=window_batch(lambda: p))
    p.jvp = jvp_from_rules(p, (
        lambda t, out, x, **window: select_and_gather_add(t, x, select_prim=select_prim, **window),
    ))
    return p


reduce_window_max = window_of_winner("reduce_window_max", pooling.reduce_window_max, ge)
reduce_window_min = window_of_winner("reduce_window_min", pooling.reduce_window_min, le)

# ------------------------------------------------------------------ from and to the winner


def gather_abstract(tangents, x, *, select_prim, **window):
    if tangents.shape != x.shape:
        raise TypeError("select_and_gather_add tangents and operand shapes must match, got "
                        f"{tangents.shape} and {x.shape}.")
    return make_aval(window_shape(x, **window), tangents.dtype,
                     tangents.weak_type and x.weak_type)


def gather_transpose(ct, tangents, x, *, select_prim, base_dilation, window_dilation, **window):
    if any(d != 1 for d in window_dilation):
        raise NotImplementedError("VJP not implemented for select_and_gather (MaxPool) with window "
                                  f"dilation, got window_dilation={window_dilation}.")
    if all(d == 1 for d in base_dilation):
        return select_and_scatter_add(ct, x, select_prim=select_prim, **window)
    worst = lowest if select_prim is ge else highest
    x = pad(x, worst(aval_of(x).dtype), padding_config=tuple((0, 0, d - 1) for d in base_dilation))
    out = select_and_scatter_add(ct, x, select_prim=select_prim, **window)
    shape = aval_of(out).shape
    return slice_(out, start_indices=(0,) * len(shape), limit_indices=shape,
                  strides=tuple(base_dilation))


def both_batched(primitive: Callable[[], Primitive]):
    def batch(size, args, dims, *, select_prim, **window):
        args = [broadcast_batch(x, d, size) for x, d in zip(args, dims)]
        return primitive()(*args, select_prim=select_prim, **batched_window(0, **window)), 0

    return batch


select_and_gather_add = linear(  # tangents, operand -> the tangent of the winner of each window
    "select_and_gather_add", kernels.select_and_gather_add, gather_abstract, gather_transpose,
    both_batched(lambda: select_and_gather_add),
)


def scatter_transpose(ct, source, x, **window):
    ones = (1,) * len(window["window_dimensions"])
    return select_and_gather_add(ct, x, base_dilation=ones, window_dilation=ones, **window)


select_and_scatter_add = linear(  # source, operand -> each element of source put on the winner
    "select_and_scatter_add", pooling.select_and_scatter_add,
    lambda source, x, **_: make_aval(x.shape, source.dtype, source.weak_type and x.weak_type),
    scatter_transpose, both_batched(lambda: select_and_scatter_add),
)

# ------------------------------------------------------------------ any reduction


def reduce_window_impl(*operands, jaxpr, consts, **window):
    """The kernel takes identities for initial values; others also count once in every window."""
    def combine(*pairs):
        return run_program(jaxpr, [*consts, *pairs])

    world = world_of(operands)
    on = kernels if world is None else world.kernels.windows
    out = on.reduce_window(*operands, function=combine, **window)
    outs = out if isinstance(out, tuple) else (out,)
    initials = operands[len(outs):]
    return combine(*(on.np.broadcast_to(i, outs[0].shape) for i in initials), *outs)


def reduce_window_abstract(*avals, jaxpr, consts, **window):
    arrays, initials = avals[:len(avals) // 2], avals[len(avals) // 2:]
    if any(x.dtype != i.dtype for x, i in zip(arrays, initials)):
        raise TypeError(
            "reduce_window got inconsistent dtypes for operands and init_values: got operand "
            f"dtypes {[x.dtype for x in arrays]} and init_value dtypes "
            f"{[i.dtype for i in initials]}.")
    if any(i.shape for i in initials):
        raise TypeError("reduce_window expected init_values to be scalars but init_values have "
                        f"shapes {[i.shape for i in initials]}.")
    shape = window_shape(arrays[0], **window)
    return [make_aval(shape, x.dtype) for x in arrays]


def reduce_window_jvp(primals, tangents, *, jaxpr, consts, **window):
    """Reduce pairs (primal, tangent) by the jvp of the reducing function."""
    n = len(primals) // 2
    if any(t is not None for t in tangents[n:]):
        raise TypeError("reduce_window jvp does not support non-zero init_value_tangent.")
    filled_in = [instantiate(t, x) for t, x in zip(tangents, primals)]
    known = len(consts)
    both, _ = jvp_jaxpr(jaxpr, [False] * known + [True] * 2 * n, [True] * n)
    left, right = both.invars[known:known + n], both.invars[known + n:known + 2 * n]
    t_left, t_right = both.invars[known + 2 * n:known + 3 * n], both.invars[known + 3 * n:]
    paired = both.replace(invars=[*both.invars[:known], *left, *t_left, *right, *t_right])
    outs = reduce_window(*primals[:n], *filled_in[:n], *primals[n:], *filled_in[n:],
                         jaxpr=paired, consts=consts, **window)
    return outs[:n], outs[n:]


def reduce_window_batch(size, args, dims, **params):
    """One more axis that the window passes by. An initial value pads all windows alike, so where
    those are batched (JAX refuses) each example is reduced by itself."""
    n = len(args) // 2
    if all(d is None for d in dims[n:]):
        arrays = [broadcast_batch(x, d, size) for x, d in zip(args[:n], dims)]
        fixed = {name: params.pop(name) for name in ("jaxpr", "consts")}
        return reduce_window(*arrays, *args[n:], **fixed, **batched_window(0, **params)), [0] * n
    return example_by_example(reduce_window, size, args, dims, **params)


reduce_window = Primitive(  # n arrays, n initial values; `jaxpr` reduces n lefts and n rights
    "reduce_window", reduce_window_impl, reduce_window_abstract, reduce_window_jvp,
    batch=reduce_window_batch, multiple_results=True)

# ------------------------------------------------------------------ running reductions


def running_shape(name: str):
    def shape(x, *, axis, reverse):
        if x.dtype == BOOL:
            raise TypeError(f"{name} does not accept dtype bool. Accepted dtypes are subtypes of "
                            "number.")
        if axis < 0:
            raise ValueError("XLA operations do not allow negative axes")
        if axis >= len(x.shape):
            raise ValueError(f"axis {axis} is out of bounds for array of shape {x.shape}")
        return x.shape

    return shape


def running_batch(primitive: Callable[[], Primitive]):
    def batch(size, args, dims, *, axis, reverse):
        return primitive()(*args, axis=skip(axis, *dims), reverse=reverse), *dims

    return batch


cumsum = moves(
    "cumsum", reductions.cumsum, running_shape("cumsum"),
    lambda ct, x, *, axis, reverse: cumsum(ct, axis=axis, reverse=not reverse),
    running_batch(lambda: cumsum), defaults={"reverse": False},
)


def running(name: str, impl, combine: Callable) -> Primitive:
    """A running reduction; its derivative is that of the same reduction as a tree of `combine`."""
    shape = running_shape(name)

    def abstract(x, **params):
        return x.update(shape=shape(x, **params))

    def jvp(primals, tangents, *, axis, reverse):
        one = lambda a, b: [combine(a[0], b[0])]
        (out,), (tangent,) = jvp_flat(
            lambda x: associative_scan(one, [x], axis, reverse), primals, tangents)
        return out, tangent

    p = Primitive(name, impl, abstract, jvp, batch=running_batch(lambda: p),
                  defaults={"reverse": False})
    return p


def associative_scan(combine: Callable, xs: Sequence, axis: int = 0, reverse=False) -> list:
    """For arrays scanned together: all partial results of `combine` along `axis`, in about
    2 log2(n) steps on whole arrays.

    Neighbours are combined and the half as many results are scanned: that gives every second
    partial result. Each of the others is the one before it combined with one element.

    Source: G. E. Blelloch, "Prefix sums and their applications" (1990), as in
    jax.lax.associative_scan.
    """
    def part(xs, start, stop, stride=1):
        return [slice_in_dim(x, start, stop, stride, axis) for x in xs]

    def scan(xs):
        n = aval_of(xs[0]).shape[axis]
        if n < 2:
            return xs
        odd = scan(combine(part(xs, 0, -1, 2), part(xs, 1, None, 2)))
        before = odd if n % 2 else part(odd, 0, -1)
        even = combine(before, part(xs, 2, None, 2))
        even = [concatenate(x, e, dimension=axis) for x, e in zip(part(xs, 0, 1), even)]
        return [interleave(e, o, axis) for e, o in zip(even, odd)]

    if not reverse:
        return scan(xs)
    return [rev(x, dimensions=(axis,)) for x in scan([rev(x, dimensions=(axis,)) for x in xs])]


def interleave(a, b, axis: int):
    """a[0], b[0], a[1], b[1] ...: each with zeros for the other, added."""
    aval = aval_of(a)
    longer = aval.shape[axis] - aval_of(b).shape[axis]  # 0, or 1 where `a` has the last element

    def spread(x, low, high):
        config = [(0, 0, 0)] * len(aval.shape)
        config[axis] = (low, high, 1)
        return pad(x, aval.dtype.type(0), padding_config=tuple(config))

    join = or_ if aval.dtype == BOOL else add
    return join(spread(a, 0, 1 - longer), spread(b, 1, longer))


@custom_jvp
def logaddexp(x, y):
    """log(exp(x) + exp(y)) without overflow: the larger one, plus a little."""
    if dtype_kind(aval_of(x).dtype) == "c":
        return complex_log_add(x, y, exp)
    larger = max_(x, y)
    gap = sub(x, y)
    same_infinity_or_nan = ne(gap, gap)
    return select(same_infinity_or_nan, add(x, y), add(larger, log1p(exp(neg(abs_(gap))))))


@logaddexp.defjvp
def _logaddexp_jvp(primals, tangents):
    """The weight of each tangent is its share of the sum; that of inf among infs is 1."""
    (x, y), (t_x, t_y) = primals, tangents
    out = logaddexp(x, y)

    def share(x):
        return exp(sub(inf_as_zero(x), inf_as_zero(out)))

    return out, add(mul(t_x, share(x)), mul(t_y, share(y)))


def inf_as_zero(x):
    return select(eq(x, np.inf), filled(x, 0), x)


def complex_log_add(x, y, exponential: Callable, scale: float = 1.0):
    """log(exp(x) + exp(y)), or with another base that has 1 / log(base) as its `scale`. Logarithms
    of complex numbers are many: the imaginary part is that between -pi and pi, times `scale`."""
    larger = max_(x, y)
    gap = sub(add(x, y), mul(larger, filled(larger, 2)))
    rest = log1p(exponential(gap))
    out = add(larger, rest if scale == 1 else mul(filled(rest, scale), rest))
    angle, half = imag(out), np.pi * scale
    turned = rem(add(angle, filled(angle, half)), filled(angle, 2 * half))
    turned = select(lt(turned, filled(turned, 0)), add(turned, filled(turned, 2 * half)), turned)
    return complex_(real(out), sub(turned, filled(turned, half)))


cumprod = running("cumprod", reductions.cumprod, mul)
cummax = running("cummax", reductions.cummax, max_)
cummin = running("cummin", reductions.cummin, min_)
cumlogsumexp = running("cumlogsumexp", reductions.cumlogsumexp, logaddexp)
