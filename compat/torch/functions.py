"""What belongs nowhere else among the functions of `torch`: einsum, comparisons of whole tensors,
running sums, linear spaces of one call."""

from __future__ import annotations

import numpy as np

from compat.torch.dtypes import NAMED, SCALAR_NAMES, to_numpy, to_numpy_or_none
from compat.torch.joining import stack
from compat.torch.operation import operation, variadic
from compat.torch.products import einsum_body
from compat.torch.promotion import cast, category, is_floating, result_dtype
from compat.torch.promotion import promote_types as promote
from compat.torch.tensor import Tensor, array_of, from_array, wrap_dim
from compat.torch.views import broadcast_tensors
from minigrad import core
from minigrad.core import I64, aval_of, table
from minigrad.devices import is_marked

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
    if not isinstance(other, core.Tensor):
        raise TypeError("equal(): argument 'other' (position 2) must be Tensor, not "
                        f"{type(other).__name__}")
    return input.spec.shape == other.spec.shape and bool(
        np.array_equal(array_of(input), array_of(other)))


def isclose(input, other, rtol=1e-5, atol=1e-8, equal_nan=False):
    """|input - other| <= atol + rtol |other|, element by element."""
    for name, x in (("input", input), ("other", other)):
        if not isinstance(x, core.Tensor):
            raise TypeError(f"isclose(): argument '{name}' (position {1 + (name == 'other')}) must "
                            f"be Tensor, not {type(x).__name__}")
    if input.spec.dtype != other.spec.dtype:
        raise RuntimeError(f"{SCALAR_NAMES[input.spec.dtype.name]} did not match "
                           f"{SCALAR_NAMES[other.spec.dtype.name]}")
    for name, value in (("rtol", rtol), ("atol", atol)):
        if value < 0:
            raise RuntimeError(f"{name} must be greater than or equal to zero, but got {value}")
    same = input == other
    if equal_nan and is_floating(input.spec.dtype):
        same = same | (input.isnan() & other.isnan())
    if not is_floating(input.spec.dtype):
        if not rtol and not atol:
            return same
        input, other = input.double(), other.double()
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


def is_nonzero(input) -> bool:
    """Is the one element not zero?"""
    return bool(input)


def is_signed(input) -> bool:
    return input.dtype.is_signed


def is_same_size(input, other) -> bool:
    return input.spec.shape == other.spec.shape


def is_conj(input) -> bool:
    """Is this a lazily conjugated view? Here, conjugates are computed at once."""
    return False


def is_neg(input) -> bool:
    """Is this a lazily negated view? Here, none is."""
    return False


def is_inference(input) -> bool:
    return is_marked(input.spec)


def vander(x, N=None, increasing=False):
    """The matrix of powers of a vector."""
    if len(x.spec.shape) != 1:
        raise RuntimeError("x must be a one-dimensional tensor.")
    n = x.spec.shape[0] if N is None else N
    if n < 0:
        raise RuntimeError("N must be non-negative.")
    powers = np.arange(n) if increasing else np.arange(n)[::-1]
    base = x.long() if x.spec.dtype.kind in "iub" else x
    return base[:, None] ** from_array(np.ascontiguousarray(powers))


def cross(input, other, dim=None):
    """The vector product of three-dimensional vectors."""
    if len(input.spec.shape) != len(other.spec.shape):
        raise RuntimeError("linalg.cross: inputs must have the same number of dimensions.")
    if dim is not None and input.size(dim) == 3 != other.size(dim):
        raise RuntimeError(f"linalg.cross: inputs dimension {dim} must have length 3. Got "
                           f"{input.size(dim)} and {other.size(dim)}")
    input, other = broadcast_tensors(input, other)
    if dim is None:
        dim = next((i for i, n in enumerate(input.spec.shape) if n == 3), None)
        if dim is None:
            raise RuntimeError("no dimension of size 3 in input")
    if input.size(dim) != 3:
        raise RuntimeError(f"linalg.cross: inputs dimension {dim} must have length 3. Got "
                           f"{input.size(dim)} and {other.size(dim)}")
    x, y = (v.movedim(dim, -1) for v in (input, other))
    a, b, c = x.unbind(-1)
    d, e, f = y.unbind(-1)
    return stack([b * f - c * e, c * d - a * f, a * e - b * d], -1).movedim(-1, dim)


