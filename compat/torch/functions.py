"""What belongs nowhere else among the functions of `torch`: einsum, comparisons of whole tensors,
running sums, linear spaces of one call."""

from __future__ import annotations

import numpy as np

from compat.torch.dtypes import NAMED, to_numpy, to_numpy_or_none
from compat.torch.joining import stack
from compat.torch.operation import operation, variadic
from compat.torch.products import einsum_body
from compat.torch.promotion import cast, category, is_floating, result_dtype
from compat.torch.promotion import promote_types as promote
from compat.torch.tensor import Tensor, from_array, wrap_dim
from minigrad import core
from minigrad.core import I64, aval_of, table

einsum_op = variadic(einsum_body, "einsum")


def einsum(equation, *operands):
    """Sums of products by the names of dimensions: "bik,bkj->bij"."""
    if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
        operands = operands[0]
    return einsum_op(list(operands), equation=equation)


def running(name: str):
    def fn(input, dim, dtype=None):
        kind = dtype or (aval_of(input).dtype if is_floating(aval_of(input).dtype) else I64)
        x = cast(input, kind)
        if not aval_of(x).shape:
            return x
        return table[name](x, axis=wrap_dim(dim, len(aval_of(x).shape)), reverse=False)

    op = operation(fn, name=name, tensors=("input",))

    def function(input, dim, *, dtype=None):
        return op(input, dim, to_numpy_or_none(dtype))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"torch.{name}: the running result along `dim`."
    return function


cumsum, cumprod = running("cumsum"), running("cumprod")


def equal(input, other) -> bool:
    """Same shape and elements."""
    return input.spec.shape == other.spec.shape and bool(
        np.array_equal(core.to_array(input), core.to_array(other)))


def isclose(input, other, rtol=1e-5, atol=1e-8, equal_nan=False):
    """|input - other| <= atol + rtol |other|, element by element."""
    same = input == other
    if equal_nan:
        same = same | (input.isnan() & other.isnan())
    gap, bound = (input - other).abs(), (other * rtol).abs() + atol
    return same | (gap.isfinite() & (gap <= bound))


def allclose(input, other, rtol=1e-5, atol=1e-8, equal_nan=False) -> bool:
    """Are all elements close?"""
    return bool(isclose(input, other, rtol, atol, equal_nan).all())


def result_type(tensor1, tensor2):
    """The dtype that arithmetic on the two gives."""
    return NAMED[result_dtype(tensor1, tensor2)]


def promote_types(type1, type2):
    """The dtype that tensors of the two dtypes meet at."""
    return NAMED[promote(to_numpy(type1), to_numpy(type2))]


def can_cast(from_, to) -> bool:
    """Does promotion allow writing `from_` into `to`?"""
    a, b = to_numpy(from_), to_numpy(to)
    return category(a) <= category(b)


def is_tensor(obj) -> bool:
    return isinstance(obj, Tensor)


def numel(input) -> int:
    return input.numel()


def is_floating_point(input) -> bool:
    return input.is_floating_point()


def cross(input, other, *, dim=-1):
    """The vector product of three-dimensional vectors."""
    x, y = (v.movedim(dim, -1) for v in (input, other))
    a, b, c = x.unbind(-1)
    d, e, f = y.unbind(-1)
    return stack([b * f - c * e, c * d - a * f, a * e - b * d], -1).movedim(-1, dim)


def bincount(input, weights=None, minlength=0):
    return from_array(np.bincount(core.to_array(input), None if weights is None else
                                  core.to_array(weights), minlength))


def unique(input, sorted=True, return_inverse=False, return_counts=False, dim=None):
    """The different elements, in order."""
    values, inverse, counts = np.unique(core.to_array(input), return_inverse=True,
                                        return_counts=True, axis=dim)
    out = [from_array(values)]
    if return_inverse:
        out.append(from_array(inverse.reshape(input.spec.shape if dim is None else -1)))
    if return_counts:
        out.append(from_array(counts))
    return out[0] if len(out) == 1 else tuple(out)
