"""A face of one page for tests of the engine: operators, a few functions, views, in-place writes.

It promotes nothing but Python scalars and broadcasts as PyTorch does. What a Tensor can do by
itself (`backward`, `detach`, hooks ...) it has from minigrad.
"""

import numpy as np

import minigrad as mg
from minigrad import core
from minigrad.imperative import views
from minigrad.core import PYTHON_SCALARS, make_spec, table


class Tensor(core.Tensor):
    @classmethod
    def result_class(cls):
        return Tensor


class Parameter(Tensor):
    """A subclass that results must not take."""


def tensor(values, requires_grad=False, dtype=np.float32, cls=Tensor):
    array = np.array(values, dtype)
    made = core.make_box(cls, array, make_spec(core.make_aval(array.shape, array.dtype)))
    return made.requires_grad_() if requires_grad else made


def aligned(x, y):
    """Operands of one dtype and rank; a Python scalar is weak and takes the other's dtype."""
    def settle(a, b):
        if type(a) in PYTHON_SCALARS or type(b) in PYTHON_SCALARS:
            return a
        if a.spec.aval.weak_type and a.spec.dtype != b.spec.dtype:
            a = table["convert_element_type"](a, new_dtype=b.spec.dtype, weak_type=False)
        missing = len(b.spec.shape) - len(a.spec.shape)
        if missing > 0 and a.spec.shape:
            a = table["reshape"](a, new_sizes=(1,) * missing + a.spec.shape)
        return a

    return settle(x, y), settle(y, x)


def operator(name, primitive):
    @mg.op(cls=Tensor, name=name, scalars=("x", "y"))
    def forward(x, y):
        return table[primitive](*aligned(x, y))

    def reflected(x, y):
        return forward(y, x)

    return forward, reflected


for symbol, primitive in {"add": "add", "sub": "sub", "mul": "mul", "truediv": "div",
                          "gt": "gt", "lt": "lt"}.items():
    forward, reflected = operator(primitive, primitive)
    setattr(Tensor, f"__{symbol}__", forward)
    setattr(Tensor, f"__r{symbol}__", reflected)

add, mul, sub, div = (getattr(Tensor, f"__{n}__") for n in ("add", "mul", "sub", "truediv"))


@mg.op(cls=Tensor)
def neg(x):
    return table["neg"](x)


@mg.op(cls=Tensor)
def exp(x):
    return table["exp"](x)


@mg.op(cls=Tensor)
def sin(x):
    return table["sin"](x)


@mg.op(cls=Tensor)
def tanh(x):
    return table["tanh"](x)


@mg.op(cls=Tensor)
def softplus(x):
    """Two steps whose intermediate value is saved: not an input, not the output."""
    return table["log1p"](table["exp"](x))


@mg.op(cls=Tensor, name="sum")
def total(x, axis=None):
    axes = tuple(range(len(x.spec.shape))) if axis is None else (axis,)
    return table["reduce_sum"](x, axes=axes)


@mg.op(cls=Tensor, tensors=("x", "y"))
def matmul(x, y):
    return table["dot_general"](x, y, dimension_numbers=(((1,), (0,)), ((), ())))


@mg.op(cls=Tensor)
def split(x, *, size):
    """Several results of one operation."""
    return table["split"](x, sizes=(size, x.spec.shape[0] - size), axis=0)


# ------------------------------------------------------------------ views


@mg.op(cls=Tensor, view=True)
def reshape(x, *, shape):
    return table["reshape"](x, new_sizes=shape)


@mg.op(cls=Tensor, view=True)
def transpose(x):
    return table["transpose"](x, permutation=tuple(range(len(x.spec.shape)))[::-1])


@mg.op(cls=Tensor, view=True)
def narrow(x, *, starts, stops, keep):
    """A block of `x`; dimensions that are not kept have size one."""
    out = table["slice"](x, start_indices=starts, limit_indices=stops, strides=None)
    return table["reshape"](out, new_sizes=tuple(out.spec.shape[i] for i in keep))


def getitem(x, key):
    """Integers and slices of step one, as views."""
    key = key if isinstance(key, tuple) else (key,)
    shape = x.spec.shape
    starts, stops, keep = [], [], []
    for i, n in enumerate(shape):
        k = key[i] if i < len(key) else slice(None)
        start, stop = k.indices(n)[:2] if isinstance(k, slice) else (k % n, k % n + 1)
        starts.append(start)
        stops.append(stop)
        keep += [i] if isinstance(k, slice) else []
    return narrow(x, starts=tuple(starts), stops=tuple(stops), keep=tuple(keep))


def copy_(x, source):
    """`source`, stretched to the shape and dtype of `x`, into the memory of `x`."""
    source = core.box(source, Tensor)
    shape = x.spec.shape
    if source.spec.dtype != x.spec.dtype:
        source = table["convert_element_type"](source, new_dtype=x.spec.dtype, weak_type=False)
    if source.spec.shape != shape:
        axes = tuple(range(len(shape) - len(source.spec.shape), len(shape)))
        source = table["broadcast_in_dim"](source, shape=shape, broadcast_dimensions=axes)
    return views.copy_(x, source)


def inplace(function):
    return lambda x, *others: views.write(x, function(x, *others))


METHODS = dict(
    __neg__=neg, exp=exp, sin=sin, tanh=tanh, sum=total, __matmul__=matmul,
    reshape=lambda x, shape: reshape(x, shape=shape),
    t=transpose, __getitem__=getitem, __setitem__=lambda x, key, new: copy_(x[key], new),
    copy_=copy_, add_=inplace(add), sub_=inplace(sub), mul_=inplace(mul), div_=inplace(div),
    exp_=inplace(exp), sin_=inplace(sin), __iadd__=inplace(add), __imul__=inplace(mul),
    __isub__=inplace(sub), view=lambda x, *shape: reshape(x, shape=shape))
for name, method in METHODS.items():
    setattr(Tensor, name, method)
